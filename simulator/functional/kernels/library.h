// The kernels of the library, one factory a guid; the table is in kernel.cc. What they take, and
// what a step of their index space is: hal/kernel/contract.h.
#ifndef SIMULATOR_FUNCTIONAL_KERNELS_LIBRARY_H_
#define SIMULATOR_FUNCTIONAL_KERNELS_LIBRARY_H_

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "simulator/functional/kernel.h"

namespace openhpu::simulator {

using KernelOr = absl::StatusOr<std::unique_ptr<const Kernel>>;

KernelOr MakeFusedKernel(absl::Span<const std::byte> payload);
KernelOr MakeReduceKernel(absl::Span<const std::byte> payload);
KernelOr MakeSoftmaxKernel(absl::Span<const std::byte> payload);
KernelOr MakeNormKernel(absl::Span<const std::byte> payload);
KernelOr MakePool2dKernel(absl::Span<const std::byte> payload);
KernelOr MakeGatherKernel(absl::Span<const std::byte> payload);
KernelOr MakeDepthwiseKernel(absl::Span<const std::byte> payload);
KernelOr MakeIntegerMatmulKernel(absl::Span<const std::byte> payload);
KernelOr MakeRandomKernel(absl::Span<const std::byte> payload);
KernelOr MakeScatterKernel(absl::Span<const std::byte> payload);
KernelOr MakeSortKernel(absl::Span<const std::byte> payload);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_KERNELS_LIBRARY_H_
