// Runs the suites, minus the exemptions; then each test that is expected to fail, in a process of
// its own.
#include <spawn.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "testing/conformance/driver_under_test.h"

extern char** environ;

namespace {

using openhpu::conformance::Exemption;

constexpr char kExpectedToFail[] = "--expected_to_fail";

// The exit status of this program with one filter.
int RunAlone(const std::string& program, const std::string& pattern) {
  std::string filter = "--gtest_filter=" + pattern, flag = kExpectedToFail, name = program;
  char* arguments[] = {name.data(), flag.data(), filter.data(), nullptr};
  pid_t child = 0;
  if (posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, environ) != 0) return -1;
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc > 1 && std::string(argv[1]) == kExpectedToFail) return RUN_ALL_TESTS();

  std::string excluded;
  const auto exclude = [&excluded](const std::vector<Exemption>& list, const char* kind) {
    for (const Exemption& exemption : list) {
      std::printf("%s: %s: %s\n", kind, exemption.pattern, exemption.reason);
      excluded += (excluded.empty() ? "" : ":") + std::string(exemption.pattern);
    }
  };
  exclude(openhpu::conformance::Never(), "never");
  exclude(openhpu::conformance::NotYet(), "not yet");
  const bool chosen = testing::GTEST_FLAG(filter) != "*";  // by a person: as asked
  if (!chosen && !excluded.empty()) testing::GTEST_FLAG(filter) = "*-" + excluded;
  int result = RUN_ALL_TESTS();
  if (chosen) return result;
  for (const Exemption& exemption : openhpu::conformance::NotYet()) {
    if (RunAlone(argv[0], exemption.pattern) != 0) continue;
    std::printf("%s passes: take it off the list\n", exemption.pattern);
    result = 1;
  }
  return result;
}
