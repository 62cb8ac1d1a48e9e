// Reading at computed places: embedding, index_select, gather, index. Rows are the kernel's unit:
// what follows the indexed dims is one row.
#include <algorithm>
#include <string>

#include "absl/strings/str_join.h"
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
constexpr DType kI32 = DType::kInt32;

}  // namespace

int64_t Product(absl::Span<const int64_t> sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return n;
}

absl::Status CheckIndex(const TensorType& index) {
  if (index.dtype == DType::kBool || index.dtype == DType::kUInt8) {
    return absl::UnimplementedError("indexing by a mask: the result's size depends on data");
  }
  if (IsFloat(index.dtype))
    return absl::InvalidArgumentError(hal::Cat("an index of ", Name(index.dtype)));
  return absl::OkStatus();
}

// Which dims of self the index tensors stand for: position p of the list is dim p; `absent` lists
// positions in {self, indices...}.
std::vector<int> IndexedDims(const Attributes& attributes, size_t indices) {
  const std::vector<int64_t> absent = attributes.Ints("absent");
  std::vector<int> dims;
  for (int dim = 0; dims.size() < indices; ++dim) {
    if (std::find(absent.begin(), absent.end(), dim + 1) == absent.end()) dims.push_back(dim);
  }
  return dims;
}

bool Adjacent(absl::Span<const int> dims) {
  return dims.back() - dims.front() + 1 == static_cast<int>(dims.size());
}

View IndexedFirst(View v, std::vector<int>& dims) {
  if (Adjacent(dims)) return v;
  std::vector<int> order = dims;
  for (int d = 0; d < v.rank(); ++d) {
    if (std::find(dims.begin(), dims.end(), d) == dims.end()) order.push_back(d);
  }
  for (size_t i = 0; i < dims.size(); ++i) dims[i] = static_cast<int>(i);
  return Permute(std::move(v), order);
}

absl::StatusOr<View> FlatIndex(Lowering& lowering, absl::Span<const int64_t> sizes,
                               absl::Span<const View> indices) {
  if (indices.size() == 1) return indices[0];
  std::vector<TensorType> types;
  std::vector<DType> dtypes;
  for (const View& v : indices) {
    types.push_back({v.dtype, v.sizes});
    dtypes.push_back(v.dtype);
  }
  ASSIGN_OR_RETURN(const Dims looked_up, BroadcastSizes(types));
  const View flat = lowering.NewTemp(kI32, looked_up);
  ExpressionBuilder e(dtypes);
  const auto zero = e.Constant(0, kI32), none = e.Constant(INT32_MAX, kI32);
  auto sum = zero;
  auto valid = e.Constant(1, DType::kBool);
  for (size_t i = 0; i < indices.size(); ++i) {
    const auto size = e.Constant(static_cast<double>(sizes[i]), kI32);
    const auto index = e.Cast(static_cast<ExpressionBuilder::Value>(i), kI32);
    const auto wrapped =
        e.Select(e.Op(ExprOp::kLt, index, zero), e.Op(ExprOp::kAdd, index, size), index);
    valid = e.Op(ExprOp::kAnd, valid, e.Op(ExprOp::kGe, wrapped, zero));
    valid = e.Op(ExprOp::kAnd, valid, e.Op(ExprOp::kLt, wrapped, size));
    sum = e.Op(ExprOp::kAdd, e.Op(ExprOp::kMul, sum, size), wrapped);
  }
  RETURN_IF_ERROR(
      lowering.Elementwise(e.Finish(e.Select(valid, sum, none), kI32), indices, {flat}));
  return flat;
}

namespace {

// out[o.., j.., r..] = table[o.., flat(index[j..]), r..]: `indexed` dims of the table from `at` on
// are looked up by one flat index each.
absl::Status GatherRows(Lowering& lowering, const View& table, int at, int indexed, View index,
                        const View& out) {
  const absl::Span<const int64_t> sizes = table.sizes;
  const int64_t outer = Product(sizes.subspan(0, at)), n = Product(sizes.subspan(at, indexed)),
                row = Product(sizes.subspan(at + indexed));
  const Dims looked_up = index.sizes;
  ASSIGN_OR_RETURN(const View rows, lowering.Reshaped(table, {outer * n, row}));
  if (outer != 1) {
    // The flat index within all outer dims: o * n + index, and what is out of range stays so.
    Dims joint = {outer};
    joint.insert(joint.end(), looked_up.begin(), looked_up.end());
    const View global = lowering.NewTemp(kI32, joint);
    ExpressionBuilder e({index.dtype});
    const auto i = e.Cast(0, kI32), o = e.Index(0);
    const auto size = e.Constant(static_cast<double>(n), kI32), zero = e.Constant(0, kI32),
               none = e.Constant(INT32_MAX, kI32);
    const auto wrapped = e.Select(e.Op(ExprOp::kLt, i, zero), e.Op(ExprOp::kAdd, i, size), i);
    const auto low = e.Op(ExprOp::kGe, wrapped, zero);
    const auto high = e.Op(ExprOp::kLt, wrapped, size);
    const auto inside = e.Op(ExprOp::kAnd, low, high);
    const auto base = e.Op(ExprOp::kMul, o, size);
    const auto place = e.Op(ExprOp::kAdd, base, wrapped);
    RETURN_IF_ERROR(
        lowering.Elementwise(e.Finish(e.Select(inside, place, none), kI32), {index}, {global}));
    index = global;
  } else {
    ASSIGN_OR_RETURN(index, lowering.Cast(index, kI32));
  }
  // [o * j.., row] of the output: a view of it, or a temp.
  Dims made = {index.elements(), row};
  ASSIGN_OR_RETURN(const View flat_index, lowering.Reshaped(index, {index.elements()}));
  GatherWork gather;
  if (auto view = Reshape(out, made); view.has_value()) {
    lowering.Add(gather, {rows, flat_index}, {*view});
    return absl::OkStatus();
  }
  const View temp = lowering.NewTemp(out.dtype, out.sizes);
  lowering.Add(gather, {rows, flat_index}, {*Reshape(temp, made)});
  return lowering.Copy(temp, out);
}

Inferred InferIndexSelect(const Attributes& attributes, Types inputs) {
  RETURN_IF_ERROR(CheckIndex(inputs[1]));
  if (inputs[1].sizes.size() > 1) return absl::InvalidArgumentError("index is not a vector");
  ASSIGN_OR_RETURN(const int dim,
                   ResolveDim(attributes.Int("dim"), static_cast<int>(inputs[0].sizes.size())));
  Dims sizes = inputs[0].sizes;
  if (!sizes.empty()) sizes[dim] = inputs[1].sizes.empty() ? 1 : inputs[1].sizes[0];
  return std::vector<TensorType>{{inputs[0].dtype, std::move(sizes)}};
}

absl::Status LowerIndexSelect(Lowering& lowering, const Node& node) {
  const View& in = node.inputs[0];
  if (in.rank() == 0) return lowering.Copy(in, node.outputs[0]);
  ASSIGN_OR_RETURN(const int dim, ResolveDim(node.attributes.Int("dim"), in.rank()));
  View index = node.inputs[1];
  if (index.rank() == 0) index = Unsqueeze(index, 0);
  return GatherRows(lowering, in, dim, 1, index, node.outputs[0]);
}

Inferred InferEmbedding(const Attributes&, Types inputs) {
  RETURN_IF_ERROR(CheckIndex(inputs[1]));
  if (inputs[0].sizes.size() != 2) return absl::InvalidArgumentError("weight is not a matrix");
  Dims sizes = inputs[1].sizes;
  sizes.push_back(inputs[0].sizes[1]);
  return std::vector<TensorType>{{inputs[0].dtype, std::move(sizes)}};
}

absl::Status LowerEmbedding(Lowering& lowering, const Node& node) {
  return GatherRows(lowering, node.inputs[0], 0, 1, node.inputs[1], node.outputs[0]);
}

Inferred InferGather(const Attributes& attributes, Types inputs) {
  RETURN_IF_ERROR(CheckIndex(inputs[1]));
  const int rank = static_cast<int>(inputs[0].sizes.size());
  ASSIGN_OR_RETURN(const int dim, ResolveDim(attributes.Int("dim"), rank));
  if (inputs[1].sizes.size() != inputs[0].sizes.size())
    return absl::InvalidArgumentError("index and input differ in rank");
  for (int d = 0; d < rank; ++d) {
    if (d != dim && inputs[1].sizes[d] > inputs[0].sizes[d])
      return absl::InvalidArgumentError(hal::Cat("index is larger than input in dim ", d));
  }
  return std::vector<TensorType>{{inputs[0].dtype, inputs[1].sizes}};
}

absl::Status LowerGather(Lowering& lowering, const Node& node) {
  View table = node.inputs[0];
  if (table.rank() == 0) return lowering.Copy(table, node.outputs[0]);
  GatherWork gather;
  gather.mode = hal::GatherMode::kElements;
  ASSIGN_OR_RETURN(gather.dim, ResolveDim(node.attributes.Int("dim"), table.rank()));
  ASSIGN_OR_RETURN(const View index, lowering.Cast(node.inputs[1], kI32));
  for (int d = 0; d < table.rank(); ++d) {
    if (d != gather.dim) table = Slice(table, d, 0, index.sizes[d]);
  }
  lowering.Add(gather, {table, index}, {node.outputs[0]});
  return absl::OkStatus();
}

Inferred InferIndex(const Attributes& attributes, Types inputs) {
  const TensorType& self = inputs[0];
  const Types indices = inputs.subspan(1);
  for (const TensorType& index : indices) RETURN_IF_ERROR(CheckIndex(index));
  const std::vector<int> dims = IndexedDims(attributes, indices.size());
  if (dims.back() >= static_cast<int>(self.sizes.size()))
    return absl::InvalidArgumentError("more indices than dims");
  ASSIGN_OR_RETURN(const Dims looked_up, BroadcastSizes(indices));
  Dims sizes;
  const int at = Adjacent(dims) ? dims.front() : 0;
  for (int d = 0; d < static_cast<int>(self.sizes.size()); ++d) {
    if (std::find(dims.begin(), dims.end(), d) == dims.end()) sizes.push_back(self.sizes[d]);
  }
  sizes.insert(sizes.begin() + at, looked_up.begin(), looked_up.end());
  return std::vector<TensorType>{{self.dtype, std::move(sizes)}};
}

absl::Status LowerIndex(Lowering& lowering, const Node& node) {
  const absl::Span<const View> indices = absl::MakeConstSpan(node.inputs).subspan(1);
  std::vector<int> dims = IndexedDims(node.attributes, indices.size());
  const View self = IndexedFirst(node.inputs[0], dims);
  const int count = static_cast<int>(dims.size());
  ASSIGN_OR_RETURN(
      const View flat,
      FlatIndex(lowering, absl::MakeConstSpan(self.sizes).subspan(dims[0], count), indices));
  return GatherRows(lowering, self, dims[0], count, flat, node.outputs[0]);
}

// `index` of any sizes counts through all of self.
Inferred InferTake(const Attributes&, Types inputs) {
  RETURN_IF_ERROR(CheckIndex(inputs[1]));
  return std::vector<TensorType>{{inputs[0].dtype, inputs[1].sizes}};
}

absl::Status LowerTake(Lowering& lowering, const Node& node) {
  ASSIGN_OR_RETURN(const View flat, lowering.Reshaped(node.inputs[0], {node.inputs[0].elements()}));
  return GatherRows(lowering, flat, 0, 1, node.inputs[1], node.outputs[0]);
}

const OpDeclaration kOps[] = {
    {"index_select",
     "elements `index` (a vector) of self along `dim`",
     2,
     2,
     InferIndexSelect,
     nullptr,
     LowerIndexSelect,
     {"index_select"}},
    {"embedding",
     "rows of weight for indices of any sizes",
     2,
     2,
     InferEmbedding,
     nullptr,
     LowerEmbedding,
     {"embedding"}},
    {"gather",
     "self at index along `dim`; the result has index's sizes",
     2,
     2,
     InferGather,
     nullptr,
     LowerGather,
     {"gather"}},
    {"index",
     "self at integer index tensors that broadcast, one a dim of self; `absent` lists the dims "
     "without one, as positions + 1",
     2,
     9,
     InferIndex,
     nullptr,
     LowerIndex,
     {"index.Tensor"}},
    {"take", "self, as a vector, at `index`", 2, 2, InferTake, nullptr, LowerTake, {"take"}},
};

}  // namespace

absl::Span<const OpDeclaration> IndexingOps() { return kOps; }

}  // namespace openhpu::graph
