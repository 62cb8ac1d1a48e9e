#include "simulator/device_node/user_memory.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>

namespace openhpu::simulator {
namespace {

std::string ReadMaps() {
  std::string text;
  const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char buffer[8192];
  for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(got));
  }
  close(fd);
  return text;
}

// Ranges that may be read and written, as of the last look at /proc/self/maps.
class KnownMemory {
 public:
  bool Has(uint64_t address, uint64_t bytes) {
    const std::shared_lock<std::shared_mutex> lock(mutex_);
    const auto after = ranges_.upper_bound(address);
    if (after == ranges_.begin()) return false;
    const uint64_t end = std::prev(after)->second;
    return address < end && bytes <= end - address;
  }

  void Refresh() {
    const std::string maps = ReadMaps();
    const std::unique_lock<std::shared_mutex> lock(mutex_);
    ranges_.clear();
    uint64_t last_end = 0, last_begin = 0;
    for (size_t at = 0; at < maps.size();) {
      size_t line_end = maps.find('\n', at);
      if (line_end == std::string::npos) line_end = maps.size();
      uint64_t begin = 0, end = 0;
      char access[5] = {};
      if (std::sscanf(maps.c_str() + at, "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, access) ==
              3 &&
          access[0] == 'r' && access[1] == 'w') {
        // Neighbours are one.
        if (begin != last_end) last_begin = begin;
        ranges_[last_begin] = last_end = end;
      }
      at = line_end + 1;
    }
  }

  void Forget(uint64_t address, uint64_t bytes) {
    const uint64_t end = address + std::min(bytes, ~address);
    const std::unique_lock<std::shared_mutex> lock(mutex_);
    auto range = ranges_.upper_bound(address);
    if (range != ranges_.begin()) --range;
    while (range != ranges_.end() && range->first < end) {
      const auto [begin, range_end] = *range;
      if (range_end <= address) {
        ++range;
        continue;
      }
      range = ranges_.erase(range);
      if (begin < address) ranges_[begin] = address;
      if (end < range_end) ranges_[end] = range_end;
    }
  }

 private:
  std::shared_mutex mutex_;
  std::map<uint64_t, uint64_t> ranges_;  // begin -> end
};

// Never destroyed: programs copy until the very end. A forked child, which may have the lock of a
// thread that it has not, starts again.
std::atomic<KnownMemory*> known_memory{nullptr};

KnownMemory& Known() {
  KnownMemory* known = known_memory.load(std::memory_order_acquire);
  if (known != nullptr) return *known;
  static std::once_flag once;
  std::call_once(once, [] {
    known_memory = new KnownMemory;
    pthread_atfork(nullptr, nullptr, [] { known_memory = new KnownMemory; });
  });
  return *known_memory;
}

// By the kernel, which checks the other side of the copy; this side is ours.
bool CopyByKernel(uint64_t user, void* own, size_t bytes, bool from_user) {
  iovec local = {own, bytes};
  iovec remote = {reinterpret_cast<void*>(user), bytes};
  const ssize_t moved = from_user ? process_vm_readv(getpid(), &local, 1, &remote, 1, 0)
                                  : process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
  return moved == static_cast<ssize_t>(bytes);
}

}  // namespace

int CopyFromUser(void* to, uint64_t from, size_t bytes) {
  if (bytes == 0) return 0;
  if (Known().Has(from, bytes)) {
    std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
    return 0;
  }
  if (!CopyByKernel(from, to, bytes, true)) return -EFAULT;
  Known().Refresh();
  return 0;
}

int CopyToUser(uint64_t to, const void* from, size_t bytes) {
  if (bytes == 0) return 0;
  if (Known().Has(to, bytes)) {
    std::memcpy(reinterpret_cast<void*>(to), from, bytes);
    return 0;
  }
  if (!CopyByKernel(to, const_cast<void*>(from), bytes, false)) return -EFAULT;
  Known().Refresh();
  return 0;
}

bool IsWritable(uint64_t address, uint64_t bytes) {
  if (bytes == 0 || address + bytes < address) return false;
  if (Known().Has(address, bytes)) return true;
  Known().Refresh();
  return Known().Has(address, bytes);
}

void ForgetUserMemory(uint64_t address, uint64_t bytes) { Known().Forget(address, bytes); }

}  // namespace openhpu::simulator
