// PacketWriter: packets of Gaudi2 appended to a buffer of words, and the relocations of what is
// symbolic in them (hal/packet_buffer.h). Knows where fields lie, not what a command means
// (hal/gaudi2/command_writer.h does).
#ifndef HAL_GAUDI2_PACKET_WRITER_H_
#define HAL_GAUDI2_PACKET_WRITER_H_

#include <cstdint>

#include "hal/abi/gaudi2/packets.h"
#include "hal/command_writer.h"
#include "hal/packet_buffer.h"

namespace openhpu::hal::gaudi2 {

// Barriers of one packet.
struct Barriers {
  bool engine = false, messages = false;
};

class PacketWriter : public PacketBuffer {
 public:
  // WREG_32 to the engine's own block, register `reg` of it; returns the index of the value's word.
  uint32_t WriteRegister(uint32_t reg, uint32_t value, Barriers barriers);
  // The head of a WREG_BULK of `words` (even) values, which the caller appends.
  void BeginBulk(uint32_t reg, uint32_t words);
  // MSG_SHORT to a register of the sync manager that counts from the bank: register `index` of
  // those at base + `offset`, 4 bytes apart. Returns the index of the value's word.
  uint32_t Message(uint32_t base, RelocationKind bank, uint32_t offset, uint32_t index,
                   uint32_t value, Barriers barriers);
};

}  // namespace openhpu::hal::gaudi2

#endif  // HAL_GAUDI2_PACKET_WRITER_H_
