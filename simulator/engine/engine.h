// What all engines have in common: a block of registers that queue managers write, a bounded queue
// of launched commands, and the life of a command: launch, then arithmetic beside one flow of
// bytes, then completion. What a command does and costs is the subclass's.
//
// Values are computed when a command begins; nobody may look before its completion is signalled. In
// functional mode a command is done when it is launched.
#ifndef SIMULATOR_ENGINE_ENGINE_H_
#define SIMULATOR_ENGINE_ENGINE_H_

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <systemc>
#include <vector>

#include "absl/status/status.h"
#include "simulator/engine/block_registers.h"
#include "simulator/engine/environment.h"
#include "simulator/engine/fabric.h"

namespace openhpu::simulator {

// Told when a command has completed: a place in the queue is free, perhaps the engine is idle.
class EngineListener {
 public:
  virtual ~EngineListener() = default;
  virtual void EngineProgressed() = 0;
};

class Engine : public sc_core::sc_module, public FlowOwner {
 public:
  SC_HAS_PROCESS(Engine);
  struct Config {
    std::string name;  // "DMA2"
    RegisterBlock block = RegisterBlock::kNone;
    uint64_t base = 0;   // of its registers, as the device sees them
    uint32_t slots = 1;  // commands launched and not completed
    uint32_t launch_register = 0;
    bool launch_bit = true;  // only a value whose bit 0 is set launches
    AgentId agent = 0;
    Fabric::Port port;
  };
  struct Statistics {
    Picoseconds busy;
    uint64_t commands = 0, bytes_read = 0, bytes_written = 0;
  };
  static constexpr uint32_t kRegisterBytes = kRegisterBlockBytes;

  Engine(sc_core::sc_module_name name, Environment& environment, const Config& config);

  const Config& config() const { return config_; }
  void set_listener(EngineListener* listener) { listener_ = listener; }

  // Whether a write of `words` registers from `offset` on starts a command: it must wait until
  // accepts().
  bool Launches(uint32_t offset, uint32_t words) const {
    return config_.launch_register >= offset && config_.launch_register - offset < 4 * words;
  }
  // Offsets are inside the block.
  void WriteRegisters(uint32_t offset, const uint32_t* values, uint32_t words, const Origin& origin,
                      const SharedClock& clock);
  // A register as a read finds it: status is live.
  uint32_t ReadRegister(uint32_t offset) const;
  bool accepts() const { return issued_.size() < config_.slots; }
  bool idle() const { return issued_.empty(); }
  // The command that runs or waits first; not idle().
  const Origin& current() const { return issued_.front().origin; }
  // A fault: the next command to end never does, until Reset.
  void Hang() { hangs_ = true; }
  bool hangs() const { return hangs_; }

  void Reset();
  Statistics statistics() const;
  void ResetStatistics();
  void SetTrace();

 protected:
  // What the front command is, for the base class.
  struct Work {
    Picoseconds launch;                  // before its first byte is asked for
    Picoseconds arithmetic;              // it takes at least this from then on
    uint64_t steps = 0;                  // of host work, about a byte each, in every mode
    const Fabric::Plan* plan = nullptr;  // null: no traffic
    const std::vector<AccessBox>* boxes = nullptr;  // null: no accesses
    const char* what = "";
  };

  // Registers were written.
  virtual void Written(uint32_t /*offset*/, uint32_t /*words*/) {}
  // A command was launched: takes a copy of the registers that describe it to the back of the
  // subclass's queue.
  virtual void Capture() = 0;
  // Decodes and checks the front command; pointers in `work` stay valid until Complete.
  virtual absl::Status Prepare(Work& work) = 0;
  // Computes its values.
  virtual absl::Status Execute() = 0;
  // Signals its completion with Signal(), and pops it.
  virtual void Complete() = 0;
  virtual void ResetCommands() = 0;
  // A detail for the trace, only asked for when one is taken.
  virtual std::string Detail() const { return ""; }

  // Writes `value` to `address` when the front command's results are there.
  void Signal(uint64_t address, uint32_t value);

  Environment& environment() const { return environment_; }
  uint32_t reg(uint32_t offset) const { return registers_[offset / 4]; }
  const uint32_t* registers(uint32_t offset) const { return &registers_[offset / 4]; }

  RegisterValues registers_;

 private:
  struct Issue {
    Origin origin;
    SharedClock clock;
  };
  enum class Phase : uint8_t { kIdle, kLaunching, kMoving };

  void FlowEnded() override;
  void Run();
  // What `time` of the engine's work takes at its present clock.
  Picoseconds AtClock(Picoseconds time) const;
  // Begins and ends what waits, in functional mode.
  void RunAtOnce();
  bool BeginCommand();
  void EndCommand();

  Environment& environment_;
  const Config config_;
  EngineListener* listener_ = nullptr;
  sc_core::sc_event wake_;
  std::deque<Issue> issued_;
  Phase phase_ = Phase::kIdle;
  Work work_;
  Picoseconds began_, next_;  // when the command began; end of its present phase
  Picoseconds busy_since_;    // began_, or when statistics were reset since
  bool flowing_ = false;
  bool hangs_ = false;
  Statistics statistics_;
  TrackId track_ = 0;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_ENGINE_H_
