#include "simulator/engine/timing.h"

#include <algorithm>

namespace openhpu::simulator {
namespace {

constexpr uint64_t kPicosecondsPerMicrosecond = 1000000;

}  // namespace

Picoseconds CyclesToTime(uint64_t cycles, uint64_t clock_mhz) {
  // Whole microseconds first: the product of many cycles would not fit.
  const uint64_t whole = cycles / clock_mhz, rest = cycles % clock_mhz;
  return Picoseconds(whole * kPicosecondsPerMicrosecond +
                     (rest * kPicosecondsPerMicrosecond + clock_mhz / 2) / clock_mhz);
}

Timing MakeTiming(const hal::Chip& chip, bool timed) {
  Timing t;
  t.timed = timed;
  t.fetch_line_bytes = static_cast<uint32_t>(chip.qman().fetch_line_bytes().value());
  t.fetch_lines =
      static_cast<uint32_t>(std::max<uint64_t>(1, chip.qman().fetch_lines_in_flight().value()));
  t.tpc_clock_mhz = chip.tpc().clock_mhz().value();
  t.mme_clock_mhz = chip.mme().clock_mhz().value();
  if (!timed) return t;
  const uint64_t qman = chip.qman().clock_mhz().value();
  t.message_latency = Picoseconds(chip.sync().message_latency_ps().value());
  t.packet = CyclesToTime(chip.qman().packet_cycles().value(), qman);
  t.bulk_qword = CyclesToTime(chip.qman().wreg_bulk_cycles_per_qword().value(), qman);
  t.arbitration = CyclesToTime(chip.qman().arbitration_cycles().value(), qman);
  t.wait_cycle = CyclesToTime(1, qman);
  t.dram_latency = Picoseconds(chip.memory().hbm_latency_ps().value());
  t.sram_latency = Picoseconds(chip.memory().sram_latency_ps().value());
  t.host_latency = Picoseconds(chip.memory().pcie_latency_ps().value());
  t.dma_launch = Picoseconds(chip.dma().launch_ps().value());
  t.memset_launch = Picoseconds(chip.dma().memset_launch_ps().value());
  t.tpc_launch = CyclesToTime(chip.tpc().launch_cycles().value(), t.tpc_clock_mhz);
  t.cycles_per_vector_access = chip.tpc().cycles_per_vector_access().value();
  t.mme_fill = CyclesToTime(chip.mme().fill_cycles().value(), t.mme_clock_mhz);
  t.mme_rollup_bf16 = chip.mme().rollup_cycles_per_out_byte_bf16_in().value();
  t.mme_rollup_fp32 = chip.mme().rollup_cycles_per_out_byte_fp32_in().value();
  t.submit = Picoseconds(chip.host().submit_ps().value());
  t.submit_chunk = Picoseconds(chip.host().submit_chunk_ps().value());
  t.doorbell = Picoseconds(chip.host().doorbell_latency_ps().value());
  t.wait = Picoseconds(chip.host().wait_ps().value());
  t.poll = Picoseconds(chip.host().poll_ps().value());
  t.completion = Picoseconds(chip.host().completion_latency_ps().value());
  t.memory_ioctl = Picoseconds(chip.host().memory_ioctl_ps().value());
  return t;
}

}  // namespace openhpu::simulator
