// A kernel of the model's TPC library: what it computes and what it costs. One file a guid in
// kernels/; Find() is the table.
#ifndef SIMULATOR_FUNCTIONAL_KERNEL_H_
#define SIMULATOR_FUNCTIONAL_KERNEL_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/kernel/launch.h"
#include "simulator/functional/access.h"

namespace openhpu::simulator {

// A launch as read back from a TPC's descriptors. Tensors have addresses here; `written` in them is
// not known from a descriptor.
struct BoundLaunch {
  std::vector<hal::KernelTensor> tensors;
  std::vector<DeviceAddress> addresses;
  std::vector<uint32_t> scalars;
};

struct KernelCost {
  uint64_t bundles = 0;          // VLIW bundles issued
  uint64_t vector_accesses = 0;  // global vector loads and stores
};

// A kernel made from one image; immutable, so one object serves all TPCs. Everything is checked by
// Prepare: the other calls take what it accepted.
class Kernel {
 public:
  virtual ~Kernel() = default;
  // InvalidArgument names tensor or scalar when the launch does not fit the kernel.
  virtual absl::Status Prepare(const BoundLaunch& launch) const = 0;
  // Reads and writes of one box of the index space. Never depends on the values of data:
  // data-dependent traffic (gather) uses a stated pattern.
  virtual std::vector<AccessBox> Footprint(const BoundLaunch& launch,
                                           const hal::IndexBox& box) const = 0;
  virtual KernelCost Cost(const BoundLaunch& launch, const hal::IndexBox& box) const = 0;
  // Computes the box in place. May use the process's OpenMP threads; bits do not depend on their
  // number.
  virtual absl::Status Run(const BoundLaunch& launch, const hal::IndexBox& box,
                           AddressSpace& memory) const = 0;
};

// The kernel for an image: NotFound names an unknown guid, InvalidArgument a payload that does not
// validate.
absl::StatusOr<std::unique_ptr<const Kernel>> MakeKernel(std::string_view guid,
                                                         absl::Span<const std::byte> payload);

// All guids, sorted.
std::vector<std::string_view> KernelGuids();

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_KERNEL_H_
