#include "simulator/functional/mme_view.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

using hal::abi::gaudi::MmeAgu;
using hal::abi::gaudi::MmeDescriptor;
using hal::abi::gaudi::MmeTensor;
namespace abi = hal::abi::gaudi::mme;

constexpr int64_t kMostRepeats = 240;  // of a group in an input's buffer
constexpr int64_t kBufferLines = 512;  // of the buffer; a k-vector is a line

absl::Status Invalid(std::string what) {
  return absl::InvalidArgumentError(absl::StrCat("MME descriptor: ", what));
}
absl::Status Unimplemented(std::string what) {
  return absl::UnimplementedError(absl::StrCat("MME descriptor: ", what));
}

float PaddingValue(uint32_t word, DType type) {
  if (type == DType::kBFloat16) return BFloat16ToFloat(static_cast<uint16_t>(word));
  float value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

void ReadTensor(const MmeTensor& tensor, uint32_t high, uint32_t low, MmeOperand& operand) {
  operand.address = DeviceAddress(static_cast<uint64_t>(high) << 32 | low);
  std::copy_n(tensor.valid_elements, 5, operand.valid.begin());
  std::copy_n(tensor.loop_stride, 5, operand.loop_stride.begin());
  std::copy_n(tensor.roi_size, 4, operand.roi.begin());
  std::copy_n(tensor.spatial_strides, 4, operand.spatial_stride.begin());
  operand.spatial_size = int64_t{tensor.spatial_size_minus_1} + 1;
}

void ReadAgu(const MmeAgu& agu, uint32_t partial_mask, MmeOperand::Agu& to) {
  std::copy_n(agu.roi_base_offset, 5, to.base.begin());
  // The adders are as wide as the register: a start before the region is its two's complement.
  for (int d = 0; d < 4; ++d) to.start[d + 1] = static_cast<int32_t>(agu.start_offset[d]);
  to.partial_mask = partial_mask;
}

void ReadLoops(const MmeDescriptor& d, MmeView& v) {
  const uint32_t kernel = d.conv_kernel_size_minus_1;
  v.size = {int64_t{abi::CONV_KERNEL_SIZE_MINUS_1::DIM0::Get(kernel)} + 1,
            int64_t{abi::CONV_KERNEL_SIZE_MINUS_1::DIM1::Get(kernel)} + 1,
            int64_t{abi::CONV_KERNEL_SIZE_MINUS_1::DIM2::Get(kernel)} + 1,
            int64_t{abi::CONV_KERNEL_SIZE_MINUS_1::DIM3::Get(kernel)} + 1,
            int64_t{d.num_iterations_minus_1} + 1,
            int64_t{abi::OUTER_LOOP::SIZE_MINUS_1::Get(d.outer_loop)} + 1};
  // Codes of S, L and O follow each other in nine bits; two loops a word, the outer loop in its
  // own.
  const uint32_t codes[kMmeLoops] = {
      d.conv_associated_dims_low & 0xFFFF,
      d.conv_associated_dims_low >> 16,
      d.conv_associated_dims_high & 0xFFFF,
      d.conv_associated_dims_high >> 16,
      kNoTensorDim * 0111u,  // tetris moves no dim
      d.outer_loop & 0xFFFF,
  };
  for (int i = 0; i < kMmeLoops; ++i) {
    v.s.dim[i] = static_cast<int>(abi::OUTER_LOOP::DIM_S::Get(codes[i]));
    v.l.dim[i] = static_cast<int>(abi::OUTER_LOOP::DIM_L::Get(codes[i]));
    v.o.dim[i] = static_cast<int>(abi::OUTER_LOOP::DIM_O::Get(codes[i]));
  }
}

absl::Status CheckDims(const MmeOperand& operand) {
  const char* const name = operand.name;
  for (int i = 0; i < kMmeLoops; ++i) {
    if (operand.dim[i] > kNoTensorDim) {
      return Invalid(absl::StrCat("loop ", i, " moves dim ", operand.dim[i], " of ", name));
    }
    for (int j = 0; j < i; ++j) {
      if (operand.size[i] > 1 && operand.size[j] > 1 && operand.dim[i] == operand.dim[j] &&
          operand.dim[i] != kNoTensorDim) {
        return Invalid(
            absl::StrCat("loops ", j, " and ", i, " both move dim ", operand.dim[i], " of ", name));
      }
    }
  }
  for (int d = 0; d < 4; ++d) {
    if (operand.roi[d] < 0) return Invalid(absl::StrCat("roiSize[", d, "] of ", name, " < 0"));
  }
  return absl::OkStatus();
}

// Masked loops of an input: either accumulated (the lines hold those k already), or replayed from
// the buffer, and then they must be the innermost ones that roll up, and as many times as the
// repeat count says. The buffer holds what it replays.
absl::Status CheckRepeat(const MmeView& v, const MmeOperand& operand) {
  const char* const name = operand.name;
  int64_t masked = 1;
  bool walked = false;
  for (int i = 0; i < kMmeLoops; ++i) {
    if (v.size[i] == 1 || v.Accumulates(i)) continue;
    if (operand.size[i] > 1) {
      walked = true;
    } else if (walked) {
      return Invalid(absl::StrCat("aguLoopMask of ", name, " masks loop ", i,
                                  " outside of a loop that is walked"));
    } else {
      masked = Saturated(masked, v.size[i]);
    }
  }
  if (masked != operand.repeat) {
    return Invalid(absl::StrCat("repeat of ", name, " is ", operand.repeat,
                                ", its masked loops make ", masked));
  }
  if (operand.repeat > kMostRepeats) {
    return Invalid(
        absl::StrCat("repeat of ", name, " is ", operand.repeat, ", more than ", kMostRepeats));
  }
  if (operand.repeat > 1 && v.CommonDim() > kBufferLines) {
    return Invalid(absl::StrCat(v.CommonDim(), " k-vectors of ", name, " are to be repeated, its",
                                " buffer holds ", kBufferLines));
  }
  return absl::OkStatus();
}

int64_t GroupVectors(const MmeView& v, const MmeOperand& operand) {
  int64_t vectors = operand.Vectors();
  for (int i = 0; i < kMmeLoops; ++i) {
    if (v.Accumulates(i)) vectors = Saturated(vectors, operand.size[i]);
  }
  return vectors;
}

// What the loops multiply to.
absl::Status CheckWork(const MmeView& v) {
  const int64_t vectors = Saturated(v.Steps(), std::max<int64_t>(1, v.CommonDim()));
  if (vectors > kMostMmeVectors) {
    return Invalid(absl::StrCat(v.Steps(), " tiles of ", v.CommonDim(), " k-vectors; at most ",
                                kMostMmeVectors, " in all"));
  }
  if (v.signal && v.Signals() > kMostMmeSignals) {
    return Invalid(absl::StrCat(v.Signals(), " signals of each array, at most ", kMostMmeSignals));
  }
  return absl::OkStatus();
}

absl::Status CheckTiles(const MmeView& v) {
  if (v.keep_running) {
    if (v.Steps() == 1) return absl::OkStatus();
    return Invalid(absl::StrCat("accStoreIncDisable with ", v.Steps(), " tiles"));
  }
  if ((v.accum || !v.store) && v.Steps() > v.accumulators) {
    return Invalid(absl::StrCat(v.Steps(), " partial tiles, more than accumulators"));
  }
  if (v.o.spatial_size > v.o.tile && v.store) {
    return Invalid(absl::StrCat("spatialSizeMinus1 of ", v.o.name, " is ", v.o.spatial_size - 1,
                                ", more lines than an array has"));
  }
  return absl::OkStatus();
}

// axiUserData: what a store does to memory. Codes beyond the two additions, their roundings and
// subtraction are not known, nor what tells `first` from `steady`.
absl::Status ReadReduction(uint32_t word, DType out, MmeView& v) {
  using User = abi::AXI_USER_DATA;
  const uint32_t code = User::FIRST::Get(word);
  const auto unknown = [word](const char* what) {
    return Unimplemented(
        absl::StrCat("reduction to memory, axiUserData 0x", absl::Hex(word), ": ", what));
  };
  if (code != User::STEADY::Get(word)) return unknown("first and steady differ");
  if (code == abi::kStorePlain) return absl::OkStatus();
  const uint32_t operation = code & 0x1F;
  if ((operation != abi::kStoreAddBFloat16 && operation != abi::kStoreAddFloat32) ||
      (code & 0x40) != 0) {
    return unknown("its code");
  }
  Reduction reduction;
  reduction.type = operation == abi::kStoreAddFloat32 ? DType::kFloat32 : DType::kBFloat16;
  if (reduction.type != out) return unknown("not of the type that is stored");
  reduction.subtract = (code & 0x20) != 0;
  reduction.rounding = static_cast<Rounding>(code >> 7);
  v.reduction = reduction;
  return absl::OkStatus();
}

// Units that are switched off. The reference does not say what an array computes without one, but
// that an operand which is not transposed needs no transpose engine.
absl::Status CheckEnables(const MmeDescriptor& d) {
  using Low = abi::HEADER_LOW;
  using Repeat = abi::SB_REPEAT;
  if (abi::HEADER_HIGH::EUB_EN::Get(d.header_high) == 0) return Unimplemented("euBEn off");
  if (Repeat::LOAD_S::Get(d.sb_repeat) == 0) return Unimplemented("loadS off");
  if (Repeat::LOAD_L::Get(d.sb_repeat) == 0) return Unimplemented("loadL off");
  if (Low::TRANS_S::Get(d.header_low) != 0 && Repeat::TEB_S_EN::Get(d.sb_repeat) == 0) {
    return Unimplemented("transS with teEnS off");
  }
  if (Low::TRANS_L::Get(d.header_low) != 0 && Repeat::TEB_L_EN::Get(d.sb_repeat) == 0) {
    return Unimplemented("transL with teEnL off");
  }
  return absl::OkStatus();
}

}  // namespace

void MaskLoops(const MmeView& v, uint32_t mask, MmeOperand& operand) {
  for (int i = 0; i < kMmeLoops; ++i) operand.size[i] = mask >> i & 1 ? 1 : v.size[i];
}

absl::Status CheckMmeView(const MmeView& v) {
  RETURN_IF_ERROR(CheckDims(v.s));
  RETURN_IF_ERROR(CheckDims(v.l));
  RETURN_IF_ERROR(CheckDims(v.o));
  bool rolls_up = false;
  for (int i = 0; i < 4; ++i) {
    if (v.size[i] == 1) continue;
    if (v.Accumulates(i) && rolls_up) {
      return Unimplemented(absl::StrCat("accumMask has loop ", i, " but not a loop inside of it"));
    }
    rolls_up = rolls_up || !v.Accumulates(i);
  }
  if (GroupVectors(v, v.s) != GroupVectors(v, v.l)) {
    return Invalid(absl::StrCat("a tile takes ", GroupVectors(v, v.s), " k-vectors of ", v.s.name,
                                " but ", GroupVectors(v, v.l), " of ", v.l.name));
  }
  RETURN_IF_ERROR(CheckRepeat(v, v.s));
  RETURN_IF_ERROR(CheckRepeat(v, v.l));
  if (v.signal && (v.signal_mask & v.accum_mask) != v.accum_mask) {
    return Invalid("signalMask does not contain accumMask");
  }
  RETURN_IF_ERROR(CheckTiles(v));
  return CheckWork(v);
}

bool MmeOperand::Void() const {
  return std::any_of(valid.begin(), valid.end(), [](int64_t n) { return n <= 0; });
}

int64_t MmeView::Steps() const {
  int64_t steps = 1;
  for (int i = 0; i < kMmeLoops; ++i) {
    if (!Accumulates(i)) steps = Saturated(steps, size[i]);
  }
  return steps;
}

int64_t MmeView::Signals() const { return !signal || keep_running ? 0 : StepsThatEnd(signal_mask); }

int64_t MmeView::StepsThatEnd(uint32_t mask) const {
  int64_t steps = 1;
  for (int i = 0; i < kMmeLoops; ++i) {
    if ((mask >> i & 1) == 0) steps = Saturated(steps, size[i]);
  }
  return steps;
}

int64_t Saturated(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

int64_t MmeView::CommonDim() const { return GroupVectors(*this, s); }

absl::StatusOr<MmeView> ViewMme(const MmeDescriptor& d) {
  using Low = abi::HEADER_LOW;
  using High = abi::HEADER_HIGH;
  using Repeat = abi::SB_REPEAT;
  const uint32_t low = d.header_low, high = d.header_high;
  RETURN_IF_ERROR(CheckEnables(d));

  MmeView v;
  v.s.name = "S", v.l.name = "L", v.o.name = "O";
  for (MmeOperand* operand : {&v.s, &v.l, &v.o}) operand->agu.resize(2);
  ReadLoops(d, v);
  ReadTensor(d.tensor_s, d.base_addr_high_s, d.base_addr_low_s, v.s);
  ReadTensor(d.tensor_l, d.base_addr_high_l, d.base_addr_low_l, v.l);
  ReadTensor(d.tensor_o, d.base_addr_high_o, d.base_addr_low_o, v.o);
  ReadAgu(d.agu_s, High::PARTIAL_HEIGHT_LOOP_S::Get(high), v.s.agu[0]);
  v.s.agu[1] = v.s.agu[0];
  ReadAgu(d.agu_l_local, High::PARTIAL_HEIGHT_LOOP_L_LOC::Get(high), v.l.agu[0]);
  ReadAgu(d.agu_l_remote, High::PARTIAL_HEIGHT_LOOP_L_REM::Get(high), v.l.agu[1]);
  ReadAgu(d.agu_o_local, High::PARTIAL_HEIGHT_LOOP_O_LOC::Get(high), v.o.agu[0]);
  ReadAgu(d.agu_o_remote, High::PARTIAL_HEIGHT_LOOP_O_REM::Get(high), v.o.agu[1]);

  const auto type = [](uint32_t code) {
    return code == static_cast<uint32_t>(abi::DataType::kFloat32) ? DType::kFloat32
                                                                  : DType::kBFloat16;
  };
  v.s.type = v.l.type = type(Low::DATA_TYPE_IN::Get(low));
  v.o.type = type(Low::DATA_TYPE_OUT::Get(low));
  v.m = v.s.type == DType::kBFloat16 ? 64 : 32;
  v.s.tile = v.l.tile = v.o.tile = v.m;
  v.accum_mask = Low::ACCUM_MASK::Get(low);
  v.s.transposed = Low::TRANS_S::Get(low) != 0;
  v.l.transposed = Low::TRANS_L::Get(low) != 0;
  v.transposed_o = Low::TRANS_O::Get(low) != 0;
  v.s.advance = Low::ADVANCE_S::Get(low) != 0;
  v.l.advance = Low::ADVANCE_L::Get(low) != 0;
  v.o.advance = Low::ADVANCE_O::Get(low) != 0;
  v.s.lower = Low::LOWER_S::Get(low) != 0;
  v.l.lower = Low::LOWER_L::Get(low) != 0;
  v.s.padding = PaddingValue(d.padding_value_s, v.s.type);
  v.l.padding = PaddingValue(d.padding_value_l, v.l.type);
  v.s.repeat = int64_t{Repeat::REPEAT_S_MINUS_1::Get(d.sb_repeat)} + 1;
  v.l.repeat = int64_t{Repeat::REPEAT_L_MINUS_1::Get(d.sb_repeat)} + 1;
  MaskLoops(v, Repeat::AGU_S_LOOP_MASK::Get(d.sb_repeat), v.s);
  MaskLoops(v, Repeat::AGU_L_LOOP_MASK::Get(d.sb_repeat), v.l);
  MaskLoops(v, v.accum_mask, v.o);
  v.accum = Low::ACCUM::Get(low) != 0;
  v.store = Low::STORE_EN::Get(low) != 0;
  v.relu = Low::RELU_EN::Get(low) != 0;
  v.keep_running = Low::ACC_STORE_INC_DISABLE::Get(low) != 0;
  const uint32_t rounding = Low::ROUNDING_MODE::Get(low);
  constexpr auto kStochastic = static_cast<uint32_t>(abi::RoundingMode::kStochastic);
  v.rounding = static_cast<Rounding>(rounding & ~kStochastic);
  v.stochastic = (rounding & kStochastic) != 0 && v.o.type == DType::kBFloat16;
  RETURN_IF_ERROR(ReadReduction(d.axi_user_data, v.o.type, v));
  v.roll = Low::ROLL_ACCUMS::Get(low);
  v.signal = Low::SIGNAL_EN::Get(low) != 0;
  v.signal_mask = Low::SIGNAL_MASK::Get(low);
  RETURN_IF_ERROR(CheckMmeView(v));
  return v;
}

}  // namespace openhpu::simulator
