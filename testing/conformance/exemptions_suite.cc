// The lists of exemptions themselves.
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "testing/conformance/driver_under_test.h"
#include "testing/conformance/exemptions.h"

namespace openhpu::conformance {
namespace {

bool NamesATest(const Exemption& exemption) {
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int s = 0; s < all.total_test_suite_count(); ++s) {
    const testing::TestSuite& suite = *all.GetTestSuite(s);
    for (int t = 0; t < suite.total_test_count(); ++t) {
      const std::string name = absl::StrCat(suite.name(), ".", suite.GetTestInfo(t)->name());
      if (Matches(exemption.pattern, name)) return true;
    }
  }
  return false;
}

TEST(ExemptionsSuite, EachNamesATestAndGivesAReason) {
  const Exemptions exemptions = ExemptionsUnderTest();
  for (const auto& list : {exemptions.never, exemptions.not_yet}) {
    for (const Exemption& exemption : list) {
      EXPECT_TRUE(NamesATest(exemption)) << exemption.pattern;
      EXPECT_FALSE(exemption.reason.empty()) << exemption.pattern;
    }
  }
}

// Not a check: what table_test.py reads. A line a suite: name, tests, never, not yet.
TEST(ExemptionsSuite, Counts) {
  const Exemptions exemptions = ExemptionsUnderTest();
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int s = 0; s < all.total_test_suite_count(); ++s) {
    const testing::TestSuite& suite = *all.GetTestSuite(s);
    int never = 0, not_yet = 0;
    for (int t = 0; t < suite.total_test_count(); ++t) {
      const std::string name = absl::StrCat(suite.name(), ".", suite.GetTestInfo(t)->name());
      if (Find(exemptions.never, name) != nullptr) {
        ++never;
      } else if (Find(exemptions.not_yet, name) != nullptr) {
        ++not_yet;
      }
    }
    std::cout << "count " << suite.name() << " " << suite.total_test_count() << " " << never << " "
              << not_yet << "\n";
  }
}

}  // namespace
}  // namespace openhpu::conformance
