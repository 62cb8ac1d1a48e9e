#include "hal/abi/gaudi2/reset_values.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "hal/abi/gaudi2/dma_core.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/reference_rows.h"

namespace openhpu::hal::abi::gaudi2 {
namespace {

using Values = std::map<uint32_t, std::pair<uint32_t, uint32_t>>;  // offset: value, count

template <size_t kSize>
Values ValuesOf(const ResetValue (&table)[kSize]) {
  Values values;
  for (const ResetValue& reset : table) values[reset.offset] = {reset.value, reset.count};
  EXPECT_EQ(values.size(), kSize);
  return values;
}

uint32_t QmanAfterReset(uint32_t offset) {
  for (const ResetValue& reset : kQmanReset) {
    if (offset >= reset.offset && offset < reset.offset + 4 * reset.count) return reset.value;
  }
  return 0;
}

TEST(ResetValues, AreThoseOfTheRows) {
  std::map<std::string, Values> rows;
  for (Row row : ReferenceRows("reset_values.csv")) {
    rows[row["block"]][static_cast<uint32_t>(Number(row["offset"]))] = {
        static_cast<uint32_t>(Number(row["reset_value"])),
        static_cast<uint32_t>(Number(row["count"]))};
  }
  EXPECT_EQ(ValuesOf(kQmanReset), rows["qman"]);
  EXPECT_EQ(ValuesOf(kDmaCoreReset), rows["dma_core"]);
  EXPECT_EQ(ValuesOf(kTpcReset), rows["tpc"]);
  EXPECT_EQ(ValuesOf(kMmeCtrlLoReset), rows["mme_ctrl_lo"]);
  EXPECT_EQ(ValuesOf(kSyncManagerObjsReset), rows["sob_objs"]);
  EXPECT_EQ(ValuesOf(kSyncManagerGlblReset), rows["sob_glbl"]);
  // The context has rows of its own; the core's table has it.
  for (const auto& [offset, value] : rows["dma_core_ctx"]) {
    EXPECT_EQ(rows["dma_core"].at(dma_core::kContext + offset), value);
  }
  EXPECT_EQ(rows.size(), 7u);
}

// The window's layout is nowhere stated; these values of the hardware itself say it.
TEST(ResetValues, SayWhereTheBlocksOfAWindowAre) {
  EXPECT_EQ(QmanAfterReset(qman::LOCAL_RANGE_BASE::kOffset), qman::kWregBase);
  EXPECT_EQ(QmanAfterReset(qman::LOCAL_RANGE_SIZE::kOffset), qman::kWregBytes);
  EXPECT_EQ(QmanAfterReset(qman::CP_LDMA_SRC_BASE_LO_OFFSET::kOffset),
            qman::kEngineWregBase + dma_core::SRC_BASE_LO::kOffset);
  EXPECT_EQ(QmanAfterReset(qman::CP_LDMA_DST_BASE_LO_OFFSET::kOffset),
            qman::kEngineWregBase + dma_core::DST_BASE_LO::kOffset);
  EXPECT_EQ(QmanAfterReset(qman::CP_LDMA_TSIZE_OFFSET::kOffset),
            qman::kEngineWregBase + dma_core::DST_TSIZE_0::kOffset);
  for (int cq = 0; cq < qman::kNumCps; ++cq) {
    EXPECT_EQ(QmanAfterReset(qman::CP_CQ_PTR_LO_OFFSET::At(cq)), qman::CqPtrLoWreg(cq));
  }
}

}  // namespace
}  // namespace openhpu::hal::abi::gaudi2
