// Element-wise functions of one operand, and activations.
#include "graph/ops/common.h"
#include "graph/ops/elementwise.h"
#include "graph/ops/families.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
using Program = absl::StatusOr<hal::ExpressionProgram>;
using Value = ExpressionBuilder::Value;

Program Relu(const Attributes&, absl::Span<const DType> inputs, DType result) {
  ExpressionBuilder e(inputs);
  const DType type = ComputeType(inputs);
  const Value x = e.Cast(0, type);
  const Value zero = e.Constant(0, type);
  return e.Finish(e.Op(ExprOp::kMax, x, zero), result);
}

const OpDeclaration kOps[] = {
    {"relu", "max(self, 0)", 1, 1, InferSame, Relu, nullptr, {"relu"}},
};

}  // namespace

absl::Span<const OpDeclaration> ActivationOps() { return kOps; }

}  // namespace openhpu::graph
