// What a command touches: strided boxes of memory. Made by the functional room from descriptors and
// launches; the engines turn them into flows, the hazard checker intersects them.
#ifndef SIMULATOR_FUNCTIONAL_ACCESS_H_
#define SIMULATOR_FUNCTIONAL_ACCESS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/base/strong_int.h"

namespace openhpu::simulator {

// Bytes base + sum(i_d * stride_d) + [0, run), 0 <= i_d < size_d. Strides may be 0 or negative. An
// empty box has run 0.
struct AccessBox {
  DeviceAddress base;
  uint64_t run = 0;  // contiguous bytes, innermost
  std::array<uint64_t, 5> sizes = {1, 1, 1, 1, 1};
  std::array<int64_t, 5> strides = {0, 0, 0, 0, 0};  // bytes
  bool write = false;
};

uint64_t Bytes(const AccessBox& box);  // run * product of sizes
// Whole cache lines touched, counting a line once a run (runs that share a line count it again).
uint64_t Lines(const AccessBox& box, uint64_t line_bytes);
// First and one past the last byte; 0 and 2^64 - 1 for a box that leaves the address space, so that
// what it seems to cover is mapped nowhere.
DeviceAddress Begin(const AccessBox& box);
DeviceAddress End(const AccessBox& box);
// Exact: whether two boxes share a byte.
bool Intersect(const AccessBox& a, const AccessBox& b);

// The device's memory as host memory, in place. Resolve fails (OutOfRange, with the address) unless
// [address, address + bytes) lies in one mapped region.
class AddressSpace {
 public:
  virtual ~AddressSpace() = default;
  virtual absl::StatusOr<std::byte*> Resolve(DeviceAddress address, uint64_t bytes) = 0;
  // Grows whenever anything in the 64 KiB page of `address` may have been written by the device or
  // the host; 0 = unknown, do not cache.
  virtual uint64_t PageVersion(DeviceAddress address) const = 0;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_ACCESS_H_
