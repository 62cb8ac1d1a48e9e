// The text form of a graph:
//
//     b0 = bound 256 weight "w"
//     b1 = temp 256
//     add(b0:f32[64]{1}@0, b0:f32[64]{1}@0) {alpha=2} -> b1:f32[64]{1}@0  # where it came from
//
// Attribute values: true, 3, 0x1.8p+1 (reals, exactly), f32 (dtypes), [1, 2] and "text".
#include "hal/kernel/text.h"

#include <cctype>
#include <cerrno>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "graph/ir.h"
#include "graph/op.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

template <typename... T>
void Append(std::string& text, const T&... pieces) {
  text += hal::Cat(pieces...);
}

std::string AttributeText(const Attribute& a) {
  if (const auto* b = std::get_if<bool>(&a)) return *b ? "true" : "false";
  if (const auto* i = std::get_if<int64_t>(&a)) return hal::Cat(*i);
  if (const auto* r = std::get_if<double>(&a)) {
    if (*r != *r) return "nan";
    return absl::StrFormat("%a", *r);
  }
  if (const auto* t = std::get_if<DType>(&a)) return std::string(Name(*t));
  if (const auto* list = std::get_if<std::vector<int64_t>>(&a)) {
    return hal::Cat("[", absl::StrJoin(*list, ", "), "]");
  }
  return hal::Cat("\"", absl::CEscape(std::get<std::string>(a)), "\"");
}

// Reads one line from the left. Every method skips blanks first.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool Take(std::string_view token) {
    Skip();
    if (text_.substr(0, token.size()) != token) return false;
    text_.remove_prefix(token.size());
    return true;
  }
  absl::Status Expect(std::string_view token) {
    if (Take(token)) return absl::OkStatus();
    return Error(hal::Cat("'", token, "'"));
  }
  bool AtEnd() {
    Skip();
    return text_.empty() || text_.front() == '#';
  }
  std::string_view Word() {
    Skip();
    size_t n = 0;
    while (n < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[n])) != 0 ||
                                text_[n] == '_' || text_[n] == '.')) {
      ++n;
    }
    const std::string_view word = text_.substr(0, n);
    text_.remove_prefix(n);
    return word;
  }
  absl::StatusOr<int64_t> Integer() {
    Skip();
    size_t n = !text_.empty() && text_.front() == '-' ? 1 : 0;
    while (n < text_.size() && std::isdigit(static_cast<unsigned char>(text_[n])) != 0) ++n;
    int64_t value = 0;
    if (!absl::SimpleAtoi(std::string(text_.substr(0, n)), &value)) return Error("an integer");
    text_.remove_prefix(n);
    return value;
  }
  absl::StatusOr<std::string> Quoted() {
    RETURN_IF_ERROR(Expect("\""));
    size_t n = 0;
    while (n < text_.size() && text_[n] != '"') n += text_[n] == '\\' ? 2 : 1;
    if (n >= text_.size()) return Error("a closing quote");
    std::string value;
    if (!absl::CUnescape(std::string(text_.substr(0, n)), &value)) return Error("an escaped text");
    text_.remove_prefix(n + 1);
    return value;
  }
  std::string_view rest() const { return text_; }
  void Advance(size_t n) { text_.remove_prefix(n); }
  absl::Status Error(std::string_view wanted) const {
    return absl::InvalidArgumentError(
        hal::Cat("expected ", wanted, " at '", text_.substr(0, 20), "'"));
  }

 private:
  void Skip() {
    while (!text_.empty() && absl::ascii_isspace(static_cast<unsigned char>(text_.front()))) {
      text_.remove_prefix(1);
    }
  }
  std::string_view text_;
};

bool ParseType(std::string_view word, DType& type) {
  for (int i = 0; i < kNumDTypes; ++i) {
    if (word == Name(static_cast<DType>(i))) {
      type = static_cast<DType>(i);
      return true;
    }
  }
  return false;
}

absl::StatusOr<std::vector<int64_t>> ParseList(Scanner& in, std::string_view open,
                                               std::string_view close) {
  RETURN_IF_ERROR(in.Expect(open));
  std::vector<int64_t> list;
  if (in.Take(close)) return list;
  do {
    ASSIGN_OR_RETURN(const int64_t value, in.Integer());
    list.push_back(value);
  } while (in.Take(","));
  RETURN_IF_ERROR(in.Expect(close));
  return list;
}

absl::StatusOr<View> ParseView(Scanner& in) {
  View v;
  RETURN_IF_ERROR(in.Expect("b"));
  ASSIGN_OR_RETURN(const int64_t buffer, in.Integer());
  v.buffer = static_cast<BufferId>(buffer);
  RETURN_IF_ERROR(in.Expect(":"));
  if (const std::string_view word = in.Word(); !ParseType(word, v.dtype)) {
    return absl::InvalidArgumentError(hal::Cat("there is no dtype '", word, "'"));
  }
  ASSIGN_OR_RETURN(const auto sizes, ParseList(in, "[", "]"));
  ASSIGN_OR_RETURN(const auto strides, ParseList(in, "{", "}"));
  v.sizes.assign(sizes.begin(), sizes.end());
  v.strides.assign(strides.begin(), strides.end());
  RETURN_IF_ERROR(in.Expect("@"));
  ASSIGN_OR_RETURN(v.offset, in.Integer());
  return v;
}

absl::StatusOr<Attribute> ParseAttribute(Scanner& in) {
  if (in.Take("true")) return Attribute(true);
  if (in.Take("false")) return Attribute(false);
  if (in.Take("[")) {
    std::vector<int64_t> list;
    if (in.Take("]")) return Attribute(list);
    do {
      ASSIGN_OR_RETURN(const int64_t value, in.Integer());
      list.push_back(value);
    } while (in.Take(","));
    RETURN_IF_ERROR(in.Expect("]"));
    return Attribute(list);
  }
  if (Scanner ahead = in; ahead.Take("\"")) {
    ASSIGN_OR_RETURN(std::string text, in.Quoted());
    return Attribute(std::move(text));
  }
  Scanner ahead = in;
  ahead.Take("");  // skips blanks
  std::string number;
  for (char c : ahead.rest()) {
    if (c == ',' || c == '}' || absl::ascii_isspace(static_cast<unsigned char>(c))) break;
    number += c;
  }
  DType type;
  if (ParseType(number, type)) {
    ahead.Advance(number.size());
    in = ahead;
    return Attribute(type);
  }
  if (int64_t integer; absl::SimpleAtoi(number, &integer)) {
    ahead.Advance(number.size());
    in = ahead;
    return Attribute(integer);
  }
  char* end = nullptr;
  const double real = std::strtod(number.c_str(), &end);
  if (number.empty() || *end != '\0') return in.Error("an attribute's value");
  ahead.Advance(number.size());
  in = ahead;
  return Attribute(real);
}

absl::Status ParseBuffer(Scanner& in, Graph& graph) {
  RETURN_IF_ERROR(in.Expect("b"));
  ASSIGN_OR_RETURN(const int64_t id, in.Integer());
  if (id != static_cast<int64_t>(graph.buffers().size())) {
    return absl::InvalidArgumentError(
        hal::Cat("buffer b", id, " where b", graph.buffers().size(), " is next"));
  }
  RETURN_IF_ERROR(in.Expect("="));
  Buffer buffer;
  if (in.Take("bound")) {
    buffer.kind = BufferKind::kBound;
  } else {
    RETURN_IF_ERROR(in.Expect("temp"));
  }
  ASSIGN_OR_RETURN(const int64_t bytes, in.Integer());
  if (bytes < 0) return absl::InvalidArgumentError("negative size");
  buffer.bytes = bytes;
  buffer.weight = in.Take("weight");
  if (!in.AtEnd()) {
    ASSIGN_OR_RETURN(buffer.name, in.Quoted());
  }
  if (!in.AtEnd()) return in.Error("the line's end");
  graph.AddBuffer(std::move(buffer));
  return absl::OkStatus();
}

absl::Status ParseNode(Scanner& in, Graph& graph) {
  Node node;
  ASSIGN_OR_RETURN(node.op, FindOp(in.Word()));
  RETURN_IF_ERROR(in.Expect("("));
  if (!in.Take(")")) {
    do {
      ASSIGN_OR_RETURN(View v, ParseView(in));
      node.inputs.push_back(std::move(v));
    } while (in.Take(","));
    RETURN_IF_ERROR(in.Expect(")"));
  }
  if (in.Take("{")) {
    do {
      const std::string name(in.Word());
      RETURN_IF_ERROR(in.Expect("="));
      ASSIGN_OR_RETURN(Attribute value, ParseAttribute(in));
      node.attributes.Set(name, std::move(value));
    } while (in.Take(","));
    RETURN_IF_ERROR(in.Expect("}"));
  }
  RETURN_IF_ERROR(in.Expect("->"));
  do {
    ASSIGN_OR_RETURN(View v, ParseView(in));
    node.outputs.push_back(std::move(v));
  } while (in.Take(","));
  if (in.Take("#")) {
    node.source = std::string(in.rest());
    absl::StripAsciiWhitespace(&node.source);
  } else if (!in.AtEnd()) {
    return in.Error("the line's end");
  }
  return graph.AddNode(std::move(node));
}

}  // namespace

namespace {

std::string GraphText(const Graph& graph, bool names) {
  std::string text;
  for (size_t i = 0; i < graph.buffers().size(); ++i) {
    const Buffer& b = graph.buffers()[i];
    Append(text, "b", i, " = ", b.kind == BufferKind::kBound ? "bound " : "temp ", b.bytes,
           b.weight ? " weight" : "");
    if (names && !b.name.empty()) Append(text, " \"", absl::CEscape(b.name), "\"");
    text += '\n';
  }
  const auto append_views = [&](const std::vector<View>& views) {
    Append(text, absl::StrJoin(views, ", ",
                               [](std::string* out, const View& v) { Append(*out, ToText(v)); }));
  };
  for (const Node& n : graph.nodes()) {
    Append(text, n.op->name, "(");
    append_views(n.inputs);
    text += ')';
    if (!n.attributes.list().empty()) {
      Append(text, " {",
             absl::StrJoin(n.attributes.list(), ", ",
                           [](std::string* out, const auto& entry) {
                             Append(*out, entry.first, "=", AttributeText(entry.second));
                           }),
             "}");
    }
    text += " -> ";
    append_views(n.outputs);
    if (names && !n.source.empty()) Append(text, "  # ", absl::CEscape(n.source));
    text += '\n';
  }
  return text;
}

}  // namespace

std::string ToText(const Graph& graph) { return GraphText(graph, /*names=*/true); }

std::string StructureText(const Graph& graph) { return GraphText(graph, /*names=*/false); }

absl::Status ParseText(std::string_view text, Graph& graph) {
  int number = 0;
  const std::vector<std::string> lines = absl::StrSplit(std::string(text), '\n');
  for (const std::string& line : lines) {
    ++number;
    Scanner in(line);
    if (in.AtEnd()) continue;
    // A buffer's line is the only one that begins with b, a number and '='.
    Scanner ahead = in;
    const bool buffer = ahead.Take("b") && ahead.Integer().ok() && ahead.Take("=");
    const absl::Status status = buffer ? ParseBuffer(in, graph) : ParseNode(in, graph);
    if (!status.ok()) {
      return absl::InvalidArgumentError(hal::Cat("line ", number, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace openhpu::graph
