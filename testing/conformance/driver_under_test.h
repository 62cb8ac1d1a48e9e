// What a driver's conformance test defines, exactly once, in the same binary as the suites:
//     cc_test(name = "conformance_test", srcs = ["conformance_test.cc"], deps =
//     ["//testing/conformance:suites", ...])
// The suites speak typed commands through hal::Driver and know no driver.
#ifndef TESTING_CONFORMANCE_DRIVER_UNDER_TEST_H_
#define TESTING_CONFORMANCE_DRIVER_UNDER_TEST_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/driver.h"

namespace openhpu::conformance {

// A fresh device, one a test.
absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest();

// A test that this driver is excused from. `pattern` is a gtest filter: "DmaSuite.*".
struct Exemption {
  const char* pattern;
  const char* reason;
};

// What it will never do: not run.
std::vector<Exemption> Never();
// What it does not do yet: run, and expected to fail; a pass is an error, so this list can only
// shrink.
std::vector<Exemption> NotYet();

}  // namespace openhpu::conformance

#endif  // TESTING_CONFORMANCE_DRIVER_UNDER_TEST_H_
