#include "graph/back/schedule.h"

#include <algorithm>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "graph/testing_plans.h"
#include "gtest/gtest.h"

namespace openhpu::graph {
namespace {

using ::testing::HasSubstr;

PlanStep Step(hal::EngineKind kind, std::vector<uint32_t> after) {
  PlanStep step;
  if (kind == hal::EngineKind::kTpc) step.work = TpcStep{};
  if (kind == hal::EngineKind::kMme) step.work = hal::MmeGemm{};
  if (kind == hal::EngineKind::kDma) step.work = hal::DmaCopy{};
  step.after = std::move(after);
  return step;
}

struct Case {
  Plan plan;
  std::vector<std::vector<Share>> shares;
};

// A plan of `steps` steps on random engines with random dependencies on recent steps.
Case RandomCase(uint32_t seed, uint32_t steps) {
  std::mt19937 random(seed);
  Case c;
  for (uint32_t i = 0; i < steps; ++i) {
    const int kind = static_cast<int>(random() % 3);
    std::set<uint32_t> after;
    for (uint32_t n = random() % 4; n > 0 && i > 0; --n)
      after.insert(i - 1 - random() % std::min(i, 12u));
    c.plan.steps.push_back(
        Step(std::array{hal::EngineKind::kDma, hal::EngineKind::kMme, hal::EngineKind::kTpc}[kind],
             {after.begin(), after.end()}));
    const uint32_t engines = std::array{5u, 2u, 11u}[kind];
    c.shares.emplace_back(random() % 3 == 0 ? 1 : 1 + random() % engines, hal::IndexBox{});
  }
  return c;
}

// Runs a schedule as the hardware may: any queue that is not blocked goes next, engines complete in
// order but later than they are told. Returns the first fault: a share that starts before what it
// needs is complete, a deadlock, or a sob that is not 0 at the end. Launches it several times in a
// row.
class Interpreter {
 public:
  Interpreter(const Case& c, const Schedule& schedule, uint32_t seed)
      : case_(c), schedule_(schedule), random_(seed) {
    sobs_.resize(schedule.sobs);
    for (size_t q = 0; q < schedule.queues.size(); ++q) AddQueue(schedule.queues[q].upper);
    AddQueue(schedule.external);
  }

  std::string Run(int launches) {
    for (Cursor& cursor : queues_) cursor.left = launches;
    done_.assign(launches + 1, std::vector<uint32_t>(case_.plan.steps.size()));
    while (true) {
      std::vector<size_t> ready;
      for (size_t q = 0; q < queues_.size(); ++q) {
        if (CanRun(q)) ready.push_back(2 * q);
        if (!queues_[q].running.empty()) ready.push_back(2 * q + 1);
      }
      if (ready.empty()) break;
      const size_t choice = ready[random_() % ready.size()];
      if (choice % 2 == 0)
        Advance(choice / 2);
      else
        Complete(choice / 2);
      if (!fault_.empty()) return fault_;
    }
    for (size_t q = 0; q < queues_.size(); ++q) {
      if (queues_[q].left > 0)
        return absl::StrCat("deadlock: queue ", q, " at op ", queues_[q].next);
    }
    for (size_t sob = 0; sob < sobs_.size(); ++sob) {
      if (sobs_[sob] != 0) return absl::StrCat("sob ", sob, " is left at ", sobs_[sob]);
    }
    for (int launch = 1; launch <= launches; ++launch) {
      for (size_t step = 0; step < done_[launch].size(); ++step) {
        if (done_[launch][step] != case_.shares[step].size())
          return absl::StrCat("step ", step, " did not run");
      }
    }
    return "";
  }

 private:
  struct Cursor {
    const std::vector<UpperOp>* ops = nullptr;
    size_t next = 0;
    int left = 0, launch = 1;
    std::vector<BodyItem> running;  // told to the engine and not yet complete, in order
  };

  void AddQueue(const std::vector<UpperOp>& ops) {
    queues_.emplace_back();
    queues_.back().ops = &ops;
  }

  bool CanRun(size_t q) const {
    const Cursor& cursor = queues_[q];
    if (cursor.left == 0) return false;
    if (cursor.next == cursor.ops->size()) return cursor.running.empty();
    if (const AwaitOp* await = std::get_if<AwaitOp>(&(*cursor.ops)[cursor.next])) {
      for (const hal::SyncCondition& condition : await->conditions) {
        for (uint32_t bit = 0; bit < 8; ++bit) {
          if ((condition.watch >> bit & 1) != 0 &&
              sobs_[8 * condition.group + bit] < condition.value)
            return false;
        }
      }
    }
    return true;
  }

  void Advance(size_t q) {
    Cursor& cursor = queues_[q];
    if (cursor.next == cursor.ops->size()) {
      cursor.next = 0;
      --cursor.left;
      ++cursor.launch;
      return;
    }
    const UpperOp& op = (*cursor.ops)[cursor.next++];
    if (const SobOp* sob = std::get_if<SobOp>(&op)) sobs_[sob->sob] = sob->value;
    if (const RunOp* run = std::get_if<RunOp>(&op)) {
      const QueueSchedule& queue = schedule_.queues[q];
      for (uint32_t i = run->begin; i < run->end; ++i) {
        cursor.running.push_back(queue.body[i]);
        if (queue.body[i].skipped == 0) CheckStart(queue.body[i].step, q, cursor.launch);
      }
    }
  }

  // Everything before it is complete, or on this very engine and told earlier.
  void CheckStart(uint32_t step, size_t q, int launch) {
    for (uint32_t before : case_.plan.steps[step].after) {
      uint32_t missing = static_cast<uint32_t>(case_.shares[before].size()) - done_[launch][before];
      for (const BodyItem& item : queues_[q].running)
        missing -= item.skipped == 0 && item.step == before;
      if (missing > 0)
        fault_ = absl::StrCat("step ", step, " starts before step ", before, " is complete");
    }
  }

  void Complete(size_t q) {
    Cursor& cursor = queues_[q];
    const BodyItem item = cursor.running.front();
    cursor.running.erase(cursor.running.begin());
    const QueueSchedule& queue = schedule_.queues[q];
    for (uint32_t i = 0; i < queue.sobs; ++i) sobs_[queue.sob + i] += std::max(item.skipped, 1u);
    if (item.skipped == 0) ++done_[cursor.launch][item.step];
  }

  const Case& case_;
  const Schedule& schedule_;
  std::mt19937 random_;
  std::vector<uint32_t> sobs_;
  std::vector<Cursor> queues_;
  std::vector<std::vector<uint32_t>> done_;
  std::string fault_;
};

std::string FirstFault(const Case& c, const Schedule& schedule, int tries, int launches = 3) {
  for (int seed = 0; seed < tries; ++seed) {
    const std::string fault = Interpreter(c, schedule, static_cast<uint32_t>(seed)).Run(launches);
    if (!fault.empty()) return fault;
  }
  return "";
}

// Calls `visit` on every condition's await and index, queue by queue, external last.
void ForEachCondition(Schedule& schedule, const std::function<void(AwaitOp&, size_t)>& visit) {
  std::vector<std::vector<UpperOp>*> all;
  for (QueueSchedule& queue : schedule.queues) all.push_back(&queue.upper);
  all.push_back(&schedule.external);
  for (std::vector<UpperOp>* ops : all) {
    for (UpperOp& op : *ops) {
      AwaitOp* await = std::get_if<AwaitOp>(&op);
      if (await == nullptr) continue;
      for (size_t i = 0; i < await->conditions.size(); ++i) visit(*await, i);
    }
  }
}

TEST(ScheduleTest, HoldsEveryDependencyInAnyInterleaving) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    const Case c = RandomCase(seed, 40);
    EXPECT_EQ(FirstFault(c, MakeSchedule(c.plan, c.shares), 10), "") << "seed " << seed;
  }
}

TEST(ScheduleTest, HoldsEveryDependencyAcrossResetEpochs) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    const Case c = RandomCase(seed, 60);
    for (uint32_t max_count : {1u, 2u, 5u}) {
      EXPECT_EQ(FirstFault(c, MakeSchedule(c.plan, c.shares, max_count), 5), "") << "seed " << seed;
    }
  }
}

TEST(ScheduleTest, EveryConditionBetweenStepsIsNeeded) {
  const Case c = RandomCase(7, 14);
  Schedule schedule = MakeSchedule(c.plan, c.shares);
  int conditions = 0, needed = 0;
  ForEachCondition(schedule, [&](AwaitOp& await, size_t i) {
    const hal::SyncCondition removed = await.conditions[i];
    await.conditions.erase(await.conditions.begin() + static_cast<int64_t>(i));
    ++conditions;
    needed += FirstFault(c, schedule, 3000) != "";
    await.conditions.insert(await.conditions.begin() + static_cast<int64_t>(i), removed);
  });
  EXPECT_GT(conditions, 20);
  EXPECT_EQ(needed, conditions);
}

TEST(ScheduleTest, AChainOnOneEngineRunsWithoutAWait) {
  Case c;
  for (uint32_t i = 0; i < 10; ++i) {
    c.plan.steps.push_back(Step(hal::EngineKind::kTpc,
                                i == 0 ? std::vector<uint32_t>{} : std::vector<uint32_t>{i - 1}));
    c.shares.push_back({hal::IndexBox{}});
  }
  const Schedule schedule = MakeSchedule(c.plan, c.shares);
  ASSERT_EQ(schedule.queues.size(), 1u);
  ASSERT_EQ(schedule.queues[0].upper.size(), 3u);  // go, its reset, one run
  EXPECT_EQ(std::get<RunOp>(schedule.queues[0].upper[2]).end, 10u);
}

TEST(ScheduleTest, AStepThatReadsWhatOtherEnginesOfItsKindWroteWaits) {
  Case c;
  c.plan.steps = {Step(hal::EngineKind::kTpc, {}), Step(hal::EngineKind::kTpc, {0})};
  c.shares.assign(2, std::vector<Share>(4, hal::IndexBox{}));
  const Schedule schedule = MakeSchedule(c.plan, c.shares);
  ASSERT_EQ(schedule.queues.size(), 4u);
  for (const QueueSchedule& queue : schedule.queues) {
    ASSERT_EQ(queue.upper.size(), 5u);
    const AwaitOp& await = std::get<AwaitOp>(queue.upper[3]);
    ASSERT_EQ(await.conditions.size(), 1u);
    EXPECT_EQ(await.conditions[0].watch, 0xF);
    EXPECT_EQ(await.conditions[0].value, 1u);
  }
}

int Waits(const Schedule& schedule) {
  int waits = 0;
  for (const QueueSchedule& queue : schedule.queues) {
    for (const UpperOp& op : queue.upper) waits += std::holds_alternative<AwaitOp>(op);
    --waits;  // go
  }
  return waits;
}

// x -> y -> x -> ... in place of each other, on two TPCs.
Case LanesCase(uint32_t steps) {
  Case c;
  for (uint32_t i = 0; i < steps; ++i) {
    c.plan.steps.push_back(AddConstantStep(
        4096, i, WorkspaceAddress(i % 2 * 16384), WorkspaceAddress((i + 1) % 2 * 16384),
        i == 0 ? std::vector<uint32_t>{} : std::vector<uint32_t>{i - 1}));
    c.shares.emplace_back(2, hal::IndexBox{});
  }
  return c;
}

TEST(ScheduleTest, ElementWiseStepsCutAlikeDoNotWaitForEachOther) {
  const Case c = LanesCase(10);
  EXPECT_EQ(Waits(MakeSchedule(c.plan, c.shares)), 0);
  // Very long ones do now and then, so that scheduling stays linear.
  const Case longer = LanesCase(1000);
  const int waits = Waits(MakeSchedule(longer.plan, longer.shares));
  EXPECT_GT(waits, 0);
  EXPECT_LT(waits, 2 * 1000 / 10);
}

TEST(ScheduleTest, ElementWiseStepsThatOverlapOtherwiseWait) {
  Case c = LanesCase(2);
  // Reads half an element range further.
  std::get<TpcStep>(c.plan.steps[1].work).addresses[0].offset += 8192;
  EXPECT_EQ(Waits(MakeSchedule(c.plan, c.shares)), 2);
  c = LanesCase(2);
  c.shares[1].pop_back();
  EXPECT_EQ(Waits(MakeSchedule(c.plan, c.shares)), 1);
  c = LanesCase(1);
  c.plan.steps.push_back(
      AddFirstAndLastRowStep(64, 64, WorkspaceAddress(16384), WorkspaceAddress(32768), {0}));
  c.shares.emplace_back(2, hal::IndexBox{});
  EXPECT_EQ(Waits(MakeSchedule(c.plan, c.shares)), 2);
}

TEST(ScheduleTest, WhatAStepOfTheSameLanesDidNotWaitForIsAskedAnew) {
  const auto at = [](uint64_t slot) { return WorkspaceAddress(16384 * slot); };
  Case c;
  c.plan.steps = {AddConstantStep(4096, 1, at(0), at(1), {}),
                  // Told of step 0, which it does not touch.
                  AddConstantStep(4096, 2, at(0), at(2), {0}),
                  // Reads what step 0 wrote, otherwise cut, and is told of step 1 alone.
                  AddFirstAndLastRowStep(64, 64, at(1), at(3), {1})};
  c.shares.assign(3, std::vector<Share>(2, hal::IndexBox{}));
  EXPECT_EQ(Waits(MakeSchedule(c.plan, c.shares)), 2);
}

TEST(ScheduleTest, WaitsAreReducedTransitively) {
  // MME after TPC; DMA after both: the MME's count implies the TPC's.
  Case c;
  c.plan.steps = {Step(hal::EngineKind::kTpc, {}), Step(hal::EngineKind::kMme, {0}),
                  Step(hal::EngineKind::kDma, {0, 1})};
  c.shares.assign(3, {hal::IndexBox{}});
  const Schedule schedule = MakeSchedule(c.plan, c.shares);
  ASSERT_EQ(schedule.queues[0].engine.kind, hal::EngineKind::kDma);
  EXPECT_EQ(std::get<AwaitOp>(schedule.queues[0].upper[2]).conditions.size(), 1u);
}

TEST(ScheduleTest, StepsWithoutAShareAreCountedInOneMessage) {
  Case c;
  c.plan.steps.push_back(Step(hal::EngineKind::kTpc, {}));
  c.shares.emplace_back(2, hal::IndexBox{});
  for (uint32_t i = 1; i < 1000; ++i) {
    c.plan.steps.push_back(Step(hal::EngineKind::kTpc, {i - 1}));
    c.shares.push_back({hal::IndexBox{}});
  }
  const Schedule schedule = MakeSchedule(c.plan, c.shares);
  ASSERT_EQ(schedule.queues.size(), 2u);
  ASSERT_EQ(schedule.queues[1].body.size(), 2u);
  EXPECT_EQ(schedule.queues[1].body[1].skipped, 999u);
}

TEST(ScheduleTest, AWrongCountIsADeadlock) {
  const Case c = RandomCase(3, 20);
  Schedule schedule = MakeSchedule(c.plan, c.shares);
  std::get<AwaitOp>(schedule.external[schedule.queues.size()]).conditions[0].value += 1;
  EXPECT_THAT(FirstFault(c, schedule, 1), HasSubstr("deadlock"));
}

TEST(ScheduleTest, AnEngineStartsByTheSameSobInEveryProgram) {
  // Another program of the bank may still run when a queue arms its go monitor.
  const auto go = [](hal::EngineKind kind, const Plan& plan, size_t engines) {
    Case c;
    c.plan = plan;
    for (size_t i = 0; i < plan.steps.size(); ++i) c.shares.emplace_back(engines, hal::IndexBox{});
    for (const QueueSchedule& queue : MakeSchedule(c.plan, c.shares).queues) {
      if (queue.engine.kind == kind && queue.engine.index == 0) return queue.go;
    }
    return UINT32_MAX;
  };
  Plan alone, beside;
  alone.steps = {Step(hal::EngineKind::kTpc, {})};
  beside.steps = {Step(hal::EngineKind::kDma, {}), Step(hal::EngineKind::kMme, {0}),
                  Step(hal::EngineKind::kTpc, {1})};
  const uint32_t expected = go(hal::EngineKind::kTpc, alone, 1);
  EXPECT_EQ(go(hal::EngineKind::kTpc, alone, 8), expected);
  EXPECT_EQ(go(hal::EngineKind::kTpc, beside, 2), expected);

  Case c = RandomCase(1, 200);
  const Schedule schedule = MakeSchedule(c.plan, c.shares);
  uint32_t first_free = schedule.first_external_monitor;
  for (const QueueSchedule& queue : schedule.queues) {
    EXPECT_LT(queue.go, first_free);
    EXPECT_GE(queue.first_monitor, first_free);
    EXPECT_GE(queue.sob, first_free);
  }
}

TEST(ScheduleTest, TheBankIsInGroupsOfEight) {
  const Case c = RandomCase(1, 200);
  const Schedule schedule = MakeSchedule(c.plan, c.shares);
  EXPECT_EQ(schedule.queues.size(), 18u);
  // Four for the go sobs of 8 + 8 + 16 engines, one for the DMAs, one for the MMEs, two for eleven
  // TPCs.
  EXPECT_EQ(schedule.sobs, 64u);
  EXPECT_GE(schedule.monitors, 18u + 4u);
}

}  // namespace
}  // namespace openhpu::graph
