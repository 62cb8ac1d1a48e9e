#include "simulator/engine/kernel_store.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "hal/abi/kernel_image.h"
#include "hal/base/crc32c.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi;

constexpr uint64_t kVersionPageBytes = 65536;
constexpr uint64_t kMaxCodeBytes = uint64_t{1} << 28;

absl::Status Bad(DeviceAddress code, const std::string& what) {
  return absl::InvalidArgumentError(
      absl::StrCat("kernel at 0x", absl::Hex(code.value()), ": ", what));
}

// A zero-terminated field.
template <size_t kBytes>
std::string Text(const char (&field)[kBytes]) {
  return std::string(field, std::find(field, field + kBytes, '\0'));
}

}  // namespace

// The sum grows whenever one of the pages may have been written; 0 when that is not known.
uint64_t KernelStore::VersionOf(DeviceAddress code, uint64_t code_bytes) const {
  uint64_t sum = 0;
  const uint64_t first = (code.value() - abi::kKernelPageBytes) / kVersionPageBytes;
  const uint64_t last = (code.value() + std::max<uint64_t>(code_bytes, 1) - 1) / kVersionPageBytes;
  for (uint64_t page = first; page <= last; ++page) {
    const uint64_t version =
        environment_.memory->PageVersion(DeviceAddress(page * kVersionPageBytes));
    if (version == 0) return 0;
    sum += version;
  }
  return sum;
}

absl::StatusOr<std::shared_ptr<const StoredKernel>> KernelStore::Find(DeviceAddress code) {
  Entry& entry = entries_[code.value()];
  if (entry.kernel != nullptr && entry.version != 0 &&
      entry.version == VersionOf(code, entry.code_bytes)) {
    return entry.kernel;
  }
  entry = Entry();
  if (code.value() % abi::kKernelPageBytes != 0 || code.value() < abi::kKernelPageBytes) {
    return Bad(code, absl::StrCat("not aligned to ", abi::kKernelPageBytes));
  }
  ASSIGN_OR_RETURN(const std::byte* const page,
                   ResolveForUser(environment_, DeviceAddress(code.value() - abi::kKernelPageBytes),
                                  abi::kKernelPageBytes));
  abi::KernelImageHeader header;
  std::memcpy(&header, page, sizeof header);
  if (header.magic != abi::kKernelImageMagic) return Bad(code, "no image in the page before it");
  if (header.version != abi::kKernelImageVersion) {
    return Bad(code, absl::StrCat("image of version ", header.version, ", known is ",
                                  abi::kKernelImageVersion));
  }
  const std::string guid = Text(header.guid), chip = Text(header.chip);
  if (!chip.empty() && chip != chip_) {
    return Bad(code, absl::StrCat(guid, " is for ", chip, ", this is ", chip_));
  }
  if (header.code_bytes > kMaxCodeBytes) {
    return Bad(code, absl::StrCat(guid, " has ", header.code_bytes, " bytes of code"));
  }
  absl::Span<const std::byte> payload;
  if (header.code_bytes != 0) {
    ASSIGN_OR_RETURN(const std::byte* const bytes,
                     ResolveForUser(environment_, code, header.code_bytes));
    payload = {bytes, static_cast<size_t>(header.code_bytes)};
  }
  if (const uint32_t crc = Crc32c(payload); crc != header.code_crc32c) {
    return Bad(code, absl::StrCat(guid, " is damaged: CRC-32C 0x", absl::Hex(crc), ", should be 0x",
                                  absl::Hex(header.code_crc32c)));
  }
  auto kernel = std::make_shared<StoredKernel>();
  kernel->guid = guid;
  ASSIGN_OR_RETURN(kernel->kernel, MakeKernel(guid, payload));
  Entry& fresh = entries_[code.value()];
  fresh.version = VersionOf(code, header.code_bytes);
  fresh.code_bytes = header.code_bytes;
  fresh.kernel = kernel;
  return std::shared_ptr<const StoredKernel>(std::move(kernel));
}

}  // namespace openhpu::simulator
