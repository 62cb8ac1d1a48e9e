// The driver that completes at once: no engine runs, no byte moves. For measuring what the host
// pays, and for tests of everything above the seam that does not need values. Device memory is
// addresses only; command memory and mapped host memory are real.
//
// Refuses what the kernel driver refuses of a submission's shape (chunks, queues, handles, address
// ranges), never a packet's content.
#ifndef HAL_NULL_DRIVER_H_
#define HAL_NULL_DRIVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "hal/base/mutex.h"
#include "hal/driver.h"
#include "hal/range_allocator.h"

namespace openhpu::hal {

class NullDriver final : public Driver {
 public:
  // "null:<chip>", a shipped chip. InvalidArgument for another prefix, NotFound for an unknown
  // chip.
  static absl::StatusOr<std::unique_ptr<NullDriver>> Open(std::string_view spec);

  // Since opening: submissions accepted, and their chunks.
  uint64_t submissions() const;
  uint64_t chunks() const;

  const DeviceInfo& info() const override { return info_; }
  absl::StatusOr<SyncManagerInfo> GetSyncManagerInfo(int manager) override;
  absl::StatusOr<DeviceAddress> Allocate(MemoryKind kind, uint64_t bytes) override;
  absl::Status Free(DeviceAddress address) override;
  absl::StatusOr<DeviceAddress> MapHost(void* host, uint64_t bytes) override;
  absl::Status UnmapHost(DeviceAddress address) override;
  absl::StatusOr<CommandMemory> CreateCommandMemory(uint64_t bytes) override;
  absl::Status DestroyCommandMemory(uint64_t handle) override;
  absl::StatusOr<Sequence> Submit(absl::Span<const Chunk> chunks) override;
  absl::Status Wait(absl::Span<const Sequence> sequences, WaitFor what,
                    absl::Duration timeout) override;
  std::vector<HealthEvent> TakeEvents() override { return {}; }
  absl::Status Reset() override { return absl::OkStatus(); }

 private:
  enum class QueueKind : uint8_t { kNone, kExternal, kInternal };
  struct Command {
    std::unique_ptr<std::byte[]> storage;
    uint64_t bytes = 0;
  };

  explicit NullDriver(DeviceInfo info);
  absl::Status CheckChunk(const Chunk& chunk, size_t index) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const DeviceInfo info_;
  std::vector<QueueKind> queues_;  // by queue id
  mutable Mutex mutex_;
  RangeAllocator dram_ ABSL_GUARDED_BY(mutex_), sram_ ABSL_GUARDED_BY(mutex_),
      host_ ABSL_GUARDED_BY(mutex_);
  std::vector<Command> commands_ ABSL_GUARDED_BY(mutex_);  // handle h is commands_[h - 1]
  uint64_t submissions_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t chunks_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace openhpu::hal

#endif  // HAL_NULL_DRIVER_H_
