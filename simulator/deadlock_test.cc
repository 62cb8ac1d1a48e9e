// What can never go on is an error that names every queue, what it waits for, and who should serve
// it.
#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulator/card_testing.h"

namespace openhpu::simulator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class DeadlockTest : public ::testing::TestWithParam<const char*> {
 protected:
  void ExpectServesAfterReset() {
    const std::vector<hal::HealthEvent> events = card_->TakeEvents();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, hal::HealthEvent::Kind::kDeadlock);
    EXPECT_THAT(card_.Submit({card_.External(abi::DmaQueue(0, 0), Packets().Nop())}),
                StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(card_->Reset(), IsOk());
    EXPECT_THAT(card_.Run({card_.External(abi::DmaQueue(0, 0), Packets().Nop())}), IsOk());
  }

  TestCard card_{GetParam()};
};

TEST_P(DeadlockTest, AFenceThatNoMonitorServes) {
  EXPECT_THAT(
      card_.Run({card_.External(abi::DmaQueue(0, 2), Packets().Nop().Fence(3, 1, 1))}),
      StatusIs(absl::StatusCode::kAborted,
               AllOf(HasSubstr("DMA0 stream 2 packet 1 of submission 1"),
                     HasSubstr("FENCE 1 is 0, needs 3"), HasSubstr("no monitor serves it"))));
  ExpectServesAfterReset();
}

TEST_P(DeadlockTest, AMonitorThatWasNotArmed) {
  Packets packets;
  packets.Monitor(7, abi::DmaQmanBase(0), 0).Fence();
  EXPECT_THAT(card_.Run({card_.External(abi::DmaQueue(0, 0), packets)}),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("monitor 7 of E_N (not armed)")));
  ExpectServesAfterReset();
}

TEST_P(DeadlockTest, AWrongCount) {
  Packets packets, body, upper;
  packets.Await(17, 5, 9, abi::DmaQmanBase(1), 1);
  body.AddSob(17).AddSob(17).AddSob(17);
  upper.Body(card_.Upload(body.bytes()), static_cast<uint32_t>(body.bytes().size()));
  EXPECT_THAT(card_.Run({card_.Internal(abi::TpcQueue(0, 0), upper),
                         card_.External(abi::DmaQueue(1, 1), packets)}),
              StatusIs(absl::StatusCode::kAborted,
                       AllOf(HasSubstr("DMA1 stream 1"), HasSubstr("FENCE 0 is 0, needs 1"),
                             HasSubstr("monitor 9 of E_N (armed) waits for SOB 17 >= 5 (is 3)"))));
  ExpectServesAfterReset();
}

TEST_P(DeadlockTest, AFenceInABodyThatKeepsTheLowerProcessorFromTheStreamThatWouldServeIt) {
  Packets fence_body, signal_body, first, second, wait;
  fence_body.Await(8, 1, 3, abi::DmaQmanBase(2), 4);
  signal_body.AddSob(8).AddSob(16);
  first.Body(card_.Upload(fence_body.bytes()), static_cast<uint32_t>(fence_body.bytes().size()));
  second.Body(card_.Upload(signal_body.bytes()), static_cast<uint32_t>(signal_body.bytes().size()));
  wait.Await(16, 1, 0, abi::DmaQmanBase(0), 0);
  EXPECT_THAT(
      card_.Run({card_.Internal(abi::DmaQueue(2, 0), first),
                 card_.Internal(abi::DmaQueue(2, 1), second),
                 card_.External(abi::DmaQueue(0, 0), wait)}),
      StatusIs(absl::StatusCode::kAborted,
               AllOf(HasSubstr("DMA2 stream 0 body packet 4"), HasSubstr("SOB 8 >= 1 (is 0)"),
                     HasSubstr("DMA2 stream 1 packet 0"), HasSubstr("another stream holds"),
                     HasSubstr("DMA0 stream 0"), HasSubstr("SOB 16 >= 1 (is 0)"))));
  ExpectServesAfterReset();
}

TEST_P(DeadlockTest, EndsASpinLoopOfPollsToo) {
  ASSERT_OK_AND_ASSIGN(const Sequence s,
                       card_.Submit({card_.External(abi::DmaQueue(0, 0), Packets().Fence())}));
  absl::Status status = absl::DeadlineExceededError("");
  int polls = 0;
  for (; polls < 100000 && status.code() == absl::StatusCode::kDeadlineExceeded; ++polls) {
    status = card_.Wait(s, absl::ZeroDuration());
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted, HasSubstr("FENCE 0")));
  ExpectServesAfterReset();
}

TEST_P(DeadlockTest, IsNotWhatALaterSubmissionServes) {
  Packets wait, signal;
  wait.Await(8, 1, 0, abi::DmaQmanBase(0), 0).Sob(8, 0);
  signal.AddSob(8);
  ASSERT_OK_AND_ASSIGN(const Sequence first,
                       card_.Submit({card_.External(abi::DmaQueue(0, 0), wait)}));
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(card_.Wait(first, absl::ZeroDuration()),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  ASSERT_THAT(card_.Submit({card_.External(abi::DmaQueue(0, 1), signal)}), IsOk());
  EXPECT_THAT(card_.Wait(first), IsOk());
}

TEST_P(DeadlockTest, MonitorsThatSetOffEachOtherEnd) {
  namespace sm = abi::sync_manager;
  const uint64_t base = abi::SyncManagerObjsBase(abi::kEastNorth);
  Packets packets;
  // It arms itself.
  const uint64_t arm = base + sm::MON_ARM::At(4);
  packets.MessageLong(base + sm::MON_PAY_ADDRL::At(4), static_cast<uint32_t>(arm))
      .MessageLong(base + sm::MON_PAY_ADDRH::At(4), static_cast<uint32_t>(arm >> 32))
      .MessageLong(base + sm::MON_PAY_DATA::At(4), sm::ArmAtLeast(8, 0))
      .MessageLong(arm, sm::ArmAtLeast(8, 0))
      .Fence();
  EXPECT_THAT(card_.Run({card_.External(abi::DmaQueue(0, 0), packets)}),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("without end")));
  EXPECT_THAT(card_->Reset(), IsOk());
  EXPECT_THAT(card_.Run({card_.External(abi::DmaQueue(0, 0), Packets().Nop())}), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Modes, DeadlockTest,
                         ::testing::Values("sim:tiny", "sim:tiny,mode=functional",
                                           "sim:tiny,hazards=on"));

}  // namespace
}  // namespace openhpu::simulator
