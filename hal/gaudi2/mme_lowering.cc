#include "hal/gaudi2/mme_lowering.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "hal/base/dtype.h"
#include "hal/base/status_macros.h"
#include "hal/mme_product.h"

namespace openhpu::hal::gaudi2 {
namespace {

namespace mme = abi::gaudi2::mme;
using abi::gaudi2::kMmeCoreCols;
using abi::gaudi2::kMmeCoreRows;
using abi::gaudi2::MmeAguPair;
using abi::gaudi2::MmeDescriptor;

constexpr uint32_t kNone = mme::kNoDim;
constexpr uint64_t kCores = 2;
constexpr uint64_t kTileRows = kCores * kMmeCoreRows;
constexpr uint64_t kTileColumns = kMmeCoreCols;
constexpr uint64_t kPortLines = 64;  // rows or columns that one input buffer gives
constexpr uint32_t kTaps = 0x7;      // the loops over the taps of a convolution

// The input buffers (SB), in the vendor's order of ports: two for A, two for B.
constexpr std::array<uint32_t, 2> kBuffersOfA = {0, 4};
constexpr std::array<uint32_t, 2> kBuffersOfB = {2, 3};

struct Type {
  mme::DataType code;
  uint64_t products;  // that one step of an accumulator sums: the common dim is padded to them
};

absl::StatusOr<Type> MmeType(const char* field, DType type) {
  if (type == DType::kFloat32) return Type{mme::DataType::kFloat32, 2};
  if (type == DType::kBFloat16) return Type{mme::DataType::kBFloat16, 8};
  return absl::InvalidArgumentError(
      absl::StrCat("MME: ", field, " = ", std::string(Name(type)), "; it computes f32 and bf16"));
}

uint32_t MaskOf(const std::array<uint32_t, 2>& buffers) {
  return 1u << buffers[0] | 1u << buffers[1];
}

// Which operand each buffer of a core gives its array. A is the core's own; its two buffers of B
// are also the partner's, by the remote inputs: input 0 has the partner's SB2, input 1 its SB3.
uint32_t Routing(bool master) {
  using Eus = mme::EUS_MASTER;                                     // EUS_SLAVE has the same fields
  const uint32_t own = master ? 0 : 2, partners = master ? 2 : 0;  // first port of B
  uint32_t word = Eus::SB0_EN::Set(0, 1);
  word = Eus::SB0_SEL::Set(word, mme::SelectA(0));
  word = Eus::SB4_EN::Set(word, 1);
  word = Eus::SB4_SEL::Set(word, mme::SelectA(1));
  word = Eus::SB2_EN::Set(word, 1);
  word = Eus::SB2_SEL::Set(word, mme::SelectB(own));
  word = Eus::SB3_EN::Set(word, 1);
  word = Eus::SB3_SEL::Set(word, mme::SelectB(own + 1));
  word = Eus::REMOTE_IN0_EN::Set(word, 1);
  word = Eus::REMOTE_IN0_SEL::Set(word, mme::SelectB(partners));
  word = Eus::REMOTE_IN1_EN::Set(word, 1);
  word = Eus::REMOTE_IN1_SEL::Set(word, mme::SelectB(partners + 1));
  word = Eus::SB2_REMOTE_OUT_EN::Set(word, 1);
  return Eus::SB3_REMOTE_OUT_EN::Set(word, 1);
}

// Every brain of both cores works. Inputs walk every loop; `accumulated` are those that the sum of
// a tile runs over, which its roll-up and its stores drop.
void SetBrains(bool trans_a, uint32_t accumulated, MmeDescriptor& d) {
  using Low = mme::BRAINS_LOW;
  using High = mme::BRAINS_HIGH;
  uint32_t low = Low::A_MASTER_EN::Set(0, 1);
  low = Low::A_SLAVE_EN::Set(low, 1);
  low = Low::B_MASTER_EN::Set(low, 1);
  low = Low::B_SLAVE_EN::Set(low, 1);
  low = Low::AGU_COUT0_MASTER_EN::Set(low, 1);
  low = Low::AGU_COUT0_SLAVE_EN::Set(low, 1);
  low = Low::AGU_COUT1_MASTER_EN::Set(low, 1);
  low = Low::AGU_COUT1_SLAVE_EN::Set(low, 1);
  low = Low::AGU_COUT0_LOOP_MASK::Set(low, accumulated);
  d.brains_low = Low::AGU_COUT1_LOOP_MASK::Set(low, accumulated);
  uint32_t high = High::EU_MASTER_EN::Set(0, 1);
  high = High::EU_SLAVE_EN::Set(high, 1);
  high = High::AP_MASTER_EN::Set(high, 1);
  high = High::AP_SLAVE_EN::Set(high, 1);
  high = High::AP_LOOP_MASK::Set(high, accumulated);
  d.brains_high = High::SHUFFLE_A::Set(
      high, static_cast<uint32_t>(trans_a ? mme::ShuffleA::kTwoPorts : mme::ShuffleA::kNone));
}

struct LoopDims {
  uint32_t a = kNone, b = kNone, c = kNone;
};

uint32_t Associate(LoopDims first, LoopDims second) {
  using Low = mme::CONV_LOW;  // CONV_HIGH has the same places
  uint32_t word = Low::DIM0_ASSOCIATED_DIMS_A::Set(0, first.a);
  word = Low::DIM0_ASSOCIATED_DIMS_B::Set(word, first.b);
  word = Low::DIM0_ASSOCIATED_DIMS_COUT::Set(word, first.c);
  word = Low::DIM1_ASSOCIATED_DIMS_A::Set(word, second.a);
  word = Low::DIM1_ASSOCIATED_DIMS_B::Set(word, second.b);
  return Low::DIM1_ASSOCIATED_DIMS_COUT::Set(word, second.c);
}

// loops[0..3] are the convolution loops, loops[4] the outer one.
void SetLoops(const std::array<uint64_t, 5>& sizes, const std::array<LoopDims, 5>& dims,
              MmeDescriptor& d) {
  using Kernel = mme::CONV_KERNEL_SIZE_MINUS_1;
  uint32_t kernel = Kernel::DIM0::Set(0, static_cast<uint32_t>(sizes[0] - 1));
  kernel = Kernel::DIM1::Set(kernel, static_cast<uint32_t>(sizes[1] - 1));
  kernel = Kernel::DIM2::Set(kernel, static_cast<uint32_t>(sizes[2] - 1));
  d.conv_kernel_size_minus_1 = Kernel::DIM3::Set(kernel, static_cast<uint32_t>(sizes[3] - 1));
  d.conv_low = Associate(dims[0], dims[1]);
  d.conv_high = Associate(dims[2], dims[3]);
  uint32_t outer = mme::OUTER_LOOP::SIZE_MINUS_1::Set(0, static_cast<uint32_t>(sizes[4] - 1));
  outer = mme::OUTER_LOOP::ASSOCIATED_DIMS_A::Set(outer, dims[4].a);
  outer = mme::OUTER_LOOP::ASSOCIATED_DIMS_B::Set(outer, dims[4].b);
  d.outer_loop = mme::OUTER_LOOP::ASSOCIATED_DIMS_COUT::Set(outer, dims[4].c);
}

// What is the same in every descriptor of a command. trans: dim 0 of the operand is the common one.
MmeDescriptor Common(bool trans_a, bool trans_b, uint32_t accumulated, mme::DataType in,
                     mme::DataType out) {
  MmeDescriptor d;
  uint32_t low = mme::HEADER_LOW::TRANS_A::Set(0, trans_a);
  low = mme::HEADER_LOW::TRANS_B::Set(low, trans_b);
  low = mme::HEADER_LOW::AGU_READS_A::Set(low, MaskOf(kBuffersOfA));
  low = mme::HEADER_LOW::AGU_READS_B::Set(low, MaskOf(kBuffersOfB));
  low = mme::HEADER_LOW::DOUBLE_ACCUMS::Set(low, 1);
  low = mme::HEADER_LOW::STORE_EN0::Set(low, 1);
  low = mme::HEADER_LOW::DATA_TYPE_IN::Set(low, static_cast<uint32_t>(in));
  d.header_low = mme::HEADER_LOW::DATA_TYPE_COUT::Set(low, static_cast<uint32_t>(out));
  SetBrains(trans_a, accumulated, d);
  d.eus_master = Routing(true);
  d.eus_slave = Routing(false);
  // Results do not depend on the following: the reset value, the vendor's, and no events.
  d.rate_limiter = 0x08040404;
  d.pcu = mme::PCU::RL_SATURATION::Set(0, 0x10000);
  d.perf_evt_in = mme::PERF_EVT_IN::START_END_MASK::Set(0, 3);
  d.perf_evt_out = mme::PERF_EVT_OUT::START_END_MASK::Set(0, 3);
  return d;
}

int32_t (&BaseOf(uint64_t core, MmeAguPair& pair))[5] {
  return core == 0 ? pair.master.roi_base_offset : pair.slave.roi_base_offset;
}

absl::StatusOr<MmePart> LowerPiece(const MmeGemm& g, const GemmPiece& p, uint64_t products,
                                   const MmeDescriptor& common) {
  MmePart part;
  MmeDescriptor& d = part.descriptor;
  d = common;
  const bool trans_a = !g.trans_a, trans_b = g.trans_b;
  const GemmOperands operands = OperandsOf(g, p);
  // Valid stays exact, so what is padded reads 0; k = 0 is one step over padding.
  const uint64_t k = std::max<uint64_t>(1, CeilDiv(g.k, products)) * products;

  MmeFit fit("MmeGemm");
  MmeMatrix a, b;
  if (trans_a) {  // [m][k]: a port has every fourth row, so that two cores of two ports have all
    a = {g.k, p.m, g.lda, k, kTileRows, 0, kTileRows};
    a.line_step = kCores * kBuffersOfA.size();
  } else {  // [k][m]: a line is one k, of 64 rows
    a = {p.m, g.k, g.lda, kPortLines, k, kTileRows, 0};
  }
  if (trans_b) {  // [n][k]
    b = {g.k, p.n, g.ldb, k, kPortLines, 0, kTileColumns};
  } else {  // [k][n]
    b = {p.n, g.k, g.ldb, kPortLines, k, kTileColumns, 0};
  }
  MmeMatrix c = {p.n, p.m, g.ldc, kTileColumns, kTileRows, kTileColumns, kTileRows};
  c.line_step = trans_a ? kCores : 1;  // rows are interleaved as A's
  SetMmeMatrix(a, operands.batch_a, fit, d.tensor_a);
  SetMmeMatrix(b, operands.batch_b, fit, d.tensor_b);
  SetMmeMatrix(c, operands.batch_c, fit, d.tensor_cout);
  fit("spatial size of a", (trans_a ? kPortLines : k) - 1, d.a_ss);
  fit("spatial size of b", (trans_b ? kPortLines : k) - 1, d.b_ss);
  d.cout_ss = kMmeCoreRows - 1;

  for (uint64_t core = 0; core < kCores; ++core) {
    for (uint64_t port = 0; port < kBuffersOfA.size(); ++port) {
      int32_t(&base)[5] = BaseOf(core, d.agu_in[kBuffersOfA[port]]);
      if (trans_a) {
        fit("roiBaseOffset[1] of a", (core + kCores * port) * g.lda, base[1]);
      } else {
        fit("roiBaseOffset[0] of a", kMmeCoreRows * core + kPortLines * port, base[0]);
      }
    }
    for (uint64_t port = 0; port < kBuffersOfB.size(); ++port) {
      const uint64_t column = kTileColumns / kCores * core + kPortLines * port;
      int32_t(&base)[5] = BaseOf(core, d.agu_in[kBuffersOfB[port]]);
      if (trans_b) {
        fit("roiBaseOffset[1] of b", column * g.ldb, base[1]);
      } else {
        fit("roiBaseOffset[0] of b", column, base[0]);
      }
    }
    for (uint64_t out = 0; out < 2; ++out) {
      int32_t(&base)[5] = BaseOf(core, d.agu_cout[out]);
      fit("roiBaseOffset[0] of c", kTileColumns / 2 * out, base[0]);
      fit("roiBaseOffset[1] of c", (trans_a ? 1 : kMmeCoreRows) * core * g.ldc, base[1]);
    }
  }
  RETURN_IF_ERROR(fit.status());

  SetLoops({CeilDiv(p.n, kTileColumns), CeilDiv(p.m, kTileRows), p.b[0], p.b[1], p.b[2]},
           {{{kNone, trans_b ? 1u : 0u, 0},
             {trans_a ? 1u : 0u, kNone, 1},
             {2, 2, 2},
             {3, 3, 3},
             {4, 4, 4}}},
           d);
  const uint64_t in_bytes = StorageBytes(g.in), out_bytes = StorageBytes(g.out);
  part.offset_a = operands.base_a * in_bytes;
  part.offset_b = operands.base_b * in_bytes;
  part.offset_c = operands.base_c * out_bytes;
  return part;
}

// Filters [f0, f0 + filters) of the convolution, whose strides are known.
absl::StatusOr<MmePart> LowerFilters(const MmeConvolution& c, uint64_t f0, uint64_t filters,
                                     uint64_t products, const MmeDescriptor& common) {
  MmePart part;
  MmeDescriptor& d = part.descriptor;
  d = common;
  using Low = mme::HEADER_LOW;
  d.header_low = Low::ADVANCE_A::Set(Low::ADVANCE_C::Set(d.header_low, 1), 1);
  // Taps move where a walk begins, so ports differ by where they start in it.
  using High = mme::HEADER_HIGH;
  d.header_high =
      High::SWAP_BASE_AND_OFFSET_A::Set(High::SWAP_BASE_AND_OFFSET_COUT::Set(d.header_high, 1), 1);

  const auto [xn, xh, xw] = c.x_strides;
  const auto [wr, ws, wc] = c.w_strides;
  const auto [yn, yh, yw] = c.y_strides;
  const uint64_t xd = c.height * xh, yd = c.out_height * yh;  // of the depth, which is 1
  const uint64_t wq = c.kernel_h * wr;
  constexpr uint64_t kPorts = kCores * kBuffersOfA.size();
  const uint64_t columns = std::max<uint64_t>(c.out_width, kPorts);
  const uint64_t channels = CeilDiv(c.channels, products) * products;

  MmeFit fit("MmeConvolution");
  const auto set = [&fit](abi::gaudi2::MmeTensor& t, const std::array<uint64_t, 5>& valid,
                          const std::array<uint64_t, 5>& loop, const std::array<uint64_t, 4>& roi,
                          const std::array<uint64_t, 4>& stride) {
    for (int i = 0; i < 5; ++i) {
      fit("valid", valid[i], t.valid_elements[i]);
      fit("loopStride", loop[i], t.loop_stride[i]);
      if (i == 4) break;
      fit("roiSize", roi[i], t.roi_size[i]);
      fit("spatialStride", stride[i], t.spatial_strides[i]);
    }
  };
  set(d.tensor_a, {c.channels, c.width * xw, c.height * xh, xd, c.batch * xn},
      {0, c.dilation_w * xw, c.dilation_h * xh, xd, 0},
      {channels, BoundedProduct(c.stride_w, columns, xw),
       BoundedProduct(c.stride_h, c.out_height, xh), xd},
      {BoundedProduct(kPorts, c.stride_w, xw), c.stride_h * xh, xd, xn});
  set(d.tensor_b, {filters, c.channels * wc, c.kernel_w * ws, wq, wq},
      {kTileColumns, 0, ws, wr, wq}, {kPortLines, channels * wc, ws, wr}, {wc, ws, wr, wq});
  set(d.tensor_cout, {filters, c.out_width * yw, c.out_height * yh, yd, c.batch * yn},
      {kTileColumns, 0, 0, 0, 0}, {kTileColumns, columns * yw, c.out_height * yh, yd},
      {kCores * yw, yh, yd, yn});
  d.a_ss = kPortLines - 1;
  fit("spatial size of b", channels - 1, d.b_ss);
  d.cout_ss = kMmeCoreRows - 1;
  int32_t pad = 0;
  fit("startOffset[0] (padding)", c.pad_w * xw, pad);
  d.tensor_a.start_offset[0] = static_cast<uint32_t>(-pad);
  fit("startOffset[1] (padding)", c.pad_h * xh, pad);
  d.tensor_a.start_offset[1] = static_cast<uint32_t>(-pad);
  for (uint64_t core = 0; core < kCores; ++core) {
    for (uint64_t port = 0; port < kBuffersOfA.size(); ++port) {
      fit("roiBaseOffset[1] of a", BoundedProduct(core + kCores * port, c.stride_w, xw),
          BaseOf(core, d.agu_in[kBuffersOfA[port]])[1]);
    }
    for (uint64_t port = 0; port < kBuffersOfB.size(); ++port) {
      fit("roiBaseOffset[0] of b", kTileColumns / kCores * core + kPortLines * port,
          BaseOf(core, d.agu_in[kBuffersOfB[port]])[0]);
    }
    for (uint64_t out = 0; out < 2; ++out) {
      int32_t(&base)[5] = BaseOf(core, d.agu_cout[out]);
      fit("roiBaseOffset[0] of c", kTileColumns / 2 * out, base[0]);
      fit("roiBaseOffset[1] of c", core * yw, base[1]);
    }
  }
  const uint64_t positions = BoundedProduct(c.batch, c.out_height, columns);
  fit("numIterations", (positions - 1) / kTileRows, d.num_iterations_minus_1);
  RETURN_IF_ERROR(fit.status());

  SetLoops({c.kernel_w, c.kernel_h, 1, CeilDiv(filters, kTileColumns), 1},
           {{{1, 2, kNone}, {2, 3, kNone}, {3, 4, kNone}, {kNone, 0, 0}, {}}}, d);
  part.offset_b = f0 * StorageBytes(c.in);
  part.offset_c = f0 * StorageBytes(c.out);
  return part;
}

}  // namespace

absl::StatusOr<std::vector<MmePart>> LowerGemm(const MmeGemm& gemm) {
  MmeGemm g = gemm;
  ASSIGN_OR_RETURN(const Type in, MmeType("in", g.in));
  ASSIGN_OR_RETURN(const Type out, MmeType("out", g.out));
  RETURN_IF_ERROR(CheckGemm(g));
  const MmeDescriptor common = Common(!g.trans_a, g.trans_b, 0, in.code, out.code);
  std::vector<MmePart> parts;
  for (const GemmPiece& piece : CutGemm(g, kTileRows, kTileColumns)) {
    ASSIGN_OR_RETURN(MmePart part, LowerPiece(g, piece, in.products, common));
    parts.push_back(part);
  }
  return parts;
}

absl::StatusOr<std::vector<MmePart>> LowerConvolution(const MmeConvolution& convolution) {
  MmeConvolution c = convolution;
  ASSIGN_OR_RETURN(const Type in, MmeType("in", c.in));
  ASSIGN_OR_RETURN(const Type out, MmeType("out", c.out));
  RETURN_IF_ERROR(CheckConvolution(c));
  const MmeDescriptor common = Common(true, false, kTaps, in.code, out.code);
  std::vector<MmePart> parts;
  constexpr uint64_t kMostFilters = kMaxMmeSteps * kTileColumns;
  for (uint64_t f0 = 0; f0 < c.filters; f0 += kMostFilters) {
    const uint64_t filters = std::min<uint64_t>(kMostFilters, c.filters - f0);
    ASSIGN_OR_RETURN(MmePart part, LowerFilters(c, f0, filters, in.products, common));
    parts.push_back(part);
  }
  return parts;
}

}  // namespace openhpu::hal::gaudi2
