// What an MME of Gaudi2 computes from its architectural descriptor (mme_descriptor.md, section 7).
// No time here.
//
// Two ways, tested against each other: the loop nest, port by port and line by line, which takes
// any descriptor, and the dense calls of Gaudi's model (mme_match.h) for those whose ports continue
// each other. Two arithmetics: exact (trees of products, gemm_trees.h) and fast (oneDNN; for dense
// forms that round to nearest).
#ifndef SIMULATOR_FUNCTIONAL_GAUDI2_MME_H_
#define SIMULATOR_FUNCTIONAL_GAUDI2_MME_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/abi/gaudi2/mme.h"
#include "simulator/functional/access.h"
#include "simulator/functional/gaudi2_mme_view.h"
#include "simulator/functional/mme.h"
#include "simulator/functional/mme_form.h"
#include "simulator/functional/mme_match.h"

namespace openhpu::simulator {

// How the loops walk an input.
struct Gaudi2OperandLoops {
  uint64_t rereads = 1;      // times that the same elements are fetched again
  uint64_t overlapping = 1;  // times that the same elements may be fetched at shifted places
};

// A descriptor that has been read: refused, recognised and measured once, run often.
class Gaudi2Mme {
 public:
  // InvalidArgument names what no machine can run, or would take a card longer than its driver
  // waits; Unimplemented the field that this model does not run. Any words are taken, in bounded
  // time and memory.
  static absl::StatusOr<std::unique_ptr<const Gaudi2Mme>> Read(
      const hal::abi::gaudi2::MmeDescriptor& descriptor);

  // Tiles of both cores, and k-vectors of each, padding included; signals are in view().
  uint64_t steps() const { return static_cast<uint64_t>(view_.view.Steps()); }
  uint64_t common_dim() const { return static_cast<uint64_t>(view_.view.CommonDim()); }
  const Gaudi2MmeView& view() const { return view_; }
  bool dense() const { return merged_.has_value(); }
  Gaudi2OperandLoops LoopsOf(const MmeOperand& operand) const;

  // Reads and writes, clipped to the valid elements; what a dense form reads only for rows that it
  // does not write is left out, unless it continues a roll-up (MmeState::Continues).
  absl::StatusOr<MmeBoxes> Footprint(bool continues = false) const;

  // `state`: of the MME's two cores. Nothing outside of the memory is touched.
  absl::Status Run(Arithmetic arithmetic, MmePath path, AddressSpace& memory,
                   MmeState& state) const;

 private:
  explicit Gaudi2Mme(Gaudi2MmeView view);

  Gaudi2MmeView view_;
  // With the form that it has; none if it goes through the loop nest.
  std::optional<MmeView> merged_;
  MmeForm form_;
};

// The most k-vectors that a descriptor outside of the dense forms may have: minutes of work.
// Unimplemented with the number for more.
inline constexpr int64_t kMostGaudi2WalkedVectors = int64_t{1} << 21;
absl::Status CheckGaudi2Walkable(const Gaudi2MmeView& view);

// Reads, multiplies in exact arithmetic, accumulates, stores. State is updated also when a store
// fails.
absl::Status RunGaudi2LoopNest(const Gaudi2MmeView& view, AddressSpace& memory, MmeState& state);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GAUDI2_MME_H_
