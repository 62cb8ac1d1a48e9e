// Hooks of calls that take memory away from a program: what the kernel side remembers of it is
// forgotten. mmap over other memory says so in hooks_descriptors.cc.
#include <stdarg.h>
#include <sys/mman.h>

#include "simulator/device_node/preload/hooks.h"

using namespace openhpu::simulator::preload;

OPENHPU_HOOK(int, munmap, (void* begin, size_t bytes)) {
  MemoryChanges(begin, bytes);
  return real_munmap(begin, bytes);
}

OPENHPU_HOOK(int, mprotect, (void* begin, size_t bytes, int protection)) {
  MemoryChanges(begin, bytes);
  return real_mprotect(begin, bytes, protection);
}

OPENHPU_HOOK(void*, mremap, (void* begin, size_t bytes, size_t new_bytes, int flags, ...)) {
  va_list arguments;
  va_start(arguments, flags);
  void* const to = (flags & MREMAP_FIXED) != 0 ? va_arg(arguments, void*) : nullptr;
  va_end(arguments);
  MemoryChanges(begin, bytes);
  if (to != nullptr) MemoryChanges(to, new_bytes);
  return real_mremap(begin, bytes, new_bytes, flags, to);
}

// As in hooks_descriptors.cc.
[[gnu::constructor]] static void FindReal() {
  real_munmap.get();
  real_mprotect.get();
  real_mremap.get();
}
