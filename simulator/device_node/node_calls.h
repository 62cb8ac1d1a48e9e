// NodeCalls: the C library's calls on files, for those of one emulated card: what is open is a real
// descriptor of this process, and the node answers its calls. Callers decide by tree_paths.h and
// Has() that a path or a descriptor is the card's; all other calls are the machine's.
//
// Results are the call's, or a negative errno.
//
// Threading: any thread.
#ifndef SIMULATOR_DEVICE_NODE_NODE_CALLS_H_
#define SIMULATOR_DEVICE_NODE_NODE_CALLS_H_

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "simulator/device_node/files.h"
#include "simulator/device_node/node.h"
#include "simulator/device_node/tree_paths.h"

namespace openhpu::simulator {

// Makes the tree of `node`, a node of `card`, in `folder`: tree.h.
absl::Status MakeTreeOf(DeviceNode& node, const std::string& card, const std::string& folder);

class NodeCalls {
 public:
  // `folder` holds the card's tree. Both outlive this, and every file opened here.
  NodeCalls(DeviceNode* node, Files* files, std::string folder)
      : node_(node), files_(files), folder_(std::move(folder)) {}

  bool Has(int fd) const {
    return fd >= 0 && fd < Files::kMostDescriptors && files_->slots()[fd].load() != 0;
  }

  // open(2) without its mode: nothing is created or truncated here.
  int Open(const TreePath& path, int flags);

  int Close(int fd);
  // Before somebody else closes `fd`, which is not the last descriptor of its file.
  void Forget(int fd);
  // fcntl(F_DUPFD), or F_DUPFD_CLOEXEC.
  int Duplicate(int fd, int at_least, bool close_on_exec);
  // dup3(2) where at least one of the two is ours; flags of 0 is dup2(2) but for equal descriptors.
  int DuplicateTo(int from, int to, int flags);
  // close_range(2) of the part that is ours: what is left is for the machine's.
  void CloseRange(unsigned first, unsigned last);

  int Ioctl(int fd, unsigned long request, void* argument);
  // mmap(2); 0 and the address.
  int Map(void* at, size_t bytes, int protection, int flags, int fd, off_t offset, void** mapped);
  // read(2) and pread(2), write(2) and pwrite(2): a negative offset is the descriptor's position.
  ssize_t Read(int fd, void* bytes, size_t size, off_t offset);
  ssize_t Write(int fd, const void* bytes, size_t size, off_t offset);
  // What is behind a descriptor of ours; kPlain for others'.
  TreeEntry EntryOf(int fd);

 private:
  // True while `fd` is what it was: a program can close it by calls that nobody sees. If not, it
  // is forgotten.
  bool StillOurs(int fd, const Files::Ref& ref);
  int OpenNode(const TreePath& path, int flags);
  int OpenText(const TreePath& path, int flags);
  std::string InFolder(const TreePath& path) const { return folder_ + "/" + path.path; }

  DeviceNode* node_;
  Files* files_;
  std::string folder_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_NODE_CALLS_H_
