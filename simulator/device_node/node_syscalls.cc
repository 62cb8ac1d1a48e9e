#include "simulator/device_node/node_syscalls.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "hal/base/status_macros.h"
#include "simulator/device_node/user_memory.h"

namespace openhpu::simulator {
namespace {

int Failed(int result) { return result < 0 ? -errno : result; }

}  // namespace

NodeSyscalls::NodeSyscalls(std::unique_ptr<DeviceNode> node, std::string folder, uint8_t apis)
    : node_(std::move(node)),
      folder_(std::move(folder)),
      apis_(apis),
      calls_(node_.get(), &files_, folder_) {}

absl::StatusOr<std::unique_ptr<NodeSyscalls>> NodeSyscalls::Create(
    std::unique_ptr<DeviceNode> node, const DeviceNode::Options& options, uint8_t apis) {
  RETURN_IF_ERROR(MakeTreeOf(*node, options.card, options.directory));
  return std::unique_ptr<NodeSyscalls>(new NodeSyscalls(std::move(node), options.directory, apis));
}

NodeSyscalls::~NodeSyscalls() {
  calls_.CloseRange(0, Files::kMostDescriptors);
  node_ = nullptr;
  std::error_code error;
  if (owns_folder_) std::filesystem::remove_all(folder_, error);
}

int NodeSyscalls::Open(const std::string& path, int flags) {
  TreePath found;
  if (FindInTree(path.c_str(), apis_, &found)) return calls_.Open(found, flags | O_CLOEXEC);
  return Failed(open(path.c_str(), flags | O_CLOEXEC));
}

int NodeSyscalls::Close(int fd) { return calls_.Has(fd) ? calls_.Close(fd) : Failed(close(fd)); }

int NodeSyscalls::Ioctl(int fd, unsigned long request, void* argument) {
  if (calls_.Has(fd)) return calls_.Ioctl(fd, request, argument);
  return Failed(ioctl(fd, request, argument));
}

int NodeSyscalls::Map(void* at, size_t bytes, int fd, uint64_t offset, void** mapped) {
  const int flags = MAP_SHARED | (at != nullptr ? MAP_FIXED : 0);
  constexpr int kProtection = PROT_READ | PROT_WRITE;
  if (calls_.Has(fd)) {
    return calls_.Map(at, bytes, kProtection, flags, fd, static_cast<off_t>(offset), mapped);
  }
  *mapped = mmap(at, bytes, kProtection, flags, fd, static_cast<off_t>(offset));
  return *mapped == MAP_FAILED ? -errno : 0;
}

int NodeSyscalls::Unmap(void* address, size_t bytes) {
  ForgetUserMemory(reinterpret_cast<uint64_t>(address), bytes);
  return Failed(munmap(address, bytes));
}

int NodeSyscalls::EventFd() { return Failed(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

int NodeSyscalls::ReadEventFd(int fd, uint64_t* count) {
  return read(fd, count, sizeof(*count)) < 0 ? -errno : 0;
}

int NodeSyscalls::ReadFile(const std::string& path, std::string* text) {
  const int fd = Open(path, O_RDONLY);
  if (fd < 0) return fd;
  text->clear();
  char bytes[4096];
  ssize_t size = 0;
  do {
    size = calls_.Has(fd) ? calls_.Read(fd, bytes, sizeof(bytes), -1)
                          : Failed(static_cast<int>(read(fd, bytes, sizeof(bytes))));
    if (size > 0) text->append(bytes, static_cast<size_t>(size));
  } while (size > 0);
  Close(fd);
  return static_cast<int>(size);
}

int NodeSyscalls::ListFolder(const std::string& path, std::vector<std::string>* names) {
  TreePath found;
  const bool ours = FindInTree(path.c_str(), apis_, &found);
  DIR* folder = opendir(ours ? absl::StrCat(folder_, "/", found.path).c_str() : path.c_str());
  if (folder == nullptr) return -errno;
  names->clear();
  while (const dirent* entry = readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names->emplace_back(name);
  }
  closedir(folder);
  std::sort(names->begin(), names->end());
  return 0;
}

absl::Time NodeSyscalls::Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::TimeFromTimespec(now);
}

void NodeSyscalls::Sleep(absl::Duration duration) { absl::SleepFor(duration); }

}  // namespace openhpu::simulator
