#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/kernel_harness.h"

namespace openhpu::simulator {
namespace {

using hal::KernelTensor;
using hal::SoftmaxParams;
using hal::TpcDims;

KernelHarness Make(const SoftmaxParams& params, const KernelTensor& in, const KernelTensor& out) {
  auto launch = hal::MakeSoftmax(params, in, out);
  if (!launch.ok()) ADD_FAILURE() << launch.status();
  return KernelHarness(*std::move(launch));
}

TEST(SoftmaxTest, AnyDimAgreesWithTheReference) {
  std::mt19937 random(6);
  const auto up_to = [&](uint32_t n) { return 1 + static_cast<uint32_t>(random() % n); };
  for (int round = 0; round < 120; ++round) {
    SoftmaxParams params;
    params.dim = static_cast<uint8_t>(random() % 4);
    params.log = random() % 2 != 0;
    const TpcDims sizes = {up_to(4) > 1 ? up_to(150) : 1, up_to(20), up_to(5), up_to(3), 1};
    const DType from = random() % 2 ? DType::kFloat32 : DType::kBFloat16;
    const DType to = random() % 2 ? DType::kFloat32 : DType::kBFloat16;
    KernelHarness h = Make(params, DenseTensor(from, sizes, up_to(3)), DenseTensor(to, sizes));
    h.FillRandom(0, random(), -10, 10);
    EXPECT_EQ(h.BytesAfter(6), h.BytesAfter(1));
    ASSERT_TRUE(h.Run(4).ok());
    ForEach(sizes, [&](const TpcDims& at) {
      double largest = -INFINITY, sum = 0;
      TpcDims k = at;
      for (k[params.dim] = 0; k[params.dim] < sizes[params.dim]; ++k[params.dim]) {
        largest = std::max(largest, h.Get(0, k));
      }
      for (k[params.dim] = 0; k[params.dim] < sizes[params.dim]; ++k[params.dim]) {
        sum += std::exp(h.Get(0, k) - largest);
      }
      const double d = h.Get(0, at) - largest;
      const double expected = params.log ? d - std::log(sum) : std::exp(d) / sum;
      const double tolerance = to == DType::kBFloat16 ? 0.005 : 2e-6;
      ASSERT_NEAR(h.Get(1, at), expected,
                  tolerance * std::max(std::fabs(expected), params.log ? 0.1 : 1e-3));
    });
  }
}

TEST(SoftmaxTest, TheLayoutDoesNotChangeBits) {
  // The same 40 x 70 softmaxes of 33 values, along dim 0 and along dim 1.
  KernelHarness run = Make({0, false}, DenseTensor(DType::kFloat32, {33, 70, 1, 1, 1}),
                           DenseTensor(DType::kFloat32, {33, 70, 1, 1, 1}));
  KernelHarness lanes = Make({1, false}, DenseTensor(DType::kFloat32, {70, 33, 1, 1, 1}),
                             DenseTensor(DType::kFloat32, {70, 33, 1, 1, 1}));
  run.FillRandom(0, 3, -5, 5);
  lanes.Fill(0, [&](const TpcDims& at) { return run.Get(0, {at[1], at[0], 0, 0, 0}); });
  ASSERT_TRUE(run.Run().ok());
  ASSERT_TRUE(lanes.Run().ok());
  ForEach({33, 70, 1, 1, 1}, [&](const TpcDims& at) {
    ASSERT_EQ(run.GetBits(1, at), lanes.GetBits(1, {at[1], at[0], 0, 0, 0}));
  });
}

TEST(SoftmaxTest, MaskedValuesGetNothing) {
  KernelHarness h = Make({0, false}, DenseTensor(DType::kFloat32, {100, 1, 1, 1, 1}),
                         DenseTensor(DType::kFloat32, {100, 1, 1, 1, 1}));
  h.Fill(0, [](const TpcDims& at) { return at[0] < 4 ? 1.0 : -INFINITY; });
  ASSERT_TRUE(h.Run().ok());
  EXPECT_EQ(h.Get(1, {2, 0, 0, 0, 0}), 0.25);
  EXPECT_EQ(h.Get(1, {50, 0, 0, 0, 0}), 0);
}

}  // namespace
}  // namespace openhpu::simulator
