// Shared by the element-wise families: shapes, and how operands become values of one type.
//
// Floats are computed in f32 and rounded once, to the result, whatever the op does in between;
// integers in their common type.
#ifndef GRAPH_OPS_ELEMENTWISE_H_
#define GRAPH_OPS_ELEMENTWISE_H_

#include "graph/ops/common.h"

namespace openhpu::graph {

Inferred InferSame(const Attributes& attributes, Types inputs);   // sizes and dtype of input 0
Inferred InferFloat(const Attributes& attributes, Types inputs);  // integers become f32
Inferred InferBool(const Attributes& attributes, Types inputs);   // sizes of input 0
Inferred InferBinary(
    const Attributes& attributes,
    Types inputs);  // broadcast and promoted; `other`, or `self`, may be an attribute
Inferred InferFloatBinary(const Attributes& attributes,
                          Types inputs);                            // the same, integers become f32
Inferred InferCompare(const Attributes& attributes, Types inputs);  // broadcast, bool
Inferred InferPow(const Attributes& attributes,
                  Types inputs);  // the second operand is called `exponent`

struct BinaryOperands {
  ExpressionBuilder::Value a, b;
  DType type;  // of both
};
// Inputs 0 and 1, or one of them from attribute `other` (second) or `self` (first).
absl::StatusOr<BinaryOperands> LoadBinary(ExpressionBuilder& e, const Attributes& attributes,
                                          absl::Span<const DType> inputs, DType result,
                                          const char* second = "other");
absl::StatusOr<BinaryOperands> LoadComparison(ExpressionBuilder& e, const Attributes& attributes,
                                              absl::Span<const DType> inputs);

// The type that values of these types are computed in: f32 if any is a float, else the common
// integer type (of the device).
DType ComputeType(absl::Span<const DType> types);

}  // namespace openhpu::graph

#endif  // GRAPH_OPS_ELEMENTWISE_H_
