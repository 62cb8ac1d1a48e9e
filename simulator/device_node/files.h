// Files: which descriptors of this process are the emulated node's, as the kernel's table of files
// says it: a descriptor refers to an open file description, which dies when nobody refers to it.
//
// Looking up costs a few nanoseconds and takes no lock; nothing here takes one, so a process may
// fork at any time. A forked child inherits descriptors, whose files are then "inherited": the card
// lives in the parent, and what the child closes does not end the parent's files. A child that
// shares its parent's memory (vfork) changes nothing here.
//
// Threading: any thread.
#ifndef SIMULATOR_DEVICE_NODE_FILES_H_
#define SIMULATOR_DEVICE_NODE_FILES_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "simulator/device_node/node.h"
#include "simulator/device_node/tree_paths.h"

namespace openhpu::simulator {

// One open file description. Results are as DeviceNode's: a value, or a negative errno.
class OpenFile {
 public:
  // `fd` is its first descriptor.
  explicit OpenFile(int fd);
  virtual ~OpenFile() = default;
  // False when `fd` has been closed by a call that nobody saw, and its number is another's.
  bool IsBehind(int fd) const;

  virtual TreeEntry entry() const = 0;
  virtual int Ioctl(unsigned long request, void* argument) = 0;
  virtual int Map(uint64_t offset, uint64_t bytes, DeviceNode::Mapping* mapping) = 0;
  // At `offset`, or at the position of `fd`, which moves, when it is negative.
  virtual ssize_t Read(int fd, void* bytes, size_t size, off_t offset) = 0;
  virtual ssize_t Write(int fd, const void* bytes, size_t size, off_t offset) = 0;
  // `fd` is about to be closed by the program; it may not be the last.
  virtual void Closing(int fd) = 0;
  // The last descriptor of this process has been closed. Not in a process that inherited it.
  virtual void Release() = 0;

 private:
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

class Files {
 private:
  struct Entry;

 public:
  static constexpr int kMostDescriptors = 1 << 20;  // Linux's default of fs.nr_open
  static constexpr int kMostFiles = 4096;

  Files();
  ~Files();  // forgets, without closing
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  // Keeps a file; empty for what is not ours.
  class Ref {
   public:
    Ref() = default;
    Ref(Ref&& other) noexcept : files_(other.files_), entry_(other.entry_) {
      other.entry_ = nullptr;
    }
    Ref& operator=(Ref&& other) noexcept;
    ~Ref() { Reset(); }

    explicit operator bool() const { return entry_ != nullptr; }
    // Nullptr when this process inherited the file.
    OpenFile* served() const;
    // Inherited or not: only its entry and its identity may be asked for.
    OpenFile* file() const;
    void Reset();

   private:
    friend class Files;
    Ref(Files* files, Entry* entry) : files_(files), entry_(entry) {}
    Files* files_ = nullptr;
    Entry* entry_ = nullptr;
  };

  // A new file, without descriptors. Empty when there are too many; `file` then stays the caller's.
  Ref Create(std::unique_ptr<OpenFile>&& file);
  Ref Find(int fd);
  // `fd`, which exists, refers to the file from now on, and to no other.
  void Install(int fd, const Ref& ref);
  // `fd` refers to nothing of ours from now on: before it is closed, since then the number may be
  // another's. The file is released with the reference, after the closing.
  Ref Remove(int fd);

  // One above the highest descriptor that ever was ours.
  int end() const { return end_.load(std::memory_order_relaxed); }
  // For lookups without a call: what is not zero at `fd` is ours.
  const std::atomic<uintptr_t>* slots() const { return slots_; }

 private:
  struct Owner;
  // A child that shares the memory of the process that owns it.
  bool Shared() const;
  void Drop(Entry* entry);

  Owner* owner_;
  std::atomic<uintptr_t>* slots_;  // Entry*, by descriptor
  Entry* entries_;                 // never freed while Files lives, so a stale pointer reads well
  std::atomic<int> end_{0};
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_FILES_H_
