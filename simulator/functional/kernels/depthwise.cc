// openhpu.depthwise over {C, W, H, N}: output channels lie across the lanes; each output sums its
// taps in fp32 in order r, s (h, then w) and is rounded once.
#include <algorithm>
#include <vector>

#include "hal/base/dtype.h"
#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/contract_kernel.h"
#include "simulator/functional/kernels/row_loops.h"
#include "simulator/functional/kernels/tile_loops.h"
#include "simulator/functional/kernels/units.h"
#include "simulator/functional/vector_math.h"

namespace openhpu::simulator {
namespace {

using hal::DepthwiseParams;
using hal::KernelTensor;

struct Job {
  const DepthwiseParams& params;
  const KernelTensor &x, &weight, &y;
  ElementBox in_box, out_box;
  const std::byte* x_base;  // null when all taps lie in the padding
  std::byte* y_base;
  std::vector<float> weights;  // [r][s][k], k in the box
};

class Worker {
 public:
  explicit Worker(const Job& job)
      : job_(job), result_(job.out_box.size[0]), x_rows_(Taps()), weight_rows_(Taps()) {
    // f32 with one output a channel is used in place.
    in_place_ = job.x.dtype == DType::kFloat32 && job.params.multiplier == 1;
    if (!in_place_) {
      converted_.resize(size_t{job.weight.sizes[2]} * job.in_box.size[1] * result_.size());
    }
  }

  // One row of outputs; `h` and `n` count in the box.
  void Run(uint32_t h, uint32_t n) {
    const DepthwiseParams& p = job_.params;
    const size_t lanes = result_.size();
    const int64_t first_row = int64_t{job_.out_box.begin[2] + h} * p.stride[1] - p.padding[1];
    if (!in_place_) Convert(first_row, n);
    for (uint32_t w = 0; w < job_.out_box.size[1]; ++w) {
      const int64_t first_column = int64_t{job_.out_box.begin[1] + w} * p.stride[0] - p.padding[0];
      size_t taps = 0;
      for (uint32_t r = 0; r < job_.weight.sizes[2]; ++r) {
        const int64_t row = first_row + int64_t{r} * p.dilation[1];
        if (row < 0 || row >= job_.x.sizes[2]) continue;
        for (uint32_t s = 0; s < job_.weight.sizes[1]; ++s) {
          const int64_t column = first_column + int64_t{s} * p.dilation[0];
          if (column < 0 || column >= job_.x.sizes[1]) continue;
          x_rows_[taps] = Row(r, row, column, n);
          weight_rows_[taps] = job_.weights.data() + (size_t{r} * job_.weight.sizes[1] + s) * lanes;
          ++taps;
        }
      }
      MultiplyTaps(x_rows_.data(), weight_rows_.data(), taps, result_.data(), lanes);
      const KernelTensor& y = job_.y;
      std::byte* to = job_.y_base + (int64_t{w} * y.strides[1] + int64_t{h} * y.strides[2] +
                                     int64_t{n} * y.strides[3]) *
                                        StorageBytes(y.dtype);
      if (y.dtype == DType::kBFloat16) {
        NarrowToBFloat16(result_.data(), reinterpret_cast<uint16_t*>(to), lanes);
      } else {
        StoreTile(y.dtype, result_.data(), to, {lanes, 1});
      }
    }
  }

 private:
  size_t Taps() const { return size_t{job_.weight.sizes[1]} * job_.weight.sizes[2]; }

  int64_t Offset(int64_t row, int64_t column, uint32_t n) const {
    const KernelTensor& x = job_.x;
    return (column - job_.in_box.begin[1]) * x.strides[1] +
           (row - job_.in_box.begin[2]) * x.strides[2] + int64_t{n} * x.strides[3];
  }

  const float* Row(uint32_t r, int64_t row, int64_t column, uint32_t n) const {
    if (in_place_) return reinterpret_cast<const float*>(job_.x_base) + Offset(row, column, n);
    return converted_.data() +
           (size_t{r} * job_.in_box.size[1] + static_cast<size_t>(column - job_.in_box.begin[1])) *
               result_.size();
  }

  // The input rows of one row of outputs as fp32, an input channel repeated for each of its
  // outputs.
  void Convert(int64_t first_row, uint32_t n) {
    const size_t lanes = result_.size();
    const auto multiplier = static_cast<uint32_t>(job_.params.multiplier);
    const size_t channels = job_.in_box.size[0];
    channels_.resize(channels);
    for (uint32_t r = 0; r < job_.weight.sizes[2]; ++r) {
      const int64_t row = first_row + int64_t{r} * job_.params.dilation[1];
      if (row < 0 || row >= job_.x.sizes[2]) continue;
      for (uint32_t c = 0; c < job_.in_box.size[1]; ++c) {
        const std::byte* from = job_.x_base + Offset(row, int64_t{job_.in_box.begin[1]} + c, n) *
                                                  StorageBytes(job_.x.dtype);
        float* to = converted_.data() + (size_t{r} * job_.in_box.size[1] + c) * lanes;
        if (multiplier == 1) {
          LoadTile(job_.x.dtype, from, {lanes, 1}, to);
          continue;
        }
        LoadTile(job_.x.dtype, from, {channels, 1}, channels_.data());
        for (size_t k = 0; k < lanes; ++k) {
          to[k] = channels_[(job_.out_box.begin[0] + k) / multiplier - job_.in_box.begin[0]];
        }
      }
    }
  }

  const Job& job_;
  bool in_place_ = false;
  std::vector<float> result_;
  std::vector<const float*> x_rows_, weight_rows_;
  std::vector<float> converted_;  // [r][column of in_box][k]
  std::vector<float> channels_;
};

class DepthwiseKernel : public ContractKernel<DepthwiseKernel> {
 public:
  static absl::StatusOr<DepthwiseParams> Read(absl::Span<const uint32_t> scalars) {
    return hal::ReadDepthwise(scalars);
  }
  static absl::StatusOr<hal::TpcDims> Space(const DepthwiseParams& params, hal::KernelTensors t) {
    return hal::DepthwiseIndexSpace(params, t);
  }

  std::vector<AccessBox> Footprint(const BoundLaunch& launch,
                                   const hal::IndexBox& box) const override {
    const ElementBox out = ToElements(box, launch.tensors[2].sizes);
    return {TensorAccess(launch.tensors[0], launch.addresses[0], InputBox(launch, out), false),
            TensorAccess(launch.tensors[1], launch.addresses[1], WeightBox(launch, out), false),
            TensorAccess(launch.tensors[2], launch.addresses[2], out, true)};
  }

  KernelCost Cost(const BoundLaunch& launch, const hal::IndexBox& box) const override {
    const ElementBox out = ToElements(box, launch.tensors[2].sizes);
    KernelCost cost;
    if (out.Count() == 0) return cost;
    const uint64_t vectors = BoxVectors(launch.tensors[2], out);
    const uint64_t taps = uint64_t{launch.tensors[1].sizes[1]} * launch.tensors[1].sizes[2];
    // Weights stay in local memory; an input vector is loaded for each tap.
    cost.vector_accesses =
        vectors * (taps + 1) + BoxVectors(launch.tensors[1], WeightBox(launch, out));
    cost.bundles = vectors * (taps + 2);
    return cost;
  }

  absl::Status Run(const BoundLaunch& launch, const hal::IndexBox& box,
                   AddressSpace& memory) const override {
    const ElementBox out = ToElements(box, launch.tensors[2].sizes);
    if (out.Count() == 0) return absl::OkStatus();
    const DepthwiseParams params = Params(launch);
    const KernelTensor& weight = launch.tensors[1];
    Job job = {params,  launch.tensors[0], weight, launch.tensors[2], InputBox(launch, out), out,
               nullptr, nullptr,           {}};
    ASSIGN_OR_RETURN(job.x_base, ResolveTensor(launch, 0, job.in_box, memory));
    ASSIGN_OR_RETURN(job.y_base, ResolveTensor(launch, 2, out, memory));
    const ElementBox weights = WeightBox(launch, out);
    ASSIGN_OR_RETURN(const std::byte* from, ResolveTensor(launch, 1, weights, memory));
    const size_t lanes = out.size[0];
    job.weights.resize(static_cast<size_t>(weights.Count()));
    for (uint32_t r = 0; r < weights.size[2]; ++r) {
      LoadTile(weight.dtype, from + int64_t{r} * weight.strides[2] * StorageBytes(weight.dtype),
               {lanes, weights.size[1], 1, weight.strides[1]},
               job.weights.data() + size_t{r} * weights.size[1] * lanes);
    }
    const auto units = static_cast<int64_t>(uint64_t{out.size[2]} * out.size[3]);
    ForUnits(
        units, out.Count() * weights.size[1] > kParallelElements, [&] { return Worker(job); },
        [&](Worker& worker, int64_t unit) {
          const auto at = static_cast<uint64_t>(unit);
          worker.Run(static_cast<uint32_t>(at % out.size[2]),
                     static_cast<uint32_t>(at / out.size[2]));
        });
    return absl::OkStatus();
  }

 private:
  static ElementBox WeightBox(const BoundLaunch& launch, const ElementBox& out) {
    ElementBox box;
    box.begin[0] = out.begin[0];
    box.size[0] = out.Count() == 0 ? 0 : out.size[0];
    box.size[1] = launch.tensors[1].sizes[1];
    box.size[2] = launch.tensors[1].sizes[2];
    return box;
  }
  // The smallest box with all taps that lie in the input.
  static ElementBox InputBox(const BoundLaunch& launch, const ElementBox& out) {
    ElementBox box = out;
    if (out.Count() == 0) return box;
    const DepthwiseParams params = Params(launch);
    const auto m = static_cast<uint32_t>(params.multiplier);
    box.begin[0] = out.begin[0] / m;
    box.size[0] = (out.begin[0] + out.size[0] - 1) / m - box.begin[0] + 1;
    for (int axis = 0; axis < 2; ++axis) {
      const int d = 1 + axis;
      const int64_t in = launch.tensors[0].sizes[d];
      const int64_t span = (int64_t{launch.tensors[1].sizes[d]} - 1) * params.dilation[axis] + 1;
      const int64_t first = int64_t{out.begin[d]} * params.stride[axis] - params.padding[axis];
      const int64_t last = first + (int64_t{out.size[d]} - 1) * params.stride[axis] + span;
      const int64_t begin = std::clamp<int64_t>(first, 0, in);
      const int64_t end = std::clamp<int64_t>(last, begin, in);
      box.begin[d] = static_cast<uint32_t>(begin < end ? begin : 0);
      box.size[d] = static_cast<uint32_t>(end - begin);
    }
    return box;
  }
};

}  // namespace

KernelOr MakeDepthwiseKernel(absl::Span<const std::byte> payload) {
  return MakeContractKernel<DepthwiseKernel>(hal::kDepthwiseGuid, payload);
}

}  // namespace openhpu::simulator
