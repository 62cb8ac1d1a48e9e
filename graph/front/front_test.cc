// The plan's structure. That plans compute the right values is tested on the device model
// (graph/differential_test.cc, python/tests).
#include <algorithm>
#include <string>

#include "graph/compiler.h"
#include "graph/ir.h"
#include "gtest/gtest.h"
#include "hal/kernel/expression.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

FrontResult MustPlan(const std::string& text, const CompileOptions& options = {}) {
  Graph graph;
  const absl::Status parsed = ParseText(text, graph);
  EXPECT_TRUE(parsed.ok()) << parsed;
  auto result = PlanGraph(graph, hal::Chip(), options);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : FrontResult();
}

std::string KindOf(const PlanStep& step) {
  if (const auto* tpc = std::get_if<TpcStep>(&step.work)) return tpc->launch.image.guid.substr(8);
  if (std::holds_alternative<hal::MmeGemm>(step.work)) return "gemm";
  if (std::holds_alternative<hal::MmeConvolution>(step.work)) return "convolution";
  if (std::holds_alternative<hal::DmaCopy>(step.work)) return "copy";
  return "fill";
}

std::vector<std::string> Kinds(const Plan& plan) {
  std::vector<std::string> kinds;
  for (const PlanStep& step : plan.steps) kinds.push_back(KindOf(step));
  return kinds;
}

TEST(FrontTest, AChainOfElementwiseOpsIsOneKernelAndStoresOnlyItsResult) {
  const FrontResult r = MustPlan(
      "b0 = bound 4096\nb1 = temp 4096\nb2 = temp 4096\nb3 = bound 4096\n"
      "add(b0:f32[32,32]{32,1}@0) {other=1} -> b1:f32[32,32]{32,1}@0\n"
      "relu(b1:f32[1024]{1}@0) -> b2:f32[1024]{1}@0\n"
      "mul(b2:f32[4,8,32]{256,32,1}@0, b0:f32[4,8,32]{256,32,1}@0) -> "
      "b3:f32[4,8,32]{256,32,1}@0\n");
  ASSERT_THAT(Kinds(r.main), ElementsAre("fused"));
  EXPECT_EQ(r.main.workspace_bytes, 0u);
  EXPECT_EQ(r.main.steps[0].name, "add+relu+mul");
  EXPECT_EQ(std::get<TpcStep>(r.main.steps[0].work).launch.tensors.size(), 2u);
}

TEST(FrontTest, WithoutFusionEveryNodeIsAStepAndWaitsForTheOneBefore) {
  CompileOptions options;
  options.fuse = false;
  const FrontResult r = MustPlan(
      "b0 = bound 4096\nb1 = temp 4096\nb2 = bound 4096\n"
      "add(b0:f32[1024]{1}@0) {other=1} -> b1:f32[1024]{1}@0\n"
      "relu(b1:f32[1024]{1}@0) -> b2:f32[1024]{1}@0\n",
      options);
  ASSERT_THAT(Kinds(r.main), ElementsAre("fused", "fused"));
  EXPECT_THAT(r.main.steps[0].after, IsEmpty());
  EXPECT_THAT(r.main.steps[1].after, ElementsAre(0));
}

TEST(FrontTest, AReadBetweenTwoInPlaceWritesSeesTheFirst) {
  // b1 := b0 + 1; b2 := b1 summed; b1 := relu(b1); the sum must not move behind the second write.
  const FrontResult r = MustPlan(
      "b0 = bound 256\nb1 = bound 256\nb2 = bound 4\n"
      "add(b0:f32[64]{1}@0) {other=1} -> b1:f32[64]{1}@0\n"
      "sum(b1:f32[64]{1}@0) -> b2:f32[]{}@0\n"
      "neg(b1:f32[64]{1}@0) -> b1:f32[64]{1}@0\n");
  ASSERT_THAT(Kinds(r.main), ElementsAre("fused", "reduce"));
  // Both results come from one kernel: the sum's version went to a temp.
  EXPECT_EQ(std::get<TpcStep>(r.main.steps[0].work).launch.tensors.size(), 3u);
  EXPECT_THAT(r.main.steps[1].after, ElementsAre(0));
}

TEST(FrontTest, AShiftWithinABufferIsCopiedFirst) {
  const FrontResult r = MustPlan(
      "b0 = bound 4096\n"
      "copy(b0:f32[1000]{1}@0) -> b0:f32[1000]{1}@24\n");
  ASSERT_THAT(Kinds(r.main), ElementsAre("copy", "copy"));
  EXPECT_THAT(r.main.steps[1].after, ElementsAre(0));
  EXPECT_GT(r.main.workspace_bytes, 0u);
}

TEST(FrontTest, WhatNobodyReadsIsNotComputed) {
  const std::string text =
      "b0 = bound 256\nb1 = temp 256\nb2 = bound 256\n"
      "exp(b0:f32[64]{1}@0) -> b1:f32[64]{1}@0\n"
      "full() {fill_value=0, size=[64], dtype=f32} -> b2:f32[64]{1}@0\n"
      "full() {fill_value=1, size=[64], dtype=f32} -> b2:f32[64]{1}@0\n";
  EXPECT_THAT(Kinds(MustPlan(text).main), ElementsAre("fill"));
  CompileOptions all;
  all.drop_dead = false;
  all.fuse = false;
  EXPECT_EQ(MustPlan(text, all).main.steps.size(), 3u);
}

TEST(FrontTest, ZeroSizeNodesMakeNoStep) {
  EXPECT_THAT(MustPlan("b0 = bound 16\nadd(b0:f32[0,4]{4,1}@0) {other=1} -> b0:f32[0,4]{4,1}@0\n")
                  .main.steps,
              IsEmpty());
}

TEST(FrontTest, AMatrixProductReadsTransposedOperandsWithoutACopy) {
  const FrontResult r = MustPlan(
      "b0 = bound 4096\nb1 = bound 4096\nb2 = bound 4096\n"
      "mm(b0:f32[32,32]{1,32}@0, b1:f32[32,32]{1,32}@0) -> b2:f32[32,32]{32,1}@0\n");
  ASSERT_THAT(Kinds(r.main), ElementsAre("gemm"));
  const auto& gemm = std::get<hal::MmeGemm>(r.main.steps[0].work);
  EXPECT_TRUE(gemm.trans_a);
  EXPECT_TRUE(gemm.trans_b);
}

constexpr char kTwoConvolutions[] =
    "b0 = bound 6272 \"x\"\nb1 = bound 2304 weight \"w1\"\nb2 = temp 6272\nb3 = temp 6272\n"
    "b4 = bound 2304 weight \"w2\"\nb5 = bound 6272 \"y\"\n"
    "convolution(b0:f32[1,8,14,14]{1568,196,14,1}@0, b1:f32[8,8,3,3]{72,9,3,1}@0) {padding=[1, 1]} "
    "-> b2:f32[1,8,14,14]{1568,196,14,1}@0\n"
    "relu(b2:f32[1,8,14,14]{1568,196,14,1}@0) -> b3:f32[1,8,14,14]{1568,196,14,1}@0\n"
    "convolution(b3:f32[1,8,14,14]{1568,196,14,1}@0, b4:f32[8,8,3,3]{72,9,3,1}@0) {padding=[1, 1]} "
    "-> b5:f32[1,8,14,14]{1568,196,14,1}@0\n";

TEST(FrontTest, ImagesStayChannelsLastBetweenConvolutionsAndFiltersArePrepared) {
  const FrontResult r = MustPlan(kTwoConvolutions);
  EXPECT_THAT(Kinds(r.main), ElementsAre("copy", "convolution", "fused", "convolution", "copy"));
  EXPECT_THAT(Kinds(r.prepare), ElementsAre("copy", "copy"));
  ASSERT_EQ(r.prepared.size(), 2u);
  EXPECT_THAT(r.prepared[0].sources, ElementsAre(1u));
  EXPECT_EQ(r.prepared[0].bytes, 2304u);
  // Main reads the constants, not the weights.
  int prepared = 0;
  for (const RecipeBinding& b : r.main_bindings) prepared += b.prepared;
  EXPECT_EQ(prepared, 2);
  EXPECT_EQ(r.main_bindings.size(), 4u);
}

TEST(FrontTest, WithoutPrepareTheFiltersAreCopiedInLine) {
  CompileOptions options;
  options.prepare = false;
  const FrontResult r = MustPlan(kTwoConvolutions, options);
  EXPECT_THAT(r.prepare.steps, IsEmpty());
  EXPECT_EQ(r.main.steps.size(), 7u);
}

TEST(FrontTest, AWrittenWeightIsNotPrepared) {
  const FrontResult r =
      MustPlan(std::string(kTwoConvolutions) +
               "full() {fill_value=0, size=[576], dtype=f32} -> b1:f32[576]{1}@0\n");
  ASSERT_EQ(r.prepared.size(), 1u);
  EXPECT_THAT(r.prepared[0].sources, ElementsAre(4u));
}

TEST(FrontTest, BatchNormOfWeightsIsOneMultiplyAdd) {
  const FrontResult r = MustPlan(
      "b0 = bound 1024\nb1 = bound 32 weight\nb2 = bound 32 weight\nb3 = bound 32 weight\nb4 = "
      "bound 32 weight\nb5 = bound 1024\n"
      "native_batch_norm(b0:f32[1,8,4,8]{256,32,8,1}@0, b1:f32[8]{1}@0, b2:f32[8]{1}@0, "
      "b3:f32[8]{1}@0, b4:f32[8]{1}@0) "
      "{eps=0x1p-10, training=false} -> b5:f32[1,8,4,8]{256,32,8,1}@0\n");
  EXPECT_THAT(Kinds(r.main), ElementsAre("fused"));
  EXPECT_EQ(r.prepared.size(), 2u);
}

TEST(FrontTest, MemoryOfDeadTempsIsUsedAgain) {
  CompileOptions options;
  options.fuse = false;
  std::string text = "b0 = bound 4096\n";
  for (int i = 1; i < 100; ++i) text += "b" + std::to_string(i) + " = temp 4096\n";
  text += "b100 = bound 4096\n";
  for (int i = 0; i < 100; ++i) {
    text += "add(b" + std::to_string(i) + ":f32[1024]{1}@0) {other=" + std::to_string(i) +
            "} -> b" + std::to_string(i + 1) + ":f32[1024]{1}@0\n";
  }
  const FrontResult r = MustPlan(text, options);
  EXPECT_EQ(r.main.steps.size(), 100u);
  EXPECT_EQ(r.main.workspace_bytes, 4096u);  // in place all the way
}

TEST(FrontTest, AProgramOfMoreThanFiveUnmergeableDimsIsCutIntoLaunches) {
  // [2,2,2,2,2,8] with gaps everywhere.
  const FrontResult r = MustPlan(
      "b0 = bound 16384\nb1 = bound 16384\n"
      "neg(b0:f32[2,2,2,2,2,8]{1024,256,96,40,18,1}@0) -> "
      "b1:f32[2,2,2,2,2,8]{1024,256,96,40,18,1}@0\n");
  EXPECT_THAT(Kinds(r.main), ElementsAre("fused", "fused"));
}

TEST(FrontTest, AnErrorNamesOpAndSource) {
  Graph graph;
  ASSERT_OK(ParseText("b0 = bound 4096\nb1 = bound 4096\nb2 = bound 4096\n", graph));
  EXPECT_THAT(ParseText("b3 = bound 4096\nconvolution(b0:i32[1,1,4,4]{16,16,4,1}@0, "
                        "b1:i32[1,1,1,1]{1,1,1,1}@0) -> b2:i32[1,1,4,4]{16,16,4,1}@0  # m.py:7\n",
                        graph),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("m.py:7")));
}

}  // namespace
}  // namespace openhpu::graph
