// The text that says which simulated card to open: "sim:<chip>[,key=value...]". simulator/driver.h
// lists the keys.
#ifndef SIMULATOR_SPEC_H_
#define SIMULATOR_SPEC_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/chip.pb.h"
#include "simulator/engine/machine.h"
#include "simulator/fault.h"

namespace openhpu::simulator {

struct Spec {
  hal::Chip chip;  // with its overrides
  Machine::Options options;
  std::vector<InjectedFault> faults;  // to be ordered when it is opened
};

// NotFound for an unknown chip or file, InvalidArgument for the rest; the message lists what there
// is.
absl::StatusOr<Spec> ParseSpec(std::string_view text);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_SPEC_H_
