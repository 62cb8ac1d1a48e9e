#include "graph/cache.h"

#include <utility>

#include "absl/time/clock.h"
#include "hal/base/crc32c.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

uint64_t PrepareFingerprint(const Recipe& recipe) {
  uint64_t hash = recipe.prepared.size();
  if (!recipe.prepare.has_value()) return hash;
  for (const runtime::QueueProgram& queue : recipe.prepare->queues) {
    for (const hal::CommandBlob* blob : {&queue.upper, &queue.body})
      hash = hash * 0x9E3779B97F4A7C15u + Crc32c(blob->bytes);
  }
  return hash;
}

}  // namespace

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
  std::shared_ptr<DiskCache> disk;
  {
    MutexLock lock(&mutex_);
    if (std::shared_ptr<const CompiledGraph> found = Find(fingerprint, graph)) {
      ++statistics_.hits;
      return found;
    }
    disk = disk_;
  }
  CacheStatistics counted;
  absl::StatusOr<Recipe> recipe = absl::NotFoundError("");
  if (disk != nullptr) {
    recipe = disk->Load(fingerprint, graph);
    counted.disk_hits = recipe.ok() ? 1 : 0;
    counted.disk_refused = recipe.ok() || absl::IsNotFound(recipe.status()) ? 0 : 1;
  }
  if (!recipe.ok()) {
    const absl::Time start = absl::Now();
    recipe = Compile(graph, chip_, options_);
    if (!recipe.ok()) return recipe.status();
    counted.compile_time = absl::Now() - start;
    counted.compilations = 1;
    if (disk != nullptr) disk->Store(fingerprint, graph, *recipe);
  }
  const uint64_t prepare = PrepareFingerprint(*recipe);
  auto compiled = std::make_shared<const CompiledGraph>(
      CompiledGraph{std::move(graph), *std::move(recipe), prepare});

  MutexLock lock(&mutex_);
  statistics_.compilations += counted.compilations;
  statistics_.compile_time += counted.compile_time;
  statistics_.disk_hits += counted.disk_hits;
  statistics_.disk_refused += counted.disk_refused;
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

absl::Status CompileCache::UseDisk(const std::string& folder, uint64_t bytes, bool clear) {
  ASSIGN_OR_RETURN(std::unique_ptr<DiskCache> disk,
                   DiskCache::Open(folder, bytes, clear, chip_, options_));
  MutexLock lock(&mutex_);
  disk_ = std::move(disk);
  return absl::OkStatus();
}

CacheStatistics CompileCache::statistics() const {
  MutexLock lock(&mutex_);
  return statistics_;
}

}  // namespace openhpu::graph
