// Works that compute places: scatter, sort; and random bits.
#include "graph/front/emit.h"
#include "graph/versions.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/kernels.h"

namespace openhpu::graph {
namespace {

// Below this many elements a kernel that steps element by element is cheaper than copies around it.
constexpr int64_t kSmall = 4096;
constexpr int kAlong = 1;  // tag of the dim that the kernel works along

// The common loops of views that have sizes of their own along `dim`: the dim is `along` of size
// `size`, whatever the views have there.
IterationSpace SpaceAlong(absl::Span<const View* const> views, int dim, int64_t size, size_t by) {
  std::vector<View> heads;
  for (const View* v : views) heads.push_back(Select(*v, dim, 0));
  std::vector<const View*> operands;
  for (const View& v : heads) operands.push_back(&v);
  IterationSpace space = MakeSpace(operands, {});
  IterationDim along;
  along.size = size;
  along.tag = kAlong;
  for (const View* v : views) {
    along.strides.push_back(v->sizes[dim] == 1 ? 0 : v->strides[dim]);
  }
  space.dims.push_back(std::move(along));
  SortDims(space, by);
  MergeDims(space);
  return space;
}

// Makes a dim innermost that is dense for every operand; false if there is none.
bool MakeDense(IterationSpace& space) {
  for (size_t d = space.dims.size(); d-- > 0;) {
    if (!IsDense(space.dims[d])) continue;
    MoveInnermost(space, d);
    return true;
  }
  return false;
}

void AddUnitDim(IterationSpace& space) {
  IterationDim unit;
  unit.strides.assign(space.operands.size(), 1);
  space.dims.push_back(std::move(unit));
}

// The dim of the kernel that it works along.
uint8_t AlongOf(const IterationSpace& space) {
  size_t d = 0;
  while (space.dims[d].tag != kAlong) ++d;
  return static_cast<uint8_t>(space.dims.size() - 1 - d);
}

}  // namespace

absl::Status Emitter::Random(const Work& work, const RandomWork& random) {
  const View& out = work.outputs[0];
  if (out.elements() == 0) return absl::OkStatus();
  if (!out.contiguous()) {
    ASSIGN_OR_RETURN(const bool done, EmitContiguous(work));
    if (done) return absl::OkStatus();
  }
  View flat = out;
  flat.sizes = {out.elements()};
  flat.strides = {1};
  const IterationSpace words = MakeSpace({&work.inputs[0]}, {}), space = MakeSpace({&flat}, {});
  ASSIGN_OR_RETURN(const hal::KernelTensor state, TensorOf(words, 0));
  ASSIGN_OR_RETURN(const hal::KernelTensor bits, TensorOf(space, 0));
  ASSIGN_OR_RETURN(hal::KernelLaunch launch, hal::MakeRandom(random.params, state, bits));
  TpcStep tpc;
  tpc.launch = std::move(launch);
  tpc.addresses = {AddressOf(work.inputs[0]), AddressOf(flat)};
  PlanStep step;
  step.work = std::move(tpc);
  absl::InlinedVector<Access, 4> accesses;
  accesses.push_back({work.inputs[0], false});
  accesses.push_back({std::move(flat), true});
  AddStep(work, std::move(step), std::move(accesses));
  return absl::OkStatus();
}

absl::Status Emitter::Scatter(const Work& work, const ScatterWork& scatter) {
  const View &index = work.inputs[0], &source = work.inputs[1],
             &base = work.inputs[ScatterWork::kBase], &out = work.outputs[0];
  const int64_t count = index.sizes[scatter.dim];
  const bool in_place = base.buffer == out.buffer && SameElements(base, out);
  if (!in_place) RETURN_IF_ERROR(CopyView(work, base, out));
  if (out.elements() == 0 || count == 0) return absl::OkStatus();
  IterationSpace space = SpaceAlong({&index, &source, &out}, scatter.dim, count, 2);
  if (!MakeDense(space)) {
    bool done = false;
    if (out.elements() > kSmall || space.dims.size() >= hal::kTpcMaxDims) {
      Work dense = work;  // what is to be written is there already
      dense.inputs[ScatterWork::kBase] = out;
      ASSIGN_OR_RETURN(done, EmitContiguous(dense));
    }
    if (done) return absl::OkStatus();
    AddUnitDim(space);
  }
  return ForEachPiece(space, hal::kTpcMaxDims, 1, [&](const IterationSpace& piece) -> absl::Status {
    hal::ScatterParams params;
    params.op = scatter.op;
    params.dim = AlongOf(piece);
    hal::KernelTensor tensors[3];
    for (size_t i = 0; i < 3; ++i) {
      ASSIGN_OR_RETURN(tensors[i], TensorOf(piece, i, i == 2));
    }
    // Where the index is one for all of the dim it is still as long as what is written.
    tensors[0].sizes[params.dim] = static_cast<uint32_t>(count);
    if (index.strides[scatter.dim] == 0) tensors[0].strides[params.dim] = 0;
    tensors[2].sizes[params.dim] = static_cast<uint32_t>(out.sizes[scatter.dim]);
    ASSIGN_OR_RETURN(hal::KernelLaunch launch,
                     hal::MakeScatter(params, tensors[0], tensors[1], tensors[2]));
    TpcStep tpc;
    tpc.launch = std::move(launch);
    absl::InlinedVector<Access, 4> accesses;
    for (size_t i = 0; i < 3; ++i) tpc.addresses.push_back(AddressOf(piece.operands[i]));
    for (size_t i = 0; i < 2; ++i) accesses.push_back({Touched(piece, i), false});
    // Everything along the dim, of this piece or more.
    accesses.push_back({out, false});
    accesses.push_back({out, true});
    PlanStep step;
    step.work = std::move(tpc);
    AddStep(work, std::move(step), std::move(accesses));
    return absl::OkStatus();
  });
}

absl::Status Emitter::Sort(const Work& work, const SortWork& sort) {
  const View &in = work.inputs[0], &values = work.outputs[0], &indices = work.outputs[1];
  if (values.elements() == 0) return absl::OkStatus();
  IterationSpace space = SpaceAlong({&in, &values, &indices}, sort.dim, in.sizes[sort.dim], 0);
  if (!MakeDense(space)) {
    bool done = false;
    if (in.elements() > kSmall || space.dims.size() >= hal::kTpcMaxDims) {
      ASSIGN_OR_RETURN(done, EmitContiguous(work));
    }
    if (done) return absl::OkStatus();
    AddUnitDim(space);
  }
  return ForEachPiece(space, hal::kTpcMaxDims, 1, [&](const IterationSpace& piece) -> absl::Status {
    hal::SortParams params;
    params.dim = AlongOf(piece);
    params.descending = sort.descending;
    const int64_t sizes[3] = {in.sizes[sort.dim], values.sizes[sort.dim], indices.sizes[sort.dim]};
    hal::KernelTensor tensors[3];
    for (size_t i = 0; i < 3; ++i) {
      ASSIGN_OR_RETURN(tensors[i], TensorOf(piece, i, true));
      tensors[i].sizes[params.dim] = static_cast<uint32_t>(sizes[i]);
    }
    ASSIGN_OR_RETURN(hal::KernelLaunch launch,
                     hal::MakeSort(params, tensors[0], tensors[1], tensors[2]));
    TpcStep tpc;
    tpc.launch = std::move(launch);
    absl::InlinedVector<Access, 4> accesses;
    for (size_t i = 0; i < 3; ++i) tpc.addresses.push_back(AddressOf(piece.operands[i]));
    accesses.push_back({Touched(piece, 0), false});
    accesses.push_back({values, true});
    accesses.push_back({indices, true});
    PlanStep step;
    step.work = std::move(tpc);
    AddStep(work, std::move(step), std::move(accesses));
    return absl::OkStatus();
  });
}

}  // namespace openhpu::graph
