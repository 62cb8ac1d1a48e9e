#include "simulator/functional/gemm_cache.h"

#include <cstdlib>
#include <new>

namespace openhpu::simulator {
namespace {
constexpr uint64_t kPageBytes = 64 << 10;
}  // namespace

SharedBytes AllocateAligned(uint64_t bytes) {
  void* p = std::aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
  if (p == nullptr) throw std::bad_alloc();
  return SharedBytes(static_cast<std::byte*>(p), [](std::byte* b) { std::free(b); });
}

std::vector<uint64_t> WeightsCache::Versions(const AddressSpace& memory, DeviceAddress address,
                                             uint64_t bytes) {
  std::vector<uint64_t> versions;
  if (bytes == 0) return versions;
  const uint64_t first = address.value() / kPageBytes;
  const uint64_t last = (address.value() + bytes - 1) / kPageBytes;
  versions.reserve(last - first + 1);
  for (uint64_t page = first; page <= last; ++page) {
    // The first page is asked for by the first byte: a region need not begin at a page.
    const uint64_t at = page == first ? address.value() : page * kPageBytes;
    const uint64_t version = memory.PageVersion(DeviceAddress(at));
    if (version == 0) return {};
    versions.push_back(version);
  }
  return versions;
}

SharedBytes WeightsCache::Find(const AddressSpace& memory, DeviceAddress address, uint64_t bytes,
                               const std::string& layout) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto it = entries_.find(Key(address.value(), layout));
  if (it == entries_.end()) return nullptr;
  if (it->second.versions != Versions(memory, address, bytes)) {
    Drop(it);
    return nullptr;
  }
  uses_.splice(uses_.end(), uses_, it->second.use);
  return it->second.copy;
}

void WeightsCache::Keep(DeviceAddress address, const std::string& layout,
                        std::vector<uint64_t> versions, SharedBytes copy, uint64_t copy_bytes) {
  if (versions.empty() || copy_bytes > capacity_) return;
  std::lock_guard<std::mutex> lock(mutex_);
  const Key key(address.value(), layout);
  if (const auto old = entries_.find(key); old != entries_.end()) Drop(old);
  while (kept_ + copy_bytes > capacity_) Drop(entries_.find(uses_.front()));
  Entry& entry = entries_[key];
  entry.versions = std::move(versions);
  entry.copy = std::move(copy);
  entry.bytes = copy_bytes;
  entry.use = uses_.insert(uses_.end(), key);
  kept_ += copy_bytes;
}

uint64_t WeightsCache::bytes_kept() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return kept_;
}

void WeightsCache::Drop(std::map<Key, Entry>::iterator entry) {
  kept_ -= entry->second.bytes;
  uses_.erase(entry->second.use);
  entries_.erase(entry);
}

}  // namespace openhpu::simulator
