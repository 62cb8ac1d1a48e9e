// What the kernel driver asks of a submission on Gaudi, beside the packets themselves. Counts that
// the height of the seam fixes (jobs, waits) are in hal/driver.h, numbers of a chip (queue lengths,
// first free sync objects) in its chip file; parity_test compares all of them with the kernel's
// header.
#ifndef HAL_ABI_GAUDI_SUBMISSION_H_
#define HAL_ABI_GAUDI_SUBMISSION_H_

#include <cstdint>

#include "hal/abi/gaudi/packets.h"
#include "hal/base/field.h"

namespace openhpu::hal::abi::gaudi {

// A user's command buffer for an external queue; the kernel appends its completion behind it.
inline constexpr uint32_t kMaxCommandBufferBytes = 0x200000 - 2 * sizeof(PacketMsgProt);

// The fence counter of every CP that the kernel's own waits use; the user has 0, 1 and 3.
inline constexpr uint32_t kKernelFence = 2;

// The word that the first of the two appended MSG_PROT writes into the completion queue; the second
// raises the interrupt.
struct CompletionEntry {
  using SHADOW_INDEX = Field<uint32_t, 0, 12>;
  using SHADOW_INDEX_VALID = Field<uint32_t, 30, 1>;
  using READY = Field<uint32_t, 31, 1>;
};

}  // namespace openhpu::hal::abi::gaudi

#endif  // HAL_ABI_GAUDI_SUBMISSION_H_
