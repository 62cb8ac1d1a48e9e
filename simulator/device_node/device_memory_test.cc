#include "simulator/device_node/device_memory.h"

#include <cerrno>
#include <cstdint>

#include "gtest/gtest.h"

namespace openhpu::simulator {
namespace {

constexpr uint64_t kPage = 0x30000000, kBegin = 0x1001001800000000, kEnd = kBegin + 20 * kPage;

class DeviceMemoryTest : public ::testing::Test {
 protected:
  uint64_t Allocate(uint64_t bytes) {
    uint64_t handle = 0;
    EXPECT_EQ(memory_.Allocate(bytes, &handle), 0);
    return handle;
  }
  uint64_t Map(uint64_t handle, uint64_t hint = 0) {
    uint64_t address = 0;
    EXPECT_EQ(memory_.PlaceFor(handle, hint, false, &address), 0);
    memory_.Map(handle, address);
    return address;
  }

  DeviceMemory memory_{10 * kPage, kPage, kBegin, kEnd};
};

TEST_F(DeviceMemoryTest, IsGivenOutInWholePages) {
  const uint64_t first = Allocate(1), second = Allocate(kPage + 1);
  EXPECT_EQ(first, 1u);
  EXPECT_EQ(second, 2u);
  EXPECT_EQ(memory_.Find(first)->bytes, kPage);
  EXPECT_EQ(memory_.Find(second)->bytes, 2 * kPage);
  EXPECT_EQ(memory_.Find(second)->offset, kPage);
  EXPECT_EQ(memory_.used(), 3 * kPage);
  uint64_t handle = 0;
  EXPECT_EQ(memory_.Allocate(0, &handle), -EINVAL);
  EXPECT_EQ(memory_.Allocate(8 * kPage, &handle), -ENOMEM);
  EXPECT_EQ(memory_.Allocate(~uint64_t{0}, &handle), -ENOMEM);
  EXPECT_EQ(memory_.Free(first), 0);
  EXPECT_EQ(memory_.Free(first), -EINVAL);
  EXPECT_EQ(Allocate(kPage), 1u) << "the handle is free again";
}

TEST_F(DeviceMemoryTest, IsNotFreedWhileItIsMapped) {
  const uint64_t handle = Allocate(kPage);
  const uint64_t one = Map(handle), two = Map(handle);
  EXPECT_EQ(one, kBegin);
  EXPECT_EQ(two, kBegin + kPage);
  EXPECT_EQ(memory_.Free(handle), -EINVAL);
  EXPECT_EQ(memory_.Unmap(one), 0);
  EXPECT_EQ(memory_.Free(handle), -EINVAL);
  EXPECT_EQ(memory_.Unmap(one), -EINVAL);
  EXPECT_EQ(memory_.Unmap(two), 0);
  EXPECT_EQ(memory_.Free(handle), 0);
}

TEST_F(DeviceMemoryTest, AHintIsFollowedWhereThereIsRoom) {
  const uint64_t a = Allocate(2 * kPage), b = Allocate(kPage);
  EXPECT_EQ(Map(a, kBegin + kPage), kBegin + kPage);
  uint64_t address = 0;
  for (const uint64_t bad : {kBegin + 2 * kPage, kBegin + 5, kEnd, kBegin - kPage}) {
    EXPECT_EQ(memory_.PlaceFor(b, bad, true, &address), -ENOMEM) << bad;
    EXPECT_EQ(memory_.PlaceFor(b, bad, false, &address), 0);
    EXPECT_EQ(address, kBegin) << "the first place with room";
  }
  EXPECT_EQ(Map(b, kEnd - kPage), kEnd - kPage);
  EXPECT_EQ(memory_.PlaceFor(a, 0, false, &address), 0);
  EXPECT_EQ(address, kBegin + 3 * kPage);
  EXPECT_EQ(memory_.PlaceFor(77, 0, false, &address), -EINVAL);
}

TEST_F(DeviceMemoryTest, AddressesEnd) {
  const uint64_t all = Allocate(10 * kPage);
  Map(all);
  Map(all);
  uint64_t address = 0;
  EXPECT_EQ(memory_.PlaceFor(all, 0, false, &address), -ENOMEM);
}

}  // namespace
}  // namespace openhpu::simulator
