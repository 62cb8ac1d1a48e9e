#include "testing/conformance/habanalabs_node.h"

#include <utility>

#include "hal/base/status_macros.h"
#include "hal/habanalabs/driver.h"
#include "simulator/device_node/fresh_node.h"

namespace openhpu::conformance {
namespace {

constexpr Exemption kNever[] = {
    {"FaultSuite.SubmittingToWhatWillNeverDrainEnds",
     "the kernel's clock runs for submissions, and these are complete: it has no idea of what "
     "blocks an internal queue"},
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

}  // namespace openhpu::conformance
