// The node of a Gaudi2: what it tells of the card, and work on its queues.
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/qman.h"
#include "simulator/device_node/gaudi2_node_testing.h"
#include "simulator/driver.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {
namespace {

constexpr uint64_t kDramPage = 0x30000000;

TEST_F(Gaudi2NodeTest, TheNodeTellsWhatTheChipIs) {
  EXPECT_EQ(node_->pci_device_id(), 0x1020u);
  EXPECT_EQ(node_->device_type(), "GAUDI2");
  NodeFile file(node_.get(), folder_);
  hl_info_hw_ip_info ip{};
  ASSERT_EQ(file.Info(HL_INFO_HW_IP_INFO, &ip), 0);
  EXPECT_EQ(ip.device_id, 0x1020u);
  EXPECT_EQ(ip.dram_base_address, 0x1001001800000000u) << "by virtual address";
  EXPECT_EQ(ip.dram_size, 0x1800000000u - kDramPage);
  EXPECT_EQ(ip.dram_page_size, kDramPage);
  EXPECT_EQ(ip.device_mem_alloc_default_page_size, kDramPage);
  EXPECT_EQ(ip.sram_base_address, 0x1000FFFFFD000000u);
  EXPECT_EQ(ip.sram_size, 0x3000000u);
  EXPECT_EQ(ip.tpc_enabled_mask_ext, 0xFFFFFFu);
  EXPECT_EQ(ip.edma_enabled_mask, 0xFFu);
  EXPECT_EQ(ip.dram_enabled, 1u);
  EXPECT_EQ(ip.first_available_interrupt_id, 257u);
  EXPECT_EQ(ip.number_of_user_interrupts, 0u) << "none is modelled";
}

TEST_F(Gaudi2NodeTest, TheKernelsSyncObjectsAreOfTheFirstDcore) {
  NodeFile file(node_.get(), folder_);
  hl_info_sync_manager manager{};
  ASSERT_EQ(file.Info(HL_INFO_SYNC_MANAGER, &manager, 0), 0);
  EXPECT_EQ(manager.first_available_sync_object, 413u);
  EXPECT_EQ(manager.first_available_monitor, 289u);
  EXPECT_EQ(manager.first_available_cq, 2u);
  for (uint32_t dcore = 1; dcore < 4; ++dcore) {
    ASSERT_EQ(file.Info(HL_INFO_SYNC_MANAGER, &manager, dcore), 0);
    EXPECT_EQ(manager.first_available_sync_object, 0u);
    EXPECT_EQ(manager.first_available_monitor, 0u);
    EXPECT_EQ(manager.first_available_cq, 0u);
  }
  EXPECT_EQ(file.Info(HL_INFO_SYNC_MANAGER, &manager, 4), -EINVAL);
}

TEST_F(Gaudi2NodeTest, ClocksPagesAndEventsAreTheChips) {
  NodeFile file(node_.get(), folder_);
  hl_pll_frequency_info pll{};
  ASSERT_EQ(file.Info(HL_INFO_PLL_FREQUENCY, &pll, HL_GAUDI2_TPC_PLL), 0);
  EXPECT_EQ(pll.output[0], 1800);
  ASSERT_EQ(file.Info(HL_INFO_PLL_FREQUENCY, &pll, HL_GAUDI2_DMA_PLL), 0);
  EXPECT_EQ(pll.output[0], 1750);
  EXPECT_EQ(file.Info(HL_INFO_PLL_FREQUENCY, &pll, HL_GAUDI2_MSS_PLL), 0);
  EXPECT_EQ(file.Info(HL_INFO_PLL_FREQUENCY, &pll, HL_GAUDI2_PLL_MAX), -EINVAL);
  hl_info_dev_memalloc_page_sizes pages{};
  ASSERT_EQ(file.Info(HL_INFO_DEV_MEM_ALLOC_PAGE_SIZES, &pages), 0);
  EXPECT_EQ(pages.page_order_bitmask, 0u) << "no size is a power of two";
  hl_info_clk_rate rate{};
  ASSERT_EQ(file.Info(HL_INFO_CLK_RATE, &rate), 0);
  EXPECT_EQ(rate.max_clk_rate_mhz, 1650u);
  std::vector<uint32_t> events(4096, 7);
  hl_info_hw_ip_info ip{};
  ASSERT_EQ(file.Info(HL_INFO_HW_IP_INFO, &ip), 0);
  hl_info_args args{};
  args.op = HL_INFO_HW_EVENTS;
  args.return_pointer = reinterpret_cast<uint64_t>(events.data());
  args.return_size = static_cast<uint32_t>(events.size() * sizeof(uint32_t));
  ASSERT_EQ(file.Ioctl(HL_IOCTL_INFO, &args), 0);
  EXPECT_EQ(events[ip.num_of_events - 1], 0u);
  EXPECT_EQ(events[ip.num_of_events], 7u);
}

TEST_F(Gaudi2NodeTest, BytesGoThroughDramAndSramByCommandsOfTheProgramsOwn) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  hl_info_hw_ip_info ip{};
  ASSERT_EQ(file.Info(HL_INFO_HW_IP_INFO, &ip), 0);
  const uint64_t dram = MakeDram(file, ip.dram_size);
  EXPECT_EQ(dram, ip.dram_base_address);
  const Place data = arena.Take(5000), back = arena.Take(5000);
  for (uint32_t i = 0; i < 5000; ++i) arena.At(data.address)[i] = static_cast<std::byte>(i * 7);
  for (const uint64_t device : {dram + ip.dram_size - 5000, ip.sram_base_address}) {
    std::memset(arena.At(back.address), 0, 5000);
    Run(file, {UserChunk(kPdma, arena.Put(Copy2(data.address, device, 5000)))});
    Run(file, {UserChunk(abi2::PdmaQueue(1, 2), arena.Put(Copy2(device, back.address, 5000)))});
    EXPECT_EQ(std::memcmp(arena.At(data.address), arena.At(back.address), 5000), 0);
  }
}

TEST_F(Gaudi2NodeTest, CommandsMayBeTheKernelsOnEveryQueue) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  const Place data = arena.Take(64), back = arena.Take(64);
  std::memset(arena.At(data.address), 0x5A, 64);
  hl_info_hw_ip_info ip{};
  ASSERT_EQ(file.Info(HL_INFO_HW_IP_INFO, &ip), 0);
  uint32_t bytes = 0;
  uint64_t handle = file.Commands(&bytes, Copy2(data.address, ip.sram_base_address, 64));
  Run(file, {NodeFile::Chunk(kPdma, handle, bytes)});
  handle = file.Commands(&bytes, Copy2(ip.sram_base_address, ip.sram_base_address + 128, 64));
  Run(file, {NodeFile::Chunk(abi2::EdmaQueue(2, 1, 3), handle, bytes)});
  handle = file.Commands(&bytes, Copy2(ip.sram_base_address + 128, back.address, 64));
  Run(file, {NodeFile::Chunk(kPdma, handle, bytes)});
  EXPECT_EQ(arena.At(back.address)[63], std::byte{0x5A});
}

TEST_F(Gaudi2NodeTest, ASubmissionIsDoneWhenEveryQueueIs) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  uint64_t sequence = 0;
  ASSERT_EQ(file.Submit({UserChunk(kPdma, arena.Put(abi2::PacketNop())),
                         UserChunk(kTpc, arena.Put(Fence2()))},
                        &sequence),
            0);
  hl_wait_cs_out out{};
  EXPECT_EQ(file.Wait(sequence, kSecond, &out), 0);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_BUSY));
  const uint64_t fence = abi2::TpcQmanBase(0, 0) + abi2::qman::CpFenceRdata(0, 0);
  Run(file, {UserChunk(kPdma, arena.Put(Message2(fence, 1)))});
  EXPECT_EQ(file.Wait(sequence, kSecond, &out), 0);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_COMPLETED));
}

TEST_F(Gaudi2NodeTest, BusyEnginesAreNamedByTheUapisNumbers) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  uint64_t sequence = 0;
  const Place fence = arena.Put(Fence2());
  ASSERT_EQ(
      file.Submit(
          {UserChunk(abi2::PdmaQueue(1, 0), fence), UserChunk(abi2::EdmaQueue(3, 1, 0), fence),
           UserChunk(abi2::MmeQueue(2, 0), fence), UserChunk(abi2::TpcQueue(1, 4, 0), fence)},
          &sequence),
      0);
  hl_wait_cs_out out{};
  ASSERT_EQ(file.Wait(sequence, 100, &out), 0);
  hl_info_hw_idle idle{};
  ASSERT_EQ(file.Info(HL_INFO_HW_IDLE, &idle), 0);
  EXPECT_EQ(idle.is_idle, 0u);
  const uint64_t busy =
      uint64_t{1} << GAUDI2_ENGINE_ID_PDMA_1 | uint64_t{1} << GAUDI2_DCORE3_ENGINE_ID_EDMA_1 |
      uint64_t{1} << GAUDI2_DCORE2_ENGINE_ID_MME | uint64_t{1} << GAUDI2_DCORE1_ENGINE_ID_TPC_4;
  EXPECT_EQ(idle.busy_engines_mask_ext[0], busy);
  EXPECT_EQ(idle.busy_engines_mask_ext[1], 0u);
}

TEST_F(Gaudi2NodeTest, DebugfsReachesRegistersAndMappedMemory) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  const uint64_t dram = MakeDram(file, 1), sob = abi2::SyncManagerObjsBase(2) + 4 * 8000;
  Run(file, {UserChunk(kPdma, arena.Put(Message2(sob, 77), Message2(dram, 78)))});
  uint64_t value = 0;
  ASSERT_EQ(node_->ReadWord(sob, 4, &value), 0);
  EXPECT_EQ(value, 77u);
  ASSERT_EQ(node_->ReadWord(dram, 8, &value), 0);
  EXPECT_EQ(value, 78u);
  ASSERT_EQ(node_->WriteWord(dram + kDramPage - 4, 4, 79), 0);
  ASSERT_EQ(node_->ReadWord(dram + kDramPage - 4, 4, &value), 0);
  EXPECT_EQ(value, 79u);
  EXPECT_EQ(node_->ReadWord(dram + kDramPage, 4, &value), -EPERM) << "not mapped";
  ASSERT_EQ(node_->ReadWord(0x1001000000000000 + kDramPage, 4, &value), 0);
  EXPECT_EQ(value, 78u) << "by physical address";
}

// The same work through the node and at the seam of the simulated card: the same host time.
TEST_F(Gaudi2NodeTest, ASubmissionCostsWhatItCostsAtTheSimulatedCard) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Simulator> card, Simulator::Open("sim:gaudi2"));
  std::vector<char> memory(1 << 20);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress host, card->MapHost(memory.data(), memory.size()));
  ASSERT_OK_AND_ASSIGN(const hal::CommandMemory commands, card->CreateCommandMemory(4096));
  const uint64_t sram = card->info().sram_user_base.value();
  const abi2::PacketLinDma at_card = Copy2(host.value(), sram, 100000);
  std::memcpy(commands.bytes.data(), &at_card, sizeof at_card);

  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  uint32_t bytes = 0;
  const uint64_t handle = file.Commands(&bytes, Copy2(arena.address(), sram, 100000));
  const auto node_time = [&] {
    hl_info_time_sync time{};
    EXPECT_EQ(file.Info(HL_INFO_TIME_SYNC, &time), 0);
    return time.host_time;
  };
  EXPECT_EQ(node_time(), card->statistics().now.value() / 1000) << "mapping";
  for (int i = 0; i < 3; ++i) {
    hal::Chunk chunk;
    chunk.queue = QueueId(kPdma);
    chunk.commands = commands.handle;
    chunk.bytes = sizeof at_card;
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, card->Submit({&chunk, 1}));
    ASSERT_OK(card->Wait({sequence}, hal::WaitFor::kAll, absl::InfiniteDuration()));
    Run(file, {NodeFile::Chunk(kPdma, handle, bytes)});
    EXPECT_EQ(node_time(), card->statistics().now.value() / 1000) << "submission " << i;
  }
}

}  // namespace
}  // namespace openhpu::simulator
