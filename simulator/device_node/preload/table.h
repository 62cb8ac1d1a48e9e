// What the two preloaded libraries say to each other. libopenhpu_node.so stands in front of the C
// library in every program, and knows nothing of cards; at the first use of one it loads
// libopenhpu_node_model.so from its own folder, whose one door is OpenhpuNodeTableOf.
//
// Results are the call's, or a negative errno. Calls on descriptors are for those that are ours;
// one that turns out not to be is forgotten and answers -EBADF.
//
// Threading: any thread.
#ifndef SIMULATOR_DEVICE_NODE_PRELOAD_TABLE_H_
#define SIMULATOR_DEVICE_NODE_PRELOAD_TABLE_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "simulator/device_node/tree_paths.h"

namespace openhpu::simulator {

inline constexpr uint32_t kNodeTableVersion = 2;

struct NodeTable {
  uint32_t version = kNodeTableVersion;
  int32_t most_descriptors = 0;
  // What is not zero at a descriptor is ours: asked for at every call, without a call.
  const std::atomic<uintptr_t>* slots = nullptr;

  // Makes the tree.
  int (*prepare)() = nullptr;
  int (*open)(const TreePath* path, int flags) = nullptr;
  int (*close)(int fd) = nullptr;
  int (*duplicate)(int fd, int at_least, int close_on_exec) = nullptr;
  int (*duplicate_to)(int from, int to, int flags) = nullptr;
  void (*close_range)(unsigned first, unsigned last) = nullptr;
  // The caller closes `fd`, which another descriptor outlives.
  void (*forget)(int fd) = nullptr;
  int (*ioctl)(int fd, unsigned long request, void* argument) = nullptr;
  int (*map)(void* at, size_t bytes, int protection, int flags, int fd, off_t offset,
             void** mapped) = nullptr;
  // The program's memory there is being unmapped, or its protection changes.
  void (*memory_changes)(void* begin, size_t bytes) = nullptr;
  ssize_t (*read)(int fd, void* bytes, size_t size, off_t offset) = nullptr;
  ssize_t (*write)(int fd, const void* bytes, size_t size, off_t offset) = nullptr;
  TreeEntry (*entry_of)(int fd) = nullptr;
};

struct NodeConfig {
  const char* card = nullptr;    // "sim:gaudi"
  const char* folder = nullptr;  // of the tree
  const char* log = nullptr;     // a file for the kernel's lines; null: stderr
};

}  // namespace openhpu::simulator

// Nullptr for a version that the library does not have. Strings are copied; the first call counts.
extern "C" const openhpu::simulator::NodeTable* OpenhpuNodeTableOf(
    uint32_t version, const openhpu::simulator::NodeConfig* config);

#endif  // SIMULATOR_DEVICE_NODE_PRELOAD_TABLE_H_
