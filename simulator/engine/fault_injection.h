// Keeps the faults that were ordered (simulator/fault.h) until their time. Machine::Reset takes
// back what has come, and what has not.
#ifndef SIMULATOR_ENGINE_FAULT_INJECTION_H_
#define SIMULATOR_ENGINE_FAULT_INJECTION_H_

#include <systemc>
#include <utility>
#include <vector>

#include "simulator/engine/simulation_context.h"
#include "simulator/fault.h"

namespace openhpu::simulator {

// Who makes it happen.
class FaultTarget {
 public:
  virtual ~FaultTarget() = default;
  virtual void Strike(const InjectedFault& fault) = 0;
};

// Keeps faults until their time.
class FaultInjector : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(FaultInjector);
  FaultInjector(sc_core::sc_module_name name, FaultTarget& target);

  // Those of one time strike in the order of these calls; a time that is past is now.
  void Add(const InjectedFault& fault);
  void Clear();
  // Those that have not come yet, by time.
  const std::vector<InjectedFault>& pending() const { return faults_; }
  // Whether anything will happen by itself, but for faults: they serve nobody who waits.
  bool OthersPending(const SimulationContext& context);
  // Those that have come since the last call.
  std::vector<StruckFault> TakeStruck() { return std::exchange(struck_, {}); }

 private:
  void Run();

  FaultTarget& target_;
  sc_core::sc_event wake_;
  std::vector<InjectedFault> faults_;  // by time
  std::vector<StruckFault> struck_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_FAULT_INJECTION_H_
