// Faults by order, and what becomes of them.
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulator/machine_testing.h"

namespace openhpu::simulator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = InjectedFault::Kind;
using Event = hal::HealthEvent::Kind;

constexpr uint32_t kBytes = 1 << 16;

class FaultInjectionTest : public ::testing::Test {
 protected:
  InjectedFault Fault(Kind kind, const std::string& unit, uint64_t nanoseconds = 0) {
    InjectedFault fault;
    fault.kind = kind;
    fault.unit = unit;
    const bool anywhere = kind != Kind::kEngineHang && kind != Kind::kLostCompletion &&
                          kind != Kind::kTpcAssert && kind != Kind::kThrottle;
    fault.address = anywhere ? 0x20001234 : 0;
    fault.at = Picoseconds(1000 * nanoseconds);
    return fault;
  }
  // Three copies of DMA 2, counted in object 8; returns when it was done.
  Picoseconds Work() {
    Packets packets;
    for (int i = 0; i < 3; ++i) packets.Copy(from_, to_, kBytes);
    packets.AddSob(8, 1, abi::Ctl::ENG_BARRIER::kMask);
    machine_.Start(abi::DmaQueue(2, 0), packets);
    machine_.Run();
    return machine_.now();
  }
  Event kind() { return (*machine_).environment().faults.fault().kind; }
  uint64_t culprit() { return (*machine_).environment().faults.fault().submission; }
  std::vector<hal::HealthEvent> Reports() {
    const SimulationContext::Door door((*machine_).context());
    return (*machine_).TakeReports();
  }
  void ExpectHealthyAfterReset() {
    machine_.Reset();
    EXPECT_EQ(machine_.error(), "");
    Work();
    EXPECT_EQ(machine_.error(), "");
    EXPECT_EQ(machine_.Sob(8), 1u);
    machine_.Start(abi::DmaQueue(0, 0), Packets().Copy(from_, to_, kBytes));
    const size_t before = machine_.completed().size();
    machine_.Run();
    EXPECT_EQ(machine_.completed().size(), before + 1);
    EXPECT_EQ(machine_.Stuck(), "");
  }

  TestMachine machine_{"sim:gaudi"};
  const DeviceAddress from_ = machine_.Allocate(kBytes), to_ = machine_.Allocate(kBytes);
};

TEST_F(FaultInjectionTest, AHangingEngineKeepsItsCommandForEver) {
  ASSERT_THAT(machine_.Inject(Fault(Kind::kEngineHang, "DMA2")), IsOk());
  Work();
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(8), 0u);
  EXPECT_TRUE(machine_.Busy()[2]);
  EXPECT_THAT(machine_.Stuck(), HasSubstr("DMA2: the command of DMA2 stream 0 packet 0"));
  // Others go on.
  machine_.Start(abi::DmaQueue(3, 0), Packets().Copy(from_, to_, kBytes).AddSob(9));
  machine_.Run();
  EXPECT_EQ(machine_.Sob(9), 1u);
  EXPECT_FALSE(machine_.Busy()[3]);
  ExpectHealthyAfterReset();
}

TEST_F(FaultInjectionTest, ALostCompletionIsOfOneJob) {
  ASSERT_THAT(machine_.Inject(Fault(Kind::kLostCompletion, "DMA0")), IsOk());
  for (int i = 0; i < 3; ++i) {
    machine_.Start(abi::DmaQueue(0, 0), Packets().Copy(from_, to_, kBytes));
  }
  machine_.Run();
  EXPECT_THAT(machine_.completed(), ElementsAre(2, 3));
  EXPECT_THAT(machine_.Stuck(), HasSubstr("DMA0: no completion of submission 1"));
  ExpectHealthyAfterReset();
}

TEST_F(FaultInjectionTest, ACorrectedErrorIsAnEventAndNothingElse) {
  const Picoseconds begin = Work();
  const Picoseconds undisturbed = Work() - begin;
  const uint64_t now = machine_.now().value() / 1000;
  ASSERT_THAT(machine_.Inject(Fault(Kind::kEccCorrected, "HBM", now + 100)), IsOk());
  ASSERT_THAT(machine_.Inject(Fault(Kind::kEccCorrected, "SRAM", now + 50)), IsOk());
  EXPECT_EQ(Work() - begin, undisturbed + undisturbed);
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(8), 3u);
  const std::vector<hal::HealthEvent> reports = Reports();
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(reports[0].kind, Event::kEcc);
  EXPECT_THAT(reports[0].message, AllOf(HasSubstr("corrected"), HasSubstr("SRAM at 0x20001234")));
  EXPECT_THAT(reports[1].message, HasSubstr("HBM"));
  EXPECT_THAT(Reports(), IsEmpty());
}

TEST_F(FaultInjectionTest, WhatStopsTheMachineNamesTheWorkOfItsUnit) {
  const struct {
    Kind kind;
    const char* unit;
    Event event;
    const char* text;
  } kCases[] = {{Kind::kEccUncorrected, "DMA2", Event::kEcc, "uncorrected ECC error in DMA2"},
                {Kind::kPageFault, "DMA2", Event::kPageFault, "page fault of DMA2 at 0x20001234"},
                {Kind::kRazwi, "DMA2", Event::kRazwi, "razwi of DMA2 at 0x20001234"}};
  constexpr uint64_t kAfter = 1000;
  for (const auto& c : kCases) {
    const uint64_t now = machine_.now().value() / 1000;
    const uint32_t before = machine_.Sob(8);
    ASSERT_THAT(machine_.Inject(Fault(c.kind, c.unit, now + kAfter)), IsOk());
    Work();
    EXPECT_EQ(kind(), c.event);
    EXPECT_THAT(machine_.error(), AllOf(HasSubstr("DMA2 stream 0 packet"), HasSubstr(c.text)));
    EXPECT_NE(culprit(), 0u);
    EXPECT_EQ(machine_.Sob(8), before);
    // When it was to be, and what comes after does not come.
    EXPECT_EQ(machine_.now().value() / 1000, now + kAfter);
    ExpectHealthyAfterReset();
  }
}

TEST_F(FaultInjectionTest, WhatStopsTheMachineIsNobodysWhenTheUnitIsIdle) {
  ASSERT_THAT(machine_.Inject(Fault(Kind::kEccUncorrected, "SRAM", 1000)), IsOk());
  Work();
  EXPECT_EQ(machine_.error(), "uncorrected ECC error in SRAM at 0x20001234");
  EXPECT_EQ(culprit(), 0u);
  ExpectHealthyAfterReset();
  ASSERT_THAT(machine_.Inject(Fault(Kind::kTpcAssert, "TPC3")), IsOk());
  machine_.Run();
  EXPECT_EQ(kind(), Event::kTpcAssert);
  EXPECT_THAT(machine_.error(), HasSubstr("TPC3 failed an assertion"));
  ExpectHealthyAfterReset();
}

TEST_F(FaultInjectionTest, AThrottledClockSlowsWhatComesAfterIt) {
  const auto cost = [&] {
    const Picoseconds begin = machine_.now();
    return (Work() - begin).value();
  };
  const uint64_t full = cost();
  EXPECT_EQ(cost(), full);
  InjectedFault throttle = Fault(Kind::kThrottle, "", machine_.now().value() / 1000);
  throttle.permille = 250;
  ASSERT_THAT(machine_.Inject(throttle), IsOk());
  const uint64_t slow = cost();
  EXPECT_GT(slow, full + 3 * full / 100);
  EXPECT_EQ(cost(), slow);
  ASSERT_EQ(Reports().size(), 1u);
  machine_.Reset();
  EXPECT_EQ(cost(), full);
}

TEST_F(FaultInjectionTest, AResetTakesBackWhatHasNotComeYet) {
  ASSERT_THAT(machine_.Inject(Fault(Kind::kEccUncorrected, "HBM", 1000000)), IsOk());
  machine_.Reset();
  machine_.RunFor(2000000);
  EXPECT_EQ(machine_.error(), "");
}

TEST_F(FaultInjectionTest, FaultsThatAUnitCannotHaveAreRefused) {
  const auto refused = [&](Kind kind, const std::string& unit) {
    EXPECT_THAT(machine_.Inject(Fault(kind, unit)), StatusIs(absl::StatusCode::kInvalidArgument));
  };
  refused(Kind::kEngineHang, "DMA9");
  refused(Kind::kEngineHang, "SRAM");
  refused(Kind::kLostCompletion, "DMA2");
  refused(Kind::kTpcAssert, "DMA2");
  refused(Kind::kThrottle, "");  // no clock at all
  refused(Kind::kPageFault, "HBM");
}

TEST(FaultInjectionFunctionalTest, AnEngineHangsWithoutTimeToo) {
  TestMachine machine("sim:gaudi,mode=functional");
  InjectedFault fault;
  fault.unit = "DMA2";
  ASSERT_THAT(machine.Inject(fault), IsOk());
  machine.Run();
  const DeviceAddress from = machine.Allocate(64);
  machine.Start(abi::DmaQueue(2, 0),
                Packets().Copy(from, from + 64, 64).AddSob(8, 1, abi::Ctl::ENG_BARRIER::kMask));
  machine.Run();
  EXPECT_EQ(machine.Sob(8), 0u);
  machine.Reset();
  machine.Start(abi::DmaQueue(2, 0), Packets().Copy(from, from + 64, 64).AddSob(8));
  machine.Run();
  EXPECT_EQ(machine.Sob(8), 1u);
}

}  // namespace
}  // namespace openhpu::simulator
