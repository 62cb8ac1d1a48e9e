// Losses and their gradients. `reduction`: 0 none, 1 mean (the default), 2 sum.
#include <string>

#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/families.h"
#include "graph/ops/formula.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
using Value = ExpressionBuilder::Value;
constexpr DType kF32 = DType::kFloat32;
constexpr DType kI32 = DType::kInt32;

enum Reduction : int64_t { kNone = 0, kMean = 1, kSum = 2 };

int64_t ReductionOf(const Attributes& attributes) { return attributes.Int("reduction", kMean); }

// `losses` holds one an element: reduced to rank 0, or as they are.
absl::Status Finish(Lowering& lowering, const Attributes& attributes, const View& losses,
                    const View& out) {
  const int64_t reduction = ReductionOf(attributes);
  if (reduction == kNone) return lowering.Copy(losses, out);
  ReduceWork reduce;
  reduce.op = reduction == kMean ? hal::ReduceOp::kMean : hal::ReduceOp::kSum;
  reduce.dims = (1u << losses.rank()) - 1;
  View kept = out;
  kept.sizes.assign(losses.rank(), 1);
  kept.strides.assign(losses.rank(), 1);
  return lowering.Reduce(reduce, losses, kept);
}

// Of one element of self (x) and target (t).
using PairFormula = F32 (*)(const Attributes&, F32 x, F32 t);

Inferred InferLoss(const Attributes& attributes, Types inputs) {
  const Types pair = inputs.subspan(0, 2);
  ASSIGN_OR_RETURN(Dims sizes, BroadcastSizes(pair));
  if (ReductionOf(attributes) != kNone) sizes.clear();
  return std::vector<TensorType>{{ToFloat(Promote(pair)), std::move(sizes)}};
}

std::vector<DType> DTypesOf(absl::Span<const View> views) {
  std::vector<DType> types;
  for (const View& v : views) types.push_back(v.dtype);
  return types;
}

// self, target, and a weight that broadcasts if there is a third.
template <PairFormula formula>
absl::Status LowerLoss(Lowering& lowering, const Node& node) {
  std::vector<TensorType> types;
  for (const View& v : node.inputs) types.push_back({v.dtype, v.sizes});
  ASSIGN_OR_RETURN(const Dims sizes, BroadcastSizes(types));
  ExpressionBuilder e(DTypesOf(node.inputs));
  const F32 x = Input(e, 0), t = Input(e, 1);
  F32 loss = formula(node.attributes, x, t);
  if (node.inputs.size() > 2) loss.v = (loss * Input(e, 2)).v;
  const View losses = lowering.NewTemp(kF32, sizes);
  RETURN_IF_ERROR(lowering.Elementwise(e.Finish(loss.v, kF32), node.inputs, {losses}));
  return Finish(lowering, node.attributes, losses, node.outputs[0]);
}

Inferred InferLossBackward(const Attributes&, Types inputs) {
  ASSIGN_OR_RETURN(Dims sizes, BroadcastSizes(inputs));
  return std::vector<TensorType>{{inputs[1].dtype, std::move(sizes)}};
}

// grad_output (rank 0 when it was reduced), self, target, weight?: the slope by self, over the
// number of elements if it was a mean.
template <PairFormula slope>
absl::Status LowerLossBackward(Lowering& lowering, const Node& node) {
  const View& out = node.outputs[0];
  ExpressionBuilder e(DTypesOf(node.inputs));
  const F32 g = Input(e, 0), x = Input(e, 1), t = Input(e, 2);
  F32 d = slope(node.attributes, x, t) * g;
  if (node.inputs.size() > 3) d.v = (d * Input(e, 3)).v;
  if (ReductionOf(node.attributes) == kMean)
    d.v = (d * (1.0 / static_cast<double>(node.inputs[1].elements()))).v;
  return lowering.Elementwise(e.Finish(d.v, out.dtype), node.inputs, {out});
}

F32 Squared(const Attributes&, F32 x, F32 t) {
  const F32 d = x - t;
  return d * d;
}
F32 SquaredSlope(const Attributes&, F32 x, F32 t) { return (x - t) * 2.0; }

F32 SmoothL1(const Attributes& a, F32 x, F32 t) {
  const double beta = a.Real("beta", 1);
  const F32 z = Apply(ExprOp::kAbs, x - t);
  if (beta == 0) return z;
  return Choose(ExprOp::kLt, z, beta, z * z * (0.5 / beta), z - 0.5 * beta);
}
F32 SmoothL1Slope(const Attributes& a, F32 x, F32 t) {
  const double beta = a.Real("beta", 1);
  const F32 d = x - t;
  if (beta == 0) return Apply(ExprOp::kSign, d);
  return Max(Min(d / beta, 1), -1);
}

F32 Huber(const Attributes& a, F32 x, F32 t) {
  const double delta = a.Real("delta", 1);
  const F32 z = Apply(ExprOp::kAbs, x - t);
  return Choose(ExprOp::kLe, z, delta, z * z * 0.5, (z - 0.5 * delta) * delta);
}
F32 HuberSlope(const Attributes& a, F32 x, F32 t) {
  const double delta = a.Real("delta", 1);
  return Max(Min(x - t, delta), -delta);
}

// Logarithms no lower than -100, as PyTorch has it.
F32 CrossEntropy(const Attributes&, F32 x, F32 t) {
  const F32 log_one = Max(Apply(ExprOp::kLog, x), -100);
  const F32 log_zero = Max(Apply(ExprOp::kLog1p, x * -1.0), -100);
  return (t - 1.0) * log_zero - t * log_one;
}
F32 CrossEntropySlope(const Attributes&, F32 x, F32 t) {
  return (x - t) / Max((Number(x, 1) - x) * x, 1e-12);
}

// Negative log likelihood: self [N, C, ...] or [C], target [N, ...] or []; weight? [C].
struct Likelihood {
  View self, target;  // of one rank; target has size 1 in the dim of the classes
  int dim = 1;
  int64_t ignored = -100;
};

Likelihood LikelihoodOf(const Attributes& attributes, const View& self, const View& target) {
  Likelihood l;
  l.self = self;
  l.dim = self.rank() == 1 ? 0 : 1;
  l.target = Unsqueeze(target, l.dim);
  // self [C] with target [1]: PyTorch takes that too.
  if (l.target.rank() > self.rank()) l.target = target;
  l.ignored = attributes.Int("ignore_index", -100);
  return l;
}

absl::Status CheckLikelihood(const TensorType& self, const TensorType& target) {
  Dims expected = self.sizes;
  if (expected.empty()) return absl::InvalidArgumentError("self has no dim of classes");
  if (IsFloat(target.dtype) || target.dtype == DType::kBool)
    return absl::InvalidArgumentError("target is not of integers");
  expected.erase(expected.begin() + (expected.size() == 1 ? 0 : 1));
  const bool single = self.sizes.size() == 1 && target.sizes == Dims{1};
  if (!single && target.sizes != expected)
    return absl::InvalidArgumentError("target is not one class an element of self");
  return absl::OkStatus();
}

Inferred InferLikelihood(const Attributes& attributes, Types inputs) {
  RETURN_IF_ERROR(CheckLikelihood(inputs[0], inputs[1]));
  TensorType out = {inputs[0].dtype, {}};
  if (ReductionOf(attributes) == kNone) out.sizes = inputs[1].sizes;
  return std::vector<TensorType>{out, {inputs[0].dtype, {}}};
}

View AsScalar(const View& v, int rank) {
  View wide = v;
  wide.sizes.assign(rank, 1);
  wide.strides.assign(rank, 1);
  return wide;
}

// -> the losses, and the sum of the weights (0 without a reduction). An ignored target looks up
// class 0, with weight 0.
absl::Status LowerLikelihood(Lowering& lowering, const Node& node) {
  const Likelihood l = LikelihoodOf(node.attributes, node.inputs[0], node.inputs[1]);
  const Dims sizes = l.target.sizes;
  const int rank = l.target.rank();
  const int weight_at = OptionalInput(node.attributes, 2, static_cast<int>(node.inputs.size()));
  const View index = lowering.NewTemp(kI32, sizes), used = lowering.NewTemp(kF32, sizes),
             picked = lowering.NewTemp(l.self.dtype, sizes);
  {
    ExpressionBuilder e({l.target.dtype});
    const Value target = e.Cast(0, kI32), zero = e.Constant(0, kI32);
    const Value ignored =
        e.Op(ExprOp::kEq, target, e.Constant(static_cast<double>(l.ignored), kI32));
    RETURN_IF_ERROR(
        lowering.Elementwise(e.Finish(e.Select(ignored, zero, target), kI32), {l.target}, {index}));
  }
  {
    ExpressionBuilder e({l.target.dtype});
    const Value target = e.Cast(0, kI32),
                ignored = e.Constant(static_cast<double>(l.ignored), kI32);
    RETURN_IF_ERROR(lowering.Elementwise(e.Finish(e.Op(ExprOp::kNe, target, ignored), kF32),
                                         {l.target}, {used}));
  }
  RETURN_IF_ERROR(lowering.Apply("gather", {{"dim", int64_t{l.dim}}}, {l.self, index}, {picked}));
  View weights = used;
  if (weight_at > 0) {
    const View& weight = node.inputs[weight_at];
    const View looked_up = lowering.NewTemp(weight.dtype, {index.elements()});
    ASSIGN_OR_RETURN(const View flat, lowering.Reshaped(index, {index.elements()}));
    RETURN_IF_ERROR(
        lowering.Apply("index_select", {{"dim", int64_t{0}}}, {weight, flat}, {looked_up}));
    ASSIGN_OR_RETURN(const View shaped, lowering.Reshaped(looked_up, sizes));
    weights = lowering.NewTemp(kF32, sizes);
    RETURN_IF_ERROR(lowering.Apply("mul", {}, {shaped, used}, {weights}));
  }
  const View losses = lowering.NewTemp(kF32, sizes);
  {
    ExpressionBuilder e({picked.dtype, kF32});
    RETURN_IF_ERROR(lowering.Elementwise(e.Finish((Input(e, 0) * -1.0 * Input(e, 1)).v, kF32),
                                         {picked, weights}, {losses}));
  }
  const View& out = node.outputs[0];
  const bool total_wanted = node.outputs.size() > 1;
  if (ReductionOf(node.attributes) == kNone) {
    ASSIGN_OR_RETURN(const View shaped, lowering.Reshaped(losses, out.sizes));
    RETURN_IF_ERROR(lowering.Copy(shaped, out));
    return total_wanted ? lowering.Fill(node.outputs[1], 0) : absl::OkStatus();
  }
  const View sum = lowering.NewTemp(kF32, Dims(rank, 1)),
             total = lowering.NewTemp(kF32, Dims(rank, 1));
  ReduceWork reduce;
  reduce.dims = (1u << rank) - 1;
  RETURN_IF_ERROR(lowering.Reduce(reduce, losses, sum));
  RETURN_IF_ERROR(lowering.Reduce(reduce, weights, total));
  if (total_wanted) RETURN_IF_ERROR(lowering.Copy(total, AsScalar(node.outputs[1], rank)));
  if (ReductionOf(node.attributes) == kSum) return lowering.Copy(sum, AsScalar(out, rank));
  return lowering.Apply("div", {}, {sum, total}, {AsScalar(out, rank)});
}

Inferred InferLikelihoodBackward(const Attributes&, Types inputs) {
  RETURN_IF_ERROR(CheckLikelihood(inputs[1], inputs[2]));
  return std::vector<TensorType>{inputs[1]};
}

// grad_output, self, target, weight?, total_weight: -weight of the target's class, there.
absl::Status LowerLikelihoodBackward(Lowering& lowering, const Node& node) {
  const Likelihood l = LikelihoodOf(node.attributes, node.inputs[1], node.inputs[2]);
  const int rank = l.self.rank(), inputs = static_cast<int>(node.inputs.size());
  const int weight_at = OptionalInput(node.attributes, 3, inputs),
            total_at = OptionalInput(node.attributes, 4, inputs);
  const bool reduced = ReductionOf(node.attributes) != kNone;
  View g = node.inputs[0];
  g = reduced || g.elements() == 1 ? AsScalar(g, rank) : Unsqueeze(g, l.dim);
  std::vector<View> operands = {g, l.target, AsScalar(node.inputs[total_at], rank)};
  if (weight_at > 0) {
    View weight = AsScalar(node.inputs[weight_at], rank);
    weight.sizes[l.dim] = node.inputs[weight_at].sizes[0];
    weight.strides[l.dim] = node.inputs[weight_at].strides[0];
    operands.push_back(weight);
  }
  ExpressionBuilder e(DTypesOf(operands));
  F32 d = Input(e, 0) * -1.0;
  if (weight_at > 0) d.v = (d * Input(e, 3)).v;
  if (ReductionOf(node.attributes) == kMean) d.v = (d / Input(e, 2)).v;
  const Value target = e.Cast(1, kI32), at = e.Index(l.dim);
  const Value here = e.Op(ExprOp::kEq, at, target);
  const Value ignored = e.Constant(static_cast<double>(l.ignored), kI32);
  const Value counts = e.Op(ExprOp::kNe, target, ignored);
  const Value taken = e.Op(ExprOp::kAnd, here, counts);
  return lowering.Elementwise(e.Finish(e.Select(taken, d.v, Number(d, 0).v), node.outputs[0].dtype),
                              operands, {node.outputs[0]});
}

#define LOSS(name, doc, inputs, formula)                                   \
  {                                                                        \
    name, doc, 2, inputs, InferLoss, nullptr, LowerLoss<formula>, { name } \
  }
#define SLOPE(name, doc, inputs, formula)                                                  \
  {                                                                                        \
    name, doc, 3, inputs, InferLossBackward, nullptr, LowerLossBackward<formula>, { name } \
  }

const OpDeclaration kOps[] = {
    LOSS("mse_loss", "(self - target) ^ 2; reduction", 2, Squared),
    SLOPE("mse_loss_backward", "grad_output, self, target; reduction", 3, SquaredSlope),
    LOSS("smooth_l1_loss", "|self - target|, square below beta = 1; reduction", 2, SmoothL1),
    SLOPE("smooth_l1_loss_backward", "grad_output, self, target; reduction, beta", 3,
          SmoothL1Slope),
    LOSS("huber_loss", "square up to delta = 1, then linear; reduction", 2, Huber),
    SLOPE("huber_loss_backward", "grad_output, self, target; reduction, delta", 3, HuberSlope),
    LOSS("binary_cross_entropy", "self, target, weight?; reduction", 3, CrossEntropy),
    SLOPE("binary_cross_entropy_backward", "grad_output, self, target, weight?; reduction", 4,
          CrossEntropySlope),
    {"nll_loss",
     "self [N, C, ...], target, weight? -> loss, sum of the weights; reduction, ignore_index",
     2,
     3,
     InferLikelihood,
     nullptr,
     LowerLikelihood,
     {"nll_loss_forward", "nll_loss2d_forward"}},
    {"nll_loss_backward",
     "grad_output, self, target, weight?, total_weight; reduction, ignore_index",
     4,
     5,
     InferLikelihoodBackward,
     nullptr,
     LowerLikelihoodBackward,
     {"nll_loss_backward", "nll_loss2d_backward"}},
};

#undef LOSS
#undef SLOPE

}  // namespace

absl::Span<const OpDeclaration> LossOps() { return kOps; }

}  // namespace openhpu::graph
