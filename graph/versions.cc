#include "graph/versions.h"

#include <algorithm>

#include "absl/container/inlined_vector.h"

namespace openhpu::graph {
namespace {

struct Step {
  int64_t stride, size;  // bytes; the innermost is a run: stride 1
};

// A view in bytes: from `begin`, steps with strides that fall, all sizes above 1. Merged where one
// continues the other.
struct Box {
  int64_t begin = 0, end = 0;
  absl::InlinedVector<Step, 8> steps;
  bool dense = false;  // every byte of [begin, end)
};

Box BoxOf(const View& v) {
  Box box;
  const int64_t bytes = StorageBytes(v.dtype);
  box.begin = v.offset * bytes;
  box.end = box.begin + bytes;
  for (int d = 0; d < v.rank(); ++d) {
    if (v.sizes[d] <= 1 || v.strides[d] == 0) continue;
    box.steps.push_back({v.strides[d] * bytes, v.sizes[d]});
    box.end += (v.sizes[d] - 1) * v.strides[d] * bytes;
  }
  box.steps.push_back({1, bytes});
  std::sort(box.steps.begin(), box.steps.end(),
            [](const Step& a, const Step& b) { return a.stride > b.stride; });
  for (size_t i = box.steps.size(); i-- > 1;) {
    Step &outer = box.steps[i - 1], &inner = box.steps[i];
    if (outer.stride != inner.stride * inner.size) continue;
    inner.size *= outer.size;
    box.steps.erase(box.steps.begin() + static_cast<std::ptrdiff_t>(i - 1));
  }
  box.dense = box.steps.size() == 1 && box.steps[0].stride == 1;
  return box;
}

// A box on a grid of strides (falling, each a multiple of the next, the last 1): an interval a
// level. False when it does not lie on the grid, or an interval runs over the next level's stride.
bool OnGrid(const Box& box, absl::Span<const int64_t> grid,
            absl::InlinedVector<std::pair<int64_t, int64_t>, 12>& intervals) {
  intervals.assign(grid.size(), {0, 1});
  int64_t rest = box.begin;
  for (size_t g = 0; g < grid.size(); ++g) {
    intervals[g].first = rest / grid[g];
    rest %= grid[g];
  }
  for (Step step : box.steps) {
    // A step that crosses coarser strides of the grid is cut there.
    for (size_t g = 0; g < grid.size() && step.size > 1; ++g) {
      if (grid[g] == step.stride) {
        intervals[g].second *= step.size;
        if (intervals[g].second != step.size) return false;
        step.size = 1;
      } else if (grid[g] > step.stride && grid[g] < step.stride * step.size) {
        const int64_t inner = grid[g] / step.stride;
        if (grid[g] % step.stride != 0 || step.size % inner != 0) return false;
        if (intervals[g].second != 1) return false;
        intervals[g].second = step.size / inner;
        step.size = inner;
      }
    }
    if (step.size > 1) return false;
  }
  for (size_t g = 1; g < grid.size(); ++g) {
    if (intervals[g].first + intervals[g].second > grid[g - 1] / grid[g]) return false;
  }
  return true;
}

}  // namespace

Overlap Relate(const View& a, const View& b) {
  if (a.buffer != b.buffer || a.elements() == 0 || b.elements() == 0) return Overlap::kDisjoint;
  if (a == b) return Overlap::kCovers;
  const Box x = BoxOf(a), y = BoxOf(b);
  if (x.end <= y.begin || y.end <= x.begin) return Overlap::kDisjoint;
  if (x.dense) {
    return x.begin <= y.begin && y.end <= x.end ? Overlap::kCovers : Overlap::kOverlaps;
  }
  absl::InlinedVector<int64_t, 12> grid;
  for (const Box* box : {&x, &y}) {
    for (const Step& step : box->steps) grid.push_back(step.stride);
  }
  std::sort(grid.begin(), grid.end(), std::greater<>());
  grid.erase(std::unique(grid.begin(), grid.end()), grid.end());
  for (size_t g = 1; g < grid.size(); ++g) {
    if (grid[g - 1] % grid[g] != 0) return Overlap::kOverlaps;
  }
  absl::InlinedVector<std::pair<int64_t, int64_t>, 12> p, q;
  if (!OnGrid(x, grid, p) || !OnGrid(y, grid, q)) return Overlap::kOverlaps;
  bool covers = true;
  for (size_t g = 0; g < grid.size(); ++g) {
    const int64_t p_end = p[g].first + p[g].second, q_end = q[g].first + q[g].second;
    if (p_end <= q[g].first || q_end <= p[g].first) return Overlap::kDisjoint;
    if (p[g].first > q[g].first || q_end > p_end) covers = false;
  }
  return covers ? Overlap::kCovers : Overlap::kOverlaps;
}

bool SameElements(const View& a, const View& b) {
  if (a.buffer != b.buffer || a.offset != b.offset || a.sizes != b.sizes ||
      StorageBytes(a.dtype) != StorageBytes(b.dtype)) {
    return false;
  }
  for (int d = 0; d < a.rank(); ++d) {
    if (a.sizes[d] != 1 && a.strides[d] != b.strides[d]) return false;
  }
  return true;
}

}  // namespace openhpu::graph
