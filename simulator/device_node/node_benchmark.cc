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
#include "hal/driver.h"
#include "hal/habanalabs/driver.h"
#include "simulator/device_node/fresh_node.h"
#include "simulator/driver.h"

namespace openhpu::simulator {
namespace {

constexpr const char* kCard = "sim:gaudi";

// The driver of a card over a node of its own; null, and the benchmark skipped, when that fails.
std::unique_ptr<hal::habanalabs::Driver> OpenDriver(benchmark::State& state) {
  absl::StatusOr<std::unique_ptr<NodeSyscalls>> node = OpenFreshNode(kCard);
  if (node.ok()) {
    auto driver = hal::habanalabs::Driver::Open("habanalabs:0", *std::move(node));
    if (driver.ok()) return *std::move(driver);
  }
  state.SkipWithError("no driver over a node");
  return nullptr;
}

// Submissions of one packet, each waited for.
void SubmitAndWait(benchmark::State& state, hal::Driver& driver) {
  const hal::abi::gaudi::PacketNop nop;
  const absl::StatusOr<hal::CommandMemory> memory = driver.CreateCommandMemory(sizeof nop);
  if (!memory.ok()) return state.SkipWithError("no command memory");
  std::memcpy(memory->bytes.data(), &nop, sizeof nop);
  hal::Chunk chunk;
  chunk.queue = QueueId(0);
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

void BM_SimulatedCard(benchmark::State& state) {
  const absl::StatusOr<std::unique_ptr<Simulator>> card = Simulator::Open(kCard);
  if (!card.ok()) return state.SkipWithError("no card");
  SubmitAndWait(state, **card);
  state.counters["simulated_us"] = benchmark::Counter(
      static_cast<double>((*card)->statistics().now.value()) * 1e-6 / state.iterations());
}
BENCHMARK(BM_SimulatedCard);

void BM_CardBehindTheNode(benchmark::State& state) {
  const std::unique_ptr<hal::habanalabs::Driver> driver = OpenDriver(state);
  if (driver == nullptr) return;
  SubmitAndWait(state, *driver);
  const auto times = driver->DeviceTime();
  if (times.ok()) {
    state.counters["simulated_us"] = benchmark::Counter(
        static_cast<double>(times->host_nanoseconds) * 1e-3 / state.iterations());
  }
}
BENCHMARK(BM_CardBehindTheNode);

// A question of the kernel.
void BM_InfoIoctl(benchmark::State& state) {
  const std::unique_ptr<hal::habanalabs::Driver> driver = OpenDriver(state);
  if (driver == nullptr) return;
  for (auto _ : state) benchmark::DoNotOptimize(driver->DeviceTime());
}
BENCHMARK(BM_InfoIoctl);

// Host memory mapped and unmapped: two ioctls.
void BM_MapAndUnmapHost(benchmark::State& state) {
  const std::unique_ptr<hal::habanalabs::Driver> driver = OpenDriver(state);
  if (driver == nullptr) return;
  std::vector<char> memory(1 << 20);
  for (auto _ : state) {
    const absl::StatusOr<DeviceAddress> address = driver->MapHost(memory.data(), memory.size());
    if (!address.ok() || !driver->UnmapHost(*address).ok()) {
      return state.SkipWithError("failed");
    }
  }
}
BENCHMARK(BM_MapAndUnmapHost);

}  // namespace
}  // namespace openhpu::simulator
