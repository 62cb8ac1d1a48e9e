#include "simulator/functional/mme_random.h"

#include <algorithm>
#include <type_traits>

namespace openhpu::simulator {

using hal::abi::gaudi::MmeAgu;
using hal::abi::gaudi::MmeDescriptor;
using hal::abi::gaudi::MmeTensor;

void RandomMme::Tensor(int64_t k, bool input, bool transposed, int64_t m, MmeTensor& t) {
  const auto u = [](int64_t v) { return static_cast<uint32_t>(v); };
  const auto i = [](int64_t v) { return static_cast<int32_t>(v); };
  t.valid_elements[0] = u(Between(1, input && transposed ? k + 2 : 130));
  for (int d = 1; d < 5; ++d) t.valid_elements[d] = u(Between(1, OneIn(2) ? 15000 : 300));
  if (OneIn(20)) t.valid_elements[Below(5)] = 0;
  t.roi_size[0] = i(input && transposed ? k : Between(1, 2 * m + 10));
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
  if (input && !transposed) {
    t.spatial_size_minus_1 = u(k - 1);
  } else {
    t.spatial_size_minus_1 = u(Between(0, OneIn(2) ? m - 1 : input ? 2 * m : m - 1));
    if (OneIn(2)) t.spatial_size_minus_1 = u(m - 1);
  }
}

void RandomMme::Agu(const MmeTensor& t, MmeAgu& agu) {
  for (int d = 0; d < 5; ++d) {
    if (OneIn(2)) continue;
    agu.roi_base_offset[d] = static_cast<int32_t>(d == 0 ? Between(-4, 70) : Between(-400, 900));
  }
  for (int d = 0; d < 4; ++d) {
    if (OneIn(3) && d < 3 && t.roi_size[d + 1] > 0) {
      agu.start_offset[d] = static_cast<uint32_t>(Below(t.roi_size[d + 1]));
    }
    if (OneIn(4) && d == 3) agu.start_offset[d] = static_cast<uint32_t>(Below(2000));
  }
  if (OneIn(60)) agu.start_offset[Below(4)] = static_cast<uint32_t>(-Between(1, 50));
}

// A dim for each loop: live ones have one of their own, or none; others whatever.
std::array<uint32_t, 6> RandomMme::Dims(const std::array<int64_t, 6>& sizes) {
  std::array<uint32_t, 5> order = {0, 1, 2, 3, 4};
  std::shuffle(order.begin(), order.end(), random_);
  std::array<uint32_t, 6> dims;
  int used = 0;
  for (int i = 0; i < 6; ++i) {
    if (sizes[i] > 1) {
      dims[i] = OneIn(4) ? 5 : order[used++];
    } else {
      dims[i] = OneIn(3) ? static_cast<uint32_t>(Below(5)) : 5;
    }
  }
  return dims;
}

uint32_t RandomMme::Reduction(bool f32) {
  const uint32_t code =
      (f32 ? 0x0Fu : 0x0Du) | static_cast<uint32_t>(Below(4)) << 7 | (OneIn(3) ? 0x20u : 0u);
  return code | code << 9 | static_cast<uint32_t>(Below(64)) << 18;
}

MmeDescriptor RandomMme::Descriptor(const Addresses& at) {
  using Low = hal::abi::gaudi::mme::HEADER_LOW;
  using Repeat = hal::abi::gaudi::mme::SB_REPEAT;
  const bool f32_in = OneIn(2), f32_out = OneIn(2);
  const int64_t m = f32_in ? 32 : 64;
  MmeDescriptor d = CommonDescriptor(f32_in ? DType::kFloat32 : DType::kBFloat16,
                                     f32_out ? DType::kFloat32 : DType::kBFloat16, OneIn(3), at);
  // Loops.
  std::array<int64_t, 6> n = {1, 1, 1, 1, 1, 1};
  int64_t gemms = 1;
  for (int i = 0; i < 6; ++i) {
    if (OneIn(2) || gemms > 8) continue;
    n[i] = Between(2, i == 4 ? 4 : 3);
    gemms *= n[i];
  }
  constexpr uint32_t kAccumMasks[] = {0, 1, 3, 7, 15};
  const uint32_t accum_mask = kAccumMasks[Below(5)];
  d.conv_kernel_size_minus_1 =
      static_cast<uint32_t>((n[0] - 1) | (n[1] - 1) << 8 | (n[2] - 1) << 16 | (n[3] - 1) << 24);
  d.num_iterations_minus_1 = static_cast<uint32_t>(n[4] - 1);
  // Which loops the inputs do not walk: replayed ones, innermost first, and lowered ones.
  const auto masked = [&](bool lowered, uint32_t& repeat) {
    uint32_t mask = 0;
    repeat = 1;
    if (OneIn(3)) {
      for (int i = 0; i < 6; ++i) {
        if (i < 4 && (accum_mask >> i & 1) != 0) continue;
        if (n[i] > 1 && OneIn(2)) break;
        mask |= 1u << i;
        repeat *= static_cast<uint32_t>(n[i]);
      }
    }
    return mask | (lowered ? 1u : 0u);
  };
  const bool lower_s = (accum_mask & 1) != 0 && OneIn(4);
  const bool lower_l = (accum_mask & 1) != 0 && OneIn(6);
  uint32_t repeat_s, repeat_l;
  const uint32_t mask_s = masked(lower_s, repeat_s), mask_l = masked(lower_l, repeat_l);
  d.sb_repeat |=
      Repeat::AGU_S_LOOP_MASK::Set(0, mask_s) | Repeat::REPEAT_S_MINUS_1::Set(0, repeat_s - 1) |
      Repeat::AGU_L_LOOP_MASK::Set(0, mask_l) | Repeat::REPEAT_L_MINUS_1::Set(0, repeat_l - 1);
  const int64_t k = Between(1, OneIn(4) ? 40 : 9);
  const int64_t k_s = lower_s && !lower_l ? k * n[0] : k;
  const int64_t k_l = lower_l && !lower_s ? k * n[0] : k;
  const auto walked = [&](uint32_t mask) {
    std::array<int64_t, 6> sizes = n;
    for (int i = 0; i < 6; ++i) {
      if ((mask >> i & 1) != 0) sizes[i] = 1;
    }
    return sizes;
  };
  const auto s = Dims(walked(mask_s | 16)), l = Dims(walked(mask_l | 16)),
             o = Dims(walked(accum_mask | 16));
  const auto code = [&](int i) { return LoopCode(s[i], l[i], o[i]); };
  d.conv_associated_dims_low = code(0) | code(1) << 16;
  d.conv_associated_dims_high = code(2) | code(3) << 16;
  d.outer_loop = code(5) | static_cast<uint32_t>(n[5] - 1) << 16;
  // Header.
  int64_t tiles = 1;
  for (int i = 0; i < 6; ++i) {
    if (i >= 4 || (accum_mask >> i & 1) == 0) tiles *= n[i];
  }
  uint32_t& low = d.header_low;
  const bool trans_s = OneIn(2), trans_l = OneIn(2);
  low |= Low::TRANS_S::Set(0, trans_s) | Low::TRANS_L::Set(0, trans_l) |
         Low::TRANS_O::Set(0, OneIn(4)) | Low::ADVANCE_S::Set(0, OneIn(2)) |
         Low::ADVANCE_L::Set(0, OneIn(3)) | Low::ADVANCE_O::Set(0, OneIn(2)) |
         Low::LOWER_S::Set(0, lower_s || OneIn(12)) | Low::LOWER_L::Set(0, lower_l || OneIn(12)) |
         Low::ACCUM_MASK::Set(0, accum_mask);
  low = Low::SIGNAL_MASK::Set(low, accum_mask | static_cast<uint32_t>(Below(64)));
  low = Low::SIGNAL_EN::Set(low, !OneIn(4));
  if (tiles <= 16 && OneIn(3)) {
    low |= Low::ACCUM::Set(0, 1);
    low = Low::STORE_EN::Set(low, OneIn(2));
  } else if (tiles <= 16 && OneIn(5)) {
    low = Low::STORE_EN::Set(low, 0);
  }
  if (tiles == 1 && OneIn(4)) low |= Low::ACC_STORE_INC_DISABLE::Set(0, 1);
  if (OneIn(3)) low |= Low::ROLL_ACCUMS::Set(0, static_cast<uint32_t>(Below(16)));
  if (options_.numerics) {
    low |= Low::ROUNDING_MODE::Set(0, static_cast<uint32_t>(Below(8)));
    if (OneIn(3)) d.axi_user_data = Reduction(f32_out);
  }
  for (int field = 0; field < 30; field += 6) d.header_high |= Mask() << field;
  // Operands.
  Tensor(k_s, true, trans_s, m, d.tensor_s);
  Tensor(k_l, true, trans_l, m, d.tensor_l);
  Tensor(0, false, false, m, d.tensor_o);
  Agu(d.tensor_s, d.agu_s);
  Agu(d.tensor_l, d.agu_l_local);
  Agu(d.tensor_l, d.agu_l_remote);
  Agu(d.tensor_o, d.agu_o_local);
  Agu(d.tensor_o, d.agu_o_remote);
  if (OneIn(3)) d.padding_value_s = f32_in ? 0x40000000u : 0x40004000u;  // 2
  if (OneIn(4)) d.padding_value_l = f32_in ? 0xBF800000u : 0xBF80BF80u;  // -1
  // No effect.
  d.rate_limiter = static_cast<uint32_t>(random_());
  d.perf_evt_s = static_cast<uint32_t>(random_());
  d.perf_evt_o_local = static_cast<uint32_t>(random_());
  d.meta_data_agu_s = static_cast<uint32_t>(random_());
  d.meta_data_agu_o_remote = static_cast<uint32_t>(random_());
  d.pcu_rl_saturation = static_cast<uint32_t>(random_());
  d.dummy = static_cast<uint32_t>(random_());
  return d;
}

void RandomMme::Change(MmeDescriptor& d) {
  using Low = hal::abi::gaudi::mme::HEADER_LOW;
  const auto nudge = [&](auto& value) {
    using T = std::remove_reference_t<decltype(value)>;
    const int64_t v = static_cast<int64_t>(value);
    const int64_t choices[] = {v + 1, v - 1, v / 2, v * 2, 0, v + Between(-70, 70)};
    value = static_cast<T>(choices[Below(6)]);
  };
  MmeTensor* const tensors[] = {&d.tensor_s, &d.tensor_l, &d.tensor_o};
  MmeAgu* const agus[] = {&d.agu_s, &d.agu_l_local, &d.agu_l_remote, &d.agu_o_local,
                          &d.agu_o_remote};
  MmeTensor& t = *tensors[Below(3)];
  MmeAgu& agu = *agus[Below(5)];
  switch (Below(14)) {
    case 0:
      return nudge(t.valid_elements[Below(5)]);
    case 1:
      return nudge(t.loop_stride[Below(5)]);
    case 2:
      return nudge(t.roi_size[Below(4)]);
    case 3:
      return nudge(t.spatial_strides[Below(4)]);
    case 4:
      return nudge(t.spatial_size_minus_1);
    case 5:
      return nudge(agu.roi_base_offset[Below(5)]);
    case 6:
      agu.start_offset[Below(4)] = static_cast<uint32_t>(Below(300));
      return;
    case 7:
      d.conv_kernel_size_minus_1 ^= 1u << (8 * Below(4) + Below(2));
      return;
    case 8: {
      uint32_t* const words[] = {&d.conv_associated_dims_low, &d.conv_associated_dims_high,
                                 &d.outer_loop};
      const int shift = static_cast<int>(3 * Below(3) + 16 * Below(2));
      uint32_t& word = *words[Below(3)];
      if (&word == &d.outer_loop && shift >= 16) return;
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
      d.header_high |= 1u << Below(30);
      return;
    case 12:
      d.header_low = Low::ACCUM_MASK::Set(d.header_low, (1u << Below(5)) - 1);
      return;
    case 13:
      (OneIn(2) ? d.padding_value_s : d.padding_value_l) = 0x40004000;
      return;
  }
}

}  // namespace openhpu::simulator
