// The loop nest of a descriptor of Gaudi2 as its two cores walk it (mme_descriptor.md, sections 2,
// 3 and 7.2): ports give vectors of 64 rows or columns, the cores' arrays sum their products,
// output generators store.
#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "simulator/functional/gaudi2_mme.h"
#include "simulator/functional/gemm_exact.h"
#include "simulator/functional/gemm_trees.h"
#include "simulator/functional/mme_loop_nest.h"

namespace openhpu::simulator {
namespace {

namespace mme = hal::abi::gaudi2::mme;

constexpr int64_t kArray = 128 * 256;  // of a core, whichever way it lies

// All generators of an operand, and the vectors that they gave last.
class Inputs {
 public:
  Inputs(const MmeOperand& operand, AddressSpace& memory) : vectors_(operand.agu.size()) {
    for (size_t i = 0; i < operand.agu.size(); ++i) {
      streams_.push_back(std::make_unique<VectorStream>(operand, static_cast<int>(i), memory));
    }
  }
  absl::Status Take(int64_t count) {
    for (size_t i = 0; i < streams_.size(); ++i) {
      ASSIGN_OR_RETURN(vectors_[i], streams_[i]->Take(count));
    }
    return absl::OkStatus();
  }
  const float* operator[](int agu) const { return vectors_[agu]; }

 private:
  std::vector<std::unique_ptr<VectorStream>> streams_;
  std::vector<const float*> vectors_;
};

class Core {
 public:
  Core(const Gaudi2MmeView& g, int core, AddressSpace& memory, MmeState::Array& state)
      : g_(g),
        core_(core),
        memory_(memory),
        state_(state),
        outputs_{MmeWalk(g.view.o, 2 * core, MmeWalk::Role::kOutput),
                 MmeWalk(g.view.o, 2 * core + 1, MmeWalk::Role::kOutput)},
        rows_(kMmeChunk * g.rows),
        columns_(kMmeChunk * g.columns) {
    if (state_.running.size() != kArray) {
      state_.running.assign(kArray, 0.0f);
      state_.running_vectors = 0;
    }
  }

  // Adds the next `count` vectors of a group.
  void Add(const Inputs& a, const Inputs& b, int64_t count) {
    const int64_t ports = g_.PortsOfA();
    for (int64_t port = 0; port < ports; ++port) {
      const float* const from = a[g_.a[core_][port]];
      for (int64_t k = 0; k < count; ++k) {
        for (int64_t i = 0; i < kGaudi2PortLines; ++i) {
          const int64_t row =
              g_.shuffle == mme::ShuffleA::kNone ? port * kGaudi2PortLines + i : i * ports + port;
          rows_[k * g_.rows + row] = from[k * kGaudi2PortLines + i];
        }
      }
    }
    for (int64_t port = 0; port < g_.PortsOfB(); ++port) {
      const float* const from = b[g_.b[core_][port]];
      for (int64_t k = 0; k < count; ++k) {
        std::copy_n(from + k * kGaudi2PortLines, kGaudi2PortLines,
                    columns_.data() + k * g_.columns + port * kGaudi2PortLines);
      }
    }
    AddTrees(g_.view.s.type, count, rows_.data(), g_.rows, g_.rows, columns_.data(), g_.columns,
             g_.columns, state_.running.data(), g_.columns);
    state_.running_vectors += static_cast<uint64_t>(count);
  }

  // Ends a group. The finished sum meets its accumulator and leaves for memory; one that is stored
  // without accumulation passes its accumulator by.
  absl::Status RollUp() {
    const MmeView& v = g_.view;
    if (v.keep_running) return absl::OkStatus();
    std::vector<float>& tile = state_.running;
    if (v.accum || !v.store) {
      state_.accumulators.resize(v.accumulators * kArray);
      float* const accumulator = state_.accumulators.data() + state_.index / 2 * kArray;
      if (v.accum) AddTiles(accumulator, kArray, Rounding::kNearestEven, tile.data());
      if (!v.store) std::copy(tile.begin(), tile.end(), accumulator);
    }
    state_.index = static_cast<uint32_t>((state_.index + v.ring_step) % v.ring);
    absl::Status status;
    for (int output = 0; output < 2 && v.store && status.ok(); ++output) {
      status = outputs_[output].Gemm(
          [this, output](const MmeLine& line) { return Store(output, line); });
    }
    std::fill(tile.begin(), tile.end(), 0.0f);
    state_.running_vectors = 0;
    return status;
  }

 private:
  absl::Status Store(int output, const MmeLine& line) {
    if (line.begin >= line.end) return absl::OkStatus();
    const MmeOperand& o = g_.view.o;
    const int64_t bytes = o.ElementBytes(), count = line.end - line.begin;
    ASSIGN_OR_RETURN(std::byte * to,
                     memory_.Resolve(DeviceAddress(line.address.value() +
                                                   static_cast<uint64_t>(line.begin * bytes)),
                                     static_cast<uint64_t>(count * bytes)));
    const int64_t row = g_.hx2 ? 2 * line.number + output : line.number;
    const int64_t column = (g_.hx2 ? 0 : output * kGaudi2OutputTile) + line.begin - line.first;
    FinishRow(state_.running.data() + row * g_.columns + column, count, g_.view.relu, o.type,
              g_.view.rounding, nullptr, to);
    return absl::OkStatus();
  }

  const Gaudi2MmeView& g_;
  const int core_;
  AddressSpace& memory_;
  MmeState::Array& state_;
  std::array<MmeWalk, 2> outputs_;
  std::vector<float> rows_, columns_;
};

}  // namespace

absl::Status CheckGaudi2Walkable(const Gaudi2MmeView& g) {
  const MmeView& v = g.view;
  int64_t gemms = 1;
  for (int64_t size : v.size) gemms = Saturated(gemms, size);
  const int64_t vectors = std::max(v.s.Vectors(), v.l.Vectors());
  // A gemm without vectors has lines, too.
  if (Saturated(gemms, std::max<int64_t>(vectors, kGaudi2PortLines / 8)) <=
      kMostGaudi2WalkedVectors) {
    return absl::OkStatus();
  }
  return absl::UnimplementedError(absl::StrCat("MME descriptor: ", gemms, " gemms of ", vectors,
                                               " k-vectors outside of the dense forms; at most ",
                                               kMostGaudi2WalkedVectors, " in all"));
}

absl::Status RunGaudi2LoopNest(const Gaudi2MmeView& g, AddressSpace& memory, MmeState& state) {
  RETURN_IF_ERROR(CheckGaudi2Walkable(g));
  static_assert(kMmeChunk % kMostProductsAtOnce == 0);
  const MmeView& v = g.view;
  Inputs a(v.s, memory), b(v.l, memory);
  Core master(g, 0, memory, state.arrays[0]), slave(g, 1, memory, state.arrays[1]);
  const int64_t vectors = v.CommonDim();
  for (int64_t step = 0; step < v.Steps(); ++step) {
    for (int64_t k = 0; k < vectors; k += kMmeChunk) {
      const int64_t count = std::min(kMmeChunk, vectors - k);
      RETURN_IF_ERROR(a.Take(count));
      RETURN_IF_ERROR(b.Take(count));
      master.Add(a, b, count);
      slave.Add(a, b, count);
    }
    RETURN_IF_ERROR(master.RollUp());
    RETURN_IF_ERROR(slave.RollUp());
  }
  if (!v.keep_running) {
    for (MmeState::Array& core : state.arrays) {
      core.index = static_cast<uint32_t>((core.index + v.roll) % v.ring);
    }
  }
  return absl::OkStatus();
}

}  // namespace openhpu::simulator
