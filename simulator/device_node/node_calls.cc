#include "simulator/device_node/node_calls.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "simulator/device_node/open_text.h"
#include "simulator/device_node/tree.h"

namespace openhpu::simulator {
namespace {

class NodeFile final : public OpenFile {
 public:
  NodeFile(DeviceNode* node, TreeEntry entry, int fd) : OpenFile(fd), node_(node), entry_(entry) {}

  // Asks the node for the file; 0 or a negative errno.
  int Begin(int fd) {
    const bool compute = entry_ == TreeEntry::kCompute || entry_ == TreeEntry::kAccelCompute;
    const bool misc = entry_ == TreeEntry::kCompute || entry_ == TreeEntry::kControl;
    return node_->Open(compute ? NodeKind::kCompute : NodeKind::kControl,
                       misc ? NodeApi::kMisc : NodeApi::kAccel, fd, &file_);
  }

  TreeEntry entry() const override { return entry_; }
  int Ioctl(unsigned long request, void* argument) override {
    return node_->Ioctl(*file_, request, argument);
  }
  int Map(uint64_t offset, uint64_t bytes, DeviceNode::Mapping* mapping) override {
    return node_->Map(*file_, offset, bytes, mapping);
  }
  // The driver has neither; Linux answers so for it.
  ssize_t Read(int, void*, size_t, off_t) override { return -EINVAL; }
  ssize_t Write(int, const void*, size_t, off_t) override { return -EINVAL; }
  void Closing(int) override {}
  void Release() override { node_->Release(file_); }

 private:
  DeviceNode* const node_;
  const TreeEntry entry_;
  std::shared_ptr<DeviceNode::File> file_;
};

int Failed(int result) { return result < 0 ? -errno : result; }

}  // namespace

absl::Status MakeTreeOf(DeviceNode& node, const std::string& card, const std::string& folder) {
  // The node may keep files of its own there as soon as it is asked anything.
  std::error_code error;
  std::filesystem::create_directories(folder, error);  // what fails says MakeTree
  TreeFacts facts;
  facts.card = card;
  facts.device_type = std::string(node.device_type());
  facts.pci_device_id = node.pci_device_id();
  std::string text;
  for (const char* name : kAttributes) {
    // These two are written only.
    const bool resets =
        std::strcmp(name, "hard_reset") == 0 || std::strcmp(name, "soft_reset") == 0;
    if (resets || node.ReadAttribute(name, &text) != -ENOENT) facts.attributes.push_back(name);
  }
  return MakeTree(folder, facts);
}

int NodeCalls::Open(const TreePath& path, int flags) {
  // What sysfs and device nodes make of these: nothing can be made, nor cut short.
  const int kept = flags & ~(O_CREAT | O_EXCL | O_TRUNC);
  if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) &&
      access(InFolder(path).c_str(), F_OK) == 0) {
    return -EEXIST;
  }
  if (path.entry == TreeEntry::kPlain) {
    if ((flags & O_ACCMODE) != O_RDONLY && (flags & O_DIRECTORY) == 0) {
      return access(InFolder(path).c_str(), F_OK) == 0 ? -EACCES : -errno;
    }
    return Failed(open(InFolder(path).c_str(), kept));
  }
  if ((flags & O_PATH) != 0) return Failed(open(InFolder(path).c_str(), kept));
  return NumberOf(path.entry).major_number != 0 ? OpenNode(path, kept) : OpenText(path, kept);
}

int NodeCalls::OpenNode(const TreePath& path, int flags) {
  const int fd = open(InFolder(path).c_str(), flags);
  if (fd < 0) return -errno;
  auto file = std::make_unique<NodeFile>(node_, path.entry, fd);
  if (const int result = file->Begin(fd); result != 0) {
    close(fd);
    return result;
  }
  Files::Ref ref = files_->Create(std::move(file));
  if (!ref) {
    close(fd);
    file->Release();
    return -ENFILE;
  }
  files_->Install(fd, ref);
  return fd;
}

int NodeCalls::OpenText(const TreePath& path, int flags) {
  // The tree says which of the names this card has.
  if (access(InFolder(path).c_str(), F_OK) != 0) return -errno;
  std::unique_ptr<OpenFile> file;
  const int fd = simulator::OpenText(*node_, path, flags,
                                     folder_ + "/sys/kernel/debug/habanalabs/hl0/addr", &file);
  if (fd < 0) return fd;
  Files::Ref ref = files_->Create(std::move(file));
  if (!ref) {
    close(fd);
    return -ENFILE;
  }
  files_->Install(fd, ref);
  return fd;
}

void NodeCalls::Forget(int fd) {
  if (Files::Ref found = files_->Find(fd); OpenFile* file = found.served()) file->Closing(fd);
  files_->Remove(fd);
}

int NodeCalls::Close(int fd) {
  if (Files::Ref found = files_->Find(fd); OpenFile* file = found.served()) file->Closing(fd);
  Files::Ref closed = files_->Remove(fd);
  return Failed(close(fd));
}

int NodeCalls::Duplicate(int fd, int at_least, bool close_on_exec) {
  Files::Ref ref = files_->Find(fd);
  const int copy = Failed(fcntl(fd, close_on_exec ? F_DUPFD_CLOEXEC : F_DUPFD, at_least));
  if (copy >= 0) files_->Install(copy, ref);
  return copy;
}

int NodeCalls::DuplicateTo(int from, int to, int flags) {
  if (from == to) return fcntl(from, F_GETFD) < 0 ? -errno : to;
  Files::Ref ref = files_->Find(from);
  if (Files::Ref found = files_->Find(to); OpenFile* file = found.served()) file->Closing(to);
  Files::Ref replaced = files_->Remove(to);
  const int copy = Failed(dup3(from, to, flags));
  if (copy >= 0) {
    files_->Install(copy, ref);
  } else {
    files_->Install(to, replaced);
  }
  return copy;
}

void NodeCalls::CloseRange(unsigned first, unsigned last) {
  const int end = static_cast<int>(
      std::min<uint64_t>(uint64_t{last} + 1, static_cast<uint64_t>(files_->end())));
  for (int fd = static_cast<int>(std::min<uint64_t>(first, end)); fd < end; ++fd) {
    if (Has(fd)) Close(fd);
  }
}

bool NodeCalls::StillOurs(int fd, const Files::Ref& ref) {
  if (ref.file()->IsBehind(fd)) return true;
  files_->Remove(fd);
  return false;
}

int NodeCalls::Ioctl(int fd, unsigned long request, void* argument) {
  Files::Ref ref = files_->Find(fd);
  if (!ref) return -EBADF;
  OpenFile* file = ref.served();
  if (file == nullptr) return -ENODEV;  // the card lives in the process that opened it
  const int result = file->Ioctl(request, argument);
  return result == -ENOTTY && !StillOurs(fd, ref) ? -EBADF : result;
}

int NodeCalls::Map(void* at, size_t bytes, int protection, int flags, int fd, off_t offset,
                   void** mapped) {
  Files::Ref ref = files_->Find(fd);
  if (!ref || !StillOurs(fd, ref)) return -EBADF;
  OpenFile* file = ref.served();
  if (file == nullptr) return -ENODEV;
  DeviceNode::Mapping mapping;
  const int result = file->Map(static_cast<uint64_t>(offset), bytes, &mapping);
  if (result != 0) return result;
  *mapped = mmap(at, bytes, protection, flags, mapping.fd, mapping.offset);
  return *mapped == MAP_FAILED ? -errno : 0;
}

ssize_t NodeCalls::Read(int fd, void* bytes, size_t size, off_t offset) {
  Files::Ref ref = files_->Find(fd);
  if (!ref || !StillOurs(fd, ref)) return -EBADF;
  OpenFile* file = ref.served();
  return file == nullptr ? -ENODEV : file->Read(fd, bytes, size, offset);
}

ssize_t NodeCalls::Write(int fd, const void* bytes, size_t size, off_t offset) {
  Files::Ref ref = files_->Find(fd);
  if (!ref || !StillOurs(fd, ref)) return -EBADF;
  OpenFile* file = ref.served();
  return file == nullptr ? -ENODEV : file->Write(fd, bytes, size, offset);
}

TreeEntry NodeCalls::EntryOf(int fd) {
  Files::Ref ref = files_->Find(fd);
  return ref && StillOurs(fd, ref) ? ref.file()->entry() : TreeEntry::kPlain;
}

}  // namespace openhpu::simulator
