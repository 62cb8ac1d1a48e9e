// The simulated gaudi2, timed, with hazards reported: what no sync orders fails here.
#include "absl/status/statusor.h"
#include "simulator/driver.h"
#include "testing/conformance/driver_under_test.h"

namespace openhpu::conformance {
namespace {

constexpr std::string_view kNoCheck =
    "Gaudi2's kernel driver looks at no packet: protection is the hardware's";

constexpr Exemption kNever[] = {
    {"ErrorSuite.UnknownOpcodesInExternalBuffersAreRefused", kNoCheck},
    {"ErrorSuite.ForbiddenPacketsInExternalBuffersAreDenied", kNoCheck},
    {"ErrorSuite.WaitInAnExternalBufferIsRefused", kNoCheck},
    {"ErrorSuite.PacketsPastTheEndOfAnExternalBufferAreRefused", kNoCheck},
};

}  // namespace

absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest() {
  return simulator::Simulator::Open("sim:gaudi2,hazards=on");
}

Exemptions ExemptionsUnderTest() { return {kNever, {}}; }

}  // namespace openhpu::conformance
