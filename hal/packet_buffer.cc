#include "hal/packet_buffer.h"

#include <utility>

namespace openhpu::hal {

void PacketBuffer::RelocateAddress(uint32_t low_word, uint32_t high_word, SymbolicAddress address) {
  Relocation half;
  half.symbol = address.symbol;
  half.addend = address.offset;
  half.word = low_word;
  Add(half);
  half.word = high_word;
  half.shift = 32;
  Add(half);
}

CommandBlob PacketBuffer::Take() {
  CommandBlob blob;
  blob.bytes.resize(4 * words_.size());
  if (!words_.empty()) std::memcpy(blob.bytes.data(), words_.data(), blob.bytes.size());
  blob.relocations = std::move(relocations_);
  words_.clear();
  relocations_.clear();
  return blob;
}

}  // namespace openhpu::hal
