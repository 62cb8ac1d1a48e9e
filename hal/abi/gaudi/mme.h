// The MME's control block: the architectural descriptor (ARCH), its four shadows, command and
// status. One descriptor serves a pair: `local` is the master's array, `remote` the slave's;
// operand S is shared (read once), L and O have an address generator (AGU) an array. Names, offsets
// and bits: the vendor's block_mme and the descriptor blocks inside it. What a descriptor means:
// the loop nest in simulator/functional.
#ifndef HAL_ABI_GAUDI_MME_H_
#define HAL_ABI_GAUDI_MME_H_

#include <cstddef>
#include <cstdint>

#include "hal/abi/register.h"
#include "hal/base/field.h"

namespace openhpu::hal::abi::gaudi {

inline constexpr int kMmeDims = 5;
inline constexpr int kMmeAccumulators = 16;
inline constexpr int kMmeShadows = 4;

// block_mme_tensor. Everything but spatial_size_minus_1 is in elements, already multiplied by the
// stride of its dimension.
struct MmeTensor {
  uint32_t valid_elements[5] = {};
  int32_t loop_stride[5] = {};
  int32_t roi_size[4] = {};
  uint32_t spatial_strides[4] = {};  // of dims 1 to 4
  uint32_t spatial_size_minus_1 = 0;
};
static_assert(sizeof(MmeTensor) == 0x4C);

// block_mme_agu_core.
struct MmeAgu {
  int32_t roi_base_offset[5] = {};
  uint32_t start_offset[4] = {};  // of dims 1 to 4
};
static_assert(sizeof(MmeAgu) == 0x24);

// The whole architectural descriptor in the order of the registers, from mme::ARCH on. It is
// persistent: a queue writes what changed since the last descriptor, then CMD. Words with fields
// are named after them: header_low holds mme::HEADER_LOW.
struct MmeDescriptor {
  uint32_t base_addr_high_s = 0;
  uint32_t base_addr_high_l = 0;
  uint32_t base_addr_high_o = 0;
  uint32_t base_addr_low_s = 0;
  uint32_t base_addr_low_l = 0;
  uint32_t base_addr_low_o = 0;
  uint32_t header_low = 0;
  uint32_t header_high = 0;
  uint32_t conv_kernel_size_minus_1 = 0;
  uint32_t conv_associated_dims_low = 0;
  uint32_t conv_associated_dims_high = 0;
  uint32_t num_iterations_minus_1 = 0;  // the tetris loop
  uint32_t outer_loop = 0;
  MmeTensor tensor_s;
  MmeAgu agu_s;
  MmeTensor tensor_l;
  MmeAgu agu_l_local;
  MmeAgu agu_l_remote;
  MmeTensor tensor_o;
  MmeAgu agu_o_local;
  MmeAgu agu_o_remote;
  uint32_t sb_repeat = 0;
  uint32_t rate_limiter = 0;
  uint32_t sync_object_addr_low_local = 0;
  uint32_t sync_object_addr_low_remote = 0;
  uint32_t sync_object_addr_high = 0;
  uint32_t sync_object_data = 0;
  uint32_t axi_user_data = 0;
  uint32_t perf_evt_s = 0;
  uint32_t perf_evt_l_local = 0;
  uint32_t perf_evt_l_remote = 0;
  uint32_t perf_evt_o_local = 0;
  uint32_t perf_evt_o_remote = 0;
  uint32_t padding_value_s = 0;  // bf16: the value in both halves
  uint32_t padding_value_l = 0;
  uint32_t meta_data_agu_s = 0;
  uint32_t meta_data_agu_l_local = 0;
  uint32_t meta_data_agu_l_remote = 0;
  uint32_t meta_data_agu_o_local = 0;
  uint32_t meta_data_agu_o_remote = 0;
  uint32_t pcu_rl_saturation = 0;
  uint32_t dummy = 0;
};
inline constexpr int kMmeDescriptorWords = 0x88;
static_assert(sizeof(MmeDescriptor) == 4 * kMmeDescriptorWords);

}  // namespace openhpu::hal::abi::gaudi

namespace openhpu::hal::abi::gaudi::mme {

// Bits of every loop mask: 0 to 3 the convolution loops, innermost first, 4 tetris, 5 outer.
inline constexpr uint32_t kTetrisLoop = 4;
inline constexpr uint32_t kOuterLoop = 5;
inline constexpr uint32_t kNumLoops = 6;
// Codes of an associated dim: 0 to 4 a dimension of the tensor, 5 none.
inline constexpr uint32_t kNoDim = 5;

enum class DataType : uint32_t { kBFloat16 = 0, kFloat32 = 1 };

enum class RoundingMode : uint32_t {
  kNearestEven = 0,
  kZero = 1,
  kUp = 2,
  kDown = 3,
  kStochastic = 4,  // a bit: may be combined with the others
};

// Codes of AXI_USER_DATA.FIRST and STEADY: what a store does to memory. Rounding to nearest.
inline constexpr uint32_t kStorePlain = 0x00;
inline constexpr uint32_t kStoreAddBFloat16 = 0x0D;
inline constexpr uint32_t kStoreAddFloat32 = 0x0F;

// The descriptor's blocks, as offsets in the control block.
struct ARCH : Register<0x8> {};
struct ARCH_TENSOR_S : Register<0x3c> {};
struct ARCH_AGU_S : Register<0x88> {};
struct ARCH_TENSOR_L : Register<0xac> {};
struct ARCH_AGU_L_LOCAL : Register<0xf8> {};
struct ARCH_AGU_L_REMOTE : Register<0x11c> {};
struct ARCH_TENSOR_O : Register<0x140> {};
struct ARCH_AGU_O_LOCAL : Register<0x18c> {};
struct ARCH_AGU_O_REMOTE : Register<0x1b0> {};
struct ARCH_DESC : Register<0x1d4> {};
// Units that work on a descriptor: set when it is started, each cleared when the unit is done.
struct UnitBits {
  using AGU_S = Field<uint32_t, 0, 1>;
  using AGU_L = Field<uint32_t, 1, 1>;
  using AGU_O = Field<uint32_t, 2, 1>;
  using AP = Field<uint32_t, 3, 1>;
  using EU = Field<uint32_t, 4, 1>;
  using TE_S = Field<uint32_t, 5, 1>;
  using TE_L = Field<uint32_t, 6, 1>;
};
// A shadow is a status word and, 8 bytes on, a descriptor: what a started CMD works from.
struct SHADOW_STATUS : Register<0x400, kMmeShadows, 0x280>, UnitBits {};
struct SHADOW : Register<0x408, kMmeShadows, 0x280> {};

// Words of the descriptor, as offsets in the control block.
struct HEADER_LOW : Register<0x20> {
  using TRANS_S = Field<uint32_t, 0, 1>;
  using TRANS_L = Field<uint32_t, 1, 1>;
  using TRANS_O = Field<uint32_t, 2, 1>;
  using ADVANCE_S = Field<uint32_t, 3, 1>;
  using ADVANCE_L = Field<uint32_t, 4, 1>;
  using ADVANCE_O = Field<uint32_t, 5, 1>;
  using LOWER_L = Field<uint32_t, 6, 1>;
  using LOWER_S = Field<uint32_t, 7, 1>;
  using ACCUM_MASK = Field<uint32_t, 8, 4>;
  using ACC_STORE_INC_DISABLE = Field<uint32_t, 12, 1>;
  using ROUNDING_MODE = Field<uint32_t, 13, 3>;
  using DATA_TYPE_IN = Field<uint32_t, 16, 1>;
  using DATA_TYPE_OUT = Field<uint32_t, 17, 1>;
  using ACCUM = Field<uint32_t, 18, 1>;
  using STORE_EN = Field<uint32_t, 19, 1>;
  using ROLL_ACCUMS = Field<uint32_t, 20, 4>;
  using SIGNAL_MASK = Field<uint32_t, 24, 6>;
  using SIGNAL_EN = Field<uint32_t, 30, 1>;
  using RELU_EN = Field<uint32_t, 31, 1>;
};
struct HEADER_HIGH : Register<0x24> {
  using PARTIAL_HEIGHT_LOOP_S = Field<uint32_t, 0, 6>;
  using PARTIAL_HEIGHT_LOOP_L_LOC = Field<uint32_t, 6, 6>;
  using PARTIAL_HEIGHT_LOOP_L_REM = Field<uint32_t, 12, 6>;
  using PARTIAL_HEIGHT_LOOP_O_LOC = Field<uint32_t, 18, 6>;
  using PARTIAL_HEIGHT_LOOP_O_REM = Field<uint32_t, 24, 6>;
  using RESERV_SW = Field<uint32_t, 30, 1>;
  using EUB_EN = Field<uint32_t, 31, 1>;
};
struct CONV_KERNEL_SIZE_MINUS_1 : Register<0x28> {
  using DIM0 = Field<uint32_t, 0, 8>;
  using DIM1 = Field<uint32_t, 8, 8>;
  using DIM2 = Field<uint32_t, 16, 8>;
  using DIM3 = Field<uint32_t, 24, 8>;
};
struct CONV_ASSOCIATED_DIMS_LOW : Register<0x2c> {
  using DIM_S_DIM0 = Field<uint32_t, 0, 3>;
  using DIM_L_DIM0 = Field<uint32_t, 3, 3>;
  using DIM_O_DIM0 = Field<uint32_t, 6, 3>;
  using DIM_S_DIM1 = Field<uint32_t, 16, 3>;
  using DIM_L_DIM1 = Field<uint32_t, 19, 3>;
  using DIM_O_DIM1 = Field<uint32_t, 22, 3>;
};
struct CONV_ASSOCIATED_DIMS_HIGH : Register<0x30> {
  using DIM_S_DIM2 = Field<uint32_t, 0, 3>;
  using DIM_L_DIM2 = Field<uint32_t, 3, 3>;
  using DIM_O_DIM2 = Field<uint32_t, 6, 3>;
  using DIM_S_DIM3 = Field<uint32_t, 16, 3>;
  using DIM_L_DIM3 = Field<uint32_t, 19, 3>;
  using DIM_O_DIM3 = Field<uint32_t, 22, 3>;
};
// The tetris loop.
struct NUM_ITERATIONS_MINUS_1 : Register<0x34> {};
struct OUTER_LOOP : Register<0x38> {
  using DIM_S = Field<uint32_t, 0, 3>;
  using DIM_L = Field<uint32_t, 3, 3>;
  using DIM_O = Field<uint32_t, 6, 3>;
  using SIZE_MINUS_1 = Field<uint32_t, 16, 8>;
};
struct SB_REPEAT : Register<0x1d4> {
  using REPEAT_S_MINUS_1 = Field<uint32_t, 0, 8>;
  using AGU_S_LOOP_MASK = Field<uint32_t, 8, 6>;
  using LOAD_S = Field<uint32_t, 14, 1>;
  using TEB_S_EN = Field<uint32_t, 15, 1>;
  using REPEAT_L_MINUS_1 = Field<uint32_t, 16, 8>;
  using AGU_L_LOOP_MASK = Field<uint32_t, 24, 6>;
  using LOAD_L = Field<uint32_t, 30, 1>;
  using TEB_L_EN = Field<uint32_t, 31, 1>;
};
struct RATE_LIMITER : Register<0x1d8> {
  using AGU_S = Field<uint32_t, 0, 8>;
  using AGU_L = Field<uint32_t, 8, 8>;
  using AGU_O = Field<uint32_t, 16, 8>;
};
struct SYNC_OBJECT_DATA : Register<0x1e8> {
  using VALUE = Field<uint32_t, 0, 15>;
  using PERF_EN = Field<uint32_t, 30, 1>;
  using OPERATION = Field<uint32_t, 31, 1>;
};
struct AXI_USER_DATA : Register<0x1ec> {
  using FIRST = Field<uint32_t, 0, 9>;
  using STEADY = Field<uint32_t, 9, 9>;
  using MASK = Field<uint32_t, 18, 6>;
};
// S; L local, L remote, O local and O remote follow, alike.
struct PERF_EVT : Register<0x1f0, 5> {
  using VALUE = Field<uint32_t, 0, 16>;
  using RST = Field<uint32_t, 16, 1>;
  using INC_MASK = Field<uint32_t, 17, 1>;
  using END_MASK = Field<uint32_t, 18, 2>;
  using LOOP_MASK = Field<uint32_t, 20, 6>;
};
struct PCU_RL_SATURATION : Register<0x220> {
  using V = Field<uint32_t, 0, 24>;
};
// For software; the hardware ignores it.
struct DUMMY : Register<0x224> {
  using V = Field<uint32_t, 0, 1>;
};

// ACCUM_FREE: free accumulators.
struct ARCH_STATUS : Register<0x0>, UnitBits {
  using SB_A_EMPTY = Field<uint32_t, 7, 1>;
  using SB_B_EMPTY = Field<uint32_t, 8, 1>;
  using SM_IDLE = Field<uint32_t, 11, 1>;
  using WBC_AXI_IDLE = Field<uint32_t, 12, 1>;
  using SB_B_AXI_IDLE = Field<uint32_t, 18, 1>;
  using SB_A_AXI_IDLE = Field<uint32_t, 20, 1>;
  using ACCUM_FREE = Field<uint32_t, 22, 3>;
  using QM_IDLE = Field<uint32_t, 30, 1>;
  using QM_RDY = Field<uint32_t, 31, 1>;
};
// Writing EXECUTE snapshots the ARCH block into a free shadow and starts it; with no shadow free,
// the queue stalls.
struct CMD : Register<0x280> {
  using EXECUTE = Field<uint32_t, 0, 1>;
};
struct STATUS1 : Register<0x284> {};
struct RESET : Register<0x288> {
  using V = Field<uint32_t, 0, 1>;
};
struct QM_STALL : Register<0x28c> {
  using V = Field<uint32_t, 0, 1>;
};
struct INTR_CAUSE : Register<0x298> {
  using V = Field<uint32_t, 0, 6>;
};
struct INTR_MASK : Register<0x29c> {
  using V = Field<uint32_t, 0, 6>;
};
// Which units are logged, by shadow.
struct LOG_SHADOW : Register<0x2a0> {
  using MASK_0 = Field<uint32_t, 0, 7>;
  using MASK_1 = Field<uint32_t, 8, 7>;
  using MASK_2 = Field<uint32_t, 16, 7>;
  using MASK_3 = Field<uint32_t, 24, 7>;
};

// The register of a word of MmeDescriptor, given its offsetof.
constexpr uint32_t ArchRegister(size_t offset_in_descriptor) {
  return ARCH::kOffset + static_cast<uint32_t>(offset_in_descriptor);
}
static_assert(ArchRegister(offsetof(MmeDescriptor, header_low)) == HEADER_LOW::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, outer_loop)) == OUTER_LOOP::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, tensor_s)) == ARCH_TENSOR_S::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, agu_s)) == ARCH_AGU_S::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, tensor_l)) == ARCH_TENSOR_L::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, agu_l_local)) == ARCH_AGU_L_LOCAL::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, agu_l_remote)) == ARCH_AGU_L_REMOTE::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, tensor_o)) == ARCH_TENSOR_O::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, agu_o_local)) == ARCH_AGU_O_LOCAL::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, agu_o_remote)) == ARCH_AGU_O_REMOTE::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, sb_repeat)) == ARCH_DESC::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, sb_repeat)) == SB_REPEAT::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, sync_object_data)) == SYNC_OBJECT_DATA::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, axi_user_data)) == AXI_USER_DATA::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, perf_evt_s)) == PERF_EVT::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, padding_value_s)) == 0x204);
static_assert(ArchRegister(offsetof(MmeDescriptor, dummy)) == DUMMY::kOffset);
static_assert(DUMMY::kOffset == 0x224);

}  // namespace openhpu::hal::abi::gaudi::mme

#endif  // HAL_ABI_GAUDI_MME_H_
