#include "simulator/functional/gemm.h"

#include <cfloat>
#include <cmath>
#include <functional>
#include <limits>

#include "gtest/gtest.h"
#include "simulator/functional/gemm_kernels.h"
#include "simulator/functional/gemm_testing.h"

namespace openhpu::simulator {
namespace {

uint32_t Bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}

GemmShape Dense(int64_t m, int64_t n, int64_t k, bool a_by_columns, bool b_by_columns, DType in,
                DType out) {
  GemmShape s;
  s.m = m;
  s.n = n;
  s.k = k;
  s.in = in;
  s.out = out;
  s.a.row = a_by_columns ? 1 : k + 3;
  s.a.column = a_by_columns ? m + 1 : 1;
  s.b.row = b_by_columns ? 1 : n + 2;
  s.b.column = b_by_columns ? k + 5 : 1;
  s.c.row = n + 4;
  s.c.column = 1;
  return s;
}

using Function =
    std::function<void(const GemmShape&, const std::byte*, const std::byte*, std::byte*)>;
void Exact(const GemmShape& s, const std::byte* a, const std::byte* b, std::byte* c) {
  ASSERT_TRUE(ExactGemm(s, a, b, c).ok());
}
void Fast(const GemmShape& s, const std::byte* a, const std::byte* b, std::byte* c) {
  const absl::Status status = FastGemm(s, a, b, c);
  ASSERT_TRUE(status.ok()) << status;
}

// Elements from the first to the last that an operand's strides reach.
int64_t Extent(const GemmShape& s, int64_t rows, int64_t columns, const GemmShape::Strides& t) {
  int64_t last = (rows - 1) * t.row + (columns - 1) * t.column;
  for (int d = 0; d < 3; ++d) last += (s.batch[d] - 1) * t.batch[d];
  return last + 1;
}

void ExpectSame(const GemmShape& s, Values values, const Function& f, const char* what) {
  const auto a = Filled(s.in, values, 1, Extent(s, s.m, s.k, s.a));
  const auto b = Filled(s.in, values, 2, Extent(s, s.k, s.n, s.b));
  // What lies between the rows of the result must stay.
  auto want = Filled(s.out, values, 3, Extent(s, s.m, s.n, s.c));
  auto got = want;
  NaiveGemm(s, a.data(), b.data(), want.data());
  f(s, a.data(), b.data(), got.data());
  EXPECT_EQ(want, got) << what << " " << s.m << "x" << s.n << "x" << s.k << " " << Name(s.in)
                       << "->" << Name(s.out) << " a " << s.a.row << "," << s.a.column << " b "
                       << s.b.row << "," << s.b.column << " batch " << s.batch[0] << ","
                       << s.batch[1] << "," << s.batch[2] << " relu " << s.relu;
}

void ForManyShapes(const std::function<void(const GemmShape&)>& use) {
  constexpr DType f = DType::kFloat32, h = DType::kBFloat16;
  const std::array<int64_t, 3> sizes[] = {{1, 1, 1},      {3, 5, 7},     {8, 48, 4},
                                          {17, 50, 33},   {64, 64, 70},  {100, 50, 70},
                                          {97, 200, 259}, {1, 300, 130}, {130, 1, 64}};
  for (const auto& size : sizes) {
    for (int layout = 0; layout < 4; ++layout) {
      for (const auto& [in, out] : {std::pair{f, f}, {h, h}, {h, f}, {f, h}}) {
        GemmShape s = Dense(size[0], size[1], size[2], layout & 1, layout & 2, in, out);
        s.relu = (size[0] + layout) % 2 == 0;
        use(s);
      }
    }
  }
}

// Batches as attention has them: heads interleaved in rows, shared weights, merged dimensions.
std::vector<GemmShape> Batches() {
  std::vector<GemmShape> shapes;
  GemmShape s = Dense(9, 10, 12, false, true, DType::kFloat32, DType::kFloat32);
  s.batch = {2, 3, 2};
  s.a = {6 * 12, 1, {12, 24, 9 * 72}};
  s.b = {1, 6 * 12, {12, 24, 10 * 72}};
  s.c = {10, 1, {90, 180, 540}};
  shapes.push_back(s);
  s.b = {1, 12, {0, 0, 0}};
  shapes.push_back(s);
  s.batch = {4, 1, 3};
  s.a = {12, 1, {108, 0, 0}};
  s.b = {1, 12, {0, 0, 120}};
  s.c = {10, 1, {90, 0, 360}};
  shapes.push_back(s);
  s.batch = {5, 1, 1};
  s.a = {12, 1, {108, 0, 0}};
  s.b = {1, 12, {0, 0, 0}};
  s.c = {10, 1, {90, 0, 0}};
  shapes.push_back(s);
  const size_t floats = shapes.size();
  for (size_t i = 0; i < floats; ++i) {
    s = shapes[i];
    s.in = s.out = DType::kBFloat16;
    shapes.push_back(s);
  }
  return shapes;
}

constexpr Rounding kRoundings[] = {Rounding::kNearestEven, Rounding::kZero, Rounding::kUp,
                                   Rounding::kDown};

void ExpectScalarSteps(const ChainKernel& kernel, Rounding rounding) {
  std::mt19937 random(5);
  ASSERT_LE(kernel.rows, kMaxKernelRows);
  ASSERT_LE(kernel.columns, kMaxKernelColumns);
  std::vector<float> a(37 * kernel.rows), b(37 * kernel.columns),
      want(kernel.rows * kernel.columns);
  for (auto* v : {&a, &b, &want}) {
    for (float& x : *v)
      x = std::ldexp(static_cast<float>(random()) / 2147483648.0f - 1.0f,
                     static_cast<int>(random() % 20) - 10);
  }
  std::vector<float> got = want;
  const FlushDenormals flush(rounding);
  for (int k = 0; k < 37; ++k) {
    for (int r = 0; r < kernel.rows; ++r) {
      for (int c = 0; c < kernel.columns; ++c) {
        float& sum = want[r * kernel.columns + c];
        sum = std::fmaf(a[k * kernel.rows + r], b[k * kernel.columns + c], sum);
      }
    }
  }
  kernel.run(37, a.data(), b.data(), got.data());
  EXPECT_EQ(want, got) << kernel.name << " rounding " << static_cast<int>(rounding);
}

TEST(GemmTest, EveryKernelGivesTheBitsOfScalarSteps) {
  for (const ChainKernel& kernel : ChainKernels()) {
    for (Rounding rounding : kRoundings) ExpectScalarSteps(kernel, rounding);
  }
}

TEST(GemmTest, KernelsAgreeAtTheEdgeOfDenormalNumbers) {
  // Every kernel's first column against the portable one's, on products around the smallest normal
  // number.
  std::mt19937 random(6);
  const auto run = [](const ChainKernel& kernel, Rounding rounding, float a, float b, float c) {
    std::vector<float> x(kernel.rows, a), y(kernel.columns, b),
        sum(kernel.rows * kernel.columns, c);
    const FlushDenormals flush(rounding);
    kernel.run(1, x.data(), y.data(), sum.data());
    return Bits(sum[0]);
  };
  const auto edge = [&] {
    const int which = random() % 4;
    if (which == 0)
      return std::ldexp(1.0f - std::ldexp(1.0f, -24) * (random() % 3), -126 + (random() % 2));
    if (which == 1) return std::ldexp(static_cast<float>(random() % 64), -149);
    return std::ldexp(1.0f + std::ldexp(static_cast<float>(random() % 5), -23), -(random() % 130));
  };
  for (int i = 0; i < 80000; ++i) {
    const float a = edge(), b = random() % 2 ? 1.0f - std::ldexp(1.0f, -24) : edge();
    const float c = random() % 2 ? edge() : -edge();
    const Rounding rounding = kRoundings[i % 4];
    const uint32_t want = run(ChainKernels().back(), rounding, a, b, c);
    for (const ChainKernel& kernel : ChainKernels()) {
      ASSERT_EQ(run(kernel, rounding, a, b, c), want)
          << kernel.name << " " << a << " * " << b << " + " << c << " rounding "
          << static_cast<int>(rounding);
    }
  }
}

TEST(GemmTest, ExactGivesTheBitsOfTheNaiveChains) {
  ForManyShapes([](const GemmShape& s) { ExpectSame(s, Values::kReals, Exact, "exact"); });
  for (const GemmShape& s : Batches()) ExpectSame(s, Values::kReals, Exact, "exact");
}

TEST(GemmTest, FastGivesTheSameIntegers) {
  ForManyShapes([](const GemmShape& s) { ExpectSame(s, Values::kSmallIntegers, Fast, "fast"); });
  for (const GemmShape& s : Batches()) ExpectSame(s, Values::kSmallIntegers, Fast, "fast");
}

TEST(GemmTest, StridesThatOneDnnLacksStillWork) {
  GemmShape s = Dense(20, 30, 40, false, false, DType::kFloat32, DType::kFloat32);
  s.a = {80, 2, {0, 0, 0}};
  ExpectSame(s, Values::kSmallIntegers, Fast, "every other column");
  s.a = {0, 1, {0, 0, 0}};
  ExpectSame(s, Values::kSmallIntegers, Fast, "one row for all");
  s.a = {1, 1, {0, 0, 0}};
  ExpectSame(s, Values::kSmallIntegers, Fast, "sliding windows");
}

TEST(GemmTest, FastIsWithinRounding) {
  GemmShape s = Dense(60, 70, 500, false, false, DType::kFloat32, DType::kFloat32);
  const auto a = Filled(s.in, Values::kReals, 1, Extent(s, s.m, s.k, s.a));
  const auto b = Filled(s.in, Values::kReals, 2, Extent(s, s.k, s.n, s.b));
  std::vector<std::byte> exact(Extent(s, s.m, s.n, s.c) * 4), fast(exact.size());
  Exact(s, a.data(), b.data(), exact.data());
  Fast(s, a.data(), b.data(), fast.data());
  for (size_t i = 0; i < exact.size() / 4; ++i) {
    EXPECT_NEAR(LoadElement(s.out, exact.data(), i), LoadElement(s.out, fast.data(), i), 2e-5);
  }
}

TEST(GemmTest, EmptyCommonDimensionGivesZeros) {
  for (const Function& f : {Function(Exact), Function(Fast)}) {
    GemmShape s = Dense(3, 4, 0, false, false, DType::kBFloat16, DType::kFloat32);
    s.c.row = 4;
    std::vector<std::byte> c(48, std::byte{7});
    f(s, nullptr, nullptr, c.data());
    EXPECT_EQ(c, std::vector<std::byte>(48));
  }
}

TEST(GemmTest, SpecialValuesFollowTheDevice) {
  const float inf = std::numeric_limits<float>::infinity(), denormal = FLT_MIN / 2;
  struct Case {
    float a, b;
    uint32_t f32;
    uint16_t bf16;
  };
  for (const Case& c :
       {Case{inf, 0, 0x7FFFFFFF, 0x7FFF}, Case{-std::nanf("5"), 1, 0x7FFFFFFF, 0x7FFF},
        Case{-1, 0, 0, 0}, Case{denormal, 4, 0, 0}, Case{FLT_MIN, -0.5f, 0, 0},
        Case{FLT_MAX, 1, 0x7F7FFFFF, 0x7F80}, Case{-inf, 2, 0xFF800000, 0xFF80},
        Case{1.00390625f, 1, 0x3F808000, 0x3F80}, Case{1.01171875f, 1, 0x3F818000, 0x3F82}}) {
    GemmShape s = Dense(1, 1, 1, false, false, DType::kFloat32, DType::kFloat32);
    float f32;
    Exact(s, reinterpret_cast<const std::byte*>(&c.a), reinterpret_cast<const std::byte*>(&c.b),
          reinterpret_cast<std::byte*>(&f32));
    EXPECT_EQ(Bits(f32), c.f32) << c.a << " * " << c.b;
    s.out = DType::kBFloat16;
    uint16_t bf16;
    Exact(s, reinterpret_cast<const std::byte*>(&c.a), reinterpret_cast<const std::byte*>(&c.b),
          reinterpret_cast<std::byte*>(&bf16));
    EXPECT_EQ(bf16, c.bf16) << c.a << " * " << c.b;
  }
}

TEST(GemmTest, WhatIsNoProductIsRefused) {
  GemmShape s = Dense(1, 1, 1, false, false, DType::kInt32, DType::kFloat32);
  EXPECT_EQ(ExactGemm(s, nullptr, nullptr, nullptr).code(), absl::StatusCode::kInvalidArgument);
  s.in = DType::kFloat32;
  s.m = -1;
  EXPECT_EQ(FastGemm(s, nullptr, nullptr, nullptr).code(), absl::StatusCode::kInvalidArgument);
  ConvolutionShape c;
  c.dilation[1] = 0;
  EXPECT_EQ(FastConvolution(c, nullptr, nullptr, nullptr).code(),
            absl::StatusCode::kInvalidArgument);
}

std::vector<ConvolutionShape> Convolutions() {
  std::vector<ConvolutionShape> shapes = {
      DenseConvolution(2, 3, 16, {9, 7, 1}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 0}),
      DenseConvolution(1, 16, 33, {11, 12, 1}, {3, 2, 1}, {2, 3, 1}, {1, 1, 1}, {1, 0, 0}),
      DenseConvolution(2, 5, 4, {13, 13, 1}, {3, 3, 1}, {1, 2, 1}, {2, 3, 1}, {2, 3, 0}),
      DenseConvolution(3, 8, 70, {6, 5, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}),
      DenseConvolution(2, 64, 64, {8, 8, 1}, {1, 1, 1}, {2, 2, 1}, {1, 1, 1}, {0, 0, 0}),
      DenseConvolution(1, 4, 6, {5, 6, 7}, {3, 2, 3}, {1, 1, 2}, {1, 1, 1}, {1, 0, 1}),
      DenseConvolution(1, 2, 3, {4, 4, 1}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1}, {3, 3, 0}),
  };
  // One group of two: channels and features are slices of the tensors.
  ConvolutionShape group = shapes[0];
  for (int64_t& t : group.x_strides) t *= 2;
  for (int64_t& t : group.y_strides) t *= 2;
  shapes.push_back(group);
  group = shapes[3];
  for (int64_t& t : group.x_strides) t *= 2;
  for (int64_t& t : group.y_strides) t *= 2;
  shapes.push_back(group);
  // Rows 2 and 3 of the output alone: a crop of the images.
  ConvolutionShape rows = shapes[0];
  rows.pad[1] -= 2;
  rows.out[1] = 2;
  shapes.push_back(rows);
  rows = shapes[1];
  rows.pad = {-1, -3, 0};
  rows.out = {4, 2, 1};
  shapes.push_back(rows);
  ConvolutionShape all = shapes[0];
  all.relu = true;
  shapes.push_back(all);
  const size_t floats = shapes.size();
  for (size_t i = 0; i < floats; ++i) {
    ConvolutionShape s = shapes[i];
    s.in_type = DType::kBFloat16;
    s.out_type = i % 2 ? DType::kBFloat16 : DType::kFloat32;
    shapes.push_back(s);
  }
  return shapes;
}

constexpr int64_t kPlenty = 20000;  // elements: more than any tensor above has

TEST(GemmTest, ExactConvolutionGivesTheBitsOfTheNaiveChains) {
  for (const ConvolutionShape& s : Convolutions()) {
    const auto x = Filled(s.in_type, Values::kReals, 1, kPlenty);
    const auto w = Filled(s.in_type, Values::kReals, 2, kPlenty);
    auto want = Filled(s.out_type, Values::kReals, 3, kPlenty), got = want;
    NaiveConvolution(s, x.data(), w.data(), want.data());
    ASSERT_TRUE(ExactConvolution(s, x.data(), w.data(), got.data()).ok());
    EXPECT_EQ(want, got);
  }
}

TEST(GemmTest, WeightsThatOverlapStillWork) {
  // Rows of weights 3 elements apart, 8 of them used.
  ConvolutionShape s = DenseConvolution(1, 4, 8, {6, 5, 1}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1},
                                        {1, 1, 0}, DType::kFloat32, DType::kFloat32);
  s.w_strides = {3, 12, 36, 108};
  const auto x = Filled(s.in_type, Values::kSmallIntegers, 1, s.x_strides[3]);
  const auto w = Filled(s.in_type, Values::kSmallIntegers, 2, 200);
  std::vector<std::byte> want(s.y_strides[3] * 4), got(want.size());
  NaiveConvolution(s, x.data(), w.data(), want.data());
  const absl::Status status = FastConvolution(s, x.data(), w.data(), got.data());
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(want == got);
}

TEST(GemmTest, FastConvolutionGivesTheSameIntegers) {
  int index = 0;
  for (const ConvolutionShape& s : Convolutions()) {
    const auto x = Filled(s.in_type, Values::kSmallIntegers, 1, kPlenty);
    const auto w = Filled(s.in_type, Values::kSmallIntegers, 2, kPlenty);
    auto want = Filled(s.out_type, Values::kSmallIntegers, 3, kPlenty), got = want;
    NaiveConvolution(s, x.data(), w.data(), want.data());
    const absl::Status status = FastConvolution(s, x.data(), w.data(), got.data());
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(want, got) << "case " << index;
    ++index;
  }
}

TEST(GemmTest, ReorderedWeightsLiveAsLongAsTheWeightsStay) {
  const ConvolutionShape s =
      DenseConvolution(1, 16, 32, {8, 8, 1}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 0});
  const int64_t count = 32 * 16 * 9;
  FakeMemory memory(0x10000, 4 * count);
  const auto x = Filled(s.in_type, Values::kSmallIntegers, 1, 64 * 16);
  std::vector<std::byte> y(64 * 32 * 4), want(y.size());
  WeightsCache cache;
  const WeightsSource source = {&cache, &memory, DeviceAddress(0x10000),
                                static_cast<uint64_t>(4 * count)};
  const auto run = [&](uint32_t seed) {
    Fill(s.in_type, Values::kSmallIntegers, seed, memory.at(0x10000), count);
    ASSERT_TRUE(FastConvolution(s, x.data(), memory.at(0x10000), y.data(), source).ok());
    NaiveConvolution(s, x.data(), memory.at(0x10000), want.data());
  };
  run(1);
  EXPECT_EQ(want, y);
  EXPECT_EQ(cache.bytes_kept(), 0u) << "version 0 is never kept";
  memory.Touch();
  run(1);
  EXPECT_EQ(want, y);
  EXPECT_GT(cache.bytes_kept(), 0u);
  run(2);  // Written behind the version's back: the copy is what is used.
  EXPECT_NE(want, y);
  memory.Touch();
  run(2);
  EXPECT_EQ(want, y);
}

TEST(GemmTest, CacheStaysWithinItsCapacity) {
  FakeMemory memory(0, 1 << 20);
  memory.Touch();
  WeightsCache cache(1000);
  const auto keep = [&](uint64_t address, uint64_t bytes) {
    cache.Keep(DeviceAddress(address), "layout", {1}, AllocateAligned(bytes), bytes);
  };
  const auto kept = [&](uint64_t address) {
    return cache.Find(memory, DeviceAddress(address), 1, "layout") != nullptr;
  };
  keep(0, 400);
  keep(1, 400);
  EXPECT_TRUE(kept(0));
  keep(2, 400);  // 1 was used least recently
  EXPECT_TRUE(kept(0));
  EXPECT_FALSE(kept(1));
  EXPECT_TRUE(kept(2));
  keep(3, 2000);
  EXPECT_FALSE(kept(3));
  EXPECT_EQ(cache.bytes_kept(), 800u);
  memory.Touch();
  EXPECT_FALSE(kept(0));
  EXPECT_EQ(cache.bytes_kept(), 400u);
}

TEST(GemmTest, TheArithmeticHasAName) {
  EXPECT_NE(FastArithmeticName().find("oneDNN"), std::string::npos);
}

}  // namespace
}  // namespace openhpu::simulator
