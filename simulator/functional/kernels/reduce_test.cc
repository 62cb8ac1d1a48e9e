#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <vector>

#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/kernel_harness.h"

namespace openhpu::simulator {
namespace {

using hal::KernelTensor;
using hal::ReduceOp;
using hal::ReduceParams;
using hal::TpcDims;

TpcDims WithOnes(TpcDims sizes, uint8_t mask) {
  for (int d = 0; d < hal::kTpcMaxDims; ++d) {
    if (mask >> d & 1) sizes[d] = 1;
  }
  return sizes;
}

KernelHarness Make(const ReduceParams& params, const KernelTensor& in, const KernelTensor& out) {
  auto launch = hal::MakeReduce(params, in, out);
  if (!launch.ok()) ADD_FAILURE() << launch.status();
  return KernelHarness(*std::move(launch));
}

// The values of every result, in the order of the flattened reduced index.
std::map<TpcDims, std::vector<double>> Collect(const KernelHarness& h, uint8_t mask) {
  std::map<TpcDims, std::vector<double>> groups;
  ForEach(h.launch().tensors[0].sizes, [&](const TpcDims& at) {
    TpcDims key = at;
    for (int d = 0; d < hal::kTpcMaxDims; ++d) {
      if (mask >> d & 1) key[d] = 0;
    }
    groups[key].push_back(h.Get(0, at));
  });
  return groups;
}

// The documented order: 16 partial sums, then pairwise.
float OrderedSum(const std::vector<double>& x) {
  float s[16] = {};
  for (size_t p = 0; p < x.size(); ++p) s[p % 16] += static_cast<float>(x[p]);
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) s[i] += s[i + half];
  }
  return s[0];
}

double Expected(const ReduceParams& params, const std::vector<double>& x, bool is_float) {
  const auto n = static_cast<float>(x.size());
  switch (params.op) {
    case ReduceOp::kSum: {
      if (is_float) return OrderedSum(x);
      double s = 0;
      for (double v : x) s += v;
      return s;
    }
    case ReduceOp::kMean:
      return OrderedSum(x) / n;
    case ReduceOp::kVar: {
      const float mean = OrderedSum(x) / n;
      std::vector<double> squares;
      for (double v : x) {
        const float d = static_cast<float>(v) - mean;
        squares.push_back(d * d);
      }
      return OrderedSum(squares) / (n - params.correction);
    }
    case ReduceOp::kProd: {
      double p = 1;
      for (double v : x) p *= v;
      return p;
    }
    case ReduceOp::kMax:
      return *std::max_element(x.begin(), x.end());
    case ReduceOp::kMin:
      return *std::min_element(x.begin(), x.end());
    case ReduceOp::kArgMax:
      return std::max_element(x.begin(), x.end()) - x.begin();
    case ReduceOp::kArgMin:
      return std::min_element(x.begin(), x.end()) - x.begin();
    case ReduceOp::kAny:
      return std::any_of(x.begin(), x.end(), [](double v) { return v != 0; });
    case ReduceOp::kAll:
      return std::all_of(x.begin(), x.end(), [](double v) { return v != 0; });
  }
  return 0;
}

DType OutputDType(ReduceOp op, DType in) {
  switch (op) {
    case ReduceOp::kAny:
    case ReduceOp::kAll:
      return DType::kBool;
    case ReduceOp::kArgMax:
    case ReduceOp::kArgMin:
      return DType::kInt32;
    case ReduceOp::kMax:
    case ReduceOp::kMin:
      return in;
    default:
      return IsFloat(in) ? in : DType::kInt32;
  }
}

TEST(ReduceTest, EveryOperationAgreesWithTheReference) {
  std::mt19937 random(2);
  const auto up_to = [&](uint32_t n) { return 1 + static_cast<uint32_t>(random() % n); };
  const DType dtypes[] = {DType::kFloat32, DType::kBFloat16, DType::kInt32,
                          DType::kInt8,    DType::kUInt8,    DType::kBool};
  for (int round = 0; round < 400; ++round) {
    ReduceParams params;
    params.op = static_cast<ReduceOp>(round % 10);
    params.mask = static_cast<uint8_t>(random() % 16);
    params.correction = static_cast<float>(random() % 2);
    const DType t = dtypes[random() % 6];
    if (!IsFloat(t) && (params.op == ReduceOp::kMean || params.op == ReduceOp::kVar)) continue;
    const TpcDims sizes = {up_to(4) > 1 ? up_to(300) : 1, up_to(9), up_to(7), up_to(3), 1};
    KernelTensor in = DenseTensor(t, sizes, up_to(2) - 1);
    if (random() % 4 == 0 && sizes[0] == 1) {  // dense along dim 2
      in.strides[2] = 1;
      in.strides[1] = sizes[2];
    }
    KernelHarness h =
        Make(params, in, DenseTensor(OutputDType(params.op, t), WithOnes(sizes, params.mask)));
    if (params.op == ReduceOp::kProd) {
      h.FillRandom(0, random(), IsFloat(t) ? 0.9 : 1, IsFloat(t) ? 1.1 : 2);
    } else {
      h.FillRandom(0, random(), t == DType::kUInt8 ? 0 : -5, params.op == ReduceOp::kAll ? 90 : 5);
    }
    EXPECT_EQ(h.BytesAfter(5), h.BytesAfter(1));
    ASSERT_TRUE(h.Run(3).ok());
    for (const auto& [at, values] : Collect(h, params.mask)) {
      double expected = Expected(params, values, IsFloat(t));
      const double got = h.Get(1, at);
      if (h.launch().tensors[1].dtype == DType::kBFloat16) {
        expected = BFloat16ToFloat(FloatToBFloat16(static_cast<float>(expected)));
      }
      if (params.op == ReduceOp::kProd && IsFloat(t)) {
        ASSERT_NEAR(got, expected, 1e-2 * std::fabs(expected)) << round;
      } else if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(got));
      } else {
        ASSERT_EQ(got, expected) << "round " << round << " op " << static_cast<int>(params.op)
                                 << " mask " << static_cast<int>(params.mask);
      }
    }
  }
}

TEST(ReduceTest, NanWinsExtremes) {
  for (ReduceOp op : {ReduceOp::kMax, ReduceOp::kMin, ReduceOp::kArgMax, ReduceOp::kArgMin}) {
    for (uint8_t mask : {1, 2}) {
      const TpcDims sizes = mask == 1 ? TpcDims{40, 2, 1, 1, 1} : TpcDims{2, 40, 1, 1, 1};
      KernelHarness h = Make({op, mask, 0}, DenseTensor(DType::kFloat32, sizes),
                             DenseTensor(OutputDType(op, DType::kFloat32), WithOnes(sizes, mask)));
      h.FillRandom(0, 1, -1, 1);
      TpcDims at = {};
      at[mask == 1 ? 0 : 1] = 17;
      h.Set(0, at, NAN);
      at[mask == 1 ? 0 : 1] = 30;
      h.Set(0, at, NAN);
      ASSERT_TRUE(h.Run().ok());
      if (op == ReduceOp::kMax || op == ReduceOp::kMin) {
        EXPECT_TRUE(std::isnan(h.Get(1, {})));
      } else {
        EXPECT_EQ(h.Get(1, {}), 17);
      }
    }
  }
}

TEST(ReduceTest, TheFirstOfEqualsIsFound) {
  for (uint8_t mask : {1, 2}) {
    const TpcDims sizes = mask == 1 ? TpcDims{100, 1, 1, 1, 1} : TpcDims{70, 100, 1, 1, 1};
    for (double value : {0.0, -2147483648.0}) {
      KernelHarness h = Make({ReduceOp::kArgMax, mask, 0}, DenseTensor(DType::kInt32, sizes),
                             DenseTensor(DType::kInt32, WithOnes(sizes, mask)));
      h.Fill(0, [&](const TpcDims&) { return value; });
      ASSERT_TRUE(h.Run().ok());
      EXPECT_EQ(h.Get(1, {}), 0);
    }
  }
}

TEST(ReduceTest, EmptyReductionsGiveTheNeutralElement) {
  const TpcDims sizes = {0, 3, 1, 1, 1}, one = {1, 3, 1, 1, 1};
  const auto run = [&](ReduceOp op, DType in, DType out) {
    KernelHarness h = Make({op, 1, 0}, DenseTensor(in, sizes), DenseTensor(out, one));
    h.Fill(1, [](const TpcDims&) { return 77; });
    EXPECT_TRUE(h.Run().ok());
    return h.Get(1, {0, 2, 0, 0, 0});
  };
  EXPECT_EQ(run(ReduceOp::kSum, DType::kFloat32, DType::kFloat32), 0);
  EXPECT_EQ(run(ReduceOp::kProd, DType::kInt32, DType::kInt32), 1);
  EXPECT_EQ(run(ReduceOp::kAny, DType::kBool, DType::kBool), 0);
  EXPECT_EQ(run(ReduceOp::kAll, DType::kBool, DType::kBool), 1);
  EXPECT_TRUE(std::isnan(run(ReduceOp::kMean, DType::kFloat32, DType::kFloat32)));
}

TEST(ReduceTest, LargeReductionsDoNotDependOnTheCut) {
  for (uint8_t mask : {0x1, 0x6}) {
    const TpcDims sizes = {200, 31, 29, 3, 1};
    KernelHarness h = Make({ReduceOp::kMean, mask, 0}, DenseTensor(DType::kFloat32, sizes),
                           DenseTensor(DType::kFloat32, WithOnes(sizes, mask)));
    h.FillRandom(0, 9, -1, 1);
    EXPECT_EQ(h.BytesAfter(8), h.BytesAfter(1));
  }
}

}  // namespace
}  // namespace openhpu::simulator
