#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/kernel_harness.h"

namespace openhpu::simulator {
namespace {

using hal::SortParams;
using hal::TpcDims;

KernelHarness Make(const SortParams& params, DType dtype, const TpcDims& in, uint32_t kept) {
  TpcDims out = in;
  out[params.dim] = kept;
  auto launch = hal::MakeSort(params, DenseTensor(dtype, in, 2), DenseTensor(dtype, out, 1),
                              DenseTensor(DType::kInt32, out));
  if (!launch.ok()) ADD_FAILURE() << launch.status();
  return KernelHarness(*std::move(launch));
}

bool Before(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(b) && !std::isnan(a);
  return a < b;
}

TEST(SortTest, AnyDimAgreesWithAStableSort) {
  std::mt19937 random(5);
  const auto up_to = [&](uint32_t n) { return 1 + static_cast<uint32_t>(random() % n); };
  constexpr DType kTypes[] = {DType::kFloat32, DType::kBFloat16, DType::kInt32,
                              DType::kInt16,   DType::kInt8,     DType::kUInt8};
  for (int round = 0; round < 150; ++round) {
    SortParams params;
    params.dim = static_cast<uint8_t>(random() % 4);
    params.descending = random() % 2 != 0;
    const DType dtype = kTypes[random() % 6];
    const TpcDims in = {up_to(90), up_to(12), up_to(5), up_to(3), 1};
    const uint32_t n = in[params.dim], kept = random() % 2 ? n : up_to(n);
    KernelHarness h = Make(params, dtype, in, kept);
    h.FillRandom(0, random(), dtype == DType::kUInt8 ? 0 : -4, 4.9);
    if (dtype == DType::kFloat32) {
      h.Set(0, {0, 0, 0, 0, 0}, std::numeric_limits<double>::quiet_NaN());
      h.Set(0, {in[0] - 1, 0, 0, 0, 0}, -0.0);
      h.Set(0, {in[0] / 2, 0, 0, 0, 0}, -INFINITY);
    }
    EXPECT_EQ(h.BytesAfter(6), h.BytesAfter(1));
    ASSERT_TRUE(h.Run(4).ok());
    TpcDims heads = in;
    heads[params.dim] = 1;
    ForEach(heads, [&](const TpcDims& head) {
      const auto value = [&](uint32_t i) {
        TpcDims at = head;
        at[params.dim] = i;
        return h.Get(0, at);
      };
      std::vector<uint32_t> order(n);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
        return params.descending ? Before(value(b), value(a)) : Before(value(a), value(b));
      });
      TpcDims at = head;
      for (at[params.dim] = 0; at[params.dim] < kept; ++at[params.dim]) {
        const uint32_t from = order[at[params.dim]];
        ASSERT_EQ(h.Get(2, at), from) << "round " << round;
        TpcDims there = head;
        there[params.dim] = from;
        ASSERT_EQ(h.GetBits(1, at), h.GetBits(0, there));
      }
    });
  }
}

}  // namespace
}  // namespace openhpu::simulator
