// The queue manager's registers, as offsets in its block (4 KiB): four streams of PQ, CQ and upper
// CP, one lower CP with a CQ of its own and one that an ARC fills, the PQ completion unit (PQC),
// and an arbiter. Names, offsets and bits: the vendor's block_qman. Registers of the same name for
// every stream are one struct: PQ_PI::At(stream). Left out: user bits of bus accesses, clock gating
// and protection, which software above the kernel never addresses.
#ifndef HAL_ABI_GAUDI2_QMAN_H_
#define HAL_ABI_GAUDI2_QMAN_H_

#include <cstdint>

#include "hal/abi/register.h"
#include "hal/base/field.h"

namespace openhpu::hal::abi::gaudi2::qman {

inline constexpr int kNumStreams = 4;  // upper CPs, one a stream
inline constexpr int kLowerCp = 4;     // index of the lower CP and of its CQ
inline constexpr int kNumCps = 5;
inline constexpr int kNumFences = 4;    // counters of each CP; the kernel's own waits use fence 2
inline constexpr int kNumMsgBases = 4;  // of MSG_SHORT
inline constexpr int kNumWreg64Bases = 16;

// A WREG reaches a window of 64 KiB: from it on the ARC's memory and registers, then the QMAN, then
// the engine's own block (DMA core, TPC configuration, MME control).
inline constexpr uint32_t kWregWindowBytes = 0x10000;
inline constexpr uint32_t kWregBase = 0xA000;        // of the QMAN
inline constexpr uint32_t kWregBytes = 0x1000;       // LOCAL_RANGE_BASE and _SIZE after reset
inline constexpr uint32_t kEngineWregBase = 0xB000;  // of the engine

// What the kernel programs as message bases of every CP, so that MSG_SHORT reaches manager 0:
// recollected, as on Gaudi. CONFIG and STATUS of monitors are within 64 KiB of the first.
inline constexpr uint32_t kMonitorMsgBase = 0;  // MON_PAY_ADDRL of monitor 0
inline constexpr uint32_t kSobMsgBase = 1;      // SOB_OBJ 0

// Enables: one bit a stream; of CQ and CP bit 4 is the lower one; last the CQ of the ARC.
struct GLBL_CFG0 : Register<0x0> {
  using PQF_EN = Field<uint32_t, 0, 4>;
  using CQF_EN = Field<uint32_t, 4, 5>;
  using CP_EN = Field<uint32_t, 9, 5>;
  using ARC_CQF_EN = Field<uint32_t, 14, 1>;
};
// Stops and flushes, the same bits.
struct GLBL_CFG1 : Register<0x4> {
  using PQF_STOP = Field<uint32_t, 0, 4>;
  using CQF_STOP = Field<uint32_t, 4, 5>;
  using CP_STOP = Field<uint32_t, 9, 5>;
  using PQF_FLUSH = Field<uint32_t, 16, 4>;
  using CQF_FLUSH = Field<uint32_t, 20, 5>;
  using CP_FLUSH = Field<uint32_t, 25, 5>;
};
struct GLBL_CFG2 : Register<0x8> {
  using ARC_CQF_STOP = Field<uint32_t, 0, 1>;
  using ARC_CQF_FLUSH = Field<uint32_t, 1, 1>;
  using ARC_HBW_AWUSER_OVRD = Field<uint32_t, 4, 1>;
  using ARC_HBW_ARUSER_OVRD = Field<uint32_t, 5, 1>;
  using ARC_LBW_AWUSER_OVRD = Field<uint32_t, 6, 1>;
  using ARC_LBW_ARUSER_OVRD = Field<uint32_t, 7, 1>;
  using ARC_HBW_AWPROT_OVRD = Field<uint32_t, 8, 1>;
  using ARC_HBW_ARPROT_OVRD = Field<uint32_t, 9, 1>;
  using ARC_LBW_AWPROT_OVRD = Field<uint32_t, 10, 1>;
  using ARC_LBW_ARPROT_OVRD = Field<uint32_t, 11, 1>;
  using ARC_HBW_AWCACHE_OVRD = Field<uint32_t, 12, 1>;
  using ARC_HBW_ARCACHE_OVRD = Field<uint32_t, 13, 1>;
  using ARC_LBW_AWCACHE_OVRD = Field<uint32_t, 14, 1>;
  using ARC_LBW_ARCACHE_OVRD = Field<uint32_t, 15, 1>;
  using ARC_LBW_BUSER_OVRD = Field<uint32_t, 16, 1>;
};
// What stops a unit, and what sends a message, on an error.
struct GLBL_ERR_CFG : Register<0xc> {
  using PQF_ERR_MSG_EN = Field<uint32_t, 0, 4>;
  using CQF_ERR_MSG_EN = Field<uint32_t, 4, 5>;
  using CP_ERR_MSG_EN = Field<uint32_t, 9, 5>;
  using PQF_STOP_ON_ERR = Field<uint32_t, 16, 4>;
  using CQF_STOP_ON_ERR = Field<uint32_t, 20, 5>;
  using CP_STOP_ON_ERR = Field<uint32_t, 25, 5>;
  using ARB_STOP_ON_ERR = Field<uint32_t, 31, 1>;
};
struct GLBL_ERR_CFG1 : Register<0x10> {
  using CQF_ERR_MSG_EN = Field<uint32_t, 0, 1>;
  using CQF_STOP_ON_ERR = Field<uint32_t, 1, 1>;
  using ARC_STOP_ON_ERR = Field<uint32_t, 2, 1>;
};
struct GLBL_ERR_ARC_HALT_EN : Register<0x14> {
  using ERR_IND = Field<uint32_t, 0, 24>;
};
struct GLBL_AXCACHE : Register<0x18> {
  using HBW_AR = Field<uint32_t, 0, 4>;
  using HBW_AW = Field<uint32_t, 16, 4>;
  using LBW_AW = Field<uint32_t, 20, 4>;
  using LBW_AR = Field<uint32_t, 24, 4>;
};
// All idle is 0x3FFF in the low half.
struct GLBL_STS0 : Register<0x1c> {
  using PQF_IDLE = Field<uint32_t, 0, 4>;
  using CQF_IDLE = Field<uint32_t, 4, 5>;
  using CP_IDLE = Field<uint32_t, 9, 5>;
  using PQF_IS_STOP = Field<uint32_t, 16, 4>;
  using CQF_IS_STOP = Field<uint32_t, 20, 5>;
  using CP_IS_STOP = Field<uint32_t, 25, 5>;
  using ARB_IS_STOP = Field<uint32_t, 31, 1>;
};
struct GLBL_STS1 : Register<0x20> {
  using ARC_CQF_IDLE = Field<uint32_t, 0, 1>;
  using ARC_CQF_IS_STOP = Field<uint32_t, 1, 1>;
};
// Errors that a CP and its CQ raise.
struct CpErrors {
  using CQF_RD_ERR = Field<uint32_t, 1, 1>;
  using CP_RD_ERR = Field<uint32_t, 2, 1>;
  using CP_UNDEF_CMD_ERR = Field<uint32_t, 3, 1>;
  using CP_STOP_OP = Field<uint32_t, 4, 1>;
  using CP_MSG_WR_ERR = Field<uint32_t, 5, 1>;
  using CP_WREG_ERR = Field<uint32_t, 6, 1>;
  using CP_FENCE0_OVF_ERR = Field<uint32_t, 8, 1>;
  using CP_FENCE1_OVF_ERR = Field<uint32_t, 9, 1>;
  using CP_FENCE2_OVF_ERR = Field<uint32_t, 10, 1>;
  using CP_FENCE3_OVF_ERR = Field<uint32_t, 11, 1>;
  using CP_FENCE0_UDF_ERR = Field<uint32_t, 12, 1>;
  using CP_FENCE1_UDF_ERR = Field<uint32_t, 13, 1>;
  using CP_FENCE2_UDF_ERR = Field<uint32_t, 14, 1>;
  using CP_FENCE3_UDF_ERR = Field<uint32_t, 15, 1>;
  using CPDMA_UP_OVF_ERR = Field<uint32_t, 16, 1>;
};
// And those of a stream: of its PQ and PQC.
struct StreamErrors : CpErrors {
  using PQF_RD_ERR = Field<uint32_t, 0, 1>;
  using PQC_L2H_ERR = Field<uint32_t, 17, 1>;
};
// And those of the lower CP: of what tells the ARC, and of the ARC's CQ.
struct LowerErrors : CpErrors {
  using CQ_WR_IFIFO_CI_ERR = Field<uint32_t, 18, 1>;
  using CQ_WR_CTL_CI_ERR = Field<uint32_t, 19, 1>;
  using ARC_CQF_RD_ERR = Field<uint32_t, 20, 1>;
  using ARC_CQ_WR_IFIFO_CI_ERR = Field<uint32_t, 21, 1>;
  using ARC_CQ_WR_CTL_CI_ERR = Field<uint32_t, 22, 1>;
  using ARC_AXI_ERR = Field<uint32_t, 23, 1>;
  using CP_SWITCH_WDT_ERR = Field<uint32_t, 24, 1>;
};
struct GLBL_ERR_STS : Register<0x24, 4>, StreamErrors {};
struct GLBL_ERR_STS_4 : Register<0x34>, LowerErrors {};
// Which errors send a message, the same bits.
struct GLBL_ERR_MSG_EN : Register<0x38, 4>, StreamErrors {};
struct GLBL_ERR_MSG_EN_4 : Register<0x48>, LowerErrors {};
struct GLBL_PROT : Register<0x4c> {
  using PQF = Field<uint32_t, 0, 4>;
  using CQF = Field<uint32_t, 4, 5>;
  using CP = Field<uint32_t, 9, 5>;
  using ERR = Field<uint32_t, 14, 1>;
  using ARB = Field<uint32_t, 15, 1>;
  using PQC = Field<uint32_t, 16, 1>;
  using CQ_IFIFO_MSG = Field<uint32_t, 17, 1>;
  using ARC_CQ_IFIFO_MSG = Field<uint32_t, 18, 1>;
  using CQ_CTL_MSG = Field<uint32_t, 19, 1>;
  using ARC_CQ_CTL_MSG = Field<uint32_t, 20, 1>;
  using CP_WR_ARC = Field<uint32_t, 21, 1>;
  using ARC_CQF = Field<uint32_t, 22, 1>;
  using ARC_CORE = Field<uint32_t, 23, 1>;
};
struct PQ_BASE_LO : Register<0x50, 4> {};
struct PQ_BASE_HI : Register<0x60, 4> {};
// log2 of the entries.
struct PQ_SIZE : Register<0x70, 4> {
  using VAL = Field<uint32_t, 0, 5>;
};
// Counts to twice the length: the bit above the index is the wrap. Writing it is the doorbell.
struct PQ_PI : Register<0x80, 4> {};
struct PQ_CI : Register<0x90, 4> {};
struct PQ_CFG0 : Register<0xa0, 4> {
  using FORCE_STALL = Field<uint32_t, 0, 1>;
};
struct PQ_CFG1 : Register<0xb0, 4> {
  using CREDIT_LIM = Field<uint32_t, 0, 8>;
  using MAX_INFLIGHT = Field<uint32_t, 16, 8>;
};
struct PQ_STS0 : Register<0xc0, 4> {
  using CREDIT_CNT = Field<uint32_t, 0, 8>;
  using FREE_CNT = Field<uint32_t, 8, 8>;
  using INFLIGHT_CNT = Field<uint32_t, 16, 8>;
};
struct PQ_STS1 : Register<0xd0, 4> {
  using BUF_EMPTY = Field<uint32_t, 0, 1>;
  using BUSY = Field<uint32_t, 1, 1>;
};
struct CQ_CFG0 : Register<0xe0, 5> {
  using IF_B2B_EN = Field<uint32_t, 0, 1>;
  using IF_MSG_EN = Field<uint32_t, 1, 1>;
  using CTL_MSG_EN = Field<uint32_t, 2, 1>;
};
struct CQ_STS0 : Register<0xf4, 5> {
  using CREDIT_CNT = Field<uint32_t, 0, 8>;
  using FREE_CNT = Field<uint32_t, 8, 8>;
  using INFLIGHT_CNT = Field<uint32_t, 16, 8>;
};
struct CQ_CFG1 : Register<0x108, 5> {
  using CREDIT_LIM = Field<uint32_t, 0, 8>;
  using MAX_INFLIGHT = Field<uint32_t, 16, 8>;
};
struct CQ_STS1 : Register<0x11c, 5> {
  using BUF_EMPTY = Field<uint32_t, 0, 1>;
  using BUSY = Field<uint32_t, 1, 1>;
};
// The descriptor of CQ s: pointer, bytes and control, 16 bytes a CQ. CP_DMA writes these: of CQ 4
// for the lower CP, of the stream's own with UPPER_CP.
struct CQ_PTR_LO : Register<0x150, 5, 16> {};
struct CQ_PTR_HI : Register<0x154, 5, 16> {};
// Bytes; writing it starts the fetch.
struct CQ_TSIZE : Register<0x158, 5, 16> {};
struct CQ_CTL : Register<0x15c, 5, 16> {
  using UP = Field<uint32_t, 28, 4>;
};
struct CQ_TSIZE_STS : Register<0x1a0, 5> {};
struct CQ_PTR_LO_STS : Register<0x1b4, 5> {};
struct CQ_PTR_HI_STS : Register<0x1c8, 5> {};
struct CQ_IFIFO_STS : Register<0x1dc, 5> {
  using CNT = Field<uint32_t, 0, 3>;
  using RDY = Field<uint32_t, 4, 1>;
  using CTL_STALL = Field<uint32_t, 8, 1>;
};
// What MSG_SHORT adds its offset to, by BASE.
struct CP_MSG_BASE0_ADDR_LO : Register<0x1f0, 5> {};
struct CP_MSG_BASE0_ADDR_HI : Register<0x204, 5> {};
struct CP_MSG_BASE1_ADDR_LO : Register<0x218, 5> {};
struct CP_MSG_BASE1_ADDR_HI : Register<0x22c, 5> {};
struct CP_MSG_BASE2_ADDR_LO : Register<0x240, 5> {};
struct CP_MSG_BASE2_ADDR_HI : Register<0x254, 5> {};
struct CP_MSG_BASE3_ADDR_LO : Register<0x268, 5> {};
struct CP_MSG_BASE3_ADDR_HI : Register<0x27c, 5> {};
// Writing v adds v to the counter of fence 0 of that CP.
struct CP_FENCE0_RDATA : Register<0x290, 5> {
  using INC_VAL = Field<uint32_t, 0, 4>;
};
struct CP_FENCE1_RDATA : Register<0x2a4, 5> {
  using INC_VAL = Field<uint32_t, 0, 4>;
};
struct CP_FENCE2_RDATA : Register<0x2b8, 5> {
  using INC_VAL = Field<uint32_t, 0, 4>;
};
struct CP_FENCE3_RDATA : Register<0x2cc, 5> {
  using INC_VAL = Field<uint32_t, 0, 4>;
};
// The counter; overflow and underflow are errors in GLBL_ERR_STS.
struct CP_FENCE0_CNT : Register<0x2e0, 5> {
  using VAL = Field<uint32_t, 0, 14>;
};
struct CP_FENCE1_CNT : Register<0x2f4, 5> {
  using VAL = Field<uint32_t, 0, 14>;
};
struct CP_FENCE2_CNT : Register<0x308, 5> {
  using VAL = Field<uint32_t, 0, 14>;
};
struct CP_FENCE3_CNT : Register<0x31c, 5> {
  using VAL = Field<uint32_t, 0, 14>;
};
// Guard cycles of the engine barrier; 0x28 after reset.
struct CP_BARRIER_CFG : Register<0x330> {
  using EBGUARD = Field<uint32_t, 0, 12>;
  using RBGUARD = Field<uint32_t, 16, 4>;
};
// Where LIN_DMA writes source, destination and size, as WREG offsets: the DMA core's context.
struct CP_LDMA_SRC_BASE_LO_OFFSET : Register<0x334> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct CP_LDMA_DST_BASE_LO_OFFSET : Register<0x338> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct CP_LDMA_TSIZE_OFFSET : Register<0x33c> {
  using VAL = Field<uint32_t, 0, 16>;
};
// Where CP_DMA writes, as a WREG offset, by CQ.
struct CP_CQ_PTR_LO_OFFSET : Register<0x340, 5> {
  using VAL = Field<uint32_t, 0, 16>;
};
// ERDY, MRDY: the engine and message barriers would pass. CUR_CQ: which of its two CQs the lower
// CP reads (inferred).
struct CP_STS : Register<0x368, 5> {
  using MSG_INFLIGHT_CNT = Field<uint32_t, 0, 8>;
  using ERDY = Field<uint32_t, 8, 1>;
  using SWITCH_EN = Field<uint32_t, 9, 1>;
  using MRDY = Field<uint32_t, 10, 1>;
  using SW_STOP = Field<uint32_t, 11, 1>;
  using FENCE_ID = Field<uint32_t, 12, 2>;
  using FENCE_IN_PROGRESS = Field<uint32_t, 14, 1>;
  using FENCE_TARGET = Field<uint32_t, 16, 14>;
  using CUR_CQ = Field<uint32_t, 30, 1>;
};
struct CP_CURRENT_INST_LO : Register<0x37c, 5> {};
struct CP_CURRENT_INST_HI : Register<0x390, 5> {};
// The predicates of a CP: bit 0 is always 1. LOAD_AND_EXE loads them.
struct CP_PRED : Register<0x3a4, 5> {};
struct CP_PRED_UPEN : Register<0x3b8, 5> {};
struct CP_DBG_0 : Register<0x3cc, 5> {
  using CS = Field<uint32_t, 0, 5>;
  using EB_CNT_NOT_ZERO = Field<uint32_t, 5, 1>;
  using BULK_CNT_NOT_ZERO = Field<uint32_t, 6, 1>;
  using MREB_STALL = Field<uint32_t, 7, 1>;
  using STALL = Field<uint32_t, 8, 1>;
};
struct CP_CPDMA_UP_CRED : Register<0x3e0, 5> {
  using TH = Field<uint32_t, 0, 2>;
  using VAL = Field<uint32_t, 8, 2>;
};
struct CP_IN_DATA_LO : Register<0x3f4, 5> {};
struct CP_IN_DATA_HI : Register<0x408, 5> {};
// Completion of a queue entry (PqEntry): the PQC writes the entry's COMPLETION_DATA to a ring in
// memory, of PQC_SIZE entries at PQC_HBW_BASE, and PQC_LBW_WDATA to the sync object at PQC_LBW_BASE
// + 4 * COMPLETION_OFFSET.
struct PQC_HBW_BASE_LO : Register<0x41c, 4> {};
struct PQC_HBW_BASE_HI : Register<0x42c, 4> {};
struct PQC_SIZE : Register<0x43c, 4> {};
struct PQC_PI : Register<0x44c, 4> {};
struct PQC_LBW_WDATA : Register<0x45c, 4> {};
struct PQC_LBW_BASE_LO : Register<0x46c, 4> {};
struct PQC_LBW_BASE_HI : Register<0x47c, 4> {};
struct PQC_CFG : Register<0x48c> {
  using EN = Field<uint32_t, 0, 1>;
  using DIRECT = Field<uint32_t, 4, 1>;
};
struct PQC_SECURE_PUSH_IND : Register<0x490> {
  using CP_NUM = Field<uint32_t, 0, 2>;
};
struct ARB_MASK : Register<0x4a0> {
  using VAL = Field<uint32_t, 0, 4>;
};
// PRIO_TYPE 0 priority, 1 weighted round robin.
struct ARB_CFG_0 : Register<0x4a4> {
  using PRIO_TYPE = Field<uint32_t, 0, 1>;
  using IS_MASTER = Field<uint32_t, 4, 1>;
  using EN = Field<uint32_t, 8, 1>;
  using MST_MSG_NOSTALL = Field<uint32_t, 9, 1>;
};
struct ARB_CHOICE_Q_PUSH : Register<0x4a8> {
  using VAL = Field<uint32_t, 0, 2>;
};
struct ARB_WRR_WEIGHT : Register<0x4ac, 4> {
  using VAL = Field<uint32_t, 0, 8>;
};
// Clears the arbiter.
struct ARB_CFG_1 : Register<0x4bc> {
  using CLR = Field<uint32_t, 0, 1>;
};
struct ARB_MST_AVAIL_CRED : Register<0x4c0, 64> {
  using VAL = Field<uint32_t, 0, 7>;
};
struct ARB_MST_CRED_INC : Register<0x5e0> {};
struct ARB_MST_CHOICE_PUSH_OFST : Register<0x5e4, 64> {};
struct ARB_SLV_MASTER_INC_CRED_OFST : Register<0x704> {};
struct ARB_MST_SLAVE_EN : Register<0x708> {};
struct ARB_MST_SLAVE_EN_1 : Register<0x70c> {};
struct ARB_SLV_CHOICE_WDT : Register<0x710> {};
struct ARB_SLV_ID : Register<0x714> {
  using VAL = Field<uint32_t, 0, 7>;
};
struct ARB_MST_QUIET_PER : Register<0x718> {};
struct ARB_MSG_MAX_INFLIGHT : Register<0x744> {
  using VAL = Field<uint32_t, 0, 6>;
};
struct ARB_BASE_LO : Register<0x754> {};
struct ARB_BASE_HI : Register<0x758> {};
struct ARB_STATE_STS : Register<0x780> {};
struct ARB_CHOICE_FULLNESS_STS : Register<0x784> {
  using VAL = Field<uint32_t, 0, 7>;
};
struct ARB_MSG_STS : Register<0x788> {
  using FULL = Field<uint32_t, 0, 1>;
  using NO_INFLIGHT = Field<uint32_t, 1, 1>;
};
struct ARB_SLV_CHOICE_Q_HEAD : Register<0x78c> {
  using VAL = Field<uint32_t, 0, 2>;
};
struct ARB_ERR_CAUSE : Register<0x79c> {
  using CHOICE_OVF = Field<uint32_t, 0, 1>;
  using CHOICE_WDT = Field<uint32_t, 1, 1>;
  using AXI_LBW_ERR = Field<uint32_t, 2, 1>;
};
struct ARB_ERR_MSG_EN : Register<0x7a0> {
  using CHOICE_OVF = Field<uint32_t, 0, 1>;
  using CHOICE_WDT = Field<uint32_t, 1, 1>;
  using AXI_LBW_ERR = Field<uint32_t, 2, 1>;
};
struct ARB_ERR_STS_DRP : Register<0x7a8> {
  using VAL = Field<uint32_t, 0, 2>;
};
struct ARB_MST_CRED_STS : Register<0x7b0> {
  using VAL = Field<uint32_t, 0, 7>;
  using IDX = Field<uint32_t, 24, 5>;
};
struct ARB_MST_CRED_STS_1 : Register<0x7b4> {
  using VAL = Field<uint32_t, 0, 7>;
  using IDX = Field<uint32_t, 24, 5>;
};
struct CSMR_STRICT_PRIO_CFG : Register<0x7fc> {
  using ARB_TYPE = Field<uint32_t, 0, 1>;
  using PER_ENTRY = Field<uint32_t, 4, 1>;
};
// The CQ that the ARC fills, a second source of the lower CP.
struct ARC_CQ_CFG0 : Register<0x800> {
  using IF_B2B_EN = Field<uint32_t, 0, 1>;
  using IF_MSG_EN = Field<uint32_t, 1, 1>;
  using CTL_MSG_EN = Field<uint32_t, 2, 1>;
};
struct ARC_CQ_CFG1 : Register<0x804> {
  using CREDIT_LIM = Field<uint32_t, 0, 8>;
  using MAX_INFLIGHT = Field<uint32_t, 16, 8>;
};
struct ARC_CQ_PTR_LO : Register<0x808> {};
struct ARC_CQ_PTR_HI : Register<0x80c> {};
struct ARC_CQ_TSIZE : Register<0x810> {};
struct ARC_CQ_CTL : Register<0x814> {
  using UP = Field<uint32_t, 28, 4>;
};
struct ARC_CQ_IFIFO_STS : Register<0x81c> {
  using CNT = Field<uint32_t, 0, 3>;
  using RDY = Field<uint32_t, 4, 1>;
  using CTL_STALL = Field<uint32_t, 8, 1>;
};
struct ARC_CQ_STS0 : Register<0x820> {
  using CREDIT_CNT = Field<uint32_t, 0, 8>;
  using FREE_CNT = Field<uint32_t, 8, 8>;
  using INFLIGHT_CNT = Field<uint32_t, 16, 8>;
};
struct ARC_CQ_STS1 : Register<0x824> {
  using BUF_EMPTY = Field<uint32_t, 0, 1>;
  using BUSY = Field<uint32_t, 1, 1>;
};
struct ARC_CQ_TSIZE_STS : Register<0x828> {};
struct ARC_CQ_PTR_LO_STS : Register<0x82c> {};
struct ARC_CQ_PTR_HI_STS : Register<0x830> {};
struct CP_WR_ARC_ADDR_HI : Register<0x834> {};
struct CP_WR_ARC_ADDR_LO : Register<0x838> {};
struct ARC_CQ_IFIFO_MSG_BASE_HI : Register<0x83c> {};
struct ARC_CQ_IFIFO_MSG_BASE_LO : Register<0x840> {};
struct ARC_CQ_CTL_MSG_BASE_HI : Register<0x844> {};
struct ARC_CQ_CTL_MSG_BASE_LO : Register<0x848> {};
struct CQ_IFIFO_MSG_BASE_HI : Register<0x84c> {};
struct CQ_IFIFO_MSG_BASE_LO : Register<0x850> {};
struct CQ_CTL_MSG_BASE_HI : Register<0x854> {};
struct CQ_CTL_MSG_BASE_LO : Register<0x858> {};
struct ADDR_OVRD : Register<0x85c> {
  using IDX = Field<uint32_t, 0, 8>;
};
// Consumer indices of the CQs' FIFOs.
struct CQ_IFIFO_CI : Register<0x860, 5> {};
struct ARC_CQ_IFIFO_CI : Register<0x874> {};
struct CQ_CTL_CI : Register<0x878, 5> {};
struct ARC_CQ_CTL_CI : Register<0x88c> {};
// Lets the lower CP switch between CQ 4 and the ARC's.
struct CP_CFG : Register<0x890> {
  using SWITCH_EN = Field<uint32_t, 0, 1>;
  using SWITCH_WD_EN = Field<uint32_t, 1, 1>;
};
struct CP_EXT_SWITCH : Register<0x894> {
  using VAL = Field<uint32_t, 0, 1>;
};
struct CP_SWITCH_WD_SET : Register<0x898> {};
struct CP_SWITCH_WD : Register<0x89c> {};
struct ARC_LB_ADDR_BASE_LO : Register<0x8a4> {};
struct ARC_LB_ADDR_BASE_HI : Register<0x8a8> {};
struct ENGINE_BASE_ADDR_HI : Register<0x8ac> {};
struct ENGINE_BASE_ADDR_LO : Register<0x8b0> {};
struct ENGINE_ADDR_RANGE_SIZE : Register<0x8b4> {};
struct QM_ARC_AUX_BASE_ADDR_HI : Register<0x8b8> {};
struct QM_ARC_AUX_BASE_ADDR_LO : Register<0x8bc> {};
// Where this QMAN is.
struct QM_BASE_ADDR_HI : Register<0x8c0> {};
struct QM_BASE_ADDR_LO : Register<0x8c4> {};
struct ARC_PQC_SECURE_PUSH_IND : Register<0x8c8> {
  using CP_NUM = Field<uint32_t, 0, 2>;
};
struct PQC_STS_0 : Register<0x8d0, 4> {
  using COMP_DATA = Field<uint32_t, 0, 16>;
  using COMP_OFST = Field<uint32_t, 16, 16>;
};
struct PQC_STS_1 : Register<0x8e0, 4> {
  using COMP_FIFO_CNTR = Field<uint32_t, 0, 4>;
  using COMP_FIFO_EMPTY = Field<uint32_t, 4, 1>;
  using COMP_FIFO_FULL = Field<uint32_t, 5, 1>;
};
struct SEI_STATUS : Register<0x8f0> {
  using QM_INT = Field<uint32_t, 0, 1>;
  using ARC_INT = Field<uint32_t, 1, 1>;
};
struct SEI_MASK : Register<0x8f4> {
  using QM_INT = Field<uint32_t, 0, 1>;
  using ARC_INT = Field<uint32_t, 1, 1>;
};
// What WREG_64_SHORT and WREG_64_LONG add their offset to: 16 of 64 bits, low word first.
struct QMAN_WR64_BASE_ADDR : Register<0x900, 16, 8> {};
struct GLBL_ERR_ADDR_LO : Register<0xd00> {};
struct GLBL_ERR_ADDR_HI : Register<0xd04> {};
struct GLBL_ERR_WDATA : Register<0xd08> {};
struct L2H_MASK_LO : Register<0xd14> {
  using VAL = Field<uint32_t, 20, 12>;
};
struct L2H_MASK_HI : Register<0xd18> {};
struct L2H_CMPR_LO : Register<0xd1c> {
  using VAL = Field<uint32_t, 20, 12>;
};
struct L2H_CMPR_HI : Register<0xd20> {};
// WREG offsets in [base, base + size) are the QMAN's own: 0xA000 and 0x1000 after reset.
struct LOCAL_RANGE_BASE : Register<0xd24> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct LOCAL_RANGE_SIZE : Register<0xd28> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct HBW_RD_RATE_LIM_CFG_1 : Register<0xd30> {
  using TOUT = Field<uint32_t, 0, 8>;
  using EN = Field<uint32_t, 31, 1>;
};
struct LBW_WR_RATE_LIM_CFG_0 : Register<0xd34> {
  using RST_TOKEN = Field<uint32_t, 0, 8>;
  using SAT = Field<uint32_t, 16, 8>;
};
struct LBW_WR_RATE_LIM_CFG_1 : Register<0xd38> {
  using TOUT = Field<uint32_t, 0, 8>;
  using EN = Field<uint32_t, 31, 1>;
};
struct HBW_RD_RATE_LIM_CFG_0 : Register<0xd3c> {
  using RST_TOKEN = Field<uint32_t, 0, 8>;
  using SAT = Field<uint32_t, 16, 8>;
};
struct IND_GW_APB_CFG : Register<0xd40> {
  using ADDR = Field<uint32_t, 0, 31>;
  using CMD = Field<uint32_t, 31, 1>;
};
struct IND_GW_APB_WDATA : Register<0xd44> {};
struct IND_GW_APB_RDATA : Register<0xd48> {};
struct IND_GW_APB_STATUS : Register<0xd4c> {
  using RDY = Field<uint32_t, 0, 1>;
  using ERR = Field<uint32_t, 1, 1>;
};
// Cycles since reset, and idle cycles.
struct PERF_CNT_FREE_LO : Register<0xd60> {};
struct PERF_CNT_FREE_HI : Register<0xd64> {};
struct PERF_CNT_IDLE_LO : Register<0xd68> {};
struct PERF_CNT_IDLE_HI : Register<0xd6c> {};
struct PERF_CNT_CFG : Register<0xd70> {
  using PQ_MASK = Field<uint32_t, 0, 4>;
  using CQ_MASK = Field<uint32_t, 8, 5>;
  using CP_MASK = Field<uint32_t, 16, 5>;
  using AGENT_MASK = Field<uint32_t, 24, 1>;
  using EN_FREE = Field<uint32_t, 30, 1>;
  using EN_IDLE = Field<uint32_t, 31, 1>;
};

// The same by number of the fence or base.
constexpr uint32_t CpFenceRdata(int fence, int cp) {
  return CP_FENCE0_RDATA::At(cp) + (CP_FENCE1_RDATA::kOffset - CP_FENCE0_RDATA::kOffset) * fence;
}
constexpr uint32_t CpFenceCnt(int fence, int cp) {
  return CP_FENCE0_CNT::At(cp) + (CP_FENCE1_CNT::kOffset - CP_FENCE0_CNT::kOffset) * fence;
}
constexpr uint32_t CpMsgBaseAddrLo(int base, int cp) {
  return CP_MSG_BASE0_ADDR_LO::At(cp) +
         (CP_MSG_BASE1_ADDR_LO::kOffset - CP_MSG_BASE0_ADDR_LO::kOffset) * base;
}
constexpr uint32_t CpMsgBaseAddrHi(int base, int cp) {
  return CP_MSG_BASE0_ADDR_HI::At(cp) +
         (CP_MSG_BASE1_ADDR_HI::kOffset - CP_MSG_BASE0_ADDR_HI::kOffset) * base;
}
static_assert(CpFenceRdata(3, 0) == CP_FENCE3_RDATA::kOffset);
static_assert(CpFenceCnt(3, 0) == CP_FENCE3_CNT::kOffset);
static_assert(CpMsgBaseAddrLo(3, 0) == CP_MSG_BASE3_ADDR_LO::kOffset);
static_assert(CpMsgBaseAddrHi(3, 0) == CP_MSG_BASE3_ADDR_HI::kOffset);

// The WREG offset that feeds CQ `cq`: what CP_CQ_PTR_LO_OFFSET holds after reset.
constexpr uint32_t CqPtrLoWreg(int cq) { return kWregBase + CQ_PTR_LO::At(cq); }
static_assert(CqPtrLoWreg(kLowerCp) == 0xA190);

// One entry of a PQ: a buffer of commands, and what the QMAN writes when the entry is done.
struct PqEntry {
  using COMPLETION_DATA = Field<uint32_t, 0, 16>;     // ctl: the producer index
  using COMPLETION_OFFSET = Field<uint32_t, 16, 12>;  // ctl: the sync object, submission mod 64

  uint64_t address = 0;
  uint32_t bytes = 0;
  uint32_t ctl = 0;
};
static_assert(sizeof(PqEntry) == 16);
static_assert(PQC_STS_0::COMP_DATA::kMask == PqEntry::COMPLETION_DATA::kMask);

}  // namespace openhpu::hal::abi::gaudi2::qman

#endif  // HAL_ABI_GAUDI2_QMAN_H_
