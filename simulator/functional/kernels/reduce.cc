// openhpu.reduce. Results lie across the lanes when a kept dim is dense (reductions of outer dims:
// one vector operation takes in an element of each), along a run otherwise. The order of additions
// is that of reduce_loops.h either way.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "hal/base/dtype.h"
#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/contract_kernel.h"
#include "simulator/functional/kernels/reduce_loops.h"
#include "simulator/functional/kernels/tile_loops.h"
#include "simulator/functional/kernels/units.h"
#include "simulator/functional/kernels/walk.h"
#include "simulator/functional/vector_math.h"

namespace openhpu::simulator {
namespace {

using hal::KernelTensor;
using hal::kTpcMaxDims;
using hal::ReduceOp;
using hal::ReduceParams;

constexpr size_t kLanes = 256;   // results at once
constexpr size_t kPiece = 1024;  // values of a run at once

// What an operation accumulates, and how values become what is accumulated.
struct Recipe {
  Accumulation accumulation = Accumulation::kSum;
  bool to_keys = false;
  bool truth = false;  // keys are whether a value is not 0
  bool inverted = false;
  size_t rows = kPartials;  // of partials when results lie across lanes; 1 where any order gives
                            // the same bits
};
Recipe MakeRecipe(ReduceOp op, DType in) {
  const bool is_float = IsFloat(in);
  Recipe r;
  switch (op) {
    case ReduceOp::kSum:
    case ReduceOp::kMean:
    case ReduceOp::kVar:
      r.accumulation = is_float ? Accumulation::kSum : Accumulation::kIntegerSum;
      break;
    case ReduceOp::kProd:
      r.accumulation = is_float ? Accumulation::kProduct : Accumulation::kIntegerProduct;
      break;
    case ReduceOp::kMax:
    case ReduceOp::kMin:
      r.accumulation = Accumulation::kLargest;
      r.to_keys = true;
      r.inverted = op == ReduceOp::kMin;
      break;
    case ReduceOp::kAny:
    case ReduceOp::kAll:
      r.accumulation = Accumulation::kLargest;
      r.to_keys = r.truth = true;
      r.inverted = op == ReduceOp::kAll;
      break;
    case ReduceOp::kArgMax:
    case ReduceOp::kArgMin:
      r.accumulation = Accumulation::kFirstLargest;
      r.to_keys = true;
      r.inverted = op == ReduceOp::kArgMin;
      break;
  }
  const bool ordered =
      r.accumulation == Accumulation::kSum || r.accumulation == Accumulation::kProduct;
  r.rows = ordered ? kPartials : 1;
  return r;
}

struct Job {
  ReduceParams params;
  Recipe recipe;
  const KernelTensor& in;
  const KernelTensor& out;
  const std::byte* in_base;
  std::byte* out_base;
  Walk reduced;  // operand 0: in
};

// One thread's buffers.
class Worker {
 public:
  explicit Worker(const Job& job) : job_(job) {}

  // Results out[i * out_stride], i < n; result i reduces what lies i * in_stride from `in`.
  void AcrossLanes(const std::byte* in, int64_t in_stride, std::byte* out, int64_t out_stride,
                   size_t n) {
    const Recipe& r = job_.recipe;
    InitPartials(r.accumulation, partials_, where_, r.rows * n);
    RowPass(in, in_stride, n, r.accumulation, nullptr);
    if (job_.params.op == ReduceOp::kVar) {
      float mean[kLanes];
      std::memcpy(mean, partials_, n * sizeof(float));
      for (size_t i = 0; i < n; ++i) mean[i] = mean[i] / Count();
      InitPartials(Accumulation::kSquares, partials_, where_, r.rows * n);
      RowPass(in, in_stride, n, Accumulation::kSquares, mean);
    }
    Finish(out, out_stride, n);
  }

  void AlongRun(const std::byte* in, std::byte* out) {
    const Recipe& r = job_.recipe;
    InitPartials(r.accumulation, partials_, where_, kPartials);
    RunPass(in, r.accumulation, 0.0f);
    if (job_.params.op == ReduceOp::kVar) {
      float sum;
      std::memcpy(&sum, partials_, sizeof sum);
      InitPartials(Accumulation::kSquares, partials_, where_, kPartials);
      RunPass(in, Accumulation::kSquares, sum / Count());
    }
    Finish(out, 1, 1);
  }

 private:
  float Count() const { return static_cast<float>(job_.reduced.count()); }

  // The values of a tile as accumulated: in place if possible.
  const void* Values(const std::byte* from, const TileShape& shape, size_t n) {
    const DType dtype = job_.in.dtype;
    const bool in_place =
        (dtype == DType::kFloat32 || dtype == DType::kInt32) && shape.column_stride == 1;
    const void* values = from;
    if (!in_place) {
      LoadTile(dtype, from, shape, values_);
      values = values_;
    }
    const Recipe& r = job_.recipe;
    if (!r.to_keys) return values;
    if (r.truth) {
      TruthToKeys(static_cast<const uint32_t*>(values), keys_, n, IsFloat(dtype), r.inverted);
    } else if (IsFloat(dtype)) {
      FloatsToKeys(static_cast<const float*>(values), keys_, n, r.inverted,
                   r.accumulation == Accumulation::kFirstLargest);
    } else {
      IntegersToKeys(static_cast<const int32_t*>(values), keys_, n, r.inverted);
    }
    return keys_;
  }

  void RowPass(const std::byte* in, int64_t in_stride, size_t n, Accumulation accumulation,
               const float* mean) {
    const Walk& walk = job_.reduced;
    const int64_t bytes = StorageBytes(job_.in.dtype);
    const TileShape shape = {n, 1, in_stride, 0};
    uint32_t p = 0;
    for (uint64_t run = 0; run < walk.runs(); ++run) {
      const std::byte* from = in + walk.At(run * walk.run())[0] * bytes;
      for (uint64_t k = 0; k < walk.run(); ++k, ++p) {
        const void* values =
            Values(from + static_cast<int64_t>(k) * walk.run_stride(0) * bytes, shape, n);
        const size_t row = p % job_.recipe.rows;
        AccumulateRow(accumulation, values, n, p, mean, partials_ + row * n, where_);
      }
    }
    if (job_.recipe.rows > 1) FoldRows(accumulation, partials_, nullptr, n);
  }

  void RunPass(const std::byte* in, Accumulation accumulation, float mean) {
    const Walk& walk = job_.reduced;
    const int64_t bytes = StorageBytes(job_.in.dtype);
    for (uint64_t run = 0; run < walk.runs(); ++run) {
      const std::byte* from = in + walk.At(run * walk.run())[0] * bytes;
      for (uint64_t at = 0; at < walk.run(); at += kPiece) {
        const auto n = static_cast<size_t>(std::min<uint64_t>(kPiece, walk.run() - at));
        const std::byte* piece = from + static_cast<int64_t>(at) * walk.run_stride(0) * bytes;
        const void* values = Values(piece, {n, 1, walk.run_stride(0), 0}, n);
        AccumulateRun(accumulation, values, n, static_cast<uint32_t>(run * walk.run() + at), mean,
                      partials_, where_);
      }
    }
    FoldRun(accumulation, partials_, where_);
  }

  // From folded partials to stored results.
  void Finish(std::byte* out, int64_t out_stride, size_t n) {
    const DType dtype = job_.out.dtype;
    float* f = reinterpret_cast<float*>(partials_);
    auto* k = reinterpret_cast<int32_t*>(partials_);
    const void* results = partials_;
    switch (job_.params.op) {
      case ReduceOp::kMean:
        for (size_t i = 0; i < n; ++i) f[i] = f[i] / Count();
        break;
      case ReduceOp::kVar:
        for (size_t i = 0; i < n; ++i) f[i] = f[i] / (Count() - job_.params.correction);
        break;
      case ReduceOp::kMax:
      case ReduceOp::kMin:
        if (IsFloat(dtype)) {
          KeysToFloats(k, f, n, job_.recipe.inverted);
        } else {
          IntegersToKeys(k, k, n, job_.recipe.inverted);
        }
        break;
      case ReduceOp::kAny:
      case ReduceOp::kAll:
        // Nothing at all: the smallest key.
        for (size_t i = 0; i < n; ++i) k[i] = (k[i] == 1) != job_.recipe.inverted ? 1 : 0;
        break;
      case ReduceOp::kArgMax:
      case ReduceOp::kArgMin:
        // Nothing was above the smallest key: all are equal to it.
        for (size_t i = 0; i < n; ++i) where_[i] = where_[i] == INT32_MAX ? 0 : where_[i];
        results = where_;
        break;
      case ReduceOp::kSum:
      case ReduceOp::kProd:
        break;
    }
    if (IsFloat(dtype)) {
      for (size_t i = 0; i < n; ++i) f[i] = f[i] != f[i] ? NAN : f[i];
    }
    if (dtype == DType::kBFloat16) RoundToBFloat16(f, f, n);
    StoreTile(dtype, results, out, {n, 1, out_stride, 0});
  }

  const Job& job_;
  alignas(64) uint32_t partials_[kPartials * kLanes];
  alignas(64) int32_t where_[kPartials * kLanes];
  alignas(64) uint32_t values_[kPiece];
  alignas(64) int32_t keys_[kPiece];
};

class ReduceKernel : public ContractKernel<ReduceKernel> {
 public:
  static absl::StatusOr<ReduceParams> Read(absl::Span<const uint32_t> scalars) {
    return hal::ReadReduce(scalars);
  }
  static absl::StatusOr<hal::TpcDims> Space(const ReduceParams& params, hal::KernelTensors t) {
    return hal::ReduceIndexSpace(params, t);
  }

  std::vector<AccessBox> Footprint(const BoundLaunch& launch,
                                   const hal::IndexBox& box) const override {
    const ElementBox out = ToElements(box, launch.tensors[1].sizes);
    return {TensorAccess(launch.tensors[0], launch.addresses[0], InputBox(launch, out), false),
            TensorAccess(launch.tensors[1], launch.addresses[1], out, true)};
  }

  KernelCost Cost(const BoundLaunch& launch, const hal::IndexBox& box) const override {
    const ElementBox out = ToElements(box, launch.tensors[1].sizes);
    KernelCost cost;
    if (out.Count() == 0) return cost;
    const ReduceParams params = Params(launch);
    const uint64_t passes = params.op == ReduceOp::kVar ? 2 : 1;
    const uint64_t vectors = BoxVectors(launch.tensors[0], InputBox(launch, out));
    cost.vector_accesses = passes * vectors + BoxVectors(launch.tensors[1], out);
    const bool arg = params.op == ReduceOp::kArgMax || params.op == ReduceOp::kArgMin;
    cost.bundles = passes * vectors * (arg ? 2 : 1) + BoxVectors(launch.tensors[1], out);
    // A result within a vector: the lanes are folded in log2(64) shuffles and operations.
    if ((params.mask & 1) != 0) cost.bundles += 12 * out.Count();
    return cost;
  }

  absl::Status Run(const BoundLaunch& launch, const hal::IndexBox& box,
                   AddressSpace& memory) const override {
    const ElementBox results = ToElements(box, launch.tensors[1].sizes);
    if (results.Count() == 0) return absl::OkStatus();
    const KernelTensor &in = launch.tensors[0], &out = launch.tensors[1];
    const ElementBox elements = InputBox(launch, results);
    ASSIGN_OR_RETURN(const std::byte* in_base, ResolveTensor(launch, 0, elements, memory));
    ASSIGN_OR_RETURN(std::byte * out_base, ResolveTensor(launch, 1, results, memory));
    if (in_base == nullptr) in_base = out_base;  // nothing to reduce: nothing is read
    const ReduceParams params = Params(launch);
    const Job job = {params,   MakeRecipe(params.op, in.dtype),        in, out, in_base,
                     out_base, Walk(elements.size, params.mask, {&in})};

    int lane_dim = -1;
    const bool dense_run = (params.mask & 1) != 0 && in.sizes[0] > 1;
    for (int d = 0; d < kTpcMaxDims && !dense_run; ++d) {
      const bool kept = (params.mask >> d & 1) == 0;
      if (kept && results.size[d] > 1 && in.strides[d] == 1) {
        lane_dim = d;
        break;
      }
    }
    const auto kept =
        static_cast<uint8_t>(0x1F & ~params.mask & ~(lane_dim < 0 ? 0 : 1 << lane_dim));
    const Walk outer(results.size, kept, {&in, &out});
    const uint64_t lanes = lane_dim < 0 ? 1 : results.size[lane_dim];
    const uint64_t chunks = (lanes + kLanes - 1) / kLanes;
    const auto units = static_cast<int64_t>(outer.count() * chunks);
    const int64_t in_bytes = StorageBytes(in.dtype), out_bytes = StorageBytes(out.dtype);
    const int64_t out_stride = lane_dim < 0 ? 1 : static_cast<int64_t>(out.strides[lane_dim]);
    ForUnits(
        units, elements.Count() > kParallelElements, [&] { return std::make_unique<Worker>(job); },
        [&](const std::unique_ptr<Worker>& worker, int64_t unit) {
          const auto at = static_cast<uint64_t>(unit);
          const Walk::Offsets offsets = outer.At(at / chunks);
          const uint64_t first = at % chunks * kLanes;
          const auto lane = static_cast<int64_t>(first);
          const std::byte* from = in_base + (offsets[0] + lane) * in_bytes;
          std::byte* to = out_base + (offsets[1] + lane * out_stride) * out_bytes;
          if (lane_dim < 0) {
            worker->AlongRun(from, to);
          } else {
            worker->AcrossLanes(from, 1, to, out_stride,
                                static_cast<size_t>(std::min<uint64_t>(kLanes, lanes - first)));
          }
        });
    return absl::OkStatus();
  }

 private:
  static ElementBox InputBox(const BoundLaunch& launch, const ElementBox& out) {
    return Widen(out, Params(launch).mask, launch.tensors[0].sizes);
  }
};

}  // namespace

KernelOr MakeReduceKernel(absl::Span<const std::byte> payload) {
  return MakeContractKernel<ReduceKernel>(hal::kReduceGuid, payload);
}

}  // namespace openhpu::simulator
