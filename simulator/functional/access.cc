#include "simulator/functional/access.h"

#include <algorithm>
#include <numeric>

#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

using Wide = __int128;  // sums of stride * size of hostile boxes do not wrap

// One axis of a difference of two boxes: stride > 0, values 0, stride, ..., (count - 1) * stride.
struct Axis {
  Wide stride;
  Wide count;
};

Wide FloorDiv(Wide a, Wide b) { return a / b - ((a % b != 0 && (a % b < 0) != (b < 0)) ? 1 : 0); }
Wide CeilDiv(Wide a, Wide b) { return -FloorDiv(-a, b); }

// Smallest k >= 0 with l <= a * k mod m <= r, or -1; 0 <= l <= r < m, 0 <= a < m. The steps of
// Euclid's algorithm.
Wide FirstInResidues(Wide a, Wide m, Wide l, Wide r) {
  if (l == 0) return 0;
  if (a == 0) return -1;
  const Wide k = CeilDiv(l, a);
  if (a * k <= r) return k;
  // No multiple of a lies in [l, r] before the first wrap: count wraps instead. a * k - m * w in
  // [l, r]
  // <=> m * w mod a in [-r mod a, -l mod a].
  const Wide wraps = FirstInResidues(m % a, a, (a - r % a) % a, (a - l % a) % a);
  if (wraps < 0) return -1;
  return CeilDiv(l + m * wraps, a);
}

// Whether i * a + j * b lies in [low, high] for some 0 <= i < a.count, 0 <= j < b.count.
bool HitsTwo(const Axis& a, const Axis& b, Wide low, Wide high) {
  const Wide reach = (b.count - 1) * b.stride;
  // For each i the sum hits iff the window [low - i * a, high - i * a] holds a value of b. Windows
  // over b's first or last value do.
  for (Wide edge : {Wide{0}, reach}) {
    const Wide from = std::max<Wide>(0, CeilDiv(low - edge, a.stride));
    if (from <= std::min(a.count - 1, FloorDiv(high - edge, a.stride))) return true;
  }
  // The others lie strictly between those, or outside and do not.
  const Wide from = std::max<Wide>(0, CeilDiv(high - reach + 1, a.stride));
  const Wide to = std::min(a.count - 1, FloorDiv(low - 1, a.stride));
  if (from > to) return false;
  if (high - low + 1 >= b.stride) return true;
  // i * a mod b must lie in [low, high] mod b for some i in [from, to].
  low -= from * a.stride;
  high -= from * a.stride;
  const auto hit = [&](Wide l, Wide r) {
    const Wide i = FirstInResidues(a.stride % b.stride, b.stride, l, r);
    return i >= 0 && i <= to - from;
  };
  const Wide l = low % b.stride, r = l + (high - low);
  return r < b.stride ? hit(l, r) : hit(l, b.stride - 1) || hit(0, r - b.stride);
}

// Whether a sum over `axes` (strides descending) lies in [low, high].
bool Hits(const Axis* axes, int n, Wide low, Wide high) {
  Wide reach = 0;
  for (int i = 0; i < n; ++i) reach += (axes[i].count - 1) * axes[i].stride;
  if (high < 0 || low > reach) return false;
  if (low <= 0 || high >= reach) return true;  // the smallest or the largest sum
  if (n == 0) return false;
  if (n == 1) return CeilDiv(low, axes[0].stride) * axes[0].stride <= high;
  if (n == 2) return HitsTwo(axes[0], axes[1], low, high);
  // All sums are multiples of the strides' common divisor.
  Wide g = 0;
  for (int i = 0; i < n; ++i) {
    Wide a = axes[i].stride;
    while (a != 0) {
      const Wide t = g % a;
      g = a;
      a = t;
    }
  }
  if (CeilDiv(low, g) * g > high) return false;
  const Axis& top = axes[0];
  const Wide rest = reach - (top.count - 1) * top.stride;
  const Wide first = std::max<Wide>(0, CeilDiv(low - rest, top.stride));
  const Wide last = std::min(top.count - 1, FloorDiv(high, top.stride));
  for (Wide i = first; i <= last; ++i) {
    if (Hits(axes + 1, n - 1, low - i * top.stride, high - i * top.stride)) return true;
  }
  return false;
}

bool Empty(const AccessBox& box) {
  return box.run == 0 ||
         std::any_of(box.sizes.begin(), box.sizes.end(), [](uint64_t s) { return s == 0; });
}

// Lowest address and one past the highest.
void Bounds(const AccessBox& box, Wide* begin, Wide* end) {
  Wide low = box.base.value(), high = low;
  for (int d = 0; d < 5; ++d) {
    const Wide reach = Wide(box.sizes[d] - 1) * box.strides[d];
    (reach < 0 ? low : high) += reach;
  }
  *begin = low;
  *end = high + box.run;
}

// The nearest address.
DeviceAddress Saturated(Wide address) {
  constexpr Wide kMost = ~uint64_t{0};
  return DeviceAddress(static_cast<uint64_t>(std::min(std::max<Wide>(address, 0), kMost)));
}

}  // namespace

uint64_t Bytes(const AccessBox& box) {
  uint64_t bytes = box.run;
  for (uint64_t size : box.sizes) bytes *= size;
  return bytes;
}

uint64_t Lines(const AccessBox& box, uint64_t line_bytes) {
  OPENHPU_CHECK(line_bytes > 0);
  if (Empty(box)) return 0;
  // How many runs start at each offset in a line; an axis whose stride is whole lines only
  // multiplies.
  uint64_t whole = 1;
  std::vector<uint64_t> runs;
  const uint64_t start = box.base.value() % line_bytes;
  for (int d = 0; d < 5; ++d) {
    if (box.sizes[d] == 1) continue;
    const int64_t line = static_cast<int64_t>(line_bytes);
    const uint64_t step = static_cast<uint64_t>((box.strides[d] % line + line) % line);
    if (step == 0) {
      whole *= box.sizes[d];
      continue;
    }
    if (runs.empty()) {
      runs.assign(line_bytes, 0);
      runs[start] = 1;
    }
    const uint64_t period = line_bytes / std::gcd(step, line_bytes);
    std::vector<uint64_t> next(line_bytes, 0);
    for (uint64_t r = 0; r < line_bytes; ++r) {
      if (runs[r] == 0) continue;
      uint64_t to = r;
      for (uint64_t k = 0; k < std::min(period, box.sizes[d]); ++k) {
        next[to] += runs[r] * (box.sizes[d] / period + (k < box.sizes[d] % period ? 1 : 0));
        to = (to + step) % line_bytes;
      }
    }
    runs.swap(next);
  }
  const auto touched = [&](uint64_t offset) { return (offset + box.run - 1) / line_bytes + 1; };
  if (runs.empty()) return whole * touched(start);
  uint64_t lines = 0;
  for (uint64_t r = 0; r < line_bytes; ++r) {
    if (runs[r] != 0) lines += runs[r] * touched(r);
  }
  return whole * lines;
}

DeviceAddress Begin(const AccessBox& box) {
  if (Empty(box)) return box.base;
  Wide begin, end;
  Bounds(box, &begin, &end);
  return Saturated(begin);
}

DeviceAddress End(const AccessBox& box) {
  if (Empty(box)) return box.base;
  Wide begin, end;
  Bounds(box, &begin, &end);
  return Saturated(end);
}

bool Intersect(const AccessBox& a, const AccessBox& b) {
  if (Empty(a) || Empty(b)) return false;
  Wide a_begin, a_end, b_begin, b_end;
  Bounds(a, &a_begin, &a_end);
  Bounds(b, &b_begin, &b_end);
  if (a_end <= b_begin || b_end <= a_begin) return false;

  // With every axis turned to a positive stride, boxes meet iff (sum over a) - (sum over b) lies in
  // a window as wide as both runs. Turning b's axes round once more makes it one sum of
  // non-negative terms.
  std::array<Axis, 10> axes;
  int n = 0;
  Wide b_reach = 0;
  for (const AccessBox* box : {&a, &b}) {
    for (int d = 0; d < 5; ++d) {
      if (box->sizes[d] == 1 || box->strides[d] == 0) continue;
      const Wide stride = box->strides[d] < 0 ? -Wide(box->strides[d]) : Wide(box->strides[d]);
      axes[n++] = {stride, Wide(box->sizes[d])};
      if (box == &b) b_reach += stride * (box->sizes[d] - 1);
    }
  }
  // a_begin + x + sum_a = b_begin + y + sum_b; sum_b = b_reach - sum_b'.
  const Wide distance = b_begin - a_begin + b_reach;
  Wide low = distance - (Wide(a.run) - 1), high = distance + (Wide(b.run) - 1);

  // Ascending: an axis that steps by no more than the window is wide only widens it; an axis that
  // steps by a multiple of the one before, within its reach, only lengthens that one.
  std::sort(axes.begin(), axes.begin() + n,
            [](const Axis& x, const Axis& y) { return x.stride < y.stride; });
  int kept = 0;
  for (int i = 0; i < n; ++i) {
    const Axis axis = axes[i];
    if (axis.stride <= high - low + 1 && kept == 0) {
      low -= (axis.count - 1) * axis.stride;
    } else if (kept > 0 && axis.stride % axes[kept - 1].stride == 0 &&
               axis.stride <= axes[kept - 1].stride * axes[kept - 1].count) {
      axes[kept - 1].count += (axis.count - 1) * (axis.stride / axes[kept - 1].stride);
    } else {
      axes[kept++] = axis;
    }
  }
  std::reverse(axes.begin(), axes.begin() + kept);
  return Hits(axes.data(), kept, low, high);
}

}  // namespace openhpu::simulator
