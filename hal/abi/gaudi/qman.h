// The queue manager's registers, as offsets in its block (4 KiB): four streams of PQ, CQ and upper
// CP, one lower CP, and an arbiter. Names, offsets and bits: the vendor's block_qman. Registers of
// the same name for every stream are one struct: PQ_PI::At(stream).
#ifndef HAL_ABI_GAUDI_QMAN_H_
#define HAL_ABI_GAUDI_QMAN_H_

#include <cstdint>

#include "hal/abi/register.h"
#include "hal/base/field.h"

namespace openhpu::hal::abi::gaudi::qman {

inline constexpr int kNumStreams = 4;  // upper CPs, one a stream
inline constexpr int kLowerCp = 4;     // index of the lower CP and of its CQ
inline constexpr int kNumCps = 5;
inline constexpr int kNumFences = 4;    // counters of each CP; the kernel's own waits use fence 2
inline constexpr int kNumMsgBases = 4;  // of MSG_SHORT

// A WREG whose offset is here reaches the QMAN (offset - kWregBase), not the engine:
// LOCAL_RANGE_BASE and _SIZE after reset.
inline constexpr uint32_t kWregBase = 0x8000;
inline constexpr uint32_t kWregBytes = 0x2000;

// Enables: one bit a stream; of CQ and CP bit 4 is the lower one. All on is 0x3FFF.
struct GLBL_CFG0 : Register<0x0> {
  using PQF_EN = Field<uint32_t, 0, 4>;
  using CQF_EN = Field<uint32_t, 4, 5>;
  using CP_EN = Field<uint32_t, 9, 5>;
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
// All idle is 0x3FFF in the low half.
struct GLBL_STS0 : Register<0x38> {
  using PQF_IDLE = Field<uint32_t, 0, 4>;
  using CQF_IDLE = Field<uint32_t, 4, 5>;
  using CP_IDLE = Field<uint32_t, 9, 5>;
  using PQF_IS_STOP = Field<uint32_t, 16, 4>;
  using CQF_IS_STOP = Field<uint32_t, 20, 5>;
  using CP_IS_STOP = Field<uint32_t, 25, 5>;
  using ARB_IS_STOP = Field<uint32_t, 31, 1>;
};
// Errors that a CP, its CQ and (of a stream) its PQ raise.
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
};
struct StreamErrors : CpErrors {
  using PQF_RD_ERR = Field<uint32_t, 0, 1>;
};
// Errors of streams 0 to 3; the lower CP has GLBL_STS1_4.
struct GLBL_STS1 : Register<0x40, 4>, StreamErrors {};
struct GLBL_STS1_4 : Register<0x50>, CpErrors {};
// Which errors send a message, the same bits.
struct GLBL_MSG_EN : Register<0x54, 4>, StreamErrors {};
struct GLBL_MSG_EN_4 : Register<0x68>, CpErrors {};
struct PQ_BASE_LO : Register<0x70, 4> {};
struct PQ_BASE_HI : Register<0x80, 4> {};
struct PQ_SIZE : Register<0x90, 4> {};  // log2 of the entries
// Counts to twice the length: the bit above the index is the wrap. Writing it is the doorbell.
struct PQ_PI : Register<0xa0, 4> {};
struct PQ_CI : Register<0xb0, 4> {};
struct PQ_CFG1 : Register<0xd0, 4> {
  using CREDIT_LIM = Field<uint32_t, 0, 16>;
  using MAX_INFLIGHT = Field<uint32_t, 16, 16>;
};
struct PQ_STS0 : Register<0xf0, 4> {
  using PQ_CREDIT_CNT = Field<uint32_t, 0, 16>;
  using PQ_FREE_CNT = Field<uint32_t, 16, 16>;
};
struct PQ_STS1 : Register<0x100, 4> {
  using PQ_INFLIGHT_CNT = Field<uint32_t, 0, 16>;
  using PQ_BUF_EMPTY = Field<uint32_t, 30, 1>;
  using PQ_BUSY = Field<uint32_t, 31, 1>;
};
struct CQ_CFG1 : Register<0x124, 5> {
  using CREDIT_LIM = Field<uint32_t, 0, 16>;
  using MAX_INFLIGHT = Field<uint32_t, 16, 16>;
};
struct CQ_STS0 : Register<0x14c, 5> {
  using CQ_CREDIT_CNT = Field<uint32_t, 0, 16>;
  using CQ_FREE_CNT = Field<uint32_t, 16, 16>;
};
struct CQ_STS1 : Register<0x160, 5> {
  using CQ_INFLIGHT_CNT = Field<uint32_t, 0, 16>;
  using CQ_BUF_EMPTY = Field<uint32_t, 30, 1>;
  using CQ_BUSY = Field<uint32_t, 31, 1>;
};
// The descriptor of CQ s: pointer, bytes and control, 16 bytes a CQ. The lower CP runs CQ 4: CP_DMA
// writes these.
struct CQ_PTR_LO : Register<0x174, 5, 16> {};
struct CQ_PTR_HI : Register<0x178, 5, 16> {};
struct CQ_TSIZE : Register<0x17c, 5, 16> {};  // bytes; writing it starts the fetch
struct CQ_CTL : Register<0x180, 5, 16> {
  using RPT = Field<uint32_t, 0, 16>;
  using CTL = Field<uint32_t, 16, 16>;
};
// What is running.
struct CQ_PTR_LO_STS : Register<0x1c4, 5> {};
struct CQ_PTR_HI_STS : Register<0x1d8, 5> {};
struct CQ_TSIZE_STS : Register<0x1ec, 5> {};
struct CQ_CTL_STS : Register<0x200, 5> {
  using RPT = Field<uint32_t, 0, 16>;
  using CTL = Field<uint32_t, 16, 16>;
};
struct CQ_IFIFO_CNT : Register<0x214, 5> {
  using VAL = Field<uint32_t, 0, 2>;
};
struct CP_MSG_BASE0_ADDR_LO : Register<0x228, 5> {};
struct CP_MSG_BASE0_ADDR_HI : Register<0x23c, 5> {};
struct CP_MSG_BASE1_ADDR_LO : Register<0x250, 5> {};
struct CP_MSG_BASE1_ADDR_HI : Register<0x264, 5> {};
struct CP_MSG_BASE2_ADDR_LO : Register<0x278, 5> {};
struct CP_MSG_BASE2_ADDR_HI : Register<0x28c, 5> {};
struct CP_MSG_BASE3_ADDR_LO : Register<0x2a0, 5> {};
struct CP_MSG_BASE3_ADDR_HI : Register<0x2b4, 5> {};
// Where CP_DMA and LIN_DMA write, as WREG offsets. The kernel sets them: see kCqPtrLo4Wreg.
struct CP_LDMA_TSIZE_OFFSET : Register<0x2c8, 5> {};
struct CP_LDMA_SRC_BASE_LO_OFFSET : Register<0x2e0, 5> {};
struct CP_LDMA_DST_BASE_LO_OFFSET : Register<0x2f4, 5> {};
// Writing v adds v to the counter of fence 0 of that CP.
struct CP_FENCE0_RDATA : Register<0x308, 5> {
  using INC_VAL = Field<uint32_t, 0, 4>;
};
struct CP_FENCE1_RDATA : Register<0x31c, 5> {
  using INC_VAL = Field<uint32_t, 0, 4>;
};
struct CP_FENCE2_RDATA : Register<0x330, 5> {
  using INC_VAL = Field<uint32_t, 0, 4>;
};
struct CP_FENCE3_RDATA : Register<0x344, 5> {
  using INC_VAL = Field<uint32_t, 0, 4>;
};
// The counter; overflow and underflow are errors in GLBL_STS1.
struct CP_FENCE0_CNT : Register<0x358, 5> {
  using VAL = Field<uint32_t, 0, 14>;
};
struct CP_FENCE1_CNT : Register<0x36c, 5> {
  using VAL = Field<uint32_t, 0, 14>;
};
struct CP_FENCE2_CNT : Register<0x380, 5> {
  using VAL = Field<uint32_t, 0, 14>;
};
struct CP_FENCE3_CNT : Register<0x394, 5> {
  using VAL = Field<uint32_t, 0, 14>;
};
// ERDY, RRDY, MRDY: the engine, register and message barriers would pass.
struct CP_STS : Register<0x3a8, 5> {
  using MSG_INFLIGHT_CNT = Field<uint32_t, 0, 16>;
  using ERDY = Field<uint32_t, 16, 1>;
  using RRDY = Field<uint32_t, 17, 1>;
  using MRDY = Field<uint32_t, 18, 1>;
  using SW_STOP = Field<uint32_t, 19, 1>;
  using FENCE_ID = Field<uint32_t, 20, 2>;
  using FENCE_IN_PROGRESS = Field<uint32_t, 22, 1>;
};
struct CP_CURRENT_INST_LO : Register<0x3bc, 5> {};
struct CP_CURRENT_INST_HI : Register<0x3d0, 5> {};
// Guard cycles of the barriers; the kernel sets 0x100.
struct CP_BARRIER_CFG : Register<0x3f4, 5> {
  using EBGUARD = Field<uint32_t, 0, 12>;
  using RBGUARD = Field<uint32_t, 16, 4>;
};
struct CP_DBG_0 : Register<0x408, 5> {
  using CS = Field<uint32_t, 0, 4>;
  using EB_CNT_NOT_ZERO = Field<uint32_t, 4, 1>;
  using BULK_CNT_NOT_ZERO = Field<uint32_t, 5, 1>;
  using MREB_STALL = Field<uint32_t, 6, 1>;
  using STALL = Field<uint32_t, 7, 1>;
};
// TYPE 0 priority, 1 weighted round robin.
struct ARB_CFG_0 : Register<0xa00> {
  using TYPE = Field<uint32_t, 0, 1>;
  using IS_MASTER = Field<uint32_t, 4, 1>;
  using EN = Field<uint32_t, 8, 1>;
  using MASK = Field<uint32_t, 12, 4>;
  using MST_MSG_NOSTALL = Field<uint32_t, 16, 1>;
};
struct ARB_CHOISE_Q_PUSH : Register<0xa04> {
  using VAL = Field<uint32_t, 0, 2>;
};
struct ARB_WRR_WEIGHT : Register<0xa08, 4> {};
// Clears the arbiter.
struct ARB_CFG_1 : Register<0xa18> {
  using CLR = Field<uint32_t, 0, 1>;
};
struct ARB_MST_QUIET_PER : Register<0xb34> {};
struct ARB_SLV_CHOISE_WDT : Register<0xb38> {};
struct ARB_BASE_LO : Register<0xb54> {};
struct ARB_BASE_HI : Register<0xb58> {};
struct ARB_STATE_STS : Register<0xb80> {};
struct ARB_CHOISE_FULLNESS_STS : Register<0xb84> {
  using VAL = Field<uint32_t, 0, 7>;
};
struct ARB_MSG_STS : Register<0xb88> {
  using FULL = Field<uint32_t, 0, 1>;
  using NO_INFLIGHT = Field<uint32_t, 1, 1>;
};
struct ARB_SLV_CHOISE_Q_HEAD : Register<0xb8c> {
  using VAL = Field<uint32_t, 0, 2>;
};
struct ARB_ERR_CAUSE : Register<0xb9c> {
  using CHOISE_OVF = Field<uint32_t, 0, 1>;
  using CHOISE_WDT = Field<uint32_t, 1, 1>;
  using AXI_LBW_ERR = Field<uint32_t, 2, 1>;
};
struct ARB_ERR_MSG_EN : Register<0xba0> {
  using CHOISE_OVF = Field<uint32_t, 0, 1>;
  using CHOISE_WDT = Field<uint32_t, 1, 1>;
  using AXI_LBW_ERR = Field<uint32_t, 2, 1>;
};
struct ARB_ERR_STS_DRP : Register<0xba8> {
  using VAL = Field<uint32_t, 0, 2>;
};
// WREG offsets in [base, base + size) are the QMAN's own; reset 0x8000, size 0x2000.
struct LOCAL_RANGE_BASE : Register<0xc80> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct LOCAL_RANGE_SIZE : Register<0xc84> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct GLBL_ERR_ADDR_LO : Register<0xcd0> {};
struct GLBL_ERR_ADDR_HI : Register<0xcd4> {};
struct GLBL_ERR_WDATA : Register<0xcd8> {};

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

// What the kernel writes to CP_LDMA_SRC_BASE_LO_OFFSET of TPC, MME and DMA alike, so that CP_DMA
// feeds CQ 4.
inline constexpr uint32_t kCqPtrLo4Wreg = kWregBase + CQ_PTR_LO::At(kLowerCp);
static_assert(kCqPtrLo4Wreg == 0x81B4);

// One entry of a PQ: a buffer of commands. CTL is 0 on internal queues.
struct PqEntry {
  using ShadowIndex = Field<uint32_t, 0, 12>;  // ctl, external queues: the kernel's job
  using RepeatValid = Field<uint32_t, 24, 1>;  // ctl

  uint64_t address = 0;
  uint32_t bytes = 0;
  uint32_t ctl = 0;
};
static_assert(sizeof(PqEntry) == 16);

}  // namespace openhpu::hal::abi::gaudi::qman

#endif  // HAL_ABI_GAUDI_QMAN_H_
