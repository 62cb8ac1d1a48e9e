#include "hal/timeline.h"

#include <utility>

namespace openhpu::hal {
namespace {

// How many submissions a full device may keep when a new one has to wait.
constexpr uint64_t kKeepInFlight = 16;

// The work was lost, as opposed to a call that was wrong or early.
bool IsLoss(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kResourceExhausted:
      return false;
    default:
      return true;
  }
}

}  // namespace

absl::StatusOr<Sequence> Timeline::SubmitWhenThereIsRoom(absl::Span<const Chunk> chunks) {
  // Whose submission is waited for does not matter here, nor how it ended.
  for (uint64_t keep = kKeepInFlight;; keep /= 2) {
    const uint64_t newest = newest_.load(std::memory_order_acquire);
    if (newest > keep) {
      driver_.Wait({Sequence(newest - keep)}, WaitFor::kAll, absl::InfiniteDuration())
          .IgnoreError();
    }
    absl::StatusOr<Sequence> sequence = driver_.Submit(chunks);
    if (sequence.ok() || keep == 0 ||
        sequence.status().code() != absl::StatusCode::kResourceExhausted) {
      return sequence;
    }
  }
}

absl::Status Timeline::Settle(Sequence sequence, absl::Status status) {
  if (status.ok()) {
    Advance(completed_, sequence.value());
    return status;
  }
  if (!IsLoss(status.code())) return status;
  MutexLock lock(&mutex_);
  if (failure_.ok()) failure_ = std::move(status);
  failed_.store(true, std::memory_order_release);
  return failure_;
}

absl::Status Timeline::Wait(Sequence sequence, absl::Duration timeout) {
  if (sequence <= completed()) return absl::OkStatus();
  if (failed_.load(std::memory_order_acquire)) return status();
  return Settle(sequence, driver_.Wait({sequence}, WaitFor::kAll, timeout));
}

absl::StatusOr<bool> Timeline::Done(Sequence sequence) {
  absl::Status status = Wait(sequence, absl::ZeroDuration());
  if (status.ok()) return true;
  if (status.code() == absl::StatusCode::kDeadlineExceeded) return false;
  return status;
}

absl::Status Timeline::status() const {
  MutexLock lock(&mutex_);
  return failure_;
}

void Timeline::Reset() {
  MutexLock lock(&mutex_);
  failure_ = absl::OkStatus();
  completed_.store(last_.load());
  failed_.store(false, std::memory_order_release);
}

}  // namespace openhpu::hal
