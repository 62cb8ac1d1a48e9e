#include "simulator/functional/gemm_rounding.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "simulator/functional/gemm.h"
#include "simulator/functional/gemm_exact.h"
#include "simulator/functional/gemm_testing.h"

namespace openhpu::simulator {
namespace {

constexpr Rounding kRoundings[] = {Rounding::kNearestEven, Rounding::kZero, Rounding::kUp,
                                   Rounding::kDown};
constexpr float kInfinity = std::numeric_limits<float>::infinity();

float FloatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

uint16_t Convert(float value, Rounding rounding) {
  uint16_t half;
  FinishRow(&value, 1, false, DType::kBFloat16, rounding, nullptr,
            reinterpret_cast<std::byte*>(&half));
  return half;
}

// The number among `inner` and `outer`, neighbours with the exact value between them, that a
// rounding chooses.
uint16_t Choose(double exact, uint16_t inner, uint16_t outer, Rounding rounding) {
  const double low = BFloat16ToFloat(inner), high = BFloat16ToFloat(outer);
  if (exact == low) return inner;
  switch (rounding) {
    case Rounding::kZero:
      return inner;
    case Rounding::kUp:
      return exact > 0 ? outer : inner;
    case Rounding::kDown:
      return exact > 0 ? inner : outer;
    case Rounding::kNearestEven:
      break;
  }
  const double below = std::fabs(exact - low), above = std::fabs(high - exact);
  if (below != above) return below < above ? inner : outer;
  return inner % 2 == 0 ? inner : outer;
}

TEST(GemmRoundingTest, ConversionsGoWhereTheirModeSays) {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    uint32_t bits = (random() & 0x80000000) | (64 + random() % 128) << 23 | (random() & 0x7FFFFF);
    if (i % 4 == 0) bits = (bits & 0xFFFF0000) | 0x8000;  // ties
    if (i % 4 == 1) bits &= 0xFFFF0000;
    const uint16_t inner = static_cast<uint16_t>(bits >> 16);
    for (Rounding rounding : kRoundings) {
      ASSERT_EQ(Convert(FloatOf(bits), rounding),
                Choose(FloatOf(bits), inner, static_cast<uint16_t>(inner + 1), rounding))
          << bits << " mode " << static_cast<int>(rounding);
    }
  }
}

TEST(GemmRoundingTest, TheLargestNumberBecomesInfinityOnlyWhereItRoundsAway) {
  const float largest = std::numeric_limits<float>::max();
  EXPECT_EQ(Convert(largest, Rounding::kNearestEven), 0x7F80);
  EXPECT_EQ(Convert(largest, Rounding::kZero), 0x7F7F);
  EXPECT_EQ(Convert(largest, Rounding::kUp), 0x7F80);
  EXPECT_EQ(Convert(largest, Rounding::kDown), 0x7F7F);
  EXPECT_EQ(Convert(-largest, Rounding::kUp), 0xFF7F);
  EXPECT_EQ(Convert(-largest, Rounding::kDown), 0xFF80);
  for (Rounding rounding : kRoundings) {
    EXPECT_EQ(Convert(kInfinity, rounding), 0x7F80);
    EXPECT_EQ(Convert(-kInfinity, rounding), 0xFF80);
    EXPECT_EQ(Convert(std::nanf(""), rounding), 0x7FFF);
    EXPECT_EQ(Convert(-std::nanf(""), rounding), 0x7FFF);
    EXPECT_EQ(Convert(-0.0f, rounding), 0);
  }
}

// One element of the exact product of two vectors.
float Dot(const std::vector<float>& a, const std::vector<float>& b, Rounding rounding) {
  GemmShape s;
  s.m = s.n = 1;
  s.k = static_cast<int64_t>(a.size());
  s.a = {s.k, 1, {}};
  s.b = {1, s.k, {}};
  s.c = {1, 1, {}};
  s.rounding = rounding;
  float c = 77, fast = 78;
  const auto* x = reinterpret_cast<const std::byte*>(a.data());
  const auto* y = reinterpret_cast<const std::byte*>(b.data());
  EXPECT_TRUE(ExactGemm(s, x, y, reinterpret_cast<std::byte*>(&c)).ok());
  if (rounding != Rounding::kNearestEven) {
    EXPECT_TRUE(FastGemm(s, x, y, reinterpret_cast<std::byte*>(&fast)).ok());
    EXPECT_EQ(std::memcmp(&c, &fast, 4), 0) << "the fast arithmetic rounds to nearest only";
  }
  return c;
}

TEST(GemmRoundingTest, ChainsAndTheirRollUpRound) {
  const float up = 1.0f + std::ldexp(1.0f, -23), down = 1.0f - std::ldexp(1.0f, -24);
  const float tiny = std::ldexp(1.0f, -40);
  // In one chain, then across chains.
  for (const std::vector<float>& places :
       {std::vector<float>{1, 0, 0, 0, tiny}, std::vector<float>{1, tiny, 0, 0}}) {
    std::vector<float> less = places;
    less.back() = less.back() == 0 ? 0 : -tiny;
    if (less.size() == 4) less[1] = -tiny;
    const std::vector<float> ones(places.size(), 1.0f);
    EXPECT_EQ(Dot(places, ones, Rounding::kNearestEven), 1.0f);
    EXPECT_EQ(Dot(places, ones, Rounding::kZero), 1.0f);
    EXPECT_EQ(Dot(places, ones, Rounding::kUp), up);
    EXPECT_EQ(Dot(places, ones, Rounding::kDown), 1.0f);
    EXPECT_EQ(Dot(less, ones, Rounding::kNearestEven), 1.0f);
    EXPECT_EQ(Dot(less, ones, Rounding::kZero), down);
    EXPECT_EQ(Dot(less, ones, Rounding::kUp), 1.0f);
    EXPECT_EQ(Dot(less, ones, Rounding::kDown), down);
  }
}

TEST(GemmRoundingTest, NoRoundingLeavesANegativeZeroANanOrADenormal) {
  const float denormal = std::ldexp(1.0f, -130), small = std::ldexp(1.0f, -100);
  for (Rounding rounding : kRoundings) {
    SCOPED_TRACE(static_cast<int>(rounding));
    const auto bits = [&](const std::vector<float>& a, const std::vector<float>& b) {
      const float c = Dot(a, b, rounding);
      uint32_t word;
      std::memcpy(&word, &c, 4);
      return word;
    };
    EXPECT_EQ(bits({-1}, {0}), 0u);
    EXPECT_EQ(bits({1, -1}, {1, 1}), 0u);
    EXPECT_EQ(bits({-0.0f, -0.0f, -0.0f, -0.0f}, {1, 1, 1, 1}), 0u);
    EXPECT_EQ(bits({denormal}, {1e30f}), 0u) << "a denormal operand";
    EXPECT_EQ(bits({small}, {small}), 0u) << "a denormal result";
    EXPECT_EQ(bits({-small}, {small}), 0u);
    EXPECT_EQ(bits({kInfinity}, {0}), kFloatNan);
    EXPECT_EQ(bits({kInfinity, -kInfinity}, {1, 1}), kFloatNan);
    EXPECT_EQ(bits({-std::nanf("")}, {1}), kFloatNan);
  }
  EXPECT_EQ(Dot({3e38f, 3e38f}, {1, 1}, Rounding::kNearestEven), kInfinity);
  EXPECT_EQ(Dot({3e38f, 3e38f}, {1, 1}, Rounding::kZero), std::numeric_limits<float>::max());
  EXPECT_EQ(Dot({-3e38f, -3e38f}, {1, 1}, Rounding::kUp), std::numeric_limits<float>::lowest());
}

TEST(GemmRoundingTest, ReluComesBeforeTheConversionAndKeepsNans) {
  const float sums[] = {-3.0f, -0.0f, 1.0f + std::ldexp(1.0f, -20), std::nanf(""), -kInfinity};
  uint16_t half[5];
  FinishRow(sums, 5, true, DType::kBFloat16, Rounding::kUp, nullptr,
            reinterpret_cast<std::byte*>(half));
  EXPECT_EQ(half[0], 0);
  EXPECT_EQ(half[1], 0);
  EXPECT_EQ(half[2], 0x3F81);
  EXPECT_EQ(half[3], 0x7FFF);
  EXPECT_EQ(half[4], 0);
}

TEST(GemmRoundingTest, SumsInMemoryAreRoundedOnce) {
  std::mt19937 random(2);
  for (int i = 0; i < 20000; ++i) {
    const auto half = [&] {
      return static_cast<uint16_t>((random() % 2) << 15 | (100 + random() % 24) << 7 |
                                   random() % 128);
    };
    const uint16_t memory = half(), value = half();
    const bool subtract = random() % 2 != 0;
    // Exact in a double.
    const double exact = static_cast<double>(BFloat16ToFloat(memory)) +
                         (subtract ? -1.0 : 1.0) * static_cast<double>(BFloat16ToFloat(value));
    for (Rounding rounding : kRoundings) {
      uint16_t got = memory;
      ReduceRow({DType::kBFloat16, rounding, subtract}, reinterpret_cast<const std::byte*>(&value),
                1, reinterpret_cast<std::byte*>(&got));
      if (exact == 0) {
        ASSERT_EQ(got & 0x7FFF, 0);
        continue;
      }
      // The bf16 nearer to zero: cut from the exact bits.
      const float cut = static_cast<float>(exact);
      uint32_t bits;
      std::memcpy(&bits, &cut, 4);
      if (std::fabs(static_cast<double>(cut)) > std::fabs(exact)) --bits;
      const uint16_t inner = static_cast<uint16_t>(bits >> 16);
      ASSERT_EQ(got, Choose(exact, inner, static_cast<uint16_t>(inner + 1), rounding))
          << memory << (subtract ? " - " : " + ") << value << " mode "
          << static_cast<int>(rounding);
    }
  }
}

TEST(GemmRoundingTest, FloatsAddToMemoryToo) {
  const float value = std::ldexp(1.0f, -40);
  const auto reduce = [&](float memory, float with, Rounding rounding, bool subtract) {
    ReduceRow({DType::kFloat32, rounding, subtract}, reinterpret_cast<const std::byte*>(&with), 1,
              reinterpret_cast<std::byte*>(&memory));
    return memory;
  };
  EXPECT_EQ(reduce(2, 3, Rounding::kNearestEven, false), 5);
  EXPECT_EQ(reduce(2, 3, Rounding::kNearestEven, true), -1);
  EXPECT_EQ(reduce(1, value, Rounding::kUp, false), 1 + std::ldexp(1.0f, -23));
  EXPECT_EQ(reduce(1, value, Rounding::kDown, true), 1 - std::ldexp(1.0f, -24));
  EXPECT_EQ(reduce(1, value, Rounding::kZero, false), 1);
  EXPECT_TRUE(std::signbit(reduce(-0.0f, -0.0f, Rounding::kNearestEven, false)));
  EXPECT_TRUE(std::isnan(reduce(kInfinity, kInfinity, Rounding::kNearestEven, true)));
}

TEST(GemmRoundingTest, StochasticRoundingIsRightOnAverageAndLeavesWhatFits) {
  RoundingGenerators generators;
  uint32_t numbers[64];
  int away = 0, drawn = 0;
  const uint32_t quarter = 0x3F804000;  // a quarter of the way to the next bf16
  for (int line = 0; line < 1000; ++line) {
    generators.Draw(64, numbers);
    for (uint32_t number : numbers) {
      ASSERT_NE(number, 0u);
      ASSERT_EQ(RoundToBFloat16(0xBF800000u, number), 0xBF80);
      const uint16_t half = RoundToBFloat16(quarter, number);
      ASSERT_TRUE(half == 0x3F80 || half == 0x3F81);
      away += half == 0x3F81 ? 1 : 0;
      ++drawn;
    }
  }
  EXPECT_NEAR(away, drawn / 4, drawn / 50);
  // The rule itself: no less than the number.
  EXPECT_EQ(RoundToBFloat16(0x3F804000u, 0x40000000u), 0x3F81);
  EXPECT_EQ(RoundToBFloat16(0x3F804000u, 0x40000001u), 0x3F80);
}

TEST(GemmRoundingTest, ArraysDrawDifferentNumbersAndColumnsShareGenerators) {
  RoundingGenerators local(0), remote(1);
  uint32_t a[64], b[64];
  local.Draw(64, a);
  remote.Draw(64, b);
  for (int i = 0; i < 64; ++i) EXPECT_NE(a[i], b[i]);
  for (int i = 0; i < 32; ++i) {
    EXPECT_EQ(a[i + 32], (a[i] >> 1) ^ (a[i] % 2 != 0 ? 0x80200003u : 0u));
  }
}

}  // namespace
}  // namespace openhpu::simulator
