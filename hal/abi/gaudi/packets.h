// Gaudi's packets: what a command processor (CP) reads, as words and fields. The second word of
// every packet is its header, `ctl`; a header that is constructed has its opcode and whatever "must
// be 1" already set. Use:
//     PacketFence p;
//     p.cfg = PacketFence::TARGET_VAL::Set(p.cfg, 1);
// Names and bits: the vendor's packet header; reference rows in testdata/packets.csv.
// Little-endian; packets are aligned to 8 bytes.
#ifndef HAL_ABI_GAUDI_PACKETS_H_
#define HAL_ABI_GAUDI_PACKETS_H_

#include <cstdint>

#include "hal/base/field.h"

namespace openhpu::hal::abi::gaudi {

enum class Opcode : uint32_t {
  kWreg32 = 0x1,
  kWregBulk = 0x2,
  kMsgLong = 0x3,
  kMsgShort = 0x4,
  kCpDma = 0x5,
  kRepeat = 0x6,
  kMsgProt = 0x7,
  kFence = 0x8,
  kLinDma = 0x9,
  kNop = 0xA,
  kStop = 0xB,
  kArbPoint = 0xC,
  kWait = 0xD,
  kLoadAndExe = 0xF,
};

// The header.
struct Ctl {
  using PRED =
      Field<uint32_t, 0, 5>;  // predicate, 0 always; not of NOP, STOP, MSG_SHORT, LIN_DMA, WAIT
  using OPCODE = Field<uint32_t, 24, 5>;
  using ENG_BARRIER = Field<uint32_t, 29, 1>;  // first wait until the engine is idle
  using REG_BARRIER = Field<uint32_t, 30, 1>;  // first wait until register writes are done
  using MSG_BARRIER = Field<uint32_t, 31, 1>;  // first wait until messages are done
};

constexpr Opcode OpcodeOf(uint32_t ctl) { return static_cast<Opcode>(Ctl::OPCODE::Get(ctl)); }

// Header of a packet. The register barrier is a must for packets that act outside the CP
// (recollected), and harmless there.
constexpr uint32_t Header(Opcode opcode, bool reg_barrier) {
  return Ctl::REG_BARRIER::Set(Ctl::OPCODE::Set(0, static_cast<uint32_t>(opcode)), reg_barrier);
}

struct PacketNop {
  static constexpr Opcode kOpcode = Opcode::kNop;

  uint32_t reserved = 0;
  uint32_t ctl = Header(kOpcode, false);
};

// Stops the CP and raises an error.
struct PacketStop {
  static constexpr Opcode kOpcode = Opcode::kStop;

  uint32_t reserved = 0;
  uint32_t ctl = Header(kOpcode, false);
};

// Writes a register of the engine, or of the QMAN (qman::kWregBase).
struct PacketWreg32 {
  static constexpr Opcode kOpcode = Opcode::kWreg32;
  using REG_OFFSET = Field<uint32_t, 8, 16>;  // ctl; bytes

  uint32_t value = 0;
  uint32_t ctl = Header(kOpcode, false);
};

// Writes 2 * SIZE64 consecutive registers; the values follow the packet.
struct PacketWregBulk {
  static constexpr Opcode kOpcode = Opcode::kWregBulk;
  using SIZE64 = Field<uint32_t, 0, 16>;      // size
  using REG_OFFSET = Field<uint32_t, 8, 16>;  // ctl; bytes

  uint32_t size = 0;
  uint32_t ctl = Header(kOpcode, false);
};

// What a message writes.
enum class MessageOp : uint32_t {
  kValue = 0,
  kTimestamp = 1,  // the device's time instead of the value
};

// Writes 32 bits to any address that the device reaches.
struct PacketMsgLong {
  static constexpr Opcode kOpcode = Opcode::kMsgLong;
  using WEAKLY_ORDERED = Field<uint32_t, 16, 1>;  // ctl
  using NO_SNOOP = Field<uint32_t, 17, 1>;        // ctl
  using OP = Field<uint32_t, 20, 2>;              // ctl; a MessageOp

  uint32_t value = 0;
  uint32_t ctl = Header(kOpcode, true);
  uint64_t addr = 0;
};

// Writes 32 bits to CP_MSG_BASE[BASE] + MSG_ADDR_OFFSET: a sync object or a monitor (sync_manager.h
// says what the value means there).
struct PacketMsgShort {
  static constexpr Opcode kOpcode = Opcode::kMsgShort;
  using MSG_ADDR_OFFSET = Field<uint32_t, 0, 16>;  // ctl; bytes
  using WEAKLY_ORDERED = Field<uint32_t, 16, 1>;   // ctl
  using NO_SNOOP = Field<uint32_t, 17, 1>;         // ctl
  using OP = Field<uint32_t, 20, 2>;               // ctl; a MessageOp
  using BASE = Field<uint32_t, 22, 2>;             // ctl

  uint32_t value = 0;
  uint32_t ctl = Header(kOpcode, true);
};

// As MSG_LONG, but may reach what is protected: the kernel's own.
struct PacketMsgProt {
  static constexpr Opcode kOpcode = Opcode::kMsgProt;
  using WEAKLY_ORDERED = Field<uint32_t, 16, 1>;  // ctl
  using NO_SNOOP = Field<uint32_t, 17, 1>;        // ctl
  using OP = Field<uint32_t, 20, 2>;              // ctl; a MessageOp

  uint32_t value = 0;
  uint32_t ctl = Header(kOpcode, true);
  uint64_t addr = 0;
};

// Blocks until fence counter ID is at least TARGET_VAL, then subtracts DEC_VAL.
struct PacketFence {
  static constexpr Opcode kOpcode = Opcode::kFence;
  using DEC_VAL = Field<uint32_t, 0, 4>;      // cfg
  using TARGET_VAL = Field<uint32_t, 16, 8>;  // cfg
  using ID = Field<uint32_t, 30, 2>;          // cfg

  uint32_t cfg = 0;
  uint32_t ctl = Header(kOpcode, true);
};

// A linear transfer by the engine of a DMA queue. MEM_SET: src_addr is the 64-bit value to fill
// with. WR_COMP_EN: then write WR_COMP_WDATA to WR_COMP_ADDR (dma_core.h).
struct PacketLinDma {
  static constexpr Opcode kOpcode = Opcode::kLinDma;
  using WR_COMP_EN = Field<uint32_t, 0, 1>;        // ctl
  using TRANSPOSE = Field<uint32_t, 1, 1>;         // ctl
  using DTYPE = Field<uint32_t, 2, 1>;             // ctl
  using LIN = Field<uint32_t, 3, 1>;               // ctl; must be 1
  using MEM_SET = Field<uint32_t, 4, 1>;           // ctl
  using COMPRESS = Field<uint32_t, 5, 1>;          // ctl
  using DECOMPRESS = Field<uint32_t, 6, 1>;        // ctl
  using RESERVED = Field<uint32_t, 7, 9>;          // ctl
  using CONTEXT_ID_LOW = Field<uint32_t, 16, 8>;   // ctl
  using DST_ADDR = Field<uint64_t, 0, 56>;         // dst_addr_ctx_id_raw
  using CONTEXT_ID_HIGH = Field<uint64_t, 56, 8>;  // dst_addr_ctx_id_raw

  uint32_t tsize = 0;  // bytes
  uint32_t ctl = LIN::Set(Header(kOpcode, true), 1);
  uint64_t src_addr = 0;
  uint64_t dst_addr_ctx_id_raw = 0;
};

// A point where the arbiter may turn to another stream; RLS gives the engine up.
struct PacketArbPoint {
  static constexpr Opcode kOpcode = Opcode::kArbPoint;
  using PRIORITY = Field<uint32_t, 0, 8>;  // cfg
  using RLS = Field<uint32_t, 31, 1>;      // cfg

  uint32_t cfg = 0;
  uint32_t ctl = Header(kOpcode, true);
};

// Start or end of a repeated stretch of commands; the queue entry holds the count.
struct PacketRepeat {
  static constexpr Opcode kOpcode = Opcode::kRepeat;
  using SORE = Field<uint32_t, 0, 1>;       // cfg; start or end
  using O = Field<uint32_t, 1, 1>;          // cfg; the outer of two
  using JMP_PTR = Field<uint32_t, 16, 16>;  // cfg

  uint32_t cfg = 0;
  uint32_t ctl = Header(kOpcode, true);
};

// After NUM_CYCLES_TO_WAIT adds INC_VAL to fence counter ID.
struct PacketWait {
  static constexpr Opcode kOpcode = Opcode::kWait;
  using NUM_CYCLES_TO_WAIT = Field<uint32_t, 0, 24>;  // cfg
  using INC_VAL = Field<uint32_t, 24, 4>;             // cfg
  using ID = Field<uint32_t, 28, 2>;                  // cfg

  uint32_t cfg = 0;
  uint32_t ctl = Header(kOpcode, false);
};

// Loads scalars or predicates from memory, and may execute a packet that the scalars are. Scalars
// are 16 bytes; predicates the lowest bits of 32 words (recollected), or a word of bits by DST 1.
struct PacketLoadAndExe {
  static constexpr Opcode kOpcode = Opcode::kLoadAndExe;
  using DST = Field<uint32_t, 0, 1>;     // cfg; 0: predicates (recollected), 1: the scalars
  using LOAD = Field<uint32_t, 8, 1>;    // cfg
  using EXE = Field<uint32_t, 9, 1>;     // cfg
  using ETYPE = Field<uint32_t, 10, 1>;  // cfg; 1: the upper half (recollected)

  uint32_t cfg = 0;
  uint32_t ctl = Header(kOpcode, true);
  uint64_t src_addr = 0;
};

// Makes the lower CP run `tsize` bytes of commands at `src_addr`; the upper CP goes on when they
// have been handed over.
struct PacketCpDma {
  static constexpr Opcode kOpcode = Opcode::kCpDma;

  uint32_t tsize = 0;
  uint32_t ctl = Header(kOpcode, true);
  uint64_t src_addr = 0;
};

static_assert(sizeof(PacketNop) == 8);
static_assert(sizeof(PacketStop) == 8);
static_assert(sizeof(PacketWreg32) == 8);
static_assert(sizeof(PacketWregBulk) == 8);  // and 8 a value
static_assert(sizeof(PacketMsgLong) == 16);
static_assert(sizeof(PacketMsgShort) == 8);
static_assert(sizeof(PacketMsgProt) == 16);
static_assert(sizeof(PacketFence) == 8);
static_assert(sizeof(PacketLinDma) == 24);
static_assert(sizeof(PacketArbPoint) == 8);
static_assert(sizeof(PacketRepeat) == 8);
static_assert(sizeof(PacketWait) == 8);
static_assert(sizeof(PacketLoadAndExe) == 16);
static_assert(sizeof(PacketCpDma) == 16);

// Bytes of a packet without WREG_BULK's values; 0 for an opcode that Gaudi does not have.
constexpr uint32_t PacketBytes(Opcode opcode) {
  switch (opcode) {
    case Opcode::kWreg32:
    case Opcode::kWregBulk:
    case Opcode::kMsgShort:
    case Opcode::kRepeat:
    case Opcode::kFence:
    case Opcode::kNop:
    case Opcode::kStop:
    case Opcode::kArbPoint:
    case Opcode::kWait:
      return 8;
    case Opcode::kMsgLong:
    case Opcode::kCpDma:
    case Opcode::kMsgProt:
    case Opcode::kLoadAndExe:
      return 16;
    case Opcode::kLinDma:
      return 24;
  }
  return 0;
}

}  // namespace openhpu::hal::abi::gaudi

#endif  // HAL_ABI_GAUDI_PACKETS_H_
