#include "python/native/call_key.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/python_variable.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "python/native/device.h"
#include "python/native/gil.h"
#include "python/native/lowering.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

namespace py = pybind11;

class KeyWriter {
 public:
  explicit KeyWriter(const py::handle& describe) : describe_(describe) { bytes_.reserve(256); }

  template <typename T>
  void Raw(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  void Modes() {
    uint8_t modes = c10::GradMode::is_enabled();
    modes |= c10::InferenceMode::is_enabled() << 1;
    modes |= at::autocast::is_xpu_enabled() << 2;  // hpu's: it borrows that key
    modes |= at::autocast::is_cpu_enabled() << 3;
    Raw(modes);
    Raw(at::autocast::get_autocast_xpu_dtype());
    Raw(at::autocast::get_autocast_cpu_dtype());
  }

  void Add(PyObject* value) {
    if (value == Py_None) return Tag('N');
    if (value == Py_True) return Tag('t');
    if (value == Py_False) return Tag('f');
    if (THPVariable_Check(value)) return AddTensor(value);
    if (PyLong_CheckExact(value)) return AddInteger(value);
    if (PyFloat_CheckExact(value)) {
      Tag('d');
      return Raw(PyFloat_AS_DOUBLE(value));
    }
    if (PyUnicode_CheckExact(value)) return AddText(value);
    if (PyTuple_CheckExact(value)) return AddItems('(', value);
    if (PyList_CheckExact(value)) return AddItems('[', value);
    if (PyDict_CheckExact(value) && AddDict(value)) return;
    Describe(value);
  }

  py::tuple Finish() {
    py::bytes bytes(bytes_);
    if (objects_.empty()) return py::make_tuple(std::move(bytes), std::move(tensors_));
    py::tuple key(objects_.size() + 1);
    key[0] = std::move(bytes);
    for (size_t i = 0; i < objects_.size(); ++i) key[i + 1] = std::move(objects_[i]);
    return py::make_tuple(std::move(key), std::move(tensors_));
  }

 private:
  void Tag(char tag) { bytes_.push_back(tag); }

  void Text(std::string_view text) {
    Raw(text.size());
    bytes_.append(text);
  }

  void AddInteger(PyObject* value) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow != 0) return Describe(value);
    Tag('i');
    Raw(number);
  }

  void AddText(PyObject* value) {
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(value, &size);
    if (text == nullptr) {  // lone surrogates
      PyErr_Clear();
      return Describe(value);
    }
    Tag('s');
    Text({text, static_cast<size_t>(size)});
  }

  // A list that contains itself ends in Python's RecursionError.
  class Level {
   public:
    Level() {
      if (Py_EnterRecursiveCall(" while looking at the arguments of an HPU Graph"))
        throw py::error_already_set();
    }
    ~Level() { Py_LeaveRecursiveCall(); }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
  };

  void AddItems(char tag, PyObject* items) {
    const Level level;
    Tag(tag);
    Raw(PySequence_Fast_GET_SIZE(items));
    // The size is asked again each time: describe() is Python, and might change a list.
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items); ++i)
      Add(py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(items, i)).ptr());
  }

  // By name, whatever the order. False unless all names are plain text.
  bool AddDict(PyObject* dict) {
    std::vector<std::pair<std::string_view, py::object>> items;
    PyObject *key = nullptr, *value = nullptr;
    Py_ssize_t position = 0;
    while (PyDict_Next(dict, &position, &key, &value)) {
      Py_ssize_t size = 0;
      const char* text = PyUnicode_CheckExact(key) ? PyUnicode_AsUTF8AndSize(key, &size) : nullptr;
      if (text == nullptr) {
        PyErr_Clear();
        return false;
      }
      items.emplace_back(std::string_view(text, static_cast<size_t>(size)),
                         py::reinterpret_borrow<py::object>(value));
    }
    std::sort(items.begin(), items.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    const Level level;
    Tag('{');
    Raw(items.size());
    for (const auto& [name, item] : items) {
      Text(name);
      Add(item.ptr());
    }
    return true;
  }

  void AddTensor(PyObject* value) {
    const at::Tensor& t = THPVariable_Unpack(value);
    const bool on_hpu = t.device().type() == c10::DeviceType::HPU;
    if (t.layout() != c10::kStrided || !(on_hpu || t.device().is_cpu())) return Describe(value);
    if (on_hpu) {
      const auto [place, is_new] = places_.emplace(t.unsafeGetTensorImpl(), places_.size());
      if (!is_new) {
        Tag('=');
        return Raw(place->second);
      }
      tensors_.append(py::reinterpret_borrow<py::object>(value));
    }
    Tag(on_hpu ? 'T' : 'C');
    Raw(t.scalar_type());
    Raw(static_cast<uint8_t>(t.requires_grad() | t.is_inference() << 1));
    Raw(static_cast<uint8_t>(t.dim()));
    for (const int64_t size : t.sizes()) Raw(size);
    for (const int64_t stride : t.strides()) Raw(stride);
    if (on_hpu) return;
    const at::Tensor dense = t.detach().contiguous();
    bytes_.append(static_cast<const char*>(dense.data_ptr()), dense.nbytes());
  }

  void Describe(PyObject* value) {
    const Level level;
    const py::object answer = describe_(py::reinterpret_borrow<py::object>(value));
    const py::tuple described = py::cast<py::tuple>(answer);
    Tag('O');
    objects_.push_back(described[0]);
    Add(py::object(described[1]).ptr());
  }

  const py::handle describe_;
  std::string bytes_;
  std::vector<py::object> objects_;  // tokens, in order
  py::list tensors_;
  absl::flat_hash_map<const c10::TensorImpl*, uint32_t> places_;  // asked, never iterated
};

py::tuple CallKey(int64_t salt, const py::tuple& args, const py::dict& kwargs,
                  const py::handle& describe) {
  KeyWriter key(describe);
  key.Raw(salt);
  key.Modes();
  key.Add(args.ptr());
  key.Add(kwargs.ptr());
  return key.Finish();
}

const at::Tensor& TensorIn(const py::handle& object) {
  if (!THPVariable_Check(object.ptr())) throw py::type_error("expected a torch.Tensor");
  return THPVariable_Unpack(object.ptr());
}

bool SamePlace(const at::Tensor& a, const at::Tensor& b) {
  return a.is_same(b) ||
         (a.storage().unsafeGetStorageImpl() == b.storage().unsafeGetStorageImpl() &&
          a.storage_offset() == b.storage_offset() && a.sizes() == b.sizes() &&
          a.strides() == b.strides() && a.scalar_type() == b.scalar_type());
}

void CopyInputs(const py::list& to, const py::list& from) {
  if (to.size() != from.size()) throw py::value_error("copy_inputs: two lists of one length");
  std::vector<std::pair<at::Tensor, at::Tensor>> copies;
  for (size_t i = 0; i < to.size(); ++i) {
    const at::Tensor &mine = TensorIn(to[i]), &given = TensorIn(from[i]);
    if (!SamePlace(mine, given)) copies.emplace_back(mine, given);
  }
  if (copies.empty()) return;
  for (const auto& [mine, given] : copies) RecordCopy(given, mine);
}

py::tuple ModuleState(const py::list& dicts) {
  std::string identity, flags;
  const auto add = [&identity](auto value) {
    identity.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  for (const py::handle& dict : dicts) {
    if (!PyDict_Check(dict.ptr())) throw py::type_error("module_state: expected a list of dicts");
    add(PyDict_Size(dict.ptr()));
    PyObject *key = nullptr, *value = nullptr;
    Py_ssize_t position = 0;
    while (PyDict_Next(dict.ptr(), &position, &key, &value)) {
      add(value);
      if (!THPVariable_Check(value)) continue;
      const at::Tensor& t = THPVariable_Unpack(value);
      flags.push_back(t.requires_grad() ? '1' : '0');
      add(t.scalar_type());
      for (const int64_t size : t.sizes()) add(size);
      if (!t.has_storage()) continue;
      for (const int64_t stride : t.strides()) add(stride);
      add(t.storage().unsafeGetStorageImpl());
      add(t.storage_offset());
    }
  }
  return py::make_tuple(py::bytes(identity), py::bytes(flags));
}

void DropMemory(const py::list& tensors) {
  Device* device = ValueOrThrow(Device::Get());
  std::vector<graph::Storage*> storages;
  for (const py::handle& tensor : tensors) storages.push_back(&StorageOf(TensorIn(tensor)));
  WithoutGil no_gil;
  std::lock_guard lock(device->mutex());
  ThrowIfError(device->FlushAll());  // what is pending may still use it
  for (graph::Storage* storage : storages) storage->TakeMemory();
}

uintptr_t StorageId(const py::handle& tensor) {
  const at::Tensor& t = TensorIn(tensor);
  return t.has_storage() ? reinterpret_cast<uintptr_t>(t.storage().unsafeGetStorageImpl()) : 0;
}

}  // namespace

void RegisterCallKey(py::module& module) {
  module.def("call_key", &CallKey);
  module.def("copy_inputs", &CopyInputs);
  module.def("module_state", &ModuleState);
  module.def("drop_memory", &DropMemory);
  module.def("storage_id", &StorageId);
}

}  // namespace openhpu::python
