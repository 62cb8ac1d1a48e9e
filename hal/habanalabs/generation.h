// Generation: in what the generations of cards differ for a driver that speaks one UAPI to all.
#ifndef HAL_HABANALABS_GENERATION_H_
#define HAL_HABANALABS_GENERATION_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/chip.pb.h"

namespace openhpu::hal::habanalabs {

struct Generation {
  const char* chip;            // the chip file's name
  uint32_t max_command_bytes;  // of a command memory

  // DRAM is the kernel's to give: one allocation, mapped to a virtual address. Otherwise a user
  // owns the physical addresses that INFO names.
  bool maps_dram;
  // Command memory is memory of ours that the queues read by its mapping, and every chunk has a
  // device address. Otherwise it is a buffer of the kernel's, which copies and checks it.
  bool maps_commands;

  // Whether a chunk for the queue has a command memory's handle at the seam, and no address.
  bool (*takes_command_memory)(uint32_t queue);
  // OK for a queue that the card has.
  absl::Status (*check_queue)(uint64_t queue, const Chip& chip);
  // What INFO calls a sync manager of the chip.
  uint32_t (*dcore)(uint64_t manager);
  // What people call the engine of a UAPI's engine id.
  std::string (*engine_name)(uint32_t engine_id);
};

// By PCI device id. Unimplemented, by name, for another card.
absl::StatusOr<const Generation*> GenerationOf(uint32_t device_id);

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_GENERATION_H_
