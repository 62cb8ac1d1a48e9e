// Compiled graphs, once per structure: looked up by fingerprint, then compared in full.
#ifndef GRAPH_CACHE_H_
#define GRAPH_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "graph/compiler.h"
#include "graph/ir.h"
#include "hal/chip.pb.h"

namespace openhpu::graph {

struct CompiledGraph {
  Graph graph;
  Recipe recipe;
};

// For one chip and one set of options. Holds the `capacity` graphs used last; users keep theirs
// alive. Thread-safe: compiles outside its lock, so two threads may compile the same graph at once,
// and both get one result.
class CompileCache {
 public:
  CompileCache(const hal::Chip& chip, CompileOptions options, size_t capacity = 1024)
      : chip_(chip), options_(options), capacity_(capacity) {}

  absl::StatusOr<std::shared_ptr<const CompiledGraph>> Get(Graph graph);

  uint64_t compilations() const;
  uint64_t hits() const;

 private:
  using Entries = std::list<std::pair<uint64_t, std::shared_ptr<const CompiledGraph>>>;

  std::shared_ptr<const CompiledGraph> Find(uint64_t fingerprint, const Graph& graph)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const hal::Chip chip_;
  const CompileOptions options_;
  const size_t capacity_;
  mutable absl::Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);  // used last first
  std::unordered_multimap<uint64_t, Entries::iterator> index_ ABSL_GUARDED_BY(mutex_);
  uint64_t compilations_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t hits_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace openhpu::graph

#endif  // GRAPH_CACHE_H_
