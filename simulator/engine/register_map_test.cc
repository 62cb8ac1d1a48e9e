// The model's tables of registers against the vendor's lists.
#include "simulator/engine/register_map.h"

#include <map>
#include <set>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi/reference_rows.h"
#include "hal/abi/gaudi/tpc.h"
#include "hal/abi/gaudi2/reference_rows.h"

namespace openhpu::simulator {
namespace {

using hal::abi::gaudi::Number;
using hal::abi::gaudi::ReferenceRows;
using hal::abi::gaudi::Row;

const std::map<std::string, RegisterBlock>& Blocks() {
  static const auto* const blocks =
      new std::map<std::string, RegisterBlock>{{"qman", RegisterBlock::kQueueManager},
                                               {"dma_core", RegisterBlock::kDmaCore},
                                               {"mme", RegisterBlock::kMme},
                                               {"tpc", RegisterBlock::kTpc},
                                               {"sob_glbl", RegisterBlock::kSyncGlobal},
                                               {"sob_objs", RegisterBlock::kSyncObjects}};
  return *blocks;
}

TEST(BlockRegistersTest, AreThoseOfTheReferenceAndNoOthers) {
  std::map<RegisterBlock, std::set<uint64_t>> expected;
  for (const Row& row : ReferenceRows("regs.csv")) {
    const std::string name = row.at("block").substr(std::string("block_").size());
    if (row.at("gen") != "gaudi" || Blocks().count(name) == 0) continue;
    const uint64_t bytes = Number(row.at("count")) * Number(row.at("elem_size"));
    for (uint64_t at = 0; at < bytes; at += 4) {
      expected[Blocks().at(name)].insert(Number(row.at("offset")) + at);
    }
  }
  ASSERT_EQ(expected.size(), Blocks().size());
  for (const auto& [block, offsets] : expected) {
    for (uint32_t offset = 0; offset < 0x8000; ++offset) {
      ASSERT_EQ(HasRegister(block, offset), offsets.count(offset) != 0)
          << static_cast<int>(block) << " at " << offset;
    }
  }
}

TEST(BlockRegistersTest, ResetToTheValuesOfTheReferenceAndElseToZero) {
  std::map<std::pair<RegisterBlock, uint64_t>, uint64_t> expected;
  for (const Row& row : ReferenceRows("reset_values.csv")) {
    for (uint64_t i = 0; i < Number(row.at("count")); ++i) {
      expected[{Blocks().at(row.at("block")), Number(row.at("offset")) + 4 * i}] =
          Number(row.at("reset_value"));
    }
  }
  ASSERT_GT(expected.size(), 100u);
  for (const auto& [name, block] : Blocks()) {
    for (uint32_t offset = 0; offset < kRegisterBlockBytes; offset += 4) {
      const auto found = expected.find({block, offset});
      ASSERT_EQ(ResetValue(block, offset), found == expected.end() ? 0 : found->second)
          << name << " at " << offset;
    }
  }
}

namespace gaudi2 {

using hal::abi::gaudi2::ReferenceRows;

// Where the vendor's list of a block lies in ours.
struct Part {
  RegisterBlock block;
  uint64_t offset;
};
const std::map<std::string, Part>& Parts() {
  static const auto* const parts =
      new std::map<std::string, Part>{{"qman", {RegisterBlock::kGaudi2QueueManager, 0}},
                                      {"dma_core", {RegisterBlock::kGaudi2DmaCore, 0}},
                                      {"dma_core_ctx", {RegisterBlock::kGaudi2DmaCore, 0x860}},
                                      {"mme_ctrl_lo", {RegisterBlock::kGaudi2Mme, 0}},
                                      {"tpc", {RegisterBlock::kGaudi2Tpc, 0}},
                                      {"sob_objs", {RegisterBlock::kGaudi2SyncManager, 0}},
                                      {"sob_glbl", {RegisterBlock::kGaudi2SyncManager, 0x1E000}}};
  return *parts;
}

TEST(BlockRegistersTest, OfGaudi2AreThoseOfTheReferenceAndNoOthers) {
  std::map<RegisterBlock, std::set<uint64_t>> expected;
  for (const Row& row : ReferenceRows("regs.csv")) {
    const std::string& block = row.at("block");
    if (block.rfind("block_", 0) != 0) continue;
    const auto part = Parts().find(block.substr(std::string("block_").size()));
    if (part == Parts().end()) continue;
    const uint64_t bytes = Number(row.at("count")) * Number(row.at("elem_size"));
    for (uint64_t at = 0; at < bytes; at += 4) {
      expected[part->second.block].insert(part->second.offset + Number(row.at("offset")) + at);
    }
  }
  ASSERT_EQ(expected.size(), 5u);
  for (const auto& [block, offsets] : expected) {
    for (uint32_t offset = 0; offset < 0x20000; ++offset) {
      ASSERT_EQ(HasRegister(block, offset), offsets.count(offset) != 0)
          << static_cast<int>(block) << " at " << offset;
    }
  }
}

TEST(BlockRegistersTest, OfGaudi2ResetToTheValuesOfTheReferenceAndElseToZero) {
  std::map<std::pair<RegisterBlock, uint64_t>, uint64_t> expected;
  for (const Row& row : ReferenceRows("reset_values.csv")) {
    const Part& part = Parts().at(row.at("block"));
    for (uint64_t i = 0; i < Number(row.at("count")); ++i) {
      expected[{part.block, part.offset + Number(row.at("offset")) + 4 * i}] =
          Number(row.at("reset_value"));
    }
  }
  ASSERT_GT(expected.size(), 100u);
  for (const RegisterBlock block :
       {RegisterBlock::kGaudi2QueueManager, RegisterBlock::kGaudi2DmaCore,
        RegisterBlock::kGaudi2Mme, RegisterBlock::kGaudi2Tpc}) {
    for (uint32_t offset = 0; offset < kRegisterBlockBytes; offset += 4) {
      const auto found = expected.find({block, offset});
      ASSERT_EQ(ResetValue(block, offset), found == expected.end() ? 0 : found->second)
          << static_cast<int>(block) << " at " << offset;
    }
  }
}

}  // namespace gaudi2

TEST(BlockRegistersTest, StatusTellsIdleFromBusyAndBusyFromFull) {
  namespace core = hal::abi::gaudi::dma_core;
  namespace tpc = hal::abi::gaudi::tpc;
  const auto status = [](bool idle, bool accepts) {
    return EngineStatus(RegisterBlock::kTpc, tpc::STATUS::kOffset, idle, accepts);
  };
  EXPECT_EQ(status(true, true), 0xEEu);
  EXPECT_EQ(tpc::STATUS::QM_IDLE::Get(status(false, true)), 0u);
  EXPECT_EQ(tpc::STATUS::QM_RDY::Get(status(false, true)), 1u);
  EXPECT_EQ(tpc::STATUS::QM_RDY::Get(status(false, false)), 0u);
  EXPECT_EQ(EngineStatus(RegisterBlock::kDmaCore, core::STS0::kOffset, true, true), 0u);
  EXPECT_EQ(EngineStatus(RegisterBlock::kDmaCore, core::STS0::kOffset, false, true), 0x80000000u);
  EXPECT_EQ(EngineStatus(RegisterBlock::kMme, 0, true, true), 0xC1141980u);
  EXPECT_EQ(EngineStatus(RegisterBlock::kMme, 0, false, false) >> 30, 0u);
}

TEST(RegisterMapTest, FindsTheBlockAndTheOffsetInIt) {
  RegisterMap map(0x7FFC000000, 0x100000);
  map.Add(0x7FFC008000, 0x2000, RegisterBlock::kSyncObjects, 3);
  map.Add(0x7FFC0FF000, 0x1000, RegisterBlock::kTpc, 7);
  EXPECT_FALSE(map.Holds(0x7FFBFFFFFC));
  EXPECT_FALSE(map.Holds(0x7FFC100000));
  EXPECT_TRUE(map.Holds(0x7FFC0FFFFC));
  EXPECT_EQ(map.Find(0x7FFC007FFC).block, RegisterBlock::kNone);
  const RegisterMap::Place place = map.Find(0x7FFC009004);
  EXPECT_EQ(place.block, RegisterBlock::kSyncObjects);
  EXPECT_EQ(place.index, 3);
  EXPECT_EQ(place.offset, 0x1004u);
  EXPECT_EQ(map.Find(0x7FFC0FF938).index, 7);
}

}  // namespace
}  // namespace openhpu::simulator
