// Gradients of softmax and of the normalisations.
#include <optional>
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
constexpr DType kF32 = DType::kFloat32;

Inferred InferSoftmaxBackward(const Attributes& attributes, Types inputs) {
  RETURN_IF_ERROR(
      ResolveDim(attributes.Int("dim", -1), static_cast<int>(inputs[0].sizes.size())).status());
  return std::vector<TensorType>{
      {attributes.Type("input_dtype", inputs[0].dtype), inputs[0].sizes}};
}

// Softmax: (g - sum(g * y)) * y; log-softmax: g - e ^ y * sum(g).
template <bool log>
absl::Status LowerSoftmaxBackward(Lowering& lowering, const Node& node) {
  const View &g = node.inputs[0], &y = node.inputs[1], &out = node.outputs[0];
  if (g.rank() == 0) return lowering.Fill(out, 0);
  ASSIGN_OR_RETURN(const int dim, ResolveDim(node.attributes.Int("dim", -1), g.rank()));
  View summed = g;
  if (!log) {
    summed = lowering.NewTemp(kF32, g.sizes);
    RETURN_IF_ERROR(lowering.Apply("mul", {}, {g, y}, {summed}));
  }
  ReduceWork reduce;
  reduce.dims = 1u << dim;
  Dims ones = g.sizes;
  ones[dim] = 1;
  const View sum = lowering.NewTemp(kF32, ones);
  RETURN_IF_ERROR(lowering.Reduce(reduce, summed, sum));
  ExpressionBuilder e({g.dtype, y.dtype, kF32});
  const F32 gradient = Input(e, 0), result = Input(e, 1), total = Input(e, 2);
  const F32 d = log ? gradient - Apply(ExprOp::kExp, result) * total : (gradient - total) * result;
  return lowering.Elementwise(e.Finish(d.v, out.dtype), {g, y, sum}, {out});
}

// What the gradients of a normalisation y = (x - mean) * rstd * weight + bias take, as views of one
// rank: statistics and weight broadcast to x.
struct NormGradient {
  View g, x, mean, rstd;
  std::optional<View> weight;
  uint32_t normalised = 0;  // dims that a mean is taken over
  uint32_t shared = 0;      // dims that one element of weight and bias serves
  bool constant = false;    // statistics do not depend on x (batch norm in evaluation)
  // Where they are wanted; those of weight and bias have size 1 in `shared`.
  std::optional<View> d_x, d_weight, d_bias;
};

Dims WithOnes(const Dims& sizes, uint32_t mask) {
  Dims ones = sizes;
  for (size_t d = 0; d < ones.size(); ++d) {
    if (mask >> d & 1) ones[d] = 1;
  }
  return ones;
}

absl::StatusOr<View> SumOver(Lowering& lowering, uint32_t dims, hal::ReduceOp op, const View& in) {
  ReduceWork reduce;
  reduce.op = op;
  reduce.dims = dims;
  const View out = lowering.NewTemp(kF32, WithOnes(in.sizes, dims));
  RETURN_IF_ERROR(lowering.Reduce(reduce, in, out));
  return out;
}

// With h = g * weight and n = (x - mean) * rstd:
//   d_x = rstd * (h - mean(h) - n * mean(h * n)), d_weight = sum(g * n), d_bias = sum(g).
absl::Status LowerNormGradient(Lowering& lowering, const NormGradient& o) {
  const View n = lowering.NewTemp(kF32, o.x.sizes);
  {
    ExpressionBuilder e({o.x.dtype, o.mean.dtype, o.rstd.dtype});
    const F32 centered = Input(e, 0) - Input(e, 1);
    RETURN_IF_ERROR(lowering.Elementwise(e.Finish((centered * Input(e, 2)).v, kF32),
                                         {o.x, o.mean, o.rstd}, {n}));
  }
  if (o.d_weight.has_value()) {
    const View product = lowering.NewTemp(kF32, o.x.sizes);
    RETURN_IF_ERROR(lowering.Apply("mul", {}, {o.g, n}, {product}));
    ASSIGN_OR_RETURN(const View sum, SumOver(lowering, o.shared, hal::ReduceOp::kSum, product));
    RETURN_IF_ERROR(lowering.Copy(sum, *o.d_weight));
  }
  if (o.d_bias.has_value()) {
    ASSIGN_OR_RETURN(const View sum, SumOver(lowering, o.shared, hal::ReduceOp::kSum, o.g));
    RETURN_IF_ERROR(lowering.Copy(sum, *o.d_bias));
  }
  if (!o.d_x.has_value()) return absl::OkStatus();
  View h = o.g;
  if (o.weight.has_value()) {
    h = lowering.NewTemp(kF32, o.x.sizes);
    RETURN_IF_ERROR(lowering.Apply("mul", {}, {o.g, *o.weight}, {h}));
  }
  if (o.constant) return lowering.Apply("mul", {}, {h, o.rstd}, {*o.d_x});
  const View product = lowering.NewTemp(kF32, o.x.sizes);
  RETURN_IF_ERROR(lowering.Apply("mul", {}, {h, n}, {product}));
  ASSIGN_OR_RETURN(const View mean_h, SumOver(lowering, o.normalised, hal::ReduceOp::kMean, h));
  ASSIGN_OR_RETURN(const View mean_hn,
                   SumOver(lowering, o.normalised, hal::ReduceOp::kMean, product));
  ExpressionBuilder e({h.dtype, kF32, kF32, kF32, o.rstd.dtype});
  const F32 centered = Input(e, 0) - Input(e, 1);
  const F32 rest = centered - Input(e, 2) * Input(e, 3);
  return lowering.Elementwise(e.Finish((rest * Input(e, 4)).v, o.d_x->dtype),
                              {h, mean_h, n, mean_hn, o.rstd}, {*o.d_x});
}

// Results 0 .. 2 are the gradients of input, weight and bias; `output_mask` says which are wanted,
// and only those are results.
constexpr const char* kMask = "output_mask";

std::vector<int64_t> MaskOf(const Attributes& attributes) {
  return attributes.Ints(kMask, {1, 1, 1});
}

std::vector<TensorType> Wanted(const Attributes& attributes, const TensorType& x, DType affine,
                               const Dims& affine_sizes) {
  const std::vector<int64_t> mask = MaskOf(attributes);
  std::vector<TensorType> types;
  for (size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] == 0) continue;
    types.push_back(i == 0 ? x : TensorType{affine, affine_sizes});
  }
  return types;
}

// The results by what they are.
void Distribute(const Node& node, NormGradient& o) {
  const std::vector<int64_t> mask = MaskOf(node.attributes);
  std::optional<View>* const places[] = {&o.d_x, &o.d_weight, &o.d_bias};
  size_t next = 0;
  for (size_t i = 0; i < mask.size() && i < 3; ++i) {
    if (mask[i] != 0 && next < node.outputs.size()) *places[i] = node.outputs[next++];
  }
}

// `v` with its dims at `at` of rank `rank`, sizes 1 elsewhere.
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

Inferred InferLayerNormBackward(const Attributes& attributes, Types inputs) {
  const std::vector<int64_t> shape = attributes.Ints("normalized_shape");
  const TensorType& x = inputs[1];
  if (shape.empty() || shape.size() > x.sizes.size())
    return absl::InvalidArgumentError("normalized_shape is not the input's last sizes");
  const int weight = OptionalInput(attributes, 4, static_cast<int>(inputs.size()));
  return Wanted(attributes, x, weight > 0 ? inputs[weight].dtype : x.dtype,
                Dims(shape.begin(), shape.end()));
}

absl::Status LowerLayerNormBackward(Lowering& lowering, const Node& node) {
  NormGradient o;
  o.g = node.inputs[0];
  o.x = node.inputs[1];
  o.mean = node.inputs[2];
  o.rstd = node.inputs[3];
  const int weight = OptionalInput(node.attributes, 4, static_cast<int>(node.inputs.size()));
  if (weight > 0) o.weight = node.inputs[weight];
  const int outer = o.x.rank() - static_cast<int>(node.attributes.Ints("normalized_shape").size());
  o.shared = (1u << outer) - 1;
  o.normalised = ((1u << o.x.rank()) - 1) & ~o.shared;
  Distribute(node, o);
  for (auto* affine : {&o.d_weight, &o.d_bias}) {
    for (int d = 0; affine->has_value() && d < outer; ++d) **affine = Unsqueeze(**affine, 0);
  }
  return LowerNormGradient(lowering, o);
}

Inferred InferGroupNormBackward(const Attributes& attributes, Types inputs) {
  const TensorType& x = inputs[1];
  const int64_t groups = attributes.Int("group", 1);
  if (x.sizes.size() < 2 || x.sizes.size() > 7 || groups < 1 || x.sizes[1] % groups != 0)
    return absl::InvalidArgumentError("the channels (dim 1) do not divide into the groups");
  const int weight = OptionalInput(attributes, 4, static_cast<int>(inputs.size()));
  return Wanted(attributes, x, weight > 0 ? inputs[weight].dtype : x.dtype, {x.sizes[1]});
}

absl::Status LowerGroupNormBackward(Lowering& lowering, const Node& node) {
  const int64_t groups = node.attributes.Int("group", 1);
  // Channels (dim `at`) as [groups, channels / groups]: always a view.
  const auto grouped = [&](View v, int at) {
    const int64_t each = v.sizes[at] / groups;
    v.sizes.insert(v.sizes.begin() + at, groups);
    v.strides.insert(v.strides.begin() + at, v.strides[at] * each);
    v.sizes[at + 1] = each;
    return v;
  };
  NormGradient o;
  o.g = grouped(node.inputs[0], 1);
  o.x = grouped(node.inputs[1], 1);
  const int rank = o.x.rank();
  // Statistics may come as [N, group] or as [N * group].
  const auto statistics = [&](const View& v) -> absl::StatusOr<View> {
    ASSIGN_OR_RETURN(const View flat, lowering.Reshaped(v, {o.x.sizes[0], groups}));
    return Spread(flat, rank, {0, 1});
  };
  ASSIGN_OR_RETURN(o.mean, statistics(node.inputs[2]));
  ASSIGN_OR_RETURN(o.rstd, statistics(node.inputs[3]));
  const int weight = OptionalInput(node.attributes, 4, static_cast<int>(node.inputs.size()));
  if (weight > 0) o.weight = Spread(grouped(node.inputs[weight], 0), rank, {1, 2});
  const uint32_t all = (1u << rank) - 1;
  o.normalised = all & ~3u;
  o.shared = all & ~6u;
  Distribute(node, o);
  if (o.d_x.has_value()) o.d_x = grouped(*o.d_x, 1);
  for (auto* affine : {&o.d_weight, &o.d_bias}) {
    if (affine->has_value()) *affine = Spread(grouped(**affine, 0), rank, {1, 2});
  }
  return LowerNormGradient(lowering, o);
}

Inferred InferBatchNormBackward(const Attributes& attributes, Types inputs) {
  const TensorType& x = inputs[1];
  const int n = static_cast<int>(inputs.size());
  if (x.sizes.size() < 2) return absl::InvalidArgumentError("needs channels in dim 1");
  const int first = attributes.Bool("train") ? 5 : 3;
  if (OptionalInput(attributes, first, n) < 0 || OptionalInput(attributes, first + 1, n) < 0)
    return absl::InvalidArgumentError("the statistics that the result was made with are absent");
  const int weight = OptionalInput(attributes, 2, n);
  return Wanted(attributes, x, weight > 0 ? inputs[weight].dtype : x.dtype, {x.sizes[1]});
}

// grad_out, input, weight?, running_mean?, running_var?, save_mean?, save_invstd?
absl::Status LowerBatchNormBackward(Lowering& lowering, const Node& node) {
  const int n = static_cast<int>(node.inputs.size());
  const auto input = [&](int position) { return OptionalInput(node.attributes, position, n); };
  NormGradient o;
  o.g = node.inputs[0];
  o.x = node.inputs[1];
  const int rank = o.x.rank();
  const auto channels = [&](const View& v) { return Spread(v, rank, {1}); };
  o.constant = !node.attributes.Bool("train");
  if (o.constant) {
    const View& variance = node.inputs[input(4)];
    const View rstd = lowering.NewTemp(kF32, variance.sizes);
    ExpressionBuilder e({variance.dtype});
    const F32 sum = Input(e, 0) + node.attributes.Real("eps", 1e-5);
    RETURN_IF_ERROR(lowering.Elementwise(
        e.Finish(Apply(ExprOp::kReciprocal, Apply(ExprOp::kSqrt, sum)).v, kF32), {variance},
        {rstd}));
    o.mean = channels(node.inputs[input(3)]);
    o.rstd = channels(rstd);
  } else {
    o.mean = channels(node.inputs[input(5)]);
    o.rstd = channels(node.inputs[input(6)]);
  }
  if (input(2) > 0) o.weight = channels(node.inputs[input(2)]);
  o.normalised = o.shared = ((1u << rank) - 1) & ~2u;
  Distribute(node, o);
  for (auto* affine : {&o.d_weight, &o.d_bias}) {
    if (affine->has_value()) *affine = channels(**affine);
  }
  return LowerNormGradient(lowering, o);
}

const OpDeclaration kOps[] = {
    {"native_layer_norm_backward",
     "grad_out, input, mean, rstd, weight?, bias? -> gradients of input, weight, bias that "
     "output_mask wants; normalized_shape",
     4,
     6,
     InferLayerNormBackward,
     nullptr,
     LowerLayerNormBackward,
     {"native_layer_norm_backward"}},
    {"native_group_norm_backward",
     "grad_out, input, mean, rstd, weight? -> gradients of input, weight, bias that output_mask "
     "wants; group",
     4,
     5,
     InferGroupNormBackward,
     nullptr,
     LowerGroupNormBackward,
     {"native_group_norm_backward"}},
    {"native_batch_norm_backward",
     "grad_out, input, weight?, running_mean?, running_var?, save_mean?, save_invstd? -> gradients "
     "of input, weight, bias that output_mask wants; train, eps",
     4,
     7,
     InferBatchNormBackward,
     nullptr,
     LowerBatchNormBackward,
     {"native_batch_norm_backward"}},
    {"softmax_backward",
     "grad_output, output; dim, input_dtype",
     2,
     2,
     InferSoftmaxBackward,
     nullptr,
     LowerSoftmaxBackward<false>,
     {"_softmax_backward_data"}},
    {"log_softmax_backward",
     "grad_output, output; dim, input_dtype",
     2,
     2,
     InferSoftmaxBackward,
     nullptr,
     LowerSoftmaxBackward<true>,
     {"_log_softmax_backward_data"}},
};

}  // namespace

absl::Span<const OpDeclaration> NormalizationBackwardOps() { return kOps; }

}  // namespace openhpu::graph
