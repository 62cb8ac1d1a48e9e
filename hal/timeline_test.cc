#include "hal/timeline.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace openhpu::hal {
namespace {

using absl::StatusCode;

// A driver whose submissions complete when the test says so.
class FakeDriver final : public Driver {
 public:
  uint64_t submitted = 0, complete = 0;
  uint64_t capacity = 1000;                 // in flight
  std::map<uint64_t, absl::Status> errors;  // by sequence
  bool waits_complete = true;               // a wait without deadline completes what it waits for
  int waits = 0;

  const DeviceInfo& info() const override { return info_; }
  absl::StatusOr<Sequence> Submit(absl::Span<const Chunk> chunks) override {
    if (chunks.empty()) return absl::InvalidArgumentError("no chunk");
    if (submitted - complete >= capacity) return absl::ResourceExhaustedError("full");
    return Sequence(++submitted);
  }
  absl::Status Wait(absl::Span<const Sequence> sequences, WaitFor, absl::Duration t) override {
    ++waits;
    const uint64_t s = sequences[0].value();
    if (s > complete && t == absl::InfiniteDuration()) complete = s;
    if (s > complete) return absl::DeadlineExceededError("still running");
    for (const auto& [at, error] : errors) {
      if (at <= s) return absl::Status(error.code(), absl::StrCat(error.message(), " (", s, ")"));
    }
    return absl::OkStatus();
  }
  absl::Status Reset() override {
    errors.clear();
    return absl::OkStatus();
  }
  absl::StatusOr<SyncManagerInfo> GetSyncManagerInfo(int) override { return No(); }
  absl::StatusOr<DeviceAddress> Allocate(MemoryKind, uint64_t) override { return No(); }
  absl::Status Free(DeviceAddress) override { return No(); }
  absl::StatusOr<DeviceAddress> MapHost(void*, uint64_t) override { return No(); }
  absl::Status UnmapHost(DeviceAddress) override { return No(); }
  absl::StatusOr<CommandMemory> CreateCommandMemory(uint64_t) override { return No(); }
  absl::Status DestroyCommandMemory(uint64_t) override { return No(); }
  std::vector<HealthEvent> TakeEvents() override { return {}; }

 private:
  static absl::Status No() { return absl::UnimplementedError("not of this fake"); }
  DeviceInfo info_;
};

class TimelineTest : public testing::Test {
 protected:
  FakeDriver driver_;
  std::atomic<uint64_t> newest_{0};
  Timeline timeline_{driver_, newest_};
  const Chunk chunk_ = {QueueId(0), 1, 8};
};

TEST_F(TimelineTest, KnowsHowFarItGot) {
  const Sequence a = *timeline_.Submit({chunk_}), b = *timeline_.Submit({chunk_});
  EXPECT_EQ(timeline_.last(), b);
  EXPECT_FALSE(*timeline_.Done(a));
  driver_.complete = 1;
  EXPECT_TRUE(*timeline_.Done(a));
  EXPECT_FALSE(*timeline_.Done(b));
  EXPECT_EQ(timeline_.completed(), a);
  EXPECT_EQ(timeline_.Wait(b, absl::Seconds(1)).code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(timeline_.Wait(b, absl::InfiniteDuration()).ok());
  const int waits = driver_.waits;
  EXPECT_TRUE(*timeline_.Done(a));  // known, not asked again
  EXPECT_EQ(driver_.waits, waits);
  EXPECT_TRUE(timeline_.status().ok());
}

TEST_F(TimelineTest, TheFirstFailureIsEverybodysUntilReset) {
  const Sequence a = *timeline_.Submit({chunk_}), b = *timeline_.Submit({chunk_});
  driver_.errors[2] = absl::AbortedError("TPC3 page fault");
  EXPECT_TRUE(timeline_.Wait(a, absl::InfiniteDuration()).ok());
  const absl::Status failure = timeline_.Wait(b, absl::InfiniteDuration());
  EXPECT_EQ(failure.message(), "TPC3 page fault (2)");
  EXPECT_EQ(timeline_.Submit({chunk_}).status(), failure);
  EXPECT_EQ(timeline_.Done(b).status(), failure);
  EXPECT_EQ(timeline_.Wait(b, absl::ZeroDuration()), failure);
  EXPECT_TRUE(timeline_.Wait(a, absl::ZeroDuration()).ok());  // had succeeded
  ASSERT_TRUE(driver_.Reset().ok());
  timeline_.Reset();
  EXPECT_TRUE(timeline_.Submit({chunk_}).ok());
}

TEST_F(TimelineTest, AWrongSubmissionDoesNotPoison) {
  EXPECT_EQ(timeline_.Submit({}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(timeline_.status().ok());
  EXPECT_TRUE(timeline_.Submit({chunk_}).ok());
}

TEST_F(TimelineTest, AFullDeviceMakesTheHostWait) {
  driver_.capacity = 20;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(timeline_.Submit({chunk_}).ok());
  EXPECT_GT(driver_.complete, 79u);
  driver_.capacity = 1;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(timeline_.Submit({chunk_}).ok());
}

TEST_F(TimelineTest, WaitsForOthersWhenTheyFillTheDevice) {
  Timeline other(driver_, newest_);
  driver_.capacity = 4;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(other.Submit({chunk_}).ok());
  EXPECT_TRUE(timeline_.Submit({chunk_}).ok());
}

}  // namespace
}  // namespace openhpu::hal
