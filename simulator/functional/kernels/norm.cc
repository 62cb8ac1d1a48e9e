// openhpu.norm: y = (x - mean) * rstd [* weight] [+ bias] with mean = sum(x) / n, rstd = 1 /
// sqrt(sum((x - mean)^2) / n + epsilon). In fp32, rounded once; sums in the order of
// reduce_loops.h. Dim 0 lies across the lanes when it is kept, along a run when it is normalised
// over.
#include <algorithm>
#include <cmath>
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
using hal::NormParams;

constexpr size_t kLanes = 256;
constexpr size_t kPiece = 1024;

// The tensors by role. Absent weight and bias stand in as x with a null base.
struct Roles {
  enum Role : size_t { kX, kWeight, kBias, kY, kMean, kRstd };
  const KernelTensor* tensor[6];
  size_t index[6];
  std::byte* base[6] = {};
};
Roles MakeRoles(const NormParams& params, const BoundLaunch& launch) {
  Roles roles;
  size_t next = 0;
  for (size_t role = 0; role < 6; ++role) {
    const bool absent = (role == Roles::kWeight && !params.has_weight) ||
                        (role == Roles::kBias && !params.has_bias);
    roles.index[role] = absent ? 0 : next++;
    roles.tensor[role] = &launch.tensors[roles.index[role]];
  }
  return roles;
}

void Store(DType dtype, float* values, std::byte* to, const TileShape& shape) {
  if (dtype == DType::kBFloat16) {
    RoundToBFloat16(values, values, shape.columns * shape.rows);
  }
  StoreTile(dtype, values, to, shape);
}

class Worker {
 public:
  Worker(const NormParams& params, const Roles& roles, const Walk& normalised)
      : params_(params), roles_(roles), walk_(normalised) {}

  void AlongRun(const Walk::Offsets& offsets) {
    const auto n = static_cast<size_t>(walk_.count());
    const float* x = GatherRun(offsets[Roles::kX], n);
    const float mean = SumRun(x, n) / static_cast<float>(n);
    const float variance = SumSquaresRun(x, n, mean) / static_cast<float>(n);
    float rstd = variance + params_.epsilon;
    Rsqrt(&rstd, &rstd, 1);
    for (uint64_t run = 0; run < walk_.runs(); ++run) {
      const Walk::Offsets inner = walk_.At(run * walk_.run());
      for (uint64_t at = 0; at < walk_.run(); at += kPiece) {
        const auto count = static_cast<size_t>(std::min<uint64_t>(kPiece, walk_.run() - at));
        const float* w = Operand(Roles::kWeight, offsets, inner, at, count, weight_);
        const float* b = Operand(Roles::kBias, offsets, inner, at, count, bias_);
        NormalizeRun(x + run * walk_.run() + at, mean, rstd, w, b, y_, count);
        const int64_t stride = walk_.run_stride(Roles::kY);
        Store(roles_.tensor[Roles::kY]->dtype, y_,
              At(Roles::kY,
                 offsets[Roles::kY] + inner[Roles::kY] + static_cast<int64_t>(at) * stride),
              {count, 1, stride, 0});
      }
    }
    float m = mean;
    Store(roles_.tensor[Roles::kMean]->dtype, &m, At(Roles::kMean, offsets[Roles::kMean]), {1, 1});
    Store(roles_.tensor[Roles::kRstd]->dtype, &rstd, At(Roles::kRstd, offsets[Roles::kRstd]),
          {1, 1});
  }

  // `lanes` neighbours along dim 0.
  void AcrossLanes(const Walk::Offsets& offsets, size_t lanes) {
    const float n = static_cast<float>(walk_.count());
    float mean[kLanes], rstd[kLanes];
    RowPass(offsets, lanes, Accumulation::kSum, nullptr);
    for (size_t i = 0; i < lanes; ++i) mean[i] = partials_[i] / n;
    RowPass(offsets, lanes, Accumulation::kSquares, mean);
    for (size_t i = 0; i < lanes; ++i) rstd[i] = partials_[i] / n + params_.epsilon;
    Rsqrt(rstd, rstd, lanes);
    for (uint64_t i = 0; i < walk_.count(); ++i) {
      const Walk::Offsets inner = walk_.At(i);
      const float* x = Row(Roles::kX, offsets, inner, lanes, x_);
      const float* w = Row(Roles::kWeight, offsets, inner, lanes, weight_);
      const float* b = Row(Roles::kBias, offsets, inner, lanes, bias_);
      NormalizeRow(x, mean, rstd, w, b, y_, lanes);
      Store(roles_.tensor[Roles::kY]->dtype, y_,
            At(Roles::kY, offsets[Roles::kY] + inner[Roles::kY]), {lanes, 1});
    }
    Store(roles_.tensor[Roles::kMean]->dtype, mean, At(Roles::kMean, offsets[Roles::kMean]),
          {lanes, 1});
    Store(roles_.tensor[Roles::kRstd]->dtype, rstd, At(Roles::kRstd, offsets[Roles::kRstd]),
          {lanes, 1});
  }

 private:
  std::byte* At(size_t role, int64_t offset) const {
    return roles_.base[role] + offset * StorageBytes(roles_.tensor[role]->dtype);
  }

  // n values of an operand as fp32, in place if they lie so.
  const float* Load(size_t role, int64_t offset, size_t n, int64_t stride, float* buffer) const {
    const std::byte* from = At(role, offset);
    if (roles_.tensor[role]->dtype == DType::kFloat32 && stride == 1) {
      return reinterpret_cast<const float*>(from);
    }
    LoadTile(roles_.tensor[role]->dtype, from, {n, 1, stride, 0}, buffer);
    return buffer;
  }
  const float* Operand(size_t role, const Walk::Offsets& offsets, const Walk::Offsets& inner,
                       uint64_t at, size_t n, float* buffer) const {
    if (roles_.base[role] == nullptr) return nullptr;
    const int64_t stride = walk_.run_stride(role);
    return Load(role, offsets[role] + inner[role] + static_cast<int64_t>(at) * stride, n, stride,
                buffer);
  }
  const float* Row(size_t role, const Walk::Offsets& offsets, const Walk::Offsets& inner,
                   size_t lanes, float* buffer) const {
    if (roles_.base[role] == nullptr) return nullptr;
    const int64_t stride = roles_.tensor[role]->sizes[0] == 1 ? 0 : 1;
    return Load(role, offsets[role] + inner[role], lanes, stride, buffer);
  }

  // All values that are normalised together.
  const float* GatherRun(int64_t offset, size_t n) {
    const int64_t stride = walk_.run_stride(Roles::kX);
    const KernelTensor& x = *roles_.tensor[Roles::kX];
    if (walk_.runs() == 1 && x.dtype == DType::kFloat32 && stride == 1) {
      return reinterpret_cast<const float*>(At(Roles::kX, offset));
    }
    gathered_.resize(n);
    const auto run = static_cast<size_t>(walk_.run());
    for (uint64_t r = 0; r < walk_.runs(); ++r) {
      LoadTile(x.dtype, At(Roles::kX, offset + walk_.At(r * run)[Roles::kX]), {run, 1, stride, 0},
               gathered_.data() + r * run);
    }
    return gathered_.data();
  }

  // The sums of all lanes, in partials_.
  void RowPass(const Walk::Offsets& offsets, size_t lanes, Accumulation accumulation,
               const float* mean) {
    InitPartials(accumulation, partials_, nullptr, kPartials * lanes);
    for (uint64_t i = 0; i < walk_.count(); ++i) {
      const float* x = Row(Roles::kX, offsets, walk_.At(i), lanes, x_);
      AccumulateRow(accumulation, x, lanes, static_cast<uint32_t>(i), mean,
                    partials_ + i % kPartials * lanes, nullptr);
    }
    FoldRows(accumulation, partials_, nullptr, lanes);
  }

  const NormParams& params_;
  const Roles& roles_;
  const Walk& walk_;  // of the dims normalised over, operands by role
  std::vector<float> gathered_;
  alignas(64) float partials_[kPartials * kLanes];
  alignas(64) float x_[kPiece], weight_[kPiece], bias_[kPiece], y_[kPiece];
};

class NormKernel : public ContractKernel<NormKernel> {
 public:
  static absl::StatusOr<NormParams> Read(absl::Span<const uint32_t> scalars) {
    return hal::ReadNorm(scalars);
  }
  static absl::StatusOr<hal::TpcDims> Space(const NormParams& params, hal::KernelTensors t) {
    return hal::NormIndexSpace(params, t);
  }

  std::vector<AccessBox> Footprint(const BoundLaunch& launch,
                                   const hal::IndexBox& box) const override {
    const NormParams params = Params(launch);
    const ElementBox results = Results(launch, box);
    const ElementBox elements = Widen(results, params.mask, launch.tensors[0].sizes);
    const size_t first_output = launch.tensors.size() - 3;
    std::vector<AccessBox> accesses;
    for (size_t i = 0; i < launch.tensors.size(); ++i) {
      const ElementBox& part = i > first_output ? results : elements;
      accesses.push_back(TensorAccess(launch.tensors[i], launch.addresses[i],
                                      Broadcast(part, launch.tensors[i]), i >= first_output));
    }
    return accesses;
  }

  KernelCost Cost(const BoundLaunch& launch, const hal::IndexBox& box) const override {
    const NormParams params = Params(launch);
    const ElementBox results = Results(launch, box);
    KernelCost cost;
    if (results.Count() == 0) return cost;
    const KernelTensor& x = launch.tensors[0];
    const ElementBox elements = Widen(results, params.mask, x.sizes);
    const bool along = (params.mask & 1) != 0;
    const uint64_t n = elements.Count() / results.Count();
    // What fits the local memory (80 KiB) is read once, else in each of three passes.
    const bool resident = n * (along ? 1 : hal::kVectorLanes) * 4 <= 65536;
    const uint64_t vectors = Rows(elements) * RowVectors(elements.size[0], DType::kFloat32);
    cost.vector_accesses = BoxVectors(x, elements) * (resident ? 2 : 4) + 2 * Rows(results);
    for (size_t i = 1; i + 3 < launch.tensors.size(); ++i) {
      cost.vector_accesses += BoxVectors(launch.tensors[i], Broadcast(elements, launch.tensors[i]));
    }
    // Sum; difference, square, sum; difference, scale; weight; bias.
    cost.bundles = vectors * (6u + params.has_weight + params.has_bias);
    cost.bundles +=
        along ? results.Count() * (24 + kDivideBundles) : Rows(results) * kDivideBundles;
    return cost;
  }

  absl::Status Run(const BoundLaunch& launch, const hal::IndexBox& box,
                   AddressSpace& memory) const override {
    const NormParams params = Params(launch);
    const ElementBox results = Results(launch, box);
    if (results.Count() == 0) return absl::OkStatus();
    Roles roles = MakeRoles(params, launch);
    const KernelTensor& x = *roles.tensor[Roles::kX];
    const ElementBox elements = Widen(results, params.mask, x.sizes);
    for (size_t role = 0; role < 6; ++role) {
      if (role != Roles::kX && roles.index[role] == 0) continue;
      const ElementBox part = Broadcast(elements, *roles.tensor[role]);
      ASSIGN_OR_RETURN(roles.base[role], ResolveTensor(launch, roles.index[role], part, memory));
    }
    const auto& t = roles.tensor;
    const bool across = (params.mask & 1) == 0 && results.size[0] > 1;
    const auto kept = static_cast<uint8_t>(0x1F & ~params.mask & ~(across ? 1 : 0));
    const Walk outer(results.size, kept, {t[0], t[1], t[2], t[3], t[4], t[5]});
    const Walk normalised(elements.size, params.mask, {t[0], t[1], t[2], t[3], t[4], t[5]});
    const uint64_t lanes = across ? results.size[0] : 1;
    const uint64_t chunks = (lanes + kLanes - 1) / kLanes;
    const auto units = static_cast<int64_t>(outer.count() * chunks);
    ForUnits(
        units, elements.Count() > kParallelElements,
        [&] { return std::make_unique<Worker>(params, roles, normalised); },
        [&](const std::unique_ptr<Worker>& worker, int64_t unit) {
          Walk::Offsets offsets = outer.At(static_cast<uint64_t>(unit) / chunks);
          if (!across) {
            worker->AlongRun(offsets);
            return;
          }
          const uint64_t first = static_cast<uint64_t>(unit) % chunks * kLanes;
          for (size_t role = 0; role < 6; ++role) {
            if (t[role]->sizes[0] != 1) offsets[role] += static_cast<int64_t>(first);
          }
          worker->AcrossLanes(offsets,
                              static_cast<size_t>(std::min<uint64_t>(kLanes, lanes - first)));
        });
    return absl::OkStatus();
  }

 private:
  static ElementBox Results(const BoundLaunch& launch, const hal::IndexBox& box) {
    return ToElements(box, launch.tensors.back().sizes);
  }
};

}  // namespace

KernelOr MakeNormKernel(absl::Span<const std::byte> payload) {
  return MakeContractKernel<NormKernel>(hal::kNormGuid, payload);
}

}  // namespace openhpu::simulator
