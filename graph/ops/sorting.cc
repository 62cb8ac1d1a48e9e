// Order along a dim, and running products and sums. Sorts are stable; a NaN is the largest.
#include <algorithm>
#include <limits>

#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/families.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
constexpr DType kF32 = DType::kFloat32, kI32 = DType::kInt32;

// The last dim if `dim` is absent, but for median, which then takes all of a vector.
absl::StatusOr<int> DimOf(const Attributes& attributes, int rank) {
  return ResolveDim(attributes.Int("dim", -1), rank);
}

// The first `count` of `in` along `dim`, in order; values or indices into views or temps.
struct Sorted {
  View values, indices;  // i32
};
Sorted Sort(Lowering& lowering, const View& in, int dim, bool descending, int64_t count) {
  Dims sizes = in.sizes;
  sizes[dim] = count;
  Sorted sorted{lowering.NewTemp(in.dtype, sizes), lowering.NewTemp(kI32, sizes)};
  lowering.Add(SortWork{dim, descending}, {in}, {sorted.values, sorted.indices});
  return sorted;
}

absl::Status Store(Lowering& lowering, const Sorted& sorted, const Node& node) {
  const auto shaped = [](View v, const View& like) {
    return v.sizes == like.sizes ? v : *Reshape(v, like.sizes);
  };
  RETURN_IF_ERROR(lowering.Copy(shaped(sorted.values, node.outputs[0]), node.outputs[0]));
  if (node.outputs.size() < 2) return absl::OkStatus();
  return lowering.Copy(shaped(sorted.indices, node.outputs[1]), node.outputs[1]);
}

Inferred InferSort(const Attributes& attributes, Types inputs) {
  RETURN_IF_ERROR(DimOf(attributes, static_cast<int>(inputs[0].sizes.size())).status());
  return std::vector<TensorType>{inputs[0], {DType::kInt64, inputs[0].sizes}};
}

View AtLeastVector(const View& v) { return v.rank() == 0 ? Unsqueeze(v, 0) : v; }

absl::Status LowerSort(Lowering& lowering, const Node& node) {
  const View in = AtLeastVector(node.inputs[0]);
  ASSIGN_OR_RETURN(const int dim, DimOf(node.attributes, in.rank()));
  return Store(lowering, Sort(lowering, in, dim, node.attributes.Bool("descending"), in.sizes[dim]),
               node);
}

Inferred InferTopK(const Attributes& attributes, Types inputs) {
  Dims sizes = inputs[0].sizes;
  ASSIGN_OR_RETURN(const int dim, DimOf(attributes, static_cast<int>(sizes.size())));
  const int64_t k = attributes.Int("k");
  if (k < 0 || k > (sizes.empty() ? 1 : sizes[dim]))
    return absl::InvalidArgumentError("selected index k out of range");
  if (!sizes.empty()) sizes[dim] = k;
  return std::vector<TensorType>{{inputs[0].dtype, sizes}, {DType::kInt64, sizes}};
}

absl::Status LowerTopK(Lowering& lowering, const Node& node) {
  const View in = AtLeastVector(node.inputs[0]);
  ASSIGN_OR_RETURN(const int dim, DimOf(node.attributes, in.rank()));
  return Store(
      lowering,
      Sort(lowering, in, dim, node.attributes.Bool("largest", true), node.attributes.Int("k")),
      node);
}

Dims Without(const Dims& sizes, int dim, bool keep) {
  Dims out = sizes;
  if (out.empty()) return out;
  if (keep) {
    out[dim] = 1;
  } else {
    out.erase(out.begin() + dim);
  }
  return out;
}

// Element `at` of those in order along `dim`.
absl::Status Select(Lowering& lowering, const Node& node, const View& in, int dim, int64_t at) {
  const Sorted sorted = Sort(lowering, in, dim, false, at + 1);
  return Store(lowering, {Slice(sorted.values, dim, at, 1), Slice(sorted.indices, dim, at, 1)},
               node);
}

Inferred InferKthValue(const Attributes& attributes, Types inputs) {
  const Dims& sizes = inputs[0].sizes;
  ASSIGN_OR_RETURN(const int dim, DimOf(attributes, static_cast<int>(sizes.size())));
  const int64_t k = attributes.Int("k");
  if (k < 1 || k > (sizes.empty() ? 1 : sizes[dim]))
    return absl::InvalidArgumentError("selected number k out of range");
  const Dims out = Without(sizes, dim, attributes.Bool("keepdim"));
  return std::vector<TensorType>{{inputs[0].dtype, out}, {DType::kInt64, out}};
}

absl::Status LowerKthValue(Lowering& lowering, const Node& node) {
  const View in = AtLeastVector(node.inputs[0]);
  ASSIGN_OR_RETURN(const int dim, DimOf(node.attributes, in.rank()));
  return Select(lowering, node, in, dim, node.attributes.Int("k") - 1);
}

Inferred InferMedian(const Attributes& attributes, Types inputs) {
  const Dims& sizes = inputs[0].sizes;
  if (attributes.Find("dim") == nullptr) {
    if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end())
      return absl::UnimplementedError("the median of nothing");
    return std::vector<TensorType>{{inputs[0].dtype, {}}};
  }
  ASSIGN_OR_RETURN(const int dim, DimOf(attributes, static_cast<int>(sizes.size())));
  if (!sizes.empty() && sizes[dim] == 0) return absl::UnimplementedError("the median of nothing");
  const Dims out = Without(sizes, dim, attributes.Bool("keepdim"));
  return std::vector<TensorType>{{inputs[0].dtype, out}, {DType::kInt64, out}};
}

// The lower one of two; a NaN if there is one: the last in order, but the first of them in place.
absl::Status LowerMedian(Lowering& lowering, const Node& node) {
  View in = AtLeastVector(node.inputs[0]);
  int dim = 0;
  if (node.attributes.Find("dim") == nullptr) {
    ASSIGN_OR_RETURN(in, lowering.Reshaped(in, {in.elements()}));
  } else {
    ASSIGN_OR_RETURN(dim, DimOf(node.attributes, in.rank()));
  }
  const int64_t n = in.sizes[dim], middle = (n - 1) / 2;
  if (!IsFloat(in.dtype)) return Select(lowering, node, in, dim, middle);
  const Sorted ascending = Sort(lowering, in, dim, false, middle + 1);
  const Sorted largest = Sort(lowering, in, dim, true, 1);
  const View value = Slice(ascending.values, dim, middle, 1),
             index = Slice(ascending.indices, dim, middle, 1);
  const Sorted chosen{lowering.NewTemp(in.dtype, value.sizes), lowering.NewTemp(kI32, value.sizes)};
  {
    ExpressionBuilder e({in.dtype, in.dtype});
    RETURN_IF_ERROR(
        lowering.Elementwise(e.Finish(e.Select(e.Op(ExprOp::kIsNan, 0), 0, 1), in.dtype),
                             {largest.values, value}, {chosen.values}));
  }
  ExpressionBuilder e({in.dtype, kI32, kI32});
  RETURN_IF_ERROR(lowering.Elementwise(e.Finish(e.Select(e.Op(ExprOp::kIsNan, 0), 1, 2), kI32),
                                       {largest.values, largest.indices, index}, {chosen.indices}));
  return Store(lowering, chosen, node);
}

Inferred InferRunning(const Attributes& attributes, Types inputs) {
  RETURN_IF_ERROR(
      ResolveDim(attributes.Int("dim"), static_cast<int>(inputs[0].sizes.size())).status());
  const DType own = IsFloat(inputs[0].dtype) ? inputs[0].dtype : DType::kInt64;
  return std::vector<TensorType>{{attributes.Type("dtype", own), inputs[0].sizes}};
}

using Combine = ExpressionBuilder::Value (*)(ExpressionBuilder& e);

// log(exp(a) + exp(b)).
ExpressionBuilder::Value LogAddExp(ExpressionBuilder& e) {
  const auto high = e.Op(ExprOp::kMax, 0, 1), low = e.Op(ExprOp::kMin, 0, 1);
  const auto infinite = e.Constant(std::numeric_limits<double>::infinity(), kF32);
  const auto difference = e.Op(ExprOp::kSub, low, high);
  const auto sum = e.Op(ExprOp::kAdd, high, e.Op(ExprOp::kLog1p, e.Op(ExprOp::kExp, difference)));
  // Equal infinities have no difference.
  const auto edge = e.Op(ExprOp::kEq, e.Op(ExprOp::kAbs, high), infinite);
  return e.Select(edge, high, sum);
}

ExpressionBuilder::Value Multiply(ExpressionBuilder& e) { return e.Op(ExprOp::kMul, 0, 1); }
ExpressionBuilder::Value Add(ExpressionBuilder& e) { return e.Op(ExprOp::kAdd, 0, 1); }

// Doubling: after step s every element holds what the 2^s before and at it make.
template <Combine combine>
absl::Status LowerRunning(Lowering& lowering, const Node& node) {
  const View &in = node.inputs[0], &out = node.outputs[0];
  if (in.rank() == 0) return lowering.Copy(in, out);
  ASSIGN_OR_RETURN(const int dim, ResolveDim(node.attributes.Int("dim"), in.rank()));
  const DType type = IsFloat(out.dtype) ? kF32 : kI32;
  View have = lowering.NewTemp(type, out.sizes);
  RETURN_IF_ERROR(lowering.Copy(in, have));
  const int64_t n = in.sizes[dim];
  for (int64_t shift = 1; shift < n; shift *= 2) {
    const View next = lowering.NewTemp(type, out.sizes);
    RETURN_IF_ERROR(lowering.Copy(Slice(have, dim, 0, shift), Slice(next, dim, 0, shift)));
    ExpressionBuilder e({type, type});
    RETURN_IF_ERROR(
        lowering.Elementwise(e.Finish(combine(e), type),
                             {Slice(have, dim, shift, n - shift), Slice(have, dim, 0, n - shift)},
                             {Slice(next, dim, shift, n - shift)}));
    have = next;
  }
  return lowering.Copy(have, out);
}

const OpDeclaration kOps[] = {
    {"sort",
     "along `dim` = -1, descending = false, always stable: values and indices",
     1,
     1,
     InferSort,
     nullptr,
     LowerSort,
     {"sort", "sort.stable"}},
    {"topk",
     "the k first along `dim` = -1, largest = true, always sorted: values and indices",
     1,
     1,
     InferTopK,
     nullptr,
     LowerTopK,
     {"topk"}},
    {"kthvalue",
     "the k-th smallest along `dim` = -1, keepdim = false: value and index",
     1,
     1,
     InferKthValue,
     nullptr,
     LowerKthValue,
     {"kthvalue"}},
    {"median",
     "of all, or value and index along `dim`, keepdim = false; the lower one of two",
     1,
     1,
     InferMedian,
     nullptr,
     LowerMedian,
     {"median", "median.dim"}},
    {"cumsum",
     "running sum along `dim`; dtype",
     1,
     1,
     InferRunning,
     nullptr,
     LowerRunning<Add>,
     {"cumsum"}},
    {"cumprod",
     "running product along `dim`; dtype",
     1,
     1,
     InferRunning,
     nullptr,
     LowerRunning<Multiply>,
     {"cumprod"}},
    {"logcumsumexp",
     "logarithm of the running sum of exponentials along `dim`",
     1,
     1,
     InferRunning,
     nullptr,
     LowerRunning<LogAddExp>,
     {"_logcumsumexp"}},
};

}  // namespace

absl::Span<const OpDeclaration> SortingOps() { return kOps; }

}  // namespace openhpu::graph
