#include "graph/back/split.h"

#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/chip.h"
#include "hal/kernel/kernels.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

hal::Chip Gaudi() { return *hal::LoadChip("gaudi"); }

std::vector<Share> MustSplit(const PlanStep& step, const hal::Chip& chip) {
  absl::StatusOr<std::vector<Share>> shares = SplitStep(step, chip);
  EXPECT_THAT(shares.status(), IsOk());
  return shares.ok() ? *std::move(shares) : std::vector<Share>();
}

// Buffers of small integers as f32; a reference of each command, by its definition in
// hal/commands.h.
using Memory = std::vector<std::vector<float>>;

float& At(Memory& memory, hal::SymbolicAddress address, int64_t element) {
  EXPECT_EQ(address.offset % 4, 0u);
  std::vector<float>& buffer = memory[address.symbol];
  const size_t index = address.offset / 4 + static_cast<size_t>(element);
  EXPECT_LT(index, buffer.size());
  return buffer[index];
}

void Execute(const hal::MmeGemm& g, Memory& memory) {
  for (uint32_t x = 0; x < g.batch[0].count; ++x)
    for (uint32_t y = 0; y < g.batch[1].count; ++y)
      for (uint32_t z = 0; z < g.batch[2].count; ++z) {
        const uint64_t a =
            x * g.batch[0].stride_a + y * g.batch[1].stride_a + z * g.batch[2].stride_a;
        const uint64_t b =
            x * g.batch[0].stride_b + y * g.batch[1].stride_b + z * g.batch[2].stride_b;
        const uint64_t c =
            x * g.batch[0].stride_c + y * g.batch[1].stride_c + z * g.batch[2].stride_c;
        for (uint64_t m = 0; m < g.m; ++m)
          for (uint64_t n = 0; n < g.n; ++n) {
            float sum = 0;
            for (uint64_t k = 0; k < g.k; ++k) {
              sum += At(memory, g.a, a + (g.trans_a ? k * g.lda + m : m * g.lda + k)) *
                     At(memory, g.b, b + (g.trans_b ? n * g.ldb + k : k * g.ldb + n));
            }
            At(memory, g.c, c + m * g.ldc + n) += sum;
          }
      }
}

void Execute(const hal::MmeConvolution& v, Memory& memory) {
  for (uint32_t n = 0; n < v.batch; ++n)
    for (uint32_t ho = 0; ho < v.out_height; ++ho)
      for (uint32_t wo = 0; wo < v.out_width; ++wo)
        for (uint32_t f = 0; f < v.filters; ++f) {
          float sum = 0;
          for (uint32_t r = 0; r < v.kernel_h; ++r)
            for (uint32_t s = 0; s < v.kernel_w; ++s) {
              const int64_t h = int64_t{ho} * v.stride_h + r * v.dilation_h - v.pad_h;
              const int64_t w = int64_t{wo} * v.stride_w + s * v.dilation_w - v.pad_w;
              if (h < 0 || w < 0 || h >= v.height || w >= v.width) continue;
              for (uint32_t c = 0; c < v.channels; ++c) {
                sum += At(memory, v.x,
                          n * v.x_strides[0] + h * v.x_strides[1] + w * v.x_strides[2] + c) *
                       At(memory, v.w,
                          r * v.w_strides[0] + s * v.w_strides[1] + c * v.w_strides[2] + f);
              }
            }
          At(memory, v.y, n * v.y_strides[0] + ho * v.y_strides[1] + wo * v.y_strides[2] + f) +=
              sum;
        }
}

void Execute(const hal::DmaCopy& copy, Memory& memory) {
  const auto bytes = [&](hal::SymbolicAddress address) {
    return reinterpret_cast<char*>(memory[address.symbol].data()) + address.offset;
  };
  for (uint32_t i = 0; i < copy.sizes[0]; ++i)
    for (uint32_t j = 0; j < copy.sizes[1]; ++j)
      for (uint32_t k = 0; k < copy.sizes[2]; ++k)
        for (uint32_t l = 0; l < copy.sizes[3]; ++l) {
          const auto at = [&](const std::array<uint32_t, 4>& s) {
            return i * s[0] + j * s[1] + k * s[2] + l * s[3];
          };
          std::memcpy(bytes(copy.destination) + at(copy.destination_strides),
                      bytes(copy.source) + at(copy.source_strides), copy.run);
        }
}

Memory RandomMemory(std::mt19937& random, size_t elements) {
  Memory memory(3, std::vector<float>(elements));
  for (int buffer = 0; buffer < 2; ++buffer)
    for (float& value : memory[buffer])
      value = static_cast<float>(static_cast<int>(random() % 9) - 4);
  return memory;
}

template <typename Command>
size_t ExpectTheSameValues(const Command& command, const hal::Chip& chip, const Memory& before) {
  PlanStep step;
  step.work = command;
  const std::vector<Share> shares = MustSplit(step, chip);
  Memory whole = before, cut = before;
  Execute(command, whole);
  for (const Share& share : shares) Execute(std::get<Command>(share), cut);
  EXPECT_EQ(whole, cut);
  return shares.size();
}

TEST(SplitTest, ProductsAreCutByBatchRowsOrColumnsWithoutChangingAValue) {
  std::mt19937 random(1);
  size_t cuts = 0;
  hal::Chip chip = Gaudi();
  // A small array, so that small products are worth cutting.
  ASSERT_THAT(hal::OverrideChip("mme.rows_fp32", 4, chip), IsOk());
  ASSERT_THAT(hal::OverrideChip("mme.cols_fp32", 4, chip), IsOk());
  for (int i = 0; i < 60; ++i) {
    hal::MmeGemm g;
    g.a = {0, 4 * (random() % 3)};
    g.b = {1, 4 * (random() % 3)};
    g.c = {2, 4 * (random() % 3)};
    g.m = 1 + random() % 20;
    g.n = 1 + random() % 20;
    g.k = 1 + random() % 5;
    g.trans_a = random() % 2 != 0;
    g.trans_b = random() % 2 != 0;
    g.lda = 20;
    g.ldb = 21;
    g.ldc = 22;
    g.batch[random() % 3] = {static_cast<uint32_t>(1 + random() % 4), 500, 510, 520};
    cuts += ExpectTheSameValues(g, chip, RandomMemory(random, 3000)) > 1;
  }
  EXPECT_GT(cuts, 30u);
}

TEST(SplitTest, ConvolutionsAreCutByImagesRowsOrFiltersWithoutChangingAValue) {
  std::mt19937 random(2);
  size_t cuts = 0;
  hal::Chip chip = Gaudi();
  ASSERT_THAT(hal::OverrideChip("mme.rows_fp32", 4, chip), IsOk());
  ASSERT_THAT(hal::OverrideChip("mme.cols_fp32", 4, chip), IsOk());
  for (int i = 0; i < 100; ++i) {
    hal::MmeConvolution v;
    v.x = {0, 8};
    v.w = {1, 4};
    v.y = {2, 12};
    v.batch = 1 + random() % 3;
    v.height = 1 + random() % 9;
    v.width = 1 + random() % 5;
    v.channels = 1 + random() % 3;
    v.filters = 1 + random() % 9;
    v.kernel_h = 1 + random() % 3;
    v.kernel_w = 1 + random() % 3;
    v.stride_h = 1 + random() % 2;
    v.stride_w = 1 + random() % 2;
    v.pad_h = random() % 4;
    v.pad_w = random() % 3;
    v.dilation_h = 1 + random() % 2;
    v.out_height = 1 + random() % 10;
    v.out_width = 1 + random() % 4;
    v.x_strides = {200, 20, 4};
    v.w_strides = {100, 30, 10};
    v.y_strides = {1000, 60, 12};
    cuts += ExpectTheSameValues(v, chip, RandomMemory(random, 4000)) > 1;
  }
  EXPECT_GT(cuts, 50u);
}

// What each share covers of the output: output rows, or images, or filters.
template <typename Command, typename Size>
std::vector<uint32_t> SizesOfShares(const Command& command, const hal::Chip& chip, Size size) {
  PlanStep step;
  step.work = command;
  std::vector<uint32_t> sizes;
  for (const Share& share : MustSplit(step, chip)) sizes.push_back(std::get<Command>(share).*size);
  return sizes;
}

hal::MmeConvolution OneTapConvolution(uint32_t batch, uint32_t height, uint32_t width,
                                      uint32_t filters) {
  hal::MmeConvolution v;
  v.x = {0, 0}, v.w = {1, 0}, v.y = {2, 0};
  v.batch = batch, v.height = height, v.width = width, v.channels = 64, v.filters = filters;
  v.kernel_h = v.kernel_w = 1;
  v.out_height = height, v.out_width = width;
  v.x_strides = {height * width * 64, width * 64, 64};
  v.w_strides = {64 * filters, 64 * filters, filters};
  v.y_strides = {height * width * filters, width * filters, filters};
  return v;
}

TEST(SplitTest, ANarrowConvolutionIsCutOnGaudi2ByTheColumnsThatItPaysFor) {
  using Conv = hal::MmeConvolution;
  const hal::Chip gaudi2 = *hal::LoadChip("gaudi2");
  // 128 positions are half a step, but one column is walked as four: two steps, or one an engine.
  EXPECT_THAT(SizesOfShares(OneTapConvolution(1, 128, 1, 64), gaudi2, &Conv::out_height),
              ElementsAre(64, 64));
  EXPECT_THAT(SizesOfShares(OneTapConvolution(2, 64, 1, 64), gaudi2, &Conv::batch),
              ElementsAre(1, 1));
  EXPECT_THAT(SizesOfShares(OneTapConvolution(1, 32, 4, 64), gaudi2, &Conv::out_height),
              ElementsAre(32));
  // Twelve steps, two images' eight of them; half the rows of each are six.
  EXPECT_THAT(SizesOfShares(OneTapConvolution(3, 128, 1, 512), gaudi2, &Conv::out_height),
              ElementsAre(64, 64));
  // The first Gaudi walks what there is.
  EXPECT_THAT(SizesOfShares(OneTapConvolution(1, 32, 1, 64), Gaudi(), &Conv::out_height),
              ElementsAre(32));
}

TEST(SplitTest, AStepOfGaudi2IsOneTileHighAndOneOfGaudiOneTileWide) {
  using Conv = hal::MmeConvolution;
  const hal::Chip gaudi2 = *hal::LoadChip("gaudi2");
  hal::MmeGemm g;
  g.a = {0, 0}, g.b = {1, 0}, g.c = {2, 0};
  g.k = g.lda = 64;
  g.m = 128, g.n = g.ldb = g.ldc = 512;  // of 256 x 256 a step
  EXPECT_THAT(SizesOfShares(g, gaudi2, &hal::MmeGemm::n), ElementsAre(256, 256));
  EXPECT_THAT(SizesOfShares(OneTapConvolution(1, 16, 8, 512), gaudi2, &Conv::filters),
              ElementsAre(256, 256));
  g.m = 64, g.n = g.ldb = g.ldc = 32;  // of 32 x 64
  EXPECT_THAT(SizesOfShares(g, Gaudi(), &hal::MmeGemm::m), ElementsAre(32, 32));
  EXPECT_THAT(SizesOfShares(OneTapConvolution(1, 8, 8, 32), Gaudi(), &Conv::out_height),
              ElementsAre(4, 4));
  // Products of a batch do not share a step.
  g.m = 32;
  g.batch[0].count = 2;
  const auto images = [](const Share& share) {
    return std::get<hal::MmeGemm>(share).batch[0].count;
  };
  PlanStep step;
  step.work = g;
  const std::vector<Share> shares = MustSplit(step, Gaudi());
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_EQ(images(shares[0]), 1u);
}

TEST(SplitTest, CopiesAreCutAlongADimOrTheirBytes) {
  std::mt19937 random(3);
  size_t cuts = 0;
  hal::Chip chip = Gaudi();
  ASSERT_THAT(hal::OverrideChip("dma.launch_ps", 10000, chip), IsOk());
  for (int i = 0; i < 60; ++i) {
    hal::DmaCopy copy;
    copy.source = {0, random() % 64};
    copy.destination = {2, random() % 64};
    copy.run = 1 + random() % (i % 2 == 0 ? 16 : 4000);
    if (i % 2 == 0) {
      for (int dim = 0; dim < 4; ++dim) copy.sizes[dim] = 1 + random() % 5;
      copy.source_strides = {16, 100, 700, 4000};
      copy.destination_strides = {4000, 20, 120, 700};
    }
    cuts += ExpectTheSameValues(copy, chip, RandomMemory(random, 8000)) > 1;
  }
  EXPECT_GT(cuts, 30u);
}

TEST(SplitTest, FillsAreCutInWholeLines) {
  PlanStep step;
  step.work = hal::DmaFill{{0, 4}, 10'000'004, 7};
  const std::vector<Share> shares = MustSplit(step, Gaudi());
  EXPECT_EQ(shares.size(), 5u);
  uint64_t next = 4;
  for (const Share& share : shares) {
    const hal::DmaFill& fill = std::get<hal::DmaFill>(share);
    EXPECT_EQ(fill.destination.offset, next);
    EXPECT_EQ(fill.value, 7u);
    next += fill.bytes;
  }
  EXPECT_EQ(next, 10'000'008u);
}

PlanStep AddOf(uint32_t elements) {
  hal::ExpressionProgram program;
  program.inputs = {DType::kFloat32, DType::kFloat32};
  hal::ExprInstruction add{hal::ExprOp::kAdd};
  add.b = 1;
  program.instructions = {add};
  program.outputs = {2};
  hal::KernelTensor tensor;
  tensor.sizes[0] = elements;
  hal::KernelTensor out = tensor;
  out.written = true;
  PlanStep step;
  TpcStep tpc;
  tpc.launch = *hal::MakeFused(program, {tensor, tensor}, {out});
  tpc.addresses.assign(3, {3, 0});
  step.work = tpc;
  return step;
}

TEST(SplitTest, SmallLaunchesTakeOneTpcAndLargeOnesAll) {
  EXPECT_EQ(MustSplit(AddOf(8), Gaudi()).size(), 1u);
  EXPECT_EQ(MustSplit(AddOf(1'000'000), Gaudi()).size(), 8u);
}

TEST(SplitTest, AStepWithoutWorkOrWithoutAnEngineIsRefused) {
  PlanStep step;
  step.work = hal::DmaFill{{0, 0}, 0, 7};
  EXPECT_THAT(SplitStep(step, Gaudi()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no work")));
  hal::Chip chip = Gaudi();
  chip.mutable_tpc()->mutable_count()->set_value(0);
  EXPECT_THAT(SplitStep(AddOf(8), chip),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("gaudi")));
}

}  // namespace
}  // namespace openhpu::graph
