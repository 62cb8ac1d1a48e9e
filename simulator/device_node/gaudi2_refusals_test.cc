// What the kernel of a Gaudi2 refuses, and with which errno; what it takes and the card does not.
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "gmock/gmock.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/qman.h"
#include "simulator/device_node/gaudi2_node_testing.h"

namespace openhpu::simulator {
namespace {

using testing::HasSubstr;

constexpr uint64_t kDramPage = 0x30000000;
constexpr uint64_t kDram = 0x1001001800000000, kPhysicalDram = 0x1001000000000000;
constexpr uint64_t kSram = 0x1000FFFFFD000000, kConfiguration = 0x1000007FF8000000;
constexpr uint64_t kHostPages = 0xFFF0000000000000, kHugePages = 0xFFF0800000000000;

class Gaudi2RefusalsTest : public Gaudi2NodeTest {
 protected:
  // An operation of MEMORY with one number.
  static int Memory(NodeFile& file, uint32_t op, uint64_t number = 0) {
    hl_mem_args args{};
    args.in.op = op;
    args.in.alloc.mem_size = number;
    return file.Ioctl(HL_IOCTL_MEMORY, &args);
  }
  static uint64_t UsedDram(NodeFile& file) {
    hl_info_dram_usage usage{};
    EXPECT_EQ(file.Info(HL_INFO_DRAM_USAGE, &usage), 0);
    EXPECT_EQ(usage.dram_free_mem + usage.ctx_dram_mem, 127 * kDramPage);
    return usage.ctx_dram_mem;
  }
  // Runs until the submission has had its time; the events.
  static uint64_t EventsOf(NodeFile& file, const std::vector<hl_cs_chunk>& chunks) {
    uint64_t sequence = 0, mask = 0;
    EXPECT_EQ(file.Submit(chunks, &sequence), 0);
    hl_wait_cs_out out{};
    EXPECT_EQ(file.Wait(sequence, 60 * kSecond, &out), -ETIMEDOUT);
    EXPECT_EQ(file.Info(HL_INFO_GET_EVENTS, &mask), 0);
    EXPECT_NE(mask & HL_NOTIFIER_EVENT_CS_TIMEOUT, 0u);
    return mask & ~uint64_t{HL_NOTIFIER_EVENT_CS_TIMEOUT | HL_NOTIFIER_EVENT_DEVICE_RESET};
  }
};

TEST_F(Gaudi2RefusalsTest, DramIsGivenOutByHandleAndFreedWhenItIsNotMapped) {
  NodeFile file(node_.get(), folder_);
  uint64_t handle = 0, address = 0, second = 0;
  EXPECT_EQ(file.Allocate(0, &handle), -EINVAL);
  EXPECT_EQ(file.Allocate(127 * kDramPage + 1, &handle), -ENOMEM);
  EXPECT_EQ(file.Allocate(~uint64_t{0}, &handle), -ENOMEM);
  EXPECT_EQ(UsedDram(file), 0u);
  ASSERT_EQ(file.Allocate(kDramPage + 1, &handle, HL_MEM_CONTIGUOUS), 0);
  EXPECT_EQ(UsedDram(file), 2 * kDramPage);
  EXPECT_EQ(file.Allocate(126 * kDramPage, &second), -ENOMEM);
  EXPECT_EQ(file.MapDevice(handle + 1, &address), -EINVAL);
  EXPECT_EQ(file.MapDevice(0, &address), -EINVAL);
  ASSERT_EQ(file.MapDevice(handle, &address), 0);
  EXPECT_EQ(address, kDram);
  EXPECT_EQ(file.Free(handle), -EINVAL) << "it is mapped";
  EXPECT_EQ(file.Free(handle + 1), -EINVAL);
  EXPECT_EQ(file.Unmap(address + kDramPage), -EINVAL);
  EXPECT_EQ(file.Unmap(address), 0);
  EXPECT_EQ(file.Unmap(address), -EINVAL);
  EXPECT_EQ(file.Free(handle), 0);
  EXPECT_EQ(file.Free(handle), -EINVAL);
  EXPECT_EQ(UsedDram(file), 0u);
}

TEST_F(Gaudi2RefusalsTest, AHintForDeviceMemoryIsFollowedAndMayBeForced) {
  NodeFile file(node_.get(), folder_);
  uint64_t handle = 0, address = 0;
  ASSERT_EQ(file.Allocate(kDramPage, &handle), 0);
  const uint64_t hint = kDram + 500 * kDramPage;
  ASSERT_EQ(file.MapDevice(handle, &address, hint), 0);
  EXPECT_EQ(address, hint);
  EXPECT_EQ(file.MapDevice(handle, &address, hint, HL_MEM_FORCE_HINT), -ENOMEM);
  EXPECT_EQ(file.MapDevice(handle, &address, hint + 4096, HL_MEM_FORCE_HINT), -ENOMEM);
  ASSERT_EQ(file.MapDevice(handle, &address, hint), 0);
  EXPECT_EQ(address, kDram);
}

TEST_F(Gaudi2RefusalsTest, DeviceMemoryKeepsItsBytesWhereverItIsMapped) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  uint64_t handles[2], addresses[2];
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(file.Allocate(kDramPage, &handles[i]), 0);
    ASSERT_EQ(file.MapDevice(handles[i], &addresses[i]), 0);
    const Place value = arena.Put(uint64_t{7000} + static_cast<uint64_t>(i));
    Run(file, {UserChunk(kPdma, arena.Put(Copy2(value.address, addresses[i] + 512, 8)))});
  }
  for (const uint64_t address : addresses) ASSERT_EQ(file.Unmap(address), 0);
  // The other one first.
  uint64_t second = 0, first = 0;
  ASSERT_EQ(file.MapDevice(handles[1], &second), 0);
  ASSERT_EQ(file.MapDevice(handles[0], &first), 0);
  EXPECT_EQ(second, addresses[0]);
  const Place back = arena.Put(uint64_t{0}, uint64_t{0});
  Run(file, {UserChunk(kPdma, arena.Put(Copy2(first + 512, back.address, 8),
                                        Copy2(second + 512, back.address + 8, 8)))});
  uint64_t values[2];
  std::memcpy(values, arena.At(back.address), sizeof values);
  EXPECT_EQ(values[0], 7000u);
  EXPECT_EQ(values[1], 7001u);
}

TEST_F(Gaudi2RefusalsTest, HostMemoryThatCouldBeHugePagesIsMappedAmongTheirAddresses) {
  NodeFile file(node_.get(), folder_);
  constexpr uint64_t kHuge = 2 << 20;
  auto* const raw = static_cast<char*>(
      mmap(nullptr, 4 * kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  char* const aligned = raw + (kHuge - reinterpret_cast<uint64_t>(raw) % kHuge) % kHuge;
  uint64_t address = 0;
  ASSERT_EQ(file.MapHost(aligned, 2 * kHuge, &address), 0);
  EXPECT_EQ(address, kHugePages);
  ASSERT_EQ(file.MapHost(aligned, kHuge + 4096, &address), 0);
  EXPECT_EQ(address, kHostPages);
  ASSERT_EQ(file.MapHost(aligned + 64, kHuge, &address), 0);
  EXPECT_GT(address, kHostPages);
  EXPECT_LT(address, kHugePages);
  EXPECT_EQ(address % 4096, 64u);
}

TEST_F(Gaudi2RefusalsTest, WhatOfMemoryThereIsNotSaysSo) {
  NodeFile file(node_.get(), folder_);
  EXPECT_EQ(Memory(file, HL_MEM_OP_MAP_BLOCK, abi2::SyncManagerObjsBase(1)), -EOPNOTSUPP);
  EXPECT_EQ(Memory(file, HL_MEM_OP_MAP_BLOCK, kDram), -EINVAL) << "no register";
  EXPECT_EQ(Memory(file, HL_MEM_OP_EXPORT_DMABUF_FD), -EOPNOTSUPP);
  EXPECT_EQ(Memory(file, HL_MEM_OP_TS_ALLOC), -EOPNOTSUPP);
  EXPECT_EQ(Memory(file, 98), -ENOTTY);
}

TEST_F(Gaudi2RefusalsTest, QueuesThatAreNotAUsersAreInvalid) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  const Place nop = arena.Put(abi2::PacketNop());
  uint64_t sequence = 0;
  const struct {
    uint32_t queue;
    const char* why;
  } kQueues[] = {
      {abi2::kCpuQueue, "the kernel driver's"},
      {abi2::kNumQueues, "no such queue"},
      {~0u, "no such queue"},
      {abi2::NicQueue(0, 0), "NICs are not modelled"},
      {abi2::RotatorQueue(1, 2), "rotators are not modelled"},
      {abi2::MmeQueue(1, 0), "masters have the work"},
      {abi2::TpcQueue(0, abi2::kSpareTpc, 0), "24 TPCs"},
  };
  for (const auto& [queue, why] : kQueues) {
    log_.clear();
    EXPECT_EQ(file.Submit({UserChunk(queue, nop)}, &sequence), -EINVAL) << queue;
    EXPECT_THAT(log_, HasSubstr(why)) << queue;
  }
}

TEST_F(Gaudi2RefusalsTest, CommandsAreWhereTheDeviceMayFetchThem) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  uint64_t sequence = 0;
  uint64_t host_pointer = 0;
  for (const uint64_t address :
       {kPhysicalDram, kConfiguration, uint64_t{0}, reinterpret_cast<uint64_t>(&host_pointer),
        kDram - 8, kSram - 8, uint64_t{0x1001FFFFFFFFFFF8}, uint64_t{0xFFF1000000000000},
        ~uint64_t{7}}) {
    EXPECT_EQ(file.Submit({UserChunk(kTpc, {address, 16})}, &sequence), -EFAULT)
        << std::hex << address;
  }
  uint32_t bytes = 0;
  const uint64_t handle = file.Commands(&bytes, abi2::PacketNop());
  EXPECT_EQ(file.Submit({NodeFile::Chunk(kTpc, handle + 1, bytes)}, &sequence), -EINVAL);
  EXPECT_EQ(file.Submit({NodeFile::Chunk(kTpc, arena.address(), 8)}, &sequence), -EINVAL)
      << "an address without the flag is a handle";
  EXPECT_EQ(file.Submit({NodeFile::Chunk(kTpc, handle, 8192)}, &sequence), -EINVAL);
  EXPECT_EQ(file.Submit({UserChunk(kTpc, {arena.address(), 0})}, &sequence), -EINVAL);
  EXPECT_EQ(file.Submit({}, &sequence), -EINVAL);
  hl_info_cs_counters counters{};
  ASSERT_EQ(file.Info(HL_INFO_CS_COUNTERS, &counters), 0);
  EXPECT_EQ(counters.ctx_validation_drop_cnt, 14u);
  // Nothing of it took a number.
  ASSERT_EQ(file.Submit({NodeFile::Chunk(kTpc, handle, bytes)}, &sequence), 0);
  EXPECT_EQ(sequence, 1u);
}

TEST_F(Gaudi2RefusalsTest, KindsOfSubmissionsAndWaitsThatThereAreNotSaySo) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  const std::vector<hl_cs_chunk> nop = {UserChunk(kPdma, arena.Put(abi2::PacketNop()))};
  uint64_t sequence = 0;
  for (const uint32_t kind : {HL_CS_FLAGS_COLLECTIVE_WAIT, HL_CS_FLAGS_ENGINE_CORE_COMMAND,
                              HL_CS_FLAGS_RESERVE_SIGNALS_ONLY, HL_CS_FLAGS_UNRESERVE_SIGNALS_ONLY,
                              HL_CS_FLAGS_WAIT | HL_CS_FLAGS_ENCAP_SIGNALS}) {
    EXPECT_EQ(file.Submit(nop, &sequence, kind), -EOPNOTSUPP) << kind;
  }
  hl_wait_cs_args wait{};
  wait.in.flags = HL_WAIT_CS_FLAGS_INTERRUPT | 257u << 20;
  EXPECT_EQ(file.Ioctl(HL_IOCTL_WAIT_CS, &wait), -EOPNOTSUPP);
  wait = {};
  wait.in.flags = HL_WAIT_CS_FLAGS_INTERRUPT | HL_WAIT_CS_FLAGS_INTERRUPT_KERNEL_CQ;
  EXPECT_EQ(file.Ioctl(HL_IOCTL_WAIT_CS, &wait), -EOPNOTSUPP);
  wait = {};
  wait.in.flags = HL_WAIT_CS_FLAGS_INTERRUPT | HL_WAIT_CS_FLAGS_REGISTER_INTERRUPT;
  EXPECT_EQ(file.Ioctl(HL_IOCTL_WAIT_CS, &wait), -EOPNOTSUPP);
}

TEST_F(Gaudi2RefusalsTest, CommandsForEnginesAreNoKindOfTheAccelNodeHere) {
  NodeFile file(node_.get(), folder_, NodeKind::kCompute, NodeApi::kAccel);
  hl_cs_args args{};
  args.in.cs_flags = 0x10000;
  EXPECT_EQ(file.Ioctl(0xC0306442, &args), -EOPNOTSUPP);
}

TEST_F(Gaudi2RefusalsTest, TheKernelLooksAtNoPacketAndTheCardSaysWhatItMeets) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  // On Gaudi the kernel refuses it.
  EXPECT_EQ(EventsOf(file, {UserChunk(kPdma, arena.Put(abi2::PacketNop(), abi2::PacketStop()))}),
            uint64_t{HL_NOTIFIER_EVENT_UNDEFINED_OPCODE | HL_NOTIFIER_EVENT_USER_ENGINE_ERR});
  hl_info_undefined_opcode_event opcode{};
  ASSERT_EQ(file.Info(HL_INFO_UNDEFINED_OPCODE_EVENT, &opcode), 0);
  EXPECT_EQ(opcode.engine_id, static_cast<uint32_t>(GAUDI2_ENGINE_ID_PDMA_0));
  EXPECT_EQ(opcode.stream_id, 0u);
}

TEST_F(Gaudi2RefusalsTest, AddressesThatNothingIsAtArePageFaults) {
  const uint64_t in_window = kHostPages + 0x100000000;
  const uint32_t edma = abi2::EdmaQueue(3, 0, 0);
  for (const bool fetch : {true, false}) {
    NodeFile file(node_.get(), folder_);
    ASSERT_EQ(file.error(), 0);
    MappedArena arena(&file);
    // Commands, or what they copy; DRAM that is not mapped, or host memory.
    const Place commands =
        fetch ? Place{in_window, 64} : arena.Put(Copy2(kSram, kDram + kDramPage, 64));
    EXPECT_NE(EventsOf(file, {UserChunk(edma, commands)}) & uint64_t{1} << 8, 0u) << "page fault";
    hl_info_razwi_event event{};
    ASSERT_EQ(file.Info(HL_INFO_RAZWI_EVENT, &event), 0);
    EXPECT_EQ(event.error_type, HL_RAZWI_PAGE_FAULT);
    EXPECT_EQ(event.addr, fetch ? in_window : kDram + kDramPage);
    EXPECT_EQ(event.engine_id_1, GAUDI2_DCORE3_ENGINE_ID_EDMA_0);
  }
}

TEST_F(Gaudi2RefusalsTest, TheKernelsSyncObjectsAreNotAUsers) {
  for (const uint32_t sob : {0u, 85u, 412u}) {
    NodeFile file(node_.get(), folder_);
    ASSERT_EQ(file.error(), 0);
    MappedArena arena(&file);
    const uint64_t object = abi2::SyncManagerObjsBase(0);
    log_.clear();
    EXPECT_NE(EventsOf(file, {UserChunk(kTpc, arena.Put(Message2(object + 4 * sob, 1)))}), 0u);
    EXPECT_THAT(log_, HasSubstr("the kernel driver's")) << sob;
  }
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  const uint64_t others = abi2::SyncManagerObjsBase(1), first = abi2::SyncManagerObjsBase(0);
  Run(file, {UserChunk(kTpc, arena.Put(Message2(others, 1), Message2(first + 4 * 413, 1)))});
}

TEST_F(Gaudi2RefusalsTest, ASubmissionHasThirtySeconds) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  uint64_t hangs = 0, behind = 0;
  ASSERT_EQ(file.Submit({UserChunk(kTpc, arena.Put(Fence2()))}, &hangs), 0);
  ASSERT_EQ(file.Submit({UserChunk(kTpc, arena.Put(abi2::PacketNop()))}, &behind), 0);
  hl_wait_cs_out out{};
  EXPECT_EQ(file.Wait(hangs, 29 * kSecond, &out), 0);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_BUSY));
  EXPECT_EQ(file.Wait(hangs, 2 * kSecond, &out), -ETIMEDOUT);
  EXPECT_EQ(file.Wait(behind, kSecond, &out), -EIO);
  EXPECT_THAT(log_, HasSubstr("DCORE0_TPC0 stream 0"));
  uint64_t handle = 0;
  EXPECT_EQ(file.Allocate(1, &handle), -ENODEV);
  EXPECT_EQ(NodeFile(node_.get(), folder_).error(), -EAGAIN);
  file.Close();
  NodeFile again(node_.get(), folder_);
  ASSERT_EQ(again.error(), 0);
  EXPECT_EQ(UsedDram(again), 0u);
}

TEST_F(Gaudi2RefusalsTest, SixtyFourAreInFlight) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  const Place fence = arena.Put(Fence2());
  uint64_t sequence = 0;
  for (int i = 0; i < 64; ++i) ASSERT_EQ(file.Submit({UserChunk(kTpc, fence)}, &sequence), 0);
  EXPECT_EQ(file.Submit({UserChunk(kPdma, fence)}, &sequence), -EAGAIN);
  const uint64_t at = abi2::TpcQmanBase(0, 0) + abi2::qman::CpFenceRdata(0, 0);
  EXPECT_EQ(file.Submit({UserChunk(kPdma, arena.Put(Message2(at, 1)))}, &sequence), -EAGAIN)
      << "whatever would help";
}

TEST_F(Gaudi2RefusalsTest, OneThatGoesOnKeepsItsSlotOfSixtyFour) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  const Place nop = arena.Put(abi2::PacketNop());
  uint64_t hangs = 0, sequence = 0;
  ASSERT_EQ(file.Submit({UserChunk(kTpc, arena.Put(Fence2()))}, &hangs), 0);
  for (int i = 0; i < 63; ++i) Run(file, {UserChunk(kPdma, nop)});
  EXPECT_EQ(file.Submit({UserChunk(kPdma, nop)}, &sequence), -EAGAIN);
  // Somebody lets it go; whoever tries again need not wait.
  const uint64_t at = abi2::TpcQmanBase(0, 0) + abi2::qman::CpFenceRdata(0, 0);
  ASSERT_EQ(node_->WriteWord(at, 4, 1), 0);
  int error = -EAGAIN;
  for (int i = 0; i < 1000 && error == -EAGAIN; ++i) {
    error = file.Submit({UserChunk(kPdma, nop)}, &sequence);
  }
  EXPECT_EQ(error, 0);
  EXPECT_EQ(sequence, 65u);
}

TEST_F(Gaudi2RefusalsTest, EveryOpenStartsAgain) {
  uint64_t handle = 0, address = 0;
  {
    NodeFile file(node_.get(), folder_);
    ASSERT_EQ(file.Allocate(kDramPage, &handle), 0);
    ASSERT_EQ(file.MapDevice(handle, &address), 0);
  }
  NodeFile file(node_.get(), folder_);
  EXPECT_EQ(file.Free(handle), -EINVAL);
  EXPECT_EQ(file.Unmap(address), -EINVAL);
  EXPECT_EQ(UsedDram(file), 0u);
  EXPECT_EQ(MakeDram(file, 127 * kDramPage), kDram);
}

}  // namespace
}  // namespace openhpu::simulator
