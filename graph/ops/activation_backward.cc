// Gradients of activations: what came from above (input 0), times the activation's slope.
#include <cmath>
#include <string>

#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/elementwise.h"
#include "graph/ops/families.h"
#include "graph/ops/formula.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
using Program = absl::StatusOr<hal::ExpressionProgram>;
constexpr DType kF32 = DType::kFloat32;

Inferred InferJoined(const Attributes&, Types inputs) {
  ASSIGN_OR_RETURN(Dims sizes, BroadcastSizes(inputs));
  return std::vector<TensorType>{{ToFloat(Promote(inputs)), std::move(sizes)}};
}

// `formula` gets the gradient and the activation's operand (or result) as f32.
template <F32 (*formula)(const Attributes&, F32, F32)>
Program Float(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  const F32 g = Input(e, 0), x = Input(e, 1);
  return e.Finish(formula(attributes, g, x).v, result);
}

F32 Threshold(const Attributes& a, F32 g, F32 x) {
  return Choose(ExprOp::kLe, x, a.Real("threshold"), Number(x, 0), g);
}
F32 Sigmoid(const Attributes&, F32 g, F32 y) { return g * ((Number(y, 1) - y) * y); }
F32 Tanh(const Attributes&, F32 g, F32 y) { return g * (Number(y, 1) - y * y); }
F32 Silu(const Attributes&, F32 g, F32 x) {
  const F32 s = Apply(ExprOp::kSigmoid, x);
  return g * s * (x * (Number(x, 1) - s) + 1.0);
}
F32 Hardsigmoid(const Attributes&, F32 g, F32 x) {
  const F32 zero = Number(x, 0);
  const F32 below = Choose(ExprOp::kLt, x, 3, g / 6.0, zero);
  return Choose(ExprOp::kGt, x, -3, below, zero);
}
F32 Hardswish(const Attributes&, F32 g, F32 x) {
  const F32 inside = Choose(ExprOp::kLe, x, 3, g * (x / 3.0 + 0.5), g);
  return Choose(ExprOp::kLt, x, -3, Number(x, 0), inside);
}
F32 Hardtanh(const Attributes& a, F32 g, F32 x) {
  const F32 zero = Number(x, 0);
  const F32 inside = Choose(ExprOp::kGe, x, a.Real("max_val", 1), zero, g);
  return Choose(ExprOp::kLe, x, a.Real("min_val", -1), zero, inside);
}
F32 LeakyRelu(const Attributes& a, F32 g, F32 x) {
  return Choose(ExprOp::kGt, x, 0, g, g * a.Real("negative_slope", 0.01));
}
F32 Elu(const Attributes& a, F32 g, F32 x) {
  const double scale = a.Real("scale", 1), below = a.Real("alpha", 1) * scale,
               input_scale = a.Real("input_scale", 1);
  const F32 slope = a.Bool("is_result")
                        ? (x + below) * input_scale
                        : Apply(ExprOp::kExp, x * input_scale) * input_scale * below;
  return Choose(ExprOp::kLe, x, 0, g * slope, g * scale);
}
F32 Softplus(const Attributes& a, F32 g, F32 x) {
  const F32 scaled = x * a.Real("beta", 1);
  return Choose(ExprOp::kGt, scaled, a.Real("threshold", 20), g,
                g * Apply(ExprOp::kSigmoid, scaled));
}
F32 Shrink(const Attributes& a, F32 g, F32 x) {
  return Choose(ExprOp::kLe, Apply(ExprOp::kAbs, x), a.Real("lambd", 0.5), Number(x, 0), g);
}
F32 Dropout(const Attributes& a, F32 g, F32 mask) { return g * mask * a.Real("scale", 1); }

Program Gelu(const Attributes& attributes, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  const F32 g = Input(e, 0), x = Input(e, 1);
  const std::string approximate = attributes.Text("approximate");
  if (approximate.empty() || approximate == "none") {
    const F32 cdf = (Apply(ExprOp::kErf, x * M_SQRT1_2) + 1.0) * 0.5;
    const F32 density = Apply(ExprOp::kExp, x * x * -0.5) * (M_2_SQRTPI * M_SQRT1_2 * 0.5);
    return e.Finish((g * (cdf + x * density)).v, result);
  }
  if (approximate != "tanh") {
    return absl::InvalidArgumentError("approximate is '" + approximate + "'");
  }
  constexpr double kBeta = M_SQRT2 * M_2_SQRTPI * 0.5, kKappa = 0.044715;
  const F32 square = x * x;
  const F32 t = Apply(ExprOp::kTanh, (x + square * x * kKappa) * kBeta);
  const F32 left = (t + 1.0) * 0.5;
  const F32 slope = (Number(x, 1) - t * t) * ((square * (3 * kKappa) + 1.0) * kBeta);
  return e.Finish((g * (left + x * 0.5 * slope)).v, result);
}

Inferred InferLogSigmoid(const Attributes&, Types inputs) {
  return std::vector<TensorType>{inputs[0], inputs[0]};
}

// The buffer holds e ^ -|self|; the gradient here does not need it.
absl::Status LowerLogSigmoid(Lowering& lowering, const Node& node) {
  const View& x = node.inputs[0];
  RETURN_IF_ERROR(lowering.Apply("log_sigmoid", {}, {x}, {node.outputs[0]}));
  if (node.outputs.size() < 2) return absl::OkStatus();
  ExpressionBuilder e({x.dtype});
  const F32 tail = Apply(ExprOp::kExp, Apply(ExprOp::kAbs, Input(e, 0)) * -1.0);
  return lowering.Elementwise(e.Finish(tail.v, x.dtype), {x}, {node.outputs[1]});
}

Inferred InferFirstTwo(const Attributes& attributes, Types inputs) {
  return InferJoined(attributes, inputs.subspan(0, 2));
}

absl::Status LowerLogSigmoidBackward(Lowering& lowering, const Node& node) {
  const View &g = node.inputs[0], &x = node.inputs[1];
  ExpressionBuilder e({g.dtype, x.dtype});
  const F32 slope = Apply(ExprOp::kSigmoid, Input(e, 1) * -1.0);
  return lowering.Elementwise(e.Finish((Input(e, 0) * slope).v, node.outputs[0].dtype), {g, x},
                              {node.outputs[0]});
}

// Gated linear unit: the first half along `dim`, times the sigmoid of the second.
absl::StatusOr<int> HalvedDim(const Attributes& attributes, const Dims& sizes) {
  ASSIGN_OR_RETURN(const int dim,
                   ResolveDim(attributes.Int("dim", -1), static_cast<int>(sizes.size())));
  if (sizes.empty() || sizes[dim] % 2 != 0)
    return absl::InvalidArgumentError("the size along dim is odd");
  return dim;
}

Inferred InferGlu(const Attributes& attributes, Types inputs) {
  ASSIGN_OR_RETURN(const int dim, HalvedDim(attributes, inputs[0].sizes));
  TensorType half = inputs[0];
  half.sizes[dim] /= 2;
  return std::vector<TensorType>{half};
}

absl::Status LowerGlu(Lowering& lowering, const Node& node) {
  const View& x = node.inputs[0];
  ASSIGN_OR_RETURN(const int dim, HalvedDim(node.attributes, x.sizes));
  const int64_t half = x.sizes[dim] / 2;
  ExpressionBuilder e({x.dtype, x.dtype});
  const F32 y = Input(e, 0) * Apply(ExprOp::kSigmoid, Input(e, 1));
  return lowering.Elementwise(e.Finish(y.v, node.outputs[0].dtype),
                              {Slice(x, dim, 0, half), Slice(x, dim, half, half)},
                              {node.outputs[0]});
}

Inferred InferGluBackward(const Attributes& attributes, Types inputs) {
  RETURN_IF_ERROR(HalvedDim(attributes, inputs[1].sizes).status());
  return std::vector<TensorType>{inputs[1]};
}

absl::Status LowerGluBackward(Lowering& lowering, const Node& node) {
  const View &g = node.inputs[0], &x = node.inputs[1], &out = node.outputs[0];
  ASSIGN_OR_RETURN(const int dim, HalvedDim(node.attributes, x.sizes));
  const int64_t half = x.sizes[dim] / 2;
  const View a = Slice(x, dim, 0, half), b = Slice(x, dim, half, half);
  {
    ExpressionBuilder e({g.dtype, b.dtype});
    const F32 d = Input(e, 0) * Apply(ExprOp::kSigmoid, Input(e, 1));
    RETURN_IF_ERROR(
        lowering.Elementwise(e.Finish(d.v, out.dtype), {g, b}, {Slice(out, dim, 0, half)}));
  }
  ExpressionBuilder e({g.dtype, a.dtype, b.dtype});
  const F32 s = Apply(ExprOp::kSigmoid, Input(e, 2));
  const F32 d = Input(e, 0) * Input(e, 1) * ((Number(s, 1) - s) * s);
  return lowering.Elementwise(e.Finish(d.v, out.dtype), {g, a, b}, {Slice(out, dim, half, half)});
}

// The gradients of self and of weight (one, or one a channel).
Inferred InferPreluBackward(const Attributes&, Types inputs) {
  return std::vector<TensorType>{inputs[1], inputs[2]};
}

absl::Status LowerPreluBackward(Lowering& lowering, const Node& node) {
  const View &g = node.inputs[0], &x = node.inputs[1];
  View weight = node.inputs[2];
  const int64_t channels = weight.elements();
  const bool shared = channels == 1;
  if (!shared && (x.rank() < 2 || x.sizes[1] != channels))
    return absl::InvalidArgumentError("weight has neither one element nor one a channel");
  Dims wide(x.rank(), 1);
  if (!shared) wide[1] = channels;
  ASSIGN_OR_RETURN(weight, lowering.Reshaped(weight, wide));
  {
    ExpressionBuilder e({g.dtype, x.dtype, weight.dtype});
    const F32 d = Input(e, 0), v = Input(e, 1), w = Input(e, 2);
    RETURN_IF_ERROR(
        lowering.Elementwise(e.Finish(Choose(ExprOp::kGt, v, 0, d, d * w).v, node.outputs[0].dtype),
                             {g, x, weight}, {node.outputs[0]}));
  }
  if (node.outputs.size() < 2) return absl::OkStatus();
  const View product = lowering.NewTemp(kF32, x.sizes), total = lowering.NewTemp(kF32, wide);
  ExpressionBuilder e({g.dtype, x.dtype});
  const F32 d = Input(e, 0), v = Input(e, 1);
  RETURN_IF_ERROR(lowering.Elementwise(
      e.Finish(Choose(ExprOp::kGt, v, 0, Number(v, 0), d * v).v, kF32), {g, x}, {product}));
  ReduceWork sum;
  for (int d2 = 0; d2 < x.rank(); ++d2) {
    if (shared || d2 != 1) sum.dims |= 1u << d2;
  }
  RETURN_IF_ERROR(lowering.Reduce(sum, product, total));
  ASSIGN_OR_RETURN(const View flat, lowering.Reshaped(total, node.outputs[1].sizes));
  return lowering.Copy(flat, node.outputs[1]);
}

#define GRADIENT(name, doc, formula)                         \
  {                                                          \
    name, doc, 2, 2, InferJoined, formula, nullptr, { name } \
  }

const OpDeclaration kOps[] = {
    GRADIENT("threshold_backward", "grad_output, self: 0 up to `threshold`", Float<Threshold>),
    GRADIENT("sigmoid_backward", "grad_output, output of sigmoid", Float<Sigmoid>),
    GRADIENT("tanh_backward", "grad_output, output of tanh", Float<Tanh>),
    GRADIENT("silu_backward", "grad_output, self", Float<Silu>),
    GRADIENT("gelu_backward", "grad_output, self; approximate = \"none\" or \"tanh\"", Gelu),
    GRADIENT("hardsigmoid_backward", "grad_output, self", Float<Hardsigmoid>),
    GRADIENT("hardswish_backward", "grad_output, self", Float<Hardswish>),
    GRADIENT("hardtanh_backward", "grad_output, self; min_val, max_val", Float<Hardtanh>),
    GRADIENT("leaky_relu_backward", "grad_output, self; negative_slope", Float<LeakyRelu>),
    GRADIENT("elu_backward", "grad_output, self_or_result; alpha, scale, input_scale, is_result",
             Float<Elu>),
    GRADIENT("softplus_backward", "grad_output, self; beta, threshold", Float<Softplus>),
    GRADIENT("hardshrink_backward", "grad_output, self; lambd", Float<Shrink>),
    GRADIENT("softshrink_backward", "grad_output, self; lambd", Float<Shrink>),
    GRADIENT("native_dropout_backward", "grad_output, mask; scale", Float<Dropout>),
    {"log_sigmoid_forward",
     "log(sigmoid(self)), and e ^ -|self|",
     1,
     1,
     InferLogSigmoid,
     nullptr,
     LowerLogSigmoid,
     {"log_sigmoid_forward"}},
    {"log_sigmoid_backward",
     "grad_output, self, buffer (unused)",
     2,
     3,
     InferFirstTwo,
     nullptr,
     LowerLogSigmoidBackward,
     {"log_sigmoid_backward"}},
    {"glu",
     "the first half along `dim`, times the sigmoid of the second",
     1,
     1,
     InferGlu,
     nullptr,
     LowerGlu,
     {"glu"}},
    {"glu_backward",
     "grad_output, self; dim",
     2,
     2,
     InferGluBackward,
     nullptr,
     LowerGluBackward,
     {"glu_backward"}},
    {"prelu_backward",
     "grad_output, self, weight -> gradients of self and weight",
     3,
     3,
     InferPreluBackward,
     nullptr,
     LowerPreluBackward,
     {"prelu_backward"}},
};

#undef GRADIENT

}  // namespace

absl::Span<const OpDeclaration> ActivationBackwardOps() { return kOps; }

}  // namespace openhpu::graph
