#include "simulator/engine/dma_engine.h"

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/dma_core.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {

DmaEngine::DmaEngine(sc_core::sc_module_name name, Environment& environment, const Config& config,
                     uint64_t bytes_per_cycle, uint64_t transpose_bytes_per_cycle)
    : Engine(name, environment, config),
      bytes_per_cycle_(bytes_per_cycle),
      transpose_bytes_per_cycle_(transpose_bytes_per_cycle) {
  ResetCommands();
}

void DmaEngine::ResetCommands() {
  commands_.clear();
  // The kernel driver enables it.
  namespace core = hal::abi::gaudi::dma_core;
  registers_[core::CFG_0::kOffset / 4] = core::CFG_0::EN::Set(0, 1);
}

void DmaEngine::Capture() {
  commands_.push_back(config().block == RegisterBlock::kGaudi2DmaCore
                          ? ReadGaudi2DmaTransfer(registers(0))
                          : ReadDmaTransfer(registers(0)));
}

absl::Status DmaEngine::Prepare(Work& work) {
  const DmaTransfer& command = commands_.front();
  RETURN_IF_ERROR(DmaBoxes(command, boxes_));
  RETURN_IF_ERROR(CheckBoxes(environment(), boxes_));
  ASSIGN_OR_RETURN(Traffic traffic, environment().fabric->Measure(boxes_));
  if (environment().timing.timed) {
    Picoseconds pace;
    if (command.transpose && transpose_bytes_per_cycle_ < bytes_per_cycle_) {
      const unsigned __int128 port_time = static_cast<unsigned __int128>(traffic.bytes_written()) *
                                          1000000000000u / config().port.bytes_per_second;
      pace = Picoseconds(
          static_cast<uint64_t>(port_time * bytes_per_cycle_ / transpose_bytes_per_cycle_));
    }
    plan_ = environment().fabric->MakePlan(config().port, traffic, pace);
    const Timing& timing = environment().timing;
    work.launch = (command.memset ? timing.memset_launch : timing.dma_launch) +
                  environment().fabric->Latency(traffic);
    work.arithmetic = pace;
  } else {
    plan_.traffic = traffic;
    plan_.bytes = traffic.bytes_read() + traffic.bytes_written();
  }
  work.steps = Bytes(boxes_.back());
  work.plan = &plan_;
  work.boxes = &boxes_;
  work.what = command.memset      ? "memset"
              : command.transpose ? "transpose"
              : command.linear    ? "copy"
                                  : "strided copy";
  return absl::OkStatus();
}

absl::Status DmaEngine::Execute() { return RunDma(commands_.front(), *environment().memory); }

void DmaEngine::Complete() {
  const DmaTransfer& command = commands_.front();
  if (command.signals) Signal(command.signal_address, command.signal_value);
  commands_.pop_front();
}

std::string DmaEngine::Detail() const {
  // An address of host memory depends on the process.
  const auto place = [this](uint64_t address) -> std::string {
    const auto region = environment().memory->RegionOf(DeviceAddress(address));
    return region.ok() && *region == Region::kHost ? "host"
                                                   : absl::StrCat("0x", absl::Hex(address));
  };
  const DmaTransfer& command = commands_.front();
  if (command.memset) return absl::StrCat("to ", place(command.destination.base));
  return absl::StrCat(place(command.source.base), " to ", place(command.destination.base));
}

}  // namespace openhpu::simulator
