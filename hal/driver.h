// hal::Driver: the seam. Everything that needs the kernel driver, and nothing else, at the height
// of the habanalabs UAPI, so that the real driver is a thin mapping. What stands above it (Device,
// queues, timelines, banks, the command writer) is written once for all drivers.
//
// Threading: every method may be called from any thread; submissions are ordered by arrival.
// Errors: absl::Status;
//   ResourceExhausted   a queue is full, or too many submissions are in flight: nothing was queued,
//   try again after a Wait; InvalidArgument     what the kernel driver answers with EINVAL (bad
//   queue, size, packet);  PermissionDenied  EPERM (forbidden packet); OutOfRange          EFAULT
//   (address outside what a user may reach); Aborted             the work was lost: a reset, or an
//   error of the device; the message names engine, queue and packet; DeadlineExceeded    Wait's own
//   deadline passed;  FailedPrecondition  the device needs Reset().
#ifndef HAL_DRIVER_H_
#define HAL_DRIVER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "hal/base/strong_int.h"
#include "hal/chip.pb.h"

namespace openhpu::hal {

// What is open. `chip` is the whole chip file: counts, sizes, address map, costs.
struct DeviceInfo {
  std::string driver;  // as asked for: "sim:gaudi", "null:tiny", "habanalabs:0"
  Chip chip;
  DeviceAddress dram_user_base, sram_user_base;  // first bytes that a user may use
  uint64_t dram_user_bytes = 0, sram_user_bytes = 0;
};

// What a user may use of one sync manager (HL_INFO_SYNC_MANAGER).
struct SyncManagerInfo {
  uint32_t first_sob = 0, num_sobs = 0;
  uint32_t first_monitor = 0, num_monitors = 0;
};

enum class MemoryKind : uint8_t { kDram, kSram };

// Host-visible storage for the commands of external queues (a kernel CB, mapped). Owned by the
// driver until DestroyCommandMemory.
struct CommandMemory {
  uint64_t handle = 0;
  absl::Span<std::byte> bytes;
};

// One job of a submission: commands for one queue. An external queue takes a command memory's
// handle; an internal one takes a device address.
struct Chunk {
  QueueId queue;
  uint64_t commands = 0;  // handle, or device address
  uint32_t bytes = 0;
};
inline constexpr size_t kMaxChunks = 512;
inline constexpr size_t kMaxWaits = 32;

enum class WaitFor : uint8_t { kAll, kAny };

struct HealthEvent {
  enum class Kind : uint8_t {
    kUndefinedOpcode,
    kPageFault,
    kRazwi,
    kDeadlock,
    kHazard,
    kEcc,
    kHang,
    kReset,
    kThrottle,
    kTimeout,        // a submission took longer than the kernel lets it
    kTpcAssert,      // a TPC kernel stopped itself
    kEngineError,    // of an engine, of no kind above
    kHardwareError,  // of the card
    kUnavailable     // the device takes no work until a reset
  };
  Kind kind;
  std::string message;
};

class Driver {
 public:
  virtual ~Driver() = default;

  virtual const DeviceInfo& info() const = 0;
  virtual absl::StatusOr<SyncManagerInfo> GetSyncManagerInfo(int manager) = 0;

  // Device memory, aligned to at least 128 bytes. Contents are undefined.
  virtual absl::StatusOr<DeviceAddress> Allocate(MemoryKind kind, uint64_t bytes) = 0;
  virtual absl::Status Free(DeviceAddress address) = 0;

  // Makes [host, host + bytes) reachable by the device's DMA; any alignment. The caller keeps the
  // memory alive until UnmapHost.
  virtual absl::StatusOr<DeviceAddress> MapHost(void* host, uint64_t bytes) = 0;
  virtual absl::Status UnmapHost(DeviceAddress address) = 0;

  virtual absl::StatusOr<CommandMemory> CreateCommandMemory(uint64_t bytes) = 0;
  virtual absl::Status DestroyCommandMemory(uint64_t handle) = 0;

  // One CS, all or nothing. Chunks of one queue run in order of submission. The submission is
  // complete when its external jobs are, so the last of them waits (by sync objects) for every
  // engine the submission used. Behind a Gaudi2's kernel, all of whose queues complete, it is
  // complete when all its jobs are: a bit later, and never before. Allocates nothing on the null
  // driver.
  virtual absl::StatusOr<Sequence> Submit(absl::Span<const Chunk> chunks) = 0;

  // Waits for 1 to kMaxWaits submissions; `timeout` zero polls. A failed submission returns its
  // error, here and ever after.
  virtual absl::Status Wait(absl::Span<const Sequence> sequences, WaitFor what,
                            absl::Duration timeout) = 0;

  // Takes the events since the last call, oldest first.
  virtual std::vector<HealthEvent> TakeEvents() = 0;

  // Back to the state after opening: work in flight is aborted, sync objects are zero, allocations
  // and mappings stay valid, contents do not.
  virtual absl::Status Reset() = 0;
};

}  // namespace openhpu::hal

#endif  // HAL_DRIVER_H_
