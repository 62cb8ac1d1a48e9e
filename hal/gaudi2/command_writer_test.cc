// What the command writer writes, read back with the layouts of hal/abi.
#include "hal/command_writer.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/dma_core.h"
#include "hal/abi/gaudi2/mme.h"
#include "hal/abi/gaudi2/packets.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/queue_ids.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "hal/abi/gaudi2/tpc.h"
#include "hal/chip.h"
#include "hal/command_writer_testing.h"

namespace openhpu::hal {
namespace {

namespace abi = ::openhpu::hal::abi::gaudi2;
namespace sync = abi::sync_manager;
using absl::StatusCode;
using Role = CommandWriter::Role;

const Chip& Gaudi2() {
  static const Chip* chip = new Chip(*LoadChip("gaudi2"));
  return *chip;
}

std::unique_ptr<CommandWriter> Writer(Engine engine, Role role) {
  return MakeWriter(Gaudi2(), engine, role);
}

using Packet = DecodedPacket<abi::Opcode>;
std::vector<Packet> Decode(CommandBlob blob) {
  return DecodeCommands<abi::Ctl, abi::PacketWregBulk>(std::move(blob));
}

void ExpectMessage(const Packet& p, uint32_t base, uint32_t offset, uint32_t value) {
  ExpectShortMessage<abi::PacketMsgShort>(p, base, offset, value);
}

TEST(CommandWriterTest, MonitorsPointAtTheFenceCounterOfTheirStream) {
  auto writer = Writer(kTpc3, Role::kUpper);
  ASSERT_TRUE(writer->SetUpMonitors(5, 2).ok());
  const std::vector<Packet> packets = Decode(writer->Take());
  ASSERT_EQ(packets.size(), 6u);
  const uint64_t fence = abi::TpcQmanBase(0, 3) + abi::qman::CpFenceRdata(0, 2);
  for (uint32_t i = 0; i < 2; ++i) {
    const uint32_t offset = 4 * (32 + 5 + i);
    ExpectMessage(packets[3 * i], 0, offset, static_cast<uint32_t>(fence));
    ExpectMessage(packets[3 * i + 1], 0, 0x2000 + offset, static_cast<uint32_t>(fence >> 32));
    ExpectMessage(packets[3 * i + 2], 0, 0x4000 + offset, 1);
  }
}

TEST(CommandWriterTest, AwaitArmsThenBlocksUntilAllHaveFired) {
  auto writer = Writer(kHost, Role::kExternal);
  ASSERT_TRUE(writer->SetUpMonitors(0, 20).ok());
  std::vector<SyncCondition> conditions(17, SyncCondition{0, 0x05, 300});
  conditions[1] = {3, 0x80, 32767};
  conditions[2] = {1000, 0x01, 1};
  ASSERT_TRUE(writer->Await(conditions, 3).ok());
  const std::vector<Packet> packets = Decode(writer->Take());
  ASSERT_EQ(packets.size(), 60u + 2 * 17 + 2);
  // CONFIG, then ARM, each behind the other: with 64 objects before the bank, group 0 is group 8.
  ExpectMessage(packets[60], 0, 0x8000 + 4 * (32 + 3), 0);
  uint32_t arm = sync::MON_ARM::SID::Set(0, 64 / 8);
  arm = sync::MON_ARM::MASK::Set(arm, 0xFA);  // a zero bit is watched
  arm = sync::MON_ARM::SOD::Set(arm, 300);
  ExpectMessage(packets[61], 0, 0x6000 + 4 * (32 + 3), arm);
  EXPECT_EQ(abi::Ctl::MSG_BARRIER::Get(packets[61].ctl), 1u);
  EXPECT_EQ(sync::MON_ARM::SID::Get(packets[63].value), 64 / 8 + 3u);
  EXPECT_EQ(sync::MON_ARM::MASK::Get(packets[63].value), 0x7Fu);
  EXPECT_EQ(sync::MON_ARM::SOD::Get(packets[63].value), 32767u);
  EXPECT_EQ(sync::MON_ARM::SOP::Get(packets[63].value), 0u);
  // Group 1000 has more than the eight bits of ARM.
  EXPECT_EQ(sync::GroupWatched({packets[64].value, packets[65].value}), 64 / 8 + 1000u);
  EXPECT_EQ(packets[64].value, 3u << 16);
  // 17 = 15 + 2: a fence takes off at most 15.
  const uint32_t steps[] = {15, 2};
  for (int i = 0; i < 2; ++i) {
    const Packet& fence = packets[94 + i];
    EXPECT_EQ(fence.opcode, abi::Opcode::kFence);
    EXPECT_EQ(abi::PacketFence::TARGET_VAL::Get(fence.value), steps[i]);
    EXPECT_EQ(abi::PacketFence::DEC_VAL::Get(fence.value), steps[i]);
    EXPECT_EQ(abi::PacketFence::ID::Get(fence.value), 0u);
  }
}

TEST(CommandWriterTest, SyncObjectsAreSetAndAddedTo) {
  for (Role role : {Role::kExternal, Role::kUpper, Role::kBody}) {
    auto writer = Writer(role == Role::kExternal ? kHost : kMme0, role);
    ASSERT_TRUE(writer->SetSob(Sob{3}, 0, false).ok());
    ASSERT_TRUE(writer->AddSob(Sob{4}, 7, true).ok());
    const std::vector<Packet> packets = Decode(writer->Take());
    ASSERT_EQ(packets.size(), 2u);
    ExpectMessage(packets[0], 1, 4 * 67, 0);
    EXPECT_EQ(abi::Ctl::ENG_BARRIER::Get(packets[0].ctl), 0u);
    ExpectMessage(packets[1], 1, 4 * 68, 0x80000007);
    EXPECT_EQ(abi::Ctl::ENG_BARRIER::Get(packets[1].ctl), 1u);
  }
}

TEST(CommandWriterTest, RunFeedsTheLowerCpAndLetsOthersHaveTheEngine) {
  auto writer = Writer(kTpc3, Role::kUpper);
  ASSERT_TRUE(writer->Run({2, 0x200}, 0x80).ok());
  const std::vector<Packet> packets = Decode(writer->Take());
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_EQ(packets[0].opcode, abi::Opcode::kCpDma);
  EXPECT_EQ(packets[0].value, 0x80u);
  EXPECT_EQ(packets[0].Address(0), 0x4'0000'0100u);
  EXPECT_EQ(packets[1].opcode, abi::Opcode::kArbPoint);
  EXPECT_EQ(abi::PacketArbPoint::RLS::Get(packets[1].value), 1u);
}

TEST(CommandWriterTest, HostCopiesAreLinearAndLongOnesAreCut) {
  auto writer = Writer(kHost, Role::kExternal);
  ASSERT_TRUE(writer->HostCopy({0, 4}, {2, 0x200}, (uint64_t{1} << 31) + 12).ok());
  const std::vector<Packet> packets = Decode(writer->Take());
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_EQ(packets[0].opcode, abi::Opcode::kLinDma);
  EXPECT_EQ(abi::PacketLinDma::WRCOMP::Get(packets[0].ctl), 0u);
  EXPECT_EQ(packets[0].value, uint32_t{1} << 31);
  EXPECT_EQ(packets[0].Address(0), 0x1'2000'0004u);
  EXPECT_EQ(packets[0].Address(2), 0x4'0000'0100u);
  EXPECT_EQ(packets[1].value, 12u);
  EXPECT_EQ(packets[1].Address(0), 0x1'A000'0004u);
  EXPECT_EQ(packets[1].Address(2), 0x4'8000'0100u);
}

TEST(CommandWriterTest, ATimestampWaitsForTheEngine) {
  auto writer = Writer(kHost, Role::kExternal);
  ASSERT_TRUE(writer->Timestamp({1, 8}).ok());
  const std::vector<Packet> packets = Decode(writer->Take());
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].opcode, abi::Opcode::kMsgLong);
  EXPECT_EQ(abi::PacketMsgLong::OP::Get(packets[0].ctl),
            static_cast<uint32_t>(abi::MessageOp::kTimestamp));
  EXPECT_EQ(abi::Ctl::ENG_BARRIER::Get(packets[0].ctl), 1u);
  EXPECT_EQ(packets[0].Address(0), 0x2'3000'0008u);
}

// The register of the engine that a WREG's offset in the queue's window reaches.
uint32_t EngineRegister(uint32_t offset) {
  EXPECT_GE(offset, abi::qman::kEngineWregBase);
  EXPECT_LT(offset, abi::qman::kEngineWregBase + 0x1000);
  return offset - abi::qman::kEngineWregBase;
}

// The registers of an engine after a body's packets, and whether the last packet launches.
std::vector<uint32_t> Registers(const std::vector<Packet>& packets, uint32_t launch) {
  std::vector<uint32_t> registers(0x1000 / 4, 0xDEADBEEF);
  for (const Packet& p : packets) {
    if (p.opcode == abi::Opcode::kWreg32) {
      registers[EngineRegister(abi::PacketWreg32::REG_OFFSET::Get(p.ctl)) / 4] = p.value;
    } else if (p.opcode == abi::Opcode::kWregBulk) {
      for (size_t i = 0; i < p.rest.size(); ++i) {
        registers[EngineRegister(abi::PacketWregBulk::REG_OFFSET::Get(p.ctl)) / 4 + i] = p.rest[i];
      }
    }
  }
  // The last register written is the one that launches.
  const Packet& last = packets.back();
  uint32_t written = EngineRegister(abi::PacketWreg32::REG_OFFSET::Get(last.ctl));
  if (last.opcode == abi::Opcode::kWregBulk) {
    written += static_cast<uint32_t>(4 * (last.rest.size() - 1));
  }
  EXPECT_EQ(written, launch);
  return registers;
}

TEST(CommandWriterTest, AStridedCopyIsInTheCoresRegisters) {
  namespace dma = abi::dma_core;
  auto writer = Writer(kDma0, Role::kBody);
  DmaCopy copy;
  copy.source = {0, 0x10};
  copy.destination = {1, 0};
  copy.run = 12;
  copy.sizes = {3, 4, 5, 6};
  copy.source_strides = {16, 100, 1000, 10000};
  copy.destination_strides = {12, 36, 200, 2000};
  ASSERT_TRUE(writer->Dma(copy, Sob{1}).ok());
  const std::vector<uint32_t> r = Registers(Decode(writer->Take()), dma::COMMIT::kOffset);
  EXPECT_EQ(r[dma::SRC_BASE_LO::kOffset / 4], 0x2000'0010u);
  EXPECT_EQ(r[dma::SRC_BASE_HI::kOffset / 4], 1u);
  EXPECT_EQ(r[dma::DST_BASE_LO::kOffset / 4], 0x3000'0000u);
  EXPECT_EQ(r[dma::DST_BASE_HI::kOffset / 4], 2u);
  EXPECT_EQ(r[dma::SrcTsize(0) / 4], 12u);
  EXPECT_EQ(r[dma::DstTsize(0) / 4], 12u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(r[dma::SrcTsize(i + 1) / 4], copy.sizes[i]);
    EXPECT_EQ(r[dma::DstTsize(i + 1) / 4], copy.sizes[i]);
    EXPECT_EQ(r[dma::SrcStride(i + 1) / 4], copy.source_strides[i]);
    EXPECT_EQ(r[dma::DstStride(i + 1) / 4], copy.destination_strides[i]);
  }
  EXPECT_EQ(r[dma::COMMIT::kOffset / 4], 1u);
  EXPECT_EQ(r[dma::CTRL::kOffset / 4], 0u);
  EXPECT_EQ(r[dma::SRC_OFFSET_LO::kOffset / 4], 0u);
  EXPECT_EQ(r[dma::RATE_LIM_TKN::kOffset / 4], 0xDEADBEEFu) << "the kernel's word was written";
  EXPECT_EQ(r[dma::WR_COMP_WDATA::kOffset / 4], 0x80000001u);
  const uint64_t sob = abi::SyncManagerObjsBase(0) + sync::SOB_OBJ::At(65);
  EXPECT_EQ(r[dma::WR_COMP_ADDR_LO::kOffset / 4], static_cast<uint32_t>(sob));
  EXPECT_EQ(r[dma::WR_COMP_ADDR_HI::kOffset / 4], static_cast<uint32_t>(sob >> 32));
}

TEST(CommandWriterTest, ACopyWithoutHolesIsLinear) {
  auto writer = Writer(kDma0, Role::kBody);
  DmaCopy copy;
  copy.run = 8;
  copy.sizes = {4, 1, 10, 1};
  copy.source_strides = {8, 0, 32, 0};
  copy.destination_strides = {8, 0, 32, 0};
  ASSERT_TRUE(writer->Dma(copy, std::nullopt).ok());
  const std::vector<Packet> packets = Decode(writer->Take());
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].opcode, abi::Opcode::kLinDma);
  EXPECT_EQ(packets[0].value, 320u);
  EXPECT_EQ(abi::PacketLinDma::WRCOMP::Get(packets[0].ctl), 0u);
}

TEST(CommandWriterTest, AFillRepeatsItsPatternAndSignalsOnce) {
  auto writer = Writer(kDma0, Role::kBody);
  ASSERT_TRUE(writer->Dma(DmaFill{{1, 0}, uint64_t{1} << 32, 0xABCD1234}, Sob{0}).ok());
  const std::vector<Packet> packets = Decode(writer->Take());
  ASSERT_EQ(packets.size(), 5u);  // three registers, two fills
  for (int i = 3; i < 5; ++i) {
    EXPECT_EQ(abi::PacketLinDma::MEMSET::Get(packets[i].ctl), 1u);
    EXPECT_EQ(packets[i].Address(0), 0xABCD1234ABCD1234u);
  }
  EXPECT_EQ(abi::PacketLinDma::WRCOMP::Get(packets[3].ctl), 0u);
  EXPECT_EQ(abi::PacketLinDma::WRCOMP::Get(packets[4].ctl), 1u);
}

TEST(CommandWriterTest, AnMmeSignalsOnceFromEachCore) {
  using Word = abi::mme::SyncObjectDw0;
  auto writer = Writer(kMme0, Role::kBody);
  MmeGemm g;
  g.a = {0, 0}, g.b = {1, 4}, g.c = {2, 0x100};
  g.m = 65540, g.n = 8, g.k = 8;  // two descriptors
  g.lda = g.ldb = g.ldc = 8;
  ASSERT_TRUE(writer->Mme(g, Sob{2}).ok());
  std::vector<Packet> packets = Decode(writer->Take());
  ASSERT_EQ(packets.size(), 4u);
  const auto descriptor = [&](int at) {
    abi::MmeDescriptor d;
    EXPECT_EQ(packets[at].rest.size(), static_cast<size_t>(abi::kMmeDescriptorWords));
    std::memcpy(static_cast<void*>(&d), packets[at].rest.data(), sizeof d);
    return d;
  };
  const abi::MmeDescriptor first = descriptor(0), last = descriptor(2);
  EXPECT_EQ(first.sync_obj_dw0, 0u);
  // When all loops are at their end; the slave to the object after the master's.
  EXPECT_EQ(Word::SIGNAL_EN0::Get(last.sync_obj_dw0), 1u);
  EXPECT_EQ(Word::SIGNAL_MASK0::Get(last.sync_obj_dw0), 0x3Fu);
  EXPECT_EQ(Word::SIGNAL_EN1::Get(last.sync_obj_dw0), 0u);
  EXPECT_EQ(Word::SLAVE_SIGNAL_EN::Get(last.sync_obj_dw0), 1u);
  EXPECT_EQ(Word::SLAVE0_USE_MASTER_SO_ADDR_PLUS4::Get(last.sync_obj_dw0), 1u);
  const uint64_t sob = abi::SyncManagerObjsBase(0) + sync::SOB_OBJ::At(66);
  EXPECT_EQ(last.sync_obj_addr0, static_cast<uint32_t>(sob));
  EXPECT_EQ(last.sync_obj_val0, 0x80000001u);
  EXPECT_EQ(last.a_high, 1u);
  EXPECT_EQ(last.a_low, 0x2000'0000u + 65536 * 8 * 4);
  EXPECT_EQ(last.b_low, 0x3000'0004u);
  EXPECT_EQ(last.cout0_high, 4u);
  EXPECT_EQ(last.cout0_low, 65536u * 8 * 4);
  const std::vector<uint32_t> r = Registers(packets, abi::mme::CMD::kOffset);
  EXPECT_EQ(r[abi::mme::CMD::kOffset / 4], 0x3FFu);
  EXPECT_EQ(r[abi::mme::HEADER_LOW::kOffset / 4], last.header_low);
}

TEST(CommandWriterTest, ABoxIsInTheTpcsDescriptor) {
  namespace tpc = abi::tpc;
  auto writer = Writer(kTpc3, Role::kBody);
  TpcBox box;
  box.kernel = {3, 0x4000};
  box.tensors.resize(2);
  box.tensors[0].sizes = {64, 3, 1, 1, 1};
  box.tensors[0].strides = {1, 70, 0, 0, 0};
  box.tensors[1].dtype = DType::kBFloat16;
  box.tensors[1].sizes = {2, 3, 4, 5, 6};
  box.tensors[1].strides = {1, 2, 6, 24, 120};
  box.addresses = {{0, 0}, {1, 0x80}};
  box.scalars = {11, 22};
  box.box.base = {1, 2, 3, 4, 5};
  box.box.size = {6, 7, 8, 9, 10};
  ASSERT_TRUE(writer->Tpc(box, Sob{9}).ok());
  const std::vector<uint32_t> r = Registers(Decode(writer->Take()), tpc::TPC_EXECUTE::kOffset);
  abi::TpcTensor tensors[2];
  std::memcpy(static_cast<void*>(tensors), &r[tpc::QM_TENSOR::At(0) / 4], sizeof tensors);
  EXPECT_EQ(tensors[0].base_addr_low, 0x2000'0000u);
  EXPECT_EQ(tensors[0].base_addr_high, 1u);
  EXPECT_EQ(tpc::TENSOR_CONFIG::DATA_TYPE::Get(tensors[0].tensor_config),
            static_cast<uint32_t>(tpc::DataType::kFloat32));
  EXPECT_EQ(tpc::TENSOR_CONFIG::VALID_DIM_MASK::Get(tensors[0].tensor_config), 0x3u);
  EXPECT_EQ(tpc::TENSOR_CONFIG::LAST_DIM::Get(tensors[0].tensor_config), 1u);
  EXPECT_EQ(tensors[0].dim[1].size, 3u);
  EXPECT_EQ(tensors[0].dim[1].stride, 70u);
  EXPECT_EQ(tensors[1].base_addr_low, 0x3000'0080u);
  EXPECT_EQ(tpc::TENSOR_CONFIG::DATA_TYPE::Get(tensors[1].tensor_config),
            static_cast<uint32_t>(tpc::DataType::kBFloat16));
  EXPECT_EQ(tpc::TENSOR_CONFIG::VALID_DIM_MASK::Get(tensors[1].tensor_config), 0x1Fu);
  EXPECT_EQ(tensors[1].dim[4].stride, 120u);
  EXPECT_EQ(r[tpc::QM_TENSOR::At(2) / 4], 0xDEADBEEFu) << "an unused tensor was written";
  abi::TpcSyncObject sob;
  std::memcpy(static_cast<void*>(&sob), &r[tpc::QM_SYNC_OBJECT::kOffset / 4], sizeof sob);
  EXPECT_EQ(sob.message, 0x80000001u);
  EXPECT_EQ(sob.addr,
            static_cast<uint32_t>(abi::SyncManagerObjsBase(0) + sync::SOB_OBJ::At(64 + 9)));
  abi::TpcKernel kernel;
  std::memcpy(static_cast<void*>(&kernel), &r[tpc::QM::kOffset / 4], sizeof kernel);
  EXPECT_EQ(kernel.kernel_base_address_low, 0x6000u);
  EXPECT_EQ(kernel.kernel_base_address_high, 4u);
  for (uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(kernel.tid[i].base, i + 1);
    EXPECT_EQ(kernel.tid[i].size, i + 6);
  }
  EXPECT_EQ(tpc::KERNEL_CONFIG::NUM_VALID_SRFS::Get(kernel.kernel_config), 2u);
  EXPECT_EQ(kernel.srf[0], 11u);
  EXPECT_EQ(kernel.srf[1], 22u);
  EXPECT_EQ(kernel.srf[2], 0u);
  EXPECT_EQ(r[tpc::TPC_EXECUTE::kOffset / 4], 1u);
  // To the last word, which is one more than pairs can write.
  for (int i = 0; i < 5; ++i) EXPECT_EQ(kernel.tid_base_size_high[i], 0u);
}

TEST(CommandWriterTest, AQuietBoxAddsNothing) {
  auto writer = Writer(kTpc3, Role::kBody);
  TpcBox box;
  ASSERT_TRUE(writer->Tpc(box, std::nullopt).ok());
  ASSERT_TRUE(writer->Tpc(box, std::nullopt).ok());
  const std::vector<Packet> packets = Decode(writer->Take());
  EXPECT_EQ(packets.size(), 7u);  // the caches are invalidated once a body
  const std::vector<uint32_t> r = Registers(packets, abi::tpc::TPC_EXECUTE::kOffset);
  EXPECT_EQ(r[abi::tpc::QM_SYNC_OBJECT::kOffset / 4], 0x80000000u);
}

TEST(CommandWriterTest, ARoleHasItsOwnCallsOnly) {
  auto external = Writer(kHost, Role::kExternal);
  ExpectStatus(external->Run({0, 0}, 8), StatusCode::kFailedPrecondition, "has no Run");
  ExpectStatus(external->Dma(DmaFill{{0, 0}, 4, 0}, std::nullopt), StatusCode::kFailedPrecondition,
               "PDMA0: an external buffer has no DmaFill");
  auto upper = Writer(kDma0, Role::kUpper);
  ExpectStatus(upper->HostCopy({0, 0}, {0, 0}, 4), StatusCode::kFailedPrecondition, "HostCopy");
  ExpectStatus(upper->Timestamp({0, 0}), StatusCode::kFailedPrecondition, "Timestamp");
  auto body = Writer(kDma0, Role::kBody);
  ExpectStatus(body->SetUpMonitors(0, 1), StatusCode::kFailedPrecondition, "SetUpMonitors");
  ExpectStatus(body->Await({{0, 1, 1}}, 0), StatusCode::kFailedPrecondition, "Await");
  ExpectStatus(body->Tpc(TpcBox(), std::nullopt), StatusCode::kFailedPrecondition, "TpcBox");
  EXPECT_EQ(body->size(), 0u);
}

TEST(CommandWriterTest, RefusesWhatDoesNotFitByName) {
  ExpectStatus(CommandWriter::Create(Gaudi2(), {EngineKind::kTpc, 24}, Role::kBody).status(),
               StatusCode::kInvalidArgument, "24 engines of kind TPC");
  ExpectStatus(CommandWriter::Create(Gaudi2(), kTpc3, Role::kExternal).status(),
               StatusCode::kInvalidArgument, "TPC3");
  Chip other = Gaudi2();
  other.set_dialect("gaudi9");
  ExpectStatus(CommandWriter::Create(other, kTpc3, Role::kBody).status(),
               StatusCode::kInvalidArgument, "\"gaudi9\"");
  auto upper = Writer(kTpc3, Role::kUpper);
  ExpectStatus(upper->SetSob(Sob{0}, 32768, false), StatusCode::kInvalidArgument, "32768");
  ExpectStatus(upper->SetSob(Sob{8192}, 0, false), StatusCode::kInvalidArgument, "8192");
  ExpectStatus(upper->Await({{0, 1, 1}}, 0), StatusCode::kFailedPrecondition, "set up");
  ASSERT_TRUE(upper->SetUpMonitors(0, 1).ok());
  ExpectStatus(upper->Await({{0, 1, 32768}}, 0), StatusCode::kInvalidArgument, "value = 32768");
  ExpectStatus(upper->Await({{0, 1, 0}}, 0), StatusCode::kInvalidArgument, "value = 0");
  ExpectStatus(upper->Await({{0, 0, 1}}, 0), StatusCode::kInvalidArgument, "watch");
  ExpectStatus(upper->Await({{1024, 1, 1}}, 0), StatusCode::kInvalidArgument, "group = 1024");
  ExpectStatus(upper->Run({0, 0}, 12), StatusCode::kInvalidArgument, "12 bytes");
  auto tpc = Writer(kTpc3, Role::kBody);
  TpcBox box;
  box.tensors.resize(17);
  box.addresses.resize(17);
  ExpectStatus(tpc->Tpc(box, std::nullopt), StatusCode::kInvalidArgument, "17 tensors");
  box = TpcBox();
  box.tensors.resize(1);
  ExpectStatus(tpc->Tpc(box, std::nullopt), StatusCode::kInvalidArgument, "0 addresses");
  box.addresses.resize(1);
  box.tensors[0].strides[0] = 2;
  ExpectStatus(tpc->Tpc(box, std::nullopt), StatusCode::kInvalidArgument, "stride of dim 0");
  auto dma = Writer(kDma0, Role::kBody);
  ExpectStatus(dma->Dma(DmaFill{{0, 0}, 6, 0}, std::nullopt), StatusCode::kInvalidArgument, "6");
  ExpectStatus(dma->Dma(DmaCopy(), std::nullopt), StatusCode::kInvalidArgument, "0 bytes");
}

TEST(CommandWriterTest, AConvolutionHasItsAddressesAndSignal) {
  auto writer = Writer(kMme0, Role::kBody);
  MmeConvolution c;
  c.x = {0, 8}, c.w = {1, 16}, c.y = {2, 0};
  c.batch = 1, c.height = c.width = c.out_height = c.out_width = 8;
  c.channels = 16, c.filters = 65536 + 1;  // two descriptors
  c.x_strides = {1024, 128, 16};
  c.w_strides = {0, 0, c.filters};
  c.y_strides = {uint64_t{64} * c.filters, uint64_t{8} * c.filters, c.filters};
  ASSERT_TRUE(writer->Mme(c, Sob{2}).ok());
  const std::vector<Packet> packets = Decode(writer->Take());
  const std::vector<uint32_t> r = Registers(packets, abi::mme::CMD::kOffset);
  abi::MmeDescriptor last;
  std::memcpy(static_cast<void*>(&last), &r[abi::mme::kArch / 4], sizeof last);
  EXPECT_EQ(r[abi::mme::CMD::kOffset / 4], 0x3FFu);
  EXPECT_EQ(last.a_low, 0x2000'0008u);
  EXPECT_EQ(last.b_low, 0x3000'0010u + 65536 * 4);
  EXPECT_EQ(last.cout0_high, 4u);  // beyond the symbol's 4 GiB
  EXPECT_EQ(last.cout0_low, 65536u * 4 - 0x100);
  EXPECT_EQ(last.tensor_b.valid_elements[0], 1u);
  EXPECT_EQ(last.sync_obj_addr0,
            static_cast<uint32_t>(abi::SyncManagerObjsBase(0) + sync::SOB_OBJ::At(64 + 2)));
  EXPECT_EQ(last.sync_obj_val0, 0x80000001u);
}

TEST(CommandWriterTest, QueuesFollowTheKernelsNumbers) {
  EXPECT_EQ(*QueueOf(Gaudi2(), kHost, 3), abi::PdmaQueue(0, 3));
  EXPECT_EQ(*QueueOf(Gaudi2(), {EngineKind::kHostDma, 1}, 0), 4u);
  EXPECT_EQ(*QueueOf(Gaudi2(), kDma0, 0), 8u);
  EXPECT_EQ(*QueueOf(Gaudi2(), {EngineKind::kDma, 3}, 1), 52u + 1);  // EDMA 1 of DCORE 1
  EXPECT_EQ(*QueueOf(Gaudi2(), kMme0, 0), 16u);
  EXPECT_EQ(*QueueOf(Gaudi2(), {EngineKind::kMme, 1}, 2), 92u + 2);  // the master in DCORE 2
  EXPECT_EQ(*QueueOf(Gaudi2(), kTpc3, 0), 32u);
  EXPECT_EQ(*QueueOf(Gaudi2(), {EngineKind::kTpc, 6}, 0), 60u);  // the first of DCORE 1
  EXPECT_EQ(*QueueOf(Gaudi2(), {EngineKind::kTpc, 23}, 3), 155u);
  EXPECT_FALSE(QueueOf(Gaudi2(), kTpc3, 4).ok());
  EXPECT_FALSE(QueueOf(Gaudi2(), {EngineKind::kDma, 5}, 0).ok());
  EXPECT_EQ(CountEngines(Gaudi2(), EngineKind::kHostDma), 2);
  EXPECT_EQ(CountEngines(Gaudi2(), EngineKind::kDma), 5);
  EXPECT_EQ(CountEngines(Gaudi2(), EngineKind::kMme), 2);
  EXPECT_EQ(CountEngines(Gaudi2(), EngineKind::kTpc), 24);
}

TEST(CommandWriterTest, AChipForStudiesHasIdsThatNoKernelKnows) {
  const Chip chip = *LoadChip("gaudi3");
  EXPECT_EQ(CountEngines(chip, EngineKind::kTpc), 64);
  EXPECT_EQ(*QueueOf(chip, {EngineKind::kTpc, 5}, 0), 40u);
  EXPECT_GE(*QueueOf(chip, {EngineKind::kTpc, 63}, 0), abi::kFirstStudyQueue);
  EXPECT_EQ(*QueueOf(chip, {EngineKind::kMme, 1}, 0), 56u);  // one a DCORE
  EXPECT_GE(*QueueOf(chip, {EngineKind::kMme, 7}, 0), abi::kFirstStudyQueue);
  EXPECT_TRUE(CommandWriter::Create(chip, {EngineKind::kTpc, 63}, Role::kBody).ok());
}

}  // namespace
}  // namespace openhpu::hal
