// Why the kernel refused a submission. It says a number only; this looks at the chunks as it does,
// and names the chunk, the packet and the limit. Never on the good path.
#ifndef HAL_HABANALABS_REFUSAL_H_
#define HAL_HABANALABS_REFUSAL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "hal/driver.h"
#include "hal/habanalabs/generation.h"

namespace openhpu::hal::habanalabs {

// What a refusal is explained by.
struct RefusalContext {
  const Generation* generation = nullptr;
  const DeviceInfo* info = nullptr;
  // The bytes of a command memory; nothing for an unknown handle.
  std::function<std::optional<absl::Span<const std::byte>>(uint64_t handle)> command_memory;
  // Whether the range lies in one mapping of host memory.
  std::function<bool(DeviceAddress address, uint64_t bytes)> is_mapped;
};

// What is wrong with a chunk, by the kernel's rules for the card's queues; OK when nothing is seen.
absl::Status CheckChunk(const Chunk& chunk, const RefusalContext& context);

// The fault of the first chunk that has one, by its number.
absl::Status FirstFault(absl::Span<const Chunk> chunks, const RefusalContext& context);

// The Status of a CS that the kernel answered with `error`: its code is that of the number; its
// message is that of the first chunk whose fault has this code, else of the first with any.
absl::Status ExplainRefusal(int error, absl::Span<const Chunk> chunks,
                            const RefusalContext& context);

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_REFUSAL_H_
