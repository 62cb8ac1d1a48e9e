// The classes Graph and Event of the native module.
#ifndef PYTHON_NATIVE_GRAPHS_H_
#define PYTHON_NATIVE_GRAPHS_H_

#include <pybind11/pybind11.h>

namespace openhpu::python {

void RegisterGraphs(pybind11::module_& module);

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_GRAPHS_H_
