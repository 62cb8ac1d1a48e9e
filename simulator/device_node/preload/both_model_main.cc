// A library of the model that simulates beside a program that simulates: its node does nothing, but
// is made while machines are.
#include <memory>

#include "simulator/device_node/fake_node.h"
#include "simulator/device_node/preload/model.h"
#include "simulator/driver.h"

namespace openhpu::simulator {

absl::StatusOr<std::unique_ptr<DeviceNode>> MakeNode(const DeviceNode::Options&) {
  for (int i = 0; i < 20; ++i) {
    absl::StatusOr<std::unique_ptr<Simulator>> card = Simulator::Open("sim:tiny");
    if (!card.ok()) return card.status();
  }
  return std::make_unique<FakeNode>();
}

}  // namespace openhpu::simulator
