// A descriptor read into numbers: loops, and operands with their address generators. Checked once,
// so that who uses it need not. Of either chip: gaudi2_mme_view.h reads Gaudi2's.
#ifndef SIMULATOR_FUNCTIONAL_MME_VIEW_H_
#define SIMULATOR_FUNCTIONAL_MME_VIEW_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/abi/gaudi/mme.h"
#include "hal/base/dtype.h"
#include "hal/base/strong_int.h"
#include "simulator/functional/gemm_exact.h"
#include "simulator/functional/gemm_rounding.h"

namespace openhpu::simulator {

inline constexpr int kMmeLoops = hal::abi::gaudi::mme::kNumLoops;
inline constexpr int kMmeTensorDims = hal::abi::gaudi::kMmeDims;
inline constexpr int kTetris = hal::abi::gaudi::mme::kTetrisLoop;
inline constexpr int kOuter = hal::abi::gaudi::mme::kOuterLoop;
inline constexpr int kNoTensorDim = hal::abi::gaudi::mme::kNoDim;

// One operand. Offsets are in elements, already multiplied by their dimension's stride.
struct MmeOperand {
  const char* name = "";
  DeviceAddress address;
  DType type = DType::kFloat32;
  // Lines, or elements of a line, that one walk gives to a tile.
  int64_t tile = 64;
  std::array<int64_t, 5> valid{};
  std::array<int64_t, 5> loop_stride{};
  std::array<int64_t, 4> roi{};
  std::array<int64_t, 4> spatial_stride{};  // of dims 1 to 4
  int64_t spatial_size = 0;
  struct Agu {
    std::array<int64_t, 5> base{};
    std::array<int64_t, 5> start{};  // [0] is 0
    uint32_t partial_mask = 0;
  };
  // Gaudi: local, remote; S has the same twice. Gaudi2: those that read or write the operand.
  absl::InlinedVector<Agu, 2> agu;
  // Of each loop: the dim it moves, and its size as this operand walks it: 1 when it is masked.
  std::array<int, kMmeLoops> dim{};
  std::array<int64_t, kMmeLoops> size{};
  bool transposed = false;  // dim 0 is the common dimension
  bool advance = false;
  bool lower = false;
  int64_t repeat = 1;  // times each group is used
  float padding = 0;

  int64_t ElementBytes() const { return StorageBytes(type); }
  // No element of it exists: everything read is padding, nothing is written.
  bool Void() const;
  // k-vectors a gemm (inputs only).
  int64_t Vectors() const { return transposed ? roi[0] : spatial_size; }
};

struct MmeView {
  int64_t m = 64;  // an array of Gaudi is m x m
  std::array<int64_t, kMmeLoops> size{};
  uint32_t accum_mask = 0;
  MmeOperand s, l, o;
  bool transposed_o = false;
  bool accum = false, store = false, relu = false, keep_running = false;
  int64_t roll = 0;
  // Accumulators, and places of the ring that counts them: a tile takes one (Gaudi2: two halves).
  int64_t accumulators = hal::abi::gaudi::kMmeAccumulators;
  int64_t ring = hal::abi::gaudi::kMmeAccumulators, ring_step = 1;
  SumOrder order = SumOrder::kChains;
  // Of conversions unless these are stochastic, and of sums in chains; trees round to nearest.
  Rounding rounding = Rounding::kNearestEven;
  bool stochastic = false;
  std::optional<Reduction> reduction;  // how a store meets memory; plain if none
  bool signal = false;
  uint32_t signal_mask = 0;

  int64_t Steps() const;      // roll-ups an array
  int64_t CommonDim() const;  // k-vectors a roll-up
  int64_t Signals() const;    // of each array
  // Steps of the output at which all loops of the mask are at their last iteration.
  int64_t StepsThatEnd(uint32_t mask) const;
  bool Accumulates(int loop) const { return loop < 4 && (accum_mask >> loop & 1) != 0; }
};

// The most k-vectors of a descriptor, and the most signals. A card takes 38 s for so many vectors,
// longer than its driver gives a submission; a sync object counts to 2^15 - 1.
inline constexpr int64_t kMostMmeVectors = int64_t{1} << 36;
inline constexpr int64_t kMostMmeSignals = int64_t{1} << 20;

// The product of loop counts, or the largest number when that is smaller.
int64_t Saturated(int64_t a, int64_t b);

// What every view is held to, of either chip: InvalidArgument names what no machine can run.
absl::Status CheckMmeView(const MmeView& view);
// Drops the loops of the mask from an operand's walk.
void MaskLoops(const MmeView& view, uint32_t mask, MmeOperand& operand);

// InvalidArgument names the field that no machine can run; Unimplemented the one that this model
// does not.
absl::StatusOr<MmeView> ViewMme(const hal::abi::gaudi::MmeDescriptor& descriptor);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_MME_VIEW_H_
