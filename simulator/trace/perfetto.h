// PerfettoTrace: a TraceSink that keeps what it is told and writes it as JSON that ui.perfetto.dev
// and chrome://tracing open: one process a group, one thread a track, times in microseconds. The
// same calls give the same bytes. Source of the format: Chrome's "Trace Event Format" document.
#ifndef SIMULATOR_TRACE_PERFETTO_H_
#define SIMULATOR_TRACE_PERFETTO_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "hal/base/strong_int.h"
#include "hal/base/trace.h"

namespace openhpu::simulator {

// Not thread-safe.
class PerfettoTrace final : public TraceSink {
 public:
  TrackId Track(std::string_view group, std::string_view name) override;
  void Span(TrackId track, std::string_view what, std::string_view detail, Picoseconds begin,
            Picoseconds end, uint64_t bytes) override;
  void Counter(TrackId track, Picoseconds at, int64_t value) override;

  // A fact about the run that belongs to the result (library, instruction set), kept in the file's
  // metadata in order of the names. The last value of a name holds.
  void SetMetadata(std::string_view name, std::string_view value);

  // Tracks in order of creation, then events in order of begin, longer first, then arrival. Viewers
  // nest the spans of a thread, so spans of a track that overlap without nesting go to further
  // threads, "name (2)" and so on.
  std::string ToJson() const;
  // Replaces the file at once: a reader sees the old one or the whole new one. The error names the
  // path.
  absl::Status WriteFile(const std::string& path) const;

 private:
  struct TrackInfo {
    uint32_t group;
    std::string name;
    uint32_t place;  // in the viewer
  };
  // A counter when `counter` is set: `end` is its value then, `what` and `detail` are unused.
  struct Event {
    TrackId track;
    bool counter;
    uint32_t what, detail;  // of texts_
    uint64_t begin, end, bytes;
  };
  uint32_t Text(std::string_view text);
  std::vector<const Event*> SortedEvents() const;
  // The thread of each event, and the names of further threads: first id is tracks_.size().
  std::vector<uint32_t> Threads(const std::vector<const Event*>& events,
                                std::vector<TrackInfo>* further) const;
  void AppendEvent(const Event& event, uint32_t thread, std::string* json) const;

  std::vector<std::string> groups_;
  std::vector<TrackInfo> tracks_;
  std::map<std::pair<std::string, std::string>, TrackId> ids_;
  // Names repeat thousands of times: each is kept once.
  std::vector<const std::string*> texts_;
  std::map<std::string, uint32_t, std::less<>> text_ids_;
  std::vector<Event> events_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_TRACE_PERFETTO_H_
