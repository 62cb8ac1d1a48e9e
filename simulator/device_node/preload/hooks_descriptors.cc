// Hooks of calls on descriptors: closing and duplicating, ioctl, mmap, reading and writing.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdint>
#include <cstring>

#include "simulator/device_node/preload/hooks.h"

namespace openhpu::simulator::preload {
namespace {

// The model's answer for a descriptor that is ours; the machine's for one that turns out not to be.
template <typename Call, typename RealCall>
auto Ask(int fd, Call call, RealCall real) -> decltype(real()) {
  const Answer answer;
  decltype(real()) result;
  {
    const Guard guard;
    result = static_cast<decltype(real())>(call(*loaded_table.load()));
  }
  if (result == -EBADF && !Ours(fd)) return real();
  return answer(result);
}

size_t HugePageBytes(int flags) {
  const int shift = (flags >> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;
  return size_t{1} << (shift == 0 ? 21 : shift);
}

// Ordinary memory that lies as huge pages do, for a machine that has none to give.
void* MapAsIfHuge(size_t bytes, int protection, int flags) {
  const size_t page = HugePageBytes(flags);
  bytes = (bytes + page - 1) & ~(page - 1);
  const int ordinary = flags & ~(MAP_HUGETLB | (MAP_HUGE_MASK << MAP_HUGE_SHIFT));
  auto* const reserved = static_cast<char*>(
      mmap(nullptr, bytes + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (reserved == MAP_FAILED) return MAP_FAILED;
  auto* const aligned = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(reserved) + page - 1) &
                                                ~(uintptr_t{page} - 1));
  if (aligned > reserved) munmap(reserved, static_cast<size_t>(aligned - reserved));
  munmap(aligned + bytes, static_cast<size_t>(reserved + page - aligned));
  return mmap(aligned, bytes, protection, ordinary | MAP_FIXED, -1, 0);
}

template <typename RealCall>
void* Map(void* at, size_t bytes, int protection, int flags, int fd, off_t offset, RealCall real) {
  if ((flags & MAP_ANONYMOUS) == 0 && Ours(fd)) {
    void* mapped = MAP_FAILED;
    const int result = Ask(
        fd,
        [&](const NodeTable& table) {
          return table.map(at, bytes, protection, flags, fd, offset, &mapped);
        },
        [&] {
          mapped = real();
          return mapped == MAP_FAILED ? -1 : 0;
        });
    return result < 0 ? MAP_FAILED : mapped;
  }
  if ((flags & MAP_FIXED) != 0) MemoryChanges(at, bytes);
  void* const mapped = real();
  if (mapped != MAP_FAILED) MemoryChanges(mapped, bytes);
  // Only in a program that uses the card: to others the machine answers as it is.
  if (mapped != MAP_FAILED || (flags & MAP_HUGETLB) == 0 || loaded_table.load() == nullptr ||
      at != nullptr || (flags & MAP_ANONYMOUS) == 0 || (errno != ENOMEM && errno != EINVAL) ||
      bytes == 0 || Inside()) {
    return mapped;
  }
  const int saved = errno;
  const Guard guard;
  void* const ordinary = MapAsIfHuge(bytes, protection, flags);
  if (ordinary == MAP_FAILED) errno = saved;
  return ordinary;
}

// One text of all pieces, as far as it is taken.
template <typename Write>
ssize_t Gather(const iovec* pieces, int count, Write write) {
  char text[4096];
  size_t bytes = 0;
  for (int i = 0; i < count; ++i) {
    const size_t part = std::min(pieces[i].iov_len, sizeof(text) - bytes);
    if (part > 0) std::memcpy(text + bytes, pieces[i].iov_base, part);
    bytes += part;
  }
  return write(text, bytes);
}

template <typename RealCall>
ssize_t Read(int fd, void* bytes, size_t size, off_t offset, RealCall real) {
  if (!Ours(fd)) return real();
  return Ask(
      fd, [&](const NodeTable& table) { return table.read(fd, bytes, size, offset); }, real);
}

template <typename RealCall>
ssize_t Write(int fd, const void* bytes, size_t size, off_t offset, RealCall real) {
  if (!Ours(fd)) return real();
  return Ask(
      fd, [&](const NodeTable& table) { return table.write(fd, bytes, size, offset); }, real);
}

int DuplicateTo(int from, int to, int flags) {
  const Answer answer;
  const Guard guard;
  return answer(loaded_table.load()->duplicate_to(from, to, flags));
}

}  // namespace
}  // namespace openhpu::simulator::preload

using openhpu::simulator::NodeTable;
using namespace openhpu::simulator::preload;

OPENHPU_HOOK(int, close, (int fd)) {
  if (!Ours(fd)) return real_close(fd);
  const Answer answer;
  const Guard guard;
  return answer(loaded_table.load()->close(fd));
}

OPENHPU_HOOK(int, dup, (int fd)) {
  if (!Ours(fd)) return real_dup(fd);
  const Answer answer;
  const Guard guard;
  return answer(loaded_table.load()->duplicate(fd, 0, 0));
}

OPENHPU_HOOK(int, dup2, (int from, int to)) {
  if (!Ours(from) && !Ours(to)) return real_dup2(from, to);
  return DuplicateTo(from, to, 0);
}

OPENHPU_HOOK(int, dup3, (int from, int to, int flags)) {
  if (from == to || (!Ours(from) && !Ours(to))) return real_dup3(from, to, flags);
  return DuplicateTo(from, to, flags);
}

// Commands with and without an argument pass alike: the kernel looks at what it knows.
#define OPENHPU_FCNTL(name)                                                               \
  OPENHPU_HOOK(int, name, (int fd, int command, ...)) {                                   \
    va_list arguments;                                                                    \
    va_start(arguments, command);                                                         \
    void* const argument = va_arg(arguments, void*);                                      \
    va_end(arguments);                                                                    \
    if ((command != F_DUPFD && command != F_DUPFD_CLOEXEC) || !Ours(fd)) {                \
      return real_##name(fd, command, argument);                                          \
    }                                                                                     \
    const Answer answer;                                                                  \
    const Guard guard;                                                                    \
    return answer(loaded_table.load()->duplicate(                                         \
        fd, static_cast<int>(reinterpret_cast<intptr_t>(argument)), command != F_DUPFD)); \
  }
OPENHPU_FCNTL(fcntl)
OPENHPU_FCNTL(fcntl64)

OPENHPU_HOOK(int, close_range, (unsigned first, unsigned last, int flags)) {
  constexpr int kOnlyOnExec = 1 << 2;  // CLOSE_RANGE_CLOEXEC
  if ((flags & kOnlyOnExec) == 0 && first <= last && loaded_table.load() != nullptr && !Inside()) {
    const Guard guard;
    loaded_table.load()->close_range(first, last);
  }
  return real_close_range(first, last, flags);
}

OPENHPU_HOOK(void, closefrom, (int first)) {
  if (loaded_table.load() != nullptr && !Inside()) {
    const Guard guard;
    loaded_table.load()->close_range(first < 0 ? 0 : static_cast<unsigned>(first), ~0u);
  }
  real_closefrom(first);
}

OPENHPU_HOOK(int, ioctl, (int fd, unsigned long request, ...)) {
  va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  const auto real = [&] { return real_ioctl(fd, request, argument); };
  if (!Ours(fd)) return real();
  return Ask(
      fd, [&](const NodeTable& table) { return table.ioctl(fd, request, argument); }, real);
}

OPENHPU_HOOK(void*, mmap,
             (void* at, size_t bytes, int protection, int flags, int fd, off_t offset)) {
  return Map(at, bytes, protection, flags, fd, offset,
             [&] { return real_mmap(at, bytes, protection, flags, fd, offset); });
}

OPENHPU_HOOK(void*, mmap64,
             (void* at, size_t bytes, int protection, int flags, int fd, off_t offset)) {
  return Map(at, bytes, protection, flags, fd, offset,
             [&] { return real_mmap64(at, bytes, protection, flags, fd, offset); });
}

OPENHPU_HOOK(ssize_t, read, (int fd, void* bytes, size_t size)) {
  return Read(fd, bytes, size, -1, [&] { return real_read(fd, bytes, size); });
}

OPENHPU_HOOK(ssize_t, __read_chk, (int fd, void* bytes, size_t size, size_t room)) {
  return Read(fd, bytes, size, -1, [&] { return real___read_chk(fd, bytes, size, room); });
}

OPENHPU_HOOK(ssize_t, pread, (int fd, void* bytes, size_t size, off_t offset)) {
  return Read(fd, bytes, size, offset, [&] { return real_pread(fd, bytes, size, offset); });
}

OPENHPU_HOOK(ssize_t, pread64, (int fd, void* bytes, size_t size, off_t offset)) {
  return Read(fd, bytes, size, offset, [&] { return real_pread64(fd, bytes, size, offset); });
}

OPENHPU_HOOK(ssize_t, write, (int fd, const void* bytes, size_t size)) {
  return Write(fd, bytes, size, -1, [&] { return real_write(fd, bytes, size); });
}

OPENHPU_HOOK(ssize_t, pwrite, (int fd, const void* bytes, size_t size, off_t offset)) {
  return Write(fd, bytes, size, offset, [&] { return real_pwrite(fd, bytes, size, offset); });
}

OPENHPU_HOOK(ssize_t, pwrite64, (int fd, const void* bytes, size_t size, off_t offset)) {
  return Write(fd, bytes, size, offset, [&] { return real_pwrite64(fd, bytes, size, offset); });
}

OPENHPU_HOOK(ssize_t, writev, (int fd, const iovec* pieces, int count)) {
  const auto real = [&] { return real_writev(fd, pieces, count); };
  if (!Ours(fd)) return real();
  return Gather(pieces, count,
                [&](const char* text, size_t bytes) { return Write(fd, text, bytes, -1, real); });
}

// What a child of vfork or fork may call is found before any: looking it up takes a lock.
[[gnu::constructor]] static void FindReal() {
  real_close.get();
  real_dup.get();
  real_dup2.get();
  real_dup3.get();
  real_fcntl.get();
  real_fcntl64.get();
  real_close_range.get();
  real_closefrom.get();
  real_read.get();
  real_write.get();
  real_mmap.get();
  real_ioctl.get();
}
