// The machine: all modules of one simulated card, connected, in a SystemC kernel of its own. No
// host time here: that is the driver's.
//
// Threading: every method but Create wants the caller to hold a Door of context().
#ifndef SIMULATOR_ENGINE_MACHINE_H_
#define SIMULATOR_ENGINE_MACHINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/chip.pb.h"
#include "simulator/engine/blueprint.h"
#include "simulator/engine/dialect.h"
#include "simulator/engine/engine.h"
#include "simulator/engine/environment.h"
#include "simulator/engine/fabric.h"
#include "simulator/engine/fault_injection.h"
#include "simulator/engine/kernel_store.h"
#include "simulator/engine/message_network.h"
#include "simulator/engine/queue_manager.h"
#include "simulator/engine/register_map.h"
#include "simulator/engine/simulation_context.h"
#include "simulator/engine/sync_manager.h"

namespace openhpu::simulator {

class Machine : private MessageTarget, private FaultTarget {
 public:
  struct Options {
    bool timed = true, hazards = false;
    bool exact_arithmetic = false;
    // More work in one command stops the machine: for fuzzers, whose inputs must all end soon.
    uint64_t most_steps = ~uint64_t{0};
  };
  // ResourceExhausted when the host has no address space for the chip's memories. `completions`
  // outlives the machine.
  static absl::StatusOr<std::unique_ptr<Machine>> Create(const hal::Chip& chip,
                                                         const Options& options,
                                                         CompletionListener& completions);
  // Takes a Door of its own.
  ~Machine() override;

  SimulationContext& context() { return context_; }
  Environment& environment() { return environment_; }

  // The stream of a queue id; InvalidArgument names what the chip does not have.
  struct Stream {
    QueueManager* queue = nullptr;
    int index = 0;
  };
  absl::StatusOr<Stream> FindStream(uint64_t queue_id) const;
  // All that FindStream finds are smaller.
  size_t queue_ids() const { return streams_.size(); }

  // Every queue that is not empty, what it waits for, and who should serve it.
  std::string DescribeStuck() const;
  // An engine keeps a command that does not end; a completion was not heard of.
  bool hangs() const;
  bool lost_completions() const;

  // Nothing runs, is queued, or is on its way.
  bool quiet() const;
  // Something will happen by itself, beside what was ordered to go wrong.
  bool pending() { return injector_->OthersPending(context_); }
  // By unit: its engine works, or a job has arrived in its queues and not ended.
  std::vector<bool> BusyEngines() const;

  // A register of the configuration space, at its address on the device, as the kernel driver finds
  // it now: what was written, or a reset value, and status live. NotFound where the chip has
  // nothing, or nothing that this model knows.
  absl::StatusOr<uint32_t> ReadRegister(uint64_t address) const;
  // Writes it with the kernel driver's rights, and with what follows on a chip: sync objects set
  // off monitors, commits launch. Status is not written. FailedPrecondition when a launch finds the
  // engine full, Unimplemented for what queues are made of.
  absl::Status WriteRegister(uint64_t address, uint32_t value);
  // After memory was unmapped: command processors keep what they have fetched of it.
  void NoteUnmapping();
  // Hazards on: forgets accesses that nothing to come can race with.
  void PruneHazards();

  // Something goes wrong at its time, or now if that is past. InvalidArgument for a unit that is
  // not there or cannot have it.
  absl::Status Inject(const InjectedFault& fault);
  const std::vector<InjectedFault>& pending_faults() const { return injector_->pending(); }
  std::vector<StruckFault> TakeStruckFaults() { return injector_->TakeStruck(); }
  // Events of what did not stop the machine, since the last call.
  std::vector<hal::HealthEvent> TakeReports() { return environment_.faults.TakeReports(); }

  // Everything in flight is forgotten, sync objects are zero; memory and time stay.
  void Reset();
  // nullptr stops.
  void SetTrace(TraceSink* sink);

  struct EngineUnit {
    std::unique_ptr<Engine> engine;
    std::unique_ptr<QueueManager> queue;
  };
  // In the order of the chip: DMA, MME, TPC.
  const std::vector<EngineUnit>& units() const { return units_; }
  Fabric& fabric() { return *fabric_; }
  void ResetStatistics();

  // The agents of the hazard checker.
  static constexpr AgentId kHostAgent = 0;

 private:
  // Registers with nothing behind them in this model: the MMEs' slaves, NICs' queue managers.
  struct IdleBlock {
    RegisterBlock block = RegisterBlock::kNone;
    RegisterValues values;
  };

  Machine() = default;
  void Build(const hal::Chip& chip, CompletionListener& completions);
  void AddSyncManagers(const Blueprint& plan);
  std::unique_ptr<Engine> MakeEngine(const Blueprint::Unit& plan);
  void AddUnit(const Blueprint::Unit& plan, CompletionListener& completions);
  void AddIdleBlocks(const Blueprint& plan);
  absl::StatusOr<RegisterMap::Place> FindRegister(uint64_t address) const;
  void Deliver(const Message& message) override;
  void DeliverToRegister(const Message& message);
  void WriteMemory(const Message& message);
  void Strike(const InjectedFault& fault) override;
  int FindUnit(const std::string& name) const;  // -1: none
  std::string DescribeFence(const QueueManager& queue, int cp, int fence) const;

  SimulationContext context_;
  hal::Chip chip_;
  const Dialect* dialect_ = nullptr;
  Environment environment_;
  RegisterMap registers_;  // of the configuration space
  std::unique_ptr<MessageNetwork> network_;
  std::unique_ptr<Fabric> fabric_;
  std::vector<std::unique_ptr<SyncManager>> sync_managers_;
  std::unique_ptr<KernelStore> kernels_;
  std::vector<EngineUnit> units_;
  std::unique_ptr<FaultInjector> injector_;
  std::vector<IdleBlock> idle_blocks_;  // at indices behind the units'
  std::vector<Stream> streams_;         // by queue id; without a queue where the id is no unit's
  uint64_t timestamp_base_ = 0;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_MACHINE_H_
