// The simulated tiny at zero latency: values and order, no time.
#include "absl/status/statusor.h"
#include "simulator/driver.h"
#include "testing/conformance/driver_under_test.h"

namespace openhpu::conformance {
namespace {

constexpr std::string_view kNoTime = "work takes no time: what can go on is done at the next look";

constexpr Exemption kNever[] = {
    {"QueueSuite.PollingIsNotDoneUntilItIs", kNoTime},
    {"QueueSuite.AWaitEndsAtItsDeadlineAndLosesNothing", kNoTime},
    {"QueueSuite.WaitForAnyReturnsWithTheFirst", kNoTime},
    {"QueueSuite.TooManyInFlightIsRetryable", kNoTime},
    {"QueueSuite.TimestampsGrowWithTheWork", kNoTime},
};

}  // namespace

absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest() {
  return simulator::Simulator::Open("sim:tiny,mode=functional,hazards=on");
}

Exemptions ExemptionsUnderTest() { return {kNever, {}}; }

}  // namespace openhpu::conformance
