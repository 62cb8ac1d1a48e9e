// What a driver does not do, as data. Two lists that mean different things:
//   never    it will not, and that is right for what it is: the test is skipped with the reason;
//   not yet  it should, and does not: the test is run, its failures are shown but do not count, and
//            a test that passes fails, so that the list can only shrink.
// An exemption that names no test fails too (ExemptionsTest).
#ifndef TESTING_CONFORMANCE_EXEMPTIONS_H_
#define TESTING_CONFORMANCE_EXEMPTIONS_H_

#include <string_view>

#include "absl/types/span.h"

namespace openhpu::conformance {

struct Exemption {
  std::string_view pattern;  // "Suite.Test"; '*' stands for any characters
  std::string_view reason;
};

struct Exemptions {
  absl::Span<const Exemption> never, not_yet;
  // False: an error of the device comes with what a kernel driver knows. No packet and no reason; a
  // deadlock is a timeout; a reset follows.
  bool knows_why = true;
};

// Whether `test` ("Suite.Test") is one that `pattern` names.
bool Matches(std::string_view pattern, std::string_view test);

// The first that names `test`, or null.
const Exemption* Find(absl::Span<const Exemption> exemptions, std::string_view test);

}  // namespace openhpu::conformance

#endif  // TESTING_CONFORMANCE_EXEMPTIONS_H_
