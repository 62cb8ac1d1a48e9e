#include "simulator/engine/mme_engine.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi;
namespace mme = hal::abi::gaudi::mme;

constexpr uint32_t kAllUnits = 0x7F;       // of mme::UnitBits; all are done at once here
constexpr uint64_t kStepsOfVector = 2048;  // Work::steps: as long as so many bytes take to copy
constexpr uint64_t kLineBytes = 128;       // one k-vector of an operand: 64 bf16 or 32 fp32

// How the loops walk one input operand.
struct OperandLoops {
  uint64_t rereads = 1;      // times that the same elements are fetched again
  uint64_t overlapping = 1;  // times that the same elements may be fetched at shifted places
};

OperandLoops LoopsOf(const abi::MmeDescriptor& d, bool shared) {
  const uint32_t low = d.header_low;
  const uint32_t dims[6] = {
      shared ? mme::CONV_ASSOCIATED_DIMS_LOW::DIM_S_DIM0::Get(d.conv_associated_dims_low)
             : mme::CONV_ASSOCIATED_DIMS_LOW::DIM_L_DIM0::Get(d.conv_associated_dims_low),
      shared ? mme::CONV_ASSOCIATED_DIMS_LOW::DIM_S_DIM1::Get(d.conv_associated_dims_low)
             : mme::CONV_ASSOCIATED_DIMS_LOW::DIM_L_DIM1::Get(d.conv_associated_dims_low),
      shared ? mme::CONV_ASSOCIATED_DIMS_HIGH::DIM_S_DIM2::Get(d.conv_associated_dims_high)
             : mme::CONV_ASSOCIATED_DIMS_HIGH::DIM_L_DIM2::Get(d.conv_associated_dims_high),
      shared ? mme::CONV_ASSOCIATED_DIMS_HIGH::DIM_S_DIM3::Get(d.conv_associated_dims_high)
             : mme::CONV_ASSOCIATED_DIMS_HIGH::DIM_L_DIM3::Get(d.conv_associated_dims_high),
      mme::kNoDim,  // tetris
      shared ? mme::OUTER_LOOP::DIM_S::Get(d.outer_loop)
             : mme::OUTER_LOOP::DIM_L::Get(d.outer_loop)};
  const uint32_t sizes[6] = {
      mme::CONV_KERNEL_SIZE_MINUS_1::DIM0::Get(d.conv_kernel_size_minus_1) + 1,
      mme::CONV_KERNEL_SIZE_MINUS_1::DIM1::Get(d.conv_kernel_size_minus_1) + 1,
      mme::CONV_KERNEL_SIZE_MINUS_1::DIM2::Get(d.conv_kernel_size_minus_1) + 1,
      mme::CONV_KERNEL_SIZE_MINUS_1::DIM3::Get(d.conv_kernel_size_minus_1) + 1,
      d.num_iterations_minus_1 + 1,
      mme::OUTER_LOOP::SIZE_MINUS_1::Get(d.outer_loop) + 1};
  const uint32_t masked = shared ? mme::SB_REPEAT::AGU_S_LOOP_MASK::Get(d.sb_repeat)
                                 : mme::SB_REPEAT::AGU_L_LOOP_MASK::Get(d.sb_repeat);
  const uint32_t accumulated = mme::HEADER_LOW::ACCUM_MASK::Get(low);
  const bool advances = shared ? mme::HEADER_LOW::ADVANCE_S::Get(low) != 0
                               : mme::HEADER_LOW::ADVANCE_L::Get(low) != 0;
  OperandLoops loops;
  for (uint32_t i = 0; i < mme::kNumLoops; ++i) {
    if ((masked >> i & 1) != 0) continue;  // the buffer replays, or lowering walks them inside
    if (i == mme::kTetrisLoop ? advances : dims[i] != mme::kNoDim) {
      if (i < mme::kTetrisLoop && (accumulated >> i & 1) != 0) loops.overlapping *= sizes[i];
    } else {
      loops.rereads *= sizes[i];
    }
  }
  return loops;
}

}  // namespace

MmeEngine::MmeEngine(sc_core::sc_module_name name, Environment& environment, const Config& config)
    : Engine(name, environment, config) {}

void MmeEngine::ResetCommands() {
  commands_.clear();
  newest_ = abi::kMmeShadows - 1;
  cache_.Clear();
  continuing_ = nullptr;
  front_ = nullptr;
  state_ = MmeState();
}

void MmeEngine::Capture() {
  commands_.emplace_back();
  const uint32_t* const arch = registers(mme::ARCH::kOffset);
  std::memcpy(static_cast<void*>(&commands_.back()), arch, sizeof(Descriptor));
  newest_ = (newest_ + 1) % abi::kMmeShadows;
  for (int i = 0; i < abi::kMmeDescriptorWords; ++i) {
    registers_[mme::SHADOW::At(newest_) / 4 + i] = arch[i];
  }
  registers_[mme::SHADOW_STATUS::At(newest_) / 4] = kAllUnits;
}

// Bytes that the address generators fetch: the footprint, as often as the loops walk it; never more
// than a line for each k-vector.
absl::StatusOr<Traffic> MmeEngine::OperandTraffic(const Prepared& prepared) const {
  const Descriptor& d = prepared.descriptor;
  const uint64_t base_s = (uint64_t{d.base_addr_high_s} << 32) | d.base_addr_low_s;
  const uint64_t base_l = (uint64_t{d.base_addr_high_l} << 32) | d.base_addr_low_l;
  std::vector<AccessBox> shared, local, written;
  for (const AccessBox& box : prepared.boxes) {
    if (box.write) {
      written.push_back(box);
      continue;
    }
    // An operand's elements lie at and above its base; the nearer base is its own.
    const uint64_t begin = Begin(box).value();
    const bool above_s = begin >= base_s, above_l = begin >= base_l;
    const bool is_s = above_s && (!above_l || base_s >= base_l);
    (is_s ? shared : local).push_back(box);
  }
  ASSIGN_OR_RETURN(Traffic traffic, environment().fabric->Measure(written));
  const uint64_t lines = prepared.work.steps * prepared.work.common_dim * kLineBytes;
  const OperandLoops s = LoopsOf(d, true), l = LoopsOf(d, false);
  const Fabric& fabric = *environment().fabric;
  RETURN_IF_ERROR(AddFetched(fabric, shared, s.rereads, s.overlapping, lines, traffic));
  RETURN_IF_ERROR(AddFetched(fabric, local, l.rereads, l.overlapping, 2 * lines, traffic));
  return traffic;
}

absl::Status MmeEngine::Derive(const Descriptor& descriptor, Prepared& prepared) const {
  prepared.descriptor = descriptor;
  ASSIGN_OR_RETURN(prepared.work, AnalyseMme(descriptor));
  // The footprint may be found by a walk as long as the work.
  if (prepared.work.steps * prepared.work.common_dim * kStepsOfVector > environment().most_steps) {
    return absl::ResourceExhaustedError("a descriptor of more work than this machine was made for");
  }
  ASSIGN_OR_RETURN(prepared.boxes, MmeFootprint(descriptor, state_.Continues()));
  RETURN_IF_ERROR(CheckBoxes(environment(), prepared.boxes));
  ASSIGN_OR_RETURN(const Traffic traffic, OperandTraffic(prepared));
  const Timing& timing = environment().timing;
  const MmeWork& work = prepared.work;
  // An array takes one k-vector a cycle, of either type.
  const uint64_t rollup =
      (work.fp32_in ? timing.mme_rollup_fp32 : timing.mme_rollup_bf16) * work.out_bytes;
  const uint64_t cycles = work.steps * std::max(work.common_dim, rollup);
  prepared.arithmetic = CyclesToTime(cycles, timing.mme_clock_mhz) + timing.mme_fill;
  prepared.latency = environment().fabric->Latency(traffic);
  prepared.plan = environment().fabric->MakePlan(config().port, traffic, prepared.arithmetic);
  return absl::OkStatus();
}

absl::Status MmeEngine::Prepare(Work& work) {
  const Descriptor& descriptor = commands_.front();
  // One that continues a roll-up reads more than otherwise.
  front_ = state_.Continues() ? nullptr : cache_.Find(descriptor);
  if (front_ == nullptr) {
    auto prepared = std::make_unique<Prepared>();
    RETURN_IF_ERROR(Derive(descriptor, *prepared));
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
  work.what = front_->work.fp32_in ? "mme f32" : "mme bf16";
  return absl::OkStatus();
}

absl::Status MmeEngine::Execute() {
  return RunMme(front_->descriptor,
                environment().exact_arithmetic ? Arithmetic::kExact : Arithmetic::kFast,
                MmePath::kAuto, *environment().memory, state_);
}

void MmeEngine::Complete() {
  const Descriptor& d = commands_.front();
  const uint64_t high = uint64_t{d.sync_object_addr_high} << 32;
  for (uint64_t i = 0; i < front_->work.signals; ++i) {
    Signal(high | d.sync_object_addr_low_local, d.sync_object_data);
    Signal(high | d.sync_object_addr_low_remote, d.sync_object_data);
  }
  constexpr int kSlots = abi::kMmeShadows;
  const int waiting = static_cast<int>(commands_.size() - 1) % kSlots;
  registers_[mme::SHADOW_STATUS::At((newest_ + kSlots - waiting) % kSlots) / 4] = 0;
  commands_.pop_front();
  front_ = nullptr;
}

std::string MmeEngine::Detail() const {
  return absl::StrCat(front_->work.steps, " tiles of ", front_->work.common_dim);
}

}  // namespace openhpu::simulator
