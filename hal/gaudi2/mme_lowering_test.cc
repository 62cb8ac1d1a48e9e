#include "hal/gaudi2/mme_lowering.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "hal/chip.h"
#include "hal/mme_lowering_testing.h"

namespace openhpu::hal::gaudi2 {
namespace {

using abi::gaudi2::MmeAgu;
using abi::gaudi2::MmeDescriptor;
using abi::gaudi2::MmeTensor;
namespace mme = abi::gaudi2::mme;

// The numbers of the form 7.3 of the descriptor's reference, of one MME: M 300, N 50, K 70.
TEST(MmeLoweringTest, AProductHasTheReferencesNumbers) {
  const auto parts = LowerGemm(Gemm(300, 50, 70));
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 1u);
  const MmeDescriptor& d = parts->front().descriptor;
  EXPECT_EQ(d.conv_kernel_size_minus_1, 0x100u);  // two steps of 256 rows
  EXPECT_EQ(d.conv_low, 0x00690005u);             // as on Gaudi
  EXPECT_EQ(d.conv_high, 0x00DB0092u);
  EXPECT_EQ(d.outer_loop, 0x124u);
  EXPECT_EQ(d.num_iterations_minus_1, 0u);
  EXPECT_EQ(d.sb_repeat, 0u);
  // K is padded to 72 in the walk, and exact where it is compared.
  EXPECT_EQ(List(d.tensor_a.valid_elements), (V{70, 21000, 21000, 21000, 21000}));
  EXPECT_EQ(List(d.tensor_a.loop_stride), (V{0, 17920, 21000, 21000, 21000}));
  EXPECT_EQ(List(d.tensor_a.roi_size), (V{72, 17920, 21000, 21000}));
  EXPECT_EQ(List(d.tensor_a.spatial_strides), (V{280, 21000, 21000, 21000}));
  EXPECT_EQ(d.a_ss, 63u);
  EXPECT_EQ(List(d.tensor_b.valid_elements), (V{50, 3500, 3500, 3500, 3500}));
  EXPECT_EQ(List(d.tensor_b.loop_stride), (V{256, 0, 3500, 3500, 3500}));
  EXPECT_EQ(List(d.tensor_b.roi_size), (V{64, 3600, 3500, 3500}));
  EXPECT_EQ(List(d.tensor_b.spatial_strides), (V{50, 3500, 3500, 3500}));
  EXPECT_EQ(d.b_ss, 71u);
  EXPECT_EQ(List(d.tensor_cout.valid_elements), (V{50, 15000, 15000, 15000, 15000}));
  EXPECT_EQ(List(d.tensor_cout.loop_stride), (V{256, 12800, 15000, 15000, 15000}));
  EXPECT_EQ(List(d.tensor_cout.roi_size), (V{256, 12800, 15000, 15000}));
  EXPECT_EQ(List(d.tensor_cout.spatial_strides), (V{100, 15000, 15000, 15000}));
  EXPECT_EQ(d.cout_ss, 127u);
  // A: row core + 2 * port. B: column 128 * core + 64 * port. C: column 128 * out, row core.
  EXPECT_EQ(d.agu_in[0].slave.roi_base_offset[1], 70);
  EXPECT_EQ(d.agu_in[4].master.roi_base_offset[1], 140);
  EXPECT_EQ(d.agu_in[4].slave.roi_base_offset[1], 210);
  EXPECT_EQ(d.agu_in[3].master.roi_base_offset[0], 64);
  EXPECT_EQ(d.agu_in[2].slave.roi_base_offset[0], 128);
  EXPECT_EQ(d.agu_in[3].slave.roi_base_offset[0], 192);
  EXPECT_EQ(List(d.agu_cout[1].slave.roi_base_offset), (V{128, 50, 0, 0, 0}));
  EXPECT_EQ(List(d.agu_in[1].master.roi_base_offset), (V{0, 0, 0, 0, 0}));  // not read
}

TEST(MmeLoweringTest, TransposesAndTypesMakeTheHeader) {
  using Low = mme::HEADER_LOW;
  for (bool trans_a : {false, true}) {
    for (bool trans_b : {false, true}) {
      MmeGemm g = Gemm(8, 8, 8);
      g.trans_a = trans_a, g.trans_b = trans_b, g.out = DType::kFloat32;
      const MmeDescriptor d = LowerGemm(g)->front().descriptor;
      EXPECT_EQ(Low::TRANS_A::Get(d.header_low), trans_a ? 0u : 1u);
      EXPECT_EQ(Low::TRANS_B::Get(d.header_low), trans_b ? 1u : 0u);
      EXPECT_EQ(mme::BRAINS_HIGH::SHUFFLE_A::Get(d.brains_high), trans_a ? 0u : 1u);
      EXPECT_EQ(Low::AGU_READS_A::Get(d.header_low), 0x11u);
      EXPECT_EQ(Low::AGU_READS_B::Get(d.header_low), 0x0Cu);
      EXPECT_EQ(Low::DATA_TYPE_IN::Get(d.header_low), 0x9u);
      EXPECT_EQ(Low::DATA_TYPE_COUT::Get(d.header_low), 0xAu);
      EXPECT_EQ(Low::DOUBLE_ACCUMS::Get(d.header_low), 1u);
      EXPECT_EQ(d.header_high, 0u);
      EXPECT_EQ(d.brains_low, 0xC0C0C0C0u);  // all on, no loop dropped
    }
  }
}

// The walk of a step: from the start offset.
template <typename F>
void Visit(const MmeTensor& t, const Coordinates& base, int64_t lines, int64_t width, const F& f) {
  Coordinates at = base;
  for (int i = 1; i < 5; ++i) at[i] += t.start_offset[i - 1];
  Walk(t, base, at, lines, width, f);
}

using Vectors = std::vector<std::array<double, 64>>;  // by k

// What a machine of two cores does with one step of a descriptor, from the registers: section 7.2.
class Step {
 public:
  Step(const MmeDescriptor& d, const Coordinates& at, const std::vector<double>& a, uint64_t a0,
       const std::vector<double>& b, uint64_t b0)
      : d_(d), at_(at) {
    for (int core = 0; core < 2; ++core) {
      for (int sb = 0; sb < 5; ++sb) {
        if (mme::HEADER_LOW::AGU_READS_A::Get(d.header_low) >> sb & 1) {
          buffers_[core][sb] = Read(d.tensor_a, d.agu_in[sb], core, 0, d.a_ss,
                                    mme::HEADER_LOW::TRANS_A::Get(d.header_low), a, a0);
        }
        if (mme::HEADER_LOW::AGU_READS_B::Get(d.header_low) >> sb & 1) {
          buffers_[core][sb] = Read(d.tensor_b, d.agu_in[sb], core, 1, d.b_ss,
                                    mme::HEADER_LOW::TRANS_B::Get(d.header_low), b, b0);
        }
      }
    }
    Route(0, d.eus_master, d.eus_slave);
    Route(1, d.eus_slave, d.eus_master);
  }

  void Store(std::vector<double>& c, uint64_t c0) const {
    for (int core = 0; core < 2; ++core) {
      for (int out = 0; out < 2; ++out) {
        const auto& pair = d_.agu_cout[out];
        const Coordinates base = Base(d_.tensor_cout, core == 0 ? pair.master : pair.slave, 2);
        const int64_t roi = d_.tensor_cout.roi_size[0];
        const int64_t width =
            out == 0 ? std::min<int64_t>(roi, 128) : std::max<int64_t>(0, roi - 128);
        Visit(d_.tensor_cout, base, 128, width, [&](int64_t row, int64_t x, int64_t offset) {
          if (offset < 0) return;
          double& to = c.at(c0 + offset);
          EXPECT_EQ(to, -1) << "written twice";
          to = Sum(core, row, 128 * out + x);
        });
      }
    }
  }

 private:
  static uint32_t DimOf(const MmeDescriptor& d, int loop, int operand) {
    if (loop == 4) return d.outer_loop >> (3 * operand) & 7;
    return (loop < 2 ? d.conv_low : d.conv_high) >> (16 * (loop % 2) + 3 * operand) & 7;
  }

  Coordinates Base(const MmeTensor& t, const MmeAgu& agu, int operand) const {
    Coordinates base;
    for (int i = 0; i < 5; ++i) base[i] = agu.roi_base_offset[i];
    for (int loop = 0; loop < 5; ++loop) {
      const uint32_t dim = DimOf(d_, loop, operand);
      if (dim < 5) base[dim] += at_[loop] * t.loop_stride[dim];
    }
    return base;
  }

  Vectors Read(const MmeTensor& t, const abi::gaudi2::MmeAguPair& pair, int core, int operand,
               uint32_t ss, bool trans, const std::vector<double>& data, uint64_t first) const {
    const int64_t lines = trans ? 64 : int64_t{ss} + 1;
    const int64_t width = trans ? t.roi_size[0] : 64;
    Vectors out(trans ? width : lines);
    Visit(t, Base(t, core == 0 ? pair.master : pair.slave, operand), lines, width,
          [&](int64_t line, int64_t x, int64_t offset) {
            const double v = offset < 0 ? 0 : data.at(first + offset);
            (trans ? out[x][line] : out[line][x]) = v;
          });
    return out;
  }

  // Slots 0 to 3 are a0 to a3, 4 to 7 b0 to b3.
  void Route(int core, uint32_t own, uint32_t partner) {
    using Eus = mme::EUS_MASTER;
    const auto put = [&](bool enabled, uint32_t slot, const Vectors& v) {
      if (!enabled) return;
      EXPECT_TRUE(slots_[core][slot].empty()) << "two inputs for slot " << slot;
      EXPECT_FALSE(v.empty()) << "nothing for slot " << slot;
      slots_[core][slot] = v;
    };
    put(Eus::SB0_EN::Get(own), Eus::SB0_SEL::Get(own), buffers_[core][0]);
    put(Eus::SB1_EN::Get(own), Eus::SB1_SEL::Get(own), buffers_[core][1]);
    put(Eus::SB2_EN::Get(own), Eus::SB2_SEL::Get(own), buffers_[core][2]);
    put(Eus::SB3_EN::Get(own), Eus::SB3_SEL::Get(own), buffers_[core][3]);
    put(Eus::SB4_EN::Get(own), Eus::SB4_SEL::Get(own), buffers_[core][4]);
    EXPECT_EQ(Eus::SB0_REMOTE_OUT_EN::Get(partner), 0u);
    if (Eus::SB2_REMOTE_OUT_EN::Get(partner)) {
      put(Eus::REMOTE_IN0_EN::Get(own), Eus::REMOTE_IN0_SEL::Get(own), buffers_[1 - core][2]);
    }
    if (Eus::SB3_REMOTE_OUT_EN::Get(partner)) {
      put(Eus::REMOTE_IN1_EN::Get(own), Eus::REMOTE_IN1_SEL::Get(own), buffers_[1 - core][3]);
    }
  }

  double Sum(int core, int64_t row, int64_t column) const {
    const bool two = mme::BRAINS_HIGH::SHUFFLE_A::Get(d_.brains_high) == 1;
    const Vectors& a = slots_[core][two ? row % 2 : row / 64];
    const int64_t r = two ? row / 2 : row % 64;
    const Vectors& b = slots_[core][4 + column / 64];
    EXPECT_EQ(a.size(), b.size());
    double sum = 0;
    for (size_t k = 0; k < a.size(); ++k) sum += a[k][r] * b[k][column % 64];
    return sum;
  }

  const MmeDescriptor& d_;
  const Coordinates at_;
  std::array<std::array<Vectors, 5>, 2> buffers_;
  std::array<std::array<Vectors, 8>, 2> slots_;
};

std::vector<double> Interpret(const Product& product, const std::vector<MmePart>& parts) {
  std::vector<double> c(product.c.size(), -1);
  const uint64_t in_bytes = StorageBytes(product.gemm.in);
  const uint64_t out_bytes = StorageBytes(product.gemm.out);
  for (const MmePart& part : parts) {
    const MmeDescriptor& d = part.descriptor;
    Coordinates size, i{};
    for (int loop = 0; loop < 4; ++loop) {
      size[loop] = (d.conv_kernel_size_minus_1 >> (8 * loop) & 0xFF) + 1;
    }
    size[4] = mme::OUTER_LOOP::SIZE_MINUS_1::Get(d.outer_loop) + 1;
    for (i[4] = 0; i[4] < size[4]; ++i[4])
      for (i[3] = 0; i[3] < size[3]; ++i[3])
        for (i[2] = 0; i[2] < size[2]; ++i[2])
          for (i[1] = 0; i[1] < size[1]; ++i[1])
            for (i[0] = 0; i[0] < size[0]; ++i[0]) {
              Step(d, i, product.a, part.offset_a / in_bytes, product.b, part.offset_b / in_bytes)
                  .Store(c, part.offset_c / out_bytes);
            }
  }
  return c;
}

void CheckProduct(const MmeGemm& g, uint64_t gap) {
  const Product product(g, gap);
  const auto parts = LowerGemm(product.gemm);
  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_EQ(Interpret(product, *parts), product.c);
}

TEST(MmeLoweringTest, EachOutputIsWrittenOnceWithItsProduct) {
  for (bool trans_a : {false, true})
    for (bool trans_b : {false, true})
      for (DType in : {DType::kBFloat16, DType::kFloat32})
        for (uint64_t gap : {0, 5}) {
          MmeGemm g = Gemm(300, 290, 9, in);
          g.trans_a = trans_a, g.trans_b = trans_b;
          CheckProduct(g, gap);
          g = Gemm(5, 3, 40, in);
          g.trans_a = trans_a, g.trans_b = trans_b;
          g.batch[0].count = 2, g.batch[1].count = 3;
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
  // 256 steps of 256 rows, and of 256 columns.
  EXPECT_EQ(LowerGemm(Gemm(65536, 16384, 1))->size(), 1u);
  EXPECT_EQ(LowerGemm(Gemm(65537, 16384, 1))->size(), 2u);
  MmeGemm g = Gemm(1, 1, 1);
  g.batch[1] = {600, 1, 1, 1};
  EXPECT_EQ(LowerGemm(g)->size(), 3u);
  g = Gemm(2, 3, 2);
  g.batch[0].count = 257;
  CheckProduct(g, 1);
}

TEST(MmeLoweringTest, RefusesByName) {
  const auto refuse = [](const MmeGemm& g, const char* what) {
    const absl::Status status = LowerGemm(g).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(status.message()).find(what), std::string::npos) << status.message();
  };
  refuse(Gemm(8, 8, 8, DType::kInt8), "in = i8");
  refuse(Gemm(0, 8, 8), "m = 0");
  MmeGemm g = Gemm(8, 8, 8);
  g.lda = uint64_t{1} << 29;
  refuse(g, "elements does not fit 31 bits");
}

TEST(MmeLoweringTest, RefusesConvolutionsByName) {
  const auto refuse = [](const MmeConvolution& c, const char* what) {
    const absl::Status status = LowerConvolution(c).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(status.message()).find(what), std::string::npos) << status.message();
  };
  MmeConvolution c;
  refuse(c, "batch = 0");
  c.batch = c.height = c.width = c.channels = c.out_height = c.out_width = c.filters = 1;
  c.kernel_h = 257;
  refuse(c, "257 x 1");
  c.kernel_h = 1;
  c.in = DType::kInt32;
  refuse(c, "in = i32");
  c.in = DType::kFloat32;
  c.y_strides[2] = uint64_t{1} << 30;  // is walked four times
  refuse(c, "spatialStride");
  c.y_strides[2] = 0;
  c.batch = c.out_height = c.out_width = 0x40000000;
  c.x_strides = c.y_strides = {1, 1, 1};
  refuse(c, "numIterations");
}

// The numbers of 7.3 and 4.3 for one MME: 3 x 2 taps, stride 2 along W, 5 channels of f32.
TEST(MmeLoweringTest, AConvolutionHasTheReferencesNumbers) {
  MmeConvolution c;
  c.batch = 2, c.height = 9, c.width = 12, c.channels = 5, c.filters = 300;
  c.kernel_h = 3, c.kernel_w = 2, c.stride_w = 2, c.dilation_h = 2, c.pad_h = 1, c.pad_w = 1;
  c.out_height = 7, c.out_width = 7;
  MakeDense(c);
  const auto parts = LowerConvolution(c);
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 1u);
  const MmeDescriptor& d = parts->front().descriptor;
  EXPECT_EQ(d.conv_kernel_size_minus_1, 0x01000201u);
  EXPECT_EQ(d.conv_low, 0x015A0151u);
  EXPECT_EQ(d.conv_high, 0x00050163u);
  EXPECT_EQ(d.num_iterations_minus_1, 0u);
  EXPECT_EQ(d.header_high, 0x5u);  // swap A and C
  EXPECT_EQ(d.brains_low, 0xC7C7C0C0u);
  EXPECT_EQ(mme::BRAINS_HIGH::AP_LOOP_MASK::Get(d.brains_high), 7u);
  EXPECT_EQ(mme::BRAINS_HIGH::EU_LOOP_MASK::Get(d.brains_high), 0u);
  EXPECT_EQ(List(d.tensor_a.valid_elements), (V{5, 60, 540, 540, 1080}));
  EXPECT_EQ(List(d.tensor_a.loop_stride), (V{0, 5, 120, 540, 0}));
  EXPECT_EQ(List(d.tensor_a.roi_size), (V{6, 70, 420, 540}));
  EXPECT_EQ(List(d.tensor_a.spatial_strides), (V{40, 60, 540, 540}));
  EXPECT_EQ(d.tensor_a.start_offset[0], static_cast<uint32_t>(-5));
  EXPECT_EQ(d.tensor_a.start_offset[1], static_cast<uint32_t>(-60));
  EXPECT_EQ(d.a_ss, 63u);
  EXPECT_EQ(List(d.tensor_b.valid_elements), (V{300, 1500, 3000, 9000, 9000}));
  EXPECT_EQ(List(d.tensor_b.loop_stride), (V{256, 0, 1500, 3000, 9000}));
  EXPECT_EQ(List(d.tensor_b.roi_size), (V{64, 1800, 1500, 3000}));
  EXPECT_EQ(List(d.tensor_b.spatial_strides), (V{300, 1500, 3000, 9000}));
  EXPECT_EQ(d.b_ss, 5u);
  EXPECT_EQ(List(d.tensor_cout.valid_elements), (V{300, 2100, 14700, 14700, 29400}));
  EXPECT_EQ(List(d.tensor_cout.roi_size), (V{256, 2100, 14700, 14700}));
  EXPECT_EQ(List(d.tensor_cout.spatial_strides), (V{600, 2100, 14700, 14700}));
  EXPECT_EQ(List(d.agu_in[0].master.roi_base_offset), (V{0, 0, 0, 0, 0}));
  EXPECT_EQ(List(d.agu_in[0].slave.roi_base_offset), (V{0, 10, 0, 0, 0}));
  EXPECT_EQ(List(d.agu_in[4].master.roi_base_offset), (V{0, 20, 0, 0, 0}));
  EXPECT_EQ(List(d.agu_in[4].slave.roi_base_offset), (V{0, 30, 0, 0, 0}));
  EXPECT_EQ(List(d.agu_in[3].slave.roi_base_offset), (V{192, 0, 0, 0, 0}));
  EXPECT_EQ(List(d.agu_cout[1].slave.roi_base_offset), (V{128, 300, 0, 0, 0}));
}

// One long walk, from where a port begins: base and start offset have changed places.
template <typename F>
void VisitSwapped(const MmeTensor& t, const MmeAgu& agu, const Coordinates& moved, int64_t lines,
                  int64_t width, const F& f) {
  Coordinates base = moved;
  for (int i = 1; i < 5; ++i) base[i] += static_cast<int32_t>(t.start_offset[i - 1]);
  base[0] += agu.roi_base_offset[0];
  Coordinates at = base;
  for (int i = 1; i < 5; ++i) at[i] += agu.roi_base_offset[i];
  Walk(t, base, at, lines, width, f);
}

// A convolution over all of its loops: core, port and line of a walk to rows (7.2), against plain
// loops.
void CheckConvolution(const MmeConvolution& convolution, size_t descriptors = 1) {
  Convolution made(convolution);
  const MmeConvolution& c = made.of;
  const auto parts = LowerConvolution(c);
  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_EQ(parts->size(), descriptors);
  for (const MmePart& part : *parts) {
    const MmeDescriptor& d = part.descriptor;
    const uint64_t b0 = part.offset_b / StorageBytes(c.in);
    const uint64_t c0 = part.offset_c / StorageBytes(c.out);
    const int64_t tiles = int64_t{d.num_iterations_minus_1} + 1, depth = int64_t{d.b_ss} + 1;
    ASSERT_EQ(d.tensor_a.roi_size[0], depth);
    for (uint32_t n = 0; n <= d.conv_kernel_size_minus_1 >> 24; ++n) {
      // [core][row of all tiles][column]
      std::vector<std::vector<std::array<double, 256>>> sum(
          2, std::vector<std::array<double, 256>>(tiles * 128));
      for (uint32_t r = 0; r < c.kernel_h; ++r)
        for (uint32_t t = 0; t < c.kernel_w; ++t) {
          Coordinates a_moved{}, b_moved{};
          a_moved[1] = int64_t{t} * d.tensor_a.loop_stride[1];
          a_moved[2] = int64_t{r} * d.tensor_a.loop_stride[2];
          b_moved[0] = int64_t{n} * d.tensor_b.loop_stride[0];
          b_moved[2] = int64_t{t} * d.tensor_b.loop_stride[2];
          b_moved[3] = int64_t{r} * d.tensor_b.loop_stride[3];
          std::vector<std::array<double, 256>> weights(depth);
          for (int q = 0; q < 4; ++q) {  // b0 to b3: SB2 and SB3 of the master, then the slave's
            const auto& pair = d.agu_in[q % 2 == 0 ? 2 : 3];
            VisitSwapped(d.tensor_b, q < 2 ? pair.master : pair.slave, b_moved, depth, 64,
                         [&](int64_t line, int64_t e, int64_t at) {
                           weights[line][64 * q + e] = at < 0 ? 0 : made.w.at(b0 + at);
                         });
          }
          for (int core = 0; core < 2; ++core)
            for (int port = 0; port < 2; ++port) {
              const auto& pair = d.agu_in[port == 0 ? 0 : 4];
              VisitSwapped(d.tensor_a, core == 0 ? pair.master : pair.slave, a_moved, 64 * tiles,
                           depth, [&](int64_t line, int64_t e, int64_t at) {
                             if (at < 0) return;
                             auto& row = sum[core][line / 64 * 128 + 2 * (line % 64) + port];
                             for (int f = 0; f < 256; ++f) row[f] += made.x.at(at) * weights[e][f];
                           });
            }
        }
      for (int core = 0; core < 2; ++core)
        for (int out = 0; out < 2; ++out) {
          const auto& pair = d.agu_cout[out];
          VisitSwapped(d.tensor_cout, core == 0 ? pair.master : pair.slave,
                       {int64_t{n} * d.tensor_cout.loop_stride[0], 0, 0, 0, 0}, 128 * tiles, 128,
                       [&](int64_t line, int64_t e, int64_t at) {
                         if (at >= 0) made.Write(c0 + at, sum[core][line][128 * out + e]);
                       });
        }
    }
  }
  made.ExpectTheAnswer();
}

TEST(MmeLoweringTest, AConvolutionReadsItsTapsAndPads) {
  MmeConvolution c;
  c.batch = 2, c.height = 13, c.width = 14, c.channels = 3;
  c.filters = 70, c.kernel_h = 3, c.kernel_w = 2, c.pad_h = 1, c.pad_w = 1;
  c.out_height = 13, c.out_width = 15;  // two tiles of positions
  CheckConvolution(c);
  c.in = DType::kBFloat16;
  c.filters = 300;
  CheckConvolution(c);
  c.stride_h = 2, c.stride_w = 3, c.dilation_h = 2, c.pad_h = 2;
  c.out_height = 7, c.out_width = 5;
  CheckConvolution(c);
}

TEST(MmeLoweringTest, NarrowOutputsAreWalkedAsIfTheyHadFourColumns) {
  MmeConvolution c;
  c.batch = 1, c.height = 1, c.width = 1, c.channels = 1, c.filters = 1;
  c.out_height = 1, c.out_width = 1;
  CheckConvolution(c);
  c.batch = 3, c.height = 30;
  c.out_height = 30;
  CheckConvolution(c);
  c.kernel_h = 3, c.pad_h = 1;
  CheckConvolution(c);
  for (uint32_t width = 1; width < 6; ++width) {
    c.width = width + 1, c.kernel_w = 2, c.out_width = width;
    CheckConvolution(c);
    c.stride_w = 2, c.width = 2 * width;
    CheckConvolution(c);
    c.stride_w = 1;
  }
}

TEST(MmeLoweringTest, TheChipFileSaysHowManyColumnsANarrowOutputPaysFor) {
  const Chip chip = *LoadChip("gaudi2");
  MmeConvolution c;
  c.batch = c.width = c.channels = c.filters = c.out_width = 1;
  c.height = c.out_height = 1024;
  c.x_strides = c.y_strides = {1024, 1, 1}, c.w_strides = {1, 1, 1};
  const auto steps = [&c] {
    return LowerConvolution(c)->at(0).descriptor.num_iterations_minus_1 + 1;
  };
  EXPECT_EQ(steps(), 1024 * chip.mme().interleaved_ports().value() /
                         (chip.mme().rows_bf16().value() * chip.mme().stacked_arrays().value()));
}

TEST(MmeLoweringTest, ManyFiltersBecomeSeveralDescriptors) {
  MmeConvolution c;
  c.batch = 1, c.height = 1, c.width = 2, c.channels = 1, c.filters = 65600;
  c.out_height = 1, c.out_width = 2;
  CheckConvolution(c, 2);
}

}  // namespace
}  // namespace openhpu::hal::gaudi2
