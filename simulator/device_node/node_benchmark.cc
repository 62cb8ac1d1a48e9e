// What the node costs the host, beside the simulated card alone: one submission of one packet there
// and back, by the same driver seam; and single ioctls. "simulated_us" is the card's host time of
// an iteration, which is the same for both.
//   bazel run -c opt //simulator/device_node:node_benchmark
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "hal/abi/gaudi/packets.h"
#include "hal/command_writer.h"
#include "hal/driver.h"
#include "hal/habanalabs/driver.h"
#include "simulator/device_node/fresh_node.h"
#include "simulator/driver.h"

namespace openhpu::simulator {
namespace {

// The driver of a card over a node of its own; null, and the benchmark skipped, when that fails.
std::unique_ptr<hal::habanalabs::Driver> OpenDriver(benchmark::State& state, const char* card) {
  absl::StatusOr<std::unique_ptr<NodeSyscalls>> node = OpenFreshNode(card);
  if (node.ok()) {
    auto driver = hal::habanalabs::Driver::Open("habanalabs:0", *std::move(node));
    if (driver.ok()) return *std::move(driver);
  }
  state.SkipWithError("no driver over a node");
  return nullptr;
}

// Submissions of one packet, each waited for.
void SubmitAndWait(benchmark::State& state, hal::Driver& driver) {
  const hal::abi::gaudi::PacketNop nop;  // Gaudi2's is the same
  const absl::StatusOr<uint32_t> queue =
      hal::QueueOf(driver.info().chip, {hal::EngineKind::kHostDma, 0}, 0);
  if (!queue.ok()) return state.SkipWithError("no queue that faces the host");
  const absl::StatusOr<hal::CommandMemory> memory = driver.CreateCommandMemory(sizeof nop);
  if (!memory.ok()) return state.SkipWithError("no command memory");
  std::memcpy(memory->bytes.data(), &nop, sizeof nop);
  hal::Chunk chunk;
  chunk.queue = QueueId(*queue);
  chunk.commands = memory->handle;
  chunk.bytes = sizeof nop;
  for (auto _ : state) {
    const absl::StatusOr<Sequence> sequence = driver.Submit({&chunk, 1});
    if (!sequence.ok() ||
        !driver.Wait({*sequence}, hal::WaitFor::kAll, absl::InfiniteDuration()).ok()) {
      return state.SkipWithError("failed");
    }
  }
}

void BM_SimulatedCard(benchmark::State& state, const char* spec) {
  const absl::StatusOr<std::unique_ptr<Simulator>> card = Simulator::Open(spec);
  if (!card.ok()) return state.SkipWithError("no card");
  SubmitAndWait(state, **card);
  state.counters["simulated_us"] = benchmark::Counter(
      static_cast<double>((*card)->statistics().now.value()) * 1e-6 / state.iterations());
}
BENCHMARK_CAPTURE(BM_SimulatedCard, gaudi, "sim:gaudi");
BENCHMARK_CAPTURE(BM_SimulatedCard, gaudi2, "sim:gaudi2");

void BM_CardBehindTheNode(benchmark::State& state, const char* card) {
  const std::unique_ptr<hal::habanalabs::Driver> driver = OpenDriver(state, card);
  if (driver == nullptr) return;
  SubmitAndWait(state, *driver);
  const auto times = driver->DeviceTime();
  if (times.ok()) {
    state.counters["simulated_us"] = benchmark::Counter(
        static_cast<double>(times->host_nanoseconds) * 1e-3 / state.iterations());
  }
}
BENCHMARK_CAPTURE(BM_CardBehindTheNode, gaudi, "sim:gaudi");
BENCHMARK_CAPTURE(BM_CardBehindTheNode, gaudi2, "sim:gaudi2");

// A question of the kernel.
void BM_InfoIoctl(benchmark::State& state, const char* card) {
  const std::unique_ptr<hal::habanalabs::Driver> driver = OpenDriver(state, card);
  if (driver == nullptr) return;
  for (auto _ : state) benchmark::DoNotOptimize(driver->DeviceTime());
}
BENCHMARK_CAPTURE(BM_InfoIoctl, gaudi, "sim:gaudi");
BENCHMARK_CAPTURE(BM_InfoIoctl, gaudi2, "sim:gaudi2");

// Host memory mapped and unmapped: two ioctls.
void BM_MapAndUnmapHost(benchmark::State& state, const char* card) {
  const std::unique_ptr<hal::habanalabs::Driver> driver = OpenDriver(state, card);
  if (driver == nullptr) return;
  std::vector<char> memory(1 << 20);
  for (auto _ : state) {
    const absl::StatusOr<DeviceAddress> address = driver->MapHost(memory.data(), memory.size());
    if (!address.ok() || !driver->UnmapHost(*address).ok()) {
      return state.SkipWithError("failed");
    }
  }
}
BENCHMARK_CAPTURE(BM_MapAndUnmapHost, gaudi, "sim:gaudi");
BENCHMARK_CAPTURE(BM_MapAndUnmapHost, gaudi2, "sim:gaudi2");

}  // namespace
}  // namespace openhpu::simulator
