// The system calls that the driver makes, as an interface: what is under them is Linux, or a test's
// own kernel, or the emulated node. An error comes back as a negative errno, never in `errno`.
// Threading: any thread.
#ifndef HAL_HABANALABS_SYSCALLS_H_
#define HAL_HABANALABS_SYSCALLS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace openhpu::hal::habanalabs {

class Syscalls {
 public:
  virtual ~Syscalls() = default;

  // open(2) with O_CLOEXEC; a descriptor. Besides nodes, Driver::Reset opens /dev/zero: where there
  // is none, closing a node must end its context although command buffers are mapped.
  virtual int Open(const std::string& path, int flags) = 0;
  virtual int Close(int fd) = 0;
  virtual int Ioctl(int fd, unsigned long request, void* argument) = 0;

  // mmap(2), shared, readable and writable; at `at` exactly (over what is there) unless null. 0,
  // and the address.
  virtual int Map(void* at, size_t bytes, int fd, uint64_t offset, void** mapped) = 0;
  virtual int Unmap(void* address, size_t bytes) = 0;

  // eventfd(2), non-blocking; a descriptor.
  virtual int EventFd() = 0;
  // read(2) of an eventfd: 0 and its count, -EAGAIN when it is zero.
  virtual int ReadEventFd(int fd, uint64_t* count) = 0;

  // A whole file, for sysfs attributes. 0 and its bytes.
  virtual int ReadFile(const std::string& path, std::string* text) = 0;
  // Names in a folder, sorted, without "." and "..". 0 and the names.
  virtual int ListFolder(const std::string& path, std::vector<std::string>* names) = 0;

  // CLOCK_MONOTONIC, for deadlines of retries.
  virtual absl::Time Now() = 0;
  virtual void Sleep(absl::Duration duration) = 0;
};

// The machine's own.
std::unique_ptr<Syscalls> LinuxSyscalls();

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_SYSCALLS_H_
