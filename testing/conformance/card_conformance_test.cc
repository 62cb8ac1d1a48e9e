// The card of this machine, if it has one.
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "hal/habanalabs/driver.h"
#include "testing/conformance/driver_under_test.h"
#include "testing/conformance/habanalabs_node.h"

namespace openhpu::conformance {

absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest() {
  absl::StatusOr<std::unique_ptr<hal::habanalabs::Driver>> driver =
      hal::habanalabs::Driver::Open("habanalabs:0", hal::habanalabs::LinuxSyscalls());
  if (driver.ok()) return *std::move(driver);
  // No card is no failure.
  if (absl::IsNotFound(driver.status())) return absl::UnavailableError(driver.status().message());
  return driver.status();
}

Exemptions ExemptionsUnderTest() { return CardExemptions(); }

}  // namespace openhpu::conformance
