// What the hooks of libopenhpu_node.so share. A hook stands for a function of the C library: it
// asks in a few instructions whether a path or a descriptor is the card's, and calls the real
// function when it is not.
//
// The library is linked with the C library alone, and may be in any program: nothing here
// allocates, throws, or is initialised before use.
//
// Threading: any thread.
#ifndef SIMULATOR_DEVICE_NODE_PRELOAD_HOOKS_H_
#define SIMULATOR_DEVICE_NODE_PRELOAD_HOOKS_H_

#include <dlfcn.h>
#include <sys/types.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

#include "simulator/device_node/preload/table.h"
#include "simulator/device_node/tree_paths.h"

namespace openhpu::simulator::preload {

// A function of the C library, behind the hook of its name.
template <typename Function>
class Real {
 public:
  constexpr explicit Real(const char* name) : name_(name) {}
  Function* get() {
    Function* function = function_.load(std::memory_order_relaxed);
    if (function != nullptr) return function;
    function = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name_));
    function_.store(function, std::memory_order_relaxed);
    return function;
  }
  template <typename... Arguments>
  auto operator()(Arguments... arguments) {
    return get()(arguments...);
  }

 private:
  const char* const name_;
  std::atomic<Function*> function_{nullptr};
};

// Declares the hook of `name`, and the real one as real_<name>. The hook has another name in C++,
// since the C library's headers declare, and qualify, their own.
#define OPENHPU_HOOK(result, name, parameters)                                                   \
  extern "C" [[gnu::visibility("default")]] result OpenhpuHook_##name parameters __asm__(#name); \
  [[maybe_unused]] static ::openhpu::simulator::preload::Real<result parameters> real_##name(    \
      #name);                                                                                    \
  result OpenhpuHook_##name parameters

// True on a thread on which the library itself calls the C library.
bool Inside();

class Guard {
 public:
  Guard();
  ~Guard();
};

// Nullptr until a path of the card was used.
extern std::atomic<const NodeTable*> loaded_table;

// Before memory of the program changes.
inline void MemoryChanges(void* begin, size_t bytes) {
  const NodeTable* const table = loaded_table.load(std::memory_order_acquire);
  if (table != nullptr) table->memory_changes(begin, bytes);
}

inline bool Ours(int fd) {
  const NodeTable* table = loaded_table.load(std::memory_order_acquire);
  return table != nullptr && fd >= 0 && fd < table->most_descriptors &&
         table->slots[fd].load(std::memory_order_relaxed) != 0 && !Inside();
}

// Loads the model's library. Nullptr when it cannot; why is said once.
const NodeTable* Table();

enum class Whose { kMachines, kCards, kMissing };
// kMissing: a path of the card, which cannot be made.
Whose WhoseIs(const char* path, TreePath* found);

// The tree's folder.
const char* Folder();

// The name that the real functions get: the file of the tree for a path of the card.
class Translated {
 public:
  explicit Translated(const char* path);
  const char* path() const { return path_; }
  bool ours() const { return whose_ == Whose::kCards; }
  // To be opened neither here nor on the machine, where opening could make a file.
  bool missing() const { return whose_ == Whose::kMissing; }
  const TreePath& found() const { return found_; }

 private:
  static constexpr size_t kMostBytes = 4096;
  TreePath found_;
  Whose whose_;
  const char* path_;
  char text_[kMostBytes];
};

// Takes the tree's folder off the front of `text`, a path of `bytes` bytes. Its length then.
size_t TakeOffFolder(char* text, size_t bytes);

// From a negative errno to -1 and errno; a value leaves errno as it was before the call.
class Answer {
 public:
  Answer() : errno_(errno) {}
  template <typename Result>
  Result operator()(Result result) const {
    errno = result < 0 ? static_cast<int>(-result) : errno_;
    return result < 0 ? -1 : result;
  }

 private:
  const int errno_;
};

}  // namespace openhpu::simulator::preload

#endif  // SIMULATOR_DEVICE_NODE_PRELOAD_HOOKS_H_
