// The kernel's command buffers of one context: memory that program and kernel share, by handle.
//
// A handle is also the offset at which a program maps the buffer. Each buffer is a file in memory,
// so that a program's mapping outlives the handle, as it does under the kernel. Not thread-safe.
#ifndef SIMULATOR_DEVICE_NODE_COMMAND_BUFFERS_H_
#define SIMULATOR_DEVICE_NODE_COMMAND_BUFFERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/types/span.h"

namespace openhpu::simulator {

struct CommandBuffer {
  int fd = -1;
  absl::Span<std::byte> bytes;  // whole pages
  uint64_t card_handle = 0;     // Card::AddCommandMemory
  uint64_t device_address = 0;  // when it is mapped for the device
};

class CommandBuffers {
 public:
  CommandBuffers() = default;
  ~CommandBuffers();
  CommandBuffers(const CommandBuffers&) = delete;
  CommandBuffers& operator=(const CommandBuffers&) = delete;

  // A buffer of whole pages, zeros: 0 and its handle, or a negative errno.
  int Create(uint64_t bytes, uint64_t* handle);
  // Null when there is none.
  CommandBuffer* Find(uint64_t handle);
  // The handle's buffer exists. What the device has seen at an address it may be fetching from
  // right now: such memory stays until ForgetDestroyed.
  void Destroy(uint64_t handle);
  // The device fetches nothing.
  void ForgetDestroyed();
  const std::map<uint64_t, CommandBuffer>& all() const { return buffers_; }

 private:
  std::map<uint64_t, CommandBuffer> buffers_;
  std::vector<absl::Span<std::byte>> destroyed_;  // and still there
  uint64_t next_ = 1;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_COMMAND_BUFFERS_H_
