// Products and convolutions as descriptors of one MME pair. Everything but addresses and sync
// objects, which the command writer fills in.
//
// One pair has two arrays of m x m (m = 64 for bf16 operands, 32 for fp32): S gives m rows to both,
// L and O m columns to each: local columns 0..m-1, remote m..2m-1, so a step makes a tile of m rows
// and 2m columns. Loop counters have 8 bits: what needs more steps becomes several descriptors.
// Source: the forms 4.1 and 4.3 of the descriptor's reference, with one pair's offsets.
#ifndef HAL_GAUDI_MME_LOWERING_H_
#define HAL_GAUDI_MME_LOWERING_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/abi/gaudi/mme.h"
#include "hal/chip.pb.h"
#include "hal/commands.h"

namespace openhpu::hal::gaudi {

struct MmePart {
  abi::gaudi::MmeDescriptor descriptor;
  uint64_t offset_s = 0, offset_l = 0, offset_o = 0;  // bytes from a, b, c (or x, w, y)
};

// In the order in which the engine runs them. InvalidArgument names the field that does not fit.
absl::StatusOr<std::vector<MmePart>> LowerGemm(const Chip& chip, const MmeGemm& gemm);
absl::StatusOr<std::vector<MmePart>> LowerConvolution(const Chip& chip,
                                                      const MmeConvolution& convolution);

}  // namespace openhpu::hal::gaudi

#endif  // HAL_GAUDI_MME_LOWERING_H_
