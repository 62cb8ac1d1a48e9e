// Tensors from nothing, and copies.
#include <string>

#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/elementwise.h"
#include "graph/ops/families.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
using Program = absl::StatusOr<hal::ExpressionProgram>;

Dims SizesOf(const Attributes& attributes, std::string_view name) {
  const std::vector<int64_t> sizes = attributes.Ints(name);
  return Dims(sizes.begin(), sizes.end());
}

Inferred InferFull(const Attributes& attributes, Types inputs) {
  if (!inputs.empty()) {
    return std::vector<TensorType>{{attributes.Type("dtype", inputs[0].dtype), inputs[0].sizes}};
  }
  if (attributes.Find("size") == nullptr)
    return absl::InvalidArgumentError("needs attribute 'size'");
  const Attribute* value = attributes.Find("fill_value");
  DType type = DType::kFloat32;
  if (value != nullptr && std::holds_alternative<int64_t>(*value)) type = DType::kInt64;
  if (value != nullptr && std::holds_alternative<bool>(*value)) type = DType::kBool;
  return std::vector<TensorType>{{attributes.Type("dtype", type), SizesOf(attributes, "size")}};
}

Program Full(const Attributes& attributes, absl::Span<const DType>, DType result) {
  ExpressionBuilder e({});
  return e.Finish(e.Constant(attributes.Real("fill_value"), result), result);
}

// One tensor, cast to whatever the output is.
Inferred InferCopy(const Attributes& attributes, Types inputs) {
  const DType type = attributes.Type("dtype", inputs[0].dtype);
  if (attributes.Find("size") != nullptr) {
    return std::vector<TensorType>{{type, SizesOf(attributes, "size")}};
  }
  return std::vector<TensorType>{{type, inputs[0].sizes}};
}

Program Copy(const Attributes&, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  return e.Finish(0, result);
}

const OpDeclaration kOps[] = {
    {"full",
     "a tensor of sizes `size` and dtype `dtype` (from the value's kind if absent) filled with "
     "`fill_value`",
     0,
     0,
     InferFull,
     Full,
     nullptr,
     {"full", "fill.Scalar", "zeros", "ones"}},
    {"copy",
     "input 0, cast to `dtype` or to the output's dtype, broadcast to `size` if given",
     1,
     1,
     InferCopy,
     Copy,
     nullptr,
     {"copy", "_to_copy", "clone", "contiguous", "fill.Tensor"}},
};

}  // namespace

absl::Span<const OpDeclaration> CreationOps() { return kOps; }

}  // namespace openhpu::graph
