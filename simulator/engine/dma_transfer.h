// What one DMA command moves, without time.
//
// Source and destination are boxes of up to five dims: dim 0 is dense, a size in bytes; dims 1 to 4
// have a size and a stride in bytes. Bytes are read in the order of the source's dims, innermost
// first, and written in the order of the destination's; the totals must be equal. A memset writes a
// 64-bit value over and over.
//
// A transpose reads its elements with dims 0 and 1 exchanged, whatever their sizes. A linear one is
// of matrices that fill the transposing unit, one behind the other: rows of 64 bytes, TE_NUMROWS of
// them (0: as many as make 128 bytes, which is also the most); each leaves as 64 / element rows of
// TE_NUMROWS elements. (Inferred from the unit's two sizes and the register's name.)
//
// Runs of dim 0 are moved in order, each as if it were read before it is written: that is what
// comes of a source and a destination that overlap, where a chip promises nothing.
#ifndef SIMULATOR_ENGINE_DMA_TRANSFER_H_
#define SIMULATOR_ENGINE_DMA_TRANSFER_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "simulator/functional/access.h"

namespace openhpu::simulator {

struct DmaTransfer {
  struct Side {
    uint64_t base = 0;
    std::array<uint32_t, 5> sizes = {0, 1, 1, 1, 1};
    std::array<uint32_t, 5> strides = {1, 0, 0, 0, 0};
  };
  Side source, destination;
  bool linear = false, memset = false, transpose = false;
  uint32_t element_bytes = 1;     // of a transpose
  const char* refused = nullptr;  // what the descriptor asks for that is not modelled
  bool signals = false;
  uint64_t signal_address = 0;
  uint32_t signal_value = 0;
};

// `registers` is a DMA core's block.
DmaTransfer ReadDmaTransfer(const uint32_t* registers);
// Of Gaudi2. How it transposes is not known to be like Gaudi's but for strided transfers; linear
// ones, reductions, swapped bytes and offsets are refused.
DmaTransfer ReadGaudi2DmaTransfer(const uint32_t* registers);
// The accesses, source first; InvalidArgument when the sizes do not fit, Unimplemented for what is
// refused.
absl::Status DmaBoxes(const DmaTransfer& transfer, std::vector<AccessBox>& boxes);
// Moves the bytes. The boxes are known to lie in memory.
absl::Status RunDma(const DmaTransfer& transfer, AddressSpace& memory);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_DMA_TRANSFER_H_
