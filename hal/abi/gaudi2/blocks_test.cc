#include "hal/abi/gaudi2/blocks.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "hal/abi/gaudi2/dma_core.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/reference_rows.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "hal/abi/gaudi2/tpc.h"

namespace openhpu::hal::abi::gaudi2 {
namespace {

TEST(Blocks, EveryBaseIsThatOfTheReference) {
  std::map<std::string, uint64_t> reference;
  for (Row row : ReferenceRows("block_bases.csv")) {
    reference[row["block"]] = Number(row["base"]);
  }
  std::map<std::string, uint64_t> ours;
  for (int d = 0; d < kNumDcores; ++d) {
    const std::string dcore = "DCORE" + std::to_string(d) + "_";
    for (int i = 0; i < kTpcsPerDcore + (d == 0 ? 1 : 0); ++i) {
      const std::string tpc = dcore + "TPC" + std::to_string(i);
      ours[tpc + "_QM_DCCM"] = TpcWindow(d, i);
      ours[tpc + "_QM"] = TpcQmanBase(d, i);
      ours[tpc + "_CFG"] = TpcCfgBase(d, i);
      ours[tpc + "_CFG_KERNEL"] = TpcCfgBase(d, i) + tpc::KERNEL::kOffset;
      ours[tpc + "_CFG_QM"] = TpcCfgBase(d, i) + tpc::QM::kOffset;
    }
    for (int i = 0; i < kEdmasPerDcore; ++i) {
      const std::string edma = dcore + "EDMA" + std::to_string(i);
      ours[edma + "_QM"] = EdmaQmanBase(d, i);
      ours[edma + "_CORE"] = EdmaCoreBase(d, i);
      ours[edma + "_CORE_CTX"] = EdmaCoreBase(d, i) + dma_core::kContext;
    }
    ours[dcore + "MME_QM"] = MmeQmanBase(d);
    ours[dcore + "MME_CTRL_LO"] = MmeCtrlLoBase(d);
    ours[dcore + "MME_CTRL_HI"] = MmeCtrlHiBase(d);
    ours[dcore + "MME_ACC"] = MmeAccBase(d);
    ours[dcore + "SYNC_MNGR_OBJS"] = SyncManagerObjsBase(d);
    ours[dcore + "SYNC_MNGR_GLBL"] = SyncManagerGlblBase(d);
  }
  for (int i = 0; i < kNumPdmas; ++i) {
    const std::string pdma = "PDMA" + std::to_string(i);
    ours[pdma + "_QM_ARC_DCCM"] = PdmaWindow(i);
    ours[pdma + "_QM"] = PdmaQmanBase(i);
    ours[pdma + "_CORE"] = PdmaCoreBase(i);
    ours[pdma + "_CORE_CTX"] = PdmaCoreBase(i) + dma_core::kContext;
  }
  for (int i = 0; i < kNumRotators; ++i)
    ours["ROT" + std::to_string(i) + "_QM"] = RotatorQmanBase(i);
  for (int i = 0; i < kNumNics; ++i) {
    ours["NIC" + std::to_string(i / 2) + "_QM" + std::to_string(i % 2)] = NicQmanBase(i);
  }
  ours["PMMU_HBW_MMU"] = kPmmuBase;
  ours["PSOC_TIMESTAMP"] = kPsocTimestampBase;
  ours["PSOC_GLOBAL_CONF"] = kPsocGlobalConfBase;
  for (const auto& [block, base] : ours) {
    ASSERT_EQ(reference.count(block), 1u) << block;
    EXPECT_EQ(base, reference[block]) << block;
    reference.erase(block);
  }
  // ARCs, which nothing here drives.
  for (const auto& [block, base] : reference) {
    EXPECT_TRUE(block.find("ARC") != std::string::npos) << block;
  }
}

TEST(Blocks, TheBlocksOfAWindowAreWhereItsWregsReach) {
  EXPECT_EQ(kQmanInWindow, qman::kWregBase);
  EXPECT_EQ(kEngineInWindow, qman::kEngineWregBase);
  EXPECT_EQ(kWindowBytes, qman::kWregWindowBytes);
  EXPECT_EQ(SyncManagerGlblBase(3) - SyncManagerObjsBase(3), sync_manager::kGlbl);
}

TEST(Blocks, EnginesAreCountedThroughTheDcores) {
  EXPECT_EQ(PlaceOfTpc(23, kNumTpcs, kNumDcores).dcore, 3);
  EXPECT_EQ(PlaceOfTpc(23, kNumTpcs, kNumDcores).index, 5);
  EXPECT_EQ(PlaceOfTpc(4, 5, kNumDcores).dcore, 0);  // fewer are the first
  EXPECT_EQ(PlaceOfTpc(63, 64, 8).dcore, 7);         // studies: eight in each
  EXPECT_EQ(PlaceOfTpc(63, 64, 8).index, 7);
  EXPECT_EQ(PlaceOfEdma(7).dcore, 3);
  EXPECT_EQ(PlaceOfEdma(7).index, 1);
  EXPECT_EQ(MmeMasterDcore(0, 2, 4), 0);  // masters of Gaudi2
  EXPECT_EQ(MmeMasterDcore(1, 2, 4), 2);
  EXPECT_EQ(MmeMasterDcore(5, 8, 8), 5);  // a chip for studies with one MME a DCORE
}

// Blocks that are ours lie in the configuration space, on nothing of the reference.
TEST(Blocks, ThoseForStudiesOverlapNoOther) {
  for (int d = kNumDcores; d < kMaxStudyDcores; ++d) {
    for (Row row : ReferenceRows("block_bases.csv")) {
      const uint64_t base = Number(row["base"]);
      EXPECT_FALSE(base >= DcoreBase(d) && base < DcoreBase(d) + kDcoreStride) << row["block"];
    }
  }
  for (int d = 0; d < kMaxStudyDcores; ++d) {
    EXPECT_LE(TpcWindow(d, kMaxStudyTpcsPerDcore), MmeWindow(d));
  }
}

}  // namespace
}  // namespace openhpu::hal::abi::gaudi2
