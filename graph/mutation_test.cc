// Whether wrong sync is found: a program's schedule is changed in one place, in turn everywhere,
// and the card with its hazard checker on must say so by name.
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "graph/back/emit.h"
#include "graph/back/schedule.h"
#include "graph/back/split.h"
#include "graph/testing_device.h"
#include "graph/testing_plans.h"
#include "gtest/gtest.h"
#include "hal/chip.h"
#include "runtime/instance.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr uint32_t kSize = 64;
constexpr uint64_t kBytes = 4 * kSize * kSize;

// Every kind of engine after every other, and in each direction: reads after writes, and writes
// after reads.
Plan MutationPlan() {
  Plan plan = ThreeKindsPlan(kSize);
  const auto work = [](int slot) { return WorkspaceAddress(static_cast<uint64_t>(slot) * kBytes); };
  plan.workspace_bytes = 6 * kBytes;
  const uint32_t elements = kSize * kSize;
  const uint32_t bytes = static_cast<uint32_t>(kBytes);
  // 0: w0 = a @ b. 1: w1 = w0 + 1. 2: c = w1. Then:
  // 3: w2 = two rows of w1. 4: w0 = w2 @ b. 5: w3 = w0. 6: w1 = w3 + 3. 7: w4 = w1 @ w3. 8: c = w4.
  plan.steps.push_back(AddFirstAndLastRowStep(kSize, kSize, work(1), work(2), {1}));
  plan.steps.push_back(GemmStep(kSize, work(2), BindingAddress(1), work(0), {1, 3}));
  plan.steps.push_back(CopyStep(bytes, work(0), work(3), {4}));
  plan.steps.push_back(AddConstantStep(elements, 0x40400000, work(3), work(1), {2, 3, 5}));
  plan.steps.push_back(GemmStep(kSize, work(1), work(3), work(4), {5, 6}));
  plan.steps.push_back(CopyStep(bytes, work(4), BindingAddress(2), {2, 7}));
  return plan;
}

struct Case {
  Plan plan;
  std::vector<std::vector<Share>> shares;
  Schedule schedule;
};

Case MakeCase(const hal::Chip& chip) {
  Case c;
  c.plan = MutationPlan();
  for (const PlanStep& step : c.plan.steps) c.shares.push_back(*SplitStep(step, chip));
  c.schedule = MakeSchedule(c.plan, c.shares);
  return c;
}

// Two launches on a fresh card, with host copies before and after them: the first error.
absl::Status RunOnFreshCard(const char* spec, const std::function<void(Case&)>& mutate) {
  ASSIGN_OR_RETURN(TestDevice device, TestDevice::Open(spec));
  Case c = MakeCase(device.context->chip());
  mutate(c);
  ASSIGN_OR_RETURN(const runtime::Program program,
                   EmitProgram(c.plan, c.shares, c.schedule, device.context->chip()));
  ASSIGN_OR_RETURN(const std::unique_ptr<runtime::Instance> instance,
                   runtime::Instance::Load(*device.stream, program));
  std::vector<std::unique_ptr<runtime::DeviceMemory>> memories;
  std::vector<DeviceAddress> bindings;
  for (const runtime::BindingSpec& binding : program.bindings) {
    ASSIGN_OR_RETURN(std::unique_ptr<runtime::DeviceMemory> memory,
                     device.context->Allocate(binding.bytes));
    bindings.push_back(memory->address());
    memories.push_back(std::move(memory));
  }
  std::vector<float> values(kSize * kSize, 1);
  RETURN_IF_ERROR(device.stream->CopyToDevice(values.data(), kBytes, bindings[0]));
  const std::vector<float> means(kSize * kSize, 1.0f / kSize);
  RETURN_IF_ERROR(device.stream->CopyToDevice(means.data(), kBytes, bindings[1]));
  RETURN_IF_ERROR(instance->Launch(bindings));
  RETURN_IF_ERROR(instance->Relaunch());
  RETURN_IF_ERROR(device.stream->CopyToDevice(values.data(), kBytes, bindings[0]));
  RETURN_IF_ERROR(instance->Relaunch());
  RETURN_IF_ERROR(device.stream->CopyFromDevice(bindings[2], kBytes, values.data()));
  RETURN_IF_ERROR(device.stream->Synchronize());
  // w0 = 1, w1 = 2, w2 = 4, w0 = w3 = 4, w1 = 7, w4 = 64 * 7 * 4.
  if (values.front() != 1792) return absl::InternalError("wrong values, and nobody noticed");
  return absl::OkStatus();
}

// All places with ops: queue by queue, external last.
std::vector<std::pair<std::string, std::vector<UpperOp>*>> OpLists(Schedule& schedule) {
  std::vector<std::pair<std::string, std::vector<UpperOp>*>> lists;
  for (size_t q = 0; q < schedule.queues.size(); ++q) {
    lists.emplace_back(absl::StrCat("queue ", q), &schedule.queues[q].upper);
  }
  lists.emplace_back("external queue", &schedule.external);
  return lists;
}

// Calls `visit(where, list, op)` for every op, with indices that hold for every case of this plan.
void ForEachOp(
    const hal::Chip& chip,
    const std::function<void(const std::string&, size_t, size_t, const UpperOp&)>& visit) {
  Case c = MakeCase(chip);
  const auto lists = OpLists(c.schedule);
  for (size_t list = 0; list < lists.size(); ++list) {
    for (size_t op = 0; op < lists[list].second->size(); ++op) {
      visit(absl::StrCat(lists[list].first, " op ", op), list, op, (*lists[list].second)[op]);
    }
  }
}

// An error that names what is wrong: a race's two commands, a fence that nobody serves, or the sync
// object.
void ExpectNamed(const absl::Status& status, const std::string& where) {
  EXPECT_THAT(status, AnyOf(StatusIs(absl::StatusCode::kAborted),
                            StatusIs(absl::StatusCode::kFailedPrecondition)))
      << where;
  EXPECT_THAT(std::string(status.message()), AnyOf(HasSubstr("race"), HasSubstr("hazard"),
                                                   HasSubstr("deadlock"), HasSubstr("SOB")))
      << where;
}

class MutationTest : public ::testing::TestWithParam<const char*> {
 protected:
  const hal::Chip chip_ = TestDevice::Open(GetParam())->context->chip();
};

TEST_P(MutationTest, TheScheduleAsMadeHasNoReport) {
  EXPECT_THAT(RunOnFreshCard(GetParam(), [](Case&) {}), IsOk());
}

TEST_P(MutationTest, EveryRemovedMonitorIsFoundAndNamed) {
  int mutations = 0;
  ForEachOp(chip_, [&](const std::string& where, size_t list, size_t op, const UpperOp& what) {
    const AwaitOp* await = std::get_if<AwaitOp>(&what);
    if (await == nullptr) return;
    for (size_t i = 0; i < await->conditions.size(); ++i) {
      ++mutations;
      ExpectNamed(RunOnFreshCard(
                      GetParam(),
                      [&](Case& c) {
                        auto& conditions =
                            std::get<AwaitOp>((*OpLists(c.schedule)[list].second)[op]).conditions;
                        conditions.erase(conditions.begin() + static_cast<int64_t>(i));
                      }),
                  absl::StrCat(where, " condition ", i));
    }
  });
  EXPECT_GE(mutations, 15);
}

TEST_P(MutationTest, EveryWrongAwaitedCountIsFoundAndNamed) {
  ForEachOp(chip_, [&](const std::string& where, size_t list, size_t op, const UpperOp& what) {
    const AwaitOp* await = std::get_if<AwaitOp>(&what);
    if (await == nullptr) return;
    for (size_t i = 0; i < await->conditions.size(); ++i) {
      ExpectNamed(
          RunOnFreshCard(
              GetParam(),
              [&](Case& c) {
                std::get<AwaitOp>((*OpLists(c.schedule)[list].second)[op]).conditions[i].value += 9;
              }),
          absl::StrCat(where, " condition ", i));
    }
  });
}

TEST_P(MutationTest, EveryCountAwaitedTooEarlyIsFoundAndNamed) {
  ForEachOp(chip_, [&](const std::string& where, size_t list, size_t op, const UpperOp& what) {
    const AwaitOp* await = std::get_if<AwaitOp>(&what);
    if (await == nullptr) return;
    for (size_t i = 0; i < await->conditions.size(); ++i) {
      if (await->conditions[i].value == 1) continue;
      ExpectNamed(
          RunOnFreshCard(
              GetParam(),
              [&](Case& c) {
                --std::get<AwaitOp>((*OpLists(c.schedule)[list].second)[op]).conditions[i].value;
              }),
          absl::StrCat(where, " condition ", i));
    }
  });
}

TEST_P(MutationTest, AQueueThatNobodyStartsIsFoundAndNamed) {
  ForEachOp(chip_, [&](const std::string& where, size_t list, size_t op, const UpperOp& what) {
    const SobOp* sob = std::get_if<SobOp>(&what);
    if (sob == nullptr || sob->value == 0) return;
    const absl::Status status = RunOnFreshCard(GetParam(), [&](Case& c) {
      auto& ops = *OpLists(c.schedule)[list].second;
      ops.erase(ops.begin() + static_cast<int64_t>(op));
    });
    ExpectNamed(status, where);
    EXPECT_THAT(std::string(status.message()), HasSubstr("deadlock")) << where;
  });
}

INSTANTIATE_TEST_SUITE_P(Devices, MutationTest, ::testing::ValuesIn(kExactDevices));

}  // namespace
}  // namespace openhpu::graph
