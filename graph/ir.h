// The IR: a graph is buffers, and nodes that read and write views of them, in recorded order.
// In-place ops and writes through views need no special case: they are nodes that write a view.
// What follows what is derived from overlaps (graph/versions.h), never stored.
#ifndef GRAPH_IR_H_
#define GRAPH_IR_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "hal/base/dtype.h"

namespace openhpu::graph {

using BufferId = uint32_t;
using NodeId = uint32_t;
using Dims = absl::InlinedVector<int64_t, 6>;

// What a buffer is to the outside. Temps are unobserved: the compiler places them, may choose
// another layout, or drop them. Bound buffers exist before or after the segment; their strides are
// fixed.
enum class BufferKind : uint8_t { kTemp, kBound };

struct Buffer {
  BufferKind kind = BufferKind::kTemp;
  uint64_t bytes = 0;  // as stored on the device (int64 takes four bytes an element)
  // Bound only. `weight`: rarely written, so that what the compiler derives from it alone
  // (permuted, cast) may be kept between launches.
  bool weight = false;
  std::string name;

  friend bool operator==(const Buffer& a, const Buffer& b) {
    return a.kind == b.kind && a.bytes == b.bytes && a.weight == b.weight;  // names are for people
  }
};

// Elements of a buffer. Strides and offset in elements of `dtype`; strides may be 0 (expanded) and
// views may overlap. Rank 0 is one element. Row-major order: the last dim is the innermost, as in
// PyTorch.
struct View {
  BufferId buffer = 0;
  DType dtype = DType::kFloat32;
  Dims sizes, strides;
  int64_t offset = 0;

  int rank() const { return static_cast<int>(sizes.size()); }
  int64_t elements() const;
  bool contiguous() const;
  friend bool operator==(const View& a, const View& b) {
    return a.buffer == b.buffer && a.dtype == b.dtype && a.sizes == b.sizes &&
           a.strides == b.strides && a.offset == b.offset;
  }
};
Dims ContiguousStrides(absl::Span<const int64_t> sizes);

// Shape and dtype without memory.
struct TensorType {
  DType dtype = DType::kFloat32;
  Dims sizes;
};

// An op's parameters that are not tensors. Names are the op declaration's; absent ones have its
// default. Kept sorted by name.
using Attribute = std::variant<bool, int64_t, double, DType, std::vector<int64_t>, std::string>;
class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<std::string, Attribute>> list);
  void Set(std::string_view name, Attribute value);
  const Attribute* Find(std::string_view name) const;
  bool Bool(std::string_view name, bool otherwise = false) const;
  int64_t Int(std::string_view name, int64_t otherwise = 0) const;  // also from bool
  double Real(std::string_view name, double otherwise = 0) const;   // also from int
  DType Type(std::string_view name, DType otherwise = DType::kFloat32) const;
  std::vector<int64_t> Ints(std::string_view name, std::vector<int64_t> otherwise = {}) const;
  std::string Text(std::string_view name) const;
  const std::vector<std::pair<std::string, Attribute>>& list() const { return list_; }
  friend bool operator==(const Attributes& a, const Attributes& b) { return a.list_ == b.list_; }

 private:
  std::vector<std::pair<std::string, Attribute>> list_;
};

struct OpDeclaration;  // graph/op.h

struct Node {
  const OpDeclaration* op = nullptr;
  Attributes attributes;
  std::vector<View> inputs, outputs;
  std::string source;  // for people: "aten::add model.py:12"; no part of equality

  friend bool operator==(const Node& a, const Node& b) {
    return a.op == b.op && a.attributes == b.attributes && a.inputs == b.inputs &&
           a.outputs == b.outputs;
  }
};

class Graph {
 public:
  BufferId AddBuffer(Buffer buffer);
  // InvalidArgument when a view leaves its buffer, has a negative stride, or names no buffer, or
  // the op does not take these types.
  absl::Status AddNode(Node node);
  // For a storage that is still observed (or no longer) when the segment ends.
  void SetKind(BufferId id, BufferKind kind) { buffers_[id].kind = kind; }

  const std::vector<Buffer>& buffers() const { return buffers_; }
  const std::vector<Node>& nodes() const { return nodes_; }

  // The structure, without names and sources: for the compile cache (hash first, then equality).
  uint64_t Fingerprint() const;
  friend bool operator==(const Graph& a, const Graph& b) {
    return a.buffers_ == b.buffers_ && a.nodes_ == b.nodes_;
  }

 private:
  std::vector<Buffer> buffers_;
  std::vector<Node> nodes_;
};

// The text form, one line a buffer or node; ParseText reads it back (goldens, dumps).
// InvalidArgument names the line.
std::string ToText(const Graph& graph);
// The same without names and sources: equal for equal graphs.
std::string StructureText(const Graph& graph);
absl::Status ParseText(std::string_view text, Graph& graph);

}  // namespace openhpu::graph

#endif  // GRAPH_IR_H_
