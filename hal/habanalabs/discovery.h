// Which cards the machine has, by sysfs, and where a card's node may be.
// Threading: any thread.
#ifndef HAL_HABANALABS_DISCOVERY_H_
#define HAL_HABANALABS_DISCOVERY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "hal/habanalabs/syscalls.h"
#include "hal/habanalabs/uapi.h"

namespace openhpu::hal::habanalabs {

// A place where card `number` may be: its node, and the folder of its attributes.
struct Node {
  Api api = Api::kMisc;
  std::string path;        // "/dev/accel/accel0", "/dev/hl0"
  std::string attributes;  // "/sys/class/accel/accel0/device"
};

struct CardListing {
  uint32_t number = 0;
  Node node;
  std::string type, pci_address, status;  // empty where sysfs has none
};

// The cards that sysfs lists, by node and number. Nodes of other makers' accelerators, which share
// /sys/class/accel, have no device_type and are left out.
std::vector<CardListing> ListCards(Syscalls& syscalls);

// The nodes to try for card `number`, the newer interface first. A node of /dev/accel that sysfs
// knows as another maker's is not among them; without sysfs both are.
std::vector<Node> NodesOf(Syscalls& syscalls, uint32_t number);

// An attribute's text without its newline; empty if there is none.
std::string ReadAttribute(Syscalls& syscalls, const Node& node, const std::string& name);

// For people: "habanalabs:0 (GAUDI, 0000:01:00.0, operational), habanalabs:1 ..."; empty without.
std::string DescribeCards(const std::vector<CardListing>& cards);

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_DISCOVERY_H_
