#include "hal/buffer.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"

namespace openhpu::hal {
namespace {

constexpr uint64_t kPage = 4096;

}  // namespace

absl::StatusOr<Buffer> Buffer::Allocate(Driver& driver, MemoryKind kind, uint64_t bytes) {
  Buffer buffer;
  ASSIGN_OR_RETURN(buffer.address_, driver.Allocate(kind, bytes));
  buffer.driver_ = &driver;
  buffer.bytes_ = bytes;
  return buffer;
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(driver_, other.driver_);
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Buffer::~Buffer() {
  if (driver_ != nullptr) OPENHPU_CHECK(driver_->Free(address_).ok());
}

absl::StatusOr<HostBuffer> HostBuffer::Allocate(Driver& driver, uint64_t bytes) {
  if (bytes == 0) return absl::InvalidArgumentError("host buffer of 0 bytes");
  const uint64_t rounded = (bytes + kPage - 1) / kPage * kPage;
  HostBuffer buffer;
  buffer.data_ = static_cast<std::byte*>(std::aligned_alloc(kPage, rounded));
  if (buffer.data_ == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("no host memory for ", rounded, " bytes"));
  }
  std::memset(buffer.data_, 0, rounded);
  ASSIGN_OR_RETURN(buffer.address_, driver.MapHost(buffer.data_, rounded));
  buffer.driver_ = &driver;
  buffer.bytes_ = bytes;
  return buffer;
}

HostBuffer& HostBuffer::operator=(HostBuffer&& other) noexcept {
  std::swap(driver_, other.driver_);
  std::swap(data_, other.data_);
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

HostBuffer::~HostBuffer() {
  if (driver_ != nullptr) OPENHPU_CHECK(driver_->UnmapHost(address_).ok());
  std::free(data_);
}

absl::StatusOr<CommandBuffer> CommandBuffer::Create(Driver& driver, uint64_t bytes) {
  CommandBuffer buffer;
  ASSIGN_OR_RETURN(buffer.memory_, driver.CreateCommandMemory(bytes));
  buffer.driver_ = &driver;
  return buffer;
}

CommandBuffer& CommandBuffer::operator=(CommandBuffer&& other) noexcept {
  std::swap(driver_, other.driver_);
  std::swap(memory_, other.memory_);
  return *this;
}

CommandBuffer::~CommandBuffer() {
  if (driver_ != nullptr) OPENHPU_CHECK(driver_->DestroyCommandMemory(memory_.handle).ok());
}

}  // namespace openhpu::hal
