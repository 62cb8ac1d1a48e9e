// The driver of a real card, over the emulated node of a Gaudi: /dev/accel/accel0.
#include "absl/status/statusor.h"
#include "testing/conformance/driver_under_test.h"
#include "testing/conformance/habanalabs_node.h"

namespace openhpu::conformance {

absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest() {
  return OpenOverNode("sim:gaudi,hazards=on", simulator::kAccelNames);
}

Exemptions ExemptionsUnderTest() { return KernelExemptions(); }

}  // namespace openhpu::conformance
