#include "python/native/bridge.h"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "hal/driver.h"
#include "python/native/backends.h"
#include "python/native/device.h"
#include "python/native/gil.h"
#include "python/native/locked.h"
#include "python/native/lowering.h"
#include "python/native/tensor.h"
#include "runtime/context.h"

namespace openhpu::python {
namespace {

namespace py = pybind11;

// The device that OPENHPU_DEVICE names: of the open one, or found by opening another and closing it
// again, so that a process that only asks may still fork. Found once.
const hal::DeviceInfo& Info() {
  static std::mutex mutex;
  static std::optional<hal::DeviceInfo> info;
  std::lock_guard lock(mutex);
  if (info) return *info;
  if (Device::IsOpen()) {
    Device* device = ValueOrThrow(Device::Get());
    std::lock_guard device_lock(device->mutex());
    info = device->context().driver().info();
  } else {
    const char* spec = std::getenv("OPENHPU_DEVICE");
    info = ValueOrThrow(OpenBackend(spec == nullptr ? "" : spec)).driver->info();
  }
  return *info;
}

py::dict Probe() {
  const hal::DeviceInfo* info = nullptr;
  {
    WithoutGil no_gil;
    info = &Info();
  }
  py::dict found;
  found["name"] = absl::AsciiStrToUpper(info->chip.name());
  found["dram_base"] = info->dram_user_base.value();
  found["dram_bytes"] = info->dram_user_bytes;
  found["sram_base"] = info->sram_user_base.value();
  found["sram_bytes"] = info->sram_user_bytes;
  found["tpcs"] = info->chip.tpc().count().value();
  return found;
}

py::dict MemoryCounters() {
  runtime::MemoryStatistics s;
  uint64_t limit = 0;
  Locked([&](Device& device) {
    s = device.context().memory_statistics();
    limit = device.context().driver().info().dram_user_bytes;
  });
  py::dict counters;
  counters["limit"] = limit;
  counters["allocated"] = s.allocated;
  counters["reserved"] = s.reserved;
  counters["peak_allocated"] = s.peak_allocated;
  counters["peak_reserved"] = s.peak_reserved;
  counters["allocations"] = s.allocations;
  counters["frees"] = s.frees;
  counters["largest"] = s.largest_allocation;
  counters["workspace"] = s.workspace;
  return counters;
}

}  // namespace

void RegisterBridge(py::module_& module) {
  module.def("probe", &Probe);
  module.def("memory_counters", &MemoryCounters);
  module.def("reset_peak_memory",
             [] { Locked([](Device& device) { device.context().ResetPeakMemory(); }); });
  module.def("refuse_during_capture", [](const std::string& op, const std::string& why) {
    WithoutGil no_gil;
    RefuseDuringCapture(op, why);
  });
  RegisterAutocastBindings(module);
  RegisterProcessGroup(module);
}

}  // namespace openhpu::python
