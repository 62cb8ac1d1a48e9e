// Faults by order: what goes wrong with a card, at a virtual time, so that a test or a scenario
// sees what becomes of it. The time of a fault, and so all that follows, is simulated time alone.
//
//   engine_hang        the unit's next command to end never does: who waits for it waits in vain
//   lost_completion    the next job of an external queue of that DMA to complete is not heard of
//   ecc_corrected      an event, and nothing else
//   ecc_uncorrected    stops the machine: what is in memory is not to be trusted
//   page_fault         the unit's access to `address` was refused by the MMU: stops the machine
//   razwi              ... by range protection: stops the machine
//   tpc_assert         the TPC's kernel failed an assertion: stops the machine
//   throttle           from then on engines run at `permille` of their clock: launches and
//                      arithmetic take longer; memories, links and command processors do not. 1000
//                      ends it
//   hard_reset         somebody resets the device: stops the machine, all in flight is lost
//
// What stops the machine is as an error of a unit's command: the submission that the unit works for
// is the culprit; when it is idle, or the fault is nobody's, all in flight is lost with it.
#ifndef SIMULATOR_FAULT_H_
#define SIMULATOR_FAULT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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
    kHardReset,
  };
  Kind kind = Kind::kEngineHang;
  std::string unit;       // "DMA2", "MME0", "TPC3"; of ECC also "SRAM", "HBM"; else none
  uint64_t address = 0;   // of kPageFault and kRazwi; of ECC, where it is
  uint32_t permille = 0;  // of kThrottle: 1 to 1000
  Picoseconds at;         // not before now

  friend bool operator==(const InjectedFault& a, const InjectedFault& b) {
    return a.kind == b.kind && a.unit == b.unit && a.address == b.address &&
           a.permille == b.permille && a.at == b.at;
  }
};

// A fault that has come, and when.
struct StruckFault {
  InjectedFault fault;
  Picoseconds when;
};

// "engine_hang".
std::string_view NameOf(InjectedFault::Kind kind);

// What is wrong with it on any chip: a unit that is missing or one too many, a value that its kind
// does not have. InvalidArgument begins with the field's name.
absl::Status CheckFault(const InjectedFault& fault);

// A fault in one word: KIND[:UNIT][:0xADDRESS][:PERMILLE]@NANOSECONDS, as in
// "page_fault:DMA2:0x20001234@5000", "throttle:250@0". InvalidArgument says what is wrong.
absl::StatusOr<InjectedFault> ParseFault(std::string_view text);
// The same text; picoseconds are left out.
std::string ToString(const InjectedFault& fault);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FAULT_H_
