// What each kernel of the library takes, said once: the factories (hal/kernel/kernels.h) check with
// it before a launch is made, the model's kernels (simulator/functional/kernels) before one is run
// from descriptors. Each function checks all tensors of a launch, in the order of kernels.h, and
// gives the index space; InvalidArgument names the guid, and the operand by role.
//
// What a step of the index space is. dim 0 counts vectors of kVectorLanes elements, dims 1-4
// elements, of:
//   fused, gather, pool2d, depthwise, matmul_int, random: the output;
//   reduce: the output (reduced dims have size 1);
//   softmax, scatter, sort: the output with the dim that they work along as one step (dim 0 as one
//   step when it is that dim);
//   norm: mean and rstd (reduced dims have size 1).
// Every step makes its own outputs, so all dims may be cut anywhere, and results do not depend on
// the cut. `written` is not looked at.
//
// Where bool is expected, u8 is taken too: a hardware descriptor has no other name for it.
#ifndef HAL_KERNEL_CONTRACT_H_
#define HAL_KERNEL_CONTRACT_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/kernel/expression.h"
#include "hal/kernel/kernels.h"
#include "hal/kernel/launch.h"

namespace openhpu::hal {

inline constexpr std::string_view kFusedGuid = "openhpu.fused";
inline constexpr std::string_view kReduceGuid = "openhpu.reduce";
inline constexpr std::string_view kSoftmaxGuid = "openhpu.softmax";
inline constexpr std::string_view kNormGuid = "openhpu.norm";
inline constexpr std::string_view kPool2dGuid = "openhpu.pool2d";
inline constexpr std::string_view kGatherGuid = "openhpu.gather";
inline constexpr std::string_view kDepthwiseGuid = "openhpu.depthwise";
inline constexpr std::string_view kIntegerMatmulGuid = "openhpu.matmul_int";
inline constexpr std::string_view kRandomGuid = "openhpu.random";
inline constexpr std::string_view kScatterGuid = "openhpu.scatter";
inline constexpr std::string_view kSortGuid = "openhpu.sort";

using KernelTensors = absl::Span<const KernelTensor>;

absl::StatusOr<TpcDims> FusedIndexSpace(const ExpressionProgram& program, KernelTensors tensors);
absl::StatusOr<TpcDims> ReduceIndexSpace(const ReduceParams& params, KernelTensors tensors);
absl::StatusOr<TpcDims> SoftmaxIndexSpace(const SoftmaxParams& params, KernelTensors tensors);
absl::StatusOr<TpcDims> NormIndexSpace(const NormParams& params, KernelTensors tensors);
absl::StatusOr<TpcDims> Pool2dIndexSpace(const PoolParams& params, KernelTensors tensors);
absl::StatusOr<TpcDims> GatherIndexSpace(const GatherParams& params, KernelTensors tensors);
absl::StatusOr<TpcDims> DepthwiseIndexSpace(const DepthwiseParams& params, KernelTensors tensors);
absl::StatusOr<TpcDims> IntegerMatmulIndexSpace(KernelTensors tensors);
absl::StatusOr<TpcDims> RandomIndexSpace(const RandomParams& params, KernelTensors tensors);
absl::StatusOr<TpcDims> ScatterIndexSpace(const ScatterParams& params, KernelTensors tensors);
absl::StatusOr<TpcDims> SortIndexSpace(const SortParams& params, KernelTensors tensors);

}  // namespace openhpu::hal

#endif  // HAL_KERNEL_CONTRACT_H_
