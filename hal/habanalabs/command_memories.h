// CommandMemories: what the driver calls its command memories, and what the kernel calls them now.
// The driver's handles are never used again, and outlive a reset, in which the kernel's change.
//
// Threading: KernelHandle from any thread, without a lock; the rest under its owner's lock.
#ifndef HAL_HABANALABS_COMMAND_MEMORIES_H_
#define HAL_HABANALABS_COMMAND_MEMORIES_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/base/strong_int.h"

namespace openhpu::hal::habanalabs {

// Command memory whose handle is gone, and which queues may still read.
struct RetiredCommands {
  absl::Span<std::byte> bytes;
  uint64_t address;
  Sequence last;  // submission that may use it
};

class CommandMemories {
 public:
  struct Entry {
    std::atomic<uint64_t> handle{0};  // the driver's; 0: free
    std::atomic<uint64_t> kernel{0};  // the kernel's, or the device address; 0: it has none
    std::atomic<uint64_t> size{0};    // of bytes, for who has no lock
    absl::Span<std::byte> bytes;
  };

  ~CommandMemories();

  // A handle for the kernel's. ResourceExhausted when there are no more.
  absl::StatusOr<uint64_t> Add(uint64_t kernel, absl::Span<std::byte> bytes);
  // nullptr when there is none.
  Entry* Find(uint64_t handle) const;
  void Remove(Entry* entry);

  // 0, which the kernel knows as none, when there is no such memory.
  uint64_t KernelHandle(uint64_t handle) const {
    const Entry* const entry = At(handle);
    if (entry == nullptr || entry->handle.load(std::memory_order_acquire) != handle) return 0;
    return entry->kernel.load(std::memory_order_relaxed);
  }

  // The same, when the memory has so many bytes.
  uint64_t KernelHandleOf(uint64_t handle, uint64_t bytes) const {
    const Entry* const entry = At(handle);
    return entry != nullptr && bytes <= entry->size.load(std::memory_order_relaxed)
               ? KernelHandle(handle)
               : 0;
  }

  // All there are, oldest slot first.
  std::vector<Entry*> All() const;

 private:
  // A handle is a slot, and how often the slot was used.
  static constexpr unsigned kSlotBits = 20;
  static constexpr size_t kBlock = 256, kBlocks = (size_t{1} << kSlotBits) / kBlock;

  Entry* At(uint64_t handle) const {
    const size_t slot = handle & ((uint64_t{1} << kSlotBits) - 1);
    Entry* const block = blocks_[slot / kBlock].load(std::memory_order_acquire);
    return block == nullptr ? nullptr : &block[slot % kBlock];
  }

  // Blocks are never moved, since handles are looked up without a lock.
  std::array<std::atomic<Entry*>, kBlocks> blocks_{};
  std::vector<uint64_t> uses_;  // by slot
  std::vector<size_t> free_;    // slots, the last freed on top
};

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_COMMAND_MEMORIES_H_
