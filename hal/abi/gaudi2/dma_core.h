// The DMA core's registers, as offsets in its block: of PDMA, which reaches the host, and EDMA
// alike. A descriptor is what stands in the context (from SRC_TSIZE_0 on) when COMMIT is written;
// LIN_DMA writes the linear form. Names, offsets and bits: the vendor's block_dma_core and
// block_dma_core_ctx, which lies in it at kContext. Left out: bus user bits, clock gating,
// protection.
#ifndef HAL_ABI_GAUDI2_DMA_CORE_H_
#define HAL_ABI_GAUDI2_DMA_CORE_H_

#include <cstddef>
#include <cstdint>

#include "hal/abi/register.h"
#include "hal/base/field.h"

namespace openhpu::hal::abi::gaudi2::dma_core {

struct CFG_0 : Register<0x0> {
  using EN = Field<uint32_t, 0, 1>;
};
struct CFG_1 : Register<0x4> {
  using HALT = Field<uint32_t, 0, 1>;
  using FLUSH = Field<uint32_t, 1, 1>;
};
struct PROT : Register<0x8> {
  using VAL = Field<uint32_t, 0, 1>;
  using ERR_VAL = Field<uint32_t, 1, 1>;
};
struct CKG : Register<0xc> {
  using HBW_RBUF = Field<uint32_t, 0, 1>;
  using LBW_RBUF_KDMA = Field<uint32_t, 1, 1>;
  using TE = Field<uint32_t, 2, 1>;
};
struct RD_GLBL : Register<0x7c> {
  using LBW_VIA_HBW = Field<uint32_t, 0, 1>;
  using HBW_FORCE_MISS = Field<uint32_t, 4, 1>;
  using LBW_FORCE_MISS = Field<uint32_t, 5, 1>;
};
struct RD_HBW_MAX_OUTSTAND : Register<0x80> {
  using VAL = Field<uint32_t, 0, 12>;
};
struct RD_HBW_MAX_SIZE : Register<0x84> {
  using DATA = Field<uint32_t, 0, 12>;
  using MD = Field<uint32_t, 16, 12>;
};
struct RD_HBW_ARCACHE : Register<0x88> {
  using VAL = Field<uint32_t, 0, 4>;
};
struct RD_HBW_INFLIGHTS : Register<0x90> {};
struct RD_HBW_RATE_LIM_CFG : Register<0x94> {
  using TOUT = Field<uint32_t, 0, 8>;
  using SAT = Field<uint32_t, 16, 8>;
  using EN = Field<uint32_t, 31, 1>;
};
struct RD_LBW_MAX_OUTSTAND : Register<0xc0> {
  using VAL = Field<uint32_t, 0, 12>;
};
struct RD_LBW_MAX_SIZE : Register<0xc4> {
  using DATA = Field<uint32_t, 0, 12>;
  using MD = Field<uint32_t, 16, 12>;
};
struct RD_LBW_ARCACHE : Register<0xc8> {
  using VAL = Field<uint32_t, 0, 4>;
};
struct RD_LBW_INFLIGHTS : Register<0xd0> {};
struct RD_LBW_RATE_LIM_CFG : Register<0xd4> {
  using TOUT = Field<uint32_t, 0, 8>;
  using SAT = Field<uint32_t, 16, 8>;
  using EN = Field<uint32_t, 31, 1>;
};
struct WR_HBW_MAX_OUTSTAND : Register<0x100> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct WR_HBW_MAX_AWID : Register<0x104> {
  using VAL = Field<uint32_t, 0, 14>;
};
struct WR_HBW_AWCACHE : Register<0x108> {
  using VAL = Field<uint32_t, 0, 4>;
};
struct WR_HBW_INFLIGHTS : Register<0x10c> {};
struct WR_HBW_RATE_LIM_CFG : Register<0x110> {
  using TOUT = Field<uint32_t, 0, 8>;
  using SAT = Field<uint32_t, 16, 8>;
  using EN = Field<uint32_t, 31, 1>;
};
struct WR_LBW_MAX_OUTSTAND : Register<0x140> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct WR_LBW_MAX_AWID : Register<0x144> {
  using VAL = Field<uint32_t, 0, 7>;
};
struct WR_LBW_AWCACHE : Register<0x148> {
  using VAL = Field<uint32_t, 0, 4>;
};
struct WR_LBW_INFLIGHTS : Register<0x14c> {};
struct WR_LBW_RATE_LIM_CFG : Register<0x150> {
  using TOUT = Field<uint32_t, 0, 8>;
  using SAT = Field<uint32_t, 16, 8>;
  using EN = Field<uint32_t, 31, 1>;
};
struct WR_COMP_MAX_OUTSTAND : Register<0x180> {
  using VAL = Field<uint32_t, 0, 5>;
};
struct WR_COMP_AWUSER : Register<0x184> {};
struct ERR_CFG : Register<0x300> {
  using ERR_MSG_EN = Field<uint32_t, 0, 1>;
  using STOP_ON_ERR = Field<uint32_t, 1, 1>;
};
// Write 1 to clear.
struct ERR_CAUSE : Register<0x304> {
  using HBW_RD_ERR = Field<uint32_t, 0, 1>;
  using HBW_WR_ERR = Field<uint32_t, 1, 1>;
  using LBW_MSG_WR_ERR = Field<uint32_t, 2, 1>;
  using DESC_OVF = Field<uint32_t, 3, 1>;
  using LBW_RD_ERR = Field<uint32_t, 4, 1>;
  using LBW_WR_ERR = Field<uint32_t, 5, 1>;
  using TE_DESC_FIFO_OVFL = Field<uint32_t, 6, 1>;
  using LIN_DMA_COMMIT_CFG_ERR = Field<uint32_t, 7, 1>;
};
struct ERRMSG_ADDR_LO : Register<0x308> {};
struct ERRMSG_ADDR_HI : Register<0x30c> {};
struct ERRMSG_WDATA : Register<0x310> {};
// BUSY: descriptors are in flight.
struct STS0 : Register<0x380> {
  using RD_REQ_CNT = Field<uint32_t, 0, 15>;
  using WR_REQ_CNT = Field<uint32_t, 16, 15>;
  using BUSY = Field<uint32_t, 31, 1>;
};
struct STS1 : Register<0x384> {
  using IS_HALT = Field<uint32_t, 0, 1>;
};
struct STS_RD_CTX_SEL : Register<0x400> {
  using VAL = Field<uint32_t, 0, 3>;
  using STRIDE = Field<uint32_t, 8, 1>;
};
struct STS_RD_CTX_SIZE : Register<0x404> {};
struct STS_RD_CTX_BASE_LO : Register<0x408> {};
struct STS_RD_CTX_BASE_HI : Register<0x40c> {};
struct STS_RD_CTX_ID : Register<0x410> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct STS_RD_HB_AXI_ADDR_LO : Register<0x414> {};
struct STS_RD_HB_AXI_ADDR_HI : Register<0x418> {};
struct STS_RD_LB_AXI_ADDR : Register<0x41c> {
  using VAL = Field<uint32_t, 0, 26>;
  using RDY = Field<uint32_t, 30, 1>;
  using VLD = Field<uint32_t, 31, 1>;
};
struct STS_WR_CTX_SEL : Register<0x420> {
  using VAL = Field<uint32_t, 0, 3>;
  using STRIDE = Field<uint32_t, 8, 1>;
};
struct STS_WR_CTX_SIZE : Register<0x424> {};
struct STS_WR_CTX_BASE_LO : Register<0x428> {};
struct STS_WR_CTX_BASE_HI : Register<0x42c> {};
struct STS_WR_CTX_ID : Register<0x430> {};
struct STS_WR_HB_AXI_ADDR_LO : Register<0x434> {
  using VAL = Field<uint32_t, 0, 18>;
  using RDY = Field<uint32_t, 30, 1>;
  using VLD = Field<uint32_t, 31, 1>;
};
struct STS_WR_HB_AXI_ADDR_HI : Register<0x438> {
  using VAL = Field<uint32_t, 0, 18>;
  using RDY = Field<uint32_t, 30, 1>;
  using VLD = Field<uint32_t, 31, 1>;
};
struct STS_WR_LB_AXI_ADDR : Register<0x43c> {
  using VAL = Field<uint32_t, 0, 26>;
  using RDY = Field<uint32_t, 30, 1>;
  using VLD = Field<uint32_t, 31, 1>;
};
struct PWRLP_CFG : Register<0x700> {
  using GLBL_EN = Field<uint32_t, 0, 1>;
  using CLR = Field<uint32_t, 4, 1>;
};
struct PWRLP_STS : Register<0x704> {
  using RLVL = Field<uint32_t, 0, 7>;
  using WLVL = Field<uint32_t, 8, 7>;
  using RCNT = Field<uint32_t, 16, 7>;
  using WCNT = Field<uint32_t, 23, 7>;
  using RFULL = Field<uint32_t, 30, 1>;
  using WFULL = Field<uint32_t, 31, 1>;
};
struct DBG_DESC_CNT : Register<0x710> {};
struct DBG_STS : Register<0x714> {
  using RD_CTX_FULL = Field<uint32_t, 0, 1>;
  using WR_CTX_FULL = Field<uint32_t, 1, 1>;
  using WR_COMP_FULL = Field<uint32_t, 2, 1>;
  using RD_CTX_EMPTY = Field<uint32_t, 3, 1>;
  using WR_CTX_EMPTY = Field<uint32_t, 4, 1>;
  using WR_COMP_EMPTY = Field<uint32_t, 5, 1>;
  using TE_EMPTY = Field<uint32_t, 6, 1>;
  using TE_BUSY = Field<uint32_t, 7, 1>;
  using GSKT_EMPTY = Field<uint32_t, 8, 1>;
  using GSKT_FULL = Field<uint32_t, 9, 1>;
  using RD_AGU_CS = Field<uint32_t, 10, 1>;
  using WR_AGU_CS = Field<uint32_t, 11, 1>;
};
struct DBG_BUF_STS : Register<0x718> {
  using HBW_FULLNESS = Field<uint32_t, 0, 12>;
  using LBW_FULLNESS = Field<uint32_t, 16, 12>;
};
struct DBG_RD_DESC_ID : Register<0x720> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct DBG_WR_DESC_ID : Register<0x724> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct APB_DMA_LBW_BASE : Register<0x728> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct APB_MSTR_IF_LBW_BASE : Register<0x72c> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct E2E_CRED_ASYNC_CFG : Register<0x730> {
  using Y_X_FORCE = Field<uint32_t, 0, 9>;
  using FORCE_EN = Field<uint32_t, 9, 1>;
};
struct DBG_APB_ENABLER : Register<0xe1c> {
  using DIS = Field<uint32_t, 0, 1>;
};
struct L2H_CMPR_LO : Register<0xe20> {
  using VAL = Field<uint32_t, 20, 12>;
};
struct L2H_CMPR_HI : Register<0xe24> {};
struct L2H_MASK_LO : Register<0xe28> {
  using VAL = Field<uint32_t, 20, 12>;
};
struct L2H_MASK_HI : Register<0xe2c> {};
struct IDLE_IND_MASK : Register<0xe30> {
  using DESC = Field<uint32_t, 0, 1>;
  using COMP = Field<uint32_t, 1, 1>;
  using INSTAGE = Field<uint32_t, 2, 1>;
  using CORE = Field<uint32_t, 3, 1>;
  using DESC_CNT_STS = Field<uint32_t, 8, 5>;
  using COMP_CNT_STS = Field<uint32_t, 16, 5>;
  using INSTAGE_EMPTY = Field<uint32_t, 24, 1>;
  using CORE_IDLE_STS = Field<uint32_t, 25, 1>;
};
struct APB_ENABLER : Register<0xe34> {
  using DIS = Field<uint32_t, 0, 1>;
};

// The context.
inline constexpr uint32_t kContext = 0x860;
struct RATE_LIM_TKN : Register<0x860> {
  using RD = Field<uint32_t, 0, 8>;
  using WR = Field<uint32_t, 16, 8>;
};
struct PWRLP : Register<0x864> {
  using DATA = Field<uint32_t, 0, 8>;
  using EN = Field<uint32_t, 8, 1>;
};
// Rows of a transpose.
struct TE_NUMROWS : Register<0x868> {};
// A number of the descriptor for traces; IDX_INC is added after each with CTX_ID_INC.
struct IDX : Register<0x86c> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct IDX_INC : Register<0x870> {
  using VAL = Field<uint32_t, 0, 8>;
};
// TRANSPOSE: the transfer passes the transpose engine; DTYPE: log2 of an element's bytes (inferred:
// 1, 2 and 4 bytes are what it handles).
struct CTRL : Register<0x874> {
  using TRANSPOSE = Field<uint32_t, 0, 1>;
  using DTYPE = Field<uint32_t, 4, 2>;
  using COMPRESS = Field<uint32_t, 8, 1>;
  using DECOMPRESS = Field<uint32_t, 9, 1>;
  using RD_UNCACHEABLE = Field<uint32_t, 12, 1>;
};
// Bytes of the innermost dimension of the source; dims 1 to 4 follow with their strides.
struct SRC_TSIZE_0 : Register<0x878> {};
struct SRC_TSIZE_1 : Register<0x87c> {};
struct SRC_STRIDE_1 : Register<0x880> {};
struct SRC_TSIZE_2 : Register<0x884> {};
struct SRC_STRIDE_2 : Register<0x888> {};
struct SRC_TSIZE_3 : Register<0x88c> {};
struct SRC_STRIDE_3 : Register<0x890> {};
struct SRC_TSIZE_4 : Register<0x894> {};
struct SRC_STRIDE_4 : Register<0x898> {};
struct DST_TSIZE_1 : Register<0x89c> {};
struct DST_STRIDE_1 : Register<0x8a0> {};
struct DST_TSIZE_2 : Register<0x8a4> {};
struct DST_STRIDE_2 : Register<0x8a8> {};
struct DST_TSIZE_3 : Register<0x8ac> {};
struct DST_STRIDE_3 : Register<0x8b0> {};
struct DST_TSIZE_4 : Register<0x8b4> {};
struct DST_STRIDE_4 : Register<0x8b8> {};
// Where, and what, a transfer with WR_COMP_EN writes when it is done.
struct WR_COMP_ADDR_HI : Register<0x8bc> {};
struct WR_COMP_ADDR_LO : Register<0x8c0> {};
struct WR_COMP_WDATA : Register<0x8c4> {};
// Added to the base, so that one descriptor walks: source, then destination.
struct SRC_OFFSET_LO : Register<0x8c8> {};
struct SRC_OFFSET_HI : Register<0x8cc> {};
struct DST_OFFSET_LO : Register<0x8d0> {};
struct DST_OFFSET_HI : Register<0x8d4> {};
// The value to fill with, of a MEM_SET.
struct SRC_BASE_LO : Register<0x8d8> {};
struct SRC_BASE_HI : Register<0x8dc> {};
struct DST_BASE_LO : Register<0x8e0> {};
struct DST_BASE_HI : Register<0x8e4> {};
// Bytes of the innermost dimension; of a linear transfer, all.
struct DST_TSIZE_0 : Register<0x8e8> {};
// Writing it starts the transfer that the registers describe. LIN: one dimension, DST_TSIZE_0
// bytes. MEM_SET: SRC_BASE is the 64-bit value. WR_COMP_EN: WR_COMP_WDATA is written to
// WR_COMP_ADDR when done. SRC_SIZEn_FROM_DST_SIZEn and SRC_STRDn_FROM_DST_STRDn: the source has the
// destination's. DISABLE_DIMn: the dimension counts once.
struct COMMIT : Register<0x8ec> {
  using WR_COMP_EN = Field<uint32_t, 0, 1>;
  using ENDIAN_SWAP = Field<uint32_t, 1, 2>;
  using MEM_SET = Field<uint32_t, 4, 1>;
  using BF16 = Field<uint32_t, 6, 1>;
  using FP16 = Field<uint32_t, 7, 1>;
  using CTX_ID_INC = Field<uint32_t, 8, 1>;
  using ADD_OFFSET_0 = Field<uint32_t, 9, 1>;
  using SRC_SIZE0_FROM_DST_SIZE0 = Field<uint32_t, 10, 1>;
  using SRC_OFST_FROM_DST_OFST = Field<uint32_t, 11, 1>;
  using DISABLE_DIM1 = Field<uint32_t, 12, 1>;
  using DISABLE_DIM2 = Field<uint32_t, 13, 1>;
  using DISABLE_DIM3 = Field<uint32_t, 14, 1>;
  using DISABLE_DIM4 = Field<uint32_t, 15, 1>;
  using SRC_SIZE1_FROM_DST_SIZE1 = Field<uint32_t, 16, 1>;
  using SRC_SIZE2_FROM_DST_SIZE2 = Field<uint32_t, 17, 1>;
  using SRC_SIZE3_FROM_DST_SIZE3 = Field<uint32_t, 18, 1>;
  using SRC_SIZE4_FROM_DST_SIZE4 = Field<uint32_t, 19, 1>;
  using SRC_STRD1_FROM_DST_STRD1 = Field<uint32_t, 20, 1>;
  using SRC_STRD2_FROM_DST_STRD2 = Field<uint32_t, 21, 1>;
  using SRC_STRD3_FROM_DST_STRD3 = Field<uint32_t, 22, 1>;
  using SRC_STRD4_FROM_DST_STRD4 = Field<uint32_t, 23, 1>;
  using LIN = Field<uint32_t, 31, 1>;
};

// Codes of CTRL.DTYPE: inferred.
enum class TransposeType : uint32_t { k8Bit = 0, k16Bit = 1, k32Bit = 2 };

inline constexpr int kNumDims = 5;
// Dimension 0 is dense: it has a size in bytes and no stride. The others have counts, and strides
// in bytes.
constexpr uint32_t SrcTsize(int dim) {
  return dim == 0 ? SRC_TSIZE_0::kOffset : SRC_TSIZE_1::kOffset + 8 * (dim - 1);
}
constexpr uint32_t DstTsize(int dim) {
  return dim == 0 ? DST_TSIZE_0::kOffset : DST_TSIZE_1::kOffset + 8 * (dim - 1);
}
// Of dims 1 to 4, in bytes.
constexpr uint32_t SrcStride(int dim) { return SRC_STRIDE_1::kOffset + 8 * (dim - 1); }
constexpr uint32_t DstStride(int dim) { return DST_STRIDE_1::kOffset + 8 * (dim - 1); }
static_assert(SrcTsize(4) == SRC_TSIZE_4::kOffset && SrcStride(4) == SRC_STRIDE_4::kOffset);
static_assert(DstTsize(4) == DST_TSIZE_4::kOffset && DstStride(4) == DST_STRIDE_4::kOffset);

// block_dma_core_ctx in the order of the registers, from kContext on: what one WREG_BULK can write,
// with COMMIT last.
struct Context {
  uint32_t rate_lim_tkn = 0x40004;  // after reset
  uint32_t pwrlp = 0;
  uint32_t te_numrows = 0;
  uint32_t idx = 0;
  uint32_t idx_inc = 0;
  uint32_t ctrl = 0;         // CTRL
  uint32_t src_tsize_0 = 0;  // bytes
  struct Dim {
    uint32_t tsize = 1;   // times
    uint32_t stride = 0;  // bytes
  } src[kNumDims - 1], dst[kNumDims - 1];
  uint32_t wr_comp_addr_hi = 0;
  uint32_t wr_comp_addr_lo = 0;
  uint32_t wr_comp_wdata = 0;
  uint32_t src_offset_lo = 0;
  uint32_t src_offset_hi = 0;
  uint32_t dst_offset_lo = 0;
  uint32_t dst_offset_hi = 0;
  uint32_t src_base_lo = 0;
  uint32_t src_base_hi = 0;
  uint32_t dst_base_lo = 0;
  uint32_t dst_base_hi = 0;
  uint32_t dst_tsize_0 = 0;  // bytes
  uint32_t commit = 0;       // COMMIT
};
static_assert(sizeof(Context) == 0x90);
static_assert(kContext + offsetof(Context, src_tsize_0) == SRC_TSIZE_0::kOffset);
static_assert(kContext + offsetof(Context, dst) == DST_TSIZE_1::kOffset);
static_assert(kContext + offsetof(Context, commit) == COMMIT::kOffset);

}  // namespace openhpu::hal::abi::gaudi2::dma_core

#endif  // HAL_ABI_GAUDI2_DMA_CORE_H_
