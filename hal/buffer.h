// Memory with one owner: Buffer (on the device), HostBuffer (on the host, mapped for the device)
// and CommandBuffer (commands of an external queue). Move-only; each gives its memory back when it
// dies, so its driver outlives it and nothing in flight may use it.
#ifndef HAL_BUFFER_H_
#define HAL_BUFFER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/base/strong_int.h"
#include "hal/driver.h"

namespace openhpu::hal {

class Buffer {
 public:
  // Errors are the driver's: ResourceExhausted when memory is full.
  static absl::StatusOr<Buffer> Allocate(Driver& driver, MemoryKind kind, uint64_t bytes);
  Buffer() = default;  // owns nothing
  Buffer(Buffer&& other) noexcept { *this = static_cast<Buffer&&>(other); }
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  DeviceAddress address() const { return address_; }
  uint64_t bytes() const { return bytes_; }

 private:
  Driver* driver_ = nullptr;
  DeviceAddress address_;
  uint64_t bytes_ = 0;
};

class HostBuffer {
 public:
  // Zeroed; starts on a page.
  static absl::StatusOr<HostBuffer> Allocate(Driver& driver, uint64_t bytes);
  HostBuffer() = default;
  HostBuffer(HostBuffer&& other) noexcept { *this = static_cast<HostBuffer&&>(other); }
  HostBuffer& operator=(HostBuffer&& other) noexcept;
  ~HostBuffer();

  std::byte* data() const { return data_; }
  DeviceAddress address() const { return address_; }  // the device's view
  uint64_t bytes() const { return bytes_; }

 private:
  Driver* driver_ = nullptr;
  std::byte* data_ = nullptr;
  DeviceAddress address_;
  uint64_t bytes_ = 0;
};

class CommandBuffer {
 public:
  static absl::StatusOr<CommandBuffer> Create(Driver& driver, uint64_t bytes);
  CommandBuffer() = default;
  CommandBuffer(CommandBuffer&& other) noexcept { *this = static_cast<CommandBuffer&&>(other); }
  CommandBuffer& operator=(CommandBuffer&& other) noexcept;
  ~CommandBuffer();

  uint64_t handle() const { return memory_.handle; }
  absl::Span<std::byte> bytes() const { return memory_.bytes; }

 private:
  Driver* driver_ = nullptr;
  CommandMemory memory_;
};

}  // namespace openhpu::hal

#endif  // HAL_BUFFER_H_
