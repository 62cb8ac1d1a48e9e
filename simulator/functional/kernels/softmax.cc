// openhpu.softmax: y = exp(x - max) / sum(exp(x - max)), or its logarithm (x - max) -
// log(sum(...)). In fp32, rounded once; the sum in the order of reduce_loops.h. Rows along dim 0
// are handled one by one, other dims with dim 0 across the lanes.
#include <algorithm>
#include <memory>
#include <vector>

#include "hal/base/dtype.h"
#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/contract_kernel.h"
#include "simulator/functional/kernels/reduce_loops.h"
#include "simulator/functional/kernels/row_loops.h"
#include "simulator/functional/kernels/tile_loops.h"
#include "simulator/functional/kernels/units.h"
#include "simulator/functional/kernels/walk.h"
#include "simulator/functional/vector_math.h"

namespace openhpu::simulator {
namespace {

using hal::KernelTensor;
using hal::SoftmaxParams;

constexpr size_t kLanes = 64;

// One thread's work: tiles of `lanes` softmaxes over n values each, value k of lane i at x[i + k *
// lanes].
class Worker {
 public:
  Worker(size_t n, size_t lanes, bool log) : n_(n), log_(log), values_(n * lanes), exps_(n) {}

  float* values() { return values_.data(); }

  // `x` may be values(); the result is in values().
  void AlongRun(const float* x) {
    float* y = values_.data();
    SubtractScalar(x, LargestOf(x, n_), y, n_);
    if (!log_) {
      Exp(y, y, n_);
      DivideByScalar(y, SumRun(y, n_), y, n_);
      return;
    }
    Exp(y, exps_.data(), n_);
    float sum = SumRun(exps_.data(), n_);
    Log(&sum, &sum, 1);
    SubtractScalar(y, sum, y, n_);
  }

  // On values(), `lanes` at most those of the constructor.
  void AcrossLanes(size_t lanes) {
    float* y = values_.data();
    float row[kLanes], partials[kPartials * kLanes];
    std::fill(row, row + lanes, LargestOf(nullptr, 0));
    for (size_t k = 0; k < n_; ++k) TakeLargest(y + k * lanes, row, lanes);
    InitPartials(Accumulation::kSum, partials, nullptr, kPartials * lanes);
    for (size_t k = 0; k < n_; ++k) {
      float* x = y + k * lanes;
      float exps[kLanes];
      SubtractRow(x, row, x, lanes);
      float* e = log_ ? exps : x;
      Exp(x, e, lanes);
      AccumulateRow(Accumulation::kSum, e, lanes, static_cast<uint32_t>(k), nullptr,
                    partials + k % kPartials * lanes, nullptr);
    }
    FoldRows(Accumulation::kSum, partials, nullptr, lanes);
    if (log_) Log(partials, partials, lanes);
    for (size_t k = 0; k < n_; ++k) {
      float* x = y + k * lanes;
      if (log_) {
        SubtractRow(x, partials, x, lanes);
      } else {
        DivideByRow(x, partials, x, lanes);
      }
    }
  }

 private:
  const size_t n_;
  const bool log_;
  std::vector<float> values_, exps_;
};

class SoftmaxKernel : public ContractKernel<SoftmaxKernel> {
 public:
  static absl::StatusOr<SoftmaxParams> Read(absl::Span<const uint32_t> scalars) {
    return hal::ReadSoftmax(scalars);
  }
  static absl::StatusOr<hal::TpcDims> Space(const SoftmaxParams& params, hal::KernelTensors t) {
    return hal::SoftmaxIndexSpace(params, t);
  }

  std::vector<AccessBox> Footprint(const BoundLaunch& launch,
                                   const hal::IndexBox& box) const override {
    const ElementBox elements = Elements(launch, box);
    return {TensorAccess(launch.tensors[0], launch.addresses[0], elements, false),
            TensorAccess(launch.tensors[1], launch.addresses[1], elements, true)};
  }

  KernelCost Cost(const BoundLaunch& launch, const hal::IndexBox& box) const override {
    const ElementBox elements = Elements(launch, box);
    KernelCost cost;
    if (elements.Count() == 0) return cost;
    const SoftmaxParams params = Params(launch);
    const uint64_t n = elements.size[params.dim];
    const uint64_t in = BoxVectors(launch.tensors[0], elements);
    // Rows that fit the local memory (80 KiB, shared by values of one or 64 softmaxes) are read
    // once, others in each of three passes.
    const uint64_t resident = n * (params.dim == 0 ? 1 : kLanes) * 4;
    cost.vector_accesses =
        in * (resident <= 65536 ? 1 : 3) + BoxVectors(launch.tensors[1], elements);
    // Largest, difference, exponential, sum, scale: in fp32 whatever is stored.
    const uint64_t vectors = Rows(elements) * RowVectors(elements.size[0], DType::kFloat32);
    cost.bundles = vectors * (4 + kTranscendentalBundles);
    const uint64_t per_result = kDivideBundles + (params.log ? kTranscendentalBundles : 0);
    // Along dim 0 largest and sum are folded across the lanes, 12 bundles each.
    cost.bundles += params.dim == 0 ? Rows(elements) * (24 + per_result)
                                    : vectors / std::max<uint64_t>(n, 1) * per_result;
    return cost;
  }

  absl::Status Run(const BoundLaunch& launch, const hal::IndexBox& box,
                   AddressSpace& memory) const override {
    const ElementBox elements = Elements(launch, box);
    if (elements.Count() == 0) return absl::OkStatus();
    const KernelTensor &in = launch.tensors[0], &out = launch.tensors[1];
    ASSIGN_OR_RETURN(const std::byte* in_base, ResolveTensor(launch, 0, elements, memory));
    ASSIGN_OR_RETURN(std::byte * out_base, ResolveTensor(launch, 1, elements, memory));
    const SoftmaxParams params = Params(launch);
    const int dim = params.dim;
    const size_t n = elements.size[dim];
    const bool across = dim != 0 && elements.size[0] > 1;
    const Walk outer(elements.size, static_cast<uint8_t>(0x1F & ~(1 << dim) & ~(across ? 1 : 0)),
                     {&in, &out});
    const uint64_t lanes = across ? elements.size[0] : 1;
    const uint64_t chunks = (lanes + kLanes - 1) / kLanes;
    const auto units = static_cast<int64_t>(outer.count() * chunks);
    const int64_t in_bytes = StorageBytes(in.dtype), out_bytes = StorageBytes(out.dtype);
    const auto in_stride = static_cast<int64_t>(in.strides[dim]);
    const auto out_stride = static_cast<int64_t>(out.strides[dim]);
    ForUnits(
        units, elements.Count() > kParallelElements,
        [&] { return Worker(n, across ? kLanes : 1, params.log); },
        [&](Worker& worker, int64_t unit) {
          const Walk::Offsets offsets = outer.At(static_cast<uint64_t>(unit) / chunks);
          const uint64_t first = static_cast<uint64_t>(unit) % chunks * kLanes;
          const std::byte* from = in_base + (offsets[0] + static_cast<int64_t>(first)) * in_bytes;
          std::byte* to = out_base + (offsets[1] + static_cast<int64_t>(first)) * out_bytes;
          float* values = worker.values();
          TileShape shape;
          if (across) {
            shape = {static_cast<size_t>(std::min<uint64_t>(kLanes, lanes - first)), n, 1,
                     in_stride};
            LoadTile(in.dtype, from, shape, values);
            worker.AcrossLanes(shape.columns);
            shape.row_stride = out_stride;
          } else {
            shape = {n, 1, n == 1 ? 1 : in_stride, 0};
            const float* x = values;
            if (in.dtype == DType::kFloat32 && shape.column_stride == 1) {
              x = reinterpret_cast<const float*>(from);
            } else {
              LoadTile(in.dtype, from, shape, values);
            }
            worker.AlongRun(x);
            shape.column_stride = n == 1 ? 1 : out_stride;
          }
          if (out.dtype == DType::kBFloat16) {
            RoundToBFloat16(values, values, shape.columns * shape.rows);
          }
          StoreTile(out.dtype, values, to, shape);
        });
    return absl::OkStatus();
  }

 private:
  static ElementBox Elements(const BoundLaunch& launch, const hal::IndexBox& box) {
    const SoftmaxParams params = Params(launch);
    const hal::TpcDims& sizes = launch.tensors[1].sizes;
    hal::TpcDims positions = sizes;
    if (positions[params.dim] > 1) positions[params.dim] = 1;
    return Widen(ToElements(box, positions), static_cast<uint8_t>(1 << params.dim), sizes);
  }
};

}  // namespace

KernelOr MakeSoftmaxKernel(absl::Span<const std::byte> payload) {
  return MakeContractKernel<SoftmaxKernel>(hal::kSoftmaxGuid, payload);
}

}  // namespace openhpu::simulator
