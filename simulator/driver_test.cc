#include "simulator/driver.h"

#include <cstring>
#include <numeric>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/queue_ids.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi;
using ::testing::HasSubstr;

template <typename Packet>
void Append(std::vector<std::byte>& program, const Packet& packet) {
  const size_t at = program.size();
  program.resize(at + sizeof packet);
  std::memcpy(program.data() + at, &packet, sizeof packet);
}

abi::PacketLinDma Copy(DeviceAddress from, DeviceAddress to, uint32_t bytes) {
  abi::PacketLinDma packet;
  packet.tsize = bytes;
  packet.src_addr = from.value();
  packet.dst_addr_ctx_id_raw = to.value();
  return packet;
}

class DriverTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { ASSERT_OK_AND_ASSIGN(card_, Simulator::Open(GetParam())); }
  // Submits a program to an external queue.
  absl::StatusOr<Sequence> Submit(const std::vector<std::byte>& program, uint32_t queue) {
    absl::StatusOr<hal::CommandMemory> memory = card_->CreateCommandMemory(program.size());
    if (!memory.ok()) return memory.status();
    std::memcpy(memory->bytes.data(), program.data(), program.size());
    hal::Chunk chunk;
    chunk.queue = QueueId(queue);
    chunk.commands = memory->handle;
    chunk.bytes = static_cast<uint32_t>(program.size());
    absl::StatusOr<Sequence> sequence = card_->Submit({&chunk, 1});
    EXPECT_THAT(card_->DestroyCommandMemory(memory->handle), IsOk());
    return sequence;
  }
  absl::Status Wait(Sequence s) {
    return card_->Wait({&s, 1}, hal::WaitFor::kAll, absl::InfiniteDuration());
  }

  std::unique_ptr<Simulator> card_;
};

TEST_P(DriverTest, CopiesToTheDeviceAndBack) {
  std::vector<uint32_t> source(10000), target(10000, 0);
  std::iota(source.begin(), source.end(), 7);
  const uint64_t bytes = 4 * source.size();
  ASSERT_OK_AND_ASSIGN(const DeviceAddress from, card_->MapHost(source.data(), bytes));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress to, card_->MapHost(target.data(), bytes));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress device, card_->Allocate(hal::MemoryKind::kDram, bytes));
  std::vector<std::byte> down, up;
  Append(down, Copy(from, device, bytes));
  Append(up, Copy(device, to, bytes));
  ASSERT_OK_AND_ASSIGN(const Sequence first, Submit(down, abi::DmaQueue(0, 0)));
  EXPECT_THAT(Wait(first), IsOk());
  ASSERT_OK_AND_ASSIGN(const Sequence second, Submit(up, abi::DmaQueue(1, 0)));
  EXPECT_THAT(Wait(second), IsOk());
  EXPECT_EQ(target, source);
  const Statistics statistics = card_->statistics();
  EXPECT_EQ(statistics.submissions, 2u);
  EXPECT_EQ(statistics.engines[0].name, "DMA0");
  EXPECT_EQ(statistics.engines[0].commands, 1u);
  EXPECT_EQ(statistics.engines[0].bytes_read, bytes);
}

INSTANTIATE_TEST_SUITE_P(Modes, DriverTest,
                         ::testing::Values("sim:tiny", "sim:gaudi", "sim:tiny,mode=functional",
                                           "sim:tiny,hazards=on"));

}  // namespace
}  // namespace openhpu::simulator
