#include "hal/kernel/kernels.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "hal/base/status_macros.h"
#include "hal/kernel/contract.h"
#include "hal/kernel/text.h"

namespace openhpu::hal {
namespace {

uint32_t Bits(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  return bits;
}
float FromBits(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

// Scalars are words of 32 bits in the order of the Read functions below.
class ScalarReader {
 public:
  ScalarReader(std::string_view guid, absl::Span<const uint32_t> scalars)
      : guid_(guid), scalars_(scalars) {}

  absl::Status Expect(size_t n) const {
    if (scalars_.size() == n) return absl::OkStatus();
    return absl::InvalidArgumentError(Cat(guid_, ": ", scalars_.size(), " scalars instead of ", n));
  }
  // The next word, at most `max`.
  absl::StatusOr<uint32_t> AtMost(uint32_t max, std::string_view name) {
    const uint32_t v = scalars_[next_++];
    if (v <= max) return v;
    return absl::InvalidArgumentError(
        Cat(guid_, ": scalar ", next_ - 1, " (", name, ") is ", v, ", above ", max));
  }
  uint32_t Next() { return scalars_[next_++]; }
  std::array<int32_t, 2> Pair() {
    const auto w = static_cast<int32_t>(Next());
    const auto h = static_cast<int32_t>(Next());
    return {w, h};
  }

 private:
  std::string_view guid_;
  absl::Span<const uint32_t> scalars_;
  size_t next_ = 0;
};

void PutPair(const std::array<int32_t, 2>& pair, std::vector<uint32_t>& scalars) {
  scalars.push_back(static_cast<uint32_t>(pair[0]));
  scalars.push_back(static_cast<uint32_t>(pair[1]));
}

// The last `outputs` tensors are written.
KernelLaunch Launch(std::string_view guid, std::vector<KernelTensor> tensors, size_t outputs,
                    const TpcDims& index_space) {
  KernelLaunch launch;
  launch.image.guid = std::string(guid);
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].written = i + outputs >= tensors.size();
  }
  launch.tensors = std::move(tensors);
  launch.index_space = index_space;
  return launch;
}

}  // namespace

absl::StatusOr<KernelLaunch> MakeFused(const ExpressionProgram& program,
                                       absl::Span<const KernelTensor> inputs,
                                       absl::Span<const KernelTensor> outputs) {
  RETURN_IF_ERROR(Validate(program));
  if (inputs.size() != program.inputs.size() || outputs.size() != program.outputs.size()) {
    return absl::InvalidArgumentError(Cat(kFusedGuid, ": ", inputs.size(), " inputs and ",
                                          outputs.size(), " outputs for a program of ",
                                          program.inputs.size(), " and ", program.outputs.size()));
  }
  std::vector<KernelTensor> tensors(inputs.begin(), inputs.end());
  tensors.insert(tensors.end(), outputs.begin(), outputs.end());
  ASSIGN_OR_RETURN(const TpcDims space, FusedIndexSpace(program, tensors));
  KernelLaunch launch = Launch(kFusedGuid, std::move(tensors), outputs.size(), space);
  launch.image.payload = Serialize(program);
  return launch;
}

absl::StatusOr<KernelLaunch> MakeReduce(const ReduceParams& params, const KernelTensor& in,
                                        const KernelTensor& out) {
  ASSIGN_OR_RETURN(const TpcDims space, ReduceIndexSpace(params, {in, out}));
  KernelLaunch launch = Launch(kReduceGuid, {in, out}, 1, space);
  launch.scalars = {static_cast<uint32_t>(params.op), params.mask, Bits(params.correction)};
  return launch;
}

absl::StatusOr<ReduceParams> ReadReduce(absl::Span<const uint32_t> scalars) {
  ScalarReader reader(kReduceGuid, scalars);
  RETURN_IF_ERROR(reader.Expect(3));
  ReduceParams params;
  ASSIGN_OR_RETURN(const uint32_t op,
                   reader.AtMost(static_cast<uint32_t>(ReduceOp::kVar), "operation"));
  ASSIGN_OR_RETURN(const uint32_t mask, reader.AtMost(0x1F, "mask"));
  params.op = static_cast<ReduceOp>(op);
  params.mask = static_cast<uint8_t>(mask);
  params.correction = FromBits(reader.Next());
  return params;
}

absl::StatusOr<KernelLaunch> MakeSoftmax(const SoftmaxParams& params, const KernelTensor& in,
                                         const KernelTensor& out) {
  ASSIGN_OR_RETURN(const TpcDims space, SoftmaxIndexSpace(params, {in, out}));
  KernelLaunch launch = Launch(kSoftmaxGuid, {in, out}, 1, space);
  launch.scalars = {params.dim, params.log};
  return launch;
}

absl::StatusOr<SoftmaxParams> ReadSoftmax(absl::Span<const uint32_t> scalars) {
  ScalarReader reader(kSoftmaxGuid, scalars);
  RETURN_IF_ERROR(reader.Expect(2));
  SoftmaxParams params;
  ASSIGN_OR_RETURN(const uint32_t dim, reader.AtMost(kTpcMaxDims - 1, "dim"));
  ASSIGN_OR_RETURN(const uint32_t log, reader.AtMost(1, "log"));
  params.dim = static_cast<uint8_t>(dim);
  params.log = log != 0;
  return params;
}

absl::StatusOr<KernelLaunch> MakeNorm(const NormParams& params,
                                      absl::Span<const KernelTensor> tensors) {
  ASSIGN_OR_RETURN(const TpcDims space, NormIndexSpace(params, tensors));
  KernelLaunch launch =
      Launch(kNormGuid, std::vector<KernelTensor>(tensors.begin(), tensors.end()), 3, space);
  launch.scalars = {params.mask, Bits(params.epsilon), params.has_weight, params.has_bias};
  return launch;
}

absl::StatusOr<NormParams> ReadNorm(absl::Span<const uint32_t> scalars) {
  ScalarReader reader(kNormGuid, scalars);
  RETURN_IF_ERROR(reader.Expect(4));
  NormParams params;
  ASSIGN_OR_RETURN(const uint32_t mask, reader.AtMost(0x1F, "mask"));
  params.mask = static_cast<uint8_t>(mask);
  params.epsilon = FromBits(reader.Next());
  ASSIGN_OR_RETURN(const uint32_t weight, reader.AtMost(1, "has_weight"));
  ASSIGN_OR_RETURN(const uint32_t bias, reader.AtMost(1, "has_bias"));
  params.has_weight = weight != 0;
  params.has_bias = bias != 0;
  return params;
}

absl::StatusOr<KernelLaunch> MakePool2d(const PoolParams& params, const KernelTensor& in,
                                        absl::Span<const KernelTensor> outputs) {
  std::vector<KernelTensor> tensors = {in};
  tensors.insert(tensors.end(), outputs.begin(), outputs.end());
  ASSIGN_OR_RETURN(const TpcDims space, Pool2dIndexSpace(params, tensors));
  KernelLaunch launch = Launch(kPool2dGuid, std::move(tensors), outputs.size(), space);
  launch.scalars = {static_cast<uint32_t>(params.op)};
  PutPair(params.kernel, launch.scalars);
  PutPair(params.stride, launch.scalars);
  PutPair(params.padding, launch.scalars);
  PutPair(params.dilation, launch.scalars);
  launch.scalars.push_back(params.count_include_pad);
  launch.scalars.push_back(static_cast<uint32_t>(params.divisor));
  launch.scalars.push_back(params.adaptive);
  return launch;
}

absl::StatusOr<PoolParams> ReadPool2d(absl::Span<const uint32_t> scalars) {
  ScalarReader reader(kPool2dGuid, scalars);
  RETURN_IF_ERROR(reader.Expect(12));
  PoolParams params;
  ASSIGN_OR_RETURN(const uint32_t op, reader.AtMost(1, "operation"));
  params.op = static_cast<PoolOp>(op);
  params.kernel = reader.Pair();
  params.stride = reader.Pair();
  params.padding = reader.Pair();
  params.dilation = reader.Pair();
  ASSIGN_OR_RETURN(const uint32_t include, reader.AtMost(1, "count_include_pad"));
  params.count_include_pad = include != 0;
  params.divisor = static_cast<int32_t>(reader.Next());
  ASSIGN_OR_RETURN(const uint32_t adaptive, reader.AtMost(1, "adaptive"));
  params.adaptive = adaptive != 0;
  return params;
}

absl::StatusOr<KernelLaunch> MakeGather(const GatherParams& params, const KernelTensor& table,
                                        const KernelTensor& index, const KernelTensor& out) {
  ASSIGN_OR_RETURN(const TpcDims space, GatherIndexSpace(params, {table, index, out}));
  KernelLaunch launch = Launch(kGatherGuid, {table, index, out}, 1, space);
  launch.scalars = {static_cast<uint32_t>(params.mode), params.dim};
  return launch;
}

absl::StatusOr<GatherParams> ReadGather(absl::Span<const uint32_t> scalars) {
  ScalarReader reader(kGatherGuid, scalars);
  RETURN_IF_ERROR(reader.Expect(2));
  GatherParams params;
  ASSIGN_OR_RETURN(const uint32_t mode, reader.AtMost(1, "mode"));
  ASSIGN_OR_RETURN(const uint32_t dim, reader.AtMost(kTpcMaxDims - 1, "dim"));
  params.mode = static_cast<GatherMode>(mode);
  params.dim = static_cast<uint8_t>(dim);
  return params;
}

absl::StatusOr<KernelLaunch> MakeDepthwise(const DepthwiseParams& params, const KernelTensor& x,
                                           const KernelTensor& weight, const KernelTensor& y) {
  ASSIGN_OR_RETURN(const TpcDims space, DepthwiseIndexSpace(params, {x, weight, y}));
  KernelLaunch launch = Launch(kDepthwiseGuid, {x, weight, y}, 1, space);
  PutPair(params.stride, launch.scalars);
  PutPair(params.padding, launch.scalars);
  PutPair(params.dilation, launch.scalars);
  launch.scalars.push_back(static_cast<uint32_t>(params.multiplier));
  return launch;
}

absl::StatusOr<DepthwiseParams> ReadDepthwise(absl::Span<const uint32_t> scalars) {
  ScalarReader reader(kDepthwiseGuid, scalars);
  RETURN_IF_ERROR(reader.Expect(7));
  DepthwiseParams params;
  params.stride = reader.Pair();
  params.padding = reader.Pair();
  params.dilation = reader.Pair();
  params.multiplier = static_cast<int32_t>(reader.Next());
  return params;
}

absl::StatusOr<KernelLaunch> MakeRandom(const RandomParams& params, const KernelTensor& state,
                                        const KernelTensor& out) {
  ASSIGN_OR_RETURN(const TpcDims space, RandomIndexSpace(params, {state, out}));
  KernelLaunch launch = Launch(kRandomGuid, {state, out}, 1, space);
  launch.scalars = {params.draw};
  return launch;
}

absl::StatusOr<RandomParams> ReadRandom(absl::Span<const uint32_t> scalars) {
  ScalarReader reader(kRandomGuid, scalars);
  RETURN_IF_ERROR(reader.Expect(1));
  return RandomParams{reader.Next()};
}

absl::StatusOr<KernelLaunch> MakeScatter(const ScatterParams& params, const KernelTensor& index,
                                         const KernelTensor& source, const KernelTensor& out) {
  ASSIGN_OR_RETURN(const TpcDims space, ScatterIndexSpace(params, {index, source, out}));
  KernelLaunch launch = Launch(kScatterGuid, {index, source, out}, 1, space);
  launch.scalars = {static_cast<uint32_t>(params.op), params.dim};
  return launch;
}

absl::StatusOr<ScatterParams> ReadScatter(absl::Span<const uint32_t> scalars) {
  ScalarReader reader(kScatterGuid, scalars);
  RETURN_IF_ERROR(reader.Expect(2));
  ScatterParams params;
  ASSIGN_OR_RETURN(const uint32_t op,
                   reader.AtMost(static_cast<uint32_t>(ScatterOp::kMax), "operation"));
  ASSIGN_OR_RETURN(const uint32_t dim, reader.AtMost(kTpcMaxDims - 1, "dim"));
  params.op = static_cast<ScatterOp>(op);
  params.dim = static_cast<uint8_t>(dim);
  return params;
}

absl::StatusOr<KernelLaunch> MakeSort(const SortParams& params, const KernelTensor& in,
                                      const KernelTensor& values, const KernelTensor& indices) {
  ASSIGN_OR_RETURN(const TpcDims space, SortIndexSpace(params, {in, values, indices}));
  KernelLaunch launch = Launch(kSortGuid, {in, values, indices}, 2, space);
  launch.scalars = {params.dim, params.descending};
  return launch;
}

absl::StatusOr<SortParams> ReadSort(absl::Span<const uint32_t> scalars) {
  ScalarReader reader(kSortGuid, scalars);
  RETURN_IF_ERROR(reader.Expect(2));
  SortParams params;
  ASSIGN_OR_RETURN(const uint32_t dim, reader.AtMost(kTpcMaxDims - 1, "dim"));
  ASSIGN_OR_RETURN(const uint32_t descending, reader.AtMost(1, "descending"));
  params.dim = static_cast<uint8_t>(dim);
  params.descending = descending != 0;
  return params;
}

absl::StatusOr<KernelLaunch> MakeIntegerMatmul(const KernelTensor& a, const KernelTensor& b,
                                               const KernelTensor& c) {
  ASSIGN_OR_RETURN(const TpcDims space, IntegerMatmulIndexSpace({a, b, c}));
  return Launch(kIntegerMatmulGuid, {a, b, c}, 1, space);
}

namespace {

// Searches the cuts (pieces along each dim, product at most `parts`) for the smallest largest box;
// the first found wins, and slow dims are tried with most pieces first, so equal choices cut the
// slowest dim.
struct CutSearch {
  const KernelLaunch& launch;
  TpcDims pieces = {1, 1, 1, 1, 1}, best = {1, 1, 1, 1, 1};
  uint64_t best_volume = UINT64_MAX;

  void Visit(int dim, uint32_t parts, uint64_t volume) {
    if (volume >= best_volume) return;  // may only grow by what is left: every factor is at least 1
    if (dim < 0) {
      best_volume = volume;
      best = pieces;
      return;
    }
    const uint32_t size = launch.index_space[dim];
    const uint32_t most = (launch.splittable >> dim & 1) ? std::min(size, parts) : 1;
    for (uint32_t n = most; n >= 1; --n) {
      const uint32_t largest = (size + n - 1) / n;
      // Fewer pieces with the same largest box are no loss: leave the rest to faster dims.
      if (n > 1 && (size + n - 2) / (n - 1) == largest) continue;
      pieces[dim] = n;
      Visit(dim - 1, parts / n, volume * largest);
    }
    pieces[dim] = 1;
  }
};

}  // namespace

std::vector<IndexBox> SplitIndexSpace(const KernelLaunch& launch, int parts) {
  OPENHPU_CHECK(parts >= 1);
  for (uint32_t size : launch.index_space) {
    if (size == 0) return {};
  }
  CutSearch search{launch};
  search.Visit(kTpcMaxDims - 1, static_cast<uint32_t>(parts), 1);

  std::vector<IndexBox> boxes;
  TpcDims at = {};
  while (true) {
    IndexBox box;
    for (int d = 0; d < kTpcMaxDims; ++d) {
      const uint64_t size = launch.index_space[d], n = search.best[d];
      const auto begin = static_cast<uint32_t>(size * at[d] / n);
      const auto end = static_cast<uint32_t>(size * (at[d] + 1) / n);
      box.base[d] = begin;
      box.size[d] = end - begin;
    }
    boxes.push_back(box);
    int d = 0;
    while (d < kTpcMaxDims && ++at[d] == search.best[d]) at[d++] = 0;
    if (d == kTpcMaxDims) return boxes;
  }
}

}  // namespace openhpu::hal
