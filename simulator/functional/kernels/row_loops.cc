#include "simulator/functional/kernels/row_loops.h"

#include <limits>

#include "simulator/functional/multi_isa.h"

namespace openhpu::simulator {
namespace {

// One NaN for all: which of two an operation returns is the compiler's choice of operand order.
OPENHPU_INLINE float Canonical(float x) {
  return x != x ? std::numeric_limits<float>::quiet_NaN() : x;
}

// 16 lanes, lowered to what the instruction set has.
using Lanes16 = float __attribute__((vector_size(64)));
// Some at any address. Packed, since compilers differ in when they heed the alignment of a vector's
// alias or typedef.
struct __attribute__((packed, may_alias)) LanesAnywhere {
  Lanes16 lanes;
};

// kVectors * 16 results from `at` on; the sums stay in registers over all taps.
template <int kVectors>
OPENHPU_INLINE void TapsInRegisters(const float* const* x, const float* const* weight, size_t taps,
                                    size_t at, float* y) {
  Lanes16 sum[kVectors] = {};
  for (size_t tap = 0; tap < taps; ++tap) {
    const auto* a = reinterpret_cast<const LanesAnywhere*>(x[tap] + at);
    const auto* b = reinterpret_cast<const LanesAnywhere*>(weight[tap] + at);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[v] = sum[v] + a[v].lanes * b[v].lanes;
  }
  float lanes[16 * kVectors];
  for (int v = 0; v < kVectors; ++v) reinterpret_cast<LanesAnywhere*>(lanes)[v].lanes = sum[v];
  for (int i = 0; i < 16 * kVectors; ++i) y[at + static_cast<size_t>(i)] = Canonical(lanes[i]);
}

}  // namespace

OPENHPU_MULTI_ISA float LargestOf(const float* x, size_t n) {
  constexpr size_t kLanes = 16;
  float lanes[kLanes];
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = -std::numeric_limits<float>::infinity();
  size_t k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    for (size_t i = 0; i < kLanes; ++i) lanes[i] = x[k + i] > lanes[i] ? x[k + i] : lanes[i];
  }
  for (size_t i = 0; k + i < n; ++i) lanes[i] = x[k + i] > lanes[i] ? x[k + i] : lanes[i];
  float largest = lanes[0];
  for (size_t i = 1; i < kLanes; ++i) largest = lanes[i] > largest ? lanes[i] : largest;
  return largest;
}

OPENHPU_MULTI_ISA void TakeLargest(const float* x, float* largest, size_t n) {
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    const float v = x[i], l = largest[i];
    largest[i] = v > l ? v : l;
  }
}

OPENHPU_MULTI_ISA void SubtractScalar(const float* x, float s, float* y, size_t n) {
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) y[i] = Canonical(x[i] - s);
}

OPENHPU_MULTI_ISA void DivideByScalar(const float* x, float s, float* y, size_t n) {
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) y[i] = Canonical(x[i] / s);
}

OPENHPU_MULTI_ISA void SubtractRow(const float* x, const float* row, float* y, size_t n) {
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) y[i] = Canonical(x[i] - row[i]);
}

OPENHPU_MULTI_ISA void DivideByRow(const float* x, const float* row, float* y, size_t n) {
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) y[i] = Canonical(x[i] / row[i]);
}

OPENHPU_MULTI_ISA void AddRow(const float* x, float* sum, size_t n) {
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) sum[i] = Canonical(sum[i] + x[i]);
}

OPENHPU_MULTI_ISA void NormalizeRun(const float* x, float mean, float rstd, const float* weight,
                                    const float* bias, float* y, size_t n) {
  if (weight != nullptr && bias != nullptr) {
    OPENHPU_INDEPENDENT
    for (size_t i = 0; i < n; ++i) y[i] = Canonical((x[i] - mean) * rstd * weight[i] + bias[i]);
  } else if (weight != nullptr) {
    OPENHPU_INDEPENDENT
    for (size_t i = 0; i < n; ++i) y[i] = Canonical((x[i] - mean) * rstd * weight[i]);
  } else if (bias != nullptr) {
    OPENHPU_INDEPENDENT
    for (size_t i = 0; i < n; ++i) y[i] = Canonical((x[i] - mean) * rstd + bias[i]);
  } else {
    OPENHPU_INDEPENDENT
    for (size_t i = 0; i < n; ++i) y[i] = Canonical((x[i] - mean) * rstd);
  }
}

OPENHPU_MULTI_ISA void NormalizeRow(const float* x, const float* mean, const float* rstd,
                                    const float* weight, const float* bias, float* y, size_t n) {
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) y[i] = Canonical((x[i] - mean[i]) * rstd[i]);
  if (weight != nullptr) {
    OPENHPU_INDEPENDENT
    for (size_t i = 0; i < n; ++i) y[i] = Canonical(y[i] * weight[i]);
  }
  if (bias != nullptr) {
    OPENHPU_INDEPENDENT
    for (size_t i = 0; i < n; ++i) y[i] = Canonical(y[i] + bias[i]);
  }
}

OPENHPU_MULTI_ISA void PoolLargest(const float* x, int32_t position, float* largest, int32_t* where,
                                   size_t n) {
  if (where == nullptr) {
    OPENHPU_INDEPENDENT
    for (size_t i = 0; i < n; ++i) {
      const float v = x[i], l = largest[i];
      largest[i] = v > l || v != v ? v : l;
    }
    return;
  }
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    const float v = x[i], l = largest[i];
    const bool larger = v > l || v != v;
    largest[i] = larger ? v : l;
    where[i] = larger ? position : where[i];
  }
}

OPENHPU_MULTI_ISA void MultiplyTaps(const float* const* x, const float* const* weight, size_t taps,
                                    float* y, size_t n) {
  size_t at = 0;
  for (; at + 64 <= n; at += 64) TapsInRegisters<4>(x, weight, taps, at, y);
  for (; at + 16 <= n; at += 16) TapsInRegisters<1>(x, weight, taps, at, y);
  for (; at < n; ++at) {
    float sum = 0.0f;
    for (size_t tap = 0; tap < taps; ++tap) sum = sum + x[tap][at] * weight[tap][at];
    y[at] = Canonical(sum);
  }
}

OPENHPU_MULTI_ISA void MultiplyAddIntegers(int32_t a, const int32_t* b, int32_t* sum, size_t n) {
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    sum[i] = static_cast<int32_t>(static_cast<uint32_t>(sum[i]) +
                                  static_cast<uint32_t>(a) * static_cast<uint32_t>(b[i]));
  }
}

}  // namespace openhpu::simulator
