#include "hal/habanalabs/command_memories.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace openhpu::hal::habanalabs {

CommandMemories::~CommandMemories() {
  for (std::atomic<Entry*>& block : blocks_) delete[] block.load();
}

absl::StatusOr<uint64_t> CommandMemories::Add(uint64_t kernel, absl::Span<std::byte> bytes) {
  size_t slot = uses_.size();
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else if (slot >= kBlock * kBlocks) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", kBlock * kBlocks, " command memories already"));
  } else {
    if (slot % kBlock == 0) {
      blocks_[slot / kBlock].store(new Entry[kBlock], std::memory_order_release);
    }
    uses_.push_back(0);
  }
  const uint64_t handle = (++uses_[slot] << kSlotBits) | slot;
  Entry* const entry = At(handle);
  entry->bytes = bytes;
  entry->size.store(bytes.size(), std::memory_order_relaxed);
  entry->kernel.store(kernel, std::memory_order_relaxed);
  entry->handle.store(handle, std::memory_order_release);
  return handle;
}

CommandMemories::Entry* CommandMemories::Find(uint64_t handle) const {
  Entry* const entry = At(handle);
  if (entry == nullptr || handle == 0 || entry->handle.load() != handle) return nullptr;
  return entry;
}

void CommandMemories::Remove(Entry* entry) {
  const uint64_t handle = entry->handle.load();
  entry->handle.store(0, std::memory_order_release);
  entry->kernel.store(0, std::memory_order_relaxed);
  entry->bytes = {};
  free_.push_back(handle & ((uint64_t{1} << kSlotBits) - 1));
}

std::vector<CommandMemories::Entry*> CommandMemories::All() const {
  std::vector<Entry*> all;
  for (size_t slot = 0; slot < uses_.size(); ++slot) {
    Entry* const entry = At(slot);
    if (entry->handle.load() != 0) all.push_back(entry);
  }
  return all;
}

}  // namespace openhpu::hal::habanalabs
