#include "runtime/memory_pool.h"

#include <memory>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "hal/null/driver.h"

namespace openhpu::runtime {
namespace {

// The null driver, but submissions complete when the test says so.
class SlowDriver final : public hal::Driver {
 public:
  explicit SlowDriver(std::unique_ptr<hal::Driver> driver) : driver_(std::move(driver)) {}
  uint64_t complete = 0;
  int polls = 0;

  const hal::DeviceInfo& info() const override { return driver_->info(); }
  absl::StatusOr<hal::SyncManagerInfo> GetSyncManagerInfo(int m) override {
    return driver_->GetSyncManagerInfo(m);
  }
  absl::StatusOr<DeviceAddress> Allocate(hal::MemoryKind kind, uint64_t bytes) override {
    return driver_->Allocate(kind, bytes);
  }
  absl::Status Free(DeviceAddress address) override { return driver_->Free(address); }
  absl::StatusOr<DeviceAddress> MapHost(void* host, uint64_t bytes) override {
    return driver_->MapHost(host, bytes);
  }
  absl::Status UnmapHost(DeviceAddress address) override { return driver_->UnmapHost(address); }
  absl::StatusOr<hal::CommandMemory> CreateCommandMemory(uint64_t bytes) override {
    return driver_->CreateCommandMemory(bytes);
  }
  absl::Status DestroyCommandMemory(uint64_t handle) override {
    return driver_->DestroyCommandMemory(handle);
  }
  absl::StatusOr<Sequence> Submit(absl::Span<const hal::Chunk> chunks) override {
    return driver_->Submit(chunks);
  }
  absl::Status Wait(absl::Span<const Sequence> sequences, hal::WaitFor,
                    absl::Duration timeout) override {
    if (timeout == absl::InfiniteDuration()) complete = sequences[0].value();
    ++polls;
    return sequences[0].value() <= complete ? absl::OkStatus()
                                            : absl::DeadlineExceededError("running");
  }
  std::vector<hal::HealthEvent> TakeEvents() override { return {}; }
  absl::Status Reset() override { return absl::OkStatus(); }

 private:
  std::unique_ptr<hal::Driver> driver_;
};

class MemoryPoolTest : public testing::Test {
 protected:
  MemoryPoolTest() {
    auto slow = std::make_unique<SlowDriver>(*hal::NullDriver::Open("null:tiny"));
    driver_ = slow.get();
    device_ = *hal::Device::Create(std::move(slow));
    timeline_ = std::make_unique<hal::Timeline>(*driver_, device_->newest_sequence());
    pool_ = std::make_unique<MemoryPool>(*device_);
    commands_ = *device_->CreateCommands(64);
  }
  // A use that is not complete.
  LastUse Use() {
    return {timeline_.get(), *timeline_->Submit({{QueueId(0), commands_.handle(), 8}})};
  }
  SlowDriver* driver_;
  std::unique_ptr<hal::Device> device_;
  std::unique_ptr<hal::Timeline> timeline_;
  std::unique_ptr<MemoryPool> pool_;
  hal::CommandBuffer commands_;
};

TEST_F(MemoryPoolTest, ClassesAreAlignedAndCloseToWhatWasAsked) {
  EXPECT_EQ(MemoryPool::SizeClass(0), 256u);
  EXPECT_EQ(MemoryPool::SizeClass(1), 256u);
  EXPECT_EQ(MemoryPool::SizeClass(257), 512u);
  for (uint64_t bytes = 1; bytes < (uint64_t{1} << 36); bytes = bytes * 5 / 4 + 1) {
    const uint64_t size = MemoryPool::SizeClass(bytes);
    EXPECT_GE(size, bytes);
    EXPECT_EQ(size % 256, 0u);
    EXPECT_LE(size, std::max<uint64_t>(bytes + 255, bytes + bytes / 8));
    EXPECT_EQ(MemoryPool::SizeClass(size), size);
  }
}

TEST_F(MemoryPoolTest, WorkOfTheSameShapeFindsTheSameAddresses) {
  const DeviceAddress a = *pool_->Allocate(1000), b = *pool_->Allocate(5000);
  EXPECT_EQ(a.value() % 256, 0u);
  pool_->Free(a, {});
  pool_->Free(b, {});
  EXPECT_EQ(*pool_->Allocate(5000), b);
  EXPECT_EQ(*pool_->Allocate(1001), a);
}

TEST_F(MemoryPoolTest, MemoryInFlightComesBackAtItsPoint) {
  const DeviceAddress a = *pool_->Allocate(1000);
  const LastUse use = Use();
  pool_->Free(a, {use});
  const DeviceAddress b = *pool_->Allocate(1000);
  EXPECT_NE(a, b);
  driver_->complete = use.sequence.value();
  EXPECT_EQ(*pool_->Allocate(1000), a);
}

TEST_F(MemoryPoolTest, AFullDeviceGivesUpCachesThenWaits) {
  const uint64_t all = device_->info().dram_user_bytes;
  std::vector<DeviceAddress> small;
  for (int i = 0; i < 100; ++i) small.push_back(*pool_->Allocate(1 << 20));
  for (DeviceAddress address : small) pool_->Free(address, {});
  // Larger than any chunk: the cached megabytes must go.
  const DeviceAddress large = *pool_->Allocate(all * 3 / 4);
  pool_->Free(large, {Use()});
  EXPECT_TRUE(pool_->Allocate(all / 2).ok());
  EXPECT_GE(driver_->complete, 1u);  // it waited
}

TEST_F(MemoryPoolTest, SaysTheNumbersWhenMemoryIsOut) {
  ASSERT_TRUE(pool_->Allocate(100 << 20).ok());
  const absl::Status status = pool_->Allocate(200 << 20).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  const std::string text(status.message());
  EXPECT_NE(text.find("209715200 bytes asked; allocated 104857600, reserved 104857856, of"),
            std::string::npos)
      << text;
  EXPECT_EQ(pool_->Allocate(~uint64_t{0}).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(MemoryPoolTest, StatisticsCountWhatIsHeld) {
  const DeviceAddress a = *pool_->Allocate(300);
  MemoryStatistics s = pool_->statistics();
  EXPECT_EQ(s.allocated, 512u);
  EXPECT_GE(s.reserved, 16u << 20);
  pool_->Free(a, {});
  s = pool_->statistics();
  EXPECT_EQ(s.allocated, 0u);
  EXPECT_EQ(s.peak_allocated, 512u);
  EXPECT_EQ(s.allocations, 1u);
  EXPECT_EQ(s.frees, 1u);
  pool_->Trim();
  EXPECT_EQ(pool_->statistics().reserved, 0u);
  EXPECT_EQ(pool_->statistics().peak_reserved, s.peak_reserved);
}

TEST_F(MemoryPoolTest, LiveBlocksNeverOverlap) {
  uint32_t random = 1;
  std::map<uint64_t, uint64_t> live;
  for (int i = 0; i < 5000; ++i) {
    random = random * 1664525 + 1013904223;
    if ((random >> 8) % 3 != 0 || live.empty()) {
      const uint64_t bytes = 1 + (random >> 10) % 100000;
      const auto got = pool_->Allocate(bytes);
      ASSERT_TRUE(got.ok()) << got.status();
      const auto next = live.lower_bound(got->value());
      if (next != live.end()) {
        ASSERT_LE(got->value() + bytes, next->first);
      }
      if (next != live.begin()) {
        ASSERT_LE(std::prev(next)->first + std::prev(next)->second, got->value());
      }
      live[got->value()] = bytes;
    } else {
      auto it = live.begin();
      std::advance(it, (random >> 10) % live.size());
      if (random & 1) {
        pool_->Free(DeviceAddress(it->first), {Use()});
      } else {
        pool_->Free(DeviceAddress(it->first), {});
      }
      live.erase(it);
    }
  }
}

}  // namespace
}  // namespace openhpu::runtime
