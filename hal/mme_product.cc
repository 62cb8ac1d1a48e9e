#include "hal/mme_product.h"

#include "hal/base/status_macros.h"

namespace openhpu::hal {

uint64_t BoundedProduct(uint64_t a, uint64_t b, uint64_t c) {
  uint64_t product;
  return __builtin_mul_overflow(a, b, &product) || __builtin_mul_overflow(product, c, &product)
             ? std::numeric_limits<uint64_t>::max()
             : product;
}

absl::Status CheckMmeStride(const char* field, uint64_t lines, uint64_t natural, uint64_t& stride) {
  if (stride >= kMaxMmeStride) {
    return absl::InvalidArgumentError(
        absl::StrCat("MME: ", field, " = ", stride, " elements does not fit 31 bits"));
  }
  if (stride != 0) return absl::OkStatus();
  if (lines > 1) {
    return absl::InvalidArgumentError(absl::StrCat("MME: ", field, " = 0 with ", lines, " lines"));
  }
  stride = std::max<uint64_t>(1, natural);
  return stride < kMaxMmeStride
             ? absl::OkStatus()
             : absl::InvalidArgumentError(
                   absl::StrCat("MME: ", field, ": ", stride, " elements does not fit 31 bits"));
}

absl::Status CheckGemm(MmeGemm& g) {
  if (g.m == 0 || g.n == 0) {
    return absl::InvalidArgumentError(absl::StrCat("MmeGemm: m = ", g.m, ", n = ", g.n));
  }
  RETURN_IF_ERROR(CheckMmeStride("lda", g.trans_a ? g.k : g.m, g.trans_a ? g.m : g.k, g.lda));
  RETURN_IF_ERROR(CheckMmeStride("ldb", g.trans_b ? g.n : g.k, g.trans_b ? g.k : g.n, g.ldb));
  RETURN_IF_ERROR(CheckMmeStride("ldc", g.m, g.n, g.ldc));
  for (int i = 0; i < 3; ++i) {
    if (g.batch[i].count == 0) {
      return absl::InvalidArgumentError(absl::StrCat("MmeGemm: batch[", i, "].count = 0"));
    }
    for (uint64_t stride : {g.batch[i].stride_a, g.batch[i].stride_b, g.batch[i].stride_c}) {
      if (stride >= kMaxMmeStride) {
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
  return absl::OkStatus();
}

absl::Status CheckConvolution(MmeConvolution& c) {
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
    if (taps == 0 || taps > kMaxMmeSteps) {
      return absl::InvalidArgumentError(absl::StrCat("MmeConvolution: a kernel of ", c.kernel_h,
                                                     " x ", c.kernel_w, "; each side 1 to ",
                                                     kMaxMmeSteps));
    }
  }
  auto& [xn, xh, xw] = c.x_strides;
  auto& [wr, ws, wc] = c.w_strides;
  auto& [yn, yh, yw] = c.y_strides;
  RETURN_IF_ERROR(CheckMmeStride("x_strides[2] (w)", c.width, c.channels, xw));
  RETURN_IF_ERROR(CheckMmeStride("x_strides[1] (h)", c.height, c.width * xw, xh));
  RETURN_IF_ERROR(CheckMmeStride("x_strides[0] (n)", c.batch, c.height * xh, xn));
  RETURN_IF_ERROR(CheckMmeStride("w_strides[2] (c)", c.channels, c.filters, wc));
  RETURN_IF_ERROR(CheckMmeStride("w_strides[1] (s)", c.kernel_w, c.channels * wc, ws));
  RETURN_IF_ERROR(CheckMmeStride("w_strides[0] (r)", c.kernel_h, c.kernel_w * ws, wr));
  RETURN_IF_ERROR(CheckMmeStride("y_strides[2] (w)", c.out_width, c.filters, yw));
  RETURN_IF_ERROR(CheckMmeStride("y_strides[1] (h)", c.out_height, c.out_width * yw, yh));
  return CheckMmeStride("y_strides[0] (n)", c.batch, c.out_height * yh, yn);
}

std::vector<GemmPiece> CutGemm(const MmeGemm& g, uint64_t step_rows, uint64_t step_columns) {
  std::vector<GemmPiece> pieces;
  const uint64_t rows = kMaxMmeSteps * step_rows, columns = kMaxMmeSteps * step_columns;
  const auto batches = [&g](int i, uint64_t begin) {
    return std::min<uint64_t>(kMaxMmeSteps, g.batch[i].count - begin);
  };
  for (uint64_t b2 = 0; b2 < g.batch[2].count; b2 += kMaxMmeSteps) {
    for (uint64_t b1 = 0; b1 < g.batch[1].count; b1 += kMaxMmeSteps) {
      for (uint64_t b0 = 0; b0 < g.batch[0].count; b0 += kMaxMmeSteps) {
        for (uint64_t m0 = 0; m0 < g.m; m0 += rows) {
          for (uint64_t n0 = 0; n0 < g.n; n0 += columns) {
            pieces.push_back({m0,
                              std::min(rows, g.m - m0),
                              n0,
                              std::min(columns, g.n - n0),
                              {b0, b1, b2},
                              {batches(0, b0), batches(1, b1), batches(2, b2)}});
          }
        }
      }
    }
  }
  return pieces;
}

GemmOperands OperandsOf(const MmeGemm& g, const GemmPiece& p) {
  GemmOperands operands;
  for (int i = 0; i < 3; ++i) {
    const MmeGemm::Batch& batch = g.batch[i];
    operands.batch_a[i] = {p.b[i], batch.stride_a};
    operands.batch_b[i] = {p.b[i], batch.stride_b};
    operands.batch_c[i] = {p.b[i], batch.stride_c};
    operands.base_a += p.b0[i] * batch.stride_a;
    operands.base_b += p.b0[i] * batch.stride_b;
    operands.base_c += p.b0[i] * batch.stride_c;
  }
  operands.base_a += g.trans_a ? p.m0 : p.m0 * g.lda;
  operands.base_b += g.trans_b ? p.n0 * g.ldb : p.n0;
  operands.base_c += p.m0 * g.ldc + p.n0;
  return operands;
}

}  // namespace openhpu::hal
