#include "simulator/functional/kernels/tile_loops.h"

#include <cstring>

#include "simulator/functional/multi_isa.h"

namespace openhpu::simulator {
namespace {

#define INLINE_LAMBDA __attribute__((always_inline))

// bf16 in memory; a type of its own, so that conversions are chosen by type.
struct BFloat16 {
  uint16_t bits;
};

// Storage <-> values, as bits.
template <typename T>
OPENHPU_INLINE int32_t FromStorage(T x) {
  return x;
}
OPENHPU_INLINE int32_t FromStorage(BFloat16 x) {
  return static_cast<int32_t>(static_cast<uint32_t>(x.bits) << 16);
}

template <typename T>
OPENHPU_INLINE T ToStorage(int32_t x) {
  return static_cast<T>(static_cast<uint32_t>(x));
}
// A bf16 value is already rounded: its lower half is zero.
template <>
OPENHPU_INLINE BFloat16 ToStorage<BFloat16>(int32_t x) {
  return {static_cast<uint16_t>(static_cast<uint32_t>(x) >> 16)};
}

using Words4 = uint32_t __attribute__((vector_size(16)));

// A 4 x 4 block of words: to[i + j * tr] = from[j + i * fc].
OPENHPU_INLINE void TransposeWords4(const void* from, int64_t fc, void* to, int64_t tr) {
  const auto* x = static_cast<const std::byte*>(from);
  auto* y = static_cast<std::byte*>(to);
  Words4 r0, r1, r2, r3;
  std::memcpy(&r0, x, 16);
  std::memcpy(&r1, x + 4 * fc, 16);
  std::memcpy(&r2, x + 8 * fc, 16);
  std::memcpy(&r3, x + 12 * fc, 16);
  const Words4 a = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
  const Words4 b = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
  const Words4 c = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
  const Words4 d = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
  r0 = __builtin_shufflevector(a, b, 0, 1, 4, 5);
  r1 = __builtin_shufflevector(a, b, 2, 3, 6, 7);
  r2 = __builtin_shufflevector(c, d, 0, 1, 4, 5);
  r3 = __builtin_shufflevector(c, d, 2, 3, 6, 7);
  std::memcpy(y, &r0, 16);
  std::memcpy(y + 4 * tr, &r1, 16);
  std::memcpy(y + 8 * tr, &r2, 16);
  std::memcpy(y + 12 * tr, &r3, 16);
}

// to[i + j * tr] = from[j + i * fc]: words in blocks, others one by one along the rows of `from`.
template <typename From, typename To, typename F>
OPENHPU_INLINE void Transpose(const From* from, int64_t fc, To* to, int64_t tr, int64_t columns,
                              int64_t rows, F convert) {
  const int64_t block_rows = sizeof(From) == 4 && sizeof(To) == 4 ? rows / 4 * 4 : 0;
  const int64_t block_columns = columns / 4 * 4;
  for (int64_t j = 0; j < block_rows; j += 4) {
    for (int64_t i = 0; i < block_columns; i += 4) {
      TransposeWords4(from + i * fc + j, fc, to + j * tr + i, tr);
    }
  }
  for (int64_t i = 0; i < columns; ++i) {
    const From* x = from + i * fc;
    for (int64_t j = i < block_columns ? block_rows : 0; j < rows; ++j) {
      to[i + j * tr] = convert(x[j]);
    }
  }
}

// Copies with a conversion; the loop order follows the smaller stride of the strided side.
template <typename From, typename To, typename F>
OPENHPU_INLINE void Move(const From* from, const TileShape& f, To* to, const TileShape& t,
                         F convert) {
  const int64_t fc = f.column_stride, fr = f.row_stride, tc = t.column_stride, tr = t.row_stride;
  const auto columns = static_cast<int64_t>(f.columns), rows = static_cast<int64_t>(f.rows);
  if (fc == 1 && tc == 1) {
    for (int64_t j = 0; j < rows; ++j) {
      const From* x = from + j * fr;
      To* y = to + j * tr;
      OPENHPU_INDEPENDENT
      for (int64_t i = 0; i < columns; ++i) y[i] = convert(x[i]);
    }
  } else if (fc == 0 && tc == 1) {
    for (int64_t j = 0; j < rows; ++j) {
      const To v = convert(from[j * fr]);
      To* y = to + j * tr;
      for (int64_t i = 0; i < columns; ++i) y[i] = v;
    }
  } else if (rows > 1 && fr == 1 && tc == 1) {
    Transpose(from, fc, to, tr, columns, rows, convert);
  } else if (rows > 1 && fr == 1) {
    for (int64_t i = 0; i < columns; ++i) {
      const From* x = from + i * fc;
      To* y = to + i * tc;
      for (int64_t j = 0; j < rows; ++j) y[j * tr] = convert(x[j]);
    }
  } else {
    for (int64_t j = 0; j < rows; ++j) {
      const From* x = from + j * fr;
      To* y = to + j * tr;
      OPENHPU_INDEPENDENT
      for (int64_t i = 0; i < columns; ++i) y[i * tc] = convert(x[i * fc]);
    }
  }
}

TileShape DenseShape(const TileShape& shape) {
  return {shape.columns, shape.rows, 1, static_cast<int64_t>(shape.columns)};
}
// Dense tiles are one row: longer loops.
void Flatten(TileShape& a, TileShape& b) {
  if (!a.Dense() || !b.Dense()) return;
  a.columns *= a.rows;
  a.rows = 1;
  b.columns = a.columns;
  b.rows = 1;
}

template <typename T>
OPENHPU_INLINE void LoadAs(const std::byte* from, const TileShape& shape, const TileShape& dense,
                           void* values) {
  Move(reinterpret_cast<const T*>(from), shape, static_cast<int32_t*>(values), dense,
       [](T x) INLINE_LAMBDA { return FromStorage(x); });
}
template <typename T>
OPENHPU_INLINE void StoreAs(const void* values, const TileShape& dense, std::byte* to,
                            const TileShape& shape) {
  Move(static_cast<const int32_t*>(values), dense, reinterpret_cast<T*>(to), shape,
       [](int32_t x) INLINE_LAMBDA { return ToStorage<T>(x); });
}
template <typename T>
OPENHPU_INLINE void CopyAs(const std::byte* from, const TileShape& shape, std::byte* to,
                           const TileShape& to_shape) {
  Move(reinterpret_cast<const T*>(from), shape, reinterpret_cast<T*>(to), to_shape,
       [](T x) INLINE_LAMBDA { return x; });
}

OPENHPU_MULTI_ISA void LoadFlat(DType dtype, const std::byte* from, const TileShape& shape,
                                const TileShape& dense, void* values) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kInt32:
    case DType::kInt64:
      return LoadAs<int32_t>(from, shape, dense, values);
    case DType::kBFloat16:
      return LoadAs<BFloat16>(from, shape, dense, values);
    case DType::kInt16:
      return LoadAs<int16_t>(from, shape, dense, values);
    case DType::kInt8:
      return LoadAs<int8_t>(from, shape, dense, values);
    case DType::kUInt8:
      return LoadAs<uint8_t>(from, shape, dense, values);
    case DType::kBool:  // any byte but 0 is true
      return Move(reinterpret_cast<const uint8_t*>(from), shape, static_cast<int32_t*>(values),
                  dense, [](uint8_t x) INLINE_LAMBDA { return x != 0 ? 1 : 0; });
  }
}

OPENHPU_MULTI_ISA void StoreFlat(DType dtype, const void* values, const TileShape& dense,
                                 std::byte* to, const TileShape& shape) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kInt32:
    case DType::kInt64:
      return StoreAs<int32_t>(values, dense, to, shape);
    case DType::kBFloat16:
      return StoreAs<BFloat16>(values, dense, to, shape);
    case DType::kInt16:
      return StoreAs<int16_t>(values, dense, to, shape);
    case DType::kInt8:
      return StoreAs<int8_t>(values, dense, to, shape);
    case DType::kUInt8:
    case DType::kBool:
      return StoreAs<uint8_t>(values, dense, to, shape);
  }
}

OPENHPU_MULTI_ISA void CopyFlat(int bytes, const std::byte* from, const TileShape& shape,
                                std::byte* to, const TileShape& to_shape) {
  switch (bytes) {
    case 1:
      return CopyAs<uint8_t>(from, shape, to, to_shape);
    case 2:
      return CopyAs<uint16_t>(from, shape, to, to_shape);
    case 4:
      return CopyAs<uint32_t>(from, shape, to, to_shape);
  }
}

}  // namespace

void LoadTile(DType dtype, const std::byte* from, const TileShape& shape, void* values) {
  TileShape source = shape, dense = DenseShape(shape);
  Flatten(source, dense);
  LoadFlat(dtype, from, source, dense, values);
}

void StoreTile(DType dtype, const void* values, std::byte* to, const TileShape& shape) {
  TileShape target = shape, dense = DenseShape(shape);
  Flatten(dense, target);
  StoreFlat(dtype, values, dense, to, target);
}

void CopyTile(int bytes, const std::byte* from, const TileShape& shape, std::byte* to,
              const TileShape& to_shape) {
  TileShape source = shape, target = to_shape;
  Flatten(source, target);
  CopyFlat(bytes, from, source, to, target);
}

OPENHPU_MULTI_ISA void FillIndices(int32_t start, const TileShape& shape, int32_t* values) {
  const auto column = static_cast<int32_t>(shape.column_stride);
  for (size_t j = 0; j < shape.rows; ++j) {
    const int32_t row = start + static_cast<int32_t>(j) * static_cast<int32_t>(shape.row_stride);
    int32_t* y = values + j * shape.columns;
    for (size_t i = 0; i < shape.columns; ++i) y[i] = row + static_cast<int32_t>(i) * column;
  }
}

}  // namespace openhpu::simulator
