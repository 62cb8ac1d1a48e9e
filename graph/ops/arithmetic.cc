// Element-wise arithmetic of two operands: the second is a tensor, or attribute `other` where it is
// a number.
#include <string>

#include "graph/ops/common.h"
#include "graph/ops/elementwise.h"
#include "graph/ops/families.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
using Program = absl::StatusOr<hal::ExpressionProgram>;
using Value = ExpressionBuilder::Value;

// self + alpha * other (or minus); on bool, or.
template <ExprOp op>
Program AddSub(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  ASSIGN_OR_RETURN(BinaryOperands x, LoadBinary(e, attributes, inputs, result));
  const double alpha = attributes.Real("alpha", 1);
  if (x.type == DType::kBool && op == ExprOp::kAdd) {
    return e.Finish(alpha == 0 ? x.a : e.Op(ExprOp::kOr, x.a, x.b), result);
  }
  if (alpha != 1) {
    const Value scale = e.Constant(alpha, x.type);
    x.b = e.Op(ExprOp::kMul, x.b, scale);
  }
  return e.Finish(e.Op(op, x.a, x.b), result);
}

Program Rsub(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  ASSIGN_OR_RETURN(BinaryOperands x, LoadBinary(e, attributes, inputs, result));
  const double alpha = attributes.Real("alpha", 1);
  if (alpha != 1) {
    const Value scale = e.Constant(alpha, x.type);
    x.a = e.Op(ExprOp::kMul, x.a, scale);
  }
  return e.Finish(e.Op(ExprOp::kSub, x.b, x.a), result);
}

Program Mul(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  ASSIGN_OR_RETURN(const BinaryOperands x, LoadBinary(e, attributes, inputs, result));
  return e.Finish(e.Op(x.type == DType::kBool ? ExprOp::kAnd : ExprOp::kMul, x.a, x.b), result);
}

// Any op that takes two operands of the common type.
template <ExprOp op>
Program Binary(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  ASSIGN_OR_RETURN(const BinaryOperands x, LoadBinary(e, attributes, inputs, result));
  return e.Finish(e.Op(op, x.a, x.b), result);
}

// Without bool, which has no quotients or powers of its own: as i8.
template <ExprOp op>
Program Numbers(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  ASSIGN_OR_RETURN(BinaryOperands x, LoadBinary(e, attributes, inputs, result));
  if (x.type == DType::kBool) {
    x.a = e.Cast(x.a, DType::kInt8);
    x.b = e.Cast(x.b, DType::kInt8);
  }
  return e.Finish(e.Op(op, x.a, x.b), result);
}

Program Pow(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  ASSIGN_OR_RETURN(BinaryOperands x, LoadBinary(e, attributes, inputs, result, "exponent"));
  if (x.type == DType::kBool) {
    x.a = e.Cast(x.a, DType::kInt8);
    x.b = e.Cast(x.b, DType::kInt8);
  }
  // The powers that have cheaper, exact forms.
  const Attribute* exponent = attributes.Find("exponent");
  if (exponent != nullptr && IsFloat(x.type)) {
    const double p = attributes.Real("exponent");
    const auto square = [&] { return e.Op(ExprOp::kMul, x.a, x.a); };
    if (p == 1) return e.Finish(x.a, result);
    if (p == 2) return e.Finish(square(), result);
    if (p == 3) return e.Finish(e.Op(ExprOp::kMul, square(), x.a), result);
    if (p == 0.5) return e.Finish(e.Op(ExprOp::kSqrt, x.a), result);
    if (p == -0.5) return e.Finish(e.Op(ExprOp::kRsqrt, x.a), result);
    if (p == -1) return e.Finish(e.Op(ExprOp::kReciprocal, x.a), result);
    if (p == -2) return e.Finish(e.Op(ExprOp::kReciprocal, square()), result);
  }
  return e.Finish(e.Op(ExprOp::kPow, x.a, x.b), result);
}

// self * log(other); 0 where self is 0, unless other is NaN.
Program Xlogy(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  ASSIGN_OR_RETURN(const BinaryOperands x, LoadBinary(e, attributes, inputs, DType::kFloat32));
  const Value zero = e.Constant(0, DType::kFloat32);
  const Value product = e.Op(ExprOp::kMul, x.a, e.Op(ExprOp::kLog, x.b));
  const Value nothing = e.Op(ExprOp::kEq, x.a, zero);
  const Value known = e.Op(ExprOp::kNot, e.Op(ExprOp::kIsNan, x.b));
  return e.Finish(e.Select(e.Op(ExprOp::kAnd, nothing, known), zero, product), result);
}

Inferred InferDiv(const Attributes& attributes, Types inputs) {
  ASSIGN_OR_RETURN(std::vector<TensorType> types, InferBinary(attributes, inputs));
  if (attributes.Text("rounding_mode").empty()) types[0].dtype = ToFloat(types[0].dtype);
  return types;
}

Program Div(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  const std::string mode = attributes.Text("rounding_mode");
  ExpressionBuilder e(inputs);
  if (mode == "floor" || mode == "trunc") {
    ASSIGN_OR_RETURN(BinaryOperands x, LoadBinary(e, attributes, inputs, result));
    if (x.type == DType::kBool) {
      x.a = e.Cast(x.a, DType::kInt8);
      x.b = e.Cast(x.b, DType::kInt8);
    }
    return e.Finish(e.Op(mode == "floor" ? ExprOp::kFloorDiv : ExprOp::kTruncDiv, x.a, x.b),
                    result);
  }
  if (!mode.empty()) return absl::InvalidArgumentError("rounding_mode is '" + mode + "'");
  ASSIGN_OR_RETURN(const BinaryOperands x, LoadBinary(e, attributes, inputs, DType::kFloat32));
  return e.Finish(e.Op(ExprOp::kDiv, x.a, x.b), result);
}

// Comparisons: in the operands' common type; a number is rounded to it first.
template <ExprOp op>
Program Compare(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  ASSIGN_OR_RETURN(const BinaryOperands x, LoadComparison(e, attributes, inputs));
  return e.Finish(e.Op(op, x.a, x.b), result);
}

template <ExprOp op>
Program Logical(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  ASSIGN_OR_RETURN(const BinaryOperands x, LoadComparison(e, attributes, inputs));
  const Value a = e.Cast(x.a, DType::kBool), b = e.Cast(x.b, DType::kBool);
  return e.Finish(e.Op(op, a, b), result);
}

const OpDeclaration kOps[] = {
    {"add",
     "self + alpha * other; alpha = 1",
     1,
     2,
     InferBinary,
     AddSub<ExprOp::kAdd>,
     nullptr,
     {"add.Tensor", "add.Scalar"}},
    {"sub",
     "self - alpha * other; alpha = 1",
     1,
     2,
     InferBinary,
     AddSub<ExprOp::kSub>,
     nullptr,
     {"sub.Tensor", "sub.Scalar"}},
    {"rsub",
     "other - alpha * self; alpha = 1",
     1,
     2,
     InferBinary,
     Rsub,
     nullptr,
     {"rsub.Tensor", "rsub.Scalar"}},
    {"mul", "self * other", 1, 2, InferBinary, Mul, nullptr, {"mul.Tensor", "mul.Scalar"}},
    {"div",
     "self / other; rounding_mode: none, \"floor\" or \"trunc\"",
     1,
     2,
     InferDiv,
     Div,
     nullptr,
     {"div.Tensor", "div.Scalar", "div.Tensor_mode", "div.Scalar_mode"}},
    {"floor_divide",
     "self // other, rounded down",
     1,
     2,
     InferBinary,
     Numbers<ExprOp::kFloorDiv>,
     nullptr,
     {"floor_divide"}},
    {"remainder",
     "self % other with the sign of other",
     1,
     2,
     InferBinary,
     Numbers<ExprOp::kRemainder>,
     nullptr,
     {"remainder.Tensor", "remainder.Scalar", "remainder.Scalar_Tensor"}},
    {"fmod",
     "self % other with the sign of self",
     1,
     2,
     InferBinary,
     Numbers<ExprOp::kFmod>,
     nullptr,
     {"fmod.Tensor", "fmod.Scalar"}},
    {"pow",
     "self ^ exponent; either may be an attribute",
     1,
     2,
     InferPow,
     Pow,
     nullptr,
     {"pow.Tensor_Tensor", "pow.Tensor_Scalar", "pow.Scalar"}},
    {"maximum",
     "the larger; NaN if either is",
     1,
     2,
     InferBinary,
     Binary<ExprOp::kMax>,
     nullptr,
     {"maximum"}},
    {"minimum",
     "the smaller; NaN if either is",
     1,
     2,
     InferBinary,
     Binary<ExprOp::kMin>,
     nullptr,
     {"minimum"}},
    {"atan2",
     "the angle of (other, self)",
     2,
     2,
     InferFloatBinary,
     Binary<ExprOp::kAtan2>,
     nullptr,
     {"atan2"}},
    {"xlogy",
     "self * log(other), 0 where self is 0",
     1,
     2,
     InferFloatBinary,
     Xlogy,
     nullptr,
     {"xlogy.Tensor", "xlogy.Scalar_Self", "xlogy.Scalar_Other"}},
    {"eq",
     "self == other",
     1,
     2,
     InferCompare,
     Compare<ExprOp::kEq>,
     nullptr,
     {"eq.Tensor", "eq.Scalar"}},
    {"ne",
     "self != other",
     1,
     2,
     InferCompare,
     Compare<ExprOp::kNe>,
     nullptr,
     {"ne.Tensor", "ne.Scalar"}},
    {"lt",
     "self < other",
     1,
     2,
     InferCompare,
     Compare<ExprOp::kLt>,
     nullptr,
     {"lt.Tensor", "lt.Scalar"}},
    {"le",
     "self <= other",
     1,
     2,
     InferCompare,
     Compare<ExprOp::kLe>,
     nullptr,
     {"le.Tensor", "le.Scalar"}},
    {"gt",
     "self > other",
     1,
     2,
     InferCompare,
     Compare<ExprOp::kGt>,
     nullptr,
     {"gt.Tensor", "gt.Scalar"}},
    {"ge",
     "self >= other",
     1,
     2,
     InferCompare,
     Compare<ExprOp::kGe>,
     nullptr,
     {"ge.Tensor", "ge.Scalar"}},
    {"logical_and",
     "both are not 0",
     2,
     2,
     InferCompare,
     Logical<ExprOp::kAnd>,
     nullptr,
     {"logical_and"}},
    {"logical_or",
     "either is not 0",
     2,
     2,
     InferCompare,
     Logical<ExprOp::kOr>,
     nullptr,
     {"logical_or"}},
    {"logical_xor",
     "one is not 0",
     2,
     2,
     InferCompare,
     Logical<ExprOp::kXor>,
     nullptr,
     {"logical_xor"}},
    {"bitwise_and",
     "bits in both; on bool logical",
     1,
     2,
     InferBinary,
     Binary<ExprOp::kAnd>,
     nullptr,
     {"bitwise_and.Tensor", "bitwise_and.Scalar"}},
    {"bitwise_or",
     "bits in either; on bool logical",
     1,
     2,
     InferBinary,
     Binary<ExprOp::kOr>,
     nullptr,
     {"bitwise_or.Tensor"}},
    {"bitwise_xor",
     "bits in one; on bool logical",
     1,
     2,
     InferBinary,
     Binary<ExprOp::kXor>,
     nullptr,
     {"bitwise_xor.Tensor"}},
    {"bitwise_left_shift",
     "self << other, integers",
     1,
     2,
     InferBinary,
     Numbers<ExprOp::kShiftLeft>,
     nullptr,
     {"bitwise_left_shift.Tensor", "bitwise_left_shift.Tensor_Scalar", "__lshift__.Tensor",
      "__lshift__.Scalar"}},
    {"bitwise_right_shift",
     "self >> other, integers",
     1,
     2,
     InferBinary,
     Numbers<ExprOp::kShiftRight>,
     nullptr,
     {"bitwise_right_shift.Tensor", "bitwise_right_shift.Tensor_Scalar", "__rshift__.Tensor",
      "__rshift__.Scalar"}},
};

}  // namespace

absl::Span<const OpDeclaration> ArithmeticOps() { return kOps; }

}  // namespace openhpu::graph
