// TraceSink: the one observer of time. Engines, queues, memories and host calls report spans on
// named tracks; off costs one null check at the call site. Times are simulated (or device)
// picoseconds from the opening of the device, never a wall clock.
#ifndef HAL_BASE_TRACE_H_
#define HAL_BASE_TRACE_H_

#include <cstdint>
#include <string_view>

#include "hal/base/strong_int.h"

namespace openhpu {

using TrackId = uint32_t;

class TraceSink {
 public:
  virtual ~TraceSink() = default;
  // A track with this name in this group ("host", "queue", "engine", "memory"); the same pair gives
  // the same id. Ids count from 0 in order of creation.
  virtual TrackId Track(std::string_view group, std::string_view name) = 0;
  // [begin, end) on a track. `detail` may be empty; both texts are copied. `bytes` is traffic, 0 if
  // none.
  virtual void Span(TrackId track, std::string_view what, std::string_view detail,
                    Picoseconds begin, Picoseconds end, uint64_t bytes) = 0;
  // A value that holds from `at` on, for counters such as bytes in flight.
  virtual void Counter(TrackId track, Picoseconds at, int64_t value) = 0;
};

}  // namespace openhpu

#endif  // HAL_BASE_TRACE_H_
