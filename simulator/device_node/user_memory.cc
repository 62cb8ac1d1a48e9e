#include "simulator/device_node/user_memory.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <string>

namespace openhpu::simulator {
namespace {

// The kernel checks the other side of the copy; this side is ours.
int Copy(uint64_t user, void* own, size_t bytes, bool from_user) {
  if (bytes == 0) return 0;
  iovec local = {own, bytes};
  iovec remote = {reinterpret_cast<void*>(user), bytes};
  const ssize_t moved = from_user ? process_vm_readv(getpid(), &local, 1, &remote, 1, 0)
                                  : process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
  return moved == static_cast<ssize_t>(bytes) ? 0 : -EFAULT;
}

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

}  // namespace

int CopyFromUser(void* to, uint64_t from, size_t bytes) { return Copy(from, to, bytes, true); }

int CopyToUser(uint64_t to, const void* from, size_t bytes) {
  return Copy(to, const_cast<void*>(from), bytes, false);
}

bool IsWritable(uint64_t address, uint64_t bytes) {
  if (bytes == 0 || address + bytes < address) return false;
  const std::string maps = ReadMaps();
  uint64_t covered = address;
  for (size_t at = 0; at < maps.size() && covered < address + bytes;) {
    size_t end = maps.find('\n', at);
    if (end == std::string::npos) end = maps.size();
    uint64_t first = 0, last = 0;
    char access[5] = {};
    if (std::sscanf(maps.c_str() + at, "%" SCNx64 "-%" SCNx64 " %4s", &first, &last, access) == 3 &&
        first <= covered && covered < last) {
      if (access[0] != 'r' || access[1] != 'w') return false;
      covered = last;
    }
    at = end + 1;
  }
  return covered >= address + bytes;
}

}  // namespace openhpu::simulator
