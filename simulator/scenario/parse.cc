#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "simulator/scenario/faults.h"
#include "simulator/scenario/scenario.h"

namespace openhpu::simulator {
namespace {

// The first error, with its place; protobuf counts lines and columns from zero.
class FirstError final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& message) override {
    if (text_.empty()) text_ = absl::StrCat(line + 1, ":", column + 1, ": ", message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

absl::Status Bad(std::string_view where, const std::string& field, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(where), ": ", field, ": ", why));
}

bool NeedsEngine(Expectation::Metric metric) {
  return metric == Expectation::UTILISATION_PERCENT || metric == Expectation::BYTES ||
         metric == Expectation::COMMANDS;
}

absl::Status CheckExpectations(const Scenario& s, std::string_view where) {
  for (int i = 0; i < s.expect_size(); ++i) {
    const Expectation& e = s.expect(i);
    const std::string field = absl::StrCat("expect[", i, "]");
    if (e.metric() == Expectation::UNSPECIFIED) return Bad(where, field, "metric is missing");
    if (!e.has_at_most() && !e.has_at_least())
      return Bad(where, field, "needs at_most or at_least");
    if (NeedsEngine(e.metric()) && e.engine().empty())
      return Bad(where, field, "this metric needs an engine");
    if (e.metric() == Expectation::TFLOPS && !s.has_gemm())
      return Bad(where, field, "TFLOPS needs a gemm workload");
    if (e.metric() == Expectation::THROUGHPUT_GBPS && s.workload_case() == Scenario::kRecipe) {
      return Bad(
          where, field,
          "THROUGHPUT_GBPS needs a built-in workload: a recipe does not say what it should move");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckWorkload(const Scenario& s, std::string_view where) {
  constexpr uint64_t kMaxBytes = uint64_t{8} << 30;
  switch (s.workload_case()) {
    case Scenario::WORKLOAD_NOT_SET:
      return Bad(where, "workload", "one of copy, gemm, element_wise, recipe is needed");
    case Scenario::kCopy:
      if (s.copy().bytes() == 0 || s.copy().bytes() > kMaxBytes)
        return Bad(where, "copy.bytes", "must be 1 to 8 GiB");
      return absl::OkStatus();
    case Scenario::kGemm:
      if (s.gemm().m() == 0 || s.gemm().n() == 0 || s.gemm().k() == 0)
        return Bad(where, "gemm", "m, n and k must be positive");
      return absl::OkStatus();
    case Scenario::kElementWise:
      if (s.element_wise().elements() == 0 || s.element_wise().elements() > kMaxBytes / 4) {
        return Bad(where, "element_wise.elements", "must be 1 to 2^31");
      }
      if (s.element_wise().length() == 0)
        return Bad(where, "element_wise.length", "must be positive");
      return absl::OkStatus();
    case Scenario::kRecipe:
      if (s.recipe().empty()) return Bad(where, "recipe", "is an empty path");
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

// Where the field stands; the fault, when the field is not there. From 1.
int LineOfFault(const google::protobuf::TextFormat::ParseInfoTree& places, int fault,
                std::string_view field) {
  const auto* const faults =
      Scenario::descriptor()->FindFieldByNumber(Scenario::kFaultsFieldNumber);
  int line = places.GetLocation(faults, fault).line;
  // A list in brackets has one place for all.
  if (line < 0) line = places.GetLocation(faults, 0).line;
  const auto* const inside = places.GetTreeForNested(faults, fault);
  const auto* const descriptor = OrderedFault::descriptor()->FindFieldByName(std::string(field));
  if (inside != nullptr && descriptor != nullptr) {
    const int own = inside->GetLocation(descriptor, -1).line;
    if (own >= 0) line = own;
  }
  return line + 1;
}

}  // namespace

absl::StatusOr<Scenario> ParseScenario(std::string_view text, std::string_view where) {
  Scenario scenario;
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  google::protobuf::TextFormat::ParseInfoTree places;
  parser.WriteLocationsTo(&places);
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  if (!parser.Parse(&stream, &scenario)) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(where), ":", error.text()));
  }
  if (scenario.name().empty()) return Bad(where, "name", "is missing");
  if (scenario.chip().empty()) return Bad(where, "chip", "is missing");
  RETURN_IF_ERROR(CheckWorkload(scenario, where));
  RETURN_IF_ERROR(CheckExpectations(scenario, where));
  const auto place = [&](int fault, std::string_view field) {
    return absl::StrCat(std::string(where), ":", LineOfFault(places, fault, field));
  };
  RETURN_IF_ERROR(CheckFaults(scenario, where, place));
  return scenario;
}

absl::StatusOr<Scenario> LoadScenario(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": ", std::strerror(errno)));
  std::ostringstream text;
  text << file.rdbuf();
  return ParseScenario(text.str(), path);
}

}  // namespace openhpu::simulator
