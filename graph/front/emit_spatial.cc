// Works on images: the engines want channels (and filters) dense, so what is not gets copied.
#include <algorithm>
#include <array>

#include "graph/front/emit.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/kernels.h"

namespace openhpu::graph {
namespace {

constexpr std::array<int, 4> kChannelsLast = {0, 2, 3, 1};  // of [N, C, H, W]
constexpr std::array<int, 4> kFiltersLast = {2, 3, 1, 0};   // of [K, C, R, S]

bool Dense(const View& v, int dim) { return v.sizes[dim] == 1 || v.strides[dim] == 1; }

// {d0, d1, ...} of the kernel are these dims of the view.
absl::StatusOr<hal::KernelTensor> Tensor(const View& v, absl::Span<const int> dims) {
  hal::KernelTensor t;
  t.dtype = v.dtype;
  for (size_t i = 0; i < dims.size(); ++i) {
    const int64_t size = v.sizes[dims[i]], stride = v.strides[dims[i]];
    if (size > UINT32_MAX || stride > UINT32_MAX) {
      return absl::OutOfRangeError("an image is too large for a kernel");
    }
    t.sizes[i] = static_cast<uint32_t>(size);
    t.strides[i] = i == 0 ? 1 : static_cast<uint32_t>(stride);
  }
  return t;
}

constexpr std::array<int, 4> kImage = {1, 3, 2, 0};  // {C, W, H, N}
constexpr std::array<int, 3> kFilter = {0, 3, 2};    // {K, S, R}

}  // namespace

absl::Status Emitter::Pool(const Work& work, const PoolWork& pool) {
  Work dense = work;
  if (!Dense(dense.inputs[0], 1)) {
    ASSIGN_OR_RETURN(dense.inputs[0], Materialised(work, dense.inputs[0], kChannelsLast));
  }
  for (View& v : dense.outputs) {
    if (!Dense(v, 1)) v = NewTemp(v, kChannelsLast);
  }
  ASSIGN_OR_RETURN(const hal::KernelTensor x, Tensor(dense.inputs[0], kImage));
  std::vector<hal::KernelTensor> outputs;
  TpcStep tpc;
  absl::InlinedVector<Access, 4> accesses;
  tpc.addresses.push_back(AddressOf(dense.inputs[0]));
  accesses.push_back({dense.inputs[0], false});
  for (const View& v : dense.outputs) {
    ASSIGN_OR_RETURN(const hal::KernelTensor y, Tensor(v, kImage));
    outputs.push_back(y);
    tpc.addresses.push_back(AddressOf(v));
    accesses.push_back({v, true});
  }
  ASSIGN_OR_RETURN(tpc.launch, hal::MakePool2d(pool.params, x, outputs));
  PlanStep step;
  step.work = std::move(tpc);
  AddStep(work, std::move(step), std::move(accesses));
  for (size_t i = 0; i < work.outputs.size(); ++i) {
    if (!(dense.outputs[i] == work.outputs[i])) {
      RETURN_IF_ERROR(CopyView(work, dense.outputs[i], work.outputs[i]));
    }
  }
  return absl::OkStatus();
}

absl::Status Emitter::Depthwise(const Work& work, const DepthwiseWork& depthwise) {
  View x = work.inputs[0], weight = work.inputs[1], y = work.outputs[0];
  if (!Dense(x, 1)) {
    ASSIGN_OR_RETURN(x, Materialised(work, x, kChannelsLast));
  }
  if (!Dense(weight, 0)) {
    ASSIGN_OR_RETURN(weight, Materialised(work, weight, kFiltersLast));
  }
  if (!Dense(y, 1)) y = NewTemp(y, kChannelsLast);
  ASSIGN_OR_RETURN(const hal::KernelTensor tx, Tensor(x, kImage));
  ASSIGN_OR_RETURN(const hal::KernelTensor tw, Tensor(weight, kFilter));
  ASSIGN_OR_RETURN(const hal::KernelTensor ty, Tensor(y, kImage));
  TpcStep tpc;
  ASSIGN_OR_RETURN(tpc.launch, hal::MakeDepthwise(depthwise.params, tx, tw, ty));
  tpc.addresses = {AddressOf(x), AddressOf(weight), AddressOf(y)};
  absl::InlinedVector<Access, 4> accesses;
  accesses.push_back({x, false});
  accesses.push_back({weight, false});
  accesses.push_back({y, true});
  PlanStep step;
  step.work = std::move(tpc);
  AddStep(work, std::move(step), std::move(accesses));
  return y == work.outputs[0] ? absl::OkStatus() : CopyView(work, y, work.outputs[0]);
}

absl::Status Emitter::Convolution(const Work& work, const ConvolutionWork& convolution) {
  View x = work.inputs[0], weight = work.inputs[1], y = work.outputs[0];
  const int64_t groups = convolution.groups;
  // A dim of one group's size 1 needs no dense stride of its own.
  const int64_t channels = x.sizes[1] / groups, filters = y.sizes[1] / groups;
  const auto dense = [](const View& v, int dim, int64_t size) {
    return size == 1 || v.strides[dim] == 1;
  };
  if (!dense(x, 1, channels)) {
    ASSIGN_OR_RETURN(x, Materialised(work, x, kChannelsLast));
  }
  if (!dense(weight, 0, filters)) {
    ASSIGN_OR_RETURN(weight, Materialised(work, weight, kFiltersLast));
  }
  if (!dense(y, 1, filters)) y = NewTemp(y, kChannelsLast);
  for (const View* v : {&x, &weight, &y}) {
    if (*std::max_element(v->sizes.begin(), v->sizes.end()) > INT32_MAX) {
      return absl::OutOfRangeError("an image dim of more than 31 bits");
    }
  }
  for (int64_t g = 0; g < groups; ++g) {
    const View gx = Slice(x, 1, g * channels, channels),
               gw = Slice(weight, 0, g * filters, filters), gy = Slice(y, 1, g * filters, filters);
    hal::MmeConvolution c;
    c.x = AddressOf(gx);
    c.w = AddressOf(gw);
    c.y = AddressOf(gy);
    c.in = gx.dtype;
    c.out = gy.dtype;
    c.batch = static_cast<uint32_t>(gx.sizes[0]);
    c.height = static_cast<uint32_t>(gx.sizes[2]);
    c.width = static_cast<uint32_t>(gx.sizes[3]);
    c.channels = static_cast<uint32_t>(channels);
    c.out_height = static_cast<uint32_t>(gy.sizes[2]);
    c.out_width = static_cast<uint32_t>(gy.sizes[3]);
    c.filters = static_cast<uint32_t>(filters);
    c.kernel_h = static_cast<uint32_t>(gw.sizes[2]);
    c.kernel_w = static_cast<uint32_t>(gw.sizes[3]);
    c.stride_h = static_cast<uint32_t>(convolution.stride[0]);
    c.stride_w = static_cast<uint32_t>(convolution.stride[1]);
    c.pad_h = static_cast<uint32_t>(convolution.padding[0]);
    c.pad_w = static_cast<uint32_t>(convolution.padding[1]);
    c.dilation_h = static_cast<uint32_t>(convolution.dilation[0]);
    c.dilation_w = static_cast<uint32_t>(convolution.dilation[1]);
    const auto stride = [](const View& v, int dim) {
      return static_cast<uint64_t>(v.strides[dim]);
    };
    c.x_strides = {stride(gx, 0), stride(gx, 2), stride(gx, 3)};
    c.w_strides = {stride(gw, 2), stride(gw, 3), stride(gw, 1)};
    c.y_strides = {stride(gy, 0), stride(gy, 2), stride(gy, 3)};
    PlanStep step;
    step.work = c;
    absl::InlinedVector<Access, 4> accesses;
    accesses.push_back({gx, false});
    accesses.push_back({gw, false});
    accesses.push_back({gy, true});
    AddStep(work, std::move(step), std::move(accesses));
  }
  return y == work.outputs[0] ? absl::OkStatus() : CopyView(work, y, work.outputs[0]);
}

}  // namespace openhpu::graph
