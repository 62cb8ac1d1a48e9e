// Waiting, on the host's timeline.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "hal/base/status_macros.h"
#include "simulator/card.h"
#include "simulator/card_call.h"

namespace openhpu::simulator {
namespace {

using Door = SimulationContext::Door;

// A program that polls or waits by and by for something that will never come, or submits again and
// again to a queue that will never drain, must end too. The kernel driver's timeout of a submission
// does that on a card, in its own time; here it is this many looks in a row that find the machine
// with nothing left to do.
constexpr uint64_t kIdleLooks = 10000;

constexpr uint64_t kPicosecondsPerNanosecond = 1000;

}  // namespace

Card::Call::Call(Card& card, const char* what, Picoseconds cost)
    : card_(&card), what_(what), begin_(card.host_) {
  card.host_ += cost;
}

void Card::Call::End() {
  Card* const card = std::exchange(card_, nullptr);
  if (card == nullptr) return;
  TraceSink* const trace = card->machine_->environment().trace;
  if (trace == nullptr) return;
  const auto [track, is_new] = card->tracks_.try_emplace(std::this_thread::get_id(), 0);
  if (is_new)
    track->second = trace->Track("host", absl::StrCat("thread ", card->tracks_.size() - 1));
  std::string detail;
  if (chunks_ != 0) {
    detail = absl::StrCat("submission ", sequence_.value(), ", ", chunks_, " chunks");
  } else if (sequence_.value() != 0) {
    detail = absl::StrCat("submission ", sequence_.value());
  }
  trace->Span(track->second, what_, detail, begin_, card->host_, 0);
}

void Card::JobCompleted(uint64_t submission, const SharedClock& clock) {
  const Picoseconds ready = Now() + timing().completion;
  if (submissions_.JobDone(Sequence(submission), ready, clock)) SimulationContext::StopRun();
}

absl::Status Card::NeedsReset() const {
  if (!failed_) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the device needs a reset: ", failure_));
}

void Card::NoteFault() {
  const Faults& faults = machine_->environment().faults;
  for (hal::HealthEvent& report : machine_->TakeReports()) events_.push_back(std::move(report));
  if (failed_ || !faults.failed()) return;
  const Faults::Fault& fault = faults.fault();
  failed_ = true;
  failed_at_ = context().now();
  failure_ = fault.message;
  events_.push_back({fault.kind, fault.message});
  const absl::Status lost = absl::AbortedError(fault.message);
  if (submissions_.known(Sequence(fault.submission))) {
    submissions_.Fail(Sequence(fault.submission), lost);
  } else {
    submissions_.FailPending(lost);
  }
}

void Card::DeclareDeadlock(absl::Span<const Sequence> sequences) {
  using Kind = hal::HealthEvent::Kind;
  Kind kind = Kind::kDeadlock;
  std::string message = "deadlock: nothing can go on";
  if (machine_->hangs()) {
    kind = Kind::kHang;
    message = "hang: an engine does not end its command";
  } else if (machine_->lost_completions()) {
    kind = Kind::kTimeout;
    message = "timeout: a completion was not heard of";
  }
  absl::StrAppend(&message, "\n", machine_->DescribeStuck());
  failed_ = true;
  failed_at_ = context().now();
  failure_ = message;
  events_.push_back({kind, message});
  for (Sequence s : sequences) {
    if (!submissions_.done(s)) submissions_.Fail(s, absl::AbortedError(message));
  }
}

bool Card::LooksInVain() { return !machine_->pending() && ++idle_looks_ >= kIdleLooks; }

void Card::CatchUp() {
  if (failed_) return;
  if (timed_) {
    // A completed submission ends a run.
    Picoseconds before;
    do {
      before = context().now();
      context().RunUntil(host_);
      NoteFault();
    } while (!failed_ && context().now() < host_ &&
             (context().now() > before || context().pending()));
    return;
  }
  do {
    context().RunUntilIdleOrStopped();
    NoteFault();
  } while (!failed_ && context().pending());
}

bool Card::Settled(absl::Span<const Sequence> sequences, hal::WaitFor what, absl::Status& result,
                   Picoseconds& when) const {
  const bool all = what == hal::WaitFor::kAll;
  bool every = true;
  when = all ? Picoseconds(0) : Picoseconds(~uint64_t{0});
  bool any = false;
  for (Sequence s : sequences) {
    if (absl::Status error = submissions_.error(s); !error.ok()) {
      result = error;
      when = failed_ && s >= after_reset_ ? failed_at_ : Picoseconds(0);
      return true;
    }
    if (!submissions_.done(s)) {
      every = false;
      continue;
    }
    any = true;
    when = all ? std::max(when, submissions_.ready(s)) : std::min(when, submissions_.ready(s));
  }
  result = absl::OkStatus();
  if (all ? every : any) return true;
  if (!failed_) return false;
  result = NeedsReset();
  when = failed_at_;
  return true;
}

absl::Status Card::RunUntilSettled(absl::Span<const Sequence> sequences, hal::WaitFor what,
                                   Picoseconds deadline, bool has_deadline) {
  absl::Status result;
  Picoseconds when;
  while (!Settled(sequences, what, result, when)) {
    if (has_deadline && timed_) {
      if (context().now() >= deadline) break;
      context().RunUntil(deadline);
    } else {
      context().RunUntilIdleOrStopped();
    }
    NoteFault();
    // A fault that is still to come ends a wait that has no other end; one that comes before the
    // deadline does, too, if a completion has broken the run off.
    const bool ran_out = has_deadline && (!timed_ || context().now() >= deadline);
    if (failed_ || (ran_out ? machine_->pending() : context().pending())) continue;
    if (Settled(sequences, what, result, when)) break;
    // Who waits with a deadline may still submit what others wait for.
    if (has_deadline && !LooksInVain()) break;
    DeclareDeadlock(sequences);
  }
  if (!Settled(sequences, what, result, when) || (has_deadline && when > deadline)) {
    host_ = std::max(host_, deadline);
    return absl::DeadlineExceededError("the submissions did not complete in time");
  }
  host_ = std::max(host_, when);
  return result;
}

absl::Status Card::Poll(absl::Span<const Sequence> sequences, hal::WaitFor what) {
  CatchUp();
  absl::Status result;
  Picoseconds when;
  bool settled = Settled(sequences, what, result, when);
  if (!settled && LooksInVain()) {
    DeclareDeadlock(sequences);
    settled = Settled(sequences, what, result, when);
  }
  if (settled && when <= host_) return result;
  return absl::DeadlineExceededError("the submissions are not complete yet");
}

void Card::Acquire(absl::Span<const Sequence> sequences) {
  Environment& environment = machine_->environment();
  if (environment.hazards == nullptr) return;
  for (Sequence s : sequences) {
    if (submissions_.done(s)) environment.Acquire(Machine::kHostAgent, submissions_.TakeClock(s));
  }
}

absl::Status Card::Wait(absl::Span<const Sequence> sequences, hal::WaitFor what,
                        absl::Duration timeout) {
  const Door door(context());
  if (sequences.empty() || sequences.size() > hal::kMaxWaits) {
    return absl::InvalidArgumentError(
        absl::StrCat("a wait for ", sequences.size(), " submissions: 1 to ", hal::kMaxWaits));
  }
  for (Sequence s : sequences) {
    if (!submissions_.known(s)) {
      return absl::InvalidArgumentError(absl::StrCat("no submission has number ", s.value()));
    }
  }
  const bool poll = timeout <= absl::ZeroDuration();
  const Picoseconds begin = host_;
  Call call(*this, poll ? "Poll" : "Wait", poll ? timing().poll : timing().wait);
  call.set_detail(sequences[0], 0);
  absl::Status result;
  if (poll) {
    result = Poll(sequences, what);
  } else {
    // Far deadlines are none: simulated time is 64 bits of picoseconds, half a year.
    const bool has_deadline = timeout < absl::Hours(24);
    const Picoseconds deadline =
        has_deadline ? begin + static_cast<uint64_t>(absl::ToInt64Nanoseconds(timeout)) *
                                   kPicosecondsPerNanosecond
                     : Picoseconds(~uint64_t{0});
    result = RunUntilSettled(sequences, what, std::max(deadline, host_), has_deadline);
  }
  Acquire(sequences);
  submissions_.Trim(host_);
  return result;
}

}  // namespace openhpu::simulator
