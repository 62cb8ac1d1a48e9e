#include "hal/chip.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace openhpu::hal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Chip Gaudi() {
  absl::StatusOr<Chip> chip = LoadChip("gaudi");
  EXPECT_TRUE(chip.ok()) << chip.status();
  return chip.ok() ? *chip : Chip();
}

std::string Text(const Chip& chip) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(chip, &text);
  return text;
}

TEST(Chip, EveryShippedChipLoadsAndIsCalledByItsName) {
  EXPECT_THAT(ShippedChips(), ElementsAre("gaudi", "tiny"));
  for (const std::string& name : ShippedChips()) {
    absl::StatusOr<Chip> chip = LoadChip(name);
    ASSERT_TRUE(chip.ok()) << chip.status();
    EXPECT_EQ(chip->name(), name);
    EXPECT_EQ(chip->dialect(), "gaudi");
  }
}

TEST(Chip, GaudiIsTheCardOfTheSources) {
  const Chip chip = Gaudi();
  EXPECT_EQ(chip.tpc().count().value(), 8u);
  EXPECT_EQ(chip.mme().count().value(), 2u);
  EXPECT_EQ(chip.dma().host_facing_mask().value(), 0x03u);
  EXPECT_EQ(chip.dma().compute_mask().value(), 0xDCu);  // 2, 3, 4, 6, 7
  EXPECT_EQ(chip.sync().user_manager().value(), 3u);
  EXPECT_EQ(chip.address_map().dram_user_base().value(), 0x20000000u);
  EXPECT_EQ(chip.address_map().dram_bytes().value(), uint64_t{32} << 30);
  // 16,384 MACs a cycle: 59 TFLOPS at 1.8 GHz, published as 60.
  EXPECT_EQ(chip.mme().count().value() * chip.mme().arrays_per_engine().value() *
                chip.mme().rows_bf16().value() * chip.mme().cols_bf16().value(),
            16384u);
}

TEST(Chip, ANumberWithoutASourceInTheReferenceIsMarkedAsAGuess) {
  EXPECT_EQ(Gaudi().host().submit_ps().confidence(), GUESS);
  EXPECT_EQ(Gaudi().memory().noc_corner_bytes_per_second().confidence(), GUESS);
}

TEST(Chip, AnUnknownNameListsThoseThereAre) {
  const absl::Status status = LoadChip("gaudi9").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("gaudi9"), HasSubstr("gaudi, tiny")));
}

TEST(Chip, APathLoadsAnyOther) {
  const std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/mine.textproto";
  Chip mine = Gaudi();
  mine.set_name("mine");
  std::ofstream(path) << Text(mine);
  absl::StatusOr<Chip> chip = LoadChip(path);
  ASSERT_TRUE(chip.ok()) << chip.status();
  EXPECT_EQ(chip->name(), "mine");
  EXPECT_EQ(LoadChip(path + "x").status().code(), absl::StatusCode::kNotFound);
}

TEST(Chip, ABadTextIsNamedByLineAndColumn) {
  const absl::Status unknown = ParseChip("name: \"x\"\ntpc {\n  cuont {}\n}\n", "file").status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.message()), AllOf(StartsWith("file:3:"), HasSubstr("cuont")));
  const absl::Status type =
      ParseChip("name: \"x\"\ntpc { count { value: \"two\" } }", "file").status();
  EXPECT_THAT(std::string(type.message()), StartsWith("file:2:"));
  const absl::Status confidence = ParseChip("pci_device_id { confidence: SURE }", "f").status();
  EXPECT_THAT(std::string(confidence.message()), AllOf(StartsWith("f:1:"), HasSubstr("SURE")));
  EXPECT_FALSE(ParseChip("name: \"x", "file").ok());
}

TEST(Chip, AnAbsentOrUnsourcedNumberIsNamed) {
  Chip chip = Gaudi();
  chip.mutable_tpc()->clear_count();
  EXPECT_EQ(CheckChip(chip).message(), "tpc.count: absent");
  EXPECT_EQ(ParseChip(Text(chip), "file").status().message(), "file: tpc.count: absent");

  chip = Gaudi();
  chip.clear_mme();
  EXPECT_EQ(CheckChip(chip).message(), "mme: absent");

  chip = Gaudi();
  chip.mutable_host()->mutable_poll_ps()->clear_source();
  EXPECT_EQ(CheckChip(chip).message(), "host.poll_ps: has no source");

  chip = Gaudi();
  chip.mutable_host()->mutable_poll_ps()->clear_confidence();
  EXPECT_EQ(CheckChip(chip).message(), "host.poll_ps: has no confidence");

  chip = Gaudi();
  chip.clear_dialect();
  EXPECT_EQ(CheckChip(chip).message(), "dialect: absent");
}

TEST(Chip, AContradictionIsNamed) {
  const struct {
    const char* path;
    uint64_t value;
    const char* error;
  } kCases[] = {
      {"tpc.count", 0, "tpc.count: is 0"},
      {"tpc.count", 9, "tpc.count: is 9, must be at most 8"},
      {"dma.compute_mask", 0xDD, "dma.compute_mask: is 221"},
      {"dma.count", 4, "dma.compute_mask: is 220"},
      {"sync.user_manager", 4, "sync.user_manager: is 4"},
      {"sync.sobs", 2044, "sync.sobs: is 2044"},
      {"address_map.dram_user_base", uint64_t{32} << 30, "address_map.dram_user_base"},
      {"address_map.dram_bytes", ~uint64_t{0}, "address_map: dram overlaps"},
      {"address_map.sram_base", 0x1000, "address_map: dram overlaps sram"},
      {"qman.pq_entries_dma", 1000, "qman.pq_entries_dma: is 1000, must be a power of two"},
      {"memory.hbm_read_write_turn_permille", 1001, "memory.hbm_read_write_turn_permille"},
      {"mme.shadow_descriptors", 5, "mme.shadow_descriptors: is 5"},
  };
  for (const auto& c : kCases) {
    Chip chip = Gaudi();
    ASSERT_TRUE(OverrideChip(c.path, c.value, chip).ok());
    const absl::Status status = CheckChip(chip);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.path;
    EXPECT_THAT(std::string(status.message()), StartsWith(c.error));
  }
  Chip chip = Gaudi();
  chip.set_dialect("gaudi7");
  EXPECT_THAT(std::string(CheckChip(chip).message()), HasSubstr("gaudi7"));
}

TEST(Chip, AnOverrideChangesOneNumberAndSaysSo) {
  Chip chip = Gaudi();
  ASSERT_TRUE(OverrideChip("tpc.count", 4, chip).ok());
  EXPECT_EQ(chip.tpc().count().value(), 4u);
  EXPECT_EQ(chip.tpc().count().source(), "override");
  EXPECT_EQ(chip.tpc().count().confidence(), CHOSEN);
  ASSERT_TRUE(OverrideChip("pci_device_id", 1, chip).ok());
  EXPECT_EQ(chip.pci_device_id().value(), 1u);
  EXPECT_TRUE(CheckChip(chip).ok());
}

TEST(Chip, AWrongOverrideListsWhatThereIsAndChangesNothing) {
  for (const char* path :
       {"", ".", "tpc", "tpc.", "tpc.cuont", "name", "tpc.count.value", "tpcs.count"}) {
    Chip chip = Gaudi();
    const absl::Status status = OverrideChip(path, 4, chip);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(Text(chip), Text(Gaudi())) << path;
  }
  Chip chip = Gaudi();
  EXPECT_THAT(std::string(OverrideChip("tpc.cuont", 4, chip).message()),
              AllOf(HasSubstr("tpc.cuont"), HasSubstr("count, clock_mhz")));
}

}  // namespace
}  // namespace openhpu::hal
