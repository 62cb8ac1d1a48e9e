#include "hal/habanalabs/refusal.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "hal/gaudi/command_check.h"
#include "hal/habanalabs/errors.h"

namespace openhpu::hal::habanalabs {
namespace {

bool IsInside(uint64_t address, uint64_t bytes, DeviceAddress base, uint64_t size) {
  return address >= base.value() && address - base.value() <= size &&
         bytes <= size - (address - base.value());
}

}  // namespace

absl::Status CheckChunk(const Chunk& chunk, const RefusalContext& context) {
  const DeviceInfo& info = *context.info;
  const Generation& generation = *context.generation;
  RETURN_IF_ERROR(generation.check_queue(chunk.queue.value(), info.chip));
  if (chunk.bytes == 0 || chunk.bytes % 8 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(chunk.bytes, " bytes of commands: must be a multiple of 8, and some"));
  }
  if (!generation.takes_command_memory(static_cast<uint32_t>(chunk.queue.value()))) {
    if (IsInside(chunk.commands, chunk.bytes, info.dram_user_base, info.dram_user_bytes) ||
        IsInside(chunk.commands, chunk.bytes, info.sram_user_base, info.sram_user_bytes) ||
        context.is_mapped(DeviceAddress(chunk.commands), chunk.bytes)) {
      return absl::OkStatus();
    }
    return absl::OutOfRangeError(absl::StrCat(chunk.bytes, " bytes of commands at 0x",
                                              absl::Hex(chunk.commands),
                                              " are not the user's to reach"));
  }
  const auto memory = context.command_memory(chunk.commands);
  if (!memory.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no command memory with handle ", chunk.commands));
  }
  if (chunk.bytes > memory->size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(chunk.bytes, " bytes of commands, the command memory has ", memory->size()));
  }
  // Where the queues read it themselves, no kernel looks at packets.
  if (generation.maps_commands) return absl::OkStatus();
  return gaudi::CheckExternalCommands(memory->subspan(0, chunk.bytes)).status();
}

absl::Status FirstFault(absl::Span<const Chunk> chunks, const RefusalContext& context) {
  for (size_t i = 0; i < chunks.size(); ++i) {
    const absl::Status status = CheckChunk(chunks[i], context);
    if (status.ok()) continue;
    return absl::Status(status.code(),
                        absl::StrCat("chunk ", i, ": ", std::string(status.message())));
  }
  // It was there a moment ago: another thread gave it up meanwhile.
  return absl::InvalidArgumentError("a submission of memory that is being given back");
}

absl::Status ExplainRefusal(int error, absl::Span<const Chunk> chunks,
                            const RefusalContext& context) {
  const absl::StatusCode code = CodeOf(error);
  std::string first;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const absl::Status status = CheckChunk(chunks[i], context);
    if (status.ok()) continue;
    const std::string text = absl::StrCat("chunk ", i, ": ", std::string(status.message()));
    if (status.code() == code)
      return absl::Status(code, absl::StrCat(text, " (", ErrorName(error), ")"));
    if (first.empty()) first = text;
  }
  if (first.empty()) {
    first = absl::StrCat("the kernel refused a submission of ", chunks.size(),
                         " chunks in which nothing is seen to be wrong; its log may say why");
  }
  return absl::Status(code, absl::StrCat(first, " (", ErrorName(error), ")"));
}

}  // namespace openhpu::hal::habanalabs
