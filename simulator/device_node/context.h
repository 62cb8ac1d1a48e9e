// The compute context: what one open of the compute node has. It dies with the last descriptor.
#ifndef SIMULATOR_DEVICE_NODE_CONTEXT_H_
#define SIMULATOR_DEVICE_NODE_CONTEXT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "simulator/device_node/command_buffers.h"
#include "simulator/device_node/command_submissions.h"
#include "simulator/device_node/device_memory.h"

namespace openhpu::simulator {

// Drops of submissions, by reason (hl_info_cs_counters).
struct SubmissionCounters {
  uint64_t out_of_memory = 0, parsing = 0, queue_full = 0, in_reset = 0, in_flight = 0,
           validation = 0;
};

// Sync objects that the kernel signals for a queue: two, used in turn since a value has 15 bits.
struct SyncStream {
  int which = 0;
  uint32_t value = 0;
};

struct Context {
  Context(uint64_t max_in_flight, size_t queues_that_signal)
      : submissions(max_in_flight), sync_streams(queues_that_signal) {}

  CommandBuffers buffers;
  std::map<uint64_t, uint64_t> mappings;  // device address of host memory -> bytes
  CommandSubmissions submissions;
  std::vector<SyncStream> sync_streams;
  SubmissionCounters counters;
  uint64_t dram_bytes = 0;  // as the program accounts for them, where it has DRAM by itself
  std::unique_ptr<DeviceMemory> device_memory;  // where the kernel gives it out
  int event_fd = -1;                            // the program's eventfd, duplicated
  uint64_t events = 0;                          // that it has not taken
  bool restores = false;                        // restore chunks of its first CS run
  bool switched = false;                        // its first CS was there
  bool debug_mode = false;
  bool dead = false;  // a hard reset took it: close and open again
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_CONTEXT_H_
