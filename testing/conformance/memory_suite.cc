// Device memory, host mappings and command memory: what is had, refused, returned and had again.
#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/chip.h"
#include "testing/conformance/driver_suite.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {
namespace {

using hal::MemoryKind;
using testing::AnyOf;
using testing::HasSubstr;

constexpr uint64_t kAlignment = 128;
constexpr uint64_t kSlack = 16384;  // that alignment may cost at the ends

class MemorySuite : public DriverSuite {
 protected:
  uint64_t Base(MemoryKind kind) {
    const hal::DeviceInfo& info = driver().info();
    return (kind == MemoryKind::kDram ? info.dram_user_base : info.sram_user_base).value();
  }
  uint64_t Size(MemoryKind kind) {
    const hal::DeviceInfo& info = driver().info();
    return kind == MemoryKind::kDram ? info.dram_user_bytes : info.sram_user_bytes;
  }
  // Blocks of `bytes` until there are no more, which must be ResourceExhausted.
  std::vector<DeviceAddress> Exhaust(MemoryKind kind, uint64_t bytes) {
    std::vector<DeviceAddress> blocks;
    while (blocks.size() <= Size(kind) / bytes) {
      auto block = driver().Allocate(kind, bytes);
      if (!block.ok()) {
        EXPECT_THAT(block, StatusIs(absl::StatusCode::kResourceExhausted));
        return blocks;
      }
      blocks.push_back(*block);
    }
    ADD_FAILURE() << blocks.size() << " blocks of " << bytes << " bytes in " << Size(kind);
    return blocks;
  }
};

// Ranges that must not meet.
class Ranges {
 public:
  void Add(uint64_t begin, uint64_t bytes) {
    const auto next = ranges_.lower_bound(begin);
    EXPECT_TRUE(next == ranges_.end() || begin + bytes <= next->first) << begin;
    EXPECT_TRUE(next == ranges_.begin() || std::prev(next)->second <= begin) << begin;
    ranges_[begin] = begin + bytes;
  }

 private:
  std::map<uint64_t, uint64_t> ranges_;
};

constexpr MemoryKind kKinds[] = {MemoryKind::kDram, MemoryKind::kSram};

TEST_F(MemorySuite, DeviceInfoIsThatOfTheChip) {
  const hal::DeviceInfo& info = driver().info();
  EXPECT_FALSE(info.driver.empty());
  EXPECT_FALSE(info.chip.name().empty());
  const hal::AddressRange dram = hal::UserDram(chip());
  EXPECT_EQ(info.dram_user_base.value(), dram.begin);
  EXPECT_GT(info.dram_user_bytes, 0u);
  EXPECT_LE(info.dram_user_bytes, dram.bytes);
  EXPECT_GE(info.sram_user_base.value(), chip().address_map().sram_base().value() +
                                             chip().address_map().sram_reserved_bytes().value());
  EXPECT_GT(info.sram_user_bytes, 0u);
  EXPECT_LE(info.sram_user_base.value() + info.sram_user_bytes,
            chip().address_map().sram_base().value() + chip().address_map().sram_bytes().value());
}

TEST_F(MemorySuite, SyncManagersSayWhatAUserMayUse) {
  const hal::SyncManagers& sync = chip().sync();
  for (uint64_t manager = 0; manager < sync.count().value(); ++manager) {
    ASSERT_OK_AND_ASSIGN(const hal::SyncManagerInfo info,
                         driver().GetSyncManagerInfo(static_cast<int>(manager)));
    EXPECT_GT(info.num_sobs, 0u);
    EXPECT_GT(info.num_monitors, 0u);
    EXPECT_LE(uint64_t{info.first_sob} + info.num_sobs, sync.sobs().value());
    EXPECT_LE(uint64_t{info.first_monitor} + info.num_monitors, sync.monitors().value());
  }
  EXPECT_THAT(driver().GetSyncManagerInfo(-1), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(driver().GetSyncManagerInfo(static_cast<int>(sync.count().value())),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(MemorySuite, AllocationsAreAlignedAndInUserMemory) {
  for (MemoryKind kind : kKinds) {
    for (uint64_t bytes : {1, 127, 128, 129, 4096, 8191, 8192, 65536}) {
      ASSERT_OK_AND_ASSIGN(const DeviceAddress address, driver().Allocate(kind, bytes));
      EXPECT_EQ(address.value() % kAlignment, 0u) << bytes;
      EXPECT_GE(address.value(), Base(kind));
      EXPECT_LE(address.value() + bytes, Base(kind) + Size(kind));
    }
  }
}

TEST_F(MemorySuite, AllocationsAreDisjoint) {
  Ranges ranges;
  for (MemoryKind kind : kKinds) {
    for (uint64_t i = 0; i < 100; ++i) {
      const uint64_t bytes = 1 + (i * 7919) % 5000;
      ASSERT_OK_AND_ASSIGN(const DeviceAddress address, driver().Allocate(kind, bytes));
      ranges.Add(address.value(), bytes);
    }
  }
}

TEST_F(MemorySuite, FreedMemoryIsHadAgain) {
  for (MemoryKind kind : kKinds) {
    const uint64_t block = Size(kind) / 64 / kAlignment * kAlignment;
    std::vector<DeviceAddress> blocks = Exhaust(kind, block);
    EXPECT_GE(blocks.size(), 60u);
    for (DeviceAddress address : blocks) EXPECT_OK(driver().Free(address));
    EXPECT_EQ(Exhaust(kind, block).size(), blocks.size());
  }
}

TEST_F(MemorySuite, HolesJoinInWhateverOrderTheyAreFreed) {
  for (MemoryKind kind : kKinds) {
    std::vector<DeviceAddress> blocks = Exhaust(kind, Size(kind) / 32 / kAlignment * kAlignment);
    ASSERT_FALSE(blocks.empty());
    // Every third, then every third after it, then the rest.
    for (size_t start = 0; start < 3; ++start) {
      for (size_t i = start; i < blocks.size(); i += 3) EXPECT_OK(driver().Free(blocks[i]));
    }
    ASSERT_OK_AND_ASSIGN(const DeviceAddress whole, driver().Allocate(kind, Size(kind) - kSlack));
    EXPECT_OK(driver().Free(whole));
  }
}

TEST_F(MemorySuite, ExhaustionIsAClearErrorAndHarmsNothing) {
  for (MemoryKind kind : kKinds) {
    ASSERT_OK_AND_ASSIGN(const DeviceAddress half, driver().Allocate(kind, Size(kind) / 2));
    EXPECT_THAT(driver().Allocate(kind, Size(kind) - kSlack),
                StatusIs(absl::StatusCode::kResourceExhausted,
                         HasSubstr(kind == MemoryKind::kDram ? "DRAM" : "SRAM")));
    EXPECT_OK(driver().Allocate(kind, Size(kind) / 4));
    EXPECT_OK(driver().Free(half));
  }
}

TEST_F(MemorySuite, SizesNearTheEndOfIntegersAreExhaustion) {
  for (MemoryKind kind : kKinds) {
    for (uint64_t bytes : {Size(kind) + 1, uint64_t{1} << 63, ~uint64_t{0} - kAlignment,
                           ~uint64_t{0} - 1, ~uint64_t{0}}) {
      EXPECT_THAT(driver().Allocate(kind, bytes), StatusIs(absl::StatusCode::kResourceExhausted))
          << bytes;
    }
    EXPECT_OK(driver().Allocate(kind, 128));
  }
}

TEST_F(MemorySuite, NoBytesAreRefused) {
  for (MemoryKind kind : kKinds) {
    EXPECT_THAT(driver().Allocate(kind, 0), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  int word = 0;
  EXPECT_THAT(driver().MapHost(&word, 0), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(driver().MapHost(nullptr, 64), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(driver().CreateCommandMemory(0), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(MemorySuite, DoubleFreeIsNotFound) {
  for (MemoryKind kind : kKinds) {
    ASSERT_OK_AND_ASSIGN(const DeviceAddress address, driver().Allocate(kind, 4096));
    EXPECT_OK(driver().Free(address));
    EXPECT_THAT(driver().Free(address), StatusIs(absl::StatusCode::kNotFound));
  }
}

TEST_F(MemorySuite, OnlyTheStartOfAnAllocationFreesIt) {
  for (MemoryKind kind : kKinds) {
    ASSERT_OK_AND_ASSIGN(const DeviceAddress address, driver().Allocate(kind, 4096));
    EXPECT_THAT(driver().Free(address + 128), StatusIs(absl::StatusCode::kNotFound));
    EXPECT_THAT(driver().Free(address + 4096), StatusIs(absl::StatusCode::kNotFound));
    EXPECT_OK(driver().Free(address));
  }
  EXPECT_THAT(driver().Free(DeviceAddress(0)), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(driver().Free(DeviceAddress(~uint64_t{0})), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(MemorySuite, DeviceMemoryAndHostMappingsAreReturnedEachTheirOwnWay) {
  ASSERT_OK_AND_ASSIGN(HostMemory* const host, MapHost(Bytes(4096)));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress device, Dram(4096));
  EXPECT_THAT(driver().Free(host->address), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(driver().UnmapHost(device), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(driver().UnmapHost(host->address));
  EXPECT_OK(driver().Free(device));
}

TEST_F(MemorySuite, UnmappingTwiceIsNotFound) {
  ASSERT_OK_AND_ASSIGN(HostMemory* const host, MapHost(Bytes(4096)));
  EXPECT_THAT(driver().UnmapHost(host->address + 1), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(driver().UnmapHost(host->address));
  EXPECT_THAT(driver().UnmapHost(host->address), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(MemorySuite, HostMappingsLieInTheirWindowAndApart) {
  Bytes memory(1 << 20);
  Ranges ranges;
  for (uint64_t i = 0; i < 50; ++i) {
    const uint64_t offset = i * 20011, bytes = 1 + i * 397;
    ASSERT_OK_AND_ASSIGN(const DeviceAddress address,
                         driver().MapHost(memory.data() + offset, bytes));
    EXPECT_GE(address.value(), chip().address_map().host_va_start().value());
    EXPECT_LE(address.value() + bytes, chip().address_map().host_va_end().value());
    ranges.Add(address.value(), bytes);
  }
  // The memory is not the driver's any more when the test ends.
}

TEST_F(MemorySuite, HostMappingsGoInAnyOrder) {
  Bytes memory(1 << 18);
  std::vector<DeviceAddress> mappings;
  for (uint64_t i = 0; i < 30; ++i) {
    ASSERT_OK_AND_ASSIGN(const DeviceAddress address,
                         driver().MapHost(memory.data() + i * 8191, 4097));
    mappings.push_back(address);
  }
  for (size_t i = 0; i < mappings.size(); ++i) {
    EXPECT_OK(driver().UnmapHost(mappings[i * 7 % mappings.size()])) << i;
  }
  for (uint64_t i = 0; i < 30; ++i) EXPECT_OK(driver().MapHost(memory.data() + i * 8191, 4097));
}

TEST_F(MemorySuite, HostRangesThatWrapAroundAreRefused) {
  Bytes memory(64);
  EXPECT_THAT(driver().MapHost(memory.data(), ~uint64_t{0}),
              AnyOf(StatusIs(absl::StatusCode::kInvalidArgument),
                    StatusIs(absl::StatusCode::kResourceExhausted)));
  EXPECT_OK(driver().MapHost(memory.data(), memory.size()));
}

TEST_F(MemorySuite, CommandMemoryCanBeWrittenWhole) {
  ASSERT_OK_AND_ASSIGN(const hal::CommandMemory a, driver().CreateCommandMemory(8));
  ASSERT_OK_AND_ASSIGN(const hal::CommandMemory b, driver().CreateCommandMemory(100000));
  EXPECT_NE(a.handle, b.handle);
  ASSERT_EQ(a.bytes.size(), 8u);
  ASSERT_EQ(b.bytes.size(), 100000u);
  std::fill(b.bytes.begin(), b.bytes.end(), std::byte{0xB0});
  std::fill(a.bytes.begin(), a.bytes.end(), std::byte{0xA0});
  EXPECT_TRUE(std::all_of(b.bytes.begin(), b.bytes.end(),
                          [](std::byte x) { return x == std::byte{0xB0}; }));
}

TEST_F(MemorySuite, CommandMemoryIsAtMostWhatTheKernelTakes) {
  EXPECT_OK(driver().CreateCommandMemory((2 << 20) - 32));
  EXPECT_THAT(driver().CreateCommandMemory((2 << 20) - 31),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(driver().CreateCommandMemory(~uint64_t{0}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(MemorySuite, DestroyingUnknownCommandMemoryIsNotFound) {
  ASSERT_OK_AND_ASSIGN(const hal::CommandMemory memory, driver().CreateCommandMemory(64));
  EXPECT_OK(driver().DestroyCommandMemory(memory.handle));
  EXPECT_THAT(driver().DestroyCommandMemory(memory.handle), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(driver().DestroyCommandMemory(0), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(driver().DestroyCommandMemory(~uint64_t{0}), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(MemorySuite, ThreadsGetMemoryOfTheirOwn) {
  constexpr int kThreads = 4, kEach = 50;
  std::vector<std::vector<uint64_t>> got(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, &mine = got[t]] {
      for (int i = 0; i < kEach; ++i) {
        auto kept = driver().Allocate(MemoryKind::kDram, 1000);
        auto freed = driver().Allocate(MemoryKind::kDram, 1000);
        if (kept.ok() && freed.ok() && driver().Free(*freed).ok()) mine.push_back(kept->value());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Ranges ranges;
  for (const auto& mine : got) {
    EXPECT_EQ(mine.size(), size_t{kEach});
    for (uint64_t address : mine) ranges.Add(address, 1000);
  }
}

}  // namespace
}  // namespace openhpu::conformance
