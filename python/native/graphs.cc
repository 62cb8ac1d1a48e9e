#include "python/native/graphs.h"

#include <pybind11/stl.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graph/recipe_file.h"
#include "hal/kernel/text.h"
#include "python/native/device.h"
#include "python/native/locked.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

namespace py = pybind11;

// Made on the device when it is first recorded: an event alone opens nothing.
class Event {
 public:
  explicit Event(bool timing) : timing_(timing) {}

  bool recorded() const { return event_ != nullptr; }
  void Record(StreamIndex stream) {
    Locked([&](Device& device) {
      if (event_ == nullptr)
        event_ = ValueOrThrow(runtime::Event::Create(device.context(), timing_));
      ThrowIfError(device.RecordEvent(stream, event_, &capture_));
      stream_ = stream;
    });
  }
  void Wait(StreamIndex stream) {
    if (event_ == nullptr || stream == stream_) return;
    Locked([&](Device& device) { ThrowIfError(device.WaitForEvent(stream, event_, capture_)); });
  }
  bool Query() {
    if (event_ == nullptr) return true;
    return Locked([&](Device&) { return ValueOrThrow(event_->Query()); });
  }
  void Synchronize() {
    if (event_ == nullptr) return;
    Locked([&](Device& device) {
      ThrowIfError(event_->Synchronize());
      ThrowIfError(device.TakeDeferredError());
    });
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
  StreamIndex stream_ = -1;
  std::shared_ptr<runtime::Event> event_;
  std::weak_ptr<char> capture_;  // that recorded it
};

std::vector<at::Tensor> TensorsOf(const py::list& objects) {
  std::vector<at::Tensor> tensors;
  for (const py::handle& object : objects) tensors.push_back(TensorOf(object));
  return tensors;
}

std::vector<std::shared_ptr<graph::Storage>> StoragesOf(const py::list& objects) {
  std::vector<std::shared_ptr<graph::Storage>> storages;
  for (const at::Tensor& t : TensorsOf(objects)) storages.push_back(Ref(t).storage);
  return storages;
}

py::list ToPython(const std::vector<at::Tensor>& tensors) {
  py::list list;
  for (const at::Tensor& t : tensors)
    list.append(py::reinterpret_steal<py::object>(THPVariable_Wrap(t)));
  return list;
}

// `given` in the place of `captured`, which fills its storage.
graph::Rebinding MakeRebinding(const at::Tensor& captured, const at::Tensor& given) {
  TORCH_CHECK(captured.sizes() == given.sizes(), kFatal,
              "HPU GRAPH:: Mark User Input Sizes is not same Replay Input Sizes");
  TORCH_CHECK(
      captured.scalar_type() == given.scalar_type() && captured.strides() == given.strides() &&
          captured.is_non_overlapping_and_dense(),
      "HPU GRAPH:: an input can stand for the captured one only with its dtype and strides, "
      "and if they are dense");
  const graph::TensorRef mine = Ref(captured), other = Ref(given);
  const auto width = static_cast<int64_t>(StorageBytes(mine.dtype));
  TORCH_CHECK(
      mine.offset == 0 && mine.storage->bytes() == static_cast<uint64_t>(captured.numel() * width),
      "HPU GRAPH:: an input that is a part of another tensor cannot be replaced");
  return {mine.storage, other.storage, other.offset * width};
}

class Graph {
 public:
  ~Graph() { Reset(); }
  void CaptureBegin(bool dry_run) {
    Locked([&](Device& device) { ThrowIfError(device.BeginCapture(capture_, dry_run)); });
  }
  void CaptureEnd() {
    if (!capture_.active && capture_.discarded.empty()) return;
    Locked([&](Device& device) {
      ThrowIfDiscarded();
      ThrowIfError(device.EndCapture(capture_));
    });
  }
  void Replay(bool asynchronous) {
    Locked([&](Device& device) {
      ThrowUnlessWhole();
      ThrowIfError(device.Replay(capture_, {}, asynchronous));
    });
  }
  void ReplayRebound(const py::list& captured, const py::list& given, bool asynchronous) {
    const std::vector<at::Tensor> mine = TensorsOf(captured), others = TensorsOf(given);
    TORCH_CHECK(mine.size() == others.size(), "HPU GRAPH:: ", others.size(), " inputs for ",
                mine.size(), " captured ones");
    std::vector<graph::Rebinding> rebindings;
    for (size_t i = 0; i < mine.size(); ++i)
      rebindings.push_back(MakeRebinding(mine[i], others[i]));
    Locked([&](Device& device) {
      ThrowUnlessWhole();
      ThrowIfError(device.Replay(capture_, rebindings, asynchronous));
    });
  }
  void Reset() {
    if (!Device::IsOpen()) return;
    Locked([&](Device& device) {
      device.DiscardCapture(capture_, "");
      capture_.graph.Reset();
      capture_.random.reset();
      capture_.discarded.clear();
    });
  }
  void Abandon() {
    if (!capture_.active) return;
    Locked([&](Device& device) {
      device.DiscardCapture(capture_, "the captured program raised an exception");
    });
  }
  // One file a segment: `path`, then `path`.1 and so on.
  void Save(const std::string& path) {
    Locked([&](Device&) {
      ThrowUnlessWhole();
      TORCH_CHECK(capture_.graph.segments() > 0, "the graph is empty: there is no recipe to save");
      for (size_t i = 0; i < capture_.graph.segments(); ++i) {
        ThrowIfError(
            graph::SaveRecipe(capture_.graph.recipe(i), i == 0 ? path : hal::Cat(path, ".", i)));
      }
    });
  }
  void Forget(const py::list& tensors) {
    const auto storages = StoragesOf(tensors);
    Locked([&](Device&) {
      ThrowUnlessWhole();
      capture_.graph.Forget(storages);
    });
  }
  void ReleaseOthers(const py::list& keep) {
    const auto storages = StoragesOf(keep);
    Locked([&](Device&) {
      ThrowUnlessWhole();
      capture_.graph.ReleaseOthers(storages);
    });
  }
  // Results that the graph made take their memory with them; others stay as they are.
  py::list TakeOutputs(const py::list& objects) {
    std::vector<at::Tensor> tensors = TensorsOf(objects);
    Locked([&](Device& device) {
      ThrowUnlessWhole();
      ThrowIfError(device.Flush(capture_.stream));
      ThrowIfError(device.Flush(Device::CurrentStream()));
      std::map<graph::Storage*, at::Tensor> taken;  // looked up, never walked
      for (at::Tensor& t : tensors) {
        graph::Storage& storage = StorageOf(t);
        if (!capture_.graph.Binds(storage) || capture_.graph.ReadsFirst(storage) ||
            !capture_.graph.Makes(storage)) {
          continue;
        }
        auto [it, added] = taken.emplace(&storage, at::Tensor());
        if (added) it->second = WithStorage(t, storage.TakeMemory());
        t = MakeView(it->second, t.sizes(), t.strides(), t.storage_offset());
      }
    });
    return ToPython(tensors);
  }
  std::vector<bool> Binds(const py::list& tensors) const {
    std::vector<bool> answers;
    for (const auto& storage : StoragesOf(tensors))
      answers.push_back(capture_.graph.Binds(*storage));
    return answers;
  }
  std::vector<bool> ReadsFirst(const py::list& tensors) const {
    std::vector<bool> answers;
    for (const auto& storage : StoragesOf(tensors))
      answers.push_back(capture_.graph.ReadsFirst(*storage));
    return answers;
  }
  py::dict Memory() const {
    const graph::CapturedMemory m = capture_.graph.memory();
    py::dict bytes;
    bytes["weights"] = m.weights;
    bytes["inputs"] = m.inputs;
    bytes["outputs"] = m.outputs;
    bytes["prepared"] = m.prepared;
    bytes["commands"] = m.commands;
    bytes["workspace"] = m.workspace;
    return bytes;
  }
  py::list Summary() const {
    const std::vector<graph::SegmentSummary> segments =
        Locked([&](Device&) { return capture_.graph.Summary(); });
    py::list list;
    for (const graph::SegmentSummary& s : segments) {
      py::dict segment;
      segment["nodes"] = s.nodes;
      segment["mme"] = s.mme;
      segment["tpc"] = s.tpc;
      segment["dma"] = s.dma;
      segment["bytes"] = s.bytes;
      segment["device_time_ms"] = absl::ToDoubleMilliseconds(s.device_time);
      list.append(std::move(segment));
    }
    return list;
  }
  bool capturing() const { return capture_.active; }
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
  void ThrowUnlessWhole() {
    TORCH_CHECK(!capture_.active, kFatal, "GRAPH:: Capture in progress");
    ThrowIfDiscarded();
  }

  Capture capture_;
};

}  // namespace

void RegisterGraphs(py::module_& module) {
  py::class_<Event>(module, "Event")
      .def(py::init<bool>())
      .def_property_readonly("recorded", &Event::recorded)
      .def("record", &Event::Record)
      .def("wait", &Event::Wait)
      .def("query", &Event::Query)
      .def("synchronize", &Event::Synchronize)
      .def("elapsed_time", &Event::ElapsedMilliseconds);
  py::class_<Graph>(module, "Graph")
      .def(py::init<>())
      .def("capture_begin", &Graph::CaptureBegin, py::arg("dry_run") = false)
      .def("capture_end", &Graph::CaptureEnd)
      .def("replay", &Graph::Replay, py::arg("asynchronous") = false)
      .def("replay_rebound", &Graph::ReplayRebound, py::arg("captured"), py::arg("given"),
           py::arg("asynchronous") = false)
      .def("reset", &Graph::Reset)
      .def("abandon", &Graph::Abandon)
      .def("save", &Graph::Save)
      .def("forget", &Graph::Forget)
      .def("release_others", &Graph::ReleaseOthers)
      .def("take_outputs", &Graph::TakeOutputs)
      .def("binds", &Graph::Binds)
      .def("reads_first", &Graph::ReadsFirst)
      .def("memory", &Graph::Memory)
      .def("summary", &Graph::Summary)
      .def_property_readonly("capturing", &Graph::capturing)
      .def_property_readonly("segments", &Graph::Segments)
      .def_property_readonly("stream", &Graph::StreamOf)
      .def("steps", &Graph::Steps);
}

}  // namespace openhpu::python
