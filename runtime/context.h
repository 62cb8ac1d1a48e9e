// Context: one open device, and what its streams share: the memory pool and the upload path.
//
// Threading: Allocate, Free and stream creation from any thread. Errors: absl::Status with the
// driver's codes (hal/driver.h).
#ifndef RUNTIME_CONTEXT_H_
#define RUNTIME_CONTEXT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/driver.h"
#include "runtime/stream.h"

namespace openhpu::runtime {

struct MemoryStatistics {
  uint64_t allocated = 0, reserved = 0;  // bytes handed out; bytes held from the driver
  uint64_t peak_allocated = 0, peak_reserved = 0;
  uint64_t allocations = 0, frees = 0;
  uint64_t largest_allocation = 0;
  // Not among the above: what programs share as their workspace, one for each hardware stream.
  uint64_t workspace = 0;
};

// What is launched again and again: its hardware stream, and its last launch (0: none yet).
struct LastLaunch {
  explicit LastLaunch(uint32_t stream) : hardware_stream(stream) {}
  const uint32_t hardware_stream;
  std::atomic<uint64_t> sequence{0};
};

// Device memory with one owner, from the context's caching pool. Destroying it while a stream may
// still use it is fine when the last use was told to the pool: RecordUse(stream) makes the memory
// return at that stream's timeline point.
//
// It can also remember who accessed it, so that streams which use it need no event between them:
// Stream::Follow(what conflicts) before an access, NoteAccess after it, under a lock of the
// caller's.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;
  virtual DeviceAddress address() const = 0;
  virtual uint64_t bytes() const = 0;
  virtual void RecordUse(Stream& stream) = 0;

  // Raises `last` to the last accesses that conflict with one that `writes` (any), or reads
  // (writes).
  virtual void AddConflicts(bool writes, Passed& last) const = 0;
  // What `stream` was given last accesses this memory.
  virtual void NoteAccess(Stream& stream, bool writes) = 0;
  // Each launch does.
  virtual void NoteAccess(std::shared_ptr<const LastLaunch> launches, bool writes) = 0;
};

// Pinned host memory: the device reads and writes it in place. Destroying it waits for copies that
// are in flight.
class HostMemory {
 public:
  virtual ~HostMemory() = default;
  virtual std::byte* data() const = 0;
  virtual uint64_t bytes() const = 0;
};

class Context {
 public:
  static absl::StatusOr<std::unique_ptr<Context>> Create(std::unique_ptr<hal::Driver> driver);
  virtual ~Context() = default;

  virtual hal::Driver& driver() = 0;
  const hal::Chip& chip() { return driver().info().chip; }

  // Aligned to 256 bytes. ResourceExhausted says how much is allocated, reserved and free.
  virtual absl::StatusOr<std::unique_ptr<DeviceMemory>> Allocate(uint64_t bytes) = 0;
  virtual MemoryStatistics memory_statistics() const = 0;
  // The peaks become what is held now.
  virtual void ResetPeakMemory() = 0;
  // Starts on a page, zeroed.
  virtual absl::StatusOr<std::unique_ptr<HostMemory>> AllocateHost(uint64_t bytes) = 0;

  // A stream of its own; hardware streams (four) are shared round-robin when there are more. The
  // context outlives its streams.
  virtual absl::StatusOr<std::unique_ptr<Stream>> CreateStream() = 0;

  // Waits for every stream.
  virtual absl::Status Synchronize() = 0;

  // Resets the device after a failure: work in flight is lost, streams can be used again. Memory
  // stays allocated, its contents are undefined; instances have to be loaded again.
  virtual absl::Status Reset() = 0;
};

}  // namespace openhpu::runtime

#endif  // RUNTIME_CONTEXT_H_
