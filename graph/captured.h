// The steps of a captured graph, the storages they use, and their replay. Private to the recorder.
#ifndef GRAPH_CAPTURED_H_
#define GRAPH_CAPTURED_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "graph/captured_graph.h"
#include "graph/segment.h"
#include "graph/storage.h"
#include "runtime/event.h"
#include "runtime/stream.h"

namespace openhpu::graph {

// A recorder, as the capture that it takes part in sees it.
class CaptureParticipant : public PendingNodes {
 public:
  virtual void CaptureEnded() = 0;
};

class CapturedSteps {
 public:
  CapturedSteps() = default;
  ~CapturedSteps();
  CapturedSteps(const CapturedSteps&) = delete;

  // --- Capturing: by the recorders that take part; the first of them began it. ---
  bool capturing() const { return !participants_.empty(); }
  bool dry_run() const { return dry_run_; }
  void Begin(EngineState& engine, CaptureParticipant* recorder, bool dry_run);
  void Join(CaptureParticipant* recorder) { participants_.push_back(recorder); }
  // The recorder that began it flushes all and ends it for all; another one leaves it. If anything
  // of it failed, nothing is left of the recording.
  absl::Status End(CaptureParticipant* recorder);
  // For all, with nothing left of it.
  void Abandon();
  // What was recorded is not whole.
  void Fail(const absl::Status& status) { failure_.Update(status); }

  absl::Status AddSegment(std::unique_ptr<Segment> segment, const Storages& storages);
  absl::Status AddRecord(std::shared_ptr<runtime::Event> event, runtime::Stream& stream);
  void AddWait(const runtime::Event& event, runtime::Stream& stream);
  absl::Status AddGuard(const TensorRef& tensor, std::vector<std::byte> expected,
                        std::string source, runtime::Stream& stream);
  void NoteHostStep(absl::Span<const std::shared_ptr<Storage>> reads,
                    absl::Span<const std::shared_ptr<Storage>> writes);
  void AddHostStep(std::function<absl::Status()> step);

  // --- Captured: as CapturedGraph ---
  absl::Status Replay(absl::Span<const Rebinding> rebindings);
  size_t segments() const { return segments_.size(); }
  const Segment& segment(size_t index) const { return *segments_[index].segment; }
  std::vector<SegmentSummary> Summary();
  CapturedMemory memory() const;
  bool Binds(const Storage& storage) const;
  bool ReadsFirst(const Storage& storage) const;
  bool Makes(const Storage& storage) const;
  void Forget(absl::Span<const std::shared_ptr<Storage>> storages);
  void ReleaseOthers(absl::Span<const std::shared_ptr<Storage>> keep);

 private:
  // A storage that steps use.
  struct Slot {
    std::shared_ptr<TensorStorage> held;  // null: forgotten
    TensorStorage* now = nullptr;         // for the running replay
    uint64_t serial = 0, bytes = 0;
    bool fresh = false;  // without contents when the capture first used it
    bool reads_first = false;
    bool own = false;  // the capture replaced all of it before it read any
    bool forgotten = false;
    std::vector<std::pair<uint32_t, BufferId>> users;  // segments that bind it, as which buffer
    MemoryIdentity bound;  // what they are bound to, or to be if they are stale
    uint64_t rebound = 0;  // the last replay that rebound it
  };
  struct Launch {
    std::unique_ptr<Segment> segment;
    std::vector<uint32_t> slots;    // by buffer; kNoSlot for temps
    bool stale = true;              // to be bound whole
    std::vector<BufferId> changed;  // to be bound, else
    bool launched = false;
    std::unique_ptr<runtime::Event> before, after;  // of its first launch; null when asked or off
    absl::Duration device_time;
  };
  struct EventStep {
    uint32_t event;
    bool wait;
    runtime::Stream* stream;
  };
  struct GuardStep {
    uint32_t slot;
    uint64_t offset;  // bytes
    DType dtype;
    std::vector<std::byte> expected, found;
    std::string source;
    runtime::Stream* stream;
  };
  enum class StepKind : uint8_t { kLaunch, kEvent, kGuard, kHost };
  struct Step {
    StepKind kind;
    uint32_t index;  // into the steps of its kind
  };
  static constexpr uint32_t kNoSlot = UINT32_MAX;

  void Clear();
  void Leave();
  uint32_t SlotOf(const std::shared_ptr<TensorStorage>& storage);
  static TensorStorage* Current(const Slot& slot) {
    return slot.now != nullptr ? slot.now : slot.held.get();
  }
  void NoteAccesses(const Graph& graph, absl::Span<const uint32_t> slots);
  static void NoteRead(Slot& slot);
  static void NoteWrite(Slot& slot, bool all);
  absl::Status RunSteps();
  absl::Status FirstLaunch(Launch& launch);
  absl::Status RunGuard(GuardStep& guard);
  absl::Status ReplayAnew(absl::Span<const Rebinding> rebindings);
  absl::Status CheckRebindings(absl::Span<const Rebinding> rebindings);
  absl::Status StandIn(absl::Span<const Rebinding> rebindings);
  absl::Status BindSlots();
  void LookUp(Slot& slot);
  absl::Status BindSegment(Launch& launch);
  void Settle();

  std::vector<CaptureParticipant*> participants_;
  bool dry_run_ = false;
  absl::Status failure_;
  std::vector<std::pair<std::shared_ptr<runtime::Event>, uint32_t>> recorded_;  // while capturing

  std::vector<Step> steps_;
  std::vector<Launch> segments_;
  std::vector<EventStep> event_steps_;
  std::vector<std::unique_ptr<runtime::Event>> events_;
  std::vector<GuardStep> guards_;
  std::vector<std::function<absl::Status()>> host_steps_;
  std::vector<Slot> slots_;
  std::unordered_map<uint64_t, uint32_t> index_;  // by serial number
  uint64_t known_before_ = 0;  // serial numbers up to it were given out before the capture began

  runtime::Context* context_ = nullptr;
  std::shared_ptr<StorageCounters> counters_;
  // Nothing has to be bound before the steps run, unless a storage lost its memory.
  bool settled_ = true;
  uint64_t moves_seen_ = 0;
  uint64_t replays_ = 0;  // those that were not settled
  std::vector<uint32_t> forgotten_, released_, rebound_, rebound_last_;
  std::vector<TensorStorage*> bindings_;  // of one segment
};

}  // namespace openhpu::graph

#endif  // GRAPH_CAPTURED_H_
