#include "testing/status_matchers.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openhpu {
namespace {

using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Not;

absl::StatusOr<std::unique_ptr<int>> Box(int value) { return std::make_unique<int>(value); }

TEST(StatusMatchers, TellOkFromErrors) {
  EXPECT_OK(absl::OkStatus());
  EXPECT_OK(absl::StatusOr<int>(1));
  EXPECT_THAT(absl::NotFoundError("x"), Not(IsOk()));
  EXPECT_THAT(absl::StatusOr<int>(absl::NotFoundError("x")), Not(IsOk()));
}

TEST(StatusMatchers, MatchCodeAndMessage) {
  const absl::Status status = absl::NotFoundError("no buffer at 0x1000");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "no buffer at 0x1000"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("0x1000")));
  EXPECT_THAT(status, Not(StatusIs(absl::StatusCode::kNotFound, HasSubstr("0x2000"))));
  EXPECT_THAT(status, Not(StatusIs(absl::StatusCode::kInternal)));
  EXPECT_THAT(absl::StatusOr<int>(status), StatusIs(absl::StatusCode::kNotFound));
}

TEST(StatusMatchers, MatchHeldValues) {
  EXPECT_THAT(absl::StatusOr<int>(7), IsOkAndHolds(7));
  EXPECT_THAT(absl::StatusOr<int>(7), IsOkAndHolds(Gt(6)));
  EXPECT_THAT(absl::StatusOr<int>(7), Not(IsOkAndHolds(8)));
  EXPECT_THAT(absl::StatusOr<std::string>("text"), IsOkAndHolds("text"));
  EXPECT_THAT(absl::StatusOr<int>(absl::InternalError("x")), Not(IsOkAndHolds(7)));
}

TEST(StatusMatchers, AssignValuesThatOnlyMove) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<int> a, Box(1));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<int> b, Box(2));
  EXPECT_EQ(*a + *b, 3);
}

}  // namespace
}  // namespace openhpu
