#include "simulator/functional/gaudi2_mme_view.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi2;
namespace mme = hal::abi::gaudi2::mme;
using Descriptor = abi::MmeDescriptor;
using Low = mme::HEADER_LOW;
using High = mme::HEADER_HIGH;
using BrainsLow = mme::BRAINS_LOW;
using BrainsHigh = mme::BRAINS_HIGH;

constexpr int kCores = 2, kBuffers = abi::kMmeInputAgus;
constexpr const char* kEus[kCores] = {"EUS_MASTER", "EUS_SLAVE"};

absl::Status Invalid(std::string what) {
  return absl::InvalidArgumentError(absl::StrCat("MME descriptor: ", what));
}
absl::Status Unimplemented(std::string what) {
  return absl::UnimplementedError(absl::StrCat("MME descriptor: ", what, " is not modelled"));
}

absl::StatusOr<DType> TypeOf(const char* field, uint32_t code) {
  switch (static_cast<mme::DataType>(code)) {
    case mme::DataType::kFloat32:
      return DType::kFloat32;
    case mme::DataType::kBFloat16:
      return DType::kBFloat16;
    default:
      return Unimplemented(absl::StrCat(field, " 0x", absl::Hex(code)));
  }
}

// Fields of which the reference does not say, or not surely, what is computed.
absl::Status CheckFields(const Descriptor& d) {
  const uint32_t low = d.header_low, high = d.header_high, brains = d.brains_high;
  const struct {
    uint32_t value, wanted;
    const char* name;
  } fields[] = {
      {Low::DOUBLE_ACCUMS::Get(low), 1, "DOUBLE_ACCUMS"},
      {Low::STORE_EN1::Get(low), 0, "STORE_EN1"},
      {Low::ROLL_ACCUMS::Get(low) & 1, 0, "ROLL_ACCUMS (odd, with DOUBLE_ACCUMS)"},
      {High::PARTIAL_HEIGHT_LOOP_A::Get(high), 0, "PARTIAL_HEIGHT_LOOP_A"},
      {High::PARTIAL_HEIGHT_LOOP_B::Get(high), 0, "PARTIAL_HEIGHT_LOOP_B"},
      {High::TE_BYPASS_A::Get(high), 0, "TE_BYPASS_A"},
      {High::TE_BYPASS_B::Get(high), 0, "TE_BYPASS_B"},
      {BrainsLow::A_MASTER_EN::Get(d.brains_low), 1, "A_MASTER_EN"},
      {BrainsLow::A_SLAVE_EN::Get(d.brains_low), 1, "A_SLAVE_EN"},
      {BrainsLow::B_MASTER_EN::Get(d.brains_low), 1, "B_MASTER_EN"},
      {BrainsLow::B_SLAVE_EN::Get(d.brains_low), 1, "B_SLAVE_EN"},
      {BrainsLow::AGU_COUT0_MASTER_EN::Get(d.brains_low), 1, "AGU_COUT0_MASTER_EN"},
      {BrainsLow::AGU_COUT0_SLAVE_EN::Get(d.brains_low), 1, "AGU_COUT0_SLAVE_EN"},
      {BrainsLow::AGU_COUT1_MASTER_EN::Get(d.brains_low), 1, "AGU_COUT1_MASTER_EN"},
      {BrainsLow::AGU_COUT1_SLAVE_EN::Get(d.brains_low), 1, "AGU_COUT1_SLAVE_EN"},
      {BrainsHigh::EU_MASTER_EN::Get(brains), 1, "EU_MASTER_EN"},
      {BrainsHigh::EU_SLAVE_EN::Get(brains), 1, "EU_SLAVE_EN"},
      {BrainsHigh::AP_MASTER_EN::Get(brains), 1, "AP_MASTER_EN"},
      {BrainsHigh::AP_SLAVE_EN::Get(brains), 1, "AP_SLAVE_EN"},
      {BrainsHigh::EU_LOOP_MASK::Get(brains), 0, "EU_LOOP_MASK"},
      {BrainsHigh::DEC_EN::Get(brains), 0, "DEC_EN"},
      {BrainsHigh::BGEMM::Get(brains), 0, "BGEMM"},
      {BrainsHigh::CLIP_FP_EU::Get(brains), 0, "CLIP_FP_EU"},
      {BrainsHigh::CLIP_FP_AP::Get(brains), 0, "CLIP_FP_AP"},
      {BrainsHigh::SBA_CACHE_EN::Get(brains), 0, "SBA_CACHE_EN"},
      {BrainsHigh::SBB_CACHE_EN::Get(brains), 0, "SBB_CACHE_EN"},
      {BrainsHigh::ROUNDING_MODE::Get(brains) & 4, 0, "ROUNDING_MODE (above 3)"},
      {BrainsHigh::NULL_DESC::Get(brains), 0, "NULL_DESC"},
      {BrainsHigh::AP_LOOP_MASK::Get(brains) >> 4, 0, "AP_LOOP_MASK (tetris or outer loop)"},
      {d.cout_ss, abi::kMmeCoreRows - 1, "COUT_SS"},
      {mme::SB_REPEAT::REPEAT_A_MINUS_1::Get(d.sb_repeat), 0, "REPEAT_A_MINUS_1"},
      {mme::SB_REPEAT::REPEAT_B_MINUS_1::Get(d.sb_repeat), 0, "REPEAT_B_MINUS_1"},
      {d.user_data, 0, "USER_DATA"},
      {d.power_loop, 0, "POWER_LOOP"},
  };
  for (const auto& field : fields) {
    if (field.value != field.wanted) {
      return Unimplemented(absl::StrCat(field.name, " = ", field.value));
    }
  }
  const uint32_t mask = BrainsHigh::AP_LOOP_MASK::Get(brains);
  if (BrainsLow::AGU_COUT0_LOOP_MASK::Get(d.brains_low) != mask ||
      BrainsLow::AGU_COUT1_LOOP_MASK::Get(d.brains_low) != mask) {
    return Unimplemented("an AGU_COUT_LOOP_MASK unlike AP_LOOP_MASK");
  }
  return absl::OkStatus();
}

void ReadLoops(const Descriptor& d, MmeView& v) {
  const uint32_t kernel = d.conv_kernel_size_minus_1;
  for (int i = 0; i < 4; ++i) v.size[i] = int64_t{kernel >> (8 * i) & 0xFF} + 1;
  v.size[kTetris] = int64_t{d.num_iterations_minus_1} + 1;
  v.size[kOuter] = int64_t{mme::OUTER_LOOP::SIZE_MINUS_1::Get(d.outer_loop)} + 1;
  // Codes of A, B and C follow each other in nine bits; two loops a word, the outer in its own.
  const uint32_t codes[kMmeLoops] = {d.conv_low & 0xFFFF,  d.conv_low >> 16,
                                     d.conv_high & 0xFFFF, d.conv_high >> 16,
                                     kNoTensorDim * 0111u,  // tetris moves no dim
                                     d.outer_loop & 0xFFFF};
  for (int i = 0; i < kMmeLoops; ++i) {
    v.s.dim[i] = static_cast<int>(mme::OUTER_LOOP::ASSOCIATED_DIMS_A::Get(codes[i]));
    v.l.dim[i] = static_cast<int>(mme::OUTER_LOOP::ASSOCIATED_DIMS_B::Get(codes[i]));
    v.o.dim[i] = static_cast<int>(mme::OUTER_LOOP::ASSOCIATED_DIMS_COUT::Get(codes[i]));
  }
}

void ReadTensor(const abi::MmeTensor& tensor, uint32_t high, uint32_t low, MmeOperand& operand) {
  operand.address = DeviceAddress(static_cast<uint64_t>(high) << 32 | low);
  std::copy_n(tensor.valid_elements, 5, operand.valid.begin());
  std::copy_n(tensor.loop_stride, 5, operand.loop_stride.begin());
  std::copy_n(tensor.roi_size, 4, operand.roi.begin());
  std::copy_n(tensor.spatial_strides, 4, operand.spatial_stride.begin());
}

MmeOperand::Agu ReadAgu(const abi::MmeTensor& tensor, const abi::MmeAgu& agu, bool swap) {
  MmeOperand::Agu to;
  std::copy_n(agu.roi_base_offset, 5, to.base.begin());
  for (int d = 1; d < 5; ++d) {
    to.start[d] = static_cast<int32_t>(tensor.start_offset[d - 1]);
    if (swap) std::swap(to.base[d], to.start[d]);
  }
  return to;
}

const abi::MmeAgu& Of(const abi::MmeAguPair& pair, int core) {
  return core == 0 ? pair.master : pair.slave;
}

// The generator of each input buffer, in the operand's list, or -1.
using Buffers = std::array<std::array<int, kBuffers>, kCores>;

Buffers ReadInputs(const Descriptor& d, const abi::MmeTensor& tensor, uint32_t reads, bool swap,
                   MmeOperand& operand) {
  Buffers buffers;
  for (int core = 0; core < kCores; ++core) {
    for (int sb = 0; sb < kBuffers; ++sb) {
      buffers[core][sb] = -1;
      if ((reads >> sb & 1) == 0) continue;
      buffers[core][sb] = static_cast<int>(operand.agu.size());
      operand.agu.push_back(ReadAgu(tensor, Of(d.agu_in[sb], core), swap));
    }
  }
  return buffers;
}

// Who gives a core's array which rows and columns: EUS_MASTER and EUS_SLAVE.
class Router {
 public:
  Router(const Descriptor& d, const Buffers& a, const Buffers& b)
      : words_{d.eus_master, d.eus_slave}, a_(a), b_(b) {
    for (auto& core : slots_) core.fill(-1);
  }

  absl::Status Route(Gaudi2MmeView& g) {
    using Eus = mme::EUS_MASTER;  // EUS_SLAVE has the same fields
    for (int core = 0; core < kCores; ++core) {
      const uint32_t own = words_[core], partner = words_[1 - core];
      const uint32_t sel[kBuffers] = {Eus::SB0_SEL::Get(own), Eus::SB1_SEL::Get(own),
                                      Eus::SB2_SEL::Get(own), Eus::SB3_SEL::Get(own),
                                      Eus::SB4_SEL::Get(own)};
      for (int sb = 0; sb < kBuffers; ++sb) {
        if ((own >> sb & 1) != 0) RETURN_IF_ERROR(Put(core, sel[sb], core, sb));
      }
      const bool sent0 = Eus::SB0_REMOTE_OUT_EN::Get(partner) != 0;
      const bool sent2 = Eus::SB2_REMOTE_OUT_EN::Get(partner) != 0;
      const bool sent3 = Eus::SB3_REMOTE_OUT_EN::Get(partner) != 0;
      if (sent0 && sent2) {
        return Invalid(absl::StrCat(kEus[1 - core], " sends SB0 and SB2 to one input"));
      }
      if ((sent0 || sent2) != (Eus::REMOTE_IN0_EN::Get(own) != 0) ||
          sent3 != (Eus::REMOTE_IN1_EN::Get(own) != 0)) {
        return Invalid(absl::StrCat(kEus[core], " and its partner disagree on what is sent"));
      }
      if (sent0) RETURN_IF_ERROR(Put(core, Eus::REMOTE_IN0_SEL::Get(own), 1 - core, 0));
      if (sent2) RETURN_IF_ERROR(Put(core, Eus::REMOTE_IN0_SEL::Get(own), 1 - core, 2));
      if (sent3) RETURN_IF_ERROR(Put(core, Eus::REMOTE_IN1_SEL::Get(own), 1 - core, 3));
    }
    for (int core = 0; core < kCores; ++core) {
      for (int sb = 0; sb < kBuffers; ++sb) {
        if ((a_[core][sb] >= 0 || b_[core][sb] >= 0) && !used_[core][sb]) {
          return Invalid(absl::StrCat("input ", sb, " of core ", core, " reads for nobody"));
        }
      }
      for (int port = 0; port < 4; ++port) {
        RETURN_IF_ERROR(Fill(core, 'a', port, g.PortsOfA(), slots_[core][port], g.a[core][port]));
        RETURN_IF_ERROR(
            Fill(core, 'b', port, g.PortsOfB(), slots_[core][4 + port], g.b[core][port]));
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Put(int core, uint32_t slot, int from, int sb) {
    const int agu = (slot < 4 ? a_ : b_)[from][sb];
    if (agu < 0) {
      return Invalid(absl::StrCat(kEus[core], ": SB", sb, " of core ", from, " does not read ",
                                  slot < 4 ? "A" : "B"));
    }
    if (slots_[core][slot] >= 0) {
      return Invalid(absl::StrCat(kEus[core], ": two inputs for code ", slot));
    }
    slots_[core][slot] = agu;
    used_[from][sb] = true;
    return absl::OkStatus();
  }
  static absl::Status Fill(int core, char operand, int port, int64_t ports, int agu, int& to) {
    if ((agu >= 0) != (port < ports)) {
      return Unimplemented(absl::StrCat(kEus[core], agu >= 0 ? " with " : " without ",
                                        std::string(1, operand), port));
    }
    to = agu;
    return absl::OkStatus();
  }

  const std::array<uint32_t, kCores> words_;
  const Buffers a_, b_;
  std::array<std::array<int, 8>, kCores> slots_;  // 0 to 3: a0 to a3, 4 to 7: b0 to b3
  std::array<std::array<bool, kBuffers>, kCores> used_{};
};

absl::Status ReadSignals(const Descriptor& d, Gaudi2MmeView& g) {
  using Word = mme::SyncObjectDw0;
  const uint32_t word = d.sync_obj_dw0, colors = d.header_high;
  const uint32_t color[2] = {High::STORE_COLOR_SET0::Get(colors),
                             High::STORE_COLOR_SET1::Get(colors)};
  const struct {
    uint32_t enabled, mask, address, value, slave_address, own, next;
  } objects[2] = {
      {Word::SIGNAL_EN0::Get(word), Word::SIGNAL_MASK0::Get(word), d.sync_obj_addr0,
       d.sync_obj_val0, d.slave_sync_obj0_addr, Word::SLAVE0_USE_SLAVE_SO_ADDR::Get(word),
       Word::SLAVE0_USE_MASTER_SO_ADDR_PLUS4::Get(word)},
      {Word::SIGNAL_EN1::Get(word), Word::SIGNAL_MASK1::Get(word), d.sync_obj_addr1,
       d.sync_obj_val1, d.slave_sync_obj1_addr, Word::SLAVE1_USE_SLAVE_SO_ADDR::Get(word),
       Word::SLAVE1_USE_MASTER_SO_ADDR_PLUS4::Get(word)}};
  for (uint32_t i = 0; i < 2; ++i) {
    const auto& object = objects[i];
    if (object.enabled == 0) continue;
    if (color[0] != i && color[1] != i) {
      return Unimplemented(absl::StrCat("SIGNAL_EN", i, " with no output of its colour"));
    }
    if ((object.mask & g.view.accum_mask) != g.view.accum_mask) {
      return Invalid(absl::StrCat("SIGNAL_MASK", i, " does not contain AP_LOOP_MASK"));
    }
    const int64_t count = g.view.keep_running ? 0 : g.view.StepsThatEnd(object.mask);
    if (count > kMostMmeSignals) {
      return Invalid(absl::StrCat(count, " signals, at most ", kMostMmeSignals));
    }
    g.signals.push_back({object.address, object.value, count});
    if (Word::SLAVE_SIGNAL_EN::Get(word) == 0) continue;
    if (object.own != 0 && object.next != 0) {
      return Invalid(absl::StrCat("SLAVE", i, " has two addresses"));
    }
    const uint32_t slave =
        object.own != 0 ? object.slave_address : object.address + (object.next != 0 ? 4 : 0);
    g.signals.push_back({slave, object.value, count});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Gaudi2MmeView> ViewGaudi2Mme(const Descriptor& d) {
  RETURN_IF_ERROR(CheckFields(d));
  const uint32_t low = d.header_low, high = d.header_high;
  Gaudi2MmeView g;
  MmeView& v = g.view;
  v.s.name = "A", v.l.name = "B", v.o.name = "C";
  ASSIGN_OR_RETURN(v.s.type, TypeOf("DATA_TYPE_IN", Low::DATA_TYPE_IN::Get(low)));
  ASSIGN_OR_RETURN(v.o.type, TypeOf("DATA_TYPE_COUT", Low::DATA_TYPE_COUT::Get(low)));
  v.l.type = v.s.type;
  v.s.tile = v.l.tile = kGaudi2PortLines;
  v.o.tile = kGaudi2OutputTile;
  ReadLoops(d, v);
  ReadTensor(d.tensor_a, d.a_high, d.a_low, v.s);
  ReadTensor(d.tensor_b, d.b_high, d.b_low, v.l);
  ReadTensor(d.tensor_cout, d.cout0_high, d.cout0_low, v.o);
  v.s.spatial_size = int64_t{d.a_ss} + 1;
  v.l.spatial_size = int64_t{d.b_ss} + 1;
  v.o.spatial_size = int64_t{d.cout_ss} + 1;

  g.hx2 = High::HX2::Get(high) != 0;
  if (g.hx2) std::swap(g.rows, g.columns);
  const uint32_t shuffle = BrainsHigh::SHUFFLE_A::Get(d.brains_high);
  g.shuffle = static_cast<mme::ShuffleA>(shuffle);
  const bool fits = g.shuffle == mme::ShuffleA::kNone ||
                    g.shuffle == (g.hx2 ? mme::ShuffleA::kFourPorts : mme::ShuffleA::kTwoPorts);
  if (!fits) return Unimplemented(absl::StrCat("SHUFFLE_A = ", shuffle, " over these ports"));
  const uint32_t reads_a = Low::AGU_READS_A::Get(low), reads_b = Low::AGU_READS_B::Get(low);
  if ((reads_a & reads_b) != 0) return Invalid("AGU_READS_A and AGU_READS_B share an input");
  const Buffers a =
      ReadInputs(d, d.tensor_a, reads_a, High::SWAP_BASE_AND_OFFSET_A::Get(high) != 0, v.s);
  const Buffers b =
      ReadInputs(d, d.tensor_b, reads_b, High::SWAP_BASE_AND_OFFSET_B::Get(high) != 0, v.l);
  RETURN_IF_ERROR(Router(d, a, b).Route(g));
  for (int core = 0; core < kCores; ++core) {
    for (const abi::MmeAguPair& pair : d.agu_cout) {
      v.o.agu.push_back(
          ReadAgu(d.tensor_cout, Of(pair, core), High::SWAP_BASE_AND_OFFSET_COUT::Get(high) != 0));
    }
  }

  v.accum_mask = BrainsHigh::AP_LOOP_MASK::Get(d.brains_high);
  v.s.transposed = Low::TRANS_A::Get(low) != 0;
  v.l.transposed = Low::TRANS_B::Get(low) != 0;
  v.s.advance = Low::ADVANCE_A::Get(low) != 0;
  v.l.advance = Low::ADVANCE_B::Get(low) != 0;
  v.o.advance = Low::ADVANCE_C::Get(low) != 0;
  v.s.lower = Low::LOWER_A::Get(low) != 0;
  v.l.lower = Low::LOWER_B::Get(low) != 0;
  MaskLoops(v, BrainsLow::A_LOOP_MASK::Get(d.brains_low), v.s);
  MaskLoops(v, BrainsLow::B_LOOP_MASK::Get(d.brains_low), v.l);
  MaskLoops(v, v.accum_mask, v.o);
  v.accum = Low::ACCUM_EN::Get(low) != 0;
  v.store = Low::STORE_EN0::Get(low) != 0;
  v.relu = BrainsHigh::RELU_EN::Get(d.brains_high) != 0;
  v.keep_running = BrainsHigh::NO_ROLLUP::Get(d.brains_high) != 0;
  v.rounding = static_cast<Rounding>(BrainsHigh::ROUNDING_MODE::Get(d.brains_high));
  v.order = SumOrder::kTrees;
  v.accumulators = abi::kMmeAccumulators;
  v.ring = abi::kMmeHalfAccumulators;
  v.ring_step = 2;
  v.roll = Low::ROLL_ACCUMS::Get(low);
  RETURN_IF_ERROR(ReadSignals(d, g));
  RETURN_IF_ERROR(CheckMmeView(v));
  return g;
}

}  // namespace openhpu::simulator
