#include "hal/gaudi2/mme_lowering.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace openhpu::hal::gaudi2 {
namespace {

using abi::gaudi2::MmeAgu;
using abi::gaudi2::MmeDescriptor;
using abi::gaudi2::MmeTensor;
namespace mme = abi::gaudi2::mme;

MmeGemm Gemm(uint32_t m, uint32_t n, uint32_t k, DType in = DType::kBFloat16) {
  MmeGemm g;
  g.in = in;
  g.m = m, g.n = n, g.k = k;
  g.lda = k, g.ldb = n, g.ldc = n;
  return g;
}

template <typename T, size_t n>
std::vector<int64_t> List(const T (&values)[n]) {
  return std::vector<int64_t>(values, values + n);
}
using V = std::vector<int64_t>;

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

// The walk of the reference's section 3: which lines and elements an address generator touches,
// from the registers alone. Calls f(line, x, offset or -1) for each element.
template <typename F>
void Visit(const MmeTensor& t, const std::array<int64_t, 5>& base, int64_t lines, int64_t width,
           const F& f) {
  std::array<int64_t, 5> cur = base;
  for (int i = 1; i < 5; ++i) cur[i] += t.start_offset[i - 1];
  for (int64_t line = 0; line < lines; ++line) {
    bool in = true;
    for (int i = 1; i < 5; ++i) in = in && cur[i] >= 0 && cur[i] < t.valid_elements[i];
    for (int64_t x = base[0]; x < base[0] + width; ++x) {
      const bool valid = in && x >= 0 && x < t.valid_elements[0];
      f(line, x - base[0], valid ? x + cur[1] + cur[2] + cur[3] + cur[4] : -1);
    }
    cur[1] += t.spatial_strides[0];
    for (int i = 1; i < 4 && cur[i] >= base[i] + t.roi_size[i]; ++i) {
      cur[i] -= t.roi_size[i];
      cur[i + 1] += t.spatial_strides[i];
    }
  }
}

using Vectors = std::vector<std::array<double, 64>>;  // by k

// What a machine of two cores does with one step of a descriptor, from the registers: section 7.2.
class Step {
 public:
  Step(const MmeDescriptor& d, const std::array<int64_t, 5>& at, const std::vector<double>& a,
       uint64_t a0, const std::vector<double>& b, uint64_t b0)
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
        const std::array<int64_t, 5> base =
            Base(d_.tensor_cout, core == 0 ? pair.master : pair.slave, 2);
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

  std::array<int64_t, 5> Base(const MmeTensor& t, const MmeAgu& agu, int operand) const {
    std::array<int64_t, 5> base;
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
  const std::array<int64_t, 5> at_;
  std::array<std::array<Vectors, 5>, 2> buffers_;
  std::array<std::array<Vectors, 8>, 2> slots_;
};

std::vector<double> Interpret(const MmeGemm& g, const std::vector<MmePart>& parts,
                              const std::vector<double>& a, const std::vector<double>& b,
                              size_t c_size) {
  std::vector<double> c(c_size, -1);
  const uint64_t in_bytes = StorageBytes(g.in), out_bytes = StorageBytes(g.out);
  for (const MmePart& part : parts) {
    const MmeDescriptor& d = part.descriptor;
    std::array<int64_t, 5> size, i{};
    for (int loop = 0; loop < 4; ++loop) {
      size[loop] = (d.conv_kernel_size_minus_1 >> (8 * loop) & 0xFF) + 1;
    }
    size[4] = mme::OUTER_LOOP::SIZE_MINUS_1::Get(d.outer_loop) + 1;
    for (i[4] = 0; i[4] < size[4]; ++i[4])
      for (i[3] = 0; i[3] < size[3]; ++i[3])
        for (i[2] = 0; i[2] < size[2]; ++i[2])
          for (i[1] = 0; i[1] < size[1]; ++i[1])
            for (i[0] = 0; i[0] < size[0]; ++i[0]) {
              Step(d, i, a, part.offset_a / in_bytes, b, part.offset_b / in_bytes)
                  .Store(c, part.offset_c / out_bytes);
            }
  }
  return c;
}

void CheckProduct(MmeGemm g, uint64_t gap) {
  const uint64_t a_rows = g.trans_a ? g.k : g.m, a_cols = g.trans_a ? g.m : g.k;
  const uint64_t b_rows = g.trans_b ? g.n : g.k, b_cols = g.trans_b ? g.k : g.n;
  g.lda = a_cols + gap, g.ldb = b_cols + gap, g.ldc = g.n + gap;
  uint64_t a_size = a_rows * g.lda, b_size = b_rows * g.ldb, c_size = g.m * g.ldc;
  for (auto& batch : g.batch) {
    if (batch.count == 1) continue;
    batch.stride_a = a_size, batch.stride_c = c_size;
    batch.stride_b = gap == 0 ? 0 : b_size;  // without a gap: one B for all
    a_size *= batch.count, c_size *= batch.count;
    if (gap != 0) b_size *= batch.count;
  }
  std::vector<double> a(a_size), b(b_size), want(c_size, -1);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<double>(i % 13) - 6;
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<double>(i % 7) - 3;
  const auto parts = LowerGemm(g);
  ASSERT_TRUE(parts.ok()) << parts.status();
  for (uint64_t y = 0; y < g.batch[1].count; ++y)
    for (uint64_t x = 0; x < g.batch[0].count; ++x)
      for (uint64_t m = 0; m < g.m; ++m)
        for (uint64_t n = 0; n < g.n; ++n) {
          const auto& [bx, by, bz] = g.batch;
          double sum = 0;
          for (uint64_t k = 0; k < g.k; ++k) {
            sum +=
                a[x * bx.stride_a + y * by.stride_a + (g.trans_a ? k * g.lda + m : m * g.lda + k)] *
                b[x * bx.stride_b + y * by.stride_b + (g.trans_b ? n * g.ldb + k : k * g.ldb + n)];
          }
          want[x * bx.stride_c + y * by.stride_c + m * g.ldc + n] = sum;
        }
  EXPECT_EQ(Interpret(g, *parts, a, b, c_size), want);
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

}  // namespace
}  // namespace openhpu::hal::gaudi2
