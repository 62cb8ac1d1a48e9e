// The part that all kernels without a payload share: parameters read from the scalars, checks from
// the contract.
#ifndef SIMULATOR_FUNCTIONAL_KERNELS_CONTRACT_KERNEL_H_
#define SIMULATOR_FUNCTIONAL_KERNELS_CONTRACT_KERNEL_H_

#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/contract.h"
#include "hal/kernel/text.h"
#include "simulator/functional/kernels/library.h"
#include "simulator/functional/kernels/support.h"

namespace openhpu::simulator {

// K has Params, `static StatusOr<Params> Read(span of scalars)` and `static StatusOr<TpcDims>
// Space(params, tensors)`.
template <typename K>
class ContractKernel : public Kernel {
 public:
  absl::Status Prepare(const BoundLaunch& launch) const override {
    RETURN_IF_ERROR(CheckExtents(launch));
    ASSIGN_OR_RETURN(const auto params, K::Read(launch.scalars));
    return K::Space(params, launch.tensors).status();
  }

 protected:
  // Of a launch that Prepare accepted.
  static auto Params(const BoundLaunch& launch) {
    auto params = K::Read(launch.scalars);
    OPENHPU_CHECK(params.ok());
    return *std::move(params);
  }
};

template <typename K>
KernelOr MakeContractKernel(std::string_view guid, absl::Span<const std::byte> payload) {
  if (!payload.empty()) {
    return absl::InvalidArgumentError(
        hal::Cat(guid, ": a payload of ", payload.size(), " bytes where none is taken"));
  }
  return std::unique_ptr<const Kernel>(std::make_unique<K>());
}

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_KERNELS_CONTRACT_KERNEL_H_
