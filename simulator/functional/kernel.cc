#include "simulator/functional/kernel.h"

#include <string>

#include "hal/kernel/contract.h"
#include "hal/kernel/text.h"
#include "simulator/functional/kernels/library.h"

namespace openhpu::simulator {
namespace {

struct Entry {
  std::string_view guid;
  KernelOr (*make)(absl::Span<const std::byte> payload);
};

// Sorted by guid.
constexpr Entry kKernels[] = {
    {hal::kDepthwiseGuid, MakeDepthwiseKernel}, {hal::kFusedGuid, MakeFusedKernel},
    {hal::kGatherGuid, MakeGatherKernel},       {hal::kIntegerMatmulGuid, MakeIntegerMatmulKernel},
    {hal::kNormGuid, MakeNormKernel},           {hal::kPool2dGuid, MakePool2dKernel},
    {hal::kRandomGuid, MakeRandomKernel},       {hal::kReduceGuid, MakeReduceKernel},
    {hal::kScatterGuid, MakeScatterKernel},     {hal::kSoftmaxGuid, MakeSoftmaxKernel},
    {hal::kSortGuid, MakeSortKernel},
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Kernel>> MakeKernel(std::string_view guid,
                                                         absl::Span<const std::byte> payload) {
  for (const Entry& entry : kKernels) {
    if (entry.guid == guid) return entry.make(payload);
  }
  return absl::NotFoundError(hal::Cat("no TPC kernel of guid \"", guid, "\" in the library"));
}

std::vector<std::string_view> KernelGuids() {
  std::vector<std::string_view> guids;
  for (const Entry& entry : kKernels) guids.push_back(entry.guid);
  return guids;
}

}  // namespace openhpu::simulator
