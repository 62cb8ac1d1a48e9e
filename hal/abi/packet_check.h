// For tests: a dialect's packets against its reference rows, both ways, and every field bit by bit.
// A table names each field as the rows do, "packet.variant.field":
//     PacketTable table;
//     table["packet_fence..id"] = OPENHPU_PACKET_FIELD(PacketFence, cfg, PacketFence::ID);
// Failures are gtest's.
#ifndef HAL_ABI_PACKET_CHECK_H_
#define HAL_ABI_PACKET_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "hal/abi/reference_rows.h"
#include "hal/base/field.h"

namespace openhpu::hal::abi {

// A field, or a whole word, of a packet.
struct PacketField {
  size_t packet_bytes;
  size_t word_offset;  // bytes
  size_t word_bytes;
  unsigned lsb, width;
  uint64_t (*get)(uint64_t word);
  uint64_t (*set)(uint64_t word, uint64_t value);
};
using PacketTable = std::map<std::string, PacketField>;

template <typename Packet, typename Word, typename F>
PacketField MakePacketField(size_t word_offset) {
  return {sizeof(Packet),
          word_offset,
          sizeof(Word),
          F::kLsb,
          F::kWidth,
          [](uint64_t word) -> uint64_t { return F::Get(static_cast<Word>(word)); },
          [](uint64_t word, uint64_t value) -> uint64_t {
            return F::Set(static_cast<Word>(word), static_cast<Word>(value));
          }};
}

#define OPENHPU_PACKET_FIELD(packet, word, field) \
  MakePacketField<packet, decltype(packet::word), field>(offsetof(packet, word))
#define OPENHPU_PACKET_WORD(packet, word)                                      \
  MakePacketField<packet, decltype(packet::word),                              \
                  Field<decltype(packet::word), 0, 8 * sizeof(packet::word)>>( \
      offsetof(packet, word))

// The rows of fields; not those of values that follow a packet, of width "var".
std::vector<Row> PacketFieldRows(const std::string& dialect);

// Every row has a field of the same place and every field a row. `bytes_of`: the dialect's size of
// a packet by opcode.
void ExpectPacketRows(const std::string& dialect, const PacketTable& table,
                      const std::function<uint32_t(uint32_t opcode)>& bytes_of);

// Each field keeps what is set and touches no bit of another.
void ExpectPacketFieldsRoundTrip(const std::string& dialect, const PacketTable& table);

// The packets whose values follow them are these, and the values follow at once.
void ExpectValuesFollow(const std::string& dialect, const std::map<std::string, size_t>& packets);

// Opcodes without a row have no size, and those with one have.
void ExpectNoOtherOpcode(const std::string& dialect,
                         const std::function<uint32_t(uint32_t opcode)>& bytes_of,
                         uint32_t max_opcode);

}  // namespace openhpu::hal::abi

#endif  // HAL_ABI_PACKET_CHECK_H_
