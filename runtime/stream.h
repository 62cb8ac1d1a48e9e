// Stream: work in order. Copies and launches of one stream run one after the other on the device;
// streams run side by side, and wait for each other through events, on the device and never through
// the host.
//
// Threading: one thread at a time. Errors: a failed submission poisons the stream: every later call
// returns its Status until the device is reset.
#ifndef RUNTIME_STREAM_H_
#define RUNTIME_STREAM_H_

#include <array>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/base/strong_int.h"

namespace openhpu::runtime {

class Context;
class Event;
class HostMemory;
class Instance;

constexpr uint32_t kHardwareStreams = 4;
// Submissions, by hardware stream: those up to each; 0 for none.
using Passed = std::array<Sequence, kHardwareStreams>;

class Stream {
 public:
  virtual ~Stream() = default;
  virtual Context& context() = 0;
  // The hardware stream, 0-3, on which it runs.
  virtual uint32_t hardware_stream() const = 0;

  // Host to device. `host` may be reused when the call returns (pageable memory goes through a
  // pinned stage); the copy itself may still be in flight.
  virtual absl::Status CopyToDevice(const void* host, uint64_t bytes, DeviceAddress device) = 0;
  // Device to host; waits for it.
  virtual absl::Status CopyFromDevice(DeviceAddress device, uint64_t bytes, void* host) = 0;

  // With pinned memory: [offset, offset + bytes) of `host`, not waited for. The bytes may be read
  // or written until this point of the stream is reached. OutOfRange when they are not inside
  // `host`.
  virtual absl::Status CopyToDeviceAsync(HostMemory& host, uint64_t offset, uint64_t bytes,
                                         DeviceAddress device) = 0;
  virtual absl::Status CopyFromDeviceAsync(DeviceAddress device, uint64_t bytes, HostMemory& host,
                                           uint64_t offset) = 0;

  // Later work on this stream starts after `event`, which may be of another stream. An event never
  // recorded is no wait.
  virtual absl::Status WaitFor(Event& event) = 0;
  // Marks this point of the stream.
  virtual absl::Status Record(Event& event) = 0;

  // Later work on this stream starts after these submissions of others. Submits nothing where
  // events, what those had waited for, or the host have ordered them already. The failure of a
  // stream that failed before it got there.
  virtual absl::Status Follow(const Passed& others) = 0;

  // Whether everything submitted has finished; the host waits until it has.
  virtual absl::StatusOr<bool> Query() = 0;
  virtual absl::Status Synchronize() = 0;
};

}  // namespace openhpu::runtime

#endif  // RUNTIME_STREAM_H_
