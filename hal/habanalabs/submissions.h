// The driver's submissions by its own numbers, which grow by one over resets and refusals, and the
// kernel's number of each that may still be in flight; results that are known stay known.
//
// Threading: its owner locks.
#ifndef HAL_HABANALABS_SUBMISSIONS_H_
#define HAL_HABANALABS_SUBMISSIONS_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "hal/base/strong_int.h"

namespace openhpu::hal::habanalabs {

class Submissions {
 public:
  // `most` is how many the kernel has in flight at once, a power of two. What `most` later ones
  // have followed is complete: the kernel takes no new one before.
  explicit Submissions(uint64_t most);

  // The next number, for what the kernel calls `kernel` (never 0). `survives`: when it takes too
  // long, the device goes on. Allocates nothing for others.
  Sequence Add(uint64_t kernel, bool survives = false);
  bool known(Sequence s) const { return s.value() >= 1 && s.value() <= last_; }

  // Of a known one: its result, once that is known.
  std::optional<absl::Status> result(Sequence s) const;
  // The kernel's number of one without a result.
  uint64_t kernel(Sequence s) const { return ring_[s.value() & mask_]; }
  // The number that the kernel's has here; 0 if it has a result already.
  Sequence Find(uint64_t kernel) const;

  // The kernel's number of one with a result or without, while as few later ones as can be in
  // flight at once have followed and Restart was not called; 0 after that.
  uint64_t number(Sequence s) const { return IsRecent(s) ? recent_[s.value() & mask_].number : 0; }
  // When the kernel saw it end, in its nanoseconds, for as long.
  void set_time(Sequence s, int64_t time) {
    if (IsRecent(s)) recent_[s.value() & mask_].time = time;
  }
  int64_t time(Sequence s) const { return IsRecent(s) ? recent_[s.value() & mask_].time : 0; }
  bool survives(Sequence s) const { return IsRecent(s) && recent_[s.value() & mask_].survives; }
  // The device goes on with one that took too long: until the kernel begins again, its queue may be
  // in its commands.
  void Outlive(Sequence s) {
    outlived_ = outlived_ == 0 ? s.value() : std::min(outlived_, s.value());
  }
  // Whether that is one of those up to `last`.
  bool HasOutlived(Sequence last) const { return outlived_ != 0 && outlived_ <= last.value(); }
  // The kernel begins to count again.
  void Restart() {
    restarted_after_ = last_;
    outlived_ = 0;
    newest_ = 0;
  }
  Sequence last() const { return Sequence(last_); }

  // One without a result that survives its timeout: unlike others' it is lost without a word when
  // nobody asks for it, so it is asked for before the kernel forgets it.
  struct Survivor {
    Sequence sequence;
    uint64_t kernel = 0;
    // The kernel takes no other before it is over, and then forgets it.
    bool is_last_chance = false;
  };
  // Before each submission while there are any: the oldest, once half of `most` may have followed
  // it. Calls since the last Add count, since the kernel may count what it refuses.
  std::optional<Survivor> SurvivorToAskFor();
  bool has_survivors() const { return !survivors_.empty(); }

  // The first result stands.
  void Complete(Sequence s);
  void Fail(Sequence s, const absl::Status& error);

  // Those without a result, oldest first.
  std::vector<Sequence> Open() const;

 private:
  bool IsOpen(Sequence s) const { return s.value() >= first_ && ring_[s.value() & mask_] != 0; }

  bool IsRecent(Sequence s) const {
    return known(s) && s.value() > restarted_after_ && last_ - s.value() <= mask_;
  }

  struct Recent {
    uint64_t number = 0;
    int64_t time = 0;
    bool survives = false;
  };
  uint64_t mask_;
  // By number: the kernel's, or 0 when there is a result. Only from first_ to last_.
  std::vector<uint64_t> ring_;
  std::vector<Recent> recent_;  // by number, too: what is worth knowing of those with a result
  uint64_t first_ = 1, last_ = 0, restarted_after_ = 0, outlived_ = 0;
  std::map<uint64_t, absl::Status> errors_;
  std::deque<uint64_t> survivors_;  // oldest first; those behind the first may have results
  uint64_t newest_ = 0;             // the kernel's greatest number
  uint64_t attempts_ = 0;           // that may be numbered behind it
};

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_SUBMISSIONS_H_
