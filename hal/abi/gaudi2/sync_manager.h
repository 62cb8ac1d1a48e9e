// A sync manager's registers, one manager a DCORE, as offsets from its OBJS block (blocks.h): 8,192
// sync objects (SOB), 2,048 monitors, 64 completion queues (CQ). A monitor that is armed and whose
// objects all pass writes its payload once, then is disarmed. Names, offsets and bits: the vendor's
// block_sob_objs, and block_sob_glbl, which follows it at kGlbl.
#ifndef HAL_ABI_GAUDI2_SYNC_MANAGER_H_
#define HAL_ABI_GAUDI2_SYNC_MANAGER_H_

#include <cstdint>

#include "hal/abi/register.h"
#include "hal/base/field.h"

namespace openhpu::hal::abi::gaudi2::sync_manager {

inline constexpr int kNumSobs = 8192;      // of a manager
inline constexpr int kNumMonitors = 2048;  // of a manager
inline constexpr int kNumCqs = 64;         // of a manager
inline constexpr int kSobsPerGroup = 8;    // what one monitor watches
inline constexpr uint32_t kMaxSobValue = 0x7FFF;
inline constexpr int kSobsPerLongSob = 4;  // recollected

// A sync object. Written: INC adds VAL modulo 2^15, else VAL replaces; LONG_SOB writes the long
// value that four adjacent objects make (60 bits, 15 in each: recollected). Read: the value.
struct SOB_OBJ : Register<0x0, 8192> {
  using VAL = Field<uint32_t, 0, 15>;
  using LONG_SOB = Field<uint32_t, 24, 1>;
  using TRACE_EVICT = Field<uint32_t, 30, 1>;
  using INC = Field<uint32_t, 31, 1>;
};
// Where the monitor writes when it fires; with CQ_EN the number of the completion queue.
struct MON_PAY_ADDRL : Register<0x8000, 2048> {};
struct MON_PAY_ADDRH : Register<0xa000, 2048> {};
// What it writes; with CQ_EN what the completion queue gets.
struct MON_PAY_DATA : Register<0xc000, 2048> {};
// Arms. SID: the group, object / 8, low 8 bits of 12 (MON_CONFIG.MSB_SID has the others). MASK: a
// zero bit is an object that is watched. SOP: 0 at least, 1 equal. SOD: the value to compare with.
struct MON_ARM : Register<0xe000, 2048> {
  using SID = Field<uint32_t, 0, 8>;
  using MASK = Field<uint32_t, 8, 8>;
  using SOP = Field<uint32_t, 16, 1>;
  using SOD = Field<uint32_t, 17, 15>;
};
// LONG_SOB: the group is of long values; LONG_HIGH_GROUP: its upper half. CQ_EN: the payload goes
// to a completion queue. WR_NUM: how many monitors from this one on write, less one. LBW_EN: and
// then the word of LBW_ADDR and LBW_DATA of the queue, an interrupt.
struct MON_CONFIG : Register<0x10000, 2048> {
  using LONG_SOB = Field<uint32_t, 0, 1>;
  using CQ_EN = Field<uint32_t, 4, 1>;
  using WR_NUM = Field<uint32_t, 5, 2>;
  using LBW_EN = Field<uint32_t, 8, 1>;
  using MSB_SID = Field<uint32_t, 16, 4>;
  using LONG_HIGH_GROUP = Field<uint32_t, 31, 1>;
};
// VALID: armed. PENDING: the watched objects that do not satisfy the test yet. 0x200 after reset.
struct MON_STATUS : Register<0x12000, 2048> {
  using VALID = Field<uint32_t, 0, 1>;
  using PENDING = Field<uint32_t, 1, 8>;
  using PROT = Field<uint32_t, 9, 1>;
  using PRIV = Field<uint32_t, 10, 1>;
};
struct SM_SEC : Register<0x14000, 640> {};
struct SM_PRIV : Register<0x15000, 640> {};

// The GLBL block: completion queues and errors.
inline constexpr uint32_t kGlbl = 0x1e000;
// Errors of the manager: an object that passed its maximum, an unaligned or failed write.
struct SM_SEI_MASK : Register<0x1e000> {
  using SO_OVERFLOW = Field<uint32_t, 0, 1>;
  using MST_UNALIGN4B = Field<uint32_t, 1, 1>;
  using MST_RSP_ERR = Field<uint32_t, 2, 1>;
};
struct SM_SEI_CAUSE : Register<0x1e004> {
  using CAUSE = Field<uint32_t, 0, 3>;
  using LOG = Field<uint32_t, 4, 16>;
};
struct L2H_CPMR_L : Register<0x1e008> {
  using VAL = Field<uint32_t, 0, 12>;
};
struct L2H_CPMR_H : Register<0x1e00c> {};
struct L2H_MASK_L : Register<0x1e020> {
  using VAL = Field<uint32_t, 0, 12>;
};
struct L2H_MASK_H : Register<0x1e024> {};
struct ASID_SEC : Register<0x1e030> {
  using ASID = Field<uint32_t, 0, 16>;
  using BP_MMU = Field<uint32_t, 16, 1>;
};
struct ASID_PRIV_ONLY : Register<0x1e034> {
  using ASID = Field<uint32_t, 0, 16>;
  using BP_MMU = Field<uint32_t, 16, 1>;
};
struct LBW_DELAY : Register<0x1e038> {
  using VAL = Field<uint32_t, 0, 16>;
  using EN = Field<uint32_t, 16, 1>;
};
struct PI_SIZE : Register<0x1e03c> {};
struct SOB_ONLY : Register<0x1e040> {
  using EN = Field<uint32_t, 0, 1>;
};
struct CQ_INTR : Register<0x1e044> {
  using CQ_SEC_INTR = Field<uint32_t, 0, 1>;
  using CQ_SEC_INTR_MASK = Field<uint32_t, 8, 1>;
  using CQ_INTR_QUEUE_INDEX = Field<uint32_t, 16, 6>;
};
struct ASID_NONE_SEC_PRIV : Register<0x1e048> {
  using ASID = Field<uint32_t, 0, 16>;
  using BP_MMU = Field<uint32_t, 16, 1>;
};
struct PI_INC_MODE_SIZE : Register<0x1e04c> {};
// Completion queues: a ring in memory of 2^CQ_SIZE_LOG2 bytes or entries (the unit is in no
// source), to which a monitor with CQ_EN adds its payload at CQ_PI.
struct CQ_BASE_ADDR_L : Register<0x1e050, 64> {};
struct CQ_BASE_ADDR_H : Register<0x1e150, 64> {};
struct CQ_SIZE_LOG2 : Register<0x1e250, 64> {
  using VAL = Field<uint32_t, 0, 8>;
};
struct CQ_PI : Register<0x1e350, 64> {};
struct CQ_SEC : Register<0x1e450, 64> {
  using SEC = Field<uint32_t, 0, 1>;
  using PRIV = Field<uint32_t, 4, 1>;
};
// What LBW_EN writes after the payload: an interrupt, by queue.
struct LBW_ADDR_L : Register<0x1e550, 64> {};
struct LBW_ADDR_H : Register<0x1e650, 64> {};
struct LBW_DATA : Register<0x1e750, 64> {};
// 1: the queue counts only.
struct CQ_INC_MODE : Register<0x1e850, 64> {
  using MODE = Field<uint32_t, 0, 1>;
};

// What a message to SOB_OBJ holds; the same word as the register.
using SobUpdate = SOB_OBJ;
constexpr uint32_t SobAdd(uint32_t value) {
  return SOB_OBJ::INC::Set(SOB_OBJ::VAL::Set(0, value), 1);
}
constexpr uint32_t SobSet(uint32_t value) { return SOB_OBJ::VAL::Set(0, value); }

constexpr uint32_t GroupOf(uint32_t sob) { return sob / kSobsPerGroup; }

// A monitor's two words: written in this order, CONFIG first, since ARM starts it.
struct MonitorWords {
  uint32_t config = 0;
  uint32_t arm = 0;
};

// That waits for the objects of one group whose bit in `watched` is 1.
constexpr MonitorWords Watch(uint32_t group, uint32_t watched, bool equal, uint32_t value) {
  MonitorWords words;
  words.config = MON_CONFIG::MSB_SID::Set(0, group >> MON_ARM::SID::kWidth);
  words.arm = MON_ARM::SID::Set(0, group & MON_ARM::SID::kMax);
  words.arm = MON_ARM::MASK::Set(words.arm, ~watched & MON_ARM::MASK::kMax);
  words.arm = MON_ARM::SOP::Set(words.arm, equal);
  words.arm = MON_ARM::SOD::Set(words.arm, value);
  return words;
}
// That waits for one object of the manager: at least `value`.
constexpr MonitorWords WatchAtLeast(uint32_t sob, uint32_t value) {
  return Watch(GroupOf(sob), 1u << (sob % kSobsPerGroup), false, value);
}
// The same, to read a monitor.
constexpr uint32_t GroupWatched(const MonitorWords& words) {
  return MON_CONFIG::MSB_SID::Get(words.config) << MON_ARM::SID::kWidth |
         MON_ARM::SID::Get(words.arm);
}
// The payload goes to completion queue ADDRL, and the interrupt word after it if `interrupt`.
constexpr uint32_t ToCompletionQueue(uint32_t config, bool interrupt) {
  return MON_CONFIG::LBW_EN::Set(MON_CONFIG::CQ_EN::Set(config, 1), interrupt);
}
static_assert((kNumSobs - 1) / kSobsPerGroup >> MON_ARM::SID::kWidth <= MON_CONFIG::MSB_SID::kMax);

}  // namespace openhpu::hal::abi::gaudi2::sync_manager

#endif  // HAL_ABI_GAUDI2_SYNC_MANAGER_H_
