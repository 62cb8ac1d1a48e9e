// HardwareStream: one of the device's hardware streams as the runtime uses it: stream s of the
// first host-facing engine's queue, on which everything of the stream is ordered, and what its
// loaded programs share: one workspace and one bank of sync objects. Serialised by that queue, they
// never meet.
//
// Threading: any thread. The launch path (Enter, generation, timeline().Submit, Leave) takes no
// lock; everything else takes the stream's.
#ifndef RUNTIME_HARDWARE_STREAM_H_
#define RUNTIME_HARDWARE_STREAM_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/bank.h"
#include "hal/base/mutex.h"
#include "hal/buffer.h"
#include "hal/command_writer.h"
#include "hal/device.h"
#include "hal/timeline.h"

namespace openhpu::runtime {

// Allocates device memory for the runtime's own needs, after giving back what caches hold if need
// be.
using AllocateDevice = std::function<absl::StatusOr<hal::Buffer>(uint64_t bytes)>;

class HardwareStream {
 public:
  static absl::StatusOr<std::unique_ptr<HardwareStream>> Create(hal::Device& device, uint32_t index,
                                                                AllocateDevice allocate);
  ~HardwareStream();

  uint32_t index() const { return index_; }
  hal::Device& device() { return device_; }
  hal::Timeline& timeline() { return timeline_; }
  QueueId external_queue() const { return external_queue_; }

  // Submits what `write` writes on the external queue. `values` are for its relocations.
  using Write = std::function<absl::Status(hal::CommandWriter&)>;
  absl::StatusOr<Sequence> Submit(const Write& write, const hal::RelocationValues& values);

  // As runtime::Stream.
  absl::Status CopyToDevice(const void* host, uint64_t bytes, DeviceAddress device);
  absl::Status CopyFromDevice(DeviceAddress device, uint64_t bytes, void* host);
  // One copy between addresses that the device reaches, not waited for.
  absl::StatusOr<Sequence> Copy(DeviceAddress source, DeviceAddress destination, uint64_t bytes);

  // What the stream's programs share.
  struct Shared {
    DeviceAddress workspace;
    uint32_t first_sob = 0, first_monitor = 0;
    uint64_t generation = 0, resets = 0;
  };
  // Makes workspace and bank at least so large. Growing moves them: it waits until the stream is
  // idle and starts a new generation.
  absl::StatusOr<Shared> Reserve(uint64_t workspace_bytes, uint32_t sobs, uint32_t monitors);

  // A launch between Enter and Leave keeps what its generation names alive until it is submitted.
  void Enter() { launching_.fetch_add(1, std::memory_order_acq_rel); }
  void Leave() { launching_.fetch_sub(1, std::memory_order_acq_rel); }
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  Shared shared();
  uint64_t workspace_bytes();

  // After Device::Reset: what was loaded before is gone.
  void Reset();

 private:
  static constexpr size_t kSlots = 32;
  static constexpr size_t kStages = 4;
  struct Slot {
    hal::CommandBuffer commands;
    Sequence last;
  };
  struct Stage {
    hal::HostBuffer memory;
    Sequence last;
  };

  HardwareStream(hal::Device& device, uint32_t index, AllocateDevice allocate);
  absl::StatusOr<Sequence> SubmitLocked(const Write& write, const hal::RelocationValues& values)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Sequence> CopyLocked(DeviceAddress source, DeviceAddress destination,
                                      uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Starts a generation and waits until nothing uses what the last one named.
  void Quiesce() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status GrowWorkspace(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status GrowBank(uint32_t sobs, uint32_t monitors) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Shared SharedLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  hal::Device& device_;
  const uint32_t index_;
  const AllocateDevice allocate_;
  QueueId external_queue_;
  hal::Timeline timeline_;
  std::atomic<uint64_t> generation_{1};
  std::atomic<uint32_t> launching_{0};

  Mutex mutex_;
  std::unique_ptr<hal::CommandWriter> writer_ ABSL_GUARDED_BY(mutex_);
  std::array<Slot, kSlots> slots_ ABSL_GUARDED_BY(mutex_);
  size_t next_slot_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<Stage, kStages> stages_ ABSL_GUARDED_BY(mutex_);
  size_t next_stage_ ABSL_GUARDED_BY(mutex_) = 0;
  hal::Buffer workspace_ ABSL_GUARDED_BY(mutex_);
  hal::Bank bank_ ABSL_GUARDED_BY(mutex_);
  uint64_t resets_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace openhpu::runtime

#endif  // RUNTIME_HARDWARE_STREAM_H_
