#include "simulator/functional/kernels/reduce_loops.h"

#include <cstring>
#include <limits>

#include "simulator/functional/multi_isa.h"

namespace openhpu::simulator {
namespace {

constexpr int32_t kNanKey = std::numeric_limits<int32_t>::max();

// Each accumulation: where it starts and how a partial takes in a value.
struct Sum {
  using Value = float;
  static constexpr float kStart = 0.0f;
  static OPENHPU_INLINE float Take(float partial, float x, float) { return partial + x; }
  static OPENHPU_INLINE float Join(float a, float b) { return a + b; }
};
struct Squares : Sum {
  static OPENHPU_INLINE float Take(float partial, float x, float mean) {
    const float d = x - mean;
    return partial + d * d;
  }
};
struct Product {
  using Value = float;
  static constexpr float kStart = 1.0f;
  static OPENHPU_INLINE float Take(float partial, float x, float) { return partial * x; }
  static OPENHPU_INLINE float Join(float a, float b) { return a * b; }
};
struct IntegerSum {
  using Value = uint32_t;
  static constexpr uint32_t kStart = 0;
  static OPENHPU_INLINE uint32_t Take(uint32_t partial, uint32_t x, float) { return partial + x; }
  static OPENHPU_INLINE uint32_t Join(uint32_t a, uint32_t b) { return a + b; }
};
struct IntegerProduct {
  using Value = uint32_t;
  static constexpr uint32_t kStart = 1;
  static OPENHPU_INLINE uint32_t Take(uint32_t partial, uint32_t x, float) { return partial * x; }
  static OPENHPU_INLINE uint32_t Join(uint32_t a, uint32_t b) { return a * b; }
};
struct Largest {
  using Value = int32_t;
  static constexpr int32_t kStart = std::numeric_limits<int32_t>::min();
  static OPENHPU_INLINE int32_t Take(int32_t partial, int32_t x, float) {
    return x > partial ? x : partial;
  }
  static OPENHPU_INLINE int32_t Join(int32_t a, int32_t b) { return b > a ? b : a; }
};

template <typename Op>
OPENHPU_INLINE void Init(void* partials, size_t n) {
  auto* y = static_cast<typename Op::Value*>(partials);
  for (size_t i = 0; i < n; ++i) y[i] = Op::kStart;
}

template <typename Op>
OPENHPU_INLINE void Run(const void* values, size_t n, uint32_t p, float mean, void* partials) {
  using Value = typename Op::Value;
  const auto* x = static_cast<const Value*>(values);
  auto* y = static_cast<Value*>(partials);
  size_t k = 0;
  for (; k < n && (p + k) % kPartials != 0; ++k) {
    Value& partial = y[(p + k) % kPartials];
    partial = Op::Take(partial, x[k], mean);
  }
  Value local[kPartials];
  std::memcpy(local, y, sizeof local);
  for (; k + kPartials <= n; k += kPartials) {
    for (size_t i = 0; i < kPartials; ++i) local[i] = Op::Take(local[i], x[k + i], mean);
  }
  for (size_t i = 0; k + i < n; ++i) local[i] = Op::Take(local[i], x[k + i], mean);
  std::memcpy(y, local, sizeof local);
}

template <typename Op>
OPENHPU_INLINE void Row(const void* values, size_t n, const float* mean, void* partials) {
  const auto* x = static_cast<const typename Op::Value*>(values);
  auto* y = static_cast<typename Op::Value*>(partials);
  if (mean == nullptr) {
    OPENHPU_INDEPENDENT
    for (size_t i = 0; i < n; ++i) y[i] = Op::Take(y[i], x[i], 0.0f);
  } else {
    OPENHPU_INDEPENDENT
    for (size_t i = 0; i < n; ++i) y[i] = Op::Take(y[i], x[i], mean[i]);
  }
}

template <typename Op>
OPENHPU_INLINE void Join(void* left, const void* right, size_t n) {
  auto* y = static_cast<typename Op::Value*>(left);
  const auto* x = static_cast<const typename Op::Value*>(right);
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) y[i] = Op::Join(y[i], x[i]);
}

OPENHPU_INLINE void FirstLargestRun(const int32_t* x, size_t n, uint32_t p, int32_t* y,
                                    int32_t* where) {
  size_t k = 0;
  for (; k < n && (p + k) % kPartials != 0; ++k) {
    const size_t i = (p + k) % kPartials;
    where[i] = x[k] > y[i] ? static_cast<int32_t>(p + k) : where[i];
    y[i] = x[k] > y[i] ? x[k] : y[i];
  }
  for (; k < n; k += kPartials) {
    const size_t count = n - k < kPartials ? n - k : kPartials;
    OPENHPU_INDEPENDENT
    for (size_t i = 0; i < count; ++i) {
      const bool larger = x[k + i] > y[i];
      where[i] = larger ? static_cast<int32_t>(p + k + i) : where[i];
      y[i] = larger ? x[k + i] : y[i];
    }
  }
}

OPENHPU_INLINE void FirstLargestRow(const int32_t* x, size_t n, uint32_t p, int32_t* y,
                                    int32_t* where) {
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    const bool larger = x[i] > y[i];
    where[i] = larger ? static_cast<int32_t>(p) : where[i];
    y[i] = larger ? x[i] : y[i];
  }
}

OPENHPU_INLINE void FirstLargestJoin(int32_t* y, int32_t* y_where, const int32_t* x,
                                     const int32_t* x_where, size_t n) {
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    const bool better = x[i] > y[i] || (x[i] == y[i] && x_where[i] < y_where[i]);
    y[i] = better ? x[i] : y[i];
    y_where[i] = better ? x_where[i] : y_where[i];
  }
}

}  // namespace

OPENHPU_MULTI_ISA void InitPartials(Accumulation accumulation, void* partials, int32_t* where,
                                    size_t n) {
  switch (accumulation) {
    case Accumulation::kSum:
    case Accumulation::kSquares:
      return Init<Sum>(partials, n);
    case Accumulation::kProduct:
      return Init<Product>(partials, n);
    case Accumulation::kIntegerSum:
      return Init<IntegerSum>(partials, n);
    case Accumulation::kIntegerProduct:
      return Init<IntegerProduct>(partials, n);
    case Accumulation::kFirstLargest:
      // Beyond every index, so that the smallest key loses to a real one.
      for (size_t i = 0; i < n; ++i) where[i] = std::numeric_limits<int32_t>::max();
      return Init<Largest>(partials, n);
    case Accumulation::kLargest:
      return Init<Largest>(partials, n);
  }
}

OPENHPU_MULTI_ISA void AccumulateRun(Accumulation accumulation, const void* values, size_t n,
                                     uint32_t p, float mean, void* partials, int32_t* where) {
  switch (accumulation) {
    case Accumulation::kSum:
      return Run<Sum>(values, n, p, mean, partials);
    case Accumulation::kSquares:
      return Run<Squares>(values, n, p, mean, partials);
    case Accumulation::kProduct:
      return Run<Product>(values, n, p, mean, partials);
    case Accumulation::kIntegerSum:
      return Run<IntegerSum>(values, n, p, mean, partials);
    case Accumulation::kIntegerProduct:
      return Run<IntegerProduct>(values, n, p, mean, partials);
    case Accumulation::kLargest:
      return Run<Largest>(values, n, p, mean, partials);
    case Accumulation::kFirstLargest:
      return FirstLargestRun(static_cast<const int32_t*>(values), n, p,
                             static_cast<int32_t*>(partials), where);
  }
}

OPENHPU_MULTI_ISA void AccumulateRow(Accumulation accumulation, const void* values, size_t n,
                                     uint32_t p, const float* mean, void* partials,
                                     int32_t* where) {
  switch (accumulation) {
    case Accumulation::kSum:
      return Row<Sum>(values, n, mean, partials);
    case Accumulation::kSquares:
      return Row<Squares>(values, n, mean, partials);
    case Accumulation::kProduct:
      return Row<Product>(values, n, mean, partials);
    case Accumulation::kIntegerSum:
      return Row<IntegerSum>(values, n, mean, partials);
    case Accumulation::kIntegerProduct:
      return Row<IntegerProduct>(values, n, mean, partials);
    case Accumulation::kLargest:
      return Row<Largest>(values, n, mean, partials);
    case Accumulation::kFirstLargest:
      return FirstLargestRow(static_cast<const int32_t*>(values), n, p,
                             static_cast<int32_t*>(partials), where);
  }
}

OPENHPU_MULTI_ISA void Combine(Accumulation accumulation, void* left, int32_t* left_where,
                               const void* right, const int32_t* right_where, size_t n) {
  switch (accumulation) {
    case Accumulation::kSum:
    case Accumulation::kSquares:
      return Join<Sum>(left, right, n);
    case Accumulation::kProduct:
      return Join<Product>(left, right, n);
    case Accumulation::kIntegerSum:
      return Join<IntegerSum>(left, right, n);
    case Accumulation::kIntegerProduct:
      return Join<IntegerProduct>(left, right, n);
    case Accumulation::kLargest:
      return Join<Largest>(left, right, n);
    case Accumulation::kFirstLargest:
      return FirstLargestJoin(static_cast<int32_t*>(left), left_where,
                              static_cast<const int32_t*>(right), right_where, n);
  }
}

void FoldRun(Accumulation accumulation, void* partials, int32_t* where) {
  auto* y = static_cast<std::byte*>(partials);
  for (size_t half = kPartials / 2; half > 0; half /= 2) {
    Combine(accumulation, y, where, y + 4 * half, where == nullptr ? nullptr : where + half, half);
  }
}

void FoldRows(Accumulation accumulation, void* partials, int32_t* where, size_t n) {
  auto* y = static_cast<std::byte*>(partials);
  for (size_t half = kPartials / 2; half > 0; half /= 2) {
    Combine(accumulation, y, where, y + 4 * half * n, where == nullptr ? nullptr : where + half * n,
            half * n);
  }
}

float SumRun(const float* values, size_t n) {
  float partials[kPartials] = {};
  AccumulateRun(Accumulation::kSum, values, n, 0, 0.0f, partials, nullptr);
  FoldRun(Accumulation::kSum, partials, nullptr);
  return partials[0];
}

float SumSquaresRun(const float* values, size_t n, float mean) {
  float partials[kPartials] = {};
  AccumulateRun(Accumulation::kSquares, values, n, 0, mean, partials, nullptr);
  FoldRun(Accumulation::kSquares, partials, nullptr);
  return partials[0];
}

OPENHPU_MULTI_ISA void FloatsToKeys(const float* values, int32_t* keys, size_t n, bool inverted,
                                    bool zeros_equal) {
  const int32_t flip = inverted ? -1 : 0;
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    const float x = values[i];
    int32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    bits = zeros_equal && x == 0.0f ? 0 : bits;
    const int32_t ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF);
    keys[i] = x != x ? kNanKey : ordered ^ flip;
  }
}

OPENHPU_MULTI_ISA void KeysToFloats(const int32_t* keys, float* values, size_t n, bool inverted) {
  const int32_t flip = inverted ? -1 : 0;
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    const int32_t key = keys[i], ordered = key ^ flip;
    const int32_t bits = key == kNanKey ? 0x7FC00000 : ordered ^ ((ordered >> 31) & 0x7FFFFFFF);
    std::memcpy(&values[i], &bits, sizeof bits);
  }
}

OPENHPU_MULTI_ISA void IntegersToKeys(const int32_t* values, int32_t* keys, size_t n,
                                      bool inverted) {
  const int32_t flip = inverted ? -1 : 0;
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) keys[i] = values[i] ^ flip;
}

OPENHPU_MULTI_ISA void TruthToKeys(const uint32_t* values, int32_t* keys, size_t n, bool is_float,
                                   bool inverted) {
  const uint32_t mask = is_float ? 0x7FFFFFFFu : 0xFFFFFFFFu;
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) keys[i] = ((values[i] & mask) != 0) != inverted ? 1 : 0;
}

}  // namespace openhpu::simulator
