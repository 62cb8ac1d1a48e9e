// BuildProgram of graph/compiler.h: check, split, schedule, emit.
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "graph/back/emit.h"
#include "graph/back/schedule.h"
#include "graph/back/split.h"
#include "graph/compiler.h"
#include "hal/base/status_macros.h"
#include "hal/command_writer.h"

namespace openhpu::graph {
namespace {

absl::Status StepError(const Plan& plan, size_t step, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("step ", step, " (", plan.steps[step].name,
                                                  "): ", status.message()));
}

absl::Status CheckStep(const Plan& plan, size_t index) {
  const PlanStep& step = plan.steps[index];
  for (uint32_t before : step.after) {
    if (before >= index)
      return absl::InvalidArgumentError(
          absl::StrCat("waits for step ", before, ", not an earlier one"));
  }
  std::vector<hal::SymbolicAddress> addresses;
  if (const TpcStep* tpc = std::get_if<TpcStep>(&step.work)) {
    if (tpc->addresses.size() != tpc->launch.tensors.size()) {
      return absl::InvalidArgumentError(absl::StrCat(tpc->launch.tensors.size(), " tensors but ",
                                                     tpc->addresses.size(), " addresses"));
    }
    addresses = tpc->addresses;
  } else if (const hal::MmeGemm* gemm = std::get_if<hal::MmeGemm>(&step.work)) {
    addresses = {gemm->a, gemm->b, gemm->c};
  } else if (const hal::MmeConvolution* convolution =
                 std::get_if<hal::MmeConvolution>(&step.work)) {
    addresses = {convolution->x, convolution->w, convolution->y};
  } else if (const hal::DmaCopy* copy = std::get_if<hal::DmaCopy>(&step.work)) {
    addresses = {copy->source, copy->destination};
  } else {
    addresses = {std::get<hal::DmaFill>(step.work).destination};
  }
  const uint64_t symbols = runtime::kFirstBodySymbol + plan.bindings.size();
  for (const hal::SymbolicAddress& address : addresses) {
    if (address.symbol >= symbols || address.symbol == runtime::kImagesSymbol) {
      return absl::InvalidArgumentError(
          absl::StrCat("symbol ", address.symbol, " is no memory of this plan"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<runtime::Program> BuildProgram(const Plan& plan, const hal::Chip& chip) {
  std::vector<std::vector<Share>> shares;
  shares.reserve(plan.steps.size());
  for (size_t step = 0; step < plan.steps.size(); ++step) {
    if (absl::Status status = CheckStep(plan, step); !status.ok())
      return StepError(plan, step, status);
    absl::StatusOr<std::vector<Share>> split = SplitStep(plan.steps[step], chip);
    if (!split.ok()) return StepError(plan, step, split.status());
    shares.push_back(*std::move(split));
  }
  const auto count = [&](hal::EngineKind kind) {
    return static_cast<uint32_t>(hal::CountEngines(chip, kind));
  };
  const EngineCounts engines = {count(hal::EngineKind::kDma), count(hal::EngineKind::kMme),
                                count(hal::EngineKind::kTpc)};
  return EmitProgram(plan, shares, MakeSchedule(plan, shares, kMaxSobCount, engines), chip);
}

}  // namespace openhpu::graph
