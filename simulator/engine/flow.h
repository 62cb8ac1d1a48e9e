// Contention as flows. A transfer is a flow of bytes with a demand on some resources (an engine's
// port, a NoC corner, SRAM, the HBM channels it touches, PCIe). Rates are max-min fair, recomputed
// only when a flow starts or ends, in integers: so cost grows with the number of commands, not of
// bytes, and results are the same on every machine. Knows no SystemC: the caller asks when the next
// flow ends. Not thread-safe.
#ifndef SIMULATOR_ENGINE_FLOW_H_
#define SIMULATOR_ENGINE_FLOW_H_

#include <cstddef>
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
  // Capacity in bytes a second, below 2^47. A flow through a resource of capacity 0 never ends.
  ResourceId AddResource(uint64_t bytes_per_second);

  // Starts a flow of `bytes` (below 2^48) at `now` (not before the last call's time). Flows without
  // demand or bytes end at once. Ids grow.
  FlowId Start(Picoseconds now, uint64_t bytes, const std::vector<Demand>& demands);
  // When the next flow ends with today's rates (the last call's time, if flows that have ended wait
  // to be taken); false if there is none.
  bool NextEnd(Picoseconds* when);
  // Moves to `now` and takes the flows that have ended by then, in order of id.
  std::vector<FlowId> Advance(Picoseconds now);
  // Forgets all flows (reset). Time and what has passed stay.
  void Clear();

  size_t active() const { return flows_.size() + ended_.size(); }
  // Whole bytes that have passed a resource, for utilisation.
  uint64_t Passed(ResourceId resource) const;

 private:
  // What a flow has left is known at `since`, the last change of its rate; it is not touched in
  // between, so no rounding gathers.
  struct Flow {
    FlowId id = 0;
    uint64_t left = 0;  // at `since`, in 1/2^16 of a byte
    Picoseconds since;
    Picoseconds end;
    uint64_t rate = 0;    // bytes a second
    bool shared = false;  // scratch of Share(): has got its rate
    std::vector<Demand> demands;
  };
  struct Resource {
    uint64_t capacity = 0;         // bytes a second
    unsigned __int128 passed = 0;  // in 1/2^32 of a byte, without what flows have moved `since`
    uint64_t free = 0;   // scratch of Share(): capacity left, in 1/2^16 of a byte a second
    uint64_t load = 0;   // weights of flows that have no rate yet
    uint64_t level = 0;  // the rate at which it would be full
  };

  static uint64_t Moved(const Flow& flow, Picoseconds now);
  static Picoseconds End(const Flow& flow, Picoseconds now);
  void Settle(Flow& flow);
  void SetRate(Flow& flow, uint64_t rate);
  void MoveTo(Picoseconds now);
  void Share();

  std::vector<Resource> resources_;
  std::vector<Flow> flows_;                 // ordered by id
  std::vector<FlowId> ended_;               // not taken yet
  std::vector<std::vector<Demand>> spare_;  // storage of flows that have ended
  std::vector<ResourceId> used_;            // scratch of Share()
  Picoseconds now_;
  Picoseconds next_end_;  // of flows_; valid unless stale_
  bool stale_ = false;    // flows came or went since the last Share()
  FlowId next_id_ = 1;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_FLOW_H_
