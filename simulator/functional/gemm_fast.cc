#include <algorithm>
#include <array>
#include <cstring>

#include "hal/base/status_macros.h"
#include "simulator/functional/gemm.h"
#include "simulator/functional/gemm_primitives.h"

namespace openhpu::simulator {
namespace {

using Desc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;

PrimitiveTable& Table() {
  static auto* table = new PrimitiveTable;
  return *table;
}

dnnl::primitive_attr Attributes(bool relu) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (relu) {
    dnnl::post_ops ops;
    ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    attributes.set_post_ops(ops);
  }
  return attributes;
}

// Fewer, longer dimensions for the same product: batch dimensions of size 1 go, neighbours that
// continue each other merge, and rows of a batch that shares b become rows of one matrix.
GemmShape Simplify(GemmShape s) {
  int used = 0;
  GemmShape::Strides* const operands[] = {&s.a, &s.b, &s.c};
  for (int d = 0; d < 3; ++d) {
    const int64_t size = s.batch[d];
    if (size == 1) continue;
    const auto continues = [&](const GemmShape::Strides* t) {
      return t->batch[d] == t->batch[used - 1] * s.batch[used - 1];
    };
    if (used > 0 && std::all_of(std::begin(operands), std::end(operands), continues)) {
      s.batch[used - 1] *= size;
      continue;
    }
    s.batch[used] = size;
    for (GemmShape::Strides* t : operands) t->batch[used] = t->batch[d];
    ++used;
  }
  for (int d = used; d < 3; ++d) {
    s.batch[d] = 1;
    for (GemmShape::Strides* t : operands) t->batch[d] = 0;
  }
  if (used == 1 && s.b.batch[0] == 0 && s.a.batch[0] == s.m * s.a.row &&
      s.c.batch[0] == s.m * s.c.row) {
    s.m *= s.batch[0];
    s.batch[0] = 1;
    s.a.batch[0] = s.c.batch[0] = 0;
  }
  return s;
}

// Strides of a matrix as oneDNN wants them: one of them 1, the other no less than the line's
// length; false when they are not.
bool Plain(int64_t rows, int64_t columns, GemmShape::Strides& t) {
  if (t.column != 1 && columns == 1) t.column = t.row == 1 ? rows : 1;
  if (t.row != 1 && rows == 1) t.row = t.column == 1 ? columns : 1;
  return (t.column == 1 && (t.row >= columns || rows == 1)) ||
         (t.row == 1 && (t.column >= rows || columns == 1));
}

// A batch dimension that an operand does not have is a broadcast; any other must step forward.
Desc MatrixDesc(const GemmShape& s, int64_t rows, int64_t columns, const GemmShape::Strides& t,
                DType type) {
  Dims dims, strides;
  for (int d = 2; d >= 0; --d) {
    if (s.batch[d] == 1) continue;
    dims.push_back(t.batch[d] == 0 ? 1 : s.batch[d]);
    strides.push_back(t.batch[d] == 0 ? 1 : t.batch[d]);
  }
  dims.insert(dims.end(), {rows, columns});
  strides.insert(strides.end(), {t.row, t.column});
  // The library orders dimensions by stride: a broadcast one goes outermost.
  for (size_t d = 0; d + 2 < dims.size(); ++d) {
    if (dims[d] == 1) strides[d] = std::max(rows * t.row, columns * t.column);
  }
  return Desc(dims, DnnlType(type), strides);
}

PrimitiveTable::Key GemmKey(const GemmShape& s) {
  PrimitiveTable::Key key = {
      0, s.m, s.n, s.k, static_cast<int64_t>(s.in), static_cast<int64_t>(s.out), s.relu};
  key.insert(key.end(), s.batch.begin(), s.batch.end());
  for (const GemmShape::Strides* t : {&s.a, &s.b, &s.c}) {
    key.insert(key.end(), {t->row, t->column});
    key.insert(key.end(), t->batch.begin(), t->batch.end());
  }
  return key;
}

std::shared_ptr<const Primitive> MakeGemm(const GemmShape& s) {
  const Desc a = MatrixDesc(s, s.m, s.k, s.a, s.in), b = MatrixDesc(s, s.k, s.n, s.b, s.in);
  const Desc c = MatrixDesc(s, s.m, s.n, s.c, s.out);
  return MakePrimitive<dnnl::matmul>(
      dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, c), Attributes(s.relu), Engine()));
}

// Sizes of x that are read, from the first element on; what a negative pad skips is left out.
struct Image {
  ConvolutionShape shape;  // with pad >= 0 and nothing behind the last element read but one stride
  std::array<int64_t, 3> pad_after;
  int64_t x_offset = 0;  // elements
};

Image Crop(const ConvolutionShape& shape) {
  Image image{shape, {}, 0};
  ConvolutionShape& s = image.shape;
  for (int d = 0; d < 3; ++d) {
    if (s.pad[d] < 0) {
      image.x_offset -= s.pad[d] * s.x_strides[d];
      s.in[d] = std::max<int64_t>(0, s.in[d] + s.pad[d]);
      s.pad[d] = 0;
    }
    const int64_t read =
        (s.out[d] - 1) * s.stride[d] + (s.kernel[d] - 1) * s.dilation[d] + 1 - s.pad[d];
    if (read + s.stride[d] <= s.in[d]) s.in[d] = std::max<int64_t>(read, 0);
    image.pad_after[d] = read - s.in[d];
  }
  return image;
}

std::array<int64_t, 4> DenseStrides(int64_t inner, const std::array<int64_t, 3>& sizes) {
  return {inner, inner * sizes[0], inner * sizes[0] * sizes[1],
          inner * sizes[0] * sizes[1] * sizes[2]};
}

// Whether {W, H, D} lie as in a dense NHWC image.
bool DenseImage(const std::array<int64_t, 3>& sizes, const std::array<int64_t, 4>& strides,
                const std::array<int64_t, 4>& dense) {
  for (int d = 0; d < 3; ++d) {
    if (sizes[d] != 1 && strides[d] != dense[d]) return false;
  }
  return true;
}

// Copies all positions of an image batch, `run` bytes each, between two layouts.
void CopyImages(int64_t batch, const std::array<int64_t, 3>& sizes, int64_t run, int64_t element,
                const std::byte* from, const std::array<int64_t, 4>& from_strides, std::byte* to,
                const std::array<int64_t, 4>& to_strides) {
  const int64_t lines = batch * sizes[2] * sizes[1];
#pragma omp parallel for schedule(static)
  for (int64_t line = 0; line < lines; ++line) {
    const int64_t h = line % sizes[1], d = line / sizes[1] % sizes[2],
                  b = line / sizes[1] / sizes[2];
    const auto at = [&](const std::array<int64_t, 4>& t) {
      return (h * t[1] + d * t[2] + b * t[3]) * element;
    };
    for (int64_t w = 0; w < sizes[0]; ++w) {
      std::memcpy(to + at(to_strides) + w * to_strides[0] * element,
                  from + at(from_strides) + w * from_strides[0] * element, run);
    }
  }
}

Desc ImageDesc(int64_t batch, int64_t channels, const std::array<int64_t, 3>& sizes, bool volume,
               DType type) {
  const Dims dims = volume ? Dims{batch, channels, sizes[2], sizes[1], sizes[0]}
                           : Dims{batch, channels, sizes[1], sizes[0]};
  return Desc(dims, DnnlType(type),
              volume ? dnnl::memory::format_tag::ndhwc : dnnl::memory::format_tag::nhwc);
}

bool IsVolume(const ConvolutionShape& s) {
  return s.in[2] != 1 || s.kernel[2] != 1 || s.out[2] != 1 || s.pad[2] != 0;
}

// Per-axis values in oneDNN's order.
Dims Axes(const std::array<int64_t, 3>& v, bool volume, int64_t plus = 0) {
  return volume ? Dims{v[2] + plus, v[1] + plus, v[0] + plus} : Dims{v[1] + plus, v[0] + plus};
}

Dims WeightDims(const ConvolutionShape& s, bool volume) {
  Dims dims = {s.features, s.channels};
  const Dims taps = Axes(s.kernel, volume);
  dims.insert(dims.end(), taps.begin(), taps.end());
  return dims;
}

PrimitiveTable::Key ConvolutionKey(const Image& image) {
  const ConvolutionShape& s = image.shape;
  PrimitiveTable::Key key = {1,
                             s.batch,
                             s.channels,
                             s.features,
                             static_cast<int64_t>(s.in_type),
                             static_cast<int64_t>(s.out_type),
                             s.relu};
  for (const auto* values :
       {&s.in, &s.kernel, &s.out, &s.stride, &s.dilation, &s.pad, &image.pad_after}) {
    key.insert(key.end(), values->begin(), values->end());
  }
  return key;
}

std::shared_ptr<const Primitive> MakeConvolution(const Image& image) {
  const ConvolutionShape& s = image.shape;
  const bool volume = IsVolume(s);
  const dnnl::convolution_forward::desc desc(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
      ImageDesc(s.batch, s.channels, s.in, volume, s.in_type),
      Desc(WeightDims(s, volume), DnnlType(s.in_type), dnnl::memory::format_tag::any),
      ImageDesc(s.batch, s.features, s.out, volume, s.out_type), Axes(s.stride, volume),
      Axes(s.dilation, volume, -1), Axes(s.pad, volume), Axes(image.pad_after, volume));
  return MakePrimitive<dnnl::convolution_forward>(
      dnnl::convolution_forward::primitive_desc(desc, Attributes(s.relu), Engine()));
}

// The weights in the primitive's layout: kept ones when they still hold, else reordered now.
absl::StatusOr<SharedBytes> ReorderedWeights(const ConvolutionShape& s, const Primitive& primitive,
                                             const std::byte* w, const WeightsSource& source) {
  std::string layout = primitive.weights_layout;
  layout.append(reinterpret_cast<const char*>(s.w_strides.data()), sizeof s.w_strides);
  std::vector<uint64_t> versions;
  if (source.cache != nullptr) {
    if (SharedBytes kept =
            source.cache->Find(*source.memory, source.address, source.bytes, layout)) {
      return kept;
    }
    versions = WeightsCache::Versions(*source.memory, source.address, source.bytes);
  }
  const bool volume = IsVolume(s);
  const Dims dims = WeightDims(s, volume);
  Dims strides = {1, s.w_strides[0]};
  const Dims taps = volume ? Dims{s.w_strides[3], s.w_strides[2], s.w_strides[1]}
                           : Dims{s.w_strides[2], s.w_strides[1]};
  strides.insert(strides.end(), taps.begin(), taps.end());
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] == 1) strides[d] = std::max<int64_t>(strides[d], 1);
  }
  const uint64_t bytes = primitive.weights.get_size();
  SharedBytes copy = AllocateAligned(bytes);
  try {
    const Desc from(dims, DnnlType(s.in_type), strides);
    dnnl::memory source_memory(from, Engine(), const_cast<std::byte*>(w));
    dnnl::memory copy_memory(primitive.weights, Engine(), copy.get());
    dnnl::reorder(source_memory, copy_memory).execute(Stream(), source_memory, copy_memory);
    Stream().wait();
  } catch (const dnnl::error& error) {
    return absl::InternalError(std::string("oneDNN reorder of weights: ") + error.what());
  }
  if (source.cache != nullptr) source.cache->Keep(source.address, layout, versions, copy, bytes);
  return copy;
}

// The convolution as a product of matrices, when its positions are evenly spaced rows: one tap, no
// stride, no pad.
bool AsGemm(const ConvolutionShape& s, GemmShape& gemm) {
  for (int d = 0; d < 3; ++d) {
    if (s.kernel[d] != 1 || s.pad[d] != 0 || s.stride[d] != 1 || s.in[d] < s.out[d]) return false;
  }
  gemm.m = s.out[0];
  gemm.n = s.features;
  gemm.k = s.channels;
  gemm.batch = {s.out[1], s.out[2], s.batch};
  gemm.a = {s.x_strides[0], 1, {s.x_strides[1], s.x_strides[2], s.x_strides[3]}};
  gemm.b = {s.w_strides[0], 1, {0, 0, 0}};
  gemm.c = {s.y_strides[0], 1, {s.y_strides[1], s.y_strides[2], s.y_strides[3]}};
  gemm.in = s.in_type;
  gemm.out = s.out_type;
  gemm.relu = s.relu;
  return true;
}

}  // namespace

absl::Status FastGemm(const GemmShape& shape, const std::byte* a, const std::byte* b,
                      std::byte* c) {
  RETURN_IF_ERROR(Validate(shape));
  if (shape.rounding != Rounding::kNearestEven) return ExactGemm(shape, a, b, c);
  RETURN_IF_ERROR(PrepareEngine());
  GemmShape s = Simplify(shape);
  const auto forward = [&](const GemmShape::Strides& t, bool may_broadcast) {
    for (int d = 0; d < 3; ++d) {
      if (s.batch[d] != 1 && (t.batch[d] < 0 || (t.batch[d] == 0 && !may_broadcast))) return false;
    }
    return true;
  };
  std::shared_ptr<const Primitive> primitive;
  if (s.m * s.n * s.k * s.batch[0] * s.batch[1] * s.batch[2] != 0 && Plain(s.m, s.k, s.a) &&
      Plain(s.k, s.n, s.b) && Plain(s.m, s.n, s.c) && forward(s.a, true) && forward(s.b, true) &&
      forward(s.c, false)) {
    primitive = Table().Get(GemmKey(s), [&] { return MakeGemm(s); });
  }
  // Layouts and types without a fast primitive: the exact product takes all, and widens bf16 as it
  // packs.
  if (primitive == nullptr) return ExactGemm(shape, a, b, c);
  return primitive->Run(a, b, c);
}

absl::Status FastConvolution(const ConvolutionShape& shape, const std::byte* x, const std::byte* w,
                             std::byte* y, const WeightsSource& weights) {
  RETURN_IF_ERROR(Validate(shape));
  if (shape.rounding != Rounding::kNearestEven) return ExactConvolution(shape, x, w, y);
  RETURN_IF_ERROR(PrepareEngine());
  Image image = Crop(shape);
  ConvolutionShape& s = image.shape;
  const std::array<int64_t, 4> dense_x = DenseStrides(s.channels, s.in);
  const std::array<int64_t, 4> dense_y = DenseStrides(s.features, s.out);
  const std::array<int64_t, 4> w_sizes = {s.channels, s.kernel[0], s.kernel[1], s.kernel[2]};
  bool regular = s.batch * s.features * dense_x[3] * dense_y[3] != 0;
  for (int d = 0; d < 4; ++d) regular = regular && (w_sizes[d] == 1 || s.w_strides[d] > 0);
  if (!regular) return ExactConvolution(shape, x, w, y);

  const int64_t in_bytes = StorageBytes(s.in_type), out_bytes = StorageBytes(s.out_type);
  const std::byte* first = x + image.x_offset * in_bytes;
  const bool copy_x = !DenseImage(s.in, s.x_strides, dense_x);
  const bool copy_y = !DenseImage(s.out, s.y_strides, dense_y);
  GemmShape gemm;
  if ((copy_x || copy_y) && AsGemm(s, gemm)) return FastGemm(gemm, first, w, y);

  // Images that are dense but not next to each other run one by one, in place; others are copied.
  const bool one_by_one = s.batch > 1 && ((!copy_x && s.x_strides[3] != dense_x[3]) ||
                                          (!copy_y && s.y_strides[3] != dense_y[3]));
  const int64_t images = one_by_one ? s.batch : 1;
  if (one_by_one) s.batch = 1;
  const std::shared_ptr<const Primitive> primitive =
      Table().Get(ConvolutionKey(image), [&] { return MakeConvolution(image); });
  if (primitive == nullptr) return ExactConvolution(shape, x, w, y);

  absl::StatusOr<SharedBytes> kept = ReorderedWeights(s, *primitive, w, weights);
  // Weights that overlap each other, which the library does not take.
  if (!kept.ok()) return ExactConvolution(shape, x, w, y);
  const SharedBytes reordered = *std::move(kept);
  SharedBytes x_copy, y_copy;
  if (copy_x) x_copy = AllocateAligned(s.batch * dense_x[3] * in_bytes);
  if (copy_y) y_copy = AllocateAligned(s.batch * dense_y[3] * out_bytes);
  for (int64_t i = 0; i < images; ++i) {
    const std::byte* from = first + i * s.x_strides[3] * in_bytes;
    std::byte* to = y + i * s.y_strides[3] * out_bytes;
    if (copy_x) {
      CopyImages(s.batch, s.in, s.channels * in_bytes, in_bytes, from, s.x_strides, x_copy.get(),
                 dense_x);
      from = x_copy.get();
    }
    RETURN_IF_ERROR(primitive->Run(from, reordered.get(), copy_y ? y_copy.get() : to));
    if (copy_y) {
      CopyImages(s.batch, s.out, s.features * out_bytes, out_bytes, y_copy.get(), dense_y, to,
                 s.y_strides);
    }
  }
  return absl::OkStatus();
}

}  // namespace openhpu::simulator
