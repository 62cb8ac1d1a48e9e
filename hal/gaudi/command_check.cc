#include "hal/gaudi/command_check.h"

#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/packets.h"

namespace openhpu::hal::gaudi {

namespace abi = ::openhpu::hal::abi::gaudi;

absl::StatusOr<CommandCheck> CheckExternalCommands(absl::Span<const std::byte> commands) {
  CommandCheck check;
  uint32_t index = 0;
  for (size_t offset = 0; offset < commands.size(); ++index) {
    const size_t left = commands.size() - offset;
    const auto invalid = [&](const std::string& why) {
      return absl::InvalidArgumentError(absl::StrCat("packet ", index, ": ", why));
    };
    const auto forbidden = [&](const char* name) {
      return absl::PermissionDeniedError(
          absl::StrCat("packet ", index, ": ", name, " is not allowed on an external queue"));
    };
    if (left < sizeof(abi::PacketNop)) return invalid("passes the end of the command buffer");
    uint32_t words[2];
    std::memcpy(words, commands.data() + offset, sizeof words);
    const abi::Opcode opcode = abi::OpcodeOf(words[1]);
    switch (opcode) {
      case abi::Opcode::kMsgProt:
        return forbidden("MSG_PROT");
      case abi::Opcode::kCpDma:
        return forbidden("CP_DMA");
      case abi::Opcode::kStop:
        return forbidden("STOP");
      case abi::Opcode::kWregBulk:
        return forbidden("WREG_BULK");
      case abi::Opcode::kWait:
        return invalid("WAIT is not allowed on an external queue");
      case abi::Opcode::kLoadAndExe:
        if (abi::PacketLoadAndExe::DST::Get(words[0])) return forbidden("LOAD_AND_EXE with DST");
        break;
      case abi::Opcode::kLinDma:
        check.uses_engine = true;
        break;
      default:
        break;
    }
    const uint32_t bytes = abi::PacketBytes(opcode);
    if (bytes == 0) {
      return invalid(absl::StrCat("unknown opcode 0x", absl::Hex(static_cast<uint32_t>(opcode))));
    }
    if (bytes > left) return invalid("passes the end of the command buffer");
    offset += bytes;
  }
  return check;
}

}  // namespace openhpu::hal::gaudi
