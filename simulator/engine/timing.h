// Every cost that the machine charges, in picoseconds, computed once from the chip file. In
// functional mode all of them are zero.
#ifndef SIMULATOR_ENGINE_TIMING_H_
#define SIMULATOR_ENGINE_TIMING_H_

#include <cstdint>

#include "hal/base/strong_int.h"
#include "hal/chip.pb.h"

namespace openhpu::simulator {

struct Timing {
  bool timed = true;

  Picoseconds
      message_latency;  // from a CP or an engine to a sync manager or fence, and on from a monitor
  Picoseconds packet, bulk_qword, arbitration, wait_cycle;  // of a queue manager
  uint32_t fetch_line_bytes = 128, fetch_lines = 1;
  Picoseconds dram_latency, sram_latency, host_latency;  // first byte
  Picoseconds dma_launch, memset_launch;
  Picoseconds tpc_launch, mme_fill;
  uint64_t tpc_clock_mhz = 1, mme_clock_mhz = 1;
  uint64_t cycles_per_vector_access = 0;
  uint64_t mme_rollup_bf16 = 0, mme_rollup_fp32 = 0;  // cycles a byte of an output element

  // Of the host.
  Picoseconds submit, submit_chunk, doorbell, wait, poll, completion, memory_ioctl;
};

Timing MakeTiming(const hal::Chip& chip, bool timed);

// Cycles of a clock as time, rounded to nearest.
Picoseconds CyclesToTime(uint64_t cycles, uint64_t clock_mhz);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_TIMING_H_
