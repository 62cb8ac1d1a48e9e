// What the kernels share: from boxes of the index space to elements, from elements to memory, and
// the arithmetic of costs.
#ifndef SIMULATOR_FUNCTIONAL_KERNELS_SUPPORT_H_
#define SIMULATOR_FUNCTIONAL_KERNELS_SUPPORT_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/kernel/launch.h"
#include "simulator/functional/access.h"
#include "simulator/functional/kernel.h"

namespace openhpu::simulator {

// A box of a tensor's elements.
struct ElementBox {
  hal::TpcDims begin = {0, 0, 0, 0, 0};
  hal::TpcDims size = {1, 1, 1, 1, 1};

  uint64_t Count() const;
};

// The elements that a box of the index space stands for (dim 0 counts vectors), clipped to `sizes`;
// empty when it lies outside.
ElementBox ToElements(const hal::IndexBox& box, const hal::TpcDims& sizes);
// The part of an operand that belongs to `box`: dims in which the operand has size 1 are broadcast.
ElementBox Broadcast(ElementBox box, const hal::KernelTensor& tensor);
// `box` with the dims in `mask` (bit i = dim i) widened to all of `sizes`.
ElementBox Widen(ElementBox box, uint8_t mask, const hal::TpcDims& sizes);

// The bytes of `box` in the tensor at `address`. Rows that touch are one run.
AccessBox TensorAccess(const hal::KernelTensor& tensor, DeviceAddress address,
                       const ElementBox& box, bool write);

// InvalidArgument unless there is an address a tensor, aligned to its elements, and every tensor
// ends below 2^56: what the arithmetic here relies on. Part of every Prepare.
absl::Status CheckExtents(const BoundLaunch& launch);

// Host memory of the first element of `box` in tensor `i`; the whole box lies in one region. Null
// for an empty box.
absl::StatusOr<std::byte*> ResolveTensor(const BoundLaunch& launch, size_t i, const ElementBox& box,
                                         AddressSpace& memory);

// Vectors of 256 bytes that a row of `elements` takes in memory.
uint64_t RowVectors(uint64_t elements, DType dtype);
// Rows of a box: its elements without dim 0.
uint64_t Rows(const ElementBox& box);
// Vector accesses for all of a box of a tensor.
uint64_t BoxVectors(const hal::KernelTensor& tensor, const ElementBox& box);

// VLIW bundles that a vector of fp32 takes, beside plain arithmetic (1).
inline constexpr uint64_t kDivideBundles = 8;
inline constexpr uint64_t kTranscendentalBundles = 12;
// Below this many elements a second thread costs more than it saves. ThreadSanitizer does not see
// the synchronisation inside the OpenMP runtime: no threads then.
#if defined(__SANITIZE_THREAD__)
inline constexpr uint64_t kParallelElements = UINT64_MAX;
#else
inline constexpr uint64_t kParallelElements = uint64_t{1} << 16;
#endif

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_KERNELS_SUPPORT_H_
