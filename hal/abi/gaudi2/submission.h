// What the kernel driver asks of a submission on Gaudi2, beside the packets themselves: nothing of
// a packet (protection is the hardware's), but the address of a buffer. Counts that the height of
// the seam fixes (jobs, waits) are in hal/driver.h, numbers of a chip (queue lengths, first free
// sync objects) in its chip file; parity_test compares with the kernel's header.
#ifndef HAL_ABI_GAUDI2_SUBMISSION_H_
#define HAL_ABI_GAUDI2_SUBMISSION_H_

#include <cstdint>

#include "hal/abi/gaudi2/qman.h"

namespace openhpu::hal::abi::gaudi2 {

// A buffer that the kernel makes; one that the user maps may be longer.
inline constexpr uint32_t kMaxCommandBufferBytes = 0x200000 - 32;

// The fence counter of every CP that the kernel's own waits use; the user has 0, 1 and 3.
inline constexpr uint32_t kKernelFence = 2;

// Submissions in flight. Their completions are sync objects 0 to 63 of manager 0: submission n has
// object n mod 64, which each of its queues raises when its entry is done.
inline constexpr uint32_t kMaxSubmissions = 64;
constexpr uint32_t CompletionSob(uint64_t sequence) {
  return static_cast<uint32_t>(sequence % kMaxSubmissions);
}
// The control word of a queue's entry.
constexpr uint32_t EntryCtl(uint32_t producer_index, uint64_t sequence) {
  using Entry = qman::PqEntry;
  return Entry::COMPLETION_OFFSET::Set(Entry::COMPLETION_DATA::Set(0, producer_index),
                                       CompletionSob(sequence));
}

// Completion queues of manager 0 that the kernel uses.
inline constexpr uint32_t kCsCompletionQueue = 0;
inline constexpr uint32_t kKdmaCompletionQueue = 1;
inline constexpr uint32_t kFirstUserCompletionQueue = 2;  // inferred: none other is named

}  // namespace openhpu::hal::abi::gaudi2

#endif  // HAL_ABI_GAUDI2_SUBMISSION_H_
