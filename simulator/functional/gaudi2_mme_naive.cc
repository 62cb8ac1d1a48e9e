#include "simulator/functional/gaudi2_mme_naive.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace openhpu::simulator {
namespace {

float FloatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

uint32_t BitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

// Section 6, item 2: products in steps, each a sum of integers, to which the accumulator is added
// in numbers of 113 bits.
float TreeStep(const std::vector<std::pair<float, float>>& products, float sum) {
  int largest = -10000;
  for (const auto& [a, b] : products) {
    if (a != 0 && b != 0) largest = std::max(largest, std::ilogb(a) + std::ilogb(b));
  }
  if (largest == -10000) return sum;
  int64_t tree = 0;
  for (const auto& [a, b] : products) {
    const double product = static_cast<double>(a) * b;  // exact
    tree += static_cast<int64_t>(std::trunc(std::ldexp(product, 49 - largest)));
  }
  __float128 total = tree;
  for (int i = largest; i < 49; ++i) total *= 0.5;
  for (int i = 49; i < largest; ++i) total *= 2;
  return static_cast<float>(total + sum);
}

// The two bf16 numbers around a value, and which of them it becomes.
uint16_t ToBFloat16(float value, uint32_t mode) {
  const uint32_t bits = BitsOf(value);
  const auto inner = static_cast<uint16_t>(bits >> 16);  // nearer to zero
  if ((bits & 0xFFFF) == 0) return inner;
  const uint16_t outer = inner + 1;
  const bool negative = value < 0;
  if (mode == 1) return inner;
  if (mode == 2) return negative ? inner : outer;
  if (mode == 3) return negative ? outer : inner;
  const uint32_t rest = bits & 0xFFFF;
  if (rest != 0x8000) return rest < 0x8000 ? inner : outer;
  return inner % 2 == 0 ? inner : outer;
}

}  // namespace

// An address generator: its operand, and where it stands in its own nest.
struct NaiveGaudi2Mme::Unit {
  uint64_t address = 0;
  int64_t valid[5], loop_stride[5], roi[4], spatial_stride[4];
  int64_t base_offset[5], start_offset[4];
  int64_t lines, width;
  uint32_t skipped = 0;  // loops
  bool trans = false, advance = false, lower = false, f32 = false;
  int dim[6];

  int64_t n[6], at[6], base[5], start[4], stopped[4];

  void Begin(const int64_t sizes[6]) {
    for (int i = 0; i < 6; ++i) n[i] = (skipped >> i & 1) != 0 ? 1 : sizes[i], at[i] = 0;
    for (int i = 0; i < 5; ++i) base[i] = base_offset[i];
    for (int i = 0; i < 4; ++i) start[i] = start_offset[i];
  }
  uint32_t Last() const {
    uint32_t last = 0;
    for (int i = 0; i < 6; ++i) last |= (at[i] == n[i] - 1 ? 1u : 0u) << i;
    return last;
  }
  // False after the last iteration.
  bool Move() {
    for (int i = 0; i < 6; ++i) {
      if (at[i] == n[i] - 1) {
        at[i] = 0;
        if (dim[i] < 5) base[dim[i]] = base_offset[dim[i]];
        continue;
      }
      ++at[i];
      if (dim[i] < 5) base[dim[i]] += loop_stride[dim[i]];
      for (int d = 0; d < 4; ++d) {
        if (i == 4 && advance) start[d] = stopped[d];
        if (i == 5) start[d] = start_offset[d];
      }
      return true;
    }
    return false;
  }
};

struct NaiveGaudi2Mme::Descriptor {
  explicit Descriptor(const uint32_t* r) : registers(r) {
    const uint32_t low = At(0x30), high = At(0x34), brains = At(0x28), brains_high = At(0x2C);
    trans_a = (low & 1) != 0, trans_b = (low >> 1 & 1) != 0;
    accum = (low >> 7 & 1) != 0;
    roll = low >> 8 & 7;
    reads_a = low >> 11 & 31, reads_b = low >> 16 & 31;
    store = (low >> 22 & 1) != 0;
    f32_in = (low >> 24 & 15) == 0xA, f32_out = (low >> 28) == 0xA;
    hx2 = (high >> 10 & 1) != 0;
    accum_mask = brains_high >> 8 & 63;
    shuffle = brains_high >> 17 & 3;
    rounding = brains_high >> 24 & 7;
    relu = (brains_high >> 27 & 1) != 0;
    keep = (brains_high >> 28 & 1) != 0;
    for (int i = 0; i < 4; ++i) n[i] = int64_t{At(0x280) >> (8 * i) & 255} + 1;
    n[4] = int64_t{At(0x290)} + 1;
    n[5] = int64_t{At(0x28C) >> 16 & 255} + 1;
    for (int core = 0; core < 2; ++core) {
      for (int sb = 0; sb < 5; ++sb) {
        const bool of_b = (reads_b >> sb & 1) != 0;
        Unit& u = in[core][sb];
        const uint32_t agu = 0x15C + 0x28 * sb + 0x14 * core;
        Read(of_b ? 0x20 : 0x18, of_b ? 0x98 : 0x40, agu, (high >> (of_b ? 1 : 0) & 1) != 0,
             of_b ? 3 : 0, u);
        u.trans = of_b ? trans_b : trans_a;
        u.advance = (low >> (of_b ? 3 : 2) & 1) != 0;
        u.lower = (low >> (of_b ? 6 : 5) & 1) != 0;
        u.skipped = brains >> (of_b ? 8 : 0) & 63;
        u.f32 = f32_in;
        u.lines = u.trans ? 64 : int64_t{At(of_b ? 0x228 : 0x224)} + 1;
        u.width = u.trans ? u.roi[0] : 64;
      }
      for (int p = 0; p < 2; ++p) {
        Unit& u = out[core][p];
        Read(0x10, 0xF0, 0x22C + 0x28 * p + 0x14 * core, (high >> 2 & 1) != 0, 6, u);
        u.advance = (low >> 4 & 1) != 0;
        u.skipped = accum_mask;
        u.f32 = f32_out;
        u.lines = u.width = 128;
      }
    }
  }
  uint32_t At(uint32_t offset) const { return registers[(offset - 8) / 4]; }
  int64_t Signed(uint32_t offset) const { return static_cast<int32_t>(At(offset)); }
  void Read(uint32_t base, uint32_t tensor, uint32_t agu, bool swap, int code, Unit& u) const {
    u.address = uint64_t{At(base + 4)} << 32 | At(base);
    for (int i = 0; i < 5; ++i) u.valid[i] = At(tensor + 4 * i);
    for (int i = 0; i < 5; ++i) u.loop_stride[i] = Signed(tensor + 0x14 + 4 * i);
    for (int i = 0; i < 4; ++i) u.roi[i] = Signed(tensor + 0x28 + 4 * i);
    for (int i = 0; i < 4; ++i) u.spatial_stride[i] = At(tensor + 0x38 + 4 * i);
    for (int i = 0; i < 5; ++i) u.base_offset[i] = Signed(agu + 4 * i);
    for (int i = 0; i < 4; ++i) u.start_offset[i] = Signed(tensor + 0x48 + 4 * i);
    if (swap) {
      for (int i = 0; i < 4; ++i) std::swap(u.base_offset[i + 1], u.start_offset[i]);
    }
    const uint32_t words[6] = {At(0x284), At(0x284) >> 16, At(0x288), At(0x288) >> 16,
                               0555,      At(0x28C)};
    for (int i = 0; i < 6; ++i) u.dim[i] = static_cast<int>(words[i] >> code & 7);
  }

  const uint32_t* registers;
  bool trans_a, trans_b, accum, store, f32_in, f32_out, hx2, relu, keep;
  uint32_t roll, reads_a, reads_b, accum_mask, shuffle, rounding;
  int64_t n[6];
  Unit in[2][5], out[2][2];
};

// Section 3.
std::vector<NaiveGaudi2Mme::Line> NaiveGaudi2Mme::Gemm(Unit& u) {
  bool empty = false;
  for (int64_t valid : u.valid) empty = empty || valid == 0;
  int64_t cur[5];
  for (int i = 1; i < 5; ++i) cur[i] = u.base[i] + u.start[i - 1];
  std::vector<Line> walked;
  for (int64_t h = 0; h < u.lines; ++h) {
    Line line;
    for (int64_t x = u.base[0]; x < u.base[0] + u.width; ++x) {
      bool exists = true;
      for (int i = 2; i < 5; ++i) exists = exists && cur[i] >= 0 && cur[i] < u.valid[i];
      if (u.lower) {
        exists = exists && x + cur[1] >= 0 && x + cur[1] < u.valid[1] && x < u.valid[0];
      } else {
        exists = exists && cur[1] >= 0 && cur[1] < u.valid[1] && x >= 0 && x < u.valid[0];
      }
      const int64_t offset = x + cur[1] + cur[2] + cur[3] + cur[4];
      line.push_back({exists, u.address + static_cast<uint64_t>((u.f32 ? 4 : 2) * offset)});
    }
    walked.push_back(line);
    cur[1] += u.spatial_stride[0];
    for (int i = 1; i < 4; ++i) {
      if (cur[i] < u.base[i] + u.roi[i]) break;
      cur[i] -= u.roi[i];
      cur[i + 1] += u.spatial_stride[i];
      const bool goes_on = h + 1 < u.lines || (u.advance && u.n[4] > 1);
      if (cur[i] >= u.base[i] + u.roi[i] && goes_on && !empty) fault_ = "carry";
    }
  }
  if (u.at[0] == 0 && u.at[1] == 0 && u.at[2] == 0 && u.at[3] == 0) {
    for (int i = 1; i < 5; ++i) u.stopped[i - 1] = cur[i] - u.base[i];
  }
  return walked;
}

// Section 2: the stream of an input, cut where a group ends.
std::vector<NaiveGaudi2Mme::Vectors> NaiveGaudi2Mme::Groups(const Descriptor& d, Unit u) {
  std::vector<Vectors> groups;
  Vectors group;
  u.Begin(d.n);
  do {
    const std::vector<Line> lines = Gemm(u);
    const size_t first = group.size();
    if (u.trans) group.resize(first + static_cast<size_t>(u.roi[0]), std::vector<float>(64, 0.0f));
    for (size_t h = 0; h < lines.size(); ++h) {
      if (!u.trans) group.push_back(std::vector<float>(64, 0.0f));
      for (size_t x = 0; x < lines[h].size(); ++x) {
        const Point& p = lines[h][x];
        float value = 0;
        if (p.exists) {
          const std::byte* from = memory_(p.address, u.f32 ? 4 : 2);
          if (from == nullptr) {
            fault_ = "address";
          } else {
            uint32_t bits = 0;
            std::memcpy(&bits, from, u.f32 ? 4 : 2);
            value = FloatOf(u.f32 ? bits : bits << 16);
          }
        }
        (u.trans ? group[first + x][h] : group[first + h][x]) = value;
      }
    }
    if ((u.Last() & d.accum_mask) == d.accum_mask) {
      groups.push_back(group);
      group.clear();
    }
    if (!fault_.empty()) break;
  } while (u.Move());
  return groups;
}

void NaiveGaudi2Mme::Store(const Descriptor& d, const Point& point, float value) {
  if (value == 0) value = 0.0f;  // no negative zero
  if (d.relu && value < 0) value = 0.0f;
  std::byte* to = memory_(point.address, d.f32_out ? 4 : 2);
  if (to == nullptr) {
    fault_ = "address";
    return;
  }
  const uint32_t bits = d.f32_out ? BitsOf(value) : ToBFloat16(value, d.rounding);
  std::memcpy(to, &bits, d.f32_out ? 4 : 2);
}

void NaiveGaudi2Mme::RollUp(const Descriptor& d, Core& core, std::array<Unit, 2>& outputs,
                            const std::vector<const Vectors*>& a,
                            const std::vector<const Vectors*>& b, bool master) {
  const int64_t rows = d.hx2 ? 256 : 128, columns = d.hx2 ? 128 : 256;
  const size_t at_once = d.f32_in ? 2 : 8, depth = a[0]->size();
  if (!core.kept) core.running.assign(static_cast<size_t>(rows * columns), 0.0f);
  std::vector<std::pair<float, float>> products;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t ports = static_cast<int64_t>(a.size());
    const Vectors& from = *a[d.shuffle == 0 ? r / 64 : r % ports];
    const int64_t line = d.shuffle == 0 ? r % 64 : r / ports;
    for (int64_t c = 0; c < columns; ++c) {
      float& sum = core.running[static_cast<size_t>(r * columns + c)];
      for (size_t k = 0; k < depth; k += at_once) {
        products.clear();
        for (size_t i = k; i < std::min(depth, k + at_once); ++i) {
          products.push_back({from[i][line], (*b[c / 64])[i][c % 64]});
        }
        sum = TreeStep(products, sum);
      }
    }
  }
  core.kept = d.keep;
  if (d.keep) return;
  std::vector<float> tile = core.running;
  if (d.accum || !d.store) {
    std::vector<float>& accumulator = core.accumulators[core.index / 2];
    if (accumulator.empty()) accumulator.assign(tile.size(), 0.0f);
    for (size_t e = 0; e < tile.size(); ++e) {
      if (d.accum) tile[e] = accumulator[e] + tile[e];
      if (!d.store) accumulator[e] = tile[e];
    }
  }
  core.index = (core.index + 2) % 8;
  if (master) {
    const uint32_t word = d.At(0x148), last = outputs[0].Last();
    for (uint32_t i = 0; i < 2; ++i) {
      const uint32_t mask = word >> (8 * i) & 63;
      if ((word >> (6 + 8 * i) & 1) == 0 || (last & mask) != mask) continue;
      const uint32_t address = d.At(i == 0 ? 0x14C : 0x154), value = d.At(i == 0 ? 0x150 : 0x158);
      signals_.push_back({address, value});
      if ((word >> 17 & 1) == 0) continue;
      const bool own = (word >> (18 + i) & 1) != 0, next = (word >> (20 + i) & 1) != 0;
      signals_.push_back({own ? d.At(i == 0 ? 0x2B0 : 0x2B4) : address + (next ? 4 : 0), value});
    }
  }
  for (int p = 0; p < 2; ++p) {
    if (d.store) {
      const std::vector<Line> lines = Gemm(outputs[p]);
      for (int64_t h = 0; h < 128; ++h) {
        for (int64_t x = 0; x < 128; ++x) {
          const int64_t r = d.hx2 ? 2 * h + p : h, c = d.hx2 ? x : 128 * p + x;
          if (lines[h][x].exists) {
            Store(d, lines[h][x], tile[static_cast<size_t>(r * columns + c)]);
          }
        }
      }
    }
    outputs[p].Move();
  }
}

std::string NaiveGaudi2Mme::Run(const uint32_t* registers) {
  fault_.clear();
  signals_.clear();
  Descriptor d(registers);
  int64_t gemms = 1, steps = 1;
  for (int i = 0; i < 6; ++i) {
    gemms *= d.n[i];
    if ((d.accum_mask >> i & 1) == 0) steps *= d.n[i];
    if (gemms > 64) return kTooLarge;
  }
  for (const auto& core : d.in) {
    for (const Unit& u : core) {
      if (u.lines > 600 || u.width > 600 || u.width < 0) return kTooLarge;
    }
  }
  // Table 7.1: what cannot be.
  if ((d.accum || !d.store) && !d.keep && steps > 4) return "accumulators";
  if (d.keep && steps != 1) return "noRollup";
  for (uint32_t i = 0; i < 2; ++i) {
    const uint32_t word = d.At(0x148);
    if ((word >> (6 + 8 * i) & 1) != 0 && (d.accum_mask & ~(word >> (8 * i))) != 0) return "mask";
  }
  std::vector<Vectors> groups[2][5];
  for (int core = 0; core < 2; ++core) {
    for (int sb = 0; sb < 5; ++sb) {
      if (((d.reads_a | d.reads_b) >> sb & 1) == 0) continue;
      groups[core][sb] = Groups(d, d.in[core][sb]);
      if (!fault_.empty()) return fault_;
      if (groups[core][sb].size() != static_cast<size_t>(steps)) return "groups";
    }
  }
  for (auto& core : d.out) {
    for (Unit& u : core) u.Begin(d.n);
  }
  std::array<std::array<Unit, 2>, 2> outputs;
  for (int core = 0; core < 2; ++core) outputs[core] = {d.out[core][0], d.out[core][1]};
  for (int64_t step = 0; step < steps; ++step) {
    for (int core = 0; core < 2; ++core) {
      const uint32_t own = d.At(core == 0 ? 0x38 : 0x3C), other = d.At(core == 0 ? 0x3C : 0x38);
      const Vectors* slots[8] = {};
      for (int sb = 0; sb < 5; ++sb) {
        if ((own >> sb & 1) != 0) slots[own >> (7 + 3 * sb) & 7] = &groups[core][sb][step];
      }
      if ((other >> 28 & 1) != 0) slots[own >> 22 & 7] = &groups[1 - core][0][step];
      if ((other >> 29 & 1) != 0) slots[own >> 22 & 7] = &groups[1 - core][2][step];
      if ((other >> 30 & 1) != 0) slots[own >> 25 & 7] = &groups[1 - core][3][step];
      std::vector<const Vectors*> a, b;
      for (int i = 0; i < (d.hx2 ? 4 : 2); ++i) a.push_back(slots[i]);
      for (int i = 0; i < (d.hx2 ? 2 : 4); ++i) b.push_back(slots[4 + i]);
      for (const Vectors* v : a) {
        if (v == nullptr || v->size() != a[0]->size()) return "k of A";
      }
      for (const Vectors* v : b) {
        if (v == nullptr || v->size() != a[0]->size()) return "k of B";
      }
      RollUp(d, cores_[core], outputs[core], a, b, core == 0);
      if (!fault_.empty()) return fault_;
    }
  }
  if (!d.keep) {
    for (Core& core : cores_) core.index = (core.index + d.roll) % 8;
  }
  return fault_;
}

}  // namespace openhpu::simulator
