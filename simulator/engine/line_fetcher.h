// When the lines of a command buffer arrive at a command processor: lines are asked for one after
// the other, as soon as the buffer's address is known and one of the prefetch buffer's places is
// free, and arrive a memory latency later. Free when the latency is zero.
#ifndef SIMULATOR_ENGINE_LINE_FETCHER_H_
#define SIMULATOR_ENGINE_LINE_FETCHER_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "hal/base/strong_int.h"

namespace openhpu::simulator {

class LineFetcher {
 public:
  LineFetcher(uint32_t line_bytes, uint32_t lines_in_flight)
      : line_bytes_(line_bytes), left_(lines_in_flight) {}

  // A new buffer, known at `known`; its lines are asked for after those of the last one.
  void Start(uint64_t address, Picoseconds known, Picoseconds latency) {
    first_line_ = address / line_bytes_;
    next_ = 0;
    asked_ = std::max(asked_, known);
    latency_ = latency;
    std::fill(left_.begin(), left_.end(), Picoseconds(0));
  }
  // The processor, at `now`, needs the bytes up to `address` (exclusive); returns when it has them.
  Picoseconds Need(uint64_t address, Picoseconds now) {
    const uint64_t last = (address - 1) / line_bytes_ - first_line_;
    while (next_ <= last) {
      // The place of the line that came this many lines before, free when the processor left it.
      Picoseconds& left = left_[next_ % left_.size()];
      asked_ = std::max(asked_, left);
      now = std::max(now, asked_ + latency_);
      left = now;
      ++next_;
    }
    return now;
  }
  // Behind the last byte that has been asked for: a line for each place.
  uint64_t asked() const { return (first_line_ + next_ + left_.size()) * line_bytes_; }
  void Reset() { asked_ = Picoseconds(0); }

 private:
  const uint32_t line_bytes_;
  uint64_t first_line_ = 0, next_ = 0;  // of the buffer; line that was not asked for yet
  Picoseconds asked_, latency_;
  std::vector<Picoseconds> left_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_LINE_FETCHER_H_
