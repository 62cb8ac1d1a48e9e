#include "simulator/engine/gaudi2_mme_engine.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi2;
namespace mme = hal::abi::gaudi2::mme;

// Registers hold the low half of a sync object's address.
constexpr uint64_t kSyncHigh = abi::SyncManagerObjsBase(0) >> 32 << 32;

}  // namespace

Gaudi2MmeEngine::Gaudi2MmeEngine(sc_core::sc_module_name name, Environment& environment,
                                 const Config& config, const hal::Mme& chip)
    : Engine(name, environment, config), fp32_rate_permille_(chip.fp32_rate_permille().value()) {}

void Gaudi2MmeEngine::ResetCommands() { commands_.clear(); }

void Gaudi2MmeEngine::Capture() {
  commands_.emplace_back();
  std::memcpy(static_cast<void*>(&commands_.back().descriptor), registers(mme::kArch),
              sizeof(abi::MmeDescriptor));
  commands_.back().cmd = reg(mme::CMD::kOffset);
}

absl::StatusOr<Traffic> Gaudi2MmeEngine::OperandTraffic() const {
  Traffic traffic;
  const uint64_t times[] = {front_.reads_a, front_.reads_b, 1};
  for (size_t i = 0; i < boxes_.size(); ++i) {
    ASSIGN_OR_RETURN(const Traffic once, environment().fabric->Measure({boxes_[i]}));
    traffic.channels |= once.channels;
    for (size_t region = 0; region < once.read.size(); ++region) {
      traffic.read[region] += once.read[region] * times[i];
      traffic.written[region] += once.written[region];
    }
  }
  return traffic;
}

absl::Status Gaudi2MmeEngine::Prepare(Work& work) {
  const Command& command = commands_.front();
  if (command.cmd != mme::kGo) {
    return absl::UnimplementedError(
        absl::StrCat("MME CMD 0x", absl::Hex(command.cmd), " is not modelled"));
  }
  ASSIGN_OR_RETURN(front_, ReadGaudi2Product(command.descriptor));
  const std::array<AccessBox, 3> boxes = BoxesOf(front_);
  boxes_.assign(boxes.begin(), boxes.end());
  RETURN_IF_ERROR(CheckBoxes(environment(), boxes_));
  ASSIGN_OR_RETURN(const Traffic traffic, OperandTraffic());
  if (environment().timing.timed) {
    const Timing& timing = environment().timing;
    const bool fp32 = front_.shape.in == DType::kFloat32;
    const uint64_t vectors =
        fp32 ? (front_.common_dim * 1000 + fp32_rate_permille_ - 1) / fp32_rate_permille_
             : front_.common_dim;
    const uint64_t rollup = (fp32 ? timing.mme_rollup_fp32 : timing.mme_rollup_bf16) *
                            (front_.shape.out == DType::kFloat32 ? 4 : 2);
    work.arithmetic = CyclesToTime(front_.steps * std::max(vectors, rollup), timing.mme_clock_mhz) +
                      timing.mme_fill;
    work.launch = environment().fabric->Latency(traffic);
    plan_ = environment().fabric->MakePlan(config().port, traffic, work.arithmetic);
  } else {
    plan_.traffic = traffic;
  }
  work.plan = &plan_;
  work.boxes = &boxes_;
  work.what = front_.shape.in == DType::kFloat32 ? "mme f32" : "mme bf16";
  return absl::OkStatus();
}

absl::Status Gaudi2MmeEngine::Execute() {
  return RunGaudi2Product(front_,
                          environment().exact_arithmetic ? Arithmetic::kExact : Arithmetic::kFast,
                          *environment().memory);
}

void Gaudi2MmeEngine::Complete() {
  for (const uint32_t low : front_.signals) Signal(kSyncHigh | low, front_.signal_value);
  commands_.pop_front();
}

std::string Gaudi2MmeEngine::Detail() const {
  return absl::StrCat(front_.steps, " tiles of ", front_.common_dim);
}

}  // namespace openhpu::simulator
