// Every register and field that the headers declare, against the reference rows. The headers keep
// one form (`struct NAME : Register<...>`, `using NAME = Field<...>`), and this test reads them as
// text, so that no second list of names must be kept: a register or field without a row fails, and
// so does a row whose register is declared without that field. What Register<> and Field<> do with
// the numbers is checked on the types.
#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi/mme.h"
#include "hal/abi/gaudi/qman.h"
#include "hal/abi/gaudi/reference_rows.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "hal/abi/gaudi/tpc.h"

namespace openhpu::hal::abi::gaudi {
namespace {

struct Bits {
  uint64_t lsb = 0, width = 0;
};

struct Declared {
  bool is_register = false;
  uint64_t offset = 0, count = 1, stride = 4;
  std::map<std::string, Bits> fields;
};

// "PQF_EN" as the rows spell it.
std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

uint64_t Value(const std::string& text) {
  if (text == "kTpcMaxTensors") return kTpcMaxTensors;
  if (text == "kMmeShadows") return kMmeShadows;
  if (text == "sizeof(TpcTensor)") return sizeof(TpcTensor);
  return Number(text);
}

std::string TextOf(const std::string& header) {
  std::ifstream in("hal/abi/gaudi/" + header);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The structs of a header that declare registers or fields, by name.
std::map<std::string, Declared> Declarations(const std::string& header) {
  const std::string text = TextOf(header);
  static const std::regex kStruct(R"(struct\s+([A-Za-z0-9_]+)\s*(?::([^{]*))?\{([^}]*)\};)");
  static const std::regex kRegister(
      R"(Register<\s*([^,>]+?)\s*(?:,\s*([^,>]+?)\s*)?(?:,\s*([^,>]+?)\s*)?>)");
  static const std::regex kName(R"([A-Za-z0-9_]+)");
  static const std::regex kField(
      R"(using\s+([A-Za-z0-9_]+)\s*=\s*Field<uint32_t,\s*([0-9]+),\s*([0-9]+)>;)");
  std::map<std::string, Declared> declared;
  for (std::sregex_iterator it(text.begin(), text.end(), kStruct), end; it != end; ++it) {
    const std::string bases = (*it)[2], body = (*it)[3];
    Declared entry;
    std::smatch match;
    if (std::regex_search(bases, match, kRegister)) {
      entry.is_register = true;
      entry.offset = Value(match[1]);
      if (match[2].matched) entry.count = Value(match[2]);
      if (match[3].matched) entry.stride = Value(match[3]);
    }
    // A base that was declared above gives its fields.
    for (std::sregex_iterator n(bases.begin(), bases.end(), kName); n != end; ++n) {
      const auto base = declared.find((*n)[0]);
      if (base != declared.end()) entry.fields = base->second.fields;
    }
    for (std::sregex_iterator f(body.begin(), body.end(), kField); f != end; ++f) {
      entry.fields[Lower((*f)[1])] = {Number((*f)[2]), Number((*f)[3])};
    }
    if (entry.is_register || !entry.fields.empty()) declared[(*it)[1]] = entry;
  }
  return declared;
}

// Rows of some blocks, where each block starts at an offset of the header's block.
struct Reference {
  struct Place {
    uint64_t offset, count, elem_size;
    std::string block;
  };
  std::map<std::string, Place> registers;
  std::map<std::string, std::map<std::string, Bits>> fields;  // by register

  explicit Reference(const std::map<std::string, uint64_t>& blocks) {
    for (Row row : ReferenceRows("regs.csv")) {
      const auto block = blocks.find(row["block"]);
      if (block == blocks.end()) continue;
      registers[row["reg"]] = {block->second + Number(row["offset"]), Number(row["count"]),
                               Number(row["elem_size"]), row["block"]};
    }
    for (Row row : ReferenceRows("reg_fields.csv")) {
      if (blocks.count(row["block"]) == 0) continue;
      fields[row["reg"]][row["field"]] = {Number(row["lsb"]), Number(row["width"])};
    }
  }
};

bool IsWholeWordOrReserved(const std::string& field, const Bits& bits) {
  return bits.width == 32 || field == "reserved" || field == "rsv";
}

void ExpectFields(const std::string& name, const Declared& declared,
                  const std::map<std::string, Bits>& reference) {
  for (const auto& [field, bits] : declared.fields) {
    const auto row = reference.find(field);
    if (row == reference.end()) {
      ADD_FAILURE() << name << "." << field << " has no row";
      continue;
    }
    EXPECT_EQ(bits.lsb, row->second.lsb) << name << "." << field;
    EXPECT_EQ(bits.width, row->second.width) << name << "." << field;
  }
  for (const auto& [field, bits] : reference) {
    if (IsWholeWordOrReserved(field, bits)) continue;
    EXPECT_EQ(declared.fields.count(field), 1u) << name << " lacks " << field;
  }
}

// The rows that one declaration with several places stands for, in order; a single name when the
// row itself counts them.
std::vector<std::string> RowNames(const std::string& name, const Declared& declared,
                                  const Reference& reference) {
  if (name == "PERF_EVT") {
    return {"perf_evt_s", "perf_evt_l_local", "perf_evt_l_remote", "perf_evt_o_local",
            "perf_evt_o_remote"};
  }
  const std::string row = Lower(name);
  if (reference.registers.count(row) != 0) return {row};
  const auto numbered = [&row](uint64_t i) {
    const std::string index = std::to_string(i);
    const std::string prefix = "shadow_";
    if (row.rfind("shadow", 0) == 0) return prefix + index + row.substr(prefix.size() - 1);
    return row + "_" + index;
  };
  std::vector<std::string> rows;
  for (uint64_t i = 0; i < declared.count; ++i) rows.push_back(numbered(i));
  EXPECT_EQ(reference.registers.count(numbered(declared.count)), 0u) << name << " counts too few";
  return rows;
}

// Every register of the header, against its rows.
void ExpectRegisters(const std::string& header, const Reference& reference) {
  size_t seen = 0;
  for (const auto& [name, declared] : Declarations(header)) {
    if (!declared.is_register) continue;
    ++seen;
    const std::vector<std::string> rows = RowNames(name, declared, reference);
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto row = reference.registers.find(rows[i]);
      if (row == reference.registers.end()) {
        ADD_FAILURE() << header << ": " << name << " has no row " << rows[i];
        continue;
      }
      EXPECT_EQ(declared.offset + declared.stride * i, row->second.offset) << name << " " << i;
      if (rows.size() == 1) {
        EXPECT_EQ(declared.count, row->second.count) << name;
        if (declared.count > 1) {
          EXPECT_EQ(declared.stride, row->second.elem_size) << name;
        }
      }
      const auto fields = reference.fields.find(rows[i]);
      ExpectFields(
          name, declared,
          fields == reference.fields.end() ? std::map<std::string, Bits>() : fields->second);
    }
  }
  // A register in a form that is not read here would not be checked.
  const std::string text = TextOf(header);
  const std::regex any("Register<");
  EXPECT_EQ(
      static_cast<std::ptrdiff_t>(seen),
      std::distance(std::sregex_iterator(text.begin(), text.end(), any), std::sregex_iterator()))
      << header;
  EXPECT_GT(seen, 0u) << header;
}

TEST(Registers, QueueManager) { ExpectRegisters("qman.h", Reference({{"block_qman", 0}})); }

TEST(Registers, DmaCore) { ExpectRegisters("dma_core.h", Reference({{"block_dma_core", 0}})); }

TEST(Registers, SyncManager) {
  ExpectRegisters("sync_manager.h", Reference({{"block_sob_objs", 0}}));
}

TEST(Registers, Tpc) { ExpectRegisters("tpc.h", Reference({{"block_tpc", 0}})); }

TEST(Registers, TpcDescriptorWords) {
  const std::map<std::string, Declared> declared = Declarations("tpc.h");
  const Reference reference(
      {{"block_tpc_tensor", 0}, {"block_tpc_non_tensor_descriptor", 0}, {"block_sync_object", 0}});
  const std::pair<const char*, const char*> words[] = {{"TENSOR_CONFIG", "tensor_config"},
                                                       {"KERNEL_CONFIG", "kernel_config"},
                                                       {"KERNEL_ID", "kernel_id"},
                                                       {"SYNC_OBJECT_MESSAGE", "message"}};
  size_t fields_only = 0;
  for (const auto& [name, entry] : declared) fields_only += entry.is_register ? 0 : 1;
  EXPECT_EQ(fields_only, std::size(words));
  for (const auto& [name, row] : words) {
    ASSERT_EQ(declared.count(name), 1u) << name;
    ExpectFields(name, declared.at(name), reference.fields.at(row));
  }
}

TEST(Registers, Mme) {
  // Words of the descriptor are rows of their own blocks, which lie in the control block.
  ExpectRegisters("mme.h",
                  Reference({{"block_mme", 0},
                             {"block_mme_non_tensor_descriptor_start", mme::ARCH::kOffset},
                             {"block_mme_non_tensor_descriptor_end", mme::ARCH_DESC::kOffset}}));
}

// Members of a struct by the name of their rows.
using Members = std::map<std::string, size_t>;

void ExpectMembers(const Members& members, const char* block, size_t base) {
  const Reference reference({{block, base}});
  EXPECT_EQ(members.size(), reference.registers.size()) << block;
  for (const auto& [row, place] : reference.registers) {
    const auto member = members.find(row);
    if (member == members.end()) {
      ADD_FAILURE() << block << ": no member for " << row;
      continue;
    }
    EXPECT_EQ(member->second, place.offset) << row;
  }
}

#define OPENHPU_MEMBER(type, name) \
  { #name, offsetof(type, name) }

TEST(Registers, MmeDescriptorMembers) {
  ExpectMembers({OPENHPU_MEMBER(MmeTensor, valid_elements), OPENHPU_MEMBER(MmeTensor, loop_stride),
                 OPENHPU_MEMBER(MmeTensor, roi_size), OPENHPU_MEMBER(MmeTensor, spatial_strides),
                 OPENHPU_MEMBER(MmeTensor, spatial_size_minus_1)},
                "block_mme_tensor", 0);
  ExpectMembers({OPENHPU_MEMBER(MmeAgu, roi_base_offset), OPENHPU_MEMBER(MmeAgu, start_offset)},
                "block_mme_agu_core", 0);
#define OPENHPU_MME(name) OPENHPU_MEMBER(MmeDescriptor, name)
  ExpectMembers(
      {OPENHPU_MME(base_addr_high_s), OPENHPU_MME(base_addr_high_l), OPENHPU_MME(base_addr_high_o),
       OPENHPU_MME(base_addr_low_s), OPENHPU_MME(base_addr_low_l), OPENHPU_MME(base_addr_low_o),
       OPENHPU_MME(header_low), OPENHPU_MME(header_high), OPENHPU_MME(conv_kernel_size_minus_1),
       OPENHPU_MME(conv_associated_dims_low), OPENHPU_MME(conv_associated_dims_high),
       OPENHPU_MME(num_iterations_minus_1), OPENHPU_MME(outer_loop)},
      "block_mme_non_tensor_descriptor_start", 0);
  ExpectMembers({OPENHPU_MME(sb_repeat),
                 OPENHPU_MME(rate_limiter),
                 OPENHPU_MME(sync_object_addr_low_local),
                 OPENHPU_MME(sync_object_addr_low_remote),
                 OPENHPU_MME(sync_object_addr_high),
                 OPENHPU_MME(sync_object_data),
                 OPENHPU_MME(axi_user_data),
                 OPENHPU_MME(perf_evt_s),
                 OPENHPU_MME(perf_evt_l_local),
                 OPENHPU_MME(perf_evt_l_remote),
                 OPENHPU_MME(perf_evt_o_local),
                 OPENHPU_MME(perf_evt_o_remote),
                 OPENHPU_MME(padding_value_s),
                 OPENHPU_MME(padding_value_l),
                 OPENHPU_MME(meta_data_agu_s),
                 OPENHPU_MME(meta_data_agu_l_local),
                 OPENHPU_MME(meta_data_agu_l_remote),
                 OPENHPU_MME(meta_data_agu_o_local),
                 OPENHPU_MME(meta_data_agu_o_remote),
                 OPENHPU_MME(pcu_rl_saturation),
                 OPENHPU_MME(dummy)},
                "block_mme_non_tensor_descriptor_end", offsetof(MmeDescriptor, sb_repeat));
}

TEST(Registers, MmeDescriptorParts) {
  const Reference reference({{"block_mme", 0}});
  const std::map<std::string, std::pair<size_t, size_t>> parts = {
      {"arch_tensor_s", {offsetof(MmeDescriptor, tensor_s), sizeof(MmeTensor)}},
      {"arch_agu_s", {offsetof(MmeDescriptor, agu_s), sizeof(MmeAgu)}},
      {"arch_tensor_l", {offsetof(MmeDescriptor, tensor_l), sizeof(MmeTensor)}},
      {"arch_agu_l_local", {offsetof(MmeDescriptor, agu_l_local), sizeof(MmeAgu)}},
      {"arch_agu_l_remote", {offsetof(MmeDescriptor, agu_l_remote), sizeof(MmeAgu)}},
      {"arch_tensor_o", {offsetof(MmeDescriptor, tensor_o), sizeof(MmeTensor)}},
      {"arch_agu_o_local", {offsetof(MmeDescriptor, agu_o_local), sizeof(MmeAgu)}},
      {"arch_agu_o_remote", {offsetof(MmeDescriptor, agu_o_remote), sizeof(MmeAgu)}},
      {"arch", {0, offsetof(MmeDescriptor, tensor_s)}},
      {"arch_desc",
       {offsetof(MmeDescriptor, sb_repeat),
        sizeof(MmeDescriptor) - offsetof(MmeDescriptor, sb_repeat)}}};
  for (const auto& [row, part] : parts) {
    const Reference::Place& place = reference.registers.at(row);
    EXPECT_EQ(mme::ArchRegister(part.first), place.offset) << row;
    EXPECT_EQ(part.second, place.elem_size) << row;
  }
}

TEST(Registers, TpcDescriptorMembers) {
  Members tensor = {
      OPENHPU_MEMBER(TpcTensor, base_addr_low), OPENHPU_MEMBER(TpcTensor, base_addr_high),
      OPENHPU_MEMBER(TpcTensor, padding_value), OPENHPU_MEMBER(TpcTensor, tensor_config)};
  Members kernel = {{"kernel_base_address_low", offsetof(TpcKernel, kernel_base_address_low)},
                    {"kernel_base_address_high", offsetof(TpcKernel, kernel_base_address_high)},
                    OPENHPU_MEMBER(TpcKernel, kernel_config),
                    OPENHPU_MEMBER(TpcKernel, kernel_id),
                    OPENHPU_MEMBER(TpcKernel, srf)};
  for (int i = 0; i < kTpcMaxDims; ++i) {
    const std::string dim = std::to_string(i);
    tensor["dim_" + dim + "_size"] =
        offsetof(TpcTensor, dim) + sizeof(TpcTensor::Dim) * i + offsetof(TpcTensor::Dim, size);
    tensor["dim_" + dim + "_stride"] =
        offsetof(TpcTensor, dim) + sizeof(TpcTensor::Dim) * i + offsetof(TpcTensor::Dim, stride);
    kernel["tid_base_dim_" + dim] =
        offsetof(TpcKernel, tid) + sizeof(TpcKernel::Tid) * i + offsetof(TpcKernel::Tid, base);
    kernel["tid_size_dim_" + dim] =
        offsetof(TpcKernel, tid) + sizeof(TpcKernel::Tid) * i + offsetof(TpcKernel::Tid, size);
  }
  ExpectMembers(tensor, "block_tpc_tensor", 0);
  ExpectMembers(kernel, "block_tpc_non_tensor_descriptor", 0);
  ExpectMembers({OPENHPU_MEMBER(TpcSyncObject, message), OPENHPU_MEMBER(TpcSyncObject, addr)},
                "block_sync_object", 0);
}

TEST(Registers, AnIndexedRegisterStepsByItsStride) {
  EXPECT_EQ(qman::PQ_PI::At(3), 0xACu);
  EXPECT_EQ(qman::CQ_TSIZE::At(qman::kLowerCp), 0x1BCu);
  EXPECT_EQ(tpc::QM_TENSOR::At(15), 0xD48u);
  EXPECT_EQ(mme::SHADOW::At(3), 0xB88u);
  EXPECT_EQ(sync_manager::SOB_OBJ::At(2047), 0x2FFCu);
  for (int fence = 0; fence < qman::kNumFences; ++fence) {
    EXPECT_EQ(qman::CpFenceRdata(fence, 4), 0x308u + 0x14u * fence + 16u);
    EXPECT_EQ(qman::CpFenceCnt(fence, 4), 0x358u + 0x14u * fence + 16u);
  }
  for (int dim = 1; dim < dma_core::kNumDims; ++dim) {
    EXPECT_EQ(dma_core::SrcTsize(dim) + 4, dma_core::SrcStride(dim));
    EXPECT_EQ(dma_core::DstTsize(dim) + 4, dma_core::DstStride(dim));
  }
}

TEST(Registers, SyncWordsAreThoseOfTheSources) {
  EXPECT_EQ(sync_manager::SobAdd(1), 0x80000001u);
  EXPECT_EQ(sync_manager::SobAdd(0), 0x80000000u);
  EXPECT_EQ(sync_manager::SobSet(0), 0u);
  // Object 19 is bit 3 of group 2; a mask bit of 1 ignores.
  const uint32_t arm = sync_manager::ArmAtLeast(19, 5);
  EXPECT_EQ(sync_manager::MON_ARM::SID::Get(arm), 2u);
  EXPECT_EQ(sync_manager::MON_ARM::MASK::Get(arm), 0xF7u);
  EXPECT_EQ(sync_manager::MON_ARM::SOP::Get(arm), 0u);
  EXPECT_EQ(sync_manager::MON_ARM::SOD::Get(arm), 5u);
  // The TPC's message and the MME's sync data are the same word.
  EXPECT_EQ(tpc::SYNC_OBJECT_MESSAGE::SO_OPERATION::Set(
                tpc::SYNC_OBJECT_MESSAGE::SO_WRITE_VALUE::Set(0, 1), 4),
            sync_manager::SobAdd(1));
  EXPECT_EQ(mme::SYNC_OBJECT_DATA::OPERATION::Set(mme::SYNC_OBJECT_DATA::VALUE::Set(0, 1), 1),
            sync_manager::SobAdd(1));
}

TEST(Registers, KnownMmeWordsDecode) {
  // bf16 -> fp32, A row-major, all signals at the end: the header of the worked GEMM.
  using mme::HEADER_LOW;
  const uint32_t low = 0x7F0A0001;
  EXPECT_EQ(HEADER_LOW::TRANS_S::Get(low), 1u);
  EXPECT_EQ(HEADER_LOW::TRANS_L::Get(low), 0u);
  EXPECT_EQ(HEADER_LOW::DATA_TYPE_IN::Get(low), static_cast<uint32_t>(mme::DataType::kBFloat16));
  EXPECT_EQ(HEADER_LOW::DATA_TYPE_OUT::Get(low), static_cast<uint32_t>(mme::DataType::kFloat32));
  EXPECT_EQ(HEADER_LOW::STORE_EN::Get(low), 1u);
  EXPECT_EQ(HEADER_LOW::SIGNAL_EN::Get(low), 1u);
  EXPECT_EQ(HEADER_LOW::SIGNAL_MASK::Get(low), 0x3Fu);
  EXPECT_EQ(mme::SB_REPEAT::LOAD_S::Get(0xC000C000), 1u);
  EXPECT_EQ(mme::SB_REPEAT::TEB_L_EN::Get(0xC000C000), 1u);
}

}  // namespace
}  // namespace openhpu::hal::abi::gaudi
