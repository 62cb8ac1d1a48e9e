#include "testing/conformance/habanalabs_node.h"

#include <utility>

#include "hal/base/status_macros.h"
#include "hal/habanalabs/driver.h"
#include "simulator/device_node/fresh_node.h"

namespace openhpu::conformance {
namespace {

constexpr std::string_view kNoIdea =
    "the kernel's clock runs for submissions, and these are complete: it has no idea of what "
    "blocks an internal queue";

constexpr Exemption kNever[] = {{"FaultSuite.SubmittingToWhatWillNeverDrainEnds", kNoIdea}};
constexpr Exemption kCardNever[] = {
    {"FaultSuite.SubmittingToWhatWillNeverDrainEnds", kNoIdea},
    {"TpcSuite.*", "images have a guid and no machine code, which a card's TPC needs"},
};

constexpr std::string_view kNoCheck =
    "Gaudi2's kernel driver looks at no packet: protection is the hardware's";

constexpr std::string_view kFewInFlight =
    "64 submissions are in flight long before a queue is full, and none is complete before its "
    "internal jobs are";

constexpr Exemption kGaudi2Never[] = {
    {"QueueSuite.AFullQueueIsRetryable", kFewInFlight},
    {"QueueSuite.AFullQueueTakesNothingOfASubmission", kFewInFlight},
    {"QueueSuite.DoneMeansNothingOfInternalJobs",
     "every queue of Gaudi2 says when it is done, and a submission is complete when all have"},
    {"ErrorSuite.UnknownOpcodesInExternalBuffersAreRefused", kNoCheck},
    {"ErrorSuite.ForbiddenPacketsInExternalBuffersAreDenied", kNoCheck},
    {"ErrorSuite.WaitInAnExternalBufferIsRefused", kNoCheck},
    {"ErrorSuite.PacketsPastTheEndOfAnExternalBufferAreRefused", kNoCheck},
};
}  // namespace

absl::StatusOr<std::unique_ptr<hal::Driver>> OpenOverNode(const std::string& card, uint8_t apis) {
  ASSIGN_OR_RETURN(std::unique_ptr<simulator::NodeSyscalls> node,
                   simulator::OpenFreshNode(card, apis));
  return hal::habanalabs::Driver::Open("habanalabs:0", std::move(node));
}

Exemptions KernelExemptions() {
  Exemptions exemptions;
  exemptions.never = kNever;
  exemptions.knows_why = false;
  return exemptions;
}

Exemptions CardExemptions() {
  Exemptions exemptions = KernelExemptions();
  exemptions.never = kCardNever;
  return exemptions;
}

Exemptions Gaudi2KernelExemptions() {
  Exemptions exemptions;
  exemptions.never = kGaudi2Never;
  exemptions.knows_why = false;
  return exemptions;
}

}  // namespace openhpu::conformance
