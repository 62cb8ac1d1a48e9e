// Event: a point in a stream that the host and other streams can wait for; with timing, the
// device's own clock at that point.
#ifndef RUNTIME_EVENT_H_
#define RUNTIME_EVENT_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace openhpu::runtime {

class Context;

class Event {
 public:
  // `timing`: the device writes its time when the event is reached.
  static absl::StatusOr<std::unique_ptr<Event>> Create(Context& context, bool timing);
  virtual ~Event() = default;

  // True for an event never recorded.
  virtual absl::StatusOr<bool> Query() = 0;
  virtual absl::Status Synchronize() = 0;
  // Device time from `earlier` to this event. FailedPrecondition unless both were recorded with
  // timing; waits for both.
  virtual absl::StatusOr<absl::Duration> ElapsedSince(Event& earlier) = 0;
};

}  // namespace openhpu::runtime

#endif  // RUNTIME_EVENT_H_
