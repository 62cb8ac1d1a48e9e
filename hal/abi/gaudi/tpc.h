// The TPC's configuration block: descriptors, commands and status, as offsets in the block.
// Names, offsets and bits: the vendor's block_tpc and the descriptor blocks inside it.
#ifndef HAL_ABI_GAUDI_TPC_H_
#define HAL_ABI_GAUDI_TPC_H_

#include <cstddef>
#include <cstdint>

#include "hal/abi/register.h"
#include "hal/base/field.h"

namespace openhpu::hal::abi::gaudi {

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
};
static_assert(sizeof(TpcTensor) == 56);

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
  uint32_t srf[kTpcMaxScalars] = {};
};
static_assert(sizeof(TpcKernel) == 184);

// The whole descriptor in the order of the registers from QM_TENSOR on: what one WREG_BULK can
// write.
struct TpcDescriptor {
  TpcTensor tensor[kTpcMaxTensors];
  TpcSyncObject sync_object;
  TpcKernel kernel;
};
static_assert(sizeof(TpcDescriptor) == 16 * 56 + 8 + 184);
static_assert(sizeof(TpcDescriptor) % 8 == 0);

}  // namespace openhpu::hal::abi::gaudi

namespace openhpu::hal::abi::gaudi::tpc {

// Fields of the descriptor's words.
struct TENSOR_CONFIG {
  using DATA_TYPE = Field<uint32_t, 0, 3>;  // a DataType
  using VALID_DIM_MASK = Field<uint32_t, 8, 5>;
  using LAST_DIM = Field<uint32_t, 16, 3>;  // dimensions - 1
  using RMW_SET = Field<uint32_t, 19, 1>;   // stores reduce into memory
  using RMW_RESERV = Field<uint32_t, 20, 1>;
  using RMW_OP = Field<uint32_t, 21, 2>;
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
};
struct KERNEL_ID {
  using V = Field<uint32_t, 0, 16>;
};

// Codes of TENSOR_CONFIG.DATA_TYPE. Recollected: the sources give the field's width only. bool is
// stored as uint8.
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
struct KERNEL_TENSOR : Register<0x400, kTpcMaxTensors, sizeof(TpcTensor)> {};
struct KERNEL_SYNC_OBJECT : Register<0x780> {};
struct KERNEL : Register<0x788> {};
struct QM_TENSOR : Register<0xa00, kTpcMaxTensors, sizeof(TpcTensor)> {};
struct QM_SYNC_OBJECT : Register<0xd80> {};
struct QM : Register<0xd88> {};
static_assert(QM_SYNC_OBJECT::kOffset == QM_TENSOR::kOffset + offsetof(TpcDescriptor, sync_object));
static_assert(QM::kOffset == QM_TENSOR::kOffset + offsetof(TpcDescriptor, kernel));

struct ROUND_CSR : Register<0x8fc> {
  using MODE = Field<uint32_t, 0, 3>;
};
struct SEMAPHORE : Register<0x908> {};
// All idle is 0xEE.
struct STATUS : Register<0x91c> {
  using SCALAR_PIPE_EMPTY = Field<uint32_t, 1, 1>;
  using VECTOR_PIPE_EMPTY = Field<uint32_t, 2, 1>;
  using IQ_EMPTY = Field<uint32_t, 3, 1>;
  using SB_EMPTY = Field<uint32_t, 5, 1>;
  using QM_IDLE = Field<uint32_t, 6, 1>;
  using QM_RDY = Field<uint32_t, 7, 1>;
};
struct CFG_BASE_ADDRESS_HIGH : Register<0x920> {};
struct CFG_SUBTRACT_VALUE : Register<0x924> {};
struct SM_BASE_ADDRESS_HIGH : Register<0x92c> {};
// Cache invalidation and prefetch.
struct TPC_CMD : Register<0x930> {
  using ICACHE_INVALIDATE = Field<uint32_t, 0, 1>;
  using DCACHE_INVALIDATE = Field<uint32_t, 1, 1>;
  using LCACHE_INVALIDATE = Field<uint32_t, 2, 1>;
  using TCACHE_INVALIDATE = Field<uint32_t, 3, 1>;
  using ICACHE_PREFETCH_64KB = Field<uint32_t, 4, 1>;
  using ICACHE_PREFETCH_32KB = Field<uint32_t, 5, 1>;
  using QMAN_STOP = Field<uint32_t, 6, 1>;
};
// Writing 1 copies QM_* to KERNEL_* and runs the box.
struct TPC_EXECUTE : Register<0x938> {
  using V = Field<uint32_t, 0, 1>;
};
struct TPC_STALL : Register<0x93c> {
  using V = Field<uint32_t, 0, 1>;
};
struct ICACHE_BASE_ADDERESS_LOW : Register<0x940> {};  // [sic]
struct ICACHE_BASE_ADDERESS_HIGH : Register<0x944> {};
struct TPC_INTR_CAUSE : Register<0x958> {
  using CAUSE = Field<uint32_t, 0, 20>;
};
struct TPC_INTR_MASK : Register<0x95c> {
  using MASK = Field<uint32_t, 0, 20>;
};
struct LUT_FUNC32_BASE_ADDR_LO : Register<0x978> {};
struct LUT_FUNC32_BASE_ADDR_HI : Register<0x97c> {};
struct LUT_FUNC64_BASE_ADDR_LO : Register<0x980> {};
struct LUT_FUNC64_BASE_ADDR_HI : Register<0x984> {};
struct LUT_FUNC128_BASE_ADDR_LO : Register<0x988> {};
struct LUT_FUNC128_BASE_ADDR_HI : Register<0x98c> {};
struct LUT_FUNC256_BASE_ADDR_LO : Register<0x990> {};
struct LUT_FUNC256_BASE_ADDR_HI : Register<0x994> {};

}  // namespace openhpu::hal::abi::gaudi::tpc

#endif  // HAL_ABI_GAUDI_TPC_H_
