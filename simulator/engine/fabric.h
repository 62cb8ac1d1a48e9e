// The interconnect and the memories behind it, as shared bandwidth: engine ports, four corners of
// the network on chip, SRAM, HBM, PCIe. A command's traffic is one flow; its demands follow from
// the boxes that it touches, in whole cache lines.
#ifndef SIMULATOR_ENGINE_FABRIC_H_
#define SIMULATOR_ENGINE_FABRIC_H_

#include <array>
#include <cstdint>
#include <string>
#include <systemc>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/chip.pb.h"
#include "simulator/engine/environment.h"
#include "simulator/engine/flow.h"

namespace openhpu::simulator {

// Bytes in whole lines, by region (Region as the index).
struct Traffic {
  std::array<uint64_t, 3> read = {0, 0, 0}, written = {0, 0, 0};
  uint64_t channels = 0;  // of HBM, one bit each

  uint64_t bytes_read() const { return read[0] + read[1] + read[2]; }
  uint64_t bytes_written() const { return written[0] + written[1] + written[2]; }
};

// A flow's end is told to its owner, at that time.
class FlowOwner {
 public:
  virtual ~FlowOwner() = default;
  virtual void FlowEnded() = 0;
};

class Fabric : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(Fabric);
  Fabric(sc_core::sc_module_name name, Environment& environment, const hal::Chip& chip);

  // How an engine is connected.
  struct Port {
    ResourceId read = 0, write = 0, corner = 0;
    uint64_t bytes_per_second = 0;  // in each direction
  };
  // Engines are spread over the corners by `index`. `efficiency_permille`: of its rate, what moves
  // bytes.
  Port AddPort(uint64_t bytes_per_cycle, uint64_t clock_mhz, uint32_t index,
               uint64_t efficiency_permille = 1000);

  // InvalidArgument when that is more than any memory holds many times over. Whole lines of every
  // box; host memory counts bytes, since where its lines begin is the host's
  // affair.
  absl::StatusOr<Traffic> Measure(const std::vector<AccessBox>& boxes) const;
  // The latency of the first byte: that of the slowest region touched.
  Picoseconds Latency(const Traffic& traffic) const;

  struct Plan {
    uint64_t bytes = 0;
    std::vector<Demand> demands;
    Traffic traffic;
  };
  // `at_least`: the flow is not faster than this, because something else (arithmetic) paces it; it
  // then leaves bandwidth to others.
  Plan MakePlan(const Port& port, const Traffic& traffic, Picoseconds at_least) const;

  // Starts the flow now. Plans without bytes end at once.
  void Start(const Plan& plan, FlowOwner* owner);
  void Clear();

  struct MemoryStatistics {
    Picoseconds busy;
    uint64_t commands = 0, bytes_read = 0, bytes_written = 0;
  };
  // By region; host memory is PCIe.
  std::array<MemoryStatistics, 3> statistics() const;
  void ResetStatistics();
  // Creates the tracks of the memories.
  void SetTrace();
  // Counts traffic that takes no time (functional mode).
  void Count(const Traffic& traffic);

 private:
  struct Active {
    FlowId id;
    FlowOwner* owner;
    Traffic traffic;
  };
  void Run();
  void Schedule();
  void Add(const Traffic& traffic, int sign);

  Environment& environment_;
  // The HBM channels that a box touches, one bit each.
  uint64_t ChannelsOf(const AccessBox& box) const;

  uint64_t line_bytes_, turn_permille_, interleave_, channels_, hbm_bytes_per_second_;
  FlowNetwork network_;
  ResourceId hbm_, sram_, pcie_down_, pcie_up_;
  std::array<ResourceId, 4> corners_;
  sc_core::sc_event wake_;
  std::vector<Active> active_;
  std::array<uint64_t, 3> in_flight_ = {0, 0, 0};  // bytes
  std::array<uint32_t, 3> users_ = {0, 0, 0};      // flows
  std::array<Picoseconds, 3> busy_since_;
  std::array<MemoryStatistics, 3> statistics_;
  std::array<TrackId, 3> tracks_ = {0, 0, 0};
};

inline constexpr std::array<const char*, 3> kMemoryNames = {"HBM", "SRAM", "PCIe"};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_FABRIC_H_
