#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "graph/compiler.h"
#include "graph/testing_plans.h"
#include "gtest/gtest.h"
#include "hal/chip.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

using ::testing::HasSubstr;

hal::Chip Gaudi() { return *hal::LoadChip("gaudi"); }

std::set<uint32_t> Symbols(const hal::CommandBlob& blob) {
  std::set<uint32_t> symbols;
  for (const hal::Relocation& relocation : blob.relocations) {
    if (relocation.kind == hal::RelocationKind::kSymbol) symbols.insert(relocation.symbol);
  }
  return symbols;
}

std::set<uint32_t> BodySymbols(const runtime::Program& program) {
  std::set<uint32_t> symbols;
  for (const runtime::QueueProgram& queue : program.queues) symbols.merge(Symbols(queue.body));
  return symbols;
}

TEST(BuildProgramTest, EveryQueueRunsItsOwnBodyAndBodiesNameTheRenumberedBindings) {
  ASSERT_OK_AND_ASSIGN(const runtime::Program program, BuildProgram(ThreeKindsPlan(256), Gaudi()));
  ASSERT_GE(program.queues.size(), 3u);
  for (size_t q = 0; q < program.queues.size(); ++q) {
    EXPECT_EQ(Symbols(program.queues[q].upper),
              (std::set<uint32_t>{runtime::kFirstBodySymbol + static_cast<uint32_t>(q)}));
    if (q > 0) {
      EXPECT_TRUE(program.queues[q - 1].engine < program.queues[q].engine);
    }
  }
  EXPECT_EQ(BodySymbols(program),
            (std::set<uint32_t>{runtime::kWorkspaceSymbol, runtime::kImagesSymbol,
                                program.binding_symbol(0), program.binding_symbol(1),
                                program.binding_symbol(2)}));
  EXPECT_TRUE(Symbols(program.external).empty());
  EXPECT_EQ(program.sobs % 8, 0u);
}

TEST(BuildProgramTest, EqualImagesAreStoredOnceEachBehindAHeaderPage) {
  Plan plan;
  plan.bindings = {{"x", 4096, true, true}};
  for (uint32_t constant : {1u, 2u, 1u, 2u, 3u}) {
    plan.steps.push_back(
        AddConstantStep(16, constant, BindingAddress(0), BindingAddress(0, 64), {}));
  }
  ASSERT_OK_AND_ASSIGN(const runtime::Program program, BuildProgram(plan, Gaudi()));
  EXPECT_EQ(program.images.size(), 3u);
  EXPECT_EQ(program.image_code_offsets, (std::vector<uint64_t>{8192, 3 * 8192, 5 * 8192}));
}

TEST(BuildProgramTest, TenThousandDistinctStepsStayWithinTheQueues) {
  Plan plan;
  plan.bindings = {{"x", 1 << 20, true, true}};
  for (uint32_t i = 0; i < 10'000; ++i) {
    plan.steps.push_back(
        AddConstantStep(1 + i % 64, i, BindingAddress(0), BindingAddress(0, 4096),
                        i == 0 ? std::vector<uint32_t>{} : std::vector<uint32_t>{i - 1}));
  }
  ASSERT_OK_AND_ASSIGN(const runtime::Program program, BuildProgram(plan, Gaudi()));
  EXPECT_LE(program.queues.size() + 1, 24u);
  EXPECT_EQ(program.images.size(), 10'000u);
}

TEST(BuildProgramTest, APlanWithoutStepsIsAProgramWithoutCommands) {
  Plan plan;
  plan.constants.resize(12);
  ASSERT_OK_AND_ASSIGN(const runtime::Program program, BuildProgram(plan, Gaudi()));
  EXPECT_TRUE(program.queues.empty());
  EXPECT_TRUE(program.external.bytes.empty());
  EXPECT_EQ(program.constants.size(), 12u);
}

TEST(BuildProgramTest, ErrorsNameTheStep) {
  Plan plan = ThreeKindsPlan(64);
  plan.steps[1].after = {1};
  EXPECT_THAT(BuildProgram(plan, Gaudi()), StatusIs(absl::StatusCode::kInvalidArgument,
                                                    HasSubstr("step 1 (add): waits for step 1")));
  plan = ThreeKindsPlan(64);
  std::get<hal::DmaCopy>(plan.steps[2].work).source.symbol = 9;
  EXPECT_THAT(BuildProgram(plan, Gaudi()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("step 2 (copy): symbol 9")));
  plan = ThreeKindsPlan(64);
  std::get<TpcStep>(plan.steps[1].work).addresses.pop_back();
  EXPECT_THAT(BuildProgram(plan, Gaudi()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2 tensors but 1 addresses")));
}

TEST(BuildProgramTest, TheSamePlanGivesTheSameBytes) {
  ASSERT_OK_AND_ASSIGN(const runtime::Program a, BuildProgram(ThreeKindsPlan(256), Gaudi()));
  ASSERT_OK_AND_ASSIGN(const runtime::Program b, BuildProgram(ThreeKindsPlan(256), Gaudi()));
  ASSERT_EQ(a.queues.size(), b.queues.size());
  EXPECT_EQ(a.external.bytes, b.external.bytes);
  for (size_t q = 0; q < a.queues.size(); ++q) {
    EXPECT_EQ(a.queues[q].upper.bytes, b.queues[q].upper.bytes);
    EXPECT_EQ(a.queues[q].body.bytes, b.queues[q].body.bytes);
    EXPECT_EQ(a.queues[q].body.relocations, b.queues[q].body.relocations);
  }
}

}  // namespace
}  // namespace openhpu::graph
