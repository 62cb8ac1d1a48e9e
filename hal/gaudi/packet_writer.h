// PacketWriter: packets of Gaudi appended to a buffer of words, and the relocations of what is
// symbolic in them. Knows where fields lie, not what a command means (hal/gaudi/command_writer.h
// does).
#ifndef HAL_GAUDI_PACKET_WRITER_H_
#define HAL_GAUDI_PACKET_WRITER_H_

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "absl/types/span.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/command_writer.h"
#include "hal/commands.h"

namespace openhpu::hal::gaudi {

// Barriers of one packet beyond what its kind always has.
struct Barriers {
  bool engine = false, registers = false, messages = false;
};

class PacketWriter {
 public:
  // Appends the words of a packet, or of a descriptor; returns the index of its first word.
  template <typename T>
  uint32_t Append(const T& packet) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 4 == 0);
    const uint32_t first = static_cast<uint32_t>(words_.size());
    words_.resize(first + sizeof(T) / 4);
    std::memcpy(words_.data() + first, &packet, sizeof(T));
    return first;
  }

  // WREG_32; returns the index of the value's word.
  uint32_t WriteRegister(uint32_t reg_offset, uint32_t value, Barriers barriers);
  // The head of a WREG_BULK of `words` (even) values, which the caller appends.
  void BeginBulk(uint32_t reg_offset, uint32_t words);
  // MSG_SHORT to a register of the sync manager that counts from the bank: register `index` of
  // those at base + `offset`, 4 bytes apart. Returns the index of the value's word.
  uint32_t Message(uint32_t base, RelocationKind bank, uint32_t offset, uint32_t index,
                   uint32_t value, Barriers barriers);

  // The words low, high hold a device address.
  void RelocateAddress(uint32_t low_word, uint32_t high_word, SymbolicAddress address);
  void Add(const Relocation& relocation) { relocations_.push_back(relocation); }

  uint32_t bytes() const { return static_cast<uint32_t>(4 * words_.size()); }
  CommandBlob Take();

 private:
  std::vector<uint32_t> words_;
  std::vector<Relocation> relocations_;
};

}  // namespace openhpu::hal::gaudi

#endif  // HAL_GAUDI_PACKET_WRITER_H_
