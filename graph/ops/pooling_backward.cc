// Gradients of pooling. What overlapping windows give to one pixel is added up in
// a fixed order: window by window where they differ in size, else weight by weight of the window,
// each over the whole image at once.
#include <algorithm>
#include <string>

#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/families.h"
#include "graph/ops/formula.h"
#include "graph/ops/window.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
using Value = ExpressionBuilder::Value;
constexpr DType kF32 = DType::kFloat32;
constexpr DType kI32 = DType::kInt32;

View Batched(const View& v) { return v.rank() == 3 ? Unsqueeze(v, 0) : v; }

// grad_output, self, ...: the gradient has self's sizes.
Inferred InferImageGradient(const Attributes&, Types inputs) {
  const size_t rank = inputs[1].sizes.size();
  if ((rank != 3 && rank != 4) || inputs[0].sizes.size() != rank)
    return absl::InvalidArgumentError("needs images of rank 3 or 4");
  if (!IsFloat(inputs[0].dtype)) return absl::InvalidArgumentError("needs floats");
  return std::vector<TensorType>{{inputs[0].dtype, inputs[1].sizes}};
}

Inferred InferPoolGradient(const Attributes& attributes, Types inputs) {
  RETURN_IF_ERROR(WindowOf(attributes).status());
  return InferImageGradient(attributes, inputs);
}

// An image of sums with room for what windows cover around the picture.
struct Sums {
  View whole, picture;
};

absl::StatusOr<Sums> NewSums(Lowering& lowering, const View& out, const View& above,
                             const Window& w) {
  Dims sizes = out.sizes;
  Sums sums;
  for (int i : {0, 1}) {
    const int64_t reach =
        (above.sizes[2 + i] - 1) * w.stride[i] + w.dilation[i] * (w.kernel[i] - 1) + 1;
    sizes[2 + i] = std::max(out.sizes[2 + i] + w.padding[i], reach);
  }
  sums.whole = lowering.NewTemp(kF32, sizes);
  RETURN_IF_ERROR(lowering.Fill(sums.whole, 0));
  sums.picture = sums.whole;
  for (int i : {0, 1}) sums.picture = Slice(sums.picture, 2 + i, w.padding[i], out.sizes[2 + i]);
  return sums;
}

// The pixels that weight (r, s) of each window covers.
View Covered(const View& whole, const View& above, const Window& w, int64_t r, int64_t s) {
  const int64_t tap[2] = {r, s};
  View v = whole;
  for (int i : {0, 1}) v = Slice(v, 2 + i, tap[i] * w.dilation[i], above.sizes[2 + i], w.stride[i]);
  return v;
}

// grad_output, self, indices: each window's gradient goes where its largest pixel was.
absl::Status LowerMaxPoolGradient(Lowering& lowering, const Node& node) {
  ASSIGN_OR_RETURN(const Window w, WindowOf(node.attributes));
  const View above = Batched(node.inputs[0]), indices = Batched(node.inputs[2]),
             out = Batched(node.outputs[0]);
  const int64_t width = out.sizes[3];
  ASSIGN_OR_RETURN(const Sums sums, NewSums(lowering, out, above, w));
  for (int64_t r = 0; r < w.kernel[0]; ++r) {
    for (int64_t s = 0; s < w.kernel[1]; ++s) {
      const View place = Covered(sums.whole, above, w, r, s);
      ExpressionBuilder e({kF32, above.dtype, indices.dtype});
      const auto pixel = [&](int dim, int64_t stride, int64_t first) {
        const Value scaled =
            e.Op(ExprOp::kMul, e.Index(dim), e.Constant(static_cast<double>(stride), kI32));
        return e.Op(ExprOp::kAdd, scaled, e.Constant(static_cast<double>(first), kI32));
      };
      const Value row = pixel(2, w.stride[0], r * w.dilation[0] - w.padding[0]);
      const Value column = pixel(3, w.stride[1], s * w.dilation[1] - w.padding[1]);
      const Value wide = e.Constant(static_cast<double>(width), kI32), zero = e.Constant(0, kI32);
      const Value flat = e.Op(ExprOp::kAdd, e.Op(ExprOp::kMul, row, wide), column);
      Value chosen = e.Op(ExprOp::kEq, flat, e.Cast(2, kI32));
      // Left or right of the picture the flat index is another row's.
      chosen = e.Op(ExprOp::kAnd, chosen, e.Op(ExprOp::kGe, column, zero));
      chosen = e.Op(ExprOp::kAnd, chosen, e.Op(ExprOp::kLt, column, wide));
      const F32 g = Input(e, 1);
      const Value given = e.Select(chosen, g.v, Number(g, 0).v);
      RETURN_IF_ERROR(lowering.Elementwise(e.Finish(e.Op(ExprOp::kAdd, 0, given), kF32),
                                           {place, above, indices}, {place}));
    }
  }
  return lowering.Copy(sums.picture, out);
}

// grad_output over the number of pixels of its window.
absl::StatusOr<View> Shares(Lowering& lowering, const Attributes& attributes, const Window& w,
                            const View& above, const View& out) {
  const View shares = lowering.NewTemp(kF32, above.sizes);
  const int64_t divisor = attributes.Int("divisor_override", 0);
  const bool pad = attributes.Bool("count_include_pad", true);
  ExpressionBuilder e({above.dtype});
  F32 count = Number(Input(e, 0), 1);
  if (divisor != 0) {
    count.v = Number(count, static_cast<double>(divisor)).v;
  } else {
    for (int i : {0, 1}) {
      // Windows end where the image with its padding does; the padding counts or does not.
      const auto number = [&](int64_t n) { return e.Constant(static_cast<double>(n), kI32); };
      Value start = e.Op(ExprOp::kMul, e.Index(2 + i), number(w.stride[i]));
      start = e.Op(ExprOp::kSub, start, number(w.padding[i]));
      Value end = e.Op(ExprOp::kAdd, start, number(w.kernel[i]));
      end = e.Op(ExprOp::kMin, end, number(out.sizes[2 + i] + (pad ? w.padding[i] : 0)));
      if (!pad) start = e.Op(ExprOp::kMax, start, number(0));
      const Value size = e.Op(ExprOp::kSub, end, start);
      count.v = e.Op(ExprOp::kMul, count.v, e.Cast(size, kF32));
    }
  }
  RETURN_IF_ERROR(lowering.Elementwise(e.Finish((Input(e, 0) / count).v, kF32), {above}, {shares}));
  return shares;
}

absl::Status LowerAveragePoolGradient(Lowering& lowering, const Node& node) {
  ASSIGN_OR_RETURN(const Window w, WindowOf(node.attributes));
  const View above = Batched(node.inputs[0]), out = Batched(node.outputs[0]);
  ASSIGN_OR_RETURN(const Sums sums, NewSums(lowering, out, above, w));
  ASSIGN_OR_RETURN(const View shares, Shares(lowering, node.attributes, w, above, out));
  for (int64_t r = 0; r < w.kernel[0]; ++r) {
    for (int64_t s = 0; s < w.kernel[1]; ++s) {
      const View place = Covered(sums.whole, above, w, r, s);
      RETURN_IF_ERROR(lowering.Apply("add", {}, {place, shares}, {place}));
    }
  }
  return lowering.Copy(sums.picture, out);
}

// Window `o` of `out` windows over `in` pixels: [first, last).
struct Range {
  int64_t first, last;
};
Range AdaptiveWindow(int64_t o, int64_t in, int64_t out) {
  return {o * in / out, ((o + 1) * in + out - 1) / out};
}

// Means along w, then along h.
absl::Status LowerAdaptiveAverageGradient(Lowering& lowering, const Node& node) {
  const View out = Batched(node.outputs[0]);
  View have = Batched(node.inputs[0]);
  for (int dim : {3, 2}) {
    Dims sizes = have.sizes;
    const int64_t windows = sizes[dim], pixels = out.sizes[dim];
    sizes[dim] = pixels;
    const View next = lowering.NewTemp(kF32, sizes);
    if (pixels % windows == 0) {  // none overlap
      const int64_t each = pixels / windows;
      View split = next;
      split.sizes[dim] = windows;
      split.sizes.insert(split.sizes.begin() + dim + 1, each);
      split.strides.insert(split.strides.begin() + dim + 1, split.strides[dim]);
      split.strides[dim] *= each;
      RETURN_IF_ERROR(lowering.Apply("div", {{"other", static_cast<double>(each)}},
                                     {Unsqueeze(have, dim + 1)}, {split}));
    } else {
      RETURN_IF_ERROR(lowering.Fill(next, 0));
      for (int64_t o = 0; o < windows; ++o) {
        const Range range = AdaptiveWindow(o, pixels, windows);
        const int64_t length = range.last - range.first;
        const View place = Slice(next, dim, range.first, length);
        RETURN_IF_ERROR(lowering.Apply("add", {{"alpha", 1.0 / static_cast<double>(length)}},
                                       {place, Slice(have, dim, o, 1)}, {place}));
      }
    }
    have = next;
  }
  return lowering.Copy(have, out);
}

// grad_output, self, indices.
absl::Status LowerAdaptiveMaxGradient(Lowering& lowering, const Node& node) {
  const View above = Batched(node.inputs[0]), indices = Batched(node.inputs[2]),
             out = Batched(node.outputs[0]);
  const View sums = lowering.NewTemp(kF32, out.sizes);
  RETURN_IF_ERROR(lowering.Fill(sums, 0));
  for (int64_t i = 0; i < above.sizes[2]; ++i) {
    for (int64_t j = 0; j < above.sizes[3]; ++j) {
      const Range rows = AdaptiveWindow(i, out.sizes[2], above.sizes[2]),
                  columns = AdaptiveWindow(j, out.sizes[3], above.sizes[3]);
      const View place = Slice(Slice(sums, 2, rows.first, rows.last - rows.first), 3, columns.first,
                               columns.last - columns.first);
      const auto one = [&](const View& v) { return Slice(Slice(v, 2, i, 1), 3, j, 1); };
      ExpressionBuilder e({kF32, above.dtype, indices.dtype});
      const auto number = [&](int64_t n) { return e.Constant(static_cast<double>(n), kI32); };
      const Value row = e.Op(ExprOp::kAdd, e.Index(2), number(rows.first));
      const Value column = e.Op(ExprOp::kAdd, e.Index(3), number(columns.first));
      const Value flat = e.Op(ExprOp::kAdd, e.Op(ExprOp::kMul, row, number(out.sizes[3])), column);
      const Value chosen = e.Op(ExprOp::kEq, flat, e.Cast(2, kI32));
      const F32 g = Input(e, 1);
      const Value given = e.Select(chosen, g.v, Number(g, 0).v);
      RETURN_IF_ERROR(lowering.Elementwise(e.Finish(e.Op(ExprOp::kAdd, 0, given), kF32),
                                           {place, one(above), one(indices)}, {place}));
    }
  }
  return lowering.Copy(sums, out);
}

const OpDeclaration kOps[] = {
    {"max_pool2d_backward",
     "grad_output, self, indices; kernel_size, stride, padding, dilation, ceil_mode",
     3,
     3,
     InferPoolGradient,
     nullptr,
     LowerMaxPoolGradient,
     {"max_pool2d_with_indices_backward"}},
    {"avg_pool2d_backward",
     "grad_output, self; kernel_size, stride, padding, ceil_mode, count_include_pad, "
     "divisor_override",
     2,
     2,
     InferPoolGradient,
     nullptr,
     LowerAveragePoolGradient,
     {"avg_pool2d_backward"}},
    {"adaptive_avg_pool2d_backward",
     "grad_output, self",
     2,
     2,
     InferImageGradient,
     nullptr,
     LowerAdaptiveAverageGradient,
     {"_adaptive_avg_pool2d_backward"}},
    {"adaptive_max_pool2d_backward",
     "grad_output, self, indices",
     3,
     3,
     InferImageGradient,
     nullptr,
     LowerAdaptiveMaxGradient,
     {"adaptive_max_pool2d_backward"}},
};

}  // namespace

absl::Span<const OpDeclaration> PoolingBackwardOps() { return kOps; }

}  // namespace openhpu::graph
