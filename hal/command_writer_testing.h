// For tests of each dialect's command writer: what it wrote, as the packets that a CP would see.
// `Ctl` and `Packet...` are the dialect's.
#ifndef HAL_COMMAND_WRITER_TESTING_H_
#define HAL_COMMAND_WRITER_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "hal/chip.pb.h"
#include "hal/command_writer.h"

namespace openhpu::hal {

inline constexpr Engine kHost = {EngineKind::kHostDma, 0};
inline constexpr Engine kDma0 = {EngineKind::kDma, 0};
inline constexpr Engine kMme0 = {EngineKind::kMme, 0};
inline constexpr Engine kTpc3 = {EngineKind::kTpc, 3};

inline std::unique_ptr<CommandWriter> MakeWriter(const Chip& chip, Engine engine,
                                                 CommandWriter::Role role) {
  auto writer = CommandWriter::Create(chip, engine, role);
  EXPECT_TRUE(writer.ok()) << writer.status();
  return std::move(*writer);
}

inline constexpr uint64_t kSymbols[] = {0x1'2000'0000, 0x2'3000'0000, 0x3'FFFF'FF00, 0x4'0000'2000};

// One packet as a CP would see it.
template <typename Opcode>
struct DecodedPacket {
  Opcode opcode;
  uint32_t value, ctl;
  std::vector<uint32_t> rest;  // what follows the first two words
  uint64_t Address(size_t at) const { return uint64_t{rest[at + 1]} << 32 | rest[at]; }
};

// Relocates with symbols kSymbols, sobs from 64, monitors from 32, stream 2, and splits into
// packets.
template <typename Ctl, typename PacketWregBulk>
auto DecodeCommands(CommandBlob blob) {
  using Opcode = std::remove_const_t<decltype(PacketWregBulk::kOpcode)>;
  RelocationValues values{kSymbols, 64, 32, 2};
  EXPECT_TRUE(Relocate(blob.relocations, values, absl::MakeSpan(blob.bytes)).ok());
  std::vector<uint32_t> words(blob.bytes.size() / 4);
  std::memcpy(words.data(), blob.bytes.data(), blob.bytes.size());
  std::vector<DecodedPacket<Opcode>> packets;
  for (size_t at = 0; at < words.size();) {
    DecodedPacket<Opcode> p;
    p.value = words[at];
    p.ctl = words[at + 1];
    p.opcode = static_cast<Opcode>(Ctl::OPCODE::Get(p.ctl));
    size_t length = PacketBytes(p.opcode) / 4;
    if (p.opcode == PacketWregBulk::kOpcode) length += 2 * PacketWregBulk::SIZE64::Get(p.value);
    if (length == 0 || at + length > words.size()) {
      ADD_FAILURE() << "no packet at word " << at;
      break;
    }
    p.rest.assign(words.begin() + at + 2, words.begin() + at + length);
    packets.push_back(p);
    at += length;
  }
  return packets;
}

template <typename PacketMsgShort, typename Packet>
void ExpectShortMessage(const Packet& p, uint32_t base, uint32_t offset, uint32_t value) {
  EXPECT_EQ(p.opcode, PacketMsgShort::kOpcode);
  EXPECT_EQ(PacketMsgShort::BASE::Get(p.ctl), base);
  EXPECT_EQ(PacketMsgShort::MSG_ADDR_OFFSET::Get(p.ctl), offset);
  EXPECT_EQ(p.value, value);
}

inline void ExpectStatus(const absl::Status& status, absl::StatusCode code, const char* what) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_NE(std::string(status.message()).find(what), std::string::npos) << status.message();
}

}  // namespace openhpu::hal

#endif  // HAL_COMMAND_WRITER_TESTING_H_
