// Declarations as a table, and what they infer.
#include <set>
#include <string>

#include "graph/op.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

using ::testing::HasSubstr;

TensorType F32(Dims sizes) { return {DType::kFloat32, std::move(sizes)}; }
TensorType I64(Dims sizes) { return {DType::kInt64, std::move(sizes)}; }

std::vector<TensorType> Infer(const char* op, const Attributes& attributes,
                              std::vector<TensorType> inputs) {
  const auto declaration = FindOp(op);
  EXPECT_TRUE(declaration.ok()) << declaration.status();
  if (!declaration.ok()) return {};
  auto types = (*declaration)->infer(attributes, inputs);
  EXPECT_TRUE(types.ok()) << op << ": " << types.status();
  return types.ok() ? *std::move(types) : std::vector<TensorType>();
}

absl::Status InferError(const char* op, const Attributes& attributes,
                        std::vector<TensorType> inputs) {
  return (*FindOp(op))->infer(attributes, inputs).status();
}

TEST(OpsTest, EveryAtenOverloadBelongsToOneOp) {
  std::set<std::string_view> seen;
  for (const OpDeclaration* op : AllOps()) {
    EXPECT_FALSE(op->doc.empty()) << op->name;
    EXPECT_LE(op->min_inputs, op->max_inputs) << op->name;
    for (std::string_view aten : op->aten) EXPECT_TRUE(seen.insert(aten).second) << aten;
  }
  EXPECT_GT(AllOps().size(), 100u);
}

TEST(OpsTest, AnUnknownOpIsNotFoundByName) {
  EXPECT_THAT(FindOp("frobnicate"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("frobnicate")));
}

TEST(OpsTest, BinaryOpsBroadcastAndPromoteAsPyTorchDoes) {
  const auto sum = Infer("add", {}, {F32({3, 1}), I64({4})});
  EXPECT_EQ(sum[0].sizes, (Dims{3, 4}));
  EXPECT_EQ(sum[0].dtype, DType::kFloat32);
  // A tensor without dims changes the category only.
  EXPECT_EQ(Infer("add", {}, {{DType::kBFloat16, {2}}, F32({})})[0].dtype, DType::kBFloat16);
  EXPECT_EQ(Infer("add", {}, {{DType::kInt8, {2}}, F32({})})[0].dtype, DType::kFloat32);
  EXPECT_EQ(Infer("mul", {{"other", 1.5}}, {I64({2})})[0].dtype, DType::kFloat32);
  EXPECT_EQ(Infer("mul", {{"other", int64_t{2}}}, {{DType::kUInt8, {2}}})[0].dtype, DType::kUInt8);
  EXPECT_EQ(Infer("div", {}, {I64({2}), I64({2})})[0].dtype, DType::kFloat32);
  EXPECT_EQ(Infer("eq", {}, {I64({2}), F32({2})})[0].dtype, DType::kBool);
  EXPECT_THAT(InferError("add", {}, {F32({2}), F32({3})}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("broadcast")));
  EXPECT_THAT(InferError("add", {}, {F32({2})}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("other")));
}

TEST(OpsTest, ReductionsDropOrKeepTheirDims) {
  EXPECT_EQ(Infer("sum", {{"dim", std::vector<int64_t>{-1, 0}}}, {F32({2, 3, 4})})[0].sizes,
            (Dims{3}));
  EXPECT_EQ(Infer("mean", {{"dim", int64_t{1}}, {"keepdim", true}}, {F32({2, 3})})[0].sizes,
            (Dims{2, 1}));
  EXPECT_EQ(Infer("sum", {}, {{DType::kBool, {5}}})[0].dtype, DType::kInt64);
  EXPECT_EQ(Infer("max", {{"dim", int64_t{0}}}, {F32({2, 3})}).size(), 2u);
  EXPECT_THAT(InferError("sum", {{"dim", int64_t{2}}}, {F32({2, 3})}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(InferError("mean", {}, {I64({2})}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("float")));
}

TEST(OpsTest, ConvolutionsAndPoolsComputeTheirSizes) {
  const Attributes strided{{"stride", std::vector<int64_t>{2, 2}},
                           {"padding", std::vector<int64_t>{3, 3}}};
  EXPECT_EQ(Infer("convolution", strided, {F32({2, 3, 224, 224}), F32({64, 3, 7, 7})})[0].sizes,
            (Dims{2, 64, 112, 112}));
  EXPECT_EQ(
      Infer("convolution", {{"groups", int64_t{8}}}, {F32({1, 8, 9}), F32({16, 1, 3})})[0].sizes,
      (Dims{1, 16, 7}));
  const Attributes transposed{{"stride", int64_t{2}},
                              {"padding", int64_t{1}},
                              {"output_padding", int64_t{1}},
                              {"transposed", true}};
  EXPECT_EQ(Infer("convolution", transposed, {F32({1, 6, 7, 7}), F32({6, 4, 3, 3})})[0].sizes,
            (Dims{1, 4, 14, 14}));
  EXPECT_THAT(InferError("convolution", {}, {F32({1, 3, 9, 9}), F32({4, 2, 3, 3})}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("do not fit")));
  EXPECT_THAT(InferError("convolution", {}, {F32({1, 3, 9, 9, 9}), F32({4, 3, 3, 3, 3})}),
              StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_EQ(Infer("max_pool2d",
                  {{"kernel_size", int64_t{3}}, {"stride", int64_t{2}}, {"ceil_mode", true}},
                  {F32({5, 14, 15})})[0]
                .sizes,
            (Dims{5, 7, 7}));
  EXPECT_EQ(Infer("adaptive_avg_pool2d", {{"output_size", std::vector<int64_t>{1, 1}}},
                  {F32({2, 5, 7, 7})})[0]
                .sizes,
            (Dims{2, 5, 1, 1}));
}

TEST(OpsTest, IndexingPutsTheLookedUpDimsWherePyTorchDoes) {
  EXPECT_EQ(Infer("embedding", {}, {F32({20, 8}), I64({3, 4})})[0].sizes, (Dims{3, 4, 8}));
  const Attributes second{{"absent", std::vector<int64_t>{1}}};
  EXPECT_EQ(Infer("index", second, {F32({7, 6, 5}), I64({3, 4}), I64({4})})[0].sizes,
            (Dims{7, 3, 4}));
  const Attributes around{{"absent", std::vector<int64_t>{2}}};
  EXPECT_EQ(Infer("index", around, {F32({7, 6, 5}), I64({3, 1}), I64({4})})[0].sizes,
            (Dims{3, 4, 6}));
  EXPECT_THAT(InferError("index", {}, {F32({7}), {DType::kBool, {7}}}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("mask")));
}

TEST(OpsTest, MatrixProductsCheckTheirOperands) {
  EXPECT_EQ(Infer("matmul", {}, {F32({2, 1, 5, 6}), F32({3, 6, 4})})[0].sizes, (Dims{2, 3, 5, 4}));
  EXPECT_EQ(Infer("matmul", {}, {F32({6}), F32({6})})[0].sizes, Dims{});
  EXPECT_THAT(InferError("mm", {}, {F32({2, 3}), F32({4, 5})}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(InferError("mm", {}, {F32({2, 3}), I64({3, 5})}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(OpsTest, WritesAtPlacesKeepTheShapeOfSelf) {
  const Attributes along{{"dim", int64_t{1}}};
  EXPECT_EQ(Infer("scatter_add", along, {F32({2, 3}), I64({2, 9}), F32({2, 9})})[0].sizes,
            (Dims{2, 3}));
  EXPECT_THAT(InferError("scatter_add", along, {F32({2, 3}), F32({2, 9}), F32({2, 9})}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("index of f32")));
  EXPECT_THAT(InferError("index_put", {}, {F32({2, 3}), F32({}), {DType::kBool, {2}}}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("depends on data")));
  EXPECT_THAT(
      InferError("embedding_backward", {{"num_weights", int64_t{5}}, {"scale_grad_by_freq", true}},
                 {F32({2, 4}), I64({2})}),
      StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("frequency")));
}

TEST(OpsTest, OrderAlongADimGivesValuesAndPlaces) {
  const auto top = Infer("topk", {{"k", int64_t{2}}}, {F32({4, 7})});
  EXPECT_EQ(top[0].sizes, (Dims{4, 2}));
  EXPECT_EQ(top[1].dtype, DType::kInt64);
  EXPECT_THAT(InferError("topk", {{"k", int64_t{8}}}, {F32({4, 7})}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("out of range")));
  EXPECT_EQ(Infer("median", {}, {F32({4, 7})}).size(), 1u);
}

}  // namespace
}  // namespace openhpu::graph
