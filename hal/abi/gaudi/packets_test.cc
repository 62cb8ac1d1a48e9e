// Every row of the packet reference against the field of the same name, and every field against a
// row.
#include "hal/abi/gaudi/packets.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "hal/abi/gaudi/reference_rows.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "hal/abi/packet_check.h"

namespace openhpu::hal::abi::gaudi {
namespace {

// Short names for the table below.
#define OPENHPU_FIELD OPENHPU_PACKET_FIELD
#define OPENHPU_WORD OPENHPU_PACKET_WORD

uint32_t BytesOf(uint32_t opcode) { return PacketBytes(static_cast<Opcode>(opcode)); }

// By packet, variant and field as the rows spell them: "packet_msg_short.so_upd.mode".
PacketTable Table() {
  PacketTable table;
  // The header, alike in all; with a predicate in some.
#define OPENHPU_HEADER(name, packet)                                          \
  table[name "..ctl"] = OPENHPU_WORD(packet, ctl);                            \
  table[name "..opcode"] = OPENHPU_FIELD(packet, ctl, Ctl::OPCODE);           \
  table[name "..eng_barrier"] = OPENHPU_FIELD(packet, ctl, Ctl::ENG_BARRIER); \
  table[name "..reg_barrier"] = OPENHPU_FIELD(packet, ctl, Ctl::REG_BARRIER); \
  table[name "..msg_barrier"] = OPENHPU_FIELD(packet, ctl, Ctl::MSG_BARRIER)
#define OPENHPU_HEADER_PRED(name, packet) \
  OPENHPU_HEADER(name, packet);           \
  table[name "..pred"] = OPENHPU_FIELD(packet, ctl, Ctl::PRED)

  OPENHPU_HEADER("packet_nop", PacketNop);
  table["packet_nop..reserved"] = OPENHPU_WORD(PacketNop, reserved);

  OPENHPU_HEADER("packet_stop", PacketStop);
  table["packet_stop..reserved"] = OPENHPU_WORD(PacketStop, reserved);

  OPENHPU_HEADER_PRED("packet_wreg32", PacketWreg32);
  table["packet_wreg32..value"] = OPENHPU_WORD(PacketWreg32, value);
  table["packet_wreg32..reg_offset"] = OPENHPU_FIELD(PacketWreg32, ctl, PacketWreg32::REG_OFFSET);

  OPENHPU_HEADER_PRED("packet_wreg_bulk", PacketWregBulk);
  table["packet_wreg_bulk..size64"] = OPENHPU_FIELD(PacketWregBulk, size, PacketWregBulk::SIZE64);
  table["packet_wreg_bulk..reg_offset"] =
      OPENHPU_FIELD(PacketWregBulk, ctl, PacketWregBulk::REG_OFFSET);

  OPENHPU_HEADER_PRED("packet_msg_long", PacketMsgLong);
  table["packet_msg_long..value"] = OPENHPU_WORD(PacketMsgLong, value);
  table["packet_msg_long..weakly_ordered"] =
      OPENHPU_FIELD(PacketMsgLong, ctl, PacketMsgLong::WEAKLY_ORDERED);
  table["packet_msg_long..no_snoop"] = OPENHPU_FIELD(PacketMsgLong, ctl, PacketMsgLong::NO_SNOOP);
  table["packet_msg_long..op"] = OPENHPU_FIELD(PacketMsgLong, ctl, PacketMsgLong::OP);
  table["packet_msg_long..addr"] = OPENHPU_WORD(PacketMsgLong, addr);

  OPENHPU_HEADER("packet_msg_short", PacketMsgShort);
  table["packet_msg_short..value"] = OPENHPU_WORD(PacketMsgShort, value);
  table["packet_msg_short..msg_addr_offset"] =
      OPENHPU_FIELD(PacketMsgShort, ctl, PacketMsgShort::MSG_ADDR_OFFSET);
  table["packet_msg_short..weakly_ordered"] =
      OPENHPU_FIELD(PacketMsgShort, ctl, PacketMsgShort::WEAKLY_ORDERED);
  table["packet_msg_short..no_snoop"] =
      OPENHPU_FIELD(PacketMsgShort, ctl, PacketMsgShort::NO_SNOOP);
  table["packet_msg_short..op"] = OPENHPU_FIELD(PacketMsgShort, ctl, PacketMsgShort::OP);
  table["packet_msg_short..base"] = OPENHPU_FIELD(PacketMsgShort, ctl, PacketMsgShort::BASE);
  // What the value means is said once, by the registers that it is written to.
  using sync_manager::MON_ARM;
  using sync_manager::SOB_OBJ;
  const std::string arm = "packet_msg_short.mon_arm_register.";
  table[arm + "sync_group_id"] = OPENHPU_FIELD(PacketMsgShort, value, MON_ARM::SID);
  table[arm + "mask"] = OPENHPU_FIELD(PacketMsgShort, value, MON_ARM::MASK);
  table[arm + "mode"] = OPENHPU_FIELD(PacketMsgShort, value, MON_ARM::SOP);
  table[arm + "sync_value"] = OPENHPU_FIELD(PacketMsgShort, value, MON_ARM::SOD);
  const std::string update = "packet_msg_short.so_upd.";
  table[update + "sync_value"] = OPENHPU_FIELD(PacketMsgShort, value, SOB_OBJ::VAL);
  table[update + "te"] = OPENHPU_FIELD(PacketMsgShort, value, SOB_OBJ::TRACE_EVICT);
  table[update + "mode"] = OPENHPU_FIELD(PacketMsgShort, value, SOB_OBJ::INC);

  OPENHPU_HEADER_PRED("packet_msg_prot", PacketMsgProt);
  table["packet_msg_prot..value"] = OPENHPU_WORD(PacketMsgProt, value);
  table["packet_msg_prot..weakly_ordered"] =
      OPENHPU_FIELD(PacketMsgProt, ctl, PacketMsgProt::WEAKLY_ORDERED);
  table["packet_msg_prot..no_snoop"] = OPENHPU_FIELD(PacketMsgProt, ctl, PacketMsgProt::NO_SNOOP);
  table["packet_msg_prot..op"] = OPENHPU_FIELD(PacketMsgProt, ctl, PacketMsgProt::OP);
  table["packet_msg_prot..addr"] = OPENHPU_WORD(PacketMsgProt, addr);

  OPENHPU_HEADER_PRED("packet_fence", PacketFence);
  table["packet_fence..cfg"] = OPENHPU_WORD(PacketFence, cfg);
  table["packet_fence..dec_val"] = OPENHPU_FIELD(PacketFence, cfg, PacketFence::DEC_VAL);
  table["packet_fence..target_val"] = OPENHPU_FIELD(PacketFence, cfg, PacketFence::TARGET_VAL);
  table["packet_fence..id"] = OPENHPU_FIELD(PacketFence, cfg, PacketFence::ID);

  OPENHPU_HEADER("packet_lin_dma", PacketLinDma);
#define OPENHPU_LIN_DMA(name, word, field) \
  table["packet_lin_dma.." name] = OPENHPU_FIELD(PacketLinDma, word, PacketLinDma::field)
  table["packet_lin_dma..tsize"] = OPENHPU_WORD(PacketLinDma, tsize);
  OPENHPU_LIN_DMA("wr_comp_en", ctl, WR_COMP_EN);
  OPENHPU_LIN_DMA("transpose", ctl, TRANSPOSE);
  OPENHPU_LIN_DMA("dtype", ctl, DTYPE);
  OPENHPU_LIN_DMA("lin", ctl, LIN);
  OPENHPU_LIN_DMA("mem_set", ctl, MEM_SET);
  OPENHPU_LIN_DMA("compress", ctl, COMPRESS);
  OPENHPU_LIN_DMA("decompress", ctl, DECOMPRESS);
  OPENHPU_LIN_DMA("reserved", ctl, RESERVED);
  OPENHPU_LIN_DMA("context_id_low", ctl, CONTEXT_ID_LOW);
  table["packet_lin_dma..src_addr"] = OPENHPU_WORD(PacketLinDma, src_addr);
  OPENHPU_LIN_DMA("dst_addr", dst_addr_ctx_id_raw, DST_ADDR);
  OPENHPU_LIN_DMA("context_id_high", dst_addr_ctx_id_raw, CONTEXT_ID_HIGH);
  table["packet_lin_dma..dst_addr_ctx_id_raw"] = OPENHPU_WORD(PacketLinDma, dst_addr_ctx_id_raw);

  OPENHPU_HEADER_PRED("packet_arb_point", PacketArbPoint);
  table["packet_arb_point..cfg"] = OPENHPU_WORD(PacketArbPoint, cfg);
  table["packet_arb_point..priority"] =
      OPENHPU_FIELD(PacketArbPoint, cfg, PacketArbPoint::PRIORITY);
  table["packet_arb_point..rls"] = OPENHPU_FIELD(PacketArbPoint, cfg, PacketArbPoint::RLS);

  OPENHPU_HEADER_PRED("packet_repeat", PacketRepeat);
  table["packet_repeat..sore"] = OPENHPU_FIELD(PacketRepeat, cfg, PacketRepeat::SORE);
  table["packet_repeat..o"] = OPENHPU_FIELD(PacketRepeat, cfg, PacketRepeat::O);
  table["packet_repeat..jmp_ptr"] = OPENHPU_FIELD(PacketRepeat, cfg, PacketRepeat::JMP_PTR);

  OPENHPU_HEADER("packet_wait", PacketWait);
  table["packet_wait..num_cycles_to_wait"] =
      OPENHPU_FIELD(PacketWait, cfg, PacketWait::NUM_CYCLES_TO_WAIT);
  table["packet_wait..inc_val"] = OPENHPU_FIELD(PacketWait, cfg, PacketWait::INC_VAL);
  table["packet_wait..id"] = OPENHPU_FIELD(PacketWait, cfg, PacketWait::ID);

  OPENHPU_HEADER_PRED("packet_load_and_exe", PacketLoadAndExe);
  table["packet_load_and_exe..cfg"] = OPENHPU_WORD(PacketLoadAndExe, cfg);
  table["packet_load_and_exe..dst"] = OPENHPU_FIELD(PacketLoadAndExe, cfg, PacketLoadAndExe::DST);
  table["packet_load_and_exe..load"] = OPENHPU_FIELD(PacketLoadAndExe, cfg, PacketLoadAndExe::LOAD);
  table["packet_load_and_exe..exe"] = OPENHPU_FIELD(PacketLoadAndExe, cfg, PacketLoadAndExe::EXE);
  table["packet_load_and_exe..etype"] =
      OPENHPU_FIELD(PacketLoadAndExe, cfg, PacketLoadAndExe::ETYPE);
  table["packet_load_and_exe..src_addr"] = OPENHPU_WORD(PacketLoadAndExe, src_addr);

  OPENHPU_HEADER_PRED("packet_cp_dma", PacketCpDma);
  table["packet_cp_dma..tsize"] = OPENHPU_WORD(PacketCpDma, tsize);
  table["packet_cp_dma..src_addr"] = OPENHPU_WORD(PacketCpDma, src_addr);
  return table;
}

TEST(Packets, EveryRowHasAFieldOfTheSamePlaceAndEveryFieldARow) {
  ExpectPacketRows("gaudi", Table(), BytesOf);
}

TEST(Packets, EveryFieldRoundTripsAndTouchesNoOtherBit) {
  ExpectPacketFieldsRoundTrip("gaudi", Table());
}

TEST(Packets, TheValuesOfWregBulkFollowThePacket) {
  ExpectValuesFollow("gaudi", {{"packet_wreg_bulk", sizeof(PacketWregBulk)}});
}

template <typename Packet>
void ExpectConstructed(const char* name, std::set<std::string>& unseen) {
  const Packet packet;
  EXPECT_EQ(OpcodeOf(packet.ctl), Packet::kOpcode) << name;
  EXPECT_EQ(PacketBytes(Packet::kOpcode), sizeof(Packet)) << name;
  EXPECT_EQ(Ctl::ENG_BARRIER::Get(packet.ctl), 0u) << name;
  EXPECT_EQ(Ctl::MSG_BARRIER::Get(packet.ctl), 0u) << name;
  for (Row row : ReferenceRows("packets.csv")) {
    if (row["packet"] == name) {
      EXPECT_EQ(Number(row["opcode"]), static_cast<uint32_t>(Packet::kOpcode));
    }
  }
  EXPECT_EQ(unseen.erase(name), 1u) << name;
}

TEST(Packets, AConstructedPacketHasItsOpcode) {
  std::set<std::string> unseen;
  for (Row row : PacketFieldRows("gaudi")) unseen.insert(row["packet"]);
  ExpectConstructed<PacketNop>("packet_nop", unseen);
  ExpectConstructed<PacketStop>("packet_stop", unseen);
  ExpectConstructed<PacketWreg32>("packet_wreg32", unseen);
  ExpectConstructed<PacketWregBulk>("packet_wreg_bulk", unseen);
  ExpectConstructed<PacketMsgLong>("packet_msg_long", unseen);
  ExpectConstructed<PacketMsgShort>("packet_msg_short", unseen);
  ExpectConstructed<PacketMsgProt>("packet_msg_prot", unseen);
  ExpectConstructed<PacketFence>("packet_fence", unseen);
  ExpectConstructed<PacketLinDma>("packet_lin_dma", unseen);
  ExpectConstructed<PacketArbPoint>("packet_arb_point", unseen);
  ExpectConstructed<PacketRepeat>("packet_repeat", unseen);
  ExpectConstructed<PacketWait>("packet_wait", unseen);
  ExpectConstructed<PacketLoadAndExe>("packet_load_and_exe", unseen);
  ExpectConstructed<PacketCpDma>("packet_cp_dma", unseen);
  EXPECT_TRUE(unseen.empty()) << *unseen.begin();
}

TEST(Packets, WhatMustBeOneIsOneFromTheStart) {
  EXPECT_EQ(PacketLinDma::LIN::Get(PacketLinDma().ctl), 1u);
  EXPECT_EQ(Ctl::REG_BARRIER::Get(PacketLinDma().ctl), 1u);
  EXPECT_EQ(Ctl::REG_BARRIER::Get(PacketMsgShort().ctl), 1u);
  EXPECT_EQ(PacketLinDma().ctl, 0x49000008u);
}

TEST(Packets, OpcodesThatGaudiDoesNotHaveHaveNoSize) {
  ExpectNoOtherOpcode("gaudi", BytesOf, Ctl::OPCODE::kMax);
}

}  // namespace
}  // namespace openhpu::hal::abi::gaudi
