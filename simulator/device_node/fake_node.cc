#include "simulator/device_node/fake_node.h"

#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "hal/base/status_macros.h"

namespace openhpu::simulator {

class DeviceNode::File {
 public:
  explicit File(bool compute) : compute(compute) {}
  const bool compute;
};

FakeNode::FakeNode() : memory_(memfd_create("fake_node", MFD_CLOEXEC)) {
  OPENHPU_CHECK(memory_ >= 0 && ftruncate(memory_, 1 << 20) == 0);
}

FakeNode::~FakeNode() { close(memory_); }

int FakeNode::Open(NodeKind kind, NodeApi, int fd, std::shared_ptr<File>* file) {
  const bool compute = kind == NodeKind::kCompute;
  if (compute && flock(fd, LOCK_EX | LOCK_NB) != 0) return -EBUSY;
  *file = std::make_shared<File>(compute);
  ++open_files_;
  computes_ += compute ? 1 : 0;
  return 0;
}

void FakeNode::Release(const std::shared_ptr<File>& file) {
  --open_files_;
  computes_ -= file->compute ? 1 : 0;
  ++releases_;
}

int FakeNode::Ioctl(File&, unsigned long request, void* argument) {
  if (request != kFakeAdd) return -ENOTTY;
  ++*static_cast<uint64_t*>(argument);
  return 0;
}

int FakeNode::Map(File& file, uint64_t, uint64_t bytes, Mapping* mapping) {
  if (!file.compute || bytes > (1 << 20)) return -EINVAL;
  mapping->fd = memory_;
  return 0;
}

int FakeNode::ReadAttribute(std::string_view name, std::string* text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (name == "status") {
    *text = computes_ > 0 ? "Operational, in use" : "Operational";
  } else if (name == "pm_mng_profile") {
    *text = profile_;
  } else {
    return -ENOENT;
  }
  return 0;
}

int FakeNode::WriteAttribute(std::string_view name, std::string_view text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (name != "pm_mng_profile") return -EPERM;
  profile_ = text;
  return 0;
}

int FakeNode::ReadWord(uint64_t address, int bytes, uint64_t* value) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (computes_ == 0 || (address >> 40) != 0) return -EPERM;
  const auto word = words_.find(address);
  *value = word == words_.end() ? 0 : word->second;
  if (bytes == 4) *value &= UINT32_MAX;
  return 0;
}

int FakeNode::WriteWord(uint64_t address, int, uint64_t value) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (computes_ == 0 || (address >> 40) != 0) return -EPERM;
  words_[address] = value;
  return 0;
}

}  // namespace openhpu::simulator
