// What happens once, when a card is opened: the spec, finding the node, and turning the kernel's
// answers about the card into a chip.
#ifndef HAL_HABANALABS_OPENING_H_
#define HAL_HABANALABS_OPENING_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/driver.h"
#include "hal/habanalabs/connection.h"
#include "hal/habanalabs/generation.h"
#include "hal/habanalabs/syscalls.h"

namespace openhpu::hal::habanalabs {

struct Spec {
  uint32_t card = 0;
  uint32_t timeout_seconds = 0;  // 0: the kernel's own
};

// InvalidArgument for anything but "habanalabs:<n>[,timeout=<seconds>]".
absl::StatusOr<Spec> ParseSpec(std::string_view text);

// The node of card `number`, open; errors as Driver::Open.
absl::StatusOr<Connection> OpenCard(Syscalls* syscalls, uint32_t number);

// What the card is, and its memory made the user's.
struct Device {
  const Generation* generation = nullptr;
  // With the chip file of the generation, and the sizes and engines that this card has. `driver` is
  // left empty.
  DeviceInfo info;
};
// Where the kernel maps DRAM: at `dram` exactly, wherever it likes when that is 0. The memory goes
// back when the connection is closed.
absl::StatusOr<Device> TakeDevice(const Connection& connection, DeviceAddress dram);

// What a user may use of each sync manager, in the chip's order.
absl::StatusOr<std::vector<SyncManagerInfo>> QuerySyncManagers(const Connection& connection,
                                                               const Device& device);

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_OPENING_H_
