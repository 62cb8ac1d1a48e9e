// PacketBuffer: words of commands as they are appended, and the relocations of what is symbolic in
// them. What the packet writers of the dialects share; knows no packet.
#ifndef HAL_PACKET_BUFFER_H_
#define HAL_PACKET_BUFFER_H_

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "hal/command_writer.h"
#include "hal/commands.h"

namespace openhpu::hal {

class PacketBuffer {
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

  // The words low, high hold a device address.
  void RelocateAddress(uint32_t low_word, uint32_t high_word, SymbolicAddress address);
  void Add(const Relocation& relocation) { relocations_.push_back(relocation); }

  uint32_t bytes() const { return static_cast<uint32_t>(4 * words_.size()); }
  // The buffer is empty afterwards.
  CommandBlob Take();

 private:
  std::vector<uint32_t> words_;
  std::vector<Relocation> relocations_;
};

}  // namespace openhpu::hal

#endif  // HAL_PACKET_BUFFER_H_
