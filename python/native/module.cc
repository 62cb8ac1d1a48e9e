// The Python module habana_frameworks.torch._native: what the package's Python is written on.
// Device work goes through here and through the operators of lowering.h.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/csrc/autograd/python_variable.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "graph/recipe_file.h"
#include "hal/kernel/text.h"
#include "python/native/device.h"
#include "python/native/lowering.h"
#include "python/native/statistics.h"
#include "python/native/tensor.h"
#include "python/native/without_gil.h"

namespace openhpu::python {
namespace {

namespace py = pybind11;

at::Tensor TensorOf(const py::handle& object) {
  if (!THPVariable_Check(object.ptr())) throw py::type_error("expected a torch.Tensor");
  return THPVariable_Unpack(object.ptr());
}

// Runs `work(device)` with the device locked and the interpreter free.
template <typename Work>
auto Locked(Work work) {
  WithoutGil no_gil;
  Device* device = ValueOrThrow(Device::Get());
  std::lock_guard lock(device->mutex());
  return work(*device);
}

std::string DeviceName() {
  return Locked(
      [](Device& device) { return absl::AsciiStrToUpper(device.context().chip().name()); });
}

void MarkStep(bool sync) {
  Locked([&](Device& device) {
    graph::Recorder& recorder = device.current_recorder();
    ThrowIfError(sync ? recorder.Synchronize() : recorder.Flush());
  });
}

void StreamSynchronize(StreamIndex stream) {
  Locked([&](Device& device) {
    ThrowIfError(device.recorder(stream).Flush());
    ThrowIfError(device.stream(stream).Synchronize());
  });
}

bool StreamQuery(StreamIndex stream) {
  return Locked([&](Device& device) {
    ThrowIfError(device.recorder(stream).Flush());
    return ValueOrThrow(device.stream(stream).Query());
  });
}

// Made on the device when it is first recorded: an event alone opens nothing.
class Event {
 public:
  explicit Event(bool timing) : timing_(timing) {}

  void Record(StreamIndex stream) {
    Locked([&](Device& device) {
      if (event_ == nullptr)
        event_ = ValueOrThrow(runtime::Event::Create(device.context(), timing_));
      ThrowIfError(device.recorder(stream).Flush());
      ThrowIfError(device.stream(stream).Record(*event_));
    });
  }
  void Wait(StreamIndex stream) {
    if (event_ == nullptr) return;
    Locked([&](Device& device) {
      ThrowIfError(device.recorder(stream).Flush());  // what was given before does not wait
      ThrowIfError(device.stream(stream).WaitFor(*event_));
    });
  }
  bool Query() {
    if (event_ == nullptr) return true;
    return Locked([&](Device&) { return ValueOrThrow(event_->Query()); });
  }
  void Synchronize() {
    if (event_ == nullptr) return;
    Locked([&](Device&) { ThrowIfError(event_->Synchronize()); });
  }
  double ElapsedMilliseconds(Event& end) {
    TORCH_CHECK(event_ != nullptr && end.event_ != nullptr,
                "Both events must be recorded before calculating elapsed time.");
    return Locked([&](Device&) {
      return absl::ToDoubleMilliseconds(ValueOrThrow(end.event_->ElapsedSince(*event_)));
    });
  }

 private:
  const bool timing_;
  std::unique_ptr<runtime::Event> event_;
};

class Graph {
 public:
  ~Graph() {
    if (!Device::IsOpen()) return;
    Locked([&](Device& device) {
      if (capture_.active) device.DiscardCapture(capture_.stream, "");
      capture_.graph.Reset();
    });
  }
  void CaptureBegin() {
    Locked([&](Device& device) { ThrowIfError(device.BeginCapture(capture_)); });
  }
  void CaptureEnd() {
    if (!capture_.active && capture_.discarded.empty()) return;
    Locked([&](Device& device) {
      ThrowIfDiscarded();
      ThrowIfError(device.EndCapture(capture_));
    });
  }
  void Replay() {
    Locked([&](Device& device) {
      TORCH_CHECK(!capture_.active, "GRAPH:: Capture in progress");
      ThrowIfDiscarded();
      ThrowIfError(device.recorder(capture_.stream).Flush());
      ThrowIfError(capture_.graph.Replay());
    });
  }
  void Reset() {
    if (!Device::IsOpen()) return;
    Locked([&](Device& device) {
      if (capture_.active) device.DiscardCapture(capture_.stream, "");
      capture_.graph.Reset();
      capture_.discarded.clear();
    });
  }
  void Abandon() {
    if (!capture_.active) return;
    Locked([&](Device& device) {
      device.DiscardCapture(capture_.stream, "the captured program raised an exception");
    });
  }
  // One file a segment: `path`, then `path`.1 and so on.
  void Save(const std::string& path) {
    Locked([&](Device&) {
      TORCH_CHECK(!capture_.active, "GRAPH:: Capture in progress");
      ThrowIfDiscarded();
      TORCH_CHECK(capture_.graph.segments() > 0, "the graph is empty: there is no recipe to save");
      for (size_t i = 0; i < capture_.graph.segments(); ++i) {
        ThrowIfError(
            graph::SaveRecipe(capture_.graph.recipe(i), i == 0 ? path : hal::Cat(path, ".", i)));
      }
    });
  }
  size_t Segments() const { return capture_.graph.segments(); }
  StreamIndex StreamOf() const { return capture_.stream; }
  std::vector<std::vector<std::string>> Steps() const {
    std::vector<std::vector<std::string>> steps;
    for (size_t i = 0; i < capture_.graph.segments(); ++i)
      steps.push_back(capture_.graph.recipe(i).step_names);
    return steps;
  }

 private:
  void ThrowIfDiscarded() {
    TORCH_CHECK(capture_.discarded.empty(), "The capture was discarded: ", capture_.discarded);
  }

  Capture capture_;
};

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
  return counters;
}

py::dict MemoryCounters() {
  const runtime::MemoryStatistics s =
      Locked([](Device& device) { return device.context().memory_statistics(); });
  py::dict counters;
  counters["allocated"] = s.allocated;
  counters["reserved"] = s.reserved;
  counters["peak_allocated"] = s.peak_allocated;
  counters["peak_reserved"] = s.peak_reserved;
  counters["allocations"] = s.allocations;
  counters["frees"] = s.frees;
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
  m.def("is_capturing", [] {
    if (!Device::IsOpen()) return false;
    return Locked([](Device& device) { return device.current_recorder().capturing(); });
  });
  m.def("data_ptr", [](const py::handle& tensor) {
    const at::Tensor t = TensorOf(tensor);
    WithoutGil no_gil;
    return DeviceAddressOf(t);
  });
  m.def("mark_weight", [](const py::handle& tensor) { StorageOf(TensorOf(tensor)).MarkWeight(); });
  m.def("identity", &Identity);
  m.def("fallback_counts", &FallbackCounts);
  m.def("compile_counters", &CompileCounters);
  m.def("memory_counters", &MemoryCounters);
  m.def("bound_operators", &BoundOperators);
  m.def("unknown_operators", &UnknownOperators);

  py::class_<Event>(m, "Event")
      .def(py::init<bool>())
      .def("record", &Event::Record)
      .def("wait", &Event::Wait)
      .def("query", &Event::Query)
      .def("synchronize", &Event::Synchronize)
      .def("elapsed_time", &Event::ElapsedMilliseconds);
  py::class_<Graph>(m, "Graph")
      .def(py::init<>())
      .def("capture_begin", &Graph::CaptureBegin)
      .def("capture_end", &Graph::CaptureEnd)
      .def("replay", &Graph::Replay)
      .def("reset", &Graph::Reset)
      .def("save", &Graph::Save)
      .def("abandon", &Graph::Abandon)
      .def_property_readonly("segments", &Graph::Segments)
      .def_property_readonly("stream", &Graph::StreamOf)
      .def("steps", &Graph::Steps);

  RegisterStatistics(m);
}

}  // namespace openhpu::python
