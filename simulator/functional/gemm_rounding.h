// How the MME sums, and how it rounds what does not fit: sums, and results on their way to bf16.
// Codes of the descriptor's roundingMode (mme_descriptor.md, section 6).
#ifndef SIMULATOR_FUNCTIONAL_GEMM_ROUNDING_H_
#define SIMULATOR_FUNCTIONAL_GEMM_ROUNDING_H_

#include <cstdint>

namespace openhpu::simulator {

enum class Rounding : uint8_t { kNearestEven = 0, kZero = 1, kUp = 2, kDown = 3 };

// In which order the products of a sum are added: Gaudi's four chains of fused multiply-adds, or
// Gaudi2's trees, which add several products to the sum at once (gemm_trees.h).
enum class SumOrder : uint8_t { kChains, kTrees };

inline constexpr uint32_t kFloatNan = 0x7FFFFFFF;  // what every NaN becomes
inline constexpr uint16_t kBFloat16Nan = 0x7FFF;

// The bits of a float, not a NaN, as bf16.
template <Rounding kRounding>
inline uint16_t RoundToBFloat16(uint32_t bits) {
  switch (kRounding) {
    case Rounding::kNearestEven:
      bits += 0x7FFFu + (bits >> 16 & 1u);
      break;
    case Rounding::kZero:
      break;
    case Rounding::kUp:
      if ((bits >> 31) == 0) bits += 0xFFFFu;
      break;
    case Rounding::kDown:
      if ((bits >> 31) != 0) bits += 0xFFFFu;
      break;
  }
  return static_cast<uint16_t>(bits >> 16);
}

// Stochastic: away from zero when the discarded bits, left-aligned, are no less than the random
// number, which is never 0. A value that fits stays.
inline uint16_t RoundToBFloat16(uint32_t bits, uint32_t random) {
  return static_cast<uint16_t>((bits >> 16) + ((bits << 16) >= random ? 1u : 0u));
}

// The generators of an array: shift right, and XOR the polynomial when a 1 falls out. Their seeds
// and polynomial are registers of the ACC block, which no queue reaches; the reference gives
// neither values nor how lanes map to columns. So these are inferred: column c of a line draws from
// generator c mod 32, every line draws for all columns of the array, the polynomial is a primitive
// one, and the seeds are a fixed sequence that differs between the arrays of a pair.
class RoundingGenerators {
 public:
  static constexpr int kLanes = 32;

  explicit RoundingGenerators(uint32_t array = 0) {
    for (uint32_t i = 0; i < kLanes; ++i) state_[i] = 0x9E3779B9u * (kLanes * array + i + 1);
  }
  // The numbers of one line.
  void Draw(int64_t columns, uint32_t* numbers) {
    for (int64_t c = 0; c < columns; ++c) {
      uint32_t& x = state_[c % kLanes];
      numbers[c] = x;
      x = (x >> 1) ^ ((x & 1) != 0 ? kPolynomial : 0u);
    }
  }

 private:
  static constexpr uint32_t kPolynomial = 0x80200003;
  uint32_t state_[kLanes];
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GEMM_ROUNDING_H_
