// The TPC's configuration block: descriptors, commands and status, as offsets in the block.
// Names, offsets and bits: the vendor's block_tpc and the descriptor blocks inside it. Left out:
// bus user bits and protection.
#ifndef HAL_ABI_GAUDI2_TPC_H_
#define HAL_ABI_GAUDI2_TPC_H_

#include <cstddef>
#include <cstdint>

#include "hal/abi/register.h"
#include "hal/base/field.h"

namespace openhpu::hal::abi::gaudi2 {

inline constexpr int kTpcMaxTensors = 16;
inline constexpr int kTpcMaxDims = 5;
inline constexpr int kTpcMaxScalars = 32;              // SRF registers that a descriptor fills
inline constexpr uint32_t kTpcKernelAlignment = 8192;  // of the code, for its prefetch

// block_tpc_tensor. Dim 0 is dense.
struct TpcTensor {
  uint32_t base_addr_low = 0;
  uint32_t base_addr_high = 0;
  uint32_t padding_value = 0;  // what a load outside the tensor returns
  uint32_t tensor_config = 0;  // tpc::TENSOR_CONFIG
  struct Dim {
    uint32_t size = 0;    // elements
    uint32_t stride = 0;  // elements
  } dim[kTpcMaxDims];
  uint32_t pref_stride = 0;                         // tpc::PREF_STRIDE
  uint32_t dim_size_stride_high[kTpcMaxDims] = {};  // tpc::DIM_SIZE_STRIDE_HIGH
};
static_assert(sizeof(TpcTensor) == 80);

// block_sync_object: what is written when the box is done. The high half of the address is
// SM_BASE_ADDRESS_HIGH.
struct TpcSyncObject {
  uint32_t message = 0;  // tpc::SYNC_OBJECT_MESSAGE
  uint32_t addr = 0;
};
static_assert(sizeof(TpcSyncObject) == 8);

// block_tpc_non_tensor_descriptor: the kernel, its box of the index space, its scalars.
struct TpcKernel {
  uint32_t kernel_base_address_low = 0;
  uint32_t kernel_base_address_high = 0;
  struct Tid {
    uint32_t base = 0;
    uint32_t size = 0;
  } tid[kTpcMaxDims];
  uint32_t kernel_config = 0;  // tpc::KERNEL_CONFIG
  uint32_t kernel_id = 0;      // tpc::KERNEL_ID; for traces
  uint32_t power_loop = 0;     // tpc::POWER_LOOP
  uint32_t srf[kTpcMaxScalars] = {};
  uint32_t kernel_id_inc = 0;                     // tpc::KERNEL_ID_INC
  uint32_t tid_base_size_high[kTpcMaxDims] = {};  // tpc::TID_BASE_SIZE_HIGH
};
static_assert(sizeof(TpcKernel) == 212);

// The whole descriptor in the order of the registers from QM_TENSOR on. Its words are odd in
// number: one WREG_BULK, of two registers a value, writes all but the last.
struct TpcDescriptor {
  TpcTensor tensor[kTpcMaxTensors];
  TpcSyncObject sync_object;
  TpcKernel kernel;
};
static_assert(sizeof(TpcDescriptor) == 16 * 80 + 8 + 212);

}  // namespace openhpu::hal::abi::gaudi2

namespace openhpu::hal::abi::gaudi2::tpc {

// Fields of the descriptor's words.
// DATA_TYPE: a DataType. LAST_DIM: dimensions - 1. RMW_SET: stores reduce into memory.
struct TENSOR_CONFIG {
  using DATA_TYPE = Field<uint32_t, 0, 4>;
  using VALID_DIM_MASK = Field<uint32_t, 8, 5>;
  using LAST_DIM64 = Field<uint32_t, 13, 1>;
  using LAST_DIM = Field<uint32_t, 16, 3>;
  using RMW_SET = Field<uint32_t, 19, 1>;
  using RMW_OP = Field<uint32_t, 21, 3>;
  using DUP_OOB = Field<uint32_t, 24, 1>;
  using L0CD = Field<uint32_t, 25, 1>;
  using T_PREF_DIS = Field<uint32_t, 26, 1>;
};
struct PREF_STRIDE {
  using VAL = Field<uint32_t, 0, 16>;
};
// Bits 43 to 32 of a size and a stride.
struct DIM_SIZE_STRIDE_HIGH {
  using STRIDE_HIGH = Field<uint32_t, 0, 12>;
  using SIZE_HIGH = Field<uint32_t, 16, 12>;
};
// The word written when a box is done: SO_OPERATION 4 with a value of 1 adds 1, as INC of a SOB_OBJ
// does.
struct SYNC_OBJECT_MESSAGE {
  using SO_WRITE_VALUE = Field<uint32_t, 0, 16>;
  using SO_OPERATION = Field<uint32_t, 29, 3>;
};
struct KERNEL_CONFIG {
  using SMALL_VLM = Field<uint32_t, 0, 1>;
  using ASO_EVICT_L0 = Field<uint32_t, 1, 1>;
  using NUM_VALID_SRFS = Field<uint32_t, 2, 6>;
  using RD_RATE_LIMIT_RST_TOKEN = Field<uint32_t, 8, 8>;
  using WR_RATE_LIMIT_RST_TOKEN = Field<uint32_t, 16, 8>;
  using IRF_32BIT_COMPATIBILITY = Field<uint32_t, 24, 1>;
};
struct KERNEL_ID {
  using V = Field<uint32_t, 0, 16>;
};
struct POWER_LOOP {
  using START_EN = Field<uint32_t, 0, 1>;
  using END_EN = Field<uint32_t, 1, 1>;
  using PAYLOAD = Field<uint32_t, 4, 8>;
};
struct KERNEL_ID_INC {
  using V = Field<uint32_t, 0, 8>;
};
// Bits 43 to 32 of a box's base and size.
struct TID_BASE_SIZE_HIGH {
  using BASE_HIGH = Field<uint32_t, 0, 12>;
  using SIZE_HIGH = Field<uint32_t, 16, 12>;
};

// Codes of TENSOR_CONFIG.DATA_TYPE. Recollected, as on Gaudi: the sources give the field's width
// only. bool is stored as uint8. The codes of fp16 and fp8 are in no source.
enum class DataType : uint32_t {
  kInt8 = 0,
  kInt16 = 1,
  kInt32 = 2,
  kUInt8 = 3,
  kUInt16 = 4,
  kUInt32 = 5,
  kBFloat16 = 6,
  kFloat32 = 7,
};

// Two copies of a descriptor: what queues write (QM_*, then QM), and what runs (KERNEL_*), to which
// EXECUTE copies it.
struct KERNEL_TENSOR : Register<0x0, kTpcMaxTensors, sizeof(TpcTensor)> {};
struct KERNEL_SYNC_OBJECT : Register<0x500> {};
struct KERNEL : Register<0x508> {};
struct QM_TENSOR : Register<0x5dc, kTpcMaxTensors, sizeof(TpcTensor)> {};
struct QM_SYNC_OBJECT : Register<0xadc> {};
struct QM : Register<0xae4> {};
struct TPC_COUNT : Register<0xc18> {};
struct TPC_ID : Register<0xc1c> {};
struct STALL_ON_ERR : Register<0xc20> {
  using V = Field<uint32_t, 0, 1>;
};
struct CLK_EN : Register<0xc24> {
  using LBW_CFG_DIS = Field<uint32_t, 0, 1>;
  using DBG_CFG_DIS = Field<uint32_t, 4, 1>;
};
struct IQ_RL_EN : Register<0xc28> {
  using V = Field<uint32_t, 0, 1>;
};
struct IQ_RL_SAT : Register<0xc2c> {
  using V = Field<uint32_t, 0, 8>;
};
struct IQ_RL_RST_TOKEN : Register<0xc30> {
  using V = Field<uint32_t, 0, 8>;
};
struct IQ_RL_TIMEOUT : Register<0xc34> {
  using V = Field<uint32_t, 0, 8>;
};
struct TSB_CFG_MTRR_2 : Register<0xc38, 4> {
  using PHY_BASE_ADD_LO = Field<uint32_t, 0, 24>;
};
struct IQ_LBW_CLK_EN : Register<0xc48> {
  using V = Field<uint32_t, 0, 1>;
};
struct TPC_LOCK_VALUE : Register<0xc4c, 4> {};
struct TPC_LOCK : Register<0xc5c, 4> {
  using LOCK = Field<uint32_t, 0, 1>;
};
struct CGU_SB : Register<0xc6c> {
  using TSB_DISABLE = Field<uint32_t, 0, 1>;
};
struct CGU_CNT : Register<0xc70> {
  using DCACHE_DISABLE = Field<uint32_t, 0, 1>;
  using WQ_DISABLE = Field<uint32_t, 1, 1>;
  using SPU_AGU_ADDSUB_0_DISABLE = Field<uint32_t, 2, 1>;
  using SPU_AGU_ADDSUB_1_DISABLE = Field<uint32_t, 3, 1>;
  using SPU_AGU_ADDSUB_2_DISABLE = Field<uint32_t, 4, 1>;
  using SPU_AGU_ADDSUB_3_DISABLE = Field<uint32_t, 5, 1>;
  using SPU_AGU_ADDSUB_4_DISABLE = Field<uint32_t, 6, 1>;
  using SPU_AGU_CMP_0_DISABLE = Field<uint32_t, 7, 1>;
  using SPU_AGU_CMP_1_DISABLE = Field<uint32_t, 8, 1>;
  using SPU_AGU_CMP_2_DISABLE = Field<uint32_t, 9, 1>;
  using SPU_AGU_CMP_3_DISABLE = Field<uint32_t, 10, 1>;
  using SPU_AGU_CMP_4_DISABLE = Field<uint32_t, 11, 1>;
  using MSAC_DISABLE = Field<uint32_t, 12, 1>;
  using CONV_DISABLE = Field<uint32_t, 13, 1>;
  using NEARBYINT_DISABLE = Field<uint32_t, 14, 1>;
  using CMP_DISABLE = Field<uint32_t, 15, 1>;
  using FP_MAC_DISABLE = Field<uint32_t, 16, 1>;
  using SOPS_SRC_A_D2_DISABLE = Field<uint32_t, 17, 1>;
  using SOPS_SRC_B_D2_DISABLE = Field<uint32_t, 18, 1>;
  using SOPS_SRC_E_D2_DISABLE = Field<uint32_t, 19, 1>;
  using SOPS_FMA_SRC_C_E1_DISABLE = Field<uint32_t, 20, 1>;
  using LD_SOPS_SRC_A_D2_DISABLE = Field<uint32_t, 21, 1>;
  using ST_SOPS_SRC_A_D2_DISABLE = Field<uint32_t, 22, 1>;
  using FP_ADDSUB_DISABLE = Field<uint32_t, 23, 1>;
};
struct CGU_CPE : Register<0xc74, 8> {
  using NEARBYINT_DISABLE = Field<uint32_t, 0, 1>;
  using SOPS_SRC_A_DISABLE = Field<uint32_t, 1, 1>;
  using SOPS_SRC_B_DISABLE = Field<uint32_t, 2, 1>;
  using SOPS_SRC_E_DISABLE = Field<uint32_t, 3, 1>;
  using SOPS_SRC_D_DISABLE = Field<uint32_t, 4, 1>;
  using SOPS_SRC_C_DISABLE = Field<uint32_t, 5, 1>;
  using LD_SOPS_SRC_A_DISABLE = Field<uint32_t, 6, 1>;
  using MSAC_DISABLE = Field<uint32_t, 7, 1>;
  using ADDSUB_DISABLE = Field<uint32_t, 8, 1>;
  using SHIFT_DISABLE = Field<uint32_t, 9, 1>;
  using GLE_DISABLE = Field<uint32_t, 10, 1>;
  using CMP_DISABLE = Field<uint32_t, 11, 1>;
  using CONV_DISABLE = Field<uint32_t, 12, 1>;
  using SB_DISABLE = Field<uint32_t, 13, 1>;
  using TBUF_DISABLE = Field<uint32_t, 14, 1>;
  using ST_G_DISABLE = Field<uint32_t, 15, 1>;
  using FP_MAC_0_DISABLE = Field<uint32_t, 16, 1>;
  using FP_MAC_1_DISABLE = Field<uint32_t, 17, 1>;
  using FP_ADDSUB_DISABLE = Field<uint32_t, 18, 1>;
  using ST_SOPS_SRC_C_DISABLE = Field<uint32_t, 19, 1>;
};
struct FP16_FTZ_IN : Register<0xc94> {
  using MODE = Field<uint32_t, 0, 1>;
};
struct DCACHE_CFG : Register<0xc98> {
  using G_PREF_DIS = Field<uint32_t, 0, 1>;
  using G_PREF_VLD_CLR = Field<uint32_t, 1, 1>;
  using HALT_FLUSH = Field<uint32_t, 2, 1>;
  using DEALIGN_DIS = Field<uint32_t, 3, 1>;
};
struct E2E_CRDT_TOP : Register<0xc9c> {
  using FORCE_EN = Field<uint32_t, 0, 1>;
  using Y_X_FORCE = Field<uint32_t, 4, 9>;
};
struct TPC_DCACHE_L0CD : Register<0xca0> {
  using VAL = Field<uint32_t, 0, 1>;
};
struct TPC_SB_L0CD : Register<0xca4> {
  using VAL = Field<uint32_t, 0, 1>;
};
struct CONV_ROUND_CSR : Register<0xca8> {
  using MODE = Field<uint32_t, 0, 3>;
};
struct TSB_OCCUPANCY : Register<0xcac> {};
struct ARB_QNT_HBW_WEIGHT : Register<0xcb0> {
  using AR = Field<uint32_t, 0, 12>;
  using AW = Field<uint32_t, 12, 8>;
};
struct ARB_QNT_LBW_WEIGHT : Register<0xcb4> {
  using AW = Field<uint32_t, 0, 8>;
  using AR = Field<uint32_t, 8, 8>;
};
struct ARB_CNT_HBW_WEIGHT : Register<0xcb8> {
  using AR = Field<uint32_t, 0, 12>;
  using AW = Field<uint32_t, 12, 12>;
};
struct ARB_CNT_LBW_WEIGHT : Register<0xcbc> {
  using AR = Field<uint32_t, 0, 8>;
  using AW = Field<uint32_t, 8, 12>;
};
struct LUT_FUNC32_BASE2_ADDR_LO : Register<0xcc0> {};
struct LUT_FUNC32_BASE2_ADDR_HI : Register<0xcc4> {};
struct LUT_FUNC64_BASE2_ADDR_LO : Register<0xcc8> {};
struct LUT_FUNC64_BASE2_ADDR_HI : Register<0xccc> {};
struct LUT_FUNC128_BASE2_ADDR_LO : Register<0xcd0> {};
struct LUT_FUNC128_BASE2_ADDR_HI : Register<0xcd4> {};
struct LUT_FUNC256_BASE2_ADDR_LO : Register<0xcd8> {};
struct LUT_FUNC256_BASE2_ADDR_HI : Register<0xcdc> {};
struct SPE_LFSR_POLYNOM : Register<0xce0> {};
struct TSB_CFG_MTRR_GLBL : Register<0xce4> {
  using EN = Field<uint32_t, 0, 1>;
  using DEFAULT_MEMORY_TYPE = Field<uint32_t, 4, 1>;
};
struct TSB_CFG_MTRR : Register<0xce8, 4> {
  using VALID = Field<uint32_t, 0, 1>;
  using MEMORY_TYPE = Field<uint32_t, 4, 1>;
  using PHY_BASE_ADD = Field<uint32_t, 8, 16>;
};
struct TSB_CFG_MTRR_MASK_LO : Register<0xcf8, 4> {};
struct TSB_CFG_MTRR_MASK_HI : Register<0xd08, 4> {
  using V = Field<uint32_t, 0, 8>;
};
// Exponent bias of fp8_143: 7 after reset.
struct FP8_143_BIAS : Register<0xd64> {
  using BIAS_143 = Field<uint32_t, 0, 4>;
};
struct ROUND_CSR : Register<0xd68> {
  using MODE = Field<uint32_t, 0, 3>;
};
struct HB_PROT : Register<0xd6c> {
  using AWPROT = Field<uint32_t, 0, 3>;
  using ARPROT = Field<uint32_t, 3, 3>;
};
struct LB_PROT : Register<0xd70> {
  using AWPROT = Field<uint32_t, 0, 3>;
  using ARPROT = Field<uint32_t, 3, 3>;
};
struct SEMAPHORE : Register<0xd74> {};
struct VFLAGS : Register<0xd78> {
  using V = Field<uint32_t, 0, 7>;
};
struct SFLAGS : Register<0xd7c> {
  using V = Field<uint32_t, 0, 7>;
};
struct LFSR_POLYNOM : Register<0xd80> {};
// All idle is 0xEE.
struct STATUS : Register<0xd84> {
  using SCALAR_PIPE_EMPTY = Field<uint32_t, 1, 1>;
  using VECTOR_PIPE_EMPTY = Field<uint32_t, 2, 1>;
  using IQ_EMPTY = Field<uint32_t, 3, 1>;
  using SB_EMPTY = Field<uint32_t, 5, 1>;
  using QM_IDLE = Field<uint32_t, 6, 1>;
  using QM_RDY = Field<uint32_t, 7, 1>;
};
struct CFG_BASE_ADDRESS_HIGH : Register<0xd88> {};
struct CFG_SUBTRACT_VALUE : Register<0xd8c> {};
// High half of the address of a sync object message.
struct SM_BASE_ADDRESS_HIGH : Register<0xd90> {};
// Cache invalidation and prefetch.
struct TPC_CMD : Register<0xd94> {
  using ICACHE_INVALIDATE = Field<uint32_t, 0, 1>;
  using DCACHE_INVALIDATE = Field<uint32_t, 1, 1>;
  using LCACHE_INVALIDATE = Field<uint32_t, 2, 1>;
  using TCACHE_INVALIDATE = Field<uint32_t, 3, 1>;
  using ICACHE_PREFETCH_64KB = Field<uint32_t, 4, 1>;
  using ICACHE_PREFETCH_32KB = Field<uint32_t, 5, 1>;
  using QMAN_STOP = Field<uint32_t, 6, 1>;
};
// Writing 1 copies QM_* to KERNEL_* and runs the box.
struct TPC_EXECUTE : Register<0xd98> {
  using V = Field<uint32_t, 0, 1>;
};
struct TPC_STALL : Register<0xd9c> {
  using V = Field<uint32_t, 0, 1>;
};
// [sic]
struct ICACHE_BASE_ADDERESS_LOW : Register<0xda0> {};
struct ICACHE_BASE_ADDERESS_HIGH : Register<0xda4> {};
struct RD_RATE_LIMIT : Register<0xda8> {
  using ENABLE = Field<uint32_t, 0, 1>;
  using SATURATION = Field<uint32_t, 1, 8>;
  using TIMEOUT = Field<uint32_t, 9, 8>;
};
struct WR_RATE_LIMIT : Register<0xdac> {
  using ENABLE = Field<uint32_t, 0, 1>;
  using SATURATION = Field<uint32_t, 1, 8>;
  using TIMEOUT = Field<uint32_t, 9, 8>;
};
struct MSS_CONFIG : Register<0xdb0> {
  using AWCACHE = Field<uint32_t, 0, 4>;
  using ARCACHE = Field<uint32_t, 4, 4>;
  using ICACHE_FETCH_LINE_NUM = Field<uint32_t, 8, 2>;
  using EXPOSED_PIPE_DIS = Field<uint32_t, 10, 1>;
  using DCACHE_PREFETCH_DIS = Field<uint32_t, 11, 1>;
};
struct TPC_INTR_CAUSE : Register<0xdb4> {};
struct TPC_INTR_MASK : Register<0xdb8> {};
struct WQ_CREDITS : Register<0xdbc> {
  using ST_G = Field<uint32_t, 0, 4>;
  using KERNEL_FIFO = Field<uint32_t, 4, 3>;
};
struct OPCODE_EXEC : Register<0xdc0> {
  using SPU_OP = Field<uint32_t, 0, 7>;
  using SPU_EN = Field<uint32_t, 7, 1>;
  using VPU_OP = Field<uint32_t, 8, 7>;
  using VPU_EN = Field<uint32_t, 15, 1>;
  using LD_OP = Field<uint32_t, 16, 7>;
  using LD_EN = Field<uint32_t, 23, 1>;
  using ST_OP = Field<uint32_t, 24, 7>;
  using ST_EN = Field<uint32_t, 31, 1>;
};
struct LUT_FUNC32_BASE_ADDR_LO : Register<0xdc4> {};
struct LUT_FUNC32_BASE_ADDR_HI : Register<0xdc8> {};
struct LUT_FUNC64_BASE_ADDR_LO : Register<0xdcc> {};
struct LUT_FUNC64_BASE_ADDR_HI : Register<0xdd0> {};
struct LUT_FUNC128_BASE_ADDR_LO : Register<0xdd4> {};
struct LUT_FUNC128_BASE_ADDR_HI : Register<0xdd8> {};
struct LUT_FUNC256_BASE_ADDR_LO : Register<0xddc> {};
struct LUT_FUNC256_BASE_ADDR_HI : Register<0xde0> {};
struct TSB_CFG_MAX_SIZE : Register<0xde4> {
  using DATA = Field<uint32_t, 0, 16>;
  using MD = Field<uint32_t, 16, 16>;
};
struct TSB_CFG : Register<0xde8> {
  using CACHE_DISABLE = Field<uint32_t, 0, 1>;
  using MAX_OS = Field<uint32_t, 1, 16>;
  using ENABLE_CGATE = Field<uint32_t, 17, 1>;
};
struct TSB_INFLIGHT_CNTR : Register<0xdec> {};
struct WQ_INFLIGHT_CNTR : Register<0xdf0> {
  using HBW = Field<uint32_t, 0, 16>;
  using LBW = Field<uint32_t, 16, 9>;
};
struct WQ_LBW_TOTAL_CNTR : Register<0xdf4> {};
struct WQ_HBW_TOTAL_CNTR : Register<0xdf8> {};
struct IRQ_OCCOUPY_CNTR : Register<0xdfc> {};
static_assert(QM_SYNC_OBJECT::kOffset == QM_TENSOR::kOffset + offsetof(TpcDescriptor, sync_object));
static_assert(QM::kOffset == QM_TENSOR::kOffset + offsetof(TpcDescriptor, kernel));
static_assert(KERNEL::kOffset == KERNEL_TENSOR::kOffset + offsetof(TpcDescriptor, kernel));

}  // namespace openhpu::hal::abi::gaudi2::tpc

#endif  // HAL_ABI_GAUDI2_TPC_H_
