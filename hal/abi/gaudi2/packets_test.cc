// Every row of the packet reference against the field of the same name, and every field against a
// row.
#include "hal/abi/gaudi2/packets.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "hal/abi/gaudi2/reference_rows.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "hal/abi/packet_check.h"

namespace openhpu::hal::abi::gaudi2 {
namespace {

uint32_t BytesOf(uint32_t opcode) { return PacketBytes(static_cast<Opcode>(opcode)); }

// The header, alike in all but for the predicate and the switch, which some lack.
template <typename Packet>
void AddHeader(const std::string& name, bool pred, bool swtc, PacketTable& table) {
  table[name + "..ctl"] = OPENHPU_PACKET_WORD(Packet, ctl);
  table[name + "..opcode"] = OPENHPU_PACKET_FIELD(Packet, ctl, Ctl::OPCODE);
  table[name + "..eng_barrier"] = OPENHPU_PACKET_FIELD(Packet, ctl, Ctl::ENG_BARRIER);
  table[name + "..msg_barrier"] = OPENHPU_PACKET_FIELD(Packet, ctl, Ctl::MSG_BARRIER);
  if (swtc) table[name + "..swtc"] = OPENHPU_PACKET_FIELD(Packet, ctl, Ctl::SWTC);
  if (pred) table[name + "..pred"] = OPENHPU_PACKET_FIELD(Packet, ctl, Ctl::PRED);
}

// By packet, variant and field as the rows spell them: "packet_msg_short.so_upd.mode".
PacketTable Table() {
  PacketTable table;
#define OPENHPU_FIELD(name, packet, word, field) \
  table[name] = OPENHPU_PACKET_FIELD(packet, word, packet::field)
#define OPENHPU_WORD(name, packet, word) table[name] = OPENHPU_PACKET_WORD(packet, word)

  AddHeader<PacketNop>("packet_nop", false, true, table);
  OPENHPU_WORD("packet_nop..reserved", PacketNop, reserved);

  AddHeader<PacketStop>("packet_stop", false, true, table);
  OPENHPU_WORD("packet_stop..reserved", PacketStop, reserved);

  AddHeader<PacketWreg32>("packet_wreg32", true, true, table);
  OPENHPU_FIELD("packet_wreg32..reg_id", PacketWreg32, value, REG_ID);
  OPENHPU_WORD("packet_wreg32..value", PacketWreg32, value);
  OPENHPU_FIELD("packet_wreg32..reg", PacketWreg32, ctl, REG);
  OPENHPU_FIELD("packet_wreg32..reg_offset", PacketWreg32, ctl, REG_OFFSET);

  AddHeader<PacketWregBulk>("packet_wreg_bulk", true, true, table);
  OPENHPU_FIELD("packet_wreg_bulk..size64", PacketWregBulk, size, SIZE64);
  OPENHPU_FIELD("packet_wreg_bulk..reg_offset", PacketWregBulk, ctl, REG_OFFSET);

  AddHeader<PacketMsgLong>("packet_msg_long", true, true, table);
  OPENHPU_WORD("packet_msg_long..value", PacketMsgLong, value);
  OPENHPU_FIELD("packet_msg_long..weakly_ordered", PacketMsgLong, ctl, WEAKLY_ORDERED);
  OPENHPU_FIELD("packet_msg_long..no_snoop", PacketMsgLong, ctl, NO_SNOOP);
  OPENHPU_FIELD("packet_msg_long..op", PacketMsgLong, ctl, OP);
  OPENHPU_WORD("packet_msg_long..addr", PacketMsgLong, addr);

  AddHeader<PacketMsgShort>("packet_msg_short", false, true, table);
  OPENHPU_WORD("packet_msg_short..value", PacketMsgShort, value);
  OPENHPU_FIELD("packet_msg_short..msg_addr_offset", PacketMsgShort, ctl, MSG_ADDR_OFFSET);
  OPENHPU_FIELD("packet_msg_short..weakly_ordered", PacketMsgShort, ctl, WEAKLY_ORDERED);
  OPENHPU_FIELD("packet_msg_short..no_snoop", PacketMsgShort, ctl, NO_SNOOP);
  OPENHPU_FIELD("packet_msg_short..dw", PacketMsgShort, ctl, DW);
  OPENHPU_FIELD("packet_msg_short..op", PacketMsgShort, ctl, OP);
  OPENHPU_FIELD("packet_msg_short..base", PacketMsgShort, ctl, BASE);

  AddHeader<PacketMsgProt>("packet_msg_prot", true, true, table);
  OPENHPU_WORD("packet_msg_prot..value", PacketMsgProt, value);
  OPENHPU_FIELD("packet_msg_prot..weakly_ordered", PacketMsgProt, ctl, WEAKLY_ORDERED);
  OPENHPU_FIELD("packet_msg_prot..no_snoop", PacketMsgProt, ctl, NO_SNOOP);
  OPENHPU_FIELD("packet_msg_prot..op", PacketMsgProt, ctl, OP);
  OPENHPU_WORD("packet_msg_prot..addr", PacketMsgProt, addr);

  AddHeader<PacketFence>("packet_fence", true, true, table);
  OPENHPU_WORD("packet_fence..cfg", PacketFence, cfg);
  OPENHPU_FIELD("packet_fence..dec_val", PacketFence, cfg, DEC_VAL);
  OPENHPU_FIELD("packet_fence..target_val", PacketFence, cfg, TARGET_VAL);
  OPENHPU_FIELD("packet_fence..id", PacketFence, cfg, ID);

  AddHeader<PacketLinDma>("packet_lin_dma", false, true, table);
  OPENHPU_WORD("packet_lin_dma..tsize", PacketLinDma, tsize);
  OPENHPU_FIELD("packet_lin_dma..wrcomp", PacketLinDma, ctl, WRCOMP);
  OPENHPU_FIELD("packet_lin_dma..endian", PacketLinDma, ctl, ENDIAN);
  OPENHPU_FIELD("packet_lin_dma..memset", PacketLinDma, ctl, MEMSET);
  OPENHPU_FIELD("packet_lin_dma..bf16", PacketLinDma, ctl, BF16);
  OPENHPU_FIELD("packet_lin_dma..fp16", PacketLinDma, ctl, FP16);
  OPENHPU_FIELD("packet_lin_dma..context_id_inc", PacketLinDma, ctl, CONTEXT_ID_INC);
  OPENHPU_FIELD("packet_lin_dma..add_offset_0", PacketLinDma, ctl, ADD_OFFSET_0);
  OPENHPU_WORD("packet_lin_dma..src_addr", PacketLinDma, src_addr);
  OPENHPU_WORD("packet_lin_dma..dst_addr", PacketLinDma, dst_addr);

  AddHeader<PacketArbPoint>("packet_arb_point", true, false, table);
  OPENHPU_WORD("packet_arb_point..cfg", PacketArbPoint, cfg);
  OPENHPU_FIELD("packet_arb_point..priority", PacketArbPoint, cfg, PRIORITY);
  OPENHPU_FIELD("packet_arb_point..rls", PacketArbPoint, cfg, RLS);

  AddHeader<PacketRepeat>("packet_repeat", true, false, table);
  OPENHPU_FIELD("packet_repeat..sore", PacketRepeat, cfg, SORE);
  OPENHPU_FIELD("packet_repeat..outer", PacketRepeat, cfg, OUTER);
  OPENHPU_FIELD("packet_repeat..jmp_ptr", PacketRepeat, cfg, JMP_PTR);

  AddHeader<PacketWait>("packet_wait", false, false, table);
  OPENHPU_FIELD("packet_wait..num_cycles_to_wait", PacketWait, cfg, NUM_CYCLES_TO_WAIT);
  OPENHPU_FIELD("packet_wait..inc_val", PacketWait, cfg, INC_VAL);
  OPENHPU_FIELD("packet_wait..id", PacketWait, cfg, ID);

  AddHeader<PacketCbList>("packet_cb_list", true, false, table);
  OPENHPU_WORD("packet_cb_list..reserved", PacketCbList, reserved);
  OPENHPU_FIELD("packet_cb_list..size_desc", PacketCbList, ctl, SIZE_DESC);
  OPENHPU_WORD("packet_cb_list..index_addr", PacketCbList, index_addr);
  OPENHPU_WORD("packet_cb_list..table_addr", PacketCbList, table_addr);

  AddHeader<PacketLoadAndExe>("packet_load_and_exe", true, true, table);
  OPENHPU_WORD("packet_load_and_exe..cfg", PacketLoadAndExe, cfg);
  OPENHPU_FIELD("packet_load_and_exe..dst", PacketLoadAndExe, cfg, DST);
  OPENHPU_FIELD("packet_load_and_exe..pmap", PacketLoadAndExe, cfg, PMAP);
  OPENHPU_FIELD("packet_load_and_exe..load", PacketLoadAndExe, cfg, LOAD);
  OPENHPU_FIELD("packet_load_and_exe..exe", PacketLoadAndExe, cfg, EXE);
  OPENHPU_FIELD("packet_load_and_exe..etype", PacketLoadAndExe, cfg, ETYPE);
  OPENHPU_WORD("packet_load_and_exe..src_addr", PacketLoadAndExe, src_addr);

  AddHeader<PacketCpDma>("packet_cp_dma", true, false, table);
  OPENHPU_WORD("packet_cp_dma..tsize", PacketCpDma, tsize);
  OPENHPU_FIELD("packet_cp_dma..upper_cp", PacketCpDma, ctl, UPPER_CP);
  OPENHPU_WORD("packet_cp_dma..src_addr", PacketCpDma, src_addr);

  AddHeader<PacketWriteArcStream>("packet_write_arc_stream", false, true, table);
  OPENHPU_FIELD("packet_write_arc_stream..size64", PacketWriteArcStream, size, SIZE64);

  AddHeader<PacketWreg64Short>("packet_wreg64_short", true, true, table);
  OPENHPU_FIELD("packet_wreg64_short..reg_id", PacketWreg64Short, offset, REG_ID);
  OPENHPU_WORD("packet_wreg64_short..offset", PacketWreg64Short, offset);
  OPENHPU_FIELD("packet_wreg64_short..base", PacketWreg64Short, ctl, BASE);
  OPENHPU_FIELD("packet_wreg64_short..reg", PacketWreg64Short, ctl, REG);
  OPENHPU_FIELD("packet_wreg64_short..dreg_offset", PacketWreg64Short, ctl, DREG_OFFSET);

  AddHeader<PacketWreg64Long>("packet_wreg64_long", true, true, table);
  OPENHPU_FIELD("packet_wreg64_long..dw_enable", PacketWreg64Long, cfg, DW_ENABLE);
  OPENHPU_FIELD("packet_wreg64_long..base", PacketWreg64Long, ctl, BASE);
  OPENHPU_FIELD("packet_wreg64_long..rel", PacketWreg64Long, ctl, REL);
  OPENHPU_FIELD("packet_wreg64_long..dreg_offset", PacketWreg64Long, ctl, DREG_OFFSET);
  OPENHPU_WORD("packet_wreg64_long..offset", PacketWreg64Long, offset);

  // What the value of MSG_SHORT means is said once, by the registers that it is written to.
  const auto value = [&](const std::string& name, const PacketField& field) {
    table["packet_msg_short." + name] = field;
  };
#define OPENHPU_VALUE(name, field) value(name, OPENHPU_PACKET_FIELD(PacketMsgShort, value, field))
  using sync_manager::MON_ARM;
  using sync_manager::MON_CONFIG;
  using sync_manager::SOB_OBJ;
  OPENHPU_VALUE("mon_arm_register.sync_group_id", MON_ARM::SID);
  OPENHPU_VALUE("mon_arm_register.mask", MON_ARM::MASK);
  OPENHPU_VALUE("mon_arm_register.mode", MON_ARM::SOP);
  OPENHPU_VALUE("mon_arm_register.sync_value", MON_ARM::SOD);
  OPENHPU_VALUE("mon_config_register.long_sob", MON_CONFIG::LONG_SOB);
  OPENHPU_VALUE("mon_config_register.cq_en", MON_CONFIG::CQ_EN);
  OPENHPU_VALUE("mon_config_register.wr_num", MON_CONFIG::WR_NUM);
  OPENHPU_VALUE("mon_config_register.lbw_en", MON_CONFIG::LBW_EN);
  OPENHPU_VALUE("mon_config_register.msb_sid", MON_CONFIG::MSB_SID);
  OPENHPU_VALUE("mon_config_register.long_high_group", MON_CONFIG::LONG_HIGH_GROUP);
  OPENHPU_VALUE("so_upd.sync_value", SOB_OBJ::VAL);
  OPENHPU_VALUE("so_upd.long_mode", SOB_OBJ::LONG_SOB);
  OPENHPU_VALUE("so_upd.te", SOB_OBJ::TRACE_EVICT);
  OPENHPU_VALUE("so_upd.mode", SOB_OBJ::INC);
  return table;
}

TEST(Packets, EveryRowHasAFieldOfTheSamePlaceAndEveryFieldARow) {
  ExpectPacketRows("gaudi2", Table(), BytesOf);
}

TEST(Packets, EveryFieldRoundTripsAndTouchesNoOtherBit) {
  ExpectPacketFieldsRoundTrip("gaudi2", Table());
}

TEST(Packets, TheValuesOfWregBulkAndWriteArcStreamFollowThePacket) {
  ExpectValuesFollow("gaudi2", {{"packet_wreg_bulk", sizeof(PacketWregBulk)},
                                {"packet_write_arc_stream", sizeof(PacketWriteArcStream)}});
}

template <typename Packet>
void ExpectConstructed(const char* name, std::set<std::string>& unseen) {
  const Packet packet;
  // The opcode and nothing else: no packet of Gaudi2 has a bit that must be 1.
  EXPECT_EQ(packet.ctl, static_cast<uint32_t>(Packet::kOpcode) << 24) << name;
  EXPECT_EQ(OpcodeOf(packet.ctl), Packet::kOpcode) << name;
  EXPECT_EQ(PacketBytes(Packet::kOpcode), sizeof(Packet)) << name;
  for (Row row : ReferenceRows("packets.csv")) {
    if (row["packet"] == name) {
      EXPECT_EQ(Number(row["opcode"]), static_cast<uint32_t>(Packet::kOpcode));
    }
  }
  EXPECT_EQ(unseen.erase(name), 1u) << name;
}

TEST(Packets, AConstructedPacketHasItsOpcode) {
  std::set<std::string> unseen;
  for (Row row : PacketFieldRows("gaudi2")) unseen.insert(row["packet"]);
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
  ExpectConstructed<PacketCbList>("packet_cb_list", unseen);
  ExpectConstructed<PacketLoadAndExe>("packet_load_and_exe", unseen);
  ExpectConstructed<PacketCpDma>("packet_cp_dma", unseen);
  ExpectConstructed<PacketWriteArcStream>("packet_write_arc_stream", unseen);
  ExpectConstructed<PacketWreg64Short>("packet_wreg64_short", unseen);
  ExpectConstructed<PacketWreg64Long>("packet_wreg64_long", unseen);
  EXPECT_TRUE(unseen.empty()) << *unseen.begin();
}

TEST(Packets, OpcodesThatGaudi2DoesNotHaveHaveNoSize) {
  ExpectNoOtherOpcode("gaudi2", BytesOf, Ctl::OPCODE::kMax);
}

}  // namespace
}  // namespace openhpu::hal::abi::gaudi2
