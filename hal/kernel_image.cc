#include "hal/kernel_image.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "hal/abi/kernel_image.h"
#include "hal/base/crc32c.h"

namespace openhpu::hal {

static_assert(kKernelImagePage == abi::kKernelPageBytes);

absl::StatusOr<std::vector<std::byte>> MakeKernelImage(const KernelImage& image,
                                                       const std::string& chip) {
  if (image.guid.empty() || image.guid.size() >= abi::kKernelGuidBytes) {
    return absl::InvalidArgumentError(absl::StrCat("kernel guid \"", image.guid, "\": 1 to ",
                                                   abi::kKernelGuidBytes - 1, " bytes"));
  }
  if (chip.size() >= abi::kKernelChipBytes) {
    return absl::InvalidArgumentError(absl::StrCat("kernel ", image.guid, ": chip \"", chip,
                                                   "\" has over ", abi::kKernelChipBytes - 1,
                                                   " bytes"));
  }
  abi::KernelImageHeader header;
  std::memcpy(header.guid, image.guid.data(), image.guid.size());
  std::memcpy(header.chip, chip.data(), chip.size());
  header.code_bytes = image.payload.size();
  header.code_crc32c = Crc32c(image.payload);
  std::vector<std::byte> bytes(sizeof header + image.payload.size());
  std::memcpy(bytes.data(), &header, sizeof header);
  if (!image.payload.empty()) {
    std::memcpy(bytes.data() + sizeof header, image.payload.data(), image.payload.size());
  }
  return bytes;
}

}  // namespace openhpu::hal
