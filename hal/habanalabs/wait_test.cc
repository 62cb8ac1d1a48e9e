// Waits over a kernel in memory: outcomes, deadlines, and what a lost submission says.
#include <array>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/habanalabs/driver.h"
#include "hal/habanalabs/fake_kernel.h"
#include "testing/status_matchers.h"

namespace openhpu::hal::habanalabs {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using Outcome = FakeKernel::Outcome;
using Kind = HealthEvent::Kind;

class WaitTest : public testing::Test {
 protected:
  void SetUp() override {
    auto driver = Driver::Open("habanalabs:0", kernel_.MakeSyscalls());
    ASSERT_OK(driver);
    driver_ = *std::move(driver);
    const auto memory = driver_->CreateCommandMemory(8);
    ASSERT_OK(memory);
    const abi::gaudi::PacketNop nop;
    std::memcpy(memory->bytes.data(), &nop, sizeof nop);
    nop_ = {QueueId(0), memory->handle, sizeof nop};
  }
  // A submission with this outcome.
  Sequence Submit(Outcome outcome) {
    kernel_.outcome = outcome;
    const auto sequence = driver_->Submit({&nop_, 1});
    EXPECT_OK(sequence);
    return sequence.ok() ? *sequence : Sequence(0);
  }
  absl::Status Wait(Sequence sequence, absl::Duration timeout = absl::InfiniteDuration()) {
    return driver_->Wait({&sequence, 1}, WaitFor::kAll, timeout);
  }
  std::vector<Kind> TakeKinds() {
    std::vector<Kind> kinds;
    for (const HealthEvent& event : driver_->TakeEvents()) kinds.push_back(event.kind);
    return kinds;
  }

  FakeKernel kernel_;
  std::unique_ptr<Driver> driver_;
  Chunk nop_;
};

TEST_F(WaitTest, ACompleteSubmissionIsAskedForOnce) {
  const Sequence done = Submit(Outcome::kDone), gone = Submit(Outcome::kGone);
  EXPECT_OK(Wait(done));
  EXPECT_OK(Wait(gone));
  const int before = kernel_.ioctls;
  EXPECT_OK(Wait(done));
  EXPECT_OK(Wait(done, absl::ZeroDuration()));
  EXPECT_OK(Wait(gone, -absl::InfiniteDuration()));
  EXPECT_EQ(kernel_.ioctls, before);
}

TEST_F(WaitTest, PollsTakeNoTime) {
  const Sequence busy = Submit(Outcome::kBusy);
  EXPECT_THAT(Wait(busy, absl::ZeroDuration()), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Wait(busy, absl::Seconds(-1)), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_THAT(kernel_.wait_timeouts, ElementsAre(0, 0));
}

TEST_F(WaitTest, AWaitLastsAsLongAsItWasGiven) {
  const Sequence busy = Submit(Outcome::kBusy);
  for (const absl::Duration timeout : {absl::Nanoseconds(1), absl::Microseconds(10),
                                       absl::Milliseconds(999), absl::Milliseconds(3500)}) {
    kernel_.wait_timeouts.clear();
    EXPECT_THAT(Wait(busy, timeout), StatusIs(StatusCode::kDeadlineExceeded));
    const uint64_t sum =
        std::accumulate(kernel_.wait_timeouts.begin(), kernel_.wait_timeouts.end(), uint64_t{0});
    EXPECT_EQ(sum, static_cast<uint64_t>(
                       absl::ToInt64Microseconds(absl::Ceil(timeout, absl::Microseconds(1)))));
  }
  // No longer in the kernel than a second at once: a reset waits for it.
  EXPECT_THAT(kernel_.wait_timeouts, ElementsAre(1000000, 1000000, 1000000, 500000));
}

TEST_F(WaitTest, AnInterruptedWaitKeepsItsDeadline) {
  const Sequence busy = Submit(Outcome::kBusy);
  kernel_.wait_errors = {-EINTR, -EAGAIN, -EINTR};
  kernel_.wait_timeouts.clear();
  EXPECT_THAT(Wait(busy, absl::Milliseconds(100)), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_THAT(kernel_.wait_timeouts, ElementsAre(100000, 100000, 100000, 100000));
  // Polls and waits without end go on, too.
  const Sequence done = Submit(Outcome::kDone), other = Submit(Outcome::kDone);
  kernel_.wait_errors = {-EINTR};
  EXPECT_OK(Wait(done, absl::ZeroDuration()));
  kernel_.wait_errors = {-EINTR};
  EXPECT_OK(Wait(other));
}

TEST_F(WaitTest, AllAreWaitedForWithinOneDeadline) {
  const std::array<Sequence, 3> all = {Submit(Outcome::kDone), Submit(Outcome::kBusy),
                                       Submit(Outcome::kDone)};
  const absl::Time begin = kernel_.now;
  EXPECT_THAT(driver_->Wait(all, WaitFor::kAll, absl::Milliseconds(10)),
              StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_EQ(kernel_.now - begin, absl::Milliseconds(10));
  kernel_.outcomes[2] = Outcome::kDone;
  EXPECT_OK(driver_->Wait(all, WaitFor::kAll, absl::Milliseconds(10)));
}

TEST_F(WaitTest, AnyOfSeveralIsOneWaitOfTheKernel) {
  const std::array<Sequence, 3> all = {Submit(Outcome::kBusy), Submit(Outcome::kBusy),
                                       Submit(Outcome::kDone)};
  EXPECT_OK(driver_->Wait(all, WaitFor::kAny, absl::InfiniteDuration()));
  // It is known to be complete now.
  const int before = kernel_.ioctls;
  EXPECT_OK(Wait(all[2], absl::ZeroDuration()));
  EXPECT_OK(driver_->Wait(all, WaitFor::kAny, absl::InfiniteDuration()));
  EXPECT_EQ(kernel_.ioctls, before);
  EXPECT_THAT(Wait(all[0], absl::ZeroDuration()), StatusIs(StatusCode::kDeadlineExceeded));
}

TEST_F(WaitTest, AnyOfSeveralEndsAtItsDeadline) {
  const std::array<Sequence, 2> all = {Submit(Outcome::kBusy), Submit(Outcome::kBusy)};
  kernel_.wait_timeouts.clear();
  kernel_.wait_errors = {-EINTR};
  EXPECT_THAT(driver_->Wait(all, WaitFor::kAny, absl::Milliseconds(5)),
              StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_THAT(kernel_.wait_timeouts, ElementsAre(5000, 5000));
}

TEST_F(WaitTest, AnyOfSeveralSaysWhichWasLost) {
  const std::array<Sequence, 2> all = {Submit(Outcome::kBusy), Submit(Outcome::kAborted)};
  EXPECT_THAT(driver_->Wait(all, WaitFor::kAny, absl::InfiniteDuration()),
              StatusIs(StatusCode::kAborted, HasSubstr("submission 2 ")));
}

TEST_F(WaitTest, WhatWasNeverSubmittedIsRefusedWithoutAsking) {
  const Sequence one = Submit(Outcome::kDone);
  const int before = kernel_.ioctls;
  for (const Sequence unknown : {Sequence(0), one + 1, Sequence(~uint64_t{0})}) {
    EXPECT_THAT(Wait(unknown), StatusIs(StatusCode::kInvalidArgument));
    const std::array<Sequence, 2> both = {one, unknown};
    EXPECT_THAT(driver_->Wait(both, WaitFor::kAny, absl::InfiniteDuration()),
                StatusIs(StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(driver_->Wait({}, WaitFor::kAll, absl::ZeroDuration()),
              StatusIs(StatusCode::kInvalidArgument));
  const std::vector<Sequence> many(kMaxWaits + 1, one);
  EXPECT_THAT(driver_->Wait(many, WaitFor::kAny, absl::ZeroDuration()),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("33")));
  EXPECT_EQ(kernel_.ioctls, before);
}

TEST_F(WaitTest, ALostSubmissionStaysLostAndTheDeviceNeedsAReset) {
  for (const Outcome outcome : {Outcome::kAborted, Outcome::kTimedOut}) {
    const Sequence lost = Submit(outcome);
    const absl::Status status = Wait(lost);
    EXPECT_THAT(status,
                StatusIs(StatusCode::kAborted,
                         HasSubstr(outcome == Outcome::kAborted ? "aborted" : "timed out")));
    EXPECT_EQ(Wait(lost), status);
    EXPECT_EQ(Wait(lost, absl::ZeroDuration()), status);
    EXPECT_THAT(driver_->Submit({&nop_, 1}), StatusIs(StatusCode::kFailedPrecondition));
    EXPECT_OK(driver_->Reset());
    EXPECT_EQ(Wait(lost), status);
    EXPECT_OK(Wait(Submit(Outcome::kDone)));
  }
}

TEST_F(WaitTest, EveryErrorOfALostSubmissionIsAborted) {
  for (const int error : {ETIMEDOUT, EIO, EBUSY, ENODEV}) {
    const Sequence lost = Submit(Outcome::kBusy);
    kernel_.wait_errors = {-error};
    EXPECT_THAT(Wait(lost), StatusIs(StatusCode::kAborted)) << error;
    EXPECT_THAT(driver_->Submit({&nop_, 1}), StatusIs(StatusCode::kFailedPrecondition)) << error;
    EXPECT_OK(driver_->Reset());
  }
}

TEST_F(WaitTest, StatusesWithoutAnErrnoMeanTheSame) {
  kernel_.says_errors = false;
  for (const Outcome outcome : {Outcome::kAborted, Outcome::kTimedOut}) {
    const std::array<Sequence, 2> lost = {Submit(Outcome::kBusy), Submit(outcome)};
    EXPECT_THAT(driver_->Wait(lost, WaitFor::kAny, absl::InfiniteDuration()),
                StatusIs(StatusCode::kAborted,
                         HasSubstr(outcome == Outcome::kAborted ? "was aborted"
                                                                : "timed out on the device")));
    EXPECT_OK(driver_->Reset());
  }
}

TEST_F(WaitTest, AnErrorOfAnotherKindSettlesNothing) {
  const Sequence done = Submit(Outcome::kDone);
  kernel_.wait_errors = {-EFAULT};
  EXPECT_THAT(Wait(done), StatusIs(StatusCode::kOutOfRange, HasSubstr("submission 1")));
  EXPECT_OK(Wait(done));
}

TEST_F(WaitTest, ATimeoutNamesTheSubmissionThatTimedOut) {
  kernel_.skipped_numbers = 40;
  const Sequence slow = Submit(Outcome::kTimedOut), behind = Submit(Outcome::kAborted);
  kernel_.timeout = {100, 41};
  kernel_.events = HL_NOTIFIER_EVENT_CS_TIMEOUT | HL_NOTIFIER_EVENT_DEVICE_RESET;
  EXPECT_THAT(Wait(behind),
              StatusIs(StatusCode::kAborted, AllOf(HasSubstr("submission 2 was aborted"),
                                                   HasSubstr("submission 1 timed out"))));
  EXPECT_THAT(Wait(slow), StatusIs(StatusCode::kAborted, HasSubstr("submission 1 timed out")));
  EXPECT_THAT(TakeKinds(), ElementsAre(Kind::kTimeout, Kind::kReset));
  EXPECT_THAT(TakeKinds(), IsEmpty());
}

TEST_F(WaitTest, AnUndefinedOpcodeNamesEngineStreamAndCommands) {
  const Sequence lost = Submit(Outcome::kAborted);
  // The general error beside it is no event of its own.
  kernel_.events = HL_NOTIFIER_EVENT_UNDEFINED_OPCODE | HL_NOTIFIER_EVENT_USER_ENGINE_ERR;
  kernel_.opcode.timestamp = 5;
  kernel_.opcode.engine_id = GAUDI_ENGINE_ID_DMA_2;
  kernel_.opcode.stream_id = 1;
  kernel_.opcode.cq_addr = 0x20001000;
  kernel_.opcode.cq_size = 64;
  EXPECT_THAT(Wait(lost), StatusIs(StatusCode::kAborted,
                                   AllOf(HasSubstr("DMA2 stream 1"), HasSubstr("0x20001000"))));
  EXPECT_THAT(TakeKinds(), ElementsAre(Kind::kUndefinedOpcode));
  // The same again, in a body, after the reset: only what is new is told.
  EXPECT_OK(driver_->Reset());
  EXPECT_THAT(TakeKinds(), ElementsAre(Kind::kReset));
  const Sequence again = Submit(Outcome::kAborted);
  kernel_.opcode.timestamp = 6;
  kernel_.opcode.engine_id = GAUDI_ENGINE_ID_TPC_7;
  kernel_.opcode.stream_id = MAX_QMAN_STREAMS_INFO;
  EXPECT_THAT(Wait(again), StatusIs(StatusCode::kAborted, HasSubstr("TPC7 in a body")));
}

TEST_F(WaitTest, AccessErrorsAreToldWithTheirAddress) {
  const Sequence lost = Submit(Outcome::kAborted);
  kernel_.razwi.timestamp = 9;
  kernel_.razwi.addr = 0xABC000;
  kernel_.razwi.engine_id_1 = GAUDI_ENGINE_ID_MME_2;
  kernel_.razwi.engine_id_2 = GAUDI_ENGINE_ID_NIC_1;
  kernel_.razwi.error_type = HL_RAZWI_PAGE_FAULT;
  EXPECT_THAT(Wait(lost), StatusIs(StatusCode::kAborted,
                                   HasSubstr("MME block 2 or NIC1: page fault at 0xabc000")));
  EXPECT_THAT(TakeKinds(), ElementsAre(Kind::kPageFault));
  EXPECT_OK(driver_->Reset());
  const Sequence other = Submit(Outcome::kAborted);
  kernel_.razwi.timestamp = 10;
  kernel_.razwi.no_engine_id = 1;
  kernel_.razwi.error_type = HL_RAZWI_MMU_ACCESS_ERROR;
  EXPECT_THAT(Wait(other), StatusIs(StatusCode::kAborted, HasSubstr("access error at 0xabc000")));
  EXPECT_THAT(TakeKinds(), ElementsAre(Kind::kReset, Kind::kRazwi));
}

TEST_F(WaitTest, EveryBitIsAnEvent) {
  const std::pair<uint64_t, Kind> bits[] = {
      {HL_NOTIFIER_EVENT_TPC_ASSERT, Kind::kTpcAssert},
      {HL_NOTIFIER_EVENT_UNDEFINED_OPCODE, Kind::kUndefinedOpcode},
      {HL_NOTIFIER_EVENT_DEVICE_RESET, Kind::kReset},
      {HL_NOTIFIER_EVENT_CS_TIMEOUT, Kind::kTimeout},
      {HL_NOTIFIER_EVENT_DEVICE_UNAVAILABLE, Kind::kUnavailable},
      {HL_NOTIFIER_EVENT_USER_ENGINE_ERR, Kind::kEngineError},
      {HL_NOTIFIER_EVENT_GENERAL_HW_ERR, Kind::kHardwareError},
      {kEventRazwi, Kind::kRazwi},
      {kEventPageFault, Kind::kPageFault},
      {kEventCriticalHardware, Kind::kHardwareError},
      {kEventCriticalFirmware, Kind::kHardwareError}};
  for (const auto& [bit, kind] : bits) {
    kernel_.events = bit;
    kernel_.announced = 1;
    EXPECT_THAT(TakeKinds(), ElementsAre(kind)) << bit;
  }
}

TEST_F(WaitTest, EventsAreAskedForWhenTheyAreAnnounced) {
  kernel_.events = HL_NOTIFIER_EVENT_TPC_ASSERT;
  EXPECT_THAT(TakeKinds(), IsEmpty());
  kernel_.announced = 3;
  EXPECT_THAT(TakeKinds(), ElementsAre(Kind::kTpcAssert));
  EXPECT_THAT(TakeKinds(), IsEmpty());
}

TEST_F(WaitTest, AnAnnouncedResetIsOneThatTheDeviceNeeds) {
  for (const uint64_t bit :
       {HL_NOTIFIER_EVENT_DEVICE_RESET, HL_NOTIFIER_EVENT_DEVICE_UNAVAILABLE}) {
    kernel_.events = bit;
    kernel_.announced = 1;
    EXPECT_EQ(TakeKinds().size(), 1u);
    EXPECT_THAT(driver_->Submit({&nop_, 1}), StatusIs(StatusCode::kFailedPrecondition));
    EXPECT_OK(driver_->Reset());
    TakeKinds();
  }
}

TEST_F(WaitTest, ThrottlingIsToldOnceEachTimeItBegins) {
  kernel_.throttle.clk_throttling_reason = HL_CLK_THROTTLE_THERMAL;
  EXPECT_THAT(TakeKinds(), ElementsAre(Kind::kThrottle));
  EXPECT_THAT(TakeKinds(), IsEmpty());
  kernel_.throttle.clk_throttling_reason |= HL_CLK_THROTTLE_POWER;
  EXPECT_THAT(TakeKinds(), ElementsAre(Kind::kThrottle));
  kernel_.throttle.clk_throttling_reason = 0;
  EXPECT_THAT(TakeKinds(), IsEmpty());
  kernel_.throttle.clk_throttling_reason = HL_CLK_THROTTLE_THERMAL;
  EXPECT_THAT(TakeKinds(), ElementsAre(Kind::kThrottle));
}

TEST(WaitOfAnOldCard, WhatHappenedBeforeIsNoNews) {
  FakeKernel kernel;
  kernel.razwi.timestamp = 3;
  kernel.opcode.timestamp = 4;
  kernel.timeout.timestamp = 5;
  ASSERT_OK_AND_ASSIGN(const auto driver, Driver::Open("habanalabs:0", kernel.MakeSyscalls()));
  kernel.announced = 1;
  EXPECT_TRUE(driver->TakeEvents().empty());
}

}  // namespace
}  // namespace openhpu::hal::habanalabs
