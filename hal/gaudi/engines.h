// Gaudi's engines: from the engines that user work counts (hal/commands.h) to the hardware's own
// numbers, queues and addresses.
#ifndef HAL_GAUDI_ENGINES_H_
#define HAL_GAUDI_ENGINES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "hal/chip.pb.h"
#include "hal/commands.h"

namespace openhpu::hal::gaudi {

// "DMA2", "MME0", "TPC3": the hardware's number of a DMA, the queue's number of an MME.
// InvalidArgument when there is no such engine.
absl::StatusOr<std::string> EngineName(const Chip& chip, Engine engine);

// The kernel's queue id of a stream of the engine.
absl::StatusOr<uint32_t> QueueOf(const Chip& chip, Engine engine, uint32_t stream);

// Base address of the engine's queue manager.
absl::StatusOr<uint64_t> QmanBaseOf(const Chip& chip, Engine engine);

}  // namespace openhpu::hal::gaudi

#endif  // HAL_GAUDI_ENGINES_H_
