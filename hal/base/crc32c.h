// CRC-32C (Castagnoli): reflected polynomial 0x82F63B78, start and final inversion; "123456789"
// gives 0xE3069283. What kernel images and recipes are guarded with.
#ifndef HAL_BASE_CRC32C_H_
#define HAL_BASE_CRC32C_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace openhpu {

// Of `bytes`, or of what `before` is the checksum of followed by `bytes`.
uint32_t Crc32c(absl::Span<const std::byte> bytes, uint32_t before = 0);

}  // namespace openhpu

#endif  // HAL_BASE_CRC32C_H_
