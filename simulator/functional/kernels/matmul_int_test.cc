#include <gtest/gtest.h>

#include <random>
#include <utility>

#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/kernel_harness.h"

namespace openhpu::simulator {
namespace {

using hal::TpcDims;

TEST(IntegerMatmulTest, RandomProductsAreExact) {
  std::mt19937 random(12);
  const auto up_to = [&](uint32_t n) { return 1 + static_cast<uint32_t>(random() % n); };
  const DType dtypes[] = {DType::kInt32, DType::kInt16, DType::kInt8, DType::kUInt8};
  for (int round = 0; round < 60; ++round) {
    const DType t = dtypes[round % 4];
    const DType result = random() % 2 ? DType::kInt32 : t;
    const uint32_t m = up_to(9), n = up_to(300), k = round == 0 ? 0 : up_to(40);
    const uint32_t b1 = up_to(3), b2 = up_to(2);
    auto launch = hal::MakeIntegerMatmul(DenseTensor(t, {k, m, random() % 2 ? b1 : 1, b2, 1}, 2),
                                         DenseTensor(t, {n, k, b1, random() % 2 ? b2 : 1, 1}),
                                         DenseTensor(result, {n, m, b1, b2, 1}));
    ASSERT_TRUE(launch.ok()) << launch.status();
    KernelHarness h(*std::move(launch));
    const double high = t == DType::kInt32 ? 2e9 : (t == DType::kUInt8 ? 255 : 127);
    h.FillRandom(0, random(), t == DType::kUInt8 ? 0 : -high, high);
    h.FillRandom(1, random(), t == DType::kUInt8 ? 0 : -high, high);
    EXPECT_EQ(h.BytesAfter(6), h.BytesAfter(1));
    ASSERT_TRUE(h.Run(3).ok());
    ForEach({n, m, b1, b2, 1}, [&](const TpcDims& at) {
      uint32_t sum = 0;
      for (uint32_t i = 0; i < k; ++i) {
        sum += static_cast<uint32_t>(static_cast<int32_t>(h.Get(0, {i, at[1], at[2], at[3], 0}))) *
               static_cast<uint32_t>(static_cast<int32_t>(h.Get(1, {at[0], i, at[2], at[3], 0})));
      }
      const int bits = 8 * StorageBytes(result);
      const uint32_t mask = bits == 32 ? 0xFFFFFFFFu : (1u << bits) - 1;
      ASSERT_EQ(h.GetBits(2, at), sum & mask) << "round " << round;
    });
  }
}

TEST(IntegerMatmulTest, CostCountsAVectorEachStep) {
  auto launch = hal::MakeIntegerMatmul(DenseTensor(DType::kInt32, {16, 8, 1, 1, 1}),
                                       DenseTensor(DType::kInt32, {64, 16, 1, 1, 1}),
                                       DenseTensor(DType::kInt32, {64, 8, 1, 1, 1}));
  ASSERT_TRUE(launch.ok());
  KernelHarness h(*std::move(launch));
  const KernelCost cost = h.kernel().Cost(h.bound(), {{0, 0, 0, 0, 0}, {1, 8, 1, 1, 1}});
  EXPECT_EQ(cost.bundles, 8u * 17);
  EXPECT_EQ(cost.vector_accesses, 2u * 16 + 8 + 8);
}

}  // namespace
}  // namespace openhpu::simulator
