// Iteration spaces: the loops that operands share, brought into the form that engines take: unit
// dims dropped, mergeable ones collapsed, an inner dim that is dense for every operand.
#ifndef GRAPH_FRONT_ITERATION_H_
#define GRAPH_FRONT_ITERATION_H_

#include <cstdint>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "graph/ir.h"
#include "hal/kernel/launch.h"

namespace openhpu::graph {

// One loop. `tag` keeps kinds of dims apart: dims of different tags, and dims with a negative tag,
// never merge.
struct IterationDim {
  int64_t size = 1;
  absl::InlinedVector<int64_t, 4> strides;  // an operand each; 0: the operand does not depend on it
  int tag = 0;
  int logical = -1;  // the dim it was made from, while it is not merged
};

struct IterationSpace {
  std::vector<IterationDim> dims;  // outermost first
  std::vector<View> operands;      // for buffer, dtype and offset
};

// The common loops of views. All have one rank; a size-1 dim of an operand broadcasts. `tags` may
// be empty (all 0).
IterationSpace MakeSpace(absl::Span<const View* const> operands, absl::Span<const int> tags);

// Outermost first by the strides of operand `by` (then of the others), without changing the
// relative order of dims whose tag is not 0.
void SortDims(IterationSpace& space, size_t by);
// Collapses neighbours that all operands step through as one.
void MergeDims(IterationSpace& space);

// Splits the dims of both spaces so that they have the same sizes. False when their products of
// sizes do not divide each other.
bool RefineTogether(IterationSpace& a, IterationSpace& b);

// Whether `dim` may be innermost: stride 1 (or 0) for every operand.
bool IsDense(const IterationDim& dim);
// Moves dim i to the end.
void MoveInnermost(IterationSpace& space, size_t i);

// The tensor of operand `i` over the given space (at most 5 dims, the last is dim 0). Dims that the
// operand is broadcast along have size 1 in it, or, with `whole`, their own size and stride 0.
// OutOfRange when a size or stride has more than 32 bits.
absl::StatusOr<hal::KernelTensor> TensorOf(const IterationSpace& space, size_t i,
                                           bool whole = false);

// What operand `i` touches, as a view of its buffer.
View Touched(const IterationSpace& space, size_t i);

// One piece of `space`: dims[d] fixed at `index`.
IterationSpace FixDim(const IterationSpace& space, size_t d, int64_t index);
// The dim to loop over next: the smallest without a positive tag; -1 when there is none before the
// last `keep`.
int DimToLoop(const IterationSpace& space, size_t keep);
inline constexpr int64_t kMaxPieces = 4096;

// Calls `body` with spaces of at most `max_dims` dims that together make up `space`: loops over the
// smallest dims that are not the last `keep`. ResourceExhausted when that takes more than 4096
// pieces.
template <typename Body>
absl::Status ForEachPiece(const IterationSpace& space, size_t max_dims, size_t keep, Body body,
                          int64_t pieces = kMaxPieces) {
  if (space.dims.size() <= max_dims) return body(space);
  const int d = DimToLoop(space, keep);
  if (d < 0) return absl::UnimplementedError("more dims than a kernel takes");
  const int64_t size = space.dims[d].size;
  if (size > pieces) {
    return absl::ResourceExhaustedError(
        "a view with so many unmergeable dims takes too many commands");
  }
  for (int64_t i = 0; i < size; ++i) {
    const absl::Status status =
        ForEachPiece(FixDim(space, d, i), max_dims, keep, body, pieces / size);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace openhpu::graph

#endif  // GRAPH_FRONT_ITERATION_H_
