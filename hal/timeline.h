// Timeline: the submissions of one stream, in order. Work of a stream completes in order, so one
// number says how far it got, and the first failure ends it: every later submission and every
// waiter gets the same Status, until Reset.
//
// Threading: any thread. A submission that succeeds takes no lock of the timeline's own and
// allocates nothing.
#ifndef HAL_TIMELINE_H_
#define HAL_TIMELINE_H_

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "hal/base/mutex.h"
#include "hal/driver.h"

namespace openhpu::hal {

class Timeline {
 public:
  // `newest` is the last sequence of the whole device, shared by its timelines.
  Timeline(Driver& driver, std::atomic<uint64_t>& newest) : driver_(driver), newest_(newest) {}
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  // Driver::Submit; when the device has too much in flight, waits until it takes more. Refused
  // submissions (InvalidArgument and the like) do not poison.
  absl::StatusOr<Sequence> Submit(absl::Span<const Chunk> chunks) {
    if (failed_.load(std::memory_order_acquire)) return status();
    absl::StatusOr<Sequence> sequence = driver_.Submit(chunks);
    if (!sequence.ok() && sequence.status().code() == absl::StatusCode::kResourceExhausted) {
      sequence = SubmitWhenThereIsRoom(chunks);
    }
    if (sequence.ok()) {
      Advance(last_, sequence->value());
      Advance(newest_, sequence->value());
    }
    return sequence;
  }

  // Waits until `sequence`, a submission of this timeline, and all before it are complete.
  // DeadlineExceeded when `timeout` passes first. Sequence 0 is complete.
  absl::Status Wait(Sequence sequence, absl::Duration timeout);
  // Whether it is complete; polls the driver only when that is not known yet.
  absl::StatusOr<bool> Done(Sequence sequence);

  Sequence last() const { return Sequence(last_.load(std::memory_order_acquire)); }
  // The last submission that is known to be complete; never polls.
  Sequence completed() const { return Sequence(completed_.load(std::memory_order_acquire)); }
  // OK, or the failure.
  absl::Status status() const;

  // After Driver::Reset: forgets the failure, and what was in flight.
  void Reset();

 private:
  static void Advance(std::atomic<uint64_t>& value, uint64_t to) {
    uint64_t seen = value.load(std::memory_order_relaxed);
    while (seen < to && !value.compare_exchange_weak(seen, to, std::memory_order_acq_rel)) {
    }
  }
  absl::StatusOr<Sequence> SubmitWhenThereIsRoom(absl::Span<const Chunk> chunks);
  // Records a wait's result; returns the timeline's.
  absl::Status Settle(Sequence sequence, absl::Status status);

  Driver& driver_;
  std::atomic<uint64_t>& newest_;
  std::atomic<uint64_t> last_{0}, completed_{0};
  std::atomic<bool> failed_{false};
  mutable Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace openhpu::hal

#endif  // HAL_TIMELINE_H_
