#include "simulator/functional/gaudi2_mme_random.h"

#include <algorithm>
#include <type_traits>

namespace openhpu::simulator {

using hal::abi::gaudi2::MmeAgu;
using hal::abi::gaudi2::MmeDescriptor;
using hal::abi::gaudi2::MmeTensor;
namespace mme = hal::abi::gaudi2::mme;

void RandomGaudi2Mme::Tensor(int64_t k, bool input, bool transposed, MmeTensor& t) {
  const auto u = [](int64_t v) { return static_cast<uint32_t>(v); };
  const auto i = [](int64_t v) { return static_cast<int32_t>(v); };
  t.valid_elements[0] = u(Between(1, input && transposed ? k + 2 : 260));
  for (int d = 1; d < 5; ++d) t.valid_elements[d] = u(Between(1, OneIn(2) ? 15000 : 300));
  if (OneIn(20)) t.valid_elements[Below(5)] = 0;
  t.roi_size[0] = i(input && transposed ? k : Between(1, 300));
  int64_t stride = Between(1, 100);
  for (int d = 1; d < 5; ++d) {
    t.spatial_strides[d - 1] = u(stride);
    if (d == 4) break;
    t.roi_size[d] = i(stride * Between(1, OneIn(2) ? 70 : 6) + Below(stride + 1));
    stride = OneIn(2) ? t.roi_size[d] : OneIn(8) ? 0 : Between(1, 3000);
  }
  for (int d = 0; d < 5; ++d) {
    t.loop_stride[d] = i(d == 0 ? Between(-10, 80) : OneIn(5) ? 0 : Between(-300, 2500));
  }
}

// Where a walk starts in its region, and where that begins; `swap`: the tensor has the latter.
void RandomGaudi2Mme::Places(bool swap, MmeTensor& t, std::vector<MmeAgu*> agus) {
  const auto begin = [&] { return OneIn(2) ? 0 : Between(-400, 900); };
  const auto start = [&](int d) {
    if (OneIn(60)) return -Between(1, 50);
    const int64_t roi = d < 3 ? t.roi_size[d + 1] : 2000;
    return OneIn(3) && roi > 0 ? Below(roi) : 0;
  };
  for (int d = 0; d < 4; ++d) {
    t.start_offset[d] = static_cast<uint32_t>(swap ? begin() : start(d));
    for (MmeAgu* agu : agus) {
      agu->roi_base_offset[d + 1] = static_cast<int32_t>(swap ? start(d) : begin());
    }
  }
  for (MmeAgu* agu : agus) {
    agu->roi_base_offset[0] = static_cast<int32_t>(OneIn(2) ? 0 : Between(-4, 140));
  }
}

// Ports in the vendor's order, or any other.
void RandomGaudi2Mme::Route(bool hx2, MmeDescriptor& d) {
  std::array<uint32_t, 4> a = {0, 1, 2, 3}, b = {4, 5, 6, 7};
  if (OneIn(2)) {
    std::shuffle(a.begin(), a.begin() + (hx2 ? 4 : 2), random_);
    std::shuffle(b.begin(), b.begin() + (hx2 ? 2 : 4), random_);
  }
  const int spare = OneIn(2) ? 1 : 4;  // SB1 or SB4
  const auto select = [](int sb, uint32_t code) { return 1u << sb | code << (7 + 3 * sb); };
  for (int core = 0; core < 2; ++core) {
    uint32_t& word = core == 0 ? d.eus_master : d.eus_slave;
    if (hx2) {  // A: SB1 to SB4; B: SB0 of both cores
      for (int i = 0; i < 4; ++i) word |= select(1 + i, a[i]);
      word |= select(0, b[core]) | 1u << 5 | b[1 - core] << 22 | 1u << 28;
    } else {  // B: SB2 and SB3 of both
      word |= select(0, a[0]) | select(spare, a[1]);
      word |= select(2, b[2 * core]) | select(3, b[2 * core + 1]);
      word |= 3u << 5 | b[2 - 2 * core] << 22 | b[3 - 2 * core] << 25 | 3u << 29;
    }
  }
  using Low = mme::HEADER_LOW;
  const uint32_t of_a = hx2 ? 0x1E : 1u | 1u << spare, of_b = hx2 ? 0x01 : 0x0C;
  d.header_low = Low::AGU_READS_A::Set(Low::AGU_READS_B::Set(d.header_low, of_b), of_a);
}

MmeDescriptor RandomGaudi2Mme::Descriptor(std::array<uint32_t, 3> at) {
  using Low = mme::HEADER_LOW;
  using High = mme::HEADER_HIGH;
  MmeDescriptor d;
  d.a_low = at[0], d.b_low = at[1], d.cout0_low = at[2];
  // Loops.
  std::array<int64_t, 6> n = {1, 1, 1, 1, 1, 1};
  int64_t gemms = 1;
  for (int i = 0; i < 6; ++i) {
    if (OneIn(2) || gemms > 4) continue;
    n[i] = Between(2, 3);
    gemms *= n[i];
  }
  const uint32_t accum_mask = (1u << Below(5)) - 1;
  d.conv_kernel_size_minus_1 =
      static_cast<uint32_t>((n[0] - 1) | (n[1] - 1) << 8 | (n[2] - 1) << 16 | (n[3] - 1) << 24);
  d.num_iterations_minus_1 = static_cast<uint32_t>(n[4] - 1);
  // A dim for each loop: live ones have one of their own, or none; others whatever.
  uint32_t codes[6] = {};
  for (int operand = 0; operand < 3; ++operand) {
    std::array<uint32_t, 5> order = {0, 1, 2, 3, 4};
    std::shuffle(order.begin(), order.end(), random_);
    int used = 0;
    for (int i = 0; i < 6; ++i) {
      const uint32_t dead = OneIn(3) ? static_cast<uint32_t>(Below(5)) : 5;
      const uint32_t dim = n[i] == 1 ? dead : OneIn(4) ? 5 : order[used++];
      codes[i] |= dim << (3 * operand);
    }
  }
  d.conv_low = codes[0] | codes[1] << 16;
  d.conv_high = codes[2] | codes[3] << 16;
  d.outer_loop = codes[5] | static_cast<uint32_t>(n[5] - 1) << 16;
  // An input that does not walk an accumulated loop holds its k already.
  uint32_t mask_a = 0, mask_b = 0;
  int64_t k_a = OneIn(4) ? Between(1, 20) : Between(1, 9), k_b = k_a;
  if ((accum_mask & 1) != 0 && OneIn(3)) {
    (OneIn(2) ? (k_a *= n[0], mask_a) : (k_b *= n[0], mask_b)) = 1;
  }
  d.brains_low = 0xC0C0C0C0u | mask_a | mask_b << 8 | accum_mask << 16 | accum_mask << 24;
  const bool hx2 = OneIn(4), shuffled = OneIn(2);
  using Brains = mme::BRAINS_HIGH;
  d.brains_high = 0xC0C0u | accum_mask << 8;
  d.brains_high = Brains::SHUFFLE_A::Set(d.brains_high, shuffled ? (hx2 ? 3 : 1) : 0);
  d.brains_high = Brains::ROUNDING_MODE::Set(d.brains_high, OneIn(3) ? Below(4) : 0);
  d.brains_high = Brains::RELU_EN::Set(d.brains_high, OneIn(4));
  // Header.
  const bool trans_a = OneIn(2), trans_b = OneIn(2);
  uint32_t low = Low::TRANS_A::Set(Low::TRANS_B::Set(0, trans_b), trans_a);
  low |= static_cast<uint32_t>(Below(8)) << 2;  // advance
  if (OneIn(4)) low |= static_cast<uint32_t>(Below(4)) << 5;
  low |= Low::DOUBLE_ACCUMS::kMask;
  low = Low::DATA_TYPE_IN::Set(low, OneIn(2) ? 0xA : 0x9);
  low = Low::DATA_TYPE_COUT::Set(low, OneIn(2) ? 0xA : 0x9);
  int64_t tiles = 1;
  for (int i = 0; i < 6; ++i) tiles *= (accum_mask >> i & 1) != 0 ? 1 : n[i];
  if (tiles <= 4 && OneIn(3)) low |= Low::ACCUM_EN::kMask;
  if (tiles > 4 || !OneIn(5)) low |= Low::STORE_EN0::kMask;
  if (tiles == 1 && OneIn(5)) d.brains_high |= Brains::NO_ROLLUP::kMask;
  if (OneIn(3)) low = Low::ROLL_ACCUMS::Set(low, static_cast<uint32_t>(2 * Below(4)));
  d.header_low = low;
  d.header_high = static_cast<uint32_t>(Below(8));  // swap
  d.header_high = High::HX2::Set(d.header_high, hx2);
  Route(hx2, d);
  // Operands.
  Tensor(k_a, true, trans_a, d.tensor_a);
  Tensor(k_b, true, trans_b, d.tensor_b);
  Tensor(0, false, false, d.tensor_cout);
  d.a_ss = static_cast<uint32_t>(trans_a ? Below(200) : k_a - 1);
  d.b_ss = static_cast<uint32_t>(trans_b ? Below(200) : k_b - 1);
  d.cout_ss = 127;
  std::vector<MmeAgu*> of_a, of_b;
  for (int sb = 0; sb < 5; ++sb) {
    std::vector<MmeAgu*>& to = Low::AGU_READS_B::Get(d.header_low) >> sb & 1 ? of_b : of_a;
    to.push_back(&d.agu_in[sb].master);
    to.push_back(&d.agu_in[sb].slave);
  }
  Places(d.header_high & 1, d.tensor_a, of_a);
  Places(d.header_high >> 1 & 1, d.tensor_b, of_b);
  Places(
      d.header_high >> 2 & 1, d.tensor_cout,
      {&d.agu_cout[0].master, &d.agu_cout[0].slave, &d.agu_cout[1].master, &d.agu_cout[1].slave});
  // Signals: of either colour, once or at every tile.
  const bool second = OneIn(2);
  d.header_high = High::STORE_COLOR_SET1::Set(d.header_high, second);
  const auto mask = [&] { return accum_mask | static_cast<uint32_t>(Below(64)); };
  d.sync_obj_dw0 = mask() | mask() << 8;
  if (OneIn(2)) d.sync_obj_dw0 |= 1u << 6;
  if (second && OneIn(2)) d.sync_obj_dw0 |= 1u << 14;
  d.sync_obj_dw0 |= static_cast<uint32_t>(Below(8)) << 15;
  d.sync_obj_dw0 |= OneIn(2) ? static_cast<uint32_t>(Below(4)) << 18 : Below(4) << 20;
  d.sync_obj_addr0 = 0x1000, d.sync_obj_addr1 = 0x2000;
  d.slave_sync_obj0_addr = 0x3000, d.slave_sync_obj1_addr = 0x4000;
  d.sync_obj_val0 = 0x80000001, d.sync_obj_val1 = 0x80000002;
  // No effect.
  d.rate_limiter = static_cast<uint32_t>(random_());
  d.perf_evt_in = static_cast<uint32_t>(random_());
  d.perf_evt_out = static_cast<uint32_t>(random_());
  d.pcu = static_cast<uint32_t>(random_());
  d.wkl_id = static_cast<uint32_t>(random_());
  return d;
}

void RandomGaudi2Mme::Change(MmeDescriptor& d) {
  const auto nudge = [&](auto& value) {
    using T = std::remove_reference_t<decltype(value)>;
    const auto v = static_cast<int64_t>(value);
    const int64_t choices[] = {v + 1, v - 1, v / 2, v * 2, 0, v + Between(-70, 70)};
    value = static_cast<T>(choices[Below(6)]);
  };
  MmeTensor* const tensors[] = {&d.tensor_a, &d.tensor_b, &d.tensor_cout};
  MmeTensor& t = *tensors[Below(3)];
  auto& pair = OneIn(3) ? d.agu_cout[Below(2)] : d.agu_in[Below(5)];
  MmeAgu& agu = OneIn(2) ? pair.master : pair.slave;
  switch (Below(13)) {
    case 0:
      return nudge(t.valid_elements[Below(5)]);
    case 1:
      return nudge(t.loop_stride[Below(5)]);
    case 2:
      return nudge(t.roi_size[Below(4)]);
    case 3:
      return nudge(t.spatial_strides[Below(4)]);
    case 4:
      return nudge(OneIn(2) ? d.a_ss : d.b_ss);
    case 5:
      return nudge(agu.roi_base_offset[Below(5)]);
    case 6:
      t.start_offset[Below(4)] = static_cast<uint32_t>(Below(300));
      return;
    case 7:
      d.conv_kernel_size_minus_1 ^= 1u << (8 * Below(4) + Below(2));
      return;
    case 8: {
      uint32_t& word = OneIn(2) ? d.conv_low : d.conv_high;
      const auto shift = 3 * Below(3) + 16 * Below(2);
      word = (word & ~(7u << shift)) | static_cast<uint32_t>(Below(6)) << shift;
      return;
    }
    case 9:
      d.num_iterations_minus_1 ^= 1;
      return;
    case 10:
      d.header_low ^= 1u << Below(8);
      return;
    case 11:
      d.header_high ^= 1u << Below(3);
      return;
    case 12:
      d.brains_high ^= mme::BRAINS_HIGH::SHUFFLE_A::Set(0, 1);
      return;
  }
}

}  // namespace openhpu::simulator
