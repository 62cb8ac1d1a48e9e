// Products as the model's MME meets them; GFLOP/s of both arithmetics. bazel run -c opt
// //simulator/functional:gemm_benchmark
#include "benchmark/benchmark.h"
#include "simulator/functional/gemm.h"
#include "simulator/functional/gemm_testing.h"

namespace openhpu::simulator {
namespace {

DType Type(int64_t bytes) { return bytes == 2 ? DType::kBFloat16 : DType::kFloat32; }

void Report(benchmark::State& state, double flops) {
  state.counters["FLOP"] = benchmark::Counter(flops * static_cast<double>(state.iterations()),
                                              benchmark::Counter::kIsRate);
}

// Arguments: m, n, k, bytes an element, whether b is stored by columns (weights of a linear layer).
void BM_Gemm(benchmark::State& state, bool fast) {
  GemmShape s;
  s.m = state.range(0);
  s.n = state.range(1);
  s.k = state.range(2);
  s.in = s.out = Type(state.range(3));
  const bool by_columns = state.range(4) != 0;
  s.a = {s.k, 1, {}};
  s.b = {by_columns ? 1 : s.n, by_columns ? s.k : 1, {}};
  s.c = {s.n, 1, {}};
  const auto a = Filled(s.in, Values::kReals, 1, s.m * s.k);
  const auto b = Filled(s.in, Values::kReals, 2, s.k * s.n);
  std::vector<std::byte> c(s.m * s.n * StorageBytes(s.out));
  for (auto _ : state) {
    const absl::Status status = fast ? FastGemm(s, a.data(), b.data(), c.data())
                                     : ExactGemm(s, a.data(), b.data(), c.data());
    if (!status.ok()) return state.SkipWithError(status.ToString().c_str());
  }
  Report(state, 2.0 * s.m * s.n * s.k);
}

// Arguments: batch, channels, size of the image, features, kernel, stride, bytes an element.
void BM_Convolution(benchmark::State& state, bool fast) {
  ConvolutionShape s;
  s.batch = state.range(0);
  s.channels = state.range(1);
  s.features = state.range(3);
  s.in_type = s.out_type = Type(state.range(6));
  const int64_t size = state.range(2), kernel = state.range(4), stride = state.range(5);
  const int64_t out = (size + kernel / 2 * 2 - kernel) / stride + 1;
  s.in = {size, size, 1};
  s.kernel = {kernel, kernel, 1};
  s.out = {out, out, 1};
  s.stride = {stride, stride, 1};
  s.pad = {kernel / 2, kernel / 2, 0};
  s.x_strides = {s.channels, s.channels * size, s.channels * size * size, s.channels * size * size};
  s.y_strides = {s.features, s.features * out, s.features * out * out, s.features * out * out};
  const int64_t plane = s.features * s.channels;
  s.w_strides = {s.features, plane, plane * kernel, plane * kernel * kernel};
  const auto x = Filled(s.in_type, Values::kReals, 1, s.batch * s.x_strides[3]);
  const int64_t weights = plane * kernel * kernel;
  FakeMemory memory(0, weights * StorageBytes(s.in_type));
  memory.Touch();
  Fill(s.in_type, Values::kReals, 2, memory.at(0), weights);
  std::vector<std::byte> y(s.batch * s.y_strides[3] * StorageBytes(s.out_type));
  WeightsCache cache;
  const WeightsSource source = {&cache, &memory, DeviceAddress(0), memory.size()};
  for (auto _ : state) {
    const absl::Status status = fast ? FastConvolution(s, x.data(), memory.at(0), y.data(), source)
                                     : ExactConvolution(s, x.data(), memory.at(0), y.data());
    if (!status.ok()) return state.SkipWithError(status.ToString().c_str());
  }
  Report(state, 2.0 * s.batch * out * out * weights);
}

void Gemms(benchmark::internal::Benchmark* b) {
  b->ArgNames({"m", "n", "k", "bytes", "bt"})->UseRealTime()->Unit(benchmark::kMillisecond);
  for (int64_t bytes : {4, 2}) {
    b->Args({512, 512, 512, bytes, 0})
        ->Args({1024, 768, 768, bytes, 1})
        ->Args({8, 1000, 2048, bytes, 1});
  }
}
void LargeGemms(benchmark::internal::Benchmark* b) {
  Gemms(b);
  b->Args({2048, 2048, 2048, 4, 0})->Args({2048, 2048, 2048, 2, 0});
}
void Convolutions(benchmark::internal::Benchmark* b) {
  b->ArgNames({"b", "c", "hw", "k", "r", "s", "bytes"})
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
  for (int64_t bytes : {4, 2}) {
    b->Args({8, 3, 224, 64, 7, 2, bytes})->Args({8, 64, 56, 64, 3, 1, bytes});
    b->Args({8, 64, 56, 256, 1, 1, bytes})->Args({8, 128, 28, 128, 3, 1, bytes});
    b->Args({8, 512, 7, 512, 3, 1, bytes})->Args({8, 1024, 14, 2048, 1, 2, bytes});
  }
}

BENCHMARK_CAPTURE(BM_Gemm, fast, true)->Apply(LargeGemms);
BENCHMARK_CAPTURE(BM_Gemm, exact, false)->Apply(Gemms);
BENCHMARK_CAPTURE(BM_Convolution, fast, true)->Apply(Convolutions);
BENCHMARK_CAPTURE(BM_Convolution, exact, false)->Apply(Convolutions);

}  // namespace
}  // namespace openhpu::simulator
