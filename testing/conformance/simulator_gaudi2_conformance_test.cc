// The simulated gaudi2, timed, with hazards reported: what no sync orders fails here.
#include "absl/status/statusor.h"
#include "simulator/driver.h"
#include "testing/conformance/driver_under_test.h"

namespace openhpu::conformance {
namespace {

constexpr std::string_view kNoCheck =
    "Gaudi2's kernel driver looks at no packet: protection is the hardware's";
constexpr std::string_view kGaudisNames =
    "the suite expects Gaudi's names of engines, and its addresses";

constexpr Exemption kNever[] = {
    {"ErrorSuite.UnknownOpcodesInExternalBuffersAreRefused", kNoCheck},
    {"ErrorSuite.ForbiddenPacketsInExternalBuffersAreDenied", kNoCheck},
    {"ErrorSuite.WaitInAnExternalBufferIsRefused", kNoCheck},
    {"ErrorSuite.PacketsPastTheEndOfAnExternalBufferAreRefused", kNoCheck},
};

constexpr Exemption kNotYet[] = {
    {"FaultSuite.ADescriptorThatWouldNeverEndEnds", "the suite's descriptor is Gaudi's"},
    {"FaultSuite.AFenceInABodyThatNobodyServesIsADeadlock", kGaudisNames},
    {"FaultSuite.BodiesDoNotNest", kGaudisNames},
    {"FaultSuite.BodiesMustBeInUserMemory", kGaudisNames},
    {"FaultSuite.HostCopiesOfWhatIsNotMappedFault", kGaudisNames},
    {"FaultSuite.InternalCopiesOutOfMemoryFault", kGaudisNames},
    {"FaultSuite.MessagesToWhatIsNotTheUsersFault", kGaudisNames},
    {"FaultSuite.PacketsPastTheEndStopInternalQueues", kGaudisNames},
    {"FaultSuite.QueuesThatWaitForEachOtherAreADeadlock", kGaudisNames},
    {"FaultSuite.RegistersThatAreTheKernelsFault", kGaudisNames},
    {"FaultSuite.StopIsAnError", kGaudisNames},
    {"FaultSuite.SubmittingToWhatWillNeverDrainEnds", kGaudisNames},
    {"FaultSuite.SyncObjectsAndMonitorsThatAreNotThereFault", kGaudisNames},
    {"FaultSuite.UnknownOpcodesStopInternalQueues", kGaudisNames},
};

}  // namespace

absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest() {
  return simulator::Simulator::Open("sim:gaudi2,hazards=on");
}

Exemptions ExemptionsUnderTest() { return {kNever, kNotYet}; }

}  // namespace openhpu::conformance
