// The kernel's queue ids: engine and stream to id, and back. The kernel's enum gaudi2_queue_id is
// the source (parity_test compares). All queues are hardware queues: the QMAN itself says when an
// entry is done (qman.h, PqEntry), so none is external as Gaudi's DMA 0 and 1 are.
//
// Studies: engines that Gaudi2 does not have (blocks.h) have ids from kFirstStudyQueue on. These
// are ours, and no kernel knows them.
#ifndef HAL_ABI_GAUDI2_QUEUE_IDS_H_
#define HAL_ABI_GAUDI2_QUEUE_IDS_H_

#include <cstdint>

namespace openhpu::hal::abi::gaudi2 {

inline constexpr uint32_t kStreamsPerQueue = 4;
inline constexpr uint32_t kNumQueues = 261;
inline constexpr uint32_t kCpuQueue = 260;  // the kernel's own

// What an id stands for.
struct QueueTarget {
  enum class Kind : uint8_t { kNone, kPdma, kEdma, kCpu, kMme, kTpc, kNic, kRotator };
  Kind kind = Kind::kNone;  // kNone: no such id
  uint32_t dcore = 0;       // of EDMA, MME and TPC
  uint32_t engine = 0;      // in the DCORE, or of the chip
  uint32_t stream = 0;
};

namespace queue_internal {
// First ids of the DCOREs; in each EDMA 0 and 1, the MME, then TPCs, of which DCORE 0 has one more.
inline constexpr uint32_t kDcoreFirst[] = {8, 48, 84, 120, 156};
inline constexpr uint32_t kKernelDcores = 4;
inline constexpr uint32_t kMmeSlot = 2;
inline constexpr uint32_t kTpcSlot = 3;
inline constexpr uint32_t kStudySlots = 16;
inline constexpr uint32_t kStudyDcores = 8;
constexpr uint32_t KernelSlots(uint32_t dcore) {
  return dcore < kKernelDcores ? (kDcoreFirst[dcore + 1] - kDcoreFirst[dcore]) / kStreamsPerQueue
                               : 0;
}
}  // namespace queue_internal

inline constexpr uint32_t kFirstStudyQueue = 264;
inline constexpr uint32_t kStudyQueuesEnd = kFirstStudyQueue + queue_internal::kStudyDcores *
                                                                   queue_internal::kStudySlots *
                                                                   kStreamsPerQueue;

constexpr uint32_t PdmaQueue(uint32_t pdma, uint32_t stream) {
  return kStreamsPerQueue * pdma + stream;
}
// `slot` of a DCORE: its EDMAs, its MME, its TPCs.
constexpr uint32_t DcoreQueue(uint32_t dcore, uint32_t slot, uint32_t stream) {
  const bool kernels = slot < queue_internal::KernelSlots(dcore);
  const uint32_t first = kernels ? queue_internal::kDcoreFirst[dcore] : kFirstStudyQueue;
  const uint32_t place = kernels ? slot : queue_internal::kStudySlots * dcore + slot;
  return first + kStreamsPerQueue * place + stream;
}
constexpr uint32_t EdmaQueue(uint32_t dcore, uint32_t edma, uint32_t stream) {
  return DcoreQueue(dcore, edma, stream);
}
// Of the core in that DCORE; masters have the work (blocks.h, MmeMasterDcore).
constexpr uint32_t MmeQueue(uint32_t dcore, uint32_t stream) {
  return DcoreQueue(dcore, queue_internal::kMmeSlot, stream);
}
constexpr uint32_t TpcQueue(uint32_t dcore, uint32_t tpc, uint32_t stream) {
  return DcoreQueue(dcore, queue_internal::kTpcSlot + tpc, stream);
}
constexpr uint32_t NicQueue(uint32_t nic, uint32_t stream) {
  return 156 + kStreamsPerQueue * nic + stream;
}
constexpr uint32_t RotatorQueue(uint32_t rotator, uint32_t stream) {
  return 252 + kStreamsPerQueue * rotator + stream;
}

constexpr QueueTarget TargetOfSlot(uint32_t dcore, uint32_t slot, uint32_t stream) {
  using Kind = QueueTarget::Kind;
  if (slot < queue_internal::kMmeSlot) return {Kind::kEdma, dcore, slot, stream};
  if (slot == queue_internal::kMmeSlot) return {Kind::kMme, dcore, 0, stream};
  return {Kind::kTpc, dcore, slot - queue_internal::kTpcSlot, stream};
}

constexpr QueueTarget TargetOf(uint32_t queue) {
  using Kind = QueueTarget::Kind;
  const uint32_t stream = queue % kStreamsPerQueue;
  if (queue < 8) return {Kind::kPdma, 0, queue / 4, stream};
  for (uint32_t dcore = 0; dcore < queue_internal::kKernelDcores; ++dcore) {
    if (queue < queue_internal::kDcoreFirst[dcore + 1]) {
      return TargetOfSlot(dcore, (queue - queue_internal::kDcoreFirst[dcore]) / 4, stream);
    }
  }
  if (queue < 252) return {Kind::kNic, 0, (queue - 156) / 4, stream};
  if (queue < kCpuQueue) return {Kind::kRotator, 0, (queue - 252) / 4, stream};
  if (queue == kCpuQueue) return {Kind::kCpu, 0, 0, 0};
  if (queue < kFirstStudyQueue || queue >= kStudyQueuesEnd) return {};
  const uint32_t place = (queue - kFirstStudyQueue) / kStreamsPerQueue;
  const uint32_t dcore = place / queue_internal::kStudySlots;
  const uint32_t slot = place % queue_internal::kStudySlots;
  if (slot < queue_internal::KernelSlots(dcore)) return {};  // it has the kernel's id
  return TargetOfSlot(dcore, slot, stream);
}

}  // namespace openhpu::hal::abi::gaudi2

#endif  // HAL_ABI_GAUDI2_QUEUE_IDS_H_
