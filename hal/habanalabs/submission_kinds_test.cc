// Submissions that the kernel has and the seam does not, over a kernel in memory, of Gaudi and of
// Gaudi2.
#include "hal/habanalabs/submission_kinds.h"

#include <cerrno>
#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/habanalabs/driver.h"
#include "hal/habanalabs/fake_kernel.h"
#include "testing/status_matchers.h"

namespace openhpu::hal::habanalabs {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using Outcome = FakeKernel::Outcome;

class SubmissionKindsTest : public testing::TestWithParam<uint32_t> {
 protected:
  void SetUp() override {
    auto driver = Driver::Open("habanalabs:0,timeout=9", kernel_.MakeSyscalls());
    ASSERT_OK(driver);
    driver_ = *std::move(driver);
    const auto memory = driver_->CreateCommandMemory(8);
    ASSERT_OK(memory);
    const abi::gaudi::PacketNop nop;
    std::memcpy(memory->bytes.data(), &nop, sizeof nop);
    nop_ = {QueueId(1), memory->handle, sizeof nop};
  }
  absl::Status Poll(Sequence sequence) {
    return driver_->Wait({&sequence, 1}, WaitFor::kAll, absl::ZeroDuration());
  }

  FakeKernel kernel_{Api::kMisc, GetParam()};
  std::unique_ptr<Driver> driver_;
  Chunk nop_;
};

TEST_P(SubmissionKindsTest, OptionsAreFlagsOfTheSubmission) {
  SubmitOptions options;
  ASSERT_OK(driver_->SubmitWith({&nop_, 1}, options));
  EXPECT_EQ(kernel_.last_submission.cs_flags, uint32_t{HL_CS_FLAGS_CUSTOM_TIMEOUT});
  EXPECT_EQ(kernel_.last_submission.timeout, 9u);
  options = {3, true, true};
  ASSERT_OK(driver_->SubmitWith({&nop_, 1}, options));
  EXPECT_EQ(kernel_.last_submission.cs_flags,
            uint32_t{HL_CS_FLAGS_CUSTOM_TIMEOUT | HL_CS_FLAGS_TIMESTAMP |
                     HL_CS_FLAGS_SKIP_RESET_ON_TIMEOUT});
  EXPECT_EQ(kernel_.last_submission.timeout, 3u);
}

TEST_P(SubmissionKindsTest, ATimeoutThatItSurvivesLeavesTheDeviceWorking) {
  for (const bool says_errors : {true, false}) {
    kernel_.says_errors = says_errors;
    SubmitOptions options;
    options.survives_timeout = true;
    kernel_.outcome = Outcome::kTimedOut;
    ASSERT_OK_AND_ASSIGN(const Sequence lost, driver_->SubmitWith({&nop_, 1}, options));
    EXPECT_THAT(Poll(lost), StatusIs(StatusCode::kAborted, HasSubstr("timed out")));
    kernel_.outcome = Outcome::kDone;
    ASSERT_OK_AND_ASSIGN(const Sequence next, driver_->Submit({&nop_, 1}));
    EXPECT_OK(Poll(next));
    // One that was aborted by a reset is not to be survived.
    kernel_.outcome = Outcome::kAborted;
    ASSERT_OK_AND_ASSIGN(const Sequence aborted, driver_->SubmitWith({&nop_, 1}, options));
    EXPECT_THAT(Poll(aborted), StatusIs(StatusCode::kAborted));
    EXPECT_THAT(driver_->Submit({&nop_, 1}), StatusIs(StatusCode::kFailedPrecondition));
    EXPECT_OK(driver_->Reset());
  }
}

TEST_P(SubmissionKindsTest, TheTimeOfCompletionIsKnownAfterAWait) {
  SubmitOptions options;
  options.wants_time = true;
  kernel_.completion_time = 1234567;
  ASSERT_OK_AND_ASSIGN(const Sequence timed, driver_->SubmitWith({&nop_, 1}, options));
  ASSERT_OK_AND_ASSIGN(const Sequence plain, driver_->Submit({&nop_, 1}));
  EXPECT_THAT(driver_->CompletionTime(timed), StatusIs(StatusCode::kNotFound));
  EXPECT_OK(Poll(timed));
  EXPECT_OK(Poll(plain));
  EXPECT_THAT(driver_->CompletionTime(timed), IsOkAndHolds(1234567));
  EXPECT_THAT(driver_->CompletionTime(plain), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(driver_->CompletionTime(Sequence(1000)), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(driver_->CompletionTime(Sequence(0)), StatusIs(StatusCode::kNotFound));
  // By a wait for any of several, too.
  ASSERT_OK_AND_ASSIGN(const Sequence other, driver_->SubmitWith({&nop_, 1}, options));
  kernel_.completion_time = 7654321;
  const Sequence both[] = {other, Sequence(other.value() - 1)};
  kernel_.outcome = Outcome::kBusy;
  ASSERT_OK_AND_ASSIGN(const Sequence busy, driver_->Submit({&nop_, 1}));
  const Sequence any[] = {busy, other};
  EXPECT_OK(driver_->Wait(any, WaitFor::kAny, absl::InfiniteDuration()));
  EXPECT_OK(driver_->Wait(both, WaitFor::kAll, absl::InfiniteDuration()));
  EXPECT_THAT(driver_->CompletionTime(other), IsOkAndHolds(7654321));
}

TEST_P(SubmissionKindsTest, PartsNameTheFirstByTheKernelsNumber) {
  kernel_.skipped_numbers = 5;
  kernel_.outcome = Outcome::kBusy;
  ASSERT_OK_AND_ASSIGN(const Sequence first, driver_->SubmitFirst({&nop_, 1}));
  EXPECT_EQ(first, Sequence(1));
  constexpr uint32_t kTimeout = HL_CS_FLAGS_CUSTOM_TIMEOUT;
  EXPECT_EQ(kernel_.last_submission.cs_flags, uint32_t{kTimeout | HL_CS_FLAGS_STAGED_SUBMISSION |
                                                       HL_CS_FLAGS_STAGED_SUBMISSION_FIRST});
  EXPECT_THAT(driver_->SubmitNext(first, {&nop_, 1}, false), IsOkAndHolds(Sequence(2)));
  EXPECT_EQ(kernel_.last_submission.cs_flags, uint32_t{kTimeout | HL_CS_FLAGS_STAGED_SUBMISSION});
  EXPECT_EQ(kernel_.last_submission.seq, 6u);
  EXPECT_THAT(driver_->SubmitNext(first, {&nop_, 1}, true), IsOkAndHolds(Sequence(3)));
  EXPECT_EQ(kernel_.last_submission.cs_flags, uint32_t{kTimeout | HL_CS_FLAGS_STAGED_SUBMISSION |
                                                       HL_CS_FLAGS_STAGED_SUBMISSION_LAST});
  // What comes after it is plain again.
  ASSERT_OK(driver_->Submit({&nop_, 1}));
  EXPECT_EQ(kernel_.last_submission.cs_flags, kTimeout);
  EXPECT_EQ(kernel_.last_submission.seq, 0u);
}

TEST_P(SubmissionKindsTest, PartsOfNothingAreRefused) {
  ASSERT_OK_AND_ASSIGN(const Sequence plain, driver_->Submit({&nop_, 1}));
  EXPECT_THAT(driver_->SubmitNext(plain, {&nop_, 1}, true), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(driver_->SubmitNext(Sequence(77), {&nop_, 1}, true),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("no submission has number 77")));
  ASSERT_OK_AND_ASSIGN(const Sequence first, driver_->SubmitFirst({&nop_, 1}));
  EXPECT_THAT(driver_->SubmitNext(first, {}, true), StatusIs(StatusCode::kInvalidArgument));
  // The kernel has forgotten it; its number is another's now.
  EXPECT_OK(driver_->Reset());
  ASSERT_OK(driver_->SubmitFirst({&nop_, 1}));
  EXPECT_THAT(driver_->SubmitNext(first, {&nop_, 1}, true),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("too long ago")));
}

TEST_P(SubmissionKindsTest, PartsOfALostSubmissionAreLost) {
  kernel_.outcome = Outcome::kBusy;
  ASSERT_OK_AND_ASSIGN(const Sequence first, driver_->SubmitFirst({&nop_, 1}));
  EXPECT_OK(driver_->Reset());
  EXPECT_THAT(driver_->SubmitNext(first, {&nop_, 1}, true), StatusIs(StatusCode::kAborted));
}

TEST_P(SubmissionKindsTest, ASignalSaysWhichObjectItRaises) {
  ASSERT_OK_AND_ASSIGN(const Signal signal, driver_->SubmitSignal(QueueId(2)));
  EXPECT_EQ(signal.submission, Sequence(1));
  EXPECT_EQ(signal.sob_offset, 8u);
  EXPECT_EQ(signal.value_before, 1u);
  EXPECT_EQ(kernel_.last_submission.cs_flags,
            uint32_t{HL_CS_FLAGS_SIGNAL | HL_CS_FLAGS_CUSTOM_TIMEOUT});
  ASSERT_EQ(kernel_.last_chunks.size(), 1u);
  EXPECT_EQ(kernel_.last_chunks[0].queue_index, 2u);
  EXPECT_EQ(kernel_.last_chunks[0].cb_size, 0u);
  EXPECT_EQ(kernel_.last_chunks[0].cs_chunk_flags, 0u);
  EXPECT_OK(Poll(signal.submission));
}

TEST_P(SubmissionKindsTest, AWaitNamesItsSignalDoneOrNot) {
  kernel_.skipped_numbers = 3;
  ASSERT_OK_AND_ASSIGN(const Signal signal, driver_->SubmitSignal(QueueId(0)));
  EXPECT_THAT(driver_->SubmitWait(QueueId(4), signal.submission), IsOkAndHolds(Sequence(2)));
  EXPECT_EQ(kernel_.last_submission.cs_flags,
            uint32_t{HL_CS_FLAGS_WAIT | HL_CS_FLAGS_CUSTOM_TIMEOUT});
  EXPECT_EQ(kernel_.last_chunks[0].queue_index, 4u);
  EXPECT_EQ(kernel_.last_chunks[0].num_signal_seq_arr, 1u);
  EXPECT_OK(Poll(signal.submission));
  EXPECT_OK(driver_->SubmitWait(QueueId(4), signal.submission));
  // What is no signal the kernel refuses.
  ASSERT_OK_AND_ASSIGN(const Sequence plain, driver_->Submit({&nop_, 1}));
  EXPECT_THAT(driver_->SubmitWait(QueueId(4), plain),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("a wait of queue 4: EINVAL")));
  EXPECT_THAT(driver_->SubmitWait(QueueId(4), Sequence(99)),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST_P(SubmissionKindsTest, QueuesAreCheckedAndErrorsHaveTheirCodes) {
  EXPECT_THAT(driver_->SubmitSignal(QueueId(uint64_t{1} << 32)),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("no queue")));
  const std::pair<int, StatusCode> cases[] = {{EAGAIN, StatusCode::kResourceExhausted},
                                              {ENOMEM, StatusCode::kResourceExhausted},
                                              {EINVAL, StatusCode::kInvalidArgument},
                                              {EOPNOTSUPP, StatusCode::kUnimplemented}};
  for (const auto& [error, code] : cases) {
    kernel_.submit_errors = {-error};
    EXPECT_THAT(driver_->SubmitSignal(QueueId(0)), StatusIs(code)) << error;
  }
  kernel_.submit_errors = {-ENODEV};
  EXPECT_THAT(driver_->SubmitSignal(QueueId(0)), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(driver_->SubmitFirst({&nop_, 1}), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_OK(driver_->Reset());
  EXPECT_OK(driver_->SubmitSignal(QueueId(0)));
}

INSTANTIATE_TEST_SUITE_P(Cards, SubmissionKindsTest, testing::Values(kGaudiId, kGaudi2Id));

}  // namespace
}  // namespace openhpu::hal::habanalabs
