#include "hal/range_allocator.h"

#include <cstdint>
#include <map>
#include <random>

#include "gtest/gtest.h"

namespace openhpu::hal {
namespace {

TEST(RangeAllocatorTest, GivesTheLowestAlignedRun) {
  RangeAllocator ranges("test", 100, 1000);
  EXPECT_EQ(*ranges.Allocate(10, 128), 128u);
  EXPECT_EQ(*ranges.Allocate(28, 1), 100u);
  EXPECT_EQ(*ranges.Allocate(1, 1), 138u);
  EXPECT_EQ(ranges.used(), 39u);
}

TEST(RangeAllocatorTest, FreedNeighboursCoalesce) {
  RangeAllocator ranges("test", 0, 300);
  const uint64_t a = *ranges.Allocate(100, 1), b = *ranges.Allocate(100, 1),
                 c = *ranges.Allocate(100, 1);
  EXPECT_EQ(ranges.largest_free(), 0u);
  EXPECT_TRUE(ranges.Free(a).ok());
  EXPECT_TRUE(ranges.Free(c).ok());
  EXPECT_EQ(ranges.largest_free(), 100u);
  EXPECT_TRUE(ranges.Free(b).ok());
  EXPECT_EQ(ranges.largest_free(), 300u);
  EXPECT_EQ(*ranges.Allocate(300, 1), 0u);
}

TEST(RangeAllocatorTest, AFullRangeSaysWhatIsLeft) {
  RangeAllocator ranges("DRAM", 0, 100);
  ASSERT_TRUE(ranges.Allocate(60, 1).ok());
  const absl::Status status = ranges.Allocate(41, 1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "DRAM: 41 asked, 40 of 100 free, largest free run 40");
}

TEST(RangeAllocatorTest, RefusesSizeZeroAndOddAlignments) {
  RangeAllocator ranges("test", 0, 100);
  EXPECT_EQ(ranges.Allocate(0, 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ranges.Allocate(1, 0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ranges.Allocate(1, 3).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(RangeAllocatorTest, FreesOnlyWhatWasAllocatedAndOnlyOnce) {
  RangeAllocator ranges("test", 0, 100);
  const uint64_t a = *ranges.Allocate(10, 1);
  EXPECT_EQ(ranges.Free(a + 1).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(ranges.Free(a).ok());
  EXPECT_EQ(ranges.Free(a).code(), absl::StatusCode::kNotFound);
}

TEST(RangeAllocatorTest, ContainsIsTrueInsideOneAllocationOnly) {
  RangeAllocator ranges("test", 0, 100);
  ASSERT_TRUE(ranges.Allocate(10, 1).ok());
  ASSERT_TRUE(ranges.Allocate(10, 1).ok());
  EXPECT_TRUE(ranges.Contains(0, 10));
  EXPECT_TRUE(ranges.Contains(12, 8));
  EXPECT_FALSE(ranges.Contains(5, 10));
  EXPECT_FALSE(ranges.Contains(20, 1));
  EXPECT_FALSE(ranges.Contains(5, ~uint64_t{0}));
}

TEST(RangeAllocatorTest, RandomUseNeverOverlapsAndEndsWhole) {
  RangeAllocator ranges("test", 64, 1 << 16);
  std::mt19937 random(1);
  std::map<uint64_t, uint64_t> live;
  for (int i = 0; i < 4000; ++i) {
    if (random() % 2 == 0 || live.empty()) {
      const uint64_t size = 1 + random() % 500, alignment = uint64_t{1} << (random() % 8);
      const auto got = ranges.Allocate(size, alignment);
      if (!got.ok()) continue;
      EXPECT_EQ(*got % alignment, 0u);
      const auto next = live.lower_bound(*got);
      if (next != live.end()) {
        EXPECT_LE(*got + size, next->first);
      }
      if (next != live.begin()) {
        EXPECT_LE(std::prev(next)->first + std::prev(next)->second, *got);
      }
      live[*got] = size;
    } else {
      auto it = live.begin();
      std::advance(it, random() % live.size());
      EXPECT_TRUE(ranges.Free(it->first).ok());
      live.erase(it);
    }
  }
  for (const auto& [begin, size] : live) EXPECT_TRUE(ranges.Free(begin).ok());
  EXPECT_EQ(ranges.largest_free(), uint64_t{1} << 16);
  EXPECT_EQ(ranges.used(), 0u);
}

}  // namespace
}  // namespace openhpu::hal
