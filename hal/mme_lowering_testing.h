// What the tests of both dialects' MME lowering share: products and convolutions with data and
// their answers by plain loops, and the walk of an address generator. What a step does with the
// lines of its walks is the dialect's, and stands in its test.
#ifndef HAL_MME_LOWERING_TESTING_H_
#define HAL_MME_LOWERING_TESTING_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "hal/base/dtype.h"
#include "hal/commands.h"

namespace openhpu::hal {

// The numbers of a register array, as a worked example lists them.
using V = std::vector<int64_t>;
template <typename T, size_t n>
V List(const T (&values)[n]) {
  return V(values, values + n);
}

using Coordinates = std::array<int64_t, 5>;

// Section 3 of the descriptor's reference: the lines and elements that an address generator
// touches, from the registers alone. The walk begins at `at`, and dims wrap against `base` (dim 0
// of `base` is the first element of every line). Calls f(line, x, offset or -1) for each element of
// `lines` lines of `width`; fails when a step carries twice, which the hardware cannot.
template <typename Tensor, typename F>
void Walk(const Tensor& t, const Coordinates& base, Coordinates at, int64_t lines, int64_t width,
          const F& f) {
  for (int64_t line = 0; line < lines; ++line) {
    bool in = true;
    for (int i = 1; i < 5; ++i) in = in && at[i] >= 0 && at[i] < t.valid_elements[i];
    for (int64_t x = base[0]; x < base[0] + width; ++x) {
      const bool valid = in && x >= 0 && x < t.valid_elements[0];
      f(line, x - base[0], valid ? x + at[1] + at[2] + at[3] + at[4] : -1);
    }
    at[1] += t.spatial_strides[0];
    for (int i = 1; i < 4 && at[i] >= base[i] + t.roi_size[i]; ++i) {
      at[i] -= t.roi_size[i];
      ASSERT_LT(at[i], base[i] + t.roi_size[i]) << "two carries";
      at[i + 1] += t.spatial_strides[i];
    }
  }
}

inline MmeGemm Gemm(uint32_t m, uint32_t n, uint32_t k, DType in = DType::kBFloat16) {
  MmeGemm g;
  g.in = in;
  g.m = m, g.n = n, g.k = k;
  g.lda = k, g.ldb = n, g.ldc = n;
  return g;
}

// A product of small integers; lines and batches have `gap` elements between them, and without one
// all batches share B. What no product reaches of c is -1.
struct Product {
  MmeGemm gemm;
  std::vector<double> a, b, c;

  Product(const MmeGemm& of, uint64_t gap) : gemm(of) {
    MmeGemm& g = gemm;
    const uint64_t a_rows = g.trans_a ? g.k : g.m, a_cols = g.trans_a ? g.m : g.k;
    const uint64_t b_rows = g.trans_b ? g.n : g.k, b_cols = g.trans_b ? g.k : g.n;
    g.lda = a_cols + gap, g.ldb = b_cols + gap, g.ldc = g.n + gap;
    uint64_t a_size = a_rows * g.lda, b_size = b_rows * g.ldb, c_size = g.m * g.ldc;
    for (auto& batch : g.batch) {
      if (batch.count == 1) continue;
      batch.stride_a = a_size, batch.stride_c = c_size;
      batch.stride_b = gap == 0 ? 0 : b_size;
      a_size *= batch.count, c_size *= batch.count;
      if (gap != 0) b_size *= batch.count;
    }
    a.resize(a_size), b.resize(b_size), c.assign(c_size, -1);
    for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<double>(i % 13) - 6;
    for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<double>(i % 7) - 3;
    const auto& [bx, by, bz] = g.batch;
    for (uint64_t z = 0; z < bz.count; ++z)
      for (uint64_t y = 0; y < by.count; ++y)
        for (uint64_t x = 0; x < bx.count; ++x)
          Multiply(x * bx.stride_a + y * by.stride_a + z * bz.stride_a,
                   x * bx.stride_b + y * by.stride_b + z * bz.stride_b,
                   x * bx.stride_c + y * by.stride_c + z * bz.stride_c);
  }

 private:
  void Multiply(uint64_t a0, uint64_t b0, uint64_t c0) {
    const MmeGemm& g = gemm;
    for (uint64_t m = 0; m < g.m; ++m)
      for (uint64_t n = 0; n < g.n; ++n) {
        double sum = 0;
        for (uint64_t k = 0; k < g.k; ++k) {
          sum += a[a0 + (g.trans_a ? k * g.lda + m : m * g.lda + k)] *
                 b[b0 + (g.trans_b ? n * g.ldb + k : k * g.ldb + n)];
        }
        c[c0 + m * g.ldc + n] = sum;
      }
  }
};

inline void MakeDense(MmeConvolution& c) {
  c.x_strides = {uint64_t{c.height} * c.width * c.channels, uint64_t{c.width} * c.channels,
                 c.channels};
  c.w_strides = {uint64_t{c.kernel_w} * c.channels * c.filters, uint64_t{c.channels} * c.filters,
                 c.filters};
  c.y_strides = {uint64_t{c.out_height} * c.out_width * c.filters,
                 uint64_t{c.out_width} * c.filters, c.filters};
}

// A dense convolution of small integers.
struct Convolution {
  MmeConvolution of;
  std::vector<double> x, w;
  std::vector<double> y;  // what somebody makes of it; -1e9 until it is written

  explicit Convolution(const MmeConvolution& convolution) : of(convolution) {
    MakeDense(of);
    x.resize(of.batch * of.x_strides[0]), w.resize(of.kernel_h * of.w_strides[0]);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i % 11) - 5;
    for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<double>(i % 5) - 2;
    y.assign(of.batch * of.y_strides[0], -1e9);
  }

  void Write(uint64_t at, double value) {
    EXPECT_EQ(y.at(at), -1e9) << "written twice";
    y.at(at) = value;
  }

  void ExpectTheAnswer() const {
    size_t at = 0;
    for (uint32_t n = 0; n < of.batch; ++n)
      for (int64_t ho = 0; ho < of.out_height; ++ho)
        for (int64_t wo = 0; wo < of.out_width; ++wo)
          for (uint32_t f = 0; f < of.filters; ++f, ++at)
            ASSERT_EQ(y[at], Sum(n, ho, wo, f))
                << "n " << n << " h " << ho << " w " << wo << " f " << f;
  }

 private:
  double Sum(uint32_t n, int64_t ho, int64_t wo, uint32_t f) const {
    double sum = 0;
    for (uint32_t r = 0; r < of.kernel_h; ++r)
      for (uint32_t t = 0; t < of.kernel_w; ++t) {
        const int64_t hi = ho * of.stride_h + r * int64_t{of.dilation_h} - of.pad_h;
        const int64_t wi = wo * of.stride_w + t * int64_t{of.dilation_w} - of.pad_w;
        if (hi < 0 || hi >= of.height || wi < 0 || wi >= of.width) continue;
        for (uint32_t k = 0; k < of.channels; ++k) {
          sum += x[n * of.x_strides[0] + hi * of.x_strides[1] + wi * of.x_strides[2] + k] *
                 w[r * of.w_strides[0] + t * of.w_strides[1] + k * of.w_strides[2] + f];
        }
      }
    return sum;
  }
};

}  // namespace openhpu::hal

#endif  // HAL_MME_LOWERING_TESTING_H_
