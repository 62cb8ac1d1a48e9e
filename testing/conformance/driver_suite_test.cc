// The fixture's bookkeeping of exemptions, looked at from outside: some of these tests must fail.
#include "testing/conformance/driver_suite.h"

#include <cstdio>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "hal/null/driver.h"
#include "testing/conformance/driver_under_test.h"

namespace openhpu::conformance {
namespace {

constexpr Exemption kNever[] = {{"*Suite.Never", "not meant to"}};
constexpr Exemption kNotYet[] = {{"*Suite.NotYet*", "to be done"}};

using ExemptedSuite = DriverSuite;

TEST_F(ExemptedSuite, Plain) { EXPECT_EQ(chip().name(), "tiny"); }
TEST_F(ExemptedSuite, PlainFails) { EXPECT_EQ(chip().name(), "huge"); }
TEST_F(ExemptedSuite, Never) { FAIL() << "ran"; }
TEST_F(ExemptedSuite, NotYetAndFails) { EXPECT_EQ(chip().name(), "huge"); }
TEST_F(ExemptedSuite, NotYetAndStops) { ASSERT_EQ(chip().name(), "huge"); }
TEST_F(ExemptedSuite, NotYetAndPasses) { EXPECT_EQ(chip().name(), "tiny"); }

// Each test's result, as a word.
std::map<std::string, std::string> Results() {
  std::map<std::string, std::string> results;
  const testing::TestSuite& suite = *testing::UnitTest::GetInstance()->GetTestSuite(0);
  for (int i = 0; i < suite.total_test_count(); ++i) {
    const testing::TestResult& result = *suite.GetTestInfo(i)->result();
    results[suite.GetTestInfo(i)->name()] = result.Failed()    ? "fails"
                                            : result.Skipped() ? "is skipped"
                                                               : "passes";
  }
  return results;
}

}  // namespace

absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest() {
  return hal::NullDriver::Open("null:tiny");
}

Exemptions ExemptionsUnderTest() { return {kNever, kNotYet}; }

}  // namespace openhpu::conformance

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (RUN_ALL_TESTS() == 0) return 1;
  const std::map<std::string, std::string> expected = {
      {"Plain", "passes"},          {"PlainFails", "fails"},
      {"Never", "is skipped"},      {"NotYetAndFails", "is skipped"},
      {"NotYetAndPasses", "fails"}, {"NotYetAndStops", "is skipped"}};
  int wrong = 0;
  for (const auto& [name, result] : openhpu::conformance::Results()) {
    if (expected.at(name) == result) continue;
    std::printf("%s: %s; should be: %s\n", name.c_str(), result.c_str(), expected.at(name).c_str());
    ++wrong;
  }
  if (wrong == 0) std::printf("All is as it should be, failures included.\n");
  return wrong == 0 ? 0 : 1;
}
