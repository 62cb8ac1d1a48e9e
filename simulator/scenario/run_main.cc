// Runs a scenario file on the simulated card:
//     bazel run -c opt //simulator/scenario:run -- FILE.textproto [--json FILE] [--trace FILE]
// Prints the report. Exit status: 0 when every expectation holds, 1 when one does not, 2 for a file
// or a run that fails.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "simulator/scenario/scenario.h"
#include "simulator/trace/perfetto.h"

namespace {

using openhpu::simulator::Report;

constexpr char kUsage[] =
    "usage: run FILE.textproto [--json FILE] [--trace FILE]\n"
    "  Runs the scenario on a simulated card and prints its report.\n"
    "  --json FILE   also writes the report as JSON\n"
    "  --trace FILE  also writes a timeline that opens in Perfetto (ui.perfetto.dev)\n"
    "Exit status: 0 all expectations hold, 1 one does not, 2 the file or the run failed.\n";

// `bazel run` starts programs elsewhere: paths count from where the user typed.
std::string Resolve(const std::string& path) {
  const char* from = std::getenv("BUILD_WORKING_DIRECTORY");
  return path.empty() || path[0] == '/' || from == nullptr ? path : absl::StrCat(from, "/", path);
}

std::string Folder(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

int Fail(const absl::Status& status) {
  std::cerr << "error: " << status.message() << "\n";
  return 2;
}

int Run(const std::vector<std::string>& arguments) {
  std::string scenario_path, json_path, trace_path;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& a = arguments[i];
    if (a == "--help" || a == "-h") {
      std::cout << kUsage;
      return 0;
    }
    if (a == "--json" || a == "--trace") {
      if (i + 1 == arguments.size())
        return Fail(absl::InvalidArgumentError(absl::StrCat(a, " needs a file")));
      (a == "--json" ? json_path : trace_path) = Resolve(arguments[++i]);
    } else if (!a.empty() && a[0] == '-') {
      return Fail(absl::InvalidArgumentError(absl::StrCat("unknown option ", a, "\n", kUsage)));
    } else if (scenario_path.empty()) {
      scenario_path = Resolve(a);
    } else {
      return Fail(absl::InvalidArgumentError(absl::StrCat("one scenario at a time: ", a)));
    }
  }
  if (scenario_path.empty())
    return Fail(absl::InvalidArgumentError(absl::StrCat("no scenario file\n", kUsage)));

  const auto scenario = openhpu::simulator::LoadScenario(scenario_path);
  if (!scenario.ok()) return Fail(scenario.status());
  std::optional<openhpu::simulator::PerfettoTrace> trace;
  if (!trace_path.empty()) trace.emplace();
  const absl::StatusOr<Report> report =
      openhpu::simulator::RunScenario(*scenario, Folder(scenario_path), trace ? &*trace : nullptr);
  if (!report.ok()) return Fail(report.status());
  std::cout << openhpu::simulator::ToText(*report);
  if (!json_path.empty()) {
    std::ofstream file(json_path, std::ios::binary);
    file << openhpu::simulator::ToJson(*report);
    if (!file.flush())
      return Fail(absl::UnavailableError(absl::StrCat("cannot write ", json_path)));
  }
  if (trace) {
    const absl::Status written = trace->WriteFile(trace_path);
    if (!written.ok()) return Fail(written);
  }
  return report->passed ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) { return Run({argv + 1, argv + argc}); }
