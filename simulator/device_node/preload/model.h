// What the model's library is linked with: which node stands behind its table.
#ifndef SIMULATOR_DEVICE_NODE_PRELOAD_MODEL_H_
#define SIMULATOR_DEVICE_NODE_PRELOAD_MODEL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "simulator/device_node/node.h"

namespace openhpu::simulator {

// Defined once a library: model_main.cc, or a test's.
absl::StatusOr<std::unique_ptr<DeviceNode>> MakeNode(const DeviceNode::Options& options);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_PRELOAD_MODEL_H_
