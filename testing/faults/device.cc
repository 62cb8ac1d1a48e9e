#include "testing/faults/device.h"

#include <utility>

#include "hal/base/status_macros.h"
#include "hal/habanalabs/driver.h"
#include "simulator/device_node/fresh_node.h"
#include "simulator/device_node/node.h"
#include "simulator/device_node/node_syscalls.h"
#include "simulator/driver.h"

namespace openhpu::faults {

absl::StatusOr<Device> OpenSimulator(const std::string& spec) {
  ASSIGN_OR_RETURN(std::unique_ptr<simulator::Simulator> opened, simulator::Simulator::Open(spec));
  simulator::Simulator* const simulator = opened.get();
  Device device;
  device.driver = std::move(opened);
  device.inject = [simulator](const simulator::InjectedFault& fault) {
    return simulator->Inject(fault);
  };
  device.now = [simulator] { return simulator->statistics().now; };
  return device;
}

absl::StatusOr<Device> OpenOverNode(const std::string& spec) {
  ASSIGN_OR_RETURN(std::unique_ptr<simulator::NodeSyscalls> syscalls,
                   simulator::OpenFreshNode(spec));
  simulator::DeviceNode* const node = &syscalls->node();
  Device device;
  ASSIGN_OR_RETURN(device.driver,
                   hal::habanalabs::Driver::Open("habanalabs:0", std::move(syscalls)));
  device.inject = [node](const simulator::InjectedFault& fault) { return node->Inject(fault); };
  device.now = [node] { return node->host_time(); };
  return device;
}

}  // namespace openhpu::faults
