#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/kernel_harness.h"

namespace openhpu::simulator {
namespace {

using hal::KernelTensor;
using hal::NormParams;
using hal::TpcDims;

TpcDims WithOnes(TpcDims sizes, uint8_t mask) {
  for (int d = 0; d < hal::kTpcMaxDims; ++d) {
    if (mask >> d & 1) sizes[d] = 1;
  }
  return sizes;
}

TEST(NormTest, AnyMaskAgreesWithTheReference) {
  std::mt19937 random(8);
  const auto up_to = [&](uint32_t n) { return 1 + static_cast<uint32_t>(random() % n); };
  for (int round = 0; round < 120; ++round) {
    NormParams params;
    params.mask = static_cast<uint8_t>(1 + random() % 15);
    params.has_weight = random() % 2 != 0;
    params.has_bias = random() % 2 != 0;
    const TpcDims sizes = {up_to(5) > 1 ? up_to(300) : 1, up_to(9), up_to(6), up_to(3), 1};
    const DType t = random() % 3 ? DType::kFloat32 : DType::kBFloat16;
    const DType statistics = random() % 2 ? DType::kFloat32 : t;
    std::vector<KernelTensor> tensors = {DenseTensor(t, sizes, up_to(3))};
    if (params.has_weight) {
      tensors.push_back(DenseTensor(t, WithOnes(sizes, static_cast<uint8_t>(random() % 16))));
    }
    if (params.has_bias) {
      tensors.push_back(
          DenseTensor(DType::kFloat32, WithOnes(sizes, static_cast<uint8_t>(random() % 16))));
    }
    const size_t y = tensors.size();
    tensors.push_back(DenseTensor(t, sizes));
    tensors.push_back(DenseTensor(statistics, WithOnes(sizes, params.mask)));
    tensors.push_back(DenseTensor(statistics, WithOnes(sizes, params.mask)));
    auto launch = hal::MakeNorm(params, tensors);
    ASSERT_TRUE(launch.ok()) << launch.status();
    KernelHarness h(*std::move(launch));
    for (size_t i = 0; i < y; ++i) h.FillRandom(i, random(), -2, 3);
    EXPECT_EQ(h.BytesAfter(6), h.BytesAfter(1));
    ASSERT_TRUE(h.Run(4).ok());

    std::map<TpcDims, std::vector<double>> groups;
    const auto key = [&](TpcDims at) {
      for (int d = 0; d < hal::kTpcMaxDims; ++d) {
        if (params.mask >> d & 1) at[d] = 0;
      }
      return at;
    };
    ForEach(sizes, [&](const TpcDims& at) { groups[key(at)].push_back(h.Get(0, at)); });
    std::map<TpcDims, std::pair<double, double>> expected;
    const double loose = t == DType::kBFloat16 ? 0.01 : 2e-5;
    for (const auto& [at, x] : groups) {
      double mean = 0, variance = 0;
      for (double v : x) mean += v / x.size();
      for (double v : x) variance += (v - mean) * (v - mean) / x.size();
      const double rstd = 1 / std::sqrt(variance + params.epsilon);
      expected[at] = {mean, rstd};
      ASSERT_NEAR(h.Get(y + 1, at), mean, loose * 3);
      ASSERT_NEAR(h.Get(y + 2, at), rstd, loose * rstd);
    }
    ForEach(sizes, [&](const TpcDims& at) {
      const auto [mean, rstd] = expected[key(at)];
      double v = (h.Get(0, at) - mean) * rstd;
      if (params.has_weight) v *= h.Get(1, at);
      if (params.has_bias) v += h.Get(params.has_weight ? 2 : 1, at);
      ASSERT_NEAR(h.Get(y, at), v, loose * (1 + std::fabs(v)) + 1e-6 * rstd) << "round " << round;
    });
  }
}

TEST(NormTest, WeightsThatAreAbsentAreNotRead) {
  const TpcDims sizes = {768, 4, 1, 1, 1};
  const KernelTensor x = DenseTensor(DType::kFloat32, sizes);
  const KernelTensor one = DenseTensor(DType::kFloat32, {1, 4, 1, 1, 1});
  auto launch = hal::MakeNorm({1, 1e-5f, false, false}, {x, x, one, one});
  ASSERT_TRUE(launch.ok());
  KernelHarness h(*std::move(launch));
  const auto accesses = h.kernel().Footprint(h.bound(), {{0, 0, 0, 0, 0}, {1, 4, 1, 1, 1}});
  ASSERT_EQ(accesses.size(), 4u);
  EXPECT_EQ(Bytes(accesses[0]), 768u * 4 * 4);
  EXPECT_FALSE(accesses[0].write);
  EXPECT_TRUE(accesses[1].write);
  EXPECT_EQ(Bytes(accesses[2]), 16u);
}

}  // namespace
}  // namespace openhpu::simulator
