// The simulated card behind simulator/driver.h: what the kernel driver does at the seam, and the
// host's timeline. The machine is in engine/.
#ifndef SIMULATOR_CARD_H_
#define SIMULATOR_CARD_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "hal/range_allocator.h"
#include "simulator/driver.h"
#include "simulator/engine/machine.h"
#include "simulator/spec.h"
#include "simulator/submissions.h"

namespace openhpu::simulator {

class Card final : public Simulator, private CompletionListener {
 public:
  static absl::StatusOr<std::unique_ptr<Card>> Create(const std::string& name, const Spec& spec);

  const hal::DeviceInfo& info() const override { return info_; }
  absl::StatusOr<hal::SyncManagerInfo> GetSyncManagerInfo(int manager) override;
  absl::StatusOr<DeviceAddress> Allocate(hal::MemoryKind kind, uint64_t bytes) override;
  absl::Status Free(DeviceAddress address) override;
  absl::StatusOr<DeviceAddress> MapHost(void* host, uint64_t bytes) override;
  absl::Status UnmapHost(DeviceAddress address) override;
  absl::StatusOr<hal::CommandMemory> CreateCommandMemory(uint64_t bytes) override;
  absl::Status DestroyCommandMemory(uint64_t handle) override;
  absl::StatusOr<Sequence> Submit(absl::Span<const hal::Chunk> chunks) override;
  absl::Status Wait(absl::Span<const Sequence> sequences, hal::WaitFor what,
                    absl::Duration timeout) override;
  std::vector<hal::HealthEvent> TakeEvents() override;
  absl::Status Reset() override;

  void SetTrace(TraceSink* sink) override;
  Statistics statistics() override;
  void ResetStatistics() override;
  absl::Status Inject(const InjectedFault& fault) override;
  std::vector<StruckFault> struck_faults() override;

  // For the emulated kernel (device_node/), which has rules of its own about waiting and about what
  // becomes of work that never ends: no deadlock is declared after this, and results stay until
  // Forget().
  void LeaveWaitingToKernel();
  // Command memory in the caller's bytes, which live until DestroyCommandMemory.
  uint64_t AddCommandMemory(absl::Span<std::byte> bytes);
  // A submission of the kernel's own: commands for an external queue that are not checked, and may
  // use the kernel's sync objects.
  absl::StatusOr<Sequence> SubmitOwn(QueueId queue, absl::Span<const std::byte> commands);
  // A submission of a chip on which every queue says when it is done: it is complete when all its
  // jobs are. Commands stand in a command memory, or anywhere; where nothing is, they fault when
  // they are fetched.
  struct ReportingJob {
    hal::Chunk chunk;
    bool has_handle = false;  // chunk.commands is a command memory's
  };
  absl::StatusOr<Sequence> SubmitReporting(absl::Span<const ReportingJob> jobs);
  // MapHost at this very address: AlreadyExists when something is there, OutOfRange outside of what
  // mappings may use.
  absl::Status MapHostAt(DeviceAddress address, void* host, uint64_t bytes);
  // MapHost, among the addresses of huge pages (of a chip that has them).
  absl::StatusOr<DeviceAddress> MapHugeHost(void* host, uint64_t bytes);
  // DRAM by virtual address, as MachineMemory has it; a mapping costs what one of host memory does.
  void HideDram();
  absl::Status MapDram(DeviceAddress address, uint64_t offset, uint64_t bytes);
  absl::Status UnmapDram(DeviceAddress address);
  // A call of the host that waits: runs the machine until enough submissions are complete, host
  // time is `until`, or nothing is left to happen (a fault stops the machine too). `first` adds its
  // cost.
  enum class Progress : uint8_t { kComplete, kDeadline, kIdle };
  Progress WaitUntil(absl::Span<const Sequence> sequences, hal::WaitFor what, Picoseconds until,
                     bool first);
  // A call that only looks. kDeadline: not yet.
  Progress Look(absl::Span<const Sequence> sequences, hal::WaitFor what);
  // When the host knows that it is complete: never, if that is not so yet.
  static constexpr Picoseconds kNever{~uint64_t{0}};
  Picoseconds CompletionTime(Sequence sequence);
  void Forget(Sequence before);
  Picoseconds host_time();
  // Host time is at least `until` now.
  void PassTime(Picoseconds until);
  // Whether something will happen by itself.
  bool pending();
  // What stopped the machine; else, every queue that is not empty. For people.
  bool faulted();
  std::string Describe();
  // What stopped the machine, and where. Of a machine that is stopped.
  Faults::Fault fault();
  // The last time that the clocks of engines were slowed down; and whether more may go wrong.
  ClockThrottle clock();
  bool expects_faults();
  // Names of the units that work, or have work: "DMA2".
  std::vector<std::string> BusyEngines();
  // Registers, as Machine has them, at the host's time. A look takes as long as a poll, so that who
  // only looks sees the machine go on.
  absl::StatusOr<uint32_t> ReadRegister(uint64_t address);
  absl::Status WriteRegister(uint64_t address, uint32_t value);
  // Memory of the device or a mapping, for debugging, DRAM by physical address, too: null where
  // there is none.
  std::byte* Peek(DeviceAddress address, uint64_t bytes);

 private:
  // A call of the host: charges its cost when it ends, and shows it in the trace.
  class Call;
  struct Planned {
    QueueId queue;
    Machine::Stream stream;
    DeviceAddress address;  // of commands that lie in the device's memory
    uint32_t bytes = 0;
    absl::Span<const std::byte> memory;  // of commands in a command memory
    bool reports = false;                // lies in the device's memory, and completes to the host
    bool uses_engine = false, kernel = false;
  };

  Card(const std::string& name, const Spec& spec);

  void JobCompleted(uint64_t submission, const SharedClock& clock) override;

  static absl::Status CheckChunks(size_t count);
  // Says which chunk it is about.
  static absl::Status InChunk(const absl::Status& status, size_t index);
  absl::Status PlanQueue(const hal::Chunk& chunk, Planned& planned);
  absl::Status PlanMemory(const hal::Chunk& chunk, Planned& planned);
  absl::Status PlanChunk(const hal::Chunk& chunk, Planned& planned);
  // Room for what planned_ holds.
  absl::Status CheckRoom();
  // Queues it, if there is room.
  absl::StatusOr<Sequence> SubmitPlanned(Call& call);
  void Enqueue(Sequence sequence);

  // Moves the machine to the host's time.
  void CatchUp();
  // Notices what stopped the machine, if something did.
  void NoteFault();
  void DeclareDeadlock(absl::Span<const Sequence> sequences);
  // Counts a look that found the machine with nothing left to do; true when the host does nothing
  // but look.
  bool LooksInVain();
  // True when the wait is over, with its result and the time when the host knows.
  bool Settled(absl::Span<const Sequence> sequences, hal::WaitFor what, absl::Status& result,
               Picoseconds& when) const;
  absl::Status NeedsReset() const;
  // kNever: not complete, or lost.
  Picoseconds WhenComplete(Sequence sequence) const;
  Picoseconds WhenComplete(absl::Span<const Sequence> sequences, hal::WaitFor what) const;
  absl::Status RunUntilSettled(absl::Span<const Sequence> sequences, hal::WaitFor what,
                               Picoseconds deadline, bool has_deadline);
  absl::Status Poll(absl::Span<const Sequence> sequences, hal::WaitFor what);
  void Acquire(absl::Span<const Sequence> sequences);
  SimulationContext& context() { return machine_->context(); }
  const Timing& timing() const { return machine_->environment().timing; }

  hal::DeviceInfo info_;
  bool timed_;
  std::unique_ptr<Machine> machine_;
  Picoseconds host_;  // the host's timeline, never behind the machine's
  hal::RangeAllocator dram_, sram_;
  const bool checks_packets_;  // of external queues, as Gaudi's kernel driver does
  struct Commands {
    std::vector<std::byte> own;  // empty when they are the caller's
    absl::Span<std::byte> bytes;
  };
  std::map<uint64_t, Commands> command_memories_;
  uint64_t next_handle_ = 1;
  std::vector<Planned> planned_;  // of the submission at hand
  std::vector<uint32_t> wanted_;  // by queue id
  Submissions submissions_;
  bool kernel_waits_ = false;  // LeaveWaitingToKernel()
  bool failed_ = false;
  std::string failure_;
  Picoseconds failed_at_;
  Sequence after_reset_{1};  // those before were lost in another life of the device
  uint64_t idle_looks_ = 0;
  std::vector<hal::HealthEvent> events_;
  std::vector<StruckFault> struck_;
  uint64_t submission_count_ = 0;
  std::map<std::thread::id, TrackId> tracks_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_CARD_H_
