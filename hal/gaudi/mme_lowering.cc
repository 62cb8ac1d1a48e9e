#include "hal/gaudi/mme_lowering.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"

namespace openhpu::hal::gaudi {
namespace {

using abi::gaudi::MmeDescriptor;
using abi::gaudi::MmeTensor;
namespace mme = abi::gaudi::mme;

constexpr uint64_t kMaxSteps = 256;  // of a loop counter
constexpr uint32_t kNone = mme::kNoDim;

// Puts sizes into registers and remembers the first that does not fit.
class Fit {
 public:
  explicit Fit(std::string what) : what_(std::move(what)) {}

  // All offsets are compared as signed 32-bit numbers, so they stay below 2^31.
  template <typename T>
  void operator()(const char* field, uint64_t value, T& out) {
    if (value > static_cast<uint64_t>(std::numeric_limits<int32_t>::max())) {
      if (status_.ok()) {
        status_ = absl::InvalidArgumentError(
            absl::StrCat(what_, ": ", field, " = ", value, " elements does not fit 31 bits"));
      }
      return;
    }
    out = static_cast<T>(value);
  }
  const absl::Status& status() const { return status_; }

 private:
  std::string what_;
  absl::Status status_;
};

absl::StatusOr<mme::DataType> MmeType(const char* field, DType type) {
  if (type == DType::kFloat32) return mme::DataType::kFloat32;
  if (type == DType::kBFloat16) return mme::DataType::kBFloat16;
  return absl::InvalidArgumentError(
      absl::StrCat("MME: ", field, " = ", std::string(Name(type)), "; it computes f32 and bf16"));
}

uint64_t CeilDiv(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

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

// A matrix as an operand sees it: `dense` elements along dim 0, `lines` lines `stride` apart.
struct Matrix {
  uint64_t dense = 0, lines = 0, stride = 0;
  uint64_t roi_dense = 0, roi_lines = 0;  // of one step
  uint64_t loop_stride_dense = 0, loop_stride_lines = 0;
};

struct BatchDim {
  uint64_t count = 1, stride = 0;
};

void SetMatrix(const Matrix& matrix, const std::array<BatchDim, 3>& batch, Fit& fit, MmeTensor& t) {
  const uint64_t whole = std::max<uint64_t>(1, matrix.lines * matrix.stride);
  fit("valid[0]", matrix.dense, t.valid_elements[0]);
  fit("valid[1]", matrix.lines * matrix.stride, t.valid_elements[1]);
  fit("loopStride[0]", matrix.loop_stride_dense, t.loop_stride[0]);
  fit("loopStride[1]", matrix.loop_stride_lines * matrix.stride, t.loop_stride[1]);
  fit("roiSize[0]", matrix.roi_dense, t.roi_size[0]);
  // As long as the walk: a shorter roi would carry into the batch dims.
  fit("roiSize[1]", matrix.roi_lines * matrix.stride, t.roi_size[1]);
  fit("spatialStride[0]", matrix.stride, t.spatial_strides[0]);
  for (int i = 0; i < 3; ++i) {
    const bool moves = batch[i].count > 1 && batch[i].stride > 0;
    const uint64_t step = moves ? batch[i].stride : whole;
    const uint64_t valid = moves ? batch[i].stride * batch[i].count : whole;
    const bool broadcast = batch[i].count > 1 && batch[i].stride == 0;
    fit("batch: valid", valid, t.valid_elements[2 + i]);
    fit("batch: loopStride", broadcast ? 0 : step, t.loop_stride[2 + i]);
    if (i < 2) fit("batch: roiSize", valid, t.roi_size[2 + i]);
    fit("batch: spatialStride", step, t.spatial_strides[1 + i]);
  }
}

constexpr uint64_t kMaxStride = uint64_t{1} << 31;

// The product, or the largest number when it has more than 64 bits.
uint64_t Product(uint64_t a, uint64_t b, uint64_t c) {
  uint64_t product;
  return __builtin_mul_overflow(a, b, &product) || __builtin_mul_overflow(product, c, &product)
             ? std::numeric_limits<uint64_t>::max()
             : product;
}

// A line stride of 0 is meaningless unless there is one line, whose stride may be anything. Bounds
// strides so that products with sizes have 64 bits.
absl::Status CheckStride(const char* field, uint64_t lines, uint64_t natural, uint64_t& stride) {
  if (stride >= kMaxStride) {
    return absl::InvalidArgumentError(
        absl::StrCat("MME: ", field, " = ", stride, " elements does not fit 31 bits"));
  }
  if (stride != 0) return absl::OkStatus();
  if (lines > 1) {
    return absl::InvalidArgumentError(absl::StrCat("MME: ", field, " = 0 with ", lines, " lines"));
  }
  stride = std::max<uint64_t>(1, natural);
  return stride < kMaxStride ? absl::OkStatus()
                             : absl::InvalidArgumentError(absl::StrCat(
                                   "MME: ", field, ": ", stride, " elements does not fit 31 bits"));
}

// A piece of a product: what one descriptor computes.
struct GemmPiece {
  uint64_t m0, m, n0, n;
  std::array<uint64_t, 3> b0, b;
};

absl::StatusOr<MmePart> LowerPiece(const MmeGemm& g, const GemmPiece& p, uint64_t m,
                                   const MmeDescriptor& common) {
  MmePart part;
  MmeDescriptor& d = part.descriptor;
  d = common;
  d.header_low = mme::HEADER_LOW::TRANS_S::Set(d.header_low, g.trans_a ? 0 : 1);
  d.header_low = mme::HEADER_LOW::TRANS_L::Set(d.header_low, g.trans_b ? 1 : 0);

  std::array<BatchDim, 3> batch_a, batch_b, batch_c;
  uint64_t base_a = 0, base_b = 0, base_c = 0;  // elements
  for (int i = 0; i < 3; ++i) {
    const MmeGemm::Batch& batch = g.batch[i];
    batch_a[i] = {p.b[i], batch.stride_a};
    batch_b[i] = {p.b[i], batch.stride_b};
    batch_c[i] = {p.b[i], batch.stride_c};
    base_a += p.b0[i] * batch.stride_a;
    base_b += p.b0[i] * batch.stride_b;
    base_c += p.b0[i] * batch.stride_c;
  }
  base_a += g.trans_a ? p.m0 : p.m0 * g.lda;
  base_b += g.trans_b ? p.n0 * g.ldb : p.n0;
  base_c += p.m0 * g.ldc + p.n0;

  // k = 0 is one step over padding: valid is 0, the walk is not.
  const uint64_t k = std::max<uint64_t>(1, g.k);
  Fit fit("MmeGemm");
  Matrix s;
  if (g.trans_a) {  // [k][m]: a line is one k
    s = {p.m, g.k, g.lda, m, k, m, 0};
  } else {  // [m][k]
    s = {g.k, p.m, g.lda, k, m, 0, m};
  }
  SetMatrix(s, batch_a, fit, d.tensor_s);
  Matrix l;
  if (g.trans_b) {  // [n][k]
    l = {g.k, p.n, g.ldb, k, m, 0, 2 * m};
  } else {  // [k][n]
    l = {p.n, g.k, g.ldb, m, k, 2 * m, 0};
  }
  SetMatrix(l, batch_b, fit, d.tensor_l);
  SetMatrix({p.n, p.m, g.ldc, m, m, 2 * m, m}, batch_c, fit, d.tensor_o);
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
  part.offset_s = base_a * in_bytes;
  part.offset_l = base_b * in_bytes;
  part.offset_o = base_c * out_bytes;
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
  if (g.m == 0 || g.n == 0) {
    return absl::InvalidArgumentError(absl::StrCat("MmeGemm: m = ", g.m, ", n = ", g.n));
  }
  RETURN_IF_ERROR(CheckStride("lda", g.trans_a ? g.k : g.m, g.trans_a ? g.m : g.k, g.lda));
  RETURN_IF_ERROR(CheckStride("ldb", g.trans_b ? g.n : g.k, g.trans_b ? g.k : g.n, g.ldb));
  RETURN_IF_ERROR(CheckStride("ldc", g.m, g.n, g.ldc));
  for (int i = 0; i < 3; ++i) {
    if (g.batch[i].count == 0) {
      return absl::InvalidArgumentError(absl::StrCat("MmeGemm: batch[", i, "].count = 0"));
    }
    for (uint64_t stride : {g.batch[i].stride_a, g.batch[i].stride_b, g.batch[i].stride_c}) {
      if (stride >= kMaxStride) {
        return absl::InvalidArgumentError(absl::StrCat("MmeGemm: batch[", i, "]: stride ", stride,
                                                       " elements does not fit 31 bits"));
      }
    }
    if (g.batch[i].count > 1 && g.batch[i].stride_c == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("MmeGemm: batch[", i,
                       "].stride_c = 0: every product would be written to "
                       "the same place"));
    }
  }

  const uint64_t m = RowsOf(chip, g.in);
  const MmeDescriptor common = Common(in, out);
  std::vector<MmePart> parts;
  const uint64_t rows = kMaxSteps * m, columns = kMaxSteps * 2 * m;
  for (uint64_t b2 = 0; b2 < g.batch[2].count; b2 += kMaxSteps) {
    for (uint64_t b1 = 0; b1 < g.batch[1].count; b1 += kMaxSteps) {
      for (uint64_t b0 = 0; b0 < g.batch[0].count; b0 += kMaxSteps) {
        for (uint64_t m0 = 0; m0 < g.m; m0 += rows) {
          for (uint64_t n0 = 0; n0 < g.n; n0 += columns) {
            const GemmPiece piece = {m0,
                                     std::min(rows, g.m - m0),
                                     n0,
                                     std::min(columns, g.n - n0),
                                     {b0, b1, b2},
                                     {std::min<uint64_t>(kMaxSteps, g.batch[0].count - b0),
                                      std::min<uint64_t>(kMaxSteps, g.batch[1].count - b1),
                                      std::min<uint64_t>(kMaxSteps, g.batch[2].count - b2)}};
            ASSIGN_OR_RETURN(MmePart part, LowerPiece(g, piece, m, common));
            parts.push_back(part);
          }
        }
      }
    }
  }
  return parts;
}

absl::StatusOr<std::vector<MmePart>> LowerConvolution(const Chip& chip,
                                                      const MmeConvolution& convolution) {
  MmeConvolution c = convolution;
  ASSIGN_OR_RETURN(const mme::DataType in, MmeType("in", c.in));
  ASSIGN_OR_RETURN(const mme::DataType out, MmeType("out", c.out));
  const auto positive = [](const char* field, uint32_t value) {
    return value > 0 ? absl::OkStatus()
                     : absl::InvalidArgumentError(absl::StrCat("MmeConvolution: ", field, " = 0"));
  };
  RETURN_IF_ERROR(positive("batch", c.batch));
  RETURN_IF_ERROR(positive("height", c.height));
  RETURN_IF_ERROR(positive("width", c.width));
  RETURN_IF_ERROR(positive("channels", c.channels));
  RETURN_IF_ERROR(positive("out_height", c.out_height));
  RETURN_IF_ERROR(positive("out_width", c.out_width));
  RETURN_IF_ERROR(positive("filters", c.filters));
  RETURN_IF_ERROR(positive("stride_h", c.stride_h));
  RETURN_IF_ERROR(positive("stride_w", c.stride_w));
  RETURN_IF_ERROR(positive("dilation_h", c.dilation_h));
  RETURN_IF_ERROR(positive("dilation_w", c.dilation_w));
  for (uint32_t taps : {c.kernel_h, c.kernel_w}) {
    if (taps == 0 || taps > kMaxSteps) {
      return absl::InvalidArgumentError(absl::StrCat("MmeConvolution: a kernel of ", c.kernel_h,
                                                     " x ", c.kernel_w, "; each side 1 to ",
                                                     kMaxSteps));
    }
  }
  // Strides in the order of the descriptor's dims, which count from the innermost.
  uint64_t xw = c.x_strides[2], xh = c.x_strides[1], xn = c.x_strides[0];
  uint64_t wc = c.w_strides[2], ws = c.w_strides[1], wr = c.w_strides[0];
  uint64_t yw = c.y_strides[2], yh = c.y_strides[1], yn = c.y_strides[0];
  RETURN_IF_ERROR(CheckStride("x_strides[2] (w)", c.width, c.channels, xw));
  RETURN_IF_ERROR(CheckStride("x_strides[1] (h)", c.height, c.width * xw, xh));
  RETURN_IF_ERROR(CheckStride("x_strides[0] (n)", c.batch, c.height * xh, xn));
  RETURN_IF_ERROR(CheckStride("w_strides[2] (c)", c.channels, c.filters, wc));
  RETURN_IF_ERROR(CheckStride("w_strides[1] (s)", c.kernel_w, c.channels * wc, ws));
  RETURN_IF_ERROR(CheckStride("w_strides[0] (r)", c.kernel_h, c.kernel_w * ws, wr));
  RETURN_IF_ERROR(CheckStride("y_strides[2] (w)", c.out_width, c.filters, yw));
  RETURN_IF_ERROR(CheckStride("y_strides[1] (h)", c.out_height, c.out_width * yw, yh));
  RETURN_IF_ERROR(CheckStride("y_strides[0] (n)", c.batch, c.out_height * yh, yn));
  const uint64_t xd = c.height * xh, yd = c.out_height * yh;  // of the depth, which is 1

  const uint64_t m = RowsOf(chip, c.in);
  const uint64_t positions = uint64_t{c.batch} * c.out_height * c.out_width;
  std::vector<MmePart> parts;
  for (uint64_t f0 = 0; f0 < c.filters; f0 += kMaxSteps * 2 * m) {
    const uint64_t filters = std::min<uint64_t>(kMaxSteps * 2 * m, c.filters - f0);
    MmePart part;
    MmeDescriptor& d = part.descriptor;
    d = Common(in, out);
    d.header_low = mme::HEADER_LOW::TRANS_S::Set(d.header_low, 1);
    d.header_low = mme::HEADER_LOW::ADVANCE_S::Set(d.header_low, 1);
    d.header_low = mme::HEADER_LOW::ADVANCE_O::Set(d.header_low, 1);
    d.header_low = mme::HEADER_LOW::ACCUM_MASK::Set(d.header_low, 0x7);

    Fit fit("MmeConvolution");
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
        {c.channels, Product(c.stride_w, c.out_width, xw), Product(c.stride_h, c.out_height, xh),
         xd},
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
