#include "hal/gaudi/mme_lowering.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "hal/chip.h"
#include "hal/mme_lowering_testing.h"

namespace openhpu::hal::gaudi {
namespace {

using abi::gaudi::MmeDescriptor;
namespace mme = abi::gaudi::mme;

const Chip& Gaudi() {
  static const Chip* chip = new Chip(*LoadChip("gaudi"));
  return *chip;
}

// The worked example 4.2 of the descriptor's reference, with the offsets of one pair alone.
TEST(MmeLoweringTest, TheReferencesWorkedProduct) {
  const auto parts = LowerGemm(Gaudi(), Gemm(100, 50, 70));
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 1u);
  const MmeDescriptor& d = parts->front().descriptor;
  EXPECT_EQ(d.header_low, 0x3F0A0001u);  // the signal is off here
  EXPECT_EQ(d.header_high, 0xC0000000u);
  EXPECT_EQ(d.conv_associated_dims_low, 0x00690005u);
  EXPECT_EQ(d.conv_associated_dims_high, 0x00DB0092u);
  EXPECT_EQ(d.outer_loop, 0x124u);
  EXPECT_EQ(d.conv_kernel_size_minus_1, 0x100u);  // two steps of 64 rows
  EXPECT_EQ(d.num_iterations_minus_1, 0u);
  EXPECT_EQ(List(d.tensor_s.valid_elements), (V{70, 7000, 7000, 7000, 7000}));
  EXPECT_EQ(List(d.tensor_s.loop_stride), (V{0, 4480, 7000, 7000, 7000}));
  EXPECT_EQ(List(d.tensor_s.roi_size), (V{70, 4480, 7000, 7000}));
  EXPECT_EQ(List(d.tensor_s.spatial_strides), (V{70, 7000, 7000, 7000}));
  EXPECT_EQ(d.tensor_s.spatial_size_minus_1, 63u);
  EXPECT_EQ(List(d.tensor_l.valid_elements), (V{50, 3500, 3500, 3500, 3500}));
  EXPECT_EQ(List(d.tensor_l.loop_stride), (V{128, 0, 3500, 3500, 3500}));
  EXPECT_EQ(List(d.tensor_l.roi_size), (V{64, 3500, 3500, 3500}));
  EXPECT_EQ(List(d.tensor_l.spatial_strides), (V{50, 3500, 3500, 3500}));
  EXPECT_EQ(d.tensor_l.spatial_size_minus_1, 69u);
  EXPECT_EQ(List(d.tensor_o.valid_elements), (V{50, 5000, 5000, 5000, 5000}));
  EXPECT_EQ(List(d.tensor_o.loop_stride), (V{128, 3200, 5000, 5000, 5000}));
  EXPECT_EQ(List(d.tensor_o.roi_size), (V{64, 3200, 5000, 5000}));
  EXPECT_EQ(List(d.tensor_o.spatial_strides), (V{50, 5000, 5000, 5000}));
  EXPECT_EQ(List(d.agu_s.roi_base_offset), (V{0, 0, 0, 0, 0}));
  EXPECT_EQ(List(d.agu_l_local.roi_base_offset), (V{0, 0, 0, 0, 0}));
  EXPECT_EQ(List(d.agu_l_remote.roi_base_offset), (V{64, 0, 0, 0, 0}));
  EXPECT_EQ(List(d.agu_o_remote.roi_base_offset), (V{64, 0, 0, 0, 0}));
  EXPECT_EQ(d.sb_repeat, 0xC000C000u);
  EXPECT_EQ(d.rate_limiter, 0x00020404u);
  EXPECT_EQ(d.pcu_rl_saturation, 0x10000u);
}

TEST(MmeLoweringTest, TransposesAndTypesMakeTheHeader) {
  const auto header = [](bool trans_a, bool trans_b, DType in, DType out) {
    MmeGemm g = Gemm(8, 8, 8, in);
    g.trans_a = trans_a, g.trans_b = trans_b, g.out = out;
    return LowerGemm(Gaudi(), g)->front().descriptor.header_low;
  };
  const DType b = DType::kBFloat16, f = DType::kFloat32;
  EXPECT_EQ(header(false, false, b, f), 0x3F0A0001u);
  EXPECT_EQ(header(false, true, b, f), 0x3F0A0003u);
  EXPECT_EQ(header(true, false, b, f), 0x3F0A0000u);
  EXPECT_EQ(header(true, true, b, f), 0x3F0A0002u);
  EXPECT_EQ(header(false, false, b, b), 0x3F080001u);
  EXPECT_EQ(header(false, false, f, f), 0x3F0B0001u);
}

// A generator with its place.
struct Generator {
  const abi::gaudi::MmeTensor& t;
  Coordinates base;

  Generator(const abi::gaudi::MmeTensor& tensor, const abi::gaudi::MmeAgu& a) : t(tensor) {
    for (int i = 0; i < 5; ++i) base[i] = a.roi_base_offset[i];
  }
  template <typename F>
  void Visit(int64_t lines, int64_t width, const F& f) const {
    Walk(t, base, base, lines, width, f);
  }
};

// Runs a product's descriptors step by step, on offsets: which operand elements meet for each
// output element.
std::vector<double> Interpret(const Product& product, const std::vector<MmePart>& parts,
                              int64_t m) {
  std::vector<double> c(product.c.size(), -1);
  const uint64_t in_bytes = StorageBytes(product.gemm.in);
  const uint64_t out_bytes = StorageBytes(product.gemm.out);
  for (const MmePart& part : parts) {
    const MmeDescriptor& d = part.descriptor;
    const bool trans_s = mme::HEADER_LOW::TRANS_S::Get(d.header_low);
    const bool trans_l = mme::HEADER_LOW::TRANS_L::Get(d.header_low);
    std::array<int64_t, 5> size, dim_s, dim_l, dim_o;
    for (int i = 0; i < 4; ++i) {
      const uint32_t word =
          (i < 2 ? d.conv_associated_dims_low : d.conv_associated_dims_high) >> (16 * (i % 2));
      size[i] = ((d.conv_kernel_size_minus_1 >> (8 * i)) & 0xFF) + 1;
      dim_s[i] = word & 7, dim_l[i] = (word >> 3) & 7, dim_o[i] = (word >> 6) & 7;
    }
    size[4] = mme::OUTER_LOOP::SIZE_MINUS_1::Get(d.outer_loop) + 1;
    dim_s[4] = mme::OUTER_LOOP::DIM_S::Get(d.outer_loop);
    dim_l[4] = mme::OUTER_LOOP::DIM_L::Get(d.outer_loop);
    dim_o[4] = mme::OUTER_LOOP::DIM_O::Get(d.outer_loop);
    std::array<int64_t, 5> i{};
    for (i[4] = 0; i[4] < size[4]; ++i[4])
      for (i[3] = 0; i[3] < size[3]; ++i[3])
        for (i[2] = 0; i[2] < size[2]; ++i[2])
          for (i[1] = 0; i[1] < size[1]; ++i[1])
            for (i[0] = 0; i[0] < size[0]; ++i[0])
              for (int remote = 0; remote < 2; ++remote) {
                Generator s(d.tensor_s, d.agu_s);
                Generator l(d.tensor_l, remote ? d.agu_l_remote : d.agu_l_local);
                Generator o(d.tensor_o, remote ? d.agu_o_remote : d.agu_o_local);
                for (int loop = 0; loop < 5; ++loop) {
                  const auto move = [&](Generator& walk, int64_t dim) {
                    if (dim < 5) walk.base[dim] += i[loop] * walk.t.loop_stride[dim];
                  };
                  move(s, dim_s[loop]), move(l, dim_l[loop]), move(o, dim_o[loop]);
                }
                // k-vectors of both operands.
                const auto vectors = [&](const Generator& walk, bool trans,
                                         const std::vector<double>& x, uint64_t offset) {
                  const int64_t lines = trans ? m : walk.t.spatial_size_minus_1 + 1;
                  const int64_t width = trans ? walk.t.roi_size[0] : m;
                  const int64_t k = trans ? width : lines;
                  std::vector<std::vector<double>> out(k, std::vector<double>(m));
                  walk.Visit(lines, width, [&](int64_t line, int64_t e, int64_t at) {
                    const double v = at < 0 ? 0 : x.at(offset / in_bytes + at);
                    (trans ? out[e][line] : out[line][e]) = v;
                  });
                  return out;
                };
                const auto sv = vectors(s, trans_s, product.a, part.offset_s);
                const auto lv = vectors(l, trans_l, product.b, part.offset_l);
                EXPECT_EQ(sv.size(), lv.size());
                o.Visit(m, m, [&](int64_t row, int64_t column, int64_t at) {
                  if (at < 0) return;
                  double sum = 0;
                  for (size_t k = 0; k < sv.size(); ++k) sum += sv[k][row] * lv[k][column];
                  double& out = c.at(part.offset_o / out_bytes + at);
                  EXPECT_EQ(out, -1) << "written twice";
                  out = sum;
                });
              }
  }
  return c;
}

void CheckProduct(const MmeGemm& g, uint64_t gap) {
  const Product product(g, gap);
  const auto parts = LowerGemm(Gaudi(), product.gemm);
  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_EQ(Interpret(product, *parts, g.in == DType::kBFloat16 ? 64 : 32), product.c);
}

TEST(MmeLoweringTest, EachOutputIsWrittenOnceWithItsProduct) {
  for (bool trans_a : {false, true})
    for (bool trans_b : {false, true})
      for (DType in : {DType::kBFloat16, DType::kFloat32})
        for (uint64_t gap : {0, 5}) {
          MmeGemm g = Gemm(70, 150, 9, in);
          g.trans_a = trans_a, g.trans_b = trans_b;
          CheckProduct(g, gap);
          g = Gemm(5, 3, 40, in);
          g.trans_a = trans_a, g.trans_b = trans_b;
          g.batch[0].count = 2, g.batch[1].count = 3, g.batch[2].count = 2;
          CheckProduct(g, gap);
        }
}

TEST(MmeLoweringTest, AnEmptySumIsZero) {
  CheckProduct(Gemm(3, 4, 0), 1);
  MmeGemm g = Gemm(3, 4, 0);
  g.trans_a = g.trans_b = true;
  CheckProduct(g, 1);
}

TEST(MmeLoweringTest, MoreStepsThanALoopCountsBecomeSeveralDescriptors) {
  // 256 steps of 32 rows, and of 64 columns.
  EXPECT_EQ(LowerGemm(Gaudi(), Gemm(8192, 16384, 1, DType::kFloat32))->size(), 1u);
  EXPECT_EQ(LowerGemm(Gaudi(), Gemm(8193, 16384, 1, DType::kFloat32))->size(), 2u);
  EXPECT_EQ(LowerGemm(Gaudi(), Gemm(8193, 16385, 1, DType::kFloat32))->size(), 4u);
  MmeGemm g = Gemm(1, 1, 1);
  g.batch[1] = {600, 1, 1, 1};
  EXPECT_EQ(LowerGemm(Gaudi(), g)->size(), 3u);
  CheckProduct(Gemm(8193, 3, 2, DType::kFloat32), 0);
  g = Gemm(2, 3, 2, DType::kFloat32);
  g.batch[0].count = 257;
  CheckProduct(g, 1);
}

TEST(MmeLoweringTest, RefusesByName) {
  const auto refuse = [](const absl::Status& status, const char* what) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(status.message()).find(what), std::string::npos) << status.message();
  };
  MmeGemm g = Gemm(8, 8, 8, DType::kInt8);
  refuse(LowerGemm(Gaudi(), g).status(), "in = i8");
  g = Gemm(0, 8, 8);
  refuse(LowerGemm(Gaudi(), g).status(), "m = 0");
  g = Gemm(8, 8, 8);
  g.lda = 0;
  refuse(LowerGemm(Gaudi(), g).status(), "lda = 0 with 8 lines");
  g = Gemm(8, 8, 8);
  g.ldc = uint64_t{1} << 29;
  refuse(LowerGemm(Gaudi(), g).status(), "valid[1]");
  g = Gemm(8, 8, 8);
  g.batch[2] = {2, 0, 0, 0};
  refuse(LowerGemm(Gaudi(), g).status(), "batch[2].stride_c = 0");
  MmeConvolution c;
  refuse(LowerConvolution(Gaudi(), c).status(), "batch = 0");
  c.batch = c.height = c.width = c.channels = c.out_height = c.out_width = c.filters = 1;
  c.kernel_h = 257;
  refuse(LowerConvolution(Gaudi(), c).status(), "257 x 1");
}

// The walk of a convolution over all of its loops, against plain loops.
void CheckConvolution(const MmeConvolution& convolution, size_t descriptors = 1) {
  Convolution made(convolution);
  const MmeConvolution& c = made.of;
  const int64_t m = c.in == DType::kBFloat16 ? 64 : 32;
  const auto parts = LowerConvolution(Gaudi(), c);
  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_EQ(parts->size(), descriptors);
  for (const MmePart& part : *parts) {
    const MmeDescriptor& d = part.descriptor;
    EXPECT_EQ(d.header_low & 0xFFFF, 0x0729u);
    const uint64_t l0 = part.offset_l / StorageBytes(c.in),
                   o0 = part.offset_o / StorageBytes(c.out);
    for (int remote = 0; remote < 2; ++remote)
      for (uint32_t n = 0; n <= d.conv_kernel_size_minus_1 >> 24; ++n) {
        Generator s(d.tensor_s, d.agu_s), l(d.tensor_l, remote ? d.agu_l_remote : d.agu_l_local),
            o(d.tensor_o, remote ? d.agu_o_remote : d.agu_o_local);
        l.base[0] += int64_t{n} * d.tensor_l.loop_stride[0];
        o.base[0] += int64_t{n} * d.tensor_o.loop_stride[0];
        const int64_t lines =
            m * (int64_t{d.num_iterations_minus_1} + 1);  // advance: one long walk
        std::vector<std::vector<double>> sum(lines, std::vector<double>(m, 0));
        for (uint32_t r = 0; r < c.kernel_h; ++r)
          for (uint32_t t = 0; t < c.kernel_w; ++t) {
            Generator sx = s, lx = l;
            sx.base[1] += int64_t{t} * d.tensor_s.loop_stride[1];
            sx.base[2] += int64_t{r} * d.tensor_s.loop_stride[2];
            lx.base[2] += int64_t{t} * d.tensor_l.loop_stride[2];
            lx.base[3] += int64_t{r} * d.tensor_l.loop_stride[3];
            std::vector<std::vector<double>> weights(c.channels, std::vector<double>(m));
            lx.Visit(c.channels, m, [&](int64_t line, int64_t e, int64_t at) {
              weights[line][e] = at < 0 ? 0 : made.w.at(l0 + at);
            });
            sx.Visit(lines, c.channels, [&](int64_t line, int64_t e, int64_t at) {
              if (at < 0) return;
              for (int64_t f = 0; f < m; ++f) sum[line][f] += made.x.at(at) * weights[e][f];
            });
          }
        o.Visit(lines, m, [&](int64_t line, int64_t e, int64_t at) {
          if (at >= 0) made.Write(o0 + at, sum[line][e]);
        });
      }
  }
  made.ExpectTheAnswer();
}

TEST(MmeLoweringTest, AConvolutionReadsItsTapsAndPads) {
  MmeConvolution c;
  c.batch = 2, c.height = 7, c.width = 6, c.channels = 3;
  c.filters = 70, c.kernel_h = 3, c.kernel_w = 2, c.pad_h = 1, c.pad_w = 1;
  c.out_height = 7, c.out_width = 7;
  CheckConvolution(c);
  c.in = DType::kBFloat16;
  c.filters = 300;
  CheckConvolution(c);
  c.stride_h = 2, c.stride_w = 3, c.dilation_h = 2, c.pad_h = 2;
  c.out_height = 4, c.out_width = 3;
  CheckConvolution(c);
}

TEST(MmeLoweringTest, ConvolutionsOfSizeOneInAnyDim) {
  MmeConvolution c;
  c.batch = 1, c.height = 1, c.width = 1, c.channels = 1, c.filters = 1;
  c.out_height = 1, c.out_width = 1;
  CheckConvolution(c);
  c.batch = 3, c.width = 5, c.out_width = 5;
  CheckConvolution(c);
  c.kernel_h = 3, c.pad_h = 1;
  CheckConvolution(c);
}

TEST(MmeLoweringTest, ManyFiltersBecomeSeveralDescriptors) {
  MmeConvolution c;
  c.batch = 1, c.height = 1, c.width = 2, c.channels = 2, c.filters = 16400;
  c.out_height = 1, c.out_width = 2;
  CheckConvolution(c, 2);
}

}  // namespace
}  // namespace openhpu::hal::gaudi
