// For tests of the MME: descriptors in the forms of mme_descriptor.md, section 4, written from its
// tables.
#ifndef SIMULATOR_FUNCTIONAL_MME_TESTING_H_
#define SIMULATOR_FUNCTIONAL_MME_TESTING_H_

#include <algorithm>
#include <array>
#include <cstdint>

#include "hal/abi/gaudi/mme.h"
#include "simulator/functional/gemm.h"

namespace openhpu::simulator {

// What part of a product a descriptor computes: all of it with one pair, or one pair's part of the
// whole chip.
enum class Geometry { kPair, kSouth, kNorth };

struct Addresses {
  uint64_t s = 0, l = 0, o = 0;  // bytes
};

inline hal::abi::gaudi::MmeDescriptor CommonDescriptor(DType in, DType out, bool relu,
                                                       const Addresses& at) {
  using Low = hal::abi::gaudi::mme::HEADER_LOW;
  hal::abi::gaudi::MmeDescriptor d;
  d.header_low = Low::STORE_EN::Set(0, 1) | Low::SIGNAL_MASK::Set(0, 0x3F) |
                 Low::SIGNAL_EN::Set(0, 1) | Low::RELU_EN::Set(0, relu) |
                 Low::DATA_TYPE_IN::Set(0, in == DType::kFloat32) |
                 Low::DATA_TYPE_OUT::Set(0, out == DType::kFloat32);
  d.header_high = 0xC0000000;
  d.sb_repeat = 0xC000C000;
  d.rate_limiter = 0x00020404;
  d.pcu_rl_saturation = 0x10000;
  d.base_addr_high_s = static_cast<uint32_t>(at.s >> 32);
  d.base_addr_low_s = static_cast<uint32_t>(at.s);
  d.base_addr_high_l = static_cast<uint32_t>(at.l >> 32);
  d.base_addr_low_l = static_cast<uint32_t>(at.l);
  d.base_addr_high_o = static_cast<uint32_t>(at.o >> 32);
  d.base_addr_low_o = static_cast<uint32_t>(at.o);
  return d;
}

// Loop codes {S, L, O}; 5 is none.
inline uint32_t LoopCode(uint32_t s, uint32_t l, uint32_t o) { return s | l << 3 | o << 6; }

inline int64_t Tiles(int64_t n, int64_t tile) {
  return std::max<int64_t>(1, (n + tile - 1) / tile);
}

// Section 4.1. Strides of the shape say which operands are transposed; batches of a size above 1
// need a stride in c.
inline hal::abi::gaudi::MmeDescriptor GemmDescriptor(const GemmShape& shape, Geometry geometry,
                                                     const Addresses& at) {
  using Low = hal::abi::gaudi::mme::HEADER_LOW;
  const int64_t m = shape.in == DType::kBFloat16 ? 64 : 32;
  const int64_t k = std::max<int64_t>(1, shape.k);
  const int64_t row_step = geometry == Geometry::kPair ? m : 2 * m;
  hal::abi::gaudi::MmeDescriptor d = CommonDescriptor(shape.in, shape.out, shape.relu, at);
  const bool a_rows = shape.a.column == 1, b_columns = shape.b.column != 1;
  d.header_low |= Low::TRANS_S::Set(0, a_rows) | Low::TRANS_L::Set(0, b_columns);
  // `dense` elements a line, `lines` of them `ld` apart; what a tile takes of both and how far it
  // steps.
  struct Matrix {
    int64_t dense, lines, ld, roi_dense, roi_lines, step_dense, step_lines;
  };
  const auto tensor = [&](hal::abi::gaudi::MmeTensor& t, const Matrix& x, int64_t size,
                          const std::array<int64_t, 3>& batch) {
    const int64_t whole = std::max<int64_t>(1, x.lines * x.ld);
    t.valid_elements[0] = static_cast<uint32_t>(x.dense);
    t.valid_elements[1] = static_cast<uint32_t>(x.lines * x.ld);
    t.loop_stride[0] = static_cast<int32_t>(x.step_dense);
    t.loop_stride[1] = static_cast<int32_t>(x.step_lines * x.ld);
    t.roi_size[0] = static_cast<int32_t>(x.roi_dense);
    t.roi_size[1] = static_cast<int32_t>(x.roi_lines * x.ld);
    t.spatial_strides[0] = static_cast<uint32_t>(x.ld);
    t.spatial_size_minus_1 = static_cast<uint32_t>(size - 1);
    for (int i = 0; i < 3; ++i) {
      const bool moves = shape.batch[i] > 1 && batch[i] > 0;
      const int64_t valid = moves ? batch[i] * shape.batch[i] : whole;
      t.valid_elements[2 + i] = static_cast<uint32_t>(valid);
      t.loop_stride[2 + i] = static_cast<int32_t>(moves                ? batch[i]
                                                  : shape.batch[i] > 1 ? 0
                                                                       : whole);
      if (i < 2) t.roi_size[2 + i] = static_cast<int32_t>(valid);
      t.spatial_strides[1 + i] = static_cast<uint32_t>(moves ? batch[i] : whole);
    }
  };
  const int64_t lda = a_rows ? shape.a.row : shape.a.column;
  const int64_t ldb = b_columns ? shape.b.column : shape.b.row;
  tensor(d.tensor_s,
         a_rows ? Matrix{shape.k, shape.m, lda, k, m, 0, row_step}
                : Matrix{shape.m, shape.k, lda, m, k, row_step, 0},
         a_rows ? m : k, shape.a.batch);
  tensor(d.tensor_l,
         b_columns ? Matrix{shape.k, shape.n, ldb, k, m, 0, 2 * m}
                   : Matrix{shape.n, shape.k, ldb, m, k, 2 * m, 0},
         b_columns ? m : k, shape.b.batch);
  tensor(d.tensor_o, Matrix{shape.n, shape.m, shape.c.row, m, m, 2 * m, row_step}, m,
         shape.c.batch);
  d.agu_l_remote.roi_base_offset[b_columns ? 1 : 0] = static_cast<int32_t>(b_columns ? m * ldb : m);
  d.agu_o_remote.roi_base_offset[0] = static_cast<int32_t>(m);
  if (geometry == Geometry::kNorth) {
    d.agu_s.roi_base_offset[a_rows ? 1 : 0] = static_cast<int32_t>(a_rows ? m * lda : m);
    d.agu_o_local.roi_base_offset[1] = d.agu_o_remote.roi_base_offset[1] =
        static_cast<int32_t>(m * shape.c.row);
  }
  const int64_t n0 = Tiles(shape.n, 2 * m), n1 = Tiles(shape.m, row_step);
  d.conv_kernel_size_minus_1 = static_cast<uint32_t>(
      (n0 - 1) | (n1 - 1) << 8 | (shape.batch[0] - 1) << 16 | (shape.batch[1] - 1) << 24);
  d.conv_associated_dims_low = LoopCode(5, b_columns ? 1 : 0, 0) | LoopCode(a_rows ? 1 : 0, 5, 1)
                                                                       << 16;
  d.conv_associated_dims_high = LoopCode(2, 2, 2) | LoopCode(3, 3, 3) << 16;
  d.outer_loop = LoopCode(4, 4, 4) | static_cast<uint32_t>(shape.batch[2] - 1) << 16;
  return d;
}

// Section 4.3. kPair: one pair computes all; else 4wx1h, where the north arrays have the third and
// fourth columns of tiles.
inline hal::abi::gaudi::MmeDescriptor ConvolutionDescriptor(const ConvolutionShape& s,
                                                            Geometry geometry,
                                                            const Addresses& at) {
  using Low = hal::abi::gaudi::mme::HEADER_LOW;
  const int64_t m = s.in_type == DType::kBFloat16 ? 64 : 32;
  const int64_t ports = geometry == Geometry::kPair ? 2 : 4;
  hal::abi::gaudi::MmeDescriptor d = CommonDescriptor(s.in_type, s.out_type, s.relu, at);
  d.header_low |= Low::TRANS_S::Set(0, 1) | Low::ADVANCE_S::Set(0, 1) | Low::ADVANCE_O::Set(0, 1) |
                  Low::ACCUM_MASK::Set(0, 7);
  const auto u = [](int64_t v) { return static_cast<uint32_t>(v); };
  const auto i = [](int64_t v) { return static_cast<int32_t>(v); };
  d.tensor_s.valid_elements[0] = u(s.channels);
  d.tensor_s.roi_size[0] = i(s.channels);
  d.tensor_l.valid_elements[0] = d.tensor_o.valid_elements[0] = u(s.features);
  d.tensor_l.roi_size[0] = d.tensor_o.roi_size[0] = i(m);
  d.tensor_l.loop_stride[0] = d.tensor_o.loop_stride[0] = i(ports * m);
  d.tensor_l.valid_elements[1] = u(s.channels * s.w_strides[0]);
  d.tensor_l.roi_size[1] = i(s.channels * s.w_strides[0]);
  d.tensor_l.spatial_strides[0] = u(s.w_strides[0]);
  for (int a = 0; a < 3; ++a) {
    d.tensor_s.valid_elements[a + 1] = u(s.in[a] * s.x_strides[a]);
    d.tensor_s.loop_stride[a + 1] = i(s.dilation[a] * s.x_strides[a]);
    d.tensor_s.roi_size[a + 1] = i(s.stride[a] * s.out[a] * s.x_strides[a]);
    d.tensor_s.spatial_strides[a] = u(s.stride[a] * s.x_strides[a]);
    d.agu_s.roi_base_offset[a + 1] = i(-s.pad[a] * s.x_strides[a]);
    d.tensor_l.valid_elements[a + 2] = u(s.kernel[a] * s.w_strides[a + 1]);
    d.tensor_l.loop_stride[a + 2] = i(s.w_strides[a + 1]);
    d.tensor_l.spatial_strides[a + 1] = u(s.w_strides[a + 1]);
    if (a < 2) d.tensor_l.roi_size[a + 2] = i(s.w_strides[a + 1]);
    d.tensor_o.valid_elements[a + 1] = u(s.out[a] * s.y_strides[a]);
    d.tensor_o.roi_size[a + 1] = i(s.out[a] * s.y_strides[a]);
    d.tensor_o.spatial_strides[a] = u(s.y_strides[a]);
  }
  d.tensor_s.valid_elements[4] = u(s.batch * s.x_strides[3]);
  d.tensor_s.spatial_strides[3] = u(s.x_strides[3]);
  d.tensor_o.valid_elements[4] = u(s.batch * s.y_strides[3]);
  d.tensor_o.spatial_strides[3] = u(s.y_strides[3]);
  d.tensor_s.spatial_size_minus_1 = d.tensor_o.spatial_size_minus_1 = u(m - 1);
  d.tensor_l.spatial_size_minus_1 = u(s.channels - 1);
  const int64_t first = geometry == Geometry::kNorth ? 2 * m : 0;
  d.agu_l_local.roi_base_offset[0] = d.agu_o_local.roi_base_offset[0] = i(first);
  d.agu_l_remote.roi_base_offset[0] = d.agu_o_remote.roi_base_offset[0] = i(first + m);
  d.conv_kernel_size_minus_1 =
      u((s.kernel[0] - 1) | (s.kernel[1] - 1) << 8 | (s.kernel[2] - 1) << 16 |
        (Tiles(s.features, ports * m) - 1) << 24);
  d.conv_associated_dims_low = LoopCode(1, 2, 5) | LoopCode(2, 3, 5) << 16;
  d.conv_associated_dims_high = LoopCode(3, 4, 5) | LoopCode(5, 0, 0) << 16;
  d.outer_loop = LoopCode(5, 5, 5);
  d.num_iterations_minus_1 = u(Tiles(s.batch * s.out[0] * s.out[1] * s.out[2], m) - 1);
  return d;
}

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_MME_TESTING_H_
