// Walks over some dims of a launch's tensors at once: the offsets of every operand, in elements,
// for each coordinate, lowest dim fastest.
#ifndef SIMULATOR_FUNCTIONAL_KERNELS_WALK_H_
#define SIMULATOR_FUNCTIONAL_KERNELS_WALK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "hal/kernel/launch.h"

namespace openhpu::simulator {

class Walk {
 public:
  static constexpr size_t kMaxOperands = 6;
  using Offsets = std::array<int64_t, kMaxOperands>;

  // The dims in `mask` (bit i = dim i) of a box of `sizes`; dims that lie next to each other in all
  // operands are joined. An operand's dims of size 1 are broadcast. At most kMaxOperands operands.
  Walk(const hal::TpcDims& sizes, uint8_t mask,
       std::initializer_list<const hal::KernelTensor*> operands) {
    for (int d = 0; d < hal::kTpcMaxDims; ++d) {
      if ((mask >> d & 1) == 0 || sizes[d] == 1) continue;
      Dim dim;
      dim.size = sizes[d];
      size_t k = 0;
      bool joins = dims_ > 0;
      for (const hal::KernelTensor* t : operands) {
        dim.strides[k] = t->sizes[d] == 1 ? 0 : static_cast<int64_t>(t->strides[d]);
        if (dims_ > 0) {
          const Dim& last = dim_[dims_ - 1];
          joins = joins && dim.strides[k] == last.strides[k] * static_cast<int64_t>(last.size);
        }
        ++k;
      }
      if (joins) {
        dim_[dims_ - 1].size *= dim.size;
      } else {
        dim_[dims_++] = dim;
      }
      count_ *= dim.size;
    }
  }

  uint64_t count() const { return count_; }
  // The fastest joined dim: runs of this many coordinates, so many elements apart in an operand.
  uint64_t run() const { return dim_[0].size; }
  uint64_t runs() const { return run() == 0 ? 0 : count_ / run(); }
  int64_t run_stride(size_t operand) const { return dim_[0].strides[operand]; }

  // Requires i < count().
  Offsets At(uint64_t i) const {
    Offsets offsets = {};
    for (int d = 0; d < dims_; ++d) {
      const auto c = static_cast<int64_t>(i % dim_[d].size);
      i /= dim_[d].size;
      for (size_t k = 0; k < kMaxOperands; ++k) offsets[k] += c * dim_[d].strides[k];
    }
    return offsets;
  }

 private:
  struct Dim {
    uint64_t size = 1;
    Offsets strides = {};
  };
  std::array<Dim, hal::kTpcMaxDims> dim_;
  int dims_ = 0;
  uint64_t count_ = 1;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_KERNELS_WALK_H_
