#include "graph/ir.h"

#include "graph/op.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

using ::testing::HasSubstr;

View Vector(BufferId buffer, int64_t n) {
  View v;
  v.buffer = buffer;
  v.sizes = {n};
  v.strides = {1};
  return v;
}

Node Op(const char* name, std::vector<View> inputs, std::vector<View> outputs) {
  Node node;
  node.op = *FindOp(name);
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  node.source = "model.py:3";
  return node;
}

class GraphTest : public ::testing::Test {
 protected:
  GraphTest() {
    Buffer bound;
    bound.kind = BufferKind::kBound;
    bound.bytes = 256;
    graph_.AddBuffer(bound);
    Buffer temp;
    temp.bytes = 256;
    graph_.AddBuffer(temp);
  }
  Graph graph_;
};

TEST_F(GraphTest, AViewThatLeavesItsBufferIsRefusedByName) {
  View v = Vector(0, 64);
  v.offset = 1;
  EXPECT_THAT(graph_.AddNode(Op("relu", {v}, {Vector(1, 64)})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("leaves its buffer")));
  v = Vector(0, 64);
  v.strides = {INT64_MAX / 2};
  EXPECT_THAT(graph_.AddNode(Op("relu", {v}, {Vector(1, 64)})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("model.py:3")));
}

TEST_F(GraphTest, AnEmptyViewMayLieAnywhere) {
  View v = Vector(0, 0);
  v.offset = 1000;
  EXPECT_OK(graph_.AddNode(Op("relu", {v}, {Vector(1, 0)})));
}

TEST_F(GraphTest, NegativeStridesAreRefused) {
  View v = Vector(0, 4);
  v.strides = {-1};
  v.offset = 3;
  EXPECT_THAT(graph_.AddNode(Op("relu", {v}, {Vector(1, 4)})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("negative stride")));
}

TEST_F(GraphTest, AnOutputThatOverlapsItselfIsRefused) {
  View v = Vector(1, 4);
  v.strides = {0};
  EXPECT_THAT(graph_.AddNode(Op("relu", {Vector(0, 4)}, {v})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("overlaps itself")));
  // Not nested, but every element is its own: {0, 2, 4} x {0, 3}.
  View in = Vector(0, 6);
  in.sizes = {2, 3};
  in.strides = {3, 1};
  View out = in;
  out.buffer = 1;
  out.strides = {3, 2};
  EXPECT_OK(graph_.AddNode(Op("relu", {in}, {out})));
  out.strides = {2, 1};
  EXPECT_THAT(graph_.AddNode(Op("relu", {in}, {out})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("overlaps itself")));
}

TEST_F(GraphTest, ResultsMustHaveTheSizesTheOpMakes) {
  EXPECT_THAT(graph_.AddNode(Op("relu", {Vector(0, 4)}, {Vector(1, 5)})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[4]")));
  EXPECT_THAT(graph_.AddNode(Op("add", {Vector(0, 4), Vector(0, 3)}, {Vector(1, 4)})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("broadcast")));
}

TEST_F(GraphTest, FingerprintSeesStructureAndNoNames) {
  Graph other = graph_;
  ASSERT_OK(graph_.AddNode(Op("relu", {Vector(0, 4)}, {Vector(1, 4)})));
  Node renamed = Op("relu", {Vector(0, 4)}, {Vector(1, 4)});
  renamed.source = "elsewhere";
  ASSERT_OK(other.AddNode(renamed));
  EXPECT_EQ(graph_.Fingerprint(), other.Fingerprint());
  EXPECT_TRUE(graph_ == other);
  other.SetKind(1, BufferKind::kBound);
  EXPECT_NE(graph_.Fingerprint(), other.Fingerprint());
  EXPECT_FALSE(graph_ == other);
}

TEST(AttributesTest, NumbersConvertAndAbsentOnesHaveTheirDefault) {
  const Attributes a{{"b", true}, {"i", int64_t{3}}, {"r", 2.5}, {"l", std::vector<int64_t>{1, 2}}};
  EXPECT_EQ(a.Int("b"), 1);
  EXPECT_EQ(a.Real("i"), 3.0);
  EXPECT_EQ(a.Real("x", 7), 7.0);
  EXPECT_EQ(a.Ints("i"), std::vector<int64_t>{3});
  EXPECT_EQ(a.Ints("l").size(), 2u);
}

TEST(TextTest, AGraphSurvivesItsTextForm) {
  const char* text =
      "b0 = bound 256 weight \"w \\\"1\\\"\"\n"
      "b1 = temp 256\n"
      "add(b0:f32[8,8]{8,1}@0, b0:f32[8,1]{0,1}@5) {alpha=0x1.8p+1} -> b1:f32[8,8]{8,1}@0  # "
      "m.py:1\n"
      "full() {dtype=i64, fill_value=-3, size=[2, 4]} -> b1:i64[2,4]{4,1}@8\n"
      "div(b0:f32[]{}@0, b0:f32[]{}@1) {rounding_mode=\"floor\"} -> b1:f32[]{}@2\n";
  Graph graph;
  ASSERT_OK(ParseText(text, graph));
  EXPECT_EQ(ToText(graph), text);
  Graph again;
  ASSERT_OK(ParseText(ToText(graph), again));
  EXPECT_TRUE(graph == again);
}

TEST(TextTest, ABadLineIsNamed) {
  Graph graph;
  EXPECT_THAT(ParseText("b0 = bound 16\n\nfrobnicate(b0:f32[4]{1}@0) -> b0:f32[4]{1}@0\n", graph),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 3: there is no op")));
  Graph other;
  EXPECT_THAT(ParseText("b1 = bound 16\n", other),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("b0 is next")));
}

}  // namespace
}  // namespace openhpu::graph
