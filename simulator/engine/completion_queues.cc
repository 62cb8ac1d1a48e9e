#include "simulator/engine/completion_queues.h"

#include "hal/abi/gaudi2/sync_manager.h"

namespace openhpu::simulator {
namespace {

namespace sm = hal::abi::gaudi2::sync_manager;

template <typename Register>
constexpr uint32_t WordOf(uint32_t queue) {
  return (Register::At(queue) - sm::kGlbl) / sizeof(uint32_t);
}
template <typename Register>
bool FindIn(uint32_t word, int& queue) {
  if (word < WordOf<Register>(0) || word >= WordOf<Register>(sm::kNumCqs)) return false;
  queue = static_cast<int>(word - WordOf<Register>(0));
  return true;
}
template <typename Low, typename High>
uint64_t AddressIn(const RegisterValues& globals, uint32_t queue) {
  return uint64_t{globals[WordOf<High>(queue)]} << 32 | globals[WordOf<Low>(queue)];
}

}  // namespace

int QueueOfGlobal(uint32_t word) {
  int queue = -1;
  (void)(FindIn<sm::CQ_BASE_ADDR_L>(word, queue) || FindIn<sm::CQ_BASE_ADDR_H>(word, queue) ||
         FindIn<sm::CQ_SIZE_LOG2>(word, queue) || FindIn<sm::CQ_PI>(word, queue) ||
         FindIn<sm::LBW_ADDR_L>(word, queue) || FindIn<sm::LBW_ADDR_H>(word, queue) ||
         FindIn<sm::LBW_DATA>(word, queue) || FindIn<sm::CQ_INC_MODE>(word, queue));
  return queue;
}

QueueWrite AddToQueue(RegisterValues& globals, uint32_t queue, uint32_t payload) {
  const uint64_t base = AddressIn<sm::CQ_BASE_ADDR_L, sm::CQ_BASE_ADDR_H>(globals, queue);
  uint32_t& index = globals[WordOf<sm::CQ_PI>(queue)];
  const uint64_t offset = uint64_t{index++} * sizeof(uint32_t);
  if (sm::CQ_INC_MODE::MODE::Get(globals[WordOf<sm::CQ_INC_MODE>(queue)]) != 0) {
    return {base, index};
  }
  const uint32_t log2 = sm::CQ_SIZE_LOG2::VAL::Get(globals[WordOf<sm::CQ_SIZE_LOG2>(queue)]);
  const uint64_t last = log2 < 64 ? (uint64_t{1} << log2) - 1 : ~uint64_t{0};
  // A ring of less than a word is one word.
  return {base + (offset & last & ~uint64_t{sizeof(uint32_t) - 1}), payload};
}

QueueWrite InterruptOfQueue(const RegisterValues& globals, uint32_t queue) {
  return {AddressIn<sm::LBW_ADDR_L, sm::LBW_ADDR_H>(globals, queue),
          globals[WordOf<sm::LBW_DATA>(queue)]};
}

}  // namespace openhpu::simulator
