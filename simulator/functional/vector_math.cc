#include "simulator/functional/vector_math.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "simulator/functional/multi_isa.h"

// One scalar core a function, without branches, so that the loops at the end vectorise. Polynomial
// coefficients interpolate the function at Chebyshev nodes of the reduced range (computed with 40
// digits); the error of each lies below 2^-26 of the result.
namespace openhpu::simulator {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <typename To, typename From>
OPENHPU_INLINE To BitCast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// Adding 1.5 * 2^23 leaves the nearest integer in the low bits: rounding without a library call.
// Requires |x| < 2^22 (2^51 for double).
constexpr float kRoundFloat = 12582912.0f;
constexpr double kRoundDouble = 6755399441055744.0;

// 2^n for -126 <= n <= 127; for other n the result is meaningless but defined.
OPENHPU_INLINE float PowerOfTwo(int32_t n) {
  return BitCast<float>((static_cast<uint32_t>(n) + 127u) << 23);
}

// x = n ln 2 + r with |r| <= ln 2 / 2; gives e^r - 1. Requires |x| < 128 or NaN.
struct ExpParts {
  int32_t n;
  float expm1;
};
OPENHPU_INLINE ExpParts ReduceExp(float x) {
  const float shifted = x * 1.44269504088896341f + kRoundFloat;
  const float n = shifted - kRoundFloat;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float q = 0.0013926193734727365f;
  q = q * r + 0.0083631733863440476f;
  q = q * r + 0.0416665545045309f;
  q = q * r + 0.16666577023725609f;
  q = q * r + 0.50000000000155339f;
  ExpParts parts;
  parts.n = static_cast<int32_t>(BitCast<uint32_t>(shifted) - BitCast<uint32_t>(kRoundFloat));
  parts.expm1 = r + (r * r) * q;
  return parts;
}

OPENHPU_INLINE float ExpCore(float x) {
  float c = x < -104.0f ? -104.0f : x;
  c = c > 89.0f ? 89.0f : c;
  const ExpParts e = ReduceExp(c);
  // Two factors: 2^n may be a denormal or exceed the range where the product does not.
  const int32_t half = e.n >> 1;
  return (1.0f + e.expm1) * PowerOfTwo(half) * PowerOfTwo(e.n - half);
}

OPENHPU_INLINE float Expm1Core(float x) {
  float c = x < -18.0f ? -18.0f : x;
  c = c > 89.0f ? 89.0f : c;
  const ExpParts e = ReduceExp(c);
  const float half_scale = PowerOfTwo(e.n - 1);
  float y = (half_scale * e.expm1 + (half_scale - 0.5f)) * 2.0f;
  y = e.n == 0 ? e.expm1 : y;
  return x == 0.0f ? x : y;
}

// x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); `tail` = log(1+f) - f.
struct LogParts {
  float e, f, tail;
};
OPENHPU_INLINE LogParts ReduceLog(float x) {
  const bool tiny = x < std::numeric_limits<float>::min();
  const float scaled = tiny ? x * 8388608.0f : x;
  const uint32_t bits = BitCast<uint32_t>(scaled) + (0x3F800000u - 0x3F3504F3u);
  const int32_t e = static_cast<int32_t>(bits >> 23) - 127 - (tiny ? 23 : 0);
  LogParts parts;
  parts.e = static_cast<float>(e);
  parts.f = BitCast<float>((bits & 0x007FFFFFu) + 0x3F3504F3u) - 1.0f;
  const float f = parts.f, z = f * f;
  float p = 0.069716114714511778f;
  p = p * f + -0.11479733846637636f;
  p = p * f + 0.11685419923486739f;
  p = p * f + -0.12425687331451106f;
  p = p * f + 0.1424905764569748f;
  p = p * f + -0.16667802319501254f;
  p = p * f + 0.20000715748892102f;
  p = p * f + -0.24999996957950882f;
  p = p * f + 0.33333331180030048f;
  parts.tail = f * z * p;
  return parts;
}
// What every logarithm gives outside the positive finite numbers.
OPENHPU_INLINE float LogSpecials(float x, float y) {
  y = x == kInf ? kInf : y;
  y = x == 0.0f ? -kInf : y;
  y = x < 0.0f ? kNan : y;
  return x != x ? x : y;
}

OPENHPU_INLINE float LogCore(float x) {
  const LogParts l = ReduceLog(x);
  const float y = (l.tail + l.e * -2.12194440e-4f) - 0.5f * (l.f * l.f);
  return LogSpecials(x, (l.f + y) + l.e * 0.693359375f);
}

OPENHPU_INLINE float Log1pCore(float x) {
  const float u = 1.0f + x;
  // log(u) errs because u is rounded; x / (u - 1) takes the rounding back.
  const float y = LogCore(u) * (x / (u - 1.0f));
  const float finite = u == 1.0f ? x : y;
  return x == kInf ? x : finite;
}

OPENHPU_INLINE float Log2Core(float x) {
  const LogParts l = ReduceLog(x);
  const float y = l.tail - 0.5f * (l.f * l.f);
  // log2(e) = 1 + 0.44...: the large part is added last and exactly.
  float r = y * 0.44269504088896341f;
  r = r + l.f * 0.44269504088896341f;
  r = r + y;
  r = r + l.f;
  return LogSpecials(x, r + l.e);
}

// sin and cos of a reduced angle |r| <= pi/4.
OPENHPU_INLINE float SinPolynomial(float r) {
  const float z = r * r;
  float p = 2.7249925803059296e-6f;
  p = p * z + -0.0001984008673538484f;
  p = p * z + 0.0083333318747102088f;
  p = p * z + -0.1666666666385529f;
  return r == 0.0f ? r : r + r * z * p;
}
OPENHPU_INLINE float CosPolynomial(float r) {
  const float z = r * r;
  float p = -2.7300959203901056e-7f;
  p = p * z + 2.4800600377156724e-5f;
  p = p * z + -0.001388888767201679f;
  p = p * z + 0.041666666664321203f;
  return (1.0f - 0.5f * z) + z * z * p;
}

struct Angle {
  float r;           // |r| <= pi/4 and a little
  uint32_t quarter;  // turns, modulo 4
};
enum class Trig { kSin, kCos, kTan };
template <Trig trig>
OPENHPU_INLINE float TrigOfAngle(Angle a) {
  const float s = SinPolynomial(a.r), c = CosPolynomial(a.r);
  const bool odd = (a.quarter & 1u) != 0;
  if (trig == Trig::kTan) {
    const float t = (odd ? c : s) / (odd ? s : c);
    return odd ? -t : t;
  }
  const uint32_t q = trig == Trig::kCos ? a.quarter + 1u : a.quarter;
  const float v = (q & 1u) != 0 ? c : s;
  return BitCast<float>(BitCast<uint32_t>(v) ^ ((q & 2u) << 30));
}

// Beyond this the products of the reduction in double are no longer exact.
constexpr float kTrigLimit = 1.0e6f;

OPENHPU_INLINE Angle ReduceAngle(float x) {
  const double shifted = static_cast<double>(x) * 0.63661977236758134308 + kRoundDouble;
  const double n = shifted - kRoundDouble;
  // pi/2 in two parts; the first has 33 bits.
  const double r =
      (static_cast<double>(x) - n * 1.57079632673412561417e+00) - n * 6.07710050650619224932e-11;
  return {static_cast<float>(r), static_cast<uint32_t>(BitCast<uint64_t>(shifted))};
}

// Any finite x, by multiplying its mantissa with the 96 bits of 2/pi that matter (Payne and Hanek).
Angle ReduceLargeAngle(float x) {
  static constexpr uint32_t kTwoOverPi[] = {0x28BE60DBu, 0x9391054Au, 0x7F09D5F4u, 0x7D4D3770u,
                                            0x36D8A566u, 0x4F10E410u, 0x7F9458EAu};
  const uint32_t bits = BitCast<uint32_t>(x);
  uint32_t e = ((bits >> 23) & 0xFFu) - 126u;
  const uint32_t mantissa = (bits << 8) | 0x80000000u;
  const uint32_t i = e >> 5;
  e &= 31u;
  uint32_t hi = i != 0 ? kTwoOverPi[i - 1] : 0u;
  uint32_t mid = kTwoOverPi[i], lo = kTwoOverPi[i + 1];
  const uint32_t below = kTwoOverPi[i + 2];
  if (e != 0) {
    hi = (hi << e) | (mid >> (32 - e));
    mid = (mid << e) | (lo >> (32 - e));
    lo = (lo << e) | (below >> (32 - e));
  }
  uint64_t p = uint64_t{mantissa} * lo;
  p = uint64_t{mantissa} * mid + (p >> 32);
  p = (uint64_t{mantissa * hi} << 32) + p;
  uint32_t quarter = static_cast<uint32_t>(p >> 62);
  p &= 0x3FFFFFFFFFFFFFFFull;
  if ((p & 0x2000000000000000ull) != 0) {
    p -= 0x4000000000000000ull;
    ++quarter;
  }
  double r = static_cast<double>(static_cast<int64_t>(p)) * (1.57079632679489661923 * 0x1p-62);
  if (bits >> 31 != 0) {
    r = -r;
    quarter = 0u - quarter;
  }
  return {static_cast<float>(r), quarter};
}

OPENHPU_INLINE float TanhCore(float x) {
  const float a = std::fabs(x);
  const float t = Expm1Core(2.0f * (a > 10.0f ? 10.0f : a));
  const float y = t / (t + 2.0f);
  const float clamped = a > 9.1f ? 1.0f : y;
  return x == 0.0f ? x : std::copysign(clamped, x);
}

OPENHPU_INLINE float SigmoidCore(float x) { return 1.0f / (1.0f + ExpCore(-x)); }

// Two polynomials, no division: x + x P(x^2) below 1; around 2.5 above, relative to a constant so
// that the rounding errors of the polynomial vanish in the sum.
OPENHPU_INLINE float ErfCore(float x) {
  float a = std::fabs(x);
  a = a > 3.95f ? 3.95f : a;
  const float z = a * a, t = a - 2.5f;
  float p = 7.87587506268201e-05f;
  p = p * z + -0.0008016864287164737f;
  p = p * z + 0.005189087423433832f;
  p = p * z + -0.02685421201062633f;
  p = p * z + 0.11283594715160215f;
  p = p * z + -0.37612626666720334f;
  p = p * z + 0.12837916584835096f;
  float q = -9.564484685093218e-06f;
  q = q * t + 2.1078270111792925e-05f;
  q = q * t + 6.483453557812278e-05f;
  q = q * t + -0.0002791477743309853f;
  q = q * t + 0.00027911067643808827f;
  q = q * t + 0.0005709680130836889f;
  q = q * t + -0.002809628073940479f;
  q = q * t + 0.006102610000815509f;
  q = q * t + -0.00861977820881046f;
  q = q * t + 0.00835351435822925f;
  q = q * t + -0.005445802192000329f;
  q = q * t + 0.002178046032063553f;
  q = q * t + 0.06209304213721508f;
  float y = a < 1.0f ? a + a * p : 0.9375f + q;
  y = y > 1.0f ? 1.0f : y;
  return std::copysign(y, x);
}

// atan(num / den) + base for 0 <= num, 0 < den, in double: |num / den| is brought below tan(pi/8).
OPENHPU_INLINE double AtanOfRatio(double num, double den) {
  const bool large = num > 2.414213562373095 * den;
  const bool middle = num > 0.41421356237309503 * den;
  const double n = large ? -den : (middle ? num - den : num);
  const double d = large ? num : (middle ? num + den : den);
  const double base = large ? 1.57079632679489661923 : (middle ? 0.78539816339744830962 : 0.0);
  const double t = n / d, z = t * t;
  double p = -0.027232884060468663;
  p = p * z + 0.051688349359116001;
  p = p * z + -0.065509073075607545;
  p = p * z + 0.07681045202742574;
  p = p * z + -0.090902559526906222;
  p = p * z + 0.11111089649211054;
  p = p * z + -0.14285713930378567;
  p = p * z + 0.19999999997724887;
  p = p * z + -0.33333333333330926;
  return base + (t + t * z * p);
}

OPENHPU_INLINE float AtanCore(float x) {
  const float a = std::fabs(x);
  // Beyond 1e9 the angle is pi/2 in fp32; the clamp keeps infinity out of the division.
  const float y = static_cast<float>(AtanOfRatio(a > 1e9f ? 1e9f : a, 1.0));
  const float r = x == 0.0f ? x : std::copysign(y, x);
  return x != x ? x : r;
}

OPENHPU_INLINE float Atan2Core(float yf, float xf) {
  const float ay = std::fabs(yf), ax = std::fabs(xf);
  const bool both_infinite = ay == kInf && ax == kInf;
  const bool y_infinite = ay == kInf && ax != kInf, x_infinite = ax == kInf && ay != kInf;
  double num = both_infinite || y_infinite ? 1.0 : static_cast<double>(ay);
  double den = both_infinite || x_infinite ? 1.0 : static_cast<double>(ax);
  num = x_infinite ? 0.0 : num;
  den = y_infinite ? 0.0 : den;
  den = num == 0.0 && den == 0.0 ? 1.0 : den;
  double angle = AtanOfRatio(num, den);
  angle = std::signbit(xf) ? 3.14159265358979323846 - angle : angle;
  const float r = std::copysign(static_cast<float>(angle), yf);
  return yf != yf || xf != xf ? kNan : r;
}

OPENHPU_INLINE float PowCore(float xf, float yf) {
  const double x = std::fabs(static_cast<double>(xf)), y = yf;
  const uint64_t bits = BitCast<uint64_t>(x) + (0x3FF0000000000000ull - 0x3FE6A09E667F3BCDull);
  const double e = static_cast<double>(static_cast<int32_t>(bits >> 52) - 1023);
  const double m = BitCast<double>((bits & 0x000FFFFFFFFFFFFFull) + 0x3FE6A09E667F3BCDull);
  // log(m) = 2 atanh(s): the Taylor series, |s| <= 0.1716.
  const double s = (m - 1.0) / (m + 1.0), z = s * s;
  double p = 1.0 / 19;
  p = p * z + 1.0 / 17;
  p = p * z + 1.0 / 15;
  p = p * z + 1.0 / 13;
  p = p * z + 1.0 / 11;
  p = p * z + 1.0 / 9;
  p = p * z + 1.0 / 7;
  p = p * z + 1.0 / 5;
  p = p * z + 1.0 / 3;
  const double log_m = 2.0 * (s + s * z * p);
  double t = y * (e + log_m * 1.44269504088896340736);
  t = t < -200.0 ? -200.0 : t;
  t = t > 200.0 ? 200.0 : t;
  const double shifted = t + kRoundDouble;
  const double r = (t - (shifted - kRoundDouble)) * 0.693147180559945309417;
  double q = 1.0 / 39916800;
  q = q * r + 1.0 / 3628800;
  q = q * r + 1.0 / 362880;
  q = q * r + 1.0 / 40320;
  q = q * r + 1.0 / 5040;
  q = q * r + 1.0 / 720;
  q = q * r + 1.0 / 120;
  q = q * r + 1.0 / 24;
  q = q * r + 1.0 / 6;
  q = q * r + 0.5;
  q = q * r + 1.0;
  q = q * r + 1.0;
  const uint64_t n = BitCast<uint64_t>(shifted) - BitCast<uint64_t>(kRoundDouble);
  float result = static_cast<float>(q * BitCast<double>((n + 1023u) << 52));

  const float ax = std::fabs(xf), ay = std::fabs(yf);
  result = ax == 0.0f ? (yf > 0.0f ? 0.0f : kInf) : result;
  result = ax == kInf ? (yf > 0.0f ? kInf : 0.0f) : result;
  result = ax == 1.0f ? 1.0f : result;                // also for infinite exponents
  const float within = ay < 16777216.0f ? yf : 0.0f;  // larger ones are even integers
  const int32_t whole = static_cast<int32_t>(within);
  const bool integer = static_cast<float>(whole) == within;
  const bool negative = std::signbit(xf);
  result = negative && integer && (whole & 1) != 0 ? -result : result;
  result = xf < 0.0f && ax != kInf && !integer ? kNan : result;
  result = xf != xf || yf != yf ? kNan : result;
  return xf == 1.0f || yf == 0.0f ? 1.0f : result;
}

// Right while the quotient is below 2^29: then its product with the divisor is exact in double.
OPENHPU_INLINE float FmodNear(float x, float divisor) {
  const double a = std::fabs(static_cast<double>(x)), b = std::fabs(static_cast<double>(divisor));
  const double quotient = a / b;
  const double whole =
      static_cast<double>(static_cast<int32_t>(quotient < 1073741824.0 ? quotient : 0.0));
  double r = a - whole * b;
  r = r < 0.0 ? r + b : r;
  r = r >= b ? r - b : r;
  float y = std::copysign(static_cast<float>(r), x);
  y = b == static_cast<double>(kInf) ? x : y;
  const bool bad = !(std::fabs(x) < kInf) || b == 0.0 || divisor != divisor;
  return bad ? kNan : y;
}

OPENHPU_INLINE float Widen(uint16_t x) { return BitCast<float>(static_cast<uint32_t>(x) << 16); }
OPENHPU_INLINE uint32_t NarrowBits(float x) {
  const uint32_t bits = BitCast<uint32_t>(x);
  const uint32_t rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
  return ((bits & 0x7FFFFFFFu) > 0x7F800000u ? bits | 0x00400000u : rounded) >> 16;
}

// Angles that ReduceAngle may not be given, one by one; rare.
template <Trig trig>
void FixLargeAngles(const float* x, float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float a = std::fabs(x[i]);
    if (a > kTrigLimit && a < kInf) y[i] = TrigOfAngle<trig>(ReduceLargeAngle(x[i]));
  }
}

// The vector pass overwrites x when in place, so it works in pieces and keeps a copy of one.
constexpr size_t kTrigPiece = 256;
template <Trig trig>
OPENHPU_INLINE void TrigLoop(const float* x, float* y, size_t n) {
  float copy[kTrigPiece];
  for (size_t at = 0; at < n; at += kTrigPiece) {
    const size_t count = n - at < kTrigPiece ? n - at : kTrigPiece;
    uint32_t large = 0;
    for (size_t i = 0; i < count; ++i) {
      const float v = x[at + i];
      copy[i] = v;
      large |= std::fabs(v) > kTrigLimit ? 1u : 0u;
    }
    for (size_t i = 0; i < count; ++i) y[at + i] = TrigOfAngle<trig>(ReduceAngle(copy[i]));
    if (large != 0) FixLargeAngles<trig>(copy, y + at, count);
  }
}

}  // namespace

#define OPENHPU_UNARY(Name, expression)                             \
  OPENHPU_MULTI_ISA void Name(const float* x, float* y, size_t n) { \
    for (size_t i = 0; i < n; ++i) {                                \
      const float v = x[i];                                         \
      y[i] = expression;                                            \
    }                                                               \
  }

OPENHPU_UNARY(Exp, ExpCore(v))
OPENHPU_UNARY(Expm1, Expm1Core(v))
OPENHPU_UNARY(Log, LogCore(v))
OPENHPU_UNARY(Log1p, Log1pCore(v))
OPENHPU_UNARY(Log2, Log2Core(v))
OPENHPU_UNARY(Sqrt, std::sqrt(v))
OPENHPU_UNARY(Rsqrt, 1.0f / std::sqrt(v))
OPENHPU_UNARY(Reciprocal, 1.0f / v)
OPENHPU_UNARY(Tanh, TanhCore(v))
OPENHPU_UNARY(Erf, ErfCore(v))
OPENHPU_UNARY(Sigmoid, SigmoidCore(v))
OPENHPU_UNARY(Atan, AtanCore(v))
OPENHPU_UNARY(RoundToBFloat16, BitCast<float>(NarrowBits(v) << 16))
#undef OPENHPU_UNARY

OPENHPU_MULTI_ISA void Sin(const float* x, float* y, size_t n) { TrigLoop<Trig::kSin>(x, y, n); }
OPENHPU_MULTI_ISA void Cos(const float* x, float* y, size_t n) { TrigLoop<Trig::kCos>(x, y, n); }
OPENHPU_MULTI_ISA void Tan(const float* x, float* y, size_t n) { TrigLoop<Trig::kTan>(x, y, n); }

OPENHPU_MULTI_ISA void Pow(const float* x, const float* exponent, float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = PowCore(x[i], exponent[i]);
}

OPENHPU_MULTI_ISA void Atan2(const float* ordinate, const float* abscissa, float* angle, size_t n) {
  for (size_t i = 0; i < n; ++i) angle[i] = Atan2Core(ordinate[i], abscissa[i]);
}

OPENHPU_MULTI_ISA void Fmod(const float* x, const float* divisor, float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float a = x[i], b = divisor[i];
    // The C function is exact, so it gives the same bits everywhere; it is only slow.
    const bool far = std::fabs(a) < kInf && !(std::fabs(a) < 536870912.0f * std::fabs(b));
    y[i] = far && b != 0.0f ? std::fmod(a, b) : FmodNear(a, b);
  }
}

OPENHPU_MULTI_ISA void WidenBFloat16(const uint16_t* x, float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = Widen(x[i]);
}

OPENHPU_MULTI_ISA void NarrowToBFloat16(const float* x, uint16_t* y, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = static_cast<uint16_t>(NarrowBits(x[i]));
}

}  // namespace openhpu::simulator
