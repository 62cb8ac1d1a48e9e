#include "graph/engine.h"

#include "graph/segment.h"
#include "graph/storage.h"

namespace openhpu::graph {

Engine::Engine(runtime::Context& context, CompileOptions options)
    : state_(std::make_unique<EngineState>(context, options)) {}
Engine::~Engine() = default;

runtime::Context& Engine::context() { return state_->context; }

absl::Status Engine::UseDiskCache(const std::string& folder, uint64_t bytes, bool clear) {
  return state_->cache.UseDisk(folder, bytes, clear);
}

std::shared_ptr<Storage> Engine::NewStorage(uint64_t device_bytes) {
  return std::make_shared<TensorStorage>(state_->context, state_->counters, device_bytes);
}

EngineStatistics Engine::statistics() const {
  const CacheStatistics cache = state_->cache.statistics();
  EngineStatistics statistics;
  statistics.compilations = cache.compilations;
  statistics.cache_hits = cache.hits;
  statistics.launches = state_->launches.load();
  statistics.nodes = state_->nodes.load();
  statistics.compile_time = cache.compile_time;
  statistics.disk_hits = cache.disk_hits;
  statistics.disk_refused = cache.disk_refused;
  return statistics;
}

}  // namespace openhpu::graph
