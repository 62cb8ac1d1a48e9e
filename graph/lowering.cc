#include "graph/lowering.h"

#include <algorithm>
#include <limits>

#include "graph/ops/common.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {

absl::Status Lowering::Lower(const Node& node) {
  name_ = std::string(node.op->name);
  source_ = node.source;
  if (std::all_of(node.outputs.begin(), node.outputs.end(),
                  [](const View& v) { return v.elements() == 0; })) {
    return absl::OkStatus();
  }
  absl::Status status;
  if (node.op->expression != nullptr) {
    absl::InlinedVector<DType, 4> types;
    for (const View& v : node.inputs) types.push_back(DeviceType(v.dtype));
    auto program = node.op->expression(node.attributes, types, DeviceType(node.outputs[0].dtype));
    status = program.ok() ? Elementwise(*std::move(program), node.inputs, node.outputs)
                          : program.status();
  } else {
    status = LowerTo(node);
  }
  if (status.ok()) return status;
  return absl::Status(
      status.code(), hal::Cat(node.op->name, node.source.empty() ? "" : " (", node.source,
                              node.source.empty() ? "" : ")", ": ", std::string(status.message())));
}

// An op that is lowered makes the dtypes it infers; a caller's other ones are cast.
absl::Status Lowering::LowerTo(const Node& node) {
  absl::InlinedVector<TensorType, 4> types;
  for (const View& v : node.inputs) types.push_back(TensorType{v.dtype, v.sizes});
  ASSIGN_OR_RETURN(const std::vector<TensorType> inferred, node.op->infer(node.attributes, types));
  const auto fits = [&](size_t i) {
    return DeviceType(node.outputs[i].dtype) == DeviceType(inferred[i].dtype);
  };
  bool all = true;
  for (size_t i = 0; i < node.outputs.size(); ++i) all = all && fits(i);
  if (all) return node.op->lower(*this, node);
  Node inner = node;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (!fits(i)) inner.outputs[i] = NewTemp(inferred[i].dtype, node.outputs[i].sizes);
  }
  RETURN_IF_ERROR(node.op->lower(*this, inner));
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (!fits(i)) RETURN_IF_ERROR(Copy(inner.outputs[i], node.outputs[i]));
  }
  return absl::OkStatus();
}

absl::Status Lowering::Apply(std::string_view op, Attributes attributes, std::vector<View> inputs,
                             std::vector<View> outputs) {
  Node node;
  ASSIGN_OR_RETURN(node.op, FindOp(op));
  node.attributes = std::move(attributes);
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  const std::string name = name_;
  node.source = source_;
  const absl::Status status = Lower(node);
  name_ = name;
  return status;
}

View Lowering::NewTemp(DType dtype, absl::Span<const int64_t> sizes) {
  View v;
  v.buffer = static_cast<BufferId>(buffers_.size());
  v.dtype = dtype;
  v.sizes.assign(sizes.begin(), sizes.end());
  v.strides = ContiguousStrides(sizes);
  Buffer buffer;
  buffer.bytes = static_cast<uint64_t>(v.elements()) * StorageBytes(dtype);
  buffers_.push_back(std::move(buffer));
  return v;
}

absl::Status Lowering::Elementwise(hal::ExpressionProgram program, absl::Span<const View> inputs,
                                   absl::Span<const View> outputs) {
  if (outputs.empty() || outputs[0].elements() == 0) return absl::OkStatus();
  const Dims& sizes = outputs[0].sizes;
  if (inputs.size() != program.inputs.size() || outputs.size() != program.outputs.size()) {
    return absl::InternalError("operands and program differ in number");
  }
  std::vector<View> expanded;
  expanded.reserve(inputs.size());
  for (const View& v : inputs) {
    if (!Broadcasts(v.sizes, sizes)) {
      return absl::InvalidArgumentError(
          hal::Cat("input ", ToText(v), " does not broadcast to ", ToText(outputs[0])));
    }
    expanded.push_back(Expand(v, sizes));
  }
  Add(ElementwiseWork{std::move(program)}, std::move(expanded),
      std::vector<View>(outputs.begin(), outputs.end()));
  return absl::OkStatus();
}

absl::Status Lowering::Copy(const View& from, const View& to) {
  ExpressionBuilder e({from.dtype});
  return Elementwise(e.Finish(0, to.dtype), {from}, {to});
}

absl::Status Lowering::Fill(const View& to, double value) {
  ExpressionBuilder e({});
  return Elementwise(e.Finish(e.Constant(value, to.dtype), to.dtype), {}, {to});
}

absl::StatusOr<View> Lowering::Reshaped(const View& v, absl::Span<const int64_t> sizes) {
  if (auto view = Reshape(v, sizes); view.has_value()) return *std::move(view);
  const View dense = NewTemp(v.dtype, v.sizes);
  RETURN_IF_ERROR(Copy(v, dense));
  return *Reshape(dense, sizes);
}

absl::StatusOr<View> Lowering::Cast(const View& v, DType dtype) {
  if (DeviceType(v.dtype) == DeviceType(dtype)) return v;
  const View cast = NewTemp(dtype, v.sizes);
  RETURN_IF_ERROR(Copy(v, cast));
  return cast;
}

absl::Status Lowering::Reduce(const ReduceWork& reduce, const View& in, const View& out) {
  if (out.elements() == 0) return absl::OkStatus();
  if (in.elements() == 0) {
    switch (reduce.op) {
      case hal::ReduceOp::kSum:
      case hal::ReduceOp::kAny:
        return Fill(out, 0);
      case hal::ReduceOp::kProd:
      case hal::ReduceOp::kAll:
        return Fill(out, 1);
      case hal::ReduceOp::kMean:
      case hal::ReduceOp::kVar:
        return Fill(out, std::numeric_limits<double>::quiet_NaN());
      default:
        return absl::InvalidArgumentError("an extreme of no elements");
    }
  }
  Add(reduce, {in}, {out});
  return absl::OkStatus();
}

absl::Status Lowering::Gemm(const View& a, const View& b, const View& c) {
  if (c.elements() == 0) return absl::OkStatus();
  if (a.sizes.back() == 0) return Fill(c, 0);
  if (IsFloat(a.dtype)) {
    Add(GemmWork{}, {a, b}, {c});
  } else {
    Add(IntegerMatmulWork{}, {a, b}, {c});
  }
  return absl::OkStatus();
}

void Lowering::Add(decltype(Work::what) what, std::vector<View> inputs, std::vector<View> outputs) {
  Work work;
  work.what = std::move(what);
  work.inputs = std::move(inputs);
  work.outputs = std::move(outputs);
  for (auto* views : {&work.inputs, &work.outputs}) {
    for (View& v : *views) v.dtype = DeviceType(v.dtype);
  }
  work.name = name_;
  work.source = source_;
  works_.push_back(std::move(work));
}

}  // namespace openhpu::graph
