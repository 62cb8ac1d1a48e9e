#include "simulator/engine/gaudi2_mme_engine.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi2;
namespace mme = hal::abi::gaudi2::mme;

// Registers hold the low half of a sync object's address.
constexpr uint64_t kSyncHigh = abi::SyncManagerObjsBase(0) >> 32 << 32;
constexpr uint64_t kStepsOfVector = 1 << 18;  // Work::steps: as long as so many bytes take to copy

}  // namespace

Gaudi2MmeEngine::Gaudi2MmeEngine(sc_core::sc_module_name name, Environment& environment,
                                 const Config& config, const hal::Mme& chip)
    : Engine(name, environment, config), fp32_rate_permille_(chip.fp32_rate_permille().value()) {}

void Gaudi2MmeEngine::ResetCommands() {
  commands_.clear();
  cache_.Clear();
  continuing_ = nullptr;
  front_ = nullptr;
  state_ = MmeState();
}

void Gaudi2MmeEngine::Capture() {
  commands_.emplace_back();
  std::memcpy(static_cast<void*>(&commands_.back().descriptor), registers(mme::kArch),
              sizeof(Descriptor));
  commands_.back().cmd = reg(mme::CMD::kOffset);
}

absl::StatusOr<Traffic> Gaudi2MmeEngine::OperandTraffic(const Gaudi2Mme& mme,
                                                        const MmeBoxes& boxes) const {
  const Fabric& fabric = *environment().fabric;
  const MmeView& view = mme.view().view;
  ASSIGN_OR_RETURN(Traffic traffic, fabric.Measure(boxes.o));
  for (const auto& [operand, read] : {std::pair{&view.s, &boxes.s}, std::pair{&view.l, &boxes.l}}) {
    // Each generator gives its rows or columns for every k-vector.
    const uint64_t most = mme.steps() * mme.common_dim() * operand->agu.size() *
                          static_cast<uint64_t>(kGaudi2PortLines * operand->ElementBytes());
    const Gaudi2OperandLoops loops = mme.LoopsOf(*operand);
    RETURN_IF_ERROR(AddFetched(fabric, *read, loops.rereads, loops.overlapping, most, traffic));
  }
  return traffic;
}

absl::Status Gaudi2MmeEngine::Derive(const Descriptor& descriptor, Prepared& prepared) const {
  prepared.descriptor = descriptor;
  ASSIGN_OR_RETURN(prepared.mme, Gaudi2Mme::Read(descriptor));
  const Gaudi2Mme& mme = *prepared.mme;
  // The footprint may be found by a walk as long as the work.
  if (mme.steps() * mme.common_dim() * kStepsOfVector > environment().most_steps) {
    return absl::ResourceExhaustedError("a descriptor of more work than this machine was made for");
  }
  ASSIGN_OR_RETURN(const MmeBoxes boxes, mme.Footprint(state_.Continues()));
  prepared.boxes = boxes.All();
  RETURN_IF_ERROR(CheckBoxes(environment(), prepared.boxes));
  ASSIGN_OR_RETURN(const Traffic traffic, OperandTraffic(mme, boxes));
  const Timing& timing = environment().timing;
  const MmeView& view = mme.view().view;
  const bool fp32 = view.s.type == DType::kFloat32;
  const uint64_t vectors =
      fp32 ? (mme.common_dim() * 1000 + fp32_rate_permille_ - 1) / fp32_rate_permille_
           : mme.common_dim();
  const uint64_t rollup = (fp32 ? timing.mme_rollup_fp32 : timing.mme_rollup_bf16) *
                          static_cast<uint64_t>(view.o.ElementBytes());
  const uint64_t cycles = mme.steps() * std::max(vectors, rollup);
  prepared.arithmetic = CyclesToTime(cycles, timing.mme_clock_mhz) + timing.mme_fill;
  prepared.latency = environment().fabric->Latency(traffic);
  prepared.plan = environment().fabric->MakePlan(config().port, traffic, prepared.arithmetic);
  return absl::OkStatus();
}

absl::Status Gaudi2MmeEngine::Prepare(Work& work) {
  const Command& command = commands_.front();
  if (command.cmd != mme::kGo) {
    return absl::UnimplementedError(
        absl::StrCat("MME CMD 0x", absl::Hex(command.cmd), " is not modelled"));
  }
  // One that continues a roll-up reads more than otherwise.
  front_ = state_.Continues() ? nullptr : cache_.Find(command.descriptor);
  if (front_ == nullptr) {
    auto prepared = std::make_unique<Prepared>();
    RETURN_IF_ERROR(Derive(command.descriptor, *prepared));
    if (state_.Continues()) {
      continuing_ = std::move(prepared);
      front_ = continuing_.get();
    } else {
      front_ = cache_.Keep(std::move(prepared));
    }
  } else {
    RETURN_IF_ERROR(CheckBoxes(environment(), front_->boxes));
  }
  if (environment().timing.timed) {
    work.launch = front_->latency;
    work.arithmetic = front_->arithmetic;
  }
  work.plan = &front_->plan;
  work.boxes = &front_->boxes;
  work.what = front_->mme->view().view.s.type == DType::kFloat32 ? "mme f32" : "mme bf16";
  return absl::OkStatus();
}

absl::Status Gaudi2MmeEngine::Execute() {
  return front_->mme->Run(environment().exact_arithmetic ? Arithmetic::kExact : Arithmetic::kFast,
                          MmePath::kAuto, *environment().memory, state_);
}

void Gaudi2MmeEngine::Complete() {
  for (const Gaudi2Signal& signal : front_->mme->view().signals) {
    for (int64_t i = 0; i < signal.count; ++i) Signal(kSyncHigh | signal.address, signal.value);
  }
  commands_.pop_front();
  front_ = nullptr;
}

std::string Gaudi2MmeEngine::Detail() const {
  return absl::StrCat(front_->mme->steps(), " tiles of ", front_->mme->common_dim());
}

}  // namespace openhpu::simulator
