#include "hal/habanalabs/refusal.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/queue_ids.h"
#include "hal/gaudi/command_check.h"
#include "hal/habanalabs/errors.h"

namespace openhpu::hal::habanalabs {
namespace {

namespace abi = hal::abi::gaudi;

absl::Status CheckQueue(uint64_t queue, const Chip& chip) {
  using Kind = abi::QueueTarget::Kind;
  const abi::QueueTarget target =
      queue < abi::kNumQueues ? abi::TargetOf(static_cast<uint32_t>(queue)) : abi::QueueTarget();
  uint64_t engines = 0;
  const char* name = "";
  switch (target.kind) {
    case Kind::kNone:
      return absl::InvalidArgumentError(absl::StrCat("no queue ", queue));
    case Kind::kCpu:
      return absl::InvalidArgumentError(absl::StrCat("queue ", queue, " is the kernel's own"));
    case Kind::kDma:
      engines = chip.dma().count().value();
      name = "DMA";
      break;
    case Kind::kMme:
      engines = chip.mme().count().value();
      name = "MME";
      break;
    case Kind::kTpc:
      engines = chip.tpc().count().value();
      name = "TPC";
      break;
    case Kind::kNic:
      engines = chip.nic().ports().value();
      name = "NIC";
      break;
  }
  if (target.engine < engines) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("queue ", queue, " is ", name, target.engine,
                                                 "'s, which this card does not have"));
}

bool IsInside(uint64_t address, uint64_t bytes, DeviceAddress base, uint64_t size) {
  return address >= base.value() && address - base.value() <= size &&
         bytes <= size - (address - base.value());
}

}  // namespace

absl::Status CheckChunk(const Chunk& chunk, const RefusalContext& context) {
  const DeviceInfo& info = *context.info;
  if (absl::Status status = CheckQueue(chunk.queue.value(), info.chip); !status.ok()) return status;
  if (chunk.bytes == 0 || chunk.bytes % 8 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(chunk.bytes, " bytes of commands: must be a multiple of 8, and some"));
  }
  if (!abi::IsExternalQueue(static_cast<uint32_t>(chunk.queue.value()))) {
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
  return gaudi::CheckExternalCommands(memory->subspan(0, chunk.bytes)).status();
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
