#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>

#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/kernel_harness.h"

namespace openhpu::simulator {
namespace {

using hal::GatherMode;
using hal::GatherParams;
using hal::TpcDims;

KernelHarness Make(const GatherParams& params, const hal::KernelTensor& table,
                   const hal::KernelTensor& index, const hal::KernelTensor& out) {
  auto launch = hal::MakeGather(params, table, index, out);
  if (!launch.ok()) ADD_FAILURE() << launch.status();
  return KernelHarness(*std::move(launch));
}

TEST(GatherTest, RowsAreCopied) {
  for (DType t : {DType::kFloat32, DType::kBFloat16, DType::kUInt8}) {
    KernelHarness h =
        Make({GatherMode::kRows, 0}, DenseTensor(t, {200, 50, 1, 1, 1}, 7),
             DenseTensor(DType::kInt32, {1, 9, 4, 3, 1}), DenseTensor(t, {200, 9, 4, 3, 1}));
    h.FillRandom(0, 1, 0, 100);
    h.FillRandom(1, 2, -50, 49.9);
    EXPECT_EQ(h.BytesAfter(5), h.BytesAfter(1));
    ASSERT_TRUE(h.Run(3).ok());
    ForEach({200, 9, 4, 3, 1}, [&](const TpcDims& at) {
      const double index = h.Get(1, at);
      const auto row = static_cast<uint32_t>(index < 0 ? index + 50 : index);
      ASSERT_EQ(h.GetBits(2, at), h.GetBits(0, {at[0], row, 0, 0, 0}));
    });
  }
}

TEST(GatherTest, ElementsAreTakenAlongAnyDim) {
  for (uint8_t dim = 0; dim < 4; ++dim) {
    TpcDims table = {90, 6, 5, 3, 1}, out = {70, 5, 5, 2, 1};
    out[dim] = table[dim] + 2;
    KernelHarness h = Make({GatherMode::kElements, dim}, DenseTensor(DType::kFloat32, table),
                           DenseTensor(DType::kInt32, out, 3), DenseTensor(DType::kFloat32, out));
    h.FillRandom(0, 1, -1, 1);
    h.FillRandom(1, 2, -static_cast<double>(table[dim]), table[dim] - 0.1);
    EXPECT_EQ(h.BytesAfter(5), h.BytesAfter(1));
    ASSERT_TRUE(h.Run(3).ok());
    ForEach(out, [&](const TpcDims& at) {
      const double index = h.Get(1, at);
      TpcDims from = at;
      from[dim] = static_cast<uint32_t>(index < 0 ? index + table[dim] : index);
      ASSERT_EQ(h.GetBits(2, at), h.GetBits(0, from));
    });
  }
}

TEST(GatherTest, IndicesOutOfRangeGiveZerosAndAnError) {
  KernelHarness h = Make({GatherMode::kRows, 0}, DenseTensor(DType::kFloat32, {8, 4, 1, 1, 1}),
                         DenseTensor(DType::kInt32, {1, 3, 1, 1, 1}),
                         DenseTensor(DType::kFloat32, {8, 3, 1, 1, 1}));
  h.Fill(0, [](const TpcDims&) { return 5; });
  h.Fill(2, [](const TpcDims&) { return 9; });
  h.Fill(1, [](const TpcDims& at) { return at[1] == 1 ? 4 : 3; });
  const absl::Status status = h.Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_NE(std::string(status.message()).find("index 4 of element 8"), std::string::npos)
      << status;
  EXPECT_EQ(h.Get(2, {7, 0, 0, 0, 0}), 5);
  EXPECT_EQ(h.Get(2, {7, 1, 0, 0, 0}), 0);
  EXPECT_EQ(h.Get(2, {7, 2, 0, 0, 0}), 5);

  KernelHarness e = Make({GatherMode::kElements, 0}, DenseTensor(DType::kInt32, {4, 1, 1, 1, 1}),
                         DenseTensor(DType::kInt32, {3, 1, 1, 1, 1}),
                         DenseTensor(DType::kInt32, {3, 1, 1, 1, 1}));
  e.Fill(0, [](const TpcDims&) { return 5; });
  e.Fill(1, [](const TpcDims& at) { return at[0] == 2 ? -5 : 0; });
  EXPECT_EQ(e.Run().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(e.Get(2, {1, 0, 0, 0, 0}), 5);
  EXPECT_EQ(e.Get(2, {2, 0, 0, 0, 0}), 0);
}

TEST(GatherTest, TrafficDoesNotDependOnIndices) {
  KernelHarness h = Make({GatherMode::kRows, 0}, DenseTensor(DType::kFloat32, {64, 1000, 1, 1, 1}),
                         DenseTensor(DType::kInt32, {1, 12, 1, 1, 1}),
                         DenseTensor(DType::kFloat32, {64, 12, 1, 1, 1}));
  const hal::IndexBox box = {{0, 0, 0, 0, 0}, {1, 12, 1, 1, 1}};
  const auto before = h.kernel().Footprint(h.bound(), box);
  h.FillRandom(1, 3, 0, 999);
  const auto after = h.kernel().Footprint(h.bound(), box);
  ASSERT_EQ(before.size(), 3u);
  EXPECT_EQ(before[0].base, after[0].base);
  EXPECT_EQ(Bytes(before[0]), 12u * 256);
}

}  // namespace
}  // namespace openhpu::simulator
