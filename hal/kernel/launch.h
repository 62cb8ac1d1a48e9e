// A TPC kernel launch as typed data: which kernel, on which tensors, with which scalars, over which
// index space. The compiler makes launches (one factory a kernel, hal/kernel/kernels.h), the
// command writer turns them into tensor descriptors, the model's kernels read them back from the
// descriptors.
#ifndef HAL_KERNEL_LAUNCH_H_
#define HAL_KERNEL_LAUNCH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "hal/base/dtype.h"

namespace openhpu::hal {

inline constexpr int kTpcMaxDims = 5;
inline constexpr int kTpcMaxTensors = 16;
inline constexpr int kTpcMaxScalars = 32;

using TpcDims = std::array<uint32_t, kTpcMaxDims>;

// One tensor operand. Dim 0 is innermost and dense (stride 1); absent dims have size 1. Strides are
// in elements and may be 0 (broadcast).
struct KernelTensor {
  DType dtype = DType::kFloat32;
  TpcDims sizes = {1, 1, 1, 1, 1};
  TpcDims strides = {1, 0, 0, 0, 0};
  bool written = false;

  friend bool operator==(const KernelTensor& a, const KernelTensor& b) {
    return a.dtype == b.dtype && a.sizes == b.sizes && a.strides == b.strides &&
           a.written == b.written;
  }
};

// The code of a kernel: guid and payload (what follows the image's header page). Equal images are
// stored once in a recipe.
struct KernelImage {
  std::string guid;
  std::vector<std::byte> payload;

  friend bool operator==(const KernelImage& a, const KernelImage& b) {
    return a.guid == b.guid && a.payload == b.payload;
  }
};

// The index space is 5-D; each kernel says what one step along a dim is. It is split into boxes,
// one or more a TPC; boxes of one launch are independent.
struct KernelLaunch {
  KernelImage image;
  std::vector<KernelTensor> tensors;  // inputs first, then outputs
  std::vector<uint32_t> scalars;
  TpcDims index_space = {1, 1, 1, 1, 1};
  uint8_t splittable = 0x1F;  // dims along which the index space may be cut, bit i = dim i
};

struct IndexBox {
  TpcDims base = {0, 0, 0, 0, 0};
  TpcDims size = {1, 1, 1, 1, 1};
};

}  // namespace openhpu::hal

#endif  // HAL_KERNEL_LAUNCH_H_
