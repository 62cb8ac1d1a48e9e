// What a backend gives the conformance suite: its driver, and what it is exempt from. Each is
// defined exactly once, in the backend's own test (null_conformance_test.cc is the shortest), which
// is linked with every suite.
#ifndef TESTING_CONFORMANCE_DRIVER_UNDER_TEST_H_
#define TESTING_CONFORMANCE_DRIVER_UNDER_TEST_H_

#include <memory>

#include "absl/status/statusor.h"
#include "hal/driver.h"
#include "testing/conformance/exemptions.h"

namespace openhpu::conformance {

// A driver in the state after opening; called at the start of each test. Unavailable skips the test
// (no such device here), any other error fails it.
absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest();

Exemptions ExemptionsUnderTest();

}  // namespace openhpu::conformance

#endif  // TESTING_CONFORMANCE_DRIVER_UNDER_TEST_H_
