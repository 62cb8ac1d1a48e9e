// A queue manager: four streams, each a queue of jobs with an upper command processor, one lower
// command processor that they share, and the arbiter between them.
//
// Arbitration: a stream gets the engine with its first packet that touches it (or with CP_DMA, for
// its body), in round-robin order. It gives it up at the end of a body, at ARB_POINT, at the end of
// its job, and while an upper command buffer is blocked at a fence; never between descriptor writes
// and launch.
#ifndef SIMULATOR_ENGINE_QUEUE_MANAGER_H_
#define SIMULATOR_ENGINE_QUEUE_MANAGER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <systemc>

#include "simulator/engine/command_processor.h"
#include "simulator/engine/engine.h"
#include "simulator/engine/environment.h"

namespace openhpu::simulator {

// Told when a job of an external queue is complete.
class CompletionListener {
 public:
  virtual ~CompletionListener() = default;
  virtual void JobCompleted(uint64_t submission, const SharedClock& clock) = 0;
};

class QueueManager : public sc_core::sc_module, public EngineListener {
 public:
  static constexpr int kStreams = 4;
  struct Config {
    std::string name;         // the engine's: "TPC3"
    uint64_t base = 0;        // of its registers, as the device sees them
    uint32_t entries = 0;     // of each stream's queue
    bool linear_dma = false;  // its engine takes LIN_DMA
    std::array<uint64_t, 4> message_bases{};
    AgentId first_agent = 0;  // of five, one a CP
  };
  QueueManager(sc_core::sc_module_name name, Environment& environment, const Config& config,
               Engine& engine, CompletionListener& completions);

  const Config& config() const { return config_; }
  Environment& environment() { return environment_; }
  Engine& engine() { return engine_; }
  CompletionListener& completions() { return completions_; }
  CommandProcessor& cp(int index) { return *cps_[index]; }
  const CommandProcessor& cp(int index) const { return *cps_[index]; }

  // Places left in a stream's queue.
  uint32_t Free(int stream) const;

  // A message to its registers.
  void Write(uint32_t offset, const Message& message);

  // True when `stream` has the engine now; else it is woken when it gets it. `changed`: it was
  // another's before.
  bool Acquire(int stream, bool* changed);
  void Release(int stream, Picoseconds at);
  // A CP waits for the engine: it is woken by its next completion.
  void EngineProgressed() override;

  void Reset();

 private:
  Environment& environment_;
  const Config config_;
  Engine& engine_;
  CompletionListener& completions_;
  std::array<std::unique_ptr<CommandProcessor>, 5> cps_;
  int holder_ = -1, last_holder_ = -1;
  std::array<bool, kStreams> waiting_{};
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_QUEUE_MANAGER_H_
