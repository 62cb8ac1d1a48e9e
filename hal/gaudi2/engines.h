// Gaudi2's engines: from the engines that user work counts (hal/commands.h) to DCOREs, queues and
// addresses.
#ifndef HAL_GAUDI2_ENGINES_H_
#define HAL_GAUDI2_ENGINES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "hal/chip.pb.h"
#include "hal/commands.h"

namespace openhpu::hal::gaudi2 {

// "PDMA0", "DCORE1_EDMA0", "DCORE2_MME", "DCORE3_TPC5". InvalidArgument when there is no such
// engine.
absl::StatusOr<std::string> EngineName(const Chip& chip, Engine engine);

// The kernel's queue id of a stream of the engine; of an MME, the master's. For engines that Gaudi2
// does not have, of a chip for studies, an id that no kernel knows.
absl::StatusOr<uint32_t> QueueOf(const Chip& chip, Engine engine, uint32_t stream);

// Base address of the engine's queue manager.
absl::StatusOr<uint64_t> QmanBaseOf(const Chip& chip, Engine engine);

}  // namespace openhpu::hal::gaudi2

#endif  // HAL_GAUDI2_ENGINES_H_
