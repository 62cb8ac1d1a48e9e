// What the kernel driver has for one kind of chip and not for another: names, counts that stand in
// no chip file, and how its queues end. A table for each; nothing else of the node asks which chip
// it is in front of.
#ifndef SIMULATOR_DEVICE_NODE_CHIP_KERNEL_H_
#define SIMULATOR_DEVICE_NODE_CHIP_KERNEL_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "hal/chip.pb.h"

namespace openhpu::simulator {

// Sync objects and monitors of the kernel's own, for submissions that signal and wait: of one
// manager, two objects and a monitor for each queue that can.
struct SyncStreamPlan {
  size_t count = 0;                        // of queues
  int (*index)(uint32_t queue) = nullptr;  // among them; -1: none of them
  int first_sob = 0, first_monitor = 0;
  uint32_t monitor_base = 0, sob_base = 0;      // of MSG_SHORT, as the kernel has programmed them
  uint32_t high = 0, data = 0, arm = 0;         // registers, from the first monitor's ADDRL on
  uint64_t objects = 0;                         // address of object 0
  uint64_t (*fence)(uint32_t queue) = nullptr;  // that the kernel waits at, of the queue's stream
  uint32_t header_bits = 0;                     // of every packet
};

struct ChipKernel {
  std::string_view device_type;
  const char* card_name = "";
  uint32_t hardware_events = 0;  // recollected
  uint64_t timeout_seconds = 0;  // that a submission may take: recollected
  uint32_t plls = 0, tpc_pll = 0, dma_pll = 0;
  uint64_t page_orders = 0;      // HL_INFO_DEV_MEM_ALLOC_PAGE_SIZES
  uint16_t first_interrupt = 0;  // of users
  uint8_t mme_master_slave = 0;
  uint32_t kernels_manager = 0;  // the dcore_id whose first objects are the kernel's
  int interrupt_error = 0;       // of a wait for an interrupt
  int block_error = 0;           // of mapping a block of registers
  // Every queue says when it is done, and takes commands from anywhere; else only external ones do.
  bool queues_report = false;
  bool maps_dram = false;
  uint32_t (*engine_id)(std::string_view unit) = nullptr;  // the UAPI's, of a unit of the machine
  SyncStreamPlan sync_streams;
};

// Unimplemented for a chip without.
absl::StatusOr<const ChipKernel*> ChipKernelOf(const hal::Chip& chip);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_CHIP_KERNEL_H_
