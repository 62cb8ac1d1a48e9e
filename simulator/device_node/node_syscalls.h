// The driver's system calls on a machine that has one emulated card, in this process: for tests of
// the driver and of what is above it. Nothing is preloaded; paths and descriptors that are not the
// card's are the machine's own.
//
// Several NodeSyscalls over one folder are as many processes: one of them has the card.
//
// Threading: any thread.
#ifndef SIMULATOR_DEVICE_NODE_NODE_SYSCALLS_H_
#define SIMULATOR_DEVICE_NODE_NODE_SYSCALLS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/habanalabs/syscalls.h"
#include "simulator/device_node/files.h"
#include "simulator/device_node/node.h"
#include "simulator/device_node/node_calls.h"
#include "simulator/device_node/tree_paths.h"

namespace openhpu::simulator {

class NodeSyscalls final : public hal::habanalabs::Syscalls {
 public:
  // `node` was made with `options`; its tree is made in options.directory.
  static absl::StatusOr<std::unique_ptr<NodeSyscalls>> Create(std::unique_ptr<DeviceNode> node,
                                                              const DeviceNode::Options& options,
                                                              uint8_t apis = kMiscNames);
  // Closes what is still open of the card, as the end of a process does.
  ~NodeSyscalls() override;

  DeviceNode& node() { return *node_; }
  // The folder goes with this.
  void OwnFolder() { owns_folder_ = true; }

  int Open(const std::string& path, int flags) override;
  int Close(int fd) override;
  int Ioctl(int fd, unsigned long request, void* argument) override;
  int Map(void* at, size_t bytes, int fd, uint64_t offset, void** mapped) override;
  int Unmap(void* address, size_t bytes) override;
  int EventFd() override;
  int ReadEventFd(int fd, uint64_t* count) override;
  int ReadFile(const std::string& path, std::string* text) override;
  int ListFolder(const std::string& path, std::vector<std::string>* names) override;
  absl::Time Now() override;
  void Sleep(absl::Duration duration) override;

 private:
  NodeSyscalls(std::unique_ptr<DeviceNode> node, std::string folder, uint8_t apis);

  std::unique_ptr<DeviceNode> node_;
  const std::string folder_;
  const uint8_t apis_;
  bool owns_folder_ = false;
  Files files_;
  NodeCalls calls_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_NODE_SYSCALLS_H_
