#include "simulator/functional/gemm_trees.h"

#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "simulator/functional/gemm.h"
#include "simulator/functional/gemm_sums_testing.h"
#include "simulator/functional/gemm_testing.h"

namespace openhpu::simulator {
namespace {

// One element: sum + the products of a and b.
float Tree(DType in, const std::vector<float>& a, const std::vector<float>& b, float sum = 0) {
  AddTrees(in, static_cast<int64_t>(a.size()), a.data(), 1, 1, b.data(), 1, 1, &sum, 1);
  return sum;
}

constexpr DType kHalf = DType::kBFloat16, kFloat = DType::kFloat32;

TEST(GemmTreesTest, AStepRoundsOnce) {
  // 2^24 + 1 + 1: each addition alone would be lost.
  EXPECT_EQ(Tree(kHalf, {0x1p12f, 1, 1}, {0x1p12f, 1, 1}), 0x1p24f + 2);
  EXPECT_EQ(Tree(kFloat, {1, 1}, {1, 1}, 0x1p24f), 0x1p24f + 2);
  // The third product of fp32 is another step: 2^24 + 1 goes to the even number.
  EXPECT_EQ(Tree(kFloat, {0x1p12f, 1, 1}, {0x1p12f, 1, 1}), 0x1p24f);
  EXPECT_EQ(Tree(kFloat, {1, 1, 0x1p24f}, {1, 0, 1}), 0x1p24f);
  // A tie of the whole sum, and what lies next to it.
  EXPECT_EQ(Tree(kHalf, {1, 0x1p-24f}, {1, 1}), 1.0f);
  EXPECT_EQ(Tree(kHalf, {1, 0x1p-24f, 0x1p-40f}, {1, 1, 1}), 1 + 0x1p-23f);
}

TEST(GemmTreesTest, WhatIsShiftedOutOfATreeIsCutOff) {
  // 49 bits below the largest exponent are kept.
  EXPECT_EQ(Tree(kHalf, {1, 0x1p-24f, 0x1p-49f}, {1, 1, 1}), 1 + 0x1p-23f);
  EXPECT_EQ(Tree(kHalf, {1, 0x1p-24f, 0x1p-50f}, {1, 1, 1}), 1.0f);
  // Magnitudes are cut off, of either sign: nothing is left below the tie.
  EXPECT_EQ(Tree(kHalf, {1, 0x1p-24f, -0x1p-50f}, {1, 1, 1}), 1.0f);
  EXPECT_EQ(Tree(kHalf, {1, 0x1p-24f + 0x1p-23f, -0x1p-50f}, {1, 1, 1}), 1 + 0x1p-22f);
  // The accumulator is added with all of its bits.
  EXPECT_EQ(Tree(kHalf, {1, 0x1p-24f}, {1, 1}, 0x1p-60f), 1 + 0x1p-23f);
  EXPECT_EQ(Tree(kHalf, {1, 0x1p-24f}, {1, 1}, -0x1p-60f), 1.0f);
}

TEST(GemmTreesTest, CancellationLeavesWhatIsLeft) {
  EXPECT_EQ(Tree(kHalf, {1, -1, 0x1p-30f}, {1, 1, 1}), 0x1p-30f);
  EXPECT_EQ(Tree(kHalf, {1, -1, 0x1p-60f}, {1, 1, 1}), 0.0f);  // below the tree's bits
  EXPECT_EQ(Tree(kHalf, {1, 0x1p-30f}, {1, 1}, -1), 0x1p-30f);
  const float x = 1 + 0x1p-23f;
  EXPECT_EQ(Tree(kFloat, {x, -1}, {x, 1}, -0x1p-22f), 0x1p-46f);
}

TEST(GemmTreesTest, TreesOfMoreBitsThanADouble) {
  // Eight products below 4 with the last kept bit: 54 bits, and the sum takes most of it away.
  const float big = 2 - 0x1p-7f;
  std::vector<float> a(8, big), b(8, big);
  a[7] = 0x1p-49f, b[7] = 1;  // the last bit
  const double sum = 7.0 * big * big;
  EXPECT_EQ(Tree(kHalf, a, b, static_cast<float>(-sum)), 0x1p-49f);
  EXPECT_EQ(Tree(kHalf, a, b), static_cast<float>(sum));
  EXPECT_EQ(Tree(kHalf, a, b, 0x1p80f), 0x1p80f);
  EXPECT_EQ(Tree(kHalf, a, b, 0x1p-100f), static_cast<float>(sum));
}

TEST(GemmTreesTest, DenormalNumbersAreZeros) {
  const float tiny = FLT_MIN / 2;
  EXPECT_EQ(Tree(kFloat, {tiny}, {0x1p100f}), 0.0f);
  EXPECT_EQ(Tree(kFloat, {FLT_MIN}, {0.5f}), 0.0f);
  EXPECT_EQ(Tree(kFloat, {FLT_MIN}, {1.5f}), 1.5f * FLT_MIN);
  EXPECT_TRUE(std::signbit(Tree(kFloat, {-FLT_MIN}, {0.5f})));
  EXPECT_EQ(Tree(kFloat, {FLT_MIN}, {1}, -1.5f * FLT_MIN), 0.0f);
  // Just below the smallest number, and rounded to it as if the exponent went on.
  EXPECT_EQ(Tree(kFloat, {FLT_MIN}, {1 - 0x1p-24f}), 0.0f);
  EXPECT_EQ(Tree(kFloat, {FLT_MIN, -FLT_MIN}, {1, 0x1p-26f}), FLT_MIN);
}

TEST(GemmTreesTest, InfinitiesAndNansAreThoseOfArithmetic) {
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Tree(kHalf, {inf, 1}, {2, 1}), inf);
  EXPECT_EQ(Tree(kHalf, {1, 1}, {-inf, 1}, 5), -inf);
  EXPECT_TRUE(std::isnan(Tree(kHalf, {inf}, {0})));
  EXPECT_TRUE(std::isnan(Tree(kHalf, {0}, {inf})));
  EXPECT_TRUE(std::isnan(Tree(kHalf, {inf, -inf}, {1, 1})));
  EXPECT_TRUE(std::isnan(Tree(kHalf, {inf}, {1}, -inf)));
  EXPECT_TRUE(std::isnan(Tree(kHalf, {1}, {std::nanf("")})));
  EXPECT_EQ(Tree(kHalf, {1}, {1}, inf), inf);
  EXPECT_EQ(Tree(kFloat, {FLT_MAX}, {2}), inf);
}

// Exponents far apart and near, against sums in numbers of 113 bits.
TEST(GemmTreesTest, RandomStepsAreTheReferences) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 40000; ++round) {
    const DType in = round % 2 == 0 ? kHalf : kFloat;
    const auto number = [&](int spread) {
      const auto exponent = static_cast<int>(random() % static_cast<uint64_t>(2 * spread)) - spread;
      const auto mantissa = static_cast<float>(random() >> 40) * 0x1p-24f + 1;
      const float x = std::ldexp(random() % 2 != 0 ? mantissa : -mantissa, exponent);
      return in == kHalf ? BFloat16ToFloat(FloatToBFloat16(x)) : x;
    };
    const int spread = 1 + round % 30;
    TreeSum naive(in);
    std::vector<float> a, b;
    for (int k = 1 + static_cast<int>(random() % 24); k > 0; --k) {
      a.push_back(number(spread));
      b.push_back(number(spread));
      naive.Add(a.back(), b.back());
    }
    const float got = Tree(in, a, b), want = naive.Finished(false);
    ASSERT_EQ(got + 0.0f, want) << "round " << round;
  }
}

TEST(GemmTreesTest, ProductsAndConvolutionsSumByTrees) {
  for (DType in : {kFloat, kHalf}) {
    GemmShape s;
    s.m = 30, s.n = 205, s.k = 261;
    s.in = in;
    s.a = {s.k, 1, {}}, s.b = {s.n, 1, {}}, s.c = {s.n, 1, {}};
    s.order = SumOrder::kTrees;
    std::vector<std::byte> a = Filled(in, Values::kReals, 1, s.m * s.k);
    std::vector<std::byte> b = Filled(in, Values::kReals, 2, s.k * s.n);
    std::vector<std::byte> c(s.m * s.n * 4), want = c;
    ASSERT_TRUE(ExactGemm(s, a.data(), b.data(), c.data()).ok());
    NaiveGemm(s, a.data(), b.data(), want.data());
    EXPECT_TRUE(c == want);
    // Channels are filled up to whole steps, at every tap.
    ConvolutionShape t = DenseConvolution(2, 13, 30, {9, 8, 1}, {3, 2, 1}, {2, 1, 1}, {1, 2, 1},
                                          {1, 1, 0}, in, DType::kBFloat16);
    t.order = SumOrder::kTrees;
    a = Filled(in, Values::kReals, 3, t.x_strides[3] * 2);
    b = Filled(in, Values::kReals, 4, t.w_strides[3]);
    c.assign(t.y_strides[3] * 2 * 2, std::byte{0});
    want = c;
    ASSERT_TRUE(ExactConvolution(t, a.data(), b.data(), c.data()).ok());
    NaiveConvolution(t, a.data(), b.data(), want.data());
    EXPECT_TRUE(c == want);
  }
}

}  // namespace
}  // namespace openhpu::simulator
