// A command processor (CP): decodes the packets of one command buffer after the other and acts on
// them. Upper CPs run the jobs of a stream, the lower one runs the bodies that they name.
//
// A CP keeps a time of its own (`local_`) and runs ahead of the simulation: a stretch of packets is
// decoded in one activation, messages carry their time. It falls back in step where what it does
// depends on others: fences, barriers, launches, arbitration, completion.
#ifndef SIMULATOR_ENGINE_COMMAND_PROCESSOR_H_
#define SIMULATOR_ENGINE_COMMAND_PROCESSOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <systemc>
#include <vector>

#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/qman.h"
#include "simulator/engine/environment.h"
#include "simulator/engine/fetched_commands.h"
#include "simulator/engine/job.h"
#include "simulator/engine/line_fetcher.h"
#include "simulator/engine/message_network.h"

namespace openhpu::simulator {

class QueueManager;

class CommandProcessor : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(CommandProcessor);
  // `index`: 0 to 3 upper, 4 lower.
  CommandProcessor(sc_core::sc_module_name name, QueueManager& qman, int index, AgentId agent);

  // Upper CPs: appends a job.
  void Enqueue(Job job);
  size_t jobs() const { return jobs_.size() + (active_ ? 1 : 0); }
  // The lower CP: runs a body for `stream` from its arrival on; the stream hears of its end.
  void RunBody(int stream, Job body);

  // Adds to a fence counter; may unblock.
  void AddFence(int fence, uint32_t value, const Message& message);
  // It has got the engine, at `at`.
  void Granted(Picoseconds at);
  // The body that it started has ended, at `at`.
  void BodyEnded(Picoseconds at, const SharedClock& clock);
  // A command of the engine has completed.
  void EngineProgressed();
  // Memory was unmapped: of its commands there, it has what it has fetched.
  void NoteUnmapping();
  void SetMessageBase(int base, bool high, uint32_t value);
  // Whether it runs packets, and whether it starts jobs.
  void Enable(bool runs, bool starts_jobs);
  void Reset();

  // For status registers.
  bool active() const { return active_; }
  const Job& job() const { return job_; }    // the active one
  size_t waiting() const;                    // jobs that have arrived and are not active
  uint64_t arrived() const;                  // jobs that ever arrived
  uint64_t taken() const { return taken_; }  // jobs that were ever active
  uint64_t current_packet() const;           // its first 8 bytes; 0 without one
  uint32_t Status() const;                   // CP_STS
  uint32_t fence_counter(int fence) const { return counters_[fence]; }
  uint64_t message_base(int base) const { return message_bases_[base]; }
  uint32_t predicates() const { return predicates_; }
  uint32_t errors() const { return errors_; }  // qman::StreamErrors
  void ClearErrors(uint32_t which) { errors_ &= ~which; }

  // For people: "" when it has nothing to do.
  std::string Stuck() const;
  int blocked_fence() const { return blocked_ == Blocked::kFence ? fence_ : -1; }
  const Origin& origin() const { return origin_; }
  Picoseconds fence_wait() const { return fence_wait_; }
  uint64_t packets() const { return packets_; }
  void ResetStatistics();
  void SetTrace();

 private:
  enum class Blocked : uint8_t { kNo, kFence, kEngineBusy, kEngineFull, kArbiter, kBody };
  // kWait: the packet is tried again when woken. kJumped: the next one is at offset_.
  enum class Outcome : uint8_t { kDone, kWait, kJumped };
  // Between the REPEATs that start and end it.
  struct Stretch {
    bool open = false;
    uint32_t offset = 0, packet = 0;  // of its first packet
    uint32_t left = 0;                // jumps back
  };
  // Where an upper CP goes on when a body that it runs itself ends.
  struct Return {
    FetchedCommands commands;
    uint32_t offset = 0, packet = 0;
  };

  void Run();
  bool StartJob();
  bool FinishJob();
  bool Fetch();
  Outcome ExecutePacket();
  Outcome WriteRegisters(uint32_t offset, const uint32_t* values, uint32_t words);
  Outcome WriteEngine(uint32_t offset, const uint32_t* values, uint32_t words);
  bool WriteQman(uint32_t offset, uint32_t value);
  Outcome LinDma();
  Outcome Fence();
  Outcome CpDma();
  // Runs a body on this CP, and comes back.
  Outcome CallBody(uint64_t address, uint32_t bytes);
  // At the end of the bytes: true when it goes on behind the body that they were.
  bool HasMore();
  // Starts to fetch bytes from memory; raises the fault and is false when it cannot.
  bool FetchFrom(DeviceAddress address, uint32_t bytes, Picoseconds from);
  // What was unmapped, at offset_; raises the fault and is false when nothing is mapped there now.
  bool FetchAgain();
  void NoteLaunch();  // the engine has been given work: completion may wait for it
  // Runs a body on the lower CP; done when it has ended.
  Outcome StartBody(uint64_t address, uint32_t bytes);
  Outcome ArbPoint();
  Outcome Repeat();
  Outcome LoadAndExecute();
  // Reads `bytes` for LOAD_AND_EXE; raises the fault and is false when it cannot.
  bool Load(uint64_t address, void* to, size_t bytes);
  bool LoadPredicates(const hal::abi::gaudi::PacketLoadAndExe& packet);
  bool LoadScalars(const hal::abi::gaudi::PacketLoadAndExe& packet);
  // Acts on the packet in the scalars, or in their upper half.
  Outcome ExecuteScalars(bool upper_half);
  void PostMessage(uint64_t address, uint32_t value, uint32_t op);
  // Whether the simulation has caught up with this CP; if not, it is woken when it has.
  bool InStep();
  // In step: whether what the packet's message barrier waits for is in memory, too; if not, it is
  // woken when it is.
  bool MessagesArrived();
  Outcome Block(Blocked why);
  void Unblocked();
  // `error`: its bit of qman::StreamErrors.
  bool Fail(hal::HealthEvent::Kind kind, const std::string& what,
            uint32_t error = hal::abi::gaudi::qman::StreamErrors::CP_UNDEF_CMD_ERR::kMask,
            uint64_t address = 0);
  // The packet that it is at.
  template <typename Packet>
  Packet Read() const {
    Packet packet;
    const std::byte* const in_buffer = commands_.data + offset_;
    std::memcpy(&packet, in_scalars_ == nullptr ? in_buffer : in_scalars_, sizeof packet);
    return packet;
  }
  bool upper() const { return index_ < 4; }

  Environment& environment_;
  QueueManager& qman_;
  const int index_;
  const AgentId agent_;
  sc_core::sc_event wake_;

  std::deque<Job> jobs_;
  bool active_ = false, runs_ = true, starts_jobs_ = true;
  Job job_;                   // the active one
  FetchedCommands commands_;  // the bytes that it runs
  std::optional<Return> return_;
  uint32_t offset_ = 0, packet_bytes_ = 0;
  bool fetched_ = false;  // the packet at offset_ has arrived and was paid for
  bool passed_barrier_ = false;
  bool body_done_ = false;            // of the packet at offset_, which started one
  std::array<Stretch, 2> stretches_;  // inner, outer
  uint64_t repeated_ = 0;             // packets that were jumped back over, in this job
  hal::abi::gaudi::Opcode opcode_ = hal::abi::gaudi::Opcode::kNop;
  uint32_t ctl_ = 0;
  Origin origin_;
  Picoseconds local_, started_, last_message_;
  LineFetcher fetcher_;

  Blocked blocked_ = Blocked::kNo;
  int fence_ = 0;
  uint32_t fence_target_ = 0;
  Picoseconds blocked_since_;
  std::array<uint32_t, 4> counters_{};
  std::array<SharedClock, 4> fence_clocks_;
  std::array<uint64_t, 4> message_bases_{};
  uint32_t predicates_ = 1;  // bit 0 is always set
  std::array<std::byte, 16> scalars_{};
  const std::byte* in_scalars_ = nullptr;  // the packet that the one at offset_ executes
  uint32_t errors_ = 0;

  Picoseconds fence_wait_;
  uint64_t taken_ = 0, packets_ = 0;
  TrackId track_ = 0;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_COMMAND_PROCESSOR_H_
