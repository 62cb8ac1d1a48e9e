// What the host pays for a replay: one captured segment of n distinct, unfused nodes on the null
// driver. It must not depend on n. Checked beside the time: the recipe has that many nodes and
// steps, the driver gets every chunk of every replay, and a replay allocates nothing (malloc is
// counted, which operator new uses).
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "benchmark/benchmark.h"
#include "graph/recorder.h"
#include "graph/testing_chain.h"
#include "hal/base/status_macros.h"
#include "hal/null/driver.h"
#include "runtime/context.h"
#include "runtime/stream.h"

namespace {
std::atomic<uint64_t> allocations{0};
}  // namespace

// glibc's own, under the names that it gives to those who interpose malloc.
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

void* malloc(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, bytes);
}
void* realloc(void* old, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(old, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, bytes);
}
}

namespace openhpu::graph {
namespace {

constexpr uint64_t kMaxChunks = 24;
// Enough for every TPC to get a share of every node: each queue has as many commands as there are
// nodes.
constexpr int64_t kElements = 1 << 16;
constexpr uint64_t kMinChunks = 9;
constexpr int kCheckedReplays = 100;

struct Fixture {
  hal::NullDriver* driver = nullptr;  // owned by the context
  std::unique_ptr<runtime::Context> context;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<runtime::Stream> stream;
  std::unique_ptr<Recorder> recorder;
  TensorRef x, out;
  CapturedGraph graph;

  absl::Status Capture(int64_t nodes) {
    ASSIGN_OR_RETURN(std::unique_ptr<hal::NullDriver> null, hal::NullDriver::Open("null:gaudi2"));
    driver = null.get();
    ASSIGN_OR_RETURN(context, runtime::Context::Create(std::move(null)));
    engine = std::make_unique<Engine>(*context, ChainOptions());
    ASSIGN_OR_RETURN(stream, context->CreateStream());
    recorder = std::make_unique<Recorder>(*engine, *stream);
    x = ChainTensor(*engine, kElements);
    out = ChainTensor(*engine, kElements);
    const std::vector<float> ones(kElements, 1);
    RETURN_IF_ERROR(recorder->CopyFromHost(ones.data(), 4 * ones.size(), *x.storage, 0));
    RETURN_IF_ERROR(CaptureChain(*engine, *recorder, nodes, x, out, &graph));
    return Check(nodes);
  }

  absl::Status Check(int64_t nodes) {
    if (graph.segments() != 1) return absl::InternalError("not one segment");
    const Recipe& recipe = graph.recipe(0);
    if (recipe.nodes != nodes || recipe.step_names.size() != static_cast<size_t>(nodes)) {
      return absl::InternalError("the recipe has " + std::to_string(recipe.nodes) + " nodes and " +
                                 std::to_string(recipe.step_names.size()) + " steps");
    }
    const uint64_t chunks = recipe.main.queues.size() + 1;
    if (chunks < kMinChunks || chunks > kMaxChunks)
      return absl::InternalError(std::to_string(chunks) + " chunks");
    const uint64_t submissions_before = driver->submissions(), chunks_before = driver->chunks();
    const uint64_t allocations_before = allocations.load();
    for (int i = 0; i < kCheckedReplays; ++i) RETURN_IF_ERROR(graph.Replay());
    const uint64_t allocated = allocations.load() - allocations_before;
    if (allocated != 0)
      return absl::InternalError(std::to_string(allocated) + " allocations in replays");
    if (driver->submissions() - submissions_before != kCheckedReplays ||
        driver->chunks() - chunks_before != kCheckedReplays * chunks) {
      return absl::InternalError("the driver did not get every chunk once");
    }
    return absl::OkStatus();
  }
};

void BM_Replay(benchmark::State& state) {
  Fixture fixture;
  if (absl::Status status = fixture.Capture(state.range(0)); !status.ok()) {
    state.SkipWithError(status.ToString().c_str());
    return;
  }
  const uint64_t allocations_before = allocations.load();
  uint64_t failures = 0;
  for (auto _ : state) failures += !fixture.graph.Replay().ok();
  // The benchmark itself may allocate a little around its loop, never once a replay.
  const uint64_t allocated = allocations.load() - allocations_before;
  if (failures > 0) state.SkipWithError("a replay failed");
  if (state.iterations() > 1000 && allocated * 100 > static_cast<uint64_t>(state.iterations())) {
    state.SkipWithError("replays allocate");
  }
  state.counters["nodes"] = static_cast<double>(fixture.graph.recipe(0).nodes);
  state.counters["chunks"] = static_cast<double>(fixture.graph.recipe(0).main.queues.size() + 1);
}
BENCHMARK(BM_Replay)->Arg(10)->Arg(100)->Arg(1000)->Arg(10000);

}  // namespace
}  // namespace openhpu::graph
