#include "testing/conformance/exemptions.h"

#include "gtest/gtest.h"

namespace openhpu::conformance {
namespace {

TEST(ExemptionsPatternTest, NameMatchesItselfAlone) {
  EXPECT_TRUE(Matches("DmaSuite.Fills", "DmaSuite.Fills"));
  EXPECT_FALSE(Matches("DmaSuite.Fill", "DmaSuite.Fills"));
  EXPECT_FALSE(Matches("DmaSuite.Fills", "DmaSuite.Fill"));
}

TEST(ExemptionsPatternTest, StarStandsForAnyCharactersAndNone) {
  EXPECT_TRUE(Matches("DmaSuite.*", "DmaSuite.Fills"));
  EXPECT_TRUE(Matches("*.Fills*", "DmaSuite.Fills"));
  EXPECT_TRUE(Matches("*", ""));
  EXPECT_FALSE(Matches("DmaSuite.*", "QueueSuite.Fills"));
}

TEST(ExemptionsPatternTest, FirstMatchIsFound) {
  const Exemption list[] = {{"A.*", "first"}, {"A.b", "second"}};
  ASSERT_NE(Find(list, "A.b"), nullptr);
  EXPECT_EQ(Find(list, "A.b")->reason, "first");
  EXPECT_EQ(Find(list, "B.b"), nullptr);
}

}  // namespace
}  // namespace openhpu::conformance
