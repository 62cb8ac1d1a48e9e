// What the kernel driver does with a user's command buffer for an external queue before it copies
// it: every packet is looked at. The model refuses by it; the driver over the kernel, which hears a
// number only, explains by it.
#ifndef HAL_GAUDI_COMMAND_CHECK_H_
#define HAL_GAUDI_COMMAND_CHECK_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace openhpu::hal::gaudi {

struct CommandCheck {
  bool uses_engine = false;  // has a LIN_DMA
};

// PermissionDenied for a packet that users may not use on an external queue, InvalidArgument for an
// unknown one or one that passes the end; the message names the packet.
absl::StatusOr<CommandCheck> CheckExternalCommands(absl::Span<const std::byte> commands);

}  // namespace openhpu::hal::gaudi

#endif  // HAL_GAUDI_COMMAND_CHECK_H_
