// Gaudi2's packets: what a command processor (CP) reads, as words and fields. The second word of
// every packet is its header, `ctl`; a header that is constructed has its opcode already set.
// Unlike Gaudi's, no packet must have a barrier, and LIN_DMA no bit that says "linear". Use:
//     PacketFence p;
//     p.cfg = PacketFence::TARGET_VAL::Set(p.cfg, 1);
// Names and bits: the vendor's packet header; reference rows in testdata/packets.csv.
// Little-endian; packets are aligned to 8 bytes.
#ifndef HAL_ABI_GAUDI2_PACKETS_H_
#define HAL_ABI_GAUDI2_PACKETS_H_

#include <cstdint>

#include "hal/base/field.h"

namespace openhpu::hal::abi::gaudi2 {

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
  kCbList = 0xE,
  kLoadAndExe = 0xF,
  kWriteArcStream = 0x10,
  kWreg64Short = 0x12,
  kWreg64Long = 0x13,
};

// The header.
struct Ctl {
  // Predicate, 0 always; not of NOP, STOP, MSG_SHORT, LIN_DMA, WAIT, WRITE_ARC_STREAM.
  using PRED = Field<uint32_t, 0, 5>;
  using OPCODE = Field<uint32_t, 24, 5>;
  using ENG_BARRIER = Field<uint32_t, 29, 1>;  // first wait until the engine is idle
  // Switch to the other CQ of the lower CP after it; not of ARB_POINT, REPEAT, WAIT, CB_LIST,
  // CP_DMA.
  using SWTC = Field<uint32_t, 30, 1>;
  using MSG_BARRIER = Field<uint32_t, 31, 1>;  // first wait until messages are done
};

constexpr Opcode OpcodeOf(uint32_t ctl) { return static_cast<Opcode>(Ctl::OPCODE::Get(ctl)); }

// Header of a packet.
constexpr uint32_t Header(Opcode opcode) {
  return Ctl::OPCODE::Set(0, static_cast<uint32_t>(opcode));
}

struct PacketNop {
  static constexpr Opcode kOpcode = Opcode::kNop;

  uint32_t reserved = 0;
  uint32_t ctl = Header(kOpcode);
};

// Stops the CP and raises an error.
struct PacketStop {
  static constexpr Opcode kOpcode = Opcode::kStop;

  uint32_t reserved = 0;
  uint32_t ctl = Header(kOpcode);
};

// Writes a register of the queue's window (qman::kWregBase, kEngineWregBase).
struct PacketWreg32 {
  static constexpr Opcode kOpcode = Opcode::kWreg32;
  using REG_ID = Field<uint32_t, 0, 2>;       // value, when REG
  using REG = Field<uint32_t, 5, 1>;          // ctl; the value is in register REG_ID of the CP
  using REG_OFFSET = Field<uint32_t, 8, 16>;  // ctl; bytes

  uint32_t value = 0;
  uint32_t ctl = Header(kOpcode);
};

// Writes 2 * SIZE64 consecutive registers; the values follow the packet.
struct PacketWregBulk {
  static constexpr Opcode kOpcode = Opcode::kWregBulk;
  using SIZE64 = Field<uint32_t, 0, 16>;      // size
  using REG_OFFSET = Field<uint32_t, 8, 16>;  // ctl; bytes

  uint32_t size = 0;
  uint32_t ctl = Header(kOpcode);
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
  uint32_t ctl = Header(kOpcode);
  uint64_t addr = 0;
};

// Writes 32 bits to CP_MSG_BASE[BASE] + MSG_ADDR_OFFSET: a sync object or a monitor (sync_manager.h
// says what the value means there).
struct PacketMsgShort {
  static constexpr Opcode kOpcode = Opcode::kMsgShort;
  using MSG_ADDR_OFFSET = Field<uint32_t, 0, 16>;  // ctl; bytes
  using WEAKLY_ORDERED = Field<uint32_t, 16, 1>;   // ctl
  using NO_SNOOP = Field<uint32_t, 17, 1>;         // ctl
  using DW = Field<uint32_t, 18, 1>;               // ctl; two words (what is in no source)
  using OP = Field<uint32_t, 20, 2>;               // ctl; a MessageOp
  using BASE = Field<uint32_t, 22, 2>;             // ctl

  uint32_t value = 0;
  uint32_t ctl = Header(kOpcode);
};

// As MSG_LONG, but may reach what is protected: the kernel's own.
struct PacketMsgProt {
  static constexpr Opcode kOpcode = Opcode::kMsgProt;
  using WEAKLY_ORDERED = Field<uint32_t, 16, 1>;  // ctl
  using NO_SNOOP = Field<uint32_t, 17, 1>;        // ctl
  using OP = Field<uint32_t, 20, 2>;              // ctl; a MessageOp

  uint32_t value = 0;
  uint32_t ctl = Header(kOpcode);
  uint64_t addr = 0;
};

// Blocks until fence counter ID is at least TARGET_VAL, then subtracts DEC_VAL.
struct PacketFence {
  static constexpr Opcode kOpcode = Opcode::kFence;
  using DEC_VAL = Field<uint32_t, 0, 4>;      // cfg
  using TARGET_VAL = Field<uint32_t, 16, 8>;  // cfg
  using ID = Field<uint32_t, 30, 2>;          // cfg

  uint32_t cfg = 0;
  uint32_t ctl = Header(kOpcode);
};

// A linear transfer by the engine of a DMA queue. MEMSET: src_addr is the 64-bit value to fill
// with. WRCOMP: then write WR_COMP_WDATA to WR_COMP_ADDR (dma_core.h). The low bits are COMMIT's.
struct PacketLinDma {
  static constexpr Opcode kOpcode = Opcode::kLinDma;
  using WRCOMP = Field<uint32_t, 0, 1>;          // ctl
  using ENDIAN = Field<uint32_t, 1, 2>;          // ctl
  using MEMSET = Field<uint32_t, 4, 1>;          // ctl
  using BF16 = Field<uint32_t, 6, 1>;            // ctl; of a reduction in memory
  using FP16 = Field<uint32_t, 7, 1>;            // ctl; of a reduction in memory
  using CONTEXT_ID_INC = Field<uint32_t, 8, 1>;  // ctl
  using ADD_OFFSET_0 = Field<uint32_t, 9, 1>;    // ctl

  uint32_t tsize = 0;  // bytes
  uint32_t ctl = Header(kOpcode);
  uint64_t src_addr = 0;
  uint64_t dst_addr = 0;
};

// A point where the arbiter may turn to another stream; RLS gives the engine up.
struct PacketArbPoint {
  static constexpr Opcode kOpcode = Opcode::kArbPoint;
  using PRIORITY = Field<uint32_t, 0, 24>;  // cfg
  using RLS = Field<uint32_t, 31, 1>;       // cfg

  uint32_t cfg = 0;
  uint32_t ctl = Header(kOpcode);
};

// Start or end of a repeated stretch of commands.
struct PacketRepeat {
  static constexpr Opcode kOpcode = Opcode::kRepeat;
  using SORE = Field<uint32_t, 0, 1>;       // cfg; start or end
  using OUTER = Field<uint32_t, 1, 1>;      // cfg; the outer of two
  using JMP_PTR = Field<uint32_t, 16, 16>;  // cfg

  uint32_t cfg = 0;
  uint32_t ctl = Header(kOpcode);
};

// After NUM_CYCLES_TO_WAIT adds INC_VAL to fence counter ID.
struct PacketWait {
  static constexpr Opcode kOpcode = Opcode::kWait;
  using NUM_CYCLES_TO_WAIT = Field<uint32_t, 0, 24>;  // cfg
  using INC_VAL = Field<uint32_t, 24, 4>;             // cfg
  using ID = Field<uint32_t, 28, 2>;                  // cfg

  uint32_t cfg = 0;
  uint32_t ctl = Header(kOpcode);
};

// Runs command buffers that a table in memory describes, chosen by an index in memory; the layout
// of the two is in no source.
struct PacketCbList {
  static constexpr Opcode kOpcode = Opcode::kCbList;
  using SIZE_DESC = Field<uint32_t, 5, 1>;  // ctl

  uint32_t reserved = 0;
  uint32_t ctl = Header(kOpcode);
  uint64_t index_addr = 0;
  uint64_t table_addr = 0;
};

// As Gaudi's, but for PMAP.
struct PacketLoadAndExe {
  static constexpr Opcode kOpcode = Opcode::kLoadAndExe;
  using DST = Field<uint32_t, 0, 1>;     // cfg; 0: predicates (recollected), 1: the scalars
  using PMAP = Field<uint32_t, 1, 1>;    // cfg; with DST 0: bits of one word (recollected)
  using LOAD = Field<uint32_t, 8, 1>;    // cfg
  using EXE = Field<uint32_t, 9, 1>;     // cfg
  using ETYPE = Field<uint32_t, 10, 1>;  // cfg; 1: the upper half (recollected)

  uint32_t cfg = 0;
  uint32_t ctl = Header(kOpcode);
  uint64_t src_addr = 0;
};

// Makes the lower CP run `tsize` bytes of commands at `src_addr`, or with UPPER_CP the upper one
// itself, which comes back when they end.
struct PacketCpDma {
  static constexpr Opcode kOpcode = Opcode::kCpDma;
  using UPPER_CP = Field<uint32_t, 5, 1>;  // ctl

  uint32_t tsize = 0;
  uint32_t ctl = Header(kOpcode);
  uint64_t src_addr = 0;
};

// Gives SIZE64 values, which follow the packet, to the ARC beside the QMAN.
struct PacketWriteArcStream {
  static constexpr Opcode kOpcode = Opcode::kWriteArcStream;
  using SIZE64 = Field<uint32_t, 0, 16>;  // size

  uint32_t size = 0;
  uint32_t ctl = Header(kOpcode);
};

// Writes QMAN_WR64_BASE_ADDR[BASE] + offset, of 64 bits, to two registers.
struct PacketWreg64Short {
  static constexpr Opcode kOpcode = Opcode::kWreg64Short;
  using REG_ID = Field<uint32_t, 0, 2>;         // offset, when REG
  using BASE = Field<uint32_t, 5, 4>;           // ctl
  using REG = Field<uint32_t, 9, 1>;            // ctl; the offset is in register REG_ID of the CP
  using DREG_OFFSET = Field<uint32_t, 10, 14>;  // ctl; words (inferred: 14 bits reach the window)

  uint32_t offset = 0;
  uint32_t ctl = Header(kOpcode);
};

// The same with an offset of 64 bits. DW_ENABLE: which halves are written (inferred).
struct PacketWreg64Long {
  static constexpr Opcode kOpcode = Opcode::kWreg64Long;
  using DW_ENABLE = Field<uint32_t, 0, 2>;      // cfg
  using BASE = Field<uint32_t, 5, 4>;           // ctl
  using REL = Field<uint32_t, 9, 1>;            // ctl; add the base
  using DREG_OFFSET = Field<uint32_t, 10, 14>;  // ctl; words (inferred)

  uint32_t cfg = 0;
  uint32_t ctl = Header(kOpcode);
  uint64_t offset = 0;
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
static_assert(sizeof(PacketCbList) == 24);
static_assert(sizeof(PacketLoadAndExe) == 16);
static_assert(sizeof(PacketCpDma) == 16);
static_assert(sizeof(PacketWriteArcStream) == 8);  // and 8 a value
static_assert(sizeof(PacketWreg64Short) == 8);
static_assert(sizeof(PacketWreg64Long) == 16);

// Bytes of a packet without the values of WREG_BULK and WRITE_ARC_STREAM; 0 for an opcode that
// Gaudi2 does not have.
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
    case Opcode::kWriteArcStream:
    case Opcode::kWreg64Short:
      return 8;
    case Opcode::kMsgLong:
    case Opcode::kCpDma:
    case Opcode::kMsgProt:
    case Opcode::kLoadAndExe:
    case Opcode::kWreg64Long:
      return 16;
    case Opcode::kLinDma:
    case Opcode::kCbList:
      return 24;
  }
  return 0;
}

}  // namespace openhpu::hal::abi::gaudi2

#endif  // HAL_ABI_GAUDI2_PACKETS_H_
