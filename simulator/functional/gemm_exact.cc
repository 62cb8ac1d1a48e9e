#include "simulator/functional/gemm_exact.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "hal/base/status_macros.h"
#include "simulator/functional/gemm.h"
#include "simulator/functional/gemm_kernels.h"
#include "simulator/functional/gemm_trees.h"

namespace openhpu::simulator {
namespace {

// Blocks of a task: operand panels and running chains together stay within a core's second-level
// cache. Multiples of every kernel's tile; the depth a multiple of the four chains.
constexpr int64_t kRowsPerTask = 96, kColumnsPerTask = 192, kDepth = 256;

// Fewer FMAs than this take less time than to wake the other threads.
constexpr int64_t kMinParallelSteps = 1 << 19;

inline float Widen(float x) { return x; }
inline float Widen(uint16_t x) { return BFloat16ToFloat(x); }

// One operand as lines (rows of a, columns of b) of k values.
class Lines {
 public:
  virtual ~Lines() = default;
  // Packs k values [k, k + count) of lines [line, line + lines) for the kernels: to[chain] is [k of
  // that chain][width], lines that do not exist are zero. k is a multiple of 4.
  virtual void Pack(int64_t line, int64_t lines, int64_t k, int64_t count, int width,
                    float* const to[4]) const = 0;
};

void Clear(int64_t count, int width, float* const to[4]) {
  for (int c = 0; c < 4; ++c) std::fill_n(to[c], (count + 3) / 4 * width, 0.0f);
}

// k values of a line lie `k_stride` apart; fast when that is 1.
template <typename T>
class LinesAlongK final : public Lines {
 public:
  LinesAlongK(const T* data, int64_t line_stride, int64_t k_stride)
      : data_(data), line_stride_(line_stride), k_stride_(k_stride) {}
  void Pack(int64_t line, int64_t lines, int64_t k, int64_t count, int width,
            float* const to[4]) const override {
    if (lines < width) Clear(count, width, to);
    for (int64_t i = 0; i < lines; ++i) {
      const T* from = data_ + (line + i) * line_stride_ + k * k_stride_;
      for (int64_t j = 0; j < count; ++j)
        to[j & 3][(j >> 2) * width + i] = Widen(from[j * k_stride_]);
    }
  }

 private:
  const T* data_;
  int64_t line_stride_, k_stride_;
};

constexpr int64_t kNoOffset = INT64_MIN;

// Lines lie next to each other; where a k begins is given by a table (kNoOffset: zeros) or a
// stride.
template <typename T>
class LinesAcrossK final : public Lines {
 public:
  LinesAcrossK(const T* data, int64_t k_stride, const int64_t* k_offsets = nullptr)
      : data_(data), k_stride_(k_stride), k_offsets_(k_offsets) {}
  void Pack(int64_t line, int64_t lines, int64_t k, int64_t count, int width,
            float* const to[4]) const override {
    if (lines < width) Clear(count, width, to);
    for (int64_t j = 0; j < count; ++j) {
      float* out = to[j & 3] + (j >> 2) * width;
      if (k_offsets_ != nullptr && k_offsets_[k + j] == kNoOffset) {
        std::fill_n(out, width, 0.0f);
        continue;
      }
      const T* from = data_ + line + (k_offsets_ ? k_offsets_[k + j] : (k + j) * k_stride_);
      for (int64_t i = 0; i < lines; ++i) out[i] = Widen(from[i]);
    }
  }

 private:
  const T* data_;
  int64_t k_stride_;
  const int64_t* k_offsets_;
};

// Output position as coordinates {W, H, D, batch}.
std::array<int64_t, 4> Position(const ConvolutionShape& s, int64_t line) {
  std::array<int64_t, 4> at;
  for (int d = 0; d < 3; ++d) {
    at[d] = line % s.out[d];
    line /= s.out[d];
  }
  at[3] = line;
  return at;
}

// Lines are output positions, k runs over channels, of which each tap has `channels_apart`, then
// taps.
template <typename T>
class LinesOfImage final : public Lines {
 public:
  LinesOfImage(const ConvolutionShape& shape, int64_t channels_apart, const T* x)
      : s_(shape), channels_apart_(channels_apart), x_(x) {}
  void Pack(int64_t line, int64_t lines, int64_t k, int64_t count, int width,
            float* const to[4]) const override {
    Clear(count, width, to);
    for (int64_t i = 0; i < lines; ++i) {
      const std::array<int64_t, 4> at = Position(s_, line + i);
      int64_t channel = k % channels_apart_, tap = k / channels_apart_;
      for (int64_t j = 0; j < count;) {
        const int64_t run = std::min(s_.channels - channel, count - j);
        if (const T* from = run > 0 ? Tap(at, tap) : nullptr) {
          from += channel;
          for (int64_t c = 0; c < run; ++c) {
            to[(j + c) & 3][((j + c) >> 2) * width + i] = Widen(from[c]);
          }
        }
        j += channels_apart_ - channel;
        channel = 0;
        ++tap;
      }
    }
  }

 private:
  // The first channel under a tap, null outside of the image.
  const T* Tap(const std::array<int64_t, 4>& at, int64_t tap) const {
    int64_t offset = at[3] * s_.x_strides[3];
    for (int d = 0; d < 3; ++d) {
      const int64_t x = at[d] * s_.stride[d] + tap % s_.kernel[d] * s_.dilation[d] - s_.pad[d];
      if (x < 0 || x >= s_.in[d]) return nullptr;
      offset += x * s_.x_strides[d];
      tap /= s_.kernel[d];
    }
    return x_ + offset;
  }

  const ConvolutionShape& s_;
  const int64_t channels_apart_;
  const T* x_;
};

// Where result rows go.
class Rows {
 public:
  virtual ~Rows() = default;
  virtual std::byte* Row(int64_t row) const = 0;
};

class MatrixRows final : public Rows {
 public:
  MatrixRows(std::byte* c, int64_t row_bytes) : c_(c), row_bytes_(row_bytes) {}
  std::byte* Row(int64_t row) const override { return c_ + row * row_bytes_; }

 private:
  std::byte* c_;
  int64_t row_bytes_;
};

class ImageRows final : public Rows {
 public:
  ImageRows(const ConvolutionShape& shape, std::byte* y) : s_(shape), y_(y) {}
  std::byte* Row(int64_t row) const override {
    const std::array<int64_t, 4> at = Position(s_, row);
    int64_t offset = 0;
    for (int d = 0; d < 4; ++d) offset += at[d] * s_.y_strides[d];
    return y_ + offset * StorageBytes(s_.out_type);
  }

 private:
  const ConvolutionShape& s_;
  std::byte* y_;
};

struct Product {
  std::unique_ptr<Lines> a, b;
  std::unique_ptr<Rows> c;
};

// What all products of a call share.
struct ProductShape {
  int64_t m, n, k;
  DType in, out;
  bool relu;
  Rounding rounding;
  SumOrder order;
};

struct Scratch {
  std::vector<float> a, b, chains, row, packed;
};

// What leaves the accumulator: no negative zero, whatever the rounding.
inline uint32_t FinishedBits(float value, bool relu) {
  if (value == 0.0f || (relu && value < 0.0f)) value = 0.0f;
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return (bits & 0x7FFFFFFFu) > 0x7F800000u ? kFloatNan : bits;
}

// The chains' sums of one row of a tile, rolled up. Adds commute, so only how chains pair depends
// on k.
void RollUpRow(const float* const c[4], int64_t k, int64_t n, float* sums) {
  const float *p = c[k % 4], *q = c[(k + 1) % 4], *r = c[(k + 2) % 4], *s = c[(k + 3) % 4];
  for (int64_t i = 0; i < n; ++i) sums[i] = (p[i] + q[i]) + (r[i] + s[i]);
}

// Rows [row, row + rows) x columns [column, column + columns) of one product.
void RunBlock(const ProductShape& shape, const Product& product, int64_t row, int64_t rows,
              int64_t column, int64_t columns, Scratch& scratch) {
  const ChainKernel& kernel = BestChainKernel();
  const FlushDenormals flush(shape.rounding);
  const int64_t row_tiles = (rows + kernel.rows - 1) / kernel.rows;
  const int64_t column_tiles = (columns + kernel.columns - 1) / kernel.columns;
  const int64_t tile = int64_t{kernel.rows} * kernel.columns;
  const int64_t quarter = kDepth / 4;
  scratch.a.resize(row_tiles * kDepth * kernel.rows);
  scratch.b.resize(column_tiles * kDepth * kernel.columns);
  scratch.chains.assign(row_tiles * column_tiles * 4 * tile, 0.0f);
  scratch.row.resize(columns);
  for (int64_t k = 0; k < shape.k; k += kDepth) {
    const int64_t count = std::min(kDepth, shape.k - k);
    const auto pack = [&](const Lines& lines, int64_t first, int64_t how_many, int width,
                          float* to) {
      for (int64_t i = 0; i < how_many; i += width, to += kDepth * width) {
        float* const chains[4] = {to, to + quarter * width, to + 2 * quarter * width,
                                  to + 3 * quarter * width};
        lines.Pack(first + i, std::min<int64_t>(width, how_many - i), k, count, width, chains);
      }
    };
    pack(*product.a, row, rows, kernel.rows, scratch.a.data());
    pack(*product.b, column, columns, kernel.columns, scratch.b.data());
    for (int64_t ct = 0; ct < column_tiles; ++ct) {
      const float* b = scratch.b.data() + ct * kDepth * kernel.columns;
      for (int64_t rt = 0; rt < row_tiles; ++rt) {
        const float* a = scratch.a.data() + rt * kDepth * kernel.rows;
        float* sums = scratch.chains.data() + (rt * column_tiles + ct) * 4 * tile;
        for (int chain = 0; chain < 4; ++chain) {
          kernel.run((count - chain + 3) / 4, a + chain * quarter * kernel.rows,
                     b + chain * quarter * kernel.columns, sums + chain * tile);
        }
      }
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t ct = 0; ct < column_tiles; ++ct) {
      const float* sums = scratch.chains.data() + (i / kernel.rows * column_tiles + ct) * 4 * tile +
                          i % kernel.rows * kernel.columns;
      const float* const chains[4] = {sums, sums + tile, sums + 2 * tile, sums + 3 * tile};
      RollUpRow(chains, shape.k, std::min<int64_t>(kernel.columns, columns - ct * kernel.columns),
                scratch.row.data() + ct * kernel.columns);
    }
    FinishRow(scratch.row.data(), columns, shape.relu, shape.out, shape.rounding, nullptr,
              product.c->Row(row + i) + column * StorageBytes(shape.out));
  }
}

// Packs as Lines::Pack, but to [count][lines].
void PackVectors(const Lines& from, int64_t line, int64_t lines, int64_t k, int64_t count,
                 std::vector<float>& packed, std::vector<float>& to) {
  const int64_t quarter = kDepth / 4 * lines;
  packed.resize(4 * quarter);
  to.resize(kDepth * lines);
  float* const chains[4] = {packed.data(), packed.data() + quarter, packed.data() + 2 * quarter,
                            packed.data() + 3 * quarter};
  from.Pack(line, lines, k, count, static_cast<int>(lines), chains);
  for (int64_t j = 0; j < count; ++j) {
    std::copy_n(chains[j & 3] + (j >> 2) * lines, lines, to.data() + j * lines);
  }
}

// RunBlock by trees.
void RunTreeBlock(const ProductShape& shape, const Product& product, int64_t row, int64_t rows,
                  int64_t column, int64_t columns, Scratch& scratch) {
  static_assert(kDepth % kMostProductsAtOnce == 0);
  std::vector<float>& sums = scratch.chains;
  sums.assign(rows * columns, 0.0f);
  for (int64_t k = 0; k < shape.k; k += kDepth) {
    const int64_t count = std::min(kDepth, shape.k - k);
    PackVectors(*product.a, row, rows, k, count, scratch.packed, scratch.a);
    PackVectors(*product.b, column, columns, k, count, scratch.packed, scratch.b);
    AddTrees(shape.in, count, scratch.a.data(), rows, rows, scratch.b.data(), columns, columns,
             sums.data(), columns);
  }
  for (int64_t i = 0; i < rows; ++i) {
    FinishRow(sums.data() + i * columns, columns, shape.relu, shape.out, shape.rounding, nullptr,
              product.c->Row(row + i) + column * StorageBytes(shape.out));
  }
}

void RunProducts(const ProductShape& shape, const std::vector<Product>& products) {
  const int64_t row_blocks = (shape.m + kRowsPerTask - 1) / kRowsPerTask;
  const int64_t column_blocks = (shape.n + kColumnsPerTask - 1) / kColumnsPerTask;
  const int64_t tasks = static_cast<int64_t>(products.size()) * row_blocks * column_blocks;
  const bool worthwhile =
      shape.m * shape.n * shape.k * static_cast<int64_t>(products.size()) > kMinParallelSteps;
#pragma omp parallel for schedule(dynamic) if (tasks > 1 && worthwhile)
  for (int64_t task = 0; task < tasks; ++task) {
    thread_local Scratch scratch;
    const int64_t row = task / column_blocks % row_blocks * kRowsPerTask;
    const int64_t column = task % column_blocks * kColumnsPerTask;
    const auto run = shape.order == SumOrder::kTrees ? RunTreeBlock : RunBlock;
    run(shape, products[task / column_blocks / row_blocks], row,
        std::min(kRowsPerTask, shape.m - row), column, std::min(kColumnsPerTask, shape.n - column),
        scratch);
  }
}

template <typename T>
std::unique_ptr<Lines> MatrixLines(const std::byte* data, int64_t offset, int64_t line_stride,
                                   int64_t k_stride) {
  // A product of nothing has no operands.
  const T* from = data == nullptr ? nullptr : reinterpret_cast<const T*>(data) + offset;
  if (line_stride == 1) return std::make_unique<LinesAcrossK<T>>(from, k_stride);
  return std::make_unique<LinesAlongK<T>>(from, line_stride, k_stride);
}

template <typename T>
void RunGemm(const GemmShape& s, const std::byte* a, const std::byte* b, std::byte* c) {
  const int64_t out_bytes = StorageBytes(s.out);
  constexpr size_t kProductsAtOnce = 4096;
  const ProductShape shape = {s.m, s.n, s.k, s.in, s.out, s.relu, s.rounding, s.order};
  std::vector<Product> products;
  for (int64_t i = 0; i < s.batch[2]; ++i) {
    for (int64_t j = 0; j < s.batch[1]; ++j) {
      for (int64_t k = 0; k < s.batch[0]; ++k) {
        const auto offset = [&](const GemmShape::Strides& t) {
          return k * t.batch[0] + j * t.batch[1] + i * t.batch[2];
        };
        products.push_back(
            {MatrixLines<T>(a, offset(s.a), s.a.row, s.a.column),
             MatrixLines<T>(b, offset(s.b), s.b.column, s.b.row),
             std::make_unique<MatrixRows>(c + offset(s.c) * out_bytes, s.c.row * out_bytes)});
        if (products.size() < kProductsAtOnce) continue;
        RunProducts(shape, products);
        products.clear();
      }
    }
  }
  RunProducts(shape, products);
}

template <typename T>
void RunConvolution(const ConvolutionShape& s, const std::byte* x, const std::byte* w,
                    std::byte* y) {
  // A step of a tree takes products of one tap only.
  const int64_t at_once = s.order == SumOrder::kTrees ? ProductsAtOnce(s.in_type) : 1;
  const int64_t channels_apart = (s.channels + at_once - 1) / at_once * at_once;
  std::vector<int64_t> k_offsets;
  for (int64_t q = 0; q < s.kernel[2]; ++q) {
    for (int64_t r = 0; r < s.kernel[1]; ++r) {
      for (int64_t t = 0; t < s.kernel[0]; ++t) {
        for (int64_t c = 0; c < s.channels; ++c) {
          k_offsets.push_back(c * s.w_strides[0] + t * s.w_strides[1] + r * s.w_strides[2] +
                              q * s.w_strides[3]);
        }
        k_offsets.resize(k_offsets.size() + channels_apart - s.channels, kNoOffset);
      }
    }
  }
  std::vector<Product> products;
  products.push_back(
      {std::make_unique<LinesOfImage<T>>(s, channels_apart, reinterpret_cast<const T*>(x)),
       std::make_unique<LinesAcrossK<T>>(reinterpret_cast<const T*>(w), 0, k_offsets.data()),
       std::make_unique<ImageRows>(s, y)});
  RunProducts(
      {s.batch * s.out[0] * s.out[1] * s.out[2], s.features, static_cast<int64_t>(k_offsets.size()),
       s.in_type, s.out_type, s.relu, s.rounding, s.order},
      products);
}

}  // namespace

void AddToChains(int64_t first_k, int64_t count, const float* a, const float* b, int width,
                 Rounding rounding, float* chains) {
  const ChainKernel& kernel = BestChainKernel();
  const FlushDenormals flush(rounding);
  thread_local std::vector<float> a_panels, b_panels;
  float sums[kMaxKernelRows * kMaxKernelColumns];
  const int64_t quarter = (count + 3) / 4;
  const auto pack = [&](const float* from, int tile_width, std::vector<float>& to) {
    const int tiles = (width + tile_width - 1) / tile_width;
    to.assign(tiles * 4 * quarter * tile_width, 0.0f);
    for (int t = 0; t < tiles; ++t) {
      const int lines = std::min(tile_width, width - t * tile_width);
      for (int64_t j = 0; j < count; ++j) {
        std::copy_n(from + j * width + t * tile_width, lines,
                    to.data() + ((t * 4 + j % 4) * quarter + j / 4) * tile_width);
      }
    }
    return tiles;
  };
  const int row_tiles = pack(a, kernel.rows, a_panels);
  const int column_tiles = pack(b, kernel.columns, b_panels);
  for (int slot = 0; slot < 4; ++slot) {
    float* chain = chains + (first_k + slot) % 4 * width * width;
    const int64_t steps = (count - slot + 3) / 4;
    for (int ct = 0; ct < column_tiles; ++ct) {
      const int columns = std::min(kernel.columns, width - ct * kernel.columns);
      for (int rt = 0; rt < row_tiles; ++rt) {
        const int rows = std::min(kernel.rows, width - rt * kernel.rows);
        std::fill_n(sums, kernel.rows * kernel.columns, 0.0f);
        float* corner = chain + rt * kernel.rows * width + ct * kernel.columns;
        for (int r = 0; r < rows; ++r) {
          std::copy_n(corner + r * width, columns, sums + r * kernel.columns);
        }
        kernel.run(steps, a_panels.data() + (rt * 4 + slot) * quarter * kernel.rows,
                   b_panels.data() + (ct * 4 + slot) * quarter * kernel.columns, sums);
        for (int r = 0; r < rows; ++r) {
          std::copy_n(sums + r * kernel.columns, columns, corner + r * width);
        }
      }
    }
  }
}

void RollUpChains(const float* chains, int64_t k_total, int64_t elements, Rounding rounding,
                  float* sums) {
  const FlushDenormals flush(rounding);
  const float* const c[4] = {chains, chains + elements, chains + 2 * elements,
                             chains + 3 * elements};
  RollUpRow(c, k_total, elements, sums);
}

void AddTiles(const float* more, int64_t elements, Rounding rounding, float* sums) {
  const FlushDenormals flush(rounding);
  for (int64_t i = 0; i < elements; ++i) sums[i] += more[i];
}

void FinishRow(const float* sums, int64_t count, bool relu, DType out, Rounding rounding,
               const uint32_t* random, std::byte* to) {
  const auto halves = [&](auto convert) {
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t bits = FinishedBits(sums[i], relu);
      const uint16_t half = bits == kFloatNan ? kBFloat16Nan : convert(bits, i);
      std::memcpy(to + 2 * i, &half, 2);
    }
  };
  if (out == DType::kFloat32) {
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t bits = FinishedBits(sums[i], relu);
      std::memcpy(to + 4 * i, &bits, 4);
    }
    return;
  }
  if (random != nullptr) {
    return halves([random](uint32_t bits, int64_t i) { return RoundToBFloat16(bits, random[i]); });
  }
  switch (rounding) {
    case Rounding::kNearestEven:
      return halves(
          [](uint32_t bits, int64_t) { return RoundToBFloat16<Rounding::kNearestEven>(bits); });
    case Rounding::kZero:
      return halves([](uint32_t bits, int64_t) { return RoundToBFloat16<Rounding::kZero>(bits); });
    case Rounding::kUp:
      return halves([](uint32_t bits, int64_t) { return RoundToBFloat16<Rounding::kUp>(bits); });
    case Rounding::kDown:
      return halves([](uint32_t bits, int64_t) { return RoundToBFloat16<Rounding::kDown>(bits); });
  }
}

void ReduceRow(const Reduction& reduction, const std::byte* values, int64_t count, std::byte* to) {
  std::vector<float> sums(count);
  const int64_t bytes = StorageBytes(reduction.type);
  const auto load = [&](const std::byte* from, int64_t i) {
    if (reduction.type == DType::kFloat32) {
      float value;
      std::memcpy(&value, from + 4 * i, 4);
      return value;
    }
    uint16_t half;
    std::memcpy(&half, from + bytes * i, 2);
    return BFloat16ToFloat(half);
  };
  {
    // A sum of bf16 rounded to float and then, in the same direction or to nearest, to bf16 is
    // rounded as if once: float has more than twice the digits.
    const FlushDenormals flush(reduction.rounding);
    for (int64_t i = 0; i < count; ++i) {
      const float value = load(values, i);
      sums[i] = load(to, i) + (reduction.subtract ? -value : value);
    }
  }
  // Memory keeps its negative zeros.
  for (int64_t i = 0; i < count; ++i) {
    const bool minus_zero = sums[i] == 0.0f && std::signbit(sums[i]);
    FinishRow(&sums[i], 1, false, reduction.type, reduction.rounding, nullptr, to + bytes * i);
    if (minus_zero) to[bytes * i + bytes - 1] = std::byte{0x80};
  }
}

absl::Status ExactGemm(const GemmShape& shape, const std::byte* a, const std::byte* b,
                       std::byte* c) {
  RETURN_IF_ERROR(Validate(shape));
  (shape.in == DType::kBFloat16 ? RunGemm<uint16_t> : RunGemm<float>)(shape, a, b, c);
  return absl::OkStatus();
}

absl::Status ExactConvolution(const ConvolutionShape& shape, const std::byte* x, const std::byte* w,
                              std::byte* y) {
  RETURN_IF_ERROR(Validate(shape));
  (shape.in_type == DType::kBFloat16 ? RunConvolution<uint16_t> : RunConvolution<float>)(shape, x,
                                                                                         w, y);
  return absl::OkStatus();
}

}  // namespace openhpu::simulator
