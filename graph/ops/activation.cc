// Element-wise functions of one operand, and activations.
#include <cmath>
#include <string>

#include "graph/ops/common.h"
#include "graph/ops/elementwise.h"
#include "graph/ops/families.h"
#include "graph/ops/formula.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
using Program = absl::StatusOr<hal::ExpressionProgram>;
using Value = ExpressionBuilder::Value;

// The function of one float: `formula` gets x as f32; the result is rounded once.
template <F32 (*formula)(const Attributes&, F32)>
Program Float(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  const F32 x = Input(e, 0);
  return e.Finish(formula(attributes, x).v, result);
}

template <ExprOp op>
F32 Plain(const Attributes&, F32 x) {
  return Apply(op, x);
}

// Takes integers as they are.
template <ExprOp op>
Program Any(const Attributes&, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  DType type = ComputeType(inputs);
  if (type == DType::kBool) type = DType::kInt8;
  return e.Finish(e.Op(op, e.Cast(0, type)), result);
}

// Integers are their own floor, ceiling ...
template <ExprOp op>
Program Rounding(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  if (!IsFloat(inputs[0])) return e.Finish(0, result);
  if (attributes.Int("decimals", 0) != 0) return absl::UnimplementedError("decimals other than 0");
  return e.Finish(e.Op(op, e.Cast(0, DType::kFloat32)), result);
}

Program BitwiseNot(const Attributes&, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  return e.Finish(e.Op(ExprOp::kNot, 0), result);
}

Program LogicalNot(const Attributes&, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  return e.Finish(e.Op(ExprOp::kNot, e.Cast(0, DType::kBool)), result);
}

template <ExprOp op>
Program Test(const Attributes&, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  if (!IsFloat(inputs[0])) return e.Finish(e.Constant(0, DType::kBool), result);
  return e.Finish(e.Op(op, 0), result);
}

Program IsFinite(const Attributes&, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  if (!IsFloat(inputs[0])) return e.Finish(e.Constant(1, DType::kBool), result);
  const Value nan = e.Op(ExprOp::kIsNan, 0);
  const Value infinite = e.Op(ExprOp::kIsInf, 0);
  return e.Finish(e.Op(ExprOp::kNot, e.Op(ExprOp::kOr, nan, infinite)), result);
}

Program Relu(const Attributes&, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  const DType type = ComputeType(inputs);
  const Value x = e.Cast(0, type);
  const Value zero = e.Constant(0, type);
  return e.Finish(e.Op(ExprOp::kMax, x, zero), result);
}

Program Gelu(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  const F32 x = Input(e, 0);
  const std::string approximate = attributes.Text("approximate");
  if (approximate.empty() || approximate == "none") {
    const F32 half = x * 0.5;
    const F32 error = Apply(ExprOp::kErf, x * M_SQRT1_2);
    return e.Finish((half * (error + 1.0)).v, result);
  }
  if (approximate != "tanh") {
    return absl::InvalidArgumentError("approximate is '" + approximate + "'");
  }
  const F32 cube = x * x * x;
  const F32 inner = (x + cube * 0.044715) * (M_SQRT2 * M_2_SQRTPI * 0.5);
  const F32 half = x * 0.5;
  return e.Finish((half * (Apply(ExprOp::kTanh, inner) + 1.0)).v, result);
}

F32 Exp2(const Attributes&, F32 x) { return Apply(ExprOp::kExp, x * M_LN2); }
F32 Log10(const Attributes&, F32 x) { return Apply(ExprOp::kLog, x) * M_LOG10E; }
F32 Frac(const Attributes&, F32 x) { return x - Apply(ExprOp::kTrunc, x); }
F32 Asin(const Attributes&, F32 x) {
  const F32 rest = Apply(ExprOp::kSqrt, Number(x, 1) - x * x);
  return {x.e, x.e.Op(ExprOp::kAtan2, x.v, rest.v)};
}
F32 Acos(const Attributes&, F32 x) {
  const F32 rest = Apply(ExprOp::kSqrt, Number(x, 1) - x * x);
  return {x.e, x.e.Op(ExprOp::kAtan2, rest.v, x.v)};
}
F32 Sinh(const Attributes&, F32 x) {
  const F32 m = Apply(ExprOp::kExpm1, x);
  return (m + m / (m + 1.0)) * 0.5;
}
F32 Cosh(const Attributes&, F32 x) {
  const F32 p = Apply(ExprOp::kExp, x);
  return (p + Apply(ExprOp::kReciprocal, p)) * 0.5;
}
F32 Erfc(const Attributes&, F32 x) { return Number(x, 1) - Apply(ExprOp::kErf, x); }
F32 Silu(const Attributes&, F32 x) { return x * Apply(ExprOp::kSigmoid, x); }
F32 Hardsigmoid(const Attributes&, F32 x) { return Min(Max(x + 3.0, 0), 6) / 6.0; }
F32 Hardswish(const Attributes&, F32 x) { return x * Min(Max(x + 3.0, 0), 6) / 6.0; }
F32 LeakyRelu(const Attributes& a, F32 x) {
  return Choose(ExprOp::kGt, x, 0, x, x * a.Real("negative_slope", 0.01));
}
F32 Elu(const Attributes& a, F32 x) {
  const double scale = a.Real("scale", 1), input_scale = a.Real("input_scale", 1);
  const F32 below = Apply(ExprOp::kExpm1, x * input_scale) * (a.Real("alpha", 1) * scale);
  return Choose(ExprOp::kGt, x, 0, x * scale, below);
}
F32 Softplus(const Attributes& a, F32 x) {
  const double beta = a.Real("beta", 1);
  const F32 scaled = x * beta;
  const F32 soft = Apply(ExprOp::kLog1p, Apply(ExprOp::kExp, scaled)) / beta;
  return Choose(ExprOp::kGt, scaled, a.Real("threshold", 20), x, soft);
}
F32 Mish(const Attributes&, F32 x) {
  const F32 soft = Choose(ExprOp::kGt, x, 20, x, Apply(ExprOp::kLog1p, Apply(ExprOp::kExp, x)));
  return x * Apply(ExprOp::kTanh, soft);
}
F32 LogSigmoid(const Attributes&, F32 x) {
  const F32 tail = Apply(ExprOp::kExp, Apply(ExprOp::kNeg, Apply(ExprOp::kAbs, x)));
  return Min(x, 0) - Apply(ExprOp::kLog1p, tail);
}
F32 Hardshrink(const Attributes& a, F32 x) {
  return Choose(ExprOp::kLe, Apply(ExprOp::kAbs, x), a.Real("lambd", 0.5), Number(x, 0), x);
}
F32 Softshrink(const Attributes& a, F32 x) {
  const double lambda = a.Real("lambd", 0.5);
  const F32 inside = Choose(ExprOp::kLt, x, -lambda, x + lambda, Number(x, 0));
  return Choose(ExprOp::kGt, x, lambda, x - lambda, inside);
}
F32 Threshold(const Attributes& a, F32 x) {
  return Choose(ExprOp::kLe, x, a.Real("threshold"), Number(x, a.Real("value")), x);
}

const OpDeclaration kOps[] = {
    {"neg", "-self", 1, 1, InferSame, Any<ExprOp::kNeg>, nullptr, {"neg"}},
    {"abs", "|self|", 1, 1, InferSame, Any<ExprOp::kAbs>, nullptr, {"abs"}},
    {"sign", "-1, 0 or 1", 1, 1, InferSame, Any<ExprOp::kSign>, nullptr, {"sign", "sgn"}},
    {"exp", "e ^ self", 1, 1, InferFloat, Float<Plain<ExprOp::kExp>>, nullptr, {"exp"}},
    {"exp2", "2 ^ self", 1, 1, InferFloat, Float<Exp2>, nullptr, {"exp2"}},
    {"expm1", "e ^ self - 1", 1, 1, InferFloat, Float<Plain<ExprOp::kExpm1>>, nullptr, {"expm1"}},
    {"log", "natural logarithm", 1, 1, InferFloat, Float<Plain<ExprOp::kLog>>, nullptr, {"log"}},
    {"log1p", "log(1 + self)", 1, 1, InferFloat, Float<Plain<ExprOp::kLog1p>>, nullptr, {"log1p"}},
    {"log2", "to base 2", 1, 1, InferFloat, Float<Plain<ExprOp::kLog2>>, nullptr, {"log2"}},
    {"log10", "to base 10", 1, 1, InferFloat, Float<Log10>, nullptr, {"log10"}},
    {"sqrt", "square root", 1, 1, InferFloat, Float<Plain<ExprOp::kSqrt>>, nullptr, {"sqrt"}},
    {"rsqrt", "1 / sqrt", 1, 1, InferFloat, Float<Plain<ExprOp::kRsqrt>>, nullptr, {"rsqrt"}},
    {"reciprocal",
     "1 / self",
     1,
     1,
     InferFloat,
     Float<Plain<ExprOp::kReciprocal>>,
     nullptr,
     {"reciprocal"}},
    {"sin", "sine", 1, 1, InferFloat, Float<Plain<ExprOp::kSin>>, nullptr, {"sin"}},
    {"cos", "cosine", 1, 1, InferFloat, Float<Plain<ExprOp::kCos>>, nullptr, {"cos"}},
    {"tan", "tangent", 1, 1, InferFloat, Float<Plain<ExprOp::kTan>>, nullptr, {"tan"}},
    {"asin", "arc sine", 1, 1, InferFloat, Float<Asin>, nullptr, {"asin"}},
    {"acos", "arc cosine", 1, 1, InferFloat, Float<Acos>, nullptr, {"acos"}},
    {"atan", "arc tangent", 1, 1, InferFloat, Float<Plain<ExprOp::kAtan>>, nullptr, {"atan"}},
    {"sinh", "hyperbolic sine", 1, 1, InferFloat, Float<Sinh>, nullptr, {"sinh"}},
    {"cosh", "hyperbolic cosine", 1, 1, InferFloat, Float<Cosh>, nullptr, {"cosh"}},
    {"tanh",
     "hyperbolic tangent",
     1,
     1,
     InferFloat,
     Float<Plain<ExprOp::kTanh>>,
     nullptr,
     {"tanh"}},
    {"erf", "error function", 1, 1, InferFloat, Float<Plain<ExprOp::kErf>>, nullptr, {"erf"}},
    {"erfc", "1 - erf", 1, 1, InferFloat, Float<Erfc>, nullptr, {"erfc"}},
    {"sigmoid",
     "1 / (1 + e ^ -self)",
     1,
     1,
     InferFloat,
     Float<Plain<ExprOp::kSigmoid>>,
     nullptr,
     {"sigmoid"}},
    {"floor", "round down", 1, 1, InferSame, Rounding<ExprOp::kFloor>, nullptr, {"floor"}},
    {"ceil", "round up", 1, 1, InferSame, Rounding<ExprOp::kCeil>, nullptr, {"ceil"}},
    {"round",
     "round half to even; decimals = 0",
     1,
     1,
     InferSame,
     Rounding<ExprOp::kRound>,
     nullptr,
     {"round", "round.decimals"}},
    {"trunc", "round toward 0", 1, 1, InferSame, Rounding<ExprOp::kTrunc>, nullptr, {"trunc"}},
    {"frac", "self - trunc(self)", 1, 1, InferSame, Float<Frac>, nullptr, {"frac"}},
    {"isnan", "whether NaN", 1, 1, InferBool, Test<ExprOp::kIsNan>, nullptr, {"isnan"}},
    {"isinf", "whether infinite", 1, 1, InferBool, Test<ExprOp::kIsInf>, nullptr, {"isinf"}},
    {"isfinite", "neither NaN nor infinite", 1, 1, InferBool, IsFinite, nullptr, {}},
    {"bitwise_not",
     "all bits inverted; on bool logical",
     1,
     1,
     InferSame,
     BitwiseNot,
     nullptr,
     {"bitwise_not"}},
    {"logical_not", "whether 0", 1, 1, InferBool, LogicalNot, nullptr, {"logical_not"}},
    {"relu", "max(self, 0)", 1, 1, InferSame, Relu, nullptr, {"relu"}},
    {"gelu",
     "Gaussian error linear unit; approximate = \"none\" or \"tanh\"",
     1,
     1,
     InferSame,
     Gelu,
     nullptr,
     {"gelu"}},
    {"silu", "self * sigmoid(self)", 1, 1, InferSame, Float<Silu>, nullptr, {"silu"}},
    {"hardswish",
     "self * relu6(self + 3) / 6",
     1,
     1,
     InferSame,
     Float<Hardswish>,
     nullptr,
     {"hardswish"}},
    {"hardsigmoid",
     "relu6(self + 3) / 6",
     1,
     1,
     InferSame,
     Float<Hardsigmoid>,
     nullptr,
     {"hardsigmoid"}},
    {"leaky_relu",
     "self, times negative_slope = 0.01 below 0",
     1,
     1,
     InferSame,
     Float<LeakyRelu>,
     nullptr,
     {"leaky_relu"}},
    {"elu",
     "scale * (self, or alpha * expm1(input_scale * self) below 0); all 1",
     1,
     1,
     InferSame,
     Float<Elu>,
     nullptr,
     {"elu"}},
    {"softplus",
     "log(1 + e ^ (beta * self)) / beta, self above threshold; beta = 1, threshold = 20",
     1,
     1,
     InferSame,
     Float<Softplus>,
     nullptr,
     {"softplus"}},
    {"mish", "self * tanh(softplus(self))", 1, 1, InferSame, Float<Mish>, nullptr, {"mish"}},
    {"log_sigmoid", "log(sigmoid(self))", 1, 1, InferSame, Float<LogSigmoid>, nullptr, {}},
    {"hardshrink",
     "0 within lambd = 0.5 of 0",
     1,
     1,
     InferSame,
     Float<Hardshrink>,
     nullptr,
     {"hardshrink"}},
    {"softshrink",
     "toward 0 by lambd = 0.5",
     1,
     1,
     InferSame,
     Float<Softshrink>,
     nullptr,
     {"softshrink"}},
    {"threshold",
     "self, or `value` up to `threshold`",
     1,
     1,
     InferSame,
     Float<Threshold>,
     nullptr,
     {"threshold"}},
};

}  // namespace

absl::Span<const OpDeclaration> ActivationOps() { return kOps; }

}  // namespace openhpu::graph
