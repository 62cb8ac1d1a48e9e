// A queue manager: four streams, each a queue of jobs with an upper command processor, one lower
// command processor that they share, and the arbiter between them.
//
// Arbitration: a stream gets the engine with its first packet that touches it (or with CP_DMA, for
// its body), in round-robin order. It gives it up at the end of a body, at ARB_POINT, at the end of
// its job, and while an upper command buffer is blocked at a fence; never between descriptor writes
// and launch. ARB_POINT gives the stream its priority: of the streams that wait, the highest gets
// the engine, equal ones in turn (inferred: the field's name is all that the sources say).
#ifndef SIMULATOR_ENGINE_QUEUE_MANAGER_H_
#define SIMULATOR_ENGINE_QUEUE_MANAGER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <systemc>
#include <vector>

#include "absl/status/status.h"
#include "simulator/engine/block_registers.h"
#include "simulator/engine/command_processor.h"
#include "simulator/engine/dialect.h"
#include "simulator/engine/engine.h"
#include "simulator/engine/environment.h"

namespace openhpu::simulator {

// Told when a job that completes to the host is complete.
class CompletionListener {
 public:
  virtual ~CompletionListener() = default;
  virtual void JobCompleted(uint64_t submission, const SharedClock& clock) = 0;
};

class QueueManager : public sc_core::sc_module, public EngineListener {
 public:
  static constexpr int kStreams = 4;
  struct Config {
    const Dialect* dialect = nullptr;
    std::string name;         // the engine's: "TPC3"
    uint64_t base = 0;        // of its registers, as the device sees them
    uint32_t entries = 0;     // of each stream's queue, a power of two
    bool external = false;    // its jobs complete to the host
    bool linear_dma = false;  // its engine takes LIN_DMA
    std::array<uint64_t, 4> message_bases{};
    AgentId first_agent = 0;  // of five, one a CP
  };
  QueueManager(sc_core::sc_module_name name, Environment& environment, const Config& config,
               Engine& engine, CompletionListener& completions);

  const Config& config() const { return config_; }
  const Dialect& dialect() const { return *config_.dialect; }
  Environment& environment() { return environment_; }
  Engine& engine() { return engine_; }
  // A job that completes to the host has ended.
  void JobCompleted(uint64_t submission, const SharedClock& clock);
  // A fault: the next completion gets lost.
  void LoseCompletion() { loses_completion_ = true; }
  // Submissions whose completion got lost since the last reset.
  const std::vector<uint64_t>& lost_completions() const { return lost_completions_; }
  CommandProcessor& cp(int index) { return *cps_[index]; }
  const CommandProcessor& cp(int index) const { return *cps_[index]; }

  // Places left in a stream's queue.
  uint32_t Free(int stream) const;

  // A message to its registers.
  void Write(uint32_t offset, const Message& message);
  // Its registers as the kernel driver reads and writes them; `offset` is one. Status is live, and
  // not written. Unimplemented, with the name, for what the model does not take from there.
  uint32_t ReadRegister(uint32_t offset) const;
  absl::Status WriteRegister(uint32_t offset, uint32_t value);
  // The queue before the lower CP (CQ 4): its registers but for the start, and what they hold.
  void WriteLowerQueue(uint32_t offset, uint32_t value);
  uint64_t lower_pointer() const { return lower_pointer_; }
  uint32_t lower_ctl() const { return lower_ctl_; }
  // No stream has a job that has arrived.
  bool empty() const;

  // True when `stream` has the engine now; else it is woken when it gets it. `changed`: it was
  // another's before.
  bool Acquire(int stream, bool* changed);
  void Release(int stream, Picoseconds at);
  // Gives the stream its priority. At a switch point it gives the engine up: to anybody that waits,
  // or, without `release`, to those that have at least its priority.
  void ArbPoint(int stream, uint32_t priority, bool release, bool switch_point, Picoseconds at);
  // A CP waits for the engine: it is woken by its next completion.
  void EngineProgressed() override;

  void Reset();

 private:
  // What the kernel driver has written before the first user comes.
  void InitializeRegisters();
  void ApplyEnables();
  uint32_t Idle() const;  // the low half of GLBL_STS0

  Environment& environment_;
  const Config config_;
  Engine& engine_;
  CompletionListener& completions_;
  std::array<std::unique_ptr<CommandProcessor>, 5> cps_;
  int holder_ = -1, last_holder_ = -1;
  std::array<bool, kStreams> waiting_{};
  std::array<uint32_t, kStreams> priorities_{};
  RegisterValues registers_;
  uint64_t lower_pointer_ = 0;
  uint32_t lower_ctl_ = 0;
  bool loses_completion_ = false;
  std::vector<uint64_t> lost_completions_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_QUEUE_MANAGER_H_
