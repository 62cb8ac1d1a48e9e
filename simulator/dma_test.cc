// DMA commands as queues give them: the flags of LIN_DMA, descriptors by registers, completion
// writes, all kinds of memory, sizes from nothing to gigabytes.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/dma_core.h"
#include "simulator/machine_testing.h"

namespace openhpu::simulator {
namespace {

using ::testing::HasSubstr;
namespace core = abi::dma_core;
namespace sm = abi::sync_manager;

class DmaTest : public ::testing::TestWithParam<const char*> {
 protected:
  void Run(const Packets& packets) {
    machine_.Start(abi::DmaQueue(2, 0), packets);
    machine_.Run();
  }
  static abi::PacketLinDma Linear(uint64_t from, DeviceAddress to, uint32_t bytes) {
    abi::PacketLinDma packet;
    packet.tsize = bytes;
    packet.src_addr = from;
    packet.dst_addr_ctx_id_raw = to.value();
    return packet;
  }
  static Packets& CompletionAt(Packets& packets, uint64_t address, uint32_t data) {
    return packets.Register(core::WR_COMP_WDATA::kOffset, data)
        .Register(core::WR_COMP_ADDR_LO::kOffset, static_cast<uint32_t>(address))
        .Register(core::WR_COMP_ADDR_HI::kOffset, static_cast<uint32_t>(address >> 32));
  }

  TestMachine machine_{GetParam()};
};

TEST_P(DmaTest, CompletionIsWrittenWhereAndWhenItIsAskedFor) {
  const DeviceAddress from = machine_.Upload(std::vector<uint32_t>{5, 6});
  const DeviceAddress to = machine_.Upload(std::vector<uint32_t>{0, 0});
  const DeviceAddress flag = machine_.Upload(std::vector<uint32_t>{0, 0});
  abi::PacketLinDma quiet = Linear(from.value(), to, 8), loud = quiet;
  loud.ctl = abi::PacketLinDma::WR_COMP_EN::Set(loud.ctl, 1);
  Packets packets;
  CompletionAt(packets, TestMachine::SobAddress(20), sm::SobAdd(3)).Add(quiet).Add(loud).Add(loud);
  Run(packets);
  EXPECT_EQ(machine_.Sob(20), 6u);
  EXPECT_EQ(machine_.Word(to + 4), 6u);
  // To memory; the registers stand as they were left, but for the data's address.
  Packets memory;
  CompletionAt(memory, flag.value() + 4, 0xCAFE).Add(loud);
  Run(memory);
  EXPECT_EQ(machine_.Word(flag + 4), 0xCAFEu);
  EXPECT_EQ(machine_.Word(flag), 0u);
  EXPECT_EQ(machine_.Sob(20), 6u);
}

TEST_P(DmaTest, TheContextRidesInTheHeaderAndTheHighByteAndMovesNothing) {
  const DeviceAddress from = machine_.Upload(std::vector<uint32_t>{5});
  const DeviceAddress to = machine_.Upload(std::vector<uint32_t>{0});
  abi::PacketLinDma packet = Linear(from.value(), to, 4);
  packet.ctl = abi::PacketLinDma::CONTEXT_ID_LOW::Set(packet.ctl, 0x5A);
  packet.dst_addr_ctx_id_raw =
      abi::PacketLinDma::CONTEXT_ID_HIGH::Set(packet.dst_addr_ctx_id_raw, 0xA5);
  Run(Packets().Add(packet));
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Word(to), 5u);
  EXPECT_EQ(core::COMMIT::CTX_ID::Get(machine_.Read(abi::DmaCoreBase(2) + core::COMMIT::kOffset)),
            0x5Au);
}

TEST_P(DmaTest, MemsetWritesItsPatternFromAnyByteToAnyByte) {
  constexpr uint64_t kPattern = 0x8877665544332211;
  const DeviceAddress to = machine_.Allocate(1024);
  for (uint32_t bytes : {1u, 3u, 8u, 13u, 128u, 257u}) {
    for (uint32_t offset : {0u, 1u, 5u, 127u}) {
      std::byte* const memory = machine_.At(to, 1024);
      std::fill_n(memory, 1024, std::byte{0xEE});
      abi::PacketLinDma packet = Linear(kPattern, to + offset, bytes);
      packet.ctl = abi::PacketLinDma::MEM_SET::Set(packet.ctl, 1);
      Run(Packets().Add(packet));
      for (uint32_t i = 0; i < 1024; ++i) {
        const bool inside = i >= offset && i < offset + bytes;
        ASSERT_EQ(std::to_integer<uint32_t>(memory[i]),
                  inside ? kPattern >> 8 * ((i - offset) % 8) & 0xFF : 0xEE)
            << bytes << " " << offset << " " << i;
      }
    }
  }
}

TEST_P(DmaTest, CopiesGoBetweenAllKindsOfMemoryAtAnyAlignment) {
  std::vector<uint8_t> host(3 * 4096);
  DeviceAddress mapped;
  {
    const SimulationContext::Door door((*machine_).context());
    mapped = *(*machine_).environment().memory->MapHost(host.data(), host.size());
  }
  const DeviceAddress places[] = {mapped, machine_.Allocate(host.size()),
                                  (*machine_).environment().sram_user_begin};
  uint32_t seed = 1;
  for (const DeviceAddress from : places) {
    for (const DeviceAddress to : places) {
      for (uint32_t bytes : {1u, 2u, 127u, 129u, 1000u, 4097u}) {
        const uint32_t skew = seed % 37, gap = from == to ? 6000 : seed % 11;
        std::byte* const source = machine_.At(from + skew, bytes);
        for (uint32_t i = 0; i < bytes; ++i) source[i] = static_cast<std::byte>(seed + i * 5);
        std::byte* const target = machine_.At(to + gap, bytes + 2);
        target[0] = target[bytes + 1] = std::byte{0x99};
        Run(Packets().Copy(from + skew, to + gap + 1, bytes));
        ASSERT_EQ(machine_.error(), "");
        ASSERT_EQ(std::memcmp(target + 1, source, bytes), 0);
        ASSERT_EQ(target[0], std::byte{0x99});
        ASSERT_EQ(target[bytes + 1], std::byte{0x99});
        ++seed;
      }
    }
  }
}

TEST_P(DmaTest, ADescriptorByRegistersMovesOneShapeIntoAnother) {
  // A box of 3 planes of 5 rows of 12 bytes becomes rows of 18, 10 of them, twice as far apart.
  std::vector<uint8_t> values(8192);
  for (uint32_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint8_t>(i * 11 / 3);
  const DeviceAddress from = machine_.Upload(values);
  const DeviceAddress to = machine_.Upload(std::vector<uint8_t>(8192));
  Packets body;
  const uint32_t source[] = {12, 5, 3, 1, 1}, source_strides[] = {0, 64, 512, 0, 0};
  const uint32_t target[] = {18, 2, 1, 5, 1}, target_strides[] = {0, 36, 0, 100, 0};
  body.Register(core::SRC_BASE_LO::kOffset, static_cast<uint32_t>(from.value()))
      .Register(core::SRC_BASE_HI::kOffset, static_cast<uint32_t>(from.value() >> 32))
      .Register(core::DST_BASE_LO::kOffset, static_cast<uint32_t>(to.value()))
      .Register(core::DST_BASE_HI::kOffset, static_cast<uint32_t>(to.value() >> 32));
  for (int d = 0; d < core::kNumDims; ++d) {
    body.Register(core::SrcTsize(d), source[d]).Register(core::DstTsize(d), target[d]);
    if (d == 0) continue;
    body.Register(core::SrcStride(d), source_strides[d]);
    body.Register(core::DstStride(d), target_strides[d]);
  }
  CompletionAt(body, TestMachine::SobAddress(20), sm::SobAdd(1));
  body.Register(core::COMMIT::kOffset, core::COMMIT::WR_COMP_EN::Set(0, 1));
  const DeviceAddress at = machine_.Upload(body.bytes());
  Run(Packets().Body(at, static_cast<uint32_t>(body.bytes().size())));
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(20), 1u);
  const std::byte* const result = machine_.At(to, 8192);
  uint64_t written = 0;
  for (uint32_t k = 0; k < 180; ++k) {
    const uint32_t s = k % 12 + 64 * (k / 12 % 5) + 512 * (k / 60);
    const uint32_t t = k % 18 + 36 * (k / 18 % 2) + 100 * (k / 36);
    ASSERT_EQ(std::to_integer<uint8_t>(result[t]), values[s]) << k;
    written += values[s] != 0 ? 1 : 0;
  }
  uint64_t found = 0;
  for (uint32_t i = 0; i < 8192; ++i) found += result[i] != std::byte{0} ? 1 : 0;
  EXPECT_EQ(found, written);
}

TEST_P(DmaTest, ALinearTransposeIsALinDmaFlag) {
  std::vector<uint16_t> values(32 * 64);
  for (uint32_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint16_t>(i);
  const DeviceAddress from = machine_.Upload(values);
  const DeviceAddress to = machine_.Upload(std::vector<uint16_t>(values.size()));
  abi::PacketLinDma packet = Linear(from.value(), to, 64 * 64);
  packet.ctl = abi::PacketLinDma::TRANSPOSE::Set(packet.ctl, 1);
  Run(Packets().Add(packet));
  EXPECT_EQ(machine_.error(), "");
  const auto* const result = reinterpret_cast<const uint16_t*>(machine_.At(to, 64 * 64));
  for (uint32_t row = 0; row < 64; ++row) {
    for (uint32_t column = 0; column < 32; ++column) {
      ASSERT_EQ(result[64 * column + row], values[32 * row + column]);
    }
  }
}

TEST_P(DmaTest, NothingIsMovedAndCompletedToo) {
  abi::PacketLinDma packet = Linear(0x20000000, DeviceAddress(0x20000000), 0);
  packet.ctl = abi::PacketLinDma::WR_COMP_EN::Set(packet.ctl, 1);
  Packets packets;
  CompletionAt(packets, TestMachine::SobAddress(20), sm::SobAdd(1)).Add(packet);
  Run(packets);
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(20), 1u);
}

INSTANTIATE_TEST_SUITE_P(Modes, DmaTest,
                         ::testing::Values("sim:gaudi", "sim:gaudi,mode=functional",
                                           "sim:gaudi,hazards=on"));

TEST(LargeDmaTest, TwoGibibytesAreOneCommand) {
  TestMachine machine("sim:gaudi");
  constexpr uint32_t kBytes = 0x80000000;
  const DeviceAddress to = machine.Allocate(uint64_t{kBytes} + 256);
  abi::PacketLinDma packet;
  packet.tsize = kBytes;
  packet.src_addr = 0x4242424242424242;
  packet.dst_addr_ctx_id_raw = to.value() + 1;
  packet.ctl = abi::PacketLinDma::MEM_SET::Set(packet.ctl, 1);
  machine.Start(abi::DmaQueue(2, 0), Packets().Add(packet));
  machine.Run();
  EXPECT_EQ(machine.error(), "");
  EXPECT_EQ(machine.Word(to), 0x42424200u);
  EXPECT_EQ(machine.Word(to + kBytes / 2), 0x42424242u);
  EXPECT_EQ(machine.Word(to + kBytes), 0x42u);
  // At most at the speed of the engine's port, at least at a quarter of it.
  const double seconds = static_cast<double>(machine.now().value()) * 1e-12;
  const double port = static_cast<double>(machine.chip().dma().bytes_per_cycle().value()) *
                      static_cast<double>(machine.chip().dma().clock_mhz().value()) * 1e6;
  EXPECT_GT(seconds, kBytes / port);
  EXPECT_LT(seconds, 4.0 * kBytes / port);
}

}  // namespace
}  // namespace openhpu::simulator
