// Dense products and convolutions on host memory: what the MME's canonical descriptors amount to.
// No descriptors here, no device addresses.
//
// Exact: four interleaved chains of fused multiply-adds, chain = k mod 4, rolled up as (c[K%4] +
// c[(K+1)%4]) + (c[(K+2)%4] + c[(K+3)%4]), then no negative zero, ReLU, conversion
// (mme_descriptor.md, section 6); every step is rounded as the shape says. Denormal inputs and
// results of every step count as signed zeros, a NaN is stored as 0x7FFFFFFF or 0x7FFF, and ReLU
// keeps it. In Gaudi2's order: gemm_trees.h, whose sums are rounded to nearest, and only
// conversions as the shape says. The bits are equal on every machine, for any number of threads.
// Fast: oneDNN on the operands in place. The bits hold for one library, ISA level and number of
// threads; OPENHPU_CPU_ISA (avx2, avx512_core, avx512_core_bf16 ...: a value of oneDNN's
// DNNL_MAX_CPU_ISA) pins the level. It rounds to nearest only: what is to be rounded otherwise goes
// the exact way.
//
// All functions are safe to call from any thread and use the process's OpenMP threads. Strides are
// in elements, may be 0 or negative for inputs; outputs must not overlap each other or the inputs.
#ifndef SIMULATOR_FUNCTIONAL_GEMM_H_
#define SIMULATOR_FUNCTIONAL_GEMM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "hal/base/dtype.h"
#include "simulator/functional/gemm_cache.h"
#include "simulator/functional/gemm_rounding.h"

namespace openhpu::simulator {

// c[i][j] = convert(relu(sum over k of a[i][k] * b[k][j])) for each point of three batch
// dimensions.
struct GemmShape {
  struct Strides {
    int64_t row = 0;
    int64_t column = 0;
    std::array<int64_t, 3> batch = {0, 0, 0};
  };
  int64_t m = 0, n = 0, k = 0;
  std::array<int64_t, 3> batch = {1, 1, 1};
  Strides a, b, c;             // c.column is 1
  DType in = DType::kFloat32;  // kFloat32 or kBFloat16, as is `out`
  DType out = DType::kFloat32;
  bool relu = false;
  Rounding rounding = Rounding::kNearestEven;
  SumOrder order = SumOrder::kChains;  // of the exact product
};

// InvalidArgument names what no product has: a negative size, an integer type, a result that is not
// dense along its columns.
absl::Status Validate(const GemmShape& shape);
absl::Status ExactGemm(const GemmShape& shape, const std::byte* a, const std::byte* b,
                       std::byte* c);
absl::Status FastGemm(const GemmShape& shape, const std::byte* a, const std::byte* b, std::byte* c);

// y[b][od][oh][ow][f] = sum over taps and channels of x[b][od * stride + q * dilation - pad]...[c]
// * w[q][r][s][c][f]; outside of x lie zeros. Spatial arrays are {W, H, D}; k, for the exact order,
// runs over c fastest, then s, r, q. Channels and features have stride 1.
struct ConvolutionShape {
  int64_t batch = 0, channels = 0, features = 0;
  std::array<int64_t, 3> in = {1, 1, 1};
  std::array<int64_t, 3> kernel = {1, 1, 1};
  std::array<int64_t, 3> out = {1, 1, 1};
  std::array<int64_t, 3> stride = {1, 1, 1};
  std::array<int64_t, 3> dilation = {1, 1, 1};
  std::array<int64_t, 3> pad = {0, 0, 0};  // before the first element; negative skips elements
  std::array<int64_t, 4> x_strides = {0, 0, 0, 0};  // {W, H, D, batch}
  std::array<int64_t, 4> w_strides = {0, 0, 0, 0};  // {channel, S, R, Q}
  std::array<int64_t, 4> y_strides = {0, 0, 0, 0};  // {W, H, D, batch}
  DType in_type = DType::kFloat32;
  DType out_type = DType::kFloat32;
  bool relu = false;
  Rounding rounding = Rounding::kNearestEven;
  SumOrder order = SumOrder::kChains;  // of the exact product
};

absl::Status Validate(const ConvolutionShape& shape);
absl::Status ExactConvolution(const ConvolutionShape& shape, const std::byte* x, const std::byte* w,
                              std::byte* y);
// `weights` says where the weights lie in device memory, so that their reordered copy may be kept;
// default: never kept.
absl::Status FastConvolution(const ConvolutionShape& shape, const std::byte* x, const std::byte* w,
                             std::byte* y, const WeightsSource& weights = {});

// Library, ISA level and threads that the bits of the fast arithmetic depend on, for the trace.
std::string FastArithmeticName();

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GEMM_H_
