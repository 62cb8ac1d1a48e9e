// The bytes of a TPC kernel in device memory: the header page of hal/abi/kernel_image.h, then the
// code.
#ifndef HAL_KERNEL_IMAGE_H_
#define HAL_KERNEL_IMAGE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/kernel/launch.h"

namespace openhpu::hal {

// How far the code lies behind the image's first byte; both are aligned to it.
inline constexpr uint64_t kKernelImagePage = 8192;

// For `chip` (Chip.name), or for any when it is empty. InvalidArgument when guid or chip has no
// room in the header.
absl::StatusOr<std::vector<std::byte>> MakeKernelImage(const KernelImage& image,
                                                       const std::string& chip);

}  // namespace openhpu::hal

#endif  // HAL_KERNEL_IMAGE_H_
