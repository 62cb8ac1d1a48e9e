// Numbers in device memory. Small integers are exact in every type, and so are their sums, in
// whatever order an engine adds: what suites compute is compared bit for bit.
#ifndef TESTING_CONFORMANCE_VALUES_H_
#define TESTING_CONFORMANCE_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "hal/base/dtype.h"

namespace openhpu::conformance {

// As they are stored. The values must be exact in `dtype`.
inline std::vector<std::byte> Encode(const std::vector<float>& values, DType dtype) {
  std::vector<std::byte> bytes(values.size() * StorageBytes(dtype));
  std::byte* to = bytes.data();
  for (const float value : values) {
    const auto integer = static_cast<int32_t>(value);
    const uint16_t narrow = FloatToBFloat16(value);
    const void* from = &integer;  // the low bytes come first
    if (dtype == DType::kFloat32) from = &value;
    if (dtype == DType::kBFloat16) from = &narrow;
    std::memcpy(to, from, StorageBytes(dtype));
    to += StorageBytes(dtype);
  }
  return bytes;
}

// `count` integers from -`most` to `most`, the same for the same arguments.
inline std::vector<float> Integers(size_t count, int most, uint32_t seed) {
  std::vector<float> values(count);
  uint32_t state = seed * 2654435761u + 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<int>((state >> 8) % (2 * most + 1)) - most);
  }
  return values;
}

}  // namespace openhpu::conformance

#endif  // TESTING_CONFORMANCE_VALUES_H_
