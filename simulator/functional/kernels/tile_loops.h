// Moving tiles of tensors between memory and the 32-bit values that the kernels compute with
// (expression_loops.h): fp32 for f32 and bf16, int32 for integers, 0 or 1 for bool.
#ifndef SIMULATOR_FUNCTIONAL_KERNELS_TILE_LOOPS_H_
#define SIMULATOR_FUNCTIONAL_KERNELS_TILE_LOOPS_H_

#include <cstddef>
#include <cstdint>

#include "hal/base/dtype.h"

namespace openhpu::simulator {

// A tile of a tensor: `rows` rows of `columns` elements; element (i, j) of column i and row j lies
// at i * column_stride + j * row_stride elements.
struct TileShape {
  size_t columns = 0, rows = 0;
  int64_t column_stride = 1, row_stride = 0;

  bool Dense() const {
    return column_stride == 1 && (rows == 1 || row_stride == static_cast<int64_t>(columns));
  }
};

// Between a tile in memory, in storage form, and a dense one of values: value[j * columns + i].
void LoadTile(DType dtype, const std::byte* from, const TileShape& shape, void* values);
void StoreTile(DType dtype, const void* values, std::byte* to, const TileShape& shape);
// From memory to memory, bit for bit; `bytes` an element (1, 2, 4). `to_shape` has the columns and
// rows of `shape`.
void CopyTile(int bytes, const std::byte* from, const TileShape& shape, std::byte* to,
              const TileShape& to_shape);
// value(i, j) = start + i * column_stride + j * row_stride.
void FillIndices(int32_t start, const TileShape& shape, int32_t* values);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_KERNELS_TILE_LOOPS_H_
