#include "hal/kernel/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace openhpu::hal {
namespace {

KernelTensor Dense(DType dtype, TpcDims sizes) {
  KernelTensor t;
  t.dtype = dtype;
  t.sizes = sizes;
  uint32_t stride = 1;
  for (int d = 0; d < kTpcMaxDims; ++d) {
    t.strides[d] = stride;
    stride *= sizes[d];
  }
  return t;
}

ExpressionProgram Add(DType t) {
  ExpressionProgram p;
  p.inputs = {t, t};
  ExprInstruction add;
  add.op = ExprOp::kAdd;
  add.dtype = t;
  add.b = 1;
  p.instructions = {add};
  p.outputs = {2};
  return p;
}

void ExpectError(const absl::Status& status, const std::string& what) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(status.message()).find(what), std::string::npos) << status;
}

TEST(KernelsTest, FusedCountsVectorsAlongDimZero) {
  const KernelTensor x = Dense(DType::kFloat32, {130, 3, 1, 1, 1});
  const auto launch =
      MakeFused(Add(DType::kFloat32), {x, Dense(DType::kFloat32, {1, 3, 1, 1, 1})}, {x});
  ASSERT_TRUE(launch.ok()) << launch.status();
  EXPECT_EQ(launch->index_space, (TpcDims{3, 3, 1, 1, 1}));
  EXPECT_EQ(launch->image.guid, "openhpu.fused");
  EXPECT_FALSE(launch->tensors[1].written);
  EXPECT_TRUE(launch->tensors[2].written);
  EXPECT_TRUE(*ParseExpression(launch->image.payload) == Add(DType::kFloat32));
}

TEST(KernelsTest, FusedErrorsNameTheOperand) {
  const KernelTensor x = Dense(DType::kFloat32, {8, 3, 1, 1, 1});
  const ExpressionProgram add = Add(DType::kFloat32);
  ExpectError(MakeFused(add, {x}, {x}).status(), "1 inputs and 1 outputs");
  ExpectError(MakeFused(add, {x, Dense(DType::kFloat32, {8, 2, 1, 1, 1})}, {x}).status(),
              "input 1: sizes 8x2x1x1x1 do not broadcast to 8x3x1x1x1");
  ExpectError(MakeFused(add, {x, Dense(DType::kInt32, {8, 3, 1, 1, 1})}, {x}).status(),
              "input 1: dtype i32 instead of f32");
  KernelTensor strided = x;
  strided.strides[0] = 2;
  ExpectError(MakeFused(add, {strided, x}, {x}).status(), "input 0: dim 0 has stride 2");
  KernelTensor folded = x;
  folded.strides[1] = 0;
  EXPECT_TRUE(MakeFused(add, {folded, x}, {x}).ok());
  ExpectError(MakeFused(add, {x, x}, {folded}).status(),
              "output 0: dim 1 is written with stride 0");
}

TEST(KernelsTest, ScalarsSurviveReading) {
  const auto reduce =
      MakeReduce({ReduceOp::kVar, 0x3, 1.0f}, Dense(DType::kFloat32, {5, 6, 7, 1, 1}),
                 Dense(DType::kFloat32, {1, 1, 7, 1, 1}));
  ASSERT_TRUE(reduce.ok()) << reduce.status();
  const auto params = ReadReduce(reduce->scalars);
  ASSERT_TRUE(params.ok());
  EXPECT_EQ(params->op, ReduceOp::kVar);
  EXPECT_EQ(params->mask, 3);
  EXPECT_EQ(params->correction, 1.0f);
  EXPECT_EQ(reduce->index_space, (TpcDims{1, 1, 7, 1, 1}));

  PoolParams pool;
  pool.op = PoolOp::kAverage;
  pool.kernel = {3, 2};
  pool.stride = {2, 1};
  pool.padding = {1, 0};
  pool.count_include_pad = false;
  pool.divisor = -4;
  const auto pooled = MakePool2d(pool, Dense(DType::kBFloat16, {64, 9, 8, 2, 1}),
                                 {Dense(DType::kBFloat16, {64, 5, 7, 2, 1})});
  ASSERT_TRUE(pooled.ok()) << pooled.status();
  const auto read = ReadPool2d(pooled->scalars);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->op, pool.op);
  EXPECT_EQ(read->kernel, pool.kernel);
  EXPECT_EQ(read->stride, pool.stride);
  EXPECT_EQ(read->padding, pool.padding);
  EXPECT_EQ(read->dilation, pool.dilation);
  EXPECT_EQ(read->count_include_pad, false);
  EXPECT_EQ(read->divisor, -4);
  EXPECT_EQ(read->adaptive, false);

  DepthwiseParams depthwise;
  depthwise.stride = {2, 1};
  depthwise.padding = {1, 1};
  depthwise.multiplier = 2;
  const auto conv = MakeDepthwise(depthwise, Dense(DType::kFloat32, {4, 8, 8, 1, 1}),
                                  Dense(DType::kFloat32, {8, 3, 3, 1, 1}),
                                  Dense(DType::kFloat32, {8, 4, 8, 1, 1}));
  ASSERT_TRUE(conv.ok()) << conv.status();
  EXPECT_EQ(ReadDepthwise(conv->scalars)->stride, depthwise.stride);
  EXPECT_EQ(ReadDepthwise(conv->scalars)->multiplier, 2);

  const auto softmax = MakeSoftmax({1, true}, Dense(DType::kFloat32, {4, 8, 1, 1, 1}),
                                   Dense(DType::kFloat32, {4, 8, 1, 1, 1}));
  ASSERT_TRUE(softmax.ok());
  EXPECT_EQ(ReadSoftmax(softmax->scalars)->dim, 1);
  EXPECT_TRUE(ReadSoftmax(softmax->scalars)->log);

  const KernelTensor x = Dense(DType::kFloat32, {8, 4, 1, 1, 1});
  const KernelTensor one = Dense(DType::kFloat32, {1, 4, 1, 1, 1});
  const KernelTensor row = Dense(DType::kFloat32, {8, 1, 1, 1, 1});
  const auto norm = MakeNorm({1, 1e-6f, true, true}, {x, row, row, x, one, one});
  ASSERT_TRUE(norm.ok()) << norm.status();
  EXPECT_EQ(ReadNorm(norm->scalars)->epsilon, 1e-6f);
  EXPECT_TRUE(ReadNorm(norm->scalars)->has_bias);
  EXPECT_TRUE(norm->tensors[3].written && norm->tensors[4].written && norm->tensors[5].written);

  const auto gather =
      MakeGather({GatherMode::kRows, 0}, Dense(DType::kFloat32, {16, 100, 1, 1, 1}),
                 Dense(DType::kInt32, {1, 3, 5, 1, 1}), Dense(DType::kFloat32, {16, 3, 5, 1, 1}));
  ASSERT_TRUE(gather.ok()) << gather.status();
  EXPECT_EQ(ReadGather(gather->scalars)->mode, GatherMode::kRows);

  EXPECT_TRUE(MakeIntegerMatmul(Dense(DType::kInt8, {4, 2, 3, 1, 1}),
                                Dense(DType::kInt8, {5, 4, 1, 1, 1}),
                                Dense(DType::kInt32, {5, 2, 3, 1, 1}))
                  .ok());
}

TEST(KernelsTest, BadScalarsAreRefused) {
  ExpectError(ReadReduce({}).status(), "openhpu.reduce: 0 scalars instead of 3");
  ExpectError(ReadReduce({10, 1, 0}).status(), "operation");
  ExpectError(ReadReduce({0, 32, 0}).status(), "mask");
  ExpectError(ReadSoftmax({5, 0}).status(), "dim");
  ExpectError(ReadGather({2, 0}).status(), "mode");
}

TEST(KernelsTest, BadLaunchesAreRefused) {
  const KernelTensor x = Dense(DType::kFloat32, {8, 4, 1, 1, 1});
  ExpectError(MakeReduce({ReduceOp::kSum, 1, 0}, x, x).status(), "output: sizes 8x4x1x1x1");
  ExpectError(MakeReduce({ReduceOp::kMax, 1, 0}, Dense(DType::kFloat32, {0, 4, 1, 1, 1}),
                         Dense(DType::kFloat32, {1, 4, 1, 1, 1}))
                  .status(),
              "nothing to take the extreme of");
  ExpectError(MakeSoftmax({0, false}, Dense(DType::kInt32, {8, 4, 1, 1, 1}), x).status(),
              "input: dtype i32 is neither f32 nor bf16");
  PoolParams pool;
  pool.stride = {0, 1};
  ExpectError(MakePool2d(pool, x, {x}).status(), "stride w is 0");
  ExpectError(MakeGather({GatherMode::kElements, 0}, x, Dense(DType::kInt32, {8, 5, 1, 1, 1}),
                         Dense(DType::kFloat32, {8, 5, 1, 1, 1}))
                  .status(),
              "table: dim 1 of size 4 is smaller");
  ExpectError(MakeIntegerMatmul(x, x, x).status(), "a: dtype f32 is not an integer");
}

uint64_t Volume(const TpcDims& sizes) {
  uint64_t v = 1;
  for (uint32_t s : sizes) v *= s;
  return v;
}

TEST(SplitIndexSpaceTest, BoxesCoverTheSpaceOnce) {
  const TpcDims spaces[] = {{3, 5, 2, 1, 1}, {1, 1, 1, 1, 1}, {12, 128, 1, 1, 1},
                            {7, 1, 3, 2, 2}, {1, 9, 1, 1, 1}, {64, 1, 1, 1, 1}};
  for (const TpcDims& space : spaces) {
    for (int parts : {1, 2, 3, 7, 8, 24}) {
      for (uint8_t splittable : {0x1F, 0x1E, 0x02}) {
        KernelLaunch launch;
        launch.index_space = space;
        launch.splittable = splittable;
        const std::vector<IndexBox> boxes = SplitIndexSpace(launch, parts);
        EXPECT_LE(boxes.size(), static_cast<size_t>(parts));
        std::set<TpcDims> seen;
        for (const IndexBox& box : boxes) {
          EXPECT_GT(Volume(box.size), 0u);
          for (uint64_t i = 0; i < Volume(box.size); ++i) {
            TpcDims at;
            uint64_t rest = i;
            for (int d = 0; d < kTpcMaxDims; ++d) {
              at[d] = box.base[d] + static_cast<uint32_t>(rest % box.size[d]);
              rest /= box.size[d];
              EXPECT_LT(at[d], space[d]);
              EXPECT_TRUE((splittable >> d & 1) || box.size[d] == space[d]);
            }
            EXPECT_TRUE(seen.insert(at).second);
          }
        }
        EXPECT_EQ(seen.size(), Volume(space));
      }
    }
  }
}

TEST(SplitIndexSpaceTest, TheSlowestDimIsCutFirst) {
  KernelLaunch launch;
  launch.index_space = {12, 128, 1, 1, 1};
  const std::vector<IndexBox> boxes = SplitIndexSpace(launch, 8);
  ASSERT_EQ(boxes.size(), 8u);
  for (const IndexBox& box : boxes) EXPECT_EQ(box.size, (TpcDims{12, 16, 1, 1, 1}));
}

TEST(SplitIndexSpaceTest, SmallSlowDimsAreCombinedWithFasterOnes) {
  KernelLaunch launch;
  launch.index_space = {1, 4, 2, 1, 1};
  EXPECT_EQ(SplitIndexSpace(launch, 8).size(), 8u);
  EXPECT_EQ(SplitIndexSpace(launch, 7).size(), 4u);
}

TEST(SplitIndexSpaceTest, AnEmptySpaceHasNoBox) {
  KernelLaunch launch;
  launch.index_space = {4, 0, 1, 1, 1};
  EXPECT_TRUE(SplitIndexSpace(launch, 8).empty());
}

}  // namespace
}  // namespace openhpu::hal
