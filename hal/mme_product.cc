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
