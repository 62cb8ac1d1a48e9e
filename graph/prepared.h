// Constants that are derived from weights and kept on the device. Segments of one hardware stream
// that derive the same from the same weights (equal prepare programs, equal memory) share one set
// and its dirty word, whichever recorder or capture they belong to. Private to the recorder.
#ifndef GRAPH_PREPARED_H_
#define GRAPH_PREPARED_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "graph/cache.h"
#include "graph/storage.h"
#include "hal/base/mutex.h"
#include "runtime/context.h"
#include "runtime/instance.h"
#include "runtime/stream.h"

namespace openhpu::graph {

class PreparedSet {
 public:
  // Derives them if a source was written since the last time. Without a lock when none was.
  absl::Status Prepare();
  DeviceAddress address(size_t constant) const { return memory_[constant]->address(); }
  uint64_t bytes() const;         // of the constants
  uint64_t device_bytes() const;  // of the program that derives them

 private:
  friend class PreparedSets;
  PreparedSet() = default;

  std::shared_ptr<const CompiledGraph> compiled_;  // one of those whose prepare program this is
  uint32_t hardware_stream_ = 0;
  std::unique_ptr<runtime::Instance> instance_;  // null when there is nothing to run
  std::vector<std::unique_ptr<runtime::DeviceMemory>> memory_;
  std::vector<MemoryIdentity> sources_;  // by binding of the program; none for constants
  std::shared_ptr<DirtyWord> dirty_ = std::make_shared<DirtyWord>(true);
  Mutex mutex_;
  std::vector<DeviceAddress> addresses_ ABSL_GUARDED_BY(mutex_);
};

// The sets of an engine that somebody uses. Thread-safe.
class PreparedSets {
 public:
  explicit PreparedSets(runtime::Context& context) : context_(context) {}

  // The set of `compiled`, which prepares something, for these storages, on `stream`. `last` is
  // what the caller has used so far, or null: if nobody else does, it may become the new one.
  absl::StatusOr<std::shared_ptr<PreparedSet>> Get(
      const std::shared_ptr<const CompiledGraph>& compiled,
      absl::Span<TensorStorage* const> storages, runtime::Stream& stream,
      std::shared_ptr<PreparedSet> last);

 private:
  using Sets = std::vector<std::weak_ptr<PreparedSet>>;

  absl::StatusOr<std::shared_ptr<PreparedSet>> Make(
      const std::shared_ptr<const CompiledGraph>& compiled, runtime::Stream& stream);

  runtime::Context& context_;
  Mutex mutex_;
  std::unordered_map<uint64_t, Sets> sets_ ABSL_GUARDED_BY(mutex_);  // by prepare fingerprint
};

}  // namespace openhpu::graph

#endif  // GRAPH_PREPARED_H_
