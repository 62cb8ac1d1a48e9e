// Goldens: canonical text kept in the tree, compared byte for byte, rewritten by the test itself
// and never by hand. The file is in the test's `data`; its path is relative to the workspace.
//     EXPECT_THAT(trace.ToJson(), MatchesGolden("simulator/trace/testdata/example.json"));
// Rewrite: OPENHPU_REGENERATE=1 bazel run //simulator/trace:perfetto_test
#ifndef TESTING_GOLDEN_H_
#define TESTING_GOLDEN_H_

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"

namespace openhpu {

MATCHER_P(MatchesGolden, path, std::string(negation ? "differs from " : "equals ") + path) {
  const char* regenerate = std::getenv("OPENHPU_REGENERATE");
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");  // set by `bazel run`
  if (regenerate != nullptr && std::string(regenerate) == "1" && workspace != nullptr) {
    std::ofstream(std::string(workspace) + "/" + path, std::ios::binary) << arg;
    *result_listener << "which has been rewritten: run the test again";
    return false;
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream golden;
  golden << file.rdbuf();
  if (!file.good()) {
    *result_listener << "which cannot be read";
    return false;
  }
  // The first line that differs says more than two pages of text.
  std::istringstream expected(golden.str());
  std::istringstream actual{std::string(arg)};
  std::string expected_line, actual_line;
  for (int line = 1;; ++line) {
    const bool more_expected = static_cast<bool>(std::getline(expected, expected_line));
    const bool more_actual = static_cast<bool>(std::getline(actual, actual_line));
    if (!more_expected && !more_actual) break;
    if (more_expected == more_actual && expected_line == actual_line) continue;
    *result_listener << "at line " << line
                     << "\n  golden: " << (more_expected ? expected_line : "(ends)")
                     << "\n  actual: " << (more_actual ? actual_line : "(ends)");
    return false;
  }
  return golden.str() == arg;
}

}  // namespace openhpu

#endif  // TESTING_GOLDEN_H_
