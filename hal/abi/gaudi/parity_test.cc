// Our constants against the kernel's own header: what two homes say must be the same.
#include <gtest/gtest.h>
#include <misc/habanalabs.h>

#include "hal/abi/gaudi/queue_ids.h"
#include "hal/abi/gaudi/submission.h"
#include "hal/chip.h"
#include "hal/driver.h"

namespace openhpu::hal::abi::gaudi {
namespace {

static_assert(kNumQueues == GAUDI_QUEUE_ID_SIZE);
static_assert(kCpuQueue == GAUDI_QUEUE_ID_CPU_PQ);
static_assert(DmaQueue(0, 0) == GAUDI_QUEUE_ID_DMA_0_0 && DmaQueue(0, 3) == GAUDI_QUEUE_ID_DMA_0_3);
static_assert(DmaQueue(1, 0) == GAUDI_QUEUE_ID_DMA_1_0 && DmaQueue(1, 3) == GAUDI_QUEUE_ID_DMA_1_3);
static_assert(DmaQueue(2, 0) == GAUDI_QUEUE_ID_DMA_2_0 && DmaQueue(2, 3) == GAUDI_QUEUE_ID_DMA_2_3);
static_assert(DmaQueue(3, 0) == GAUDI_QUEUE_ID_DMA_3_0 && DmaQueue(3, 3) == GAUDI_QUEUE_ID_DMA_3_3);
static_assert(DmaQueue(4, 0) == GAUDI_QUEUE_ID_DMA_4_0 && DmaQueue(4, 3) == GAUDI_QUEUE_ID_DMA_4_3);
static_assert(DmaQueue(5, 0) == GAUDI_QUEUE_ID_DMA_5_0 && DmaQueue(5, 3) == GAUDI_QUEUE_ID_DMA_5_3);
static_assert(DmaQueue(6, 0) == GAUDI_QUEUE_ID_DMA_6_0 && DmaQueue(6, 3) == GAUDI_QUEUE_ID_DMA_6_3);
static_assert(DmaQueue(7, 0) == GAUDI_QUEUE_ID_DMA_7_0 && DmaQueue(7, 3) == GAUDI_QUEUE_ID_DMA_7_3);
static_assert(MmeQueue(0, 0) == GAUDI_QUEUE_ID_MME_0_0 && MmeQueue(1, 3) == GAUDI_QUEUE_ID_MME_1_3);
static_assert(TpcQueue(0, 0) == GAUDI_QUEUE_ID_TPC_0_0 && TpcQueue(7, 3) == GAUDI_QUEUE_ID_TPC_7_3);
static_assert(NicQueue(0, 0) == GAUDI_QUEUE_ID_NIC_0_0 && NicQueue(9, 3) == GAUDI_QUEUE_ID_NIC_9_3);

static_assert(kMaxChunks == HL_MAX_JOBS_PER_CS);
static_assert(kMaxWaits == HL_WAIT_MULTI_CS_LIST_MAX_LEN);
static_assert(kMaxCommandBufferBytes == HL_MAX_CB_SIZE);

TEST(Parity, TheChipFileReservesWhatTheKernelReserves) {
  const absl::StatusOr<Chip> chip = LoadChip("gaudi");
  ASSERT_TRUE(chip.ok()) << chip.status();
  EXPECT_EQ(chip->sync().first_user_sob().value(),
            static_cast<uint64_t>(GAUDI_FIRST_AVAILABLE_W_S_SYNC_OBJECT));
  EXPECT_EQ(chip->sync().first_user_monitor().value(),
            static_cast<uint64_t>(GAUDI_FIRST_AVAILABLE_W_S_MONITOR));
  EXPECT_EQ(chip->address_map().sram_reserved_bytes().value(),
            static_cast<uint64_t>(GAUDI_DRIVER_SRAM_RESERVED_SIZE_FROM_START));
}

}  // namespace
}  // namespace openhpu::hal::abi::gaudi
