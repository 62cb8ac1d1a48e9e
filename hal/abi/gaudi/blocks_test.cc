#include "hal/abi/gaudi/blocks.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "hal/abi/gaudi/reference_rows.h"

namespace openhpu::hal::abi::gaudi {
namespace {

TEST(Blocks, EveryBaseIsThatOfTheReference) {
  std::map<std::string, uint64_t> reference;
  for (Row row : ReferenceRows("block_bases.csv")) reference[row["block"]] = Number(row["base"]);
  std::map<std::string, uint64_t> ours;
  for (int i = 0; i < kNumDmas; ++i) {
    ours["DMA" + std::to_string(i) + "_CORE"] = DmaCoreBase(i);
    ours["DMA" + std::to_string(i) + "_QM"] = DmaQmanBase(i);
  }
  for (int i = 0; i < kNumMmes; ++i) {
    ours["MME" + std::to_string(i) + "_CTRL"] = MmeCtrlBase(i);
    ours["MME" + std::to_string(i) + "_QM"] = MmeQmanBase(i);
  }
  for (int i = 0; i < kNumTpcs; ++i) {
    ours["TPC" + std::to_string(i) + "_CFG"] = TpcCfgBase(i);
    ours["TPC" + std::to_string(i) + "_QM"] = TpcQmanBase(i);
  }
  for (int i = 0; i < kNumNics; ++i) {
    ours["NIC" + std::to_string(i / 2) + "_QM" + std::to_string(i % 2)] = NicQmanBase(i);
  }
  const std::pair<SyncManager, const char*> managers[] = {
      {kWestSouth, "W_S"}, {kEastSouth, "E_S"}, {kWestNorth, "W_N"}, {kEastNorth, "E_N"}};
  for (const auto& [manager, name] : managers) {
    ours[std::string("SYNC_MNGR_GLBL_") + name] = SyncManagerGlblBase(manager);
    ours[std::string("SYNC_MNGR_OBJS_") + name] = SyncManagerObjsBase(manager);
  }
  ours["MMU_UP"] = kMmuUpBase;
  ours["STLB"] = kStlbBase;
  ours["PSOC_TIMESTAMP"] = kPsocTimestampBase;
  ours["PSOC_GLOBAL_CONF"] = kPsocGlobalConfBase;
  for (const auto& [block, base] : ours) {
    ASSERT_EQ(reference.count(block), 1u) << block;
    EXPECT_EQ(base, reference[block]) << block;
    reference.erase(block);
  }
  // Blocks inside an MME that software above the kernel never addresses.
  for (const auto& [block, base] : reference) {
    const std::string kind = block.substr(4);
    EXPECT_TRUE(kind == "_ACC" || kind == "_SBAB" || kind == "_PRTN") << block;
  }
}

TEST(Blocks, QueuesOfMmesDriveTheMasters) {
  EXPECT_EQ(MmeMaster(0), 2);  // north
  EXPECT_EQ(MmeMaster(1), 0);  // south
}

}  // namespace
}  // namespace openhpu::hal::abi::gaudi
