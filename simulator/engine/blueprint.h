// Where everything of a chip is, by its dialect: engines and their queues, sync managers, registers
// with nothing behind them. The machine is built from it.
#ifndef SIMULATOR_ENGINE_BLUEPRINT_H_
#define SIMULATOR_ENGINE_BLUEPRINT_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "hal/chip.pb.h"
#include "simulator/engine/block_registers.h"

namespace openhpu::simulator {

struct Blueprint {
  enum class Kind : uint8_t { kDma, kMme, kTpc };
  struct Unit {
    Kind kind = Kind::kDma;
    std::string name;  // "DMA2", "DCORE1_TPC3"
    RegisterBlock block = RegisterBlock::kNone;
    uint64_t engine_base = 0, qman_base = 0;
    uint32_t launch_register = 0;
    uint32_t first_queue = 0;  // id of stream 0; the others follow
    bool external = false;     // its jobs complete at the seam
    uint32_t corner = 0;       // of the network on chip
    std::array<uint64_t, 4> message_bases{};
  };
  struct Block {
    RegisterBlock block = RegisterBlock::kNone;
    uint64_t base = 0, bytes = 0;
    uint16_t index = 0;  // of its sync manager
  };

  std::vector<Unit> units;         // DMA, MME, TPC
  std::vector<Block> sync_blocks;  // of all managers
  int kernels_sync_manager = 0;    // whose first objects are the kernel driver's
  std::vector<Block> idle_blocks;  // registers with nothing behind them in this model
  uint64_t timestamp_base = 0;     // PSOC_TIMESTAMP
};

Blueprint DrawBlueprint(const hal::Chip& chip);

// Why a queue id is none of a unit's: "the chip has 4 TPCs".
std::string WhyNoQueue(const hal::Chip& chip, uint64_t queue_id);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_BLUEPRINT_H_
