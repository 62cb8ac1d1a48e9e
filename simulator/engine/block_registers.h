// The registers of each kind of block: which there are, and what stands in them after a reset. No
// behaviour, but for the status of an engine, which follows from whether it works. Numbers: the
// vendor's block lists (hal/abi/gaudi/testdata, hal/abi/gaudi2/testdata).
#ifndef SIMULATOR_ENGINE_BLOCK_REGISTERS_H_
#define SIMULATOR_ENGINE_BLOCK_REGISTERS_H_

#include <array>
#include <cstdint>

namespace openhpu::simulator {

enum class RegisterBlock : uint8_t {
  kNone,
  kSyncGlobal,   // of a sync manager: errors
  kSyncObjects,  // of a sync manager
  kQueueManager,
  kDmaCore,
  kMme,
  kTpc,
  kGaudi2SyncManager,  // objects, and errors from sync_manager::kGlbl on
  kGaudi2QueueManager,
  kGaudi2DmaCore,
  kGaudi2Mme,  // CTRL_LO
  kGaudi2Tpc,
};

// What both dialects have.
constexpr bool IsSyncObjects(RegisterBlock block) {
  return block == RegisterBlock::kSyncObjects || block == RegisterBlock::kGaudi2SyncManager;
}
constexpr bool IsQueueManager(RegisterBlock block) {
  return block == RegisterBlock::kQueueManager || block == RegisterBlock::kGaudi2QueueManager;
}
constexpr bool IsDmaCore(RegisterBlock block) {
  return block == RegisterBlock::kDmaCore || block == RegisterBlock::kGaudi2DmaCore;
}
constexpr bool IsTpc(RegisterBlock block) {
  return block == RegisterBlock::kTpc || block == RegisterBlock::kGaudi2Tpc;
}

inline constexpr uint32_t kRegisterBlockBytes = 0x1000;  // of all but sync objects

// Whether the block has a register at `offset`.
bool HasRegister(RegisterBlock block, uint32_t offset);
// What stands there after a reset, in the first kRegisterBlockBytes; 0 behind them.
uint32_t ResetValue(RegisterBlock block, uint32_t offset);

// What was written to one block, of a kind with kRegisterBlockBytes.
using RegisterValues = std::array<uint32_t, kRegisterBlockBytes / 4>;
void ResetRegisters(RegisterBlock block, RegisterValues& values);

// Registers of an engine that show its state, and that nobody writes.
bool IsEngineStatus(RegisterBlock block, uint32_t offset);
// What such a register reads. `accepts`: another command can be launched.
uint32_t EngineStatus(RegisterBlock block, uint32_t offset, bool idle, bool accepts);
// Whether the registers keep the engine from beginning commands (HALT, STALL).
bool HoldsEngine(RegisterBlock block, const RegisterValues& values);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_BLOCK_REGISTERS_H_
