// The loop nest of a descriptor as the hardware walks it: any descriptor, one line at a time
// (mme_descriptor.md, sections 2 and 3).
#ifndef SIMULATOR_FUNCTIONAL_MME_LOOP_NEST_H_
#define SIMULATOR_FUNCTIONAL_MME_LOOP_NEST_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "simulator/functional/access.h"
#include "simulator/functional/mme.h"
#include "simulator/functional/mme_view.h"

namespace openhpu::simulator {

// A line of a walk: elements [first, first + width) of dim 0, of which [begin, end) exist; the
// element x lies at address + x * element bytes.
struct MmeLine {
  int64_t number = 0;  // within the gemm
  int64_t first = 0, width = 0;
  int64_t begin = 0, end = 0;  // begin == end: none exists
  DeviceAddress address;
};

// One address generator. Each call of Gemm walks the lines of the present iteration and moves on to
// the next one; so do Begin, Next for each of its lines, and End.
class MmeWalk {
 public:
  enum class Role { kInput, kOutput };
  MmeWalk(const MmeOperand& operand, int array, Role role);

  // InvalidArgument when a step carries more than once; else the first error of `use`.
  absl::Status Gemm(absl::FunctionRef<absl::Status(const MmeLine&)> use);

  int64_t Begin();  // lines of this gemm
  absl::Status Next(MmeLine& line);
  void End();

  // All that a gemm's lines depend on.
  using Place = std::array<int64_t, 11>;
  Place place() const;
  // Moves on without walking: only for a gemm whose end nothing depends on.
  bool SkipIfFree();

 private:
  int64_t Lines() const;
  int64_t Width() const;
  bool Partial() const;
  bool FirstOfTetris() const;
  void Move();

  const MmeOperand& operand_;
  const MmeOperand::Agu& agu_;
  const Role role_;
  std::array<int64_t, kMmeLoops> at_{};
  std::array<int64_t, 5> base_, start_, next_start_;
  // Of the gemm that is walked.
  std::array<int64_t, 5> point_{};
  int64_t lines_ = 0, line_ = 0, width_ = 0;
  bool void_ = false;
};

// k-vectors that are held at once, of each stream.
inline constexpr int64_t kMmeChunk = 512;

// An input as a stream of groups of k-vectors, each replayed as often as the buffer repeats it.
class VectorStream {
 public:
  VectorStream(const MmeOperand& operand, int array, AddressSpace& memory);

  // The next `count` vectors, at most kMmeChunk and of one group, [count][tile]; valid until the
  // next call. A group that is repeated fits the buffer, and is asked for whole.
  absl::StatusOr<const float*> Take(int64_t count);

 private:
  absl::Status BeginGemm();
  absl::Status TakeLines(int64_t count, float* to);    // each line is a vector
  absl::Status TakeColumns(int64_t count, float* to);  // a vector is one element of each line
  // Elements [first, first + count) of dim 0.
  absl::Status Read(const MmeLine& line, int64_t first, int64_t count, float* to);

  const MmeOperand& operand_;
  MmeWalk walk_;
  AddressSpace& memory_;
  std::vector<float> vectors_;
  std::vector<float> line_;
  std::vector<MmeLine> lines_;  // of the gemm, if the vectors lie across them
  int64_t left_ = 0;            // vectors of the gemm
  int64_t uses_left_ = 0;
};

// The most lines of operands and results, of each array, that a descriptor outside of the dense
// forms may have: minutes of work. Unimplemented with the number for more.
inline constexpr int64_t kMostMmeLines = int64_t{1} << 28;
absl::Status CheckWalkable(const MmeView& view);

// Runs a descriptor: reads, multiplies in exact arithmetic, accumulates, stores. State is updated
// also when a store fails.
absl::Status RunLoopNest(const MmeView& view, AddressSpace& memory, MmeState& state);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_MME_LOOP_NEST_H_
