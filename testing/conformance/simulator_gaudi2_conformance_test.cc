// The simulated gaudi2, timed, with hazards reported: what no sync orders fails here.
#include "absl/status/statusor.h"
#include "simulator/driver.h"
#include "testing/conformance/driver_under_test.h"

namespace openhpu::conformance {
namespace {

constexpr std::string_view kNoCheck =
    "Gaudi2's kernel driver looks at no packet: protection is the hardware's";
constexpr std::string_view kGaudisAddresses = "the suite's addresses are Gaudi's";

constexpr Exemption kNever[] = {
    {"ErrorSuite.UnknownOpcodesInExternalBuffersAreRefused", kNoCheck},
    {"ErrorSuite.ForbiddenPacketsInExternalBuffersAreDenied", kNoCheck},
    {"ErrorSuite.WaitInAnExternalBufferIsRefused", kNoCheck},
    {"ErrorSuite.PacketsPastTheEndOfAnExternalBufferAreRefused", kNoCheck},
};

constexpr Exemption kNotYet[] = {
    {"FaultSuite.MessagesToWhatIsNotTheUsersFault", kGaudisAddresses},
    {"FaultSuite.SyncObjectsAndMonitorsThatAreNotThereFault", kGaudisAddresses},
};

}  // namespace

absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest() {
  return simulator::Simulator::Open("sim:gaudi2,hazards=on");
}

Exemptions ExemptionsUnderTest() { return {kNever, kNotYet}; }

}  // namespace openhpu::conformance
