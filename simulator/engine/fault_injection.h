// Faults by order: what goes wrong with a card, at a virtual time, so that a test or a scenario
// sees what becomes of it. The time of a fault, and so all that follows, is simulated time alone.
//
//   kEngineHang        the unit's next command to end never does: who waits for it waits in vain
//   kLostCompletion    the next job of an external queue of that DMA to complete is not heard of
//   kEccCorrected      an event, and nothing else
//   kEccUncorrected    stops the machine: what is in memory is not to be trusted
//   kPageFault         the unit's access to `address` was refused by the MMU: stops the machine
//   kRazwi             ... by range protection: stops the machine
//   kTpcAssert         the TPC's kernel failed an assertion: stops the machine
//   kThrottle          from then on engines run at `permille` of their clock: launches and
//                      arithmetic take longer; memories, links and command processors do not
//
// What stops the machine is as an error of a unit's command: the submission that the unit works for
// is the culprit, or none when it is idle. Machine::Reset takes back all of it, and what has not
// come yet.
#ifndef SIMULATOR_ENGINE_FAULT_INJECTION_H_
#define SIMULATOR_ENGINE_FAULT_INJECTION_H_

#include <cstdint>
#include <string>
#include <systemc>
#include <vector>

#include "hal/base/strong_int.h"

namespace openhpu::simulator {

struct InjectedFault {
  enum class Kind : uint8_t {
    kEngineHang,
    kLostCompletion,
    kEccCorrected,
    kEccUncorrected,
    kPageFault,
    kRazwi,
    kTpcAssert,
    kThrottle,
  };
  Kind kind = Kind::kEngineHang;
  std::string unit;       // "DMA2", "MME0", "TPC3"; of ECC also "SRAM", "HBM"; of kThrottle none
  uint64_t address = 0;   // of kPageFault and kRazwi; of ECC, where it is
  uint32_t permille = 0;  // of kThrottle: 1 to 1000
  Picoseconds at;         // not before now
};

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

 private:
  void Run();

  FaultTarget& target_;
  sc_core::sc_event wake_;
  std::vector<InjectedFault> faults_;  // by time
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_FAULT_INJECTION_H_
