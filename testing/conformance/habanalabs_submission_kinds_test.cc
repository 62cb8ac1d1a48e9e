// Submissions that only the kernel has, over the emulated nodes of a Gaudi and of a Gaudi2, by what
// they do: in parts, signals and waits, times, and timeouts that the device survives.
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/command_writer.h"
#include "hal/habanalabs/driver.h"
#include "hal/habanalabs/submission_kinds.h"
#include "simulator/device_node/fresh_node.h"
#include "testing/conformance/job.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {
namespace {

using absl::StatusCode;
using hal::habanalabs::Driver;
using hal::habanalabs::Signal;
using hal::habanalabs::SubmitOptions;
using testing::HasSubstr;

constexpr uint32_t kBytes = 1 << 20;

class SubmissionKindsTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto node = simulator::OpenFreshNode(GetParam());
    ASSERT_OK(node);
    auto driver = Driver::Open("habanalabs:0", *std::move(node));
    ASSERT_OK(driver);
    driver_ = *std::move(driver);
    for (uint32_t i = 0; i < kBytes; ++i) from_[i] = static_cast<std::byte>(i * 2654435761u >> 24);
    from_at_ = MapHost(from_);
    to_at_ = MapHost(to_);
    const auto dram = driver_->Allocate(hal::MemoryKind::kDram, kBytes);
    ASSERT_OK(dram);
    dram_ = *dram;
  }
  DeviceAddress MapHost(std::vector<std::byte>& bytes) {
    const auto address = driver_->MapHost(bytes.data(), bytes.size());
    EXPECT_OK(address);
    return address.ok() ? *address : DeviceAddress(0);
  }
  QueueId Queue(int dma, uint32_t stream) {
    const auto queue = hal::QueueOf(driver_->info().chip, HostDma(dma), stream);
    EXPECT_OK(queue);
    return QueueId(queue.ok() ? *queue : ~0u);
  }
  // The job's commands, where its queue takes them from.
  hal::Chunk Place(Job& job) {
    const auto sync = driver_->GetSyncManagerInfo(
        static_cast<int>(driver_->info().chip.sync().user_manager().value()));
    EXPECT_OK(sync);
    if (!sync.ok()) return {};
    const auto bytes =
        job.Link((sync->first_sob + 7) / 8 * 8, sync->first_monitor, DeviceAddress(0));
    EXPECT_OK(bytes);
    if (!bytes.ok()) return {};
    const auto memory = driver_->CreateCommandMemory(bytes->size());
    EXPECT_OK(memory);
    if (!memory.ok()) return {};
    std::memcpy(memory->bytes.data(), bytes->data(), bytes->size());
    return {Queue(job.engine().index, job.stream()), memory->handle,
            static_cast<uint32_t>(bytes->size())};
  }
  Job NewJob(int dma, uint32_t stream = 0) {
    return Job(driver_->info().chip, HostDma(dma), stream, &next_monitor_);
  }
  // The two halves of a round trip, on queues of their own.
  hal::Chunk In() {
    Job job = NewJob(0);
    return Place(job.HostCopy(from_at_, dram_, kBytes));
  }
  hal::Chunk Out(int dma) {
    Job job = NewJob(dma);
    return Place(job.HostCopy(dram_, to_at_, kBytes));
  }
  absl::Status Wait(Sequence sequence, absl::Duration timeout = absl::InfiniteDuration()) {
    return driver_->Wait({&sequence, 1}, hal::WaitFor::kAll, timeout);
  }

  std::vector<std::byte> from_{kBytes}, to_{kBytes};  // outlive the driver
  std::unique_ptr<Driver> driver_;
  DeviceAddress from_at_, to_at_, dram_;
  uint32_t next_monitor_ = 0;
};

TEST_P(SubmissionKindsTest, TheFirstPartIsDoneWhenAllAre) {
  const hal::Chunk in = In(), out = Out(0);
  ASSERT_OK_AND_ASSIGN(const Sequence first, driver_->SubmitFirst({&in, 1}));
  EXPECT_THAT(Wait(first, absl::Milliseconds(10)), StatusIs(StatusCode::kDeadlineExceeded));
  ASSERT_OK(driver_->SubmitNext(first, {&in, 1}, false));
  ASSERT_OK(driver_->SubmitNext(first, {&out, 1}, true));
  ASSERT_OK(Wait(first));
  EXPECT_TRUE(to_ == from_);
  // It takes no more parts.
  EXPECT_THAT(driver_->SubmitNext(first, {&out, 1}, true), StatusIs(StatusCode::kInvalidArgument));
}

TEST_P(SubmissionKindsTest, AWaitOfAnotherQueueIsForItsSignal) {
  const hal::Chunk in = In(), out = Out(1);
  ASSERT_OK(driver_->Submit({&in, 1}));
  ASSERT_OK_AND_ASSIGN(const Signal signal, driver_->SubmitSignal(in.queue));
  ASSERT_OK(driver_->SubmitWait(out.queue, signal.submission));
  ASSERT_OK_AND_ASSIGN(const Sequence last, driver_->Submit({&out, 1}));
  ASSERT_OK(Wait(last));
  EXPECT_TRUE(to_ == from_);
  EXPECT_OK(Wait(signal.submission, absl::ZeroDuration()));
}

TEST_P(SubmissionKindsTest, SignalsOfAQueueCountUp) {
  ASSERT_OK_AND_ASSIGN(const Signal first, driver_->SubmitSignal(Queue(0, 1)));
  ASSERT_OK_AND_ASSIGN(const Signal second, driver_->SubmitSignal(Queue(0, 1)));
  ASSERT_OK_AND_ASSIGN(const Signal other, driver_->SubmitSignal(Queue(1, 2)));
  EXPECT_EQ(second.sob_offset, first.sob_offset);
  EXPECT_EQ(second.value_before, first.value_before + 1);
  EXPECT_NE(other.sob_offset, first.sob_offset);
  ASSERT_OK(Wait(second.submission));
  ASSERT_OK(Wait(other.submission));
  // What is done is waited for at once.
  ASSERT_OK_AND_ASSIGN(const Sequence wait, driver_->SubmitWait(Queue(1, 0), first.submission));
  EXPECT_OK(Wait(wait));
}

TEST_P(SubmissionKindsTest, WhatIsNoSignalCannotBeWaitedFor) {
  const hal::Chunk in = In();
  ASSERT_OK_AND_ASSIGN(const Sequence plain, driver_->Submit({&in, 1}));
  EXPECT_THAT(driver_->SubmitWait(Queue(1, 0), plain), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_OK(Wait(plain));
}

TEST_P(SubmissionKindsTest, TimesOfCompletionAreInOrder) {
  SubmitOptions options;
  options.wants_time = true;
  const hal::Chunk in = In(), out = Out(0);
  ASSERT_OK_AND_ASSIGN(const Sequence first, driver_->SubmitWith({&in, 1}, options));
  ASSERT_OK_AND_ASSIGN(const Sequence second, driver_->SubmitWith({&out, 1}, options));
  ASSERT_OK_AND_ASSIGN(const Sequence third, driver_->Submit({&out, 1}));
  for (const Sequence sequence : {first, second, third}) ASSERT_OK(Wait(sequence));
  ASSERT_OK_AND_ASSIGN(const int64_t before, driver_->CompletionTime(first));
  ASSERT_OK_AND_ASSIGN(const int64_t after, driver_->CompletionTime(second));
  EXPECT_GT(before, 0);
  // A mebibyte takes its time.
  EXPECT_GT(after, before + 10000);
  EXPECT_THAT(driver_->CompletionTime(third), StatusIs(StatusCode::kNotFound));
}

TEST_P(SubmissionKindsTest, ATimeoutThatIsSurvivedLosesOneSubmission) {
  SubmitOptions options;
  options.timeout_seconds = 1;
  options.survives_timeout = true;
  Job blocked = NewJob(0, 1);
  blocked.Await({Reaches(0, 1)});
  const hal::Chunk chunk = Place(blocked), in = In(), out = Out(0);
  ASSERT_OK_AND_ASSIGN(const Sequence lost, driver_->SubmitWith({&chunk, 1}, options));
  EXPECT_THAT(Wait(lost), StatusIs(StatusCode::kAborted, HasSubstr("timed out")));
  // Other streams go on.
  for (const hal::Chunk& good : {in, out}) {
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver_->Submit({&good, 1}));
    ASSERT_OK(Wait(sequence));
  }
  EXPECT_TRUE(to_ == from_);
  EXPECT_THAT(Wait(lost), StatusIs(StatusCode::kAborted));
  EXPECT_OK(driver_->Reset());
}

TEST_P(SubmissionKindsTest, ATimeoutThatIsNotSurvivedNeedsAReset) {
  SubmitOptions options;
  options.timeout_seconds = 1;
  Job blocked = NewJob(0, 1);
  blocked.Await({Reaches(0, 1)});
  const hal::Chunk chunk = Place(blocked), in = In();
  ASSERT_OK_AND_ASSIGN(const Sequence lost, driver_->SubmitWith({&chunk, 1}, options));
  EXPECT_THAT(Wait(lost), StatusIs(StatusCode::kAborted, HasSubstr("timed out")));
  EXPECT_THAT(driver_->Submit({&in, 1}), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_OK(driver_->Reset());
  ASSERT_OK_AND_ASSIGN(const Sequence next, driver_->Submit({&in, 1}));
  EXPECT_OK(Wait(next));
}

INSTANTIATE_TEST_SUITE_P(Cards, SubmissionKindsTest,
                         testing::Values("sim:gaudi,hazards=on", "sim:gaudi2,hazards=on"));

}  // namespace
}  // namespace openhpu::conformance
