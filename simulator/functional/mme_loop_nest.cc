#include "simulator/functional/mme_loop_nest.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "simulator/functional/gemm_exact.h"

namespace openhpu::simulator {
namespace {

constexpr int64_t kMaxCommonDim = 1 << 22;  // the k-vectors of a tile are held at once: 1 GiB

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

// An input as a stream of groups of k-vectors, each replayed as often as the buffer repeats it.
class VectorStream {
 public:
  VectorStream(const MmeView& view, const MmeOperand& operand, int array, AddressSpace& memory)
      : view_(view),
        operand_(operand),
        walk_(view, operand, array, MmeWalk::Role::kInput),
        memory_(memory),
        vectors_(view.CommonDim() * view.m),
        line_(std::max(operand.roi[0], view.m)) {}

  // The next group, [k][m]; valid until the next call.
  absl::StatusOr<const float*> NextGroup() {
    if (uses_left_ > 0) {
      --uses_left_;
      return vectors_.data();
    }
    std::fill(vectors_.begin(), vectors_.end(), 0.0f);
    int64_t gemms = 1;
    for (int i = 0; i < kMmeLoops; ++i) {
      if (view_.Accumulates(i)) gemms *= operand_.size[i];
    }
    for (int64_t g = 0; g < gemms; ++g) {
      float* to = vectors_.data() + g * operand_.Vectors() * view_.m;
      RETURN_IF_ERROR(walk_.Gemm([&](const MmeLine& line) { return Read(line, to); }));
    }
    uses_left_ = operand_.repeat - 1;
    return vectors_.data();
  }

 private:
  absl::Status Read(const MmeLine& line, float* to) {
    std::fill_n(line_.begin(), line.width, operand_.padding);
    if (line.begin < line.end) {
      const int64_t bytes = operand_.ElementBytes();
      ASSIGN_OR_RETURN(const std::byte* from,
                       memory_.Resolve(DeviceAddress(line.address.value() + line.begin * bytes),
                                       (line.end - line.begin) * bytes));
      Load(operand_.type, from, line.end - line.begin, line_.data() + (line.begin - line.first));
    }
    if (operand_.transposed) {
      for (int64_t k = 0; k < line.width; ++k) to[k * view_.m + line.number] = line_[k];
    } else {
      std::copy_n(line_.begin(), line.width, to + line.number * view_.m);
    }
    return absl::OkStatus();
  }

  const MmeView& view_;
  const MmeOperand& operand_;
  MmeWalk walk_;
  AddressSpace& memory_;
  std::vector<float> vectors_;
  std::vector<float> line_;
  int64_t uses_left_ = 0;
};

// One array of the pair: its columns, its accumulators, its output.
class Array {
 public:
  Array(const MmeView& view, int array, AddressSpace& memory, MmeState::Array& state)
      : view_(view),
        memory_(memory),
        state_(state),
        columns_(view, view.l, array, memory),
        output_(view, view.o, array, MmeWalk::Role::kOutput),
        tile_(view.m * view.m),
        row_(view.m) {}

  // Adds one group and rolls it up.
  absl::Status Step(const float* s) {
    ASSIGN_OR_RETURN(const float* l, columns_.NextGroup());
    const int64_t k = view_.CommonDim(), elements = view_.m * view_.m;
    std::vector<float>& chains = state_.running;
    if (chains.size() != static_cast<size_t>(4 * elements)) {
      chains.assign(4 * elements, 0.0f);
      state_.running_vectors = 0;
    }
    AddToChains(static_cast<int64_t>(state_.running_vectors % 4), k, s, l,
                static_cast<int>(view_.m), chains.data());
    state_.running_vectors += k;
    if (view_.keep_running) return absl::OkStatus();
    RollUpChains(chains.data(), static_cast<int64_t>(state_.running_vectors % 4), elements,
                 tile_.data());
    std::fill(chains.begin(), chains.end(), 0.0f);
    state_.running_vectors = 0;
    return RollUp();
  }

 private:
  // The finished sum meets its accumulator and leaves for memory. A tile that is stored without
  // accumulation passes its accumulator by.
  absl::Status RollUp() {
    const int64_t elements = view_.m * view_.m;
    if (view_.accum || !view_.store) {
      state_.accumulators.resize(hal::abi::gaudi::kMmeAccumulators * 64 * 64);
      float* accumulator = state_.accumulators.data() + state_.index * 64 * 64;
      if (view_.accum) AddTiles(accumulator, elements, tile_.data());
      if (!view_.store) std::copy(tile_.begin(), tile_.end(), accumulator);
    }
    state_.index = (state_.index + 1) % hal::abi::gaudi::kMmeAccumulators;
    return output_.Gemm(
        [this](const MmeLine& line) { return view_.store ? Store(line) : absl::OkStatus(); });
  }

  absl::Status Store(const MmeLine& line) {
    if (line.begin >= line.end) return absl::OkStatus();
    const int64_t bytes = view_.o.ElementBytes();
    ASSIGN_OR_RETURN(std::byte * to,
                     memory_.Resolve(DeviceAddress(line.address.value() + line.begin * bytes),
                                     (line.end - line.begin) * bytes));
    const float* values = tile_.data() + line.number * view_.m;
    if (view_.transposed_o) {
      for (int64_t i = 0; i < view_.m; ++i) row_[i] = tile_[i * view_.m + line.number];
      values = row_.data();
    }
    FinishRow(values + (line.begin - line.first), line.end - line.begin, view_.relu, view_.o.type,
              to);
    return absl::OkStatus();
  }

  const MmeView& view_;
  AddressSpace& memory_;
  MmeState::Array& state_;
  VectorStream columns_;
  MmeWalk output_;
  std::vector<float> tile_;
  std::vector<float> row_;
};

}  // namespace

MmeWalk::MmeWalk(const MmeView& view, const MmeOperand& operand, int array, Role role)
    : view_(view),
      operand_(operand),
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
  const auto remainder = [this](int64_t n) { return n % view_.m == 0 ? view_.m : n % view_.m; };
  if (role_ == Role::kOutput) {
    return at_[kTetris] == operand_.size[kTetris] - 1 ? operand_.spatial_size : view_.m;
  }
  if (!operand_.transposed) return operand_.spatial_size;
  return Partial() ? remainder(operand_.spatial_size) : view_.m;
}

int64_t MmeWalk::Width() const {
  if (role_ == Role::kInput && operand_.transposed) return operand_.roi[0];
  const int64_t rest = operand_.roi[0] % view_.m;
  return Partial() && rest != 0 ? rest : view_.m;
}

absl::Status MmeWalk::Gemm(absl::FunctionRef<absl::Status(const MmeLine&)> use) {
  const int64_t lines = Lines(), bytes = operand_.ElementBytes();
  const bool is_void = operand_.Void();
  std::array<int64_t, 5> at;
  for (int d = 0; d < 5; ++d) at[d] = base_[d] + start_[d];
  MmeLine line;
  line.first = base_[0];
  line.width = Width();
  for (int64_t i = 0; i < lines; ++i) {
    bool inside = !is_void;
    for (int d = operand_.lower ? 2 : 1; d < 5; ++d) {
      inside = inside && at[d] >= 0 && at[d] < operand_.valid[d];
    }
    int64_t begin = 0, end = operand_.valid[0];
    if (operand_.lower) {  // the fused dims 0 and 1
      begin = -at[1];
      end = std::min(end, operand_.valid[1] - at[1]);
    }
    line.number = i;
    line.begin = std::max(line.first, begin);
    line.end = inside ? std::min(line.first + line.width, end) : line.begin;
    line.end = std::max(line.begin, line.end);
    line.address = DeviceAddress(operand_.address.value() +
                                 static_cast<uint64_t>((at[1] + at[2] + at[3] + at[4]) * bytes));
    RETURN_IF_ERROR(use(line));
    if (is_void) continue;  // its sizes and strides need not mean anything
    at[1] += operand_.spatial_stride[0];
    for (int d = 1; d < 4 && at[d] >= base_[d] + operand_.roi[d]; ++d) {
      at[d] -= operand_.roi[d];
      if (at[d] >= base_[d] + operand_.roi[d] && i + 1 < lines) {
        return absl::InvalidArgumentError(
            absl::StrCat("MME descriptor: a step over dim ", d, " carries more than once: roiSize ",
                         operand_.roi[d], ", spatialStride ", operand_.spatial_stride[d - 1]));
      }
      at[d + 1] += operand_.spatial_stride[d];
    }
  }
  if (std::all_of(at_.begin(), at_.begin() + 4, [](int64_t n) { return n == 0; })) {
    for (int d = 1; d < 5; ++d) next_start_[d] = at[d] - base_[d];
  }
  Next();
  return absl::OkStatus();
}

void MmeWalk::Next() {
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

absl::Status RunLoopNest(const MmeView& view, AddressSpace& memory, MmeState& state) {
  if (view.CommonDim() > kMaxCommonDim) {
    return absl::UnimplementedError(absl::StrCat("MME descriptor: a common dimension of ",
                                                 view.CommonDim(), " outside of the dense forms"));
  }
  VectorStream rows(view, view.s, 0, memory);
  Array local(view, 0, memory, state.arrays[0]), remote(view, 1, memory, state.arrays[1]);
  for (int64_t step = 0; step < view.Steps(); ++step) {
    ASSIGN_OR_RETURN(const float* s, rows.NextGroup());
    RETURN_IF_ERROR(local.Step(s));
    RETURN_IF_ERROR(remote.Step(s));
  }
  if (!view.keep_running) {
    for (MmeState::Array& array : state.arrays) {
      array.index =
          static_cast<uint32_t>((array.index + view.roll) % hal::abi::gaudi::kMmeAccumulators);
    }
  }
  return absl::OkStatus();
}

}  // namespace openhpu::simulator
