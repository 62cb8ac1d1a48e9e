// Hooks of calls on paths: opening, and looking without opening.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "simulator/device_node/preload/hooks.h"

namespace openhpu::simulator::preload {
namespace {

// A new descriptor of the machine's. If we think it ours, the program closed ours by a call that
// nobody saw.
int Foreign(int fd) {
  if (fd >= 0 && Ours(fd)) {
    const Guard guard;
    loaded_table.load()->forget(fd);
  }
  return fd;
}

template <typename RealCall>
int Open(const char* path, int flags, RealCall real) {
  const Translated name(path);
  if (name.missing()) {
    errno = ENXIO;
    return -1;
  }
  if (!name.ours()) return Foreign(real(path, flags));
  // Text that does not change needs no model.
  if (name.found().entry == TreeEntry::kPlain && (flags & O_ACCMODE) == O_RDONLY &&
      (flags & O_CREAT) == 0) {
    return Foreign(real(name.path(), flags & ~O_TRUNC));
  }
  const Answer answer;
  const Guard guard;
  const NodeTable* table = Table();
  return answer(table == nullptr ? -ENXIO : table->open(&name.found(), flags));
}

template <typename RealCall>
FILE* OpenStream(const char* path, const char* mode, RealCall real) {
  const Translated name(path);
  if (name.missing()) {
    errno = ENXIO;
    return nullptr;
  }
  if (!name.ours()) {
    FILE* stream = real(path);
    if (stream != nullptr) Foreign(fileno(stream));
    return stream;
  }
  const bool both = std::strchr(mode, '+') != nullptr;
  if (name.found().entry == TreeEntry::kPlain && mode[0] == 'r' && !both) {
    return real(name.path());
  }
  const Answer answer;
  const Guard guard;
  const int flags = (both             ? O_RDWR
                     : mode[0] == 'r' ? O_RDONLY
                                      : O_WRONLY) |
                    (std::strchr(mode, 'e') != nullptr ? O_CLOEXEC : 0);
  const NodeTable* table = Table();
  const int fd = answer(table == nullptr ? -ENXIO : table->open(&name.found(), flags));
  if (fd < 0) return nullptr;
  FILE* stream = fdopen(fd, mode);
  if (stream == nullptr) table->close(fd);
  return stream;
}

// What a node is, where the tree has an ordinary file.
void ShowNode(TreeEntry entry, struct stat* status) {
  const DeviceNumber number = NumberOf(entry);
  if (number.major_number == 0) return;
  status->st_mode = S_IFCHR | (status->st_mode & ~static_cast<mode_t>(S_IFMT));
  status->st_rdev = makedev(number.major_number, number.minor_number);
  status->st_nlink = 1;
  status->st_size = 0;
  status->st_blocks = 0;
}

TreeEntry EntryOf(int fd) {
  const Guard guard;
  return loaded_table.load()->entry_of(fd);
}

template <typename RealCall>
int Stat(const char* path, struct stat* status, RealCall real) {
  const Translated name(path);
  const int result = real(name.path());
  if (result == 0 && name.ours()) ShowNode(name.found().entry, status);
  return result;
}

template <typename RealCall>
int StatDescriptor(int fd, struct stat* status, RealCall real) {
  const int result = real();
  if (result == 0 && Ours(fd)) ShowNode(EntryOf(fd), status);
  return result;
}

template <typename RealCall>
int StatAt(int fd, const char* path, struct stat* status, RealCall real) {
  const bool of_descriptor = path != nullptr && path[0] == '\0';
  if (of_descriptor) return StatDescriptor(fd, status, [&] { return real(path); });
  return Stat(path, status, real);
}

// A descriptor's link has the name that the program opened.
template <typename RealCall>
ssize_t ReadLink(const char* path, char* text, size_t bytes, RealCall real) {
  const Translated name(path);
  if (Inside() || path == nullptr || std::strncmp(path, "/proc/", 6) != 0) {
    return real(name.path(), text, bytes);
  }
  char target[4096];
  const ssize_t length = real(path, target, sizeof(target));
  if (length <= 0) return length;
  const size_t shown = std::min(TakeOffFolder(target, static_cast<size_t>(length)), bytes);
  std::memcpy(text, target, shown);
  return static_cast<ssize_t>(shown);
}

template <typename RealCall>
char* RealPath(const char* path, RealCall real) {
  const Translated name(path);
  char* text = real(name.path());
  if (text != nullptr && name.ours()) {
    const size_t bytes = std::strlen(text);
    text[TakeOffFolder(text, bytes)] = '\0';
  }
  return text;
}

}  // namespace
}  // namespace openhpu::simulator::preload

using openhpu::simulator::DeviceNumber;
using openhpu::simulator::NumberOf;
using openhpu::simulator::TreeEntry;
using namespace openhpu::simulator::preload;

#define OPENHPU_MODE_ARGUMENT                                                                 \
  va_list arguments;                                                                          \
  va_start(arguments, flags);                                                                 \
  const mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0; \
  va_end(arguments)

#define OPENHPU_OPEN(name)                                                                   \
  OPENHPU_HOOK(int, name, (const char* path, int flags, ...)) {                              \
    OPENHPU_MODE_ARGUMENT;                                                                   \
    return Open(path, flags, [&](const char* p, int f) { return real_##name(p, f, mode); }); \
  }
OPENHPU_OPEN(open)
OPENHPU_OPEN(open64)

// A path that is not absolute is not the card's, wherever `folder` is.
#define OPENHPU_OPENAT(name)                                                            \
  OPENHPU_HOOK(int, name, (int folder, const char* path, int flags, ...)) {             \
    OPENHPU_MODE_ARGUMENT;                                                              \
    return Open(path, flags,                                                            \
                [&](const char* p, int f) { return real_##name(folder, p, f, mode); }); \
  }
OPENHPU_OPENAT(openat)
OPENHPU_OPENAT(openat64)

#define OPENHPU_OPEN_2(name)                                                           \
  OPENHPU_HOOK(int, name, (const char* path, int flags)) {                             \
    return Open(path, flags, [&](const char* p, int f) { return real_##name(p, f); }); \
  }
OPENHPU_OPEN_2(__open_2)
OPENHPU_OPEN_2(__open64_2)

#define OPENHPU_OPENAT_2(name)                                                                 \
  OPENHPU_HOOK(int, name, (int folder, const char* path, int flags)) {                         \
    return Open(path, flags, [&](const char* p, int f) { return real_##name(folder, p, f); }); \
  }
OPENHPU_OPENAT_2(__openat_2)
OPENHPU_OPENAT_2(__openat64_2)

#define OPENHPU_CREAT(name)                                                \
  OPENHPU_HOOK(int, name, (const char* path, mode_t mode)) {               \
    return Open(path, O_CREAT | O_WRONLY | O_TRUNC,                        \
                [&](const char* p, int) { return real_##name(p, mode); }); \
  }
OPENHPU_CREAT(creat)
OPENHPU_CREAT(creat64)

#define OPENHPU_FOPEN(name)                                                             \
  OPENHPU_HOOK(FILE*, name, (const char* path, const char* mode)) {                     \
    return OpenStream(path, mode, [&](const char* p) { return real_##name(p, mode); }); \
  }
OPENHPU_FOPEN(fopen)
OPENHPU_FOPEN(fopen64)

OPENHPU_HOOK(int, fclose, (FILE * stream)) {
  const int fd = loaded_table.load() == nullptr || stream == nullptr ? -1 : fileno(stream);
  if (!Ours(fd)) return real_fclose(stream);
  const Guard guard;
  // What the stream holds is written; then another descriptor ends the file, after this one.
  const auto* table = loaded_table.load();
  fflush(stream);
  const int last = table->duplicate(fd, 0, 1);
  table->forget(fd);
  const int result = real_fclose(stream);
  const int saved = errno;
  if (last >= 0) table->close(last);
  errno = saved;
  return result;
}

OPENHPU_HOOK(DIR*, opendir, (const char* path)) { return real_opendir(Translated(path).path()); }

OPENHPU_HOOK(int, scandir,
             (const char* path, dirent*** names, int (*filter)(const dirent*),
              int (*compare)(const dirent**, const dirent**))) {
  return real_scandir(Translated(path).path(), names, filter, compare);
}

OPENHPU_HOOK(int, scandir64,
             (const char* path, dirent64*** names, int (*filter)(const dirent64*),
              int (*compare)(const dirent64**, const dirent64**))) {
  return real_scandir64(Translated(path).path(), names, filter, compare);
}

OPENHPU_HOOK(int, access, (const char* path, int mode)) {
  return real_access(Translated(path).path(), mode);
}

OPENHPU_HOOK(int, eaccess, (const char* path, int mode)) {
  return real_eaccess(Translated(path).path(), mode);
}

OPENHPU_HOOK(int, euidaccess, (const char* path, int mode)) {
  return real_euidaccess(Translated(path).path(), mode);
}

OPENHPU_HOOK(int, faccessat, (int folder, const char* path, int mode, int flags)) {
  return real_faccessat(folder, Translated(path).path(), mode, flags);
}

// `ls -l` asks for access lists.
#define OPENHPU_GETXATTR(name)                                                                  \
  OPENHPU_HOOK(ssize_t, name, (const char* path, const char* key, void* value, size_t bytes)) { \
    return real_##name(Translated(path).path(), key, value, bytes);                             \
  }
OPENHPU_GETXATTR(getxattr)
OPENHPU_GETXATTR(lgetxattr)

#define OPENHPU_LISTXATTR(name)                                               \
  OPENHPU_HOOK(ssize_t, name, (const char* path, char* list, size_t bytes)) { \
    return real_##name(Translated(path).path(), list, bytes);                 \
  }
OPENHPU_LISTXATTR(listxattr)
OPENHPU_LISTXATTR(llistxattr)

#define OPENHPU_STAT(name)                                                            \
  OPENHPU_HOOK(int, name, (const char* path, struct stat* status)) {                  \
    return Stat(path, status, [&](const char* p) { return real_##name(p, status); }); \
  }
OPENHPU_STAT(stat)
OPENHPU_STAT(stat64)
OPENHPU_STAT(lstat)
OPENHPU_STAT(lstat64)

#define OPENHPU_FSTAT(name)                                                     \
  OPENHPU_HOOK(int, name, (int fd, struct stat* status)) {                      \
    return StatDescriptor(fd, status, [&] { return real_##name(fd, status); }); \
  }
OPENHPU_FSTAT(fstat)
OPENHPU_FSTAT(fstat64)

#define OPENHPU_FSTATAT(name)                                                           \
  OPENHPU_HOOK(int, name, (int fd, const char* path, struct stat* status, int flags)) { \
    return StatAt(fd, path, status,                                                     \
                  [&](const char* p) { return real_##name(fd, p, status, flags); });    \
  }
OPENHPU_FSTATAT(fstatat)
OPENHPU_FSTATAT(fstatat64)

// Programs built with a C library before 2.33 call these. `version` is that of struct stat: on this
// architecture there is one.
#define OPENHPU_XSTAT(name, modern)                                                     \
  OPENHPU_HOOK(int, name, (int, const char* path, struct stat* status)) {               \
    return Stat(path, status, [&](const char* p) { return real_##modern(p, status); }); \
  }
OPENHPU_XSTAT(__xstat, stat)
OPENHPU_XSTAT(__xstat64, stat64)
OPENHPU_XSTAT(__lxstat, lstat)
OPENHPU_XSTAT(__lxstat64, lstat64)

#define OPENHPU_FXSTAT(name, modern)                                              \
  OPENHPU_HOOK(int, name, (int, int fd, struct stat* status)) {                   \
    return StatDescriptor(fd, status, [&] { return real_##modern(fd, status); }); \
  }
OPENHPU_FXSTAT(__fxstat, fstat)
OPENHPU_FXSTAT(__fxstat64, fstat64)

#define OPENHPU_FXSTATAT(name, modern)                                                       \
  OPENHPU_HOOK(int, name, (int, int fd, const char* path, struct stat* status, int flags)) { \
    return StatAt(fd, path, status,                                                          \
                  [&](const char* p) { return real_##modern(fd, p, status, flags); });       \
  }
OPENHPU_FXSTATAT(__fxstatat, fstatat)
OPENHPU_FXSTATAT(__fxstatat64, fstatat64)

OPENHPU_HOOK(int, statx,
             (int folder, const char* path, int flags, unsigned mask, struct statx* status)) {
  const Translated name(path);
  const int result = real_statx(folder, name.path(), flags, mask, status);
  TreeEntry entry = TreeEntry::kPlain;
  if (name.ours()) {
    entry = name.found().entry;
  } else if (path != nullptr && path[0] == '\0' && Ours(folder)) {
    entry = EntryOf(folder);
  }
  const DeviceNumber number = NumberOf(entry);
  if (result != 0 || number.major_number == 0) return result;
  status->stx_mode = static_cast<__u16>(S_IFCHR | (status->stx_mode & ~S_IFMT));
  status->stx_rdev_major = number.major_number;
  status->stx_rdev_minor = number.minor_number;
  status->stx_nlink = 1;
  status->stx_size = 0;
  status->stx_blocks = 0;
  return result;
}

OPENHPU_HOOK(ssize_t, readlink, (const char* path, char* text, size_t bytes)) {
  return ReadLink(path, text, bytes,
                  [](const char* p, char* t, size_t b) { return real_readlink(p, t, b); });
}

// `room` is what the compiler knows of `text`: the real one ends a program that asks for more.
OPENHPU_HOOK(ssize_t, __readlink_chk, (const char* path, char* text, size_t bytes, size_t room)) {
  if (bytes > room) return real___readlink_chk(path, text, bytes, room);
  return ReadLink(path, text, bytes,
                  [](const char* p, char* t, size_t b) { return real_readlink(p, t, b); });
}

OPENHPU_HOOK(ssize_t, readlinkat, (int folder, const char* path, char* text, size_t bytes)) {
  return ReadLink(path, text, bytes, [folder](const char* p, char* t, size_t b) {
    return real_readlinkat(folder, p, t, b);
  });
}

OPENHPU_HOOK(char*, realpath, (const char* path, char* text)) {
  return RealPath(path, [&](const char* p) { return real_realpath(p, text); });
}

OPENHPU_HOOK(char*, __realpath_chk, (const char* path, char* text, size_t room)) {
  return RealPath(path, [&](const char* p) { return real___realpath_chk(p, text, room); });
}

OPENHPU_HOOK(char*, canonicalize_file_name, (const char* path)) {
  return RealPath(path, [&](const char* p) { return real_canonicalize_file_name(p); });
}

[[gnu::constructor]] static void FindReal() {
  real_open.get();
  real_open64.get();
  real_openat.get();
}
