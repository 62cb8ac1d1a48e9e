// What the card lets be seen: traces and statistics; and that they are the same every time.
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulator/card_testing.h"
#include "testing/collecting_trace.h"

namespace openhpu::simulator {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

// Two engines, a signal between them, a host job.
struct Work {
  explicit Work(TestCard& card) : card(card) {
    const DeviceAddress a = card.Allocate(1 << 20), b = card.Allocate(1 << 20),
                        c = card.Allocate(1 << 20);
    Packets first_body, second_body, first, second, end;
    first_body.Copy(a, b, 1 << 20);
    second_body.Copy(b, c, 1 << 20);
    first.Body(card.Upload(first_body.bytes()), 24).AddSob(8, 1, abi::Ctl::ENG_BARRIER::kMask);
    second.Await(8, 1, 0, abi::DmaQmanBase(3), 0)
        .Body(card.Upload(second_body.bytes()), 24)
        .AddSob(9, 1, abi::Ctl::ENG_BARRIER::kMask);
    end.Await(9, 1, 1, abi::DmaQmanBase(0), 0).Sob(8, 0).Sob(9, 0);
    chunks = {card.Internal(abi::DmaQueue(2, 0), first), card.Internal(abi::DmaQueue(3, 0), second),
              card.External(abi::DmaQueue(0, 0), end)};
  }
  void Run() { EXPECT_THAT(card.Run(chunks), IsOk()); }

  TestCard& card;
  std::vector<hal::Chunk> chunks;
};

TEST(TraceTest, ShowsHostQueuesEnginesAndMemories) {
  TestCard card("sim:tiny");
  Work work(card);
  work.Run();
  CollectingSink trace;
  card->SetTrace(&trace);
  work.Run();
  card->SetTrace(nullptr);
  EXPECT_THAT(trace.tracks(), Contains(Pair("host", "thread 0")));
  EXPECT_THAT(trace.tracks(), Contains(Pair("queue", "DMA3 stream 0")));
  EXPECT_THAT(trace.tracks(), Contains(Pair("engine", "DMA2")));
  EXPECT_THAT(trace.tracks(), Contains(Pair("engine", "TPC1")));
  EXPECT_THAT(trace.tracks(), Contains(Pair("memory", "HBM")));
  const std::vector<std::string> lines = trace.Lines();
  EXPECT_THAT(lines, Contains(HasSubstr("host/thread 0 Submit")));
  EXPECT_THAT(lines, Contains(HasSubstr("host/thread 0 Wait")));
  EXPECT_THAT(lines, Contains(HasSubstr("engine/DMA2 copy")));
  EXPECT_THAT(lines, Contains(HasSubstr("queue/DMA3 stream 0 fence")));
  EXPECT_THAT(lines, Contains(HasSubstr("queue/DMA2 stream 0 job")));
  EXPECT_THAT(lines, Contains(HasSubstr("memory/HBM")));
  for (const CollectingSink::Event& event : trace.events()) EXPECT_LE(event.begin, event.end);
  const size_t events = trace.events().size();
  work.Run();
  EXPECT_EQ(trace.events().size(), events);
}

TEST(TraceTest, IsTheSameEveryTime) {
  const auto run = [](const char* spec) {
    CollectingSink trace;
    TestCard card(spec);
    card->SetTrace(&trace);
    Work work(card);
    for (int i = 0; i < 5; ++i) work.Run();
    card->SetTrace(nullptr);
    return trace.Lines();
  };
  EXPECT_EQ(run("sim:tiny"), run("sim:tiny"));
  EXPECT_EQ(run("sim:tiny"), run("sim:tiny,hazards=on"));
  EXPECT_EQ(run("sim:tiny"), run("sim:tiny,arithmetic=exact"));
}

TEST(TimeTest, AReplayTakesTheSameTimeEveryTime) {
  TestCard card("sim:gaudi");
  Work work(card);
  work.Run();
  uint64_t before = card->statistics().now.value();
  work.Run();
  const uint64_t once = card->statistics().now.value() - before;
  for (int i = 0; i < 1000; ++i) {
    before = card->statistics().now.value();
    work.Run();
    ASSERT_EQ(card->statistics().now.value() - before, once) << i;
  }
}

TEST(StatisticsTest, CountTimeBytesAndCommands) {
  TestCard card("sim:tiny");
  Work work(card);
  card->ResetStatistics();
  work.Run();
  const Statistics statistics = card->statistics();
  EXPECT_EQ(statistics.submissions, 1u);
  EXPECT_EQ(statistics.packets, 2u + 1 + 5 + 1 + 1 + 1 + 7 + 2);
  const auto engine = [&](const std::string& name) {
    for (const EngineStatistics& s : statistics.engines) {
      if (s.name == name) return s;
    }
    ADD_FAILURE() << "no " << name;
    return EngineStatistics();
  };
  const EngineStatistics first = engine("DMA2"), second = engine("DMA3"), hbm = engine("HBM");
  EXPECT_EQ(first.commands, 1u);
  EXPECT_EQ(first.bytes_read, 1u << 20);
  EXPECT_EQ(first.bytes_written, 1u << 20);
  // Launch, first byte, and 2 MB through HBM at 0.9 x 256 GB/s, reads and writes mixed.
  EXPECT_NEAR(static_cast<double>(first.busy.value()), 300e3 + 400e3 + 2097152 * 1e12 / 256e9 / 0.9,
              2e3);
  EXPECT_EQ(first.busy, second.busy);
  EXPECT_GT(second.fence_wait, first.busy);
  EXPECT_EQ(hbm.bytes_read, 2u << 20);
  EXPECT_LT(hbm.busy, first.busy + second.busy);
  EXPECT_EQ(engine("TPC0").commands, 0u);
  EXPECT_EQ(engine("TPC0").busy.value(), 0u);
  card->ResetStatistics();
  for (const EngineStatistics& s : card->statistics().engines)
    EXPECT_EQ(s.busy.value(), 0u) << s.name;
}

}  // namespace
}  // namespace openhpu::simulator
