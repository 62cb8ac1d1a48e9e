#include "simulator/device_node/command_buffers.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace openhpu::simulator {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr int kPageShift = 12;
// What an offset of the node maps stands in its top bits; this is a command buffer.
constexpr uint64_t kHandleType = uint64_t{2} << 59;
// Out of the way of a program's own descriptors, which it may expect to be small.
constexpr int kFirstDescriptor = 512;

int MakeFile(uint64_t bytes) {
  const int low = memfd_create("habanalabs command buffer", MFD_CLOEXEC);
  if (low < 0) return -errno;
  int fd = fcntl(low, F_DUPFD_CLOEXEC, kFirstDescriptor);
  if (fd < 0) {
    fd = low;  // the program's limit is low
  } else {
    close(low);
  }
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    const int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

}  // namespace

CommandBuffers::~CommandBuffers() {
  while (!buffers_.empty()) Destroy(buffers_.begin()->first);
  ForgetDestroyed();
}

int CommandBuffers::Create(uint64_t bytes, uint64_t* handle) {
  bytes = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  CommandBuffer buffer;
  buffer.fd = MakeFile(bytes);
  if (buffer.fd < 0) return -ENOMEM;
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, buffer.fd, 0);
  if (memory == MAP_FAILED) {
    close(buffer.fd);
    return -ENOMEM;
  }
  buffer.bytes = {static_cast<std::byte*>(memory), bytes};
  *handle = kHandleType | next_++ << kPageShift;
  buffers_[*handle] = buffer;
  return 0;
}

CommandBuffer* CommandBuffers::Find(uint64_t handle) {
  const auto found = buffers_.find(handle);
  return found == buffers_.end() ? nullptr : &found->second;
}

void CommandBuffers::Destroy(uint64_t handle) {
  const auto found = buffers_.find(handle);
  const CommandBuffer& buffer = found->second;
  close(buffer.fd);
  if (buffer.device_address != 0) {
    destroyed_.push_back(buffer.bytes);
  } else {
    munmap(buffer.bytes.data(), buffer.bytes.size());
  }
  buffers_.erase(found);
}

void CommandBuffers::ForgetDestroyed() {
  for (const absl::Span<std::byte> bytes : destroyed_) munmap(bytes.data(), bytes.size());
  destroyed_.clear();
}

}  // namespace openhpu::simulator
