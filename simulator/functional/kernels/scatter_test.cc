#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/kernel_harness.h"

namespace openhpu::simulator {
namespace {

using hal::ScatterOp;
using hal::ScatterParams;
using hal::TpcDims;

KernelHarness Make(const ScatterParams& params, const hal::KernelTensor& index,
                   const hal::KernelTensor& source, const hal::KernelTensor& out) {
  auto launch = hal::MakeScatter(params, index, source, out);
  if (!launch.ok()) ADD_FAILURE() << launch.status();
  return KernelHarness(*std::move(launch));
}

double Rounded(DType dtype, double v) {
  const auto f = static_cast<float>(v);
  return dtype == DType::kBFloat16 ? BFloat16ToFloat(FloatToBFloat16(f)) : f;
}

// Element by element, in the order of the index.
TEST(ScatterTest, AnyDimAndBroadcastAgreeWithTheReference) {
  std::mt19937 random(3);
  const auto up_to = [&](uint32_t n) { return 1 + static_cast<uint32_t>(random() % n); };
  constexpr DType kTypes[] = {DType::kFloat32, DType::kBFloat16, DType::kInt32};
  for (int round = 0; round < 200; ++round) {
    ScatterParams params;
    params.op = static_cast<ScatterOp>(random() % 5);
    params.dim = static_cast<uint8_t>(random() % 4);
    const DType dtype = kTypes[random() % 3];
    const TpcDims out = {random() % 2 ? up_to(150) : up_to(5), up_to(9), up_to(4), up_to(3), 1};
    TpcDims written = out;
    written[params.dim] = up_to(20);
    TpcDims index = written, source = written;
    for (int d = 0; d < 4; ++d) {
      if (d != params.dim && random() % 3 == 0) index[d] = 1;
      if (random() % 4 == 0) source[d] = 1;
    }
    KernelHarness h = Make(params, DenseTensor(DType::kInt32, index, up_to(3)),
                           DenseTensor(dtype, source, up_to(3)), DenseTensor(dtype, out, up_to(3)));
    const auto n = static_cast<double>(out[params.dim]);
    h.FillRandom(0, random(), -n, n - 0.1);
    h.FillRandom(1, random(), -3, 3);
    h.FillRandom(2, random(), -3, 3);
    std::map<TpcDims, double> expected;
    ForEach(out, [&](const TpcDims& at) { expected[at] = h.Get(2, at); });
    ForEach(written, [&](const TpcDims& at) {
      TpcDims to = at;
      const double i = h.Get(0, at), b = h.Get(1, at);
      to[params.dim] = static_cast<uint32_t>(i < 0 ? i + n : i);
      double& a = expected[to];
      switch (params.op) {
        case ScatterOp::kReplace:
          a = b;
          break;
        case ScatterOp::kAdd:
          a = Rounded(dtype, static_cast<float>(a) + static_cast<float>(b));
          break;
        case ScatterOp::kMultiply:
          a = dtype == DType::kInt32
                  ? static_cast<int32_t>(static_cast<uint32_t>(static_cast<int32_t>(a)) *
                                         static_cast<uint32_t>(static_cast<int32_t>(b)))
                  : Rounded(dtype, static_cast<float>(a) * static_cast<float>(b));
          break;
        case ScatterOp::kMin:
          a = std::min(a, b);
          break;
        case ScatterOp::kMax:
          a = std::max(a, b);
          break;
      }
    });
    EXPECT_EQ(h.BytesAfter(6), h.BytesAfter(1));
    ASSERT_TRUE(h.Run(4).ok());
    for (const auto& [at, value] : expected) {
      ASSERT_EQ(h.Get(2, at), value) << "round " << round << " op " << static_cast<int>(params.op);
    }
  }
}

TEST(ScatterTest, IndicesOutOfRangeWriteNothingAndAreAnError) {
  KernelHarness h = Make({ScatterOp::kAdd, 1}, DenseTensor(DType::kInt32, {1, 4, 1, 1, 1}),
                         DenseTensor(DType::kFloat32, {8, 4, 1, 1, 1}),
                         DenseTensor(DType::kFloat32, {8, 3, 1, 1, 1}));
  h.Fill(0, [](const TpcDims& at) { return at[1] == 2 ? 3 : 1; });
  h.Fill(1, [](const TpcDims&) { return 1; });
  h.Fill(2, [](const TpcDims&) { return 5; });
  const absl::Status status = h.Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_NE(std::string(status.message()).find("entry 2 of the index is outside the output of 3"),
            std::string::npos)
      << status;
  EXPECT_EQ(h.Get(2, {4, 1, 0, 0, 0}), 8);
  EXPECT_EQ(h.Get(2, {4, 2, 0, 0, 0}), 5);
}

TEST(ScatterTest, ShapesThatDoNotFitAreNamed) {
  const auto launch = hal::MakeScatter(
      {ScatterOp::kAdd, 1}, DenseTensor(DType::kInt32, {1, 4, 1, 1, 1}),
      DenseTensor(DType::kFloat32, {8, 3, 1, 1, 1}), DenseTensor(DType::kFloat32, {8, 9, 1, 1, 1}));
  EXPECT_NE(std::string(launch.status().message()).find("source: sizes 8x3x1x1x1"),
            std::string::npos)
      << launch.status();
}

}  // namespace
}  // namespace openhpu::simulator
