#include "hal/null/driver.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "testing/allocations.h"

namespace openhpu::hal {
namespace {

using absl::StatusCode;

std::unique_ptr<NullDriver> Open() { return *NullDriver::Open("null:tiny"); }

TEST(NullDriverTest, OpensAShippedChipOnly) {
  EXPECT_EQ(Open()->info().chip.name(), "tiny");
  EXPECT_EQ(NullDriver::Open("sim:tiny").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(NullDriver::Open("null:nochip").status().code(), StatusCode::kNotFound);
}

TEST(NullDriverTest, MemoryLiesInTheUsersRangeAndRunsOut) {
  auto driver = Open();
  const DeviceInfo& info = driver->info();
  const auto a = driver->Allocate(MemoryKind::kDram, 1000);
  ASSERT_TRUE(a.ok());
  EXPECT_GE(*a, info.dram_user_base);
  EXPECT_EQ(a->value() % 128, 0u);
  EXPECT_EQ(driver->Allocate(MemoryKind::kDram, info.dram_user_bytes).status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_TRUE(driver->Free(*a).ok());
  const auto all = driver->Allocate(MemoryKind::kDram, info.dram_user_bytes);
  EXPECT_TRUE(all.ok());
  EXPECT_GE(*driver->Allocate(MemoryKind::kSram, 128), info.sram_user_base);
  EXPECT_EQ(driver->Free(*a + 1).code(), StatusCode::kNotFound);
}

TEST(NullDriverTest, OnGaudi2MemoryIsVirtualAndEveryEngineHasItsQueues) {
  auto driver = *NullDriver::Open("null:gaudi2");
  const AddressMap& map = driver->info().chip.address_map();
  const auto a = driver->Allocate(MemoryKind::kDram, 1000);
  ASSERT_TRUE(a.ok());
  EXPECT_GE(a->value(), map.dram_va_start().value());
  EXPECT_LT(a->value(), map.dram_va_end().value());
  // EDMA 0 of DCORE 0 and TPC 5 of DCORE 3; the spare TPC of DCORE 0 is nobody's.
  for (const uint64_t queue : {8, 155}) {
    EXPECT_TRUE(driver->Submit({{QueueId(queue), a->value(), 16}}).ok()) << queue;
  }
  EXPECT_FALSE(driver->Submit({{QueueId(44), a->value(), 16}}).ok());
}

TEST(NullDriverTest, CountsSubmissionsAndTheirChunks) {
  auto driver = Open();
  const CommandMemory commands = *driver->CreateCommandMemory(64);
  const DeviceAddress upper = *driver->Allocate(MemoryKind::kDram, 64);
  const std::vector<Chunk> chunks = {{QueueId(0), commands.handle, 16},
                                     {QueueId(41), upper.value(), 24}};
  EXPECT_EQ(driver->Submit(chunks)->value(), 1u);
  EXPECT_EQ(driver->Submit(chunks)->value(), 2u);
  EXPECT_EQ(driver->submissions(), 2u);
  EXPECT_EQ(driver->chunks(), 4u);
  EXPECT_TRUE(driver->Wait({Sequence(1), Sequence(2)}, WaitFor::kAll, absl::ZeroDuration()).ok());
  EXPECT_FALSE(driver->Wait({Sequence(3)}, WaitFor::kAll, absl::ZeroDuration()).ok());
}

TEST(NullDriverTest, ASubmissionAllocatesNothing) {
  auto driver = Open();
  const CommandMemory commands = *driver->CreateCommandMemory(64);
  const std::vector<Chunk> chunks = {{QueueId(0), commands.handle, 16}};
  const uint64_t before = ThreadAllocations();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(driver->Submit(chunks).ok());
  EXPECT_EQ(ThreadAllocations(), before);
}

TEST(NullDriverTest, RefusesWhatIsNoSubmissionAndCountsNothing) {
  auto driver = Open();
  const CommandMemory commands = *driver->CreateCommandMemory(64);
  const Chunk good = {QueueId(0), commands.handle, 16};
  const auto refuse = [&](const std::vector<Chunk>& chunks, StatusCode code, const char* what) {
    const absl::Status status = driver->Submit(chunks).status();
    EXPECT_EQ(status.code(), code) << what;
    EXPECT_NE(std::string(status.message()).find(what), std::string::npos) << status.message();
  };
  refuse({}, StatusCode::kInvalidArgument, "of 0 chunks");
  refuse(std::vector<Chunk>(kMaxChunks + 1, good), StatusCode::kInvalidArgument, "513 chunks");
  refuse({good, {QueueId(8), 0, 16}}, StatusCode::kInvalidArgument, "chunk 1: no queue 8");
  refuse({{QueueId(1000), 0, 16}}, StatusCode::kInvalidArgument, "no queue 1000");
  refuse({{QueueId(0), 99, 16}}, StatusCode::kInvalidArgument, "no command memory 99");
  refuse({{QueueId(0), commands.handle, 72}}, StatusCode::kInvalidArgument, "longer");
  refuse({{QueueId(0), commands.handle, 0}}, StatusCode::kInvalidArgument, "multiple of 8");
  refuse({{QueueId(41), 0x1000, 16}}, StatusCode::kOutOfRange, "0x1000");
  EXPECT_EQ(driver->submissions(), 0u);
}

TEST(NullDriverTest, HostMappingsAndCommandMemoryEndOnce) {
  auto driver = Open();
  std::vector<char> host(100);
  const DeviceAddress view = *driver->MapHost(host.data(), host.size());
  EXPECT_TRUE(driver->UnmapHost(view).ok());
  EXPECT_EQ(driver->UnmapHost(view).code(), StatusCode::kNotFound);
  const CommandMemory commands = *driver->CreateCommandMemory(64);
  EXPECT_EQ(commands.bytes.size(), 64u);
  EXPECT_TRUE(driver->DestroyCommandMemory(commands.handle).ok());
  EXPECT_EQ(driver->DestroyCommandMemory(commands.handle).code(), StatusCode::kNotFound);
  EXPECT_FALSE(driver->CreateCommandMemory(2 << 20).ok());
}

TEST(NullDriverTest, OnlyTheFirstSyncManagerIsShared) {
  auto driver = Open();
  EXPECT_EQ(driver->GetSyncManagerInfo(0)->first_sob, 144u);
  EXPECT_EQ(driver->GetSyncManagerInfo(3)->first_sob, 0u);
  EXPECT_EQ(driver->GetSyncManagerInfo(3)->num_monitors, 256u);
  EXPECT_FALSE(driver->GetSyncManagerInfo(4).ok());
  EXPECT_FALSE(driver->GetSyncManagerInfo(-1).ok());
}

}  // namespace
}  // namespace openhpu::hal
