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
#include <string>
#include <systemc>
#include <vector>

#include "hal/abi/gaudi/packets.h"
#include "simulator/engine/environment.h"
#include "simulator/engine/line_fetcher.h"
#include "simulator/engine/message_network.h"

namespace openhpu::simulator {

class QueueManager;

// One command buffer of a submission for one stream.
struct Job {
  uint64_t submission = 0;
  Picoseconds arrival;
  DeviceAddress address;  // of an internal queue's buffer
  uint32_t bytes = 0;
  bool external = false;
  std::vector<std::byte> copy;  // an external queue's buffer, as the kernel driver copied it
  bool uses_engine = false;     // external: has a LIN_DMA, so completion waits for the engine
  bool kernel = false;          // its commands are the kernel driver's own
  SharedClock clock;
};

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
  void SetMessageBase(int base, bool high, uint32_t value);
  void Reset();

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
  enum class Outcome : uint8_t { kDone, kWait };  // kWait: the packet is tried again when woken

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
  bool LoadAndExecute();
  void PostMessage(uint64_t address, uint32_t value, uint32_t op);
  // Whether the simulation has caught up with this CP; if not, it is woken when it has.
  bool InStep();
  Outcome Block(Blocked why);
  void Unblocked();
  bool Fail(hal::HealthEvent::Kind kind, const std::string& what);
  // The packet at offset_.
  template <typename Packet>
  Packet Read() const {
    Packet packet;
    std::memcpy(&packet, buffer_ + offset_, sizeof packet);
    return packet;
  }
  bool upper() const { return index_ < 4; }

  Environment& environment_;
  QueueManager& qman_;
  const int index_;
  const AgentId agent_;
  sc_core::sc_event wake_;

  std::deque<Job> jobs_;
  bool active_ = false;
  Job job_;                            // the active one
  const std::byte* buffer_ = nullptr;  // its bytes
  uint64_t base_ = 0;                  // where they lie, for the fetcher
  uint32_t offset_ = 0, packet_bytes_ = 0;
  bool fetched_ = false;  // the packet at offset_ has arrived and was paid for
  bool passed_barrier_ = false;
  bool body_done_ = false;  // of the CP_DMA at offset_
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

  Picoseconds fence_wait_;
  uint64_t packets_ = 0;
  TrackId track_ = 0;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_COMMAND_PROCESSOR_H_
