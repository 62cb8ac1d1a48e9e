#include "hal/range_allocator.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openhpu::hal {

RangeAllocator::RangeAllocator(std::string what, uint64_t base, uint64_t size)
    : what_(std::move(what)), size_(size) {
  if (size > 0) free_[base] = size;
}

absl::StatusOr<uint64_t> RangeAllocator::Allocate(uint64_t size, uint64_t alignment) {
  if (size == 0) return absl::InvalidArgumentError(absl::StrCat(what_, ": allocation of size 0"));
  if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(what_, ": alignment ", alignment, " is not a power of two"));
  }
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    const uint64_t begin = it->first, length = it->second;
    const uint64_t skip = (alignment - begin % alignment) % alignment;
    if (skip >= length || length - skip < size) continue;
    free_.erase(it);
    if (skip > 0) free_[begin] = skip;
    if (length - skip > size) free_[begin + skip + size] = length - skip - size;
    allocated_[begin + skip] = size;
    used_ += size;
    return begin + skip;
  }
  return absl::ResourceExhaustedError(absl::StrCat(what_, ": ", size, " asked, ", size_ - used_,
                                                   " of ", size_, " free, largest free run ",
                                                   largest_free()));
}

absl::Status RangeAllocator::Free(uint64_t address) {
  const auto it = allocated_.find(address);
  if (it == allocated_.end()) {
    return absl::NotFoundError(
        absl::StrCat(what_, ": nothing is allocated at 0x", absl::Hex(address)));
  }
  uint64_t begin = address, length = it->second;
  allocated_.erase(it);
  used_ -= length;
  auto next = free_.lower_bound(begin);
  if (next != free_.end() && next->first == begin + length) {
    length += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == begin) {
      begin = previous->first;
      length += previous->second;
      free_.erase(previous);
    }
  }
  free_[begin] = length;
  return absl::OkStatus();
}

uint64_t RangeAllocator::largest_free() const {
  uint64_t largest = 0;
  for (const auto& [begin, length] : free_) largest = std::max(largest, length);
  return largest;
}

uint64_t RangeAllocator::SizeOf(uint64_t address) const {
  const auto it = allocated_.find(address);
  return it == allocated_.end() ? 0 : it->second;
}

bool RangeAllocator::Contains(uint64_t address, uint64_t size) const {
  auto it = allocated_.upper_bound(address);
  if (it == allocated_.begin()) return false;
  --it;
  const uint64_t offset = address - it->first;
  return offset <= it->second && size <= it->second - offset;
}

}  // namespace openhpu::hal
