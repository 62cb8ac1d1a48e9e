#include "hal/gaudi/mme_lowering.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "hal/mme_product.h"

namespace openhpu::hal::gaudi {
namespace {

using abi::gaudi::MmeDescriptor;
using abi::gaudi::MmeTensor;
namespace mme = abi::gaudi::mme;

constexpr uint32_t kNone = mme::kNoDim;

absl::StatusOr<mme::DataType> MmeType(const char* field, DType type) {
  if (type == DType::kFloat32) return mme::DataType::kFloat32;
  if (type == DType::kBFloat16) return mme::DataType::kBFloat16;
  return absl::InvalidArgumentError(
      absl::StrCat("MME: ", field, " = ", std::string(Name(type)), "; it computes f32 and bf16"));
}

// What is the same in every descriptor.
MmeDescriptor Common(mme::DataType in, mme::DataType out) {
  MmeDescriptor d;
  uint32_t low = 0;
  low = mme::HEADER_LOW::DATA_TYPE_IN::Set(low, static_cast<uint32_t>(in));
  low = mme::HEADER_LOW::DATA_TYPE_OUT::Set(low, static_cast<uint32_t>(out));
  low = mme::HEADER_LOW::STORE_EN::Set(low, 1);
  low = mme::HEADER_LOW::SIGNAL_MASK::Set(low, mme::HEADER_LOW::SIGNAL_MASK::kMax);
  d.header_low = low;
  d.header_high = mme::HEADER_HIGH::EUB_EN::Set(mme::HEADER_HIGH::RESERV_SW::Set(0, 1), 1);
  uint32_t repeat = 0;
  repeat = mme::SB_REPEAT::LOAD_S::Set(repeat, 1);
  repeat = mme::SB_REPEAT::TEB_S_EN::Set(repeat, 1);
  repeat = mme::SB_REPEAT::LOAD_L::Set(repeat, 1);
  repeat = mme::SB_REPEAT::TEB_L_EN::Set(repeat, 1);
  d.sb_repeat = repeat;
  // Results do not depend on the following; the values are the vendor's.
  d.rate_limiter = 0x00020404;
  d.pcu_rl_saturation = 0x10000;
  d.perf_evt_s = d.perf_evt_l_local = d.perf_evt_l_remote = 0x03F30000;
  d.perf_evt_o_local = d.perf_evt_o_remote = 0x03F30000;
  return d;
}

struct LoopDims {
  uint32_t s = kNone, l = kNone, o = kNone;
};

uint32_t Associate(LoopDims first, LoopDims second) {
  using Low = mme::CONV_ASSOCIATED_DIMS_LOW;
  uint32_t word = 0;
  word = Low::DIM_S_DIM0::Set(word, first.s);
  word = Low::DIM_L_DIM0::Set(word, first.l);
  word = Low::DIM_O_DIM0::Set(word, first.o);
  word = Low::DIM_S_DIM1::Set(word, second.s);
  word = Low::DIM_L_DIM1::Set(word, second.l);
  return Low::DIM_O_DIM1::Set(word, second.o);
}

// loops[0..3] are the convolution loops, loops[4] the outer one.
void SetLoops(const std::array<uint64_t, 5>& sizes, const std::array<LoopDims, 5>& dims,
              MmeDescriptor& d) {
  using Kernel = mme::CONV_KERNEL_SIZE_MINUS_1;
  uint32_t kernel = Kernel::DIM0::Set(0, static_cast<uint32_t>(sizes[0] - 1));
  kernel = Kernel::DIM1::Set(kernel, static_cast<uint32_t>(sizes[1] - 1));
  kernel = Kernel::DIM2::Set(kernel, static_cast<uint32_t>(sizes[2] - 1));
  d.conv_kernel_size_minus_1 = Kernel::DIM3::Set(kernel, static_cast<uint32_t>(sizes[3] - 1));
  d.conv_associated_dims_low = Associate(dims[0], dims[1]);
  d.conv_associated_dims_high = Associate(dims[2], dims[3]);
  uint32_t outer = mme::OUTER_LOOP::SIZE_MINUS_1::Set(0, static_cast<uint32_t>(sizes[4] - 1));
  outer = mme::OUTER_LOOP::DIM_S::Set(outer, dims[4].s);
  outer = mme::OUTER_LOOP::DIM_L::Set(outer, dims[4].l);
  d.outer_loop = mme::OUTER_LOOP::DIM_O::Set(outer, dims[4].o);
}

absl::StatusOr<MmePart> LowerPiece(const MmeGemm& g, const GemmPiece& p, uint64_t m,
                                   const MmeDescriptor& common) {
  MmePart part;
  MmeDescriptor& d = part.descriptor;
  d = common;
  d.header_low = mme::HEADER_LOW::TRANS_S::Set(d.header_low, g.trans_a ? 0 : 1);
  d.header_low = mme::HEADER_LOW::TRANS_L::Set(d.header_low, g.trans_b ? 1 : 0);

  const GemmOperands operands = OperandsOf(g, p);
  // k = 0 is one step over padding: valid is 0, the walk is not.
  const uint64_t k = std::max<uint64_t>(1, g.k);
  MmeFit fit("MmeGemm");
  MmeMatrix s;
  if (g.trans_a) {  // [k][m]: a line is one k
    s = {p.m, g.k, g.lda, m, k, m, 0};
  } else {  // [m][k]
    s = {g.k, p.m, g.lda, k, m, 0, m};
  }
  SetMmeMatrix(s, operands.batch_a, fit, d.tensor_s);
  MmeMatrix l;
  if (g.trans_b) {  // [n][k]
    l = {g.k, p.n, g.ldb, k, m, 0, 2 * m};
  } else {  // [k][n]
    l = {p.n, g.k, g.ldb, m, k, 2 * m, 0};
  }
  SetMmeMatrix(l, operands.batch_b, fit, d.tensor_l);
  SetMmeMatrix({p.n, p.m, g.ldc, m, m, 2 * m, m}, operands.batch_c, fit, d.tensor_o);
  fit("spatialSizeMinus1", g.trans_a ? k - 1 : m - 1, d.tensor_s.spatial_size_minus_1);
  fit("spatialSizeMinus1", g.trans_b ? m - 1 : k - 1, d.tensor_l.spatial_size_minus_1);
  d.tensor_o.spatial_size_minus_1 = static_cast<uint32_t>(m - 1);
  if (g.trans_b) {
    fit("roiBaseOffset[1]", m * g.ldb, d.agu_l_remote.roi_base_offset[1]);
  } else {
    d.agu_l_remote.roi_base_offset[0] = static_cast<int32_t>(m);
  }
  d.agu_o_remote.roi_base_offset[0] = static_cast<int32_t>(m);
  RETURN_IF_ERROR(fit.status());

  SetLoops({CeilDiv(p.n, 2 * m), CeilDiv(p.m, m), p.b[0], p.b[1], p.b[2]},
           {{{kNone, g.trans_b ? 1u : 0u, 0},
             {g.trans_a ? 0u : 1u, kNone, 1},
             {2, 2, 2},
             {3, 3, 3},
             {4, 4, 4}}},
           d);
  const uint64_t in_bytes = StorageBytes(g.in), out_bytes = StorageBytes(g.out);
  part.offset_s = operands.base_a * in_bytes;
  part.offset_l = operands.base_b * in_bytes;
  part.offset_o = operands.base_c * out_bytes;
  return part;
}

uint64_t RowsOf(const Chip& chip, DType in) {
  return in == DType::kBFloat16 ? chip.mme().rows_bf16().value() : chip.mme().rows_fp32().value();
}

}  // namespace

absl::StatusOr<std::vector<MmePart>> LowerGemm(const Chip& chip, const MmeGemm& gemm) {
  MmeGemm g = gemm;
  ASSIGN_OR_RETURN(const mme::DataType in, MmeType("in", g.in));
  ASSIGN_OR_RETURN(const mme::DataType out, MmeType("out", g.out));
  RETURN_IF_ERROR(CheckGemm(g));
  const uint64_t m = RowsOf(chip, g.in);
  const MmeDescriptor common = Common(in, out);
  std::vector<MmePart> parts;
  for (const GemmPiece& piece : CutGemm(g, m, 2 * m)) {
    ASSIGN_OR_RETURN(MmePart part, LowerPiece(g, piece, m, common));
    parts.push_back(part);
  }
  return parts;
}

absl::StatusOr<std::vector<MmePart>> LowerConvolution(const Chip& chip,
                                                      const MmeConvolution& convolution) {
  MmeConvolution c = convolution;
  ASSIGN_OR_RETURN(const mme::DataType in, MmeType("in", c.in));
  ASSIGN_OR_RETURN(const mme::DataType out, MmeType("out", c.out));
  RETURN_IF_ERROR(CheckConvolution(c));
  const auto [xn, xh, xw] = c.x_strides;
  const auto [wr, ws, wc] = c.w_strides;
  const auto [yn, yh, yw] = c.y_strides;
  const uint64_t xd = c.height * xh, yd = c.out_height * yh;  // of the depth, which is 1

  const uint64_t m = RowsOf(chip, c.in);
  const uint64_t positions = uint64_t{c.batch} * c.out_height * c.out_width;
  std::vector<MmePart> parts;
  for (uint64_t f0 = 0; f0 < c.filters; f0 += kMaxMmeSteps * 2 * m) {
    const uint64_t filters = std::min<uint64_t>(kMaxMmeSteps * 2 * m, c.filters - f0);
    MmePart part;
    MmeDescriptor& d = part.descriptor;
    d = Common(in, out);
    d.header_low = mme::HEADER_LOW::TRANS_S::Set(d.header_low, 1);
    d.header_low = mme::HEADER_LOW::ADVANCE_S::Set(d.header_low, 1);
    d.header_low = mme::HEADER_LOW::ADVANCE_O::Set(d.header_low, 1);
    d.header_low = mme::HEADER_LOW::ACCUM_MASK::Set(d.header_low, 0x7);

    MmeFit fit("MmeConvolution");
    const auto set = [&fit](MmeTensor& t, const std::array<uint64_t, 5>& valid,
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
    set(d.tensor_s, {c.channels, c.width * xw, c.height * xh, xd, c.batch * xn},
        {0, c.dilation_w * xw, c.dilation_h * xh, xd, 0},
        {c.channels, BoundedProduct(c.stride_w, c.out_width, xw),
         BoundedProduct(c.stride_h, c.out_height, xh), xd},
        {c.stride_w * xw, c.stride_h * xh, xd, xn});
    set(d.tensor_l, {filters, c.channels * wc, c.kernel_w * ws, c.kernel_h * wr, c.kernel_h * wr},
        {2 * m, 0, ws, wr, c.kernel_h * wr}, {m, c.channels * wc, ws, wr},
        {wc, ws, wr, c.kernel_h * wr});
    set(d.tensor_o, {filters, c.out_width * yw, c.out_height * yh, yd, c.batch * yn},
        {2 * m, 0, 0, 0, 0}, {m, c.out_width * yw, c.out_height * yh, yd}, {yw, yh, yd, yn});
    d.tensor_s.spatial_size_minus_1 = d.tensor_o.spatial_size_minus_1 =
        static_cast<uint32_t>(m - 1);
    d.tensor_l.spatial_size_minus_1 = c.channels - 1;
    int32_t pad = 0;
    fit("roiBaseOffset[1] (padding)", c.pad_w * xw, pad);
    d.agu_s.roi_base_offset[1] = -pad;
    fit("roiBaseOffset[2] (padding)", c.pad_h * xh, pad);
    d.agu_s.roi_base_offset[2] = -pad;
    d.agu_l_remote.roi_base_offset[0] = d.agu_o_remote.roi_base_offset[0] = static_cast<int32_t>(m);
    fit("numIterations", CeilDiv(positions, m) - 1, d.num_iterations_minus_1);
    RETURN_IF_ERROR(fit.status());

    SetLoops({c.kernel_w, c.kernel_h, 1, CeilDiv(filters, 2 * m), 1},
             {{{1, 2, kNone}, {2, 3, kNone}, {3, 4, kNone}, {kNone, 0, 0}, {}}}, d);
    part.offset_l = f0 * StorageBytes(c.in);
    part.offset_o = f0 * StorageBytes(c.out);
    parts.push_back(part);
  }
  return parts;
}

}  // namespace openhpu::hal::gaudi
