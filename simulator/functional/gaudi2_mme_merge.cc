// MergePorts: ports that continue each other are one walk.
//
// A row or column of the tile is `unit` elements of dim 1 (or one of dim 0) after the one before
// it. Ports that differ by where they start in the region of interest wrap where one walk over all
// rows wraps, as long as the region has whole rows; those that differ by where their region begins
// must not wrap at all.
#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "simulator/functional/gaudi2_mme_view.h"
#include "simulator/functional/gemm_trees.h"

namespace openhpu::simulator {
namespace {

namespace mme = hal::abi::gaudi2::mme;

constexpr int64_t kTile = 256;  // rows and columns of both cores

// A walk whose line i is row (or column) first + i * step of the tile.
struct Port {
  int agu = 0;
  int64_t first = 0, step = 1;
};

bool GoesOn(const MmeOperand& operand) { return operand.advance && operand.size[kTetris] > 1; }

// The two are the same but for `moved` elements of dim d's base or start.
bool SameBut(const MmeOperand::Agu& x, const MmeOperand::Agu& y, int d, int64_t base_moved,
             int64_t start_moved) {
  for (int i = 0; i < 5; ++i) {
    if (y.base[i] != x.base[i] + (i == d ? base_moved : 0)) return false;
    if (y.start[i] != x.start[i] + (i == d ? start_moved : 0)) return false;
  }
  return x.partial_mask == y.partial_mask;
}

// Ports along dim 0: a line of the tile is theirs, one after the other.
bool MergeAlongLine(const std::vector<Port>& ports, MmeOperand& operand) {
  const MmeOperand::Agu first = operand.agu[ports[0].agu];
  for (const Port& port : ports) {
    if (port.step != 1 || !SameBut(first, operand.agu[port.agu], 0, port.first, 0)) return false;
  }
  operand.tile = kTile;
  operand.agu = {first};
  return true;
}

// Ports along dim 1; ports[0] begins with row 0.
bool MergeAcrossLines(const std::vector<Port>& ports, int64_t lines, MmeOperand& operand) {
  const int64_t stride = operand.spatial_stride[0], step = ports[0].step;
  const int64_t unit = stride / step;
  if (unit <= 0 || stride % step != 0) return false;
  const MmeOperand::Agu first = operand.agu[ports[0].agu];
  bool by_base = true, by_start = true;
  int64_t last = 0;
  for (const Port& port : ports) {
    if (port.step != step) return false;
    last = std::max(last, port.first);
    const int64_t moved = port.first * unit;
    by_base = by_base && SameBut(first, operand.agu[port.agu], 1, moved, 0);
    by_start = by_start && SameBut(first, operand.agu[port.agu], 1, 0, moved);
  }
  const int64_t roi = operand.roi[1];
  if (by_start && roi % unit == 0 && stride <= roi && last * unit + first.start[1] < roi &&
      first.start[1] >= 0 && (!GoesOn(operand) || step * lines == kTile)) {
    // The region stays.
  } else if (by_base && !GoesOn(operand) && first.start[1] == 0 && (lines - 1) * stride < roi &&
             kTile * unit <= INT32_MAX) {
    operand.roi[1] = kTile * unit;
  } else {
    return false;
  }
  operand.spatial_stride[0] = unit;
  operand.tile = kTile;
  operand.agu = {first};
  return true;
}

// k-vectors of a walk before those of padding only; -1 if some may follow, or loops move along k.
int64_t RealVectors(const MmeOperand& operand) {
  const MmeOperand::Agu& agu = operand.agu[0];
  const int dim = operand.transposed ? 0 : 1;
  for (int i = 0; i < kMmeLoops; ++i) {
    if (operand.size[i] > 1 && operand.dim[i] == dim && operand.loop_stride[dim] != 0) return -1;
  }
  const int64_t vectors = operand.Vectors();
  const int64_t unit = operand.transposed ? 1 : operand.spatial_stride[0];
  if (operand.lower || agu.base[dim] < 0 || agu.start[dim] != 0 || unit <= 0) return -1;
  if (!operand.transposed && (vectors - 1) * unit >= operand.roi[1]) return -1;
  const int64_t inside = operand.valid[dim] - agu.base[dim];
  return std::clamp<int64_t>((inside + unit - 1) / unit, 0, vectors);
}

// Both operands end with the same padding, which adds nothing.
void TrimCommonDim(MmeView& v) {
  const int64_t vectors = RealVectors(v.s);
  if (vectors <= 0 || vectors != RealVectors(v.l)) return;
  for (MmeOperand* operand : {&v.s, &v.l}) {
    (operand->transposed ? operand->roi[0] : operand->spatial_size) = vectors;
  }
}

}  // namespace

std::optional<MmeView> MergePorts(const Gaudi2MmeView& g) {
  if (g.hx2) return std::nullopt;
  MmeView v = g.view;

  // Rows of the cores: in turns, or one core's after the other's.
  const auto& o = v.o.agu;
  const int64_t apart = o[2].base[1] + o[2].start[1] - o[0].base[1] - o[0].start[1];
  const bool in_turns = 2 * apart == v.o.spatial_stride[0];
  const int64_t core_rows = kTile / 2;
  if (!in_turns && apart != core_rows * v.o.spatial_stride[0]) return std::nullopt;
  for (int core = 0; core < 2; ++core) {  // output 1 has the columns that follow
    if (!SameBut(o[2 * core], o[2 * core + 1], 0, kGaudi2OutputTile, 0)) return std::nullopt;
  }
  const int64_t core_first = in_turns ? 1 : core_rows, row_step = in_turns ? 2 : 1;
  if (!MergeAcrossLines({{0, 0, row_step}, {2, core_first, row_step}}, core_rows, v.o)) {
    return std::nullopt;
  }
  v.o.spatial_size = kTile;

  // Rows of a core: of its ports in turns, or one after the other.
  const bool shuffled = g.shuffle == mme::ShuffleA::kTwoPorts;
  std::vector<Port> ports;
  for (int core = 0; core < 2; ++core) {
    for (int port = 0; port < 2; ++port) {
      const int64_t row = shuffled ? port : port * kGaudi2PortLines;
      ports.push_back(
          {g.a[core][port], core * core_first + row * row_step, (shuffled ? 2 : 1) * row_step});
    }
  }
  if (!(v.s.transposed ? MergeAcrossLines(ports, kGaudi2PortLines, v.s)
                       : MergeAlongLine(ports, v.s))) {
    return std::nullopt;
  }

  // Both cores have all columns.
  ports.clear();
  for (int port = 0; port < 4; ++port) {
    if (!SameBut(v.l.agu[g.b[0][port]], v.l.agu[g.b[1][port]], 0, 0, 0)) return std::nullopt;
    ports.push_back({g.b[0][port], port * kGaudi2PortLines, 1});
  }
  if (!(v.l.transposed ? MergeAcrossLines(ports, kGaudi2PortLines, v.l)
                       : MergeAlongLine(ports, v.l))) {
    return std::nullopt;
  }
  // A dense convolution begins each tap with a new step of its trees.
  const bool whole = v.s.Vectors() % ProductsAtOnce(v.s.type) == 0;
  for (int i = 0; i < 4; ++i) {
    if (v.Accumulates(i) && v.size[i] > 1 && !whole) return std::nullopt;
  }
  TrimCommonDim(v);
  return v;
}

}  // namespace openhpu::simulator
