// What lowering a product to MME descriptors is in every dialect: what is refused, how it is cut
// where loop counters end, and a matrix as the offsets that an address generator has in registers.
// And what is refused of a convolution.
#ifndef HAL_MME_PRODUCT_H_
#define HAL_MME_PRODUCT_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hal/commands.h"

namespace openhpu::hal {

inline constexpr uint64_t kMaxMmeSteps = 256;  // of a loop counter, 8 bits
inline constexpr uint64_t kMaxMmeStride = uint64_t{1} << 31;

constexpr uint64_t CeilDiv(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// Puts sizes into registers and remembers the first that does not fit.
class MmeFit {
 public:
  explicit MmeFit(std::string what) : what_(std::move(what)) {}

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

// A matrix as an operand sees it: `dense` elements along dim 0, `lines` lines `stride` apart.
struct MmeMatrix {
  uint64_t dense = 0, lines = 0, stride = 0;
  uint64_t roi_dense = 0, roi_lines = 0;  // of one step
  uint64_t loop_stride_dense = 0, loop_stride_lines = 0;
  uint64_t line_step = 1;  // lines from one of the walk to the next
};

struct MmeBatchDim {
  uint64_t count = 1, stride = 0;
};

// Fills a dialect's MmeTensor.
template <typename Tensor>
void SetMmeMatrix(const MmeMatrix& matrix, const std::array<MmeBatchDim, 3>& batch, MmeFit& fit,
                  Tensor& t) {
  const uint64_t whole = std::max<uint64_t>(1, matrix.lines * matrix.stride);
  fit("valid[0]", matrix.dense, t.valid_elements[0]);
  fit("valid[1]", matrix.lines * matrix.stride, t.valid_elements[1]);
  fit("loopStride[0]", matrix.loop_stride_dense, t.loop_stride[0]);
  fit("loopStride[1]", matrix.loop_stride_lines * matrix.stride, t.loop_stride[1]);
  fit("roiSize[0]", matrix.roi_dense, t.roi_size[0]);
  // As long as the walk: a shorter roi would carry into the batch dims.
  fit("roiSize[1]", matrix.roi_lines * matrix.stride, t.roi_size[1]);
  fit("spatialStride[0]", matrix.line_step * matrix.stride, t.spatial_strides[0]);
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

// The product, or the largest number when it has more than 64 bits.
uint64_t BoundedProduct(uint64_t a, uint64_t b, uint64_t c);

// A line stride of 0 is meaningless unless there is one line, whose stride may be anything: it
// becomes `natural`. Bounds strides so that products with sizes have 64 bits.
absl::Status CheckMmeStride(const char* field, uint64_t lines, uint64_t natural, uint64_t& stride);

// Refuses, by name, a product that no descriptor has; fills in the strides that it leaves open.
absl::Status CheckGemm(MmeGemm& gemm);

// The same for a convolution: sizes, and strides.
absl::Status CheckConvolution(MmeConvolution& convolution);

// A piece of a product: what one descriptor computes.
struct GemmPiece {
  uint64_t m0, m, n0, n;
  std::array<uint64_t, 3> b0, b;
};
// Pieces of at most kMaxMmeSteps steps of each loop, where a step makes rows x columns.
std::vector<GemmPiece> CutGemm(const MmeGemm& gemm, uint64_t rows, uint64_t columns);

// Where a piece's operands begin, in elements, and their batch dims.
struct GemmOperands {
  std::array<MmeBatchDim, 3> batch_a, batch_b, batch_c;
  uint64_t base_a = 0, base_b = 0, base_c = 0;
};
GemmOperands OperandsOf(const MmeGemm& gemm, const GemmPiece& piece);

}  // namespace openhpu::hal

#endif  // HAL_MME_PRODUCT_H_
