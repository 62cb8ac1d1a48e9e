// Convolutions, 1-D ones as 2-D of height 1. Depthwise ones run on the TPC: on the MME they would
// be thousands of tiny descriptors.
#include "graph/ops/convolution.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_join.h"
#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/families.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
absl::StatusOr<ConvolutionGeometry> GeometryOf(const Attributes& attributes, int rank) {
  ConvolutionGeometry g;
  g.spatial = rank - 2;
  ASSIGN_OR_RETURN(g.stride, IntPair(attributes, "stride", 1, g.spatial));
  ASSIGN_OR_RETURN(g.padding, IntPair(attributes, "padding", 0, g.spatial));
  ASSIGN_OR_RETURN(g.dilation, IntPair(attributes, "dilation", 1, g.spatial));
  ASSIGN_OR_RETURN(g.output_padding, IntPair(attributes, "output_padding", 0, g.spatial));
  g.groups = attributes.Int("groups", 1);
  g.transposed = attributes.Bool("transposed");
  for (int i = 0; i < g.spatial; ++i) {
    if (g.stride[i] < 1 || g.padding[i] < 0 || g.dilation[i] < 1)
      return absl::InvalidArgumentError("stride, padding or dilation out of range");
  }
  return g;
}

void ConvolutionGeometry::MakeTwoDimensional() {
  if (spatial != 1) return;
  spatial = 2;
  for (auto* list : {&stride, &dilation}) list->insert(list->begin(), 1);
  for (auto* list : {&padding, &output_padding}) list->insert(list->begin(), 0);
}

Inferred InferConvolution(const Attributes& attributes, Types inputs) {
  const TensorType &x = inputs[0], &w = inputs[1];
  const int rank = static_cast<int>(x.sizes.size());
  if (rank == 5) return absl::UnimplementedError("3-D convolution");
  if ((rank != 3 && rank != 4) || w.sizes.size() != x.sizes.size())
    return absl::InvalidArgumentError("input and weight need rank 3 or 4");
  if (!IsFloat(x.dtype) || x.dtype != w.dtype) {
    return absl::UnimplementedError(
        hal::Cat("convolution of ", Name(x.dtype), " with ", Name(w.dtype)));
  }
  ASSIGN_OR_RETURN(const ConvolutionGeometry g, GeometryOf(attributes, rank));
  const int64_t channels = g.transposed ? w.sizes[0] : w.sizes[1] * g.groups;
  const int64_t filters = g.transposed ? w.sizes[1] * g.groups : w.sizes[0];
  if (g.groups < 1 || x.sizes[1] != channels || filters % g.groups != 0 ||
      channels % g.groups != 0) {
    return absl::InvalidArgumentError(hal::Cat("input [", absl::StrJoin(x.sizes, ","),
                                               "] and weight [", absl::StrJoin(w.sizes, ","),
                                               "] in ", g.groups, " groups do not fit"));
  }
  if (inputs.size() == 3 && (inputs[2].sizes.size() != 1 || inputs[2].sizes[0] != filters))
    return absl::InvalidArgumentError("bias has not one element a filter");
  Dims sizes = {x.sizes[0], filters};
  for (int i = 0; i < g.spatial; ++i) {
    const int64_t size = x.sizes[2 + i], reach = g.dilation[i] * (w.sizes[2 + i] - 1);
    const int64_t made =
        g.transposed ? (size - 1) * g.stride[i] - 2 * g.padding[i] + reach + g.output_padding[i] + 1
                     : (size + 2 * g.padding[i] - reach - 1) / g.stride[i] + 1;
    if (made < 1 || (!g.transposed && size + 2 * g.padding[i] < reach + 1))
      return absl::InvalidArgumentError("the kernel is larger than the image");
    sizes.push_back(made);
  }
  return std::vector<TensorType>{{x.dtype, std::move(sizes)}};
}

namespace {

// Transposed: zeros between the elements, then the forward convolution with the kernel turned
// around.
absl::Status MakeForward(Lowering& lowering, ConvolutionGeometry& g, View& x, View& w) {
  Dims spread = x.sizes;
  for (int i : {0, 1}) spread[2 + i] = (x.sizes[2 + i] - 1) * g.stride[i] + 1;
  if (spread != x.sizes) {
    const View zeros = lowering.NewTemp(x.dtype, spread);
    RETURN_IF_ERROR(lowering.Fill(zeros, 0));
    View elements = zeros;
    for (int i : {0, 1}) elements = Slice(elements, 2 + i, 0, x.sizes[2 + i], g.stride[i]);
    RETURN_IF_ERROR(lowering.Copy(x, elements));
    x = zeros;
  }
  // [C, K / g, R, S] -> [K, C / g, R, S]
  const int64_t c = w.sizes[0] / g.groups, k = w.sizes[1], r = w.sizes[2], s = w.sizes[3];
  const View turned = lowering.NewTemp(w.dtype, {g.groups * k, c, r, s});
  for (int64_t group = 0; group < g.groups; ++group) {
    const View from = Transpose(Slice(w, 0, group * c, c), 0, 1),
               to = Slice(turned, 0, group * k, k);
    for (int64_t i = 0; i < r; ++i) {
      for (int64_t j = 0; j < s; ++j) {
        RETURN_IF_ERROR(lowering.Copy(Select(Select(from, 3, s - 1 - j), 2, r - 1 - i),
                                      Select(Select(to, 3, j), 2, i)));
      }
    }
  }
  const int64_t kernel[2] = {r, s};
  for (int i : {0, 1}) {
    g.padding[i] = g.dilation[i] * (kernel[i] - 1) - g.padding[i];
    g.stride[i] = 1;
    if (g.padding[i] >= 0) continue;
    // More padding than the kernel reaches: what would fall outside is left out.
    const int64_t rest = x.sizes[2 + i] + g.padding[i];
    if (rest < 1) return absl::UnimplementedError("a transposed convolution of padding alone");
    x = Slice(x, 2 + i, -g.padding[i], rest);
    g.padding[i] = 0;
  }
  w = turned;
  return absl::OkStatus();
}

absl::Status LowerConvolution(Lowering& lowering, const Node& node) {
  View x = node.inputs[0], w = node.inputs[1], y = node.outputs[0];
  ASSIGN_OR_RETURN(ConvolutionGeometry g, GeometryOf(node.attributes, x.rank()));
  if (g.spatial == 1) {
    for (View* v : {&x, &w, &y}) *v = Unsqueeze(*v, 2);
    g.MakeTwoDimensional();
  }
  if (x.elements() == 0 || w.elements() == 0) {
    if (node.inputs.size() < 3) return lowering.Fill(y, 0);
    return lowering.Copy(Unsqueeze(Unsqueeze(node.inputs[2], 1), 1), y);
  }
  if (g.transposed) RETURN_IF_ERROR(MakeForward(lowering, g, x, w));
  const bool depthwise = g.groups > 1 && w.sizes[1] == 1 && x.sizes[1] == g.groups;
  const bool bias = node.inputs.size() > 2;
  View made = y;
  // The MME's sums stay in f32 until the bias is added.
  if (bias) made = lowering.NewTemp(depthwise ? x.dtype : DType::kFloat32, y.sizes);
  if (depthwise) {
    DepthwiseWork work;
    for (int i : {0, 1}) {  // {w, h} there, {h, w} here
      work.params.stride[i] = static_cast<int32_t>(g.stride[1 - i]);
      work.params.padding[i] = static_cast<int32_t>(g.padding[1 - i]);
      work.params.dilation[i] = static_cast<int32_t>(g.dilation[1 - i]);
    }
    work.params.multiplier = static_cast<int32_t>(w.sizes[0] / g.groups);
    lowering.Add(work, {x, w}, {made});
  } else {
    ConvolutionWork work;
    for (int i : {0, 1}) {
      work.stride[i] = g.stride[i];
      work.padding[i] = g.padding[i];
      work.dilation[i] = g.dilation[i];
    }
    work.groups = g.groups;
    lowering.Add(work, {x, w}, {made});
  }
  if (!bias) return absl::OkStatus();
  View b = node.inputs[2];
  b = Unsqueeze(Unsqueeze(b, 1), 1);  // [K] -> [K, 1, 1]
  return lowering.Apply("add", {}, {made, b}, {y});
}

const OpDeclaration kOps[] = {
    {"convolution",
     "input [N, C, (H,) W], weight, bias?; stride, padding, dilation, transposed, output_padding, "
     "groups",
     2,
     3,
     InferConvolution,
     nullptr,
     LowerConvolution,
     {"convolution", "convolution_overrideable", "_convolution"}},
};

}  // namespace

absl::Span<const OpDeclaration> ConvolutionOps() { return kOps; }

}  // namespace openhpu::graph
