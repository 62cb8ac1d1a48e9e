// Inner loops of reductions over 32-bit values (expression_loops.h), the same bits on every
// instruction set.
//
// The order of additions and products is fixed and does not depend on the layout: element p of the
// flattened reduced index (lowest dim fastest) goes to partial result p mod 16, in order of p; then
// partial i takes in partial i + 8, then i + 4, i + 2, i + 1. Extremes are taken over integer keys,
// so any order is right.
#ifndef SIMULATOR_FUNCTIONAL_KERNELS_REDUCE_LOOPS_H_
#define SIMULATOR_FUNCTIONAL_KERNELS_REDUCE_LOOPS_H_

#include <cstddef>
#include <cstdint>

namespace openhpu::simulator {

enum class Accumulation : uint8_t {
  kSum,             // fp32
  kSquares,         // fp32: (x - mean)^2
  kProduct,         // fp32
  kIntegerSum,      // wrapping
  kIntegerProduct,  // wrapping
  kLargest,         // int32
  kFirstLargest,    // int32, and where: the lowest p among equals
};
inline constexpr size_t kPartials = 16;

// Sets n partial results to what an accumulation starts from; `where` may be null but for
// kFirstLargest.
void InitPartials(Accumulation accumulation, void* partials, int32_t* where, size_t n);

// Values along the reduced index: value k is element p + k, and goes to partials[(p + k) % 16].
void AccumulateRun(Accumulation accumulation, const void* values, size_t n, uint32_t p, float mean,
                   void* partials, int32_t* where);
// Values across results: value i is element p of result i, and goes to partials[i]. The caller
// picks the row p % 16 of its partials.
void AccumulateRow(Accumulation accumulation, const void* values, size_t n, uint32_t p,
                   const float* mean, void* partials, int32_t* where);
// Row-wise combination of two partial results: left takes in right.
void Combine(Accumulation accumulation, void* left, int32_t* left_where, const void* right,
             const int32_t* right_where, size_t n);

// The 16 partials of a run to partials[0].
void FoldRun(Accumulation accumulation, void* partials, int32_t* where);
// 16 rows of `n` partials, `n` apart, to the first row.
void FoldRows(Accumulation accumulation, void* partials, int32_t* where, size_t n);

// fp32 conveniences, in the order above.
float SumRun(const float* values, size_t n);
float SumSquaresRun(const float* values, size_t n, float mean);

// Order-preserving integer keys of fp32; NaN is above everything, with `inverted` too (smallest
// value, largest key). -0 is below +0 unless `zeros_equal`.
void FloatsToKeys(const float* values, int32_t* keys, size_t n, bool inverted, bool zeros_equal);
void KeysToFloats(const int32_t* keys, float* values, size_t n, bool inverted);
// inverted: ~x. Otherwise a copy.
void IntegersToKeys(const int32_t* values, int32_t* keys, size_t n, bool inverted);
// 1 where the value's bits (without an fp32's sign) are not 0; inverted: where they are.
void TruthToKeys(const uint32_t* values, int32_t* keys, size_t n, bool is_float, bool inverted);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_KERNELS_REDUCE_LOOPS_H_
