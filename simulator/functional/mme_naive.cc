#include "simulator/functional/mme_naive.h"

#include <cfenv>
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

// Codes 0 to 3: nearest even, zero, up, down.
class Rounded {
 public:
  explicit Rounded(uint32_t mode) : saved_(std::fegetround()) {
    const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_UPWARD, FE_DOWNWARD};
    std::fesetround(modes[mode]);
  }
  ~Rounded() { std::fesetround(saved_); }
  float Fma(float a, float b, float c) { return std::fmaf(a, b, c); }
  float Add(float a, float b) { return Fma(a, 1.0f, b); }

 private:
  int saved_;
};

// The two bf16 numbers around a value, and which of them it becomes.
uint16_t ToBFloat16(float value, uint32_t mode) {
  if (std::isnan(value)) return 0x7FFF;
  const uint32_t bits = BitsOf(value);
  const uint16_t inner = static_cast<uint16_t>(bits >> 16);  // nearer to zero
  if ((bits & 0xFFFF) == 0) return inner;
  const uint16_t outer = inner + 1;
  const bool negative = value < 0;
  switch (mode) {
    case 1:
      return inner;
    case 2:
      return negative ? inner : outer;
    case 3:
      return negative ? outer : inner;
    default:
      break;
  }
  const uint32_t rest = bits & 0xFFFF;
  if (rest != 0x8000) return rest < 0x8000 ? inner : outer;
  return inner % 2 == 0 ? inner : outer;
}

}  // namespace

// An address generator: its operand, and where it stands in its own nest.
struct NaiveMme::Unit {
  uint64_t address = 0;
  int64_t valid[5], loop_stride[5], roi[4], spatial_stride[4], lines;
  int64_t base_offset[5], start_offset[4];
  uint32_t partial = 0, skipped = 0;  // loop masks
  bool trans = false, advance = false, lower = false, output = false, f32 = false;
  float padding = 0;
  uint32_t uses = 1;
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
      const bool wraps = at[i] == n[i] - 1;
      if (wraps) {
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

struct NaiveMme::Descriptor {
  explicit Descriptor(const uint32_t* r) : registers(r) {
    const uint32_t low = At(0x20), high = At(0x24);
    trans_o = (low >> 2 & 1) != 0;
    accum_mask = low >> 8 & 15;
    keep = (low >> 12 & 1) != 0;
    rounding = low >> 13 & 7;
    f32_in = (low >> 16 & 1) != 0;
    f32_out = (low >> 17 & 1) != 0;
    accum = (low >> 18 & 1) != 0;
    store = (low >> 19 & 1) != 0;
    roll = low >> 20 & 15;
    signal_mask = low >> 24 & 63;
    signal = (low >> 30 & 1) != 0;
    relu = (low >> 31) != 0;
    m = f32_in ? 32 : 64;
    reduction = At(0x1EC) & 0x1FF;
    for (int i = 0; i < 4; ++i) n[i] = int64_t{At(0x28) >> (8 * i) & 255} + 1;
    n[4] = int64_t{At(0x34)} + 1;
    n[5] = int64_t{At(0x38) >> 16 & 255} + 1;
    const uint32_t repeat = At(0x1D4);
    Read(0x08, 0x14, 0x3C, 0x88, 0, high & 63, repeat >> 8 & 63, s);
    s.trans = (low & 1) != 0, s.advance = (low >> 3 & 1) != 0, s.lower = (low >> 7 & 1) != 0;
    s.uses = (repeat & 255) + 1;
    s.padding = Padding(At(0x204));
    for (int a = 0; a < 2; ++a) {
      Read(0x0C, 0x18, 0xAC, a == 0 ? 0xF8 : 0x11C, 3, high >> (6 + 6 * a) & 63, repeat >> 24 & 63,
           l[a]);
      l[a].trans = (low >> 1 & 1) != 0, l[a].advance = (low >> 4 & 1) != 0;
      l[a].lower = (low >> 6 & 1) != 0;
      l[a].uses = (repeat >> 16 & 255) + 1;
      l[a].padding = Padding(At(0x208));
      Read(0x10, 0x1C, 0x140, a == 0 ? 0x18C : 0x1B0, 6, high >> (18 + 6 * a) & 63, accum_mask,
           o[a]);
      o[a].advance = (low >> 5 & 1) != 0;
      o[a].output = true;
      o[a].f32 = f32_out;
      l[a].f32 = f32_in;
    }
    s.f32 = f32_in;
  }
  uint32_t At(uint32_t offset) const { return registers[(offset - 8) / 4]; }
  int64_t Signed(uint32_t offset) const { return static_cast<int32_t>(At(offset)); }
  float Padding(uint32_t word) const { return FloatOf(f32_in ? word : word << 16); }
  void Read(uint32_t high, uint32_t low, uint32_t tensor, uint32_t agu, int code, uint32_t partial,
            uint32_t skipped, Unit& u) const {
    u.address = uint64_t{At(high)} << 32 | At(low);
    for (int i = 0; i < 5; ++i) u.valid[i] = At(tensor + 4 * i);
    for (int i = 0; i < 5; ++i) u.loop_stride[i] = Signed(tensor + 0x14 + 4 * i);
    for (int i = 0; i < 4; ++i) u.roi[i] = Signed(tensor + 0x28 + 4 * i);
    for (int i = 0; i < 4; ++i) u.spatial_stride[i] = At(tensor + 0x38 + 4 * i);
    u.lines = int64_t{At(tensor + 0x48)} + 1;
    for (int i = 0; i < 5; ++i) u.base_offset[i] = Signed(agu + 4 * i);
    for (int i = 0; i < 4; ++i) u.start_offset[i] = Signed(agu + 0x14 + 4 * i);
    u.partial = partial;
    u.skipped = skipped;
    const uint32_t words[6] = {At(0x2C), At(0x2C) >> 16, At(0x30), At(0x30) >> 16, 0555, At(0x38)};
    for (int i = 0; i < 6; ++i) u.dim[i] = static_cast<int>(words[i] >> code & 7);
  }

  const uint32_t* registers;
  bool trans_o, keep, f32_in, f32_out, accum, store, signal, relu;
  uint32_t accum_mask, rounding, roll, signal_mask, reduction;
  int64_t m;
  int64_t n[6];
  Unit s, l[2], o[2];
};

NaiveMme::NaiveMme(Memory memory) : memory_(std::move(memory)) {
  // Seeds and polynomial of the reference's generators are not known: these are the model's.
  for (int a = 0; a < 2; ++a) {
    for (uint32_t lane = 0; lane < 32; ++lane) {
      arrays_[a].lfsr[lane] = 0x9E3779B9u * (32 * static_cast<uint32_t>(a) + lane + 1);
    }
  }
}

float NaiveMme::Load(uint64_t address, bool f32) {
  const std::byte* from = memory_(address, f32 ? 4 : 2);
  if (from == nullptr) {
    fault_ = "address";
    return 0;
  }
  uint32_t bits = 0;
  std::memcpy(&bits, from, f32 ? 4 : 2);
  return FloatOf(f32 ? bits : bits << 16);
}

// Section 3.
std::vector<NaiveMme::Line> NaiveMme::Gemm(const Descriptor& d, Unit& u) {
  const uint32_t last = u.Last();
  const bool partial = (last & u.partial) != 0;
  const auto trimmed = [&](int64_t n) { return n % d.m == 0 ? d.m : n % d.m; };
  int64_t lines, width;
  if (u.output) {
    lines = (last >> 4 & 1) != 0 ? u.lines : d.m;
    width = partial ? trimmed(u.roi[0]) : d.m;
  } else if (u.trans) {
    lines = partial ? trimmed(u.lines) : d.m;
    width = u.roi[0];
  } else {
    lines = u.lines;
    width = partial ? trimmed(u.roi[0]) : d.m;
  }
  bool empty = false;
  for (int64_t valid : u.valid) empty = empty || valid == 0;
  int64_t cur[5];
  for (int i = 1; i < 5; ++i) cur[i] = u.base[i] + u.start[i - 1];
  std::vector<Line> walked;
  for (int64_t h = 0; h < lines; ++h) {
    Line line;
    for (int64_t x = u.base[0]; x < u.base[0] + width; ++x) {
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
      const bool goes_on = h + 1 < lines || (u.advance && u.n[4] > 1);
      if (cur[i] >= u.base[i] + u.roi[i] && goes_on && !empty) fault_ = "carry";
    }
  }
  if (u.at[0] == 0 && u.at[1] == 0 && u.at[2] == 0 && u.at[3] == 0) {
    for (int i = 1; i < 5; ++i) u.stopped[i - 1] = cur[i] - u.base[i];
  }
  return walked;
}

// Section 2: the stream of an input, cut where a group ends.
std::vector<NaiveMme::Vectors> NaiveMme::Groups(const Descriptor& d, Unit& u) {
  std::vector<Vectors> groups;
  Vectors group;
  u.Begin(d.n);
  do {
    const std::vector<Line> lines = Gemm(d, u);
    const size_t first = group.size();
    if (u.trans) {
      group.resize(first + static_cast<size_t>(u.roi[0]), std::vector<float>(d.m, 0.0f));
    }
    for (size_t h = 0; h < lines.size(); ++h) {
      if (!u.trans) group.push_back(std::vector<float>(d.m, 0.0f));
      for (size_t x = 0; x < lines[h].size(); ++x) {
        const Point& p = lines[h][x];
        const float value = p.exists ? Load(p.address, u.f32) : u.padding;
        (u.trans ? group[first + x][h] : group[first + h][x]) = value;
      }
    }
    if ((u.Last() & d.accum_mask) == d.accum_mask) {
      for (uint32_t i = 0; i < u.uses; ++i) groups.push_back(group);
      group.clear();
    }
    if (!fault_.empty()) break;
  } while (u.Move());
  return groups;
}

void NaiveMme::Store(const Descriptor& d, const Point& point, float value, uint32_t random) {
  if (value == 0) value = 0.0f;  // no negative zero
  if (d.relu && value < 0) value = 0.0f;
  std::byte* to = memory_(point.address, d.f32_out ? 4 : 2);
  if (to == nullptr) {
    fault_ = "address";
    return;
  }
  uint32_t bits = std::isnan(value) ? 0x7FFFFFFF : BitsOf(value);
  if (!d.f32_out) {
    if ((d.rounding & 4) != 0) {
      const bool up = (bits << 16) != 0 && (bits << 16) >= random && !std::isnan(value);
      bits = (bits >> 16) + (up ? 1 : 0);
    } else {
      bits = ToBFloat16(value, d.rounding & 3);
    }
  }
  if (d.reduction != 0) {
    uint32_t before = 0;
    std::memcpy(&before, to, d.f32_out ? 4 : 2);
    float more = FloatOf(d.f32_out ? bits : bits << 16);
    if ((d.reduction >> 5 & 1) != 0) more = -more;
    const uint32_t mode = d.reduction >> 7;
    const float sum = Rounded(mode).Add(FloatOf(d.f32_out ? before : before << 16), more);
    bits = d.f32_out ? BitsOf(sum) : ToBFloat16(sum, mode);
  }
  std::memcpy(to, &bits, d.f32_out ? 4 : 2);
}

void NaiveMme::RollUp(const Descriptor& d, Unit& output, NaiveArray& array, const Vectors& s,
                      const Vectors& l) {
  Rounded rounded(d.rounding & 3);
  const size_t elements = static_cast<size_t>(d.m * d.m);
  if (array.chains.size() != elements || array.vectors == 0) {
    array.chains.assign(elements, {0, 0, 0, 0});
    array.vectors = 0;
  }
  const size_t m = static_cast<size_t>(d.m);
  for (size_t k = 0; k < s.size(); ++k, ++array.vectors) {
    const size_t chain = array.vectors % 4;
    for (size_t r = 0; r < m; ++r) {
      for (size_t c = 0; c < m; ++c) {
        float& sum = array.chains[r * m + c][chain];
        sum = rounded.Fma(s[k][r], l[k][c], sum);
      }
    }
  }
  if (d.keep) return;
  const uint64_t k = array.vectors;
  std::vector<float> tile(elements);
  for (size_t e = 0; e < elements; ++e) {
    const auto& c = array.chains[e];
    tile[e] = rounded.Add(rounded.Add(c[k % 4], c[(k + 1) % 4]),
                          rounded.Add(c[(k + 2) % 4], c[(k + 3) % 4]));
  }
  array.vectors = 0;
  if (d.accum || !d.store) {
    std::vector<float>& accumulator = array.accumulators[array.index];
    if (accumulator.size() != elements) accumulator.assign(elements, 0.0f);
    for (size_t e = 0; e < elements; ++e) {
      if (d.accum) tile[e] = rounded.Add(accumulator[e], tile[e]);
      if (!d.store) accumulator[e] = tile[e];
    }
  }
  array.index = (array.index + 1) % 16;
  const bool local = &output == &d.o[0];  // both arrays signal alike: one is counted
  if (local && d.signal && (output.Last() & d.signal_mask) == d.signal_mask) ++signals_;
  if (d.store) {
    const std::vector<Line> lines = Gemm(d, output);
    for (size_t h = 0; h < lines.size(); ++h) {
      const std::array<uint32_t, 32> before = array.lfsr;
      std::array<uint32_t, 32> second = before;
      const auto step = [](uint32_t x) { return (x & 1) != 0 ? x >> 1 ^ 0x80200003u : x >> 1; };
      if ((d.rounding & 4) != 0 && !d.f32_out) {
        for (uint32_t& x : second) x = step(x);
        array.lfsr = second;
        if (d.m == 64) {
          for (uint32_t& x : array.lfsr) x = step(x);
        }
      }
      for (size_t x = 0; x < lines[h].size(); ++x) {
        const size_t e = d.trans_o ? x * d.m + h : h * d.m + x;
        const Point& p = lines[h][x];
        if (p.exists) Store(d, p, tile[e], x < 32 ? before[x] : second[x - 32]);
      }
    }
  }
  output.Move();
}

std::string NaiveMme::Run(const uint32_t* registers) {
  Descriptor d(registers);
  fault_.clear();
  signals_ = 0;
  int64_t tiles = 1;
  for (int i = 0; i < 6; ++i) tiles *= (d.accum_mask >> i & 1) != 0 ? 1 : d.n[i];
  int64_t gemms = 1;
  for (int64_t n : d.n) gemms *= n;
  for (Unit* u : {&d.s, &d.l[0]}) {
    if (gemms > 100 || gemms * (u->trans ? u->roi[0] : u->lines) > 5000) return kTooLarge;
  }
  for (Unit* u : {&d.s, &d.l[0], &d.o[0]}) {
    u->Begin(d.n);
    for (int64_t roi : u->roi) {
      if (roi < 0) return "roi";
    }
    for (int i = 0; i < 6; ++i) {
      if (u->dim[i] > 5) return "dim";
      for (int j = 0; j < i; ++j) {
        if (u->n[i] > 1 && u->n[j] > 1 && u->dim[i] == u->dim[j] && u->dim[i] < 5) return "dims";
      }
    }
  }
  if (d.signal && (d.signal_mask & d.accum_mask) != d.accum_mask) return "signalMask";
  if (d.keep && tiles > 1) return "accStoreIncDisable";
  if (!d.keep && (d.accum || !d.store) && tiles > 16) return "partial tiles";
  if (!d.keep && d.store && d.o[0].lines > d.m) return "lines";
  const std::vector<Vectors> s = Groups(d, d.s);
  if (!fault_.empty()) return fault_;
  std::vector<Vectors> l[2];
  for (int a = 0; a < 2; ++a) {
    l[a] = Groups(d, d.l[a]);
    d.o[a].Begin(d.n);
    if (!fault_.empty()) return fault_;
    if (l[a].size() != s.size()) return "groups";
    for (size_t j = 0; j < s.size(); ++j) {
      if (l[a][j].size() != s[j].size()) return "k";
    }
  }
  if (static_cast<int64_t>(s.size()) != tiles) return "groups";
  for (size_t j = 0; j < s.size() && fault_.empty(); ++j) {
    for (int a = 0; a < 2; ++a) RollUp(d, d.o[a], arrays_[a], s[j], l[a][j]);
  }
  if (!d.keep) {
    for (NaiveArray& array : arrays_) array.index = (array.index + d.roll) % 16;
  }
  if (d.keep) signals_ = 0;
  return fault_;
}

}  // namespace openhpu::simulator
