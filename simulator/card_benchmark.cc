// What the model itself costs the host. Each benchmark runs one submission an iteration; counters
// say how much of the model's work it was.
//   bazel run -c opt //simulator:card_benchmark
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "hal/command_writer.h"
#include "hal/kernel/expression.h"
#include "hal/kernel/kernels.h"
#include "hal/kernel_image.h"
#include "simulator/card_testing.h"

namespace openhpu::simulator {
namespace {

const char* const kSpecs[] = {"sim:gaudi", "sim:gaudi,mode=functional"};

void Report(benchmark::State& state, uint64_t packets, uint64_t commands) {
  state.SetLabel(kSpecs[state.range(0)]);
  state.counters["packets/s"] = benchmark::Counter(
      static_cast<double>(packets) * state.iterations(), benchmark::Counter::kIsRate);
  if (commands == 0) return;
  state.counters["s/command"] =
      benchmark::Counter(static_cast<double>(commands) * state.iterations(),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// Messages to sync objects and nothing else, in one body.
void BM_Messages(benchmark::State& state) {
  TestCard card(kSpecs[state.range(0)]);
  Packets body, upper, end;
  constexpr int kMessages = 10000;
  for (int i = 0; i < kMessages - 1; ++i) body.AddSob(16 + i % 8);
  body.AddSob(8);
  upper.Body(card.Upload(body.bytes()), static_cast<uint32_t>(body.bytes().size()));
  end.Await(8, 1, 0, abi::DmaQmanBase(0), 0).Sob(8, 0);
  const std::vector<hal::Chunk> chunks = {card.Internal(abi::TpcQueue(0, 0), upper),
                                          card.External(abi::DmaQueue(0, 0), end)};
  for (auto _ : state) {
    if (!card.Run(chunks).ok()) return state.SkipWithError("failed");
  }
  Report(state, kMessages, 0);
}
BENCHMARK(BM_Messages)->Arg(0)->Arg(1);

// NOPs: decoding alone.
void BM_Decode(benchmark::State& state) {
  TestCard card(kSpecs[state.range(0)]);
  Packets body, upper, end;
  constexpr int kNops = 10000;
  for (int i = 0; i < kNops; ++i) body.Nop();
  body.AddSob(8);
  upper.Body(card.Upload(body.bytes()), static_cast<uint32_t>(body.bytes().size()));
  end.Await(8, 1, 0, abi::DmaQmanBase(0), 0).Sob(8, 0);
  const std::vector<hal::Chunk> chunks = {card.Internal(abi::TpcQueue(0, 0), upper),
                                          card.External(abi::DmaQueue(0, 0), end)};
  for (auto _ : state) {
    if (!card.Run(chunks).ok()) return state.SkipWithError("failed");
  }
  Report(state, kNops, 0);
}
BENCHMARK(BM_Decode)->Arg(0)->Arg(1);

// Small copies on five engines at once: queues, launches, flows, and hardly a byte.
void BM_Commands(benchmark::State& state) {
  TestCard card(kSpecs[state.range(0)]);
  constexpr int kCommands = 1000;
  const uint32_t engines[] = {2, 3, 4, 6, 7};
  std::vector<hal::Chunk> chunks;
  for (uint32_t dma : engines) {
    const DeviceAddress from = card.Allocate(4096), to = card.Allocate(4096);
    Packets body, upper;
    for (int i = 0; i < kCommands; ++i) body.Copy(from, to, 256);
    upper.Body(card.Upload(body.bytes()), static_cast<uint32_t>(body.bytes().size()))
        .AddSob(8, 1, abi::Ctl::ENG_BARRIER::kMask);
    chunks.push_back(card.Internal(abi::DmaQueue(dma, 0), upper));
  }
  Packets end;
  end.Await(8, 5, 0, abi::DmaQmanBase(0), 0).Sob(8, 0);
  chunks.push_back(card.External(abi::DmaQueue(0, 0), end));
  for (auto _ : state) {
    if (!card.Run(chunks).ok()) return state.SkipWithError("failed");
  }
  Report(state, 5 * kCommands, 5 * kCommands);
}
BENCHMARK(BM_Commands)->Arg(0)->Arg(1);

// The same small box of a kernel on a TPC over and over: what follows from its descriptor is known
// from the second time on.
void BM_KernelLaunches(benchmark::State& state) {
  TestCard card(kSpecs[state.range(0)]);
  constexpr int kCommands = 1000;
  constexpr hal::Engine kTpc = {hal::EngineKind::kTpc, 0};
  hal::KernelTensor tensor;
  tensor.dtype = DType::kFloat32;
  tensor.sizes[0] = 64;
  hal::ExpressionProgram add;
  add.inputs = {DType::kFloat32, DType::kFloat32};
  add.instructions.emplace_back();
  add.instructions[0].op = hal::ExprOp::kAdd;
  add.instructions[0].dtype = DType::kFloat32;
  add.instructions[0].b = 1;
  add.outputs = {2};
  const hal::KernelLaunch launch = *hal::MakeFused(add, {tensor, tensor}, {tensor});
  const std::vector<std::byte> image = *hal::MakeKernelImage(launch.image, "");
  const DeviceAddress kernel = card.Allocate(2 * image.size());
  card.Write(kernel, image.data(), image.size());
  std::vector<uint64_t> symbols = {(kernel + hal::kKernelImagePage).value()};
  for (int i = 0; i < 3; ++i) symbols.push_back(card.Allocate(256).value());
  hal::TpcBox box;
  box.kernel = {0, 0};
  box.tensors = launch.tensors;
  box.addresses = {{1, 0}, {2, 0}, {3, 0}};
  box.scalars = launch.scalars;
  box.box = hal::SplitIndexSpace(launch, 1)[0];
  const auto writer =
      *hal::CommandWriter::Create(card->info().chip, kTpc, hal::CommandWriter::Role::kBody);
  for (int i = 0; i < kCommands; ++i) {
    if (!writer->Tpc(box, std::nullopt).ok()) return state.SkipWithError("cannot be written");
  }
  hal::CommandBlob blob = writer->Take();
  hal::RelocationValues values;
  values.symbols = symbols;
  if (!hal::Relocate(blob.relocations, values, absl::MakeSpan(blob.bytes)).ok()) {
    return state.SkipWithError("cannot be placed");
  }
  Packets upper, end;
  upper.Body(card.Upload(blob.bytes), static_cast<uint32_t>(blob.bytes.size()))
      .AddSob(8, 1, abi::Ctl::ENG_BARRIER::kMask);
  end.Await(8, 1, 0, abi::DmaQmanBase(0), 0).Sob(8, 0);
  const std::vector<hal::Chunk> chunks = {card.Internal(abi::TpcQueue(0, 0), upper),
                                          card.External(abi::DmaQueue(0, 0), end)};
  for (auto _ : state) {
    if (!card.Run(chunks).ok()) return state.SkipWithError("failed");
  }
  Report(state, kCommands, kCommands);
}
BENCHMARK(BM_KernelLaunches)->Arg(0)->Arg(1);

// The smallest submission there and back.
void BM_Submission(benchmark::State& state) {
  TestCard card(kSpecs[state.range(0)]);
  const hal::Chunk chunk = card.External(abi::DmaQueue(0, 0), Packets().Nop());
  for (auto _ : state) {
    if (!card.Run({chunk}).ok()) return state.SkipWithError("failed");
  }
  Report(state, 3, 0);
}
BENCHMARK(BM_Submission)->Arg(0)->Arg(1);

}  // namespace
}  // namespace openhpu::simulator
