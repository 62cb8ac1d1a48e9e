// The text that says which simulated card to open: "sim:<chip>[,key=value...]". simulator/driver.h
// lists the keys.
#ifndef SIMULATOR_SPEC_H_
#define SIMULATOR_SPEC_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "hal/chip.pb.h"
#include "simulator/engine/machine.h"

namespace openhpu::simulator {

struct Spec {
  hal::Chip chip;  // with its overrides
  Machine::Options options;
};

// NotFound for an unknown chip or file, InvalidArgument for the rest; the message lists what there
// is.
absl::StatusOr<Spec> ParseSpec(std::string_view text);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_SPEC_H_
