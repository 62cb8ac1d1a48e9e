// One declaration an op: what it is called, what it takes, how its result's shape follows, and how
// it becomes engine work. All declarations are in graph/ops/, one file a family; an op's name finds
// it with grep. The ATen operators that an op serves are named here too (`aten`), as data: torch is
// known in python/native alone.
#ifndef GRAPH_OP_H_
#define GRAPH_OP_H_

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "graph/ir.h"
#include "hal/kernel/expression.h"

namespace openhpu::graph {

class Lowering;  // graph/lowering.h: what a `lower` function writes engine steps into

// Results of an op for these operands: dtypes and sizes, one an output.
using InferFunction = absl::StatusOr<std::vector<TensorType>> (*)(
    const Attributes& attributes, absl::Span<const TensorType> inputs);
using LowerFunction = absl::Status (*)(Lowering& lowering, const Node& node);
// Element-wise ops: the program of one element (inputs broadcast against each other, in order;
// dtypes as given, int64 already int32; scalars are attributes).
using ExpressionFunction = absl::StatusOr<hal::ExpressionProgram> (*)(
    const Attributes& attributes, absl::Span<const DType> inputs, DType result);

struct OpDeclaration {
  std::string_view name;  // "softmax"
  std::string_view doc;   // operands, attributes with defaults, results; one or two sentences
  int min_inputs = 0, max_inputs = 0;
  InferFunction infer = nullptr;
  // Exactly one of the two. Element-wise ops are lowered, and fused, by their expression.
  ExpressionFunction expression = nullptr;
  LowerFunction lower = nullptr;
  // Which ATen overloads it is: "add.Tensor", "add.Scalar". The bindings walk this.
  std::vector<std::string_view> aten;
};

// NotFound for an unknown name. Declarations live forever, so their addresses are identities.
absl::StatusOr<const OpDeclaration*> FindOp(std::string_view name);
// All, sorted by name.
absl::Span<const OpDeclaration* const> AllOps();

}  // namespace openhpu::graph

#endif  // GRAPH_OP_H_
