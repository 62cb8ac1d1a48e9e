// MemoryPool: device memory, cached. Blocks are cut from large chunks that the pool holds from the
// driver; a freed block goes back to a list of its size class, so that work of the same shape finds
// the same addresses again. A block whose last use is still in flight returns when that point of
// its stream is passed.
//
// Deterministic: the same calls and completions give the same addresses. Threading: any thread.
#ifndef RUNTIME_MEMORY_POOL_H_
#define RUNTIME_MEMORY_POOL_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/base/mutex.h"
#include "hal/buffer.h"
#include "hal/device.h"
#include "hal/range_allocator.h"
#include "hal/timeline.h"
#include "runtime/context.h"

namespace openhpu::runtime {

// The memory may be used again once `sequence` of `timeline` is complete.
struct LastUse {
  hal::Timeline* timeline = nullptr;
  Sequence sequence;
};

class MemoryPool {
 public:
  explicit MemoryPool(hal::Device& device);
  MemoryPool(const MemoryPool&) = delete;

  static constexpr uint64_t kAlignment = 256;
  // The size that `bytes` take: a multiple of 256, at most an eighth more.
  static uint64_t SizeClass(uint64_t bytes);

  // ResourceExhausted says how much was asked, is allocated, reserved, and free on the device; it
  // comes after everything cached or in flight was tried.
  absl::StatusOr<DeviceAddress> Allocate(uint64_t bytes);
  // `address` is what Allocate gave, once. `uses` may be empty: free at once.
  void Free(DeviceAddress address, std::vector<LastUse> uses);

  // Gives chunks without a block in use back to the driver; waits for nothing.
  void Trim();
  MemoryStatistics statistics() const;
  void ResetPeak();

 private:
  struct Chunk {
    hal::Buffer memory;
    hal::RangeAllocator ranges;
  };
  struct Pending {
    DeviceAddress address;
    uint64_t bytes;
    std::vector<LastUse> uses;
  };
  // Takes blocks whose uses have passed into the lists; asks the driver if `poll`, waits for the
  // oldest if `wait`.
  void Reap(bool poll, bool wait) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TakeCached(uint64_t bytes, DeviceAddress* address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TakeFresh(uint64_t bytes, DeviceAddress* address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AddChunk(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Melts the lists back into the chunks.
  void Melt() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TrimLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<DeviceAddress> AllocateLocked(uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  hal::Device& device_;
  const uint64_t chunk_bytes_;
  mutable Mutex mutex_;
  std::map<uint64_t, Chunk> chunks_ ABSL_GUARDED_BY(mutex_);                       // by address
  std::map<uint64_t, std::vector<DeviceAddress>> cached_ ABSL_GUARDED_BY(mutex_);  // by size class
  std::map<uint64_t, uint64_t> in_use_ ABSL_GUARDED_BY(mutex_);  // address -> size class
  std::deque<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  MemoryStatistics statistics_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace openhpu::runtime

#endif  // RUNTIME_MEMORY_POOL_H_
