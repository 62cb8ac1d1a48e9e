#include "testing/golden.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openhpu {
namespace {

using ::testing::Not;

constexpr char kPath[] = "testing/testdata/golden.txt";

TEST(MatchesGolden, ComparesByteForByte) {
  EXPECT_THAT("one\ntwo\n", MatchesGolden(kPath));
  EXPECT_THAT("one\ntwo", Not(MatchesGolden(kPath)));
  EXPECT_THAT("one\n", Not(MatchesGolden(kPath)));
  EXPECT_THAT("one\nTwo\n", Not(MatchesGolden(kPath)));
  EXPECT_THAT("", Not(MatchesGolden("testing/testdata/no_such_file.txt")));
}

TEST(MatchesGolden, NamesTheFirstLineThatDiffers) {
  ::testing::StringMatchResultListener listener;
  EXPECT_FALSE(
      ::testing::ExplainMatchResult(MatchesGolden(kPath), std::string("one\ntoo\n"), &listener));
  EXPECT_EQ(listener.str(), "at line 2\n  golden: two\n  actual: too");
}

}  // namespace
}  // namespace openhpu
