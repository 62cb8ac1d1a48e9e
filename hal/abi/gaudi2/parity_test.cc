// Our constants against the kernel's own header: what two homes say must be the same.
#include <gtest/gtest.h>
#include <misc/habanalabs.h>

#include "hal/abi/gaudi2/queue_ids.h"
#include "hal/abi/gaudi2/submission.h"
#include "hal/driver.h"

namespace openhpu::hal::abi::gaudi2 {
namespace {

static_assert(kNumQueues == GAUDI2_QUEUE_ID_SIZE);
static_assert(kCpuQueue == GAUDI2_QUEUE_ID_CPU_PQ);
static_assert(PdmaQueue(0, 0) == GAUDI2_QUEUE_ID_PDMA_0_0);
static_assert(PdmaQueue(1, 3) == GAUDI2_QUEUE_ID_PDMA_1_3);
static_assert(EdmaQueue(0, 0, 0) == GAUDI2_QUEUE_ID_DCORE0_EDMA_0_0);
static_assert(EdmaQueue(3, 1, 3) == GAUDI2_QUEUE_ID_DCORE3_EDMA_1_3);
static_assert(MmeQueue(0, 0) == GAUDI2_QUEUE_ID_DCORE0_MME_0_0);
static_assert(MmeQueue(2, 3) == GAUDI2_QUEUE_ID_DCORE2_MME_0_3);
static_assert(TpcQueue(0, 6, 3) == GAUDI2_QUEUE_ID_DCORE0_TPC_6_3);
static_assert(TpcQueue(1, 0, 0) == GAUDI2_QUEUE_ID_DCORE1_TPC_0_0);
static_assert(TpcQueue(3, 5, 3) == GAUDI2_QUEUE_ID_DCORE3_TPC_5_3);
static_assert(NicQueue(0, 0) == GAUDI2_QUEUE_ID_NIC_0_0);
static_assert(NicQueue(23, 3) == GAUDI2_QUEUE_ID_NIC_23_3);
static_assert(RotatorQueue(1, 3) == GAUDI2_QUEUE_ID_ROT_1_3);
static_assert(kMaxCommandBufferBytes == HL_MAX_CB_SIZE);
static_assert(kMaxChunks == HL_MAX_JOBS_PER_CS);

TEST(Submission, AnEntrysControlWordNamesItsIndexAndItsSubmission) {
  EXPECT_EQ(EntryCtl(5, 0), 5u);
  EXPECT_EQ(EntryCtl(0x1FFF, 64 + 3), 3u << 16 | 0x1FFFu);
  EXPECT_EQ(CompletionSob(127), 63u);
}

}  // namespace
}  // namespace openhpu::hal::abi::gaudi2
