// FakeNode: a device node without a card, for tests of what leads to one: it locks as DeviceNode
// says, and remembers words.
//
// Ioctls: kFakeAdd adds one to the uint64_t of its argument; all others are -ENOTTY. Mapping any
// offset gives the same memory. debugfs words live at any address below 1 TiB, while a compute file
// is open.
#ifndef SIMULATOR_DEVICE_NODE_FAKE_NODE_H_
#define SIMULATOR_DEVICE_NODE_FAKE_NODE_H_

#include <sys/ioctl.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "simulator/device_node/node.h"

namespace openhpu::simulator {

inline constexpr unsigned long kFakeAdd = _IOWR('H', 0x01, uint64_t);

class FakeNode final : public DeviceNode {
 public:
  FakeNode();
  ~FakeNode() override;

  int open_files() const { return open_files_; }
  int releases() const { return releases_; }

  int Open(NodeKind kind, NodeApi api, int fd, std::shared_ptr<File>* file) override;
  void Release(const std::shared_ptr<File>& file) override;
  int Ioctl(File& file, unsigned long request, void* argument) override;
  int Map(File& file, uint64_t offset, uint64_t bytes, Mapping* mapping) override;
  int ReadAttribute(std::string_view name, std::string* text) override;
  int WriteAttribute(std::string_view name, std::string_view text) override;
  int ReadWord(uint64_t address, int bytes, uint64_t* value) override;
  int WriteWord(uint64_t address, int bytes, uint64_t value) override;
  uint32_t pci_device_id() const override { return 0x1000; }
  std::string_view device_type() const override { return "GAUDI"; }

 private:
  std::atomic<int> open_files_{0}, releases_{0}, computes_{0};
  int memory_ = -1;
  std::mutex mutex_;
  std::map<uint64_t, uint64_t> words_;
  std::string profile_ = "auto\n";
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_FAKE_NODE_H_
