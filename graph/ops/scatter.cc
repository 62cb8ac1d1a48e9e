// Writing at computed places. What goes to one place goes there in the order of the index. Sums and
// products of bf16 are made in f32 and rounded once.
#include <limits>
#include <string>

#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/families.h"
#include "graph/ops/places.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
using hal::ScatterOp;
constexpr DType kF32 = DType::kFloat32, kI32 = DType::kInt32;

// out[.., index, ..] = op(itself, source) along `dim`; all of one rank. Index and source may be
// broadcast, out is no larger than they are in other dims.
absl::Status ScatterInto(Lowering& lowering, ScatterOp op, int dim, View index, View source,
                         const View& out) {
  if (index.elements() == 0 || out.elements() == 0) return absl::OkStatus();
  const bool sums = op == ScatterOp::kAdd || op == ScatterOp::kMultiply;
  if (out.dtype == DType::kBFloat16 && sums) {
    ASSIGN_OR_RETURN(const View wide, lowering.Cast(out, kF32));
    RETURN_IF_ERROR(ScatterInto(lowering, op, dim, index, source, wide));
    return lowering.Copy(wide, out);
  }
  ASSIGN_OR_RETURN(index, lowering.Cast(index, kI32));
  ASSIGN_OR_RETURN(source, lowering.Cast(source, out.dtype));
  if (out.dtype == DType::kBool && op == ScatterOp::kAdd) op = ScatterOp::kMax;
  if (index.sizes[dim] > 1 && index.strides[dim] == 0) {  // the kernel steps through it
    const View dense = lowering.NewTemp(kI32, index.sizes);
    RETURN_IF_ERROR(lowering.Copy(index, dense));
    index = dense;
  }
  lowering.Add(ScatterWork{op, dim}, {index, source, out}, {out});
  return absl::OkStatus();
}

// The same for rows: out[o.., flat index j.., r..] = op(itself, source[o.., j.., r..]), `indexed`
// dims of out from `at` on being looked up by one flat index each. Source broadcasts to that.
absl::Status ScatterRows(Lowering& lowering, ScatterOp op, const View& out, int at, int indexed,
                         const View& index, View source) {
  const absl::Span<const int64_t> sizes = out.sizes;
  const int64_t outer = Product(sizes.subspan(0, at)), n = Product(sizes.subspan(at, indexed)),
                row = Product(sizes.subspan(at + indexed));
  Dims full(sizes.begin(), sizes.begin() + at);
  full.insert(full.end(), index.sizes.begin(), index.sizes.end());
  full.insert(full.end(), sizes.begin() + at + indexed, sizes.end());
  if (!Broadcasts(source.sizes, full)) {
    return absl::InvalidArgumentError(
        hal::Cat("shape mismatch: ", ToText(source), " does not broadcast to the indexed places"));
  }
  const int64_t count = index.elements();
  if (source.elements() == 1) {
    source.sizes = {outer, count, row};
    source.strides = {0, 0, 0};
  } else {
    ASSIGN_OR_RETURN(source, lowering.Reshaped(Expand(source, full), {outer, count, row}));
  }
  ASSIGN_OR_RETURN(const View flat, lowering.Reshaped(index, {1, count, 1}));
  if (auto rows = Reshape(out, {outer, n, row}); rows.has_value()) {
    return ScatterInto(lowering, op, 1, flat, source, *rows);
  }
  const View temp = lowering.NewTemp(out.dtype, out.sizes);
  RETURN_IF_ERROR(lowering.Copy(out, temp));
  RETURN_IF_ERROR(ScatterInto(lowering, op, 1, flat, source, *Reshape(temp, {outer, n, row})));
  return lowering.Copy(temp, out);
}

// The result begins as self.
absl::Status Begin(Lowering& lowering, const View& self, const View& out) {
  if (self == out) return absl::OkStatus();
  return lowering.Copy(self, out);
}

absl::StatusOr<View> NumberView(Lowering& lowering, double value, DType dtype, int rank) {
  const View number = lowering.NewTemp(dtype, Dims(rank, 1));
  RETURN_IF_ERROR(lowering.Fill(number, value));
  return number;
}

Inferred InferLikeSelf(const Attributes& attributes, Types inputs) {
  RETURN_IF_ERROR(CheckIndex(inputs[1]));
  RETURN_IF_ERROR(
      ResolveDim(attributes.Int("dim"), static_cast<int>(inputs[0].sizes.size())).status());
  return std::vector<TensorType>{inputs[0]};
}

absl::StatusOr<ScatterOp> ReduceOf(const std::string& name) {
  if (name.empty()) return ScatterOp::kReplace;
  if (name == "add" || name == "sum" || name == "mean") return ScatterOp::kAdd;
  if (name == "multiply" || name == "prod") return ScatterOp::kMultiply;
  if (name == "amin") return ScatterOp::kMin;
  if (name == "amax") return ScatterOp::kMax;
  return absl::InvalidArgumentError(hal::Cat(
      "reduce is '", name, "', which is none of add, multiply, sum, prod, mean, amax and amin"));
}

// Index and source of PyTorch's scatter, out cut to what they reach.
struct Places {
  View index, source, out;
  int dim = 0;
};
absl::StatusOr<Places> PlacesOf(Lowering& lowering, const Node& node) {
  Places p{node.inputs[1], {}, node.outputs[0], 0};
  const int rank = p.out.rank();
  ASSIGN_OR_RETURN(p.dim, ResolveDim(node.attributes.Int("dim"), rank));
  if (rank == 0) p.out = Unsqueeze(p.out, 0);
  if (p.index.rank() == 0) p.index = Unsqueeze(p.index, 0);
  if (p.index.rank() != p.out.rank())
    return absl::InvalidArgumentError("index and self differ in rank");
  if (node.inputs.size() > 2 && node.attributes.Find("value") == nullptr) {
    p.source = node.inputs[2];
    if (p.source.rank() == 0) p.source = Unsqueeze(p.source, 0);
    if (p.source.rank() != p.out.rank())
      return absl::InvalidArgumentError("index and src differ in rank");
    for (int d = 0; d < p.out.rank(); ++d) {
      if (p.source.sizes[d] < p.index.sizes[d])
        return absl::InvalidArgumentError(hal::Cat("index is larger than src in dim ", d));
      p.source = Slice(p.source, d, 0, p.index.sizes[d]);
    }
  } else {
    ASSIGN_OR_RETURN(
        p.source, NumberView(lowering, node.attributes.Real("value"), p.out.dtype, p.out.rank()));
    p.source = Expand(p.source, p.index.sizes);
  }
  for (int d = 0; d < p.out.rank(); ++d) {
    if (d == p.dim) continue;
    if (p.index.sizes[d] > p.out.sizes[d])
      return absl::InvalidArgumentError(hal::Cat("index is larger than self in dim ", d));
    p.out = Slice(p.out, d, 0, p.index.sizes[d]);
  }
  return p;
}

absl::Status LowerScatter(Lowering& lowering, const Node& node) {
  RETURN_IF_ERROR(Begin(lowering, node.inputs[0], node.outputs[0]));
  ASSIGN_OR_RETURN(const Places p, PlacesOf(lowering, node));
  ASSIGN_OR_RETURN(const ScatterOp op, ReduceOf(node.attributes.Text("reduce")));
  return ScatterInto(lowering, op, p.dim, p.index, p.source, p.out);
}

absl::Status LowerScatterAdd(Lowering& lowering, const Node& node) {
  Node add = node;
  add.attributes.Set("reduce", std::string("add"));
  return LowerScatter(lowering, add);
}

// What a reduction of nothing begins with.
double Identity(ScatterOp op, DType dtype) {
  const double inf = std::numeric_limits<double>::infinity();
  switch (op) {
    case ScatterOp::kMultiply:
      return 1;
    case ScatterOp::kMin:
      return IsFloat(dtype) ? inf : INT32_MAX;  // saturates to the dtype's
    case ScatterOp::kMax:
      return IsFloat(dtype) ? -inf : INT32_MIN;
    default:
      return 0;
  }
}

absl::Status LowerScatterReduce(Lowering& lowering, const Node& node) {
  RETURN_IF_ERROR(Begin(lowering, node.inputs[0], node.outputs[0]));
  ASSIGN_OR_RETURN(const Places p, PlacesOf(lowering, node));
  const std::string reduce = node.attributes.Text("reduce");
  ASSIGN_OR_RETURN(const ScatterOp op, ReduceOf(reduce));
  const bool include = node.attributes.Bool("include_self", true);
  if (!include) {
    ASSIGN_OR_RETURN(
        const View identity,
        NumberView(lowering, Identity(op, DeviceType(p.out.dtype)), p.out.dtype, p.out.rank()));
    RETURN_IF_ERROR(ScatterInto(lowering, ScatterOp::kReplace, p.dim, p.index,
                                Expand(identity, p.index.sizes), p.out));
  }
  RETURN_IF_ERROR(ScatterInto(lowering, op, p.dim, p.index, p.source, p.out));
  if (reduce != "mean") return absl::OkStatus();
  // By how many went there; itself where nothing did.
  const View counts = lowering.NewTemp(kI32, p.out.sizes);
  RETURN_IF_ERROR(lowering.Fill(counts, include ? 1 : 0));
  ASSIGN_OR_RETURN(const View one, NumberView(lowering, 1, kI32, p.out.rank()));
  RETURN_IF_ERROR(
      ScatterInto(lowering, ScatterOp::kAdd, p.dim, p.index, Expand(one, p.index.sizes), counts));
  ExpressionBuilder e({p.out.dtype, kI32});
  const auto least = e.Constant(1, kI32);
  const auto count = e.Op(ExprOp::kMax, 1, least);
  ExpressionBuilder::Value mean = 0;
  if (IsFloat(p.out.dtype)) {
    mean = e.Op(ExprOp::kDiv, e.Cast(0, kF32), e.Cast(count, kF32));
  } else {
    mean = e.Op(ExprOp::kFloorDiv, e.Cast(0, kI32), count);
  }
  return lowering.Elementwise(e.Finish(mean, p.out.dtype), {p.out, counts}, {p.out});
}

// index_add, index_copy, index_fill: rows of self along `dim` at a vector of indices.
absl::Status LowerIndexed(Lowering& lowering, const Node& node, ScatterOp op, View source) {
  View out = node.outputs[0], index = node.inputs[1];
  ASSIGN_OR_RETURN(const int dim, ResolveDim(node.attributes.Int("dim"), out.rank()));
  RETURN_IF_ERROR(Begin(lowering, node.inputs[0], out));
  if (out.rank() == 0) out = Unsqueeze(out, 0);
  if (index.rank() == 0) index = Unsqueeze(index, 0);
  return ScatterRows(lowering, op, out, dim, 1, index, std::move(source));
}

absl::Status LowerIndexAdd(Lowering& lowering, const Node& node) {
  View source = node.inputs[2];
  const double alpha = node.attributes.Real("alpha", 1);
  if (alpha != 1) {
    const View scaled = lowering.NewTemp(source.dtype, source.sizes);
    RETURN_IF_ERROR(
        lowering.Apply("mul", {{"other", *node.attributes.Find("alpha")}}, {source}, {scaled}));
    source = scaled;
  }
  return LowerIndexed(lowering, node, ScatterOp::kAdd, source);
}

absl::Status LowerIndexCopy(Lowering& lowering, const Node& node) {
  return LowerIndexed(lowering, node, ScatterOp::kReplace, node.inputs[2]);
}

absl::Status LowerIndexFill(Lowering& lowering, const Node& node) {
  if (node.inputs.size() > 2)
    return LowerIndexed(lowering, node, ScatterOp::kReplace, node.inputs[2]);
  ASSIGN_OR_RETURN(const View value,
                   NumberView(lowering, node.attributes.Real("value"), node.outputs[0].dtype, 0));
  return LowerIndexed(lowering, node, ScatterOp::kReplace, value);
}

// self, values, indices...: values at integer indices of self's dims; `absent` lists the dims
// without one, as positions + 1.
Inferred InferIndexPut(const Attributes& attributes, Types inputs) {
  for (const TensorType& index : inputs.subspan(2)) RETURN_IF_ERROR(CheckIndex(index));
  const std::vector<int> dims = IndexedDims(attributes, inputs.size() - 2);
  if (dims.back() >= static_cast<int>(inputs[0].sizes.size()))
    return absl::InvalidArgumentError("more indices than dims");
  return std::vector<TensorType>{inputs[0]};
}

absl::Status LowerIndexPut(Lowering& lowering, const Node& node) {
  RETURN_IF_ERROR(Begin(lowering, node.inputs[0], node.outputs[0]));
  const absl::Span<const View> indices = absl::MakeConstSpan(node.inputs).subspan(2);
  std::vector<int> dims = IndexedDims(node.attributes, indices.size());
  const View out = IndexedFirst(node.outputs[0], dims);
  const int count = static_cast<int>(dims.size());
  ASSIGN_OR_RETURN(
      const View flat,
      FlatIndex(lowering, absl::MakeConstSpan(out.sizes).subspan(dims[0], count), indices));
  return ScatterRows(lowering,
                     node.attributes.Bool("accumulate") ? ScatterOp::kAdd : ScatterOp::kReplace,
                     out, dims[0], count, flat, node.inputs[1]);
}

// self, index, source: at places of self as a vector.
Inferred InferPut(const Attributes&, Types inputs) {
  RETURN_IF_ERROR(CheckIndex(inputs[1]));
  return std::vector<TensorType>{inputs[0]};
}

absl::Status LowerPut(Lowering& lowering, const Node& node) {
  const View& out = node.outputs[0];
  RETURN_IF_ERROR(Begin(lowering, node.inputs[0], out));
  const ScatterOp op = node.attributes.Bool("accumulate") ? ScatterOp::kAdd : ScatterOp::kReplace;
  const int64_t count = node.inputs[1].elements();
  ASSIGN_OR_RETURN(const View index, lowering.Reshaped(node.inputs[1], {count}));
  ASSIGN_OR_RETURN(const View source, lowering.Reshaped(node.inputs[2], {count}));
  if (auto flat = Reshape(out, {out.elements()}); flat.has_value())
    return ScatterInto(lowering, op, 0, index, source, *flat);
  ASSIGN_OR_RETURN(const View flat, lowering.Reshaped(out, {out.elements()}));
  RETURN_IF_ERROR(ScatterInto(lowering, op, 0, index, source, flat));
  return lowering.Copy(*Reshape(flat, out.sizes), out);
}

// gradient [i.., d], indices [i..] -> [num_weights, d]; the row of padding_idx stays zero.
Inferred InferEmbeddingBackward(const Attributes& attributes, Types inputs) {
  RETURN_IF_ERROR(CheckIndex(inputs[1]));
  if (attributes.Bool("scale_grad_by_freq"))
    return absl::UnimplementedError("gradients scaled by frequency");
  return std::vector<TensorType>{
      {inputs[0].dtype, {attributes.Int("num_weights"), inputs[0].sizes.back()}}};
}

absl::Status LowerEmbeddingBackward(Lowering& lowering, const Node& node) {
  const View& out = node.outputs[0];
  const int64_t count = node.inputs[1].elements(), padding = node.attributes.Int("padding_idx", -1);
  const Dims rows = {count, out.sizes[1]};
  ASSIGN_OR_RETURN(const View index, lowering.Reshaped(node.inputs[1], {count}));
  ASSIGN_OR_RETURN(View gradient, lowering.Reshaped(node.inputs[0], rows));
  if (padding >= 0) {
    const View kept = lowering.NewTemp(gradient.dtype, rows);
    ExpressionBuilder e({gradient.dtype, index.dtype});
    const auto pad = e.Constant(static_cast<double>(padding), kI32);
    const auto zero = e.Constant(0, gradient.dtype);
    const auto padded = e.Op(ExprOp::kEq, e.Cast(1, kI32), pad);
    const View column = Unsqueeze(index, 1);
    RETURN_IF_ERROR(lowering.Elementwise(e.Finish(e.Select(padded, zero, 0), gradient.dtype),
                                         {gradient, column}, {kept}));
    gradient = kept;
  }
  RETURN_IF_ERROR(lowering.Fill(out, 0));
  return ScatterRows(lowering, ScatterOp::kAdd, out, 0, 1, index, gradient);
}

const OpDeclaration kOps[] = {
    {"scatter",
     "self with src (or `value`) at index along `dim`; reduce = add or multiply instead",
     2,
     3,
     InferLikeSelf,
     nullptr,
     LowerScatter,
     {"scatter.src", "scatter.value", "scatter.reduce", "scatter.value_reduce"}},
    {"scatter_add",
     "self plus src at index along `dim`",
     3,
     3,
     InferLikeSelf,
     nullptr,
     LowerScatterAdd,
     {"scatter_add"}},
    {"scatter_reduce",
     "reduce = sum, prod, mean, amax or amin of self (include_self = true) and src at index along "
     "`dim`",
     3,
     3,
     InferLikeSelf,
     nullptr,
     LowerScatterReduce,
     {"scatter_reduce.two"}},
    {"index_add",
     "self plus alpha = 1 times source at index (a vector) along `dim`",
     3,
     3,
     InferLikeSelf,
     nullptr,
     LowerIndexAdd,
     {"index_add"}},
    {"index_copy",
     "self with source at index (a vector) along `dim`",
     3,
     3,
     InferLikeSelf,
     nullptr,
     LowerIndexCopy,
     {"index_copy"}},
    {"index_fill",
     "self with a number (`value`, or a third tensor) at index (a vector) along `dim`",
     2,
     3,
     InferLikeSelf,
     nullptr,
     LowerIndexFill,
     {"index_fill.int_Scalar", "index_fill.int_Tensor"}},
    {"index_put",
     "self, values, integer indices: values at the indices, added with accumulate = false; "
     "`absent` as in index",
     3,
     10,
     InferIndexPut,
     nullptr,
     LowerIndexPut,
     {}},
    {"put",
     "self, as a vector, with source at index; accumulate = false",
     3,
     3,
     InferPut,
     nullptr,
     LowerPut,
     {"put"}},
    {"embedding_backward",
     "gradient, indices: of the weight; num_weights, padding_idx = -1",
     2,
     2,
     InferEmbeddingBackward,
     nullptr,
     LowerEmbeddingBackward,
     {"embedding_dense_backward"}},
};

}  // namespace

absl::Span<const OpDeclaration> ScatterOps() { return kOps; }

}  // namespace openhpu::graph
