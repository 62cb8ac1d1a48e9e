#include "testing/conformance/habanalabs_node.h"

#include <utility>

#include "hal/base/status_macros.h"
#include "hal/habanalabs/driver.h"
#include "simulator/device_node/fresh_node.h"

namespace openhpu::conformance {

absl::StatusOr<std::unique_ptr<hal::Driver>> OpenOverNode(const std::string& card, uint8_t apis) {
  ASSIGN_OR_RETURN(std::unique_ptr<simulator::NodeSyscalls> node,
                   simulator::OpenFreshNode(card, apis));
  return hal::habanalabs::Driver::Open("habanalabs:0", std::move(node));
}

Exemptions KernelExemptions() {
  Exemptions exemptions;
  exemptions.knows_why = false;
  return exemptions;
}

}  // namespace openhpu::conformance
