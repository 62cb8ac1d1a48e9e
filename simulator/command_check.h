// What the kernel driver does with a user's command buffer for an external queue before it copies
// it: every packet is looked at.
#ifndef SIMULATOR_COMMAND_CHECK_H_
#define SIMULATOR_COMMAND_CHECK_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace openhpu::simulator {

struct CommandCheck {
  bool uses_engine = false;  // has a LIN_DMA
};

// PermissionDenied for a packet that users may not use on an external queue, InvalidArgument for an
// unknown one or one that passes the end; the message names the packet.
absl::StatusOr<CommandCheck> CheckExternalCommands(absl::Span<const std::byte> commands);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_COMMAND_CHECK_H_
