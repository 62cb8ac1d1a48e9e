#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <utility>

#include "hal/kernel/expression.h"
#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/kernel_harness.h"

namespace openhpu::simulator {
namespace {

using hal::ExpressionProgram;
using hal::ExprInstruction;
using hal::ExprOp;
using hal::KernelTensor;
using hal::TpcDims;

uint32_t Bits(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  return bits;
}

// Builds programs line by line; each call gives the value's number.
struct Builder {
  ExpressionProgram p;
  uint16_t Input(DType t) {
    p.inputs.push_back(t);
    return static_cast<uint16_t>(p.inputs.size() - 1);
  }
  uint16_t Add(ExprOp op, DType t, uint16_t a = 0, uint16_t b = 0, uint16_t c = 0,
               uint32_t immediate = 0) {
    ExprInstruction i;
    i.op = op;
    i.dtype = t;
    i.a = a;
    i.b = b;
    i.c = c;
    i.immediate = immediate;
    p.instructions.push_back(i);
    return static_cast<uint16_t>(p.inputs.size() + p.instructions.size() - 1);
  }
  uint16_t Const(float f) { return Add(ExprOp::kConst, DType::kFloat32, 0, 0, 0, Bits(f)); }
};

KernelHarness Make(const ExpressionProgram& p, const std::vector<KernelTensor>& in,
                   const std::vector<KernelTensor>& out) {
  auto launch = hal::MakeFused(p, in, out);
  if (!launch.ok()) ADD_FAILURE() << launch.status();
  return KernelHarness(*std::move(launch));
}

// Evaluates one element in double or int64, rounding after each instruction: no code shared with
// the kernel. Not for transcendental functions.
double Reference(const ExpressionProgram& p, std::vector<double> values, const TpcDims& at) {
  for (const ExprInstruction& i : p.instructions) {
    const double a = values.empty() ? 0 : values[i.a], b = values.empty() ? 0 : values[i.b];
    double r = 0;
    switch (i.op) {
      case ExprOp::kConst: {
        float f;
        std::memcpy(&f, &i.immediate, sizeof f);
        r = IsFloat(i.dtype) ? f : static_cast<int32_t>(i.immediate);
        break;
      }
      case ExprOp::kIndex:
        r = at[i.immediate];
        break;
      case ExprOp::kCast:
        r = i.dtype == DType::kBool ? a != 0 : (IsFloat(i.dtype) ? a : std::trunc(a));
        break;
      case ExprOp::kNeg:
        r = -a;
        break;
      case ExprOp::kAbs:
        r = std::fabs(a);
        break;
      case ExprOp::kAdd:
        r = a + b;
        break;
      case ExprOp::kSub:
        r = a - b;
        break;
      case ExprOp::kMul:
        r = a * b;
        break;
      case ExprOp::kMax:
        r = std::max(a, b);
        break;
      case ExprOp::kMin:
        r = std::min(a, b);
        break;
      case ExprOp::kLt:
        r = a < b;
        break;
      case ExprOp::kGe:
        r = a >= b;
        break;
      case ExprOp::kSelect:
        r = a != 0 ? b : values[i.c];
        break;
      default:
        ADD_FAILURE() << "no reference for " << hal::ExprName(i.op);
    }
    switch (i.dtype) {
      case DType::kFloat32:
        r = static_cast<float>(r);
        break;
      case DType::kBFloat16:
        r = BFloat16ToFloat(FloatToBFloat16(static_cast<float>(r)));
        break;
      case DType::kInt32:
        r = static_cast<int32_t>(static_cast<int64_t>(r));
        break;
      case DType::kInt16:
        r = static_cast<int16_t>(static_cast<int64_t>(r));
        break;
      case DType::kInt8:
        r = static_cast<int8_t>(static_cast<int64_t>(r));
        break;
      case DType::kUInt8:
        r = static_cast<uint8_t>(static_cast<int64_t>(r));
        break;
      default:
        r = r != 0;
    }
    values.push_back(r);
  }
  return values[p.outputs[0]];
}

// A random program over `inputs`, of the ops that Reference knows.
ExpressionProgram RandomProgram(std::mt19937& random, DType t, int inputs) {
  Builder b;
  for (int i = 0; i < inputs; ++i) b.Input(t);
  const auto any = [&](DType want) {
    std::vector<uint16_t> fits;
    for (size_t v = 0; v < b.p.inputs.size() + b.p.instructions.size(); ++v) {
      if (hal::ValueDType(b.p, v) == want) fits.push_back(static_cast<uint16_t>(v));
    }
    return fits[random() % fits.size()];
  };
  b.Add(ExprOp::kCast, t, b.Add(ExprOp::kIndex, DType::kInt32, 0, 0, 0, random() % 3));
  const float constant = 1.5f;
  b.Add(ExprOp::kConst, t, 0, 0, 0, IsFloat(t) ? Bits(constant) : 3);
  const ExprOp plain[] = {ExprOp::kAdd, ExprOp::kSub, ExprOp::kMul, ExprOp::kMax, ExprOp::kMin};
  for (unsigned k = 0; k < 3 + random() % 12; ++k) {
    const uint16_t x = any(t), y = any(t);
    if (random() % 4 == 0) {
      const uint16_t c = b.Add(random() % 2 ? ExprOp::kLt : ExprOp::kGe, DType::kBool, x, y);
      b.Add(ExprOp::kSelect, t, c, any(t), any(t));
    } else if (random() % 5 == 0) {
      b.Add(random() % 2 ? ExprOp::kNeg : ExprOp::kAbs, t, x);
    } else {
      b.Add(plain[random() % 5], t, x, y);
    }
  }
  // Keeps integers small enough for the reference's double.
  b.p.outputs = {any(t)};
  return b.p;
}

// A tensor of these sizes with some dims broadcast, gaps, or dims 1 and 2 exchanged in memory.
KernelTensor RandomTensor(std::mt19937& random, DType t, TpcDims sizes, bool input) {
  if (input) {
    for (int d = 0; d < 3; ++d) {
      if (random() % 4 == 0) sizes[d] = 1;
    }
  }
  KernelTensor tensor = DenseTensor(t, sizes, random() % 2 ? random() % 5 : 0);
  if (random() % 3 == 0) {
    tensor.strides[2] = sizes[0];
    tensor.strides[1] = sizes[0] * sizes[2];
  }
  if (input && random() % 5 == 0) tensor.strides[1] = 0;
  return tensor;
}

TEST(FusedTest, RandomProgramsGiveTheReferencesBits) {
  std::mt19937 random(11);
  const DType dtypes[] = {DType::kFloat32, DType::kBFloat16, DType::kInt32,
                          DType::kInt16,   DType::kInt8,     DType::kUInt8};
  for (int round = 0; round < 300; ++round) {
    const DType t = dtypes[round % 6];
    const int inputs = 1 + static_cast<int>(random() % 3);
    const ExpressionProgram p = RandomProgram(random, t, inputs);
    if (t == DType::kInt32 && p.instructions.size() > 8) continue;
    const auto up_to = [&](uint32_t n) { return 1 + static_cast<uint32_t>(random() % n); };
    const TpcDims sizes = {up_to(3) > 1 ? up_to(200) : 1, up_to(9), up_to(5), up_to(2), 1};
    std::vector<KernelTensor> in;
    for (int i = 0; i < inputs; ++i) in.push_back(RandomTensor(random, t, sizes, true));
    KernelHarness harness = Make(p, in, {RandomTensor(random, t, sizes, false)});
    for (int i = 0; i < inputs; ++i)
      harness.FillRandom(i, random(), t == DType::kUInt8 ? 0 : -9, 9);
    EXPECT_EQ(harness.BytesAfter(7), harness.BytesAfter(1));
    ASSERT_TRUE(harness.Run(1 + static_cast<int>(random() % 8)).ok());
    ForEach(sizes, [&](const TpcDims& at) {
      std::vector<double> values;
      for (int i = 0; i < inputs; ++i) values.push_back(harness.Get(i, at));
      const double expected = Reference(p, values, at), got = harness.Get(inputs, at);
      if (std::fabs(expected) > 1e9) return;  // beyond what the double reference wraps exactly
      ASSERT_EQ(got, expected) << "round " << round << "\n" << hal::ToText(p);
    });
  }
}

TEST(FusedTest, TransposesAreCopies) {
  for (DType t : {DType::kFloat32, DType::kBFloat16, DType::kUInt8}) {
    Builder b;
    b.p.outputs = {b.Input(t)};
    // out[i, j, k] = in[j, k, i] in memory terms: a permuted view as the input.
    KernelTensor in = DenseTensor(t, {1, 70, 90, 3, 1});
    in.strides = {1, 90 * 3, 1, 90, 0};
    const KernelTensor out = DenseTensor(t, {1, 70, 90, 3, 1});
    KernelHarness harness = Make(b.p, {in}, {out});
    harness.FillRandom(0, 3, 0, 200);
    ASSERT_TRUE(harness.Run(5).ok());
    ForEach(out.sizes,
            [&](const TpcDims& at) { ASSERT_EQ(harness.GetBits(0, at), harness.GetBits(1, at)); });
  }
}

TEST(FusedTest, AnOutputMayLieOnAnInput) {
  Builder b;
  const uint16_t x = b.Input(DType::kFloat32), y = b.Input(DType::kFloat32);
  const uint16_t sum = b.Add(ExprOp::kAdd, DType::kFloat32, x, y);
  const uint16_t difference = b.Add(ExprOp::kSub, DType::kFloat32, x, y);
  b.p.outputs = {sum, difference, x};
  const KernelTensor t = DenseTensor(DType::kFloat32, {1000, 9, 1, 1, 1});
  KernelHarness harness = Make(b.p, {t, t}, {t, t, t});
  harness.bound().addresses[2] = harness.bound().addresses[0];
  harness.bound().addresses[3] = harness.bound().addresses[1];
  harness.Fill(0, [](const TpcDims& at) { return at[0] + 1000.0 * at[1]; });
  harness.Fill(1, [](const TpcDims& at) { return 3.0 * at[0]; });
  ASSERT_TRUE(harness.Run(3).ok());
  ForEach(t.sizes, [&](const TpcDims& at) {
    const double before = at[0] + 1000.0 * at[1];
    ASSERT_EQ(harness.Get(2, at), before + 3.0 * at[0]);
    ASSERT_EQ(harness.Get(3, at), before - 3.0 * at[0]);
    ASSERT_EQ(harness.Get(4, at), before);
  });
}

TEST(FusedTest, EveryIntermediateIsRoundedToBFloat16) {
  Builder b;
  const uint16_t x = b.Input(DType::kBFloat16);
  const uint16_t e = b.Add(ExprOp::kExp, DType::kBFloat16, x);
  b.p.outputs = {e, b.Add(ExprOp::kMul, DType::kBFloat16, e, e)};
  const KernelTensor t = DenseTensor(DType::kBFloat16, {300, 1, 1, 1, 1});
  KernelHarness harness = Make(b.p, {t}, {t, t});
  harness.FillRandom(0, 4, -3, 3);
  ASSERT_TRUE(harness.Run().ok());
  ForEach(t.sizes, [&](const TpcDims& at) {
    const auto e = static_cast<float>(harness.Get(1, at));
    EXPECT_NEAR(e, std::exp(harness.Get(0, at)), 0.005 * e);
    EXPECT_EQ(harness.GetBits(2, at), FloatToBFloat16(e * e));
  });
}

float Apply(ExprOp op, DType from, DType to, std::vector<float> operands) {
  Builder b;
  std::vector<KernelTensor> in;
  for (size_t i = 0; i < operands.size(); ++i) {
    b.Input(from);
    in.push_back(DenseTensor(from, {1, 1, 1, 1, 1}));
  }
  b.p.outputs = {b.Add(op, to, 0, operands.size() > 1 ? 1 : 0)};
  KernelHarness harness = Make(b.p, in, {DenseTensor(to, {1, 1, 1, 1, 1})});
  for (size_t i = 0; i < operands.size(); ++i) harness.Set(i, {}, operands[i]);
  EXPECT_TRUE(harness.Run().ok());
  return static_cast<float>(harness.Get(operands.size(), {}));
}

TEST(FusedTest, CastsTruncateAndSaturate) {
  const DType f = DType::kFloat32;
  EXPECT_EQ(Apply(ExprOp::kCast, f, DType::kInt32, {-2.9f}), -2);
  EXPECT_EQ(Apply(ExprOp::kCast, f, DType::kInt32, {3e9f}), 2147483648.0f);
  EXPECT_EQ(Apply(ExprOp::kCast, f, DType::kInt32, {NAN}), 0);
  EXPECT_EQ(Apply(ExprOp::kCast, f, DType::kInt8, {1000}), 127);
  EXPECT_EQ(Apply(ExprOp::kCast, f, DType::kInt8, {-127.5f}), -127);
  EXPECT_EQ(Apply(ExprOp::kCast, f, DType::kUInt8, {-5}), 0);
  EXPECT_EQ(Apply(ExprOp::kCast, f, DType::kBool, {0.25f}), 1);
  EXPECT_EQ(Apply(ExprOp::kCast, f, DType::kBool, {NAN}), 1);
  EXPECT_EQ(Apply(ExprOp::kCast, DType::kInt32, DType::kInt8, {300}), 44);
  EXPECT_EQ(Apply(ExprOp::kCast, DType::kInt32, DType::kBool, {256}), 1);
  EXPECT_EQ(Apply(ExprOp::kCast, DType::kUInt8, DType::kBFloat16, {255}), 255);
}

TEST(FusedTest, DivisionsFollowPython) {
  const DType f = DType::kFloat32, i = DType::kInt32;
  for (float a : {7.f, -7.f, 6.f, -6.f, 0.f}) {
    for (float b : {2.f, -2.f, 3.f, -3.f}) {
      const float floor = std::floor(a / b), remainder = a - floor * b;
      for (DType t : {f, i}) {
        EXPECT_EQ(Apply(ExprOp::kFloorDiv, t, t, {a, b}), floor) << a << " " << b;
        EXPECT_EQ(Apply(ExprOp::kRemainder, t, t, {a, b}), remainder) << a << " " << b;
        EXPECT_EQ(Apply(ExprOp::kTruncDiv, t, t, {a, b}), std::trunc(a / b));
        EXPECT_EQ(Apply(ExprOp::kFmod, t, t, {a, b}), std::fmod(a, b));
      }
    }
  }
  EXPECT_EQ(Apply(ExprOp::kFloorDiv, i, i, {5, 0}), 0);
  EXPECT_EQ(Apply(ExprOp::kRemainder, i, i, {5, 0}), 0);
  EXPECT_EQ(Apply(ExprOp::kTruncDiv, i, i, {-2147483648.0f, -1}), -2147483648.0f);
  EXPECT_TRUE(std::isnan(Apply(ExprOp::kRemainder, f, f, {5, 0})));
  EXPECT_EQ(Apply(ExprOp::kFloorDiv, f, f, {5, 0}), INFINITY);
  EXPECT_EQ(Apply(ExprOp::kPow, i, i, {-3, 3}), -27);
  EXPECT_EQ(Apply(ExprOp::kPow, f, f, {-3, 3}), -27);
}

TEST(FusedTest, SpecialsAndRoundings) {
  const DType f = DType::kFloat32, i = DType::kInt32, u = DType::kUInt8, b = DType::kBool;
  EXPECT_TRUE(std::isnan(Apply(ExprOp::kMax, f, f, {NAN, 1})));
  EXPECT_TRUE(std::isnan(Apply(ExprOp::kMin, f, f, {1, NAN})));
  EXPECT_EQ(Apply(ExprOp::kRound, f, f, {2.5f}), 2);
  EXPECT_EQ(Apply(ExprOp::kRound, f, f, {-3.5f}), -4);
  EXPECT_EQ(Apply(ExprOp::kRound, f, f, {4194304.5f}), 4194304);
  EXPECT_EQ(Apply(ExprOp::kRound, f, f, {4194305.5f}), 4194306);
  EXPECT_EQ(Apply(ExprOp::kRound, f, f, {-8388607.0f}), -8388607);
  EXPECT_EQ(Apply(ExprOp::kRound, f, f, {1e30f}), 1e30f);
  EXPECT_EQ(Apply(ExprOp::kFloor, f, f, {-0.5f}), -1);
  EXPECT_EQ(Apply(ExprOp::kCeil, f, f, {0.5f}), 1);
  EXPECT_EQ(Apply(ExprOp::kSign, f, f, {-4}), -1);
  EXPECT_EQ(Apply(ExprOp::kIsNan, f, b, {NAN}), 1);
  EXPECT_EQ(Apply(ExprOp::kIsInf, f, b, {-INFINITY}), 1);
  EXPECT_EQ(Apply(ExprOp::kIsInf, i, b, {5}), 0);
  EXPECT_EQ(Apply(ExprOp::kNot, b, b, {1}), 0);
  EXPECT_EQ(Apply(ExprOp::kNot, u, u, {1}), 254);
  EXPECT_EQ(Apply(ExprOp::kShiftLeft, i, i, {1, 33}), 0);
  EXPECT_EQ(Apply(ExprOp::kShiftRight, i, i, {-8, 1}), -4);
  EXPECT_EQ(Apply(ExprOp::kAdd, u, u, {200, 100}), 44);
  EXPECT_EQ(Apply(ExprOp::kEq, f, b, {NAN, NAN}), 0);
  EXPECT_EQ(Apply(ExprOp::kNe, f, b, {NAN, NAN}), 1);
}

TEST(FusedTest, LargeBoxesDoNotDependOnTheCut) {
  Builder b;
  const uint16_t x = b.Input(DType::kFloat32), bias = b.Input(DType::kFloat32);
  const uint16_t sum = b.Add(ExprOp::kAdd, DType::kFloat32, x, bias);
  const uint16_t erf = b.Add(ExprOp::kErf, DType::kFloat32, sum);
  b.p.outputs = {b.Add(ExprOp::kMul, DType::kFloat32, sum, erf)};
  const KernelTensor t = DenseTensor(DType::kFloat32, {96, 33, 65, 1, 1});
  KernelHarness harness = Make(b.p, {t, DenseTensor(DType::kFloat32, {96, 1, 1, 1, 1})}, {t});
  harness.FillRandom(0, 5, -3, 3);
  harness.FillRandom(1, 6, -3, 3);
  const auto whole = harness.BytesAfter(1);
  for (int parts : {2, 3, 8, 24}) EXPECT_EQ(harness.BytesAfter(parts), whole);
}

TEST(FusedTest, FootprintNamesEveryTensorOnce) {
  Builder b;
  const uint16_t x = b.Input(DType::kFloat32), y = b.Input(DType::kBFloat16);
  b.p.outputs = {b.Add(ExprOp::kAdd, DType::kFloat32, x, b.Add(ExprOp::kCast, DType::kFloat32, y))};
  const KernelTensor t = DenseTensor(DType::kFloat32, {128, 4, 1, 1, 1});
  KernelHarness harness = Make(b.p, {t, DenseTensor(DType::kBFloat16, {1, 4, 1, 1, 1})}, {t});
  hal::IndexBox box;
  box.base = {1, 1, 0, 0, 0};
  box.size = {1, 2, 1, 1, 1};
  const auto accesses = harness.kernel().Footprint(harness.bound(), box);
  ASSERT_EQ(accesses.size(), 3u);
  EXPECT_EQ(accesses[0].base, harness.bound().addresses[0] + (128 + 64) * 4);
  EXPECT_EQ(Bytes(accesses[0]), 2u * 64 * 4);
  EXPECT_EQ(Bytes(accesses[1]), 2u * 2);
  EXPECT_TRUE(accesses[2].write);
  const KernelCost cost = harness.kernel().Cost(harness.bound(), box);
  EXPECT_EQ(cost.vector_accesses, 6u);
  EXPECT_EQ(cost.bundles, 2u * 2 + 2);
}

TEST(FusedTest, ADescriptorsBytesStandForBool) {
  Builder b;
  const uint16_t x = b.Input(DType::kBool);
  b.p.outputs = {b.Add(ExprOp::kNot, DType::kBool, x), b.Add(ExprOp::kCast, DType::kFloat32, x)};
  const TpcDims sizes = {70, 1, 1, 1, 1};
  KernelHarness harness =
      Make(b.p, {DenseTensor(DType::kBool, sizes)},
           {DenseTensor(DType::kBool, sizes), DenseTensor(DType::kFloat32, sizes)});
  harness.bound().tensors[0].dtype = harness.bound().tensors[1].dtype = DType::kUInt8;
  harness.Fill(0, [](const TpcDims& at) { return at[0] % 3; });
  ASSERT_TRUE(harness.Run().ok());
  ForEach(sizes, [&](const TpcDims& at) {
    EXPECT_EQ(harness.Get(1, at), at[0] % 3 == 0);
    EXPECT_EQ(harness.Get(2, at), at[0] % 3 != 0);
  });
}

TEST(FusedTest, LaunchesThatDoNotFitAreRefused) {
  Builder b;
  b.p.outputs = {b.Input(DType::kFloat32)};
  const KernelTensor t = DenseTensor(DType::kFloat32, {8, 1, 1, 1, 1});
  KernelHarness harness = Make(b.p, {t}, {t});
  BoundLaunch bad = harness.bound();
  bad.tensors[0].dtype = DType::kInt32;
  EXPECT_EQ(harness.kernel().Prepare(bad).code(), absl::StatusCode::kInvalidArgument);
  bad = harness.bound();
  bad.scalars = {1};
  EXPECT_EQ(harness.kernel().Prepare(bad).code(), absl::StatusCode::kInvalidArgument);
  bad = harness.bound();
  bad.tensors[0].strides[1] = 0xFFFFFFFF;
  bad.tensors[0].sizes[1] = 0xFFFFFFFF;
  EXPECT_EQ(harness.kernel().Prepare(bad).code(), absl::StatusCode::kInvalidArgument);
  bad = harness.bound();
  bad.addresses[0] = bad.addresses[0] + 2;
  EXPECT_EQ(harness.kernel().Prepare(bad).code(), absl::StatusCode::kInvalidArgument);
  bad = harness.bound();
  bad.addresses[0] = DeviceAddress(0x1000);
  EXPECT_TRUE(harness.kernel().Prepare(bad).ok());
  EXPECT_EQ(harness.kernel().Run(bad, {}, harness.memory()).code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace openhpu::simulator
