// What op declarations share: shapes, dtype promotion, operands, and the builder of expressions.
#ifndef GRAPH_OPS_COMMON_H_
#define GRAPH_OPS_COMMON_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "graph/ir.h"
#include "graph/op.h"
#include "hal/kernel/expression.h"

namespace openhpu::graph {

using Types = absl::Span<const TensorType>;
using Inferred = absl::StatusOr<std::vector<TensorType>>;

// PyTorch's broadcasting of sizes. InvalidArgument names both.
absl::StatusOr<Dims> BroadcastSizes(Types inputs);

// PyTorch's result type: of tensors with dims first, then of those without, then of the scalar
// (null: none), each only if its category (bool < integer < float) is higher than what was before.
DType Promote(Types inputs, const Attribute* scalar = nullptr);
DType PromotePair(DType a, DType b);  // both with dims
DType ToFloat(DType t);               // floats stay; others become f32

// A dim of a tensor of `rank`; negative ones count from the end. InvalidArgument when it has no
// such dim.
absl::StatusOr<int> ResolveDim(int64_t dim, int rank);
// Bit mask of the dims that attribute `name` lists; all of them if it is absent or empty.
absl::StatusOr<uint32_t> ResolveDims(const Attributes& attributes, std::string_view name, int rank);

// {h, w} (or `n` values) of attribute `name`: one number stands for all.
absl::StatusOr<std::vector<int64_t>> IntPair(const Attributes& attributes, std::string_view name,
                                             int64_t otherwise, int n = 2);

// Optional tensors that are absent. A node's inputs are the tensors of the ATen schema in order,
// without the absent ones; attribute `absent` lists the positions of those, where it matters
// (trailing ones need not be listed). Gives the input's index, or -1.
int OptionalInput(const Attributes& attributes, int position, int inputs);

// The bits of an immediate of this (device) dtype; values out of an integer's range saturate, bool
// is != 0.
uint32_t ConstantBits(double value, DType dtype);

// Builds an expression program. int64 inputs are int32. Values are numbers as in the program.
class ExpressionBuilder {
 public:
  using Value = uint16_t;
  explicit ExpressionBuilder(absl::Span<const DType> inputs);
  ExpressionBuilder(std::initializer_list<DType> inputs)
      : ExpressionBuilder(absl::Span<const DType>(inputs.begin(), inputs.size())) {}

  DType TypeOf(Value v) const { return hal::ValueDType(program_, v); }
  Value Constant(double value, DType dtype);
  Value Index(int dim);
  Value Cast(Value v, DType dtype);  // v itself if it has that dtype
  // The dtype of the result follows from the op.
  Value Op(hal::ExprOp op, Value a, Value b = 0, Value c = 0);
  Value Select(Value condition, Value a, Value b) {
    return Op(hal::ExprOp::kSelect, condition, a, b);
  }
  // `result` cast to the output's dtype.
  hal::ExpressionProgram Finish(Value result, DType dtype);

 private:
  hal::ExpressionProgram program_;
};

}  // namespace openhpu::graph

#endif  // GRAPH_OPS_COMMON_H_
