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

Chip Load(const std::string& name) {
  absl::StatusOr<Chip> chip = LoadChip(name);
  EXPECT_TRUE(chip.ok()) << chip.status();
  return chip.ok() ? *chip : Chip();
}
Chip Gaudi() { return Load("gaudi"); }

uint64_t MacsPerCycle(const Chip& chip) {
  const Mme& mme = chip.mme();
  return mme.count().value() * mme.arrays_per_engine().value() * mme.rows_bf16().value() *
         mme.cols_bf16().value();
}
// Multiply and add, in TFLOPS rounded down.
uint64_t MmeTflops(const Chip& chip, uint64_t rate_permille = 1000) {
  return MacsPerCycle(chip) * 2 * chip.mme().clock_mhz().value() * rate_permille / 1000 / 1000000;
}
// Of bf16 vectors, in tenths.
uint64_t TpcTflopsTimes10(const Chip& chip) {
  const Tpc& tpc = chip.tpc();
  return tpc.count().value() * (tpc.vector_bytes().value() / 2) * 2 * tpc.clock_mhz().value() /
         100000;
}

std::string Text(const Chip& chip) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(chip, &text);
  return text;
}

TEST(Chip, EveryShippedChipLoadsAndIsCalledByItsName) {
  EXPECT_THAT(ShippedChips(), ElementsAre("gaudi", "gaudi2", "gaudi3", "tiny"));
  for (const std::string& name : ShippedChips()) {
    absl::StatusOr<Chip> chip = LoadChip(name);
    ASSERT_TRUE(chip.ok()) << chip.status();
    EXPECT_EQ(chip->name(), name);
    const bool gaudi2 = name == "gaudi2" || name == "gaudi3";
    EXPECT_EQ(chip->dialect(), gaudi2 ? "gaudi2" : "gaudi");
    EXPECT_EQ(chip->studies_only(), name == "gaudi3");
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
  EXPECT_EQ(MacsPerCycle(chip), 16384u);
  EXPECT_EQ(MmeTflops(chip), 58u);
}

TEST(Chip, Gaudi2IsTheCardOfTheSources) {
  const Chip chip = Load("gaudi2");
  EXPECT_EQ(chip.pci_device_id().value(), 0x1020u);
  EXPECT_EQ(chip.tpc().count().value(), 24u);
  EXPECT_EQ(chip.mme().count().value(), 2u);
  EXPECT_EQ(chip.dma().pdma_count().value(), 2u);
  EXPECT_EQ(chip.dma().edma_count().value(), 8u);
  EXPECT_EQ(chip.nic().ports().value(), 24u);
  EXPECT_EQ(chip.sync().count().value(), 4u);
  EXPECT_EQ(chip.sync().sobs().value(), 8192u);
  EXPECT_EQ(chip.sync().monitors().value(), 2048u);
  EXPECT_EQ(chip.sync().completion_queues().value(), 64u);
  EXPECT_EQ(chip.qman().max_pending_cs().value(), 64u);
  EXPECT_EQ(chip.address_map().dram_bytes().value(), uint64_t{96} << 30);
  EXPECT_EQ(chip.address_map().sram_bytes().value(), uint64_t{48} << 20);
  // SRAM ends where DRAM begins, and DRAM is mapped above its own end.
  EXPECT_EQ(chip.address_map().sram_base().value() + chip.address_map().sram_bytes().value(),
            chip.address_map().dram_base().value());
  EXPECT_EQ(chip.address_map().dram_base().value() + chip.address_map().dram_bytes().value(),
            chip.address_map().dram_va_start().value());
  EXPECT_EQ(chip.address_map().dram_bytes().value() % chip.address_map().dram_page_bytes().value(),
            0u);
  // Published: 432 TFLOPS of bf16, 865 of fp8, about 11 of vectors.
  EXPECT_EQ(MacsPerCycle(chip), 131072u);
  EXPECT_EQ(MmeTflops(chip), 432u);
  EXPECT_EQ(MmeTflops(chip, chip.mme().fp8_rate_permille().value()), 865u);
  EXPECT_EQ(MmeTflops(chip, chip.mme().fp32_rate_permille().value()), 108u);
  EXPECT_EQ(TpcTflopsTimes10(chip), 110u);
  // The compiler's 970 GiB/s of five engines.
  const Dma& dma = chip.dma();
  EXPECT_EQ((5 * dma.bytes_per_cycle().value() * dma.clock_mhz().value() * 1000 *
             dma.efficiency_permille().value()) >>
                30,
            970u);
}

TEST(Chip, Gaudi3IsForStudiesAndSaysSo) {
  const Chip chip = Load("gaudi3");
  EXPECT_TRUE(chip.studies_only());
  EXPECT_THAT(chip.studies_note(), HasSubstr("Gaudi2's commands"));
  EXPECT_EQ(chip.tpc().count().value(), 64u);
  EXPECT_EQ(chip.mme().count().value(), 8u);
  EXPECT_EQ(chip.address_map().dram_bytes().value(), uint64_t{128} << 30);
  // Published: 1835 TFLOPS of bf16 and of fp8, 28.7 of vectors.
  EXPECT_EQ(MacsPerCycle(chip), 524288u);
  EXPECT_EQ(MmeTflops(chip), 1835u);
  EXPECT_EQ(MmeTflops(chip, chip.mme().fp8_rate_permille().value()), 1835u);
  EXPECT_EQ(TpcTflopsTimes10(chip), 286u);
}

TEST(Chip, UsersSeeDramByVirtualAddressOnGaudi2) {
  EXPECT_EQ(UserDram(Gaudi()).begin, 0x20000000u);
  EXPECT_EQ(UserDram(Gaudi()).bytes, (uint64_t{32} << 30) - 0x20000000);
  const Chip chip = Load("gaudi2");
  EXPECT_EQ(UserDram(chip).begin, 0x1001001800000000u);
  EXPECT_EQ(UserDram(chip).bytes, (uint64_t{96} << 30) - 0x30000000);
}

TEST(Chip, MoreThanGaudi2HasIsForStudies) {
  Chip chip = Load("gaudi3");
  chip.set_studies_only(false);
  EXPECT_EQ(CheckChip(chip).message(), "studies_note: there, but not studies_only");
  chip.clear_studies_note();
  EXPECT_EQ(CheckChip(chip).message(), "sync.count: is 8, must be at most 4");
  chip.set_studies_only(true);
  EXPECT_EQ(CheckChip(chip).message(), "studies_note: absent");
}

TEST(Chip, FieldsOfADialectAreOfItsChipsAlone) {
  Chip chip = Load("gaudi2");
  chip.mutable_sync()->clear_completion_queues();
  EXPECT_EQ(CheckChip(chip).message(), "sync.completion_queues: absent");
  chip = Gaudi();
  ASSERT_TRUE(OverrideChip("sync.completion_queues", 64, chip).ok());
  EXPECT_EQ(CheckChip(chip).message(), "sync.completion_queues: not of this dialect");
}

TEST(Chip, ANumberWithoutASourceInTheReferenceIsMarkedAsAGuess) {
  EXPECT_EQ(Gaudi().host().submit_ps().confidence(), GUESS);
  EXPECT_EQ(Gaudi().memory().noc_corner_bytes_per_second().confidence(), GUESS);
}

TEST(Chip, AnUnknownNameListsThoseThereAre) {
  const absl::Status status = LoadChip("gaudi9").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("gaudi9"), HasSubstr("gaudi, gaudi2, gaudi3, tiny")));
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
      {"mme.stacked_arrays", 2, "mme.stacked_arrays: is 2, must be 1"},
      {"mme.interleaved_ports", 4, "mme.interleaved_ports: is 4, must be 1"},
  };
  for (const auto& c : kCases) {
    Chip chip = Gaudi();
    ASSERT_TRUE(OverrideChip(c.path, c.value, chip).ok());
    const absl::Status status = CheckChip(chip);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.path;
    EXPECT_THAT(std::string(status.message()), StartsWith(c.error));
  }
  const struct {
    const char* path;
    uint64_t value;
    const char* error;
  } kCasesOfGaudi2[] = {
      {"tpc.count", 25, "tpc.count: is 25, must be at most 24"},
      {"mme.count", 3, "mme.count: is 3, must be at most 2"},
      {"mme.rows_bf16", 64, "mme.rows_bf16: is 64, must be 128"},
      {"mme.stacked_arrays", 1, "mme.stacked_arrays: is 1, must be 2"},
      {"mme.interleaved_ports", 0, "mme.interleaved_ports: is 0, must be 4"},
      {"mme.half_accumulators", 4, "mme.half_accumulators: is 4"},
      {"mme.fp8_rate_permille", 0, "mme.fp8_rate_permille: is 0"},
      {"mme.input_ports_per_engine", 11, "mme.input_ports_per_engine: is 11"},
      {"dma.pdma_count", 3, "dma.pdma_count: is 3"},
      {"dma.edma_count", 7, "dma.count: is 10, must be dma.pdma_count + dma.edma_count"},
      {"dma.host_facing_mask", 7, "dma.compute_mask: is 124, must not share an engine"},
      {"dma.efficiency_permille", 1001, "dma.efficiency_permille: is 1001"},
      {"sync.sobs", 16384, "sync.sobs: is 16384, must be at most 8192"},
      {"sync.completion_queues", 65, "sync.completion_queues: is 65, must be 1 to 64"},
      {"sync.first_user_completion_queue", 1, "sync.first_user_completion_queue: is 1"},
      {"sync.first_user_sob", 63, "sync.first_user_sob: is 63"},
      {"qman.max_pending_cs", 128, "qman.max_pending_cs: is 128, must be at most 64"},
      {"address_map.dram_va_end", 0x1001001800000000, "address_map.dram_va_end"},
      {"address_map.dram_page_bytes", 5000, "address_map.dram_page_bytes: is 5000"},
      {"address_map.host_huge_page_bytes", 4096, "address_map.host_huge_page_bytes: is 4096"},
      {"address_map.host_va_end", 0xFFF0900000000000, "address_map: host_va overlaps host_huge_va"},
      {"address_map.dram_va_start", 0x1001000000000000, "address_map: dram overlaps dram_va"},
  };
  for (const auto& c : kCasesOfGaudi2) {
    Chip chip = Load("gaudi2");
    ASSERT_TRUE(OverrideChip(c.path, c.value, chip).ok()) << c.path;
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
