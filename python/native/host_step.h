// Work of the host inside a capture: values that the host read (guards), and, where
// OPENHPU_GRAPH_CPU_OPS=break allows it, operators that run on the CPU between two segments.
#ifndef PYTHON_NATIVE_HOST_STEP_H_
#define PYTHON_NATIVE_HOST_STEP_H_

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <string>

namespace openhpu::python {

// OPENHPU_GRAPH_DATA_DEPENDENCE: what reading a value on the host means to a capture. Read at each
// use; an unknown word throws with the words that there are.
enum class DataDependence {
  kGuard,   // a replay that would read another value fails (default)
  kError,   // the capture refuses it
  kFreeze,  // as the vendor's bridge: the value of the capture is used for ever
};
DataDependence DataDependenceMode();

// OPENHPU_GRAPH_CPU_OPS=refuse (default) or break.
bool CpuOpsBreakCaptures();

// The user's line of the operator that this thread runs as a host step; null while it runs none.
// Such a thread has the device locked, and so must not ask the interpreter.
const std::string* LineOfHostStep();

// In a capture of this thread: runs the operator on the CPU, on copies, and has each replay do the
// same between the segments around it. `stack` as for a boxed kernel. Throws what the operator
// throws; a replay whose results have other sizes, or other values where they are no tensors, than
// at capture fails.
void RunAsHostStep(const c10::OperatorHandle& op, torch::jit::Stack* stack,
                   const std::string& source);

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_HOST_STEP_H_
