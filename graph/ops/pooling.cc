// Pooling of images.
#include <algorithm>
#include <string>

#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/families.h"
#include "graph/ops/window.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
absl::StatusOr<Window> WindowOf(const Attributes& attributes) {
  Window w;
  if (attributes.Ints("kernel_size").empty())
    return absl::InvalidArgumentError("needs attribute 'kernel_size'");
  ASSIGN_OR_RETURN(w.kernel, IntPair(attributes, "kernel_size", 1));
  if (attributes.Ints("stride").empty()) {
    w.stride = w.kernel;
  } else {
    ASSIGN_OR_RETURN(w.stride, IntPair(attributes, "stride", 1));
  }
  ASSIGN_OR_RETURN(w.padding, IntPair(attributes, "padding", 0));
  ASSIGN_OR_RETURN(w.dilation, IntPair(attributes, "dilation", 1));
  for (int i : {0, 1}) {
    if (w.kernel[i] < 1 || w.stride[i] < 1 || w.padding[i] < 0 || w.dilation[i] < 1 ||
        w.padding[i] > w.kernel[i] / 2) {
      return absl::InvalidArgumentError("kernel_size, stride, padding or dilation out of range");
    }
  }
  return w;
}

namespace {

absl::StatusOr<Dims> Pooled(const Attributes& attributes, const TensorType& in) {
  const size_t rank = in.sizes.size();
  if (rank != 3 && rank != 4) return absl::InvalidArgumentError("needs an image of rank 3 or 4");
  if (!IsFloat(in.dtype)) return absl::InvalidArgumentError("needs floats");
  ASSIGN_OR_RETURN(const Window w, WindowOf(attributes));
  Dims sizes = in.sizes;
  for (int i : {0, 1}) {
    int64_t& size = sizes[rank - 2 + i];
    const int64_t reach = size + 2 * w.padding[i] - w.dilation[i] * (w.kernel[i] - 1) - 1;
    if (reach < 0) return absl::InvalidArgumentError("the window is larger than the image");
    const bool ceil = attributes.Bool("ceil_mode");
    int64_t made = (reach + (ceil ? w.stride[i] - 1 : 0)) / w.stride[i] + 1;
    // The last window starts inside the image or its left padding.
    if (ceil && (made - 1) * w.stride[i] >= size + w.padding[i]) --made;
    size = made;
  }
  return sizes;
}

Inferred InferMaxPool(const Attributes& attributes, Types inputs) {
  ASSIGN_OR_RETURN(Dims sizes, Pooled(attributes, inputs[0]));
  return std::vector<TensorType>{{inputs[0].dtype, sizes}, {DType::kInt64, sizes}};
}

Inferred InferAveragePool(const Attributes& attributes, Types inputs) {
  ASSIGN_OR_RETURN(Dims sizes, Pooled(attributes, inputs[0]));
  return std::vector<TensorType>{{inputs[0].dtype, sizes}};
}

Inferred InferAdaptive(const Attributes& attributes, Types inputs) {
  const size_t rank = inputs[0].sizes.size();
  if (rank != 3 && rank != 4) return absl::InvalidArgumentError("needs an image of rank 3 or 4");
  if (!IsFloat(inputs[0].dtype)) return absl::InvalidArgumentError("needs floats");
  ASSIGN_OR_RETURN(const std::vector<int64_t> size, IntPair(attributes, "output_size", 1));
  Dims sizes = inputs[0].sizes;
  sizes[rank - 2] = size[0];
  sizes[rank - 1] = size[1];
  return std::vector<TensorType>{{inputs[0].dtype, sizes}};
}

Inferred InferAdaptiveMax(const Attributes& attributes, Types inputs) {
  ASSIGN_OR_RETURN(std::vector<TensorType> types, InferAdaptive(attributes, inputs));
  types.push_back({DType::kInt64, types[0].sizes});
  return types;
}

void AddPool(Lowering& lowering, const hal::PoolParams& params, const Node& node) {
  const auto batched = [](const View& v) { return v.rank() == 3 ? Unsqueeze(v, 0) : v; };
  std::vector<View> outputs;
  for (const View& v : node.outputs) outputs.push_back(batched(v));
  lowering.Add(PoolWork{params}, {batched(node.inputs[0])}, std::move(outputs));
}

template <hal::PoolOp op>
absl::Status LowerPool(Lowering& lowering, const Node& node) {
  ASSIGN_OR_RETURN(const Window w, WindowOf(node.attributes));
  hal::PoolParams params;
  params.op = op;
  for (int i : {0, 1}) {  // {w, h} there, {h, w} here
    params.kernel[i] = static_cast<int32_t>(w.kernel[1 - i]);
    params.stride[i] = static_cast<int32_t>(w.stride[1 - i]);
    params.padding[i] = static_cast<int32_t>(w.padding[1 - i]);
    params.dilation[i] = static_cast<int32_t>(w.dilation[1 - i]);
  }
  params.count_include_pad = node.attributes.Bool("count_include_pad", true);
  params.divisor = static_cast<int32_t>(node.attributes.Int("divisor_override", 0));
  AddPool(lowering, params, node);
  return absl::OkStatus();
}

template <hal::PoolOp op>
absl::Status LowerAdaptive(Lowering& lowering, const Node& node) {
  hal::PoolParams params;
  params.op = op;
  params.adaptive = true;
  AddPool(lowering, params, node);
  return absl::OkStatus();
}

const OpDeclaration kOps[] = {
    {"max_pool2d",
     "largest of each window -> values, flat indices h * W + w; kernel_size, stride (= "
     "kernel_size), padding, dilation, ceil_mode",
     1,
     1,
     InferMaxPool,
     nullptr,
     LowerPool<hal::PoolOp::kMax>,
     {"max_pool2d_with_indices"}},
    {"avg_pool2d",
     "mean of each window; kernel_size, stride (= kernel_size), padding, ceil_mode, "
     "count_include_pad = true, divisor_override",
     1,
     1,
     InferAveragePool,
     nullptr,
     LowerPool<hal::PoolOp::kAverage>,
     {"avg_pool2d"}},
    {"adaptive_avg_pool2d",
     "means of output_size windows",
     1,
     1,
     InferAdaptive,
     nullptr,
     LowerAdaptive<hal::PoolOp::kAverage>,
     {"_adaptive_avg_pool2d"}},
    {"adaptive_max_pool2d",
     "largest of output_size windows -> values, flat indices",
     1,
     1,
     InferAdaptiveMax,
     nullptr,
     LowerAdaptive<hal::PoolOp::kMax>,
     {"adaptive_max_pool2d"}},
};

}  // namespace

absl::Span<const OpDeclaration> PoolingOps() { return kOps; }

}  // namespace openhpu::graph
