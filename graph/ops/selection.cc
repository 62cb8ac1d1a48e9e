// Element-wise ops that choose or mix: clamp, where, masking, addcmul, lerp.
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
using Value = ExpressionBuilder::Value;

Inferred InferPromoted(const Attributes&, Types inputs) {
  ASSIGN_OR_RETURN(Dims sizes, BroadcastSizes(inputs));
  return std::vector<TensorType>{{Promote(inputs), std::move(sizes)}};
}

Inferred InferClamp(const Attributes& attributes, Types inputs) {
  ASSIGN_OR_RETURN(std::vector<TensorType> types, InferPromoted(attributes, inputs));
  for (const char* bound : {"min", "max", "min_val", "max_val"}) {
    types[0].dtype = Promote(types, attributes.Find(bound));
  }
  return types;
}

// Bounds are attributes, or tensors 1 (min) and 2 (max).
Program ClampBetween(const Attributes& attributes, absl::Span<const DType> inputs, DType result,
                     const char* min, const char* max) {
  ExpressionBuilder e(inputs);
  DType type = ComputeType(inputs);
  for (const char* bound : {min, max}) {
    const Attribute* number = attributes.Find(bound);
    if (number != nullptr && std::holds_alternative<double>(*number)) type = DType::kFloat32;
  }
  Value x = e.Cast(0, type);
  const int n = static_cast<int>(inputs.size());
  for (const bool lower : {true, false}) {
    const ExprOp op = lower ? ExprOp::kMax : ExprOp::kMin;
    const char* name = lower ? min : max;
    const int at = n > 1 ? OptionalInput(attributes, lower ? 1 : 2, n) : -1;
    if (at > 0) {
      const Value bound = e.Cast(static_cast<Value>(at), type);
      x = e.Op(op, x, bound);
    } else if (attributes.Find(name) != nullptr) {
      const Value bound = e.Constant(attributes.Real(name), type);
      x = e.Op(op, x, bound);
    }
  }
  return e.Finish(x, result);
}

Program Clamp(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  return ClampBetween(attributes, inputs, result, "min", "max");
}

Program Hardtanh(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  Attributes bounds = attributes;
  if (bounds.Find("min_val") == nullptr) bounds.Set("min_val", int64_t{-1});
  if (bounds.Find("max_val") == nullptr) bounds.Set("max_val", int64_t{1});
  return ClampBetween(bounds, inputs, result, "min_val", "max_val");
}

Inferred InferWhere(const Attributes& attributes, Types inputs) {
  ASSIGN_OR_RETURN(Dims sizes, BroadcastSizes(inputs));
  const Attribute* number = attributes.Find("other");
  if (number == nullptr) number = attributes.Find("self");
  if (inputs.size() == 2 && number == nullptr) {
    return absl::InvalidArgumentError("needs a third tensor or attribute 'self' or 'other'");
  }
  return std::vector<TensorType>{{Promote(inputs.subspan(1), number), std::move(sizes)}};
}

Program Where(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  const Value condition = e.Cast(0, DType::kBool);
  Value a, b;
  if (inputs.size() == 3) {
    a = e.Cast(1, result);
    b = e.Cast(2, result);
  } else if (attributes.Find("other") != nullptr) {
    a = e.Cast(1, result);
    b = e.Constant(attributes.Real("other"), result);
  } else {
    a = e.Constant(attributes.Real("self"), result);
    b = e.Cast(1, result);
  }
  return e.Finish(e.Select(condition, a, b), result);
}

Inferred InferMaskedFill(const Attributes& attributes, Types inputs) {
  if (inputs.size() == 2 && attributes.Find("value") == nullptr) {
    return absl::InvalidArgumentError("needs a third tensor or attribute 'value'");
  }
  ASSIGN_OR_RETURN(Dims sizes, BroadcastSizes(inputs.subspan(0, 2)));
  return std::vector<TensorType>{{inputs[0].dtype, std::move(sizes)}};
}

Program MaskedFill(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  const Value mask = e.Cast(1, DType::kBool);
  const Value value =
      inputs.size() == 3 ? e.Cast(2, result) : e.Constant(attributes.Real("value"), result);
  const Value self = e.Cast(0, result);
  return e.Finish(e.Select(mask, value, self), result);
}

// self + value * tensor1 (* or /) tensor2
template <ExprOp op>
Program Addc(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  DType type = PromotePair(ComputeType(inputs), result);
  if (IsFloat(type) || op == ExprOp::kDiv) type = DType::kFloat32;
  const Value self = e.Cast(0, type), a = e.Cast(1, type), b = e.Cast(2, type);
  const double value = attributes.Real("value", 1);
  Value scaled = a;
  if (value != 1) {
    const Value scale = e.Constant(value, type);
    scaled = e.Op(ExprOp::kMul, scale, a);
  }
  const Value product = e.Op(op, scaled, b);
  return e.Finish(e.Op(ExprOp::kAdd, self, product), result);
}

// self + weight * (end - self), from the nearer end.
Program Lerp(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  const DType f32 = DType::kFloat32;
  const Value self = e.Cast(0, f32), end = e.Cast(1, f32);
  const Value weight =
      inputs.size() == 3 ? e.Cast(2, f32) : e.Constant(attributes.Real("weight"), f32);
  const Value half = e.Constant(0.5, f32), one = e.Constant(1, f32);
  const Value difference = e.Op(ExprOp::kSub, end, self);
  const Value low = e.Op(ExprOp::kAdd, self, e.Op(ExprOp::kMul, weight, difference));
  const Value rest = e.Op(ExprOp::kSub, one, weight);
  const Value high = e.Op(ExprOp::kSub, end, e.Op(ExprOp::kMul, difference, rest));
  const Value near = e.Op(ExprOp::kLt, e.Op(ExprOp::kAbs, weight), half);
  return e.Finish(e.Select(near, low, high), result);
}

// self, or self * weight of its channel (dim 1) below 0.
Inferred InferPrelu(const Attributes&, Types inputs) { return std::vector<TensorType>{inputs[0]}; }

absl::Status LowerPrelu(Lowering& lowering, const Node& node) {
  const View &x = node.inputs[0], &y = node.outputs[0];
  View weight = node.inputs[1];
  if (weight.elements() == 1) {
    weight.sizes.assign(x.rank(), 1);
    weight.strides.assign(x.rank(), 1);
  } else if (weight.rank() == 1 && x.rank() >= 2 && weight.sizes[0] == x.sizes[1]) {
    const int64_t channels = weight.sizes[0], stride = weight.strides[0];
    weight.sizes.assign(x.rank(), 1);
    weight.strides.assign(x.rank(), 1);
    weight.sizes[1] = channels;
    weight.strides[1] = stride;
  } else {
    return absl::InvalidArgumentError("weight has neither one element nor one a channel");
  }
  ExpressionBuilder e({x.dtype, weight.dtype});
  const Value v = e.Cast(0, DType::kFloat32), w = e.Cast(1, DType::kFloat32);
  const Value zero = e.Constant(0, DType::kFloat32);
  const Value below = e.Op(ExprOp::kMul, v, w);
  const Value above = e.Op(ExprOp::kGt, v, zero);
  return lowering.Elementwise(e.Finish(e.Select(above, v, below), y.dtype), {x, weight}, {y});
}

const OpDeclaration kOps[] = {
    {"clamp",
     "self within [min, max]; either bound may be absent, and is an attribute or a tensor",
     1,
     3,
     InferClamp,
     Clamp,
     nullptr,
     {"clamp", "clamp.Tensor", "clamp_min", "clamp_min.Tensor", "clamp_max", "clamp_max.Tensor"}},
    {"hardtanh",
     "self within [min_val = -1, max_val = 1]",
     1,
     1,
     InferSame,
     Hardtanh,
     nullptr,
     {"hardtanh"}},
    {"where",
     "condition ? self : other; one of them may be an attribute",
     2,
     3,
     InferWhere,
     Where,
     nullptr,
     {"where.self"}},
    {"masked_fill",
     "self with `value` (attribute or tensor of rank 0) where mask is set",
     2,
     3,
     InferMaskedFill,
     MaskedFill,
     nullptr,
     {"masked_fill.Scalar", "masked_fill.Tensor"}},
    {"addcmul",
     "self + value * tensor1 * tensor2; value = 1",
     3,
     3,
     InferPromoted,
     Addc<ExprOp::kMul>,
     nullptr,
     {"addcmul"}},
    {"addcdiv",
     "self + value * tensor1 / tensor2; value = 1",
     3,
     3,
     InferPromoted,
     Addc<ExprOp::kDiv>,
     nullptr,
     {"addcdiv"}},
    {"lerp",
     "self + weight * (end - self); weight is an attribute or a tensor",
     2,
     3,
     InferPromoted,
     Lerp,
     nullptr,
     {"lerp.Scalar", "lerp.Tensor"}},
    {"prelu",
     "self, times weight (one, or one a channel) below 0",
     2,
     2,
     InferPrelu,
     nullptr,
     LowerPrelu,
     {"prelu"}},
};

}  // namespace

absl::Span<const OpDeclaration> SelectionOps() { return kOps; }

}  // namespace openhpu::graph
