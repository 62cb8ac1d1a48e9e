// Scenarios in which something goes wrong.
#include "simulator/scenario/faults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "simulator/scenario/judge.h"
#include "simulator/scenario/scenario.h"
#include "testing/collecting_trace.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kChain[] =
    "name: \"chain\"\n"
    "chip: \"tiny\"\n"
    "element_wise { elements: 65536 length: 2 }\n"
    "repeats: 4\n";

std::string ErrorOf(const std::string& more) {
  return std::string(ParseScenario(kChain + more, "file.textproto").status().message());
}

Report RunIt(const std::string& more, TraceSink* trace = nullptr) {
  const absl::StatusOr<Scenario> scenario = ParseScenario(kChain + more, "x");
  EXPECT_OK(scenario);
  absl::StatusOr<Report> report = RunScenario(*scenario, ".", trace);
  EXPECT_OK(report);
  return report.ok() ? *std::move(report) : Report();
}

TEST(ScenarioFaultsTest, AWrongFaultNamesLineAndField) {
  EXPECT_THAT(ErrorOf("faults {\n  engine: \"DMA2\"\n}"),
              HasSubstr("file.textproto:5: faults[0].kind: "));
  EXPECT_THAT(ErrorOf("faults {\n  kind: ENGINE_HANG\n}"),
              HasSubstr("file.textproto:5: faults[0].engine: "));
  EXPECT_THAT(ErrorOf("faults { kind: HARD_RESET }\nfaults {\n  kind: HARD_RESET\n"
                      "  engine: \"DMA2\"\n}"),
              HasSubstr("file.textproto:8: faults[1].engine: "));
  EXPECT_THAT(ErrorOf("faults {\n kind: THROTTLE\n permille: 1001\n}"),
              HasSubstr("file.textproto:7: faults[0].permille: "));
  EXPECT_THAT(ErrorOf("faults {\n kind: TPC_ASSERT engine: \"TPC0\"\n address: 4\n}"),
              HasSubstr("file.textproto:7: faults[0].address: "));
  EXPECT_THAT(ErrorOf("faults { kind: HARD_RESET\n at_ns: 18446744073709551615 }"),
              HasSubstr("file.textproto:6: faults[0].at_ns: "));
  EXPECT_THAT(ErrorOf("faults: [{kind: HARD_RESET}, {at_ns: 1}]"),
              HasSubstr("file.textproto:5: faults[1].kind: "));
  EXPECT_THAT(ErrorOf("faults { kind: 77 }"), HasSubstr("file.textproto:5"));
  EXPECT_THAT(ErrorOf("faults { kind: METEOR }"), HasSubstr("file.textproto:5:"));
  EXPECT_THAT(ErrorOf("reset_after_fault: true"), HasSubstr("reset_after_fault: "));
  EXPECT_THAT(ErrorOf("expect { metric: RECOVERED at_least: 1 }"), HasSubstr("needs faults"));
}

TEST(ScenarioFaultsTest, AnEngineThatTheChipLacksIsNamed) {
  const absl::StatusOr<Scenario> scenario =
      ParseScenario(std::string(kChain) + "faults { kind: ENGINE_HANG engine: \"TPC99\" }", "x");
  ASSERT_OK(scenario);
  EXPECT_THAT(RunScenario(*scenario, ".", nullptr),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("faults[0].engine"), HasSubstr("TPC99"))));
}

TEST(ScenarioFaultsTest, ALostRepeatEndsInAResetAndTheNextIsAsEver) {
  const Report well = RunIt("");
  const Picoseconds usual = well.latencies.back();
  for (const std::string fault :
       {"kind: ENGINE_HANG engine: \"TPC0\" at_ns: 10", "kind: HARD_RESET at_ns: 10000",
        "kind: ECC_UNCORRECTED engine: \"HBM\" at_ns: 10000",
        "kind: RAZWI engine: \"TPC0\" address: 16 at_ns: 10000",
        "kind: TPC_ASSERT engine: \"TPC0\" at_ns: 10000",
        "kind: PAGE_FAULT engine: \"DMA0\" address: 16 at_ns: 10000"}) {
    SCOPED_TRACE(fault);
    const Report report = RunIt("faults { " + fault + " } reset_after_fault: true");
    ASSERT_EQ(report.lost.size(), 1u);
    EXPECT_EQ(report.lost[0].repeat, 0u);
    EXPECT_FALSE(report.lost[0].why.empty());
    ASSERT_EQ(report.faults.size(), 1u);
    EXPECT_TRUE(report.faults[0].came);
    EXPECT_EQ(report.faults[0].when, report.faults[0].fault.at);
    EXPECT_GE(report.lost[0].when, report.faults[0].when);
    EXPECT_EQ(report.resets, 1u);
    EXPECT_GT(report.recovering, Picoseconds(0));
    EXPECT_TRUE(report.recovered && report.passed) << ToText(report);
    ASSERT_EQ(report.latencies.size(), 3u);
    for (const Picoseconds latency : report.latencies) EXPECT_EQ(latency, usual);
    EXPECT_THAT(report.events, Contains(HasSubstr("reset: ")));
    EXPECT_THAT(ToText(report),
                AllOf(HasSubstr("came at"), HasSubstr("lost    repeat 0"),
                      HasSubstr("1 repeats lost, 1 resets"), Not(HasSubstr("NOT RECOVERED"))));
  }
}

TEST(ScenarioFaultsTest, WithoutAResetTheRunEndsAndFails) {
  const std::string fault = "faults { kind: ECC_UNCORRECTED engine: \"SRAM\" at_ns: 10000 }";
  const Report report = RunIt(fault);
  EXPECT_FALSE(report.recovered);
  EXPECT_FALSE(report.passed);
  EXPECT_EQ(report.resets, 0u);
  EXPECT_EQ(report.lost.size(), 1u);
  EXPECT_THAT(report.latencies, IsEmpty());
  EXPECT_THAT(ToText(report), AllOf(HasSubstr("NOT RECOVERED"), HasSubstr("FAILED  RECOVERED")));
  EXPECT_THAT(ToJson(report), HasSubstr("\"recovered\":false"));
  // Unless it is what the scenario is about.
  EXPECT_TRUE(RunIt(fault + " expect { metric: RECOVERED at_most: 0 }").passed);
  // Of what was not measured nothing holds.
  EXPECT_FALSE(RunIt(fault + " expect { metric: RECOVERED at_most: 0 } "
                             "expect { metric: LATENCY_US at_most: 1 }")
                   .passed);
}

TEST(ScenarioFaultsTest, AFaultWhileTheWorkIsLoadedAgainIsOneMoreReset) {
  const Report first = RunIt("faults { kind: HARD_RESET at_ns: 10000 } reset_after_fault: true");
  ASSERT_GT(first.recovering, Picoseconds(2000000));
  const Report report = RunIt(
      "faults { kind: HARD_RESET at_ns: 10000 } faults { kind: HARD_RESET at_ns: 11000 } "
      "reset_after_fault: true");
  EXPECT_EQ(report.resets, 2u);
  EXPECT_EQ(report.lost.size(), 1u);
  EXPECT_TRUE(report.recovered);
  EXPECT_GT(report.recovering, first.recovering);
}

// What the host hears of a microsecond after the device has ended it.
constexpr uint64_t kPicosecondsBeforeItIsKnown = 500000;

std::string At(const std::string& fault, Picoseconds when) {
  return absl::StrCat("faults { kind: ", fault, " at_ns: ", when.value() / 1000, " } ");
}

TEST(ScenarioFaultsTest, AFaultBetweenTheLastEndAndTheHostsKnowingOfItFailsNoRepeat) {
  const Report well = RunIt("");
  const Picoseconds when = well.total - Picoseconds(kPicosecondsBeforeItIsKnown);
  const struct {
    const char* fault;
    const char* event;
  } kFaults[] = {{"HARD_RESET", "reset: somebody"},
                 {"ECC_UNCORRECTED engine: \"HBM\"", "ECC: uncorrected"},
                 {"PAGE_FAULT engine: \"TPC0\" address: 16", "page fault: "},
                 // These show when there is work again.
                 {"ENGINE_HANG engine: \"TPC0\"", "hang: "},
                 {"LOST_COMPLETION engine: \"DMA0\"", "timeout: "}};
  for (const auto& [fault, event] : kFaults) {
    for (const bool reset : {false, true}) {
      SCOPED_TRACE(absl::StrCat(fault, reset ? ", reset" : ""));
      CollectingSink trace;
      const Report report =
          RunIt(At(fault, when) + (reset ? "reset_after_fault: true" : ""), &trace);
      EXPECT_THAT(report.lost, IsEmpty());
      EXPECT_EQ(report.latencies, well.latencies);
      EXPECT_EQ(report.total, well.total);
      ASSERT_EQ(report.faults.size(), 1u);
      EXPECT_TRUE(report.faults[0].came);
      EXPECT_EQ(report.faults[0].when.value() / 1000, when.value() / 1000);
      EXPECT_THAT(report.events, Contains(::testing::StartsWith(event)));
      // The device is left as the scenario would have left it in the middle.
      EXPECT_EQ(report.resets, reset ? 1u : 0u);
      EXPECT_EQ(report.recovering > Picoseconds(0), reset);
      EXPECT_EQ(report.recovered, reset);
      EXPECT_EQ(report.passed, reset) << ToText(report);
      EXPECT_THAT(trace.Lines(), Contains(HasSubstr("fault/")));
      const auto is_reset = Contains(HasSubstr("host/thread 0 Reset"));
      EXPECT_EQ(::testing::Value(trace.Lines(), is_reset), reset);
    }
    EXPECT_TRUE(RunIt(At(fault, when) + "expect { metric: RECOVERED at_most: 0 }").passed) << fault;
  }
}

TEST(ScenarioFaultsTest, AFaultBetweenAnEndAndTheHostsKnowingOfItFailsTheNextRepeat) {
  const Report well = RunIt("");
  const Picoseconds when = well.latencies[0] - Picoseconds(kPicosecondsBeforeItIsKnown);
  for (const char* fault : {"HARD_RESET", "ENGINE_HANG engine: \"TPC0\""}) {
    SCOPED_TRACE(fault);
    const Report report = RunIt(At(fault, when) + "reset_after_fault: true");
    ASSERT_EQ(report.lost.size(), 1u);
    EXPECT_EQ(report.lost[0].repeat, 1u);
    EXPECT_EQ(report.resets, 1u);
    EXPECT_TRUE(report.recovered && report.passed);
    ASSERT_EQ(report.latencies.size(), 3u);
    for (const Picoseconds latency : report.latencies) EXPECT_EQ(latency, well.latencies.back());
  }
}

TEST(ScenarioFaultsTest, AFaultBehindTheLastEndThatHurtsNothingLeavesTheDeviceWell) {
  const Report well = RunIt("");
  const Picoseconds when = well.total - Picoseconds(kPicosecondsBeforeItIsKnown);
  for (const char* fault : {"LOST_COMPLETION engine: \"DMA1\"", "ENGINE_HANG engine: \"DMA1\"",
                            "ECC_CORRECTED engine: \"HBM\"", "THROTTLE permille: 500"}) {
    SCOPED_TRACE(fault);
    const Report report = RunIt(At(fault, when) + "reset_after_fault: true");
    ASSERT_EQ(report.faults.size(), 1u);
    EXPECT_TRUE(report.faults[0].came);
    EXPECT_EQ(report.latencies, well.latencies);
    EXPECT_EQ(report.resets, 0u);
    EXPECT_TRUE(report.recovered && report.passed) << ToText(report);
  }
}

TEST(ScenarioFaultsTest, WhatComesWhileTheWorkIsTriedOnceMoreIsToldOf) {
  const Report well = RunIt("");
  // The first one hurts nothing, which shows when the work is tried; then the second one comes.
  const Report report = RunIt(At("LOST_COMPLETION engine: \"DMA1\"", Picoseconds(0)) +
                              At("HARD_RESET", well.total + Picoseconds(5000000)));
  EXPECT_THAT(report.lost, IsEmpty());
  EXPECT_EQ(report.latencies, well.latencies);
  EXPECT_FALSE(report.recovered);
  ASSERT_EQ(report.faults.size(), 2u);
  EXPECT_TRUE(report.faults[1].came) << "or else the device would be well";
  EXPECT_THAT(report.events, Contains(HasSubstr("somebody resets")));
}

TEST(ScenarioFaultsTest, WhatIsLateHasNotCome) {
  const Report report = RunIt("faults { kind: HARD_RESET at_ns: 1000000000000000 }");
  ASSERT_EQ(report.faults.size(), 1u);
  EXPECT_FALSE(report.faults[0].came);
  EXPECT_TRUE(report.passed);
  EXPECT_EQ(report.latencies.size(), 4u);
  EXPECT_THAT(ToText(report), HasSubstr("has not come"));
}

TEST(ScenarioFaultsTest, WhatNoFaultOfTheScenarioExplainsIsAnError) {
  // The chip's own spec breaks it, some time in the repeats.
  for (const char* fault : {"ECC_UNCORRECTED engine: \"HBM\" at_ns: 1000000000000000",
                            "ECC_CORRECTED engine: \"HBM\" at_ns: 0"}) {
    const absl::StatusOr<Scenario> scenario = ParseScenario(
        absl::StrCat("name: \"x\" chip: \"tiny,fault=hard_reset@3000000\" reset_after_fault: true "
                     "repeats: 1000 copy { bytes: 65536 direction: DEVICE_TO_HOST } "
                     "faults { kind: ",
                     fault, " }"),
        "x");
    ASSERT_OK(scenario);
    EXPECT_THAT(RunScenario(*scenario, ".", nullptr), StatusIs(absl::StatusCode::kAborted))
        << fault;
  }
}

TEST(ScenarioFaultsTest, ThrottlingLastsUntilItsEnd) {
  const Report well = RunIt("");
  const Report report = RunIt(
      "faults { kind: THROTTLE permille: 10 at_ns: 0 } "
      "faults { kind: THROTTLE permille: 1000 at_ns: 20000 } ");
  EXPECT_THAT(report.lost, IsEmpty());
  EXPECT_GT(report.latencies.front(), well.latencies.front());
  EXPECT_EQ(report.latencies.back(), well.latencies.back());
  EXPECT_THAT(report.events, ::testing::SizeIs(2));
}

TEST(ScenarioFaultsTest, RunsAreIdenticalAndTheTraceShowsTheFault) {
  const std::string more =
      "faults { kind: ENGINE_HANG engine: \"TPC0\" at_ns: 5000 } "
      "faults { kind: RAZWI engine: \"DMA2\" address: 4096 at_ns: 200000 } "
      "reset_after_fault: true";
  CollectingSink a, b;
  const Report one = RunIt(more, &a), two = RunIt(more, &b);
  EXPECT_EQ(ToJson(one), ToJson(two));
  EXPECT_EQ(ToText(one), ToText(two));
  EXPECT_EQ(a.Lines(), b.Lines());
  EXPECT_THAT(a.Lines(), Contains(HasSubstr("fault/TPC0 engine_hang")));
  EXPECT_THAT(a.Lines(), Contains(HasSubstr("Reset")));
}

}  // namespace
}  // namespace openhpu::simulator
