#include "runtime/event.h"

#include <memory>

#include "hal/base/status_macros.h"
#include "runtime/event_impl.h"

namespace openhpu::runtime {

absl::StatusOr<std::unique_ptr<Event>> Event::Create(Context& context, bool timing) {
  auto& impl = static_cast<ContextImpl&>(context);
  std::optional<TimestampPool::Word> time;
  if (timing) {
    ASSIGN_OR_RETURN(time, impl.timestamps().Take());
  }
  return std::make_unique<EventImpl>(impl, time);
}

EventImpl::~EventImpl() {
  if (time_.has_value()) context_.timestamps().Return(*time_, mark_);
}

absl::Status EventImpl::RecordOn(HardwareStream& stream) {
  // Of two records on two streams, the later one's time is to stay.
  if (time_.has_value()) RETURN_IF_ERROR(context_.signals().WaitFor(stream, mark_));
  std::optional<DeviceAddress> address;
  if (time_.has_value()) address = time_->address;
  ASSIGN_OR_RETURN(mark_, context_.signals().Record(stream, address));
  return absl::OkStatus();
}

absl::Status EventImpl::MakeWait(HardwareStream& stream) {
  return context_.signals().WaitFor(stream, mark_);
}

absl::StatusOr<bool> EventImpl::Query() {
  if (mark_.stream == nullptr) return true;
  return mark_.stream->timeline().Done(mark_.sequence);
}

absl::Status EventImpl::Synchronize() {
  if (mark_.stream == nullptr) return absl::OkStatus();
  return mark_.stream->timeline().Wait(mark_.sequence, absl::InfiniteDuration());
}

absl::StatusOr<absl::Duration> EventImpl::ElapsedSince(Event& earlier) {
  auto& start = static_cast<EventImpl&>(earlier);
  for (const EventImpl* event : {&start, this}) {
    if (!event->time_.has_value()) {
      return absl::FailedPreconditionError("elapsed time: an event was created without timing");
    }
    if (event->mark_.stream == nullptr) {
      return absl::FailedPreconditionError("elapsed time: an event was not recorded");
    }
  }
  RETURN_IF_ERROR(start.Synchronize());
  RETURN_IF_ERROR(Synchronize());
  return absl::Nanoseconds(static_cast<int64_t>(*time_->value - *start.time_->value));
}

}  // namespace openhpu::runtime
