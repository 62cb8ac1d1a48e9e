#include "graph/cache.h"

#include <utility>

#include "hal/base/status_macros.h"

namespace openhpu::graph {

std::shared_ptr<const CompiledGraph> CompileCache::Find(uint64_t fingerprint, const Graph& graph) {
  const auto [begin, end] = index_.equal_range(fingerprint);
  for (auto it = begin; it != end; ++it) {
    if (!(it->second->second->graph == graph)) continue;
    entries_.splice(entries_.begin(), entries_, it->second);
    return entries_.front().second;
  }
  return nullptr;
}

absl::StatusOr<std::shared_ptr<const CompiledGraph>> CompileCache::Get(Graph graph) {
  const uint64_t fingerprint = graph.Fingerprint();
  {
    absl::MutexLock lock(&mutex_);
    if (std::shared_ptr<const CompiledGraph> found = Find(fingerprint, graph)) {
      ++hits_;
      return found;
    }
  }
  ASSIGN_OR_RETURN(Recipe recipe, Compile(graph, chip_, options_));
  auto compiled =
      std::make_shared<const CompiledGraph>(CompiledGraph{std::move(graph), std::move(recipe)});

  absl::MutexLock lock(&mutex_);
  ++compilations_;
  if (std::shared_ptr<const CompiledGraph> other = Find(fingerprint, compiled->graph)) return other;
  entries_.emplace_front(fingerprint, compiled);
  index_.emplace(fingerprint, entries_.begin());
  if (entries_.size() > capacity_) {
    const auto last = std::prev(entries_.end());
    const auto [begin, end] = index_.equal_range(last->first);
    for (auto it = begin; it != end; ++it) {
      if (it->second != last) continue;
      index_.erase(it);
      break;
    }
    entries_.pop_back();
  }
  return std::shared_ptr<const CompiledGraph>(std::move(compiled));
}

uint64_t CompileCache::compilations() const {
  absl::MutexLock lock(&mutex_);
  return compilations_;
}

uint64_t CompileCache::hits() const {
  absl::MutexLock lock(&mutex_);
  return hits_;
}

}  // namespace openhpu::graph
