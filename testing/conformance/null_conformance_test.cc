// The driver that completes at once: memory and the shape of submissions, no engines.
#include "absl/status/statusor.h"
#include "hal/null/driver.h"
#include "testing/conformance/driver_under_test.h"

namespace openhpu::conformance {
namespace {

constexpr Exemption kNever[] = {
    {"DmaSuite.*", "no byte moves"},
    {"SyncSuite.*", "there are no sync objects: every submission is complete at once"},
};

}  // namespace

absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest() {
  return hal::NullDriver::Open("null:tiny");
}

Exemptions ExemptionsUnderTest() { return {kNever, {}}; }

}  // namespace openhpu::conformance
