// Waiting. A wait of the kernel lasts a slice at most, so that Reset need not wait for longer.
#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "hal/base/status_macros.h"
#include "hal/habanalabs/driver.h"
#include "hal/habanalabs/errors.h"

namespace openhpu::hal::habanalabs {
namespace {

constexpr absl::Duration kSlice = absl::Seconds(1);

// In the kernel's microseconds: the part of one is one.
uint64_t Microseconds(absl::Duration duration) {
  if (duration <= absl::ZeroDuration()) return 0;
  return static_cast<uint64_t>(
      absl::ToInt64Microseconds(absl::Ceil(duration, absl::Microseconds(1))));
}

absl::Status NotYet() {
  return absl::DeadlineExceededError("the submissions did not complete in time");
}

// Of a wait that the kernel broke off before its time.
absl::Status Interrupted() { return absl::UnavailableError("interrupted"); }

}  // namespace

// The time that a wait has: by the clock, and by the kernel's word for the slices that have
// passed, whichever ends first. Infinite waits and polls never look at the clock.
class Driver::Budget {
 public:
  Budget(Syscalls& syscalls, absl::Duration timeout)
      : syscalls_(syscalls),
        left_(std::max(timeout, absl::ZeroDuration())),
        is_timed_(left_ != absl::ZeroDuration() && left_ != absl::InfiniteDuration()),
        deadline_(is_timed_ ? syscalls.Now() + left_ : absl::InfiniteFuture()) {}

  // For the next wait; zero polls, and is the last.
  absl::Duration NextSlice() {
    slice_ = std::min(left_, kSlice);
    if (is_timed_) slice_ = std::clamp(deadline_ - syscalls_.Now(), absl::ZeroDuration(), slice_);
    return slice_;
  }
  // The slice has passed without an end. False when it was the last.
  bool GoOn() {
    if (slice_ == absl::ZeroDuration()) return false;
    left_ -= slice_;
    return left_ > absl::ZeroDuration();
  }
  // The kernel broke a slice off.
  bool GoOnAfterInterruption() { return !is_timed_ || syscalls_.Now() < deadline_; }
  // Something else than the kernel kept the caller: look at the clock.
  bool GoOnAfterPause(absl::Duration pause) {
    if (left_ == absl::ZeroDuration()) return false;
    syscalls_.Sleep(pause);
    return syscalls_.Now() < deadline_;
  }

 private:
  Syscalls& syscalls_;
  absl::Duration left_;
  const bool is_timed_;
  const absl::Time deadline_;
  absl::Duration slice_ = absl::ZeroDuration();
};

absl::Status Driver::Settle(Sequence sequence, int error, const hl_wait_cs_out& answer) {
  const uint32_t status = answer.status;
  const bool took_too_long =
      error == ETIMEDOUT || (error == 0 && status == HL_WAIT_CS_STATUS_TIMEDOUT);
  std::string why;
  switch (error) {
    case 0:
      if (status == HL_WAIT_CS_STATUS_COMPLETED || (answer.flags & HL_WAIT_CS_STATUS_FLAG_GONE)) {
        MutexLock lock(&mutex_);
        if (answer.flags & HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD) {
          submissions_.set_time(sequence, answer.timestamp_nsec);
        }
        submissions_.Complete(sequence);
        return *submissions_.result(sequence);
      }
      if (status == HL_WAIT_CS_STATUS_BUSY) return NotYet();
      why = status == HL_WAIT_CS_STATUS_TIMEDOUT ? "timed out on the device"
                                                 : "was aborted by a reset of the device";
      break;
    case EINTR:
    case EAGAIN:
      return Interrupted();
    case ETIMEDOUT:
      why = "timed out on the device";
      break;
    case EIO:
      why = "was aborted by a reset of the device";
      break;
    case EBUSY:
    case ENODEV:
      why = absl::StrCat("is lost, since the device wants a reset (", ErrorName(error), ")");
      break;
    default:
      return ErrorStatus(error, absl::StrCat("waiting for submission ", sequence.value()));
  }
  std::string detail = CollectEvents();
  MutexLock lock(&mutex_);
  // What another waiter was told.
  if (detail.empty()) detail = failure_;
  std::string message =
      absl::StrCat("submission ", sequence.value(), " ", why, detail.empty() ? "" : ": ", detail);
  const bool goes_on = took_too_long && submissions_.survives(sequence);
  if (goes_on) submissions_.Outlive(sequence);
  if (!goes_on && !failed_.exchange(true)) failure_ = detail.empty() ? message : detail;
  submissions_.Fail(sequence, absl::AbortedError(message));
  return *submissions_.result(sequence);
}

absl::Status Driver::WaitInKernel(Sequence sequence, uint64_t kernel, absl::Duration slice) {
  hl_wait_cs_args args = {};
  args.in.seq = kernel;
  args.in.timeout_us = Microseconds(slice);
  const int result = connection_.Wait(&args);
  return result < 0 ? Settle(sequence, -result, {}) : Settle(sequence, 0, args.out);
}

absl::Status Driver::WaitForAnyInKernel(absl::Span<const uint64_t> kernels, absl::Duration slice) {
  hl_wait_cs_args args = {};
  args.in.seq = reinterpret_cast<uintptr_t>(kernels.data());
  args.in.timeout_us = Microseconds(slice);
  args.in.flags = HL_WAIT_CS_FLAGS_MULTI_CS;
  args.in.seq_arr_len = static_cast<uint8_t>(kernels.size());
  const int result = connection_.Wait(&args);
  if (result == -EINTR || result == -EAGAIN) return Interrupted();
  // An error, too, is of one of them: who it is, each wait for one tells.
  if (result < 0 || args.out.status != HL_WAIT_CS_STATUS_BUSY) return absl::OkStatus();
  return NotYet();
}

absl::Status Driver::WaitForOne(Sequence sequence, Budget& budget) {
  while (true) {
    absl::Status status;
    {
      const Gate::Pass pass(gate_);
      uint64_t kernel = 0;
      {
        MutexLock lock(&mutex_);
        if (const auto result = submissions_.result(sequence); result.has_value()) return *result;
        kernel = submissions_.kernel(sequence);
      }
      if (pass) {
        status = WaitInKernel(sequence, kernel, budget.NextSlice());
        if (absl::IsUnavailable(status)) {
          if (!budget.GoOnAfterInterruption()) return NotYet();
        } else if (!absl::IsDeadlineExceeded(status) || !budget.GoOn()) {
          return status;
        }
        continue;
      }
    }
    // A reset is under way, which gives it a result.
    if (!budget.GoOnAfterPause(Gate::kPause)) return NotYet();
  }
}

absl::Status Driver::WaitForAny(absl::Span<const Sequence> sequences, Budget& budget) {
  while (true) {
    {
      const Gate::Pass pass(gate_);
      std::array<uint64_t, kMaxWaits> kernels;
      {
        MutexLock lock(&mutex_);
        bool is_any_done = false;
        for (size_t i = 0; i < sequences.size(); ++i) {
          const auto result = submissions_.result(sequences[i]);
          if (result.has_value() && !result->ok()) return *result;
          if (result.has_value()) {
            is_any_done = true;
          } else {
            kernels[i] = submissions_.kernel(sequences[i]);
          }
        }
        if (is_any_done) return absl::OkStatus();
      }
      if (pass) {
        const absl::Span<const uint64_t> all(kernels.data(), sequences.size());
        const absl::Status status = WaitForAnyInKernel(all, budget.NextSlice());
        if (!status.ok()) {
          if (absl::IsUnavailable(status) ? !budget.GoOnAfterInterruption() : !budget.GoOn()) {
            return NotYet();
          }
          continue;
        }
        for (size_t i = 0; i < sequences.size(); ++i) {
          absl::Status one;
          do {
            one = WaitInKernel(sequences[i], kernels[i], absl::ZeroDuration());
          } while (absl::IsUnavailable(one));
          if (!absl::IsDeadlineExceeded(one)) return one;
        }
        // The kernel spoke of one, and none is over.
      }
    }
    if (!budget.GoOnAfterPause(Gate::kPause)) return NotYet();
  }
}

absl::Status Driver::Wait(absl::Span<const Sequence> sequences, WaitFor what,
                          absl::Duration timeout) {
  if (sequences.empty() || sequences.size() > kMaxWaits) {
    return absl::InvalidArgumentError(
        absl::StrCat("a wait for ", sequences.size(), " submissions: 1 to ", kMaxWaits));
  }
  {
    MutexLock lock(&mutex_);
    for (Sequence sequence : sequences) {
      if (!submissions_.known(sequence)) {
        return absl::InvalidArgumentError(
            absl::StrCat("no submission has number ", sequence.value()));
      }
    }
  }
  Budget budget(*syscalls_, timeout);
  if (what == WaitFor::kAny && sequences.size() > 1) return WaitForAny(sequences, budget);
  for (Sequence sequence : sequences) RETURN_IF_ERROR(WaitForOne(sequence, budget));
  return absl::OkStatus();
}

}  // namespace openhpu::hal::habanalabs
