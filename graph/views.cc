#include "graph/views.h"

#include <utility>

#include "absl/strings/str_join.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {

View Permute(View v, absl::Span<const int> dims) {
  OPENHPU_CHECK(static_cast<int>(dims.size()) == v.rank());
  const Dims sizes = v.sizes, strides = v.strides;
  for (size_t i = 0; i < dims.size(); ++i) {
    v.sizes[i] = sizes[dims[i]];
    v.strides[i] = strides[dims[i]];
  }
  return v;
}

View Transpose(View v, int a, int b) {
  if (a < 0) a += v.rank();
  if (b < 0) b += v.rank();
  std::swap(v.sizes[a], v.sizes[b]);
  std::swap(v.strides[a], v.strides[b]);
  return v;
}

View Expand(const View& v, absl::Span<const int64_t> sizes) {
  OPENHPU_CHECK(Broadcasts(v.sizes, sizes));
  View out = v;
  out.sizes.assign(sizes.begin(), sizes.end());
  out.strides.assign(sizes.size(), 0);
  const size_t added = sizes.size() - v.sizes.size();
  for (size_t d = 0; d < v.sizes.size(); ++d) {
    if (v.sizes[d] == sizes[added + d]) out.strides[added + d] = v.strides[d];
  }
  return out;
}

View Slice(View v, int dim, int64_t start, int64_t length, int64_t step) {
  v.offset += start * v.strides[dim];
  v.sizes[dim] = length;
  v.strides[dim] *= step;
  return v;
}

View Select(View v, int dim, int64_t index) {
  v.offset += index * v.strides[dim];
  v.sizes.erase(v.sizes.begin() + dim);
  v.strides.erase(v.strides.begin() + dim);
  return v;
}

View Unsqueeze(View v, int dim) {
  v.sizes.insert(v.sizes.begin() + dim, 1);
  v.strides.insert(v.strides.begin() + dim, 1);
  return v;
}

std::optional<View> Reshape(const View& v, absl::Span<const int64_t> sizes) {
  View out = v;
  out.sizes.assign(sizes.begin(), sizes.end());
  if (out.elements() == 0 || v.contiguous()) {
    out.strides = ContiguousStrides(sizes);
    return out;
  }
  // Walk both from the innermost: a maximal mergeable run of old dims is cut into new ones.
  out.strides.assign(sizes.size(), 1);
  int n = static_cast<int>(sizes.size()) - 1;
  for (int d = v.rank() - 1; d >= 0;) {
    if (v.sizes[d] == 1) {
      --d;
      continue;
    }
    int64_t run = v.sizes[d], outer_stride = v.strides[d] * v.sizes[d];
    const int64_t base = v.strides[d];
    for (--d; d >= 0 && (v.sizes[d] == 1 || v.strides[d] == outer_stride); --d) {
      if (v.sizes[d] == 1) continue;
      run *= v.sizes[d];
      outer_stride = v.strides[d] * v.sizes[d];
    }
    int64_t made = 1;
    while (n >= 0 && made < run) {
      out.strides[n] = base * made;
      made *= sizes[n];
      --n;
    }
    if (made != run) return std::nullopt;
  }
  return out;
}

bool Broadcasts(absl::Span<const int64_t> v, absl::Span<const int64_t> sizes) {
  if (v.size() > sizes.size()) return false;
  const size_t added = sizes.size() - v.size();
  for (size_t d = 0; d < v.size(); ++d) {
    if (v[d] != 1 && v[d] != sizes[added + d]) return false;
  }
  return true;
}

std::string ToText(const View& v) {
  return hal::Cat("b", v.buffer, ":", Name(v.dtype), "[", absl::StrJoin(v.sizes, ","), "]{",
                  absl::StrJoin(v.strides, ","), "}@", v.offset);
}

}  // namespace openhpu::graph
