// openhpu.gather. An index outside the table gives zeros, and Run returns OutOfRange that names the
// first such place, after everything is written: the engine makes a health event of it.
//
// Traffic is as if index i were i modulo the table's size, whatever the data: so many rows (kRows),
// or the output's own shape cut to the table's (kElements).
#include <algorithm>
#include <cstring>
#include <vector>

#include "hal/base/dtype.h"
#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/contract_kernel.h"
#include "simulator/functional/kernels/walk.h"

namespace openhpu::simulator {
namespace {

using hal::GatherMode;
using hal::GatherParams;
using hal::KernelTensor;

constexpr uint64_t kNoError = UINT64_MAX;

// index in [0, n), or -1.
int64_t Resolve(int32_t index, int64_t n) {
  const int64_t at = index < 0 ? index + n : index;
  return at >= 0 && at < n ? at : -1;
}

// Operands of one box, all at its first element.
struct Job {
  GatherParams params;
  const KernelTensor &table, &index, &out;
  const std::byte* table_base;  // element 0 along the gathered dim
  const std::byte* index_base;
  std::byte* out_base;
  Walk rows;  // dims 1-4 of the box; operands index, out, table without the gathered dim
  size_t columns;

  int32_t Index(int64_t offset) const {
    int32_t v;
    std::memcpy(&v, index_base + offset * 4, sizeof v);
    return v;
  }
};

// Row i of the box; the first column whose index is out of range, or kNoError.
uint64_t GatherRow(const Job& job, uint64_t i) {
  const Walk::Offsets at = job.rows.At(i);
  const auto bytes = static_cast<size_t>(StorageBytes(job.out.dtype));
  std::byte* to = job.out_base + at[1] * static_cast<int64_t>(bytes);
  const int gathered = job.params.mode == GatherMode::kRows ? 1 : job.params.dim;
  const auto n = static_cast<int64_t>(job.table.sizes[gathered]);
  const auto stride = static_cast<int64_t>(job.table.strides[gathered]);
  const std::byte* from = job.table_base + at[2] * static_cast<int64_t>(bytes);
  if (job.params.mode == GatherMode::kRows) {
    const int64_t row = Resolve(job.Index(at[0]), n);
    if (row < 0) {
      std::memset(to, 0, job.columns * bytes);
      return 0;
    }
    std::memcpy(to, from + row * stride * static_cast<int64_t>(bytes), job.columns * bytes);
    return kNoError;
  }
  uint64_t error = kNoError;
  for (size_t column = 0; column < job.columns; ++column) {
    const int64_t k = Resolve(job.Index(at[0] + static_cast<int64_t>(column)), n);
    if (k < 0) {
      std::memset(to + column * bytes, 0, bytes);
      error = std::min<uint64_t>(error, column);
      continue;
    }
    const int64_t offset = k * stride + (gathered == 0 ? 0 : static_cast<int64_t>(column));
    std::memcpy(to + column * bytes, from + offset * static_cast<int64_t>(bytes), bytes);
  }
  return error;
}

class GatherKernel : public ContractKernel<GatherKernel> {
 public:
  static absl::StatusOr<GatherParams> Read(absl::Span<const uint32_t> scalars) {
    return hal::ReadGather(scalars);
  }
  static absl::StatusOr<hal::TpcDims> Space(const GatherParams& params, hal::KernelTensors t) {
    return hal::GatherIndexSpace(params, t);
  }

  std::vector<AccessBox> Footprint(const BoundLaunch& launch,
                                   const hal::IndexBox& box) const override {
    const ElementBox out = ToElements(box, launch.tensors[2].sizes);
    return {TableAccess(launch, out),
            TensorAccess(launch.tensors[1], launch.addresses[1], IndexBox(launch, out), false),
            TensorAccess(launch.tensors[2], launch.addresses[2], out, true)};
  }

  KernelCost Cost(const BoundLaunch& launch, const hal::IndexBox& box) const override {
    const ElementBox out = ToElements(box, launch.tensors[2].sizes);
    KernelCost cost;
    if (out.Count() == 0) return cost;
    if (Params(launch).mode == GatherMode::kRows) {
      const uint64_t vectors = BoxVectors(launch.tensors[2], out);
      cost.vector_accesses = 2 * vectors + Rows(out);
      cost.bundles = vectors + 4 * Rows(out);
    } else {
      // One scalar load and one address an element.
      cost.vector_accesses = out.Count() + 2 * BoxVectors(launch.tensors[2], out);
      cost.bundles = 4 * out.Count();
    }
    return cost;
  }

  absl::Status Run(const BoundLaunch& launch, const hal::IndexBox& box,
                   AddressSpace& memory) const override {
    const KernelTensor &table = launch.tensors[0], &index = launch.tensors[1],
                       &out = launch.tensors[2];
    const ElementBox elements = ToElements(box, out.sizes);
    if (elements.Count() == 0) return absl::OkStatus();
    const GatherParams params = Params(launch);
    ASSIGN_OR_RETURN(const std::byte* index_base,
                     ResolveTensor(launch, 1, IndexBox(launch, elements), memory));
    ASSIGN_OR_RETURN(std::byte * out_base, ResolveTensor(launch, 2, elements, memory));
    ASSIGN_OR_RETURN(const std::byte* table_base,
                     ResolveTensor(launch, 0, TableBox(launch, elements), memory));
    // The walk moves along the output's dims; the gathered dim does not move in the table.
    KernelTensor still = table;
    for (int d = 0; d < hal::kTpcMaxDims; ++d) {
      if (params.mode == GatherMode::kRows || d == params.dim) still.strides[d] = 0;
    }
    const Job job = {
        params,          table,      index,    out,
        table_base,      index_base, out_base, Walk(elements.size, 0x1E, {&index, &out, &still}),
        elements.size[0]};
    const auto rows = static_cast<int64_t>(job.rows.count());
    uint64_t error = kNoError;  // the first bad element of the box, counted along it
#pragma omp parallel for schedule(static) \
    reduction(min                         \
              : error) if (rows > 1 && elements.Count() > kParallelElements)
    for (int64_t row = 0; row < rows; ++row) {
      const uint64_t column = GatherRow(job, static_cast<uint64_t>(row));
      if (column != kNoError) {
        error = std::min(error, static_cast<uint64_t>(row) * elements.size[0] + column);
      }
    }
    if (error == kNoError) return absl::OkStatus();
    const uint64_t row = error / elements.size[0], column = error % elements.size[0];
    const int64_t offset =
        job.rows.At(row)[0] + (params.mode == GatherMode::kRows ? 0 : static_cast<int64_t>(column));
    return absl::OutOfRangeError(
        hal::Cat(hal::kGatherGuid, ": index ", job.Index(offset), " of element ", error,
                 " of the box is outside the table of ",
                 table.sizes[params.mode == GatherMode::kRows ? 1 : params.dim]));
  }

 private:
  static ElementBox IndexBox(const BoundLaunch& launch, const ElementBox& out) {
    return Broadcast(out, launch.tensors[1]);
  }
  // What any index may reach.
  static ElementBox TableBox(const BoundLaunch& launch, const ElementBox& out) {
    const GatherParams params = Params(launch);
    const hal::TpcDims& sizes = launch.tensors[0].sizes;
    if (params.mode == GatherMode::kElements) {
      return Widen(out, static_cast<uint8_t>(1 << params.dim), sizes);
    }
    ElementBox box;
    box.begin[0] = out.begin[0];
    box.size[0] = out.size[0];
    box.size[1] = sizes[1];
    return box;
  }
  static AccessBox TableAccess(const BoundLaunch& launch, const ElementBox& out) {
    ElementBox box = TableBox(launch, out);
    const GatherParams params = Params(launch);
    const int d = params.mode == GatherMode::kRows ? 1 : params.dim;
    const uint64_t asked = params.mode == GatherMode::kRows ? Rows(out) : out.size[d];
    if (out.Count() == 0) box.size[0] = 0;
    box.size[d] = static_cast<uint32_t>(std::min<uint64_t>(asked, box.size[d]));
    return TensorAccess(launch.tensors[0], launch.addresses[0], box, false);
  }
};

}  // namespace

KernelOr MakeGatherKernel(absl::Span<const std::byte> payload) {
  return MakeContractKernel<GatherKernel>(hal::kGatherGuid, payload);
}

}  // namespace openhpu::simulator
