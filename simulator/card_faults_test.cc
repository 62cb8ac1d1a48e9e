// Faults by order at the seam: what the host is told, when, and what a reset makes of it.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulator/card_testing.h"
#include "simulator/fault.h"
#include "testing/collecting_trace.h"

namespace openhpu::simulator {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Event = hal::HealthEvent::Kind;

constexpr uint32_t kBytes = 16 << 20;  // more than 100 us

class CardFaultsTest : public ::testing::Test {
 protected:
  Picoseconds now() { return card_->statistics().now; }
  // `text` without its time, which is `nanoseconds` from now.
  absl::Status Order(const std::string& text, uint64_t nanoseconds) {
    const uint64_t at = (now().value() + 999) / 1000 + nanoseconds;
    const absl::StatusOr<InjectedFault> fault = ParseFault(text + "@" + std::to_string(at));
    return fault.ok() ? card_->Inject(*fault) : fault.status();
  }
  absl::StatusOr<Sequence> Start() { return card_.Submit({copy_}); }
  // How long a copy takes the host.
  uint64_t Work() {
    const Picoseconds begin = now();
    const absl::StatusOr<Sequence> sequence = Start();
    EXPECT_THAT(sequence, IsOk());
    if (sequence.ok()) {
      EXPECT_THAT(card_.Wait(*sequence), IsOk());
    }
    return (now() - begin).value();
  }
  std::vector<Event> Events(std::string* messages = nullptr) {
    std::vector<Event> kinds;
    for (const hal::HealthEvent& event : card_->TakeEvents()) {
      kinds.push_back(event.kind);
      if (messages != nullptr) *messages += event.message + "\n";
    }
    return kinds;
  }

  TestCard card_{"sim:gaudi,hazards=on"};
  const DeviceAddress from_ = card_.Allocate(kBytes), to_ = card_.Allocate(kBytes);
  const hal::Chunk copy_ = card_.External(abi::DmaQueue(0, 0), Packets().Copy(from_, to_, kBytes));
  const uint64_t undisturbed_ = Work();
};

TEST_F(CardFaultsTest, WhatIsOrderedIsChecked) {
  const auto error = [&](const std::string& text) {
    const absl::Status status = Order(text, 10);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << text;
    return std::string(status.message());
  };
  EXPECT_THAT(error("engine_hang:DMA9"), AllOf(HasSubstr("unit: "), HasSubstr("no DMA9")));
  EXPECT_THAT(error("engine_hang:SRAM"), HasSubstr("SRAM cannot have the fault engine_hang"));
  EXPECT_THAT(error("lost_completion:DMA2"), HasSubstr("DMA2 cannot have"));
  EXPECT_THAT(error("tpc_assert:DMA2"), HasSubstr("DMA2 cannot have"));
  EXPECT_THAT(error("page_fault:HBM:0x1000"), HasSubstr("HBM cannot have"));
  InjectedFault late;
  late.unit = "DMA2";
  late.at = now() - Picoseconds(1);
  EXPECT_THAT(std::string(card_->Inject(late).message()), HasSubstr("is past"));
  late.at = now();
  late.permille = 7;
  EXPECT_THAT(std::string(card_->Inject(late).message()), HasSubstr("permille: "));
  EXPECT_EQ(Work(), undisturbed_);
  EXPECT_THAT(card_->struck_faults(), IsEmpty());
}

TEST_F(CardFaultsTest, TheHostIsToldWhenTheFaultHasCome) {
  ASSERT_THAT(Order("page_fault:DMA0:0x20001234", 20000), IsOk());
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, Start());
  const absl::Status status = card_.Wait(sequence);
  EXPECT_THAT(status, StatusIs(StatusCode::kAborted, AllOf(HasSubstr("DMA0 stream 0 packet 0"),
                                                           HasSubstr("0x20001234"))));
  const std::vector<StruckFault> struck = card_->struck_faults();
  ASSERT_EQ(struck.size(), 1u);
  EXPECT_EQ(struck[0].when, struck[0].fault.at);
  EXPECT_EQ(now(), struck[0].when);
  EXPECT_THAT(Events(), ElementsAre(Event::kPageFault));
  EXPECT_THAT(Start(), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(card_->Reset(), IsOk());
  EXPECT_THAT(Events(), ElementsAre(Event::kReset));
  EXPECT_EQ(card_.Wait(sequence), status);
  EXPECT_EQ(Work(), undisturbed_);
}

TEST_F(CardFaultsTest, AFaultOfNobodyTakesAllThatIsInFlight) {
  for (const char* text : {"ecc_uncorrected:HBM:0x20000040", "hard_reset", "razwi:TPC3:0x1000"}) {
    ASSERT_THAT(Order(text, 20000), IsOk());
    ASSERT_OK_AND_ASSIGN(const Sequence one, Start());
    ASSERT_OK_AND_ASSIGN(const Sequence two, Start());
    EXPECT_THAT(card_.Wait(two), StatusIs(StatusCode::kAborted));
    EXPECT_THAT(card_.Wait(one, absl::ZeroDuration()), StatusIs(StatusCode::kAborted));
    EXPECT_THAT(card_->Reset(), IsOk());
    Events();
    EXPECT_EQ(Work(), undisturbed_) << text;
  }
}

TEST_F(CardFaultsTest, AHangIsCalledSo) {
  ASSERT_THAT(Order("engine_hang:DMA0", 0), IsOk());
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, Start());
  EXPECT_THAT(card_.Wait(sequence),
              StatusIs(StatusCode::kAborted, HasSubstr("DMA0: the command of DMA0 stream 0")));
  EXPECT_THAT(Events(), ElementsAre(Event::kHang));
  EXPECT_THAT(card_->Reset(), IsOk());
  EXPECT_EQ(Work(), undisturbed_);
}

TEST_F(CardFaultsTest, ALostCompletionIsATimeout) {
  ASSERT_THAT(Order("lost_completion:DMA0", 0), IsOk());
  ASSERT_OK_AND_ASSIGN(const Sequence lost, Start());
  // Only the one.
  Work();
  EXPECT_THAT(card_.Wait(lost), StatusIs(StatusCode::kAborted, HasSubstr("no completion of")));
  EXPECT_THAT(Events(), ElementsAre(Event::kTimeout));
  EXPECT_THAT(card_->Reset(), IsOk());
  EXPECT_EQ(Work(), undisturbed_);
}

TEST_F(CardFaultsTest, WhoLooksInVainNeedNotWaitForAFarFault) {
  constexpr uint64_t kFar = 1000000000000000;  // 11 days
  for (const absl::Duration patience : {absl::ZeroDuration(), absl::Nanoseconds(1)}) {
    ASSERT_THAT(Order("engine_hang:DMA0", 0), IsOk());
    ASSERT_THAT(Order("hard_reset", kFar), IsOk());
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, Start());
    absl::Status status = absl::DeadlineExceededError("");
    for (int i = 0; i < 100000 && absl::IsDeadlineExceeded(status); ++i) {
      status = card_.Wait(sequence, patience);
    }
    EXPECT_THAT(status, StatusIs(StatusCode::kAborted, HasSubstr("hang: ")));
    EXPECT_THAT(Events(), ElementsAre(Event::kHang));
    EXPECT_THAT(card_->Reset(), IsOk());
    Events();
    EXPECT_EQ(Work(), undisturbed_);
  }
  // Who waits without end sees it.
  ASSERT_THAT(Order("engine_hang:DMA0", 0), IsOk());
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, Start());
  EXPECT_THAT(card_.Wait(sequence), StatusIs(StatusCode::kAborted, HasSubstr("resets")));
}

TEST_F(CardFaultsTest, WhatStopsNothingIsAnEventWithoutAWait) {
  ASSERT_THAT(Order("ecc_corrected:SRAM:0x40", 10), IsOk());
  EXPECT_THAT(Events(), IsEmpty());
  EXPECT_EQ(Work(), undisturbed_);
  std::string messages;
  EXPECT_THAT(Events(&messages), ElementsAre(Event::kEcc));
  EXPECT_THAT(messages, HasSubstr("corrected ECC error in SRAM at 0x40"));
}

TEST_F(CardFaultsTest, AThrottleEndsByOrderOrReset) {
  ASSERT_THAT(Order("throttle:100", 0), IsOk());
  EXPECT_GT(Work(), undisturbed_);
  ASSERT_THAT(Order("throttle:1000", 0), IsOk());
  EXPECT_EQ(Work(), undisturbed_);
  EXPECT_THAT(Events(), ElementsAre(Event::kThrottle, Event::kThrottle));
  ASSERT_THAT(Order("throttle:100", 0), IsOk());
  EXPECT_GT(Work(), undisturbed_);
  EXPECT_THAT(card_->Reset(), IsOk());
  EXPECT_EQ(Work(), undisturbed_);
}

TEST_F(CardFaultsTest, AResetInFlightLosesWhatIsNotOver) {
  ASSERT_OK_AND_ASSIGN(const Sequence done, Start());
  ASSERT_OK_AND_ASSIGN(const Sequence later, Start());
  // The host knows nothing of the first, but it is over.
  EXPECT_THAT(card_.Wait(later, absl::Nanoseconds(undisturbed_ * 3 / 2 / 1000)),
              StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_THAT(card_->Reset(), IsOk());
  EXPECT_THAT(card_.Wait(done), IsOk());
  EXPECT_THAT(card_.Wait(later), StatusIs(StatusCode::kAborted, HasSubstr("reset")));
  EXPECT_EQ(Work(), undisturbed_);
}

TEST_F(CardFaultsTest, WhatHasNotComeStaysOrderedOverAReset) {
  ASSERT_THAT(Order("hard_reset", 20000), IsOk());
  ASSERT_THAT(Order("razwi:DMA0:0x1000", 60000), IsOk());
  ASSERT_OK_AND_ASSIGN(const Sequence one, Start());
  EXPECT_THAT(card_.Wait(one), StatusIs(StatusCode::kAborted, HasSubstr("resets")));
  EXPECT_THAT(card_->Reset(), IsOk());
  ASSERT_OK_AND_ASSIGN(const Sequence two, Start());
  EXPECT_THAT(card_.Wait(two), StatusIs(StatusCode::kAborted, HasSubstr("razwi")));
  EXPECT_THAT(card_->Reset(), IsOk());
  EXPECT_EQ(Work(), undisturbed_);
  EXPECT_EQ(card_->struck_faults().size(), 2u);
}

TEST_F(CardFaultsTest, TheTraceShowsFaultsAndResets) {
  CollectingSink trace;
  card_->SetTrace(&trace);
  ASSERT_THAT(Order("ecc_uncorrected:HBM:0x20000040", 20000), IsOk());
  ASSERT_OK_AND_ASSIGN(const Sequence one, Start());
  EXPECT_THAT(card_.Wait(one), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(card_->Reset(), IsOk());
  card_->SetTrace(nullptr);
  int faults = 0, resets = 0;
  for (const CollectingSink::Event& span : trace.events()) {
    faults += span.what == "ecc_uncorrected" && span.begin == card_->struck_faults()[0].when;
    resets += span.what == "Reset";
  }
  EXPECT_EQ(faults, 1);
  EXPECT_EQ(resets, 1);
}

TEST_F(CardFaultsTest, AFaultEndsAWaitThoughAnotherSubmissionEndsFirst) {
  ASSERT_THAT(Order("hard_reset", 100000), IsOk());
  ASSERT_OK_AND_ASSIGN(const Sequence stuck,
                       card_.Submit({card_.External(abi::DmaQueue(0, 1), Packets().Fence())}));
  ASSERT_OK_AND_ASSIGN(const Sequence quick,
                       card_.Submit({card_.External(abi::DmaQueue(1, 0), Packets().Nop())}));
  EXPECT_THAT(card_.Wait(stuck, absl::Milliseconds(1)),
              StatusIs(StatusCode::kAborted, HasSubstr("resets")));
  EXPECT_EQ(now(), card_->struck_faults()[0].when);
  EXPECT_THAT(card_.Wait(quick), IsOk());
}

TEST(CardFaultsSpecTest, ASpecOrdersFaults) {
  TestCard card("sim:tiny,fault=hard_reset@0,fault=ecc_corrected:HBM@1");
  EXPECT_THAT(card.Run({card.External(abi::DmaQueue(0, 0), Packets().Nop())}),
              StatusIs(StatusCode::kAborted));
  EXPECT_THAT(Simulator::Open("sim:tiny,fault=meteor@0"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("meteor")));
  EXPECT_THAT(Simulator::Open("sim:tiny,fault=engine_hang:TPC99@0"),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("fault=engine_hang:TPC99@0"), HasSubstr("no TPC99"))));
}

TEST(CardFaultsSpecTest, FunctionalModeHasFaultsWithoutTime) {
  TestCard card("sim:tiny,mode=functional,fault=engine_hang:DMA0@0");
  const DeviceAddress from = card.Allocate(128);
  const hal::Chunk copy = card.External(abi::DmaQueue(0, 0), Packets().Copy(from, from + 64, 64));
  EXPECT_THAT(card.Run({copy}), StatusIs(StatusCode::kAborted, HasSubstr("hang")));
  EXPECT_THAT(card->Reset(), IsOk());
  EXPECT_THAT(card.Run({copy}), IsOk());
  EXPECT_THAT(Simulator::Open("sim:tiny,mode=functional,fault=hard_reset@1"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("no time")));
}

}  // namespace
}  // namespace openhpu::simulator
