// Contention as flows. A transfer is a flow of bytes with a demand on some resources (an engine's port, a NoC corner, SRAM, the HBM channels it
// touches, PCIe). Rates are max-min fair, recomputed only when a flow starts or ends, in integers, ties by id: so cost grows with the number of
// commands, not of bytes, and results are the same on every machine. Knows no SystemC: the caller asks when the next flow ends.
#ifndef SIMULATOR_ENGINE_FLOW_H_
#define SIMULATOR_ENGINE_FLOW_H_

#include <cstdint>
#include <vector>

#include "hal/base/strong_int.h"

namespace openhpu::simulator {

using ResourceId = uint32_t;
using FlowId = uint64_t;

// A flow moves `weight` bytes of the resource's capacity for each 65536 bytes of its own.
struct Demand {
  ResourceId resource = 0;
  uint32_t weight = 65536;
};

class FlowNetwork {
 public:
  // capacity in bytes a second.
  ResourceId AddResource(uint64_t bytes_per_second);

  // Starts a flow of `bytes` at `now` (not before the last call's time). Flows without demand or bytes end at once. Ids grow.
  FlowId Start(Picoseconds now, uint64_t bytes, const std::vector<Demand>& demands);
  // When the next flow ends with today's rates; false if there is none.
  bool NextEnd(Picoseconds* when) const;
  // Moves to `now` (not past NextEnd) and takes the flows that have ended by then, in order of id.
  std::vector<FlowId> Advance(Picoseconds now);
  // Forgets all flows (reset).
  void Clear();

  size_t active() const { return flows_.size(); }
  // Bytes that have passed a resource, for utilisation.
  uint64_t Passed(ResourceId resource) const;

 private:
  struct Flow {
    FlowId id;
    uint64_t remaining;  // in 1/2^16 of a byte
    uint64_t rate = 0;   // bytes a second
    std::vector<Demand> demands;
  };
  struct Resource {
    uint64_t capacity;
    uint64_t passed = 0;
  };
  void Drain(Picoseconds now);
  void Share();

  std::vector<Resource> resources_;
  std::vector<Flow> flows_;  // ordered by id
  Picoseconds now_;
  FlowId next_id_ = 1;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_FLOW_H_
