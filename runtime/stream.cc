#include "runtime/stream.h"

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "runtime/context_impl.h"
#include "runtime/event_impl.h"

namespace openhpu::runtime {
namespace {

absl::Status CheckRange(const HostMemory& host, uint64_t offset, uint64_t bytes) {
  if (offset <= host.bytes() && bytes <= host.bytes() - offset) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("bytes ", offset, " to ", offset + bytes,
                                            " of pinned memory of ", host.bytes()));
}

}  // namespace

absl::Status StreamImpl::CopyToDevice(const void* host, uint64_t bytes, DeviceAddress device) {
  return hardware_.CopyToDevice(host, bytes, device);
}

absl::Status StreamImpl::CopyFromDevice(DeviceAddress device, uint64_t bytes, void* host) {
  return hardware_.CopyFromDevice(device, bytes, host);
}

absl::Status StreamImpl::CopyToDeviceAsync(HostMemory& host, uint64_t offset, uint64_t bytes,
                                           DeviceAddress device) {
  RETURN_IF_ERROR(CheckRange(host, offset, bytes));
  if (bytes == 0) return hardware_.timeline().status();
  auto& pinned = static_cast<HostMemoryImpl&>(host);
  ASSIGN_OR_RETURN(const Sequence sequence,
                   hardware_.Copy(pinned.address() + offset, device, bytes));
  pinned.RecordUse(hardware_.timeline(), sequence);
  return absl::OkStatus();
}

absl::Status StreamImpl::CopyFromDeviceAsync(DeviceAddress device, uint64_t bytes, HostMemory& host,
                                             uint64_t offset) {
  RETURN_IF_ERROR(CheckRange(host, offset, bytes));
  if (bytes == 0) return hardware_.timeline().status();
  auto& pinned = static_cast<HostMemoryImpl&>(host);
  ASSIGN_OR_RETURN(const Sequence sequence,
                   hardware_.Copy(device, pinned.address() + offset, bytes));
  pinned.RecordUse(hardware_.timeline(), sequence);
  return absl::OkStatus();
}

absl::Status StreamImpl::WaitFor(Event& event) {
  return static_cast<EventImpl&>(event).MakeWait(hardware_);
}

absl::Status StreamImpl::Record(Event& event) {
  return static_cast<EventImpl&>(event).RecordOn(hardware_);
}

absl::Status StreamImpl::Follow(const Passed& others) {
  return context_.signals().Follow(hardware_, context_.hardware_streams(), others);
}

absl::StatusOr<bool> StreamImpl::Query() {
  return hardware_.timeline().Done(hardware_.timeline().last());
}

absl::Status StreamImpl::Synchronize() {
  hal::Timeline& timeline = hardware_.timeline();
  RETURN_IF_ERROR(timeline.Wait(timeline.last(), absl::InfiniteDuration()));
  return timeline.status();
}

}  // namespace openhpu::runtime
