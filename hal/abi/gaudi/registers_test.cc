// Every register and field that the headers declare, against the reference rows (register_check.h).
// What Register<> and Field<> do with the numbers is checked on the types.
#include <gtest/gtest.h>

#include <cstddef>
#include <iterator>
#include <map>
#include <string>

#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi/mme.h"
#include "hal/abi/gaudi/qman.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "hal/abi/gaudi/tpc.h"
#include "hal/abi/register_check.h"

namespace openhpu::hal::abi::gaudi {
namespace {

// Rows that are not called after their register and number.
std::string RowOf(const std::string& name, uint64_t i) {
  if (name == "PERF_EVT") {
    const char* const kRows[] = {"s", "l_local", "l_remote", "o_local", "o_remote"};
    return i < std::size(kRows) ? std::string("perf_evt_") + kRows[i] : "none";
  }
  if (name == "SHADOW_STATUS") return "shadow_" + std::to_string(i) + "_status";
  return "";
}

const RegisterCheck& Check() {
  static const auto* check = new RegisterCheck("gaudi",
                                               {{"kTpcMaxTensors", kTpcMaxTensors},
                                                {"kMmeShadows", kMmeShadows},
                                                {"sizeof(TpcTensor)", sizeof(TpcTensor)}},
                                               RowOf);
  return *check;
}

TEST(Registers, QueueManager) { Check().ExpectRegisters("qman.h", {{"block_qman", 0}}); }

TEST(Registers, DmaCore) { Check().ExpectRegisters("dma_core.h", {{"block_dma_core", 0}}); }

TEST(Registers, SyncManager) { Check().ExpectRegisters("sync_manager.h", {{"block_sob_objs", 0}}); }

TEST(Registers, Tpc) { Check().ExpectRegisters("tpc.h", {{"block_tpc", 0}}); }

TEST(Registers, TpcDescriptorWords) {
  const std::map<std::string, Declared> declared = Check().Declarations("tpc.h");
  const Reference reference(
      "gaudi",
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
    RegisterCheck::ExpectFields(name, declared.at(name), reference.fields.at(row));
  }
}

TEST(Registers, Mme) {
  // Words of the descriptor are rows of their own blocks, which lie in the control block.
  Check().ExpectRegisters("mme.h",
                          {{"block_mme", 0},
                           {"block_mme_non_tensor_descriptor_start", mme::ARCH::kOffset},
                           {"block_mme_non_tensor_descriptor_end", mme::ARCH_DESC::kOffset}});
}

TEST(Registers, MmeDescriptorMembers) {
  Check().ExpectMembers(
      {OPENHPU_MEMBER(MmeTensor, valid_elements), OPENHPU_MEMBER(MmeTensor, loop_stride),
       OPENHPU_MEMBER(MmeTensor, roi_size), OPENHPU_MEMBER(MmeTensor, spatial_strides),
       OPENHPU_MEMBER(MmeTensor, spatial_size_minus_1)},
      "block_mme_tensor", 0);
  Check().ExpectMembers(
      {OPENHPU_MEMBER(MmeAgu, roi_base_offset), OPENHPU_MEMBER(MmeAgu, start_offset)},
      "block_mme_agu_core", 0);
#define OPENHPU_MME(name) OPENHPU_MEMBER(MmeDescriptor, name)
  Check().ExpectMembers(
      {OPENHPU_MME(base_addr_high_s), OPENHPU_MME(base_addr_high_l), OPENHPU_MME(base_addr_high_o),
       OPENHPU_MME(base_addr_low_s), OPENHPU_MME(base_addr_low_l), OPENHPU_MME(base_addr_low_o),
       OPENHPU_MME(header_low), OPENHPU_MME(header_high), OPENHPU_MME(conv_kernel_size_minus_1),
       OPENHPU_MME(conv_associated_dims_low), OPENHPU_MME(conv_associated_dims_high),
       OPENHPU_MME(num_iterations_minus_1), OPENHPU_MME(outer_loop)},
      "block_mme_non_tensor_descriptor_start", 0);
  Check().ExpectMembers({OPENHPU_MME(sb_repeat),
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
  const Reference reference("gaudi", {{"block_mme", 0}});
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
  Check().ExpectMembers(tensor, "block_tpc_tensor", 0);
  Check().ExpectMembers(kernel, "block_tpc_non_tensor_descriptor", 0);
  Check().ExpectMembers(
      {OPENHPU_MEMBER(TpcSyncObject, message), OPENHPU_MEMBER(TpcSyncObject, addr)},
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
