#include "graph/ir.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_join.h"
#include "graph/op.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

constexpr int kMaxRank = 8;

absl::Status CheckView(const View& v, absl::Span<const Buffer> buffers) {
  const auto error = [&](auto... what) {
    return absl::InvalidArgumentError(hal::Cat("view ", ToText(v), ": ", what...));
  };
  if (v.buffer >= buffers.size()) return error("there is no buffer b", v.buffer);
  if (v.sizes.size() != v.strides.size()) return error("sizes and strides differ in number");
  if (v.rank() > kMaxRank) return error("rank is more than ", kMaxRank);
  if (v.offset < 0) return error("negative offset");
  bool empty = false;
  for (int d = 0; d < v.rank(); ++d) {
    if (v.sizes[d] < 0) return error("negative size");
    if (v.strides[d] < 0) return error("negative stride");
    if (v.sizes[d] == 0) empty = true;
  }
  if (empty) return absl::OkStatus();
  // In 128 bits: sizes and strides come from outside.
  __int128 end = static_cast<__int128>(v.offset) + 1;
  for (int d = 0; d < v.rank(); ++d) {
    end += static_cast<__int128>(v.sizes[d] - 1) * v.strides[d];
  }
  if (end * StorageBytes(v.dtype) > static_cast<__int128>(buffers[v.buffer].bytes)) {
    return error("leaves its buffer of ", buffers[v.buffer].bytes, " bytes");
  }
  return absl::OkStatus();
}

// Whether two index tuples name one element.
bool OverlapsItself(const View& v) {
  if (v.elements() == 0) return false;
  std::vector<std::pair<int64_t, int64_t>> dims;  // stride, size
  for (int d = 0; d < v.rank(); ++d) {
    if (v.sizes[d] == 1) continue;
    if (v.strides[d] == 0) return true;
    dims.emplace_back(v.strides[d], v.sizes[d]);
  }
  std::sort(dims.begin(), dims.end());
  int64_t reach = 0;
  bool nested = true;
  for (const auto& [stride, size] : dims) {
    if (stride <= reach) nested = false;
    reach += stride * (size - 1);
  }
  if (nested) return false;
  // Not nested: count, where that is cheap; else assume the worst.
  constexpr int64_t kCountable = 1 << 16;
  if (v.elements() > kCountable || reach > 64 * kCountable) return true;
  std::vector<bool> seen(reach + 1);
  std::vector<int64_t> index(dims.size());
  for (;;) {
    int64_t at = 0;
    for (size_t d = 0; d < dims.size(); ++d) at += index[d] * dims[d].first;
    if (seen[at]) return true;
    seen[at] = true;
    size_t d = 0;
    while (d < dims.size() && ++index[d] == dims[d].second) index[d++] = 0;
    if (d == dims.size()) return false;
  }
}

uint64_t Mix(uint64_t h, uint64_t v) {
  h ^= v + 0x9E3779B97F4A7C15u + (h << 6) + (h >> 2);
  h *= 0xFF51AFD7ED558CCDu;
  return h ^ (h >> 32);
}

uint64_t MixText(uint64_t h, std::string_view text) {
  for (char c : text) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return Mix(h, text.size());
}

uint64_t MixView(uint64_t h, const View& v) {
  h = Mix(h, v.buffer | static_cast<uint64_t>(v.dtype) << 32 | uint64_t{v.sizes.size()} << 40);
  for (int64_t s : v.sizes) h = Mix(h, s);
  for (int64_t s : v.strides) h = Mix(h, s);
  return Mix(h, v.offset);
}

uint64_t MixAttribute(uint64_t h, const Attribute& a) {
  h = Mix(h, a.index());
  if (const auto* b = std::get_if<bool>(&a)) return Mix(h, *b);
  if (const auto* i = std::get_if<int64_t>(&a)) return Mix(h, *i);
  if (const auto* r = std::get_if<double>(&a)) {
    const double value = *r == 0 ? 0.0 : *r;  // 0.0 == -0.0
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return Mix(h, bits);
  }
  if (const auto* t = std::get_if<DType>(&a)) return Mix(h, static_cast<uint64_t>(*t));
  if (const auto* list = std::get_if<std::vector<int64_t>>(&a)) {
    for (int64_t i : *list) h = Mix(h, i);
    return Mix(h, list->size());
  }
  return MixText(h, std::get<std::string>(a));
}

}  // namespace

int64_t View::elements() const {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return n;
}

bool View::contiguous() const {
  int64_t expected = 1;
  for (int d = rank() - 1; d >= 0; --d) {
    if (sizes[d] == 0) return true;
    if (sizes[d] != 1 && strides[d] != expected) return false;
    expected *= sizes[d];
  }
  return true;
}

Dims ContiguousStrides(absl::Span<const int64_t> sizes) {
  Dims strides(sizes.size());
  int64_t stride = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= std::max<int64_t>(sizes[d], 1);
  }
  return strides;
}

Attributes::Attributes(std::initializer_list<std::pair<std::string, Attribute>> list) {
  for (const auto& [name, value] : list) Set(name, value);
}

void Attributes::Set(std::string_view name, Attribute value) {
  const auto at =
      std::lower_bound(list_.begin(), list_.end(), name,
                       [](const auto& entry, std::string_view n) { return entry.first < n; });
  if (at != list_.end() && at->first == name) {
    at->second = std::move(value);
  } else {
    list_.emplace(at, std::string(name), std::move(value));
  }
}

const Attribute* Attributes::Find(std::string_view name) const {
  for (const auto& [key, value] : list_) {
    if (key == name) return &value;
  }
  return nullptr;
}

bool Attributes::Bool(std::string_view name, bool otherwise) const {
  const Attribute* a = Find(name);
  if (a == nullptr) return otherwise;
  if (const auto* b = std::get_if<bool>(a)) return *b;
  if (const auto* i = std::get_if<int64_t>(a)) return *i != 0;
  return otherwise;
}

int64_t Attributes::Int(std::string_view name, int64_t otherwise) const {
  const Attribute* a = Find(name);
  if (a == nullptr) return otherwise;
  if (const auto* i = std::get_if<int64_t>(a)) return *i;
  if (const auto* b = std::get_if<bool>(a)) return *b ? 1 : 0;
  if (const auto* r = std::get_if<double>(a)) return static_cast<int64_t>(*r);
  return otherwise;
}

double Attributes::Real(std::string_view name, double otherwise) const {
  const Attribute* a = Find(name);
  if (a == nullptr) return otherwise;
  if (const auto* r = std::get_if<double>(a)) return *r;
  if (const auto* i = std::get_if<int64_t>(a)) return static_cast<double>(*i);
  if (const auto* b = std::get_if<bool>(a)) return *b ? 1 : 0;
  return otherwise;
}

DType Attributes::Type(std::string_view name, DType otherwise) const {
  const Attribute* a = Find(name);
  const auto* t = a == nullptr ? nullptr : std::get_if<DType>(a);
  return t == nullptr ? otherwise : *t;
}

std::vector<int64_t> Attributes::Ints(std::string_view name, std::vector<int64_t> otherwise) const {
  const Attribute* a = Find(name);
  if (a == nullptr) return otherwise;
  if (const auto* list = std::get_if<std::vector<int64_t>>(a)) return *list;
  if (const auto* i = std::get_if<int64_t>(a)) return {*i};
  return otherwise;
}

std::string Attributes::Text(std::string_view name) const {
  const Attribute* a = Find(name);
  const auto* text = a == nullptr ? nullptr : std::get_if<std::string>(a);
  return text == nullptr ? "" : *text;
}

BufferId Graph::AddBuffer(Buffer buffer) {
  buffers_.push_back(std::move(buffer));
  return static_cast<BufferId>(buffers_.size() - 1);
}

absl::Status Graph::AddNode(Node node) {
  const auto error = [&](auto... what) {
    return absl::InvalidArgumentError(
        hal::Cat(node.op == nullptr ? "node" : node.op->name,
                 node.source.empty() ? "" : hal::Cat(" (", node.source, ")"), ": ", what...));
  };
  if (node.op == nullptr) return error("has no op");
  const int inputs = static_cast<int>(node.inputs.size());
  if (inputs < node.op->min_inputs || inputs > node.op->max_inputs) {
    return error("takes ", node.op->min_inputs, " to ", node.op->max_inputs, " inputs, not ",
                 inputs);
  }
  for (const auto* views : {&node.inputs, &node.outputs}) {
    for (const View& v : *views) {
      if (absl::Status s = CheckView(v, buffers_); !s.ok()) return error(s.message());
    }
  }
  for (const View& v : node.outputs) {
    if (OverlapsItself(v)) {
      return error("output ", ToText(v), " overlaps itself: which element wins is not defined");
    }
  }
  absl::InlinedVector<TensorType, 4> types;
  for (const View& v : node.inputs) types.push_back(TensorType{v.dtype, v.sizes});
  const auto inferred = node.op->infer(node.attributes, types);
  if (!inferred.ok()) {
    const absl::Status named = error(inferred.status().message());
    return absl::Status(inferred.status().code(), named.message());
  }
  // Trailing results that nobody wants may be left out.
  if (node.outputs.empty() || node.outputs.size() > inferred->size()) {
    return error("has ", inferred->size(), " results, not ", node.outputs.size());
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const View& v = node.outputs[i];
    const TensorType& type = (*inferred)[i];
    // Any dtype: what the op makes is cast to it, as in-place ops on a narrower tensor do.
    if (v.sizes != type.sizes) {
      return error("result ", i, " has sizes [", absl::StrJoin(type.sizes, ","), "], not those of ",
                   ToText(v));
    }
  }
  nodes_.push_back(std::move(node));
  return absl::OkStatus();
}

uint64_t Graph::Fingerprint() const {
  uint64_t h = 0xCBF29CE484222325u;
  for (const Buffer& b : buffers_) {
    h = Mix(h, static_cast<uint64_t>(b.kind) << 1 | (b.weight ? 1 : 0));
    h = Mix(h, b.bytes);
  }
  for (const Node& n : nodes_) {
    h = MixText(h, n.op->name);
    for (const auto& [name, value] : n.attributes.list()) h = MixAttribute(MixText(h, name), value);
    for (const View& v : n.inputs) h = MixView(h, v);
    h = Mix(h, n.inputs.size());
    for (const View& v : n.outputs) h = MixView(h, v);
  }
  return h;
}

}  // namespace openhpu::graph
