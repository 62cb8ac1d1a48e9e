#include "simulator/functional/vector_math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "hal/base/dtype.h"

namespace openhpu::simulator {
namespace {

using Unary = void (*)(const float*, float*, size_t);
using Binary = void (*)(const float*, const float*, float*, size_t);
using Exact = std::function<double(double)>;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

float FromBits(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}
uint32_t Bits(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  return bits;
}

// Distance of `got` from the exact value, in units of the last place of fp32 there.
double Ulps(float got, double exact) {
  if (std::isnan(exact)) return std::isnan(got) ? 0 : 1e9;
  const float rounded = static_cast<float>(exact);
  if (std::isinf(rounded) || std::isinf(got)) {
    if (rounded == got) return 0;
    // One step from the largest number is one unit.
    return std::fabs(got) == std::numeric_limits<float>::max() ||
                   std::fabs(rounded) == std::numeric_limits<float>::max()
               ? 1
               : 1e9;
  }
  const double magnitude = std::max(std::fabs(exact), 0x1p-126);
  const double ulp = std::ldexp(1.0, std::ilogb(magnitude) - 23);
  return std::fabs(static_cast<double>(got) - exact) / ulp;
}

void ExpectClose(const char* name, Unary f, const Exact& exact, float low, float high,
                 double bound) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> x(200003), y(x.size());
  for (float& v : x) v = uniform(random);
  f(x.data(), y.data(), x.size());
  double worst = 0;
  float at = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double e = Ulps(y[i], exact(x[i]));
    if (e > worst) worst = e, at = x[i];
  }
  EXPECT_LE(worst, bound) << name << " at " << at << " in [" << low << ", " << high << "]";
}

// Every bit pattern that is `step` from the next, both signs, in and out of the common range.
void ExpectCloseEverywhere(const char* name, Unary f, const Exact& exact, double bound) {
  std::vector<float> x;
  for (uint64_t bits = 0; bits <= 0xFFFFFFFFull; bits += 9973) {
    x.push_back(FromBits(static_cast<uint32_t>(bits)));
  }
  std::vector<float> y(x.size());
  f(x.data(), y.data(), x.size());
  double worst = 0;
  float at = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double e = Ulps(y[i], std::isnan(x[i]) ? kNan : exact(x[i]));
    if (e > worst) worst = e, at = x[i];
  }
  EXPECT_LE(worst, bound) << name << " at " << at;
}

double Sigma(double x) { return 1 / (1 + std::exp(-x)); }

TEST(VectorMathTest, CommonRangesAreAccurate) {
  ExpectClose(
      "exp", Exp, [](double x) { return std::exp(x); }, -10, 10, 1.5);
  ExpectClose(
      "expm1", Expm1, [](double x) { return std::expm1(x); }, -2, 2, 2);
  ExpectClose(
      "log", Log, [](double x) { return std::log(x); }, 0, 10, 1.5);
  ExpectClose(
      "log1p", Log1p, [](double x) { return std::log1p(x); }, -1, 2, 3);
  ExpectClose(
      "log2", Log2, [](double x) { return std::log2(x); }, 0, 10, 2);
  ExpectClose(
      "rsqrt", Rsqrt, [](double x) { return 1 / std::sqrt(x); }, 0, 10, 1.5);
  ExpectClose(
      "sin", Sin, [](double x) { return std::sin(x); }, -10, 10, 1.5);
  ExpectClose(
      "cos", Cos, [](double x) { return std::cos(x); }, -10, 10, 2);
  ExpectClose(
      "tan", Tan, [](double x) { return std::tan(x); }, -10, 10, 4);
  ExpectClose(
      "tanh", Tanh, [](double x) { return std::tanh(x); }, -10, 10, 3);
  ExpectClose(
      "erf", Erf, [](double x) { return std::erf(x); }, -5, 5, 2);
  ExpectClose("sigmoid", Sigmoid, Sigma, -20, 20, 3);
  ExpectClose(
      "atan", Atan, [](double x) { return std::atan(x); }, -10, 10, 1);
}

TEST(VectorMathTest, AllMagnitudesAreAccurate) {
  ExpectCloseEverywhere(
      "exp", Exp, [](double x) { return std::exp(x); }, 2);
  ExpectCloseEverywhere(
      "expm1", Expm1, [](double x) { return std::expm1(x); }, 2);
  ExpectCloseEverywhere(
      "log", Log, [](double x) { return std::log(x); }, 2);
  ExpectCloseEverywhere(
      "log1p", Log1p, [](double x) { return std::log1p(x); }, 3);
  ExpectCloseEverywhere(
      "log2", Log2, [](double x) { return std::log2(x); }, 2);
  ExpectCloseEverywhere(
      "sqrt", Sqrt, [](double x) { return std::sqrt(x); }, 0.5);
  ExpectCloseEverywhere(
      "rsqrt", Rsqrt, [](double x) { return 1 / std::sqrt(x); }, 1.5);
  ExpectCloseEverywhere(
      "reciprocal", Reciprocal, [](double x) { return 1 / x; }, 0.5);
  ExpectCloseEverywhere(
      "sin", Sin, [](double x) { return std::sin(x); }, 2);
  ExpectCloseEverywhere(
      "cos", Cos, [](double x) { return std::cos(x); }, 2);
  ExpectCloseEverywhere(
      "tan", Tan, [](double x) { return std::tan(x); }, 4);
  ExpectCloseEverywhere(
      "tanh", Tanh, [](double x) { return std::tanh(x); }, 3);
  ExpectCloseEverywhere(
      "erf", Erf, [](double x) { return std::erf(x); }, 2);
  ExpectCloseEverywhere(
      "atan", Atan, [](double x) { return std::atan(x); }, 1);
  // exp(-x) overflows before the sigmoid does: below -88 the result is 0 instead of a denormal.
  ExpectClose("sigmoid", Sigmoid, Sigma, -87, 100, 3);
}

TEST(VectorMathTest, SpecialsAreThoseOfC) {
  const std::vector<float> x = {0.0f, -0.0f, kInf,  -kInf,  kNan,     1e-45f,  -1e-45f, 3e-39f,
                                1.0f, -1.0f, 3e38f, -3e38f, 88.7229f, -104.0f, 1e-20f,  16777216.f};
  const std::pair<Unary, double (*)(double)> functions[] = {
      {Exp, std::exp},   {Expm1, std::expm1}, {Log, std::log}, {Log1p, std::log1p},
      {Log2, std::log2}, {Sqrt, std::sqrt},   {Sin, std::sin}, {Cos, std::cos},
      {Tan, std::tan},   {Tanh, std::tanh},   {Erf, std::erf}, {Atan, std::atan}};
  for (size_t f = 0; f < std::size(functions); ++f) {
    std::vector<float> y(x.size());
    functions[f].first(x.data(), y.data(), x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      const double exact = functions[f].second(x[i]);
      EXPECT_LE(Ulps(y[i], exact), 4) << "function " << f << " of " << x[i] << " gives " << y[i];
      EXPECT_TRUE(exact != 0 || std::signbit(y[i]) == std::signbit(exact)) << f << " " << x[i];
    }
  }
}

TEST(VectorMathTest, BinaryFunctionsAgreeWithC) {
  std::vector<float> values = {0.0f,   -0.0f, kInf,   -kInf,  kNan,  1.0f, -1.0f,
                               2.0f,   -2.0f, 0.5f,   3.0f,   -3.0f, 2.5f, -2.5f,
                               1e-45f, 3e38f, -3e38f, 1e-20f, 1e20f, 7.0f};
  std::mt19937 random(3);
  for (int i = 0; i < 400; ++i) {
    values.push_back(std::uniform_real_distribution<float>(-20, 20)(random));
    values.push_back(std::exp(std::uniform_real_distribution<float>(-80, 80)(random)));
    values.push_back(std::floor(std::uniform_real_distribution<float>(-20, 20)(random)));
  }
  std::vector<float> a, b;
  for (float x : values) {
    for (float y : values) a.push_back(x), b.push_back(y);
  }
  struct {
    const char* name;
    Binary f;
    double (*exact)(double, double);
    double bound;
  } const functions[] = {{"pow", Pow, std::pow, 0.51},
                         {"atan2", Atan2, std::atan2, 0.51},
                         {"fmod", Fmod, std::fmod, 0}};
  for (const auto& f : functions) {
    std::vector<float> y(a.size());
    f.f(a.data(), b.data(), y.data(), a.size());
    for (size_t i = 0; i < a.size(); ++i) {
      const double exact = f.exact(a[i], b[i]);
      ASSERT_LE(Ulps(y[i], exact), f.bound)
          << f.name << "(" << a[i] << ", " << b[i] << ") gives " << y[i] << ", exact " << exact;
      ASSERT_TRUE(exact != 0 || std::signbit(y[i]) == std::signbit(exact)) << a[i] << " " << b[i];
    }
  }
}

TEST(VectorMathTest, BitsDependOnTheElementAlone) {
  std::mt19937 random(5);
  std::vector<float> x(1000);
  for (float& v : x) v = std::uniform_real_distribution<float>(-30, 30)(random);
  for (Unary f : {Exp, Expm1, Log, Log1p, Log2, Rsqrt, Sin, Cos, Tan, Tanh, Erf, Sigmoid, Atan}) {
    std::vector<float> whole(x.size()), alone(x.size()), in_place = x;
    f(x.data(), whole.data(), x.size());
    f(in_place.data(), in_place.data(), x.size());
    for (size_t i = 0; i < x.size(); ++i) f(&x[i], &alone[i], 1);
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(Bits(whole[i]), Bits(alone[i])) << x[i];
      EXPECT_EQ(Bits(whole[i]), Bits(in_place[i])) << x[i];
    }
  }
}

TEST(VectorMathTest, SomeBitsAreFixedForever) {
  // One value a function, so that a change of compiler or coefficient does not pass unseen.
  const float x = 0.7f;
  const std::pair<Unary, uint32_t> golden[] = {
      {Exp, 0x4000e153},  {Expm1, 0x3f81c2a6}, {Log, 0xbeb69e1a}, {Log1p, 0x3f07d740},
      {Log2, 0xbf03bb12}, {Rsqrt, 0x3f98fd40}, {Sin, 0x3f24eb73}, {Cos, 0x3f43ccb2},
      {Tan, 0x3f57a036},  {Tanh, 0x3f1ab7d9},  {Erf, 0x3f2d8461}, {Sigmoid, 0x3f2b0e5a},
      {Atan, 0x3f1c5889}};
  for (size_t i = 0; i < std::size(golden); ++i) {
    float y;
    golden[i].first(&x, &y, 1);
    EXPECT_EQ(Bits(y), golden[i].second) << i << std::hex << " 0x" << Bits(y);
  }
}

TEST(VectorMathTest, BFloat16ConversionsAreThoseOfTheDType) {
  std::vector<float> x;
  for (uint64_t bits = 0; bits <= 0xFFFFFFFFull; bits += 4099) x.push_back(FromBits(bits));
  x.push_back(kNan);
  x.push_back(FromBits(0x7F7FFFFF));
  std::vector<uint16_t> narrow(x.size());
  std::vector<float> rounded(x.size()), wide(x.size());
  NarrowToBFloat16(x.data(), narrow.data(), x.size());
  RoundToBFloat16(x.data(), rounded.data(), x.size());
  WidenBFloat16(narrow.data(), wide.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(narrow[i], FloatToBFloat16(x[i])) << x[i];
    ASSERT_EQ(Bits(rounded[i]), Bits(BFloat16ToFloat(narrow[i]))) << x[i];
    ASSERT_EQ(Bits(wide[i]), Bits(rounded[i])) << x[i];
  }
}

}  // namespace
}  // namespace openhpu::simulator
