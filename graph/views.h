// View algebra: other views of the same memory, as PyTorch's view operators make them. No work is
// done; nothing here fails but Reshape.
#ifndef GRAPH_VIEWS_H_
#define GRAPH_VIEWS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/types/span.h"
#include "graph/ir.h"

namespace openhpu::graph {

// Dim i of the result is dim dims[i] of `v`.
View Permute(View v, absl::Span<const int> dims);
// Swaps two dims; negative ones count from the end.
View Transpose(View v, int a, int b);
// Broadcasts to `sizes` (dims are added in front). Requires that it does broadcast.
View Expand(const View& v, absl::Span<const int64_t> sizes);
// Elements start, start + step, ... along `dim`, `length` of them.
View Slice(View v, int dim, int64_t start, int64_t length, int64_t step = 1);
// Element `index` along `dim`; the dim is dropped.
View Select(View v, int dim, int64_t index);
// A dim of size 1 before `dim` (0 .. rank).
View Unsqueeze(View v, int dim);
// The same elements in row-major order with other sizes; nothing when that needs a copy. Requires
// an equal number of elements.
std::optional<View> Reshape(const View& v, absl::Span<const int64_t> sizes);

// Whether each of `v`'s dims is 1 or the last dims of `sizes`.
bool Broadcasts(absl::Span<const int64_t> v, absl::Span<const int64_t> sizes);

std::string ToText(const View& v);

}  // namespace openhpu::graph

#endif  // GRAPH_VIEWS_H_
