#include "hal/abi/packet_check.h"

#include <gtest/gtest.h>

#include <cstring>

namespace openhpu::hal::abi {
namespace {

std::string Key(Row row) { return row["packet"] + "." + row["variant"] + "." + row["field"]; }

// Bits [lsb, lsb + width) from the 32-bit word `dword` on, read from a packet's bytes one by one:
// nothing of Field<> in it.
uint64_t BitsOf(const std::vector<uint8_t>& bytes, Row row) {
  const size_t first = 32 * Number(row["dword"]) + Number(row["lsb"]);
  uint64_t value = 0;
  for (size_t i = 0; i < Number(row["width"]); ++i) {
    const size_t bit = first + i;
    value |= uint64_t{(bytes[bit / 8] >> (bit % 8)) & 1u} << i;
  }
  return value;
}

}  // namespace

std::vector<Row> PacketFieldRows(const std::string& dialect) {
  std::vector<Row> rows;
  for (Row& row : ReferenceRows(dialect, "packets.csv")) {
    if (row["width"] != "var") rows.push_back(row);
  }
  return rows;
}

void ExpectPacketRows(const std::string& dialect, const PacketTable& table,
                      const std::function<uint32_t(uint32_t opcode)>& bytes_of) {
  std::set<std::string> unseen;
  for (const auto& [key, entry] : table) unseen.insert(key);
  ASSERT_FALSE(PacketFieldRows(dialect).empty());
  for (Row row : PacketFieldRows(dialect)) {
    const std::string key = Key(row);
    const auto it = table.find(key);
    if (it == table.end()) {
      ADD_FAILURE() << "no field for row " << key;
      continue;
    }
    unseen.erase(key);
    const PacketField& entry = it->second;
    EXPECT_EQ(8 * entry.word_offset + entry.lsb, 32 * Number(row["dword"]) + Number(row["lsb"]))
        << key;
    EXPECT_EQ(entry.width, Number(row["width"])) << key;
    EXPECT_EQ(entry.packet_bytes, Number(row["fixed_size_bytes"])) << key;
    EXPECT_EQ(bytes_of(static_cast<uint32_t>(Number(row["opcode"]))), entry.packet_bytes) << key;
  }
  for (const std::string& key : unseen) ADD_FAILURE() << "no row for field " << key;
}

void ExpectPacketFieldsRoundTrip(const std::string& dialect, const PacketTable& table) {
  for (Row row : PacketFieldRows(dialect)) {
    const std::string key = Key(row);
    const auto it = table.find(key);
    ASSERT_NE(it, table.end()) << key;
    const PacketField& entry = it->second;
    const uint64_t max = ~uint64_t{0} >> (64 - entry.width);
    for (const uint8_t background : {0x00, 0xFF, 0xA5}) {
      for (const uint64_t value : {uint64_t{0}, uint64_t{1}, max, max / 3, max - max / 3}) {
        const std::vector<uint8_t> before(entry.packet_bytes, background);
        std::vector<uint8_t> after = before;
        uint64_t word = 0;
        std::memcpy(&word, &after[entry.word_offset], entry.word_bytes);
        word = entry.set(word, value);
        EXPECT_EQ(entry.get(word), value) << key;
        std::memcpy(&after[entry.word_offset], &word, entry.word_bytes);
        EXPECT_EQ(BitsOf(after, row), value) << key;
        // Putting the old value back restores every byte.
        word = entry.set(word, BitsOf(before, row));
        std::memcpy(&after[entry.word_offset], &word, entry.word_bytes);
        EXPECT_EQ(after, before) << key;
      }
      // A value too large loses its high bits and spoils nothing.
      if (entry.width < 64) {
        EXPECT_EQ(entry.set(0, max + 1), 0u) << key;
      }
    }
  }
}

void ExpectValuesFollow(const std::string& dialect, const std::map<std::string, size_t>& packets) {
  std::set<std::string> seen;
  for (Row row : ReferenceRows(dialect, "packets.csv")) {
    if (row["width"] != "var") continue;
    const auto packet = packets.find(row["packet"]);
    if (packet == packets.end()) {
      ADD_FAILURE() << row["packet"] << " has values";
      continue;
    }
    seen.insert(packet->first);
    EXPECT_EQ(4 * Number(row["dword"]), packet->second) << packet->first;
  }
  EXPECT_EQ(seen.size(), packets.size());
}

void ExpectNoOtherOpcode(const std::string& dialect,
                         const std::function<uint32_t(uint32_t opcode)>& bytes_of,
                         uint32_t max_opcode) {
  std::set<uint64_t> opcodes;
  for (Row row : PacketFieldRows(dialect)) opcodes.insert(Number(row["opcode"]));
  for (uint32_t opcode = 0; opcode <= max_opcode; ++opcode) {
    EXPECT_EQ(bytes_of(opcode) != 0, opcodes.count(opcode) == 1) << opcode;
  }
}

}  // namespace openhpu::hal::abi
