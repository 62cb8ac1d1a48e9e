// Gaudi2's MME: the loop nest against a naive reading of the reference, dense forms against both,
// and what the command writer makes.
#include "simulator/functional/gaudi2_mme.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "hal/gaudi2/mme_lowering.h"
#include "simulator/functional/gaudi2_mme_naive.h"
#include "simulator/functional/gaudi2_mme_random.h"
#include "simulator/functional/gemm_testing.h"

namespace openhpu::simulator {
namespace {

using hal::abi::gaudi2::kMmeDescriptorWords;
using hal::abi::gaudi2::MmeDescriptor;
using hal::gaudi2::MmePart;
namespace mme = hal::abi::gaudi2::mme;

constexpr uint64_t kA = 0x20000000, kB = 0x20080000, kC = 0x20100000, kBytes = 0x180000;
constexpr std::array<uint32_t, 3> kAt = {kA, kB, kC};
constexpr int64_t kElements = 0x80000 / 4;

// Three operands; remembers which bytes were asked for.
class Memory final : public AddressSpace {
 public:
  absl::StatusOr<std::byte*> Resolve(DeviceAddress address, uint64_t bytes) override {
    std::byte* at = At(address.value(), bytes);
    if (at == nullptr) return absl::OutOfRangeError("address");
    std::fill_n(touched.begin() + static_cast<int64_t>(address.value() - kA), bytes, true);
    return at;
  }
  uint64_t PageVersion(DeviceAddress) const override { return 0; }
  std::byte* At(uint64_t address, uint64_t size) {
    const bool inside = address >= kA && address + size <= kA + kBytes;
    return inside ? bytes.data() + (address - kA) : nullptr;
  }

  std::vector<std::byte> bytes = std::vector<std::byte>(kBytes);
  std::vector<bool> touched = std::vector<bool>(kBytes);
};

DType InputOf(const MmeDescriptor& d) {
  return mme::HEADER_LOW::DATA_TYPE_IN::Get(d.header_low) == 0xA ? DType::kFloat32
                                                                 : DType::kBFloat16;
}
DType OutputOf(const MmeDescriptor& d) {
  return mme::HEADER_LOW::DATA_TYPE_COUT::Get(d.header_low) == 0xA ? DType::kFloat32
                                                                   : DType::kBFloat16;
}

void Prepare(const MmeDescriptor& d, Values values, uint32_t seed, Memory& memory) {
  Fill(InputOf(d), values, 3 * seed, memory.At(kA, 1), kElements);
  Fill(InputOf(d), values, 3 * seed + 1, memory.At(kB, 1), kElements);
  Fill(OutputOf(d), values, 3 * seed + 2, memory.At(kC, 1), kElements);
}

std::string Dump(const MmeDescriptor& d) {
  std::string text;
  uint32_t words[kMmeDescriptorWords];
  std::memcpy(words, &d, sizeof words);
  for (int i = 0; i < kMmeDescriptorWords; ++i) {
    if (words[i] != 0) absl::StrAppend(&text, " ", absl::Hex(8 + 4 * i), ":", absl::Hex(words[i]));
  }
  return text;
}

// 1 for each byte that a box covers; 2 where a written one does.
std::vector<uint8_t> BytesOf(const std::vector<AccessBox>& boxes) {
  std::vector<uint8_t> bytes(kBytes);
  for (const AccessBox& box : boxes) {
    std::vector<uint64_t> runs = {box.base.value() - kA};
    for (int d = 0; d < 5; ++d) {
      std::vector<uint64_t> next;
      for (uint64_t r : runs) {
        for (uint64_t i = 0; i < box.sizes[d]; ++i) {
          next.push_back(r + i * static_cast<uint64_t>(box.strides[d]));
        }
      }
      runs.swap(next);
    }
    for (uint64_t r : runs) {
      for (uint64_t i = r; i < r + box.run; ++i) bytes[i] |= box.write ? 2 : 1;
    }
  }
  return bytes;
}

// What the loop nest touched is the footprint; a dense form may leave out what it does not need.
void CompareFootprint(const Gaudi2Mme& m, const std::vector<bool>& touched) {
  const auto boxes = m.Footprint();
  ASSERT_TRUE(boxes.ok()) << boxes.status();
  const std::vector<uint8_t> bytes = BytesOf(boxes->All());
  uint64_t differ = 0;
  for (uint64_t i = 0; i < kBytes; ++i) {
    const bool covered = bytes[i] != 0;
    if (covered != touched[i] && (covered || !m.dense())) ++differ;
    if (covered && (bytes[i] == 2) != (i >= kC - kA)) ++differ;
  }
  EXPECT_EQ(differ, 0u) << "bytes of the footprint";
}

struct Counts {
  int ran = 0, refused = 0, dense = 0;
};

// Runs descriptors one after the other, the model one way and the naive MME, and compares all that
// either leaves behind.
void Compare(const std::vector<MmeDescriptor>& descriptors, Arithmetic arithmetic, MmePath path,
             Values values, uint32_t seed, Counts* counts) {
  SCOPED_TRACE(::testing::Message()
               << "seed " << seed << ", " << (arithmetic == Arithmetic::kExact ? "exact" : "fast")
               << (path == MmePath::kAuto ? "" : ", generic"));
  Memory memory, naive_memory;
  MmeState state;
  NaiveGaudi2Mme naive(
      [&](uint64_t address, uint64_t bytes) { return naive_memory.At(address, bytes); });
  Prepare(descriptors.front(), values, seed, memory);
  naive_memory.bytes = memory.bytes;
  for (const MmeDescriptor& d : descriptors) {
    SCOPED_TRACE(Dump(d));
    uint32_t words[kMmeDescriptorWords];
    std::memcpy(words, &d, sizeof words);
    const std::string fault = naive.Run(words);
    if (fault == NaiveGaudi2Mme::kTooLarge) return;
    memory.touched.assign(kBytes, false);
    const auto m = Gaudi2Mme::Read(d);
    const absl::Status status = m.ok() ? (*m)->Run(arithmetic, path, memory, state) : m.status();
    if (!fault.empty() || !status.ok()) {
      EXPECT_FALSE(status.ok()) << "but: " << fault;
      EXPECT_FALSE(fault.empty()) << status;
      if (counts != nullptr) ++counts->refused;
      return;
    }
    std::vector<std::pair<uint32_t, uint32_t>> signals, wanted = naive.signals();
    for (const Gaudi2Signal& s : (*m)->view().signals) {
      signals.insert(signals.end(), static_cast<size_t>(s.count), {s.address, s.value});
    }
    std::sort(signals.begin(), signals.end());
    std::sort(wanted.begin(), wanted.end());
    EXPECT_EQ(signals, wanted);
    for (int core = 0; core < 2; ++core) {
      EXPECT_EQ(state.arrays[core].index, naive.index(core));
    }
    ASSERT_TRUE(memory.bytes == naive_memory.bytes);
    if (counts != nullptr) {
      ++counts->ran;
      if ((*m)->dense()) ++counts->dense;
    }
    if (path == MmePath::kGeneric) CompareFootprint(**m, memory.touched);
  }
}

TEST(Gaudi2MmeTest, TheLoopNestIsTheReferences) {
  Counts counts;
  for (uint32_t seed = 0; seed < 100 && !HasFailure(); ++seed) {
    RandomGaudi2Mme random(seed);
    Compare({random.Descriptor(kAt)}, Arithmetic::kExact, MmePath::kGeneric, Values::kReals, seed,
            &counts);
  }
  EXPECT_GT(counts.ran, 50);
  RecordProperty("refused", counts.refused);
}

TEST(Gaudi2MmeTest, ChainsOfDescriptorsShareTheAccumulators) {
  Counts counts;
  for (uint32_t seed = 0; seed < 25 && !HasFailure(); ++seed) {
    RandomGaudi2Mme random(seed + 10000);
    std::vector<MmeDescriptor> chain = {random.Descriptor(kAt)};
    // Types and the array's shape stay: what a tile of one is to the other is not known.
    while (chain.size() < 4) {
      const MmeDescriptor d = random.Descriptor(kAt);
      if (InputOf(d) == InputOf(chain[0]) && OutputOf(d) == OutputOf(chain[0]) &&
          ((d.header_high ^ chain[0].header_high) & mme::HEADER_HIGH::HX2::kMask) == 0) {
        chain.push_back(d);
      }
    }
    Compare(chain, Arithmetic::kExact, MmePath::kAuto, Values::kReals, seed, &counts);
  }
  EXPECT_GT(counts.ran, 30);
}

std::vector<MmeDescriptor> Place(const std::vector<MmePart>& parts) {
  std::vector<MmeDescriptor> placed;
  for (const MmePart& part : parts) {
    placed.push_back(part.descriptor);
    placed.back().a_low = static_cast<uint32_t>(kA + part.offset_a);
    placed.back().b_low = static_cast<uint32_t>(kB + part.offset_b);
    placed.back().cout0_low = static_cast<uint32_t>(kC + part.offset_c);
  }
  return placed;
}

template <typename Random>
DType AnyType(Random& random) {
  return random.OneIn(2) ? DType::kFloat32 : DType::kBFloat16;
}

hal::MmeGemm RandomGemm(RandomGaudi2Mme& random, int64_t most) {
  const auto number = [&](int64_t first, int64_t last) {
    return static_cast<uint32_t>(random.Between(first, last));
  };
  hal::MmeGemm g;
  g.in = AnyType(random), g.out = AnyType(random);
  g.m = number(1, most), g.n = number(1, most), g.k = random.OneIn(10) ? 0 : number(1, 40);
  g.n = std::min(g.n, 65000 / g.m - 3);  // of two batches
  g.trans_a = random.OneIn(2), g.trans_b = random.OneIn(2);
  const uint64_t a_lines = g.trans_a ? g.k : g.m, b_lines = g.trans_b ? g.n : g.k;
  // The first batch dim lies inside a line, as attention's heads do, or not.
  g.batch[0].count = number(1, 2);
  const bool inside = random.OneIn(2);
  const uint64_t heads = inside ? g.batch[0].count : 1;
  const uint64_t a_line = (g.trans_a ? g.m : g.k) + number(0, 3);
  const uint64_t b_line = (g.trans_b ? g.k : g.n) + number(0, 3), c_line = g.n + number(0, 3);
  g.lda = a_line * heads, g.ldb = b_line * heads, g.ldc = c_line * heads;
  g.batch[0].stride_a = inside ? a_line : a_lines * g.lda;
  g.batch[0].stride_b = random.OneIn(4) ? 0 : inside ? b_line : b_lines * g.ldb;
  g.batch[0].stride_c = inside ? c_line : g.m * g.ldc;
  return g;
}

GemmShape ShapeOf(const hal::MmeGemm& g) {
  GemmShape s;
  s.m = g.m, s.n = g.n, s.k = g.k;
  s.in = g.in, s.out = g.out;
  s.order = SumOrder::kTrees;
  const auto lda = static_cast<int64_t>(g.lda), ldb = static_cast<int64_t>(g.ldb);
  s.a = {g.trans_a ? 1 : lda, g.trans_a ? lda : 1, {}};
  s.b = {g.trans_b ? 1 : ldb, g.trans_b ? ldb : 1, {}};
  s.c = {static_cast<int64_t>(g.ldc), 1, {}};
  s.batch[0] = g.batch[0].count;
  s.a.batch[0] = static_cast<int64_t>(g.batch[0].stride_a);
  s.b.batch[0] = static_cast<int64_t>(g.batch[0].stride_b);
  s.c.batch[0] = static_cast<int64_t>(g.batch[0].stride_c);
  return s;
}

hal::MmeConvolution RandomConvolution(RandomGaudi2Mme& random, int64_t most_filters) {
  const auto number = [&](int64_t first, int64_t last) {
    return static_cast<uint32_t>(random.Between(first, last));
  };
  hal::MmeConvolution c;
  c.in = AnyType(random), c.out = AnyType(random);
  c.batch = number(1, 3), c.channels = number(1, 20), c.filters = number(1, most_filters);
  c.kernel_h = number(1, 3), c.kernel_w = number(1, 3);
  c.stride_h = number(1, 3), c.stride_w = number(1, 3);
  c.dilation_h = number(1, 2), c.dilation_w = number(1, 2);
  c.pad_h = number(0, 2), c.pad_w = number(0, 2);
  const uint32_t span_h = (c.kernel_h - 1) * c.dilation_h + 1;
  const uint32_t span_w = (c.kernel_w - 1) * c.dilation_w + 1;
  c.height = span_h + number(0, 12), c.width = span_w + number(0, 12);
  c.out_height = (c.height + 2 * c.pad_h - span_h) / c.stride_h + 1;
  c.out_width = (c.width + 2 * c.pad_w - span_w) / c.stride_w + 1;
  c.filters = std::min(c.filters, 60000 / (c.batch * c.out_height * c.out_width));
  const uint64_t groups = number(1, 2);
  const uint64_t x_pixel = c.channels * groups, y_pixel = c.filters * groups;
  c.x_strides = {c.height * c.width * x_pixel, c.width * x_pixel, x_pixel};
  c.w_strides = {uint64_t{c.kernel_w} * c.channels * y_pixel, c.channels * y_pixel, y_pixel};
  c.y_strides = {c.out_height * c.out_width * y_pixel, c.out_width * y_pixel, y_pixel};
  return c;
}

ConvolutionShape ShapeOf(const hal::MmeConvolution& c) {
  ConvolutionShape s;
  s.batch = c.batch, s.channels = c.channels, s.features = c.filters;
  s.in = {c.width, c.height, 1};
  s.kernel = {c.kernel_w, c.kernel_h, 1};
  s.out = {c.out_width, c.out_height, 1};
  s.stride = {c.stride_w, c.stride_h, 1};
  s.dilation = {c.dilation_w, c.dilation_h, 1};
  s.pad = {c.pad_w, c.pad_h, 0};
  for (int i = 0; i < 2; ++i) {
    s.x_strides[i] = static_cast<int64_t>(c.x_strides[2 - i]);
    s.y_strides[i] = static_cast<int64_t>(c.y_strides[2 - i]);
  }
  for (int i = 0; i < 3; ++i) s.w_strides[i] = static_cast<int64_t>(c.w_strides[2 - i]);
  s.x_strides[3] = static_cast<int64_t>(c.x_strides[0]);
  s.y_strides[3] = static_cast<int64_t>(c.y_strides[0]);
  s.in_type = c.in, s.out_type = c.out;
  s.order = SumOrder::kTrees;
  return s;
}

// The parts are recognised, and give what `naive` does in both arithmetics and on both paths.
template <typename Naive>
void ExpectSame(const std::vector<MmePart>& parts, const Naive& naive) {
  const std::vector<MmeDescriptor> descriptors = Place(parts);
  for (const auto& [values, arithmetic, path] :
       {std::tuple{Values::kSmallIntegers, Arithmetic::kFast, MmePath::kAuto},
        {Values::kReals, Arithmetic::kExact, MmePath::kAuto},
        {Values::kReals, Arithmetic::kExact, MmePath::kGeneric}}) {
    Memory memory, wanted;
    Prepare(descriptors.front(), values, 1, memory);
    wanted.bytes = memory.bytes;
    naive(wanted);
    MmeState state;
    for (const MmeDescriptor& d : descriptors) {
      const auto m = Gaudi2Mme::Read(d);
      ASSERT_TRUE(m.ok()) << m.status();
      EXPECT_TRUE((*m)->dense());
      const absl::Status status = (*m)->Run(arithmetic, path, memory, state);
      ASSERT_TRUE(status.ok()) << status;
    }
    EXPECT_TRUE(memory.bytes == wanted.bytes)
        << "arithmetic " << static_cast<int>(arithmetic) << ", path " << static_cast<int>(path);
  }
}

TEST(Gaudi2MmeTest, TheWritersProductsAreDense) {
  for (uint32_t seed = 0; seed < 20 && !HasFailure(); ++seed) {
    RandomGaudi2Mme random(seed);
    const hal::MmeGemm g = RandomGemm(random, seed % 4 == 0 ? 300 : 60);
    SCOPED_TRACE(::testing::Message() << "seed " << seed << ": " << g.m << "x" << g.n << "x" << g.k
                                      << (g.trans_a ? " A'" : "") << (g.trans_b ? " B'" : ""));
    const auto parts = hal::gaudi2::LowerGemm(g);
    ASSERT_TRUE(parts.ok()) << parts.status();
    ExpectSame(*parts, [&](Memory& memory) {
      NaiveGemm(ShapeOf(g), memory.At(kA, 1), memory.At(kB, 1), memory.At(kC, 1));
    });
  }
}

TEST(Gaudi2MmeTest, TheWritersConvolutionsAreDense) {
  for (uint32_t seed = 0; seed < 40 && !HasFailure(); ++seed) {
    RandomGaudi2Mme random(seed);
    const hal::MmeConvolution c = RandomConvolution(random, seed % 5 == 0 ? 150 : 20);
    SCOPED_TRACE(::testing::Message() << "seed " << seed << ": " << c.kernel_h << "x" << c.kernel_w
                                      << " to " << c.out_height << "x" << c.out_width);
    const auto parts = hal::gaudi2::LowerConvolution(c);
    ASSERT_TRUE(parts.ok()) << parts.status();
    ExpectSame(*parts, [&](Memory& memory) {
      NaiveConvolution(ShapeOf(c), memory.At(kA, 1), memory.At(kB, 1), memory.At(kC, 1));
    });
  }
}

TEST(Gaudi2MmeTest, DenseFormsAreTakenOnlyWhenTheyAreEqual) {
  Counts counts;
  for (uint32_t seed = 0; seed < 25 && !HasFailure(); ++seed) {
    RandomGaudi2Mme random(seed + 20000);
    const MmeDescriptor d =
        random.OneIn(2) ? Place(*hal::gaudi2::LowerGemm(RandomGemm(random, 280)))[0]
                        : Place(*hal::gaudi2::LowerConvolution(RandomConvolution(random, 60)))[0];
    for (int i = 0; i < 4; ++i) {
      MmeDescriptor changed = d;
      for (int64_t c = random.Between(1, 2); c > 0; --c) random.Change(changed);
      Compare({changed}, Arithmetic::kExact, MmePath::kAuto, Values::kReals, seed, &counts);
    }
  }
  EXPECT_GT(counts.dense, 20);
  EXPECT_GT(counts.ran - counts.dense, 12);
  RecordProperty("refused", counts.refused);
}

// Each MME half of 512 columns (7.3): what a program for both writes.
TEST(Gaudi2MmeTest, TwoMmesShareTheColumns) {
  for (const bool trans_b : {false, true}) {
    hal::MmeGemm g;
    g.in = DType::kBFloat16;
    g.m = 70, g.n = 700, g.k = 9;
    g.trans_b = trans_b;
    g.lda = 9, g.ldb = trans_b ? 9 : 700, g.ldc = 700;
    auto parts = *hal::gaudi2::LowerGemm(g);
    ASSERT_EQ(parts.size(), 1u);
    std::vector<MmePart> halves(2, parts[0]);
    for (int half = 0; half < 2; ++half) {
      MmeDescriptor& d = halves[half].descriptor;
      d.conv_kernel_size_minus_1 = 1;  // ceil(700 / 512)
      const int dim = trans_b ? 1 : 0, unit = trans_b ? 9 : 1;
      d.tensor_b.loop_stride[dim] = 512 * unit;
      d.tensor_cout.loop_stride[0] = 512;
      for (int sb : {2, 3}) {
        d.agu_in[sb].master.roi_base_offset[dim] += 256 * half * unit;
        d.agu_in[sb].slave.roi_base_offset[dim] += 256 * half * unit;
      }
      for (auto& pair : d.agu_cout) {
        pair.master.roi_base_offset[0] += 256 * half;
        pair.slave.roi_base_offset[0] += 256 * half;
      }
    }
    ExpectSame(halves, [&](Memory& memory) {
      NaiveGemm(ShapeOf(g), memory.At(kA, 1), memory.At(kB, 1), memory.At(kC, 1));
    });
  }
}

TEST(Gaudi2MmeTest, WhatContinuesARunningSumReadsAlsoForTilesThatItDoesNotWrite) {
  hal::MmeGemm g;
  g.m = 70, g.n = 200, g.k = 9;
  g.lda = 9, g.ldb = g.ldc = 200;
  MmeDescriptor first = Place(*hal::gaudi2::LowerGemm(g))[0], last = first;
  first.brains_high |= mme::BRAINS_HIGH::NO_ROLLUP::kMask;
  last.tensor_cout.valid_elements[0] = 0;
  const auto keeps = *Gaudi2Mme::Read(first), ends = *Gaudi2Mme::Read(last);
  ASSERT_TRUE(ends->dense());
  for (const bool continues : {false, true}) {
    Memory memory;
    MmeState state;
    if (continues) {
      ASSERT_TRUE(keeps->Run(Arithmetic::kExact, MmePath::kAuto, memory, state).ok());
    }
    EXPECT_EQ(state.Continues(), continues);
    memory.touched.assign(kBytes, false);
    ASSERT_TRUE(ends->Run(Arithmetic::kExact, MmePath::kAuto, memory, state).ok());
    EXPECT_EQ(memory.touched == std::vector<bool>(kBytes), !continues);
    const auto boxes = ends->Footprint(continues);
    ASSERT_TRUE(boxes.ok()) << boxes.status();
    const std::vector<uint8_t> bytes = BytesOf(boxes->All());
    for (uint64_t i = 0; i < kBytes; ++i) ASSERT_EQ(bytes[i] != 0, memory.touched[i]) << i;
  }
}

TEST(Gaudi2MmeTest, LoopsSayHowOftenAnOperandIsFetched) {
  hal::MmeGemm g;
  g.m = 600, g.n = 300, g.k = 8;
  g.lda = 8, g.ldb = g.ldc = 300;
  auto m = *Gaudi2Mme::Read(hal::gaudi2::LowerGemm(g)->front().descriptor);
  EXPECT_EQ(m->steps(), 6u);
  EXPECT_EQ(m->common_dim(), 8u);
  EXPECT_EQ(m->LoopsOf(m->view().view.s).rereads, 2u);
  EXPECT_EQ(m->LoopsOf(m->view().view.l).rereads, 3u);
  hal::MmeConvolution c;
  c.batch = 1, c.height = c.width = c.out_height = c.out_width = 32, c.channels = 5;
  c.kernel_h = c.kernel_w = 3, c.pad_h = c.pad_w = 1, c.filters = 300;
  c.x_strides = {0, 160, 5}, c.w_strides = {4500, 1500, 300}, c.y_strides = {0, 9600, 300};
  m = *Gaudi2Mme::Read(hal::gaudi2::LowerConvolution(c)->front().descriptor);
  EXPECT_EQ(m->steps(), 8u);        // 4 tiles of positions, 2 of filters
  EXPECT_EQ(m->common_dim(), 54u);  // 9 taps of 5 channels and a zero
  EXPECT_EQ(m->LoopsOf(m->view().view.s).rereads, 2u);
  EXPECT_EQ(m->LoopsOf(m->view().view.s).overlapping, 9u);
  EXPECT_EQ(m->LoopsOf(m->view().view.l).rereads, 4u);
}

MmeDescriptor Product() {
  hal::MmeGemm g;
  g.m = g.n = 300, g.k = 8;
  g.lda = 8, g.ldb = g.ldc = 300;
  return Place(*hal::gaudi2::LowerGemm(g))[0];
}

template <typename Change>
void ExpectRefused(const char* name, absl::StatusCode code, Change change) {
  SCOPED_TRACE(name);
  MmeDescriptor d = Product();
  change(d);
  const absl::Status status = Gaudi2Mme::Read(d).status();
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_NE(status.message().find(name), std::string::npos) << status;
}

TEST(Gaudi2MmeTest, WhatTheReferenceDoesNotSayIsUnimplementedByName) {
  using Low = mme::HEADER_LOW;
  using High = mme::HEADER_HIGH;
  using Brains = mme::BRAINS_HIGH;
  const auto expect = [](const char* name, auto change) {
    ExpectRefused(name, absl::StatusCode::kUnimplemented, change);
  };
  expect("DATA_TYPE_IN 0xc",
         [](MmeDescriptor& d) { d.header_low = Low::DATA_TYPE_IN::Set(d.header_low, 0xC); });
  expect("DATA_TYPE_COUT 0x8",
         [](MmeDescriptor& d) { d.header_low = Low::DATA_TYPE_COUT::Set(d.header_low, 8); });
  expect("DOUBLE_ACCUMS", [](MmeDescriptor& d) { d.header_low &= ~Low::DOUBLE_ACCUMS::kMask; });
  expect("STORE_EN1", [](MmeDescriptor& d) { d.header_low |= Low::STORE_EN1::kMask; });
  expect("ROLL_ACCUMS", [](MmeDescriptor& d) { d.header_low |= Low::ROLL_ACCUMS::Set(0, 1); });
  expect("PARTIAL_HEIGHT_LOOP_A",
         [](MmeDescriptor& d) { d.header_high = High::PARTIAL_HEIGHT_LOOP_A::Set(0, 2); });
  expect("PARTIAL_HEIGHT_LOOP_B",
         [](MmeDescriptor& d) { d.header_high = High::PARTIAL_HEIGHT_LOOP_B::Set(0, 1); });
  expect("TE_BYPASS_A", [](MmeDescriptor& d) { d.header_high = High::TE_BYPASS_A::kMask; });
  expect("A_SLAVE_EN", [](MmeDescriptor& d) { d.brains_low &= ~0x80u; });
  expect("EU_LOOP_MASK", [](MmeDescriptor& d) { d.brains_high |= 1; });
  expect("DEC_EN", [](MmeDescriptor& d) { d.brains_high |= Brains::DEC_EN::kMask; });
  expect("BGEMM", [](MmeDescriptor& d) { d.brains_high |= Brains::BGEMM::kMask; });
  expect("CLIP_FP_AP", [](MmeDescriptor& d) { d.brains_high |= Brains::CLIP_FP_AP::kMask; });
  expect("SBA_CACHE_EN", [](MmeDescriptor& d) { d.brains_high |= Brains::SBA_CACHE_EN::kMask; });
  expect("ROUNDING_MODE",
         [](MmeDescriptor& d) { d.brains_high |= Brains::ROUNDING_MODE::Set(0, 6); });
  expect("NULL_DESC", [](MmeDescriptor& d) { d.brains_high |= Brains::NULL_DESC::kMask; });
  expect("AGU_COUT_LOOP_MASK", [](MmeDescriptor& d) { d.brains_low |= 1u << 16; });
  expect("AP_LOOP_MASK",
         [](MmeDescriptor& d) { d.brains_high |= Brains::AP_LOOP_MASK::Set(0, 16); });
  expect("COUT_SS", [](MmeDescriptor& d) { d.cout_ss = 63; });
  expect("REPEAT_A_MINUS_1", [](MmeDescriptor& d) { d.sb_repeat = 1; });
  expect("USER_DATA", [](MmeDescriptor& d) { d.user_data = 0xF; });
  expect("SHUFFLE_A",
         [](MmeDescriptor& d) { d.brains_high = Brains::SHUFFLE_A::Set(d.brains_high, 3); });
  expect("EUS_MASTER without a2", [](MmeDescriptor& d) {
    d.header_high = High::HX2::kMask;
    d.brains_high = Brains::SHUFFLE_A::Set(d.brains_high, 0);
  });
  expect("SIGNAL_EN1", [](MmeDescriptor& d) { d.sync_obj_dw0 = 1u << 14; });
  expect("accumMask", [](MmeDescriptor& d) {
    d.brains_high |= Brains::AP_LOOP_MASK::Set(0, 2);
    d.brains_low |= 2u << 16 | 2u << 24;
  });
}

TEST(Gaudi2MmeTest, WhatNoHardwareRunsIsRefusedByName) {
  using Eus = mme::EUS_MASTER;
  const auto expect = [](const char* name, auto change) {
    ExpectRefused(name, absl::StatusCode::kInvalidArgument, change);
  };
  expect("k-vectors of A but", [](MmeDescriptor& d) { d.b_ss = 9; });
  expect("share an input", [](MmeDescriptor& d) { d.header_low |= 1u << 16; });
  expect("SB2 of core 0 does not read A",
         [](MmeDescriptor& d) { d.eus_master = Eus::SB2_SEL::Set(d.eus_master, 1); });
  expect("two inputs for code 0",
         [](MmeDescriptor& d) { d.eus_slave = Eus::SB4_SEL::Set(d.eus_slave, 0); });
  expect("reads for nobody",
         [](MmeDescriptor& d) { d.header_low |= mme::HEADER_LOW::AGU_READS_A::Set(0, 2); });
  expect("disagree on what is sent",
         [](MmeDescriptor& d) { d.eus_slave &= ~Eus::SB3_REMOTE_OUT_EN::kMask; });
  expect("sends SB0 and SB2",
         [](MmeDescriptor& d) { d.eus_slave |= Eus::SB0_REMOTE_OUT_EN::kMask; });
  expect("moves dim 7 of B", [](MmeDescriptor& d) { d.outer_loop |= 7u << 3; });
  expect("roiSize[2] of B", [](MmeDescriptor& d) { d.tensor_b.roi_size[2] = -1; });
  expect("masks loop 1 outside", [](MmeDescriptor& d) { d.brains_low |= 2; });
  expect("more than accumulators", [](MmeDescriptor& d) {
    d.conv_kernel_size_minus_1 = 4;
    d.header_low |= mme::HEADER_LOW::ACCUM_EN::kMask;
  });
  expect("at most 68719476736 in all",
         [](MmeDescriptor& d) { d.num_iterations_minus_1 = 0xFFFFFFFF; });
  expect("signals, at most", [](MmeDescriptor& d) {
    d.num_iterations_minus_1 = 0xFFFFFF;
    d.sync_obj_dw0 = 1u << 6;
  });
  expect("two addresses", [](MmeDescriptor& d) {
    d.sync_obj_dw0 = 1u << 6 | 1u << 17 | 1u << 18 | 1u << 20 | 0x3F;
  });
}

TEST(Gaudi2MmeTest, WalksThatTakeTooLongAreRefusedWithTheNumber) {
  MmeDescriptor d = Product();
  d.num_iterations_minus_1 = 0xFFFFF;
  Memory memory;
  MmeState state;
  const auto m = Gaudi2Mme::Read(d);
  ASSERT_TRUE(m.ok()) << m.status();
  for (const absl::Status& status :
       {(*m)->Run(Arithmetic::kFast, MmePath::kAuto, memory, state), (*m)->Footprint().status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    EXPECT_NE(status.message().find("outside of the dense forms"), std::string::npos) << status;
  }
}

}  // namespace
}  // namespace openhpu::simulator
