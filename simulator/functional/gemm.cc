#include "simulator/functional/gemm.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

absl::Status CheckTypes(DType in, DType out) {
  for (DType type : {in, out}) {
    if (!IsFloat(type)) {
      return absl::InvalidArgumentError(
          absl::StrCat("product of ", std::string(Name(type)), ": only f32 and bf16"));
    }
  }
  return absl::OkStatus();
}

template <typename Array>
absl::Status CheckAtLeast(const char* what, const Array& values, int64_t least) {
  for (int64_t value : values) {
    if (value < least) {
      return absl::InvalidArgumentError(absl::StrCat(what, " is ", value, ", less than ", least));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const GemmShape& s) {
  RETURN_IF_ERROR(CheckTypes(s.in, s.out));
  RETURN_IF_ERROR(CheckAtLeast("size of a matrix", std::array<int64_t, 3>{s.m, s.n, s.k}, 0));
  RETURN_IF_ERROR(CheckAtLeast("size of the batch", s.batch, 0));
  if (s.c.column != 1) return absl::InvalidArgumentError("columns of the result are not dense");
  return absl::OkStatus();
}

absl::Status Validate(const ConvolutionShape& s) {
  RETURN_IF_ERROR(CheckTypes(s.in_type, s.out_type));
  RETURN_IF_ERROR(CheckAtLeast("batch, channels or features",
                               std::array<int64_t, 3>{s.batch, s.channels, s.features}, 0));
  RETURN_IF_ERROR(CheckAtLeast("size of the input", s.in, 0));
  RETURN_IF_ERROR(CheckAtLeast("size of the kernel", s.kernel, 1));
  RETURN_IF_ERROR(CheckAtLeast("size of the output", s.out, 0));
  RETURN_IF_ERROR(CheckAtLeast("stride", s.stride, 1));
  return CheckAtLeast("dilation", s.dilation, 1);
}

}  // namespace openhpu::simulator
