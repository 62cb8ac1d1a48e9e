// What the command writer makes of typed commands, run on the model: every descriptor is
// recognised, and the results are the command's.
#include <random>
#include <variant>

#include "gtest/gtest.h"
#include "hal/chip.h"
#include "hal/gaudi/mme_lowering.h"
#include "simulator/functional/gemm_testing.h"
#include "simulator/functional/mme.h"
#include "simulator/functional/mme_match.h"
#include "simulator/functional/mme_view.h"

namespace openhpu::simulator {
namespace {

constexpr uint64_t kA = 0x20000000, kB = 0x20200000, kC = 0x20400000, kBytes = 0x600000;
constexpr int64_t kElements = 1 << 17;

const hal::Chip& Gaudi() {
  static const auto* chip = new hal::Chip(*hal::LoadChip("gaudi"));
  return *chip;
}

void Run(std::vector<hal::gaudi::MmePart> parts, Arithmetic arithmetic, MmePath path,
         FakeMemory& memory) {
  MmeState state;
  for (hal::gaudi::MmePart& part : parts) {
    auto& d = part.descriptor;
    d.base_addr_low_s = static_cast<uint32_t>(kA + part.offset_s);
    d.base_addr_low_l = static_cast<uint32_t>(kB + part.offset_l);
    d.base_addr_low_o = static_cast<uint32_t>(kC + part.offset_o);
    const auto view = ViewMme(d);
    ASSERT_TRUE(view.ok()) << view.status();
    EXPECT_FALSE(std::holds_alternative<std::monostate>(MatchMme(*view)));
    const absl::Status status = RunMme(d, arithmetic, path, memory, state);
    ASSERT_TRUE(status.ok()) << status;
  }
}

// The parts in both arithmetics and on both paths against `naive`, which writes to the same place.
template <typename Naive>
void ExpectSame(const std::vector<hal::gaudi::MmePart>& parts, DType in, DType out,
                const Naive& naive) {
  FakeMemory memory(kA, kBytes);
  const auto fill = [&](Values values) {
    Fill(in, values, 1, memory.at(kA), kElements);
    Fill(in, values, 2, memory.at(kB), kElements);
    Fill(out, values, 3, memory.at(kC), kElements);
  };
  const auto result = [&] {
    return std::vector<std::byte>(memory.at(kC), memory.at(kC) + kElements * StorageBytes(out));
  };
  for (const auto& [values, arithmetic, path] :
       {std::tuple{Values::kSmallIntegers, Arithmetic::kFast, MmePath::kAuto},
        {Values::kReals, Arithmetic::kExact, MmePath::kAuto},
        {Values::kReals, Arithmetic::kExact, MmePath::kGeneric}}) {
    fill(values);
    naive(memory);
    const std::vector<std::byte> want = result();
    fill(values);
    Run(parts, arithmetic, path, memory);
    EXPECT_TRUE(result() == want) << "arithmetic " << static_cast<int>(arithmetic) << ", path "
                                  << static_cast<int>(path);
  }
}

TEST(MmeWriterTest, GeneratedProducts) {
  std::mt19937 random(11);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  for (int round = 0; round < 40; ++round) {
    hal::MmeGemm g;
    g.in = below(2) ? DType::kFloat32 : DType::kBFloat16;
    g.out = below(2) ? DType::kFloat32 : DType::kBFloat16;
    g.m = 1 + below(round % 4 ? 30 : 200);
    g.n = 1 + below(round % 4 ? 40 : 300);
    g.k = below(10) ? 1 + below(60) : 0;
    g.trans_a = below(2) != 0;
    g.trans_b = below(2) != 0;
    uint64_t a_line = (g.trans_a ? g.m : g.k) + below(4), a_lines = g.trans_a ? g.k : g.m;
    uint64_t b_line = (g.trans_b ? g.k : g.n) + below(4), b_lines = g.trans_b ? g.n : g.k;
    uint64_t c_line = g.n + below(4);
    if (round % 4 != 0) {
      g.batch[0].count = 1 + below(3);
      g.batch[1].count = 1 + below(3);
      g.batch[2].count = 1 + below(2);
    }
    // The first batch dimension lies inside a line, as attention's heads do, or not.
    const uint32_t heads = g.batch[0].count;
    const bool inside = below(2) != 0;
    g.lda = a_line * (inside ? heads : 1);
    g.ldb = b_line * (inside ? heads : 1);
    g.ldc = c_line * (inside ? heads : 1);
    g.batch[0].stride_a = inside ? a_line : a_lines * g.lda;
    g.batch[0].stride_b = inside ? b_line : b_lines * g.ldb;
    g.batch[0].stride_c = inside ? c_line : g.m * g.ldc;
    const uint64_t a_matrix = a_lines * a_line * heads, b_matrix = b_lines * b_line * heads;
    const uint64_t c_matrix = g.m * c_line * heads;
    g.batch[1].stride_a = a_matrix;
    g.batch[1].stride_b = below(2) ? 0 : b_matrix;
    g.batch[1].stride_c = c_matrix;
    g.batch[2].stride_a = below(2) ? 0 : a_matrix * g.batch[1].count;
    g.batch[2].stride_b = b_matrix * g.batch[1].count;
    g.batch[2].stride_c = c_matrix * g.batch[1].count;

    GemmShape s;
    s.m = g.m;
    s.n = g.n;
    s.k = g.k;
    s.in = g.in;
    s.out = g.out;
    const auto signed_of = [](uint64_t x) { return static_cast<int64_t>(x); };
    s.a.row = g.trans_a ? 1 : signed_of(g.lda);
    s.a.column = g.trans_a ? signed_of(g.lda) : 1;
    s.b.row = g.trans_b ? 1 : signed_of(g.ldb);
    s.b.column = g.trans_b ? signed_of(g.ldb) : 1;
    s.c = {signed_of(g.ldc), 1, {}};
    for (int i = 0; i < 3; ++i) {
      s.batch[i] = g.batch[i].count;
      s.a.batch[i] = signed_of(g.batch[i].stride_a);
      s.b.batch[i] = signed_of(g.batch[i].stride_b);
      s.c.batch[i] = signed_of(g.batch[i].stride_c);
    }
    SCOPED_TRACE(::testing::Message()
                 << "round " << round << ": " << g.m << "x" << g.n << "x" << g.k);
    const auto parts = hal::gaudi::LowerGemm(Gaudi(), g);
    ASSERT_TRUE(parts.ok()) << parts.status();
    ExpectSame(*parts, g.in, g.out, [&](FakeMemory& memory) {
      NaiveGemm(s, memory.at(kA), memory.at(kB), memory.at(kC));
    });
  }
}

TEST(MmeWriterTest, GeneratedConvolutions) {
  std::mt19937 random(12);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  for (int round = 0; round < 40; ++round) {
    hal::MmeConvolution c;
    c.in = below(2) ? DType::kFloat32 : DType::kBFloat16;
    c.out = below(2) ? DType::kFloat32 : DType::kBFloat16;
    c.batch = 1 + below(3);
    c.channels = 1 + below(20);
    c.filters = 1 + below(round % 5 ? 20 : 150);
    c.kernel_h = 1 + below(3);
    c.kernel_w = 1 + below(3);
    c.stride_h = 1 + below(3);
    c.stride_w = 1 + below(3);
    c.dilation_h = 1 + below(2);
    c.dilation_w = 1 + below(2);
    c.pad_h = below(3);
    c.pad_w = below(3);
    const uint32_t span_h = (c.kernel_h - 1) * c.dilation_h + 1;
    const uint32_t span_w = (c.kernel_w - 1) * c.dilation_w + 1;
    c.height = span_h + below(8);
    c.width = span_w + below(8);
    c.out_height = (c.height + 2 * c.pad_h - span_h) / c.stride_h + 1;
    c.out_width = (c.width + 2 * c.pad_w - span_w) / c.stride_w + 1;
    const uint32_t groups = 1 + below(2);
    const uint64_t x_pixel = c.channels * groups, y_pixel = c.filters * groups;
    c.x_strides = {c.height * c.width * x_pixel, c.width * x_pixel, x_pixel};
    c.w_strides = {uint64_t{c.kernel_w} * c.channels * c.filters, uint64_t{c.channels} * c.filters,
                   c.filters};
    c.y_strides = {c.out_height * c.out_width * y_pixel, c.out_width * y_pixel, y_pixel};

    const auto array = [](uint64_t w, uint64_t h, uint64_t d) {
      return std::array<int64_t, 3>{static_cast<int64_t>(w), static_cast<int64_t>(h),
                                    static_cast<int64_t>(d)};
    };
    ConvolutionShape s;
    s.batch = c.batch;
    s.channels = c.channels;
    s.features = c.filters;
    s.in = array(c.width, c.height, 1);
    s.kernel = array(c.kernel_w, c.kernel_h, 1);
    s.out = array(c.out_width, c.out_height, 1);
    s.stride = array(c.stride_w, c.stride_h, 1);
    s.dilation = array(c.dilation_w, c.dilation_h, 1);
    s.pad = array(c.pad_w, c.pad_h, 0);
    for (int i = 0; i < 2; ++i) {
      s.x_strides[i] = static_cast<int64_t>(c.x_strides[2 - i]);
      s.y_strides[i] = static_cast<int64_t>(c.y_strides[2 - i]);
    }
    for (int i = 0; i < 3; ++i) s.w_strides[i] = static_cast<int64_t>(c.w_strides[2 - i]);
    s.x_strides[3] = static_cast<int64_t>(c.x_strides[0]);
    s.y_strides[3] = static_cast<int64_t>(c.y_strides[0]);
    s.in_type = c.in;
    s.out_type = c.out;
    SCOPED_TRACE(::testing::Message()
                 << "round " << round << ": " << c.kernel_w << "x" << c.kernel_h);
    const auto parts = hal::gaudi::LowerConvolution(Gaudi(), c);
    ASSERT_TRUE(parts.ok()) << parts.status();
    ExpectSame(*parts, c.in, c.out, [&](FakeMemory& memory) {
      NaiveConvolution(s, memory.at(kA), memory.at(kB), memory.at(kC));
    });
  }
}

}  // namespace
}  // namespace openhpu::simulator
