// Matchers for absl::Status and absl::StatusOr (Debian's Abseil has none):
//     EXPECT_THAT(driver.Free(address), StatusIs(absl::StatusCode::kNotFound,
//     HasSubstr("0x1000"))); EXPECT_THAT(Parse("7"), IsOkAndHolds(7)); ASSERT_OK_AND_ASSIGN(Buffer
//     buffer, device.Allocate(bytes));
#ifndef TESTING_STATUS_MATCHERS_H_
#define TESTING_STATUS_MATCHERS_H_

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openhpu {
namespace status_matchers_internal {

inline const absl::Status& ToStatus(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& ToStatus(const absl::StatusOr<T>& result) {
  return result.status();
}

}  // namespace status_matchers_internal

MATCHER(IsOk, negation ? "is an error" : "is OK") {
  const absl::Status& status = status_matchers_internal::ToStatus(arg);
  *result_listener << "which is " << status.ToString();
  return status.ok();
}

MATCHER_P2(StatusIs, code, message,
           std::string(negation ? "is not " : "is ") + absl::StatusCodeToString(code) +
               " with a message that " + ::testing::DescribeMatcher<const std::string&>(message)) {
  const absl::Status& status = status_matchers_internal::ToStatus(arg);
  *result_listener << "which is " << status.ToString();
  return status.code() == code &&
         ::testing::ExplainMatchResult(::testing::SafeMatcherCast<const std::string&>(message),
                                       std::string(status.message()), result_listener);
}

// Any message.
inline auto StatusIs(absl::StatusCode code) { return StatusIs(code, ::testing::_); }

// A StatusOr that is OK and whose value matches `inner` (a value or a matcher).
MATCHER_P(IsOkAndHolds, inner,
          negation ? "is an error or holds another value" : "is OK and holds") {
  if (!arg.ok()) {
    *result_listener << "which is " << arg.status().ToString();
    return false;
  }
  using Value = typename std::decay_t<decltype(arg)>::value_type;
  return ::testing::ExplainMatchResult(::testing::SafeMatcherCast<const Value&>(inner), *arg,
                                       result_listener);
}

}  // namespace openhpu

#define EXPECT_OK(expression) EXPECT_THAT((expression), ::openhpu::IsOk())
#define ASSERT_OK(expression) ASSERT_THAT((expression), ::openhpu::IsOk())

// The same as ASSIGN_OR_RETURN, for a test: fails it and returns.
#define ASSERT_OK_AND_ASSIGN(declaration, expression)                                         \
  OPENHPU_ASSERT_OK_AND_ASSIGN_(OPENHPU_TEST_CONCAT(openhpu_test_or_, __LINE__), declaration, \
                                expression)
#define OPENHPU_TEST_CONCAT_(a, b) a##b
#define OPENHPU_TEST_CONCAT(a, b) OPENHPU_TEST_CONCAT_(a, b)
#define OPENHPU_ASSERT_OK_AND_ASSIGN_(tmp, declaration, expression)        \
  auto tmp = (expression);                                                 \
  ASSERT_TRUE(tmp.ok()) << #expression << ": " << tmp.status().ToString(); \
  declaration = *std::move(tmp)

#endif  // TESTING_STATUS_MATCHERS_H_
