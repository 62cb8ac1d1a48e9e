#include "python/native/statistics.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "hal/habanalabs/driver.h"
#include "python/native/device.h"
#include "python/native/gil.h"
#include "simulator/driver.h"
#include "simulator/trace/perfetto.h"

namespace openhpu::python {
namespace {

namespace py = pybind11;

void ThrowUnlessOk(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(std::string(status.message()));
}

// The device, locked, with all that was recorded finished, so that numbers are of whole work.
template <typename Work>
auto WithDevice(Work work) {
  WithoutGil no_gil;
  absl::StatusOr<Device*> device = Device::Get();
  ThrowUnlessOk(device.status());
  std::lock_guard lock((*device)->mutex());
  ThrowUnlessOk((*device)->SynchronizeAll());
  return work(**device);
}

template <typename Work>
auto WithSimulator(Work work) {
  return WithDevice([&](Device& device) {
    simulator::Simulator* simulator = device.simulator();
    if (simulator == nullptr)
      throw std::runtime_error(
          "the device that OPENHPU_DEVICE names is not simulated: it has no statistics and no "
          "trace");
    return work(*simulator);
  });
}

// Picoseconds on the host's timeline: the simulator's, or the kernel driver's clock.
uint64_t HostTime() {
  return WithDevice([](Device& device) -> uint64_t {
    if (device.simulator() != nullptr) return device.simulator()->statistics().now.value();
    auto* const card = dynamic_cast<hal::habanalabs::Driver*>(&device.context().driver());
    if (card == nullptr)
      throw std::runtime_error("the device that OPENHPU_DEVICE names has no time of its own");
    const auto times = card->DeviceTime();
    ThrowUnlessOk(times.status());
    return times->host_nanoseconds * 1000;
  });
}

py::dict Statistics() {
  const simulator::Statistics s =
      WithSimulator([](simulator::Simulator& simulator) { return simulator.statistics(); });
  py::list engines;
  for (const simulator::EngineStatistics& e : s.engines) {
    py::dict engine;
    engine["name"] = e.name;
    engine["busy_ps"] = e.busy.value();
    engine["commands"] = e.commands;
    engine["bytes_read"] = e.bytes_read;
    engine["bytes_written"] = e.bytes_written;
    engine["fence_wait_ps"] = e.fence_wait.value();
    engines.append(std::move(engine));
  }
  py::dict all;
  all["now_ps"] = s.now.value();
  all["packets"] = s.packets;
  all["submissions"] = s.submissions;
  all["engines"] = std::move(engines);
  return all;
}

// One a process, like the device.
std::unique_ptr<simulator::PerfettoTrace>& TheTrace() {
  static auto* const trace = new std::unique_ptr<simulator::PerfettoTrace>;
  return *trace;
}

void StartTrace() {
  WithSimulator([](simulator::Simulator& simulator) {
    if (TheTrace() != nullptr) throw std::runtime_error("a trace is being taken already");
    TheTrace() = std::make_unique<simulator::PerfettoTrace>();
    simulator.SetTrace(TheTrace().get());
  });
}

void StopTrace(const std::string& path) {
  WithSimulator([&](simulator::Simulator& simulator) {
    if (TheTrace() == nullptr) throw std::runtime_error("no trace is being taken");
    simulator.SetTrace(nullptr);
    const std::unique_ptr<simulator::PerfettoTrace> trace = std::move(TheTrace());
    if (!path.empty()) ThrowUnlessOk(trace->WriteFile(path));
  });
}

}  // namespace

void RegisterStatistics(py::module_& module) {
  module.def("host_time_ps", &HostTime);
  module.def("simulator_statistics", &Statistics);
  module.def("reset_simulator_statistics", [] {
    WithSimulator([](simulator::Simulator& simulator) { simulator.ResetStatistics(); });
  });
  module.def("start_trace", &StartTrace);
  module.def("stop_trace", &StopTrace);
}

}  // namespace openhpu::python
