// Register<offset, count, stride>: a register of a block as a type, so that its offset and its
// fields are found under one name:
//     struct PQ_PI : Register<0xa0, 4> {};        PQ_PI::At(stream)
//     struct COMMIT : Register<0x78> { using LIN = Field<uint32_t, 3, 1>; };
// Register, packet and field names are the vendor's, verbatim.
#ifndef HAL_ABI_REGISTER_H_
#define HAL_ABI_REGISTER_H_

#include <cstdint>

namespace openhpu::hal::abi {

template <uint32_t kOffsetBytes, uint32_t kHowMany = 1, uint32_t kStrideBytes = 4>
struct Register {
  static constexpr uint32_t kOffset = kOffsetBytes;  // in the block
  static constexpr uint32_t kCount = kHowMany;
  static constexpr uint32_t kStride = kStrideBytes;
  static constexpr uint32_t At(uint32_t index) { return kOffset + kStride * index; }
};

}  // namespace openhpu::hal::abi

#endif  // HAL_ABI_REGISTER_H_
