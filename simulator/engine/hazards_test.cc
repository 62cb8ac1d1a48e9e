#include "simulator/engine/hazards.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openhpu::simulator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr AgentId kHost = 0;
constexpr AgentId kDma = 1;
constexpr AgentId kTpc = 2;
constexpr AgentId kMme = 3;

AccessBox Box(uint64_t base, uint64_t bytes, bool write) {
  AccessBox box;
  box.base = DeviceAddress(base);
  box.run = bytes;
  box.write = write;
  return box;
}
AccessBox Read(uint64_t base, uint64_t bytes) { return Box(base, bytes, false); }
AccessBox Write(uint64_t base, uint64_t bytes) { return Box(base, bytes, true); }

// Columns [column, column + bytes) of `rows` rows of 64 bytes.
AccessBox Column(uint64_t column, uint64_t bytes, uint64_t rows, bool write) {
  AccessBox box = Box(0x1000 + column, bytes, write);
  box.sizes[0] = rows;
  box.strides[0] = 64;
  return box;
}

void Signal(HazardChecker& checker, AgentId from, AgentId to) {
  const VectorClock carried = checker.Release(from);
  checker.Acquire(to, carried);
}

TEST(Join, TakesTheLaterOfEachComponent) {
  VectorClock clock = {1, 5, 0};
  Join(clock, {2, 3, 0});
  EXPECT_THAT(clock, ElementsAre(2, 5, 0));
  Join(clock, {0, 0, 0, 7});
  EXPECT_THAT(clock, ElementsAre(2, 5, 0, 7));
  Join(clock, {9});
  EXPECT_THAT(clock, ElementsAre(9, 5, 0, 7));
}

TEST(HazardChecker, AMissingEdgeIsReportedWithBothCommandsAndTheRange) {
  HazardChecker checker(4);
  EXPECT_EQ(checker.Access(kDma, "DMA2 copy in", {Write(0x1000, 0x100)}), std::nullopt);
  const std::optional<std::string> report =
      checker.Access(kTpc, "TPC0 add", {Write(0x9000, 16), Read(0x1080, 0x100)});
  EXPECT_THAT(report,
              Optional(Eq("race, read after write: \"DMA2 copy in\" (agent 1) writes and "
                          "\"TPC0 add\" (agent 2) reads the same bytes of [0x1080, 0x1100); "
                          "no sync object or fence orders them")));
}

TEST(HazardChecker, EveryKindIsNamed) {
  const std::vector<std::pair<AccessBox, AccessBox>> pairs = {
      {Write(0, 8), Read(4, 8)}, {Read(0, 8), Write(4, 8)}, {Write(0, 8), Write(4, 8)}};
  const char* kinds[] = {"read after write", "write after read", "write after write"};
  for (int i = 0; i < 3; ++i) {
    HazardChecker checker(4);
    EXPECT_EQ(checker.Access(kDma, "first", {pairs[i].first}), std::nullopt);
    EXPECT_THAT(checker.Access(kTpc, "second", {pairs[i].second}), Optional(HasSubstr(kinds[i])));
  }
}

TEST(HazardChecker, ReadsDoNotRace) {
  HazardChecker checker(4);
  EXPECT_EQ(checker.Access(kDma, "a", {Read(0, 64)}), std::nullopt);
  EXPECT_EQ(checker.Access(kTpc, "b", {Read(0, 64)}), std::nullopt);
}

TEST(HazardChecker, AnAgentDoesNotRaceWithItself) {
  HazardChecker checker(4);
  EXPECT_EQ(checker.Access(kDma, "a", {Write(0, 64), Read(0, 64)}), std::nullopt);
  EXPECT_EQ(checker.Access(kDma, "b", {Write(0, 64)}), std::nullopt);
}

TEST(HazardChecker, ASignalOrders) {
  HazardChecker checker(4);
  EXPECT_EQ(checker.Access(kDma, "in", {Write(0, 64)}), std::nullopt);
  Signal(checker, kDma, kTpc);
  EXPECT_EQ(checker.Access(kTpc, "add", {Read(0, 64), Write(64, 64)}), std::nullopt);
  Signal(checker, kTpc, kMme);
  // In order with the DMA too, through the TPC.
  EXPECT_EQ(checker.Access(kMme, "product", {Write(0, 128)}), std::nullopt);
}

TEST(HazardChecker, ASignalOrdersOnlyWhatCameBeforeIt) {
  HazardChecker checker(4);
  EXPECT_EQ(checker.Access(kDma, "early", {Write(0, 64)}), std::nullopt);
  const VectorClock carried = checker.Release(kDma);
  EXPECT_EQ(checker.Access(kDma, "late", {Write(64, 64)}), std::nullopt);
  checker.Acquire(kTpc, carried);
  EXPECT_EQ(checker.Access(kTpc, "add", {Read(0, 64)}), std::nullopt);
  EXPECT_THAT(checker.Access(kTpc, "add", {Read(0, 128)}), Optional(HasSubstr("late")));
}

TEST(HazardChecker, ASignalDoesNotOrderTheOtherWayRound) {
  HazardChecker checker(4);
  Signal(checker, kTpc, kDma);
  EXPECT_EQ(checker.Access(kTpc, "after the signal", {Write(0, 64)}), std::nullopt);
  EXPECT_THAT(checker.Access(kDma, "unordered", {Write(0, 64)}),
              Optional(HasSubstr("after the signal")));
}

TEST(HazardChecker, AnyUnorderedWriterIsFoundBesideOrderedOnes) {
  HazardChecker checker(4);
  EXPECT_EQ(checker.Access(kMme, "half", {Write(64, 64)}), std::nullopt);
  EXPECT_EQ(checker.Access(kDma, "other half", {Write(0, 64)}), std::nullopt);
  Signal(checker, kDma, kTpc);
  EXPECT_THAT(checker.Access(kTpc, "add", {Read(0, 128)}),
              Optional(AllOf(HasSubstr("\"half\""), HasSubstr("[0x40, 0x80)"))));
}

TEST(HazardChecker, InterleavedBoxesThatShareNoByteDoNotRace) {
  HazardChecker checker(4);
  EXPECT_EQ(checker.Access(kDma, "left", {Column(0, 32, 100, true)}), std::nullopt);
  EXPECT_EQ(checker.Access(kTpc, "right", {Column(32, 32, 100, true)}), std::nullopt);
  EXPECT_THAT(checker.Access(kMme, "across", {Column(31, 1, 100, true)}),
              Optional(HasSubstr("left")));
}

TEST(HazardChecker, EmptyBoxesTouchNothing) {
  HazardChecker checker(4);
  AccessBox none = Write(0, 64);
  none.sizes[2] = 0;
  EXPECT_EQ(checker.Access(kDma, "a", {Write(0, 0), none}), std::nullopt);
  EXPECT_EQ(checker.remembered(), 0u);
  EXPECT_EQ(checker.Access(kTpc, "b", {Write(0, 64)}), std::nullopt);
}

TEST(HazardChecker, PruneForgetsWhatAllHaveSeenAndNothingElse) {
  HazardChecker checker(3);
  checker.Access(kDma, "old", {Write(0, 64)});
  Signal(checker, kDma, kHost);
  checker.Access(kDma, "young", {Write(64, 64)});
  checker.Prune();
  EXPECT_EQ(checker.remembered(), 2u);  // the TPC has seen nothing
  checker.Acquire(kTpc, checker.clock(kHost));
  checker.Prune();
  EXPECT_EQ(checker.remembered(), 1u);
  EXPECT_EQ(checker.Access(kTpc, "add", {Write(0, 64)}), std::nullopt);
  EXPECT_THAT(checker.Access(kTpc, "add", {Write(64, 64)}), Optional(HasSubstr("young")));
}

TEST(HazardChecker, ClearForgetsEverything) {
  HazardChecker checker(4);
  checker.Access(kDma, "a", {Write(0, 64)});
  checker.Release(kDma);
  checker.Clear();
  EXPECT_EQ(checker.remembered(), 0u);
  EXPECT_THAT(checker.clock(kDma), ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(checker.Access(kTpc, "b", {Write(0, 64)}), std::nullopt);
}

TEST(HazardChecker, MemoryIsBoundedByTheProgramNotByItsRuns) {
  HazardChecker checker(4);
  for (int run = 0; run < 1000; ++run) {
    for (int command = 0; command < 100; ++command) {
      ASSERT_EQ(
          checker.Access(kDma, "command " + std::to_string(command), {Write(command * 64, 64)}),
          std::nullopt);
      checker.Release(kDma);
    }
  }
  EXPECT_LE(checker.remembered(), 1024u);
  // Nobody has seen any of them.
  for (int command = 0; command < 100; ++command) {
    EXPECT_THAT(checker.Access(kTpc, "x", {Read(command * 64, 1)}),
                Optional(HasSubstr("\"command " + std::to_string(command) + "\"")));
  }
}

// Every pair of accesses is compared with reachability in the graph of events.
TEST(HazardChecker, AgreesWithTheDefinitionOnRandomPrograms) {
  constexpr uint32_t kAgents = 4;
  int races = 0;
  int clean = 0;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    HazardChecker checker(kAgents);
    struct Event {
      AgentId agent;
      AccessBox box;
    };
    std::vector<Event> events;
    std::vector<std::vector<bool>> known(kAgents, std::vector<bool>(100));
    std::vector<std::pair<std::vector<bool>, VectorClock>> signals;
    for (int step = 0; step < 60; ++step) {
      const AgentId agent = random() % kAgents;
      switch (random() % 4) {
        case 0: {
          const VectorClock carried = checker.Release(agent);
          signals.emplace_back(known[agent], carried);
          break;
        }
        case 1:
        case 2: {
          if (signals.empty()) break;
          const auto& [past, carried] =
              signals[signals.size() - 1 - random() % std::min<size_t>(signals.size(), 3)];
          for (size_t i = 0; i < past.size(); ++i) known[agent][i] = known[agent][i] || past[i];
          checker.Acquire(agent, carried);
          if (random() % 8 == 0) checker.Prune();
          break;
        }
        case 3: {
          const AccessBox box =
              Column(random() % 48, 1 + random() % 16, 1 + random() % 4, random() % 2 != 0);
          bool race = false;
          for (size_t i = 0; i < events.size(); ++i) {
            race |= events[i].agent != agent && !known[agent][i] &&
                    (events[i].box.write || box.write) && Intersect(events[i].box, box);
          }
          EXPECT_EQ(checker.Access(agent, "event", {box}).has_value(), race) << seed;
          ++(race ? races : clean);
          known[agent][events.size()] = true;
          events.push_back({agent, box});
          break;
        }
      }
    }
  }
  EXPECT_GT(races, 300);
  EXPECT_GT(clean, 300);
}

}  // namespace
}  // namespace openhpu::simulator
