// The command submissions (CS) of one context, by the numbers that its program knows: what became
// of each, and whose time runs. Not thread-safe.
#ifndef SIMULATOR_DEVICE_NODE_COMMAND_SUBMISSIONS_H_
#define SIMULATOR_DEVICE_NODE_COMMAND_SUBMISSIONS_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "hal/base/strong_int.h"

namespace openhpu::simulator {

// A staged submission: parts that the program submits one by one, and waits for by the number of
// the first.
struct Staged {
  std::vector<Sequence> cards;
  bool has_last = false;
  bool lost = false;  // a part was lost before the card had it
};

struct CommandSubmission {
  Sequence card;                   // 0: it was lost before the card had it
  std::shared_ptr<Staged> staged;  // of the first part
  Picoseconds submitted, timeout;
  bool timestamp = false, skip_reset = false;
  // Of one that signals: the kernel's sync object, and the value that it brings it to; -1: none.
  int signal_sob = -1;
  uint32_t signal_value = 0;
  // What is known of its end: kPending until the host could have known, then 0 or a negative errno.
  static constexpr int kPending = 1;
  int result = kPending;
  Picoseconds ready;
};

class CommandSubmissions {
 public:
  // `kept`: as many as may be in flight; older ones are forgotten ("gone") when they are over.
  explicit CommandSubmissions(uint64_t kept) : kept_(kept) {}

  // The next number; numbers count from 1.
  uint64_t next() const { return first_ + all_.size(); }
  uint64_t Add(const CommandSubmission& submission);
  // Null: forgotten, which is over. `sequence` is less than next().
  CommandSubmission* Find(uint64_t sequence);

  // When the host knows that a submission of the card is complete; ~0: not so yet.
  using Completion = absl::FunctionRef<Picoseconds(const CommandSubmission&)>;
  // Takes note of the end of one, if the host could know it at `now`.
  static void Settle(CommandSubmission& submission, Picoseconds now, Completion completion);
  // Of the oldest ones, up to the first that goes on.
  void SettleOldest(Picoseconds now, Completion completion);
  // The oldest that is not over, which is the one whose time runs; null when there is none.
  CommandSubmission* oldest();
  uint64_t oldest_number() const { return first_ + head_; }
  // When the oldest has had its time.
  Picoseconds Deadline();
  // All that are not over, as far as the host could know at `now`, end with `result`.
  void EndAll(int result, Picoseconds now, Completion completion);
  // The smallest number of the card that is still of interest.
  Sequence first_of_card() const;

 private:
  const uint64_t kept_;
  uint64_t first_ = 1;  // number of all_.front()
  std::deque<CommandSubmission> all_;
  size_t head_ = 0;         // the oldest that is not over
  Picoseconds head_since_;  // when it became that
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_COMMAND_SUBMISSIONS_H_
