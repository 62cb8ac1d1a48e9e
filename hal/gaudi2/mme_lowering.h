// Products and convolutions as descriptors of one MME: a master and a slave core. Everything but
// addresses and sync objects, which the command writer fills in.
//
// A step makes a tile of 256 rows and 256 columns: each core has 128 of the rows and all columns;
// the operand with columns (B) is read once, half by each core, and both give each other their
// half. Rows of a convolution are its output positions, of which every port takes each fourth; a
// step over four has one carry, so outputs of fewer columns are walked as if they had four. Loop
// counters have 8 bits: what needs more steps becomes several descriptors. Source: the forms 7.3
// and 4.3 of the descriptor's reference (2xw), with the offsets of one MME.
#ifndef HAL_GAUDI2_MME_LOWERING_H_
#define HAL_GAUDI2_MME_LOWERING_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/abi/gaudi2/mme.h"
#include "hal/commands.h"

namespace openhpu::hal::gaudi2 {

struct MmePart {
  abi::gaudi2::MmeDescriptor descriptor;
  uint64_t offset_a = 0, offset_b = 0, offset_c = 0;  // bytes from a, b, c (or x, w, y)
};

// In the order in which the engine runs them. InvalidArgument names the field that does not fit.
absl::StatusOr<std::vector<MmePart>> LowerGemm(const MmeGemm& gemm);
absl::StatusOr<std::vector<MmePart>> LowerConvolution(const MmeConvolution& convolution);

}  // namespace openhpu::hal::gaudi2

#endif  // HAL_GAUDI2_MME_LOWERING_H_
