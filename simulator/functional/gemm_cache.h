// Copies of weights in the layout a fast convolution wants, kept as long as the weights in device
// memory stay as they were.
#ifndef SIMULATOR_FUNCTIONAL_GEMM_CACHE_H_
#define SIMULATOR_FUNCTIONAL_GEMM_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "hal/base/strong_int.h"
#include "simulator/functional/access.h"

namespace openhpu::simulator {

// 64-byte aligned memory that is freed with its last user.
using SharedBytes = std::shared_ptr<std::byte>;
SharedBytes AllocateAligned(uint64_t bytes);

// Belongs to one AddressSpace and must not outlive its use with it: device addresses are keys.
// Thread-safe.
class WeightsCache {
 public:
  explicit WeightsCache(uint64_t capacity_bytes = uint64_t{1} << 30) : capacity_(capacity_bytes) {}

  // The copy made for this layout, or null when none is kept or a page of [address, address +
  // bytes) may have been written since.
  SharedBytes Find(const AddressSpace& memory, DeviceAddress address, uint64_t bytes,
                   const std::string& layout);
  // Call with the versions taken by Versions() before the copy was made. Drops the least recently
  // used copies to stay within the capacity; keeps nothing when the versions are empty or the copy
  // alone is larger.
  void Keep(DeviceAddress address, const std::string& layout, std::vector<uint64_t> versions,
            SharedBytes copy, uint64_t copy_bytes);
  // Versions of all pages of the range; empty when one is unknown.
  static std::vector<uint64_t> Versions(const AddressSpace& memory, DeviceAddress address,
                                        uint64_t bytes);

  uint64_t bytes_kept() const;

 private:
  using Key = std::pair<uint64_t, std::string>;
  struct Entry {
    std::vector<uint64_t> versions;
    SharedBytes copy;
    uint64_t bytes = 0;
    std::list<Key>::iterator use;
  };
  void Drop(std::map<Key, Entry>::iterator entry);

  const uint64_t capacity_;
  mutable std::mutex mutex_;
  uint64_t kept_ = 0;
  std::map<Key, Entry> entries_;
  std::list<Key> uses_;  // least recent first
};

// Where weights lie. Without a cache nothing is kept.
struct WeightsSource {
  WeightsCache* cache = nullptr;
  const AddressSpace* memory = nullptr;
  DeviceAddress address;
  uint64_t bytes = 0;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GEMM_CACHE_H_
