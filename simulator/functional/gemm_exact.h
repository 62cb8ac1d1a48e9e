// Pieces of the exact product, for who has operands that no stride describes. See gemm.h for the
// arithmetic.
#ifndef SIMULATOR_FUNCTIONAL_GEMM_EXACT_H_
#define SIMULATOR_FUNCTIONAL_GEMM_EXACT_H_

#include <cstddef>
#include <cstdint>

#include "hal/base/dtype.h"
#include "simulator/functional/gemm_rounding.h"

namespace openhpu::simulator {

// Adds `count` outer products a[k] x b[k] (both [count][width]) to four running chains
// ([4][width][width]); the first has number `first_k`, and the chain of number k is k mod 4.
void AddToChains(int64_t first_k, int64_t count, const float* a, const float* b, int width,
                 Rounding rounding, float* chains);

// sums = the roll-up of four chains of `elements` values each after k_total vectors.
void RollUpChains(const float* chains, int64_t k_total, int64_t elements, Rounding rounding,
                  float* sums);

// sums += more, with denormals flushed.
void AddTiles(const float* more, int64_t elements, Rounding rounding, float* sums);

// No negative zero, ReLU, conversion and canonical NaNs of `count` values to consecutive elements.
// `random`: null, or a number for each value by which a conversion to bf16 is rounded instead.
void FinishRow(const float* sums, int64_t count, bool relu, DType out, Rounding rounding,
               const uint32_t* random, std::byte* to);

// Adds to (or subtracts from) memory `count` finished elements, as a store with a reduction does.
struct Reduction {
  DType type = DType::kFloat32;
  Rounding rounding = Rounding::kNearestEven;
  bool subtract = false;
};
void ReduceRow(const Reduction& reduction, const std::byte* values, int64_t count, std::byte* to);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GEMM_EXACT_H_
