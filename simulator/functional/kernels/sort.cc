// openhpu.sort: stable, by keys of 32 bits that order as the values do.
#include <algorithm>
#include <cstring>
#include <vector>

#include "hal/base/dtype.h"
#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/contract_kernel.h"
#include "simulator/functional/kernels/units.h"
#include "simulator/functional/kernels/walk.h"

namespace openhpu::simulator {
namespace {

using hal::KernelTensor;
using hal::SortParams;

uint32_t FloatKey(uint32_t bits) {
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return UINT32_MAX;  // NaN
  if (bits == 0x80000000) bits = 0;                         // -0
  return bits >> 31 ? ~bits : bits | 0x80000000;
}

// Smaller keys for smaller values.
uint32_t KeyOf(DType dtype, const std::byte* element) {
  uint32_t bits = 0;
  std::memcpy(&bits, element, static_cast<size_t>(StorageBytes(dtype)));
  switch (dtype) {
    case DType::kFloat32:
      return FloatKey(bits);
    case DType::kBFloat16:
      return FloatKey(bits << 16);
    case DType::kInt16:
      return bits ^ 0x8000;
    case DType::kInt8:
      return bits ^ 0x80;
    case DType::kUInt8:
    case DType::kBool:
      return bits;
    default:
      return bits ^ 0x80000000;
  }
}

class SortKernel : public ContractKernel<SortKernel> {
 public:
  static absl::StatusOr<SortParams> Read(absl::Span<const uint32_t> scalars) {
    return hal::ReadSort(scalars);
  }
  static absl::StatusOr<hal::TpcDims> Space(const SortParams& params, hal::KernelTensors t) {
    return hal::SortIndexSpace(params, t);
  }

  std::vector<AccessBox> Footprint(const BoundLaunch& launch,
                                   const hal::IndexBox& box) const override {
    std::vector<AccessBox> boxes;
    for (size_t i = 0; i < 3; ++i) {
      boxes.push_back(
          TensorAccess(launch.tensors[i], launch.addresses[i], Elements(launch, box, i), i > 0));
    }
    return boxes;
  }

  KernelCost Cost(const BoundLaunch& launch, const hal::IndexBox& box) const override {
    const ElementBox in = Elements(launch, box, 0);
    KernelCost cost;
    if (in.Count() == 0) return cost;
    for (size_t i = 0; i < 3; ++i) {
      cost.vector_accesses += BoxVectors(launch.tensors[i], Elements(launch, box, i));
    }
    // A bitonic network over keys and indices: log n (log n + 1) / 2 passes of four bundles a
    // vector. What does not fit the local memory (80 KiB) is read and written in each pass.
    const uint64_t n = in.size[Params(launch).dim];
    uint64_t levels = 1;
    while (uint64_t{1} << levels < n) ++levels;
    const uint64_t passes = levels * (levels + 1) / 2;
    const uint64_t vectors = Rows(in) * RowVectors(in.size[0], DType::kFloat32);
    cost.bundles = passes * 4 * vectors;
    const uint64_t lanes = Params(launch).dim == 0 ? 1 : hal::kVectorLanes;
    if (n * lanes * 8 > 65536) cost.vector_accesses += passes * 4 * vectors;
    return cost;
  }

  absl::Status Run(const BoundLaunch& launch, const hal::IndexBox& box,
                   AddressSpace& memory) const override {
    const KernelTensor &in = launch.tensors[0], &values = launch.tensors[1],
                       &indices = launch.tensors[2];
    const ElementBox elements = Elements(launch, box, 0);
    const SortParams params = Params(launch);
    const int dim = params.dim;
    const size_t n = elements.size[dim], kept = values.sizes[dim];
    if (elements.Count() == 0 || kept == 0) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::byte* in_base, ResolveTensor(launch, 0, elements, memory));
    ASSIGN_OR_RETURN(std::byte * values_base,
                     ResolveTensor(launch, 1, Elements(launch, box, 1), memory));
    ASSIGN_OR_RETURN(std::byte * indices_base,
                     ResolveTensor(launch, 2, Elements(launch, box, 2), memory));
    const int64_t bytes = StorageBytes(in.dtype);
    const auto in_step = static_cast<int64_t>(in.strides[dim]),
               value_step = static_cast<int64_t>(values.strides[dim]),
               index_step = static_cast<int64_t>(indices.strides[dim]);
    const Walk outer(elements.size, static_cast<uint8_t>(0x1F & ~(1 << dim)),
                     {&in, &values, &indices});
    const auto units = static_cast<int64_t>(outer.count());
    ForUnits(
        units, elements.Count() > kParallelElements, [&] { return std::vector<uint64_t>(n); },
        [&](std::vector<uint64_t>& order, int64_t unit) {
          const Walk::Offsets at = outer.At(static_cast<uint64_t>(unit));
          for (size_t i = 0; i < n; ++i) {
            const uint32_t key =
                KeyOf(in.dtype, in_base + (at[0] + static_cast<int64_t>(i) * in_step) * bytes);
            // Key, then place: so equal keys stay in order.
            order[i] = uint64_t{params.descending ? ~key : key} << 32 | i;
          }
          const auto end = order.begin() + static_cast<std::ptrdiff_t>(kept);
          if (kept < n) {
            std::partial_sort(order.begin(), end, order.end());
          } else {
            std::sort(order.begin(), order.end());
          }
          for (size_t i = 0; i < kept; ++i) {
            const auto place = static_cast<int32_t>(order[i] & UINT32_MAX);
            const auto step = static_cast<int64_t>(i);
            std::memcpy(values_base + (at[1] + step * value_step) * bytes,
                        in_base + (at[0] + place * in_step) * bytes, static_cast<size_t>(bytes));
            std::memcpy(indices_base + (at[2] + step * index_step) * 4, &place, sizeof place);
          }
        });
    return absl::OkStatus();
  }

 private:
  static ElementBox Elements(const BoundLaunch& launch, const hal::IndexBox& box, size_t i) {
    const SortParams params = Params(launch);
    hal::TpcDims positions = launch.tensors[1].sizes;
    if (positions[params.dim] > 1) positions[params.dim] = 1;
    return Widen(ToElements(box, positions), static_cast<uint8_t>(1 << params.dim),
                 launch.tensors[i].sizes);
  }
};

}  // namespace

KernelOr MakeSortKernel(absl::Span<const std::byte> payload) {
  return MakeContractKernel<SortKernel>(hal::kSortGuid, payload);
}

}  // namespace openhpu::simulator
