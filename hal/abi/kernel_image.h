// A TPC kernel in device memory: a header that fills the 8 KiB page before the code, then the code.
// A TPC's kernel address points at the code, aligned to 8 KiB, as on a card, so hardware never sees
// the header; a model finds it one page below. Ours, not the vendor's. All numbers little-endian.
//
// On a model the guid names a kernel of the library and the code may be empty; for guid
// "openhpu.fused" the code is an expression program.
#ifndef HAL_ABI_KERNEL_IMAGE_H_
#define HAL_ABI_KERNEL_IMAGE_H_

#include <cstdint>

namespace openhpu::hal::abi {

inline constexpr uint32_t kKernelPageBytes = 8192;
inline constexpr uint32_t kKernelImageMagic = 0x4B55504F;  // "OPUK"
inline constexpr uint32_t kKernelImageVersion = 1;
inline constexpr int kKernelGuidBytes = 64;
inline constexpr int kKernelChipBytes = 16;

struct KernelImageHeader {
  uint32_t magic = kKernelImageMagic;
  uint32_t version = kKernelImageVersion;
  char guid[kKernelGuidBytes] = {};  // zero-filled, and the last byte is zero
  char chip[kKernelChipBytes] = {};  // Chip.name, likewise; empty: runs on any chip
  uint64_t code_bytes = 0;           // bytes of code from the next page on
  // CRC-32C of the code: reflected polynomial 0x82F63B78, start and final inversion ("123456789"
  // gives 0xE3069283).
  uint32_t code_crc32c = 0;
  uint32_t reserved[2023] = {};  // zero
};
static_assert(sizeof(KernelImageHeader) == kKernelPageBytes);

}  // namespace openhpu::hal::abi

#endif  // HAL_ABI_KERNEL_IMAGE_H_
