// Memory: what a user may allocate, map, and keep bytes in.
#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <vector>

#include "testing/conformance/fixture.h"

namespace openhpu::conformance {
namespace {

using absl::StatusCode;

using MemorySuite = ConformanceTest;

std::vector<uint8_t> Pattern(size_t bytes, uint32_t seed) {
  std::vector<uint8_t> values(bytes);
  for (uint8_t& value : values)
    value = static_cast<uint8_t>((seed = seed * 1664525 + 1013904223) >> 24);
  return values;
}

TEST_F(MemorySuite, AllocationsAreAlignedAndApart) {
  std::map<uint64_t, uint64_t> live;
  for (uint64_t bytes : {1, 127, 128, 129, 4096, 100000}) {
    ASSERT_OK_AND_ASSIGN(const DeviceAddress address,
                         driver().Allocate(hal::MemoryKind::kDram, bytes));
    EXPECT_EQ(address.value() % 128, 0u);
    live[address.value()] = bytes;
  }
  uint64_t end = 0;
  for (const auto& [address, bytes] : live) {
    EXPECT_GE(address, end);
    end = address + bytes;
    EXPECT_THAT(driver().Free(DeviceAddress(address)), IsOk());
  }
}

TEST_F(MemorySuite, AllocationsLieInTheUsersMemory) {
  const hal::DeviceInfo& info = driver().info();
  const Memory dram = Allocate(4096), sram = Allocate(4096, hal::MemoryKind::kSram);
  EXPECT_GE(dram.buffer.address(), info.dram_user_base);
  EXPECT_LE(dram.buffer.address() + 4096, info.dram_user_base + info.dram_user_bytes);
  EXPECT_GE(sram.buffer.address(), info.sram_user_base);
  EXPECT_LE(sram.buffer.address() + 4096, info.sram_user_base + info.sram_user_bytes);
}

TEST_F(MemorySuite, MemoryRunsOutAndComesBack) {
  const uint64_t bytes = driver().info().sram_user_bytes / 2;
  ASSERT_OK_AND_ASSIGN(const DeviceAddress half, driver().Allocate(hal::MemoryKind::kSram, bytes));
  EXPECT_THAT(driver().Allocate(hal::MemoryKind::kSram, bytes + 1024),
              StatusIs(StatusCode::kResourceExhausted));
  EXPECT_THAT(driver().Free(half), IsOk());
  ASSERT_OK_AND_ASSIGN(const DeviceAddress again,
                       driver().Allocate(hal::MemoryKind::kSram, bytes + 1024));
  EXPECT_THAT(driver().Free(again), IsOk());
}

TEST_F(MemorySuite, AnAllocationIsFreedOnce) {
  ASSERT_OK_AND_ASSIGN(const DeviceAddress address,
                       driver().Allocate(hal::MemoryKind::kDram, 4096));
  EXPECT_FALSE(driver().Free(address + 128).ok());
  EXPECT_THAT(driver().Free(address), IsOk());
  EXPECT_FALSE(driver().Free(address).ok());
  EXPECT_FALSE(driver().Allocate(hal::MemoryKind::kDram, 0).ok());
}

TEST_F(MemorySuite, AMappingEndsOnce) {
  std::vector<uint8_t> host(100);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress view, driver().MapHost(host.data(), host.size()));
  EXPECT_THAT(driver().UnmapHost(view), IsOk());
  EXPECT_FALSE(driver().UnmapHost(view).ok());
  EXPECT_FALSE(driver().MapHost(host.data(), 0).ok());
}

TEST_F(MemorySuite, CommandMemoryIsWritableAndEndsOnce) {
  ASSERT_OK_AND_ASSIGN(const hal::CommandMemory memory, driver().CreateCommandMemory(4096));
  EXPECT_EQ(memory.bytes.size(), 4096u);
  std::fill(memory.bytes.begin(), memory.bytes.end(), std::byte{0xFF});
  EXPECT_THAT(driver().DestroyCommandMemory(memory.handle), IsOk());
  EXPECT_FALSE(driver().DestroyCommandMemory(memory.handle).ok());
  EXPECT_FALSE(driver().CreateCommandMemory(0).ok());
  EXPECT_FALSE(driver().CreateCommandMemory(uint64_t{1} << 30).ok());
}

TEST_F(MemorySuite, DramAndSramHoldBytes) {
  for (hal::MemoryKind kind : {hal::MemoryKind::kDram, hal::MemoryKind::kSram}) {
    const std::vector<uint8_t> values = Pattern(100001, 1);
    EXPECT_EQ(Download(Upload(values, kind)), values);
  }
}

TEST_F(MemorySuite, TheLastBytesOfDramHoldBytes) {
  const uint64_t bytes = driver().info().dram_user_bytes / 128 * 128 - (4 << 20);
  const Memory most = Allocate(bytes);
  const std::vector<uint8_t> values = Pattern(1000, 2);
  const DeviceAddress end = most.buffer.address() + (bytes - 1000);
  ASSERT_THAT(device().CopyToDevice(
                  {reinterpret_cast<const std::byte*>(values.data()), values.size()}, end),
              IsOk());
  std::vector<uint8_t> got(1000);
  ASSERT_THAT(device().CopyFromDevice(end, {reinterpret_cast<std::byte*>(got.data()), got.size()}),
              IsOk());
  EXPECT_EQ(got, values);
}

TEST_F(MemorySuite, HostMemoryOfAnyAlignmentIsReached) {
  std::vector<uint8_t> host = Pattern(70000, 3);
  const Memory memory = Allocate(1000);
  for (size_t offset : {size_t{0}, size_t{1}, size_t{4095}, size_t{5000}, size_t{66003}}) {
    ASSERT_OK_AND_ASSIGN(const DeviceAddress view, driver().MapHost(host.data() + offset, 1000));
    const uint32_t symbol = Symbol(view);
    EXPECT_THAT(Run({External(kHostIn, 0,
                              [&](hal::CommandWriter& w) {
                                EXPECT_THAT(w.HostCopy({symbol, 0}, memory.at(0), 1000), IsOk());
                              })}),
                IsOk());
    EXPECT_EQ(Download(memory),
              std::vector<uint8_t>(host.begin() + offset, host.begin() + offset + 1000));
    EXPECT_THAT(driver().UnmapHost(view), IsOk());
  }
}

}  // namespace
}  // namespace openhpu::conformance
