// EventImpl: what Event::Create makes.
#ifndef RUNTIME_EVENT_IMPL_H_
#define RUNTIME_EVENT_IMPL_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "runtime/context_impl.h"
#include "runtime/event.h"
#include "runtime/signals.h"

namespace openhpu::runtime {

class EventImpl final : public Event {
 public:
  EventImpl(ContextImpl& context, std::optional<TimestampPool::Word> time)
      : context_(context), time_(time) {}
  ~EventImpl() override;

  absl::StatusOr<bool> Query() override;
  absl::Status Synchronize() override;
  absl::StatusOr<absl::Duration> ElapsedSince(Event& earlier) override;

  absl::Status RecordOn(HardwareStream& stream);
  absl::Status MakeWait(HardwareStream& stream);

 private:
  ContextImpl& context_;
  const std::optional<TimestampPool::Word> time_;
  Mark mark_;  // no stream: never recorded
};

}  // namespace openhpu::runtime

#endif  // RUNTIME_EVENT_IMPL_H_
