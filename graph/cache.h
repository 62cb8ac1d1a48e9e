// Compiled graphs, once per structure: looked up by fingerprint, then compared in full; and, if
// wanted, kept in a folder for other processes.
#ifndef GRAPH_CACHE_H_
#define GRAPH_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "graph/compiler.h"
#include "graph/disk_cache.h"
#include "graph/ir.h"
#include "hal/base/mutex.h"
#include "hal/chip.pb.h"

namespace openhpu::graph {

struct CompiledGraph {
  Graph graph;
  Recipe recipe;
  uint64_t prepare_fingerprint = 0;  // of its prepare program
};

struct CacheStatistics {
  uint64_t compilations = 0, hits = 0;
  absl::Duration compile_time;  // of the host
  uint64_t disk_hits = 0, disk_refused = 0;
};

// For one chip and one set of options. Holds the `capacity` graphs used last; users keep theirs
// alive. Thread-safe: compiles outside its lock, so two threads may compile the same graph at once,
// and both get one result.
class CompileCache {
 public:
  CompileCache(const hal::Chip& chip, CompileOptions options, size_t capacity = 1024)
      : chip_(chip), options_(options), capacity_(capacity) {}

  absl::StatusOr<std::shared_ptr<const CompiledGraph>> Get(Graph graph);

  // As Engine::UseDiskCache.
  absl::Status UseDisk(const std::string& folder, uint64_t bytes, bool clear);
  CacheStatistics statistics() const;

 private:
  using Entries = std::list<std::pair<uint64_t, std::shared_ptr<const CompiledGraph>>>;

  std::shared_ptr<const CompiledGraph> Find(uint64_t fingerprint, const Graph& graph)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const hal::Chip chip_;
  const CompileOptions options_;
  const size_t capacity_;
  mutable Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);  // used last first
  std::unordered_multimap<uint64_t, Entries::iterator> index_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<DiskCache> disk_ ABSL_GUARDED_BY(mutex_);
  CacheStatistics statistics_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace openhpu::graph

#endif  // GRAPH_CACHE_H_
