// What a capture leaves: steps that a replay runs again, as they are or with other memory.
#ifndef GRAPH_CAPTURED_GRAPH_H_
#define GRAPH_CAPTURED_GRAPH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "graph/compiler.h"
#include "graph/engine.h"

namespace openhpu::graph {

class CapturedSteps;
class Recorder;

// At a replay, the memory of `given` (from byte `shift` on) stands for the memory of `captured`.
// Nothing is copied; commands are patched where the address is another than at the last replay.
struct Rebinding {
  std::shared_ptr<Storage> captured, given;
  int64_t shift = 0;
};

// Device memory that a capture keeps, in bytes. A storage counts once, by the first that fits.
struct CapturedMemory {
  uint64_t weights = 0;    // storages marked so
  uint64_t inputs = 0;     // read before anything in the capture writes them
  uint64_t outputs = 0;    // written, and observed
  uint64_t prepared = 0;   // derived from weights; shared by captures that derive the same
  uint64_t commands = 0;   // command bodies, kernel images, constants
  uint64_t workspace = 0;  // the largest of a segment; one arena a hardware stream
};

// One segment, for reports.
struct SegmentSummary {
  uint32_t nodes = 0;                  // recorded
  uint32_t mme = 0, tpc = 0, dma = 0;  // steps, by engine
  uint64_t bytes = 0;                  // bound and workspace
  absl::Duration device_time;          // of the first launch; zero before it
};

// The recorded steps of a capture: launches of segments, events, guards and host steps, in order.
// Movable; keeps storages and instances alive. Used under the lock of its recorders.
class CapturedGraph {
 public:
  CapturedGraph();
  CapturedGraph(CapturedGraph&&) noexcept;
  CapturedGraph& operator=(CapturedGraph&&) noexcept;
  ~CapturedGraph();
  // Runs the recorded steps in order, each on the stream it was recorded on. First failure: its
  // Status; a failed launch poisons its stream, a failed guard or host step does not, and what came
  // before it stands.
  absl::Status Replay() { return Replay({}); }
  // InvalidArgument when a rebinding's captured storage is not of this capture, or the given memory
  // is smaller.
  absl::Status Replay(absl::Span<const Rebinding> rebindings);

  size_t segments() const;
  const Recipe& recipe(size_t segment) const;
  std::vector<SegmentSummary> Summary() const;
  CapturedMemory memory() const;
  uint64_t patched_words() const;  // of commands, since they were loaded; for tests
  // Whether a segment binds this storage, and whether one reads it before the capture wrote it.
  bool Binds(const Storage& storage) const;
  bool ReadsFirst(const Storage& storage) const;
  // Whether it came to be during the capture.
  bool Makes(const Storage& storage) const;

  // From now on the graph does not keep these storages alive (static inputs that each replay
  // rebinds). A replay without a rebinding for one of them is FailedPrecondition.
  void Forget(absl::Span<const std::shared_ptr<Storage>> storages);
  // From now on the memory of storages that the capture made and wrote first and that are not in
  // `keep` returns to the pool after each replay (and now); it comes back, perhaps elsewhere, when
  // the next replay writes it.
  void ReleaseOthers(absl::Span<const std::shared_ptr<Storage>> keep);

  void Reset();

 private:
  friend class Recorder;
  std::unique_ptr<CapturedSteps> steps_;
};

}  // namespace openhpu::graph

#endif  // GRAPH_CAPTURED_GRAPH_H_
