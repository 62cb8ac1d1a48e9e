// The kernel library's contract: one factory a guid. Each takes typed operands and gives the
// launch; each has a reader for the other side, so that the layout of scalars and payload is
// written once, here in hal/kernel. What the kernels compute and cost is
// simulator/functional/kernels/<guid>.cc.
//
// Common rules. Operands are KernelTensors without addresses (those are given beside the launch, in
// the same order). Factories return InvalidArgument naming the operand for what the kernel does not
// take. All index spaces count *elements of the output* unless said otherwise, except that dim 0 is
// counted in vectors of kVectorLanes elements where the kernel is `vectorised`.
#ifndef HAL_KERNEL_KERNELS_H_
#define HAL_KERNEL_KERNELS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/kernel/expression.h"
#include "hal/kernel/launch.h"

namespace openhpu::hal {

inline constexpr uint32_t kVectorLanes = 64;  // elements a step of dim 0 in vectorised kernels

// guid openhpu.fused (vectorised): output_j[i] = program(inputs[i]). The index space covers the
// outputs' sizes, equal for all outputs; an input's size is the output's or 1 (broadcast) in each
// dim. Scalars: none.
absl::StatusOr<KernelLaunch> MakeFused(const ExpressionProgram& program,
                                       absl::Span<const KernelTensor> inputs,
                                       absl::Span<const KernelTensor> outputs);

// guid openhpu.reduce: out = reduction of `in` over the dims in `mask` (bit i = dim i). In the
// output the reduced dims have size 1. kArgMax/kArgMin give the flat index over the reduced dims
// (lowest dim fastest), first of equals, NaN wins. kVar gives the variance with divisor n -
// correction; kMean divides by n. bf16 inputs accumulate in fp32; integers in 32 bits; kAny/kAll
// give bool. The order of additions is fixed: 16 interleaved partial sums along the flattened
// reduced index, then pairwise (documented beside the code).
enum class ReduceOp : uint8_t {
  kSum,
  kMean,
  kMax,
  kMin,
  kProd,
  kAny,
  kAll,
  kArgMax,
  kArgMin,
  kVar
};
struct ReduceParams {
  ReduceOp op = ReduceOp::kSum;
  uint8_t mask = 0;
  float correction = 0;  // kVar
};
absl::StatusOr<KernelLaunch> MakeReduce(const ReduceParams& params, const KernelTensor& in,
                                        const KernelTensor& out);

// guid openhpu.softmax: along dim `dim`; log = log-softmax. f32 and bf16 (computed in fp32, rounded
// once).
struct SoftmaxParams {
  uint8_t dim = 0;
  bool log = false;
};
absl::StatusOr<KernelLaunch> MakeSoftmax(const SoftmaxParams& params, const KernelTensor& in,
                                         const KernelTensor& out);

// guid openhpu.norm: normalises over the dims in `mask`: y = (x - mean) * rstd [* weight] [+ bias];
// also writes mean and rstd (f32 or the input's dtype; sizes 1 in the reduced dims). weight and
// bias broadcast against x. Tensors in order: x, weight?, bias?, y, mean, rstd.
struct NormParams {
  uint8_t mask = 0;
  float epsilon = 1e-5f;
  bool has_weight = false, has_bias = false;
};
absl::StatusOr<KernelLaunch> MakeNorm(const NormParams& params,
                                      absl::Span<const KernelTensor> tensors);

// guid openhpu.pool2d: dims are {C, W, H, N} with strides free (dim 0 dense). Max pooling may also
// write the flat index h*W_in + w as i32 (a second output). Average pooling divides by the window's
// size (count_include_pad) or by its valid part, or by `divisor` when not 0. Adaptive pooling:
// adaptive = true, window of output o is [floor(o*in/out), ceil((o+1)*in/out)).
enum class PoolOp : uint8_t { kMax, kAverage };
struct PoolParams {
  PoolOp op = PoolOp::kMax;
  std::array<int32_t, 2> kernel = {1, 1}, stride = {1, 1}, padding = {0, 0},
                         dilation = {1, 1};  // {w, h}
  bool count_include_pad = true;
  int32_t divisor = 0;
  bool adaptive = false;
};
absl::StatusOr<KernelLaunch> MakePool2d(const PoolParams& params, const KernelTensor& in,
                                        absl::Span<const KernelTensor> outputs);

// guid openhpu.gather: out[.., j, ..] = table[.., index, ..]. `mode` kRows: index tensor has the
// outer dims, each picks a row of dim 0 (embedding, index_select after permutation): table {row,
// n}, index {1, i1, i2, ..}, out {row, i1, i2, ..}. kElements: torch.gather along `dim`: index and
// out have one shape. Negative indices count from the end; others out of range give zeros and raise
// the kernel's range flag (a HealthEvent).
enum class GatherMode : uint8_t { kRows, kElements };
struct GatherParams {
  GatherMode mode = GatherMode::kRows;
  uint8_t dim = 0;  // kElements
};
absl::StatusOr<KernelLaunch> MakeGather(const GatherParams& params, const KernelTensor& table,
                                        const KernelTensor& index, const KernelTensor& out);

// guid openhpu.depthwise: 2-D convolution where each output channel sees one group of `1` input
// channel: x {C, W, H, N}, weight {K, S, R}, y {K, Wo, Ho, N}, K = C*m. f32/bf16; accumulates in
// fp32, taps in order r, s.
struct DepthwiseParams {
  std::array<int32_t, 2> stride = {1, 1}, padding = {0, 0}, dilation = {1, 1};  // {w, h}
  int32_t multiplier = 1;
};
absl::StatusOr<KernelLaunch> MakeDepthwise(const DepthwiseParams& params, const KernelTensor& x,
                                           const KernelTensor& weight, const KernelTensor& y);

// guid openhpu.random: 32 random bits an element: word i % 4 of Philox4x32-10 with counter {i / 4,
// d, 0, 0} under key `k`, i the element of the flat output. So a word does not depend on the cut,
// nor on what else is drawn. The state is {position, key 0 low, key 0 high, key 1 low, ..}: a
// draw's number n = position + `draw` gives k = n / kDrawsPerKey and d = n % kDrawsPerKey; a draw
// beyond the last key is OutOfRange. State i32 {1 + 2 keys}, out i32 {n}.
inline constexpr uint32_t kDrawsPerKey = 624;
struct RandomParams {
  uint32_t draw = 0;
};
absl::StatusOr<KernelLaunch> MakeRandom(const RandomParams& params, const KernelTensor& state,
                                        const KernelTensor& out);

// guid openhpu.scatter: out[.., index, ..] = op(itself, source[.., j, ..]), the index along `dim`,
// in place. Along `dim` index and source have as many elements as are written, else the output's
// sizes; index and source broadcast. What goes to one place goes there in the order of j. kAdd and
// the others compute f32 and bf16 in fp32 and round each time, integers in 32 bits. Negative
// indices count from the end; others out of range write nothing and raise the kernel's range flag.
// Tensors: index (i32), source, out. The index space is the output's with `dim` as one step.
enum class ScatterOp : uint8_t { kReplace, kAdd, kMultiply, kMin, kMax };
struct ScatterParams {
  ScatterOp op = ScatterOp::kReplace;
  uint8_t dim = 0;
};
absl::StatusOr<KernelLaunch> MakeScatter(const ScatterParams& params, const KernelTensor& index,
                                         const KernelTensor& source, const KernelTensor& out);

// guid openhpu.sort: the first elements along `dim` in order, and where they were (i32): as many as
// the outputs have there. Stable; a NaN is larger than everything, -0 and 0 are equal. The index
// space is the output's with `dim` as one step.
struct SortParams {
  uint8_t dim = 0;
  bool descending = false;
};
absl::StatusOr<KernelLaunch> MakeSort(const SortParams& params, const KernelTensor& in,
                                      const KernelTensor& values, const KernelTensor& indices);

// guid openhpu.matmul_int: integer matrix product, 32-bit wrapping sums: a {K, M, B..}, b {N, K,
// B..}, c {N, M, B..}; i32/i16/i8/u8 in, i32 or the input's dtype out.
absl::StatusOr<KernelLaunch> MakeIntegerMatmul(const KernelTensor& a, const KernelTensor& b,
                                               const KernelTensor& c);

// Readers: the parameters of a launch's scalars, or InvalidArgument. The fused program is in the
// payload (ParseExpression).
absl::StatusOr<ReduceParams> ReadReduce(absl::Span<const uint32_t> scalars);
absl::StatusOr<SoftmaxParams> ReadSoftmax(absl::Span<const uint32_t> scalars);
absl::StatusOr<NormParams> ReadNorm(absl::Span<const uint32_t> scalars);
absl::StatusOr<PoolParams> ReadPool2d(absl::Span<const uint32_t> scalars);
absl::StatusOr<GatherParams> ReadGather(absl::Span<const uint32_t> scalars);
absl::StatusOr<DepthwiseParams> ReadDepthwise(absl::Span<const uint32_t> scalars);
absl::StatusOr<RandomParams> ReadRandom(absl::Span<const uint32_t> scalars);
absl::StatusOr<ScatterParams> ReadScatter(absl::Span<const uint32_t> scalars);
absl::StatusOr<SortParams> ReadSort(absl::Span<const uint32_t> scalars);

// Cuts [0, index_space) into at most `parts` boxes of nearly equal size, along splittable dims,
// slowest first. Never returns an empty box.
std::vector<IndexBox> SplitIndexSpace(const KernelLaunch& launch, int parts);

}  // namespace openhpu::hal

#endif  // HAL_KERNEL_KERNELS_H_
