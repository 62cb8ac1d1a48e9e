// The completion queues of a Gaudi2's sync manager: rings of 32-bit words in memory, described by
// registers of the global block (hal/abi/gaudi2/sync_manager.h), to which monitors add. In no
// source, and so inferred: CQ_SIZE_LOG2 counts bytes, CQ_PI counts words and is not cut to the
// ring, and a queue with CQ_INC_MODE writes its new CQ_PI to the ring's first word.
#ifndef SIMULATOR_ENGINE_COMPLETION_QUEUES_H_
#define SIMULATOR_ENGINE_COMPLETION_QUEUES_H_

#include <cstdint>

#include "simulator/engine/block_registers.h"

namespace openhpu::simulator {

struct QueueWrite {
  uint64_t address = 0;
  uint32_t value = 0;
};

// The queue that a word of the global block describes, when users may write it; -1 for all others,
// CQ_SEC among them.
int QueueOfGlobal(uint32_t word);

// What a monitor's payload for that queue writes, and the queue's index after it.
QueueWrite AddToQueue(RegisterValues& globals, uint32_t queue, uint32_t payload);
// What LBW_EN writes behind that.
QueueWrite InterruptOfQueue(const RegisterValues& globals, uint32_t queue);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_COMPLETION_QUEUES_H_
