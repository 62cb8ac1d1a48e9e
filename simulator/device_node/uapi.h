// What <misc/habanalabs.h> of Linux 6.1 has not: the ioctl numbers of the accel node and what its
// INFO answers are longer by. Numbers and layouts: the vendor's driver tree of 6.6 and later.
#ifndef SIMULATOR_DEVICE_NODE_UAPI_H_
#define SIMULATOR_DEVICE_NODE_UAPI_H_

#include <misc/habanalabs.h>

#include <cstdint>

namespace openhpu::simulator::uapi {

// The commands, in the order of both tables.
enum class Command : uint8_t { kInfo, kCb, kCs, kWaitCs, kMemory, kDebug };
inline constexpr uint32_t kCommands = 6;
inline constexpr uint32_t kMiscType = 'H', kMiscFirst = 0x01;
inline constexpr uint32_t kAccelType = 'd', kAccelFirst = 0x40;

struct AccelHwIpInfo {
  hl_info_hw_ip_info misc;
  uint64_t nic_ports_mask, nic_ports_external_mask;
  uint32_t mme_enabled_mask;
  uint8_t odp_supported, revision_id;
  uint16_t tpc_interrupt_id;
  uint32_t rotator_enabled_mask, sched_arc_enabled_mask;
  uint64_t engine_core_interrupt_reg_addr, reserved_dram_size;
};
static_assert(sizeof(AccelHwIpInfo) == 304);

struct AccelHwIdle {
  uint32_t is_idle, busy_engines_mask;
  uint64_t busy_engines_mask_ext[4];
};
static_assert(sizeof(AccelHwIdle) == 40);

struct AccelTimeSync {
  uint64_t device_time, host_time, tsc_time;
};
static_assert(sizeof(AccelTimeSync) == 24);

// Events, beside those of the older header.
inline constexpr uint64_t kEventRazwi = 1 << 7, kEventPageFault = 1 << 8;

}  // namespace openhpu::simulator::uapi

#endif  // SIMULATOR_DEVICE_NODE_UAPI_H_
