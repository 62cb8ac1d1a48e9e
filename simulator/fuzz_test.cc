// Programs that mean nothing end too: with success or with an error that names a place, and the
// card serves again. Seeds are fixed.
#include <cstdint>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulator/card_testing.h"

namespace openhpu::simulator {
namespace {

class FuzzTest : public ::testing::TestWithParam<const char*> {
 protected:
  uint64_t Random(uint64_t below) { return random_() % below; }
  // Mostly things that exist.
  uint64_t Address() {
    switch (Random(6)) {
      case 0:
        return 0x20000000 + Random(1 << 20);
      case 1:
        return 0x7FF0000080 + Random(1 << 16);
      case 2:
        return abi::SyncManagerObjsBase(abi::kEastNorth) + 0x1000 + 4 * Random(0x1400);
      case 3:
        return abi::DmaQmanBase(static_cast<int>(Random(4))) + 0x308 + 4 * Random(20);
      case 4:
        return random_();
      default:
        return 0x20000000 + 8192 * Random(16);
    }
  }
  // One packet, right in its header and wrong in the rest.
  void AddPacket(Packets& packets) {
    uint32_t words[16];
    for (uint32_t& word : words)
      word = Random(3) ? static_cast<uint32_t>(Random(64)) : static_cast<uint32_t>(random_());
    const auto opcode = static_cast<abi::Opcode>(Random(40) == 0 ? Random(32) : 1 + Random(15));
    words[1] = abi::Ctl::OPCODE::Set(words[1] & 0x60FFFFFF, static_cast<uint32_t>(opcode));
    if (Random(2)) words[1] &= ~0x1Fu;
    const uint64_t a = Address(), b = Address();
    words[2] = static_cast<uint32_t>(a);
    words[3] = static_cast<uint32_t>(a >> 32);
    words[4] = static_cast<uint32_t>(b);
    words[5] = static_cast<uint32_t>(b >> 32) & 0xFFFFFF;
    if (opcode == abi::Opcode::kWregBulk) words[0] = 1 + static_cast<uint32_t>(Random(6));
    if (opcode == abi::Opcode::kWreg32 || opcode == abi::Opcode::kWregBulk) {
      const uint32_t launches[] = {0x78, 0x280, 0x938};
      const uint32_t offset =
          Random(3) == 0 ? launches[Random(3)] : static_cast<uint32_t>(4 * Random(0x400));
      words[1] = (words[1] & ~0xFFFF00u) | offset << 8;
    }
    if (opcode == abi::Opcode::kLinDma) words[1] |= 8;
    uint32_t bytes = abi::PacketBytes(opcode);
    if (opcode == abi::Opcode::kWregBulk) bytes += 8 * words[0];
    if (bytes == 0) bytes = 8;
    for (uint32_t i = 0; i < bytes / 8; ++i)
      packets.Add(reinterpret_cast<const uint64_t*>(words)[i]);
  }
  Packets Program() {
    Packets packets;
    for (uint64_t n = 1 + Random(6); n > 0; --n) AddPacket(packets);
    return packets;
  }

  std::mt19937_64 random_{20221123};
  TestCard card_{GetParam()};
};

TEST_P(FuzzTest, ProgramsThatMeanNothingEnd) {
  const uint32_t queues[] = {abi::DmaQueue(2, 0), abi::DmaQueue(2, 1), abi::DmaQueue(3, 3),
                             abi::MmeQueue(0, 0), abi::TpcQueue(0, 0), abi::TpcQueue(1, 2)};
  int accepted = 0, completed = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<hal::Chunk> chunks;
    for (uint64_t n = 1 + Random(3); n > 0; --n) {
      Packets upper;
      if (Random(2)) {
        const Packets body = Program();
        upper.Body(card_.Upload(body.bytes()), static_cast<uint32_t>(body.bytes().size()));
      } else {
        upper = Program();
      }
      chunks.push_back(card_.Internal(queues[Random(6)], upper));
    }
    chunks.push_back(card_.External(abi::DmaQueue(0, 0), Random(3) ? Packets().Nop() : Program()));
    const absl::StatusOr<Sequence> sequence = card_.Submit(chunks);
    if (!sequence.ok()) continue;
    ++accepted;
    completed += card_.Wait(*sequence).ok();
    // What still runs may fail, too.
    card_->Wait({&*sequence, 1}, hal::WaitFor::kAll, absl::ZeroDuration()).IgnoreError();
    ASSERT_THAT(card_->Reset(), IsOk());
    card_->TakeEvents();
    if (round % 20 == 0) {
      const std::vector<uint32_t> values(64, 6);
      ASSERT_EQ(card_.ReadAll<uint32_t>(card_.Upload(values), 64), values);
    }
    for (const hal::Chunk& chunk : chunks) {
      if (!abi::IsExternalQueue(static_cast<uint32_t>(chunk.queue.value()))) {
        ASSERT_THAT(card_->Free(DeviceAddress(chunk.commands)), IsOk());
      }
    }
  }
  EXPECT_GT(accepted, 1000);
  EXPECT_GT(completed, 50);
}

INSTANTIATE_TEST_SUITE_P(Modes, FuzzTest,
                         ::testing::Values("sim:tiny", "sim:tiny,mode=functional",
                                           "sim:tiny,hazards=on"));

}  // namespace
}  // namespace openhpu::simulator
