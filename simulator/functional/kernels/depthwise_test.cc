#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <utility>

#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/kernel_harness.h"

namespace openhpu::simulator {
namespace {

using hal::DepthwiseParams;
using hal::TpcDims;

TEST(DepthwiseTest, RandomConvolutionsGiveTheReferencesBits) {
  std::mt19937 random(10);
  const auto up_to = [&](uint32_t n) { return 1 + static_cast<uint32_t>(random() % n); };
  for (int round = 0; round < 80; ++round) {
    DepthwiseParams p;
    const uint32_t kernel[2] = {up_to(4), up_to(4)};
    TpcDims x = {up_to(100), kernel[0] * 2 + up_to(8), kernel[1] * 2 + up_to(8), up_to(2), 1};
    p.multiplier = static_cast<int32_t>(random() % 3 == 0 ? up_to(3) : 1);
    TpcDims y = x;
    y[0] = x[0] * static_cast<uint32_t>(p.multiplier);
    for (int a = 0; a < 2; ++a) {
      p.stride[a] = static_cast<int32_t>(up_to(2));
      p.padding[a] = static_cast<int32_t>(random() % 3);
      p.dilation[a] = static_cast<int32_t>(up_to(2));
      const int64_t room =
          int64_t{x[1 + a]} + 2 * p.padding[a] - p.dilation[a] * (int64_t{kernel[a]} - 1) - 1;
      y[1 + a] = static_cast<uint32_t>(room / p.stride[a] + 1);
    }
    const DType t = random() % 3 ? DType::kFloat32 : DType::kBFloat16;
    auto launch =
        hal::MakeDepthwise(p, DenseTensor(t, x, 5),
                           DenseTensor(t, {y[0], kernel[0], kernel[1], 1, 1}), DenseTensor(t, y));
    ASSERT_TRUE(launch.ok()) << launch.status();
    KernelHarness h(*std::move(launch));
    h.FillRandom(0, random(), -1, 1);
    h.FillRandom(1, random(), -1, 1);
    EXPECT_EQ(h.BytesAfter(6), h.BytesAfter(1));
    ASSERT_TRUE(h.Run(3).ok());
    ForEach(y, [&](const TpcDims& at) {
      float sum = 0;
      for (uint32_t r = 0; r < kernel[1]; ++r) {
        for (uint32_t s = 0; s < kernel[0]; ++s) {
          const int64_t column =
              int64_t{at[1]} * p.stride[0] - p.padding[0] + int64_t{s} * p.dilation[0];
          const int64_t row =
              int64_t{at[2]} * p.stride[1] - p.padding[1] + int64_t{r} * p.dilation[1];
          if (column < 0 || row < 0 || column >= x[1] || row >= x[2]) continue;
          const auto product = static_cast<float>(
              h.Get(0, {at[0] / static_cast<uint32_t>(p.multiplier), static_cast<uint32_t>(column),
                        static_cast<uint32_t>(row), at[3], 0}) *
              h.Get(1, {at[0], s, r, 0, 0}));
          sum += product;
        }
      }
      if (t == DType::kBFloat16) sum = BFloat16ToFloat(FloatToBFloat16(sum));
      ASSERT_EQ(h.Get(2, at), sum) << "round " << round;
    });
  }
}

}  // namespace
}  // namespace openhpu::simulator
