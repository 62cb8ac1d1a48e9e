#include "graph/front/iteration.h"

#include <algorithm>
#include <utility>

#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

// Splits the dims of `space` so that they end where `bounds` (products of sizes from the innermost)
// say.
bool Refine(absl::Span<const int64_t> bounds, IterationSpace& space) {
  std::vector<IterationDim> refined;
  int64_t product = 1;
  size_t next = 0;
  for (size_t d = space.dims.size(); d-- > 0;) {
    IterationDim dim = space.dims[d];
    const int64_t end = product * dim.size;
    while (next < bounds.size() && bounds[next] <= end) {
      if (bounds[next] % product != 0) return false;
      const int64_t inner = bounds[next] / product;
      if (dim.size % inner != 0) return false;
      if (inner > 1) {
        IterationDim part = dim;
        part.size = inner;
        refined.push_back(part);
        for (int64_t& s : dim.strides) s *= inner;
        dim.size /= inner;
      }
      product = bounds[next++];
    }
    if (dim.size != 1) return false;
  }
  std::reverse(refined.begin(), refined.end());
  space.dims = std::move(refined);
  return true;
}

}  // namespace

IterationSpace MakeSpace(absl::Span<const View* const> operands, absl::Span<const int> tags) {
  IterationSpace space;
  const int rank = operands[0]->rank();
  for (int d = 0; d < rank; ++d) {
    IterationDim dim;
    dim.logical = d;
    dim.tag = tags.empty() ? 0 : tags[d];
    for (const View* v : operands) dim.size = std::max(dim.size, v->sizes[d]);
    for (const View* v : operands) {
      if (v->sizes[d] == 0) dim.size = 0;
      dim.strides.push_back(v->sizes[d] == 1 ? 0 : v->strides[d]);
    }
    if (dim.size != 1) space.dims.push_back(std::move(dim));
  }
  for (const View* v : operands) space.operands.push_back(*v);
  return space;
}

void SortDims(IterationSpace& space, size_t by) {
  const auto outer = [by](const IterationDim& a, const IterationDim& b) {
    if (a.strides[by] != b.strides[by]) return a.strides[by] > b.strides[by];
    for (size_t i = 0; i < a.strides.size(); ++i) {
      if (a.strides[i] != b.strides[i]) return a.strides[i] > b.strides[i];
    }
    return false;
  };
  // Insertion sort: few dims; a dim moves outwards past its neighbour unless both are tagged.
  auto& dims = space.dims;
  for (size_t i = 1; i < dims.size(); ++i) {
    for (size_t j = i; j > 0; --j) {
      if (dims[j].tag != 0 && dims[j - 1].tag != 0) break;
      if (!outer(dims[j], dims[j - 1])) break;
      std::swap(dims[j], dims[j - 1]);
    }
  }
}

void MergeDims(IterationSpace& space) {
  auto& dims = space.dims;
  for (size_t i = 0; i + 1 < dims.size();) {
    IterationDim &a = dims[i], &b = dims[i + 1];
    bool mergeable = a.tag == b.tag && a.tag >= 0;
    for (size_t k = 0; mergeable && k < a.strides.size(); ++k) {
      mergeable = a.strides[k] == b.strides[k] * b.size;
    }
    if (!mergeable) {
      ++i;
      continue;
    }
    b.size *= a.size;
    b.logical = -1;
    dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(i));
    if (i > 0) --i;
  }
}

bool RefineTogether(IterationSpace& a, IterationSpace& b) {
  std::vector<int64_t> bounds;
  for (const IterationSpace* space : {&a, &b}) {
    int64_t product = 1;
    for (size_t d = space->dims.size(); d-- > 0;) {
      product *= space->dims[d].size;
      bounds.push_back(product);
    }
  }
  std::sort(bounds.begin(), bounds.end());
  bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
  if (!Refine(bounds, a) || !Refine(bounds, b) || a.dims.size() != b.dims.size()) return false;
  for (size_t d = 0; d < a.dims.size(); ++d) {
    if (a.dims[d].size != b.dims[d].size) return false;
  }
  return true;
}

bool IsDense(const IterationDim& dim) {
  return std::all_of(dim.strides.begin(), dim.strides.end(),
                     [](int64_t s) { return s == 0 || s == 1; });
}

void MoveInnermost(IterationSpace& space, size_t i) {
  const auto at = space.dims.begin() + static_cast<std::ptrdiff_t>(i);
  std::rotate(at, at + 1, space.dims.end());
}

absl::StatusOr<hal::KernelTensor> TensorOf(const IterationSpace& space, size_t i, bool whole) {
  OPENHPU_CHECK(space.dims.size() <= hal::kTpcMaxDims);
  hal::KernelTensor t;
  t.dtype = DeviceType(space.operands[i].dtype);
  int at = 0;
  for (size_t d = space.dims.size(); d-- > 0; ++at) {
    const IterationDim& dim = space.dims[d];
    const int64_t stride = dim.strides[i];
    if (dim.size > UINT32_MAX || stride > UINT32_MAX) {
      return absl::OutOfRangeError(hal::Cat(ToText(space.operands[i]), ": too large for a kernel"));
    }
    const bool broadcast = stride == 0 && !whole;
    t.sizes[at] = broadcast ? 1 : static_cast<uint32_t>(dim.size);
    t.strides[at] = static_cast<uint32_t>(stride);
    if (at == 0) t.strides[0] = 1;
  }
  return t;
}

View Touched(const IterationSpace& space, size_t i) {
  View v = space.operands[i];
  v.sizes.clear();
  v.strides.clear();
  for (const IterationDim& dim : space.dims) {
    if (dim.strides[i] == 0) continue;
    v.sizes.push_back(dim.size);
    v.strides.push_back(dim.strides[i]);
  }
  return v;
}

IterationSpace FixDim(const IterationSpace& space, size_t d, int64_t index) {
  IterationSpace fixed = space;
  for (size_t i = 0; i < fixed.operands.size(); ++i) {
    fixed.operands[i].offset += index * space.dims[d].strides[i];
  }
  fixed.dims.erase(fixed.dims.begin() + static_cast<std::ptrdiff_t>(d));
  return fixed;
}

int DimToLoop(const IterationSpace& space, size_t keep) {
  int best = -1;
  for (size_t d = 0; d + keep < space.dims.size(); ++d) {
    if (space.dims[d].tag > 0) continue;
    if (best < 0 || space.dims[d].size < space.dims[best].size) best = static_cast<int>(d);
  }
  return best;
}

}  // namespace openhpu::graph
