// Images made larger or smaller, and the gradients of that.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/families.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
using Value = ExpressionBuilder::Value;
constexpr DType kF32 = DType::kFloat32;
constexpr DType kI32 = DType::kInt32;

constexpr const char* kAxes = "hw";

// A list of reals: attributes hold no such type, so scale factors come as scales_h and scales_w.
double GivenScale(const Attributes& attributes, int axis) {
  return attributes.Real(std::string("scales_") + kAxes[axis], 0);
}

Inferred InferUpsample(const Attributes& attributes, Types inputs) {
  const TensorType& x = inputs[0];
  if (x.sizes.size() != 4) return absl::InvalidArgumentError("needs an image of rank 4");
  if (x.sizes[2] < 1 || x.sizes[3] < 1)
    return absl::InvalidArgumentError("an image without pixels");
  Dims sizes = x.sizes;
  const std::vector<int64_t> size = attributes.Ints("output_size");
  for (int axis : {0, 1}) {
    if (size.size() == 2) {
      sizes[2 + axis] = size[axis];
    } else if (GivenScale(attributes, axis) > 0) {
      sizes[2 + axis] = static_cast<int64_t>(
          std::floor(static_cast<double>(x.sizes[2 + axis]) * GivenScale(attributes, axis)));
    } else {
      return absl::InvalidArgumentError("needs output_size, or scales_h and scales_w");
    }
    if (sizes[2 + axis] < 1) return absl::InvalidArgumentError("an output without pixels");
  }
  return std::vector<TensorType>{{x.dtype, std::move(sizes)}};
}

// Source pixels a step of the output.
double StepOf(const Attributes& attributes, int axis, int64_t in, int64_t out, bool align_corners) {
  if (align_corners)
    return out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0;
  const double given = GivenScale(attributes, axis);
  return given > 0 ? 1 / given : static_cast<double>(in) / static_cast<double>(out);
}

// Rows of the image are picked along h, then along w.
absl::Status LowerNearest(Lowering& lowering, const Node& node) {
  View have = node.inputs[0];
  const View& out = node.outputs[0];
  for (int axis : {0, 1}) {
    const int d = 2 + axis;
    const int64_t in_size = have.sizes[d], out_size = out.sizes[d];
    const View index = lowering.NewTemp(kI32, {out_size});
    ExpressionBuilder e({});
    const Value o = e.Index(0);
    const Value step = e.Constant(StepOf(node.attributes, axis, in_size, out_size, false), kF32);
    const Value last = e.Constant(static_cast<double>(in_size - 1), kI32);
    const Value place = e.Op(ExprOp::kMul, e.Cast(o, kF32), step);
    const Value picked = e.Op(ExprOp::kMin, e.Cast(place, kI32), last);
    RETURN_IF_ERROR(lowering.Elementwise(e.Finish(picked, kI32), {}, {index}));
    Dims sizes = have.sizes;
    sizes[d] = out_size;
    const View next = axis == 1 ? out : lowering.NewTemp(have.dtype, sizes);
    RETURN_IF_ERROR(lowering.Apply("index_select", {{"dim", int64_t{d}}}, {have, index}, {next}));
    have = next;
  }
  return absl::OkStatus();
}

// The matrix [out, in] of one axis' weights: two in a row.
absl::StatusOr<View> Weights(Lowering& lowering, int64_t in, int64_t out, double step,
                             bool align_corners) {
  const View matrix = lowering.NewTemp(kF32, {out, in});
  ExpressionBuilder e({});
  const Value row = e.Index(0), column = e.Index(1);
  const Value scale = e.Constant(step, kF32), half = e.Constant(0.5, kF32),
              zero = e.Constant(0, kF32), one = e.Constant(1, kF32);
  Value source = e.Cast(row, kF32);
  if (align_corners) {
    source = e.Op(ExprOp::kMul, source, scale);
  } else {
    const Value center = e.Op(ExprOp::kAdd, source, half);
    const Value scaled = e.Op(ExprOp::kMul, center, scale);
    source = e.Op(ExprOp::kMax, e.Op(ExprOp::kSub, scaled, half), zero);
  }
  const Value last = e.Constant(static_cast<double>(in - 1), kI32), unit = e.Constant(1, kI32);
  const Value low = e.Op(ExprOp::kMin, e.Cast(source, kI32), last);
  const Value high = e.Op(ExprOp::kMin, e.Op(ExprOp::kAdd, low, unit), last);
  const Value share = e.Op(ExprOp::kSub, source, e.Cast(low, kF32));
  const Value rest = e.Op(ExprOp::kSub, one, share);
  const Value at_low = e.Select(e.Op(ExprOp::kEq, column, low), rest, zero);
  const Value at_high = e.Select(e.Op(ExprOp::kEq, column, high), share, zero);
  RETURN_IF_ERROR(
      lowering.Elementwise(e.Finish(e.Op(ExprOp::kAdd, at_low, at_high), kF32), {}, {matrix}));
  return matrix;
}

// Bilinear interpolation is a matrix product along each axis: the MME's work.
absl::Status LowerBilinear(Lowering& lowering, const Node& node) {
  const View& out = node.outputs[0];
  const bool align = node.attributes.Bool("align_corners");
  ASSIGN_OR_RETURN(const View x, lowering.Cast(node.inputs[0], kF32));
  const auto axis_weights = [&](int axis) {
    const int64_t in_size = x.sizes[2 + axis], out_size = out.sizes[2 + axis];
    return Weights(lowering, in_size, out_size,
                   StepOf(node.attributes, axis, in_size, out_size, align), align);
  };
  ASSIGN_OR_RETURN(View along_w, axis_weights(1));
  along_w = Transpose(along_w, 0, 1);
  const View wide = lowering.NewTemp(kF32, {x.sizes[0], x.sizes[1], x.sizes[2], out.sizes[3]});
  RETURN_IF_ERROR(lowering.Apply("matmul", {}, {x, along_w}, {wide}));
  ASSIGN_OR_RETURN(const View along_h, axis_weights(0));
  const View made = out.dtype == kF32 ? out : lowering.NewTemp(kF32, out.sizes);
  RETURN_IF_ERROR(lowering.Apply("matmul", {}, {along_h, wide}, {made}));
  return out.dtype == kF32 ? absl::OkStatus() : lowering.Copy(made, out);
}

// grad_output; input_size.
Inferred InferUpsampleGradient(const Attributes& attributes, Types inputs) {
  const std::vector<int64_t> size = attributes.Ints("input_size");
  if (size.size() != 4 || inputs[0].sizes.size() != 4)
    return absl::InvalidArgumentError("needs images of rank 4, and input_size");
  return std::vector<TensorType>{{inputs[0].dtype, Dims(size.begin(), size.end())}};
}

// Each axis' weights, transposed: what came from above goes back by them.
absl::Status SpreadBack(Lowering& lowering, const View& along_h, const View& along_w,
                        const View& above, const View& out) {
  ASSIGN_OR_RETURN(const View g, lowering.Cast(above, kF32));
  const View narrow = lowering.NewTemp(kF32, {g.sizes[0], g.sizes[1], g.sizes[2], out.sizes[3]});
  RETURN_IF_ERROR(lowering.Apply("matmul", {}, {g, along_w}, {narrow}));
  const View made = out.dtype == kF32 ? out : lowering.NewTemp(kF32, out.sizes);
  RETURN_IF_ERROR(lowering.Apply("matmul", {}, {Transpose(along_h, 0, 1), narrow}, {made}));
  return out.dtype == kF32 ? absl::OkStatus() : lowering.Copy(made, out);
}

absl::Status LowerBilinearGradient(Lowering& lowering, const Node& node) {
  const View &above = node.inputs[0], &out = node.outputs[0];
  const bool align = node.attributes.Bool("align_corners");
  const auto axis_weights = [&](int axis) {
    const int64_t in_size = out.sizes[2 + axis], out_size = above.sizes[2 + axis];
    return Weights(lowering, in_size, out_size,
                   StepOf(node.attributes, axis, in_size, out_size, align), align);
  };
  ASSIGN_OR_RETURN(const View along_h, axis_weights(0));
  ASSIGN_OR_RETURN(const View along_w, axis_weights(1));
  return SpreadBack(lowering, along_h, along_w, above, out);
}

absl::Status LowerNearestGradient(Lowering& lowering, const Node& node) {
  const View &above = node.inputs[0], &out = node.outputs[0];
  std::array<View, 2> along;
  std::array<int64_t, 2> times = {0, 0};
  for (int axis : {0, 1}) {
    const int64_t in_size = out.sizes[2 + axis], out_size = above.sizes[2 + axis];
    const double step = StepOf(node.attributes, axis, in_size, out_size, false);
    if (out_size % in_size == 0 && step * static_cast<double>(out_size / in_size) == 1)
      times[axis] = out_size / in_size;
  }
  if (times[0] != 0 && times[1] != 0) {  // every pixel became a block of them
    View blocks = above;
    for (int axis : {1, 0}) {
      const int d = 2 + axis;
      blocks.sizes.insert(blocks.sizes.begin() + d + 1, times[axis]);
      blocks.strides.insert(blocks.strides.begin() + d + 1, blocks.strides[d]);
      blocks.sizes[d] /= times[axis];
      blocks.strides[d] *= times[axis];
    }
    ReduceWork sum;
    sum.dims = 1u << 3 | 1u << 5;
    return lowering.Reduce(sum, blocks, Unsqueeze(Unsqueeze(out, 4), 3));
  }
  for (int axis : {0, 1}) {
    const int64_t in_size = out.sizes[2 + axis], out_size = above.sizes[2 + axis];
    along[axis] = lowering.NewTemp(kF32, {out_size, in_size});
    ExpressionBuilder e({});
    const Value row = e.Index(0), column = e.Index(1);
    const Value step = e.Constant(StepOf(node.attributes, axis, in_size, out_size, false), kF32);
    const Value last = e.Constant(static_cast<double>(in_size - 1), kI32);
    const Value place = e.Op(ExprOp::kMul, e.Cast(row, kF32), step);
    const Value picked = e.Op(ExprOp::kMin, e.Cast(place, kI32), last);
    RETURN_IF_ERROR(
        lowering.Elementwise(e.Finish(e.Op(ExprOp::kEq, column, picked), kF32), {}, {along[axis]}));
  }
  return SpreadBack(lowering, along[0], along[1], above, out);
}

const OpDeclaration kOps[] = {
    {"upsample_nearest2d_backward",
     "grad_output; input_size, scales_h, scales_w",
     1,
     1,
     InferUpsampleGradient,
     nullptr,
     LowerNearestGradient,
     {"upsample_nearest2d_backward"}},
    {"upsample_bilinear2d_backward",
     "grad_output; input_size, align_corners = false, scales_h, scales_w",
     1,
     1,
     InferUpsampleGradient,
     nullptr,
     LowerBilinearGradient,
     {"upsample_bilinear2d_backward"}},
    {"upsample_nearest2d",
     "the nearest pixel below; output_size, scales_h, scales_w",
     1,
     1,
     InferUpsample,
     nullptr,
     LowerNearest,
     {"upsample_nearest2d"}},
    {"upsample_bilinear2d",
     "bilinear interpolation as matrix products (a pixel that is not finite spoils its row and "
     "column); output_size, align_corners = false, scales_h, scales_w",
     1,
     1,
     InferUpsample,
     nullptr,
     LowerBilinear,
     {"upsample_bilinear2d"}},
};

}  // namespace

absl::Span<const OpDeclaration> UpsampleOps() { return kOps; }

}  // namespace openhpu::graph
