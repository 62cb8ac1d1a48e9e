// Matrix products. Floats run on the MME, integers on the TPC.
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/families.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

absl::Status Mismatch(const TensorType& a, const TensorType& b) {
  return absl::InvalidArgumentError(hal::Cat("[", absl::StrJoin(a.sizes, ","), "] ", Name(a.dtype),
                                             " times [", absl::StrJoin(b.sizes, ","), "] ",
                                             Name(b.dtype), ": no matrix product"));
}

// [b.., m, k] x [b.., k, n], batch dims broadcast. Both at least matrices.
Inferred InferProduct(const TensorType& a, const TensorType& b) {
  if (a.sizes.size() < 2 || b.sizes.size() < 2 || a.dtype != b.dtype || a.dtype == DType::kBool)
    return Mismatch(a, b);
  const size_t ra = a.sizes.size(), rb = b.sizes.size();
  if (a.sizes[ra - 1] != b.sizes[rb - 2]) return Mismatch(a, b);
  TensorType batch[2] = {a, b};
  batch[0].sizes.resize(ra - 2);
  batch[1].sizes.resize(rb - 2);
  auto sizes = BroadcastSizes(batch);
  if (!sizes.ok()) return Mismatch(a, b);
  sizes->push_back(a.sizes[ra - 2]);
  sizes->push_back(b.sizes[rb - 1]);
  return std::vector<TensorType>{{a.dtype, *std::move(sizes)}};
}

Inferred InferMm(const Attributes&, Types inputs) {
  if (inputs[0].sizes.size() != 2 || inputs[1].sizes.size() != 2)
    return Mismatch(inputs[0], inputs[1]);
  return InferProduct(inputs[0], inputs[1]);
}

Inferred InferBmm(const Attributes&, Types inputs) {
  if (inputs[0].sizes.size() != 3 || inputs[1].sizes.size() != 3 ||
      inputs[0].sizes[0] != inputs[1].sizes[0])
    return Mismatch(inputs[0], inputs[1]);
  return InferProduct(inputs[0], inputs[1]);
}

// PyTorch's matmul: vectors are given a dim, which the result drops.
Inferred InferMatmul(const Attributes&, Types inputs) {
  TensorType a = inputs[0], b = inputs[1];
  const bool row = a.sizes.size() == 1, column = b.sizes.size() == 1;
  if (row) a.sizes.insert(a.sizes.begin(), 1);
  if (column) b.sizes.push_back(1);
  ASSIGN_OR_RETURN(std::vector<TensorType> types, InferProduct(a, b));
  Dims& sizes = types[0].sizes;
  if (row) sizes.erase(sizes.end() - 2);
  if (column) sizes.pop_back();
  return types;
}

absl::Status LowerMatmul(Lowering& lowering, const Node& node) {
  View a = node.inputs[0], b = node.inputs[1], c = node.outputs[0];
  if (a.rank() == 1) {
    a = Unsqueeze(a, 0);
    c = Unsqueeze(c, std::max(c.rank() - (b.rank() == 1 ? 0 : 1), 0));
  }
  if (b.rank() == 1) {
    b = Unsqueeze(b, 1);
    c = Unsqueeze(c, c.rank());
  }
  const auto batched = [&](const View& v) {
    Dims sizes = c.sizes;
    sizes[c.rank() - 2] = v.sizes[v.rank() - 2];
    sizes[c.rank() - 1] = v.sizes[v.rank() - 1];
    return Expand(v, sizes);
  };
  return lowering.Gemm(batched(a), batched(b), c);
}

// beta * self + alpha * (batch1 @ batch2)
Inferred InferAddmm(const Attributes& attributes, Types inputs) {
  ASSIGN_OR_RETURN(std::vector<TensorType> types, inputs[1].sizes.size() == 3
                                                      ? InferBmm(attributes, inputs.subspan(1))
                                                      : InferMm(attributes, inputs.subspan(1)));
  if (!Broadcasts(inputs[0].sizes, types[0].sizes)) {
    return absl::InvalidArgumentError(hal::Cat("self [", absl::StrJoin(inputs[0].sizes, ","),
                                               "] does not broadcast to [",
                                               absl::StrJoin(types[0].sizes, ","), "]"));
  }
  return types;
}

// The sum of products stays in f32 until self is added, so that the result is rounded once.
absl::Status LowerAddmm(Lowering& lowering, const Node& node) {
  const View& out = node.outputs[0];
  const double alpha = node.attributes.Real("alpha", 1), beta = node.attributes.Real("beta", 1);
  const DType type = IsFloat(out.dtype) ? DType::kFloat32 : DType::kInt32;
  const View product = lowering.NewTemp(type, out.sizes);
  RETURN_IF_ERROR(lowering.Gemm(node.inputs[1], node.inputs[2], product));
  ExpressionBuilder e({type, node.inputs[0].dtype});
  ExpressionBuilder::Value sum = 0;
  if (alpha != 1) {
    const auto scale = e.Constant(alpha, type);
    sum = e.Op(hal::ExprOp::kMul, sum, scale);
  }
  if (beta != 0) {  // 0: self is not read, even if it is NaN
    auto self = e.Cast(1, type);
    if (beta != 1) {
      const auto scale = e.Constant(beta, type);
      self = e.Op(hal::ExprOp::kMul, self, scale);
    }
    sum = e.Op(hal::ExprOp::kAdd, sum, self);
  }
  return lowering.Elementwise(e.Finish(sum, out.dtype), {product, node.inputs[0]}, {out});
}

const OpDeclaration kOps[] = {
    {"mm", "self [m, k] @ mat2 [k, n]", 2, 2, InferMm, nullptr, LowerMatmul, {"mm"}},
    {"bmm", "self [b, m, k] @ mat2 [b, k, n]", 2, 2, InferBmm, nullptr, LowerMatmul, {"bmm"}},
    {"matmul",
     "self @ other with PyTorch's rules for vectors and batches",
     2,
     2,
     InferMatmul,
     nullptr,
     LowerMatmul,
     {"mv", "dot"}},
    {"addmm",
     "beta * self + alpha * mat1 @ mat2; beta = alpha = 1",
     3,
     3,
     InferAddmm,
     nullptr,
     LowerAddmm,
     {"addmm"}},
    {"baddbmm",
     "beta * self + alpha * batch1 @ batch2; beta = alpha = 1",
     3,
     3,
     InferAddmm,
     nullptr,
     LowerAddmm,
     {"baddbmm"}},
};

}  // namespace

absl::Span<const OpDeclaration> MatmulOps() { return kOps; }

}  // namespace openhpu::graph
