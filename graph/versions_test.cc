#include "graph/versions.h"

#include <random>
#include <set>

#include "gtest/gtest.h"

namespace openhpu::graph {
namespace {

View Make(DType dtype, Dims sizes, Dims strides, int64_t offset = 0, BufferId buffer = 0) {
  View v;
  v.buffer = buffer;
  v.dtype = dtype;
  v.sizes = std::move(sizes);
  v.strides = std::move(strides);
  v.offset = offset;
  return v;
}

std::set<int64_t> BytesOf(const View& v) {
  std::set<int64_t> bytes;
  std::vector<int64_t> index(v.rank(), 0);
  if (v.elements() == 0) return bytes;
  for (;;) {
    int64_t at = v.offset;
    for (int d = 0; d < v.rank(); ++d) at += index[d] * v.strides[d];
    for (int i = 0; i < StorageBytes(v.dtype); ++i) bytes.insert(at * StorageBytes(v.dtype) + i);
    int d = 0;
    while (d < v.rank() && ++index[d] == v.sizes[d]) index[d++] = 0;
    if (d == v.rank()) return bytes;
  }
}

TEST(VersionsTest, SlicesOfOneMatrixAreDisjointOrCovered) {
  const View whole = Make(DType::kFloat32, {8, 16}, {16, 1});
  const View left = Make(DType::kFloat32, {8, 8}, {16, 1}),
             right = Make(DType::kFloat32, {8, 8}, {16, 1}, 8);
  EXPECT_EQ(Relate(left, right), Overlap::kDisjoint);
  EXPECT_EQ(Relate(whole, right), Overlap::kCovers);
  EXPECT_EQ(Relate(right, whole), Overlap::kOverlaps);
  const View inner = Make(DType::kFloat32, {2, 4}, {16, 1}, 34);
  EXPECT_EQ(Relate(left, inner), Overlap::kCovers);
  EXPECT_EQ(Relate(right, inner), Overlap::kDisjoint);
}

TEST(VersionsTest, EvenAndOddElementsAreDisjoint) {
  EXPECT_EQ(Relate(Make(DType::kInt8, {8}, {2}), Make(DType::kInt8, {8}, {2}, 1)),
            Overlap::kDisjoint);
}

TEST(VersionsTest, AnotherBufferAndNoElementsAreDisjoint) {
  const View v = Make(DType::kFloat32, {4}, {1});
  EXPECT_EQ(Relate(v, Make(DType::kFloat32, {4}, {1}, 0, 1)), Overlap::kDisjoint);
  EXPECT_EQ(Relate(v, Make(DType::kFloat32, {0}, {1})), Overlap::kDisjoint);
}

TEST(VersionsTest, ATransposedViewCoversItsMatrix) {
  EXPECT_EQ(Relate(Make(DType::kFloat32, {3, 5}, {1, 3}), Make(DType::kFloat32, {15}, {1})),
            Overlap::kCovers);
}

TEST(VersionsTest, DTypesOfDifferentSizesAreComparedByBytes) {
  const View words = Make(DType::kInt32, {4}, {1}, 4), bytes = Make(DType::kUInt8, {16}, {1}, 16);
  EXPECT_EQ(Relate(words, bytes), Overlap::kCovers);
  EXPECT_EQ(Relate(bytes, words), Overlap::kCovers);
  EXPECT_EQ(Relate(words, Make(DType::kUInt8, {16}, {1})), Overlap::kDisjoint);
}

TEST(VersionsTest, RandomViewsAgreeWithTheirBytes) {
  std::mt19937 random(7);
  int exact = 0, all = 0;
  for (int round = 0; round < 3000; ++round) {
    const auto make = [&] {
      // A slice of a random dense tensor of 4 x 6 x 4 elements, dims in any order.
      Dims sizes, strides = {24, 4, 1};
      int64_t offset = 0;
      const int64_t limits[3] = {4, 6, 4};
      for (int d = 0; d < 3; ++d) {
        const int64_t start = random() % limits[d], step = 1 + random() % 2;
        sizes.push_back(1 + random() % ((limits[d] - 1 - start) / step + 1));
        offset += start * strides[d];
        strides[d] *= step;
      }
      return Make(DType::kFloat32, sizes, strides, offset);
    };
    const View a = make(), b = make();
    const std::set<int64_t> x = BytesOf(a), y = BytesOf(b);
    bool touches = false, covers = true;
    for (int64_t byte : y) (x.count(byte) != 0 ? touches : covers) = x.count(byte) != 0;
    const Overlap truth = !touches ? Overlap::kDisjoint
                          : covers ? Overlap::kCovers
                                   : Overlap::kOverlaps;
    const Overlap got = Relate(a, b);
    if (got == Overlap::kDisjoint) {
      EXPECT_FALSE(touches);
    }
    if (got == Overlap::kCovers) {
      EXPECT_TRUE(covers);
    }
    exact += got == truth;
    ++all;
  }
  EXPECT_GT(exact * 10, all * 8);  // conservative only for interleaved steps
}

}  // namespace
}  // namespace openhpu::graph
