#include "simulator/engine/environment.h"

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "simulator/engine/simulation_context.h"

namespace openhpu::simulator {

std::string Describe(const Origin& origin) {
  return absl::StrCat(origin.queue, " stream ", origin.stream, origin.lower ? " body" : "",
                      " packet ", origin.packet, " of submission ", origin.submission);
}

void Faults::Raise(hal::HealthEvent::Kind kind, const Origin& origin, const std::string& what) {
  if (failed_) return;
  failed_ = true;
  fault_ = {kind, absl::StrCat(Describe(origin), ": ", what), origin.submission};
  SimulationContext::StopRun();
}

void Faults::RaiseWithoutOrigin(hal::HealthEvent::Kind kind, const std::string& what) {
  if (failed_) return;
  failed_ = true;
  fault_ = {kind, what, 0};
  SimulationContext::StopRun();
}

void Faults::Report(hal::HealthEvent::Kind kind, const std::string& what) {
  reports_.push_back({kind, what});
}

SharedClock Joined(const SharedClock& a, const SharedClock& b) {
  if (!a) return b;
  if (!b) return a;
  auto joined = std::make_shared<VectorClock>(*a);
  Join(*joined, *b);
  return joined;
}

absl::StatusOr<std::byte*> ResolveForUser(Environment& environment, DeviceAddress address,
                                          uint64_t bytes) {
  ASSIGN_OR_RETURN(std::byte* const host, environment.memory->Resolve(address, bytes));
  const bool kernels = address < environment.dram_user_begin ||
                       (address < environment.sram_user_begin && address >= environment.dram_end);
  if (kernels) {
    return absl::OutOfRangeError(
        absl::StrCat("address 0x", absl::Hex(address.value()), " is the kernel driver's"));
  }
  return host;
}

absl::Status CheckBoxes(Environment& environment, const std::vector<AccessBox>& boxes) {
  for (const AccessBox& box : boxes) {
    if (box.run == 0) continue;
    const DeviceAddress begin = Begin(box);
    RETURN_IF_ERROR(ResolveForUser(environment, begin, (End(box) - begin).value()).status());
  }
  return absl::OkStatus();
}

void TouchBoxes(MachineMemory& memory, const std::vector<AccessBox>& boxes) {
  for (const AccessBox& box : boxes) {
    if (!box.write || box.run == 0) continue;
    const DeviceAddress begin = Begin(box);
    memory.Touch(begin, (End(box) - begin).value());
  }
}

}  // namespace openhpu::simulator
