// What differs between the command dialects for queue managers and sync managers: which packets
// there are, what a register is, how status words lie. Everything else of the model is one for all
// dialects. A dialect is a table; the layouts are hal/abi's.
//
// The packets that dialects share lie alike (dialect_gaudi2.cc asserts it), so that a command
// processor reads them with Gaudi's layouts; what a dialect adds, and the model does not do, is
// refused by name.
#ifndef SIMULATOR_ENGINE_DIALECT_H_
#define SIMULATOR_ENGINE_DIALECT_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "hal/chip.pb.h"
#include "simulator/engine/block_registers.h"

namespace openhpu::simulator {

// What a register of a queue manager is to the model. `cp` says whose: a stream, or the lower CP.
struct QmanRegister {
  enum class Kind : uint8_t {
    kPlain,  // or none
    kEnable,
    kStop,
    kIdle,
    kErrors,
    kProducer,
    kConsumer,
    kQueueStatus,   // of a PQ
    kBufferStatus,  // of a CQ
    kPointerLow,
    kPointerHigh,
    kStart,  // bytes of the buffer
    kControl,
    kRunningLow,
    kRunningHigh,
    kRunningBytes,
    kRunningControl,
    kCpStatus,
    kPacketLow,
    kPacketHigh,
    kPredicates,
    kFenceCount,  // of fence `which`
    kFenceAdd,
    kMessageBaseLow,  // base `which`
    kMessageBaseHigh,
  };
  Kind kind = Kind::kPlain;
  uint8_t which = 0, cp = 0;
};

struct SyncRegister {
  enum class Kind : uint8_t {
    kNone,
    kSob,
    kPayloadLow,
    kPayloadHigh,
    kPayloadData,
    kConfig,
    kArm,
    kStatus,
    kSecurity,
    kGlobal,  // `index` counts words from the first
  };
  Kind kind = Kind::kNone;
  uint32_t index = 0;
};

// What MON_CONFIG asks of a monitor; all as at rest where there is no such register.
struct MonitorMode {
  uint32_t high_group = 0;  // bits of the group above those in MON_ARM
  uint32_t writes = 1;      // its own, and those of the monitors behind it
  bool to_queue = false;    // its payload, to the completion queue that its low address names
  bool interrupt = false;   // and the queue's interrupt
  bool is_long = false;     // it watches the long value of one half of its group
  bool high_half = false;
};

// What a CP shows in its status register.
struct CpState {
  uint32_t messages = 0;  // in flight
  bool active = false, engine_idle = false, stopped = false;
  int fence = -1;  // that blocks it
  uint32_t target = 0;
};

// A LIN_DMA as the registers it writes.
struct LinearDma {
  const char* refused = nullptr;  // why it does not run
  uint64_t destination = 0;
  uint32_t commit = 0;
};

struct Dialect {
  // Packets. Bytes without the values of bulks; 0: no such opcode.
  uint32_t (*packet_bytes)(uint32_t opcode);
  // Of the first two words: what the packet asks for that is not modelled, or null.
  const char* (*refuses)(uint32_t first, uint32_t ctl);
  bool (*runs_on_upper_cp)(uint32_t cp_dma_ctl);
  // How often the REPEATs of a job jump back, by the control word of its queue entry.
  uint32_t (*repeats)(uint32_t entry_ctl);
  uint32_t priority_mask;      // of ARB_POINT
  uint32_t packed_predicates;  // the bit of LOAD_AND_EXE that says so, or 0
  LinearDma (*linear_dma)(const std::byte* packet);
  uint32_t dma_source, dma_size, dma_commit;  // registers of a DMA core: SRC_BASE_LO and so on
  // Packets that the kernel driver appends to a job that completes to the host; without them the
  // queue manager itself reports its end.
  uint32_t completion_packets;

  // What a WREG reaches, as offsets of blocks.
  uint32_t engine_window, qman_window;

  RegisterBlock qman_block;
  std::array<QmanRegister, kRegisterBlockBytes / 4> qman;
  uint32_t (*fence_add)(int fence, int cp);
  uint32_t first_pq_size;  // one register a stream
  // What else the kernel driver has written before the first user comes.
  void (*set_up_qman)(bool external, RegisterValues& values);
  uint32_t (*queue_status)(bool busy);
  uint32_t (*buffer_status)(bool busy);
  uint32_t (*cp_status)(const CpState& state);

  SyncRegister (*sync_register)(uint32_t offset);
  uint32_t monitor_at_rest;  // STATUS of one that is not armed
  uint32_t security_words, security_at_rest;
  void (*reset_sync_globals)(RegisterValues& values);
  uint32_t sync_error_log_lsb;  // which monitor, in SM_SEI_CAUSE
  const char* (*sync_label)(int manager);
  MonitorMode (*monitor_mode)(uint32_t config);
  // Why the MON_CONFIG has no meaning, or null.
  const char* (*refuses_monitor)(uint32_t config);
  // Whether a word for an object is for the long value that it begins.
  bool (*writes_long)(uint32_t word);
};

const Dialect& GaudiDialect();
const Dialect& Gaudi2Dialect();
// Of a checked chip.
const Dialect& DialectOf(const hal::Chip& chip);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_DIALECT_H_
