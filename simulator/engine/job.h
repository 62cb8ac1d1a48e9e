// What a stream of a queue manager is given to run.
#ifndef SIMULATOR_ENGINE_JOB_H_
#define SIMULATOR_ENGINE_JOB_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "simulator/engine/environment.h"

namespace openhpu::simulator {

// One command buffer of a submission for one stream.
struct Job {
  uint64_t submission = 0;
  Picoseconds arrival;
  DeviceAddress address;  // of an internal queue's buffer
  uint32_t bytes = 0;
  uint32_t ctl = 0;             // of the queue entry, or CQ_CTL: how often REPEAT jumps back
  bool external = false;        // its bytes are in `copy`, and it completes to the host
  bool reports = false;         // it lies in memory, and completes to the host all the same
  bool uses_engine = false;     // completion waits for the engine
  bool kernel = false;          // its commands are the kernel driver's own
  std::vector<std::byte> copy;  // the buffer, as the kernel driver copied it
  SharedClock clock;

  bool completes() const { return external || reports; }
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_JOB_H_
