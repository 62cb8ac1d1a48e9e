// The MME's control block (CTRL_LO): the architectural descriptor (ARCH), command and status. One
// descriptor serves an MME, which is two cores: the master, whose queue and block this is, and the
// slave of the next DCORE. A core is 128 rows (operand A) by 256 columns (operand B); it has five
// input address generators (AGU), which the header divides between A and B, and two for the output.
// Names, offsets and bits: the vendor's block_mme_ctrl_lo and the descriptor blocks inside it. Left
// out: bus user bits and protection.
#ifndef HAL_ABI_GAUDI2_MME_H_
#define HAL_ABI_GAUDI2_MME_H_

#include <cstddef>
#include <cstdint>

#include "hal/abi/register.h"
#include "hal/base/field.h"

namespace openhpu::hal::abi::gaudi2 {

inline constexpr int kMmeDims = 5;
inline constexpr int kMmeCoreRows = 128;  // of one core; 256 by 128 with HX2
inline constexpr int kMmeCoreCols = 256;
inline constexpr int kMmeAccumulators = 4;      // of 128 by 256, with DOUBLE_ACCUMS
inline constexpr int kMmeHalfAccumulators = 8;  // of 64 by 256, without
inline constexpr int kMmeInputAgus = 5;         // of a core; one input buffer (SB) each
inline constexpr int kMmeOutputAgus = 2;        // of a core
inline constexpr int kMmeDescriptorSlots = 4;

// block_mme_tensor. Everything is in elements, already multiplied by the stride of its dimension.
struct MmeTensor {
  uint32_t valid_elements[5] = {};
  int32_t loop_stride[5] = {};
  int32_t roi_size[4] = {};
  uint32_t spatial_strides[4] = {};  // of dims 1 to 4
  uint32_t start_offset[4] = {};     // of dims 1 to 4
};
static_assert(sizeof(MmeTensor) == 0x58);

// block_mme_agu_core.
struct MmeAgu {
  int32_t roi_base_offset[5] = {};
};
static_assert(sizeof(MmeAgu) == 0x14);

struct MmeAguPair {
  MmeAgu master;
  MmeAgu slave;
};

// The whole architectural descriptor in the order of the registers, from mme::ARCH on. It is
// persistent: a queue writes what changed since the last descriptor, then CMD. Words with fields
// are named after them: header_low holds mme::HEADER_LOW.
struct MmeDescriptor {
  uint32_t cout1_low = 0;
  uint32_t cout1_high = 0;
  uint32_t cout0_low = 0;
  uint32_t cout0_high = 0;
  uint32_t a_low = 0;
  uint32_t a_high = 0;
  uint32_t b_low = 0;
  uint32_t b_high = 0;
  uint32_t brains_low = 0;
  uint32_t brains_high = 0;
  uint32_t header_low = 0;
  uint32_t header_high = 0;
  uint32_t eus_master = 0;
  uint32_t eus_slave = 0;
  MmeTensor tensor_a;
  MmeTensor tensor_b;
  MmeTensor tensor_cout;
  uint32_t sync_obj_dw0 = 0;  // mme::SyncObjectDw0
  uint32_t sync_obj_addr0 = 0;
  uint32_t sync_obj_val0 = 0;
  uint32_t sync_obj_addr1 = 0;
  uint32_t sync_obj_val1 = 0;
  MmeAguPair agu_in[kMmeInputAgus];
  uint32_t a_ss = 0;  // lines of A less one
  uint32_t b_ss = 0;
  MmeAguPair agu_cout[kMmeOutputAgus];
  uint32_t cout_ss = 0;
  uint32_t conv_kernel_size_minus_1 = 0;
  uint32_t conv_low = 0;
  uint32_t conv_high = 0;
  uint32_t outer_loop = 0;
  uint32_t num_iterations_minus_1 = 0;  // the tetris loop
  uint32_t sb_repeat = 0;
  uint32_t fp8_bias = 0;
  uint32_t rate_limiter = 0;
  uint32_t user_data = 0;
  uint32_t perf_evt_in = 0;
  uint32_t perf_evt_out = 0;
  uint32_t pcu = 0;
  uint32_t slave_sync_obj0_addr = 0;
  uint32_t slave_sync_obj1_addr = 0;
  uint32_t power_loop = 0;
  uint32_t spare0_master = 0;
  uint32_t spare1_master = 0;
  uint32_t spare2_master = 0;
  uint32_t spare3_master = 0;
  uint32_t spare0_slave = 0;
  uint32_t spare1_slave = 0;
  uint32_t spare2_slave = 0;
  uint32_t spare3_slave = 0;
  uint32_t wkl_id = 0;
};
inline constexpr int kMmeDescriptorWords = 0xB6;
static_assert(sizeof(MmeDescriptor) == 4 * kMmeDescriptorWords);

}  // namespace openhpu::hal::abi::gaudi2

namespace openhpu::hal::abi::gaudi2::mme {

// Bits of every loop mask: 0 to 3 the convolution loops, innermost first, 4 tetris, 5 outer.
inline constexpr uint32_t kTetrisLoop = 4;
inline constexpr uint32_t kOuterLoop = 5;
inline constexpr uint32_t kNumLoops = 6;
// Codes of an associated dim: 0 to 4 a dimension of the tensor, 5 none.
inline constexpr uint32_t kNoDim = 5;

// Codes of HEADER_LOW. TF32 and IEEE are modes of the input; their output is kFloat32.
enum class DataType : uint32_t {
  kFloat16 = 0x8,
  kBFloat16 = 0x9,
  kFloat32 = 0xA,
  kTFloat32 = 0xB,
  kFloat8_143 = 0xC,
  kFloat8_152 = 0xD,
  kFloat32Ieee = 0xE,
};

enum class RoundingMode : uint32_t {
  kNearestEven = 0,
  kZero = 1,
  kUp = 2,
  kDown = 3,
  kStochastic = 4,
  kHalfAway = 6,
  kStochasticNearest = 7,
};

// Codes of BRAINS_HIGH.SHUFFLE_A: over how many ports the rows of A are interleaved.
enum class ShuffleA : uint32_t { kNone = 0, kTwoPorts = 1, kFourPorts = 3 };

// Codes of EUS_*.SBn_SEL: 0 to 3 rows of A, 64 each; 4 to 7 columns of B.
constexpr uint32_t SelectA(uint32_t port) { return port; }
constexpr uint32_t SelectB(uint32_t port) { return 4 + port; }

// ARCH_SYNC_OBJ_DW0: output i signals when all loops of SIGNAL_MASKi are at their last iteration.
// No row of the reference has these bits; they are the description's.
struct SyncObjectDw0 {
  using SIGNAL_MASK0 = Field<uint32_t, 0, 6>;
  using SIGNAL_EN0 = Field<uint32_t, 6, 1>;
  using SIGNAL_MASK1 = Field<uint32_t, 8, 6>;
  using SIGNAL_EN1 = Field<uint32_t, 14, 1>;
  using MASTER_WAIT_FOR_SLAVE_FENCE = Field<uint32_t, 15, 1>;
  using SLAVE_SEND_FENCE2MASTER = Field<uint32_t, 16, 1>;
  using SLAVE_SIGNAL_EN = Field<uint32_t, 17, 1>;  // both cores write
  using SLAVE0_USE_SLAVE_SO_ADDR = Field<uint32_t, 18, 1>;
  using SLAVE1_USE_SLAVE_SO_ADDR = Field<uint32_t, 19, 1>;
  using SLAVE0_USE_MASTER_SO_ADDR_PLUS4 = Field<uint32_t, 20, 1>;
  using SLAVE1_USE_MASTER_SO_ADDR_PLUS4 = Field<uint32_t, 21, 1>;
};

// Which units work, and free accumulators: the bits are in no source. 0xC27FFE00 after reset.
struct ARCH_STATUS : Register<0x0> {
  using AGU_IN = Field<uint32_t, 0, 5>;
  using EU = Field<uint32_t, 5, 1>;
  using AP = Field<uint32_t, 6, 1>;
  using AGU_COUT = Field<uint32_t, 7, 2>;
  using SB_IN_EMPTY = Field<uint32_t, 9, 5>;
  using AGU_COUT_SM_IDLE = Field<uint32_t, 14, 2>;
  using WBC_AXI_IDLE = Field<uint32_t, 16, 2>;
  using SB_IN_AXI_IDLE = Field<uint32_t, 18, 5>;
  using ACCUM_FREE = Field<uint32_t, 23, 3>;
  using QM_IDLE = Field<uint32_t, 30, 1>;
  using QM_RDY = Field<uint32_t, 31, 1>;
};
// Writing it starts the units that its bits name: kGo is all of them. COPY_AND_INC goes on to the
// next of the four descriptor slots and copies ARCH into it; with none free, the queue stalls.
// NULL_DESC: only the signal.
struct CMD : Register<0x4> {
  using AGU_IN = Field<uint32_t, 0, 5>;
  using EU = Field<uint32_t, 5, 1>;
  using AP = Field<uint32_t, 6, 1>;
  using AGU_COUT = Field<uint32_t, 7, 2>;
  using COPY_AND_INC = Field<uint32_t, 9, 1>;
  using DESC_SEL = Field<uint32_t, 10, 2>;
  using MASK_IDLE_IND = Field<uint32_t, 12, 1>;
  using AGU_OUT1_FROM_AGU0_DW0 = Field<uint32_t, 13, 1>;
  using AGU_OUT1_FROM_AGU0_DW1_4 = Field<uint32_t, 14, 1>;
  using NULL_DESC = Field<uint32_t, 15, 1>;
};
// SyncObjectDw0 has its fields; then what is written by colour set, and where: 32 bits of address.
struct ARCH_SYNC_OBJ_DW0 : Register<0x148> {
  using SIGNAL_MASK0 = Field<uint32_t, 0, 6>;
  using SIGNAL_EN0 = Field<uint32_t, 6, 1>;
  using SIGNAL_MASK1 = Field<uint32_t, 8, 6>;
  using SIGNAL_EN1 = Field<uint32_t, 14, 1>;
  using MASTER_WAIT_SLAVE_FENCE = Field<uint32_t, 15, 1>;
  using SLAVE_SEND_FENCE2MASTER = Field<uint32_t, 16, 1>;
  using SLAVE_SIGNAL_EN = Field<uint32_t, 17, 1>;
  using SLAVE0_USE_SLV_ADR = Field<uint32_t, 18, 1>;
  using SLAVE1_USE_SLV_ADR = Field<uint32_t, 19, 1>;
  using SLAVE0_USE_MSTR_ADR_PLUS4 = Field<uint32_t, 20, 1>;
  using SLAVE1_USE_MSTR_ADR_PLUS4 = Field<uint32_t, 21, 1>;
};
struct ARCH_SYNC_OBJ_ADDR0 : Register<0x14c> {};
struct ARCH_SYNC_OBJ_VAL0 : Register<0x150> {
  using SO_VALUE = Field<uint32_t, 0, 15>;
  using SO_RESERVED = Field<uint32_t, 15, 15>;
  using SO_PERF_EN = Field<uint32_t, 30, 1>;
  using SO_OP = Field<uint32_t, 31, 1>;
};
struct ARCH_SYNC_OBJ_ADDR1 : Register<0x154> {};
struct ARCH_SYNC_OBJ_VAL1 : Register<0x158> {
  using SO_VALUE = Field<uint32_t, 0, 15>;
  using SO_RESERVED = Field<uint32_t, 15, 15>;
  using SO_PERF_EN = Field<uint32_t, 30, 1>;
  using SO_OP = Field<uint32_t, 31, 1>;
};
// Address generators of a core: input 0 to 4, each of the master and of the slave.
struct ARCH_AGU_IN : Register<0x15c, 10, sizeof(MmeAgu)> {};
// Lines of an operand's walk less one (spatial size).
struct ARCH_A_SS : Register<0x224> {};
struct ARCH_B_SS : Register<0x228> {};
// Of output 0 and 1, alike.
struct ARCH_AGU_COUT : Register<0x22c, 4, sizeof(MmeAgu)> {};
struct ARCH_COUT_SS : Register<0x27c> {};
struct QM_STALL : Register<0x400> {
  using V = Field<uint32_t, 0, 1>;
};
struct LOG_SHADOW_LO : Register<0x404> {
  using MASK_0 = Field<uint32_t, 0, 9>;
  using MASK_1 = Field<uint32_t, 9, 9>;
};
struct LOG_SHADOW_HI : Register<0x408> {
  using MASK_2 = Field<uint32_t, 0, 9>;
  using MASK_3 = Field<uint32_t, 9, 9>;
};
struct SYNC_OBJECT_FIFO_TH : Register<0x40c> {
  using V = Field<uint32_t, 0, 5>;
};
struct REDUN : Register<0x410> {
  using FMA = Field<uint32_t, 0, 6>;
};
struct EUS_LOCAL_FIFO_TH : Register<0x414> {
  using FIFO0 = Field<uint32_t, 0, 5>;
  using FIFO1 = Field<uint32_t, 5, 5>;
  using FIFO2 = Field<uint32_t, 10, 5>;
};
struct EUS_ROLLUP_DLY_DW0 : Register<0x418> {
  using FP = Field<uint32_t, 0, 8>;
  using FP_PE0 = Field<uint32_t, 8, 5>;
  using FP_PE1 = Field<uint32_t, 13, 5>;
  using FP_PE2 = Field<uint32_t, 18, 5>;
  using FP_PE3 = Field<uint32_t, 23, 5>;
};
struct EUS_ROLLUP_DLY_DW1 : Register<0x41c> {
  using FP_PE4 = Field<uint32_t, 0, 5>;
  using FP_PE_HI = Field<uint32_t, 5, 5>;
};
// The common-dimension protector, a delay by type: 0x80 after reset, and disabled.
struct EUS_ROLLUP_CD_PROT_F16 : Register<0x420> {
  using DLY = Field<uint32_t, 0, 12>;
  using EN = Field<uint32_t, 31, 1>;
};
struct EUS_ROLLUP_CD_PROT_F8 : Register<0x424> {
  using DLY = Field<uint32_t, 0, 12>;
  using EN = Field<uint32_t, 31, 1>;
};
struct EUS_ROLLUP_CD_PROT_FP32 : Register<0x428> {
  using DLY = Field<uint32_t, 0, 12>;
  using EN = Field<uint32_t, 31, 1>;
};
struct EUS_ROLLUP_CD_PROT_FP32I : Register<0x42c> {
  using DLY = Field<uint32_t, 0, 12>;
  using EN = Field<uint32_t, 31, 1>;
};
struct EUS_ROLLUP_CD_PROT_TF32 : Register<0x430> {
  using DLY = Field<uint32_t, 0, 12>;
  using EN = Field<uint32_t, 31, 1>;
};
struct PCU_RL_DESC0 : Register<0x434> {
  using RL_RST_TOKEN = Field<uint32_t, 0, 16>;
  using RL_TIMEOUT = Field<uint32_t, 16, 8>;
  using RL_DUMMY2REAL_PERIOD = Field<uint32_t, 24, 8>;
};
struct PCU_RL_TOKEN_UPDATE : Register<0x438> {
  using INC_VAL = Field<uint32_t, 0, 16>;
  using DEC_VAL = Field<uint32_t, 16, 16>;
};
struct PCU_RL_TH : Register<0x43c> {
  using POOL_TH_DEC = Field<uint32_t, 0, 16>;
  using DUMMY_REAL_DIFF_TH = Field<uint32_t, 16, 16>;
};
struct PCU_RL_MIN : Register<0x440> {
  using AVG_MIN_TO_FORCE_DUMMY = Field<uint32_t, 0, 16>;
  using TOKEN_MIN_VAL = Field<uint32_t, 16, 16>;
};
struct PCU_RL_CTRL_EN : Register<0x444> {
  using PCU_DISABLE = Field<uint32_t, 0, 1>;
  using MIN_VAL_PROT_EN = Field<uint32_t, 1, 1>;
};
struct PCU_RL_HISTORY_LOG_SIZE : Register<0x448> {
  using ALL_MACS = Field<uint32_t, 0, 3>;
  using REAL_MACS = Field<uint32_t, 3, 2>;
};
struct PCU_DUMMY_A_BF16 : Register<0x44c> {
  using ODD = Field<uint32_t, 0, 16>;
  using EVEN = Field<uint32_t, 16, 16>;
};
struct PCU_DUMMY_B_BF16 : Register<0x450> {
  using ODD = Field<uint32_t, 0, 16>;
  using EVEN = Field<uint32_t, 16, 16>;
};
struct PCU_DUMMY_A_FP16 : Register<0x454> {
  using ODD = Field<uint32_t, 0, 16>;
  using EVEN = Field<uint32_t, 16, 16>;
};
struct PCU_DUMMY_B_FP16 : Register<0x458> {
  using ODD = Field<uint32_t, 0, 16>;
  using EVEN = Field<uint32_t, 16, 16>;
};
struct PCU_DUMMY_F8 : Register<0x45c> {
  using A_VAL_ODD = Field<uint32_t, 0, 8>;
  using A_VAL_EVEN = Field<uint32_t, 8, 8>;
  using B_VAL_ODD = Field<uint32_t, 16, 8>;
  using B_VAL_EVEN = Field<uint32_t, 24, 8>;
};
struct PCU_DUMMY_A_FP32_ODD : Register<0x460> {};
struct PCU_DUMMY_A_FP32_EVEN : Register<0x464> {};
struct PCU_DUMMY_B_FP32_ODD : Register<0x468> {};
struct PCU_DUMMY_B_FP32_EVEN : Register<0x46c> {};
struct PCU_DUMMY_A_TF32_ODD : Register<0x470> {};
struct PCU_DUMMY_A_TF32_EVEN : Register<0x474> {};
struct PCU_DUMMY_B_TF32_ODD : Register<0x478> {};
struct PCU_DUMMY_B_TF32_EVEN : Register<0x47c> {};
struct PROT : Register<0x480> {
  using VALUE = Field<uint32_t, 0, 3>;
};
struct EU : Register<0x484> {
  using POWER_SAVE_DISABLE = Field<uint32_t, 0, 1>;
  using FP_PYR_CLOSE_CGATE_EN = Field<uint32_t, 1, 1>;
  using FP_CLS_CLOSE_CGATE_EN = Field<uint32_t, 2, 1>;
  using FP_CLOSE_CGATE_DLY = Field<uint32_t, 8, 12>;
  using FP_CLOSE_CGATE_ON_DESC = Field<uint32_t, 20, 1>;
  using FP_ROLLUP_CDC_STALL_DIS = Field<uint32_t, 21, 1>;
};
struct SBTE : Register<0x488> {
  using CLOSE_CGATE = Field<uint32_t, 0, 5>;
};
struct AGU_SM_INFLIGHT_CNTR : Register<0x48c> {};
struct AGU_SM_TOTAL_CNTR : Register<0x490> {};
struct PCU_RL_SAT_SEC : Register<0x494> {
  using VAL = Field<uint32_t, 0, 20>;
  using SEL = Field<uint32_t, 31, 1>;
};
struct FMA_FUNC_REDUN_CLK_EN32 : Register<0x498> {};
struct FMA_FUNC_REDUN_CLK_EN33 : Register<0x49c> {
  using V_NMB_ = Field<uint32_t, 0, 1>;
};
struct EU_ISOLATION_DIS : Register<0x4a0> {
  using FMA = Field<uint32_t, 0, 1>;
};
struct QM_SLV_CLK_EN : Register<0x4a4> {
  using V = Field<uint32_t, 0, 1>;
};
struct HBW_CLK_ENABLER_DIS : Register<0x4a8> {
  using AXI = Field<uint32_t, 0, 1>;
  using APB = Field<uint32_t, 1, 1>;
};
struct AGU : Register<0x4ac> {
  using COUT_H_FROM_SPATIAL_LOOP = Field<uint32_t, 0, 1>;
};
struct QM : Register<0x4b0> {
  using STOP_ON_SBTE_ERR = Field<uint32_t, 0, 1>;
  using EXT_ADDR_ERR_EN = Field<uint32_t, 1, 1>;
};
struct EARLY_RELEASE_STATUS : Register<0x4b4> {
  using AGU_COUT0 = Field<uint32_t, 0, 4>;
  using AGU_COUT1 = Field<uint32_t, 4, 4>;
  using AP_BRAIN = Field<uint32_t, 8, 4>;
  using EU_BRAIN = Field<uint32_t, 12, 4>;
};
struct INTR_CAUSE : Register<0x4b8> {
  using V = Field<uint32_t, 0, 16>;
};
struct INTR_MASK : Register<0x4bc> {
  using V = Field<uint32_t, 0, 22>;
};
struct INTR_CLEAR : Register<0x4c0> {
  using V = Field<uint32_t, 0, 16>;
};
struct REDUN_PSOC_SEL_SEC : Register<0x4c4> {
  using V = Field<uint32_t, 0, 1>;
};
struct BIST : Register<0x4c8> {
  using FUNC_MODE = Field<uint32_t, 0, 1>;
  using APB_SW_MODE = Field<uint32_t, 1, 1>;
};
struct EU_RL_ENABLE : Register<0x4cc> {
  using V = Field<uint32_t, 0, 1>;
};
struct EU_RL_TOKEN_SEL : Register<0x4d0> {
  using STAT = Field<uint32_t, 0, 1>;
};
struct EU_RL_CFG : Register<0x4d4> {
  using RST_TOKEN = Field<uint32_t, 0, 8>;
  using TIMEOUT = Field<uint32_t, 8, 8>;
  using SATURATION = Field<uint32_t, 16, 8>;
  using DATA_SIZE = Field<uint32_t, 24, 8>;
};
struct PCU_DBG_DW0 : Register<0x4d8> {
  using FSM_STATE = Field<uint32_t, 0, 1>;
  using REAL_POOL_TOKENS = Field<uint32_t, 8, 20>;
};
struct PCU_DBG_DW1 : Register<0x4dc> {
  using ALL_POOL_TOKENS = Field<uint32_t, 0, 20>;
};
struct PCU_DBG_DW2 : Register<0x4e0> {
  using BUBBLE_CYC_CNTR = Field<uint32_t, 0, 16>;
  using DUMMY_CYC_CNTR = Field<uint32_t, 16, 16>;
};
struct PCU_DBG_DW3 : Register<0x4e4> {
  using REAL_MACS_HISTORY = Field<uint32_t, 0, 16>;
  using ALL_MACS_HISTORY = Field<uint32_t, 16, 16>;
};
struct PCU_DBG_WKL_ID : Register<0x4e8> {};
struct ETF_MEM_WRAP_RM : Register<0x4ec> {
  using V = Field<uint32_t, 0, 30>;
};

// The descriptor's blocks.
inline constexpr uint32_t kArch = 0x8;
struct ARCH_TENSOR_A : Register<0x40, 1, sizeof(MmeTensor)> {};
struct ARCH_TENSOR_B : Register<0x98, 1, sizeof(MmeTensor)> {};
struct ARCH_TENSOR_COUT : Register<0xf0, 1, sizeof(MmeTensor)> {};
// Words of the descriptor, as offsets in the control block.
// Byte addresses, low half first.
struct COUT1_LOW : Register<0x8> {};
struct COUT1_HIGH : Register<0xc> {};
struct COUT0_LOW : Register<0x10> {};
struct COUT0_HIGH : Register<0x14> {};
struct A_LOW : Register<0x18> {};
struct A_HIGH : Register<0x1c> {};
struct B_LOW : Register<0x20> {};
struct B_HIGH : Register<0x24> {};
// Brains: which loops an address generator drops (LOOP_MASK), and whether the core's own works: of
// A, B and the two outputs.
struct BRAINS_LOW : Register<0x28> {
  using A_LOOP_MASK = Field<uint32_t, 0, 6>;
  using A_MASTER_EN = Field<uint32_t, 6, 1>;
  using A_SLAVE_EN = Field<uint32_t, 7, 1>;
  using B_LOOP_MASK = Field<uint32_t, 8, 6>;
  using B_MASTER_EN = Field<uint32_t, 14, 1>;
  using B_SLAVE_EN = Field<uint32_t, 15, 1>;
  using AGU_COUT0_LOOP_MASK = Field<uint32_t, 16, 6>;
  using AGU_COUT0_MASTER_EN = Field<uint32_t, 22, 1>;
  using AGU_COUT0_SLAVE_EN = Field<uint32_t, 23, 1>;
  using AGU_COUT1_LOOP_MASK = Field<uint32_t, 24, 6>;
  using AGU_COUT1_MASTER_EN = Field<uint32_t, 30, 1>;
  using AGU_COUT1_SLAVE_EN = Field<uint32_t, 31, 1>;
};
// Of the EU and AP; SHUFFLE_A: 0 none, 1 two ports, 3 four. NULL_DESC: only the signal.
struct BRAINS_HIGH : Register<0x2c> {
  using EU_LOOP_MASK = Field<uint32_t, 0, 6>;
  using EU_MASTER_EN = Field<uint32_t, 6, 1>;
  using EU_SLAVE_EN = Field<uint32_t, 7, 1>;
  using AP_LOOP_MASK = Field<uint32_t, 8, 6>;
  using AP_MASTER_EN = Field<uint32_t, 14, 1>;
  using AP_SLAVE_EN = Field<uint32_t, 15, 1>;
  using DEC_EN = Field<uint32_t, 16, 1>;
  using SHUFFLE_A = Field<uint32_t, 17, 2>;
  using BGEMM = Field<uint32_t, 19, 1>;
  using CLIP_FP_EU = Field<uint32_t, 20, 1>;
  using CLIP_FP_AP = Field<uint32_t, 21, 1>;
  using SBA_CACHE_EN = Field<uint32_t, 22, 1>;
  using SBB_CACHE_EN = Field<uint32_t, 23, 1>;
  using ROUNDING_MODE = Field<uint32_t, 24, 3>;
  using RELU_EN = Field<uint32_t, 27, 1>;
  using NO_ROLLUP = Field<uint32_t, 28, 1>;
  using NULL_DESC = Field<uint32_t, 29, 1>;
};
// AGU_READS_A, _B: which input generators read the operand. ROLL_ACCUMS: in half accumulators.
// DOUBLE_ACCUMS: 4 accumulators of 128 rows instead of 8 of 64. Data types: a DataType.
struct HEADER_LOW : Register<0x30> {
  using TRANS_A = Field<uint32_t, 0, 1>;
  using TRANS_B = Field<uint32_t, 1, 1>;
  using ADVANCE_A = Field<uint32_t, 2, 1>;
  using ADVANCE_B = Field<uint32_t, 3, 1>;
  using ADVANCE_C = Field<uint32_t, 4, 1>;
  using LOWER_A = Field<uint32_t, 5, 1>;
  using LOWER_B = Field<uint32_t, 6, 1>;
  using ACCUM_EN = Field<uint32_t, 7, 1>;
  using ROLL_ACCUMS = Field<uint32_t, 8, 3>;
  using AGU_READS_A = Field<uint32_t, 11, 5>;
  using AGU_READS_B = Field<uint32_t, 16, 5>;
  using DOUBLE_ACCUMS = Field<uint32_t, 21, 1>;
  using STORE_EN0 = Field<uint32_t, 22, 1>;
  using STORE_EN1 = Field<uint32_t, 23, 1>;
  using DATA_TYPE_IN = Field<uint32_t, 24, 4>;
  using DATA_TYPE_COUT = Field<uint32_t, 28, 4>;
};
// STORE_COLOR_SETi: which of the two sync objects output i signals. HX2: the array is 256 rows of
// 128.
struct HEADER_HIGH : Register<0x34> {
  using SWAP_BASE_AND_OFFSET_A = Field<uint32_t, 0, 1>;
  using SWAP_BASE_AND_OFFSET_B = Field<uint32_t, 1, 1>;
  using SWAP_BASE_AND_OFFSET_COUT = Field<uint32_t, 2, 1>;
  using STORE_COLOR_SET0 = Field<uint32_t, 8, 1>;
  using STORE_COLOR_SET1 = Field<uint32_t, 9, 1>;
  using HX2 = Field<uint32_t, 10, 1>;
  using PARTIAL_HEIGHT_LOOP_A = Field<uint32_t, 16, 6>;
  using PARTIAL_HEIGHT_LOOP_B = Field<uint32_t, 24, 6>;
  using TE_BYPASS_A = Field<uint32_t, 30, 1>;
  using TE_BYPASS_B = Field<uint32_t, 31, 1>;
};
// Routing: which operand an input buffer (SB), or the partner core's, gives the array: codes 0 to 3
// are a0 to a3, 4 to 7 b0 to b3.
struct EUS_MASTER : Register<0x38> {
  using SB0_EN = Field<uint32_t, 0, 1>;
  using SB1_EN = Field<uint32_t, 1, 1>;
  using SB2_EN = Field<uint32_t, 2, 1>;
  using SB3_EN = Field<uint32_t, 3, 1>;
  using SB4_EN = Field<uint32_t, 4, 1>;
  using REMOTE_IN0_EN = Field<uint32_t, 5, 1>;
  using REMOTE_IN1_EN = Field<uint32_t, 6, 1>;
  using SB0_SEL = Field<uint32_t, 7, 3>;
  using SB1_SEL = Field<uint32_t, 10, 3>;
  using SB2_SEL = Field<uint32_t, 13, 3>;
  using SB3_SEL = Field<uint32_t, 16, 3>;
  using SB4_SEL = Field<uint32_t, 19, 3>;
  using REMOTE_IN0_SEL = Field<uint32_t, 22, 3>;
  using REMOTE_IN1_SEL = Field<uint32_t, 25, 3>;
  using SB0_REMOTE_OUT_EN = Field<uint32_t, 28, 1>;
  using SB2_REMOTE_OUT_EN = Field<uint32_t, 29, 1>;
  using SB3_REMOTE_OUT_EN = Field<uint32_t, 30, 1>;
};
struct EUS_SLAVE : Register<0x3c> {
  using SB0_EN = Field<uint32_t, 0, 1>;
  using SB1_EN = Field<uint32_t, 1, 1>;
  using SB2_EN = Field<uint32_t, 2, 1>;
  using SB3_EN = Field<uint32_t, 3, 1>;
  using SB4_EN = Field<uint32_t, 4, 1>;
  using REMOTE_IN0_EN = Field<uint32_t, 5, 1>;
  using REMOTE_IN1_EN = Field<uint32_t, 6, 1>;
  using SB0_SEL = Field<uint32_t, 7, 3>;
  using SB1_SEL = Field<uint32_t, 10, 3>;
  using SB2_SEL = Field<uint32_t, 13, 3>;
  using SB3_SEL = Field<uint32_t, 16, 3>;
  using SB4_SEL = Field<uint32_t, 19, 3>;
  using REMOTE_IN0_SEL = Field<uint32_t, 22, 3>;
  using REMOTE_IN1_SEL = Field<uint32_t, 25, 3>;
  using SB0_REMOTE_OUT_EN = Field<uint32_t, 28, 1>;
  using SB2_REMOTE_OUT_EN = Field<uint32_t, 29, 1>;
  using SB3_REMOTE_OUT_EN = Field<uint32_t, 30, 1>;
};
struct CONV_KERNEL_SIZE_MINUS_1 : Register<0x280> {
  using DIM0 = Field<uint32_t, 0, 8>;
  using DIM1 = Field<uint32_t, 8, 8>;
  using DIM2 = Field<uint32_t, 16, 8>;
  using DIM3 = Field<uint32_t, 24, 8>;
};
struct CONV_LOW : Register<0x284> {
  using DIM0_ASSOCIATED_DIMS_A = Field<uint32_t, 0, 3>;
  using DIM0_ASSOCIATED_DIMS_B = Field<uint32_t, 3, 3>;
  using DIM0_ASSOCIATED_DIMS_COUT = Field<uint32_t, 6, 3>;
  using DIM1_ASSOCIATED_DIMS_A = Field<uint32_t, 16, 3>;
  using DIM1_ASSOCIATED_DIMS_B = Field<uint32_t, 19, 3>;
  using DIM1_ASSOCIATED_DIMS_COUT = Field<uint32_t, 22, 3>;
};
struct CONV_HIGH : Register<0x288> {
  using DIM2_ASSOCIATED_DIMS_A = Field<uint32_t, 0, 3>;
  using DIM2_ASSOCIATED_DIMS_B = Field<uint32_t, 3, 3>;
  using DIM2_ASSOCIATED_DIMS_COUT = Field<uint32_t, 6, 3>;
  using DIM3_ASSOCIATED_DIMS_A = Field<uint32_t, 16, 3>;
  using DIM3_ASSOCIATED_DIMS_B = Field<uint32_t, 19, 3>;
  using DIM3_ASSOCIATED_DIMS_COUT = Field<uint32_t, 22, 3>;
};
struct OUTER_LOOP : Register<0x28c> {
  using ASSOCIATED_DIMS_A = Field<uint32_t, 0, 3>;
  using ASSOCIATED_DIMS_B = Field<uint32_t, 3, 3>;
  using ASSOCIATED_DIMS_COUT = Field<uint32_t, 6, 3>;
  using SIZE_MINUS_1 = Field<uint32_t, 16, 8>;
};
// The tetris loop.
struct NUM_ITERATIONS_MINUS_1 : Register<0x290> {};
// How often a group is replayed, and the loops that make the group.
struct SB_REPEAT : Register<0x294> {
  using REPEAT_A_MINUS_1 = Field<uint32_t, 0, 8>;
  using REPEAT_B_MINUS_1 = Field<uint32_t, 8, 8>;
  using REPEAT_A_MASK = Field<uint32_t, 16, 6>;
  using REPEAT_B_MASK = Field<uint32_t, 24, 6>;
};
// Exponent biases.
struct FP8_BIAS : Register<0x298> {
  using A = Field<uint32_t, 0, 4>;
  using B = Field<uint32_t, 4, 4>;
  using OUT = Field<uint32_t, 8, 5>;
};
struct RATE_LIMITER : Register<0x29c> {
  using AGU_A = Field<uint32_t, 0, 8>;
  using AGU_B = Field<uint32_t, 8, 8>;
  using AGU_COUT = Field<uint32_t, 16, 8>;
  using EU = Field<uint32_t, 24, 8>;
};
// What a store does to memory.
struct USER_DATA : Register<0x2a0> {
  using FIRST = Field<uint32_t, 0, 10>;
  using STEADY = Field<uint32_t, 10, 10>;
  using MASK = Field<uint32_t, 20, 6>;
};
struct PERF_EVT_IN : Register<0x2a4> {
  using VALUE = Field<uint32_t, 0, 16>;
  using RST = Field<uint32_t, 16, 1>;
  using INC_MASK = Field<uint32_t, 17, 1>;
  using START_END_MASK = Field<uint32_t, 18, 2>;
  using LOOP_MASK = Field<uint32_t, 20, 6>;
  using OPERAND = Field<uint32_t, 26, 5>;
  using SLAVE_SEND_PERF_EVT = Field<uint32_t, 31, 1>;
};
struct PERF_EVT_OUT : Register<0x2a8> {
  using VALUE = Field<uint32_t, 0, 16>;
  using RST = Field<uint32_t, 16, 1>;
  using INC_MASK = Field<uint32_t, 17, 1>;
  using START_END_MASK = Field<uint32_t, 18, 2>;
  using LOOP_MASK = Field<uint32_t, 20, 6>;
  using OPERAND = Field<uint32_t, 26, 5>;
  using SLAVE_SEND_PERF_EVT = Field<uint32_t, 31, 1>;
};
struct PCU : Register<0x2ac> {
  using RL_SATURATION = Field<uint32_t, 0, 24>;
};
struct SLAVE_SYNC_OBJ0_ADDR : Register<0x2b0> {};
struct SLAVE_SYNC_OBJ1_ADDR : Register<0x2b4> {};
struct POWER_LOOP : Register<0x2b8> {
  using CTRL_MASTER = Field<uint32_t, 0, 2>;
  using CTRL_SLAVE = Field<uint32_t, 2, 2>;
  using MD = Field<uint32_t, 4, 8>;
};
struct SPARE0_MASTER : Register<0x2bc> {
  using SB0 = Field<uint32_t, 0, 16>;
  using SB1 = Field<uint32_t, 16, 16>;
};
struct SPARE1_MASTER : Register<0x2c0> {
  using SB2 = Field<uint32_t, 0, 16>;
  using SB3 = Field<uint32_t, 16, 16>;
};
struct SPARE2_MASTER : Register<0x2c4> {
  using SB4 = Field<uint32_t, 0, 16>;
  using OUT = Field<uint32_t, 16, 16>;
};
struct SPARE3_MASTER : Register<0x2c8> {
  using EU = Field<uint32_t, 0, 16>;
  using AP = Field<uint32_t, 16, 16>;
};
struct SPARE0_SLAVE : Register<0x2cc> {
  using SB0 = Field<uint32_t, 0, 16>;
  using SB1 = Field<uint32_t, 16, 16>;
};
struct SPARE1_SLAVE : Register<0x2d0> {
  using SB2 = Field<uint32_t, 0, 16>;
  using SB3 = Field<uint32_t, 16, 16>;
};
struct SPARE2_SLAVE : Register<0x2d4> {
  using SB4 = Field<uint32_t, 0, 16>;
  using OUT = Field<uint32_t, 16, 16>;
};
struct SPARE3_SLAVE : Register<0x2d8> {
  using EU = Field<uint32_t, 0, 16>;
  using AP = Field<uint32_t, 16, 16>;
};
// For traces.
struct WKL_ID : Register<0x2dc> {};

// CMD that starts every unit of the next slot.
inline constexpr uint32_t kGo = 0x3FF;
static_assert((CMD::AGU_IN::kMask | CMD::EU::kMask | CMD::AP::kMask | CMD::AGU_COUT::kMask |
               CMD::COPY_AND_INC::kMask) == kGo);

// The register of a word of MmeDescriptor, given its offsetof.
constexpr uint32_t ArchRegister(size_t offset_in_descriptor) {
  return kArch + static_cast<uint32_t>(offset_in_descriptor);
}
static_assert(ArchRegister(offsetof(MmeDescriptor, cout1_low)) == COUT1_LOW::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, cout0_low)) == COUT0_LOW::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, a_low)) == A_LOW::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, b_low)) == B_LOW::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, brains_low)) == BRAINS_LOW::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, header_low)) == HEADER_LOW::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, eus_slave)) == EUS_SLAVE::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, tensor_a)) == ARCH_TENSOR_A::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, tensor_b)) == ARCH_TENSOR_B::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, tensor_cout)) == ARCH_TENSOR_COUT::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, sync_obj_dw0)) == ARCH_SYNC_OBJ_DW0::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, sync_obj_val1)) == ARCH_SYNC_OBJ_VAL1::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, agu_in)) == ARCH_AGU_IN::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, a_ss)) == ARCH_A_SS::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, agu_cout)) == ARCH_AGU_COUT::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, cout_ss)) == ARCH_COUT_SS::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, conv_kernel_size_minus_1)) ==
              CONV_KERNEL_SIZE_MINUS_1::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, user_data)) == USER_DATA::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, power_loop)) == POWER_LOOP::kOffset);
static_assert(ArchRegister(offsetof(MmeDescriptor, wkl_id)) == WKL_ID::kOffset);
static_assert(WKL_ID::kOffset == 0x2DC);

}  // namespace openhpu::hal::abi::gaudi2::mme

#endif  // HAL_ABI_GAUDI2_MME_H_
