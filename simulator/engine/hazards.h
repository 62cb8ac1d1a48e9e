// The hazard checker: accesses of engines that no sync orders, and that overlap, are a race. Vector
// clocks are carried by SOBs, monitors and fences; overlap is exact (strided boxes). No false
// positive: an access is reported only when neither happens before the other. Not thread-safe.
#ifndef SIMULATOR_ENGINE_HAZARDS_H_
#define SIMULATOR_ENGINE_HAZARDS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "simulator/functional/access.h"

namespace openhpu::simulator {

// An actor with program order of its own: a CP, an engine, the host. Numbered from 0.
using AgentId = uint32_t;
// How much each agent had done: its releases that have been seen.
using VectorClock = std::vector<uint64_t>;

// a[i] := max(a[i], b[i]); components that one of them lacks are 0.
void Join(VectorClock& a, const VectorClock& b);

class HazardChecker {
 public:
  explicit HazardChecker(uint32_t agents);

  // The agent's own component grows: what follows is after what went before. Returns its clock, to
  // be carried by a signal: copy it, the reference follows the agent.
  const VectorClock& Release(AgentId agent);
  // The agent has seen everything that `clock` has.
  void Acquire(AgentId agent, const VectorClock& clock);
  const VectorClock& clock(AgentId agent) const { return agents_[agent].clock; }

  // The agent makes these accesses now, in the command `what` ("TPC3 stream 0 body packet 12
  // openhpu.fused"). The report of the first race, if there is one: both commands, the range in
  // which the shared bytes lie, and what is missing. Boxes of one command do not race.
  std::optional<std::string> Access(AgentId agent, const std::string& what,
                                    const std::vector<AccessBox>& boxes);

  // Forgets accesses that happen before everything still to come (all agents have seen them).
  // Called by the machine now and then. An idle agent holds everything back: when all is quiet and
  // nothing starts but by the host, the machine lets every agent acquire the host's clock first.
  void Prune();
  // Forgets all accesses and clocks (reset).
  void Clear();

  // Boxes remembered, for tests and for deciding when to prune.
  size_t remembered() const;

 private:
  struct Range {
    uint64_t begin = ~uint64_t{0};
    uint64_t end = 0;

    void Cover(const Range& other);
    bool Meets(const Range& other) const { return begin < other.end && other.begin < end; }
  };
  struct Entry {
    AccessBox box;
    Range range;
    std::shared_ptr<const std::string> what;
  };
  // Accesses between two releases: whoever has seen one of them has seen all.
  struct Epoch {
    uint64_t number = 0;
    Range all, writes;
    std::vector<Entry> entries;
  };
  struct Agent {
    VectorClock clock;
    std::deque<Epoch> epochs;  // numbers ascend
    size_t entries = 0;
    size_t compact_at = 0;
  };

  const Entry* FindRace(AgentId agent, const Entry& entry, AgentId* other) const;
  void Remember(Agent& agent, const std::vector<Entry>& entries);
  static void Compact(Agent& agent);

  std::vector<Agent> agents_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_HAZARDS_H_
