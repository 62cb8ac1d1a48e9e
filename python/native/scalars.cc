#include "python/native/scalars.h"

#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <variant>

#include "python/native/device.h"
#include "python/native/lowering.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

// Where a number goes: into the op as its next operand, or times operand 1.
struct Place {
  std::string_view op;
  const char* attribute;
  bool operand;
};
constexpr Place kPlaces[] = {
    {"add", "other", true},      {"add", "alpha", false},     {"sub", "other", true},
    {"sub", "alpha", false},     {"mul", "other", true},      {"div", "other", true},
    {"addcmul", "value", false}, {"addcdiv", "value", false}, {"lerp", "weight", true},
};
constexpr size_t kMostNumbers = 1 << 16;  // that are remembered

struct Number {
  double last = 0;
  bool varies = false;
};

// All guarded by the device's lock.
struct State {
  const graph::Recorder* recorder = nullptr;
  uint64_t path = 0;  // the operators since the last flush
  std::unordered_map<uint64_t, Number> numbers;
  std::unordered_map<uint32_t, at::Tensor> placed;  // on the device since the last flush, by bits
};

State& TheState() {
  static auto* const state = new State;
  return *state;
}

uint64_t Mixed(uint64_t hash, uint64_t value) {
  hash ^= value;
  hash *= 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 29;
}

const Place* PlaceOf(std::string_view op, const graph::Attributes& attributes,
                     const std::vector<at::Tensor>& operands) {
  for (const at::Tensor& t : operands) {
    if (t.scalar_type() != c10::kFloat) return nullptr;
  }
  for (const Place& place : kPlaces) {
    if (place.op != op) continue;
    const graph::Attribute* number = attributes.Find(place.attribute);
    if (number == nullptr || !std::holds_alternative<double>(*number)) continue;
    if (place.operand || operands.size() > 1) return &place;
  }
  return nullptr;
}

at::Tensor OnDevice(State& state, Device& device, double value) {
  const float number = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &number, sizeof bits);
  at::Tensor& placed = state.placed[bits];
  if (placed.defined()) return placed;
  at::Tensor scalar = EmptyContiguous({}, c10::kFloat);
  graph::Recorder& recorder = device.current_recorder();
  ThrowIfError(recorder.CopyFromHost(&number, sizeof number, StorageOf(scalar), 0));
  if (state.placed.size() == 1) recorder.AtFlush([&state] { state.placed.clear(); });
  placed = scalar;
  return scalar;
}

}  // namespace

void PlaceScalars(std::string_view op, graph::Attributes& attributes,
                  std::vector<at::Tensor>& operands) {
  Device* device = ValueOrThrow(Device::Get());
  std::lock_guard lock(device->mutex());
  State& state = TheState();
  const graph::Recorder& recorder = device->current_recorder();
  if (state.recorder != &recorder || !recorder.pending()) {
    state.recorder = &recorder;
    state.path = 0;
    state.placed.clear();
  }
  state.path = Mixed(state.path, std::hash<std::string_view>()(op));
  if (!operands.empty()) state.path = Mixed(state.path, static_cast<uint64_t>(operands[0].numel()));
  const Place* place = PlaceOf(op, attributes, operands);
  if (place == nullptr || recorder.capturing()) return;
  const double value = attributes.Real(place->attribute);
  auto found = state.numbers.find(state.path);
  if (found == state.numbers.end()) {
    if (state.numbers.size() < kMostNumbers)
      state.numbers.emplace(state.path, Number{value, false});
    return;
  }
  Number& number = found->second;
  number.varies |= number.last != value;
  number.last = value;
  if (!number.varies) return;

  const at::Tensor scalar = OnDevice(state, *device, value);
  graph::Attributes rest;
  for (const auto& [name, attribute] : attributes.list()) {
    if (name != place->attribute) rest.Set(name, attribute);
  }
  attributes = std::move(rest);
  if (place->operand) {
    operands.push_back(scalar);
    return;
  }
  const at::Tensor product = EmptyContiguous(operands[1].sizes(), c10::kFloat);
  Record("mul", {}, {operands[1], scalar}, {product});
  operands[1] = product;
}

}  // namespace openhpu::python
