// TPC boxes and MME products on the card, written by the command writer.
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/tpc.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/tpc.h"
#include "hal/command_writer.h"
#include "hal/kernel/expression.h"
#include "hal/kernel/kernels.h"
#include "hal/kernel_image.h"
#include "simulator/card_testing.h"

namespace openhpu::simulator {
namespace {

using hal::CommandWriter;
using hal::Engine;
using hal::EngineKind;
using hal::KernelTensor;
using ::testing::HasSubstr;

KernelTensor Dense(DType dtype, hal::TpcDims sizes) {
  KernelTensor t;
  t.dtype = dtype;
  t.sizes = sizes;
  uint32_t stride = 1;
  for (int d = 0; d < hal::kTpcMaxDims; ++d) {
    t.strides[d] = stride;
    stride *= sizes[d];
  }
  return t;
}

// Zeros for all tensors of a TPC's descriptor.
std::vector<std::byte> ClearTensors(const hal::Chip& chip) {
  const bool gaudi2 = chip.dialect() == "gaudi2";
  const uint32_t bytes = hal::abi::gaudi::kTpcMaxTensors *
                         static_cast<uint32_t>(gaudi2 ? sizeof(hal::abi::gaudi2::TpcTensor)
                                                      : sizeof(hal::abi::gaudi::TpcTensor));
  hal::abi::gaudi::PacketWregBulk packet;
  packet.size = hal::abi::gaudi::PacketWregBulk::SIZE64::Set(0, bytes / 8);
  packet.ctl = hal::abi::gaudi::PacketWregBulk::REG_OFFSET::Set(
      packet.ctl,
      gaudi2 ? hal::abi::gaudi2::qman::kEngineWregBase + hal::abi::gaudi2::tpc::QM_TENSOR::kOffset
             : hal::abi::gaudi::tpc::QM_TENSOR::kOffset);
  std::vector<std::byte> commands(sizeof packet + bytes);
  std::memcpy(commands.data(), &packet, sizeof packet);
  return commands;
}

// out = op(in0, in1)
hal::ExpressionProgram Binary(hal::ExprOp op, DType in, DType out) {
  hal::ExpressionProgram p;
  p.inputs = {in, in};
  hal::ExprInstruction i;
  i.op = op;
  i.dtype = out;
  i.b = 1;
  p.instructions = {i};
  p.outputs = {2};
  return p;
}

// Runs bodies on their engines, and waits for `sob` to reach the number of signals.
class Launcher {
 public:
  explicit Launcher(TestCard& card) : card_(card), chip_(card->info().chip) {}

  uint32_t Symbol(DeviceAddress address) {
    symbols_.push_back(address.value());
    return static_cast<uint32_t>(symbols_.size() - 1);
  }
  std::unique_ptr<CommandWriter> Body(Engine engine) {
    return *CommandWriter::Create(chip_, engine, CommandWriter::Role::kBody);
  }
  // `first`: commands before the body's.
  void Add(Engine engine, CommandWriter& body, std::vector<std::byte> first = {}) {
    const std::vector<std::byte> rest = Bytes(body);
    first.insert(first.end(), rest.begin(), rest.end());
    const auto bytes = static_cast<uint32_t>(first.size());
    const uint32_t symbol = Symbol(card_.Upload(first));
    auto upper = *CommandWriter::Create(chip_, engine, CommandWriter::Role::kUpper);
    EXPECT_THAT(upper->Run({symbol, 0}, bytes), IsOk());
    const std::vector<std::byte> commands = Bytes(*upper);
    chunks_.push_back({QueueId(*hal::QueueOf(chip_, engine, 0)), card_.Upload(commands).value(),
                       static_cast<uint32_t>(commands.size())});
  }
  // All sobs of the first group in `watch` reach `value`, then are zero.
  absl::Status Run(uint8_t watch, uint32_t value) {
    const Engine host{EngineKind::kHostDma, 0};
    auto writer = *CommandWriter::Create(chip_, host, CommandWriter::Role::kExternal);
    EXPECT_THAT(writer->SetUpMonitors(0, 1), IsOk());
    EXPECT_THAT(writer->Await({{0, watch, value}}, 0), IsOk());
    for (uint32_t i = 0; i < 8; ++i) EXPECT_THAT(writer->SetSob({i}, 0, false), IsOk());
    Packets packets;
    const std::vector<std::byte> commands = Bytes(*writer);
    absl::StatusOr<hal::CommandMemory> memory = card_->CreateCommandMemory(commands.size());
    std::memcpy(memory->bytes.data(), commands.data(), commands.size());
    std::vector<hal::Chunk> chunks = chunks_;
    chunks.push_back({QueueId(*hal::QueueOf(chip_, host, 0)), memory->handle,
                      static_cast<uint32_t>(commands.size())});
    return card_.Run(chunks);
  }

 private:
  std::vector<std::byte> Bytes(CommandWriter& writer) {
    hal::CommandBlob blob = writer.Take();
    hal::RelocationValues values;
    values.symbols = symbols_;
    const auto manager = static_cast<int>(chip_.sync().user_manager().value());
    const absl::StatusOr<hal::SyncManagerInfo> sync = card_->GetSyncManagerInfo(manager);
    EXPECT_THAT(sync, IsOk());
    values.first_sob = (sync->first_sob + 7) / 8 * 8;
    values.first_monitor = sync->first_monitor;
    EXPECT_THAT(hal::Relocate(blob.relocations, values, absl::MakeSpan(blob.bytes)), IsOk());
    return blob.bytes;
  }

  TestCard& card_;
  const hal::Chip chip_;
  std::vector<uint64_t> symbols_;
  std::vector<hal::Chunk> chunks_;
};

class ComputeTest : public ::testing::TestWithParam<const char*> {
 protected:
  // Uploads the image; its code.
  DeviceAddress Load(const hal::KernelImage& image) {
    const std::vector<std::byte> bytes = *hal::MakeKernelImage(image, "");
    const DeviceAddress at = card_.Allocate(std::max<size_t>(bytes.size(), 16384));
    card_.Write(at, bytes.data(), bytes.size());
    return at + hal::kKernelImagePage;
  }
  // Adds boxes of the launch on all TPCs; signals sob 0.
  int AddBoxes(Launcher& launcher, const hal::KernelLaunch& launch, uint32_t kernel,
               const std::vector<uint32_t>& tensors, const std::vector<std::byte>& first = {}) {
    const int tpcs = static_cast<int>(card_->info().chip.tpc().count().value());
    const std::vector<hal::IndexBox> boxes = hal::SplitIndexSpace(launch, tpcs);
    for (size_t i = 0; i < boxes.size(); ++i) {
      const Engine engine{EngineKind::kTpc, static_cast<uint8_t>(i)};
      auto body = launcher.Body(engine);
      hal::TpcBox box;
      box.kernel = {kernel, 0};
      box.tensors = launch.tensors;
      for (uint32_t t : tensors) box.addresses.push_back({t, 0});
      box.scalars = launch.scalars;
      box.box = boxes[i];
      EXPECT_THAT(body->Tpc(box, hal::Sob{0}), IsOk());
      launcher.Add(engine, *body, first);
    }
    return static_cast<int>(boxes.size());
  }

  TestCard card_{GetParam()};
};

TEST_P(ComputeTest, AddsOnAllTpcs) {
  const KernelTensor t = Dense(DType::kFloat32, {256, 33, 1, 1, 1});
  std::vector<float> a(256 * 33), b(a.size()), sum(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(i);
    b[i] = 0.5f * static_cast<float>(i % 77);
    sum[i] = a[i] + b[i];
  }
  ASSERT_OK_AND_ASSIGN(
      const hal::KernelLaunch launch,
      hal::MakeFused(Binary(hal::ExprOp::kAdd, DType::kFloat32, DType::kFloat32), {t, t}, {t}));
  Launcher launcher(card_);
  const DeviceAddress out = card_.Allocate(4 * a.size());
  const int boxes = AddBoxes(
      launcher, launch, launcher.Symbol(Load(launch.image)),
      {launcher.Symbol(card_.Upload(a)), launcher.Symbol(card_.Upload(b)), launcher.Symbol(out)});
  for (int i = 0; i < 3; ++i) EXPECT_THAT(launcher.Run(1, boxes), IsOk());
  EXPECT_EQ(card_.ReadAll<float>(out, a.size()), sum);
  const Statistics statistics = card_->statistics();
  for (const EngineStatistics& engine : statistics.engines) {
    if (engine.name != "TPC0") continue;
    EXPECT_EQ(engine.commands, 3u);
    EXPECT_GT(engine.bytes_read, 2 * engine.bytes_written - 3000);
  }
}

TEST_P(ComputeTest, TakesWholeDescriptorsWhoseLastTensorsAreZeros) {
  const KernelTensor t = Dense(DType::kFloat32, {100, 30, 1, 1, 1});
  const std::vector<float> a(100 * 30, 3), b(a.size(), 4), sum(a.size(), 7);
  ASSERT_OK_AND_ASSIGN(
      const hal::KernelLaunch launch,
      hal::MakeFused(Binary(hal::ExprOp::kAdd, DType::kFloat32, DType::kFloat32), {t, t}, {t}));
  Launcher launcher(card_);
  const DeviceAddress out = card_.Allocate(4 * a.size());
  const int boxes = AddBoxes(
      launcher, launch, launcher.Symbol(Load(launch.image)),
      {launcher.Symbol(card_.Upload(a)), launcher.Symbol(card_.Upload(b)), launcher.Symbol(out)},
      ClearTensors(card_->info().chip));
  EXPECT_THAT(launcher.Run(1, boxes), IsOk());
  EXPECT_EQ(card_.ReadAll<float>(out, a.size()), sum);
}

TEST_P(ComputeTest, ComparesIntoBooleans) {
  const KernelTensor t = Dense(DType::kFloat32, {64, 1, 1, 1, 1});
  const KernelTensor mask = Dense(DType::kBool, {64, 1, 1, 1, 1});
  std::vector<float> a(64), b(64, 30.0f);
  std::vector<uint8_t> less(64);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(i);
    less[i] = a[i] < b[i];
  }
  ASSERT_OK_AND_ASSIGN(
      const hal::KernelLaunch launch,
      hal::MakeFused(Binary(hal::ExprOp::kLt, DType::kFloat32, DType::kBool), {t, t}, {mask}));
  Launcher launcher(card_);
  const DeviceAddress out = card_.Allocate(64);
  const int boxes = AddBoxes(
      launcher, launch, launcher.Symbol(Load(launch.image)),
      {launcher.Symbol(card_.Upload(a)), launcher.Symbol(card_.Upload(b)), launcher.Symbol(out)});
  EXPECT_THAT(launcher.Run(1, boxes), IsOk());
  EXPECT_EQ(card_.ReadAll<uint8_t>(out, 64), less);
}

TEST_P(ComputeTest, MultipliesMatrices) {
  constexpr int kM = 100, kN = 50, kK = 70;
  std::vector<float> a(kM * kK), b(kK * kN), c(kM * kN, 0);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 13) - 6;
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i % 7) - 3;
  for (int m = 0; m < kM; ++m) {
    for (int n = 0; n < kN; ++n) {
      for (int k = 0; k < kK; ++k) c[m * kN + n] += a[m * kK + k] * b[k * kN + n];
    }
  }
  Launcher launcher(card_);
  const DeviceAddress out = card_.Allocate(4 * c.size());
  hal::MmeGemm gemm;
  gemm.a = {launcher.Symbol(card_.Upload(a)), 0};
  gemm.b = {launcher.Symbol(card_.Upload(b)), 0};
  gemm.c = {launcher.Symbol(out), 0};
  gemm.m = kM;
  gemm.n = kN;
  gemm.k = kK;
  gemm.lda = kK;
  gemm.ldb = gemm.ldc = kN;
  const Engine engine{EngineKind::kMme, 0};
  auto body = launcher.Body(engine);
  ASSERT_THAT(body->Mme(gemm, hal::Sob{0}), IsOk());
  launcher.Add(engine, *body);
  EXPECT_THAT(launcher.Run(3, 1), IsOk());
  EXPECT_EQ(card_.ReadAll<float>(out, c.size()), c);
}

// Operands stored either way, more than one tile, batches of which one operand is the same.
TEST_P(ComputeTest, MultipliesTransposedBatches) {
  constexpr int kM = 300, kN = 270, kK = 37, kBatch = 2;
  std::vector<float> a(kBatch * kM * kK), b(kK * kN);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 13) - 6;
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i % 7) - 3;
  const DeviceAddress at_a = card_.Upload(a), at_b = card_.Upload(b);
  for (const bool trans_a : {false, true}) {
    for (const bool trans_b : {false, true}) {
      std::vector<float> c(kBatch * kM * kN, 0);
      for (int batch = 0; batch < kBatch; ++batch) {
        for (int m = 0; m < kM; ++m) {
          for (int n = 0; n < kN; ++n) {
            float& sum = c[(batch * kM + m) * kN + n];
            for (int k = 0; k < kK; ++k) {
              sum += a[batch * kM * kK + (trans_a ? k * kM + m : m * kK + k)] *
                     b[trans_b ? n * kK + k : k * kN + n];
            }
          }
        }
      }
      Launcher launcher(card_);
      const DeviceAddress out = card_.Allocate(4 * c.size());
      hal::MmeGemm gemm;
      gemm.a = {launcher.Symbol(at_a), 0};
      gemm.b = {launcher.Symbol(at_b), 0};
      gemm.c = {launcher.Symbol(out), 0};
      gemm.m = kM;
      gemm.n = kN;
      gemm.k = kK;
      gemm.trans_a = trans_a;
      gemm.trans_b = trans_b;
      gemm.lda = trans_a ? kM : kK;
      gemm.ldb = trans_b ? kK : kN;
      gemm.ldc = kN;
      gemm.batch[0] = {kBatch, kM * kK, 0, kM * kN};
      const Engine engine{EngineKind::kMme, 0};
      auto body = launcher.Body(engine);
      ASSERT_THAT(body->Mme(gemm, hal::Sob{0}), IsOk());
      launcher.Add(engine, *body);
      EXPECT_THAT(launcher.Run(3, 1), IsOk());
      EXPECT_EQ(card_.ReadAll<float>(out, c.size()), c) << trans_a << trans_b;
    }
  }
}

struct ConvolutionCase {
  uint32_t batch, height, width, channels, filters, kernel_h, kernel_w, stride_h, stride_w, pad_h,
      pad_w, dilation_h, dilation_w, groups;
};

// Against a plain loop: taps, strides, padding, dilation, groups, outputs of one column, and more
// tiles than one.
TEST_P(ComputeTest, Convolves) {
  const ConvolutionCase cases[] = {
      {2, 20, 21, 5, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1}, {1, 17, 18, 8, 300, 3, 2, 2, 2, 1, 0, 1, 1, 1},
      {2, 12, 13, 3, 7, 3, 3, 1, 2, 2, 2, 2, 2, 2},  {3, 9, 3, 4, 6, 3, 3, 1, 1, 1, 0, 1, 1, 1},
      {5, 1, 1, 16, 10, 1, 1, 1, 1, 0, 0, 1, 1, 1},  {1, 7, 7, 3, 64, 7, 7, 2, 2, 3, 3, 1, 1, 1},
      {2, 8, 8, 6, 6, 1, 1, 1, 1, 0, 0, 1, 1, 3},    {1, 16, 2, 2, 5, 2, 1, 1, 1, 0, 0, 1, 1, 1},
  };
  const Engine engine{EngineKind::kMme, 0};
  for (const ConvolutionCase& t : cases) {
    hal::MmeConvolution c;
    c.batch = t.batch, c.height = t.height, c.width = t.width;
    c.channels = t.channels, c.filters = t.filters;  // of a group
    c.kernel_h = t.kernel_h, c.kernel_w = t.kernel_w;
    c.stride_h = t.stride_h, c.stride_w = t.stride_w;
    c.pad_h = t.pad_h, c.pad_w = t.pad_w;
    c.dilation_h = t.dilation_h, c.dilation_w = t.dilation_w;
    c.out_height =
        (t.height + 2 * t.pad_h - ((t.kernel_h - 1) * t.dilation_h + 1)) / t.stride_h + 1;
    c.out_width = (t.width + 2 * t.pad_w - ((t.kernel_w - 1) * t.dilation_w + 1)) / t.stride_w + 1;
    const uint64_t pixel = c.channels * t.groups, out_pixel = c.filters * t.groups;
    c.x_strides = {c.height * c.width * pixel, c.width * pixel, pixel};
    c.w_strides = {c.kernel_w * c.channels * out_pixel, c.channels * out_pixel, out_pixel};
    c.y_strides = {c.out_height * c.out_width * out_pixel, c.out_width * out_pixel, out_pixel};
    std::vector<float> x(c.batch * c.x_strides[0]), w(c.kernel_h * c.w_strides[0]);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 13) - 6;
    for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 7) - 3;
    std::vector<float> want(c.batch * c.y_strides[0]);
    size_t at = 0;
    for (int64_t n = 0; n < c.batch; ++n) {
      for (int64_t ho = 0; ho < c.out_height; ++ho) {
        for (int64_t wo = 0; wo < c.out_width; ++wo) {
          for (uint64_t f = 0; f < out_pixel; ++f, ++at) {
            const uint64_t group = f / c.filters;
            for (int64_t r = 0; r < c.kernel_h; ++r) {
              for (int64_t s = 0; s < c.kernel_w; ++s) {
                const int64_t h = ho * c.stride_h + r * c.dilation_h - c.pad_h;
                const int64_t v = wo * c.stride_w + s * c.dilation_w - c.pad_w;
                if (h < 0 || h >= c.height || v < 0 || v >= c.width) continue;
                for (uint64_t k = 0; k < c.channels; ++k) {
                  want[at] += x[n * c.x_strides[0] + h * c.x_strides[1] + v * c.x_strides[2] +
                                group * c.channels + k] *
                              w[r * c.w_strides[0] + s * c.w_strides[1] + k * c.w_strides[2] + f];
                }
              }
            }
          }
        }
      }
    }
    SCOPED_TRACE(::testing::Message() << t.height << " x " << t.width << ", " << t.kernel_h << " x "
                                      << t.kernel_w << ", groups " << t.groups);
    Launcher launcher(card_);
    const DeviceAddress out = card_.Allocate(4 * want.size());
    const uint32_t symbol_x = launcher.Symbol(card_.Upload(x));
    const uint32_t symbol_w = launcher.Symbol(card_.Upload(w));
    const uint32_t symbol_y = launcher.Symbol(out);
    auto body = launcher.Body(engine);
    for (uint32_t g = 0; g < t.groups; ++g) {
      c.x = {symbol_x, 4 * uint64_t{g} * c.channels};
      c.w = {symbol_w, 4 * uint64_t{g} * c.filters};
      c.y = {symbol_y, 4 * uint64_t{g} * c.filters};
      ASSERT_THAT(body->Mme(c, hal::Sob{0}), IsOk());
    }
    launcher.Add(engine, *body);
    // Again with everything known of the descriptors.
    for (int i = 0; i < 2; ++i) EXPECT_THAT(launcher.Run(3, t.groups), IsOk());
    EXPECT_EQ(card_.ReadAll<float>(out, want.size()), want);
  }
}

TEST_P(ComputeTest, FillsAndCopiesStrided) {
  // A 3-D block of a larger array, packed.
  std::vector<uint32_t> big(16 * 8 * 64);
  std::iota(big.begin(), big.end(), 0);
  std::vector<uint32_t> packed;
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 3; ++j) {
      for (int k = 0; k < 10; ++k) packed.push_back(big[(2 * i) * 8 * 64 + (j + 1) * 64 + 7 + k]);
    }
  }
  Launcher launcher(card_);
  const DeviceAddress out = card_.Allocate(4 * packed.size()), filled = card_.Allocate(4000);
  hal::DmaCopy copy;
  copy.source = {launcher.Symbol(card_.Upload(big)), 4 * (64 + 7)};
  copy.destination = {launcher.Symbol(out), 0};
  copy.run = 40;
  copy.sizes = {3, 5, 1, 1};
  copy.source_strides = {256, 2 * 8 * 256, 0, 0};
  copy.destination_strides = {40, 120, 0, 0};
  hal::DmaFill fill;
  fill.destination = {launcher.Symbol(filled), 0};
  fill.bytes = 4000;
  fill.value = 0xDEADBEEF;
  const Engine engine{EngineKind::kDma, 0};
  auto body = launcher.Body(engine);
  ASSERT_THAT(body->Dma(copy, hal::Sob{0}), IsOk());
  ASSERT_THAT(body->Dma(fill, hal::Sob{0}), IsOk());
  launcher.Add(engine, *body);
  EXPECT_THAT(launcher.Run(1, 2), IsOk());
  EXPECT_EQ(card_.ReadAll<uint32_t>(out, packed.size()), packed);
  EXPECT_EQ(card_.ReadAll<uint32_t>(filled, 1000), std::vector<uint32_t>(1000, 0xDEADBEEF));
}

TEST_P(ComputeTest, RefusesWhatIsNoKernelImageAndServesAfterReset) {
  const KernelTensor t = Dense(DType::kFloat32, {64, 1, 1, 1, 1});
  ASSERT_OK_AND_ASSIGN(
      hal::KernelLaunch launch,
      hal::MakeFused(Binary(hal::ExprOp::kAdd, DType::kFloat32, DType::kFloat32), {t, t}, {t}));
  const uint64_t page = hal::kKernelImagePage;
  const DeviceAddress code = Load(launch.image);
  const DeviceAddress data = card_.Upload(std::vector<float>(64, 1.0f));
  const auto run = [&] {
    Launcher launcher(card_);
    const uint32_t x = launcher.Symbol(data);
    AddBoxes(launcher, launch, launcher.Symbol(code), {x, x, launcher.Symbol(card_.Allocate(256))});
    return launcher.Run(1, 1);
  };
  const auto failed = [&](const char* what) {
    EXPECT_THAT(run(), StatusIs(absl::StatusCode::kAborted,
                                ::testing::AllOf(HasSubstr("TPC0"), HasSubstr(what))));
    EXPECT_EQ(card_->TakeEvents().size(), 1u);
    EXPECT_THAT(card_->Reset(), IsOk());
    card_->TakeEvents();
  };
  EXPECT_THAT(run(), IsOk());
  // The image is written again under the kernel's feet.
  const std::vector<std::byte> zeros(64);
  card_.Write(code, zeros.data(), 8);
  failed("damaged");
  card_.Write(DeviceAddress(code.value() - page), zeros.data(), 64);
  failed("no image");
  hal::KernelImage image = launch.image;
  image.guid = "nobody.knows";
  std::vector<std::byte> bytes = *hal::MakeKernelImage(image, "");
  card_.Write(DeviceAddress(code.value() - page), bytes.data(), bytes.size());
  failed("nobody.knows");
  bytes = *hal::MakeKernelImage(launch.image, "another_chip");
  card_.Write(DeviceAddress(code.value() - page), bytes.data(), bytes.size());
  failed("another_chip");
  bytes = *hal::MakeKernelImage(launch.image, card_->info().chip.name());
  card_.Write(DeviceAddress(code.value() - page), bytes.data(), bytes.size());
  EXPECT_THAT(run(), IsOk());
}

// Four tiles of 256 x 256; a step takes its common dim, four times as long in fp32.
TEST(Gaudi2ProductTest, TakesTheTimeOfItsTiles) {
  TestCard card("sim:gaudi2");
  const hal::Chip& chip = card->info().chip;
  for (const DType in : {DType::kFloat32, DType::kBFloat16}) {
    Launcher launcher(card);
    hal::MmeGemm gemm;
    gemm.a = {launcher.Symbol(card.Allocate(4 << 20)), 0};
    gemm.b = {launcher.Symbol(card.Allocate(4 << 20)), 0};
    gemm.c = {launcher.Symbol(card.Allocate(1 << 20)), 0};
    gemm.in = in;
    gemm.m = gemm.n = gemm.ldb = gemm.ldc = 512;
    gemm.k = gemm.lda = 2048;
    const Engine engine{EngineKind::kMme, 0};
    auto body = launcher.Body(engine);
    ASSERT_THAT(body->Mme(gemm, hal::Sob{0}), IsOk());
    launcher.Add(engine, *body);
    card->ResetStatistics();
    ASSERT_THAT(launcher.Run(3, 1), IsOk());
    const uint64_t rate =
        in == DType::kFloat32 ? chip.mme().fp32_rate_permille().value() : uint64_t{1000};
    const uint64_t cycles = 4 * 2048 * 1000 / rate + chip.mme().fill_cycles().value();
    const uint64_t arithmetic = cycles * 1000000 / chip.mme().clock_mhz().value();
    // What its bytes take at the port: A and B twice, C once.
    const uint64_t bytes = 4 * (in == DType::kFloat32 ? 4u << 20 : 2u << 20);
    const uint64_t flow =
        bytes * 1000000 / (chip.mme().bytes_per_cycle().value() * chip.mme().clock_mhz().value());
    for (const EngineStatistics& unit : card->statistics().engines) {
      if (unit.name != "DCORE0_MME") continue;
      EXPECT_EQ(unit.commands, 1u);
      EXPECT_EQ(unit.bytes_read, bytes);
      EXPECT_GE(unit.busy.value(), std::max(arithmetic, flow));
      EXPECT_LE(unit.busy.value(), std::max(arithmetic, flow) * 5 / 4 + 1000000);
    }
  }
}

// Sixteen tiles of 256 positions and 256 filters; nine taps of 128 channels.
TEST(Gaudi2ConvolutionTest, TakesTheTimeOfItsTaps) {
  TestCard card("sim:gaudi2");
  const hal::Chip& chip = card->info().chip;
  Launcher launcher(card);
  hal::MmeConvolution c;
  c.x = {launcher.Symbol(card.Allocate(1 << 20)), 0};
  c.w = {launcher.Symbol(card.Allocate(1 << 20)), 0};
  c.y = {launcher.Symbol(card.Allocate(2 << 20)), 0};
  c.in = c.out = DType::kBFloat16;
  c.batch = 1, c.height = c.width = c.out_height = c.out_width = 64;
  c.channels = 128, c.filters = 256;
  c.kernel_h = c.kernel_w = 3, c.pad_h = c.pad_w = 1;
  c.x_strides = {64 * 64 * 128, 64 * 128, 128};
  c.w_strides = {3 * 128 * 256, 128 * 256, 256};
  c.y_strides = {64 * 64 * 256, 64 * 256, 256};
  const Engine engine{EngineKind::kMme, 0};
  auto body = launcher.Body(engine);
  ASSERT_THAT(body->Mme(c, hal::Sob{0}), IsOk());
  launcher.Add(engine, *body);
  card->ResetStatistics();
  ASSERT_THAT(launcher.Run(3, 1), IsOk());
  const uint64_t cycles = 16 * 9 * 128 + chip.mme().fill_cycles().value();
  const uint64_t arithmetic = cycles * 1000000 / chip.mme().clock_mhz().value();
  // The image at nine shifted places, the weights for each tile.
  const uint64_t bytes = 2 * (9 * 64 * 64 * 128 + 16 * 9 * 128 * 256);
  const uint64_t flow =
      bytes * 1000000 / (chip.mme().bytes_per_cycle().value() * chip.mme().clock_mhz().value());
  int found = 0;
  for (const EngineStatistics& unit : card->statistics().engines) {
    if (unit.name != "DCORE0_MME") continue;
    ++found;
    EXPECT_EQ(unit.bytes_read, bytes);
    EXPECT_EQ(unit.bytes_written, 2u * 64 * 64 * 256);
    EXPECT_GE(unit.busy.value(), std::max(arithmetic, flow));
    EXPECT_LE(unit.busy.value(), std::max(arithmetic, flow) * 5 / 4 + 1000000);
  }
  EXPECT_EQ(found, 1);
}

INSTANTIATE_TEST_SUITE_P(Modes, ComputeTest,
                         ::testing::Values("sim:tiny", "sim:gaudi", "sim:gaudi2",
                                           "sim:gaudi2,hazards=on,arithmetic=exact",
                                           "sim:gaudi2,mode=functional",
                                           "sim:tiny,mode=functional,arithmetic=exact",
                                           "sim:tiny,hazards=on,arithmetic=exact"));

}  // namespace
}  // namespace openhpu::simulator
