#include "simulator/functional/gaudi2_mme.h"

#include <utility>
#include <variant>

#include "hal/base/status_macros.h"

namespace openhpu::simulator {

Gaudi2Mme::Gaudi2Mme(Gaudi2MmeView view) : view_(std::move(view)), merged_(MergePorts(view_)) {
  if (merged_.has_value()) form_ = MatchMme(*merged_);
  if (std::holds_alternative<std::monostate>(form_)) merged_.reset();
}

absl::StatusOr<std::unique_ptr<const Gaudi2Mme>> Gaudi2Mme::Read(
    const hal::abi::gaudi2::MmeDescriptor& descriptor) {
  ASSIGN_OR_RETURN(Gaudi2MmeView view, ViewGaudi2Mme(descriptor));
  return std::unique_ptr<const Gaudi2Mme>(new Gaudi2Mme(std::move(view)));
}

Gaudi2OperandLoops Gaudi2Mme::LoopsOf(const MmeOperand& operand) const {
  Gaudi2OperandLoops loops;
  for (int i = 0; i < kMmeLoops; ++i) {
    // Of a loop that is masked, its walk has one step.
    const auto size = static_cast<uint64_t>(operand.size[i]);
    const bool moves =
        i == kTetris ? operand.advance
                     : operand.dim[i] != kNoTensorDim && operand.loop_stride[operand.dim[i]] != 0;
    if (!moves) {
      loops.rereads *= size;
    } else if (view_.view.Accumulates(i)) {
      loops.overlapping *= size;
    }
  }
  return loops;
}

absl::StatusOr<MmeBoxes> Gaudi2Mme::Footprint(bool continues) const {
  if (merged_.has_value() && !continues) return BoxesOfForm(*merged_, form_);
  RETURN_IF_ERROR(CheckGaudi2Walkable(view_));
  return BoxesOfWalks(view_.view);
}

absl::Status Gaudi2Mme::Run(Arithmetic arithmetic, MmePath path, AddressSpace& memory,
                            MmeState& state) const {
  if (path == MmePath::kAuto && !state.Continues() && merged_.has_value()) {
    return RunMmeForm(*merged_, form_, arithmetic, memory, state);
  }
  return RunGaudi2LoopNest(view_, memory, state);
}

}  // namespace openhpu::simulator
