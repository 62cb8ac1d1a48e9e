// Tensors from nothing, and copies.
#include <cmath>
#include <string>

#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/elementwise.h"
#include "graph/ops/families.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
using Program = absl::StatusOr<hal::ExpressionProgram>;

Dims SizesOf(const Attributes& attributes, std::string_view name) {
  const std::vector<int64_t> sizes = attributes.Ints(name);
  return Dims(sizes.begin(), sizes.end());
}

Inferred InferFull(const Attributes& attributes, Types inputs) {
  if (!inputs.empty()) {
    return std::vector<TensorType>{{attributes.Type("dtype", inputs[0].dtype), inputs[0].sizes}};
  }
  if (attributes.Find("size") == nullptr)
    return absl::InvalidArgumentError("needs attribute 'size'");
  const Attribute* value = attributes.Find("fill_value");
  DType type = DType::kFloat32;
  if (value != nullptr && std::holds_alternative<int64_t>(*value)) type = DType::kInt64;
  if (value != nullptr && std::holds_alternative<bool>(*value)) type = DType::kBool;
  return std::vector<TensorType>{{attributes.Type("dtype", type), SizesOf(attributes, "size")}};
}

Program Full(const Attributes& attributes, absl::Span<const DType>, DType result) {
  ExpressionBuilder e({});
  return e.Finish(e.Constant(attributes.Real("fill_value"), result), result);
}

// One tensor, cast to whatever the output is.
Inferred InferCopy(const Attributes& attributes, Types inputs) {
  const DType type = attributes.Type("dtype", inputs[0].dtype);
  if (attributes.Find("size") != nullptr) {
    return std::vector<TensorType>{{type, SizesOf(attributes, "size")}};
  }
  return std::vector<TensorType>{{type, inputs[0].sizes}};
}

Program Copy(const Attributes&, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  return e.Finish(0, result);
}

// How many elements [start, end) holds; `end` alone starts at 0.
Inferred InferArange(const Attributes& attributes, Types) {
  const double start = attributes.Real("start", 0), end = attributes.Real("end"),
               step = attributes.Real("step", 1);
  if (step == 0 || std::isnan(start) || std::isnan(end) || (end - start) / step < 0) {
    return absl::InvalidArgumentError("start, end and step do not make a range");
  }
  DType type = DType::kInt64;
  for (const char* name : {"start", "end", "step"}) {
    const Attribute* a = attributes.Find(name);
    if (a != nullptr && std::holds_alternative<double>(*a)) type = DType::kFloat32;
  }
  return std::vector<TensorType>{
      {attributes.Type("dtype", type), {static_cast<int64_t>(std::ceil((end - start) / step))}}};
}

absl::Status LowerArange(Lowering& lowering, const Node& node) {
  const DType type = IsFloat(node.outputs[0].dtype) ? DType::kFloat32 : DType::kInt32;
  ExpressionBuilder e({});
  auto i = e.Cast(e.Index(0), type);
  const auto step = e.Constant(node.attributes.Real("step", 1), type);
  i = e.Op(ExprOp::kMul, i, step);
  const auto start = e.Constant(node.attributes.Real("start", 0), type);
  i = e.Op(ExprOp::kAdd, i, start);
  return lowering.Elementwise(e.Finish(i, node.outputs[0].dtype), {}, {node.outputs[0]});
}

Inferred InferLinspace(const Attributes& attributes, Types) {
  const int64_t steps = attributes.Int("steps", 100);
  if (steps < 0) return absl::InvalidArgumentError("steps is negative");
  return std::vector<TensorType>{{attributes.Type("dtype", DType::kFloat32), {steps}}};
}

// From both ends, so that the last element is `end`.
absl::Status LowerLinspace(Lowering& lowering, const Node& node) {
  const double start = node.attributes.Real("start"), end = node.attributes.Real("end");
  const int64_t steps = node.outputs[0].sizes[0];
  const double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0;
  ExpressionBuilder e({});
  const DType f32 = DType::kFloat32;
  const auto index = e.Index(0);
  const auto i = e.Cast(index, f32);
  const auto delta = e.Constant(step, f32), low = e.Constant(start, f32),
             high = e.Constant(end, f32);
  const auto last = e.Constant(static_cast<double>(steps - 1), f32),
             half = e.Constant(static_cast<double>(steps / 2), f32);
  const auto up = e.Op(ExprOp::kAdd, low, e.Op(ExprOp::kMul, i, delta));
  const auto left = e.Op(ExprOp::kSub, last, i);
  const auto down = e.Op(ExprOp::kSub, high, e.Op(ExprOp::kMul, left, delta));
  const auto first_half = e.Op(ExprOp::kLt, i, half);
  return lowering.Elementwise(e.Finish(e.Select(first_half, up, down), node.outputs[0].dtype), {},
                              {node.outputs[0]});
}

Inferred InferEye(const Attributes& attributes, Types) {
  const int64_t n = attributes.Int("n"), m = attributes.Int("m", n);
  if (n < 0 || m < 0) return absl::InvalidArgumentError("n or m is negative");
  return std::vector<TensorType>{{attributes.Type("dtype", DType::kFloat32), {n, m}}};
}

absl::Status LowerEye(Lowering& lowering, const Node& node) {
  ExpressionBuilder e({});
  const auto row = e.Index(0), column = e.Index(1);
  return lowering.Elementwise(e.Finish(e.Op(ExprOp::kEq, row, column), node.outputs[0].dtype), {},
                              {node.outputs[0]});
}

Inferred InferTriangle(const Attributes&, Types inputs) {
  if (inputs[0].sizes.size() < 2) return absl::InvalidArgumentError("needs a matrix");
  return std::vector<TensorType>{inputs[0]};
}

// Keeps what is on one side of the diagonal: column - row <= diagonal (or >=).
template <ExprOp keep>
absl::Status LowerTriangle(Lowering& lowering, const Node& node) {
  const View &in = node.inputs[0], &out = node.outputs[0];
  ExpressionBuilder e({in.dtype});
  const auto row = e.Index(in.rank() - 2), column = e.Index(in.rank() - 1);
  const auto diagonal =
      e.Constant(static_cast<double>(node.attributes.Int("diagonal", 0)), DType::kInt32);
  const auto distance = e.Op(ExprOp::kSub, column, row);
  const auto inside = e.Op(keep, distance, diagonal);
  const auto zero = e.Constant(0, DeviceType(in.dtype));
  return lowering.Elementwise(e.Finish(e.Select(inside, 0, zero), out.dtype), {in}, {out});
}

const OpDeclaration kOps[] = {
    {"full",
     "a tensor of sizes `size` and dtype `dtype` (from the value's kind if absent) filled with "
     "`fill_value`",
     0,
     0,
     InferFull,
     Full,
     nullptr,
     {"full", "fill.Scalar", "full_like", "scalar_tensor"}},
    {"copy",
     "input 0, cast to `dtype` or to the output's dtype, broadcast to `size` if given",
     1,
     1,
     InferCopy,
     Copy,
     nullptr,
     {"_to_copy", "clone", "fill.Tensor"}},
    {"arange",
     "start, start + step, ... below end; start = 0, step = 1, dtype",
     0,
     0,
     InferArange,
     nullptr,
     LowerArange,
     {"arange", "arange.start", "arange.start_step"}},
    {"linspace",
     "`steps` values from start to end; dtype",
     0,
     0,
     InferLinspace,
     nullptr,
     LowerLinspace,
     {"linspace"}},
    {"eye",
     "n rows, m (= n) columns, ones on the diagonal; dtype",
     0,
     0,
     InferEye,
     nullptr,
     LowerEye,
     {"eye", "eye.m"}},
    {"tril",
     "zeros above the diagonal-th diagonal of each matrix; diagonal = 0",
     1,
     1,
     InferTriangle,
     nullptr,
     LowerTriangle<ExprOp::kLe>,
     {"tril"}},
    {"triu",
     "zeros below the diagonal-th diagonal of each matrix; diagonal = 0",
     1,
     1,
     InferTriangle,
     nullptr,
     LowerTriangle<ExprOp::kGe>,
     {"triu"}},
};

}  // namespace

absl::Span<const OpDeclaration> CreationOps() { return kOps; }

}  // namespace openhpu::graph
