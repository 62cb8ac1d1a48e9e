// From the engines that user work counts (hal/commands.h) to the numbers of the chip's file, alike
// in every dialect.
#ifndef HAL_ENGINE_NUMBERS_H_
#define HAL_ENGINE_NUMBERS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "hal/chip.pb.h"
#include "hal/commands.h"

namespace openhpu::hal {

// How many engines of a kind user work may take; 0 for a kind the chip does not have.
int EnginesOfKind(const Chip& chip, EngineKind kind);

// InvalidArgument when there is no such engine.
absl::Status CheckEngine(const Chip& chip, Engine engine);

// The chip's number of a DMA engine that exists: its bit in dma.host_facing_mask or
// dma.compute_mask.
uint32_t DmaNumber(const Chip& chip, Engine engine);

}  // namespace openhpu::hal

#endif  // HAL_ENGINE_NUMBERS_H_
