#include "simulator/functional/mme_loop_nest.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "simulator/functional/gemm_exact.h"

namespace openhpu::simulator {
namespace {

// Widens `count` elements.
void Load(DType type, const std::byte* from, int64_t count, float* to) {
  if (type == DType::kFloat32) {
    std::memcpy(to, from, 4 * count);
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + 2 * i, 2);
    to[i] = BFloat16ToFloat(bits);
  }
}

// One array of the pair: its columns, its accumulators, its output.
class Array {
 public:
  Array(const MmeView& view, int array, AddressSpace& memory, MmeState::Array& state)
      : view_(view),
        memory_(memory),
        state_(state),
        columns_(view.l, array, memory),
        output_(view.o, array, MmeWalk::Role::kOutput),
        tile_(view.m * view.m),
        row_(view.m),
        random_(view.m),
        finished_(view.m * sizeof(float)) {}

  // Adds the next `count` vectors of a group.
  absl::Status Add(const float* s, int64_t count) {
    ASSIGN_OR_RETURN(const float* l, columns_.Take(count));
    const int64_t elements = view_.m * view_.m;
    std::vector<float>& chains = state_.running;
    if (chains.size() != static_cast<size_t>(4 * elements)) {
      chains.assign(4 * elements, 0.0f);
      state_.running_vectors = 0;
    }
    AddToChains(static_cast<int64_t>(state_.running_vectors % 4), count, s, l,
                static_cast<int>(view_.m), view_.rounding, chains.data());
    state_.running_vectors += static_cast<uint64_t>(count);
    return absl::OkStatus();
  }

  // Ends a group.
  absl::Status RollUp() {
    if (view_.keep_running) return absl::OkStatus();
    const int64_t elements = view_.m * view_.m;
    std::vector<float>& chains = state_.running;
    if (chains.size() != static_cast<size_t>(4 * elements)) chains.assign(4 * elements, 0.0f);
    RollUpChains(chains.data(), static_cast<int64_t>(state_.running_vectors % 4), elements,
                 view_.rounding, tile_.data());
    std::fill(chains.begin(), chains.end(), 0.0f);
    state_.running_vectors = 0;
    return Leave();
  }

 private:
  // The finished sum meets its accumulator and leaves for memory. A tile that is stored without
  // accumulation passes its accumulator by.
  absl::Status Leave() {
    const int64_t elements = view_.m * view_.m;
    if (view_.accum || !view_.store) {
      state_.accumulators.resize(hal::abi::gaudi::kMmeAccumulators * 64 * 64);
      float* accumulator = state_.accumulators.data() + state_.index * 64 * 64;
      if (view_.accum) AddTiles(accumulator, elements, view_.rounding, tile_.data());
      if (!view_.store) std::copy(tile_.begin(), tile_.end(), accumulator);
    }
    state_.index = (state_.index + 1) % hal::abi::gaudi::kMmeAccumulators;
    if (!view_.store) return absl::OkStatus();  // the address generator only carries the signal
    return output_.Gemm([this](const MmeLine& line) { return Store(line); });
  }

  absl::Status Store(const MmeLine& line) {
    if (view_.stochastic) state_.generators.Draw(view_.m, random_.data());
    if (line.begin >= line.end) return absl::OkStatus();
    const int64_t bytes = view_.o.ElementBytes(), count = line.end - line.begin;
    ASSIGN_OR_RETURN(std::byte * to,
                     memory_.Resolve(DeviceAddress(line.address.value() +
                                                   static_cast<uint64_t>(line.begin * bytes)),
                                     static_cast<uint64_t>(count * bytes)));
    const float* values = tile_.data() + line.number * view_.m;
    if (view_.transposed_o) {
      for (int64_t i = 0; i < view_.m; ++i) row_[i] = tile_[i * view_.m + line.number];
      values = row_.data();
    }
    const int64_t column = line.begin - line.first;
    std::byte* const finished = view_.reduction.has_value() ? finished_.data() : to;
    FinishRow(values + column, count, view_.relu, view_.o.type, view_.rounding,
              view_.stochastic ? random_.data() + column : nullptr, finished);
    if (view_.reduction.has_value()) ReduceRow(*view_.reduction, finished, count, to);
    return absl::OkStatus();
  }

  const MmeView& view_;
  AddressSpace& memory_;
  MmeState::Array& state_;
  VectorStream columns_;
  MmeWalk output_;
  std::vector<float> tile_;
  std::vector<float> row_;
  std::vector<uint32_t> random_;     // of a line that is rounded stochastically
  std::vector<std::byte> finished_;  // of a line that is added to memory
};

}  // namespace

VectorStream::VectorStream(const MmeOperand& operand, int array, AddressSpace& memory)
    : operand_(operand),
      walk_(operand, array, MmeWalk::Role::kInput),
      memory_(memory),
      vectors_(kMmeChunk * operand.tile),
      line_(std::max(kMmeChunk, operand.tile)) {}

absl::StatusOr<const float*> VectorStream::Take(int64_t count) {
  if (uses_left_ > 0) {
    --uses_left_;
    return vectors_.data();
  }
  std::fill_n(vectors_.begin(), count * operand_.tile, 0.0f);
  for (int64_t done = 0; done < count;) {
    if (left_ == 0) RETURN_IF_ERROR(BeginGemm());
    const int64_t part = std::min(left_, count - done);
    float* to = vectors_.data() + done * operand_.tile;
    RETURN_IF_ERROR(operand_.transposed ? TakeColumns(part, to) : TakeLines(part, to));
    left_ -= part;
    done += part;
    if (left_ == 0 && !operand_.transposed) walk_.End();
  }
  uses_left_ = operand_.repeat - 1;
  return vectors_.data();
}

absl::Status VectorStream::BeginGemm() {
  left_ = operand_.Vectors();
  const int64_t lines = walk_.Begin();
  if (!operand_.transposed) return absl::OkStatus();
  lines_.resize(lines);
  for (MmeLine& line : lines_) RETURN_IF_ERROR(walk_.Next(line));
  walk_.End();
  return absl::OkStatus();
}

absl::Status VectorStream::TakeLines(int64_t count, float* to) {
  MmeLine line;
  for (int64_t i = 0; i < count; ++i) {
    RETURN_IF_ERROR(walk_.Next(line));
    RETURN_IF_ERROR(Read(line, line.first, line.width, to + i * operand_.tile));
  }
  return absl::OkStatus();
}

absl::Status VectorStream::TakeColumns(int64_t count, float* to) {
  const int64_t first = operand_.Vectors() - left_;
  for (const MmeLine& line : lines_) {
    RETURN_IF_ERROR(Read(line, line.first + first, count, line_.data()));
    for (int64_t k = 0; k < count; ++k) to[k * operand_.tile + line.number] = line_[k];
  }
  return absl::OkStatus();
}

absl::Status VectorStream::Read(const MmeLine& line, int64_t first, int64_t count, float* to) {
  std::fill_n(to, count, operand_.padding);
  const int64_t begin = std::max(line.begin, first), end = std::min(line.end, first + count);
  if (begin >= end) return absl::OkStatus();
  const int64_t bytes = operand_.ElementBytes();
  ASSIGN_OR_RETURN(
      const std::byte* from,
      memory_.Resolve(DeviceAddress(line.address.value() + static_cast<uint64_t>(begin * bytes)),
                      static_cast<uint64_t>((end - begin) * bytes)));
  Load(operand_.type, from, end - begin, to + (begin - first));
  return absl::OkStatus();
}

MmeWalk::MmeWalk(const MmeOperand& operand, int array, Role role)
    : operand_(operand),
      agu_(operand.agu[array]),
      role_(role),
      base_(agu_.base),
      start_(agu_.start),
      next_start_(agu_.start) {}

bool MmeWalk::Partial() const {
  for (int i = 0; i < kMmeLoops; ++i) {
    if (at_[i] == operand_.size[i] - 1 && (agu_.partial_mask >> i & 1) != 0) return true;
  }
  return false;
}

int64_t MmeWalk::Lines() const {
  const int64_t m = operand_.tile;
  const auto remainder = [m](int64_t n) { return n % m == 0 ? m : n % m; };
  if (role_ == Role::kOutput) {
    return at_[kTetris] == operand_.size[kTetris] - 1 ? operand_.spatial_size : m;
  }
  if (!operand_.transposed) return operand_.spatial_size;
  return Partial() ? remainder(operand_.spatial_size) : m;
}

int64_t MmeWalk::Width() const {
  if (role_ == Role::kInput && operand_.transposed) return operand_.roi[0];
  const int64_t rest = operand_.roi[0] % operand_.tile;
  return Partial() && rest != 0 ? rest : operand_.tile;
}

int64_t MmeWalk::Begin() {
  for (int d = 0; d < 5; ++d) point_[d] = base_[d] + start_[d];
  lines_ = Lines();
  line_ = 0;
  width_ = Width();
  void_ = operand_.Void();
  return lines_;
}

absl::Status MmeWalk::Next(MmeLine& line) {
  bool inside = !void_;
  for (int d = operand_.lower ? 2 : 1; d < 5; ++d) {
    inside = inside && point_[d] >= 0 && point_[d] < operand_.valid[d];
  }
  int64_t begin = 0, end = operand_.valid[0];
  if (operand_.lower) {  // the fused dims 0 and 1
    begin = -point_[1];
    end = std::min(end, operand_.valid[1] - point_[1]);
  }
  line.number = line_;
  line.first = base_[0];
  line.width = width_;
  line.begin = std::max(line.first, begin);
  line.end = inside ? std::min(line.first + line.width, end) : line.begin;
  line.end = std::max(line.begin, line.end);
  const uint64_t offset = static_cast<uint64_t>(point_[1]) + static_cast<uint64_t>(point_[2]) +
                          static_cast<uint64_t>(point_[3]) + static_cast<uint64_t>(point_[4]);
  line.address = DeviceAddress(operand_.address.value() +
                               offset * static_cast<uint64_t>(operand_.ElementBytes()));
  ++line_;
  if (void_) return absl::OkStatus();  // its sizes and strides need not mean anything
  // Where the last line leads to matters only to a walk that goes on from there.
  const bool goes_on = line_ < lines_ || (operand_.advance && operand_.size[kTetris] > 1);
  point_[1] += operand_.spatial_stride[0];
  for (int d = 1; d < 4 && point_[d] >= base_[d] + operand_.roi[d]; ++d) {
    point_[d] -= operand_.roi[d];
    if (point_[d] >= base_[d] + operand_.roi[d] && goes_on) {
      return absl::InvalidArgumentError(
          absl::StrCat("MME descriptor: a step over dim ", d, " carries more than once: roiSize ",
                       operand_.roi[d], ", spatialStride ", operand_.spatial_stride[d - 1]));
    }
    point_[d + 1] += operand_.spatial_stride[d];
  }
  return absl::OkStatus();
}

bool MmeWalk::FirstOfTetris() const {
  return std::all_of(at_.begin(), at_.begin() + 4, [](int64_t n) { return n == 0; });
}

void MmeWalk::End() {
  if (FirstOfTetris()) {
    for (int d = 1; d < 5; ++d) next_start_[d] = point_[d] - base_[d];
  }
  Move();
}

absl::Status MmeWalk::Gemm(absl::FunctionRef<absl::Status(const MmeLine&)> use) {
  MmeLine line;
  for (int64_t i = Begin(); i > 0; --i) {
    RETURN_IF_ERROR(Next(line));
    RETURN_IF_ERROR(use(line));
  }
  End();
  return absl::OkStatus();
}

MmeWalk::Place MmeWalk::place() const {
  return {base_[0],  base_[1],  base_[2],  base_[3], base_[4], start_[1],
          start_[2], start_[3], start_[4], Lines(),  Width()};
}

bool MmeWalk::SkipIfFree() {
  if (operand_.advance && operand_.size[kTetris] > 1 && FirstOfTetris()) return false;
  Move();
  return true;
}

void MmeWalk::Move() {
  for (int i = 0; i < kMmeLoops; ++i) {
    const int dim = operand_.dim[i];
    if (at_[i] + 1 >= operand_.size[i]) {
      at_[i] = 0;
      if (dim != kNoTensorDim) base_[dim] = agu_.base[dim];
      continue;
    }
    ++at_[i];
    if (dim != kNoTensorDim) base_[dim] += operand_.loop_stride[dim];
    if (i == kTetris && operand_.advance) start_ = next_start_;
    if (i == kOuter) start_ = agu_.start;
    return;
  }
}

absl::Status CheckWalkable(const MmeView& view) {
  int64_t gemms = 1;
  for (int64_t size : view.size) gemms = Saturated(gemms, size);
  const int64_t lines = view.o.tile + std::max(view.s.Vectors(), view.l.Vectors());
  if (Saturated(gemms, lines) <= kMostMmeLines) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("MME descriptor: ", gemms, " gemms of ", lines,
                                               " lines outside of the dense forms; at most ",
                                               kMostMmeLines, " in all"));
}

absl::Status RunLoopNest(const MmeView& view, AddressSpace& memory, MmeState& state) {
  RETURN_IF_ERROR(CheckWalkable(view));
  VectorStream rows(view.s, 0, memory);
  Array local(view, 0, memory, state.arrays[0]), remote(view, 1, memory, state.arrays[1]);
  const int64_t vectors = view.CommonDim();
  for (int64_t step = 0; step < view.Steps(); ++step) {
    for (int64_t k = 0; k < vectors; k += kMmeChunk) {
      const int64_t count = std::min(kMmeChunk, vectors - k);
      ASSIGN_OR_RETURN(const float* s, rows.Take(count));
      RETURN_IF_ERROR(local.Add(s, count));
      RETURN_IF_ERROR(remote.Add(s, count));
    }
    RETURN_IF_ERROR(local.RollUp());
    RETURN_IF_ERROR(remote.RollUp());
  }
  if (!view.keep_running) {
    for (MmeState::Array& array : state.arrays) {
      array.index = static_cast<uint32_t>((array.index + static_cast<uint64_t>(view.roll)) %
                                          hal::abi::gaudi::kMmeAccumulators);
    }
  }
  return absl::OkStatus();
}

}  // namespace openhpu::simulator
