#include "runtime/stream.h"

#include "hal/base/status_macros.h"
#include "runtime/context_impl.h"
#include "runtime/event_impl.h"

namespace openhpu::runtime {

absl::Status StreamImpl::CopyToDevice(const void* host, uint64_t bytes, DeviceAddress device) {
  return hardware_.CopyToDevice(host, bytes, device);
}

absl::Status StreamImpl::CopyFromDevice(DeviceAddress device, uint64_t bytes, void* host) {
  return hardware_.CopyFromDevice(device, bytes, host);
}

absl::Status StreamImpl::WaitFor(Event& event) {
  return static_cast<EventImpl&>(event).MakeWait(hardware_);
}

absl::Status StreamImpl::Record(Event& event) {
  return static_cast<EventImpl&>(event).RecordOn(hardware_);
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
