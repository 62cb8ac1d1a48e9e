#include "simulator/scenario/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "simulator/scenario/judge.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {
namespace {

using ::testing::HasSubstr;

constexpr char kGemm[] = R"pb(
  name: "small"
  chip: "tiny"
  gemm { m: 64 n: 64 k: 64 }
)pb";

std::string ErrorOf(const std::string& text) {
  return std::string(ParseScenario(text, "file.textproto").status().message());
}

TEST(ScenarioTest, ASyntaxErrorNamesLineAndColumn) {
  EXPECT_THAT(ErrorOf("name: \"x\"\nchip: \"tiny\"\ngemm { m: 1 n: 2 q: 3 }\n"),
              HasSubstr("file.textproto:3:"));
  EXPECT_THAT(ErrorOf("name: \"x\"\nchip: \"tiny\"\ngemm { m: 1 n: 2 q: 3 }\n"), HasSubstr("q"));
}

TEST(ScenarioTest, AMissingFieldIsNamed) {
  EXPECT_THAT(ErrorOf("chip: \"tiny\" gemm { m: 1 n: 1 k: 1 }"), HasSubstr("name"));
  EXPECT_THAT(ErrorOf("name: \"x\" gemm { m: 1 n: 1 k: 1 }"), HasSubstr("chip"));
  EXPECT_THAT(ErrorOf("name: \"x\" chip: \"tiny\""), HasSubstr("workload"));
  EXPECT_THAT(ErrorOf("name: \"x\" chip: \"tiny\" gemm { m: 1 n: 1 }"), HasSubstr("gemm"));
  EXPECT_THAT(ErrorOf(std::string(kGemm) + "expect { metric: LATENCY_US }"),
              HasSubstr("expect[0]"));
  EXPECT_THAT(ErrorOf(std::string(kGemm) + "expect { metric: BYTES at_most: 1 }"),
              HasSubstr("engine"));
}

TEST(ScenarioTest, AnUnknownChipOrOverrideIsNamed) {
  Scenario scenario = *ParseScenario(kGemm, "x");
  scenario.set_chip("nochip");
  EXPECT_THAT(std::string(RunScenario(scenario, ".", nullptr).status().message()),
              HasSubstr("nochip"));
  scenario = *ParseScenario(kGemm, "x");
  auto* o = scenario.add_overrides();
  o->set_path("tpc.no_such_number");
  o->set_value(1);
  EXPECT_THAT(std::string(RunScenario(scenario, ".", nullptr).status().message()),
              HasSubstr("no_such_number"));
}

TEST(ScenarioTest, ExpectationsDecideTheVerdict) {
  Scenario scenario = *ParseScenario(std::string(kGemm) +
                                         "expect { metric: LATENCY_US at_most: 0.001 } expect { "
                                         "metric: COMMANDS engine: \"MME0\" at_least: 1 }",
                                     "x");
  ASSERT_OK_AND_ASSIGN(const Report report, RunScenario(scenario, ".", nullptr));
  EXPECT_FALSE(report.passed);
  ASSERT_EQ(report.verdicts.size(), 2u);
  EXPECT_FALSE(report.verdicts[0].holds);
  EXPECT_TRUE(report.verdicts[1].holds) << report.verdicts[1].text;
  EXPECT_THAT(ToText(report), HasSubstr("FAILED"));
  EXPECT_THAT(ToJson(report), HasSubstr("\"passed\":false"));
}

TEST(ScenarioTest, ASlowerChipTakesLonger) {
  Scenario scenario = *ParseScenario(R"pb(name: "chain"
                                          chip: "tiny"
                                          element_wise { elements: 65536 length: 4 })pb",
                                     "x");
  ASSERT_OK_AND_ASSIGN(const Report fast, RunScenario(scenario, ".", nullptr));
  auto* o = scenario.add_overrides();
  o->set_path("memory.hbm_bytes_per_second");
  o->set_value(100'000'000);
  ASSERT_OK_AND_ASSIGN(const Report slow, RunScenario(scenario, ".", nullptr));
  EXPECT_GT(MedianLatency(slow).value(), 2 * MedianLatency(fast).value());
}

TEST(ScenarioTest, RunsAreIdentical) {
  const Scenario scenario = *ParseScenario(R"pb(name: "copy"
                                                chip: "tiny"
                                                copy { bytes: 100000 direction: DEVICE_TO_HOST }
                                                repeats: 3)pb",
                                           "x");
  ASSERT_OK_AND_ASSIGN(const Report a, RunScenario(scenario, ".", nullptr));
  ASSERT_OK_AND_ASSIGN(const Report b, RunScenario(scenario, ".", nullptr));
  EXPECT_EQ(ToJson(a), ToJson(b));
}

}  // namespace
}  // namespace openhpu::simulator
