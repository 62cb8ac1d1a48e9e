#include "simulator/submissions.h"

#include <algorithm>

namespace openhpu::simulator {

void Submissions::Add(uint32_t external_jobs, Picoseconds ready) {
  Entry entry;
  entry.jobs_left = external_jobs;
  entry.done = external_jobs == 0;
  entry.ready = ready;
  if (!entry.done) ++in_flight_;
  entries_.push_back(entry);
}

bool Submissions::JobDone(Sequence s, Picoseconds ready, const SharedClock& clock) {
  Entry& entry = entries_[s.value() - first_];
  entry.clock = Joined(entry.clock, clock);
  if (entry.done || --entry.jobs_left > 0) return false;
  entry.done = true;
  entry.ready = ready;
  --in_flight_;
  return true;
}

void Submissions::Fail(Sequence s, const absl::Status& error) {
  errors_.emplace(s.value(), error);
  if (s.value() < first_) return;
  Entry& entry = entries_[s.value() - first_];
  if (entry.done) return;
  entry.done = true;
  --in_flight_;
}

void Submissions::FailPending(const absl::Status& error) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].done) Fail(Sequence(first_ + i), error);
  }
}

bool Submissions::done(Sequence s) const {
  return s.value() < first_ || entries_[s.value() - first_].done;
}

absl::Status Submissions::error(Sequence s) const {
  if (errors_.empty()) return absl::OkStatus();
  const auto found = errors_.find(s.value());
  return found == errors_.end() ? absl::OkStatus() : found->second;
}

Picoseconds Submissions::ready(Sequence s) const {
  return s.value() < first_ ? Picoseconds(0) : entries_[s.value() - first_].ready;
}

SharedClock Submissions::TakeClock(Sequence s) {
  if (s.value() < first_) return nullptr;
  return std::move(entries_[s.value() - first_].clock);
}

void Submissions::Trim(Picoseconds now) {
  while (!entries_.empty() && entries_.front().done && entries_.front().ready <= now &&
         !entries_.front().clock) {
    entries_.pop_front();
    ++first_;
  }
}

void Submissions::Forget(Sequence before) {
  while (!entries_.empty() && entries_.front().done && first_ < before.value()) {
    entries_.pop_front();
    ++first_;
  }
  errors_.erase(errors_.begin(), errors_.lower_bound(before.value()));
}

}  // namespace openhpu::simulator
