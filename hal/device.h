// Device: an open driver and what is written once above it: memory with owners, banks of sync
// objects, timelines, and synchronous copies for loading.
//
// Threading: any thread. Everything that a device handed out dies before it.
#ifndef HAL_DEVICE_H_
#define HAL_DEVICE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/bank.h"
#include "hal/base/mutex.h"
#include "hal/buffer.h"
#include "hal/command_writer.h"
#include "hal/driver.h"
#include "hal/timeline.h"

namespace openhpu::hal {

class Device {
 public:
  // Fails as the driver does, or when the chip's dialect is unknown.
  static absl::StatusOr<std::unique_ptr<Device>> Create(std::unique_ptr<Driver> driver);

  Driver& driver() { return *driver_; }
  const DeviceInfo& info() const { return driver_->info(); }
  const Chip& chip() const { return driver_->info().chip; }
  // Of the manager where user work synchronises.
  BankPool& banks() { return *banks_; }
  // For making timelines.
  std::atomic<uint64_t>& newest_sequence() { return newest_sequence_; }

  absl::StatusOr<Buffer> Allocate(MemoryKind kind, uint64_t bytes) {
    return Buffer::Allocate(*driver_, kind, bytes);
  }
  absl::StatusOr<HostBuffer> AllocateHost(uint64_t bytes) {
    return HostBuffer::Allocate(*driver_, bytes);
  }
  absl::StatusOr<CommandBuffer> CreateCommands(uint64_t bytes) {
    return CommandBuffer::Create(*driver_, bytes);
  }

  // Copies that are complete on return, on an external queue of their own: for loading, not for a
  // stream's work. 0 bytes are a copy, too.
  absl::Status CopyToDevice(absl::Span<const std::byte> source, DeviceAddress destination);
  absl::Status CopyFromDevice(DeviceAddress source, absl::Span<std::byte> destination);

  // Driver::Reset; the work in flight is lost. Timelines are reset by their owners.
  absl::Status Reset();

 private:
  explicit Device(std::unique_ptr<Driver> driver);
  // Submits one linear copy and waits for it.
  absl::Status Transfer(DeviceAddress source, DeviceAddress destination, uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<Driver> driver_;
  std::unique_ptr<BankPool> banks_;
  std::atomic<uint64_t> newest_sequence_{0};
  Mutex mutex_;  // of the upload path
  Timeline timeline_;
  QueueId queue_;
  std::unique_ptr<CommandWriter> writer_ ABSL_GUARDED_BY(mutex_);
  CommandBuffer commands_ ABSL_GUARDED_BY(mutex_);
  HostBuffer stage_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace openhpu::hal

#endif  // HAL_DEVICE_H_
