// Gradients of convolutions. That of the image is a convolution of the other kind (transposed where
// the forward one is not); that of the weight is a matrix product of what came from above with the
// windows of the image, one column a weight; where a group has one channel, products that are
// summed.
#include <algorithm>
#include <array>
#include <string>

#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/convolution.h"
#include "graph/ops/families.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

constexpr DType kF32 = DType::kFloat32;
// Below this many channels a group, the windows of all weights are gathered before one product.
constexpr int64_t kManyChannels = 32;

std::vector<int64_t> MaskOf(const Attributes& attributes) {
  return attributes.Ints("output_mask", {1, 1, 1});
}

Inferred InferConvolutionBackward(const Attributes& attributes, Types inputs) {
  const TensorType &g = inputs[0], &x = inputs[1], &w = inputs[2];
  ASSIGN_OR_RETURN(const std::vector<TensorType> made, InferConvolution(attributes, {x, w}));
  if (made[0].sizes != g.sizes)
    return absl::InvalidArgumentError("grad_output has not the sizes of the result");
  const std::vector<int64_t> mask = MaskOf(attributes);
  const TensorType all[3] = {x, w, {w.dtype, {g.sizes[1]}}};
  std::vector<TensorType> types;
  for (size_t i = 0; i < 3 && i < mask.size(); ++i) {
    if (mask[i] != 0) types.push_back(all[i]);
  }
  return types;
}

// The image of the windows, [N, H, W, C], with zeros around it as far as any window reaches.
absl::StatusOr<View> Padded(Lowering& lowering, const View& image, const ConvolutionGeometry& g,
                            const View& positions, const View& weight) {
  Dims sizes = {image.sizes[0], 0, 0, image.sizes[1]};
  bool padded = false;
  for (int i : {0, 1}) {
    const int64_t size = image.sizes[2 + i];
    const int64_t reach =
        (positions.sizes[2 + i] - 1) * g.stride[i] + g.dilation[i] * (weight.sizes[2 + i] - 1) + 1;
    sizes[1 + i] = std::max(size + g.padding[i], reach);
    padded |= sizes[1 + i] != size;
  }
  const View last = Permute(image, {0, 2, 3, 1});
  if (!padded) return last;
  const View around = lowering.NewTemp(image.dtype, sizes);
  RETURN_IF_ERROR(lowering.Fill(around, 0));
  View inside = around;
  for (int i : {0, 1}) inside = Slice(inside, 1 + i, g.padding[i], image.sizes[2 + i]);
  RETURN_IF_ERROR(lowering.Copy(last, inside));
  return around;
}

// What weight (r, s) sees at each position: [N, Ho, Wo, C].
View Window(const View& padded, const ConvolutionGeometry& g, const View& positions, int64_t r,
            int64_t s) {
  const std::array<int64_t, 2> tap = {r, s};
  View v = padded;
  for (int i : {0, 1}) {
    v = Slice(v, 1 + i, tap[i] * g.dilation[i], positions.sizes[2 + i], g.stride[i]);
  }
  return v;
}

// Each channel by itself: out[k, 0, r, s] = sum of positions[:, k] * window[:, k / multiplier].
absl::Status DepthwiseWeightGradient(Lowering& lowering, const View& padded, const View& positions,
                                     const ConvolutionGeometry& g, const View& out) {
  const int64_t channels = padded.sizes[3], multiplier = out.sizes[0] / channels;
  // [N, Ho, Wo, C, multiplier]
  View above = Permute(positions, {0, 2, 3, 1});
  above.sizes[3] = channels;
  above.sizes.push_back(multiplier);
  above.strides.push_back(above.strides[3]);
  above.strides[3] *= multiplier;
  ReduceWork sum;
  sum.dims = 7;
  View weights = out;  // [R, S, C, multiplier]
  weights = Permute(weights, {1, 2, 3, 0});
  weights = Select(weights, 0, 0);
  weights.sizes.back() = channels;
  weights.sizes.push_back(multiplier);
  weights.strides.push_back(weights.strides.back());
  weights.strides[2] *= multiplier;
  for (int64_t r = 0; r < out.sizes[2]; ++r) {
    for (int64_t s = 0; s < out.sizes[3]; ++s) {
      const View window = Unsqueeze(Window(padded, g, positions, r, s), 4);
      const View made = lowering.NewTemp(kF32, {1, 1, 1, channels, multiplier});
      const View product = lowering.NewTemp(kF32, above.sizes);
      RETURN_IF_ERROR(lowering.Apply("mul", {}, {above, window}, {product}));
      RETURN_IF_ERROR(lowering.Reduce(sum, product, made));
      View place = Select(Select(weights, 0, r), 0, s);
      for (int i = 0; i < 3; ++i) place = Unsqueeze(place, 0);
      RETURN_IF_ERROR(lowering.Copy(made, place));
    }
  }
  return absl::OkStatus();
}

// out [K, C / groups, R, S]: sum over n and positions p of positions[n, k, p] * image[n, c, p *
// stride + (r, s) * dilation - padding].
absl::Status WeightGradient(Lowering& lowering, const View& image, const View& positions,
                            const ConvolutionGeometry& g, const View& out) {
  ASSIGN_OR_RETURN(const View padded, Padded(lowering, image, g, positions, out));
  const int64_t groups = g.groups, channels = image.sizes[1] / groups,
                filters = positions.sizes[1] / groups, r = out.sizes[2], s = out.sizes[3];
  if (groups > 1 && channels == 1)
    return DepthwiseWeightGradient(lowering, padded, positions, g, out);
  const int64_t places = positions.sizes[0] * positions.sizes[2] * positions.sizes[3];
  // [groups, filters, places]
  ASSIGN_OR_RETURN(View above,
                   lowering.Reshaped(Permute(positions, {0, 2, 3, 1}), {places, groups, filters}));
  above = Permute(above, {1, 2, 0});
  // [groups, filters, R * S, channels]
  const int64_t taps = r * s;
  const View made = lowering.NewTemp(kF32, {groups, filters, taps, channels});
  const int64_t each = channels < kManyChannels ? taps : 1;
  for (int64_t first = 0; first < taps; first += each) {
    View windows;  // [places, groups, each, channels]
    if (each == 1) {
      ASSIGN_OR_RETURN(windows,
                       lowering.Reshaped(Window(padded, g, positions, first / s, first % s),
                                         {places, groups, 1, channels}));
    } else {
      windows = lowering.NewTemp(image.dtype, {places, groups, each, channels});
      const View by_place = *Reshape(windows, {positions.sizes[0], positions.sizes[2],
                                               positions.sizes[3], groups, each, channels});
      for (int64_t tap = 0; tap < each; ++tap) {
        View from = Window(padded, g, positions, tap / s, tap % s);
        from.sizes[3] = groups;
        from.sizes.push_back(channels);
        from.strides.push_back(from.strides[3]);
        from.strides[3] *= channels;
        RETURN_IF_ERROR(lowering.Copy(from, Select(by_place, 4, tap)));
      }
    }
    const View right = Permute(*Reshape(windows, {places, groups, each * channels}), {1, 0, 2});
    View target = Slice(made, 2, first, each);  // [groups, filters, each * channels]
    target.sizes = {groups, filters, each * channels};
    target.strides = {made.strides[0], made.strides[1], 1};
    RETURN_IF_ERROR(lowering.Gemm(above, right, target));
  }
  const View shaped = *Reshape(made, {groups * filters, r, s, channels});
  return lowering.Copy(Permute(shaped, {0, 3, 1, 2}), out);
}

// The gradient of the image.
absl::Status ImageGradient(Lowering& lowering, const ConvolutionGeometry& g, const View& above,
                           const View& weight, const View& out) {
  std::vector<int64_t> rest(2, 0);
  if (!g.transposed) {
    for (int i : {0, 1}) {
      rest[i] = out.sizes[2 + i] - ((above.sizes[2 + i] - 1) * g.stride[i] - 2 * g.padding[i] +
                                    g.dilation[i] * (weight.sizes[2 + i] - 1) + 1);
    }
  }
  return lowering.Apply("convolution",
                        {{"stride", g.stride},
                         {"padding", g.padding},
                         {"dilation", g.dilation},
                         {"groups", g.groups},
                         {"output_padding", rest},
                         {"transposed", !g.transposed}},
                        {above, weight}, {out});
}

absl::Status LowerConvolutionBackward(Lowering& lowering, const Node& node) {
  View above = node.inputs[0], x = node.inputs[1], weight = node.inputs[2];
  ASSIGN_OR_RETURN(ConvolutionGeometry g, GeometryOf(node.attributes, x.rank()));
  const bool flat = g.spatial == 1;
  const auto image = [&](const View& v) { return flat ? Unsqueeze(v, 2) : v; };
  above = image(above);
  x = image(x);
  weight = image(weight);
  g.MakeTwoDimensional();
  const std::vector<int64_t> mask = MaskOf(node.attributes);
  size_t next = 0;
  for (size_t i = 0; i < mask.size() && next < node.outputs.size(); ++i) {
    if (mask[i] == 0) continue;
    const View& out = node.outputs[next++];
    if (out.elements() == 0) continue;
    if (above.elements() == 0) {
      RETURN_IF_ERROR(lowering.Fill(out, 0));
    } else if (i == 0) {
      RETURN_IF_ERROR(ImageGradient(lowering, g, above, weight, image(out)));
    } else if (i == 1) {
      const View &windows = g.transposed ? above : x, &positions = g.transposed ? x : above;
      RETURN_IF_ERROR(WeightGradient(lowering, windows, positions, g, image(out)));
    } else {
      ReduceWork sum;
      sum.dims = 0b1101;
      View kept = Unsqueeze(Unsqueeze(Unsqueeze(out, 0), 2), 3);
      RETURN_IF_ERROR(lowering.Reduce(sum, above, kept));
    }
  }
  return absl::OkStatus();
}

const OpDeclaration kOps[] = {
    {"convolution_backward",
     "grad_output, input, weight -> gradients of input, weight, bias that output_mask wants; "
     "attributes of convolution",
     3,
     3,
     InferConvolutionBackward,
     nullptr,
     LowerConvolutionBackward,
     {"convolution_backward_overrideable"}},
};

}  // namespace

absl::Span<const OpDeclaration> ConvolutionBackwardOps() { return kOps; }

}  // namespace openhpu::graph
