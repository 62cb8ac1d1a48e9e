// Softmax and normalisations.
#include <string>

#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/families.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
using Value = ExpressionBuilder::Value;
constexpr DType kF32 = DType::kFloat32;

Inferred InferSoftmax(const Attributes& attributes, Types inputs) {
  RETURN_IF_ERROR(
      ResolveDim(attributes.Int("dim", -1), static_cast<int>(inputs[0].sizes.size())).status());
  DType type = attributes.Type("dtype", ToFloat(inputs[0].dtype));
  if (attributes.Bool("half_to_float")) type = kF32;
  return std::vector<TensorType>{{type, inputs[0].sizes}};
}

template <bool log>
absl::Status LowerSoftmax(Lowering& lowering, const Node& node) {
  const View& out = node.outputs[0];
  if (out.rank() == 0) return lowering.Fill(out, log ? 0 : 1);
  SoftmaxWork softmax;
  ASSIGN_OR_RETURN(softmax.dim, ResolveDim(node.attributes.Int("dim", -1), out.rank()));
  softmax.log = log;
  ASSIGN_OR_RETURN(const View in, lowering.Cast(node.inputs[0], ToFloat(node.inputs[0].dtype)));
  lowering.Add(softmax, {in}, {out});
  return absl::OkStatus();
}

// The operands of a norm work: weight and bias as views that broadcast to x, mean and rstd given or
// temps.
struct NormOperands {
  View x, y, mean, rstd;
  std::vector<View> affine;  // weight, bias
  NormWork norm;
};

absl::StatusOr<NormOperands> MakeNorm(Lowering& lowering, const View& x, const View& y) {
  NormOperands o;
  ASSIGN_OR_RETURN(o.x, lowering.Cast(x, ToFloat(x.dtype)));
  o.y = y;
  return o;
}

absl::Status AddAffine(Lowering& lowering, const View& v, bool weight, NormOperands& o) {
  View operand = v;
  if (v.dtype != o.x.dtype && v.dtype != kF32) {
    ASSIGN_OR_RETURN(operand, lowering.Cast(v, kF32));
  }
  o.affine.push_back(Expand(operand, o.x.sizes));
  (weight ? o.norm.has_weight : o.norm.has_bias) = true;
  return absl::OkStatus();
}

// Statistics have sizes 1 in the normalised dims.
void AddNorm(Lowering& lowering, const NormOperands& o) {
  std::vector<View> inputs = {o.x};
  inputs.insert(inputs.end(), o.affine.begin(), o.affine.end());
  lowering.Add(o.norm, std::move(inputs), {o.y, o.mean, o.rstd});
}

Dims WithOnes(const Dims& sizes, uint32_t mask) {
  Dims ones = sizes;
  for (size_t d = 0; d < ones.size(); ++d) {
    if (mask >> d & 1) ones[d] = 1;
  }
  return ones;
}

// `v` ([C], or [N, C]) as a view of rank `rank` with its dims at `at`.
View Spread(const View& v, int rank, absl::Span<const int> at) {
  View spread = v;
  spread.sizes.assign(rank, 1);
  spread.strides.assign(rank, 1);
  for (size_t i = 0; i < at.size(); ++i) {
    spread.sizes[at[i]] = v.sizes[i];
    spread.strides[at[i]] = v.strides[i];
  }
  return spread;
}

Inferred InferLayerNorm(const Attributes& attributes, Types inputs) {
  const TensorType& x = inputs[0];
  const std::vector<int64_t> shape = attributes.Ints("normalized_shape");
  const size_t rank = x.sizes.size();
  if (shape.empty() || shape.size() > rank ||
      !std::equal(shape.begin(), shape.end(),
                  x.sizes.end() - static_cast<std::ptrdiff_t>(shape.size()))) {
    return absl::InvalidArgumentError("normalized_shape is not the input's last sizes");
  }
  TensorType statistics = x;
  for (size_t d = rank - shape.size(); d < rank; ++d) statistics.sizes[d] = 1;
  return std::vector<TensorType>{{ToFloat(x.dtype), x.sizes}, statistics, statistics};
}

absl::Status LowerLayerNorm(Lowering& lowering, const Node& node) {
  const View& x = node.inputs[0];
  const int inputs = static_cast<int>(node.inputs.size());
  ASSIGN_OR_RETURN(NormOperands o, MakeNorm(lowering, x, node.outputs[0]));
  const size_t dims = node.attributes.Ints("normalized_shape").size();
  o.norm.epsilon = static_cast<float>(node.attributes.Real("eps", 1e-5));
  for (int d = x.rank() - static_cast<int>(dims); d < x.rank(); ++d) o.norm.dims |= 1u << d;
  for (int position : {1, 2}) {
    const int at = OptionalInput(node.attributes, position, inputs);
    if (at > 0) RETURN_IF_ERROR(AddAffine(lowering, node.inputs[at], position == 1, o));
  }
  const Dims ones = WithOnes(x.sizes, o.norm.dims);
  o.mean = node.outputs.size() > 1 ? node.outputs[1] : lowering.NewTemp(kF32, ones);
  o.rstd = node.outputs.size() > 2 ? node.outputs[2] : lowering.NewTemp(kF32, ones);
  AddNorm(lowering, o);
  return absl::OkStatus();
}

Inferred InferGroupNorm(const Attributes& attributes, Types inputs) {
  const TensorType& x = inputs[0];
  const int64_t groups = attributes.Int("group", 1);
  if (x.sizes.size() < 2 || x.sizes.size() > 7 || groups < 1 || x.sizes[1] % groups != 0) {
    return absl::InvalidArgumentError("the channels (dim 1) do not divide into the groups");
  }
  const TensorType statistics = {x.dtype, {x.sizes[0], groups}};
  return std::vector<TensorType>{{ToFloat(x.dtype), x.sizes}, statistics, statistics};
}

absl::Status LowerGroupNorm(Lowering& lowering, const Node& node) {
  const int64_t groups = node.attributes.Int("group", 1);
  const int inputs = static_cast<int>(node.inputs.size());
  // [N, C, ...] as [N, G, C / G, ...]: a dim cut in two is always a view.
  const auto grouped = [&](View v) {
    const int64_t each = v.sizes[1] / groups;
    v.sizes.insert(v.sizes.begin() + 1, groups);
    v.strides.insert(v.strides.begin() + 1, v.strides[1] * each);
    v.sizes[2] = each;
    return v;
  };
  const View x = grouped(node.inputs[0]);
  ASSIGN_OR_RETURN(NormOperands o, MakeNorm(lowering, x, grouped(node.outputs[0])));
  o.norm.epsilon = static_cast<float>(node.attributes.Real("eps", 1e-5));
  for (int d = 2; d < x.rank(); ++d) o.norm.dims |= 1u << d;
  for (int position : {1, 2}) {
    const int at = OptionalInput(node.attributes, position, inputs);
    if (at < 0) continue;
    View affine = node.inputs[at];  // [C] as [G, C / G]
    affine.sizes = {groups, affine.sizes[0] / groups};
    affine.strides = {affine.strides[0] * affine.sizes[1], affine.strides[0]};
    RETURN_IF_ERROR(AddAffine(lowering, Spread(affine, x.rank(), {1, 2}), position == 1, o));
  }
  const Dims ones = WithOnes(x.sizes, o.norm.dims);
  o.mean = node.outputs.size() > 1 ? Spread(node.outputs[1], x.rank(), {0, 1})
                                   : lowering.NewTemp(kF32, ones);
  o.rstd = node.outputs.size() > 2 ? Spread(node.outputs[2], x.rank(), {0, 1})
                                   : lowering.NewTemp(kF32, ones);
  AddNorm(lowering, o);
  return absl::OkStatus();
}

Inferred InferBatchNorm(const Attributes& attributes, Types inputs) {
  const TensorType& x = inputs[0];
  if (x.sizes.size() < 2) return absl::InvalidArgumentError("needs channels in dim 1");
  const int n = static_cast<int>(inputs.size());
  const bool training = attributes.Bool("training");
  if (!training && (OptionalInput(attributes, 3, n) < 0 || OptionalInput(attributes, 4, n) < 0)) {
    return absl::InvalidArgumentError("evaluation needs running_mean and running_var");
  }
  const TensorType channel = {kF32, {x.sizes[1]}};
  TensorType saved = channel;
  if (!training) saved.sizes = {0};
  std::vector<TensorType> types = {{ToFloat(x.dtype), x.sizes}, saved, saved};
  if (training) {
    for (int position : {3, 4}) {
      const int at = OptionalInput(attributes, position, n);
      if (at > 0) types.push_back(inputs[at]);
    }
  }
  return types;
}

// running = (1 - momentum) * running + momentum * now
absl::Status UpdateRunning(Lowering& lowering, double momentum, const View& running,
                           const View& now, const View& out) {
  ExpressionBuilder e({running.dtype, now.dtype});
  const Value old = e.Cast(0, kF32), fresh = e.Cast(1, kF32);
  const Value keep = e.Constant(1 - momentum, kF32), take = e.Constant(momentum, kF32);
  const Value a = e.Op(ExprOp::kMul, old, keep);
  const Value b = e.Op(ExprOp::kMul, fresh, take);
  return lowering.Elementwise(e.Finish(e.Op(ExprOp::kAdd, a, b), out.dtype), {running, now}, {out});
}

absl::Status LowerBatchNormTraining(Lowering& lowering, const Node& node) {
  const View& x = node.inputs[0];
  const int inputs = static_cast<int>(node.inputs.size());
  ASSIGN_OR_RETURN(NormOperands o, MakeNorm(lowering, x, node.outputs[0]));
  o.norm.epsilon = static_cast<float>(node.attributes.Real("eps", 1e-5));
  for (int d = 0; d < x.rank(); ++d) {
    if (d != 1) o.norm.dims |= 1u << d;
  }
  for (int position : {1, 2}) {
    const int at = OptionalInput(node.attributes, position, inputs);
    if (at > 0)
      RETURN_IF_ERROR(
          AddAffine(lowering, Spread(node.inputs[at], x.rank(), {1}), position == 1, o));
  }
  const Dims channel = {x.sizes[1]};
  const View mean = node.outputs.size() > 1 ? node.outputs[1] : lowering.NewTemp(kF32, channel);
  const View rstd = node.outputs.size() > 2 ? node.outputs[2] : lowering.NewTemp(kF32, channel);
  o.mean = Spread(mean, x.rank(), {1});
  o.rstd = Spread(rstd, x.rank(), {1});
  AddNorm(lowering, o);
  const double momentum = node.attributes.Real("momentum", 0.1);
  size_t next = 3;
  const int running_mean = OptionalInput(node.attributes, 3, inputs);
  if (running_mean > 0 && next < node.outputs.size()) {
    RETURN_IF_ERROR(
        UpdateRunning(lowering, momentum, node.inputs[running_mean], mean, node.outputs[next++]));
  }
  const int running_var = OptionalInput(node.attributes, 4, inputs);
  if (running_var > 0 && next < node.outputs.size()) {
    const View variance = lowering.NewTemp(kF32, channel);
    ReduceWork reduce;
    reduce.op = hal::ReduceOp::kVar;
    reduce.dims = o.norm.dims;
    reduce.correction = 1;
    RETURN_IF_ERROR(lowering.Reduce(reduce, o.x, Spread(variance, x.rank(), {1})));
    RETURN_IF_ERROR(
        UpdateRunning(lowering, momentum, node.inputs[running_var], variance, node.outputs[next]));
  }
  return absl::OkStatus();
}

// y = x * scale + shift, with scale and shift of each channel apart: they depend on weights alone,
// so they can be kept between launches.
absl::Status LowerBatchNorm(Lowering& lowering, const Node& node) {
  if (node.attributes.Bool("training")) return LowerBatchNormTraining(lowering, node);
  const View& x = node.inputs[0];
  const int inputs = static_cast<int>(node.inputs.size());
  const auto input = [&](int position) { return OptionalInput(node.attributes, position, inputs); };
  const View& mean = node.inputs[input(3)];
  const View& variance = node.inputs[input(4)];
  const Dims channel = {x.sizes[1]};
  const View scale = lowering.NewTemp(kF32, channel), shift = lowering.NewTemp(kF32, channel);
  {
    std::vector<View> operands = {variance};
    std::vector<DType> types = {variance.dtype};
    if (input(1) > 0) {
      operands.push_back(node.inputs[input(1)]);
      types.push_back(operands.back().dtype);
    }
    ExpressionBuilder e(types);
    const Value epsilon = e.Constant(node.attributes.Real("eps", 1e-5), kF32);
    const Value sum = e.Op(ExprOp::kAdd, e.Cast(0, kF32), epsilon);
    Value y = e.Op(ExprOp::kReciprocal, e.Op(ExprOp::kSqrt, sum));
    if (types.size() > 1) y = e.Op(ExprOp::kMul, y, e.Cast(1, kF32));
    RETURN_IF_ERROR(lowering.Elementwise(e.Finish(y, kF32), operands, {scale}));
  }
  {
    std::vector<View> operands = {mean, scale};
    std::vector<DType> types = {mean.dtype, kF32};
    if (input(2) > 0) {
      operands.push_back(node.inputs[input(2)]);
      types.push_back(operands.back().dtype);
    }
    ExpressionBuilder e(types);
    const Value product = e.Op(ExprOp::kMul, e.Cast(0, kF32), 1);
    const Value bias = types.size() > 2 ? e.Cast(2, kF32) : e.Constant(0, kF32);
    RETURN_IF_ERROR(
        lowering.Elementwise(e.Finish(e.Op(ExprOp::kSub, bias, product), kF32), operands, {shift}));
  }
  ExpressionBuilder e({x.dtype, kF32, kF32});
  const Value product = e.Op(ExprOp::kMul, e.Cast(0, kF32), 1);
  const Value y = e.Op(ExprOp::kAdd, product, 2);
  return lowering.Elementwise(e.Finish(y, node.outputs[0].dtype),
                              {x, Spread(scale, x.rank(), {1}), Spread(shift, x.rank(), {1})},
                              {node.outputs[0]});
}

const OpDeclaration kOps[] = {
    {"softmax",
     "e^x / sum of e^x along `dim`; half_to_float, dtype",
     1,
     1,
     InferSoftmax,
     nullptr,
     LowerSoftmax<false>,
     {"_softmax"}},
    {"log_softmax",
     "log of softmax along `dim`; half_to_float, dtype",
     1,
     1,
     InferSoftmax,
     nullptr,
     LowerSoftmax<true>,
     {"_log_softmax"}},
    {"native_layer_norm",
     "input, weight?, bias? -> y, mean, rstd; over the last dims `normalized_shape`; eps",
     1,
     3,
     InferLayerNorm,
     nullptr,
     LowerLayerNorm,
     {"native_layer_norm"}},
    {"native_group_norm",
     "input, weight?, bias? -> y, mean [N, group], rstd; over each `group` of channels and all "
     "that follows; eps",
     1,
     3,
     InferGroupNorm,
     nullptr,
     LowerGroupNorm,
     {"native_group_norm"}},
    {"native_batch_norm",
     "input, weight?, bias?, running_mean?, running_var? -> y, save_mean, save_invstd; training, "
     "momentum, eps. Evaluation: saved ones have size 0. "
     "Training: results 3 and 4 are the running statistics' new values, written where the caller "
     "says (in place)",
     1,
     5,
     InferBatchNorm,
     nullptr,
     LowerBatchNorm,
     {"native_batch_norm"}},
};

}  // namespace

absl::Span<const OpDeclaration> NormalizationOps() { return kOps; }

}  // namespace openhpu::graph
