// What a recorder works with: storages that know when they are written, and loaded segments: a
// compiled graph with instances, prepared constants and bindings. Private to the recorder.
#ifndef GRAPH_SEGMENT_H_
#define GRAPH_SEGMENT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "graph/cache.h"
#include "graph/recorder.h"
#include "runtime/context.h"
#include "runtime/instance.h"
#include "runtime/stream.h"

namespace openhpu::graph {

// Set by a write to a storage that a prepared constant is made of.
using DirtyWord = std::atomic<bool>;

// Counters that the storages of an engine share.
struct StorageCounters {
  std::atomic<uint64_t> storages{0};
  // How many have become weights; a segment that writes storages looks again for weights among them
  // when it has grown.
  std::atomic<uint64_t> weights{0};
};

class TensorStorage final : public Storage {
 public:
  TensorStorage(runtime::Context& context, std::shared_ptr<StorageCounters> counters,
                uint64_t bytes)
      : context_(context),
        counters_(std::move(counters)),
        serial_(++counters_->storages),
        bytes_(bytes) {}

  uint64_t bytes() const override { return bytes_; }
  bool materialised() const override;
  absl::StatusOr<DeviceAddress> Address() override;
  void MarkWeight() override;

  // Never 0, and of no other storage of the engine, dead or alive.
  uint64_t serial() const { return serial_; }
  bool weight() const { return weight_.load(std::memory_order_relaxed); }
  // Its memory is used by work submitted to `stream`. Nothing for a storage without memory.
  void RecordUse(runtime::Stream& stream);
  // `word` is set by every later write.
  void Watch(const std::shared_ptr<DirtyWord>& word);
  // To be called by whoever submits a write.
  void MarkWritten();

 private:
  runtime::Context& context_;
  const std::shared_ptr<StorageCounters> counters_;
  const uint64_t serial_;
  const uint64_t bytes_;
  std::atomic<bool> weight_{false};
  mutable absl::Mutex mutex_;
  std::unique_ptr<runtime::DeviceMemory> memory_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<DirtyWord>> watchers_ ABSL_GUARDED_BY(mutex_);
};

// One thread at a time. The stream and the storages that it was bound to last outlive its launches;
// destroying it while work is in flight is fine.
class Segment {
 public:
  static absl::StatusOr<std::unique_ptr<Segment>> Load(
      std::shared_ptr<const CompiledGraph> compiled, runtime::Context& context,
      runtime::Stream& stream, std::shared_ptr<StorageCounters> counters);
  ~Segment();

  // storages[i] is buffer i of the graph (null for temps). Materialises those that are bound;
  // launches.
  absl::Status Launch(absl::Span<const std::shared_ptr<TensorStorage>> storages);
  // Again with the storages of the last launch, which the caller kept alive: one submission, unless
  // a weight was written.
  absl::Status Relaunch();

  // Whether a launch with these storages would change no address.
  bool BoundTo(absl::Span<const std::shared_ptr<TensorStorage>> storages) const;

  const CompiledGraph& compiled() const { return *compiled_; }

 private:
  Segment(std::shared_ptr<const CompiledGraph> compiled, runtime::Stream& stream,
          std::shared_ptr<StorageCounters> counters)
      : compiled_(std::move(compiled)), stream_(stream), counters_(std::move(counters)) {}

  absl::Status Bind(absl::Span<const std::shared_ptr<TensorStorage>> storages);
  absl::StatusOr<std::vector<DeviceAddress>> Addresses(
      absl::Span<const RecipeBinding> bindings,
      absl::Span<const std::shared_ptr<TensorStorage>> storages);
  absl::Status Prepare();
  void MarkWritten();

  const std::shared_ptr<const CompiledGraph> compiled_;
  runtime::Stream& stream_;
  const std::shared_ptr<StorageCounters> counters_;
  std::unique_ptr<runtime::Instance> main_, prepare_;  // null when there is nothing to run
  std::vector<std::unique_ptr<runtime::DeviceMemory>> prepared_;
  std::vector<uint64_t> bound_;  // serial numbers by buffer, 0 for temps; as of the last launch
  std::vector<DeviceAddress> main_addresses_, prepare_addresses_;
  std::vector<TensorStorage*> written_, written_weights_;
  uint64_t weights_seen_ = 0;
  std::shared_ptr<DirtyWord> dirty_;  // null without prepare
};

}  // namespace openhpu::graph

#endif  // GRAPH_SEGMENT_H_
