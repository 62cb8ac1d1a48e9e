#include "simulator/device_node/device_memory.h"

#include <cerrno>
#include <iterator>

namespace openhpu::simulator {

DeviceMemory::DeviceMemory(uint64_t bytes, uint64_t page, uint64_t begin, uint64_t end)
    : page_(page), begin_(begin), end_(end), pages_("DRAM", 0, bytes / page) {}

int DeviceMemory::Allocate(uint64_t bytes, uint64_t* handle) {
  if (bytes == 0) return -EINVAL;
  const uint64_t count = bytes / page_ + (bytes % page_ != 0 ? 1 : 0);
  const absl::StatusOr<uint64_t> first = pages_.Allocate(count, 1);
  if (!first.ok()) return -ENOMEM;
  *handle = 1;
  for (const auto& [taken, allocation] : allocations_) {
    if (taken != *handle) break;
    ++*handle;
  }
  allocations_[*handle] = {*first * page_, count * page_, 0};
  return 0;
}

int DeviceMemory::Free(uint64_t handle) {
  const auto found = allocations_.find(handle);
  if (found == allocations_.end() || found->second.mappings != 0) return -EINVAL;
  (void)pages_.Free(found->second.offset / page_);
  allocations_.erase(found);
  return 0;
}

const DeviceMemory::Allocation* DeviceMemory::Find(uint64_t handle) const {
  const auto found = allocations_.find(handle);
  return found == allocations_.end() ? nullptr : &found->second;
}

bool DeviceMemory::IsFree(uint64_t address, uint64_t bytes) const {
  if (address < begin_ || address >= end_ || bytes > end_ - address) return false;
  const auto next = mappings_.lower_bound(address);
  if (next != mappings_.end() && next->first - address < bytes) return false;
  if (next == mappings_.begin()) return true;
  const auto& [before, handle] = *std::prev(next);
  return address - before >= allocations_.at(handle).bytes;
}

int DeviceMemory::PlaceFor(uint64_t handle, uint64_t hint, bool only_hint,
                           uint64_t* address) const {
  const Allocation* const allocation = Find(handle);
  if (allocation == nullptr) return -EINVAL;
  if (hint != 0 && (hint - begin_) % page_ == 0 && IsFree(hint, allocation->bytes)) {
    *address = hint;
    return 0;
  }
  if (hint != 0 && only_hint) return -ENOMEM;
  *address = begin_;
  for (const auto& [at, mapped] : mappings_) {
    if (at - *address >= allocation->bytes) break;
    *address = at + allocations_.at(mapped).bytes;
  }
  return IsFree(*address, allocation->bytes) ? 0 : -ENOMEM;
}

void DeviceMemory::Map(uint64_t handle, uint64_t address) {
  mappings_[address] = handle;
  ++allocations_.at(handle).mappings;
}

int DeviceMemory::Unmap(uint64_t address) {
  const auto found = mappings_.find(address);
  if (found == mappings_.end()) return -EINVAL;
  --allocations_.at(found->second).mappings;
  mappings_.erase(found);
  return 0;
}

}  // namespace openhpu::simulator
