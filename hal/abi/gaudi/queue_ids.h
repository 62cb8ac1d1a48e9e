// The kernel's queue ids: engine and stream to id, and back. The kernel's enum gaudi_queue_id is
// the source (parity_test compares).
#ifndef HAL_ABI_GAUDI_QUEUE_IDS_H_
#define HAL_ABI_GAUDI_QUEUE_IDS_H_

#include <cstdint>

namespace openhpu::hal::abi::gaudi {

inline constexpr uint32_t kStreamsPerQueue = 4;
inline constexpr uint32_t kNumQueues = 113;
inline constexpr uint32_t kCpuQueue = 8;  // the kernel's own

// DMA 0 and 1 are external: only their jobs are seen to complete by the host.
constexpr bool IsExternalQueue(uint32_t queue) { return queue < kCpuQueue; }

constexpr uint32_t DmaQueue(uint32_t dma, uint32_t stream) {
  return dma < 2 ? 4 * dma + stream : 9 + 4 * (dma - 2) + stream;
}
// `pair` 0 is the north pair: block MME2 (blocks.h, MmeMaster).
constexpr uint32_t MmeQueue(uint32_t pair, uint32_t stream) { return 33 + 4 * pair + stream; }
constexpr uint32_t TpcQueue(uint32_t tpc, uint32_t stream) { return 41 + 4 * tpc + stream; }
constexpr uint32_t NicQueue(uint32_t nic, uint32_t stream) { return 73 + 4 * nic + stream; }

// What an id stands for.
struct QueueTarget {
  enum class Kind : uint8_t { kNone, kDma, kCpu, kMme, kTpc, kNic };
  Kind kind = Kind::kNone;  // kNone: no such id
  uint32_t engine = 0;
  uint32_t stream = 0;
};

constexpr QueueTarget TargetOf(uint32_t queue) {
  using Kind = QueueTarget::Kind;
  if (queue < 8) return {Kind::kDma, queue / 4, queue % 4};
  if (queue == kCpuQueue) return {Kind::kCpu, 0, 0};
  if (queue < 33) return {Kind::kDma, 2 + (queue - 9) / 4, (queue - 9) % 4};
  if (queue < 41) return {Kind::kMme, (queue - 33) / 4, (queue - 33) % 4};
  if (queue < 73) return {Kind::kTpc, (queue - 41) / 4, (queue - 41) % 4};
  if (queue < kNumQueues) return {Kind::kNic, (queue - 73) / 4, (queue - 73) % 4};
  return {};
}

}  // namespace openhpu::hal::abi::gaudi

#endif  // HAL_ABI_GAUDI_QUEUE_IDS_H_
