// The DMA core's registers, as offsets in its block. A descriptor is what stands in SRC_* and DST_*
// when COMMIT is written; LIN_DMA writes the linear form. Names, offsets and bits: the vendor's
// block_dma_core.
#ifndef HAL_ABI_GAUDI_DMA_CORE_H_
#define HAL_ABI_GAUDI_DMA_CORE_H_

#include <cstdint>

#include "hal/abi/register.h"
#include "hal/base/field.h"

namespace openhpu::hal::abi::gaudi::dma_core {

struct CFG_0 : Register<0x0> {
  using EN = Field<uint32_t, 0, 1>;
};
struct CFG_1 : Register<0x4> {
  using HALT = Field<uint32_t, 0, 1>;
  using FLUSH = Field<uint32_t, 1, 1>;
  using SB_FORCE_MISS = Field<uint32_t, 2, 1>;
};
struct LBW_MAX_OUTSTAND : Register<0x8> {
  using VAL = Field<uint32_t, 0, 5>;
};
struct SRC_BASE_LO : Register<0x14> {};
struct SRC_BASE_HI : Register<0x18> {};
struct DST_BASE_LO : Register<0x1c> {};
// The context id of a linear transfer rides in the high byte.
struct DST_BASE_HI : Register<0x20> {
  using VAL = Field<uint32_t, 0, 24>;
  using CTX_ID_HI = Field<uint32_t, 24, 8>;
};
struct SRC_TSIZE_1 : Register<0x2c> {};
struct SRC_STRIDE_1 : Register<0x30> {};
struct SRC_TSIZE_2 : Register<0x34> {};
struct SRC_STRIDE_2 : Register<0x38> {};
struct SRC_TSIZE_3 : Register<0x3c> {};
struct SRC_STRIDE_3 : Register<0x40> {};
struct SRC_TSIZE_4 : Register<0x44> {};
struct SRC_STRIDE_4 : Register<0x48> {};
struct SRC_TSIZE_0 : Register<0x4c> {};  // bytes of the innermost dimension
struct DST_TSIZE_1 : Register<0x54> {};
struct DST_STRIDE_1 : Register<0x58> {};
struct DST_TSIZE_2 : Register<0x5c> {};
struct DST_STRIDE_2 : Register<0x60> {};
struct DST_TSIZE_3 : Register<0x64> {};
struct DST_STRIDE_3 : Register<0x68> {};
struct DST_TSIZE_4 : Register<0x6c> {};
struct DST_STRIDE_4 : Register<0x70> {};
struct DST_TSIZE_0 : Register<0x74> {};
// Writing it starts the transfer that the registers describe. LIN: one dimension, TSIZE_0 bytes.
// MEM_SET: SRC_BASE is the 64-bit value. WR_COMP_EN: WR_COMP_WDATA is written to WR_COMP_ADDR when
// done.
struct COMMIT : Register<0x78> {
  using WR_COMP_EN = Field<uint32_t, 0, 1>;
  using TRANSPOSE = Field<uint32_t, 1, 1>;
  using DTYPE = Field<uint32_t, 2, 1>;
  using LIN = Field<uint32_t, 3, 1>;
  using MEM_SET = Field<uint32_t, 4, 1>;
  using COMPRESS = Field<uint32_t, 5, 1>;
  using DECOMPRESS = Field<uint32_t, 6, 1>;
  using CTX_ID = Field<uint32_t, 16, 8>;
};
struct WR_COMP_WDATA : Register<0x7c> {};
struct WR_COMP_ADDR_LO : Register<0x80> {};
struct WR_COMP_ADDR_HI : Register<0x84> {};
struct TE_NUMROWS : Register<0x94> {};  // rows of a transpose
struct RD_MAX_OUTSTAND : Register<0x100> {
  using VAL = Field<uint32_t, 0, 12>;
};
struct RD_MAX_SIZE : Register<0x104> {
  using DATA = Field<uint32_t, 0, 11>;
  using MD = Field<uint32_t, 16, 11>;
};
struct WR_MAX_OUTSTAND : Register<0x120> {
  using VAL = Field<uint32_t, 0, 12>;
};
struct WR_MAX_AWID : Register<0x124> {
  using VAL = Field<uint32_t, 0, 16>;
};
struct ERR_CFG : Register<0x160> {
  using ERR_MSG_EN = Field<uint32_t, 0, 1>;
  using STOP_ON_ERR = Field<uint32_t, 1, 1>;
};
// Write 1 to clear.
struct ERR_CAUSE : Register<0x164> {
  using HBW_RD_ERR = Field<uint32_t, 0, 1>;
  using HBW_WR_ERR = Field<uint32_t, 1, 1>;
  using LBW_WR_ERR = Field<uint32_t, 2, 1>;
  using DESC_OVF = Field<uint32_t, 3, 1>;
};
struct ERRMSG_ADDR_LO : Register<0x170> {};
struct ERRMSG_ADDR_HI : Register<0x174> {};
struct ERRMSG_WDATA : Register<0x178> {};
struct STS0 : Register<0x190> {
  using RD_REQ_CNT = Field<uint32_t, 0, 15>;
  using WR_REQ_CNT = Field<uint32_t, 16, 15>;
  using BUSY = Field<uint32_t, 31, 1>;
};
struct STS1 : Register<0x194> {
  using IS_HALT = Field<uint32_t, 0, 1>;
};
struct DBG_DESC_CNT : Register<0x22c> {};
struct DBG_STS : Register<0x230> {
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
  using RDBUF_FULLNESS = Field<uint32_t, 20, 11>;
};

inline constexpr int kNumDims = 5;
// Dimension 0 is dense: it has a size in bytes and no stride.
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

}  // namespace openhpu::hal::abi::gaudi::dma_core

#endif  // HAL_ABI_GAUDI_DMA_CORE_H_
