// DRAM that the kernel driver gives out, of a chip that sees it by virtual address: allocations by
// handle, and where they are mapped. Sizes are of whole pages. Methods answer 0 or a negative
// errno. Not thread-safe.
#ifndef SIMULATOR_DEVICE_NODE_DEVICE_MEMORY_H_
#define SIMULATOR_DEVICE_NODE_DEVICE_MEMORY_H_

#include <cstdint>
#include <map>

#include "hal/range_allocator.h"

namespace openhpu::simulator {

class DeviceMemory {
 public:
  // `bytes` of DRAM in pages of `page`, which are mapped in [begin, end).
  DeviceMemory(uint64_t bytes, uint64_t page, uint64_t begin, uint64_t end);

  struct Allocation {
    uint64_t offset = 0, bytes = 0;
    int mappings = 0;
  };
  // Pages that are adjacent; the lowest handle that is free, from 1 on.
  int Allocate(uint64_t bytes, uint64_t* handle);
  // -EINVAL: none, or mapped.
  int Free(uint64_t handle);
  // Null when there is none.
  const Allocation* Find(uint64_t handle) const;
  uint64_t used() const { return pages_.used() * page_; }

  // Where to map it: at `hint`, if that is an address of a page and free, and not 0; else where
  // there is room first, unless the hint is the only choice (-ENOMEM).
  int PlaceFor(uint64_t handle, uint64_t hint, bool only_hint, uint64_t* address) const;
  // It is mapped there, as PlaceFor said.
  void Map(uint64_t handle, uint64_t address);
  // -EINVAL: nothing is mapped at it.
  int Unmap(uint64_t address);
  const std::map<uint64_t, uint64_t>& mappings() const { return mappings_; }

 private:
  bool IsFree(uint64_t address, uint64_t bytes) const;

  const uint64_t page_, begin_, end_;
  hal::RangeAllocator pages_;
  std::map<uint64_t, Allocation> allocations_;  // by handle
  std::map<uint64_t, uint64_t> mappings_;       // address -> handle
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_DEVICE_MEMORY_H_
