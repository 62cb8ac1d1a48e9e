// What the simulator tells about itself: time, engines, timelines. Empty for devices that are not
// simulated.
#ifndef PYTHON_NATIVE_STATISTICS_H_
#define PYTHON_NATIVE_STATISTICS_H_

#include <pybind11/pybind11.h>

namespace openhpu::python {

// Adds simulator_statistics, reset_simulator_statistics, start_trace and stop_trace to the module.
void RegisterStatistics(pybind11::module_& module);

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_STATISTICS_H_
