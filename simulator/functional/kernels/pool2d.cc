// openhpu.pool2d over {C, W, H, N}: channels lie across the lanes, taps are taken in order h, w.
// Average pooling sums in that order in fp32 and divides once.
#include <algorithm>
#include <limits>
#include <memory>
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

using hal::KernelTensor;
using hal::PoolOp;
using hal::PoolParams;

constexpr size_t kLanes = 256;

// The taps of one output along one axis: begin, begin + step, ... below end; and how many there
// would be with padding.
struct Window {
  int64_t begin = 0, end = 0, step = 1, padded_count = 0;
  int64_t count() const { return end <= begin ? 0 : (end - begin + step - 1) / step; }
};
Window MakeWindow(const PoolParams& params, int axis, int64_t output, int64_t in, int64_t out) {
  Window w;
  if (params.adaptive) {
    w.begin = output * in / out;
    w.end = ((output + 1) * in + out - 1) / out;
    w.padded_count = w.end - w.begin;
    return w;
  }
  const int64_t padding = params.padding[axis];
  w.step = params.dilation[axis];
  w.begin = output * params.stride[axis] - padding;
  const int64_t end = w.begin + (int64_t{params.kernel[axis]} - 1) * w.step + 1;
  // A window of the last, incomplete stride ends with the padded input.
  w.padded_count = (std::min(end, in + padding) - w.begin + w.step - 1) / w.step;
  if (w.begin < 0) w.begin += (-w.begin + w.step - 1) / w.step * w.step;
  w.end = std::min(end, in);
  return w;
}

struct Job {
  const PoolParams& params;
  const BoundLaunch& launch;
  ElementBox out_box, in_box;
  std::byte *in, *out, *where;  // where may be null
};

class Worker {
 public:
  explicit Worker(const Job& job) : job_(job) {}

  // One row of outputs (all w of the box) for `lanes` channels from `channel`, both relative to the
  // box, as are y and n.
  void Run(size_t channel, size_t lanes, uint32_t y, uint32_t n) {
    const KernelTensor &in = job_.launch.tensors[0], &out = job_.launch.tensors[1];
    const Window h =
        MakeWindow(job_.params, 1, job_.out_box.begin[2] + int64_t{y}, in.sizes[2], out.sizes[2]);
    for (uint32_t x = 0; x < job_.out_box.size[1]; ++x) {
      const Window w =
          MakeWindow(job_.params, 0, job_.out_box.begin[1] + int64_t{x}, in.sizes[1], out.sizes[1]);
      const bool max = job_.params.op == PoolOp::kMax;
      std::fill(result_, result_ + lanes, max ? -std::numeric_limits<float>::infinity() : 0.0f);
      std::fill(where_, where_ + lanes, -1);
      for (int64_t row = h.begin; row < h.end; row += h.step) {
        for (int64_t column = w.begin; column < w.end; column += w.step) {
          const float* values = Load(channel, lanes, column, row, n);
          if (max) {
            const auto position = static_cast<int32_t>(row * in.sizes[1] + column);
            PoolLargest(values, position, result_, job_.where == nullptr ? nullptr : where_, lanes);
          } else {
            AddRow(values, result_, lanes);
          }
        }
      }
      if (!max) DivideByScalar(result_, Divisor(w, h), result_, lanes);
      Store(1, job_.out, result_, channel, lanes, x, y, n);
      if (job_.where != nullptr) Store(2, job_.where, where_, channel, lanes, x, y, n);
    }
  }

 private:
  float Divisor(const Window& w, const Window& h) const {
    if (job_.params.divisor != 0) return static_cast<float>(job_.params.divisor);
    if (job_.params.count_include_pad) return static_cast<float>(w.padded_count * h.padded_count);
    return static_cast<float>(w.count() * h.count());
  }

  const float* Load(size_t channel, size_t lanes, int64_t column, int64_t row, uint32_t n) {
    const KernelTensor& t = job_.launch.tensors[0];
    const int64_t offset = static_cast<int64_t>(channel) +
                           (column - job_.in_box.begin[1]) * t.strides[1] +
                           (row - job_.in_box.begin[2]) * t.strides[2] + int64_t{n} * t.strides[3];
    const std::byte* from = job_.in + offset * StorageBytes(t.dtype);
    if (t.dtype == DType::kFloat32) return reinterpret_cast<const float*>(from);
    LoadTile(t.dtype, from, {lanes, 1}, values_);
    return values_;
  }

  void Store(size_t tensor, std::byte* base, const void* values, size_t channel, size_t lanes,
             uint32_t x, uint32_t y, uint32_t n) const {
    const KernelTensor& t = job_.launch.tensors[tensor];
    const int64_t offset = static_cast<int64_t>(channel) + int64_t{x} * t.strides[1] +
                           int64_t{y} * t.strides[2] + int64_t{n} * t.strides[3];
    std::byte* to = base + offset * StorageBytes(t.dtype);
    if (t.dtype == DType::kBFloat16) {
      NarrowToBFloat16(static_cast<const float*>(values), reinterpret_cast<uint16_t*>(to), lanes);
    } else {
      StoreTile(t.dtype, values, to, {lanes, 1});
    }
  }

  const Job& job_;
  alignas(64) float result_[kLanes], values_[kLanes];
  alignas(64) int32_t where_[kLanes];
};

class Pool2dKernel : public ContractKernel<Pool2dKernel> {
 public:
  static absl::StatusOr<PoolParams> Read(absl::Span<const uint32_t> scalars) {
    return hal::ReadPool2d(scalars);
  }
  static absl::StatusOr<hal::TpcDims> Space(const PoolParams& params, hal::KernelTensors t) {
    return hal::Pool2dIndexSpace(params, t);
  }

  std::vector<AccessBox> Footprint(const BoundLaunch& launch,
                                   const hal::IndexBox& box) const override {
    const ElementBox out = ToElements(box, launch.tensors[1].sizes);
    std::vector<AccessBox> accesses = {
        TensorAccess(launch.tensors[0], launch.addresses[0], InputBox(launch, out), false)};
    for (size_t i = 1; i < launch.tensors.size(); ++i) {
      accesses.push_back(TensorAccess(launch.tensors[i], launch.addresses[i], out, true));
    }
    return accesses;
  }

  KernelCost Cost(const BoundLaunch& launch, const hal::IndexBox& box) const override {
    const ElementBox out = ToElements(box, launch.tensors[1].sizes);
    KernelCost cost;
    if (out.Count() == 0) return cost;
    const PoolParams params = Params(launch);
    // Taps with their padding, which a card steps over with predicated loads.
    uint64_t taps = 1;
    for (int axis = 0; axis < 2; ++axis) {
      const uint64_t in = launch.tensors[0].sizes[1 + axis],
                     made = launch.tensors[1].sizes[1 + axis];
      taps *= params.adaptive ? (in + made - 1) / made : static_cast<uint64_t>(params.kernel[axis]);
    }
    const uint64_t vectors = BoxVectors(launch.tensors[0], out);
    cost.vector_accesses = vectors * taps;
    for (size_t i = 1; i < launch.tensors.size(); ++i) {
      cost.vector_accesses += BoxVectors(launch.tensors[i], out);
    }
    cost.bundles = vectors * (taps * (launch.tensors.size() == 3 ? 3 : 1) + 2);
    return cost;
  }

  absl::Status Run(const BoundLaunch& launch, const hal::IndexBox& box,
                   AddressSpace& memory) const override {
    const PoolParams params = Params(launch);
    Job job = {params,  launch, ToElements(box, launch.tensors[1].sizes), {}, nullptr,
               nullptr, nullptr};
    if (job.out_box.Count() == 0) return absl::OkStatus();
    job.in_box = InputBox(launch, job.out_box);
    ASSIGN_OR_RETURN(job.in, ResolveTensor(launch, 0, job.in_box, memory));
    ASSIGN_OR_RETURN(job.out, ResolveTensor(launch, 1, job.out_box, memory));
    if (launch.tensors.size() == 3) {
      ASSIGN_OR_RETURN(job.where, ResolveTensor(launch, 2, job.out_box, memory));
    }
    const uint64_t channels = job.out_box.size[0], chunks = (channels + kLanes - 1) / kLanes;
    const uint64_t rows = job.out_box.size[2];
    const auto units = static_cast<int64_t>(chunks * rows * job.out_box.size[3]);
    ForUnits(
        units, job.in_box.Count() > kParallelElements,
        [&] { return std::make_unique<Worker>(job); },
        [&](const std::unique_ptr<Worker>& worker, int64_t unit) {
          const auto at = static_cast<uint64_t>(unit);
          const uint64_t channel = at % chunks * kLanes;
          worker->Run(channel, std::min<uint64_t>(kLanes, channels - channel),
                      static_cast<uint32_t>(at / chunks % rows),
                      static_cast<uint32_t>(at / chunks / rows));
        });
    return absl::OkStatus();
  }

 private:
  // The smallest box with all taps; empty when all lie in the padding.
  static ElementBox InputBox(const BoundLaunch& launch, const ElementBox& out) {
    ElementBox box = out;
    if (out.Count() == 0) return box;
    const PoolParams params = Params(launch);
    for (int axis = 0; axis < 2; ++axis) {
      const int d = 1 + axis;
      const int64_t in = launch.tensors[0].sizes[d], made = launch.tensors[1].sizes[d];
      int64_t begin = in, end = 0;
      for (uint32_t o = 0; o < out.size[d]; ++o) {
        const Window w = MakeWindow(params, axis, int64_t{out.begin[d]} + o, in, made);
        if (w.count() == 0) continue;
        begin = std::min(begin, w.begin);
        end = std::max(end, w.begin + (w.count() - 1) * w.step + 1);
      }
      box.begin[d] = static_cast<uint32_t>(begin < end ? begin : 0);
      box.size[d] = static_cast<uint32_t>(begin < end ? end - begin : 0);
    }
    return box;
  }
};

}  // namespace

KernelOr MakePool2dKernel(absl::Span<const std::byte> payload) {
  return MakeContractKernel<Pool2dKernel>(hal::kPool2dGuid, payload);
}

}  // namespace openhpu::simulator
