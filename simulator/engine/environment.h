// What every module of one machine shares: costs, memory, the networks, and where errors and
// observations go. One a machine, owned by it.
#ifndef SIMULATOR_ENGINE_ENVIRONMENT_H_
#define SIMULATOR_ENGINE_ENVIRONMENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hal/base/strong_int.h"
#include "hal/base/trace.h"
#include "hal/driver.h"
#include "simulator/engine/address_space.h"
#include "simulator/engine/hazards.h"
#include "simulator/engine/timing.h"

namespace openhpu::simulator {

class Fabric;
class MessageNetwork;

// Who caused something: a packet of a queue's stream.
struct Origin {
  uint64_t submission = 0;
  const char* queue = "";  // the engine's name; a literal or the queue manager's own
  uint8_t stream = 0;
  bool lower = false;   // in a body
  bool kernel = false;  // the kernel driver's own commands
  uint32_t packet = 0;  // index in its command buffer
};
// "TPC3 stream 0 body packet 12 of submission 7".
std::string Describe(const Origin& origin);

// An error about an address, and what it is.
absl::Status WithAddress(absl::Status error, DeviceAddress address);
uint64_t AddressOf(const absl::Status& error);

// The first error stops the machine: modules look at failed() and do nothing more until reset.
class Faults {
 public:
  struct Fault {
    hal::HealthEvent::Kind kind{};
    std::string message;
    uint64_t submission = 0;
    std::string queue;  // the engine's name; "" when nobody's packet caused it
    uint8_t stream = 0;
    bool lower = false;
    uint64_t address = 0;  // that was to be reached; 0 when it is about none
  };

  // Records the first fault since the last Clear, and ends the current run. `what` names place and
  // reason; the origin is put before it.
  void Raise(hal::HealthEvent::Kind kind, const Origin& origin, const std::string& what,
             uint64_t address = 0);
  // The same of an error that has an address with it (WithAddress).
  void Raise(hal::HealthEvent::Kind kind, const Origin& origin, const absl::Status& what);
  // Nobody's packet caused it.
  void RaiseWithoutOrigin(hal::HealthEvent::Kind kind, const std::string& what,
                          const std::string& queue = "", uint64_t address = 0);
  // What goes on after it: an event for TakeReports.
  void Report(hal::HealthEvent::Kind kind, const std::string& what);
  std::vector<hal::HealthEvent> TakeReports() { return std::exchange(reports_, {}); }
  bool failed() const { return failed_; }
  const Fault& fault() const { return fault_; }
  void Clear() { failed_ = false; }

 private:
  bool failed_ = false;
  Fault fault_;
  std::vector<hal::HealthEvent> reports_;
};

// What has been seen, carried from a releasing agent to an acquiring one; null when hazards are
// off.
using SharedClock = std::shared_ptr<const VectorClock>;

// The clock of engines: what of it is left, and the last time that it was not all.
struct ClockThrottle {
  uint32_t permille = 1000;
  Picoseconds since, until;  // `until` is behind `since` once it has ended
  void Set(uint32_t next, Picoseconds now) {
    if (permille == 1000 && next < 1000) since = until = now;
    if (permille < 1000 && next == 1000) until = now;
    permille = next;
  }
};

struct Environment {
  Timing timing;
  // Memories; a user reaches them from their user_begin on.
  DeviceAddress dram_begin, dram_user_begin, dram_end, sram_begin, sram_user_begin, sram_end;
  bool exact_arithmetic = false;
  uint64_t most_steps = ~uint64_t{0};  // of one command (Engine::Work::steps)
  ClockThrottle clock;
  std::unique_ptr<MachineMemory> memory;
  std::unique_ptr<HazardChecker> hazards;  // null when off
  Fabric* fabric = nullptr;
  MessageNetwork* network = nullptr;
  TraceSink* trace = nullptr;  // null when off
  Faults faults;

  SharedClock Release(AgentId agent) {
    return hazards ? std::make_shared<const VectorClock>(hazards->Release(agent)) : nullptr;
  }
  void Acquire(AgentId agent, const SharedClock& clock) {
    if (clock) hazards->Acquire(agent, *clock);
  }
};

// The join of two clocks; either may be null.
SharedClock Joined(const SharedClock& a, const SharedClock& b);

// Memory of a user at [address, address + bytes): OutOfRange for what is not there or not the
// user's.
absl::StatusOr<std::byte*> ResolveForUser(Environment& environment, DeviceAddress address,
                                          uint64_t bytes);
// All boxes lie in memory of the user.
absl::Status CheckBoxes(Environment& environment, const std::vector<AccessBox>& boxes);
// Marks what the boxes write as written.
void TouchBoxes(MachineMemory& memory, const std::vector<AccessBox>& boxes);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_ENVIRONMENT_H_
