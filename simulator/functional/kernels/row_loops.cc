#include "simulator/functional/kernels/row_loops.h"

#include <limits>

#include "simulator/functional/multi_isa.h"

namespace openhpu::simulator {
namespace {

// One NaN for all: which of two an operation returns is the compiler's choice of operand order.
OPENHPU_INLINE float Canonical(float x) {
  return x != x ? std::numeric_limits<float>::quiet_NaN() : x;
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
  // Pieces that stay in registers over all taps.
  constexpr size_t kPiece = 64;
  size_t at = 0;
  for (; at + kPiece <= n; at += kPiece) {
    float sum[kPiece] = {};
    for (size_t tap = 0; tap < taps; ++tap) {
      const float* a = x[tap] + at;
      const float* b = weight[tap] + at;
      for (size_t i = 0; i < kPiece; ++i) sum[i] = sum[i] + a[i] * b[i];
    }
    for (size_t i = 0; i < kPiece; ++i) y[at + i] = Canonical(sum[i]);
  }
  if (at == n) return;
  float sum[kPiece] = {};
  for (size_t tap = 0; tap < taps; ++tap) {
    const float* a = x[tap] + at;
    const float* b = weight[tap] + at;
    for (size_t i = 0; at + i < n; ++i) sum[i] = sum[i] + a[i] * b[i];
  }
  for (size_t i = 0; at + i < n; ++i) y[at + i] = Canonical(sum[i]);
}

OPENHPU_MULTI_ISA void MultiplyAddIntegers(int32_t a, const int32_t* b, int32_t* sum, size_t n) {
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    sum[i] = static_cast<int32_t>(static_cast<uint32_t>(sum[i]) +
                                  static_cast<uint32_t>(a) * static_cast<uint32_t>(b[i]));
  }
}

}  // namespace openhpu::simulator
