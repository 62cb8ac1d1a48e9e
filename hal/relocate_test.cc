#include <cstdint>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "hal/command_writer.h"

namespace openhpu::hal {
namespace {

std::vector<std::byte> Words(const std::vector<uint32_t>& words) {
  std::vector<std::byte> bytes(4 * words.size());
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

uint32_t Word(const std::vector<std::byte>& bytes, size_t index) {
  uint32_t word;
  std::memcpy(&word, bytes.data() + 4 * index, 4);
  return word;
}

Relocation Symbol(uint32_t word, uint32_t symbol, uint64_t addend, uint8_t shift) {
  Relocation r;
  r.word = word;
  r.symbol = symbol;
  r.addend = addend;
  r.shift = shift;
  return r;
}

TEST(RelocateTest, AnAddressIsTwoHalvesAndCarries) {
  std::vector<std::byte> bytes = Words({0, 0});
  const uint64_t symbols[] = {7, 0x1FFFFFFF0};
  ASSERT_TRUE(
      Relocate({Symbol(0, 1, 0x20, 0), Symbol(1, 1, 0x20, 32)}, {symbols}, absl::MakeSpan(bytes))
          .ok());
  EXPECT_EQ(Word(bytes, 0), 0x10u);
  EXPECT_EQ(Word(bytes, 1), 2u);
}

TEST(RelocateTest, AFieldLeavesItsNeighboursAlone) {
  std::vector<std::byte> bytes = Words({0xFFFFFFFF});
  Relocation r;
  r.kind = RelocationKind::kSobBase;
  r.lsb = 8;
  r.width = 8;
  r.shift = 3;
  r.addend = 16;
  RelocationValues values;
  values.first_sob = 64;
  ASSERT_TRUE(Relocate({r}, values, absl::MakeSpan(bytes)).ok());
  EXPECT_EQ(Word(bytes, 0), 0xFFFF0AFFu);
  // Again with another bank: nothing of the first value stays.
  values.first_sob = 0;
  ASSERT_TRUE(Relocate({r}, values, absl::MakeSpan(bytes)).ok());
  EXPECT_EQ(Word(bytes, 0), 0xFFFF02FFu);
}

TEST(RelocateTest, APartLeavesItsHighBitsToAnotherField) {
  std::vector<std::byte> bytes = Words({0xFFFFFFFF, 0xFFFFFFFF});
  Relocation low;
  low.kind = RelocationKind::kSobBasePart;
  low.width = 8;
  low.shift = 3;
  low.addend = 8;
  Relocation high = low;
  high.word = 1;
  high.kind = RelocationKind::kSobBase;
  high.lsb = 16;
  high.width = 4;
  high.shift = 11;
  RelocationValues values;
  values.first_sob = 8 * 0x3A4;  // and the next group, 0x3A5
  ASSERT_TRUE(Relocate({low, high}, values, absl::MakeSpan(bytes)).ok());
  EXPECT_EQ(Word(bytes, 0), 0xFFFFFFA5u);
  EXPECT_EQ(Word(bytes, 1), 0xFFF3FFFFu);
  low.kind = RelocationKind::kSobBase;
  EXPECT_EQ(Relocate({low}, values, absl::MakeSpan(bytes)).code(), absl::StatusCode::kOutOfRange);
}

TEST(RelocateTest, EachKindTakesItsOwnValue) {
  std::vector<std::byte> bytes = Words({0, 0, 0, 0});
  std::vector<Relocation> relocations(4);
  const RelocationKind kinds[] = {RelocationKind::kSymbol, RelocationKind::kSobBase,
                                  RelocationKind::kMonitorBase, RelocationKind::kStream};
  for (uint32_t i = 0; i < 4; ++i) {
    relocations[i].word = i;
    relocations[i].kind = kinds[i];
    if (i > 0) relocations[i].scale = 4;
  }
  const uint64_t symbols[] = {5};
  RelocationValues values{symbols, 10, 20, 3};
  ASSERT_TRUE(Relocate(relocations, values, absl::MakeSpan(bytes)).ok());
  EXPECT_EQ(Word(bytes, 0), 5u);
  EXPECT_EQ(Word(bytes, 1), 40u);
  EXPECT_EQ(Word(bytes, 2), 80u);
  EXPECT_EQ(Word(bytes, 3), 12u);
}

void ExpectRefused(Relocation r, const char* what) {
  std::vector<std::byte> bytes = Words({0, 0});
  const uint64_t symbols[] = {0x10000};
  RelocationValues values;
  values.symbols = symbols;
  values.first_sob = 0x10000;
  const absl::Status status = Relocate({r}, values, absl::MakeSpan(bytes));
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange) << what;
  EXPECT_NE(std::string(status.message()).find(what), std::string::npos) << status.message();
}

TEST(RelocateTest, RefusesWhatDoesNotFitAndSaysWhere) {
  ExpectRefused(Symbol(2, 0, 0, 0), "there are 2 words");
  ExpectRefused(Symbol(0, 1, 0, 0), "symbol 1 of 1");
  Relocation narrow = Symbol(1, 0, 0, 0);
  narrow.width = 16;
  ExpectRefused(narrow, "relocation 0 of word 1: 0x10000 has over 16 bits");
  narrow.kind = RelocationKind::kSobBase;
  ExpectRefused(narrow, "0x10000 has over 16 bits");
  Relocation shifted = Symbol(0, 0, 0, 64);
  ExpectRefused(shifted, "no field of a word");
  Relocation wide = Symbol(0, 0, 0, 0);
  wide.lsb = 1;
  ExpectRefused(wide, "no field of a word");
  Relocation unknown = Symbol(0, 0, 0, 0);
  unknown.kind = static_cast<RelocationKind>(9);
  ExpectRefused(unknown, "unknown kind");
}

}  // namespace
}  // namespace openhpu::hal
