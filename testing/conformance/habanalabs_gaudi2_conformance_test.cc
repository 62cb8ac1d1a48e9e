// The driver of a real card, over the emulated node of a Gaudi2: /dev/hl0.
#include "absl/status/statusor.h"
#include "testing/conformance/driver_under_test.h"
#include "testing/conformance/habanalabs_node.h"

namespace openhpu::conformance {

absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest() {
  return OpenOverNode("sim:gaudi2,hazards=on", simulator::kMiscNames);
}

Exemptions ExemptionsUnderTest() { return Gaudi2KernelExemptions(); }

}  // namespace openhpu::conformance
