#include "simulator/device_node/fresh_node.h"

#include <stdlib.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "simulator/device_node/node.h"

namespace openhpu::simulator {

absl::StatusOr<std::unique_ptr<NodeSyscalls>> OpenFreshNode(const std::string& card, uint8_t apis) {
  std::error_code error;
  std::string folder = std::filesystem::temp_directory_path(error) / "openhpu-node-XXXXXX";
  if (error || mkdtemp(folder.data()) == nullptr) {
    return absl::UnavailableError(absl::StrCat("no temporary folder for a node: ", folder));
  }
  DeviceNode::Options options;
  options.card = card;
  options.directory = folder;
  absl::StatusOr<std::unique_ptr<NodeSyscalls>> syscalls = absl::UnknownError("not made");
  absl::StatusOr<std::unique_ptr<DeviceNode>> node = DeviceNode::Create(options);
  syscalls = node.ok() ? NodeSyscalls::Create(*std::move(node), options, apis) : node.status();
  if (syscalls.ok()) {
    (*syscalls)->OwnFolder();
  } else {
    std::filesystem::remove_all(folder, error);
  }
  return syscalls;
}

}  // namespace openhpu::simulator
