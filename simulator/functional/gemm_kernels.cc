#include "simulator/functional/gemm_kernels.h"

#include <cfenv>
#include <cfloat>
#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace openhpu::simulator {
namespace {

float Flush(float x) { return std::fabs(x) < FLT_MIN ? std::copysign(0.0f, x) : x; }

Rounding CurrentRounding() {
#if defined(__x86_64__)  // std::fegetround asks the other floating-point unit
  constexpr Rounding kModes[] = {Rounding::kNearestEven, Rounding::kDown, Rounding::kUp,
                                 Rounding::kZero};
  return kModes[_mm_getcsr() >> 13 & 3];
#else
  switch (std::fegetround()) {
    case FE_TOWARDZERO:
      return Rounding::kZero;
    case FE_UPWARD:
      return Rounding::kUp;
    case FE_DOWNWARD:
      return Rounding::kDown;
    default:
      return Rounding::kNearestEven;
  }
#endif
}

// Whether a * b + c, which was rounded to the smallest normal number, is below it when rounded as
// if the exponent had no lower bound.
bool BelowNormal(float a, float b, float c, Rounding rounding) {
  if (rounding == Rounding::kZero) return false;
  const FlushDenormals nearest;  // the error below is exact in no other rounding
  // The exact sum, as a double and its error.
  const volatile double product = static_cast<double>(a) * b;
  const volatile double rounded = product + c;
  const volatile double part = rounded - product;
  const volatile double error = (product - (rounded - part)) + (c - part);
  const double size = std::fabs(rounded), grow = rounded < 0 ? -error : error;
  const bool away = rounding == (rounded < 0 ? Rounding::kDown : Rounding::kUp);
  if (rounding != Rounding::kNearestEven && !away) return false;
  // The tie, which goes to the even smallest normal number; or the next number below that.
  const double edge = static_cast<double>(FLT_MIN) * (1.0 - (away ? 0x1p-24 : 0x1p-25));
  return size < edge || (size == edge && (grow < 0 || (grow == 0 && away)));
}

// One step as the vector units do it with denormals flushed. They decide by the result rounded as
// if the exponent had no lower bound.
float FlushedFma(float a, float b, float c) {
  a = Flush(a);
  b = Flush(b);
  c = Flush(c);
  const float sum = std::fmaf(a, b, c);
  if (std::fabs(sum) != FLT_MIN) return Flush(sum);
  return BelowNormal(a, b, c, CurrentRounding()) ? std::copysign(0.0f, sum) : sum;
}

constexpr int kPortableRows = 4, kPortableColumns = 8;
void PortableKernel(int64_t count, const float* a, const float* b, float* sums) {
  for (int64_t k = 0; k < count; ++k, a += kPortableRows, b += kPortableColumns) {
    for (int r = 0; r < kPortableRows; ++r) {
      for (int c = 0; c < kPortableColumns; ++c) {
        float& sum = sums[r * kPortableColumns + c];
        sum = FlushedFma(a[r], b[c], sum);
      }
    }
  }
}

#if defined(__x86_64__)

constexpr int kAvx2Rows = 4, kAvx2Vectors = 3;
__attribute__((target("avx2,fma"))) void Avx2Kernel(int64_t count, const float* a, const float* b,
                                                    float* sums) {
  __m256 s[kAvx2Rows][kAvx2Vectors];
#pragma GCC unroll 4
  for (int r = 0; r < kAvx2Rows; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < kAvx2Vectors; ++v)
      s[r][v] = _mm256_loadu_ps(sums + (r * kAvx2Vectors + v) * 8);
  }
  for (int64_t k = 0; k < count; ++k, a += kAvx2Rows, b += 8 * kAvx2Vectors) {
    __m256 x[kAvx2Vectors];
#pragma GCC unroll 3
    for (int v = 0; v < kAvx2Vectors; ++v) x[v] = _mm256_loadu_ps(b + 8 * v);
#pragma GCC unroll 4
    for (int r = 0; r < kAvx2Rows; ++r) {
      const __m256 y = _mm256_broadcast_ss(a + r);
#pragma GCC unroll 3
      for (int v = 0; v < kAvx2Vectors; ++v) s[r][v] = _mm256_fmadd_ps(y, x[v], s[r][v]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kAvx2Rows; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < kAvx2Vectors; ++v)
      _mm256_storeu_ps(sums + (r * kAvx2Vectors + v) * 8, s[r][v]);
  }
}

constexpr int kAvx512Rows = 8, kAvx512Vectors = 3;
__attribute__((target("avx512f"))) void Avx512Kernel(int64_t count, const float* a, const float* b,
                                                     float* sums) {
  __m512 s[kAvx512Rows][kAvx512Vectors];
#pragma GCC unroll 8
  for (int r = 0; r < kAvx512Rows; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < kAvx512Vectors; ++v) {
      s[r][v] = _mm512_loadu_ps(sums + (r * kAvx512Vectors + v) * 16);
    }
  }
  for (int64_t k = 0; k < count; ++k, a += kAvx512Rows, b += 16 * kAvx512Vectors) {
    __m512 x[kAvx512Vectors];
#pragma GCC unroll 3
    for (int v = 0; v < kAvx512Vectors; ++v) x[v] = _mm512_loadu_ps(b + 16 * v);
#pragma GCC unroll 8
    for (int r = 0; r < kAvx512Rows; ++r) {
      const __m512 y = _mm512_set1_ps(a[r]);
#pragma GCC unroll 3
      for (int v = 0; v < kAvx512Vectors; ++v) s[r][v] = _mm512_fmadd_ps(y, x[v], s[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kAvx512Rows; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < kAvx512Vectors; ++v) {
      _mm512_storeu_ps(sums + (r * kAvx512Vectors + v) * 16, s[r][v]);
    }
  }
}

#endif  // __x86_64__

std::vector<ChainKernel> Available() {
  std::vector<ChainKernel> kernels;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    kernels.push_back({"avx512", kAvx512Rows, 16 * kAvx512Vectors, Avx512Kernel});
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    kernels.push_back({"avx2", kAvx2Rows, 8 * kAvx2Vectors, Avx2Kernel});
  }
#endif
  kernels.push_back({"portable", kPortableRows, kPortableColumns, PortableKernel});
  return kernels;
}

}  // namespace

const std::vector<ChainKernel>& ChainKernels() {
  static const auto* kernels = new std::vector<ChainKernel>(Available());
  return *kernels;
}

const ChainKernel& BestChainKernel() { return ChainKernels().front(); }

#if defined(__x86_64__)
// Bits 6 (denormals are zeros), 15 (flush to zero) and 14:13 (rounding: nearest, down, up, zero) of
// MXCSR; no exception unmasked.
FlushDenormals::FlushDenormals(Rounding rounding) : saved_(_mm_getcsr()) {
  constexpr unsigned kModes[] = {0x0000u, 0x6000u, 0x4000u, 0x2000u};
  _mm_setcsr(0x1F80u | 0x8040u | kModes[static_cast<int>(rounding)]);
}
FlushDenormals::~FlushDenormals() { _mm_setcsr(saved_); }
#else
FlushDenormals::FlushDenormals(Rounding rounding)
    : saved_(static_cast<unsigned>(std::fegetround())) {
  constexpr int kModes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_UPWARD, FE_DOWNWARD};
  std::fesetround(kModes[static_cast<int>(rounding)]);
}
FlushDenormals::~FlushDenormals() { std::fesetround(static_cast<int>(saved_)); }
#endif

}  // namespace openhpu::simulator
