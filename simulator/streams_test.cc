// The four streams of a queue manager: they run beside each other, one that is blocked does not
// block the others, and the arbiter decides who has the engine.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/base/trace.h"
#include "simulator/machine_testing.h"

namespace openhpu::simulator {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace qman = abi::qman;
namespace sm = abi::sync_manager;

// Tells in which order an engine's commands ran, by the bytes that they copied.
class CommandOrder final : public TraceSink {
 public:
  TrackId Track(std::string_view /*group*/, std::string_view name) override {
    if (name == "DMA2") engine_ = next_;
    return next_++;
  }
  void Span(TrackId track, std::string_view /*name*/, std::string_view /*detail*/,
            Picoseconds /*begin*/, Picoseconds /*end*/, uint64_t bytes) override {
    if (track == engine_) bytes_.push_back(bytes / 2);
  }
  void Counter(TrackId /*track*/, Picoseconds /*at*/, int64_t /*value*/) override {}
  const std::vector<uint64_t>& bytes() const { return bytes_; }

 private:
  TrackId next_ = 1, engine_ = 0;
  std::vector<uint64_t> bytes_;
};

class StreamsTest : public ::testing::TestWithParam<const char*> {
 protected:
  TestMachine machine_{GetParam()};
};

TEST_P(StreamsTest, ProcessorsOfAllStreamsRunAtTheSameTime) {
  // Each counts in an object of its own, and waits a little between two steps.
  constexpr uint32_t kSteps = 50;
  abi::PacketWait wait;
  wait.cfg = abi::PacketWait::NUM_CYCLES_TO_WAIT::Set(wait.cfg, 1000);
  wait.cfg = abi::PacketWait::INC_VAL::Set(wait.cfg, 1);
  for (uint32_t s = 0; s < 4; ++s) {
    Packets packets;
    for (uint32_t i = 0; i < kSteps; ++i) packets.AddSob(8 + s).Add(wait).Fence();
    machine_.Start(abi::TpcQueue(0, s), packets);
  }
  if (machine_.timed()) {
    bool half_way = false;
    for (int slice = 0; slice < 1000; ++slice) {
      machine_.RunFor(100);
      const uint32_t counts[] = {machine_.Sob(8), machine_.Sob(9), machine_.Sob(10),
                                 machine_.Sob(11)};
      const auto [least, most] = std::minmax_element(std::begin(counts), std::end(counts));
      ASSERT_LE(*most, *least + 1);
      half_way |= *least == kSteps / 2;
    }
    EXPECT_TRUE(half_way);
  }
  machine_.Run();
  for (uint32_t s = 0; s < 4; ++s) EXPECT_EQ(machine_.Sob(8 + s), kSteps);
}

TEST_P(StreamsTest, TheEngineGoesRoundTheStreamsBodyByBody) {
  CommandOrder order;
  {
    const SimulationContext::Door door((*machine_).context());
    (*machine_).SetTrace(&order);
  }
  const DeviceAddress from = machine_.Allocate(4096), to = machine_.Allocate(4096);
  for (uint32_t s = 0; s < 4; ++s) {
    Packets body, upper;
    body.Copy(from, to, 128 * (s + 1));
    const DeviceAddress at = machine_.Upload(body.bytes());
    for (int i = 0; i < 3; ++i) upper.Body(at, static_cast<uint32_t>(body.bytes().size()));
    machine_.Start(abi::DmaQueue(2, s), upper);
  }
  machine_.Run();
  EXPECT_THAT(order.bytes(),
              ElementsAre(128, 256, 384, 512, 128, 256, 384, 512, 128, 256, 384, 512));
}

TEST_P(StreamsTest, OneThatIsBlockedDoesNotBlockTheOthers) {
  const DeviceAddress from = machine_.Allocate(4096), to = machine_.Allocate(4096);
  Packets body;
  body.Copy(from, to, 1024);
  const DeviceAddress at = machine_.Upload(body.bytes());
  const auto bytes = static_cast<uint32_t>(body.bytes().size());
  // Stream 1 has had the engine when it blocks.
  machine_.Start(abi::DmaQueue(2, 1), Packets().Body(at, bytes).Fence().Body(at, bytes).AddSob(9));
  machine_.Start(abi::DmaQueue(2, 1), Packets().AddSob(9));
  for (uint32_t s : {0u, 2u, 3u}) {
    machine_.Start(abi::DmaQueue(2, s), Packets().Body(at, bytes).Body(at, bytes).AddSob(8));
  }
  machine_.Run();
  EXPECT_EQ(machine_.Sob(8), 3u);
  EXPECT_EQ(machine_.Sob(9), 0u);
  EXPECT_THAT(machine_.Stuck(), HasSubstr("DMA2 stream 1 packet 1"));
  EXPECT_THAT(machine_.Write(abi::DmaQmanBase(2) + qman::CpFenceRdata(0, 1), 1), IsOk());
  machine_.Run();
  EXPECT_EQ(machine_.Sob(9), 2u);
  EXPECT_EQ(machine_.Stuck(), "");
}

// Stream 0 keeps the engine while the others ask for it, then passes an ARB_POINT.
class ArbiterTest : public StreamsTest {
 protected:
  static abi::PacketArbPoint Point(uint32_t priority, bool release) {
    abi::PacketArbPoint packet;
    packet.cfg = abi::PacketArbPoint::PRIORITY::Set(packet.cfg, priority);
    packet.cfg = abi::PacketArbPoint::RLS::Set(packet.cfg, release ? 1 : 0);
    return packet;
  }
  // Bytes in the order in which streams 0 to 3 (128 to 512 bytes) copied; stream 0 twice.
  std::vector<uint64_t> Order(const std::vector<uint32_t>& priorities, bool release) {
    CommandOrder order;
    {
      const SimulationContext::Door door((*machine_).context());
      (*machine_).SetTrace(&order);
    }
    const DeviceAddress from = machine_.Allocate(4096), to = machine_.Allocate(4096);
    abi::PacketWait wait;
    wait.cfg = abi::PacketWait::NUM_CYCLES_TO_WAIT::Set(wait.cfg, 20000);
    Packets holder;
    // The stream's own priority first. Many packets keep it busy while it has the engine.
    holder.Add(Point(priorities[0], true)).Copy(from, to, 128);
    for (int i = 0; i < 3000; ++i) holder.Nop();
    holder.Add(Point(priorities[0], release)).Copy(from, to, 128);
    machine_.Start(abi::DmaQueue(2, 0), holder);
    for (uint32_t s = 1; s < 4; ++s) {
      Packets packets;
      for (int i = 0; i < 500; ++i) packets.Nop();
      packets.Add(Point(priorities[s], true)).Copy(from, to, 128 * (s + 1));
      machine_.Start(abi::DmaQueue(2, s), packets);
    }
    machine_.Run();
    EXPECT_EQ(machine_.error(), "");
    {
      const SimulationContext::Door door((*machine_).context());
      (*machine_).SetTrace(nullptr);
    }
    return order.bytes();
  }
};

TEST_P(ArbiterTest, EqualPrioritiesTakeTurns) {
  EXPECT_THAT(Order({0, 0, 0, 0}, false), ElementsAre(128, 256, 384, 512, 128));
}

TEST_P(ArbiterTest, TheHighestPriorityGoesFirst) {
  EXPECT_THAT(Order({1, 3, 2, 9}, true), ElementsAre(128, 512, 256, 384, 128));
}

TEST_P(ArbiterTest, ASwitchPointDoesNotGiveTheEngineToLowerPriorities) {
  EXPECT_THAT(Order({5, 1, 1, 1}, false), ElementsAre(128, 128, 256, 384, 512));
}

TEST_P(ArbiterTest, AReleaseDoes) {
  EXPECT_THAT(Order({5, 1, 1, 1}, true), ElementsAre(128, 256, _, _, 512));
}

INSTANTIATE_TEST_SUITE_P(Modes, StreamsTest,
                         ::testing::Values("sim:gaudi", "sim:gaudi,mode=functional"));
// In functional mode a stretch of packets takes no time, so nobody asks meanwhile.
INSTANTIATE_TEST_SUITE_P(Modes, ArbiterTest, ::testing::Values("sim:gaudi"));

}  // namespace
}  // namespace openhpu::simulator
