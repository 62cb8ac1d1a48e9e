// Element types. What the device stores: fp32, bf16 and small integers. int64 is stored as int32
// (as the vendor's lazy mode does), so it exists above the compiler only; bool is one byte, 0 or 1.
#ifndef HAL_BASE_DTYPE_H_
#define HAL_BASE_DTYPE_H_

#include <cstdint>
#include <cstring>
#include <string_view>

namespace openhpu {

enum class DType : uint8_t {
  kFloat32 = 0,
  kBFloat16 = 1,
  kInt32 = 2,
  kInt16 = 3,
  kInt8 = 4,
  kUInt8 = 5,
  kBool = 6,
  kInt64 = 7,  // logical only: four bytes on the device
};
inline constexpr int kNumDTypes = 8;

// Bytes an element takes in device memory.
constexpr int StorageBytes(DType t) {
  switch (t) {
    case DType::kFloat32:
    case DType::kInt32:
    case DType::kInt64:
      return 4;
    case DType::kBFloat16:
    case DType::kInt16:
      return 2;
    case DType::kInt8:
    case DType::kUInt8:
    case DType::kBool:
      return 1;
  }
  return 0;
}
// The type the device computes and stores for a logical one: int64 becomes int32, others stay.
constexpr DType DeviceType(DType t) { return t == DType::kInt64 ? DType::kInt32 : t; }
constexpr bool IsFloat(DType t) { return t == DType::kFloat32 || t == DType::kBFloat16; }

constexpr std::string_view Name(DType t) {
  switch (t) {
    case DType::kFloat32:
      return "f32";
    case DType::kBFloat16:
      return "bf16";
    case DType::kInt32:
      return "i32";
    case DType::kInt16:
      return "i16";
    case DType::kInt8:
      return "i8";
    case DType::kUInt8:
      return "u8";
    case DType::kBool:
      return "bool";
    case DType::kInt64:
      return "i64";
  }
  return "?";
}

// bf16 <-> fp32: exact widening; narrowing rounds to nearest even and keeps NaNs quiet.
inline float BFloat16ToFloat(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float f;
  std::memcpy(&f, &wide, sizeof f);
  return f;
}
inline uint16_t FloatToBFloat16(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace openhpu

#endif  // HAL_BASE_DTYPE_H_
