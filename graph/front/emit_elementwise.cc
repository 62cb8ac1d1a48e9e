// Element-wise works: fused kernels on the TPC, plain copies and fills on the DMA engines.
#include <algorithm>

#include "graph/front/emit.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/kernels.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;

// Below this many elements a kernel that steps element by element is cheaper than a copy before it.
constexpr int64_t kSmall = 4096;
constexpr uint32_t kDmaDims = 4;  // outer dims of a strided DMA copy

bool IsCopy(const hal::ExpressionProgram& program) {
  return program.instructions.empty() && program.inputs.size() == 1 && program.outputs.size() == 1;
}

// kIndex instructions name dims of the launch (0 is innermost); a dim that is gone is a constant.
void SetIndexDims(const IterationSpace& space, absl::Span<const int64_t> fixed,
                  hal::ExpressionProgram& program) {
  for (hal::ExprInstruction& in : program.instructions) {
    if (in.op != ExprOp::kIndex) continue;
    const int logical = static_cast<int>(in.immediate);
    bool found = false;
    for (size_t d = 0; d < space.dims.size(); ++d) {
      if (space.dims[d].logical != logical) continue;
      in.immediate = static_cast<uint32_t>(space.dims.size() - 1 - d);
      found = true;
    }
    if (!found) {
      in.op = ExprOp::kConst;
      in.immediate = static_cast<uint32_t>(fixed[logical]);
    }
  }
}

bool UsesIndex(const hal::ExpressionProgram& program) {
  return std::any_of(program.instructions.begin(), program.instructions.end(),
                     [](const auto& in) { return in.op == ExprOp::kIndex; });
}

int64_t Elements(const IterationSpace& space) {
  int64_t n = 1;
  for (const IterationDim& dim : space.dims) n *= dim.size;
  return n;
}

// The dim to be innermost: dense for all, the longest. -1 if there is none.
int DenseDim(const IterationSpace& space) {
  int best = -1;
  for (size_t d = 0; d < space.dims.size(); ++d) {
    if (!IsDense(space.dims[d])) continue;
    if (best < 0 || space.dims[d].size > space.dims[best].size) best = static_cast<int>(d);
  }
  return best;
}

}  // namespace

absl::Status Emitter::Elementwise(const Work& work, const hal::ExpressionProgram& program) {
  if (work.outputs[0].elements() == 0) return absl::OkStatus();
  if (Fill(work, program)) return absl::OkStatus();
  std::vector<const View*> operands;
  for (const View& v : work.inputs) operands.push_back(&v);
  for (const View& v : work.outputs) operands.push_back(&v);
  std::vector<int> tags(work.outputs[0].rank(), 0);
  for (const hal::ExprInstruction& in : program.instructions) {
    if (in.op == ExprOp::kIndex) tags[in.immediate] = -1;
  }
  IterationSpace space = MakeSpace(operands, tags);
  // Dims of one tag keep their order only among themselves; an element-wise work has no order.
  for (IterationDim& dim : space.dims) dim.tag = 0;
  SortDims(space, work.inputs.size());
  for (IterationDim& dim : space.dims) dim.tag = tags[dim.logical];
  MergeDims(space);
  if (IsCopy(program) && space.operands[0].dtype == space.operands[1].dtype) {
    return Copy(work, std::move(space));
  }
  return ElementwisePieces(work, program, std::move(space));
}

absl::Status Emitter::ElementwisePieces(const Work& work, const hal::ExpressionProgram& program,
                                        IterationSpace space) {
  int dense = DenseDim(space);
  if (dense < 0 && !space.dims.empty() && Elements(space) > kSmall) {
    // Bring every operand into the first output's order of dims; outputs that are not in it are
    // copied out afterwards.
    std::vector<int> order;
    Work dense_work = work;
    // Logical dims by the output's strides, so that the copies are dense where the output is.
    const View& out = work.outputs[0];
    for (int d = 0; d < out.rank(); ++d) order.push_back(d);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return out.strides[a] > out.strides[b]; });
    int inner = order.back();
    for (size_t i = order.size(); i-- > 0 && out.sizes[inner] == 1;) inner = order[i];
    const auto fits = [&](const View& v, bool output) {
      return v.strides[inner] == 1 || (!output && v.strides[inner] == 0);
    };
    bool changed = false;
    for (View& v : dense_work.inputs) {
      if (fits(v, false)) continue;
      // Only the elements that it has: broadcast dims stay broadcast.
      View once = v;
      for (int d = 0; d < v.rank(); ++d) {
        if (v.strides[d] == 0) once.sizes[d] = 1;
      }
      ASSIGN_OR_RETURN(const View copy, Materialised(work, once, order));
      v = Expand(copy, v.sizes);
      changed = true;
    }
    std::vector<std::pair<View, View>> copy_out;
    for (size_t j = 0; j < dense_work.outputs.size(); ++j) {
      View& v = dense_work.outputs[j];
      if (fits(v, true)) continue;
      const View temp = NewTemp(v, order);
      copy_out.emplace_back(temp, v);
      v = temp;
      changed = true;
    }
    if (changed) {
      RETURN_IF_ERROR(Elementwise(dense_work, program));
      for (const auto& [from, to] : copy_out) RETURN_IF_ERROR(CopyView(work, from, to));
      return absl::OkStatus();
    }
  }
  if (dense >= 0) {
    MoveInnermost(space, dense);
  } else {
    IterationDim unit;
    unit.strides.assign(space.operands.size(), 1);
    space.dims.push_back(std::move(unit));
  }
  if (!UsesIndex(program)) {
    return ForEachPiece(space, hal::kTpcMaxDims, 1,
                        [&](const IterationSpace& piece) { return Fused(work, program, piece); });
  }
  // The indices of dims that are looped over are constants of each piece: found from the offset is
  // not possible in general, so loop here, by hand.
  std::vector<std::pair<IterationSpace, std::vector<int64_t>>> pieces = {
      {space, std::vector<int64_t>(work.outputs[0].rank(), 0)}};
  while (pieces.front().first.dims.size() > hal::kTpcMaxDims) {
    std::vector<std::pair<IterationSpace, std::vector<int64_t>>> finer;
    for (const auto& [piece, fixed] : pieces) {
      const int d = DimToLoop(piece, 1);
      for (int64_t i = 0; i < piece.dims[d].size; ++i) {
        std::vector<int64_t> more = fixed;
        if (piece.dims[d].logical >= 0) more[piece.dims[d].logical] = i;
        finer.emplace_back(FixDim(piece, d, i), std::move(more));
        if (finer.size() > kMaxPieces)
          return absl::ResourceExhaustedError(
              "a view with so many unmergeable dims takes too many commands");
      }
    }
    pieces = std::move(finer);
  }
  for (const auto& [piece, fixed] : pieces) {
    hal::ExpressionProgram indexed = program;
    SetIndexDims(piece, fixed, indexed);
    RETURN_IF_ERROR(Fused(work, std::move(indexed), piece));
  }
  return absl::OkStatus();
}

absl::Status Emitter::Fused(const Work& work, hal::ExpressionProgram program,
                            const IterationSpace& piece) {
  std::vector<hal::KernelTensor> tensors;
  for (size_t i = 0; i < piece.operands.size(); ++i) {
    ASSIGN_OR_RETURN(hal::KernelTensor t, TensorOf(piece, i));
    tensors.push_back(t);
  }
  const size_t inputs = program.inputs.size();
  const auto span = absl::MakeConstSpan(tensors);
  ASSIGN_OR_RETURN(hal::KernelLaunch launch,
                   hal::MakeFused(program, span.subspan(0, inputs), span.subspan(inputs)));
  AddLaunch(work, std::move(launch), piece, program.outputs.size(), true);
  return absl::OkStatus();
}

absl::Status Emitter::Copy(const Work& work, IterationSpace space) {
  // Without a long dense dim an element-wise kernel would be as slow, so every copy that only moves
  // bytes is the DMA's; broadcasts are not.
  const int64_t bytes = StorageBytes(space.operands[0].dtype);
  const bool broadcast = std::any_of(space.dims.begin(), space.dims.end(),
                                     [](const IterationDim& dim) { return dim.strides[0] == 0; });
  const int dense = DenseDim(space);
  if (broadcast && dense >= 0) {
    hal::ExpressionProgram program;
    program.inputs = {space.operands[0].dtype};
    program.outputs = {0};
    return ElementwisePieces(work, program, std::move(space));
  }
  int64_t run = bytes;
  if (dense >= 0 && space.dims[dense].strides[0] == 1) {
    run = bytes * space.dims[dense].size;
    space = [&] {
      IterationSpace outer = space;
      outer.dims.erase(outer.dims.begin() + dense);
      return outer;
    }();
  }
  const int64_t run_elements = run / bytes;
  return ForEachPiece(space, kDmaDims, 0, [&](const IterationSpace& piece) {
    hal::DmaCopy copy;
    copy.source = AddressOf(piece.operands[0]);
    copy.destination = AddressOf(piece.operands[1]);
    if (run > UINT32_MAX) return absl::OutOfRangeError("a run of more than 4 GiB");
    copy.run = static_cast<uint32_t>(run);
    // sizes[0] is the innermost of the outer dims.
    int at = 0;
    for (size_t d = piece.dims.size(); d-- > 0; ++at) {
      const IterationDim& dim = piece.dims[d];
      if (dim.size > UINT32_MAX || dim.strides[0] * bytes > UINT32_MAX ||
          dim.strides[1] * bytes > UINT32_MAX) {
        return absl::OutOfRangeError("a stride of more than 4 GiB");
      }
      copy.sizes[at] = static_cast<uint32_t>(dim.size);
      copy.source_strides[at] = static_cast<uint32_t>(dim.strides[0] * bytes);
      copy.destination_strides[at] = static_cast<uint32_t>(dim.strides[1] * bytes);
    }
    absl::InlinedVector<Access, 4> accesses;
    for (size_t i = 0; i < 2; ++i) {
      View touched = Touched(piece, i);
      if (run_elements > 1) {
        touched.sizes.push_back(run_elements);
        touched.strides.push_back(1);
      }
      accesses.push_back({std::move(touched), i == 1});
    }
    PlanStep step;
    step.work = copy;
    AddStep(work, std::move(step), std::move(accesses));
    return absl::OkStatus();
  });
}

bool Emitter::Fill(const Work& work, const hal::ExpressionProgram& program) {
  if (!program.inputs.empty() || program.instructions.size() != 1 || program.outputs.size() != 1 ||
      program.instructions[0].op != ExprOp::kConst || !work.outputs[0].contiguous()) {
    return false;
  }
  const View& out = work.outputs[0];
  const hal::SymbolicAddress address = AddressOf(out);
  const uint64_t element = StorageBytes(out.dtype), bytes = out.elements() * element;
  if (address.offset % 4 != 0 || bytes % 4 != 0) return false;
  uint32_t value = program.instructions[0].immediate;
  if (out.dtype == DType::kBFloat16) value >>= 16;  // a constant has fp32 bits, already rounded
  if (element == 2) value = (value & 0xFFFFu) * 0x10001u;
  if (element == 1) value = (value & 0xFFu) * 0x01010101u;
  hal::DmaFill fill;
  fill.destination = address;
  fill.bytes = bytes;
  fill.value = value;
  PlanStep step;
  step.work = fill;
  absl::InlinedVector<Access, 4> accesses;
  accesses.push_back({out, true});
  AddStep(work, std::move(step), std::move(accesses));
  return true;
}

}  // namespace openhpu::graph
