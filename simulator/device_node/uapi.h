// What the node answers beyond hal/habanalabs/uapi.h: which ioctl is which, and what INFO's answers
// of the accel node are longer by. Numbers and layouts: the vendor's driver tree of 6.6 and later.
#ifndef SIMULATOR_DEVICE_NODE_UAPI_H_
#define SIMULATOR_DEVICE_NODE_UAPI_H_

#include <misc/habanalabs.h>

#include <cstdint>

#include "hal/habanalabs/uapi.h"

namespace openhpu::simulator::uapi {

using hal::habanalabs::Api;
using hal::habanalabs::HwIdle;
using hal::habanalabs::kEventPageFault;
using hal::habanalabs::kEventRazwi;
using hal::habanalabs::RequestsOf;

// The commands, in the order of both tables.
enum class Command : uint8_t { kInfo, kCb, kCs, kWaitCs, kMemory, kDebug };
inline constexpr uint32_t kCommands = 6;

// A kind of submission that the accel node has besides: commands for engines.
inline constexpr uint32_t kEnginesCommand = 0x10000;

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

struct AccelTimeSync {
  uint64_t device_time, host_time, tsc_time;
};
static_assert(sizeof(AccelTimeSync) == 24);

}  // namespace openhpu::simulator::uapi

#endif  // SIMULATOR_DEVICE_NODE_UAPI_H_
