// How fast the kernels compute on this machine. Run with `bazel run -c opt`; OMP_NUM_THREADS=1 for
// a core's own speed.
#include <benchmark/benchmark.h>

#include <cstring>
#include <utility>

#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/kernel_harness.h"

namespace openhpu::simulator {
namespace {

using hal::ExpressionProgram;
using hal::ExprInstruction;
using hal::ExprOp;
using hal::KernelTensor;

void RunLaunch(benchmark::State& state, absl::StatusOr<hal::KernelLaunch> launch, double elements) {
  if (!launch.ok()) return state.SkipWithError(launch.status().ToString().c_str());
  KernelHarness harness(*std::move(launch));
  for (size_t i = 0; i < harness.launch().tensors.size(); ++i) {
    const DType dtype = harness.launch().tensors[i].dtype;
    if (!harness.launch().tensors[i].written && IsFloat(dtype)) harness.FillRandom(i, 1, -2, 2);
  }
  for (auto _ : state) {
    if (!harness.Run().ok()) return state.SkipWithError("Run failed");
  }
  state.SetItemsProcessed(static_cast<int64_t>(elements) * state.iterations());
}

ExprInstruction Op(ExprOp op, DType dtype, uint16_t a, uint16_t b = 0) {
  ExprInstruction i;
  i.op = op;
  i.dtype = dtype;
  i.a = a;
  i.b = b;
  return i;
}
ExprInstruction Const(DType dtype, float value) {
  ExprInstruction i = Op(ExprOp::kConst, dtype, 0);
  std::memcpy(&i.immediate, &value, sizeof value);
  return i;
}

constexpr uint32_t kBig = 1u << 23;

void Relu(benchmark::State& state) {
  const auto t = static_cast<DType>(state.range(0));
  const KernelTensor x = DenseTensor(t, {kBig, 1, 1, 1, 1});
  const ExpressionProgram p{{t}, {Const(t, 0), Op(ExprOp::kMax, t, 0, 1)}, {2}};
  RunLaunch(state, hal::MakeFused(p, {x}, {x}), kBig);
}
BENCHMARK(Relu)->Arg(0)->Arg(1);

void Add(benchmark::State& state) {
  const auto t = static_cast<DType>(state.range(0));
  const KernelTensor x = DenseTensor(t, {kBig, 1, 1, 1, 1});
  const ExpressionProgram p{{t, t}, {Op(ExprOp::kAdd, t, 0, 1)}, {2}};
  RunLaunch(state, hal::MakeFused(p, {x, x}, {x}), kBig);
}
BENCHMARK(Add)->Arg(0)->Arg(1);

void BiasRelu(benchmark::State& state) {  // NHWC, 64 channels
  const DType t = DType::kFloat32;
  const KernelTensor x = DenseTensor(t, {64, 56, 56, 8, 1}), b = DenseTensor(t, {64, 1, 1, 1, 1});
  const ExpressionProgram p{
      {t, t}, {Op(ExprOp::kAdd, t, 0, 1), Const(t, 0), Op(ExprOp::kMax, t, 2, 3)}, {4}};
  RunLaunch(state, hal::MakeFused(p, {x, b}, {x}), 64 * 56 * 56 * 8);
}
BENCHMARK(BiasRelu);

void Gelu(benchmark::State& state) {
  const auto t = static_cast<DType>(state.range(0));
  const uint32_t n = 1u << 20;
  const KernelTensor x = DenseTensor(t, {n, 1, 1, 1, 1});
  const ExpressionProgram p{{t},
                            {Const(t, 0.70710678f), Op(ExprOp::kMul, t, 0, 1),
                             Op(ExprOp::kErf, t, 2), Const(t, 1), Op(ExprOp::kAdd, t, 3, 4),
                             Const(t, 0.5f), Op(ExprOp::kMul, t, 0, 6), Op(ExprOp::kMul, t, 5, 7)},
                            {8}};
  RunLaunch(state, hal::MakeFused(p, {x}, {x}), n);
}
BENCHMARK(Gelu)->Arg(0)->Arg(1);

// What a command costs that computes next to nothing.
void SmallRelu(benchmark::State& state) {
  const DType t = DType::kFloat32;
  const KernelTensor x = DenseTensor(t, {256, 1, 1, 1, 1});
  const ExpressionProgram p{{t}, {Const(t, 0), Op(ExprOp::kMax, t, 0, 1)}, {2}};
  RunLaunch(state, hal::MakeFused(p, {x}, {x}), 256);
}
BENCHMARK(SmallRelu);

void SmallSoftmax(benchmark::State& state) {
  const KernelTensor x = DenseTensor(DType::kFloat32, {64, 4, 1, 1, 1});
  RunLaunch(state, hal::MakeSoftmax({0, false}, x, x), 256);
}
BENCHMARK(SmallSoftmax);

void Permute(benchmark::State& state) {  // NCHW to NHWC
  const auto t = static_cast<DType>(state.range(0));
  KernelTensor in = DenseTensor(t, {1, 64, 56 * 56, 8, 1});
  in.strides = {1, 56 * 56, 1, 64 * 56 * 56, 0};
  const ExpressionProgram p{{t}, {}, {0}};
  RunLaunch(state, hal::MakeFused(p, {in}, {DenseTensor(t, {1, 64, 56 * 56, 8, 1})}),
            64 * 56 * 56 * 8);
}
BENCHMARK(Permute)->Arg(0)->Arg(1);

void Softmax(benchmark::State& state) {
  const KernelTensor x = DenseTensor(static_cast<DType>(state.range(0)), {128, 128, 12, 8, 1});
  RunLaunch(state, hal::MakeSoftmax({0, false}, x, x), 128 * 128 * 12 * 8);
}
BENCHMARK(Softmax)->Arg(0)->Arg(1);

void LayerNorm(benchmark::State& state) {
  const auto t = static_cast<DType>(state.range(0));
  const KernelTensor x = DenseTensor(t, {768, 1024, 1, 1, 1}),
                     w = DenseTensor(t, {768, 1, 1, 1, 1}),
                     m = DenseTensor(DType::kFloat32, {1, 1024, 1, 1, 1});
  RunLaunch(state, hal::MakeNorm({1, 1e-5f, true, true}, {x, w, w, x, m, m}), 768 * 1024);
}
BENCHMARK(LayerNorm)->Arg(0)->Arg(1);

void MaxPool(benchmark::State& state) {  // resnet's
  const auto t = static_cast<DType>(state.range(0));
  hal::PoolParams p;
  p.kernel = {3, 3};
  p.stride = {2, 2};
  p.padding = {1, 1};
  RunLaunch(state,
            hal::MakePool2d(p, DenseTensor(t, {64, 112, 112, 8, 1}),
                            {DenseTensor(t, {64, 56, 56, 8, 1})}),
            64 * 112 * 112 * 8);
}
BENCHMARK(MaxPool)->Arg(0)->Arg(1);

void Reduce(benchmark::State& state, const hal::TpcDims& sizes, uint8_t mask) {
  const auto t = static_cast<DType>(state.range(0));
  hal::TpcDims out = sizes;
  double elements = 1;
  for (int d = 0; d < hal::kTpcMaxDims; ++d) {
    if (mask >> d & 1) out[d] = 1;
    elements *= sizes[d];
  }
  RunLaunch(
      state,
      hal::MakeReduce({hal::ReduceOp::kMean, mask, 0}, DenseTensor(t, sizes), DenseTensor(t, out)),
      elements);
}
void GlobalAverage(benchmark::State& state) { Reduce(state, {2048, 7, 7, 8, 1}, 0x6); }
void SumRows(benchmark::State& state) { Reduce(state, {4096, 1024, 1, 1, 1}, 0x1); }
BENCHMARK(GlobalAverage)->Arg(0)->Arg(1);
BENCHMARK(SumRows)->Arg(0)->Arg(1);

void Depthwise(benchmark::State& state) {  // mobilenet's
  const auto t = static_cast<DType>(state.range(0));
  hal::DepthwiseParams p;
  p.padding = {1, 1};
  const KernelTensor x = DenseTensor(t, {144, 56, 56, 4, 1});
  RunLaunch(state, hal::MakeDepthwise(p, x, DenseTensor(t, {144, 3, 3, 1, 1}), x),
            144 * 56 * 56 * 4);
}
BENCHMARK(Depthwise)->Arg(0)->Arg(1);

}  // namespace
}  // namespace openhpu::simulator
