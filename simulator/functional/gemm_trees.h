// Sums in Gaudi2's order (mme_descriptor.md, section 6): one accumulator, to which a step adds
// several products at once. Exact products are aligned to the largest exponent among them, keep
// 26 bits beyond those of an fp32 number there (what is shifted out is cut off their magnitudes),
// and add as integers; that sum and the accumulator are added exactly, and rounded once, to
// nearest. bf16 adds 8 products a step. fp32 adds 2; that each is one exact product is inferred:
// the hardware makes it of partial products, and the reference does not say which.
//
// Denormal inputs and results count as signed zeros. If an infinity or a NaN is among the numbers,
// the result is that of ordinary arithmetic.
#ifndef SIMULATOR_FUNCTIONAL_GEMM_TREES_H_
#define SIMULATOR_FUNCTIONAL_GEMM_TREES_H_

#include <cstdint>

#include "hal/base/dtype.h"

namespace openhpu::simulator {

inline constexpr int kMostProductsAtOnce = 8;
constexpr int ProductsAtOnce(DType in) { return in == DType::kBFloat16 ? 8 : 2; }

// sums[r][c] += a[k][r] * b[k][c] for k = 0 .. count - 1, ProductsAtOnce(in) of them a step, the
// last step filled up with zeros. a is [count][a_width], b [count][b_width]; rows and columns of
// them are used, and sums is [rows][columns_apart].
void AddTrees(DType in, int64_t count, const float* a, int64_t a_width, int64_t rows,
              const float* b, int64_t b_width, int64_t columns, float* sums, int64_t columns_apart);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GEMM_TREES_H_
