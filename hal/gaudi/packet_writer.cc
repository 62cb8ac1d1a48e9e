#include "hal/gaudi/packet_writer.h"

namespace openhpu::hal::gaudi {
namespace {

namespace abi = ::openhpu::hal::abi::gaudi;

uint32_t WithBarriers(uint32_t ctl, Barriers barriers) {
  if (barriers.engine) ctl = abi::Ctl::ENG_BARRIER::Set(ctl, 1);
  if (barriers.registers) ctl = abi::Ctl::REG_BARRIER::Set(ctl, 1);
  if (barriers.messages) ctl = abi::Ctl::MSG_BARRIER::Set(ctl, 1);
  return ctl;
}

}  // namespace

uint32_t PacketWriter::WriteRegister(uint32_t reg_offset, uint32_t value, Barriers barriers) {
  abi::PacketWreg32 packet;
  packet.value = value;
  packet.ctl = WithBarriers(abi::PacketWreg32::REG_OFFSET::Set(packet.ctl, reg_offset), barriers);
  return Append(packet);
}

void PacketWriter::BeginBulk(uint32_t reg_offset, uint32_t words) {
  abi::PacketWregBulk packet;
  packet.size = abi::PacketWregBulk::SIZE64::Set(0, words / 2);
  packet.ctl = abi::PacketWregBulk::REG_OFFSET::Set(packet.ctl, reg_offset);
  Append(packet);
}

uint32_t PacketWriter::Message(uint32_t base, RelocationKind bank, uint32_t offset, uint32_t index,
                               uint32_t value, Barriers barriers) {
  abi::PacketMsgShort packet;
  packet.value = value;
  packet.ctl = WithBarriers(abi::PacketMsgShort::BASE::Set(packet.ctl, base), barriers);
  const uint32_t word = Append(packet);
  Relocation where;
  where.word = word + 1;
  where.kind = bank;
  where.lsb = abi::PacketMsgShort::MSG_ADDR_OFFSET::kLsb;
  where.width = abi::PacketMsgShort::MSG_ADDR_OFFSET::kWidth;
  where.scale = 4;
  where.addend = offset + uint64_t{4} * index;
  Add(where);
  return word;
}

}  // namespace openhpu::hal::gaudi
