// A library of the model without one: what the hooks do is tested without simulating anything.
#include <memory>

#include "simulator/device_node/fake_node.h"
#include "simulator/device_node/preload/model.h"

namespace openhpu::simulator {

absl::StatusOr<std::unique_ptr<DeviceNode>> MakeNode(const DeviceNode::Options&) {
  return std::make_unique<FakeNode>();
}

}  // namespace openhpu::simulator
