// Reductions over dims.
#include <cmath>
#include <limits>
#include <string>

#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/families.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
using hal::ReduceOp;

Dims Reduced(const Dims& sizes, uint32_t mask, bool keep) {
  Dims out;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if ((mask >> d & 1) == 0) out.push_back(sizes[d]);
    if ((mask >> d & 1) != 0 && keep) out.push_back(1);
  }
  return out;
}

// The output with size-1 dims where it was reduced.
View Kept(const View& out, uint32_t mask, int rank) {
  if (out.rank() == rank) return out;
  View kept = out;
  kept.sizes.clear();
  kept.strides.clear();
  int next = 0;
  for (int d = 0; d < rank; ++d) {
    const bool reduced = (mask >> d & 1) != 0;
    kept.sizes.push_back(reduced ? 1 : out.sizes[next]);
    kept.strides.push_back(reduced ? 1 : out.strides[next]);
    if (!reduced) ++next;
  }
  return kept;
}

constexpr DType SumType(DType t) { return IsFloat(t) ? t : DType::kInt64; }

template <ReduceOp op>
Inferred InferReduce(const Attributes& attributes, Types inputs) {
  const TensorType& in = inputs[0];
  ASSIGN_OR_RETURN(const uint32_t mask,
                   ResolveDims(attributes, "dim", static_cast<int>(in.sizes.size())));
  DType type = in.dtype;
  switch (op) {
    case ReduceOp::kSum:
    case ReduceOp::kProd:
      type = attributes.Type("dtype", SumType(in.dtype));
      break;
    case ReduceOp::kMean:
    case ReduceOp::kVar:
      type = attributes.Type("dtype", in.dtype);
      if (!IsFloat(type))
        return absl::InvalidArgumentError(hal::Cat("of ", Name(type), ": needs a float"));
      break;
    case ReduceOp::kAny:
    case ReduceOp::kAll:
      type = in.dtype == DType::kUInt8 ? DType::kUInt8 : DType::kBool;
      break;
    case ReduceOp::kArgMax:
    case ReduceOp::kArgMin:
      type = DType::kInt64;
      break;
    case ReduceOp::kMax:
    case ReduceOp::kMin:
      break;
  }
  Dims sizes = Reduced(in.sizes, mask, attributes.Bool("keepdim"));
  return std::vector<TensorType>{{type, std::move(sizes)}};
}

absl::Status ReduceInto(Lowering& lowering, const ReduceWork& reduce, const View& in,
                        const View& out) {
  // The kernel makes some dtypes only: sums of small integers in i32, tests in bool.
  DType made = DeviceType(out.dtype);
  View from = in;
  switch (reduce.op) {
    case ReduceOp::kSum:
    case ReduceOp::kProd:
      if (IsFloat(made) != IsFloat(in.dtype)) {
        ASSIGN_OR_RETURN(from, lowering.Cast(in, IsFloat(made) ? DType::kFloat32 : DType::kInt32));
      }
      if (!IsFloat(made)) made = DType::kInt32;
      break;
    case ReduceOp::kMean:
    case ReduceOp::kVar: {
      ASSIGN_OR_RETURN(from, lowering.Cast(in, ToFloat(in.dtype)));
      break;
    }
    case ReduceOp::kAny:
    case ReduceOp::kAll:
      made = DType::kBool;
      break;
    case ReduceOp::kArgMax:
    case ReduceOp::kArgMin:
      made = DType::kInt32;
      break;
    case ReduceOp::kMax:
    case ReduceOp::kMin:
      made = DeviceType(in.dtype);
      break;
  }
  const bool direct = made == DeviceType(out.dtype);
  const View target = direct ? out : lowering.NewTemp(made, out.sizes);
  RETURN_IF_ERROR(lowering.Reduce(reduce, from, target));
  return direct ? absl::OkStatus() : lowering.Copy(target, out);
}

template <ReduceOp op>
absl::Status LowerReduce(Lowering& lowering, const Node& node) {
  const View& in = node.inputs[0];
  ReduceWork reduce;
  reduce.op = op;
  ASSIGN_OR_RETURN(reduce.dims, ResolveDims(node.attributes, "dim", in.rank()));
  if (op == ReduceOp::kVar) {
    const bool unbiased = node.attributes.Bool("unbiased", true);
    reduce.correction = static_cast<float>(node.attributes.Real("correction", unbiased ? 1 : 0));
  }
  return ReduceInto(lowering, reduce, in, Kept(node.outputs[0], reduce.dims, in.rank()));
}

absl::Status LowerStd(Lowering& lowering, const Node& node) {
  const View variance = lowering.NewTemp(DType::kFloat32, node.outputs[0].sizes);
  Node var = node;
  var.outputs = {variance};
  RETURN_IF_ERROR(LowerReduce<ReduceOp::kVar>(lowering, var));
  ExpressionBuilder e({DType::kFloat32});
  return lowering.Elementwise(e.Finish(e.Op(ExprOp::kSqrt, 0), node.outputs[0].dtype), {variance},
                              {node.outputs[0]});
}

Inferred InferVarMean(const Attributes& attributes, Types inputs) {
  ASSIGN_OR_RETURN(std::vector<TensorType> types, InferReduce<ReduceOp::kVar>(attributes, inputs));
  types.push_back(types[0]);
  return types;
}

absl::Status LowerVarMean(Lowering& lowering, const Node& node) {
  RETURN_IF_ERROR(LowerReduce<ReduceOp::kVar>(lowering, node));
  if (node.outputs.size() < 2) return absl::OkStatus();
  Node mean = node;
  mean.outputs = {node.outputs[1]};
  return LowerReduce<ReduceOp::kMean>(lowering, mean);
}

// max.dim and min.dim: values and where they are.
Inferred InferExtreme(const Attributes& attributes, Types inputs) {
  ASSIGN_OR_RETURN(std::vector<TensorType> types, InferReduce<ReduceOp::kMax>(attributes, inputs));
  types.push_back({DType::kInt64, types[0].sizes});
  return types;
}

template <ReduceOp value, ReduceOp index>
absl::Status LowerExtreme(Lowering& lowering, const Node& node) {
  RETURN_IF_ERROR(LowerReduce<value>(lowering, node));
  if (node.outputs.size() < 2) return absl::OkStatus();
  Node where = node;
  where.outputs = {node.outputs[1]};
  return LowerReduce<index>(lowering, where);
}

// (sum |x| ^ p) ^ (1 / p), over `dim`; p = 2.
Inferred InferNorm(const Attributes& attributes, Types inputs) {
  TensorType in = inputs[0];
  in.dtype = attributes.Type("dtype", ToFloat(in.dtype));
  return InferReduce<ReduceOp::kMean>(attributes, {in});
}

absl::Status LowerNorm(Lowering& lowering, const Node& node) {
  const View &in = node.inputs[0], &out = node.outputs[0];
  const Attribute* order = node.attributes.Find("p");
  const double p = node.attributes.Real(order != nullptr ? "p" : "ord", 2);
  ASSIGN_OR_RETURN(const uint32_t mask, ResolveDims(node.attributes, "dim", in.rank()));
  const DType f32 = DType::kFloat32;
  const View power = lowering.NewTemp(f32, in.sizes);
  {
    ExpressionBuilder e({in.dtype});
    const auto x = e.Cast(0, f32);
    auto y = e.Op(ExprOp::kAbs, x);
    if (p == 0) {
      const auto zero = e.Constant(0, f32);
      y = e.Cast(e.Op(ExprOp::kNe, x, zero), f32);
    } else if (p == 2) {
      y = e.Op(ExprOp::kMul, x, x);
    } else if (!std::isinf(p) && p != 1) {
      const auto exponent = e.Constant(p, f32);
      y = e.Op(ExprOp::kPow, y, exponent);
    }
    RETURN_IF_ERROR(lowering.Elementwise(e.Finish(y, f32), {in}, {power}));
  }
  ReduceWork reduce;
  reduce.dims = mask;
  if (std::isinf(p)) reduce.op = p > 0 ? ReduceOp::kMax : ReduceOp::kMin;
  const View kept = Kept(out, mask, in.rank());
  const View total = lowering.NewTemp(f32, kept.sizes);
  RETURN_IF_ERROR(lowering.Reduce(reduce, power, total));
  ExpressionBuilder e({f32});
  ExpressionBuilder::Value y = 0;
  if (p == 2) {
    y = e.Op(ExprOp::kSqrt, y);
  } else if (!std::isinf(p) && p != 1 && p != 0) {
    const auto exponent = e.Constant(1 / p, f32);
    y = e.Op(ExprOp::kPow, y, exponent);
  }
  return lowering.Elementwise(e.Finish(y, out.dtype), {total}, {kept});
}

const OpDeclaration kOps[] = {
    {"sum",
     "over `dim` (all if absent), keepdim = false; integers give i64; dtype",
     1,
     1,
     InferReduce<ReduceOp::kSum>,
     nullptr,
     LowerReduce<ReduceOp::kSum>,
     {"sum", "sum.dim_IntList"}},
    {"mean",
     "over `dim` (all if absent), keepdim = false; dtype",
     1,
     1,
     InferReduce<ReduceOp::kMean>,
     nullptr,
     LowerReduce<ReduceOp::kMean>,
     {"mean", "mean.dim"}},
    {"prod",
     "over `dim` (all if absent), keepdim = false; dtype",
     1,
     1,
     InferReduce<ReduceOp::kProd>,
     nullptr,
     LowerReduce<ReduceOp::kProd>,
     {"prod", "prod.dim_int"}},
    {"amax",
     "largest over `dim` (all if absent), keepdim = false",
     1,
     1,
     InferReduce<ReduceOp::kMax>,
     nullptr,
     LowerReduce<ReduceOp::kMax>,
     {"amax", "max"}},
    {"amin",
     "smallest over `dim` (all if absent), keepdim = false",
     1,
     1,
     InferReduce<ReduceOp::kMin>,
     nullptr,
     LowerReduce<ReduceOp::kMin>,
     {"amin", "min"}},
    {"max",
     "largest along `dim` and its index, keepdim = false",
     1,
     1,
     InferExtreme,
     nullptr,
     LowerExtreme<ReduceOp::kMax, ReduceOp::kArgMax>,
     {"max.dim"}},
    {"min",
     "smallest along `dim` and its index, keepdim = false",
     1,
     1,
     InferExtreme,
     nullptr,
     LowerExtreme<ReduceOp::kMin, ReduceOp::kArgMin>,
     {"min.dim"}},
    {"any",
     "over `dim` (all if absent), keepdim = false",
     1,
     1,
     InferReduce<ReduceOp::kAny>,
     nullptr,
     LowerReduce<ReduceOp::kAny>,
     {"any", "any.dim"}},
    {"all",
     "over `dim` (all if absent), keepdim = false",
     1,
     1,
     InferReduce<ReduceOp::kAll>,
     nullptr,
     LowerReduce<ReduceOp::kAll>,
     {"all", "all.dim"}},
    {"argmax",
     "index of the largest along `dim` (of the flat tensor if absent), keepdim = false",
     1,
     1,
     InferReduce<ReduceOp::kArgMax>,
     nullptr,
     LowerReduce<ReduceOp::kArgMax>,
     {"argmax"}},
    {"argmin",
     "index of the smallest along `dim` (of the flat tensor if absent), keepdim = false",
     1,
     1,
     InferReduce<ReduceOp::kArgMin>,
     nullptr,
     LowerReduce<ReduceOp::kArgMin>,
     {"argmin"}},
    {"var",
     "over `dim` (all if absent), unbiased = true or correction, keepdim = false",
     1,
     1,
     InferReduce<ReduceOp::kVar>,
     nullptr,
     LowerReduce<ReduceOp::kVar>,
     {"var.correction"}},
    {"std",
     "square root of var",
     1,
     1,
     InferReduce<ReduceOp::kVar>,
     nullptr,
     LowerStd,
     {"std.correction"}},
    {"var_mean",
     "var and mean",
     1,
     1,
     InferVarMean,
     nullptr,
     LowerVarMean,
     {"var_mean.correction"}},
    {"norm",
     "p-norm over `dim` (all if absent); p = 2 (or `ord`), keepdim = false, dtype",
     1,
     1,
     InferNorm,
     nullptr,
     LowerNorm,
     {"norm.Scalar", "norm.ScalarOpt_dim", "norm.ScalarOpt_dim_dtype", "linalg_vector_norm"}},
};

}  // namespace

absl::Span<const OpDeclaration> ReductionOps() { return kOps; }

}  // namespace openhpu::graph
