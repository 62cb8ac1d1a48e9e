// CollectingSink: a TraceSink that keeps spans and counters as text, for tests that compare them.
//     CollectingSink trace;
//     ... run ...
//     EXPECT_THAT(trace.Lines(), ElementsAre("engine/TPC0 openhpu.fused [10, 20) 4096 bytes"));
#ifndef TESTING_COLLECTING_TRACE_H_
#define TESTING_COLLECTING_TRACE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hal/base/strong_int.h"
#include "hal/base/trace.h"

namespace openhpu {

// Not thread-safe.
class CollectingSink final : public TraceSink {
 public:
  struct Event {
    TrackId track = 0;
    bool counter = false;  // then `begin` is its time and `value` its value
    std::string what, detail;
    Picoseconds begin, end;
    uint64_t bytes = 0;
    int64_t value = 0;
  };

  TrackId Track(std::string_view group, std::string_view name) override {
    for (TrackId id = 0; id < tracks_.size(); ++id) {
      if (tracks_[id].first == group && tracks_[id].second == name) return id;
    }
    tracks_.emplace_back(group, name);
    return static_cast<TrackId>(tracks_.size() - 1);
  }
  void Span(TrackId track, std::string_view what, std::string_view detail, Picoseconds begin,
            Picoseconds end, uint64_t bytes) override {
    events_.push_back({track, false, std::string(what), std::string(detail), begin, end, bytes, 0});
  }
  void Counter(TrackId track, Picoseconds at, int64_t value) override {
    events_.push_back({track, true, "", "", at, at, 0, value});
  }

  const std::vector<Event>& events() const { return events_; }
  // Group and name.
  const std::vector<std::pair<std::string, std::string>>& tracks() const { return tracks_; }
  void Clear() { events_.clear(); }  // tracks stay

  // One line an event, in order of arrival: "group/name what (detail) [begin, end) n bytes",
  // without what is empty; "group/name at = value" for counters.
  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    for (const Event& event : events_) {
      const auto& [group, name] = tracks_[event.track];
      std::string line = group + "/" + name + " ";
      const std::string begin = std::to_string(event.begin.value());
      if (event.counter) {
        line += begin + " = " + std::to_string(event.value);
      } else {
        line += event.what + " ";
        if (!event.detail.empty()) line += "(" + event.detail + ") ";
        line += "[" + begin + ", " + std::to_string(event.end.value()) + ")";
        if (event.bytes != 0) line += " " + std::to_string(event.bytes) + " bytes";
      }
      lines.push_back(std::move(line));
    }
    return lines;
  }

 private:
  std::vector<std::pair<std::string, std::string>> tracks_;
  std::vector<Event> events_;
};

}  // namespace openhpu

#endif  // TESTING_COLLECTING_TRACE_H_
