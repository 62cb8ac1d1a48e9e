#include "simulator/functional/gemm_trees.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "simulator/functional/gemm_kernels.h"
#include "simulator/functional/multi_isa.h"

namespace openhpu::simulator {
namespace {

constexpr int kFraction = 23 + 26;  // bits of an aligned product below the largest exponent
constexpr int kZeroExponent = -4096;

uint32_t BitsOf(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

bool Finite(float x) { return (BitsOf(x) & 0x7F800000u) != 0x7F800000u; }

// A number as mantissa * 2^(exponent - 23); a zero, and what counts as one, has a mantissa of 0 and
// an exponent that is below all others.
void Split(float x, int32_t& mantissa, int32_t& exponent) {
  const uint32_t bits = BitsOf(x);
  const auto biased = static_cast<int32_t>(bits >> 23 & 0xFF);
  const auto size = static_cast<int32_t>((bits & 0x7FFFFFu) | 0x800000u);
  mantissa = biased == 0 ? 0 : (bits >> 31) != 0 ? -size : size;
  exponent = biased == 0 ? kZeroExponent : biased - 127;
}

float FlushedResult(double value) {
  // Rounded as if the exponent had no lower bound, then flushed.
  constexpr double kSmallest = FLT_MIN;
  if (std::fabs(value) < 2 * kSmallest) {
    const float scaled = static_cast<float>(value * 0x1p64);
    return std::fabs(scaled) < FLT_MIN * 0x1p64f ? std::copysign(0.0f, scaled) : scaled * 0x1p-64f;
  }
  return static_cast<float>(value);
}

double PowerOfTwo(int exponent) {
  const uint64_t bits = static_cast<uint64_t>(exponent + 1023) << 52;
  double power;
  std::memcpy(&power, &bits, sizeof power);
  return power;
}

// tree * 2^scale + sum, rounded once, in integers.
float RoundWide(int64_t tree, int scale, float sum) {
  int32_t mantissa, exponent;
  Split(sum, mantissa, exponent);
  const int low_of_sum = mantissa == 0 ? scale : exponent - 23;
  constexpr int kMostApart = 60;
  __int128 total = tree;
  int low = scale;
  if (low_of_sum > scale + kMostApart) {  // the tree is far below the sum's last bit
    total = static_cast<__int128>(mantissa) * (__int128{1} << 64) + (tree > 0 ? 1 : -1);
    low = low_of_sum - 64;
  } else if (low_of_sum >= scale) {
    total += static_cast<__int128>(mantissa) * (__int128{1} << (low_of_sum - scale));
  } else if (low_of_sum >= scale - kMostApart) {
    total = total * (__int128{1} << (scale - low_of_sum)) + mantissa;
    low = low_of_sum;
  } else {
    total = total * (__int128{1} << kMostApart) + (mantissa > 0 ? 1 : -1);
    low = scale - kMostApart;
  }
  // To 53 bits, of which the last says whether anything was lost: then a double rounds once.
  const bool negative = total < 0;
  unsigned __int128 size = negative ? -static_cast<unsigned __int128>(total) : total;
  bool lost = false;
  while (size >> 53 != 0) {
    lost = lost || (size & 1) != 0;
    size >>= 1;
    ++low;
  }
  const auto digits = static_cast<double>(static_cast<uint64_t>(size) | (lost ? 1 : 0));
  return FlushedResult((negative ? -digits : digits) * PowerOfTwo(low));
}

// tree * 2^(largest - kFraction) + sum, rounded once.
float Round(int64_t tree, int largest, float sum) {
  return tree == 0 ? sum : RoundWide(tree, largest - kFraction, sum);
}

// The same for a row of columns, by doubles: those to which a result is not marked need Round.
OPENHPU_MULTI_ISA
void RoundRow(int64_t columns, const int64_t* __restrict trees, const int32_t* __restrict largest,
              const float* __restrict sums, float* __restrict results,
              uint8_t* __restrict wanting) {
  constexpr int64_t kDoubles = int64_t{1} << 53;
  // No branches, so that lanes do not wait for each other.
  for (int64_t c = 0; c < columns; ++c) {
    const int64_t exponent = std::max(largest[c], -512) - kFraction;  // of a sum that is 0, any
    const int64_t power_bits = (exponent + 1023) << 52;
    double power;
    std::memcpy(&power, &power_bits, sizeof power);
    const double wide = static_cast<double>(trees[c]) * power, more = sums[c];
    const double total = wide + more, part = total - wide;
    const double error = (wide - (total - part)) + (more - part);
    // To odd, if anything was lost: the next rounding is then the only one.
    int64_t bits;
    std::memcpy(&bits, &total, sizeof bits);
    const auto away = static_cast<int64_t>((error > 0) == (total > 0));
    const auto lost = static_cast<int64_t>((error != 0) & ((bits & 1) == 0));
    bits += (2 * away - 1) & -lost;
    double odd;
    std::memcpy(&odd, &bits, sizeof odd);
    results[c] = static_cast<float>(odd);
    const double size = std::fabs(odd);
    const bool exact = (trees[c] < kDoubles) & (trees[c] > -kDoubles);
    const bool normal = (size >= 2.0 * FLT_MIN) | (size == 0);
    const bool finite = std::fabs(sums[c]) <= FLT_MAX;
    wanting[c] = static_cast<uint8_t>(!(exact & normal & finite));
  }
}

// Numbers of one operand, split, [count][width]. Signs are 0 or -1.
struct SplitNumbers {
  std::vector<uint32_t> size;
  std::vector<int32_t> sign, exponent;
  bool finite = true;

  void Read(int64_t count, const float* from, int64_t apart, int64_t width) {
    size.resize(count * width);
    sign.resize(count * width);
    exponent.resize(count * width);
    finite = true;
    for (int64_t k = 0; k < count; ++k) {
      for (int64_t i = 0; i < width; ++i) {
        const float x = from[k * apart + i];
        finite = finite && Finite(x);
        const int64_t at = k * width + i;
        int32_t mantissa;
        Split(x, mantissa, exponent[at]);
        size[at] = static_cast<uint32_t>(std::abs(mantissa));
        sign[at] = mantissa < 0 ? -1 : 0;
      }
    }
  }
};

float OrdinaryStep(int64_t count, const float* a, int64_t a_width, const float* b, int64_t b_width,
                   float sum) {
  double total = sum;
  for (int64_t k = 0; k < count; ++k) {
    total += static_cast<double>(a[k * a_width]) * b[k * b_width];
  }
  return static_cast<float>(total);
}

float Flushed(float x) { return std::fabs(x) < FLT_MIN ? std::copysign(0.0f, x) : x; }

// One step of one row: the trees of `count` products for each column, and their largest exponents.
// a is column `row` of numbers that are a_apart wide.
OPENHPU_MULTI_ISA
void TreeRow(int64_t count, const SplitNumbers& a, int64_t row, int64_t a_apart,
             const SplitNumbers& b, int64_t columns, int32_t* __restrict largest,
             int64_t* __restrict trees) {
  for (int64_t c = 0; c < columns; ++c) largest[c] = 2 * kZeroExponent, trees[c] = 0;
  for (int64_t k = 0; k < count; ++k) {
    const int32_t e = a.exponent[k * a_apart + row];
    const int32_t* const other = b.exponent.data() + k * columns;
    for (int64_t c = 0; c < columns; ++c) largest[c] = std::max(largest[c], e + other[c]);
  }
  for (int64_t k = 0; k < count; ++k) {
    const int64_t at = k * a_apart + row;
    const int32_t e = a.exponent[at], sign = a.sign[at];
    const uint64_t size = a.size[at];
    if (size == 0) continue;
    const int32_t* const exponents = b.exponent.data() + k * columns;
    const int32_t* const signs = b.sign.data() + k * columns;
    const uint32_t* const sizes = b.size.data() + k * columns;
    for (int64_t c = 0; c < columns; ++c) {
      const uint64_t product = size * sizes[c];  // with 46 bits of fraction
      const auto shift = static_cast<uint64_t>(std::min(largest[c] - e - exponents[c], 63));
      const auto aligned = static_cast<int64_t>((product << (kFraction - 46)) >> shift);
      const int64_t mask = signs[c] ^ sign;
      trees[c] += (aligned ^ mask) - mask;
    }
  }
}

}  // namespace

void AddTrees(DType in, int64_t count, const float* a, int64_t a_width, int64_t rows,
              const float* b, int64_t b_width, int64_t columns, float* sums,
              int64_t columns_apart) {
  const FlushDenormals flush(Rounding::kNearestEven);
  thread_local SplitNumbers a_split, b_split;
  thread_local std::vector<int32_t> largest;
  thread_local std::vector<int64_t> trees;
  thread_local std::vector<float> results;
  thread_local std::vector<uint8_t> wanting;
  largest.resize(columns);
  trees.resize(columns);
  results.resize(columns);
  wanting.resize(columns);
  const int64_t at_once = ProductsAtOnce(in);
  for (int64_t k = 0; k < count; k += at_once) {
    const int64_t step = std::min(at_once, count - k);
    const float* const a_step = a + k * a_width;
    const float* const b_step = b + k * b_width;
    a_split.Read(step, a_step, a_width, rows);
    b_split.Read(step, b_step, b_width, columns);
    for (int64_t r = 0; r < rows; ++r) {
      bool zeros = true, finite = b_split.finite;
      for (int64_t i = 0; i < step; ++i) {
        zeros = zeros && a_split.size[i * rows + r] == 0;
        finite = finite && Finite(a_step[i * a_width + r]);
      }
      if (zeros && finite) continue;
      TreeRow(step, a_split, r, rows, b_split, columns, largest.data(), trees.data());
      float* const to = sums + r * columns_apart;
      RoundRow(columns, trees.data(), largest.data(), to, results.data(), wanting.data());
      for (int64_t c = 0; c < columns; ++c) {
        if (finite && wanting[c] == 0) {
          to[c] = results[c];
          continue;
        }
        bool ordinary = Finite(to[c]);
        for (int64_t i = 0; i < step && ordinary && !finite; ++i) {
          ordinary = Finite(a_step[i * a_width + r]) && Finite(b_step[i * b_width + c]);
        }
        to[c] = ordinary
                    ? Round(trees[c], largest[c], to[c])
                    : Flushed(OrdinaryStep(step, a_step + r, a_width, b_step + c, b_width, to[c]));
      }
    }
  }
}

}  // namespace openhpu::simulator
