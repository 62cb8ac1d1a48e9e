// Loaded segments: a compiled graph with an instance, prepared constants and bindings; and what an
// engine's recorders share. Private to the recorder.
#ifndef GRAPH_SEGMENT_H_
#define GRAPH_SEGMENT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "graph/cache.h"
#include "graph/prepared.h"
#include "graph/storage.h"
#include "runtime/context.h"
#include "runtime/event.h"
#include "runtime/instance.h"
#include "runtime/stream.h"

namespace openhpu::graph {

struct EngineState {
  EngineState(runtime::Context& c, CompileOptions options)
      : context(c), cache(c.chip(), options), prepared(std::make_shared<PreparedSets>(c)) {}
  runtime::Context& context;
  CompileCache cache;
  // Captures may outlive the engine.
  const std::shared_ptr<StorageCounters> counters = std::make_shared<StorageCounters>();
  const std::shared_ptr<PreparedSets> prepared;
  std::atomic<uint64_t> launches{0}, nodes{0};
};

// One thread at a time. The stream and the storages that it is bound to outlive its launches;
// destroying it while work is in flight is fine.
class Segment {
 public:
  static absl::StatusOr<std::unique_ptr<Segment>> Load(
      std::shared_ptr<const CompiledGraph> compiled, EngineState& engine, runtime::Stream& stream);

  // storages[i] is buffer i of the graph (null for temps). Materialises those that are bound, and
  // patches the commands for their memory. Launches nothing.
  absl::Status Bind(absl::Span<TensorStorage* const> storages);
  // The same, when since a Bind that succeeded only the memory of these buffers has changed.
  absl::Status BindChanged(absl::Span<TensorStorage* const> storages,
                           absl::Span<const BufferId> changed);
  // With the storages of the last Bind, which are alive and have the memory that they had then: one
  // submission, unless a weight was written.
  absl::Status Launch();
  // The same, between two events.
  absl::Status Launch(runtime::Event& before, runtime::Event& after);

  // Order with other streams, of a launch with these storages, to which it is bound: what conflicts
  // with it comes first; and what comes later knows of it, or of each launch from now on.
  absl::Status Follow(absl::Span<TensorStorage* const> storages) const;
  void NoteLaunch(absl::Span<TensorStorage* const> storages) const;
  void NoteLaunches(absl::Span<TensorStorage* const> storages) const;

  // Whether the last Bind was to these storages.
  bool BoundTo(const Storages& storages) const;

  const CompiledGraph& compiled() const { return *compiled_; }
  runtime::Stream& stream() const { return stream_; }
  const PreparedSet* prepared() const { return set_.get(); }
  uint64_t device_bytes() const { return main_ == nullptr ? 0 : main_->device_bytes(); }
  uint64_t patched_words() const { return main_ == nullptr ? 0 : main_->patched_words(); }

 private:
  Segment(std::shared_ptr<const CompiledGraph> compiled, EngineState& engine,
          runtime::Stream& stream)
      : compiled_(std::move(compiled)),
        stream_(stream),
        counters_(engine.counters),
        sets_(engine.prepared) {}

  absl::Status BindOne(size_t binding, TensorStorage& storage);
  // Calls use(storage, writes) for each that a launch uses.
  template <typename Use>
  void ForEachUse(absl::Span<TensorStorage* const> storages, Use use) const;
  void MarkWritten();

  const std::shared_ptr<const CompiledGraph> compiled_;
  runtime::Stream& stream_;
  const std::shared_ptr<StorageCounters> counters_;
  const std::shared_ptr<PreparedSets> sets_;
  std::unique_ptr<runtime::Instance> main_;  // null when there is nothing to run
  std::shared_ptr<PreparedSet> set_;         // null without constants, and before the first Bind
  std::vector<uint64_t> bound_;              // serial numbers by buffer, 0 for temps
  std::vector<DeviceAddress> addresses_;     // by binding
  std::vector<TensorStorage*> written_, written_weights_;
  uint64_t weights_seen_ = 0;
};

}  // namespace openhpu::graph

#endif  // GRAPH_SEGMENT_H_
