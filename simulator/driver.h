// The simulated card: hal::Driver over a Gaudi-shaped machine in SystemC. Several live side by side
// in one process, on any thread.
//
// A spec is "sim:<chip>[,key=value...]", chip a shipped chip or a path to a chip file. Keys:
//   mode=timed|functional      timed (default): values and cycles; functional: the same packets in
//   the same sync order at zero latency arithmetic=fast|exact      fast (default): oneDNN; exact:
//   the MME's own order of additions, equal bits on every machine with FMA hazards=on|off default
//   off: report accesses that no sync orders; a report fails the submission <field path>=<integer>
//   overrides a number of the chip file, as in tpc.count=4 fault=<fault> orders one, as often as
//   wanted, in the words of simulator/fault.h: fault=engine_hang:DMA2@5000
//
// Host time is virtual: one timeline H, advanced by the chip file's cost of each call and by waits.
// Nothing measures a wall clock.
#ifndef SIMULATOR_DRIVER_H_
#define SIMULATOR_DRIVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/base/strong_int.h"
#include "hal/base/trace.h"
#include "hal/driver.h"
#include "simulator/fault.h"

namespace openhpu::simulator {

struct EngineStatistics {
  std::string name;       // "DMA2", "MME0", "TPC3", "HBM", "SRAM", "PCIe"
  Picoseconds busy;       // time with work in it
  uint64_t commands = 0;  // descriptors or boxes run
  uint64_t bytes_read = 0, bytes_written = 0;
  Picoseconds fence_wait;  // of its queue manager's streams, summed
};

struct Statistics {
  Picoseconds now;                        // host timeline
  std::vector<EngineStatistics> engines;  // in the order of the chip: DMA, MME, TPC, memories
  uint64_t packets = 0, submissions = 0;
};

class Simulator : public hal::Driver {
 public:
  // NotFound for an unknown chip, InvalidArgument for an unknown key or value; the message lists
  // what there is.
  static absl::StatusOr<std::unique_ptr<Simulator>> Open(std::string_view spec);

  // Observes from now on; nullptr stops. The sink outlives the simulator or is taken off first; it
  // is called under the simulator's lock.
  virtual void SetTrace(TraceSink* sink) = 0;
  // Since opening, or since the last ResetStatistics.
  virtual Statistics statistics() = 0;
  virtual void ResetStatistics() = 0;

  // Orders what is to go wrong, at a time of the host's timeline that is not past (in functional
  // mode, which has no time: zero). InvalidArgument begins with the name of the field that is
  // wrong. What has come is undone by Reset; what has not stays ordered, but for what would have
  // come while the machine stood still.
  virtual absl::Status Inject(const InjectedFault& fault) = 0;
  // Those that have come since opening, in order.
  virtual std::vector<StruckFault> struck_faults() = 0;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DRIVER_H_
