// What the MME engines of both chips share: what follows from a descriptor is kept by its words,
// because descriptors come again and again; and the bytes that loops fetch.
#ifndef SIMULATOR_ENGINE_MME_TRAFFIC_H_
#define SIMULATOR_ENGINE_MME_TRAFFIC_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "simulator/engine/fabric.h"

namespace openhpu::simulator {

// Prepared has a member `descriptor`.
template <typename Descriptor, typename Prepared>
class DescriptorCache {
 public:
  // Null if nothing is kept for these words.
  Prepared* Find(const Descriptor& descriptor) const {
    const auto it = entries_.find(HashOf(descriptor));
    if (it == entries_.end()) return nullptr;
    Prepared* const prepared = it->second.get();
    const bool same = std::memcmp(static_cast<const void*>(&prepared->descriptor),
                                  static_cast<const void*>(&descriptor), sizeof descriptor) == 0;
    return same ? prepared : nullptr;
  }
  // Valid until the next Keep.
  Prepared* Keep(std::unique_ptr<Prepared> prepared) {
    if (entries_.size() >= kMost) entries_.clear();
    std::unique_ptr<Prepared>& entry = entries_[HashOf(prepared->descriptor)];
    entry = std::move(prepared);
    return entry.get();
  }
  void Clear() { entries_.clear(); }

 private:
  static constexpr size_t kMost = 16384;

  static uint64_t HashOf(const Descriptor& descriptor) {
    static_assert(sizeof descriptor % sizeof(uint64_t) == 0);
    uint64_t hash = 0xCBF29CE484222325u;
    const auto* bytes = reinterpret_cast<const unsigned char*>(&descriptor);
    for (size_t i = 0; i < sizeof descriptor; i += sizeof(uint64_t)) {
      uint64_t word;
      std::memcpy(&word, bytes + i, sizeof word);
      hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
      hash ^= hash >> 29;
    }
    return hash;
  }

  std::unordered_map<uint64_t, std::unique_ptr<Prepared>> entries_;  // by hash
};

// Adds what an operand's address generators fetch of its boxes: all of them `rereads` times; of
// what is asked for at `overlapping` shifted places, so many times as much; but at most `most`
// bytes in all, or the boxes once.
absl::Status AddFetched(const Fabric& fabric, const std::vector<AccessBox>& boxes, uint64_t rereads,
                        uint64_t overlapping, uint64_t most, Traffic& traffic);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_MME_TRAFFIC_H_
