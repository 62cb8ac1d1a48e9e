#include "graph/views.h"

#include "gtest/gtest.h"

namespace openhpu::graph {
namespace {

View Dense(Dims sizes) {
  View v;
  v.strides = ContiguousStrides(sizes);
  v.sizes = std::move(sizes);
  return v;
}

TEST(ViewsTest, ExpandAddsDimsInFrontAndStepsByZero) {
  const View v = Expand(Dense({3, 1}), {2, 3, 4});
  EXPECT_EQ(v.sizes, (Dims{2, 3, 4}));
  EXPECT_EQ(v.strides, (Dims{0, 1, 0}));
}

TEST(ViewsTest, ReshapeOfATransposedMatrixNeedsACopyUnlessDimsStayApart) {
  const View v = Transpose(Dense({4, 6}), 0, 1);
  EXPECT_FALSE(Reshape(v, {24}).has_value());
  const auto split = Reshape(v, {2, 3, 4});
  ASSERT_TRUE(split.has_value());
  EXPECT_EQ(split->strides, (Dims{3, 1, 6}));
  EXPECT_EQ(Reshape(*split, {6, 1, 4})->strides[0], 1);
}

TEST(ViewsTest, ReshapeOfAnExpandedViewKeepsItsZeroStride) {
  const auto v = Reshape(Expand(Dense({1, 4}), {6, 4}), {2, 3, 4});
  ASSERT_TRUE(v.has_value());
  EXPECT_EQ(v->strides, (Dims{0, 0, 1}));
}

TEST(ViewsTest, SliceAndSelectMoveTheOffset) {
  const View v = Slice(Dense({4, 6}), 1, 1, 2, 3);
  EXPECT_EQ(v.offset, 1);
  EXPECT_EQ(v.strides, (Dims{6, 3}));
  EXPECT_EQ(Select(v, 0, 2).offset, 13);
}

}  // namespace
}  // namespace openhpu::graph
