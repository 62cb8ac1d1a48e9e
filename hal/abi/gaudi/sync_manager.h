// The sync manager's registers, as offsets in its OBJS block (OBJS = GLBL + 0x1000, see blocks.h):
// 2,048 sync objects (SOB), 512 monitors. A monitor that is armed and whose objects all pass writes
// its payload once, then is disarmed. Names, offsets and bits: the vendor's block_sob_objs.
#ifndef HAL_ABI_GAUDI_SYNC_MANAGER_H_
#define HAL_ABI_GAUDI_SYNC_MANAGER_H_

#include <cstdint>

#include "hal/abi/register.h"
#include "hal/base/field.h"

namespace openhpu::hal::abi::gaudi::sync_manager {

inline constexpr int kNumSobs = 2048;     // of a manager
inline constexpr int kNumMonitors = 512;  // of a manager
inline constexpr int kSobsPerGroup = 8;   // what one monitor watches
inline constexpr uint32_t kMaxSobValue = 0x7FFF;

// A sync object. Written: INC adds VAL modulo 2^15, else VAL replaces. Read: the value.
struct SOB_OBJ : Register<0x1000, 2048> {
  using VAL = Field<uint32_t, 0, 15>;
  using TRACE_EVICT = Field<uint32_t, 30, 1>;
  using INC = Field<uint32_t, 31, 1>;
};
struct MON_PAY_ADDRL : Register<0x3000, 512> {};  // where the monitor writes when it fires
struct MON_PAY_ADDRH : Register<0x3800, 512> {};
struct MON_PAY_DATA : Register<0x4000, 512> {};  // what it writes
// Arms. SID: the group, object / 8. MASK: a zero bit is an object that is watched. SOP: 0 at least,
// 1 equal. SOD: the value to compare with.
struct MON_ARM : Register<0x4800, 512> {
  using SID = Field<uint32_t, 0, 8>;
  using MASK = Field<uint32_t, 8, 8>;
  using SOP = Field<uint32_t, 16, 1>;
  using SOD = Field<uint32_t, 17, 15>;
};
// VALID: armed. PENDING: the watched objects that do not satisfy the test yet.
struct MON_STATUS : Register<0x5000, 512> {
  using VALID = Field<uint32_t, 0, 1>;
  using PENDING = Field<uint32_t, 1, 8>;
  using PROT = Field<uint32_t, 9, 1>;
};

// What a message to SOB_OBJ holds; the same word as the register.
using SobUpdate = SOB_OBJ;
constexpr uint32_t SobAdd(uint32_t value) {
  return SOB_OBJ::INC::Set(SOB_OBJ::VAL::Set(0, value), 1);
}
constexpr uint32_t SobSet(uint32_t value) { return SOB_OBJ::VAL::Set(0, value); }

// The arm word that waits for one object of the manager: at least `value`.
constexpr uint32_t ArmAtLeast(uint32_t sob, uint32_t value) {
  return MON_ARM::SOD::Set(MON_ARM::MASK::Set(MON_ARM::SID::Set(0, sob / kSobsPerGroup),
                                              ~(1u << (sob % kSobsPerGroup)) & MON_ARM::MASK::kMax),
                           value);
}

}  // namespace openhpu::hal::abi::gaudi::sync_manager

#endif  // HAL_ABI_GAUDI_SYNC_MANAGER_H_
