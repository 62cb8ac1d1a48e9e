// CommandChecks: what a command writer of any dialect refuses before it writes, by name: calls that
// the role does not have, numbers that no register of a Gaudi holds, commands without work.
#ifndef HAL_COMMAND_CHECKS_H_
#define HAL_COMMAND_CHECKS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "hal/command_writer.h"
#include "hal/commands.h"

namespace openhpu::hal {

// Of one packet's transfer: more becomes several.
inline constexpr uint64_t kMaxLinearBytes = uint64_t{1} << 31;

class CommandChecks {
 public:
  // `name` of the engine, for errors. `chip` outlives the checks.
  CommandChecks(const Chip& chip, Engine engine, CommandWriter::Role role, std::string name);

  // External commands are for host DMA engines, and they take no other.
  absl::Status RoleFits() const;
  absl::Status Require(const char* call, bool allowed) const;
  absl::Status RequireBody(const char* call, EngineKind kind) const;

  absl::Status Sobs(Sob first, uint32_t count) const;
  absl::Status SobValue(const char* call, uint32_t value) const;
  absl::Status Monitors(uint32_t first, uint32_t count) const;
  // The conditions of an Await whose monitors [begin, end) are set up.
  absl::Status Conditions(absl::Span<const SyncCondition> conditions, uint32_t first_monitor,
                          uint32_t begin, uint32_t end) const;
  absl::Status Body(SymbolicAddress body, uint32_t bytes) const;
  absl::Status Copy(const DmaCopy& copy) const;
  absl::Status Fill(const DmaFill& fill) const;
  absl::Status Box(const TpcBox& box) const;

  const std::string& name() const { return name_; }

 private:
  const Chip& chip_;
  const Engine engine_;
  const CommandWriter::Role role_;
  const std::string name_;
};

// A strided copy whose innermost dims follow each other without holes, as fewer dims with a longer
// run.
DmaCopy Collapse(const DmaCopy& copy);
// One run of bytes: a packet says it.
bool IsLinear(const DmaCopy& copy);

}  // namespace openhpu::hal

#endif  // HAL_COMMAND_CHECKS_H_
