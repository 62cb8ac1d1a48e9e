// The simulated tiny, timed, with hazards reported: what no sync orders fails here.
#include "absl/status/statusor.h"
#include "simulator/driver.h"
#include "testing/conformance/driver_under_test.h"

namespace openhpu::conformance {

absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest() {
  return simulator::Simulator::Open("sim:tiny,hazards=on");
}

Exemptions ExemptionsUnderTest() { return {}; }

}  // namespace openhpu::conformance
