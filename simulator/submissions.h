// The submissions of a card by sequence number: which are in flight, complete, or lost, and when
// the host knows.
#ifndef SIMULATOR_SUBMISSIONS_H_
#define SIMULATOR_SUBMISSIONS_H_

#include <cstdint>
#include <deque>
#include <map>

#include "absl/status/status.h"
#include "hal/base/strong_int.h"
#include "simulator/engine/environment.h"

namespace openhpu::simulator {

class Submissions {
 public:
  // The next number; numbers count from 1.
  Sequence next() const { return Sequence(first_ + entries_.size()); }
  bool known(Sequence s) const { return s.value() >= 1 && s < next(); }
  uint64_t in_flight() const { return in_flight_; }

  // Adds next(). Without external jobs it is complete at `ready`.
  void Add(uint32_t external_jobs, Picoseconds ready);
  // An external job is done; true when its submission is now complete, which the host knows at
  // `ready`.
  bool JobDone(Sequence s, Picoseconds ready, const SharedClock& clock);
  void Fail(Sequence s, const absl::Status& error);
  // All that are in flight.
  void FailPending(const absl::Status& error);

  bool done(Sequence s) const;
  // OK unless it failed.
  absl::Status error(Sequence s) const;
  // Of a complete one; zero when it is long known.
  Picoseconds ready(Sequence s) const;
  // What the host sees when it has waited for it.
  SharedClock TakeClock(Sequence s);
  // Forgets complete ones that the host could have known at `now`.
  void Trim(Picoseconds now);
  // Forgets complete ones, and errors, with smaller numbers.
  void Forget(Sequence before);

 private:
  struct Entry {
    uint32_t jobs_left = 0;
    bool done = false;
    Picoseconds ready;
    SharedClock clock;
  };
  uint64_t first_ = 1;  // number of entries_.front(); those before are done
  std::deque<Entry> entries_;
  std::map<uint64_t, absl::Status> errors_;
  uint64_t in_flight_ = 0;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_SUBMISSIONS_H_
