// Works that are one kernel of the library each, over dims that the front may order as it likes.
//
// Reductions add up in the order of their reduced dims as PyTorch counts them, whatever the layout:
// so their bits do not depend on it.
#include <algorithm>
#include <numeric>

#include "graph/front/emit.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/kernels.h"

namespace openhpu::graph {
namespace {

// Below this many elements a kernel that steps element by element is cheaper than copies around it.
constexpr int64_t kSmall = 4096;
constexpr int kOrdered = 1;  // tag of dims whose order counts

std::vector<int> TagsOf(uint32_t dims, int rank) {
  std::vector<int> tags(rank, 0);
  for (int d = 0; d < rank; ++d) {
    if (dims >> d & 1) tags[d] = kOrdered;
  }
  return tags;
}

// Sorts, merges and makes a dense dim innermost; false if none may be. Operand 0, which `whole`
// operands follow in, must step by 1 through it.
bool Arrange(IterationSpace& space) {
  SortDims(space, 0);
  MergeDims(space);
  int best = -1;
  bool ordered_after = false;
  size_t ordered = 0;
  for (size_t d = space.dims.size(); d-- > 0;) {
    const IterationDim& dim = space.dims[d];
    const bool last = dim.tag != kOrdered || !ordered_after;
    if (dim.tag == kOrdered) ordered_after = true;
    if (dim.tag == kOrdered) ++ordered;
    if (!last || !IsDense(dim) || dim.strides[0] != 1) continue;
    if (best < 0 || dim.size > space.dims[best].size) best = static_cast<int>(d);
  }
  if (ordered >= hal::kTpcMaxDims) return false;
  if (best < 0) return space.dims.empty();
  MoveInnermost(space, best);
  return true;
}

void AddUnitDim(IterationSpace& space) {
  IterationDim unit;
  unit.strides.assign(space.operands.size(), 1);
  space.dims.push_back(std::move(unit));
}

// Bit i = dim i of the kernel, of the dims that have the tag.
uint8_t KernelMask(const IterationSpace& space) {
  uint8_t mask = 0;
  for (size_t d = 0; d < space.dims.size(); ++d) {
    if (space.dims[d].tag == kOrdered) mask |= 1u << (space.dims.size() - 1 - d);
  }
  return mask;
}

std::vector<const View*> Operands(const Work& work) {
  std::vector<const View*> operands;
  for (const View& v : work.inputs) operands.push_back(&v);
  for (const View& v : work.outputs) operands.push_back(&v);
  return operands;
}

}  // namespace

absl::Status Emitter::Reduce(const Work& work, const ReduceWork& reduce) {
  const View& in = work.inputs[0];
  IterationSpace space = MakeSpace(Operands(work), TagsOf(reduce.dims, in.rank()));
  // A reduced dim of size 1 is dropped, and nothing may be left: then the kernel reduces dim 4, of
  // size 1.
  if (!Arrange(space)) {
    ASSIGN_OR_RETURN(const bool done, in.elements() > kSmall || space.dims.size() > hal::kTpcMaxDims
                                          ? EmitContiguous(work)
                                          : absl::StatusOr<bool>(false));
    if (done) return absl::OkStatus();
    AddUnitDim(space);
  }
  return ForEachPiece(space, hal::kTpcMaxDims, 1, [&](const IterationSpace& piece) -> absl::Status {
    hal::ReduceParams params;
    params.op = reduce.op;
    params.mask = KernelMask(piece);
    params.correction = reduce.correction;
    if (params.mask == 0) params.mask = piece.dims.size() < hal::kTpcMaxDims ? 0x10 : 0;
    ASSIGN_OR_RETURN(const hal::KernelTensor x, TensorOf(piece, 0, true));
    ASSIGN_OR_RETURN(const hal::KernelTensor y, TensorOf(piece, 1));
    ASSIGN_OR_RETURN(hal::KernelLaunch launch, hal::MakeReduce(params, x, y));
    AddLaunch(work, std::move(launch), piece, 1, false);
    return absl::OkStatus();
  });
}

absl::Status Emitter::Softmax(const Work& work, const SoftmaxWork& softmax) {
  const View& in = work.inputs[0];
  IterationSpace space = MakeSpace(Operands(work), TagsOf(1u << softmax.dim, in.rank()));
  if (!Arrange(space)) {
    ASSIGN_OR_RETURN(const bool done,
                     in.elements() > kSmall ? EmitContiguous(work) : absl::StatusOr<bool>(false));
    if (done) return absl::OkStatus();
    AddUnitDim(space);
  }
  return ForEachPiece(space, hal::kTpcMaxDims, 1, [&](const IterationSpace& piece) -> absl::Status {
    hal::SoftmaxParams params;
    params.log = softmax.log;
    const uint8_t mask = KernelMask(piece);
    // A dim of size 1 is dropped: any other of size 1 does.
    params.dim = static_cast<uint8_t>(piece.dims.size() < hal::kTpcMaxDims ? piece.dims.size() : 0);
    for (uint8_t d = 0; d < hal::kTpcMaxDims; ++d) {
      if (mask >> d & 1) params.dim = d;
    }
    if (mask == 0 && piece.dims.size() == hal::kTpcMaxDims) {
      return absl::UnimplementedError(
          "softmax along a dim of size 1 of a view with 5 unmergeable dims");
    }
    ASSIGN_OR_RETURN(const hal::KernelTensor x, TensorOf(piece, 0, true));
    ASSIGN_OR_RETURN(const hal::KernelTensor y, TensorOf(piece, 1, true));
    ASSIGN_OR_RETURN(hal::KernelLaunch launch, hal::MakeSoftmax(params, x, y));
    AddLaunch(work, std::move(launch), piece, 1, false);
    return absl::OkStatus();
  });
}

absl::Status Emitter::Norm(const Work& work, const NormWork& norm) {
  const View& in = work.inputs[0];
  IterationSpace space = MakeSpace(Operands(work), TagsOf(norm.dims, in.rank()));
  if (!Arrange(space)) {
    ASSIGN_OR_RETURN(const bool done, in.elements() > kSmall || space.dims.size() > hal::kTpcMaxDims
                                          ? EmitContiguous(work)
                                          : absl::StatusOr<bool>(false));
    if (done) return absl::OkStatus();
    AddUnitDim(space);
  }
  return ForEachPiece(space, hal::kTpcMaxDims, 1, [&](const IterationSpace& piece) -> absl::Status {
    hal::NormParams params;
    params.mask = KernelMask(piece);
    params.epsilon = norm.epsilon;
    params.has_weight = norm.has_weight;
    params.has_bias = norm.has_bias;
    if (params.mask == 0) {  // every normalised dim has size 1
      if (piece.dims.size() == hal::kTpcMaxDims) {
        return absl::UnimplementedError(
            "a norm over one element of a view with 5 unmergeable dims");
      }
      params.mask = static_cast<uint8_t>(1u << piece.dims.size());
    }
    std::vector<hal::KernelTensor> tensors;
    for (size_t i = 0; i < piece.operands.size(); ++i) {
      ASSIGN_OR_RETURN(hal::KernelTensor t, TensorOf(piece, i, i == 0));
      tensors.push_back(t);
    }
    ASSIGN_OR_RETURN(hal::KernelLaunch launch, hal::MakeNorm(params, tensors));
    AddLaunch(work, std::move(launch), piece, 3, false);
    return absl::OkStatus();
  });
}

absl::Status Emitter::Gather(const Work& work, const GatherWork& gather) {
  const View &table = work.inputs[0], &index = work.inputs[1], &out = work.outputs[0];
  if (out.elements() == 0) return absl::OkStatus();
  if (gather.mode == hal::GatherMode::kRows) {
    if (table.sizes.back() != 1 && table.strides.back() == 0) {
      // A row that repeats one element; what follows leaves broadcast dims as they are.
      Work whole = work;
      ASSIGN_OR_RETURN(whole.inputs[0], Contiguous(work, table));
      return Emit(whole);
    }
    const auto dense = [](const View& v) { return v.sizes.back() == 1 || v.strides.back() == 1; };
    if (!dense(table) || !dense(out)) {
      ASSIGN_OR_RETURN(const bool done, EmitContiguous(work));
      if (done) return absl::OkStatus();
    }
    const View heads = Select(out, out.rank() - 1, 0);
    IterationSpace space = MakeSpace({&index, &heads}, {});
    SortDims(space, 1);
    MergeDims(space);
    return ForEachPiece(
        space, hal::kTpcMaxDims - 1, 0, [&](const IterationSpace& piece) -> absl::Status {
          // All three share the row as dim 0; the index has none, the table only its own rows
          // beside it.
          IterationSpace whole = piece;
          IterationDim row;
          row.size = out.sizes.back();
          row.strides = {1, 1};
          whole.dims.push_back(std::move(row));
          ASSIGN_OR_RETURN(hal::KernelTensor indices, TensorOf(whole, 0, true));
          indices.sizes[0] = 1;
          ASSIGN_OR_RETURN(const hal::KernelTensor y, TensorOf(whole, 1, true));
          hal::KernelTensor rows;
          rows.dtype = table.dtype;
          if (table.sizes[0] > UINT32_MAX || table.strides[0] > UINT32_MAX) {
            return absl::OutOfRangeError("the table is too large for a kernel");
          }
          rows.sizes = {y.sizes[0], static_cast<uint32_t>(table.sizes[0]), 1, 1, 1};
          rows.strides = {1, static_cast<uint32_t>(table.strides[0]), 0, 0, 0};
          hal::GatherParams params;
          ASSIGN_OR_RETURN(hal::KernelLaunch launch, hal::MakeGather(params, rows, indices, y));
          TpcStep tpc;
          tpc.launch = std::move(launch);
          tpc.addresses = {AddressOf(table), AddressOf(piece.operands[0]),
                           AddressOf(piece.operands[1])};
          View written = Touched(piece, 1);
          written.sizes.push_back(out.sizes.back());
          written.strides.push_back(1);
          PlanStep step;
          step.work = std::move(tpc);
          absl::InlinedVector<Access, 4> accesses;
          accesses.push_back({table, false});
          accesses.push_back({Touched(piece, 0), false});
          accesses.push_back({std::move(written), true});
          AddStep(work, std::move(step), std::move(accesses));
          return absl::OkStatus();
        });
  }
  // kElements: the gathered dim has a size of its own in the table.
  const View flat_table = Select(table, gather.dim, 0), flat_index = Select(index, gather.dim, 0),
             flat_out = Select(out, gather.dim, 0);
  IterationSpace space = MakeSpace({&flat_table, &flat_index, &flat_out}, {});
  IterationDim along;
  along.size = out.sizes[gather.dim];
  along.strides = {table.strides[gather.dim], index.strides[gather.dim], out.strides[gather.dim]};
  along.tag = kOrdered;
  space.dims.push_back(along);
  SortDims(space, 2);
  MergeDims(space);
  int dense = -1;
  for (size_t d = 0; d < space.dims.size(); ++d) {
    const auto& strides = space.dims[d].strides;
    if (strides[0] == 1 && strides[1] == 1 && strides[2] == 1) dense = static_cast<int>(d);
  }
  if (dense < 0) {
    ASSIGN_OR_RETURN(const bool done,
                     out.elements() > kSmall ? EmitContiguous(work) : absl::StatusOr<bool>(false));
    if (done) return absl::OkStatus();
    AddUnitDim(space);
  } else {
    MoveInnermost(space, dense);
  }
  return ForEachPiece(space, hal::kTpcMaxDims, 1, [&](const IterationSpace& piece) -> absl::Status {
    hal::GatherParams params;
    params.mode = hal::GatherMode::kElements;
    hal::KernelTensor tensors[3];
    for (size_t i = 0; i < 3; ++i) {
      ASSIGN_OR_RETURN(tensors[i], TensorOf(piece, i, true));
    }
    for (size_t d = 0; d < piece.dims.size(); ++d) {
      if (piece.dims[d].tag != kOrdered) continue;
      params.dim = static_cast<uint8_t>(piece.dims.size() - 1 - d);
      tensors[0].sizes[params.dim] = static_cast<uint32_t>(table.sizes[gather.dim]);
    }
    ASSIGN_OR_RETURN(hal::KernelLaunch launch,
                     hal::MakeGather(params, tensors[0], tensors[1], tensors[2]));
    TpcStep tpc;
    tpc.launch = std::move(launch);
    absl::InlinedVector<Access, 4> accesses;
    for (size_t i = 0; i < 3; ++i) {
      tpc.addresses.push_back(AddressOf(piece.operands[i]));
      accesses.push_back({i == 0 ? table : Touched(piece, i), i == 2});
    }
    PlanStep step;
    step.work = std::move(tpc);
    AddStep(work, std::move(step), std::move(accesses));
    return absl::OkStatus();
  });
}

}  // namespace openhpu::graph
