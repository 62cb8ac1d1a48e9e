// RangeAllocator: first fit over one range of addresses, without touching what lies there. Used for
// device memory, banks and address windows.
//
// Deterministic: the same calls give the same addresses. Not thread-safe: its owner locks. Freed
// neighbours coalesce at once.
#ifndef HAL_RANGE_ALLOCATOR_H_
#define HAL_RANGE_ALLOCATOR_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace openhpu::hal {

class RangeAllocator {
 public:
  // Manages [base, base + size). `what` names the range in errors ("DRAM", "sync objects").
  RangeAllocator(std::string what, uint64_t base, uint64_t size);

  // The lowest `size` units whose first address is a multiple of `alignment` (a power of two).
  // InvalidArgument for size 0 or another alignment; ResourceExhausted, with the numbers, when no
  // free run is long enough.
  absl::StatusOr<uint64_t> Allocate(uint64_t size, uint64_t alignment);

  // NotFound unless `address` is what Allocate gave and is not free.
  absl::Status Free(uint64_t address);

  uint64_t size() const { return size_; }
  uint64_t used() const { return used_; }
  uint64_t largest_free() const;
  // The size of the allocation that starts at `address`, 0 if there is none.
  uint64_t SizeOf(uint64_t address) const;
  // True when [address, address + size) lies inside one allocation.
  bool Contains(uint64_t address, uint64_t size) const;

 private:
  std::string what_;
  uint64_t size_;
  uint64_t used_ = 0;
  std::map<uint64_t, uint64_t> free_;       // start -> size, never adjacent
  std::map<uint64_t, uint64_t> allocated_;  // start -> size
};

}  // namespace openhpu::hal

#endif  // HAL_RANGE_ALLOCATOR_H_
