// The hazard checker: accesses of engines that no sync orders, and that overlap, are a race. Vector clocks are carried by SOBs, monitors and fences; overlap is exact
// (strided boxes). No false positive: an access is reported only when neither happens before the other.
#ifndef SIMULATOR_ENGINE_HAZARDS_H_
#define SIMULATOR_ENGINE_HAZARDS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "simulator/functional/access.h"

namespace openhpu::simulator {

using AgentId = uint32_t;  // an actor with program order of its own: a CP, an engine, the host
using VectorClock = std::vector<uint64_t>;

// a[i] := max(a[i], b[i]).
void Join(VectorClock& a, const VectorClock& b);

class HazardChecker {
 public:
  explicit HazardChecker(uint32_t agents);

  // The agent's own component grows: what follows is after what went before. Returns its clock, to be carried by a signal.
  const VectorClock& Release(AgentId agent);
  // The agent has seen everything that `clock` has.
  void Acquire(AgentId agent, const VectorClock& clock);
  const VectorClock& clock(AgentId agent) const;

  // The agent makes these accesses now, in the command `what` ("TPC3 stream 0 body packet 12 openhpu.fused"). The report of the first race, if there is one: both
  // commands, the shared range and the missing edge.
  std::optional<std::string> Access(AgentId agent, const std::string& what, const std::vector<AccessBox>& boxes);

  // Forgets accesses that happen before everything still to come (all agents have seen them). Called by the machine now and then.
  void Prune();
  void Clear();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_HAZARDS_H_
