// Every register and field that the headers declare, against the reference rows (register_check.h).
// What Register<> and Field<> do with the numbers is checked on the types.
#include <gtest/gtest.h>

#include <cstddef>
#include <iterator>
#include <map>
#include <string>

#include "hal/abi/gaudi2/dma_core.h"
#include "hal/abi/gaudi2/mme.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "hal/abi/gaudi2/tpc.h"
#include "hal/abi/register_check.h"

namespace openhpu::hal::abi::gaudi2 {
namespace {

// Rows that are not called after their register and number.
std::string RowOf(const std::string& name, uint64_t i) {
  const std::string core = i % 2 == 0 ? "_master" : "_slave";
  if (name == "ARCH_AGU_IN") return "arch_agu_in" + std::to_string(i / 2) + core;
  if (name == "ARCH_AGU_COUT") return "arch_agu_cout" + std::to_string(i / 2) + core;
  if (name == "QMAN_WR64_BASE_ADDR") return "qman_wr64_base_addr" + std::to_string(i);
  return "";
}

const RegisterCheck& Check() {
  static const auto* check = new RegisterCheck("gaudi2",
                                               {{"kTpcMaxTensors", kTpcMaxTensors},
                                                {"sizeof(TpcTensor)", sizeof(TpcTensor)},
                                                {"sizeof(MmeTensor)", sizeof(MmeTensor)},
                                                {"sizeof(MmeAgu)", sizeof(MmeAgu)}},
                                               RowOf);
  return *check;
}

TEST(Registers, QueueManager) { Check().ExpectRegisters("qman.h", {{"block_qman", 0}}); }

TEST(Registers, DmaCore) {
  Check().ExpectRegisters("dma_core.h",
                          {{"block_dma_core", 0}, {"block_dma_core_ctx", dma_core::kContext}});
}

TEST(Registers, DmaContextMembers) {
  using dma_core::Context;
  Members members = {
      OPENHPU_MEMBER(Context, rate_lim_tkn),    OPENHPU_MEMBER(Context, pwrlp),
      OPENHPU_MEMBER(Context, te_numrows),      OPENHPU_MEMBER(Context, idx),
      OPENHPU_MEMBER(Context, idx_inc),         OPENHPU_MEMBER(Context, ctrl),
      OPENHPU_MEMBER(Context, src_tsize_0),     OPENHPU_MEMBER(Context, wr_comp_addr_hi),
      OPENHPU_MEMBER(Context, wr_comp_addr_lo), OPENHPU_MEMBER(Context, wr_comp_wdata),
      OPENHPU_MEMBER(Context, src_offset_lo),   OPENHPU_MEMBER(Context, src_offset_hi),
      OPENHPU_MEMBER(Context, dst_offset_lo),   OPENHPU_MEMBER(Context, dst_offset_hi),
      OPENHPU_MEMBER(Context, src_base_lo),     OPENHPU_MEMBER(Context, src_base_hi),
      OPENHPU_MEMBER(Context, dst_base_lo),     OPENHPU_MEMBER(Context, dst_base_hi),
      OPENHPU_MEMBER(Context, dst_tsize_0),     OPENHPU_MEMBER(Context, commit)};
  for (int dim = 1; dim < dma_core::kNumDims; ++dim) {
    const std::string name = std::to_string(dim);
    const size_t at = sizeof(Context::Dim) * (dim - 1);
    members["src_tsize_" + name] = offsetof(Context, src) + at;
    members["src_stride_" + name] = offsetof(Context, src) + at + 4;
    members["dst_tsize_" + name] = offsetof(Context, dst) + at;
    members["dst_stride_" + name] = offsetof(Context, dst) + at + 4;
  }
  Check().ExpectMembers(members, "block_dma_core_ctx");
}

TEST(Registers, SyncManager) {
  Check().ExpectRegisters("sync_manager.h",
                          {{"block_sob_objs", 0}, {"block_sob_glbl", sync_manager::kGlbl}});
}

TEST(Registers, Tpc) { Check().ExpectRegisters("tpc.h", {{"block_tpc", 0}}); }

TEST(Registers, Mme) {
  // Words of the descriptor are rows of their own blocks, which lie in the control block.
  Check().ExpectRegisters("mme.h", {{"block_mme_ctrl_lo", 0},
                                    {"block_mme_address_descriptor", mme::kArch},
                                    {"block_mme_non_tensor_descriptor_start", 0x28},
                                    {"block_mme_non_tensor_descriptor", 0x280}});
}

TEST(Registers, EveryRegisterOfTheReferenceIsDeclaredButBusBitsAndProtection) {
  const std::map<std::string, std::map<std::string, uint64_t>> headers = {
      {"qman.h", {{"block_qman", 0}}},
      {"dma_core.h", {{"block_dma_core", 0}, {"block_dma_core_ctx", dma_core::kContext}}},
      {"sync_manager.h", {{"block_sob_objs", 0}, {"block_sob_glbl", sync_manager::kGlbl}}},
      {"tpc.h", {{"block_tpc", 0}}},
      {"mme.h", {{"block_mme_ctrl_lo", 0}}}};
  for (const auto& [header, blocks] : headers) {
    const std::map<std::string, Declared> declared = Check().Declarations(header);
    const auto covered = [&](uint64_t offset) {
      for (const auto& [name, d] : declared) {
        if (!d.is_register || offset < d.offset) continue;
        const uint64_t at = offset - d.offset;
        if (at % d.stride == 0 && at / d.stride < d.count) return true;
      }
      return false;
    };
    for (const auto& [row, place] : Reference("gaudi2", blocks).registers) {
      const bool block_of_its_own = place.elem_size > 4;
      if (!covered(place.offset)) {
        EXPECT_TRUE(block_of_its_own) << header << ": " << row;
      }
    }
  }
}

TEST(Registers, TpcDescriptorWords) {
  const std::map<std::string, Declared> declared = Check().Declarations("tpc.h");
  const Reference reference(
      "gaudi2",
      {{"block_tpc_tensor", 0}, {"block_tpc_non_tensor_descriptor", 0}, {"block_sync_object", 0}});
  const std::pair<const char*, const char*> words[] = {
      {"TENSOR_CONFIG", "tensor_config"},
      {"PREF_STRIDE", "pref_stride"},
      {"DIM_SIZE_STRIDE_HIGH", "dim_0_size_stride_high"},
      {"DIM_SIZE_STRIDE_HIGH", "dim_4_size_stride_high"},
      {"KERNEL_CONFIG", "kernel_config"},
      {"KERNEL_ID", "kernel_id"},
      {"POWER_LOOP", "power_loop"},
      {"KERNEL_ID_INC", "kernel_id_inc"},
      {"TID_BASE_SIZE_HIGH", "tid_base_size_high_dim_0"},
      {"TID_BASE_SIZE_HIGH", "tid_base_size_high_dim_4"},
      {"SYNC_OBJECT_MESSAGE", "message"}};
  size_t fields_only = 0;
  for (const auto& [name, entry] : declared) fields_only += entry.is_register ? 0 : 1;
  EXPECT_EQ(fields_only, std::size(words) - 2);  // two are there for their first and last row
  for (const auto& [name, row] : words) {
    ASSERT_EQ(declared.count(name), 1u) << name;
    RegisterCheck::ExpectFields(name, declared.at(name), reference.fields.at(row));
  }
}

TEST(Registers, TpcDescriptorMembers) {
  Members tensor = {
      OPENHPU_MEMBER(TpcTensor, base_addr_low), OPENHPU_MEMBER(TpcTensor, base_addr_high),
      OPENHPU_MEMBER(TpcTensor, padding_value), OPENHPU_MEMBER(TpcTensor, tensor_config),
      OPENHPU_MEMBER(TpcTensor, pref_stride)};
  Members kernel = {OPENHPU_MEMBER(TpcKernel, kernel_base_address_low),
                    OPENHPU_MEMBER(TpcKernel, kernel_base_address_high),
                    OPENHPU_MEMBER(TpcKernel, kernel_config),
                    OPENHPU_MEMBER(TpcKernel, kernel_id),
                    OPENHPU_MEMBER(TpcKernel, power_loop),
                    OPENHPU_MEMBER(TpcKernel, srf),
                    OPENHPU_MEMBER(TpcKernel, kernel_id_inc)};
  for (int i = 0; i < kTpcMaxDims; ++i) {
    const std::string dim = std::to_string(i);
    tensor["dim_" + dim + "_size"] =
        offsetof(TpcTensor, dim) + sizeof(TpcTensor::Dim) * i + offsetof(TpcTensor::Dim, size);
    tensor["dim_" + dim + "_stride"] =
        offsetof(TpcTensor, dim) + sizeof(TpcTensor::Dim) * i + offsetof(TpcTensor::Dim, stride);
    tensor["dim_" + dim + "_size_stride_high"] = offsetof(TpcTensor, dim_size_stride_high) + 4 * i;
    kernel["tid_base_dim_" + dim] =
        offsetof(TpcKernel, tid) + sizeof(TpcKernel::Tid) * i + offsetof(TpcKernel::Tid, base);
    kernel["tid_size_dim_" + dim] =
        offsetof(TpcKernel, tid) + sizeof(TpcKernel::Tid) * i + offsetof(TpcKernel::Tid, size);
    kernel["tid_base_size_high_dim_" + dim] = offsetof(TpcKernel, tid_base_size_high) + 4 * i;
  }
  Check().ExpectMembers(tensor, "block_tpc_tensor");
  Check().ExpectMembers(kernel, "block_tpc_non_tensor_descriptor");
  Check().ExpectMembers(
      {OPENHPU_MEMBER(TpcSyncObject, message), OPENHPU_MEMBER(TpcSyncObject, addr)},
      "block_sync_object");
  EXPECT_EQ(tpc::QM_TENSOR::kOffset, 0x5DCu);
  EXPECT_EQ(tpc::QM_SYNC_OBJECT::kOffset, 0xADCu);
  EXPECT_EQ(tpc::QM::kOffset, 0xAE4u);
}

#define OPENHPU_MME(name) OPENHPU_MEMBER(MmeDescriptor, name)

TEST(Registers, MmeDescriptorMembers) {
  Check().ExpectMembers(
      {OPENHPU_MEMBER(MmeTensor, valid_elements), OPENHPU_MEMBER(MmeTensor, loop_stride),
       OPENHPU_MEMBER(MmeTensor, roi_size), OPENHPU_MEMBER(MmeTensor, spatial_strides),
       OPENHPU_MEMBER(MmeTensor, start_offset)},
      "block_mme_tensor");
  Check().ExpectMembers({OPENHPU_MEMBER(MmeAgu, roi_base_offset)}, "block_mme_agu_core");
  Check().ExpectMembers({OPENHPU_MME(cout1_low), OPENHPU_MME(cout1_high), OPENHPU_MME(cout0_low),
                         OPENHPU_MME(cout0_high), OPENHPU_MME(a_low), OPENHPU_MME(a_high),
                         OPENHPU_MME(b_low), OPENHPU_MME(b_high)},
                        "block_mme_address_descriptor");
  Check().ExpectMembers({OPENHPU_MME(brains_low), OPENHPU_MME(brains_high), OPENHPU_MME(header_low),
                         OPENHPU_MME(header_high), OPENHPU_MME(eus_master), OPENHPU_MME(eus_slave)},
                        "block_mme_non_tensor_descriptor_start",
                        offsetof(MmeDescriptor, brains_low));
  Check().ExpectMembers({OPENHPU_MME(conv_kernel_size_minus_1),
                         OPENHPU_MME(conv_low),
                         OPENHPU_MME(conv_high),
                         OPENHPU_MME(outer_loop),
                         OPENHPU_MME(num_iterations_minus_1),
                         OPENHPU_MME(sb_repeat),
                         OPENHPU_MME(fp8_bias),
                         OPENHPU_MME(rate_limiter),
                         OPENHPU_MME(user_data),
                         OPENHPU_MME(perf_evt_in),
                         OPENHPU_MME(perf_evt_out),
                         OPENHPU_MME(pcu),
                         OPENHPU_MME(slave_sync_obj0_addr),
                         OPENHPU_MME(slave_sync_obj1_addr),
                         OPENHPU_MME(power_loop),
                         OPENHPU_MME(spare0_master),
                         OPENHPU_MME(spare1_master),
                         OPENHPU_MME(spare2_master),
                         OPENHPU_MME(spare3_master),
                         OPENHPU_MME(spare0_slave),
                         OPENHPU_MME(spare1_slave),
                         OPENHPU_MME(spare2_slave),
                         OPENHPU_MME(spare3_slave),
                         OPENHPU_MME(wkl_id)},
                        "block_mme_non_tensor_descriptor",
                        offsetof(MmeDescriptor, conv_kernel_size_minus_1));
}

// Everything of the control block that begins with "arch" and is the descriptor's, in its place.
TEST(Registers, MmeDescriptorParts) {
  const Reference reference("gaudi2", {{"block_mme_ctrl_lo", 0}});
  const size_t start = offsetof(MmeDescriptor, brains_low);
  const size_t end = offsetof(MmeDescriptor, conv_kernel_size_minus_1);
  std::map<std::string, std::pair<size_t, size_t>> parts = {
      {"arch_base_addr", {0, start}},
      {"arch_non_tensor_start", {start, offsetof(MmeDescriptor, tensor_a) - start}},
      {"arch_tensor_a", {offsetof(MmeDescriptor, tensor_a), sizeof(MmeTensor)}},
      {"arch_tensor_b", {offsetof(MmeDescriptor, tensor_b), sizeof(MmeTensor)}},
      {"arch_tensor_cout", {offsetof(MmeDescriptor, tensor_cout), sizeof(MmeTensor)}},
      {"arch_sync_obj_dw0", {offsetof(MmeDescriptor, sync_obj_dw0), 4}},
      {"arch_sync_obj_addr0", {offsetof(MmeDescriptor, sync_obj_addr0), 4}},
      {"arch_sync_obj_val0", {offsetof(MmeDescriptor, sync_obj_val0), 4}},
      {"arch_sync_obj_addr1", {offsetof(MmeDescriptor, sync_obj_addr1), 4}},
      {"arch_sync_obj_val1", {offsetof(MmeDescriptor, sync_obj_val1), 4}},
      {"arch_a_ss", {offsetof(MmeDescriptor, a_ss), 4}},
      {"arch_b_ss", {offsetof(MmeDescriptor, b_ss), 4}},
      {"arch_cout_ss", {offsetof(MmeDescriptor, cout_ss), 4}},
      {"arch_non_tensor_end", {end, sizeof(MmeDescriptor) - end}}};
  for (int i = 0; i < kMmeInputAgus; ++i) {
    const size_t pair = offsetof(MmeDescriptor, agu_in) + sizeof(MmeAguPair) * i;
    const std::string row = "arch_agu_in" + std::to_string(i);
    parts[row + "_master"] = {pair + offsetof(MmeAguPair, master), sizeof(MmeAgu)};
    parts[row + "_slave"] = {pair + offsetof(MmeAguPair, slave), sizeof(MmeAgu)};
  }
  for (int i = 0; i < kMmeOutputAgus; ++i) {
    const size_t pair = offsetof(MmeDescriptor, agu_cout) + sizeof(MmeAguPair) * i;
    const std::string row = "arch_agu_cout" + std::to_string(i);
    parts[row + "_master"] = {pair + offsetof(MmeAguPair, master), sizeof(MmeAgu)};
    parts[row + "_slave"] = {pair + offsetof(MmeAguPair, slave), sizeof(MmeAgu)};
  }
  size_t rows = 0, bytes = 0;
  for (const auto& [row, place] : reference.registers) {
    if (row.rfind("arch_", 0) != 0 || row == "arch_status") continue;
    ++rows;
    const auto part = parts.find(row);
    if (part == parts.end()) {
      ADD_FAILURE() << "no part for " << row;
      continue;
    }
    EXPECT_EQ(mme::ArchRegister(part->second.first), place.offset) << row;
    EXPECT_EQ(part->second.second, place.elem_size) << row;
    bytes += part->second.second;
  }
  EXPECT_EQ(rows, parts.size());
  EXPECT_EQ(bytes, sizeof(MmeDescriptor));  // and nothing between them
}

TEST(Registers, TheSignalWordOfTheMmeIsThatOfTheDescription) {
  using Word = mme::SyncObjectDw0;
  EXPECT_EQ(Word::SIGNAL_MASK0::kMask, 0x3Fu);
  EXPECT_EQ(Word::SIGNAL_EN0::kMask, 1u << 6);
  EXPECT_EQ(Word::SIGNAL_MASK1::kMask, 0x3Fu << 8);
  EXPECT_EQ(Word::SIGNAL_EN1::kMask, 1u << 14);
  EXPECT_EQ(Word::MASTER_WAIT_FOR_SLAVE_FENCE::kMask, 1u << 15);
  EXPECT_EQ(Word::SLAVE_SEND_FENCE2MASTER::kMask, 1u << 16);
  EXPECT_EQ(Word::SLAVE_SIGNAL_EN::kMask, 1u << 17);
  EXPECT_EQ(Word::SLAVE0_USE_SLAVE_SO_ADDR::kMask, 1u << 18);
  EXPECT_EQ(Word::SLAVE1_USE_SLAVE_SO_ADDR::kMask, 1u << 19);
  EXPECT_EQ(Word::SLAVE0_USE_MASTER_SO_ADDR_PLUS4::kMask, 1u << 20);
  EXPECT_EQ(Word::SLAVE1_USE_MASTER_SO_ADDR_PLUS4::kMask, 1u << 21);
}

TEST(Registers, AnIndexedRegisterStepsByItsStride) {
  EXPECT_EQ(qman::PQ_PI::At(3), 0x8Cu);
  EXPECT_EQ(qman::CQ_TSIZE::At(qman::kLowerCp), 0x198u);
  EXPECT_EQ(qman::QMAN_WR64_BASE_ADDR::At(15), 0x978u);
  EXPECT_EQ(tpc::QM_TENSOR::At(15), 0xA8Cu);
  EXPECT_EQ(mme::ARCH_AGU_IN::At(9), 0x210u);
  EXPECT_EQ(sync_manager::SOB_OBJ::At(8191), 0x7FFCu);
  EXPECT_EQ(sync_manager::CQ_PI::At(63), 0x1E44Cu);
  for (int fence = 0; fence < qman::kNumFences; ++fence) {
    EXPECT_EQ(qman::CpFenceRdata(fence, 4), 0x290u + 0x14u * fence + 16u);
    EXPECT_EQ(qman::CpFenceCnt(fence, 4), 0x2E0u + 0x14u * fence + 16u);
  }
  for (int dim = 1; dim < dma_core::kNumDims; ++dim) {
    EXPECT_EQ(dma_core::SrcTsize(dim) + 4, dma_core::SrcStride(dim));
    EXPECT_EQ(dma_core::DstTsize(dim) + 4, dma_core::DstStride(dim));
  }
}

TEST(Registers, SyncWordsAreThoseOfTheSources) {
  using sync_manager::MON_ARM;
  using sync_manager::MON_CONFIG;
  EXPECT_EQ(sync_manager::SobAdd(1), 0x80000001u);
  EXPECT_EQ(sync_manager::SobSet(0), 0u);
  // Object 19 is bit 3 of group 2; a mask bit of 1 ignores.
  const sync_manager::MonitorWords low = sync_manager::WatchAtLeast(19, 5);
  EXPECT_EQ(MON_ARM::SID::Get(low.arm), 2u);
  EXPECT_EQ(MON_ARM::MASK::Get(low.arm), 0xF7u);
  EXPECT_EQ(MON_ARM::SOP::Get(low.arm), 0u);
  EXPECT_EQ(MON_ARM::SOD::Get(low.arm), 5u);
  EXPECT_EQ(low.config, 0u);
  // The last object is bit 7 of group 1023: 0xFF, and 3 in CONFIG.
  const sync_manager::MonitorWords high = sync_manager::WatchAtLeast(8191, 0x7FFF);
  EXPECT_EQ(MON_ARM::SID::Get(high.arm), 0xFFu);
  EXPECT_EQ(MON_ARM::MASK::Get(high.arm), 0x7Fu);
  EXPECT_EQ(high.config, 3u << 16);
  EXPECT_EQ(sync_manager::GroupWatched(high), 1023u);
  // All eight of a group, equal.
  const sync_manager::MonitorWords all = sync_manager::Watch(300, 0xFF, true, 1);
  EXPECT_EQ(MON_ARM::MASK::Get(all.arm), 0u);
  EXPECT_EQ(MON_ARM::SOP::Get(all.arm), 1u);
  EXPECT_EQ(sync_manager::GroupWatched(all), 300u);
  EXPECT_EQ(sync_manager::ToCompletionQueue(all.config, true), 1u << 16 | 1u << 8 | 1u << 4);
  // The TPC's message is the same word.
  EXPECT_EQ(tpc::SYNC_OBJECT_MESSAGE::SO_OPERATION::Set(
                tpc::SYNC_OBJECT_MESSAGE::SO_WRITE_VALUE::Set(0, 1), 4),
            sync_manager::SobAdd(1));
}

// MSG_SHORT adds 16 bits to the base of the monitors, and to that of the objects.
TEST(Registers, EveryWordOfASyncManagerIsInReachOfAMessageBase) {
  const uint32_t monitors = sync_manager::MON_PAY_ADDRL::kOffset;
  EXPECT_LT(sync_manager::SOB_OBJ::At(sync_manager::kNumSobs - 1), 0x10000u);
  EXPECT_LT(sync_manager::MON_ARM::At(sync_manager::kNumMonitors - 1) - monitors, 0x10000u);
  EXPECT_LT(sync_manager::MON_CONFIG::At(sync_manager::kNumMonitors - 1) - monitors, 0x10000u);
  EXPECT_LT(sync_manager::MON_STATUS::At(sync_manager::kNumMonitors - 1) - monitors, 0x10000u);
}

}  // namespace
}  // namespace openhpu::hal::abi::gaudi2
