#include "simulator/functional/gemm_trees.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
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

// tree * 2^scale + sum where the tree has more bits than a double.
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

// tree * 2^scale + sum, rounded once.
OPENHPU_INLINE float Round(int64_t tree, int scale, float sum) {
  if (tree == 0) return sum;
  if (tree >= int64_t{1} << 53 || tree <= -(int64_t{1} << 53)) return RoundWide(tree, scale, sum);
  const double wide = static_cast<double>(tree) * PowerOfTwo(scale), more = sum;
  double total = wide + more;
  const double part = total - wide;
  const double error = (wide - (total - part)) + (more - part);
  if (error != 0) {  // to odd: the next rounding is then the only one
    int64_t bits;
    std::memcpy(&bits, &total, sizeof bits);
    if ((bits & 1) == 0) bits += (error > 0) == (total > 0) ? 1 : -1;
    std::memcpy(&total, &bits, sizeof bits);
  }
  return FlushedResult(total);
}

// Numbers of one operand, split, [count][width].
struct SplitNumbers {
  std::vector<int32_t> mantissa, exponent;
  bool finite = true;

  void Read(int64_t count, const float* from, int64_t apart, int64_t width) {
    mantissa.resize(count * width);
    exponent.resize(count * width);
    finite = true;
    for (int64_t k = 0; k < count; ++k) {
      for (int64_t i = 0; i < width; ++i) {
        const float x = from[k * apart + i];
        finite = finite && Finite(x);
        Split(x, mantissa[k * width + i], exponent[k * width + i]);
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

// One step of one row: `count` products for each of the columns. `largest` and `trees` are scratch.
OPENHPU_MULTI_ISA
void TreeRow(int64_t count, const int32_t* a_mantissa, const int32_t* a_exponent, int64_t a_apart,
             const int32_t* b_mantissa, const int32_t* b_exponent, int64_t columns,
             int32_t* __restrict largest, int64_t* __restrict trees) {
  for (int64_t c = 0; c < columns; ++c) largest[c] = 2 * kZeroExponent, trees[c] = 0;
  for (int64_t k = 0; k < count; ++k) {
    const int32_t e = a_exponent[k * a_apart];
    const int32_t* const other = b_exponent + k * columns;
    for (int64_t c = 0; c < columns; ++c) largest[c] = std::max(largest[c], e + other[c]);
  }
  for (int64_t k = 0; k < count; ++k) {
    const int32_t e = a_exponent[k * a_apart];
    const int64_t m = a_mantissa[k * a_apart];
    if (m == 0) continue;
    const int32_t* const other = b_exponent + k * columns;
    const int32_t* const mantissas = b_mantissa + k * columns;
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t product = m * mantissas[c];  // 46 bits of fraction
      const int64_t sign = product >> 63;
      const auto size = static_cast<uint64_t>((product ^ sign) - sign);
      const int64_t shift = std::min(largest[c] - e - other[c], 63);
      const auto aligned = static_cast<int64_t>((size << (kFraction - 46)) >> shift);
      trees[c] += (aligned ^ sign) - sign;
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
  largest.resize(columns);
  trees.resize(columns);
  const int64_t at_once = ProductsAtOnce(in);
  for (int64_t k = 0; k < count; k += at_once) {
    const int64_t step = std::min(at_once, count - k);
    const float* const a_step = a + k * a_width;
    const float* const b_step = b + k * b_width;
    a_split.Read(step, a_step, a_width, rows);
    b_split.Read(step, b_step, b_width, columns);
    for (int64_t r = 0; r < rows; ++r) {
      float* const to = sums + r * columns_apart;
      bool zeros = true, finite = b_split.finite;
      for (int64_t i = 0; i < step; ++i) {
        zeros = zeros && a_split.mantissa[i * rows + r] == 0;
        finite = finite && Finite(a_step[i * a_width + r]);
      }
      if (zeros && finite) continue;
      TreeRow(step, a_split.mantissa.data() + r, a_split.exponent.data() + r, rows,
              b_split.mantissa.data(), b_split.exponent.data(), columns, largest.data(),
              trees.data());
      for (int64_t c = 0; c < columns; ++c) {
        bool ordinary = Finite(to[c]);
        for (int64_t i = 0; i < step && ordinary && !finite; ++i) {
          ordinary = Finite(a_step[i * a_width + r]) && Finite(b_step[i * b_width + c]);
        }
        to[c] = ordinary
                    ? Round(trees[c], largest[c] - kFraction, to[c])
                    : Flushed(OrdinaryStep(step, a_step + r, a_width, b_step + c, b_width, to[c]));
      }
    }
  }
}

}  // namespace openhpu::simulator
