// The driver of a real card over an emulated node, and what it is exempt from because the kernel
// knows less than the model, whatever card is behind it.
#ifndef TESTING_CONFORMANCE_HABANALABS_NODE_H_
#define TESTING_CONFORMANCE_HABANALABS_NODE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "hal/driver.h"
#include "simulator/device_node/tree_paths.h"
#include "testing/conformance/exemptions.h"

namespace openhpu::conformance {

// A card of its own for each call. `apis`: which nodes the machine has.
absl::StatusOr<std::unique_ptr<hal::Driver>> OpenOverNode(const std::string& card, uint8_t apis);

Exemptions KernelExemptions();
Exemptions Gaudi2KernelExemptions();
// Of a card, a Gaudi: beside the kernel's, for want of what only the model has.
Exemptions CardExemptions();

}  // namespace openhpu::conformance

#endif  // TESTING_CONFORMANCE_HABANALABS_NODE_H_
