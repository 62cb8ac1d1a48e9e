#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/kernel_harness.h"

namespace openhpu::simulator {
namespace {

using hal::KernelTensor;
using hal::PoolOp;
using hal::PoolParams;
using hal::TpcDims;

// PyTorch's definition, tap by tap.
std::pair<double, double> Reference(const KernelHarness& h, const PoolParams& p,
                                    const TpcDims& at) {
  const TpcDims& in = h.launch().tensors[0].sizes;
  const TpcDims& out = h.launch().tensors[1].sizes;
  double best = -INFINITY, where = -1, sum = 0, valid = 0, padded = 0;
  int64_t begin[2], end[2], step[2];
  for (int a = 0; a < 2; ++a) {
    const int64_t o = at[1 + a], size = in[1 + a], made = out[1 + a];
    begin[a] = p.adaptive ? o * size / made : o * p.stride[a] - p.padding[a];
    step[a] = p.adaptive ? 1 : p.dilation[a];
    end[a] = p.adaptive ? ((o + 1) * size + made - 1) / made : begin[a] + p.kernel[a] * step[a];
  }
  for (int64_t y = begin[1]; y < end[1]; y += step[1]) {
    for (int64_t x = begin[0]; x < end[0]; x += step[0]) {
      const int64_t w = in[1], hh = in[2];
      if (x < w + p.padding[0] && y < hh + p.padding[1]) ++padded;
      if (x < 0 || y < 0 || x >= w || y >= hh) continue;
      const double v =
          h.Get(0, {at[0], static_cast<uint32_t>(x), static_cast<uint32_t>(y), at[3], 0});
      ++valid;
      sum += v;
      if (v > best) best = v, where = static_cast<double>(y * w + x);
    }
  }
  if (p.op == PoolOp::kMax) return {best, where};
  const double divisor = p.divisor != 0 ? p.divisor : (p.count_include_pad ? padded : valid);
  return {sum / divisor, 0};
}

TEST(Pool2dTest, RandomWindowsAgreeWithTheReference) {
  std::mt19937 random(4);
  const auto up_to = [&](uint32_t n) { return 1 + static_cast<int32_t>(random() % n); };
  int run = 0;
  for (int round = 0; round < 200; ++round) {
    PoolParams p;
    p.op = random() % 2 ? PoolOp::kMax : PoolOp::kAverage;
    p.kernel = {up_to(4), up_to(4)};
    p.stride = {up_to(3), up_to(3)};
    p.padding = {static_cast<int32_t>(random() % (p.kernel[0] / 2 + 1)),
                 static_cast<int32_t>(random() % (p.kernel[1] / 2 + 1))};
    p.dilation = {p.op == PoolOp::kMax ? up_to(2) : 1, p.op == PoolOp::kMax ? up_to(2) : 1};
    p.count_include_pad = random() % 2 != 0;
    p.divisor = random() % 4 == 0 ? 3 : 0;
    p.adaptive = random() % 5 == 0;
    TpcDims in = {static_cast<uint32_t>(up_to(3) > 1 ? up_to(150) : 1),
                  static_cast<uint32_t>(up_to(12)), static_cast<uint32_t>(up_to(12)),
                  static_cast<uint32_t>(up_to(2)), 1};
    TpcDims out = in;
    bool fits = true;
    for (int a = 0; a < 2; ++a) {
      if (p.adaptive) {
        out[1 + a] = static_cast<uint32_t>(up_to(7));
        continue;
      }
      const int64_t room =
          int64_t{in[1 + a]} + 2 * p.padding[a] - p.dilation[a] * (p.kernel[a] - 1) - 1;
      fits &= room >= 0;
      const int64_t ceil = random() % 2 ? p.stride[a] - 1 : 0;
      int64_t made = room < 0 ? 0 : (room + ceil) / p.stride[a] + 1;
      if ((made - 1) * p.stride[a] >= int64_t{in[1 + a]} + p.padding[a]) --made;
      out[1 + a] = static_cast<uint32_t>(made);
    }
    if (!fits) continue;
    ++run;
    const DType t = random() % 3 ? DType::kFloat32 : DType::kBFloat16;
    std::vector<KernelTensor> outputs = {DenseTensor(t, out, 3)};
    const bool indices = p.op == PoolOp::kMax && random() % 2;
    if (indices) outputs.push_back(DenseTensor(DType::kInt32, out));
    if (p.adaptive) p.padding = {0, 0};
    auto launch = hal::MakePool2d(p, DenseTensor(t, in, 1), outputs);
    ASSERT_TRUE(launch.ok()) << launch.status();
    KernelHarness h(*std::move(launch));
    h.FillRandom(0, random(), -3, 3);
    EXPECT_EQ(h.BytesAfter(7), h.BytesAfter(1));
    ASSERT_TRUE(h.Run(3).ok());
    ForEach(out, [&](const TpcDims& at) {
      const auto [value, where] = Reference(h, p, at);
      ASSERT_NEAR(h.Get(1, at), value,
                  (t == DType::kBFloat16 ? 0.01 : 1e-5) * (1 + std::fabs(value)))
          << "round " << round;
      if (indices) {
        ASSERT_EQ(h.Get(2, at), where);
      }
    });
  }
  EXPECT_GT(run, 100);
}

TEST(Pool2dTest, NanWinsAWindow) {
  PoolParams p;
  p.kernel = {3, 1};
  auto launch = hal::MakePool2d(
      p, DenseTensor(DType::kFloat32, {2, 3, 1, 1, 1}),
      {DenseTensor(DType::kFloat32, {2, 1, 1, 1, 1}), DenseTensor(DType::kInt32, {2, 1, 1, 1, 1})});
  ASSERT_TRUE(launch.ok()) << launch.status();
  KernelHarness h(*std::move(launch));
  h.Fill(0, [](const TpcDims& at) { return at[1] == 1 && at[0] == 0 ? NAN : at[1]; });
  ASSERT_TRUE(h.Run().ok());
  EXPECT_TRUE(std::isnan(h.Get(1, {})));
  EXPECT_EQ(h.Get(2, {}), 1);
  EXPECT_EQ(h.Get(1, {1, 0, 0, 0, 0}), 2);
}

TEST(Pool2dTest, FootprintIsTheWindowsHull) {
  PoolParams p;
  p.kernel = {2, 2};
  p.stride = {2, 2};
  auto launch = hal::MakePool2d(p, DenseTensor(DType::kFloat32, {64, 8, 8, 1, 1}),
                                {DenseTensor(DType::kFloat32, {64, 4, 4, 1, 1})});
  ASSERT_TRUE(launch.ok());
  KernelHarness h(*std::move(launch));
  const auto accesses = h.kernel().Footprint(h.bound(), {{0, 0, 1, 0, 0}, {1, 4, 1, 1, 1}});
  ASSERT_EQ(accesses.size(), 2u);
  EXPECT_EQ(accesses[0].base, h.bound().addresses[0] + 2 * 8 * 64 * 4);
  EXPECT_EQ(Bytes(accesses[0]), 2u * 8 * 64 * 4);
  EXPECT_EQ(h.kernel().Cost(h.bound(), {{0, 0, 1, 0, 0}, {1, 4, 1, 1, 1}}).vector_accesses,
            4u * 4 + 4);
}

}  // namespace
}  // namespace openhpu::simulator
