// Parts of the Python module that stand beside operators and graphs.
#ifndef PYTHON_NATIVE_BRIDGE_H_
#define PYTHON_NATIVE_BRIDGE_H_

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace openhpu::python {

// What the device is and how much memory it has; refusals for Python's own operations (bridge.cc).
void RegisterBridge(pybind11::module_& module);
// torch.autocast("hpu") (autocast.cc).
void RegisterAutocastBindings(pybind11::module_& module);
// Collectives that are done when they are asked for (process_group.cc).
void RegisterProcessGroup(pybind11::module_& module);

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_BRIDGE_H_
