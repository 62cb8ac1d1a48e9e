#include "hal/habanalabs/submissions.h"

namespace openhpu::hal::habanalabs {

// Twice as many: threads that submit at once may be numbered here in another order than in the
// kernel.
Submissions::Submissions(uint64_t most)
    : mask_(2 * most - 1), ring_(2 * most, 0), recent_(2 * most) {}

Sequence Submissions::Add(uint64_t kernel, bool survives) {
  ++last_;
  if (last_ - first_ > mask_) ++first_;
  ring_[last_ & mask_] = kernel;
  recent_[last_ & mask_] = {kernel, 0, survives};
  newest_ = std::max(newest_, kernel);
  attempts_ = 0;
  if (survives) survivors_.push_back(last_);
  return Sequence(last_);
}

std::optional<Submissions::Survivor> Submissions::SurvivorToAskFor() {
  while (!survivors_.empty() && !IsOpen(Sequence(survivors_.front()))) survivors_.pop_front();
  if (survivors_.empty()) return std::nullopt;
  const Sequence oldest(survivors_.front());
  const uint64_t most = (mask_ + 1) / 2, followers = newest_ - kernel(oldest);
  if (followers + ++attempts_ <= most / 2) return std::nullopt;
  return Survivor{oldest, kernel(oldest), followers + 1 >= most};
}

std::optional<absl::Status> Submissions::result(Sequence s) const {
  if (IsOpen(s)) return std::nullopt;
  if (errors_.empty()) return absl::OkStatus();
  const auto error = errors_.find(s.value());
  return error == errors_.end() ? absl::OkStatus() : error->second;
}

Sequence Submissions::Find(uint64_t kernel) const {
  for (uint64_t number = first_; number <= last_; ++number) {
    if (ring_[number & mask_] == kernel) return Sequence(number);
  }
  return Sequence(0);
}

void Submissions::Complete(Sequence s) {
  if (!IsOpen(s)) return;
  ring_[s.value() & mask_] = 0;
  while (first_ <= last_ && ring_[first_ & mask_] == 0) ++first_;
}

void Submissions::Fail(Sequence s, const absl::Status& error) {
  if (!IsOpen(s)) return;
  errors_.emplace(s.value(), error);
  Complete(s);
}

std::vector<Sequence> Submissions::Open() const {
  std::vector<Sequence> open;
  for (uint64_t number = first_; number <= last_; ++number) {
    if (ring_[number & mask_] != 0) open.push_back(Sequence(number));
  }
  return open;
}

}  // namespace openhpu::hal::habanalabs
