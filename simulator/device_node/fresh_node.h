// A machine with one emulated card that nobody has used yet, for a test or a program of its own.
#ifndef SIMULATOR_DEVICE_NODE_FRESH_NODE_H_
#define SIMULATOR_DEVICE_NODE_FRESH_NODE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "simulator/device_node/node_syscalls.h"
#include "simulator/device_node/tree_paths.h"

namespace openhpu::simulator {

// A new DeviceNode of `card` in a temporary folder, which goes with it.
absl::StatusOr<std::unique_ptr<NodeSyscalls>> OpenFreshNode(const std::string& card,
                                                            uint8_t apis = kMiscNames);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_FRESH_NODE_H_
