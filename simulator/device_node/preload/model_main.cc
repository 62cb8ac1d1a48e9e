#include <memory>

#include "simulator/device_node/preload/model.h"

namespace openhpu::simulator {

absl::StatusOr<std::unique_ptr<DeviceNode>> MakeNode(const DeviceNode::Options& options) {
  return DeviceNode::Create(options);
}

}  // namespace openhpu::simulator
