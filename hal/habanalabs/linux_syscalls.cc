// Syscalls of the machine: one call each, and nothing between.
#include <dirent.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "absl/time/clock.h"
#include "hal/habanalabs/syscalls.h"

namespace openhpu::hal::habanalabs {
namespace {

// The kernel's way: a negative errno.
int Result(int result) { return result < 0 ? -errno : result; }

class Linux final : public Syscalls {
 public:
  int Open(const std::string& path, int flags) override {
    return Result(open(path.c_str(), flags | O_CLOEXEC));
  }
  int Close(int fd) override { return Result(close(fd)); }
  int Ioctl(int fd, unsigned long request, void* argument) override {
    return Result(ioctl(fd, request, argument));
  }

  int Map(void* at, size_t bytes, int fd, uint64_t offset, void** mapped) override {
    const int flags = MAP_SHARED | (at == nullptr ? 0 : MAP_FIXED);
    void* const address =
        mmap(at, bytes, PROT_READ | PROT_WRITE, flags, fd, static_cast<off_t>(offset));
    if (address == MAP_FAILED) return -errno;
    *mapped = address;
    return 0;
  }
  int Unmap(void* address, size_t bytes) override { return Result(munmap(address, bytes)); }

  int EventFd() override { return Result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
  int ReadEventFd(int fd, uint64_t* count) override {
    const ssize_t bytes = read(fd, count, sizeof *count);
    if (bytes < 0) return -errno;
    return bytes == sizeof *count ? 0 : -EIO;
  }

  int ReadFile(const std::string& path, std::string* text) override {
    const int fd = Open(path, O_RDONLY);
    if (fd < 0) return fd;
    text->clear();
    char buffer[4096];
    ssize_t bytes;
    while ((bytes = read(fd, buffer, sizeof buffer)) > 0) text->append(buffer, bytes);
    const int result = bytes < 0 ? -errno : 0;
    close(fd);
    return result;
  }

  int ListFolder(const std::string& path, std::vector<std::string>* names) override {
    DIR* const folder = opendir(path.c_str());
    if (folder == nullptr) return -errno;
    names->clear();
    while (const dirent* entry = readdir(folder)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names->push_back(name);
    }
    closedir(folder);
    std::sort(names->begin(), names->end());
    return 0;
  }

  absl::Time Now() override {
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return absl::TimeFromTimespec(now);
  }
  void Sleep(absl::Duration duration) override { absl::SleepFor(duration); }
};

}  // namespace

std::unique_ptr<Syscalls> LinuxSyscalls() { return std::make_unique<Linux>(); }

}  // namespace openhpu::hal::habanalabs
