#include "simulator/engine/environment.h"

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "simulator/engine/simulation_context.h"

namespace openhpu::simulator {
namespace {

constexpr char kAddressPayload[] = "openhpu.address";

}  // namespace

std::string Describe(const Origin& origin) {
  return absl::StrCat(origin.queue, " stream ", origin.stream, origin.lower ? " body" : "",
                      " packet ", origin.packet, " of submission ", origin.submission);
}

absl::Status WithAddress(absl::Status error, DeviceAddress address) {
  error.SetPayload(kAddressPayload, absl::Cord(absl::StrCat(address.value())));
  return error;
}

uint64_t AddressOf(const absl::Status& error) {
  const absl::optional<absl::Cord> text = error.GetPayload(kAddressPayload);
  uint64_t address = 0;
  return text.has_value() && absl::SimpleAtoi(std::string(*text), &address) ? address : 0;
}

void Faults::Raise(hal::HealthEvent::Kind kind, const Origin& origin, const std::string& what,
                   uint64_t address) {
  if (failed_) return;
  failed_ = true;
  fault_.kind = kind;
  fault_.message = absl::StrCat(Describe(origin), ": ", what);
  fault_.submission = origin.submission;
  fault_.queue = origin.queue;
  fault_.stream = origin.stream;
  fault_.lower = origin.lower;
  fault_.address = address;
  SimulationContext::StopRun();
}

void Faults::Raise(hal::HealthEvent::Kind kind, const Origin& origin, const absl::Status& what) {
  Raise(kind, origin, std::string(what.message()), AddressOf(what));
}

void Faults::RaiseWithoutOrigin(hal::HealthEvent::Kind kind, const std::string& what,
                                const std::string& queue, uint64_t address) {
  if (failed_) return;
  failed_ = true;
  fault_ = Fault();
  fault_.kind = kind;
  fault_.message = what;
  fault_.queue = queue;
  fault_.address = address;
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
  const absl::StatusOr<std::byte*> host = environment.memory->Resolve(address, bytes);
  if (!host.ok()) return WithAddress(host.status(), address);
  const bool kernels =
      (address >= environment.dram_begin && address < environment.dram_user_begin) ||
      (address >= environment.sram_begin && address < environment.sram_user_begin);
  if (kernels) {
    return WithAddress(absl::OutOfRangeError(absl::StrCat("address 0x", absl::Hex(address.value()),
                                                          " is the kernel driver's")),
                       address);
  }
  return *host;
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
