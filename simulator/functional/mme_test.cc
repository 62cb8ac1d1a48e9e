#include "simulator/functional/mme.h"

#include <map>
#include <tuple>
#include <variant>

#include "gtest/gtest.h"
#include "simulator/functional/gemm_testing.h"
#include "simulator/functional/mme_match.h"
#include "simulator/functional/mme_testing.h"
#include "simulator/functional/mme_view.h"

namespace openhpu::simulator {
namespace {

using hal::abi::gaudi::MmeDescriptor;
using Low = hal::abi::gaudi::mme::HEADER_LOW;

constexpr int64_t kElements = 1 << 16;  // room of each operand
constexpr Addresses kAt = {0x20000000, 0x20040000, 0x20080000};
constexpr uint64_t kBytes = 0xC0000;

// Device memory that remembers which bytes were asked for.
class Memory final : public AddressSpace {
 public:
  Memory() : touched(kBytes), memory_(kAt.s, kBytes) {}
  absl::StatusOr<std::byte*> Resolve(DeviceAddress address, uint64_t bytes) override {
    auto resolved = memory_.Resolve(address, bytes);
    if (recording && resolved.ok()) {
      std::fill_n(touched.begin() + (address.value() - kAt.s), bytes, true);
    }
    return resolved;
  }
  uint64_t PageVersion(DeviceAddress address) const override {
    return memory_.PageVersion(address);
  }

  void Prepare(DType in, DType out, Values values) {
    Copy(in, values, 1, kAt.s);
    Copy(in, values, 2, kAt.l);
    Copy(out, values, 3, kAt.o);
  }
  std::byte* at(uint64_t address) { return memory_.at(address); }
  std::vector<std::byte> Output(DType type) {
    return {at(kAt.o), at(kAt.o) + kElements * StorageBytes(type)};
  }

  bool recording = false;
  std::vector<bool> touched;  // from kAt.s on

 private:
  void Copy(DType type, Values values, uint32_t seed, uint64_t address) {
    static auto* made = new std::map<std::tuple<DType, Values, uint32_t>, std::vector<std::byte>>;
    std::vector<std::byte>& data = (*made)[{type, values, seed}];
    if (data.empty()) data = Filled(type, values, seed, kElements);
    std::copy(data.begin(), data.end(), at(address));
  }

  FakeMemory memory_;
};

absl::Status RunAll(const std::vector<MmeDescriptor>& descriptors, Arithmetic arithmetic,
                    MmePath path, Memory& memory) {
  MmeState state;
  for (const MmeDescriptor& d : descriptors) {
    const absl::Status status = RunMme(d, arithmetic, path, memory, state);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

bool IsDense(const MmeDescriptor& d) {
  const auto view = ViewMme(d);
  return view.ok() && !std::holds_alternative<std::monostate>(MatchMme(*view));
}

std::vector<bool> BytesOf(const std::vector<AccessBox>& boxes) {
  std::vector<bool> bytes(kBytes);
  for (const AccessBox& box : boxes) {
    EXPECT_EQ(box.write, box.base.value() >= kAt.o);
    std::vector<uint64_t> runs = {box.base.value() - kAt.s};
    for (int d = 0; d < 5; ++d) {
      std::vector<uint64_t> next;
      for (uint64_t r : runs) {
        for (uint64_t i = 0; i < box.sizes[d]; ++i) next.push_back(r + i * box.strides[d]);
      }
      runs.swap(next);
    }
    for (uint64_t r : runs) std::fill_n(bytes.begin() + r, box.run, true);
  }
  return bytes;
}

// Runs descriptors every way there is against a naive reference that writes to the output's place.
template <typename Naive>
void ExpectAllWays(const std::vector<MmeDescriptor>& descriptors, DType in, DType out,
                   const Naive& naive, bool footprint) {
  Memory memory;
  memory.Prepare(in, out, Values::kReals);
  naive(memory);
  const std::vector<std::byte> reals = memory.Output(out);
  for (MmePath path : {MmePath::kAuto, MmePath::kGeneric}) {
    memory.Prepare(in, out, Values::kReals);
    const absl::Status status = RunAll(descriptors, Arithmetic::kExact, path, memory);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(memory.Output(out) == reals) << "exact, path " << static_cast<int>(path);
  }
  memory.Prepare(in, out, Values::kSmallIntegers);
  naive(memory);
  const std::vector<std::byte> integers = memory.Output(out);
  memory.Prepare(in, out, Values::kSmallIntegers);
  const absl::Status status = RunAll(descriptors, Arithmetic::kFast, MmePath::kAuto, memory);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(memory.Output(out) == integers) << "fast";

  if (!footprint) return;
  for (const MmeDescriptor& d : descriptors) {
    memory.recording = true;
    memory.touched.assign(kBytes, false);
    ASSERT_TRUE(RunAll({d}, Arithmetic::kExact, MmePath::kGeneric, memory).ok());
    memory.recording = false;
    const auto boxes = MmeFootprint(d);
    ASSERT_TRUE(boxes.ok()) << boxes.status();
    EXPECT_TRUE(BytesOf(*boxes) == memory.touched) << "footprint";
  }
}

void ExpectGemm(const GemmShape& s, bool full_chip, bool footprint = false) {
  SCOPED_TRACE(::testing::Message()
               << s.m << "x" << s.n << "x" << s.k << " " << Name(s.in) << "->" << Name(s.out)
               << " a " << s.a.row << "," << s.a.column << " b " << s.b.row << "," << s.b.column
               << (full_chip ? " full chip" : ""));
  std::vector<MmeDescriptor> descriptors;
  if (full_chip) {
    descriptors = {GemmDescriptor(s, Geometry::kSouth, kAt),
                   GemmDescriptor(s, Geometry::kNorth, kAt)};
  } else {
    descriptors = {GemmDescriptor(s, Geometry::kPair, kAt)};
  }
  for (const MmeDescriptor& d : descriptors) EXPECT_TRUE(IsDense(d));
  ExpectAllWays(
      descriptors, s.in, s.out,
      [&](Memory& memory) { NaiveGemm(s, memory.at(kAt.s), memory.at(kAt.l), memory.at(kAt.o)); },
      footprint);
}

GemmShape Matrices(int64_t m, int64_t n, int64_t k, int layout, DType in, DType out) {
  GemmShape s;
  s.m = m;
  s.n = n;
  s.k = k;
  s.in = in;
  s.out = out;
  s.a = {layout & 1 ? 1 : k + 2, layout & 1 ? m + 1 : 1, {}};
  s.b = {layout & 2 ? 1 : n + 3, layout & 2 ? k + 1 : 1, {}};
  s.c = {n + 5, 1, {}};
  return s;
}

constexpr DType f = DType::kFloat32, h = DType::kBFloat16;

TEST(MmeTest, TheWorkedExampleOfTheReference) {
  // Registers of section 4.2: 100 x 70 x 50, dense, bf16 to fp32, 2w x 2h.
  MmeDescriptor d;
  d.base_addr_low_s = static_cast<uint32_t>(kAt.s);
  d.base_addr_low_l = static_cast<uint32_t>(kAt.l);
  d.base_addr_low_o = static_cast<uint32_t>(kAt.o);
  d.header_low = 0x7F0A0001;
  d.header_high = 0xC0000000;
  d.sb_repeat = 0xC000C000;
  d.conv_associated_dims_low = 0x00690005;
  d.conv_associated_dims_high = 0x00DB0092;
  d.outer_loop = 0x124;
  d.tensor_s = {{70, 7000, 7000, 7000, 7000},
                {0, 0x2300, 7000, 7000, 7000},
                {70, 0x1180, 7000, 7000},
                {70, 7000, 7000, 7000},
                63};
  d.tensor_l = {{50, 3500, 3500, 3500, 3500},
                {128, 0, 3500, 3500, 3500},
                {64, 3500, 3500, 3500},
                {50, 3500, 3500, 3500},
                69};
  d.tensor_o = {{50, 5000, 5000, 5000, 5000},
                {128, 6400, 5000, 5000, 5000},
                {64, 3200, 5000, 5000},
                {50, 5000, 5000, 5000},
                63};
  d.agu_l_remote.roi_base_offset[0] = d.agu_o_remote.roi_base_offset[0] = 64;
  MmeDescriptor north = d;
  north.agu_s.roi_base_offset[1] = 4480;
  north.agu_o_local.roi_base_offset[1] = north.agu_o_remote.roi_base_offset[1] = 3200;
  EXPECT_TRUE(IsDense(d));
  EXPECT_TRUE(IsDense(north));
  GemmShape s;
  s.m = 100;
  s.n = 50;
  s.k = 70;
  s.in = h;
  s.a = {70, 1, {}};
  s.b = {50, 1, {}};
  s.c = {50, 1, {}};
  ExpectAllWays(
      {d, north}, h, f,
      [&](Memory& memory) { NaiveGemm(s, memory.at(kAt.s), memory.at(kAt.l), memory.at(kAt.o)); },
      true);
  const auto work = AnalyseMme(d);
  ASSERT_TRUE(work.ok());
  EXPECT_EQ(work->steps, 1u);
  EXPECT_EQ(work->common_dim, 70u);
  EXPECT_FALSE(work->fp32_in);
  EXPECT_EQ(work->out_bytes, 4u);
  EXPECT_EQ(work->signals, 1u);
}

TEST(MmeTest, ProductsOfAllLayoutsAndTypes) {
  for (int layout = 0; layout < 4; ++layout) {
    for (const auto& [in, out] : {std::pair{f, f}, {h, h}, {h, f}, {f, h}}) {
      const bool footprint = in == h && out == f;
      ExpectGemm(Matrices(1, 1, 1, layout, in, out), false);
      ExpectGemm(Matrices(64, 128, 32, layout, in, out), false, footprint);
      ExpectGemm(Matrices(100, 50, 70, layout, in, out), false, footprint);
      ExpectGemm(Matrices(130, 200, 37, layout, in, out), false);
      ExpectGemm(Matrices(150, 270, 5, layout, in, out), true, footprint);
    }
  }
}

TEST(MmeTest, BatchesStepThroughThreeDims) {
  for (bool full_chip : {false, true}) {
    GemmShape s = Matrices(40, 30, 16, 0, f, f);
    s.batch = {2, 3, 2};
    s.a.batch = {800, 1600, 4800};
    s.b.batch = {600, 0, 1200};
    s.c.batch = {1500, 3000, 9000};
    s.relu = true;
    ExpectGemm(s, full_chip, true);
    if (full_chip) continue;  // the north pair would have no rows below
    // Heads side by side in one row.
    s = Matrices(20, 16, 16, 2, h, h);
    s.batch = {3, 2, 1};
    s.a = {48, 1, {16, 20 * 48, 0}};
    s.b = {1, 48, {16, 16 * 48, 0}};
    s.c = {48, 1, {16, 20 * 48, 0}};
    ExpectGemm(s, full_chip, true);
  }
}

TEST(MmeTest, NoCommonDimensionFillsWithZeros) {
  for (int layout = 0; layout < 4; ++layout) {
    GemmShape s = Matrices(100, 140, 0, layout, h, h);
    s.a.row = s.a.row == 1 ? 1 : 2;
    ExpectGemm(s, false, true);
  }
}

TEST(MmeTest, OneDescriptorIsOneDenseCall) {
  const auto view = ViewMme(GemmDescriptor(Matrices(300, 700, 8, 1, h, f), Geometry::kPair, kAt));
  ASSERT_TRUE(view.ok());
  const MmeForm form = MatchMme(*view);
  const auto* gemm = std::get_if<MmeGemmForm>(&form);
  ASSERT_NE(gemm, nullptr);
  ASSERT_EQ(gemm->parts.size(), 1u);
  ASSERT_EQ(gemm->parts[0].rows.size(), 1u);
  ASSERT_EQ(gemm->parts[0].columns.size(), 1u);
  EXPECT_EQ(gemm->parts[0].rows[0].count, 300);
  EXPECT_EQ(gemm->parts[0].columns[0].count, 700);
}

TEST(MmeTest, TransposedOutputSwapsTheOperands) {
  // C[m][n] with B in S (its columns become rows of the array) and A in L, written through transO:
  // 1w x 2h.
  GemmShape s = Matrices(150, 50, 33, 0, h, f);
  GemmShape swapped = s;
  swapped.m = s.n;
  swapped.n = s.m;
  swapped.a = {1, s.b.row, {}};  // B by columns
  swapped.b = {1, s.a.row, {}};  // A by rows
  MmeDescriptor d = GemmDescriptor(swapped, Geometry::kPair, kAt);
  d.header_low |= Low::TRANS_O::Set(0, 1);
  d.base_addr_low_s = static_cast<uint32_t>(kAt.l);
  d.base_addr_low_l = static_cast<uint32_t>(kAt.s);
  const int64_t m = 64;
  const uint32_t whole = static_cast<uint32_t>(s.m * s.c.row);
  d.tensor_o = {{50, whole, whole, whole, whole},
                {static_cast<int32_t>(m), static_cast<int32_t>(2 * m * s.c.row), 0, 0, 0},
                {static_cast<int32_t>(m), static_cast<int32_t>(m * s.c.row),
                 static_cast<int32_t>(whole), static_cast<int32_t>(whole)},
                {static_cast<uint32_t>(s.c.row), whole, whole, whole},
                63};
  d.agu_o_remote = {};
  d.agu_o_remote.roi_base_offset[1] = static_cast<int32_t>(m * s.c.row);
  d.conv_associated_dims_low = LoopCode(5, 1, 1) | LoopCode(0, 5, 0) << 16;
  EXPECT_TRUE(IsDense(d));
  ExpectAllWays(
      {d}, h, f,
      [&](Memory& memory) { NaiveGemm(s, memory.at(kAt.s), memory.at(kAt.l), memory.at(kAt.o)); },
      true);
}

void ExpectConvolution(const ConvolutionShape& s, bool full_chip, bool footprint) {
  SCOPED_TRACE(::testing::Message()
               << "batch " << s.batch << " C " << s.channels << " K " << s.features << " in "
               << s.in[0] << "," << s.in[1] << "," << s.in[2] << " kernel " << s.kernel[0] << ","
               << s.kernel[1] << " stride " << s.stride[0] << " dilation " << s.dilation[0] << " "
               << Name(s.in_type) << (full_chip ? " full chip" : ""));
  std::vector<MmeDescriptor> descriptors;
  if (full_chip) {
    descriptors = {ConvolutionDescriptor(s, Geometry::kSouth, kAt),
                   ConvolutionDescriptor(s, Geometry::kNorth, kAt)};
  } else {
    descriptors = {ConvolutionDescriptor(s, Geometry::kPair, kAt)};
  }
  for (const MmeDescriptor& d : descriptors) EXPECT_TRUE(IsDense(d));
  ExpectAllWays(
      descriptors, s.in_type, s.out_type,
      [&](Memory& memory) {
        NaiveConvolution(s, memory.at(kAt.s), memory.at(kAt.l), memory.at(kAt.o));
      },
      footprint);
}

TEST(MmeTest, ConvolutionsWithStridesPaddingAndDilation) {
  for (const auto& [in, out] : {std::pair{f, f}, {h, f}, {h, h}}) {
    for (bool full_chip : {false, true}) {
      const bool footprint = in == h && out == f;
      ExpectConvolution(DenseConvolution(2, 3, 16, {9, 7, 1}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1},
                                         {1, 1, 0}, in, out),
                        full_chip, footprint);
      ExpectConvolution(DenseConvolution(1, 16, 150, {11, 12, 1}, {3, 2, 1}, {2, 3, 1}, {1, 1, 1},
                                         {1, 0, 0}, in, out),
                        full_chip, footprint);
      ExpectConvolution(DenseConvolution(2, 5, 4, {13, 13, 1}, {3, 3, 1}, {1, 2, 1}, {2, 3, 1},
                                         {2, 3, 0}, in, out),
                        full_chip, footprint);
      ExpectConvolution(DenseConvolution(3, 8, 300, {6, 5, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1},
                                         {0, 0, 0}, in, out),
                        full_chip, footprint);
      ExpectConvolution(DenseConvolution(2, 64, 64, {8, 8, 1}, {1, 1, 1}, {2, 2, 1}, {1, 1, 1},
                                         {0, 0, 0}, in, out),
                        full_chip, footprint);
      ExpectConvolution(
          DenseConvolution(1, 4, 6, {5, 6, 7}, {3, 2, 3}, {1, 1, 2}, {1, 1, 1}, {1, 0, 1}, in, out),
          full_chip, footprint);
    }
  }
}

TEST(MmeTest, GroupsAreSlicesOfChannelsAndFeatures) {
  for (int64_t kernel : {1, 3}) {
    ConvolutionShape s = DenseConvolution(2, 8, 12, {10, 9, 1}, {kernel, kernel, 1}, {1, 1, 1},
                                          {1, 1, 1}, {kernel / 2, kernel / 2, 0}, h, f);
    for (int64_t& t : s.x_strides) t *= 2;
    for (int64_t& t : s.y_strides) t *= 2;
    ExpectConvolution(s, false, true);
  }
}

TEST(MmeTest, PartOfTheRowsOfAnImage) {
  // Two pairs halve the output's rows: the second begins in the middle of the image.
  ConvolutionShape s =
      DenseConvolution(1, 16, 32, {8, 8, 1}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 0}, f, f);
  s.pad[1] = -3;
  s.out[1] = 4;
  ExpectConvolution(s, false, true);
}

TEST(MmeTest, PartialSumsStayInTheRingOfAccumulators) {
  // K in three descriptors, four tiles each (section 4.4).
  GemmShape s = Matrices(100, 200, 48, 0, h, f);
  s.relu = true;
  std::vector<MmeDescriptor> parts;
  for (int i = 0; i < 3; ++i) {
    GemmShape part = s;
    part.k = 16;
    part.relu = i == 2;
    MmeDescriptor d = GemmDescriptor(part, Geometry::kPair,
                                     {kAt.s + i * 16 * 2, kAt.l + i * 16 * s.b.row * 2, kAt.o});
    d.header_low = Low::STORE_EN::Set(d.header_low, i == 2) | Low::ACCUM::Set(0, i > 0) |
                   Low::ROLL_ACCUMS::Set(0, i == 2 ? 0 : 12);
    parts.push_back(d);
  }
  for (MmePath path : {MmePath::kAuto, MmePath::kGeneric}) {
    Memory memory;
    memory.Prepare(h, f, Values::kSmallIntegers);
    NaiveGemm(s, memory.at(kAt.s), memory.at(kAt.l), memory.at(kAt.o));
    const std::vector<std::byte> want = memory.Output(f);
    memory.Prepare(h, f, Values::kSmallIntegers);
    MmeState state;
    state.arrays[0].index = state.arrays[1].index = 7;
    for (const MmeDescriptor& d : parts) {
      ASSERT_TRUE(RunMme(d, Arithmetic::kExact, path, memory, state).ok());
    }
    EXPECT_TRUE(memory.Output(f) == want);
    EXPECT_EQ(state.arrays[0].index, 11u);
  }
}

TEST(MmeTest, OneTileKeepsItsRunningSum) {
  // The chains go on: the bits are those of one long sum.
  GemmShape s = Matrices(60, 100, 70, 0, h, f);
  MmeDescriptor first, last;
  GemmShape part = s;
  part.k = 33;
  first = GemmDescriptor(part, Geometry::kPair, kAt);
  first.header_low = Low::ACC_STORE_INC_DISABLE::Set(Low::STORE_EN::Set(first.header_low, 0), 1);
  part.k = 37;
  last = GemmDescriptor(part, Geometry::kPair, {kAt.s + 33 * 2, kAt.l + 33 * s.b.row * 2, kAt.o});
  EXPECT_EQ(AnalyseMme(first)->signals, 0u);
  Memory memory;
  memory.Prepare(h, f, Values::kReals);
  NaiveGemm(s, memory.at(kAt.s), memory.at(kAt.l), memory.at(kAt.o));
  const std::vector<std::byte> want = memory.Output(f);
  memory.Prepare(h, f, Values::kReals);
  ASSERT_TRUE(RunAll({first, last}, Arithmetic::kExact, MmePath::kAuto, memory).ok());
  EXPECT_TRUE(memory.Output(f) == want);
}

TEST(MmeTest, WhatContinuesARunningSumReadsAlsoForTilesThatItDoesNotWrite) {
  const GemmShape s = Matrices(60, 100, 70, 0, h, f);
  MmeDescriptor first = GemmDescriptor(s, Geometry::kPair, kAt);
  first.header_low = Low::ACC_STORE_INC_DISABLE::Set(Low::STORE_EN::Set(first.header_low, 0), 1);
  MmeDescriptor last = GemmDescriptor(s, Geometry::kPair, kAt);
  last.tensor_o.valid_elements[0] = 0;
  ASSERT_TRUE(IsDense(last));
  for (const bool continues : {false, true}) {
    Memory memory;
    memory.Prepare(h, f, Values::kReals);
    MmeState state;
    if (continues) {
      ASSERT_TRUE(RunMme(first, Arithmetic::kExact, MmePath::kAuto, memory, state).ok());
    }
    EXPECT_EQ(state.Continues(), continues);
    memory.recording = true;
    memory.touched.assign(kBytes, false);
    ASSERT_TRUE(RunMme(last, Arithmetic::kExact, MmePath::kAuto, memory, state).ok());
    const std::vector<bool> nothing(kBytes, false);
    EXPECT_EQ(memory.touched == nothing, !continues);
    const auto boxes = MmeFootprint(last, continues);
    ASSERT_TRUE(boxes.ok()) << boxes.status();
    EXPECT_TRUE(BytesOf(*boxes) == memory.touched);
    EXPECT_FALSE(state.Continues());
  }
}

TEST(MmeTest, ReplayedAndLoweredStreamsGiveTheSame) {
  // The same convolution: with S lowered over the taps of a row (its loop 0 masked), and with S
  // replayed for a second step over features.
  const ConvolutionShape s =
      DenseConvolution(2, 6, 100, {9, 7, 1}, {3, 2, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, f, f);
  using Repeat = hal::abi::gaudi::mme::SB_REPEAT;
  MmeDescriptor lowered = ConvolutionDescriptor(s, Geometry::kPair, kAt);
  lowered.header_low |= Low::LOWER_S::Set(0, 1);
  lowered.sb_repeat |= Repeat::AGU_S_LOOP_MASK::Set(0, 1);
  lowered.tensor_s.valid_elements[0] = 3 * 6;
  lowered.tensor_s.roi_size[0] = 3 * 6;
  MmeDescriptor replayed = ConvolutionDescriptor(s, Geometry::kPair, kAt);
  replayed.sb_repeat |= Repeat::AGU_S_LOOP_MASK::Set(0, 8) | Repeat::REPEAT_S_MINUS_1::Set(0, 1);
  for (const MmeDescriptor& d : {lowered, replayed}) {
    EXPECT_FALSE(IsDense(d));
    ExpectAllWays(
        {d}, f, f,
        [&](Memory& memory) {
          NaiveConvolution(s, memory.at(kAt.s), memory.at(kAt.l), memory.at(kAt.o));
        },
        true);
  }
}

TEST(MmeTest, PartialHeightOnlyTrims) {
  using High = hal::abi::gaudi::mme::HEADER_HIGH;
  const GemmShape s = Matrices(40, 50, 70, 0, h, f);
  MmeDescriptor d = GemmDescriptor(s, Geometry::kPair, kAt);
  d.tensor_s.spatial_size_minus_1 = d.tensor_o.spatial_size_minus_1 = 39;
  d.tensor_l.roi_size[0] = d.tensor_o.roi_size[0] = 50;
  d.header_high |= High::PARTIAL_HEIGHT_LOOP_S::Set(0, 0x3F) |
                   High::PARTIAL_HEIGHT_LOOP_L_LOC::Set(0, 0x3F) |
                   High::PARTIAL_HEIGHT_LOOP_O_LOC::Set(0, 0x3F);
  EXPECT_FALSE(IsDense(d));
  ExpectAllWays(
      {d}, h, f,
      [&](Memory& memory) { NaiveGemm(s, memory.at(kAt.s), memory.at(kAt.l), memory.at(kAt.o)); },
      true);
}

TEST(MmeTest, DataGradientWalksTheTapsBackwards) {
  // dX[i] = sum over taps and K of dY[i - tap + (taps - 1 - pad)] * W[taps - 1 - tap][c][k]: L is
  // transposed and its loops step back.
  const int64_t width = 12, taps = 3, pad = 1, channels = 10, features = 8;
  MmeDescriptor d =
      ConvolutionDescriptor(DenseConvolution(1, features, channels, {width, 1, 1}, {taps, 1, 1},
                                             {1, 1, 1}, {1, 1, 1}, {taps - 1 - pad, 0, 0}, f, f),
                            Geometry::kPair, kAt);
  const int64_t m = 32, plane = channels * features;
  d.header_low |= Low::TRANS_L::Set(0, 1);
  d.tensor_l = {{8, 80, 240, 240, 240},
                {0, 2 * 32 * 8, -80, 0, 0},
                {8, 32 * 8, 240, 240},
                {8, 240, 240, 240},
                31};
  d.agu_l_local = d.agu_l_remote = {};
  d.agu_l_local.roi_base_offset[2] = d.agu_l_remote.roi_base_offset[2] =
      static_cast<int32_t>((taps - 1) * plane);
  d.agu_l_remote.roi_base_offset[1] = static_cast<int32_t>(m * features);
  d.conv_associated_dims_high = LoopCode(3, 4, 5) | LoopCode(5, 1, 0) << 16;
  EXPECT_FALSE(IsDense(d));
  ExpectAllWays(
      {d}, f, f,
      [&](Memory& memory) {
        for (int64_t x = 0; x < width; ++x) {
          for (int64_t c = 0; c < channels; ++c) {
            ChainSum sum;
            for (int64_t t = 0; t < taps; ++t) {
              const int64_t at = x + t - (taps - 1 - pad);
              for (int64_t k = 0; k < features; ++k) {
                sum.Add(
                    at < 0 || at >= width ? 0.0f
                                          : LoadElement(f, memory.at(kAt.s), at * features + k),
                    LoadElement(f, memory.at(kAt.l), (taps - 1 - t) * plane + c * features + k));
              }
            }
            StoreElement(f, sum.Finished(false), memory.at(kAt.o), x * channels + c);
          }
        }
      },
      true);
}

TEST(MmeTest, PaddingIsTheDescriptorsValue) {
  ConvolutionShape s =
      DenseConvolution(1, 4, 8, {5, 5, 1}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 0}, f, f);
  MmeDescriptor d = ConvolutionDescriptor(s, Geometry::kPair, kAt);
  const float two = 2;
  std::memcpy(&d.padding_value_s, &two, 4);
  EXPECT_FALSE(IsDense(d));
  Memory memory;
  memory.Prepare(f, f, Values::kSmallIntegers);
  ASSERT_TRUE(RunAll({d}, Arithmetic::kFast, MmePath::kAuto, memory).ok());
  // The corner: five of the nine taps lie outside.
  float want = 0;
  for (int64_t r = 0; r < 3; ++r) {
    for (int64_t t = 0; t < 3; ++t) {
      for (int64_t c = 0; c < 4; ++c) {
        const float x = r == 0 || t == 0
                            ? two
                            : LoadElement(f, memory.at(kAt.s), ((r - 1) * 5 + t - 1) * 4 + c);
        want += x * LoadElement(f, memory.at(kAt.l), ((r * 3 + t) * 4 + c) * 8);
      }
    }
  }
  EXPECT_EQ(LoadElement(f, memory.at(kAt.o), 0), want);
}

TEST(MmeTest, WorkCountsTilesAndVectors) {
  const auto gemm =
      AnalyseMme(GemmDescriptor(Matrices(300, 700, 8, 1, f, h), Geometry::kPair, kAt));
  ASSERT_TRUE(gemm.ok());
  EXPECT_EQ(gemm->steps, 10u * 11u);
  EXPECT_EQ(gemm->common_dim, 8u);
  EXPECT_TRUE(gemm->fp32_in);
  EXPECT_EQ(gemm->out_bytes, 2u);
  const auto convolution = AnalyseMme(ConvolutionDescriptor(
      DenseConvolution(2, 6, 300, {9, 7, 1}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 0}, h, f),
      Geometry::kPair, kAt));
  ASSERT_TRUE(convolution.ok());
  EXPECT_EQ(convolution->steps, 2u * 3u);
  EXPECT_EQ(convolution->common_dim, 9u * 6u);
}

}  // namespace
}  // namespace openhpu::simulator
