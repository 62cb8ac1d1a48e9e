// Computed places, for reading (indexing.cc) and writing (scatter.cc).
#ifndef GRAPH_OPS_PLACES_H_
#define GRAPH_OPS_PLACES_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "graph/lowering.h"
#include "graph/ops/common.h"

namespace openhpu::graph {

// Unimplemented for masks, InvalidArgument for floats.
absl::Status CheckIndex(const TensorType& index);

int64_t Product(absl::Span<const int64_t> sizes);

// Which dims of a tensor the index tensors stand for: position p of the list is dim p; `absent`
// lists the dims without one, as positions + 1.
std::vector<int> IndexedDims(const Attributes& attributes, size_t indices);
bool Adjacent(absl::Span<const int> dims);

// `v` with the indexed dims first when they are not side by side (as PyTorch has it); `dims`
// follow.
View IndexedFirst(View v, std::vector<int>& dims);

// One i32 index for several: sum of index * (product of the later sizes). What is out of range in
// one is so in all. With one alone, that one.
absl::StatusOr<View> FlatIndex(Lowering& lowering, absl::Span<const int64_t> sizes,
                               absl::Span<const View> indices);

}  // namespace openhpu::graph

#endif  // GRAPH_OPS_PLACES_H_
