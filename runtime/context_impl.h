// ContextImpl: what Context::Create makes; the runtime's other classes see it.
#ifndef RUNTIME_CONTEXT_IMPL_H_
#define RUNTIME_CONTEXT_IMPL_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/base/mutex.h"
#include "hal/device.h"
#include "runtime/context.h"
#include "runtime/hardware_stream.h"
#include "runtime/memory_pool.h"
#include "runtime/signals.h"
#include "runtime/stream.h"

namespace openhpu::runtime {

// Words of mapped host memory that the device writes its time to.
class TimestampPool {
 public:
  struct Word {
    volatile uint64_t* value = nullptr;
    DeviceAddress address;
  };
  explicit TimestampPool(hal::Device& device) : device_(device) {}
  absl::StatusOr<Word> Take();
  // Free again once `last`, if there is a stream, has passed.
  void Return(Word word, const Mark& last);

 private:
  struct Returned {
    Word word;
    Mark last;
  };
  hal::Device& device_;
  Mutex mutex_;
  std::vector<hal::HostBuffer> pages_ ABSL_GUARDED_BY(mutex_);
  std::deque<Returned> free_ ABSL_GUARDED_BY(mutex_);  // oldest first
};

class HostMemoryImpl final : public HostMemory {
 public:
  explicit HostMemoryImpl(hal::HostBuffer buffer) : buffer_(std::move(buffer)) {}
  ~HostMemoryImpl() override;
  std::byte* data() const override { return buffer_.data(); }
  uint64_t bytes() const override { return buffer_.bytes(); }

  DeviceAddress address() const { return buffer_.address(); }
  void RecordUse(hal::Timeline& timeline, Sequence sequence);

 private:
  const hal::HostBuffer buffer_;
  Mutex mutex_;
  std::vector<LastUse> uses_ ABSL_GUARDED_BY(mutex_);  // one a stream
};

class ContextImpl final : public Context {
 public:
  static absl::StatusOr<std::unique_ptr<ContextImpl>> Create(std::unique_ptr<hal::Driver> driver);
  ~ContextImpl() override;

  hal::Driver& driver() override { return device_->driver(); }
  absl::StatusOr<std::unique_ptr<DeviceMemory>> Allocate(uint64_t bytes) override;
  MemoryStatistics memory_statistics() const override;
  void ResetPeakMemory() override { pool_->ResetPeak(); }
  absl::StatusOr<std::unique_ptr<HostMemory>> AllocateHost(uint64_t bytes) override;
  absl::StatusOr<std::unique_ptr<Stream>> CreateStream() override;
  absl::Status Synchronize() override;
  absl::Status Reset() override;

  hal::Device& device() { return *device_; }
  MemoryPool& pool() { return *pool_; }
  Signals& signals() { return *signals_; }
  TimestampPool& timestamps() { return *timestamps_; }
  HardwareStream& hardware_stream(uint32_t index) { return *streams_[index]; }
  absl::Span<HardwareStream* const> hardware_streams() const { return stream_pointers_; }
  // Outside the pool, which gives back what it caches if the device is full.
  absl::StatusOr<hal::Buffer> AllocateBuffer(uint64_t bytes);

 private:
  ContextImpl() = default;

  std::unique_ptr<hal::Device> device_;
  std::unique_ptr<MemoryPool> pool_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<TimestampPool> timestamps_;
  std::vector<std::unique_ptr<HardwareStream>> streams_;
  std::vector<HardwareStream*> stream_pointers_;
  std::atomic<uint32_t> next_stream_{0};
};

class StreamImpl final : public Stream {
 public:
  StreamImpl(ContextImpl& context, HardwareStream& hardware)
      : context_(context), hardware_(hardware) {}
  ~StreamImpl() override = default;

  Context& context() override { return context_; }
  uint32_t hardware_stream() const override { return hardware_.index(); }
  absl::Status CopyToDevice(const void* host, uint64_t bytes, DeviceAddress device) override;
  absl::Status CopyFromDevice(DeviceAddress device, uint64_t bytes, void* host) override;
  absl::Status CopyToDeviceAsync(HostMemory& host, uint64_t offset, uint64_t bytes,
                                 DeviceAddress device) override;
  absl::Status CopyFromDeviceAsync(DeviceAddress device, uint64_t bytes, HostMemory& host,
                                   uint64_t offset) override;
  absl::Status WaitFor(Event& event) override;
  absl::Status Record(Event& event) override;
  absl::Status Follow(const Passed& others) override;
  absl::StatusOr<bool> Query() override;
  absl::Status Synchronize() override;

  ContextImpl& context_impl() { return context_; }
  HardwareStream& hardware() { return hardware_; }

 private:
  ContextImpl& context_;
  HardwareStream& hardware_;
};

}  // namespace openhpu::runtime

#endif  // RUNTIME_CONTEXT_IMPL_H_
