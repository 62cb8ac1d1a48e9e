#include "simulator/device_node/command_submissions.h"

#include <algorithm>

namespace openhpu::simulator {

uint64_t CommandSubmissions::Add(const CommandSubmission& submission) {
  while (all_.size() > kept_ && head_ > 0) {
    all_.pop_front();
    ++first_;
    --head_;
  }
  all_.push_back(submission);
  return next() - 1;
}

CommandSubmission* CommandSubmissions::Find(uint64_t sequence) {
  return sequence < first_ ? nullptr : &all_[sequence - first_];
}

void CommandSubmissions::Settle(CommandSubmission& submission, Picoseconds now,
                                Completion completion) {
  if (submission.result != CommandSubmission::kPending || submission.card.value() == 0) return;
  const Picoseconds ready = completion(submission);
  if (ready > now) return;
  submission.result = 0;
  submission.ready = ready;
}

void CommandSubmissions::SettleOldest(Picoseconds now, Completion completion) {
  for (; head_ < all_.size(); ++head_) {
    Settle(all_[head_], now, completion);
    if (all_[head_].result == CommandSubmission::kPending) return;
    head_since_ = std::max(head_since_, all_[head_].ready);
  }
}

CommandSubmission* CommandSubmissions::oldest() {
  return head_ < all_.size() ? &all_[head_] : nullptr;
}

Picoseconds CommandSubmissions::Deadline() {
  const CommandSubmission& cs = all_[head_];
  return std::max(cs.submitted, head_since_) + cs.timeout;
}

void CommandSubmissions::EndAll(int result, Picoseconds now, Completion completion) {
  for (; head_ < all_.size(); ++head_) {
    Settle(all_[head_], now, completion);
    if (all_[head_].result == CommandSubmission::kPending) all_[head_].result = result;
  }
}

Sequence CommandSubmissions::first_of_card() const {
  // Lost ones have no number.
  for (size_t i = 0; i < all_.size(); ++i) {
    if (all_[i].card.value() != 0) return all_[i].card;
  }
  return Sequence(0);
}

}  // namespace openhpu::simulator
