// Pieces of the exact product, for who has operands that no stride describes. See gemm.h for the
// arithmetic.
#ifndef SIMULATOR_FUNCTIONAL_GEMM_EXACT_H_
#define SIMULATOR_FUNCTIONAL_GEMM_EXACT_H_

#include <cstddef>
#include <cstdint>

#include "hal/base/dtype.h"

namespace openhpu::simulator {

// Adds `count` outer products a[k] x b[k] (both [count][width]) to four running chains
// ([4][width][width]); the first has number `first_k`, and the chain of number k is k mod 4.
void AddToChains(int64_t first_k, int64_t count, const float* a, const float* b, int width,
                 float* chains);

// sums = the roll-up of four chains of `elements` values each after k_total vectors.
void RollUpChains(const float* chains, int64_t k_total, int64_t elements, float* sums);

// sums += more, with denormals flushed.
void AddTiles(const float* more, int64_t elements, float* sums);

// + 0, ReLU, conversion and canonical NaNs of `count` values to consecutive elements.
void FinishRow(const float* sums, int64_t count, bool relu, DType out, std::byte* to);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GEMM_EXACT_H_
