// openhpu.matmul_int: c[n, m] = sum over k of a[k, m] * b[n, k] in wrapping 32 bits, narrowed to
// c's dtype. n lies across the lanes.
#include <algorithm>
#include <cstring>
#include <vector>

#include "hal/base/dtype.h"
#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/contract_kernel.h"
#include "simulator/functional/kernels/row_loops.h"
#include "simulator/functional/kernels/tile_loops.h"
#include "simulator/functional/kernels/units.h"
#include "simulator/functional/kernels/walk.h"

namespace openhpu::simulator {
namespace {

using hal::KernelTensor;

constexpr size_t kLanes = 256;

struct NoParams {};

// The parts of a and b that a box of c needs.
ElementBox LeftBox(const BoundLaunch& launch, ElementBox c) {
  c.begin[0] = 0;
  c.size[0] = launch.tensors[0].sizes[0];
  return Broadcast(c, launch.tensors[0]);
}
ElementBox RightBox(const BoundLaunch& launch, ElementBox c) {
  c.begin[1] = 0;
  c.size[1] = launch.tensors[1].sizes[1];
  return Broadcast(c, launch.tensors[1]);
}

class IntegerMatmulKernel : public ContractKernel<IntegerMatmulKernel> {
 public:
  static absl::StatusOr<NoParams> Read(absl::Span<const uint32_t> scalars) {
    if (scalars.empty()) return NoParams{};
    return absl::InvalidArgumentError(
        hal::Cat(hal::kIntegerMatmulGuid, ": ", scalars.size(), " scalars instead of 0"));
  }
  static absl::StatusOr<hal::TpcDims> Space(const NoParams&, hal::KernelTensors t) {
    return hal::IntegerMatmulIndexSpace(t);
  }

  std::vector<AccessBox> Footprint(const BoundLaunch& launch,
                                   const hal::IndexBox& box) const override {
    const ElementBox c = ToElements(box, launch.tensors[2].sizes);
    return {TensorAccess(launch.tensors[0], launch.addresses[0], LeftBox(launch, c), false),
            TensorAccess(launch.tensors[1], launch.addresses[1], RightBox(launch, c), false),
            TensorAccess(launch.tensors[2], launch.addresses[2], c, true)};
  }

  KernelCost Cost(const BoundLaunch& launch, const hal::IndexBox& box) const override {
    const ElementBox c = ToElements(box, launch.tensors[2].sizes);
    KernelCost cost;
    if (c.Count() == 0) return cost;
    const uint64_t k = launch.tensors[0].sizes[0];
    const uint64_t vectors = Rows(c) * RowVectors(c.size[0], DType::kInt32);
    // Blocks of 4 rows of c share the loads of b; a comes through scalar loads.
    cost.vector_accesses = (vectors + 3) / 4 * k +
                           Rows(c) * RowVectors(k, launch.tensors[0].dtype) +
                           BoxVectors(launch.tensors[2], c);
    cost.bundles = vectors * (k + 1);
    return cost;
  }

  absl::Status Run(const BoundLaunch& launch, const hal::IndexBox& box,
                   AddressSpace& memory) const override {
    const KernelTensor &a = launch.tensors[0], &b = launch.tensors[1], &c = launch.tensors[2];
    const ElementBox out = ToElements(box, c.sizes);
    if (out.Count() == 0) return absl::OkStatus();
    const size_t k = a.sizes[0];
    ASSIGN_OR_RETURN(const std::byte* a_base,
                     ResolveTensor(launch, 0, LeftBox(launch, out), memory));
    ASSIGN_OR_RETURN(const std::byte* b_base,
                     ResolveTensor(launch, 1, RightBox(launch, out), memory));
    ASSIGN_OR_RETURN(std::byte * c_base, ResolveTensor(launch, 2, out, memory));
    const Walk batch(out.size, 0x1C, {&a, &b, &c});
    const uint64_t chunks = (out.size[0] + kLanes - 1) / kLanes;
    const auto units = static_cast<int64_t>(batch.count() * chunks);
    struct Rows {
      std::vector<int32_t> left, right;
      int32_t sum[kLanes];
    };
    ForUnits(
        units, out.Count() * k > kParallelElements,
        [&] {
          return Rows{std::vector<int32_t>(k), std::vector<int32_t>(k * kLanes), {}};
        },
        [&](Rows& rows, int64_t unit) {
          const Walk::Offsets at = batch.At(static_cast<uint64_t>(unit) / chunks);
          const uint64_t first = static_cast<uint64_t>(unit) % chunks * kLanes;
          const auto lanes = static_cast<size_t>(std::min<uint64_t>(kLanes, out.size[0] - first));
          const auto column = static_cast<int64_t>(first);
          if (k > 0) {
            LoadTile(b.dtype, b_base + (at[1] + column) * StorageBytes(b.dtype),
                     {lanes, k, 1, b.strides[1]}, rows.right.data());
          }
          for (uint32_t m = 0; m < out.size[1]; ++m) {
            if (k > 0) {
              LoadTile(a.dtype,
                       a_base + (at[0] + int64_t{m} * a.strides[1]) * StorageBytes(a.dtype), {k, 1},
                       rows.left.data());
            }
            std::memset(rows.sum, 0, sizeof rows.sum);
            for (size_t i = 0; i < k; ++i) {
              MultiplyAddIntegers(rows.left[i], rows.right.data() + i * lanes, rows.sum, lanes);
            }
            StoreTile(c.dtype, rows.sum,
                      c_base + (at[2] + column + int64_t{m} * c.strides[1]) * StorageBytes(c.dtype),
                      {lanes, 1});
          }
        });
    return absl::OkStatus();
  }
};

}  // namespace

KernelOr MakeIntegerMatmulKernel(absl::Span<const std::byte> payload) {
  return MakeContractKernel<IntegerMatmulKernel>(hal::kIntegerMatmulGuid, payload);
}

}  // namespace openhpu::simulator
