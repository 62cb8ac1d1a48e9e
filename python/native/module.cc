// The Python module habana_frameworks.torch._native: what the package's Python is written on.
// Device work goes through here and through the operators of lowering.h.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/csrc/Generator.h>
#include <torch/csrc/autograd/python_variable.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "python/native/bridge.h"
#include "python/native/call_key.h"
#include "python/native/device.h"
#include "python/native/graphs.h"
#include "python/native/locked.h"
#include "python/native/lowering.h"
#include "python/native/random.h"
#include "python/native/statistics.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

namespace py = pybind11;

std::string DeviceName() {
  return Locked(
      [](Device& device) { return absl::AsciiStrToUpper(device.context().chip().name()); });
}

void MarkStep(bool sync) {
  Locked([&](Device& device) {
    const StreamIndex stream = Device::CurrentStream();
    ThrowIfError(sync ? device.Synchronize(stream) : device.Flush(stream));
  });
}

void StreamSynchronize(StreamIndex stream) {
  Locked([&](Device& device) { ThrowIfError(device.Synchronize(stream)); });
}

bool StreamQuery(StreamIndex stream) {
  return Locked([&](Device& device) {
    ThrowIfError(device.Flush(stream));
    return ValueOrThrow(device.stream(stream).Query());
  });
}

// What these dicts hold, as bytes to compare: another object under a name, another storage or
// another place in it gives other bytes. Meaningful while someone keeps the objects alive. A
// module's parameters, buffers and submodules are such dicts; a large model has hundreds, and a
// wrapped call asks each time.
py::bytes Identity(const py::list& dicts) {
  std::string identity;
  const auto add = [&](const void* place) {
    identity.append(reinterpret_cast<const char*>(&place), sizeof place);
  };
  for (const py::handle& dict : dicts) {
    if (!PyDict_Check(dict.ptr())) throw py::type_error("expected a list of dicts");
    add(reinterpret_cast<const void*>(PyDict_Size(dict.ptr())));
    PyObject *key = nullptr, *value = nullptr;
    Py_ssize_t position = 0;
    while (PyDict_Next(dict.ptr(), &position, &key, &value)) {
      add(value);
      if (!THPVariable_Check(value)) continue;
      const at::Tensor& t = THPVariable_Unpack(value);
      if (!t.has_storage()) continue;
      add(t.storage().unsafeGetStorageImpl());
      add(reinterpret_cast<const void*>(t.storage_offset()));
    }
  }
  return identity;
}

py::dict CompileCounters() {
  const graph::EngineStatistics s =
      Locked([](Device& device) { return device.engine().statistics(); });
  py::dict counters;
  counters["compilations"] = s.compilations;
  counters["cache_hits"] = s.cache_hits;
  counters["launches"] = s.launches;
  counters["nodes"] = s.nodes;
  counters["compile_seconds"] = absl::ToDoubleSeconds(s.compile_time);
  counters["disk_hits"] = s.disk_hits;
  counters["disk_refused"] = s.disk_refused;
  return counters;
}

}  // namespace

PYBIND11_MODULE(_native, m) {
  // Without the C++ backtrace that c10::Error's what() carries.
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const c10::Error& error) {
      PyErr_SetString(PyExc_RuntimeError, error.what_without_backtrace());
    }
  });
  c10::SetAllocator(c10::DeviceType::HPU, HpuAllocator());
  RegisterLowerings();

  m.def("init", [] { Locked([](Device&) {}); });
  m.def("is_initialized", &Device::IsOpen);
  m.def("device_name", &DeviceName);
  m.def("synchronize",
        [] { Locked([](Device& device) { ThrowIfError(device.SynchronizeAll()); }); });
  m.def("mark_step", &MarkStep);
  m.def("create_stream",
        [] { return Locked([](Device& device) { return ValueOrThrow(device.CreateStream()); }); });
  m.def("current_stream", &Device::CurrentStream);
  m.def("set_current_stream", [](StreamIndex stream) {
    Locked([&](Device& device) { ThrowIfError(device.SetCurrentStream(stream)); });
  });
  m.def("stream_synchronize", &StreamSynchronize);
  m.def("stream_query", &StreamQuery);
  m.def("is_capturing", &Device::InCapture);
  m.def("data_ptr", [](const py::handle& tensor) {
    const at::Tensor t = TensorOf(tensor);
    WithoutGil no_gil;
    return DeviceAddressOf(t);
  });
  m.def("mark_weight", [](const py::handle& tensor) { StorageOf(TensorOf(tensor)).MarkWeight(); });
  m.def("set_default_generator", [](const py::handle& generator) {
    if (!THPGenerator_Check(generator.ptr())) throw py::type_error("expected a torch.Generator");
    SetDefaultGenerator(reinterpret_cast<THPGenerator*>(generator.ptr())->cdata);
  });
  m.def("identity", &Identity);
  m.def("fallback_counts", &FallbackCounts);
  m.def("compile_counters", &CompileCounters);
  m.def("bound_operators", &BoundOperators);
  m.def("unknown_operators", &UnknownOperators);

  RegisterCallKey(m);
  RegisterGraphs(m);
  RegisterStatistics(m);
  RegisterBridge(m);
}

}  // namespace openhpu::python
