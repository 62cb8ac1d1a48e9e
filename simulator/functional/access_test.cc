#include "simulator/functional/access.h"

#include <algorithm>
#include <random>
#include <set>

#include "gtest/gtest.h"

namespace openhpu::simulator {
namespace {

AccessBox Box(uint64_t base, uint64_t run, std::array<uint64_t, 5> sizes,
              std::array<int64_t, 5> strides) {
  AccessBox box;
  box.base = DeviceAddress(base);
  box.run = run;
  box.sizes = sizes;
  box.strides = strides;
  return box;
}

std::vector<uint64_t> Runs(const AccessBox& box) {
  std::vector<uint64_t> runs = {box.base.value()};
  for (int d = 0; d < 5; ++d) {
    std::vector<uint64_t> next;
    for (uint64_t r : runs) {
      for (uint64_t i = 0; i < box.sizes[d]; ++i) next.push_back(r + i * box.strides[d]);
    }
    runs.swap(next);
  }
  return runs;
}

std::set<uint64_t> Touched(const AccessBox& box) {
  std::set<uint64_t> bytes;
  for (uint64_t r : Runs(box)) {
    for (uint64_t i = 0; i < box.run; ++i) bytes.insert(r + i);
  }
  return bytes;
}

AccessBox RandomBox(std::mt19937& random, int max_stride) {
  AccessBox box;
  box.base = DeviceAddress(100000 + random() % 400);
  box.run = random() % 20 == 0 ? 0 : 1 + random() % (random() % 2 ? 3 : 12);
  for (int d = 0; d < 5; ++d) {
    if (random() % 2) continue;
    box.sizes[d] = random() % 30 == 0 ? 0 : 1 + random() % 5;
    box.strides[d] = static_cast<int64_t>(random() % (2 * max_stride + 1)) - max_stride;
  }
  return box;
}

TEST(AccessTest, RandomBoxesAgreeWithTheirListsOfBytes) {
  std::mt19937 random(1);
  int met = 0, overlapping_bounds_only = 0;
  for (int round = 0; round < 20000; ++round) {
    const int max_stride = round % 2 ? 60 : 400;
    const AccessBox a = RandomBox(random, max_stride), b = RandomBox(random, max_stride);
    const std::set<uint64_t> in_a = Touched(a), in_b = Touched(b);
    if (!in_a.empty()) {
      EXPECT_EQ(Begin(a).value(), *in_a.begin());
      EXPECT_EQ(End(a).value(), *in_a.rbegin() + 1);
    }
    const bool meet =
        std::any_of(in_a.begin(), in_a.end(), [&](uint64_t x) { return in_b.count(x); });
    ASSERT_EQ(Intersect(a, b), meet) << "round " << round;
    ASSERT_EQ(Intersect(b, a), meet) << "round " << round;
    met += meet;
    overlapping_bounds_only +=
        !meet && !in_a.empty() && !in_b.empty() && Begin(a) < End(b) && Begin(b) < End(a);
  }
  EXPECT_GT(met, 2000);
  EXPECT_GT(overlapping_bounds_only, 2000);
}

TEST(AccessTest, LinesAreCountedOnceARun) {
  std::mt19937 random(2);
  for (int round = 0; round < 2000; ++round) {
    const AccessBox box = RandomBox(random, 300);
    uint64_t lines = 0;
    for (uint64_t r : Runs(box)) {
      if (box.run != 0) lines += (r + box.run - 1) / 32 - r / 32 + 1;
    }
    ASSERT_EQ(Lines(box, 32), lines) << "round " << round;
    ASSERT_EQ(Bytes(box), Runs(box).size() * box.run);
  }
  EXPECT_EQ(Lines(Box(0, 128, {1000, 1, 1, 1, 1}, {4096, 0, 0, 0, 0}), 128), 1000u);
  EXPECT_EQ(Lines(Box(64, 128, {1000, 1, 1, 1, 1}, {4096, 0, 0, 0, 0}), 128), 2000u);
}

TEST(AccessTest, ColumnsOfOneMatrixMeetOnlyWhenTheyShareAColumn) {
  const AccessBox left = Box(1 << 20, 256, {100000, 1, 1, 1, 1}, {1024, 0, 0, 0, 0});
  AccessBox right = left;
  right.base = DeviceAddress((1 << 20) + 256);
  EXPECT_FALSE(Intersect(left, right));
  right.base = DeviceAddress((1 << 20) + 255);
  EXPECT_TRUE(Intersect(left, right));
}

TEST(AccessTest, HugeBoxesOfUnrelatedStridesAreDecidedExactly) {
  // 3 * i and 3 * j + 1 never meet; multiples of coprime strides first meet at their product.
  EXPECT_FALSE(Intersect(Box(0, 1, {uint64_t{1} << 40, 1, 1, 1, 1}, {3, 0, 0, 0, 0}),
                         Box(1, 1, {uint64_t{1} << 40, 1, 1, 1, 1}, {6, 0, 0, 0, 0})));
  const AccessBox a = Box(1000003, 1, {1000000, 1, 1, 1, 1}, {1000003, 0, 0, 0, 0});
  const AccessBox b = Box(1000033, 1, {1000000, 1, 1, 1, 1}, {1000033, 0, 0, 0, 0});
  EXPECT_FALSE(Intersect(a, b));
  AccessBox longer = a;
  longer.sizes[0] = 1000033;
  EXPECT_FALSE(Intersect(longer, b));
  AccessBox longer_b = b;
  longer_b.sizes[0] = 1000003;
  EXPECT_TRUE(Intersect(longer, longer_b));
}

// Of an engine that wrote [Begin, End) when it was mapped: a box must not wrap into what is.
TEST(AccessTest, ABoxThatRunsOutOf64BitsDoesNotComeBack) {
  const uint64_t most = 0xFFFFFFFF;
  // Its last byte lies 2^64 - 1 above its first.
  const AccessBox up = Box(0x20000000, 1, {most, 4, 1, 1, 1},
                           {static_cast<int64_t>(most), static_cast<int64_t>(most), 0, 0, 0});
  EXPECT_EQ(Begin(up).value(), 0x20000000u);
  EXPECT_EQ(End(up).value(), ~uint64_t{0});
  const AccessBox down = Box(0x20000000, 1, {2, 1, 1, 1, 1}, {-0x20000001, 0, 0, 0, 0});
  EXPECT_EQ(Begin(down).value(), 0u);
  EXPECT_EQ(End(down).value(), 0x20000001u);
}

}  // namespace
}  // namespace openhpu::simulator
