// The seam over Linux's habanalabs driver: a thin mapping of hal::Driver onto its ioctls, by one
// injected Syscalls.
//
// A spec is "habanalabs:<n>[,timeout=<seconds>]": card n, whose node is /dev/accel/accel<n> or
// /dev/hl<n>, whichever is there; `timeout` is how long the kernel lets a submission run (its own
// default without). One process has a card at a time.
//
// Threading: as hal::Driver. Submissions take a short lock, and none while the kernel works;
// neither do waits. Reset waits for calls that are inside the kernel, at most a second, and nobody
// may write command memory meanwhile.
#ifndef HAL_HABANALABS_DRIVER_H_
#define HAL_HABANALABS_DRIVER_H_

#include <atomic>
#include <bitset>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "hal/base/mutex.h"
#include "hal/driver.h"
#include "hal/habanalabs/command_memories.h"
#include "hal/habanalabs/connection.h"
#include "hal/habanalabs/gate.h"
#include "hal/habanalabs/generation.h"
#include "hal/habanalabs/health.h"
#include "hal/habanalabs/opening.h"
#include "hal/habanalabs/submission_kinds.h"
#include "hal/habanalabs/submissions.h"
#include "hal/habanalabs/syscalls.h"
#include "hal/habanalabs/uapi.h"
#include "hal/range_allocator.h"

namespace openhpu::hal::habanalabs {

class Driver final : public hal::Driver {
 public:
  // NotFound, with the list of cards, without such a card; Unavailable when another process has it
  // or it stays in reset; FailedPrecondition when it is not operational; Unimplemented for a
  // generation that this driver does not speak; InvalidArgument for another spec.
  static absl::StatusOr<std::unique_ptr<Driver>> Open(std::string_view spec,
                                                      std::unique_ptr<Syscalls> syscalls);
  ~Driver() override;

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
  std::vector<HealthEvent> TakeEvents() override;
  absl::Status Reset() override;

  // What only a card behind the kernel has. Submissions of other kinds (driver_kinds.cc) have
  // numbers and errors as Submit's.
  absl::StatusOr<Sequence> SubmitWith(absl::Span<const Chunk> chunks, const SubmitOptions& options);
  // A submission in parts that start as they come. The number of the first stands for the whole,
  // and is complete when all parts are, the last of which says so; what follows `first` has numbers
  // of its own, to be told apart by.
  absl::StatusOr<Sequence> SubmitFirst(absl::Span<const Chunk> chunks);
  absl::StatusOr<Sequence> SubmitNext(Sequence first, absl::Span<const Chunk> chunks, bool is_last);
  // Work without commands of ours: the queue raises a sync object of the kernel's, or waits for
  // what such a submission raises.
  absl::StatusOr<Signal> SubmitSignal(QueueId queue);
  absl::StatusOr<Sequence> SubmitWait(QueueId queue, Sequence signal);
  // When a complete submission with wants_time ended, by the kernel's clock, in nanoseconds.
  // NotFound unless it was waited for, and when too many have followed.
  absl::StatusOr<int64_t> CompletionTime(Sequence sequence);

  struct Times {
    uint64_t device_ticks = 0;      // the device's own counter
    uint64_t host_nanoseconds = 0;  // the kernel's clock at the same moment
  };
  absl::StatusOr<Times> DeviceTime();
  struct Idleness {
    bool is_idle = false;
    std::bitset<256> busy_engines;  // by the UAPI's engine ids
  };
  absl::StatusOr<Idleness> GetIdleness();
  // The kernel's text about every engine. Unimplemented where the kernel has none.
  absl::StatusOr<std::string> EngineStatus();

 private:
  class Budget;  // of a wait's time
  struct Mapping {
    void* host;
    uint64_t bytes;
  };

  Driver(std::unique_ptr<Syscalls> syscalls, Connection connection, Device device,
         std::vector<SyncManagerInfo> managers, uint32_t timeout_seconds);

  // Inside the gate. Asks for those that may survive their timeout before the kernel forgets them.
  absl::Status PrepareToSubmit();
  // A CS of `flags`; `part_of` is the kernel's number of a staged one's first.
  absl::StatusOr<Sequence> SubmitChunks(absl::Span<const Chunk> chunks, uint32_t flags,
                                        uint32_t timeout_seconds, uint64_t part_of);
  // One of `kind`, whose only chunk has no commands.
  absl::StatusOr<Sequence> SubmitKind(uint32_t kind, const hl_cs_chunk& chunk, hl_cs_out* answer);
  // The kernel's number of one that another may refer to; else why it may not.
  absl::StatusOr<uint64_t> NumberOf(Sequence sequence);

  absl::Status NeedsReset();
  void MarkFailed(const std::string& why);
  // The Status of a CS that the kernel refused with `error`, as far as it is about the device.
  // Inside the gate.
  absl::Status Refused(int error);
  // Where the kernel sees addresses alone, and ranges of them: whether chunks are of queues, sizes
  // and memory that there are.
  bool AreInReach(absl::Span<const Chunk> chunks);
  bool IsMapped(DeviceAddress address, uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);
  // What is wrong with the chunks, as the kernel said or, without its error (0), as we see it.
  // Outside the gate, since it takes memory_mutex_.
  absl::Status Explain(int error, absl::Span<const Chunk> chunks);
  // Collects events, and marks the device when they say so.
  std::string CollectEvents();

  // One wait of the kernel for one submission; DeadlineExceeded when it is not over, Unavailable
  // when the wait was interrupted. Inside the gate.
  absl::Status WaitInKernel(Sequence sequence, uint64_t kernel, absl::Duration slice);
  // The same for any of several; OK when one is over.
  absl::Status WaitForAnyInKernel(absl::Span<const uint64_t> kernels, absl::Duration slice);
  // What a wait's answer, or errno, means; a lost submission gets its result.
  absl::Status Settle(Sequence sequence, int error, const hl_wait_cs_out& answer);
  absl::Status WaitForOne(Sequence sequence, Budget& budget);
  absl::Status WaitForAny(absl::Span<const Sequence> sequences, Budget& budget);

  // The two kinds of command memory: the handle, or address, and the bytes.
  struct Commands {
    uint64_t kernel = 0;
    absl::Span<std::byte> bytes;
  };
  absl::StatusOr<uint64_t> CreateKernelBuffer(uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);
  absl::StatusOr<Commands> CreateBufferCommands(uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);
  absl::StatusOr<Commands> CreateMappedCommands(uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);
  absl::Status DestroyBufferCommands(const Commands& commands)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);
  // Lets go of retired memory that no queue reads any more.
  void ReleaseRetired() ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);
  bool IsOverInKernel(Sequence last) ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);
  // Without asking: the device has no context of ours.
  void FreeRetired() ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);
  // The parts of Reset, in their order.
  void AbortOpenSubmissions();
  void LetGoOfCommandMemories() ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);
  absl::Status Reconnect();
  absl::Status RestoreCommandMemories() ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);
  absl::Status RestoreMappings() ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);
  absl::Status RestoreMapping(const Mapping& mapping, uint64_t address)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);
  // `hint` 0: wherever the kernel likes.
  absl::StatusOr<uint64_t> MapInKernel(const Mapping& mapping, uint64_t hint)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);
  int UnmapInKernel(uint64_t address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory_mutex_);

  const std::unique_ptr<Syscalls> syscalls_;
  const Generation& generation_;
  const DeviceInfo info_;
  const std::vector<SyncManagerInfo> managers_;
  const uint32_t timeout_seconds_;  // 0: the kernel's own

  Gate gate_;              // of the connection, for calls that hold no lock
  Connection connection_;  // replaced by Reset alone, with the gate shut and memory_mutex_ held
  Health health_;
  std::atomic<bool> failed_{false}, has_survivors_{false};

  // Taken before the others, and never inside the gate: Reset holds it while it shuts that.
  Mutex memory_mutex_;
  std::map<uint64_t, Mapping> mappings_ ABSL_GUARDED_BY(memory_mutex_);
  std::deque<RetiredCommands> retired_ ABSL_GUARDED_BY(memory_mutex_);  // oldest first
  CommandMemories command_memories_;  // looked up without the lock, changed under memory_mutex_

  Mutex heap_mutex_;
  RangeAllocator dram_ ABSL_GUARDED_BY(heap_mutex_), sram_ ABSL_GUARDED_BY(heap_mutex_);

  Mutex mutex_;
  Submissions submissions_ ABSL_GUARDED_BY(mutex_);
  std::string failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_DRIVER_H_
