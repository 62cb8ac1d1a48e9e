#include "graph/front/emit.h"

#include <numeric>

#include "graph/ops/common.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {

hal::SymbolicAddress AddressOf(const View& v) {
  return {v.buffer, static_cast<uint64_t>(v.offset) * StorageBytes(v.dtype)};
}

absl::Status Emitter::Emit(const Work& work) {
  struct Visitor {
    Emitter& e;
    const Work& work;
    absl::Status operator()(const ElementwiseWork& w) { return e.Elementwise(work, w.program); }
    absl::Status operator()(const ReduceWork& w) { return e.Reduce(work, w); }
    absl::Status operator()(const SoftmaxWork& w) { return e.Softmax(work, w); }
    absl::Status operator()(const NormWork& w) { return e.Norm(work, w); }
    absl::Status operator()(const PoolWork& w) { return e.Pool(work, w); }
    absl::Status operator()(const GatherWork& w) { return e.Gather(work, w); }
    absl::Status operator()(const DepthwiseWork& w) { return e.Depthwise(work, w); }
    absl::Status operator()(const RandomWork& w) { return e.Random(work, w); }
    absl::Status operator()(const ScatterWork& w) { return e.Scatter(work, w); }
    absl::Status operator()(const SortWork& w) { return e.Sort(work, w); }
    absl::Status operator()(const IntegerMatmulWork&) { return e.IntegerMatmul(work); }
    absl::Status operator()(const GemmWork&) { return e.Gemm(work); }
    absl::Status operator()(const ConvolutionWork& w) { return e.Convolution(work, w); }
  };
  const absl::Status status = std::visit(Visitor{*this, work}, work.what);
  if (status.ok()) return status;
  return absl::Status(
      status.code(), hal::Cat(work.name, work.source.empty() ? "" : " (", work.source,
                              work.source.empty() ? "" : ")", ": ", std::string(status.message())));
}

View Emitter::NewTemp(const View& like, absl::Span<const int> order) {
  View v = like;
  v.buffer = static_cast<BufferId>(buffers_.size());
  v.offset = 0;
  int64_t stride = 1;
  for (size_t i = order.size(); i-- > 0;) {
    v.strides[order[i]] = stride;
    stride *= v.sizes[order[i]];
  }
  Buffer buffer;
  buffer.bytes = static_cast<uint64_t>(stride) * StorageBytes(v.dtype);
  buffers_.push_back(std::move(buffer));
  return v;
}

absl::StatusOr<View> Emitter::Materialised(const Work& work, const View& v,
                                           absl::Span<const int> order) {
  const View temp = NewTemp(v, order);
  RETURN_IF_ERROR(CopyView(work, v, temp));
  return temp;
}

absl::StatusOr<View> Emitter::Contiguous(const Work& work, const View& v) {
  std::vector<int> order(v.rank());
  std::iota(order.begin(), order.end(), 0);
  return Materialised(work, v, order);
}

absl::Status Emitter::CopyView(const Work& work, const View& from, const View& to) {
  Work copy;
  ExpressionBuilder e({from.dtype});
  copy.what = ElementwiseWork{e.Finish(0, to.dtype)};
  copy.inputs = {from};
  copy.outputs = {to};
  copy.name = hal::Cat(work.name, "/copy");
  copy.source = work.source;
  return Emit(copy);
}

absl::StatusOr<bool> Emitter::EmitContiguous(const Work& work) {
  Work dense = work;
  bool changed = false;
  for (View& v : dense.inputs) {
    View once = v;
    for (int d = 0; d < v.rank(); ++d) {
      if (v.strides[d] == 0) once.sizes[d] = 1;
    }
    if (once.contiguous()) continue;
    ASSIGN_OR_RETURN(const View copy, Contiguous(work, once));
    v = Expand(copy, v.sizes);
    changed = true;
  }
  std::vector<std::pair<View, View>> copies;
  for (View& v : dense.outputs) {
    if (v.contiguous()) continue;
    std::vector<int> order(v.rank());
    std::iota(order.begin(), order.end(), 0);
    const View temp = NewTemp(v, order);
    copies.emplace_back(temp, v);
    v = temp;
    changed = true;
  }
  if (!changed) return false;
  RETURN_IF_ERROR(Emit(dense));
  for (const auto& [from, to] : copies) RETURN_IF_ERROR(CopyView(work, from, to));
  return true;
}

void Emitter::AddLaunch(const Work& work, hal::KernelLaunch launch, const IterationSpace& space,
                        size_t outputs, bool elementwise) {
  TpcStep tpc;
  tpc.launch = std::move(launch);
  absl::InlinedVector<Access, 4> accesses;
  const size_t n = space.operands.size();
  for (size_t i = 0; i < n; ++i) {
    tpc.addresses.push_back(AddressOf(space.operands[i]));
    accesses.push_back({Touched(space, i), i + outputs >= n});
  }
  PlanStep step;
  step.work = std::move(tpc);
  AddStep(work, std::move(step), std::move(accesses), elementwise);
}

void Emitter::AddStep(const Work& work, PlanStep step, absl::InlinedVector<Access, 4> accesses,
                      bool elementwise) {
  step.name = work.name;
  step.source = work.source;
  Draft draft;
  draft.step = std::move(step);
  draft.accesses = std::move(accesses);
  draft.elementwise = elementwise;
  drafts_.push_back(std::move(draft));
}

}  // namespace openhpu::graph
