#include "runtime/memory_pool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"

namespace openhpu::runtime {
namespace {

constexpr uint64_t kLargestChunk = 32 << 20;
constexpr uint64_t kLargestStep = 2 << 20;

}  // namespace

MemoryPool::MemoryPool(hal::Device& device)
    : device_(device),
      chunk_bytes_(std::max<uint64_t>(
          kAlignment,
          std::min(kLargestChunk, device.info().dram_user_bytes / 16) / kAlignment * kAlignment)) {}

uint64_t MemoryPool::SizeClass(uint64_t bytes) {
  // Eight classes a doubling, between steps of the alignment and of two megabytes.
  uint64_t step = kAlignment;
  while (bytes > 16 * step && step < kLargestStep) step *= 2;
  return std::max<uint64_t>(1, (bytes + step - 1) / step) * step;
}

void MemoryPool::Reap(bool poll, bool wait) {
  const auto passed = [&](const LastUse& use) {
    if (use.sequence <= use.timeline->completed()) return true;
    if (wait) {
      // Work that is lost no longer uses anything.
      use.timeline->Wait(use.sequence, absl::InfiniteDuration()).IgnoreError();
      wait = false;
      return true;
    }
    if (!poll) return false;
    const absl::StatusOr<bool> done = use.timeline->Done(use.sequence);
    return !done.ok() || *done;
  };
  std::deque<Pending> still;
  for (Pending& block : pending_) {
    while (!block.uses.empty() && passed(block.uses.back())) block.uses.pop_back();
    if (block.uses.empty()) {
      cached_[block.bytes].push_back(block.address);
    } else {
      poll = false;  // later blocks were used later
      still.push_back(std::move(block));
    }
  }
  pending_ = std::move(still);
}

bool MemoryPool::TakeCached(uint64_t bytes, DeviceAddress* address) {
  const auto it = cached_.find(bytes);
  if (it == cached_.end() || it->second.empty()) return false;
  *address = it->second.back();
  it->second.pop_back();
  return true;
}

bool MemoryPool::TakeFresh(uint64_t bytes, DeviceAddress* address) {
  for (auto& [base, chunk] : chunks_) {
    const absl::StatusOr<uint64_t> got = chunk.ranges.Allocate(bytes, kAlignment);
    if (!got.ok()) continue;
    *address = DeviceAddress(*got);
    return true;
  }
  return false;
}

absl::Status MemoryPool::AddChunk(uint64_t bytes) {
  // The driver aligns to less than a block needs.
  absl::StatusOr<hal::Buffer> memory =
      device_.Allocate(hal::MemoryKind::kDram, std::max(bytes, chunk_bytes_) + kAlignment);
  if (!memory.ok() && bytes < chunk_bytes_) {
    memory = device_.Allocate(hal::MemoryKind::kDram, bytes + kAlignment);
  }
  RETURN_IF_ERROR(memory.status());
  const uint64_t base = memory->address().value(), size = memory->bytes();
  statistics_.reserved += size;
  statistics_.peak_reserved = std::max(statistics_.peak_reserved, statistics_.reserved);
  chunks_.emplace(base,
                  Chunk{*std::move(memory), hal::RangeAllocator("device memory pool", base, size)});
  return absl::OkStatus();
}

void MemoryPool::Melt() {
  for (auto& [bytes, addresses] : cached_) {
    for (DeviceAddress address : addresses) {
      auto chunk = chunks_.upper_bound(address.value());
      OPENHPU_CHECK(chunk != chunks_.begin());
      OPENHPU_CHECK((--chunk)->second.ranges.Free(address.value()).ok());
    }
  }
  cached_.clear();
}

void MemoryPool::TrimLocked() {
  Melt();
  for (auto it = chunks_.begin(); it != chunks_.end();) {
    if (it->second.ranges.used() == 0) {
      statistics_.reserved -= it->second.memory.bytes();
      it = chunks_.erase(it);
    } else {
      ++it;
    }
  }
}

void MemoryPool::Trim() {
  MutexLock lock(&mutex_);
  Reap(/*poll=*/true, /*wait=*/false);
  TrimLocked();
}

absl::StatusOr<DeviceAddress> MemoryPool::AllocateLocked(uint64_t bytes) {
  DeviceAddress address;
  Reap(/*poll=*/false, /*wait=*/false);
  if (TakeCached(bytes, &address)) return address;
  if (!pending_.empty()) {
    Reap(/*poll=*/true, /*wait=*/false);
    if (TakeCached(bytes, &address)) return address;
  }
  if (TakeFresh(bytes, &address)) return address;
  absl::Status status = AddChunk(bytes);
  if (status.ok() && TakeFresh(bytes, &address)) return address;
  // The device is full: give up what is cached, then wait for what is in flight.
  for (;;) {
    Melt();
    if (TakeFresh(bytes, &address)) return address;
    TrimLocked();
    status = AddChunk(bytes);
    if (status.ok() && TakeFresh(bytes, &address)) return address;
    if (pending_.empty()) return status;
    Reap(/*poll=*/false, /*wait=*/true);
  }
}

absl::StatusOr<DeviceAddress> MemoryPool::Allocate(uint64_t bytes) {
  const uint64_t total = device_.info().dram_user_bytes;
  MutexLock lock(&mutex_);
  const uint64_t size = bytes <= total ? SizeClass(bytes) : bytes;
  absl::StatusOr<DeviceAddress> address =
      bytes <= total ? AllocateLocked(size) : absl::ResourceExhaustedError("more than there is");
  if (!address.ok()) {
    return absl::Status(address.status().code(),
                        absl::StrCat("device memory: ", bytes, " bytes asked; allocated ",
                                     statistics_.allocated, ", reserved ", statistics_.reserved,
                                     ", of ", total, " (", address.status().message(), ")"));
  }
  in_use_[address->value()] = size;
  statistics_.allocated += size;
  statistics_.peak_allocated = std::max(statistics_.peak_allocated, statistics_.allocated);
  ++statistics_.allocations;
  statistics_.largest_allocation = std::max(statistics_.largest_allocation, size);
  return address;
}

void MemoryPool::Free(DeviceAddress address, std::vector<LastUse> uses) {
  MutexLock lock(&mutex_);
  const auto it = in_use_.find(address.value());
  OPENHPU_CHECK(it != in_use_.end());
  const uint64_t bytes = it->second;
  in_use_.erase(it);
  statistics_.allocated -= bytes;
  ++statistics_.frees;
  uses.erase(
      std::remove_if(uses.begin(), uses.end(),
                     [](const LastUse& use) { return use.sequence <= use.timeline->completed(); }),
      uses.end());
  if (uses.empty()) {
    cached_[bytes].push_back(address);
  } else {
    pending_.push_back({address, bytes, std::move(uses)});
  }
}

MemoryStatistics MemoryPool::statistics() const {
  MutexLock lock(&mutex_);
  return statistics_;
}

void MemoryPool::ResetPeak() {
  MutexLock lock(&mutex_);
  statistics_.peak_allocated = statistics_.allocated;
  statistics_.peak_reserved = statistics_.reserved;
}

}  // namespace openhpu::runtime
