#include "simulator/functional/kernels/expression_loops.h"

#include <cmath>
#include <limits>

#include "simulator/functional/multi_isa.h"
#include "simulator/functional/vector_math.h"

// Loops are OPENHPU_INDEPENDENT because an output may be an operand: same index, so each vector is
// read before it is written.
namespace openhpu::simulator {
namespace {

using hal::ExprInstruction;
using hal::ExprOp;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Which of two NaNs an addition returns is the compiler's choice of operand order; one NaN for all
// keeps bits equal.
OPENHPU_INLINE float Canonical(float x) { return x != x ? kNan : x; }

template <typename In, typename Out, typename F>
OPENHPU_INLINE void Map1(const void* a, void* out, size_t n, F f) {
  const In* x = static_cast<const In*>(a);
  Out* y = static_cast<Out*>(out);
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) y[i] = f(x[i]);
}
template <typename In, typename Out, typename F>
OPENHPU_INLINE void Map2(const void* a, const void* b, void* out, size_t n, F f) {
  const In* x = static_cast<const In*>(a);
  const In* z = static_cast<const In*>(b);
  Out* y = static_cast<Out*>(out);
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) y[i] = f(x[i], z[i]);
}

#define INLINE_LAMBDA __attribute__((always_inline))

// Adding 2^23 leaves no bit below the point; the sum's own rounding is to even.
OPENHPU_INLINE float RoundHalfEven(float x) {
  constexpr float kRound = 8388608.0f;
  const float a = std::fabs(x);
  return a < kRound ? std::copysign((a + kRound) - kRound, x) : x;
}

OPENHPU_INLINE int32_t Truncate(float x, float low, float high, int32_t least, int32_t most) {
  const float inside = x > low && x < high ? x : 0.0f;
  const auto t = static_cast<int32_t>(inside);
  const int32_t r = x >= high ? most : (x <= low ? least : t);
  return x != x ? 0 : r;
}

OPENHPU_INLINE int32_t DivideTowardZero(int32_t a, int32_t b) {
  // Exact: the quotient of two 32-bit integers never rounds to the next integer in double.
  const double q = static_cast<double>(a) / static_cast<double>(b == 0 ? 1 : b);
  const int32_t whole = static_cast<int32_t>(q >= 2147483648.0 ? 0.0 : q);
  return b == 0 ? 0 : (q >= 2147483648.0 ? std::numeric_limits<int32_t>::min() : whole);
}
OPENHPU_INLINE int32_t Wrap(int64_t x) { return static_cast<int32_t>(static_cast<uint32_t>(x)); }
OPENHPU_INLINE int32_t WrapMultiply(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) * static_cast<uint32_t>(b));
}
OPENHPU_INLINE int32_t WrapSubtract(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b));
}
OPENHPU_INLINE int32_t FmodInteger(int32_t a, int32_t b) {
  const int32_t r = WrapSubtract(a, WrapMultiply(DivideTowardZero(a, b), b));
  return b == 0 ? 0 : r;
}
OPENHPU_INLINE int32_t RemainderInteger(int32_t a, int32_t b) {
  const int32_t r = FmodInteger(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
OPENHPU_INLINE int32_t FloorDivide(int32_t a, int32_t b) {
  const int32_t r = FmodInteger(a, b);
  return DivideTowardZero(a, b) - (r != 0 && (r < 0) != (b < 0) ? 1 : 0);
}
int32_t PowInteger(int32_t base, int32_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : (base == -1 ? ((exponent & 1) != 0 ? -1 : 1) : 0);
  uint32_t result = 1, square = static_cast<uint32_t>(base);
  for (auto e = static_cast<uint32_t>(exponent); e != 0; e >>= 1) {
    if ((e & 1u) != 0) result *= square;
    square *= square;
  }
  return static_cast<int32_t>(result);
}

#define FLOAT1(expression) \
  return Map1<float, float>(a, out, n, [](float x) INLINE_LAMBDA { return expression; })
#define FLOAT2(expression) \
  return Map2<float, float>(a, b, out, n, [](float x, float y) INLINE_LAMBDA { return expression; })
#define INTEGER1(expression)               \
  return Map1<int32_t, int32_t>(a, out, n, \
                                [](int32_t x) INLINE_LAMBDA -> int32_t { return expression; })
#define INTEGER2(expression)     \
  return Map2<int32_t, int32_t>( \
      a, b, out, n, [](int32_t x, int32_t y) INLINE_LAMBDA -> int32_t { return expression; })
#define COMPARE(relation)                                                                   \
  if (is_float) {                                                                           \
    return Map2<float, int32_t>(                                                            \
        a, b, out, n, [](float x, float y) INLINE_LAMBDA { return x relation y ? 1 : 0; }); \
  }                                                                                         \
  return Map2<int32_t, int32_t>(                                                            \
      a, b, out, n, [](int32_t x, int32_t y) INLINE_LAMBDA { return x relation y ? 1 : 0; })

// Everything but transcendental functions and casts; false is never returned by a validated
// program.
OPENHPU_MULTI_ISA void RunFloat(ExprOp op, const void* a, const void* b, void* out, size_t n) {
  switch (op) {
    case ExprOp::kNeg:
      FLOAT1(-x);
    case ExprOp::kAbs:
      FLOAT1(std::fabs(x));
    case ExprOp::kFloor:
      FLOAT1(std::floor(x));
    case ExprOp::kCeil:
      FLOAT1(std::ceil(x));
    case ExprOp::kRound:
      FLOAT1(RoundHalfEven(x));
    case ExprOp::kTrunc:
      FLOAT1(std::trunc(x));
    case ExprOp::kSign:
      FLOAT1(x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : 0.0f));
    case ExprOp::kAdd:
      FLOAT2(Canonical(x + y));
    case ExprOp::kSub:
      FLOAT2(Canonical(x - y));
    case ExprOp::kMul:
      FLOAT2(Canonical(x * y));
    case ExprOp::kDiv:
      FLOAT2(Canonical(x / y));
    case ExprOp::kMin:
      FLOAT2(x != x || y != y ? kNan : (x < y ? x : y));
    case ExprOp::kMax:
      FLOAT2(x != x || y != y ? kNan : (x > y ? x : y));
    case ExprOp::kTruncDiv:
      FLOAT2(std::trunc(Canonical(x / y)));
    default:
      return;
  }
}

OPENHPU_MULTI_ISA void RunInteger(ExprOp op, const void* a, const void* b, void* out, size_t n) {
  switch (op) {
    case ExprOp::kNeg:
      INTEGER1(WrapSubtract(0, x));
    case ExprOp::kAbs:
      INTEGER1(x < 0 ? WrapSubtract(0, x) : x);
    case ExprOp::kFloor:
    case ExprOp::kCeil:
    case ExprOp::kRound:
    case ExprOp::kTrunc:
      INTEGER1(x);
    case ExprOp::kSign:
      INTEGER1((x > 0) - (x < 0));
    case ExprOp::kNot:
      INTEGER1(~x);
    case ExprOp::kAdd:
      INTEGER2(Wrap(int64_t{x} + y));
    case ExprOp::kSub:
      INTEGER2(WrapSubtract(x, y));
    case ExprOp::kMul:
      INTEGER2(WrapMultiply(x, y));
    case ExprOp::kMin:
      INTEGER2(x < y ? x : y);
    case ExprOp::kMax:
      INTEGER2(x > y ? x : y);
    case ExprOp::kPow:
      INTEGER2(PowInteger(x, y));
    case ExprOp::kRemainder:
      INTEGER2(RemainderInteger(x, y));
    case ExprOp::kFmod:
      INTEGER2(FmodInteger(x, y));
    case ExprOp::kFloorDiv:
      INTEGER2(FloorDivide(x, y));
    case ExprOp::kTruncDiv:
      INTEGER2(DivideTowardZero(x, y));
    case ExprOp::kAnd:
      INTEGER2(x & y);
    case ExprOp::kOr:
      INTEGER2(x | y);
    case ExprOp::kXor:
      INTEGER2(x ^ y);
    // Shifts by a negative count or by 32 and more push everything out.
    case ExprOp::kShiftLeft:
      INTEGER2(y < 0 || y > 31 ? 0 : static_cast<int32_t>(static_cast<uint32_t>(x) << (y & 31)));
    case ExprOp::kShiftRight:
      INTEGER2(x >> (y < 0 || y > 31 ? 31 : y));
    default:
      return;
  }
}

OPENHPU_MULTI_ISA void RunToBool(ExprOp op, bool is_float, const void* a, const void* b, void* out,
                                 size_t n) {
  switch (op) {
    case ExprOp::kEq:
      COMPARE(==);
    case ExprOp::kNe:
      COMPARE(!=);
    case ExprOp::kLt:
      COMPARE(<);
    case ExprOp::kLe:
      COMPARE(<=);
    case ExprOp::kGt:
      COMPARE(>);
    case ExprOp::kGe:
      COMPARE(>=);
    case ExprOp::kIsNan:
      return Map1<uint32_t, int32_t>(a, out, n, [is_float](uint32_t x) INLINE_LAMBDA {
        return is_float && (x & 0x7FFFFFFFu) > 0x7F800000u ? 1 : 0;
      });
    case ExprOp::kIsInf:
      return Map1<uint32_t, int32_t>(a, out, n, [is_float](uint32_t x) INLINE_LAMBDA {
        return is_float && (x & 0x7FFFFFFFu) == 0x7F800000u ? 1 : 0;
      });
    default:
      return;
  }
}

OPENHPU_MULTI_ISA void RunSelect(const void* a, const void* b, const void* c, void* out, size_t n) {
  const auto* condition = static_cast<const int32_t*>(a);
  const auto* x = static_cast<const uint32_t*>(b);
  const auto* y = static_cast<const uint32_t*>(c);
  auto* z = static_cast<uint32_t*>(out);
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    const uint32_t yes = x[i], no = y[i];
    z[i] = condition[i] != 0 ? yes : no;
  }
}

OPENHPU_MULTI_ISA void RunFloatToInteger(DType to, const void* a, void* out, size_t n) {
  switch (to) {
    case DType::kInt32:
      return Map1<float, int32_t>(a, out, n, [](float x) INLINE_LAMBDA {
        return Truncate(x, -2147483648.0f, 2147483648.0f, INT32_MIN, INT32_MAX);
      });
    case DType::kInt16:
      return Map1<float, int32_t>(a, out, n, [](float x) INLINE_LAMBDA {
        return Truncate(x, -32768.0f, 32767.0f, -32768, 32767);
      });
    case DType::kInt8:
      return Map1<float, int32_t>(
          a, out, n, [](float x) INLINE_LAMBDA { return Truncate(x, -128.0f, 127.0f, -128, 127); });
    case DType::kUInt8:
      return Map1<float, int32_t>(
          a, out, n, [](float x) INLINE_LAMBDA { return Truncate(x, 0.0f, 255.0f, 0, 255); });
    case DType::kBool:
      return Map1<float, int32_t>(a, out, n,
                                  [](float x) INLINE_LAMBDA { return x != 0.0f ? 1 : 0; });
    default:
      return;
  }
}

// Brings 32-bit results back into the dtype.
OPENHPU_MULTI_ISA void WrapIntegers(DType dtype, const void* a, void* out, size_t n) {
  switch (dtype) {
    case DType::kInt16:
      INTEGER1(static_cast<int16_t>(x));
    case DType::kInt8:
      INTEGER1(static_cast<int8_t>(x));
    case DType::kUInt8:
      INTEGER1(static_cast<uint8_t>(x));
    case DType::kBool:
      INTEGER1(x != 0 ? 1 : 0);
    default:
      return;
  }
}

OPENHPU_MULTI_ISA void IntegerToFloat(const void* a, void* out, size_t n) {
  Map1<int32_t, float>(a, out, n, [](int32_t x) INLINE_LAMBDA { return static_cast<float>(x); });
}

OPENHPU_MULTI_ISA void CopyValues(const void* a, void* out, size_t n) {
  Map1<uint32_t, uint32_t>(a, out, n, [](uint32_t x) INLINE_LAMBDA { return x; });
}

OPENHPU_MULTI_ISA void RemainderFromFmod(const float* fmod, const float* divisor, float* out,
                                         size_t n) {
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    const float m = fmod[i], d = divisor[i];
    const float wrapped = m + d;
    out[i] = m != 0.0f && (d < 0.0f) != (m < 0.0f) ? wrapped : m;
  }
}

// PyTorch's: the quotient is derived from the exact remainder, so it never disagrees with it.
OPENHPU_MULTI_ISA void FloorDivFromFmod(const float* fmod, const float* x, const float* divisor,
                                        float* out, size_t n) {
  OPENHPU_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    const float m = fmod[i], a = x[i], d = divisor[i];
    float q = (a - m) / d;
    q = m != 0.0f && (d < 0.0f) != (m < 0.0f) ? q - 1.0f : q;
    const float floor = std::floor(q);
    float r = q - floor > 0.5f ? floor + 1.0f : floor;
    r = q == 0.0f ? std::copysign(0.0f, a / d) : r;
    out[i] = d == 0.0f ? Canonical(a / d) : Canonical(r);
  }
}

// remainder and floor division need fmod beside their operands, which `out` may be.
void RunFmodBased(ExprOp op, const float* a, const float* b, float* out, size_t n) {
  constexpr size_t kPiece = 256;
  float fmod[kPiece];
  for (size_t at = 0; at < n; at += kPiece) {
    const size_t count = n - at < kPiece ? n - at : kPiece;
    Fmod(a + at, b + at, fmod, count);
    if (op == ExprOp::kRemainder) {
      RemainderFromFmod(fmod, b + at, out + at, count);
    } else {
      FloorDivFromFmod(fmod, a + at, b + at, out + at, count);
    }
  }
}

using Function1 = void (*)(const float*, float*, size_t);
Function1 Transcendental(ExprOp op) {
  switch (op) {
    case ExprOp::kExp:
      return Exp;
    case ExprOp::kExpm1:
      return Expm1;
    case ExprOp::kLog:
      return Log;
    case ExprOp::kLog1p:
      return Log1p;
    case ExprOp::kLog2:
      return Log2;
    case ExprOp::kSqrt:
      return Sqrt;
    case ExprOp::kRsqrt:
      return Rsqrt;
    case ExprOp::kReciprocal:
      return Reciprocal;
    case ExprOp::kSin:
      return Sin;
    case ExprOp::kCos:
      return Cos;
    case ExprOp::kTan:
      return Tan;
    case ExprOp::kTanh:
      return Tanh;
    case ExprOp::kErf:
      return Erf;
    case ExprOp::kSigmoid:
      return Sigmoid;
    case ExprOp::kAtan:
      return Atan;
    default:
      return nullptr;
  }
}

void RunCast(DType from, DType to, const void* a, void* out, size_t n) {
  if (IsFloat(from) && IsFloat(to)) {
    if (to == DType::kBFloat16 && from == DType::kFloat32) {
      return RoundToBFloat16(static_cast<const float*>(a), static_cast<float*>(out), n);
    }
    return CopyValues(a, out, n);
  }
  if (IsFloat(from)) return RunFloatToInteger(to, a, out, n);
  if (!IsFloat(to)) {
    return to == DType::kInt32 ? CopyValues(a, out, n) : WrapIntegers(to, a, out, n);
  }
  IntegerToFloat(a, out, n);
  if (to == DType::kBFloat16) {
    RoundToBFloat16(static_cast<const float*>(out), static_cast<float*>(out), n);
  }
}

// Whether bf16 operands give a bf16 result without rounding.
bool KeepsBFloat16(ExprOp op) {
  switch (op) {
    case ExprOp::kNeg:
    case ExprOp::kAbs:
    case ExprOp::kFloor:
    case ExprOp::kCeil:
    case ExprOp::kRound:
    case ExprOp::kTrunc:
    case ExprOp::kSign:
    case ExprOp::kMin:
    case ExprOp::kMax:
      return true;
    default:
      return false;
  }
}

void RunConst(const ExprInstruction& instruction, void* out, size_t n) {
  auto* y = static_cast<uint32_t*>(out);
  for (size_t i = 0; i < n; ++i) y[i] = instruction.immediate;
  if (instruction.dtype == DType::kBFloat16) {
    RoundToBFloat16(static_cast<const float*>(out), static_cast<float*>(out), n);
  } else if (!IsFloat(instruction.dtype)) {
    WrapIntegers(instruction.dtype, out, out, n);
  }
}

}  // namespace

void RunInstruction(const ExprInstruction& instruction, DType operand, const void* a, const void* b,
                    const void* c, void* out, size_t n) {
  const ExprOp op = instruction.op;
  const bool is_float = IsFloat(operand);
  switch (op) {
    case ExprOp::kConst:
      return RunConst(instruction, out, n);
    case ExprOp::kCast:
      return RunCast(operand, instruction.dtype, a, out, n);
    case ExprOp::kSelect:
      return RunSelect(a, b, c, out, n);
    case ExprOp::kIsNan:
    case ExprOp::kIsInf:
    case ExprOp::kEq:
    case ExprOp::kNe:
    case ExprOp::kLt:
    case ExprOp::kLe:
    case ExprOp::kGt:
    case ExprOp::kGe:
      return RunToBool(op, is_float, a, b, out, n);
    default:
      break;
  }
  if (!is_float) {
    if (op == ExprOp::kNot && operand == DType::kBool) {
      return Map1<int32_t, int32_t>(a, out, n, [](int32_t x) { return x == 0 ? 1 : 0; });
    }
    RunInteger(op, a, b, out, n);
    return WrapIntegers(instruction.dtype, out, out, n);
  }
  const auto* x = static_cast<const float*>(a);
  const auto* y = static_cast<const float*>(b);
  auto* z = static_cast<float*>(out);
  if (const Function1 function = Transcendental(op)) {
    function(x, z, n);
  } else if (op == ExprOp::kPow) {
    Pow(x, y, z, n);
  } else if (op == ExprOp::kAtan2) {
    Atan2(x, y, z, n);
  } else if (op == ExprOp::kFmod) {
    Fmod(x, y, z, n);
  } else if (op == ExprOp::kRemainder || op == ExprOp::kFloorDiv) {
    RunFmodBased(op, x, y, z, n);
  } else {
    RunFloat(op, a, b, out, n);
  }
  if (instruction.dtype == DType::kBFloat16 && !KeepsBFloat16(op)) RoundToBFloat16(z, z, n);
}

}  // namespace openhpu::simulator
