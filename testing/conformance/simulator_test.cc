// The simulated card; SIMULATED_CARD is its spec.
#include "simulator/driver.h"
#include "testing/conformance/driver_under_test.h"

namespace openhpu::conformance {

absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest() {
  return simulator::Simulator::Open(SIMULATED_CARD);
}

std::vector<Exemption> Never() { return {}; }

std::vector<Exemption> NotYet() { return {}; }

}  // namespace openhpu::conformance
