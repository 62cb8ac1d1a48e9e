// openhpu.fused: out[i] = program(inputs[i]), an interpreter that runs each instruction over a tile
// of elements that stays in the first-level cache.
//
// Dims that lie next to each other in all operands are joined first, so most launches become one
// long row. Tiles are rows of it, or several short rows, or (when an operand is transposed) a
// rectangle along the two dims that are dense for one side each. An operand that is dense in the
// tile and stored as its value (f32, i32) is used in place. Every element depends on its own inputs
// alone, so tiles, threads and boxes do not change bits.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "hal/base/dtype.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/contract.h"
#include "hal/kernel/expression.h"
#include "hal/kernel/text.h"
#include "simulator/functional/kernels/expression_loops.h"
#include "simulator/functional/kernels/fused_plan.h"
#include "simulator/functional/kernels/library.h"
#include "simulator/functional/kernels/support.h"
#include "simulator/functional/kernels/tile_loops.h"
#include "simulator/functional/kernels/units.h"

namespace openhpu::simulator {
namespace {

using hal::ExprOp;
using hal::kTpcMaxDims;

// One tensor, or the numbers of kIndex, seen along the joined dims. Strides in elements (in counts
// for an index).
struct Operand {
  std::byte* base = nullptr;
  DType dtype = DType::kInt32;
  int32_t start = 0;  // of an index
  std::array<int64_t, kTpcMaxDims> strides = {0, 0, 0, 0, 0};
};

struct Geometry {
  std::array<uint64_t, kTpcMaxDims> sizes = {1, 1, 1, 1, 1};
  uint64_t columns = 1, rows = 1;           // of a full tile
  std::array<uint64_t, kTpcMaxDims> tiles;  // counts
  uint64_t total_tiles = 1;
  size_t tile_elements = 1;
};

void SwapDims(int a, int b, Geometry& geometry, std::vector<Operand>& operands) {
  std::swap(geometry.sizes[a], geometry.sizes[b]);
  for (Operand& o : operands) std::swap(o.strides[a], o.strides[b]);
}

// Joins dims, puts the second dense dim of a transposed operand second, and chooses the tile.
Geometry MakeGeometry(const hal::TpcDims& sizes, uint64_t capacity,
                      std::vector<Operand>& operands) {
  Geometry g;
  int dims = 0;
  for (int d = 0; d < kTpcMaxDims; ++d) {
    if (sizes[d] == 1) continue;
    bool joins = dims > 0;
    for (const Operand& o : operands) {
      if (!joins) break;
      joins = o.strides[d] == o.strides[dims - 1] * static_cast<int64_t>(g.sizes[dims - 1]);
    }
    if (joins) {
      g.sizes[dims - 1] *= sizes[d];
      continue;
    }
    g.sizes[dims] = sizes[d];
    for (Operand& o : operands) o.strides[dims] = o.strides[d];
    ++dims;
  }
  for (Operand& o : operands) {
    for (int d = dims; d < kTpcMaxDims; ++d) o.strides[d] = 0;
  }

  bool transposed = false;
  for (const Operand& o : operands) {
    if (o.base == nullptr || o.strides[0] <= 1) continue;
    int best = 0;
    for (int d = 1; d < dims; ++d) {
      if (o.strides[d] > 0 && o.strides[d] < o.strides[best]) best = d;
    }
    if (best == 0) continue;
    SwapDims(1, best, g, operands);
    transposed = true;
    break;
  }
  // A cache line of the side that is dense along dim 0 ...
  constexpr uint64_t kTransposeColumns = 16;
  g.columns = std::min(g.sizes[0], transposed ? std::min(capacity, kTransposeColumns) : capacity);
  const bool several = transposed || g.columns == g.sizes[0];
  g.rows = several ? std::min(g.sizes[1], std::max<uint64_t>(1, capacity / g.columns)) : 1;
  g.tile_elements = g.columns * g.rows;
  for (int d = 0; d < kTpcMaxDims; ++d) {
    const uint64_t step = d == 0 ? g.columns : (d == 1 ? g.rows : 1);
    g.tiles[d] = (g.sizes[d] + step - 1) / step;
    g.total_tiles *= g.tiles[d];
  }
  return g;
}

// A tile's place: first coordinate along each joined dim, and its columns and rows.
struct Tile {
  std::array<uint64_t, kTpcMaxDims> at;
  size_t columns, rows;
};
Tile MakeTile(const Geometry& g, uint64_t number) {
  Tile tile;
  for (int d = 0; d < kTpcMaxDims; ++d) {
    tile.at[d] = number % g.tiles[d];
    number /= g.tiles[d];
  }
  tile.at[0] *= g.columns;
  tile.at[1] *= g.rows;
  tile.columns = static_cast<size_t>(std::min(g.columns, g.sizes[0] - tile.at[0]));
  tile.rows = static_cast<size_t>(std::min(g.rows, g.sizes[1] - tile.at[1]));
  return tile;
}
int64_t Offset(const Operand& o, const Tile& tile) {
  int64_t offset = 0;
  for (int d = 0; d < kTpcMaxDims; ++d) offset += static_cast<int64_t>(tile.at[d]) * o.strides[d];
  return offset;
}
TileShape Shape(const Operand& o, const Tile& tile) {
  return {tile.columns, tile.rows, o.strides[0], o.strides[1]};
}
std::byte* At(const Operand& o, const Tile& tile) {
  return o.base + Offset(o, tile) * StorageBytes(o.dtype);
}

bool StoredAsValue(DType t) { return t == DType::kFloat32 || t == DType::kInt32; }

// One thread's work on the tiles of one box.
class Interpreter {
 public:
  // `shared`: an output lies on an input, so that inputs are read before any output is written.
  Interpreter(const hal::ExpressionProgram& program, const FusedPlan& plan,
              const Geometry& geometry, const std::vector<Operand>& operands, bool shared)
      : program_(program),
        plan_(plan),
        geometry_(geometry),
        operands_(operands),
        shared_(shared),
        pointers_(plan.slot.size(), nullptr),
        cached_(program.inputs.size()) {
    // Slots begin on cache lines.
    slot_elements_ = (geometry.tile_elements + 15) / 16 * 16;
    const size_t bytes = slot_elements_ * 4 * static_cast<size_t>(plan.slots) + 64;
    scratch_.reset(new std::byte[bytes]);
    void* aligned = scratch_.get();
    size_t space = bytes;
    std::align(64, bytes - 64, aligned, space);
    slots_ = static_cast<std::byte*>(aligned);
    for (uint16_t v : plan_.constants) {
      RunInstruction(Instruction(v), Instruction(v).dtype, nullptr, nullptr, nullptr, Slot(v),
                     geometry.tile_elements);
      pointers_[v] = Slot(v);
    }
  }

  void Run(uint64_t tile_number) {
    const Tile tile = MakeTile(geometry_, tile_number);
    const size_t n = tile.columns * tile.rows;
    Load(tile);
    PrefetchOutputs(tile);
    for (const FusedPlan::Step& step : plan_.steps) {
      const hal::ExprInstruction& in = step.instruction;
      std::byte* out = DirectOutput(step.value, tile);
      if (out == nullptr) out = Slot(step.value);
      RunInstruction(in, step.operand, step.arity > 0 ? pointers_[in.a] : nullptr,
                     step.arity > 1 ? pointers_[in.b] : nullptr,
                     step.arity > 2 ? pointers_[in.c] : nullptr, out, n);
      pointers_[step.value] = out;
    }
    Store(tile);
  }

 private:
  struct Cached {
    const std::byte* from = nullptr;
    size_t columns = 0, rows = 0;
  };

  const hal::ExprInstruction& Instruction(uint16_t v) const {
    return program_.instructions[v - program_.inputs.size()];
  }
  std::byte* Slot(uint16_t v) const {
    return slots_ + static_cast<size_t>(plan_.slot[v]) * slot_elements_ * 4;
  }
  const Operand& Output(size_t j) const { return operands_[program_.inputs.size() + j]; }

  void Load(const Tile& tile) {
    for (uint16_t v = 0; v < program_.inputs.size(); ++v) {
      if (plan_.slot[v] == FusedPlan::kNoSlot) continue;
      if (!plan_.is_operand[v] && !shared_) continue;  // only copied
      const Operand& o = operands_[v];
      const TileShape shape = Shape(o, tile);
      std::byte* from = At(o, tile);
      if (!shared_ && StoredAsValue(o.dtype) && shape.Dense()) {
        pointers_[v] = from;
        continue;
      }
      pointers_[v] = Slot(v);
      Cached& cached = cached_[v];
      const bool same =
          cached.from == from && cached.columns == tile.columns && cached.rows == tile.rows;
      if (same && !shared_) continue;
      cached = {from, tile.columns, tile.rows};
      LoadTile(o.dtype, from, shape, Slot(v));
    }
    for (size_t k = 0; k < plan_.indices.size(); ++k) {
      const Operand& o = operands_[program_.inputs.size() + program_.outputs.size() + k];
      const uint16_t v = plan_.indices[k];
      FillIndices(o.start + static_cast<int32_t>(Offset(o, tile)), Shape(o, tile),
                  reinterpret_cast<int32_t*>(Slot(v)));
      pointers_[v] = Slot(v);
    }
  }

  // Outputs that are stored at the end of the tile would wait for their lines then; asked for now,
  // they come during the arithmetic.
  void PrefetchOutputs(const Tile& tile) const {
    for (size_t j = 0; j < program_.outputs.size(); ++j) {
      const Operand& o = Output(j);
      if (!Shape(o, tile).Dense() || StoredAsValue(o.dtype)) continue;
      const std::byte* to = At(o, tile);
      const size_t bytes = tile.columns * tile.rows * static_cast<size_t>(StorageBytes(o.dtype));
      for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(to + at, 1);
    }
  }

  // Where the step that makes `v` may write it at once.
  std::byte* DirectOutput(uint16_t v, const Tile& tile) const {
    if (shared_) return nullptr;
    for (size_t j = 0; j < program_.outputs.size(); ++j) {
      if (program_.outputs[j] != v) continue;
      const Operand& o = Output(j);
      if (StoredAsValue(o.dtype) && Shape(o, tile).Dense()) return At(o, tile);
    }
    return nullptr;
  }

  void Store(const Tile& tile) const {
    for (size_t j = 0; j < program_.outputs.size(); ++j) {
      const uint16_t v = program_.outputs[j];
      const Operand& o = Output(j);
      std::byte* to = At(o, tile);
      if (v < program_.inputs.size() && !shared_) {
        const Operand& from = operands_[v];
        CopyTile(StorageBytes(o.dtype), At(from, tile), Shape(from, tile), to, Shape(o, tile));
      } else if (pointers_[v] != to) {
        StoreTile(o.dtype, pointers_[v], to, Shape(o, tile));
      }
    }
  }

  const hal::ExpressionProgram& program_;
  const FusedPlan& plan_;
  const Geometry& geometry_;
  const std::vector<Operand>& operands_;
  const bool shared_;
  size_t slot_elements_ = 0;
  std::unique_ptr<std::byte[]> scratch_;
  std::byte* slots_ = nullptr;
  std::vector<const std::byte*> pointers_;  // of each value, in the tile at hand
  std::vector<Cached> cached_;              // what an input's slot holds
};

class FusedKernel : public Kernel {
 public:
  explicit FusedKernel(hal::ExpressionProgram program)
      : program_(std::move(program)), plan_(PlanFused(program_)) {}

  absl::Status Prepare(const BoundLaunch& launch) const override {
    RETURN_IF_ERROR(CheckExtents(launch));
    if (!launch.scalars.empty()) {
      return absl::InvalidArgumentError(
          hal::Cat(hal::kFusedGuid, ": ", launch.scalars.size(), " scalars instead of 0"));
    }
    return hal::FusedIndexSpace(program_, launch.tensors).status();
  }

  std::vector<AccessBox> Footprint(const BoundLaunch& launch,
                                   const hal::IndexBox& box) const override {
    const ElementBox elements = ToElements(box, OutputSizes(launch));
    std::vector<AccessBox> accesses;
    for (size_t i = 0; i < launch.tensors.size(); ++i) {
      const hal::KernelTensor& t = launch.tensors[i];
      accesses.push_back(TensorAccess(t, launch.addresses[i], Broadcast(elements, t),
                                      i >= program_.inputs.size()));
    }
    return accesses;
  }

  KernelCost Cost(const BoundLaunch& launch, const hal::IndexBox& box) const override {
    const ElementBox elements = ToElements(box, OutputSizes(launch));
    KernelCost cost;
    if (elements.Count() == 0) return cost;
    const uint64_t rows = Rows(elements);
    for (size_t i = 0; i < launch.tensors.size(); ++i) {
      const hal::KernelTensor& t = launch.tensors[i];
      cost.vector_accesses += rows * RowVectors(Broadcast(elements, t).size[0], t.dtype);
    }
    for (DType width : {DType::kInt8, DType::kBFloat16, DType::kFloat32}) {
      cost.bundles +=
          rows * RowVectors(elements.size[0], width) * plan_.bundles[StorageBytes(width)];
    }
    cost.bundles += rows;  // the loop over rows
    return cost;
  }

  absl::Status Run(const BoundLaunch& launch, const hal::IndexBox& box,
                   AddressSpace& memory) const override {
    const ElementBox elements = ToElements(box, OutputSizes(launch));
    if (elements.Count() == 0) return absl::OkStatus();
    std::vector<Operand> operands;
    std::vector<std::pair<std::byte*, std::byte*>> ranges;
    for (size_t i = 0; i < launch.tensors.size(); ++i) {
      const hal::KernelTensor& t = launch.tensors[i];
      const ElementBox part = Broadcast(elements, t);
      Operand o;
      ASSIGN_OR_RETURN(o.base, ResolveTensor(launch, i, part, memory));
      // The program's, since a descriptor says u8 for bool.
      o.dtype = i < program_.inputs.size()
                    ? program_.inputs[i]
                    : hal::ValueDType(program_, program_.outputs[i - program_.inputs.size()]);
      int64_t last = 0;
      for (int d = 0; d < kTpcMaxDims; ++d) {
        o.strides[d] = t.sizes[d] == 1 ? 0 : static_cast<int64_t>(t.strides[d]);
        last += o.strides[d] * (int64_t{part.size[d]} - 1);
      }
      ranges.emplace_back(o.base, o.base + (last + 1) * StorageBytes(t.dtype));
      operands.push_back(o);
    }
    const size_t inputs = program_.inputs.size();
    bool shared = false;
    for (size_t i = 0; i < inputs; ++i) {
      for (size_t j = inputs; j < ranges.size(); ++j) {
        shared |= ranges[i].first < ranges[j].second && ranges[j].first < ranges[i].second;
      }
    }
    for (uint16_t v : plan_.indices) {
      const uint32_t dim = program_.instructions[v - inputs].immediate;
      Operand o;
      o.start = static_cast<int32_t>(elements.begin[dim]);
      o.strides[dim] = 1;
      operands.push_back(o);
    }

    const uint64_t total = elements.Count();
    const Geometry geometry = MakeGeometry(elements.size, TileCapacity(), operands);
    const auto tiles = static_cast<int64_t>(geometry.total_tiles);
    ForUnits(
        tiles, total > kParallelElements,
        [&] { return Interpreter(program_, plan_, geometry, operands, shared); },
        [&](Interpreter& interpreter, int64_t tile) {
          interpreter.Run(static_cast<uint64_t>(tile));
        });
    return absl::OkStatus();
  }

 private:
  // Elements a tile, so that all slots stay in a first-level cache of 32 KiB with room for operands
  // in place.
  uint64_t TileCapacity() const {
    constexpr uint64_t kScratchElements = 6144;
    const auto slots = static_cast<uint64_t>(std::max(plan_.slots, 3));
    return std::max<uint64_t>(kScratchElements / slots / 64 * 64, 128);
  }
  const hal::TpcDims& OutputSizes(const BoundLaunch& launch) const {
    return launch.tensors[program_.inputs.size()].sizes;
  }

  const hal::ExpressionProgram program_;
  const FusedPlan plan_;
};

}  // namespace

KernelOr MakeFusedKernel(absl::Span<const std::byte> payload) {
  ASSIGN_OR_RETURN(hal::ExpressionProgram program, hal::ParseExpression(payload));
  return std::unique_ptr<const Kernel>(std::make_unique<FusedKernel>(std::move(program)));
}

}  // namespace openhpu::simulator
