#include "simulator/functional/mme_match.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <optional>

namespace openhpu::simulator {
namespace {

constexpr int64_t kMostVectors = int64_t{1} << 28;  // of a gemm
constexpr int64_t kMostSteps = int64_t{1} << 20;    // of a convolution's axis, for all taps

// How an operand steps over the rows (or columns) of the result: tile t begins at base + t * step,
// its lines are `unit` apart, and exist in [0, valid). `carry`: lines of a tile before the walk
// leaves the dimension.
struct Steps {
  int64_t base = 0, step = 0, unit = 1, valid = 0, carry = 0;
};

Steps StepsOf(const MmeOperand& operand, size_t array, int dim, bool moved) {
  Steps s;
  s.base = operand.agu[array].base[dim];
  s.step = moved ? operand.loop_stride[dim] : 0;
  s.valid = operand.valid[dim];
  s.carry = INT64_MAX;
  if (dim == 1) {
    s.unit = operand.spatial_stride[0];
    if (s.unit > 0) {
      s.carry = (operand.roi[1] + s.unit - 1) / s.unit;
    } else if (operand.roi[1] == 0) {
      s.carry = 1;
    }
  }
  return s;
}

// Appends a tile's lines that exist in the output. False when one of them does not exist in the
// input, or when the walk would wrap.
bool AppendTile(const Steps& in, const Steps& out, int64_t tile, int64_t lines, bool in_void,
                MmeSegments& segments) {
  const int64_t from = out.base + tile * out.step;
  if (out.unit <= 0 || lines > out.carry) return false;
  const int64_t first = from >= 0 ? 0 : (-from + out.unit - 1) / out.unit;
  const int64_t last =
      std::min(lines, from >= out.valid ? 0 : (out.valid - from + out.unit - 1) / out.unit);
  if (first >= last) return true;
  MmeSegment segment = {0, from + first * out.unit, last - first};
  if (!in_void) {
    const int64_t start = in.base + tile * in.step;
    segment.input = start + first * in.unit;
    if (segment.input < 0 || start + (last - 1) * in.unit >= in.valid || last > in.carry)
      return false;
  }
  segments.push_back(segment);
  return true;
}

// Joins segments that continue each other in input and output. False when two overlap in the
// output.
bool Join(int64_t in_unit, int64_t out_unit, bool in_void, MmeSegments& segments) {
  std::sort(segments.begin(), segments.end(),
            [](const MmeSegment& a, const MmeSegment& b) { return a.output < b.output; });
  size_t kept = 0;
  for (const MmeSegment& s : segments) {
    if (kept > 0) {
      MmeSegment& before = segments[kept - 1];
      const int64_t end = before.output + (before.count - 1) * out_unit;
      if (s.output <= end) return false;
      if (s.output == end + out_unit &&
          (in_void || s.input == before.input + before.count * in_unit)) {
        before.count += s.count;
        continue;
      }
    }
    segments[kept++] = s;
  }
  segments.resize(kept);
  return true;
}

bool Same(const MmeSegments& a, const MmeSegments& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const MmeSegment& x, const MmeSegment& y) {
                      return x.input == y.input && x.output == y.output && x.count == y.count;
                    });
}

// A loop resets the dim it is associated with whenever it wraps, also one of size 1: dims that an
// outer loop moves must be its own.
bool DimsAreOwn(const MmeOperand& operand) {
  for (int i = 0; i < kMmeLoops; ++i) {
    if (operand.size[i] == 1 || operand.dim[i] == kNoTensorDim) continue;
    for (int j = 0; j < i; ++j) {
      if (operand.dim[j] == operand.dim[i]) return false;
    }
  }
  return true;
}

// What no dense form has.
bool Plain(const MmeView& v) {
  if (!v.store || v.accum || v.keep_running || v.stochastic || v.reduction.has_value()) {
    return false;
  }
  // Products of strides and counts below stay small.
  if (std::max(v.s.Vectors(), v.l.Vectors()) > kMostVectors) return false;
  for (const MmeOperand* operand : {&v.s, &v.l, &v.o}) {
    if (operand->lower || operand->repeat != 1 || !DimsAreOwn(*operand)) return false;
    // They read arrays of the type.
    if (operand->address.value() % static_cast<uint64_t>(operand->ElementBytes()) != 0) {
      return false;
    }
    for (const MmeOperand::Agu& agu : operand->agu) {
      if (agu.partial_mask != 0) return false;
      if (std::any_of(agu.start.begin(), agu.start.end(), [](int64_t x) { return x != 0; }))
        return false;
    }
  }
  for (int i = 0; i < kMmeLoops; ++i) {
    if (v.s.size[i] != v.size[i] || v.l.size[i] != v.size[i]) return false;
  }
  return true;
}

// All arrays see the same offsets in these dims.
bool ArraysAgree(const MmeOperand& operand, int first_dim) {
  return std::all_of(operand.agu.begin(), operand.agu.end(), [&](const MmeOperand::Agu& agu) {
    return std::equal(agu.base.begin() + first_dim, agu.base.end(),
                      operand.agu[0].base.begin() + first_dim);
  });
}

// Dim d of the operand stays inside while a loop of `count` steps moves it (or none does).
bool Inside(const MmeOperand& operand, int d, int64_t count, int64_t step) {
  const int64_t first = operand.agu[0].base[d], last = first + (count - 1) * step;
  return std::min(first, last) >= 0 && std::max(first, last) < operand.valid[d];
}

// The loops of a product, by the dim of O that they move.
struct GemmLoops {
  int rows = -1, columns = -1;
  absl::InlinedVector<int, 3> batch;
};

std::optional<GemmLoops> SortLoops(const MmeView& v) {
  GemmLoops loops;
  for (int i = 0; i < kMmeLoops; ++i) {
    if (v.size[i] == 1) continue;
    if (i == kTetris || v.Accumulates(i)) return std::nullopt;
    if (v.o.dim[i] == 1 && loops.rows < 0) {
      loops.rows = i;
    } else if (v.o.dim[i] == 0 && loops.columns < 0) {
      loops.columns = i;
    } else if (v.o.dim[i] >= 2 && v.o.dim[i] < kNoTensorDim && loops.batch.size() < 3) {
      loops.batch.push_back(i);
    } else {
      return std::nullopt;
    }
  }
  return loops;
}

// An input of a product: lines along `dim` are what its loop moves, the other of dims 0 and 1 is k.
// Checks k, the other loops and the batch dims.
bool CheckInput(const MmeView& v, const MmeOperand& operand, int own_loop, const GemmLoops& loops,
                int64_t k) {
  const int dim = operand.transposed ? 1 : 0;
  for (int i : {loops.rows, loops.columns}) {
    if (i < 0 || operand.dim[i] == kNoTensorDim) continue;
    if (i == own_loop ? operand.dim[i] != dim : operand.loop_stride[operand.dim[i]] != 0)
      return false;
  }
  for (const MmeOperand::Agu& agu : operand.agu) {
    const int64_t first = agu.base[1 - dim];
    const int64_t unit = operand.transposed ? 1 : operand.spatial_stride[0];
    if (first < 0 || first + (k - 1) * unit >= operand.valid[1 - dim]) return false;
    if (!operand.transposed && (k - 1) * unit >= operand.roi[1]) return false;
    if (agu.base[1 - dim] != operand.agu[0].base[1 - dim]) return false;
  }
  if (!ArraysAgree(operand, 2)) return false;
  std::array<bool, 5> moved{};
  for (int i : loops.batch) {
    const int d = operand.dim[i];
    if (d == kNoTensorDim) continue;
    if (d < 2 || !Inside(operand, d, v.size[i], operand.loop_stride[d])) return false;
    moved[d] = true;
  }
  for (int d = 2; d < 5; ++d) {
    if (!moved[d] && !Inside(operand, d, 1, 0)) return false;
  }
  return true;
}

// No element of the result is written twice: each axis steps over all that the smaller ones reach.
bool WritesOnce(const GemmShape& s, int64_t rows_reach, int64_t columns_reach) {
  struct Axis {
    int64_t stride, reach;
  };
  absl::InlinedVector<Axis, 5> axes = {{1, columns_reach}, {s.c.row, rows_reach}};
  for (int d = 0; d < 3; ++d) {
    if (s.batch[d] == 1) continue;
    const int64_t stride = std::abs(s.c.batch[d]);
    if (stride == 0) return false;
    axes.push_back({stride, stride * (s.batch[d] - 1)});
  }
  std::sort(axes.begin(), axes.end(),
            [](const Axis& a, const Axis& b) { return a.stride < b.stride; });
  int64_t reach = 0;
  for (const Axis& axis : axes) {
    if (axis.reach > 0 && axis.stride <= reach) return false;
    reach += axis.reach;
  }
  return true;
}

int64_t Reach(const MmeSegments& segments, int64_t unit) {
  if (segments.empty()) return 0;
  return segments.back().output + (segments.back().count - 1) * unit - segments.front().output;
}

int64_t OffsetOf(const MmeOperand& operand, int first_dim) {
  const auto& base = operand.agu[0].base;
  return std::accumulate(base.begin() + first_dim, base.end(), int64_t{0});
}

// Zeros, whatever the operands hold: nothing of them exists, and their padding adds nothing.
bool IsFill(const MmeView& v) {
  return v.s.Void() && v.l.Void() && v.s.padding * v.l.padding == 0.0f;
}

bool FillSegments(const MmeView& v, const MmeOperand& operand, int out_dim, int loop, bool in_void,
                  size_t array, int64_t lines, MmeSegments& segments) {
  const int in_dim = operand.transposed ? 1 : 0;
  const Steps in = StepsOf(operand, array, in_dim, loop >= 0 && operand.dim[loop] == in_dim);
  const Steps out = StepsOf(v.o, array, out_dim, loop >= 0);
  for (int64_t t = 0; t < (loop < 0 ? 1 : v.size[loop]); ++t) {
    if (!AppendTile(in, out, t, lines, in_void, segments)) return false;
  }
  return Join(in.unit, out.unit, in_void, segments);
}

std::optional<MmeGemmForm> MatchGemm(const MmeView& v) {
  const std::optional<GemmLoops> loops = SortLoops(v);
  if (!loops) return std::nullopt;
  const bool fill = IsFill(v);
  MmeGemmForm form;
  form.a_is_s = !v.transposed_o;
  const MmeOperand& a = v.transposed_o ? v.l : v.s;
  const MmeOperand& b = v.transposed_o ? v.s : v.l;
  GemmShape& s = form.shape;
  s.k = fill ? 0 : a.Vectors();
  if (!fill && (s.k <= 0 || !CheckInput(v, a, loops->rows, *loops, s.k) ||
                !CheckInput(v, b, loops->columns, *loops, s.k))) {
    return std::nullopt;
  }
  if (!ArraysAgree(v.o, 2)) return std::nullopt;
  std::array<bool, 5> moved{};
  for (size_t i = 0; i < loops->batch.size(); ++i) {
    const int loop = loops->batch[i];
    const auto stride = [loop](const MmeOperand& operand) {
      return operand.dim[loop] == kNoTensorDim ? 0 : operand.loop_stride[operand.dim[loop]];
    };
    s.batch[i] = v.size[loop];
    s.a.batch[i] = stride(a);
    s.b.batch[i] = stride(b);
    s.c.batch[i] = stride(v.o);
    if (!Inside(v.o, v.o.dim[loop], v.size[loop], s.c.batch[i])) return std::nullopt;
    moved[v.o.dim[loop]] = true;
  }
  for (int d = 2; d < 5; ++d) {
    if (!moved[d] && !Inside(v.o, d, 1, 0)) return std::nullopt;
  }
  s.in = v.s.type;
  s.out = v.o.type;
  s.relu = v.relu;
  s.rounding = v.rounding;
  s.order = v.order;
  s.a.row = a.transposed ? a.spatial_stride[0] : 1;
  s.a.column = a.transposed ? 1 : a.spatial_stride[0];
  s.b.column = b.transposed ? b.spatial_stride[0] : 1;
  s.b.row = b.transposed ? 1 : b.spatial_stride[0];
  s.c.row = v.o.spatial_stride[0];
  s.c.column = 1;

  std::array<MmeGemmForm::Part, 2> arrays;
  for (size_t array = 0; array < v.o.agu.size(); ++array) {
    if (!FillSegments(v, a, 1, loops->rows, fill, array, std::min(v.o.tile, v.o.spatial_size),
                      arrays[array].rows) ||
        !FillSegments(v, b, 0, loops->columns, fill, array, v.o.tile, arrays[array].columns)) {
      return std::nullopt;
    }
  }
  // An array without rows or columns has nothing to write; else join what the two share.
  const auto empty = [](const MmeGemmForm::Part& part) {
    return part.rows.empty() || part.columns.empty();
  };
  const auto join = [&](MmeSegments& into, const MmeSegments& more, int64_t in_unit,
                        int64_t out_unit) {
    into.insert(into.end(), more.begin(), more.end());
    return Join(in_unit, out_unit, fill, into);
  };
  MmeGemmForm::Part& local = arrays[0];
  MmeGemmForm::Part& remote = arrays[1];
  if (empty(local)) std::swap(local, remote);
  if (empty(local)) {
    // Nothing at all is written.
  } else if (empty(remote)) {
    form.parts.push_back(local);
  } else if (Same(local.rows, remote.rows)) {
    if (!join(local.columns, remote.columns, s.b.column, 1)) return std::nullopt;
    form.parts.push_back(local);
  } else if (Same(local.columns, remote.columns)) {
    if (!join(local.rows, remote.rows, s.a.row, s.c.row)) return std::nullopt;
    form.parts.push_back(local);
  } else {
    return std::nullopt;  // Each array its own block: no form that anyone writes.
  }
  for (const MmeGemmForm::Part& part : form.parts) {
    if (!WritesOnce(s, Reach(part.rows, s.c.row), Reach(part.columns, 1))) return std::nullopt;
  }
  form.a_offset = fill ? 0 : OffsetOf(a, 2) + a.agu[0].base[a.transposed ? 0 : 1];
  form.b_offset = fill ? 0 : OffsetOf(b, 2) + b.agu[0].base[b.transposed ? 0 : 1];
  form.c_offset = OffsetOf(v.o, 2);
  return form;
}

// The elements that count as one step of dim `axis + 1` of the image. Any common divisor of the
// offsets describes the same walk; a step as in a dense image makes the convolution that was meant.
int64_t ImageUnit(const MmeView& v, int axis, int64_t natural, bool rows_join) {
  const int d = axis + 1;
  int64_t unit = std::gcd(v.s.spatial_stride[axis], std::gcd(v.s.agu[0].base[d], v.s.valid[d]));
  if (v.size[axis] > 1) return std::gcd(unit, v.s.loop_stride[d]);
  return !rows_join && natural > 0 && unit % natural == 0 ? natural : unit;
}

// Loops 0 to 2 are taps, loop 3 steps over features, tetris over positions.
bool ConvolutionLoops(const MmeView& v) {
  if (v.transposed_o || !v.s.transposed || v.l.transposed || v.l.advance) return false;
  if (v.size[kTetris] > 1 && (!v.s.advance || !v.o.advance)) return false;
  if (v.size[kOuter] != 1 || (v.accum_mask & 8) != 0) return false;
  for (int i = 0; i < 3; ++i) {
    if (v.size[i] == 1) continue;
    if (!v.Accumulates(i) || v.s.dim[i] != i + 1 || v.l.dim[i] != i + 2) return false;
  }
  if (v.size[3] == 1) return true;
  return v.l.dim[3] == 0 && v.o.dim[3] == 0 &&
         (v.s.dim[3] == kNoTensorDim || v.s.loop_stride[v.s.dim[3]] == 0);
}

// The weights: all channels and all taps exist.
bool MatchWeights(const MmeView& v, ConvolutionShape& s) {
  if (!ArraysAgree(v.l, 1)) return false;
  const auto& base = v.l.agu[0].base;
  s.w_strides[0] = v.l.spatial_stride[0];
  const int64_t reach = (s.channels - 1) * s.w_strides[0];
  if (base[1] < 0 || base[1] + reach >= v.l.valid[1] || reach >= v.l.roi[1]) return false;
  for (int i = 0; i < 3; ++i) {
    s.kernel[i] = v.size[i];
    s.w_strides[i + 1] = v.size[i] > 1 ? v.l.loop_stride[i + 2] : 0;
    if (!Inside(v.l, i + 2, s.kernel[i], s.w_strides[i + 1])) return false;
  }
  return true;
}

// Positions of a row, of a plane's rows, and of planes that a walk steps over; some may not exist.
using Walked = std::array<int64_t, 3>;

// The output: positions fill rows, planes and images, and none is left out.
bool MatchOutput(const MmeView& v, ConvolutionShape& s, Walked& walked) {
  if (!ArraysAgree(v.o, 1) || v.o.spatial_size != v.o.tile) return false;
  const auto& base = v.o.agu[0].base;
  int64_t positions = 1;
  for (int i = 0; i < 3; ++i) {
    s.y_strides[i] = v.o.spatial_stride[i];
    if (s.y_strides[i] <= 0 || v.o.roi[i + 1] % s.y_strides[i] != 0) return false;
    walked[i] = v.o.roi[i + 1] / s.y_strides[i];
    if (walked[i] < 1 || !Inside(v.o, i + 1, 1, 0)) return false;
    if (Saturated(walked[i], s.kernel[i]) > kMostSteps) return false;
    s.out[i] =
        std::min(walked[i], (v.o.valid[i + 1] - base[i + 1] + s.y_strides[i] - 1) / s.y_strides[i]);
    positions *= walked[i];
  }
  s.y_strides[3] = v.o.spatial_stride[3];
  if (s.y_strides[3] <= 0 || base[4] < 0 || base[4] >= v.o.valid[4]) return false;
  s.batch = (v.o.valid[4] - base[4] + s.y_strides[3] - 1) / s.y_strides[3];
  if (Saturated(v.size[kTetris], v.o.tile) < Saturated(s.batch, positions)) return false;
  // Images do not overlap, nor do rows and planes.
  int64_t reach = std::min(v.o.valid[0], int64_t{1} << 40) - 1;
  for (int i = 0; i < 4; ++i) {
    const int64_t count = i < 3 ? s.out[i] : s.batch;
    if (count > 1 && s.y_strides[i] <= reach) return false;
    reach += (count - 1) * s.y_strides[i];
  }
  return true;
}

// The image: the input walk keeps step with the output's.
bool MatchImage(const MmeView& v, const Walked& walked, ConvolutionShape& s, int64_t& x_offset) {
  const auto& base = v.s.agu[0].base;
  if (base[0] < 0 || base[0] + s.channels > v.s.valid[0]) return false;
  // Positions of all rows evenly spaced: a product of matrices, whatever lies between the channels.
  bool rows_join = true;
  for (int i = 0; i < 2; ++i) {
    rows_join = rows_join && (s.out[i + 1] == 1 ||
                              v.s.spatial_stride[i + 1] == s.out[i] * v.s.spatial_stride[i]);
  }
  int64_t natural = v.s.valid[0];
  for (int i = 0; i < 3; ++i) {
    const int64_t step = v.s.spatial_stride[i];
    if (step <= 0 || v.s.roi[i + 1] != Saturated(step, walked[i])) return false;
    const int64_t unit = ImageUnit(v, i, natural, rows_join);
    if (unit <= 0) return false;
    s.x_strides[i] = unit;
    s.in[i] = v.s.valid[i + 1] / unit;
    s.stride[i] = step / unit;
    s.dilation[i] = s.kernel[i] > 1 ? v.s.loop_stride[i + 1] / unit : 1;
    s.pad[i] = -base[i + 1] / unit;
    if (s.dilation[i] < 1) return false;
    natural = v.s.valid[i + 1];
  }
  s.x_strides[3] = v.s.spatial_stride[3];
  x_offset = base[0] + base[4];
  return Inside(v.s, 4, s.batch, s.x_strides[3]);
}

std::optional<MmeConvolutionForm> MatchConvolution(const MmeView& v) {
  if (!ConvolutionLoops(v) || v.s.Void() || v.l.Void() || v.o.Void()) return std::nullopt;
  // Where the walk leaves the image, the device reads the padding value.
  if (v.s.padding != 0.0f) return std::nullopt;
  MmeConvolutionForm form;
  ConvolutionShape& s = form.shape;
  s.channels = v.s.roi[0];
  s.in_type = v.s.type;
  s.out_type = v.o.type;
  s.relu = v.relu;
  s.rounding = v.rounding;
  s.order = v.order;
  Walked walked;
  if (s.channels < 1 || v.l.Vectors() != s.channels || !MatchWeights(v, s) ||
      !MatchOutput(v, s, walked) || !MatchImage(v, walked, s, form.x_offset)) {
    return std::nullopt;
  }
  for (size_t array = 0; array < v.o.agu.size(); ++array) {
    const int loop = v.size[3] > 1 ? 3 : -1;
    if (!FillSegments(v, v.l, 0, loop, false, array, v.o.tile, form.features)) return std::nullopt;
  }
  form.w_offset = OffsetOf(v.l, 1);
  form.y_offset = OffsetOf(v.o, 1);
  return form;
}

}  // namespace

MmeForm MatchMme(const MmeView& view) {
  if (!Plain(view)) return std::monostate();
  if (auto gemm = MatchGemm(view)) return *std::move(gemm);
  if (auto convolution = MatchConvolution(view)) return *std::move(convolution);
  return std::monostate();
}

}  // namespace openhpu::simulator
