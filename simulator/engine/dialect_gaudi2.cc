#include <algorithm>
#include <cstring>
#include <iterator>

#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/qman.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "hal/abi/gaudi2/dma_core.h"
#include "hal/abi/gaudi2/packets.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/reset_values.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "simulator/engine/dialect_tables.h"

namespace openhpu::simulator {
namespace {

namespace gaudi = hal::abi::gaudi;
namespace abi = hal::abi::gaudi2;
namespace core = hal::abi::gaudi2::dma_core;
namespace qman = hal::abi::gaudi2::qman;
namespace sm = hal::abi::gaudi2::sync_manager;

// What the model reads with Gaudi's layouts.
template <typename A, typename B>
constexpr bool kAlike = A::kLsb == B::kLsb&& A::kMask == B::kMask;
static_assert(kAlike<gaudi::Ctl::OPCODE, abi::Ctl::OPCODE>);
static_assert(kAlike<gaudi::Ctl::PRED, abi::Ctl::PRED>);
static_assert(kAlike<gaudi::Ctl::ENG_BARRIER, abi::Ctl::ENG_BARRIER>);
static_assert(kAlike<gaudi::Ctl::MSG_BARRIER, abi::Ctl::MSG_BARRIER>);
static_assert(kAlike<gaudi::PacketWreg32::REG_OFFSET, abi::PacketWreg32::REG_OFFSET>);
static_assert(kAlike<gaudi::PacketWregBulk::SIZE64, abi::PacketWregBulk::SIZE64>);
static_assert(kAlike<gaudi::PacketWregBulk::REG_OFFSET, abi::PacketWregBulk::REG_OFFSET>);
static_assert(kAlike<gaudi::PacketMsgLong::OP, abi::PacketMsgLong::OP>);
static_assert(kAlike<gaudi::PacketMsgShort::OP, abi::PacketMsgShort::OP>);
static_assert(kAlike<gaudi::PacketMsgShort::BASE, abi::PacketMsgShort::BASE>);
static_assert(kAlike<gaudi::PacketFence::ID, abi::PacketFence::ID>);
static_assert(kAlike<gaudi::PacketFence::TARGET_VAL, abi::PacketFence::TARGET_VAL>);
static_assert(kAlike<gaudi::PacketFence::DEC_VAL, abi::PacketFence::DEC_VAL>);
static_assert(kAlike<gaudi::PacketArbPoint::RLS, abi::PacketArbPoint::RLS>);
static_assert(kAlike<gaudi::PacketRepeat::JMP_PTR, abi::PacketRepeat::JMP_PTR>);
static_assert(kAlike<gaudi::PacketWait::NUM_CYCLES_TO_WAIT, abi::PacketWait::NUM_CYCLES_TO_WAIT>);
static_assert(kAlike<gaudi::PacketWait::ID, abi::PacketWait::ID>);
static_assert(kAlike<gaudi::PacketLoadAndExe::DST, abi::PacketLoadAndExe::DST>);
static_assert(kAlike<gaudi::PacketLoadAndExe::LOAD, abi::PacketLoadAndExe::LOAD>);
static_assert(kAlike<gaudi::PacketLoadAndExe::EXE, abi::PacketLoadAndExe::EXE>);
static_assert(kAlike<gaudi::PacketLoadAndExe::ETYPE, abi::PacketLoadAndExe::ETYPE>);
static_assert(kAlike<gaudi::qman::CP_FENCE0_RDATA::INC_VAL, qman::CP_FENCE0_RDATA::INC_VAL>);
static_assert(kAlike<gaudi::qman::GLBL_CFG0::CP_EN, qman::GLBL_CFG0::CP_EN>);
static_assert(kAlike<gaudi::qman::GLBL_CFG1::CP_STOP, qman::GLBL_CFG1::CP_STOP>);
static_assert(kAlike<gaudi::qman::GLBL_STS0::CP_IDLE, qman::GLBL_STS0::CP_IDLE>);
static_assert(kAlike<gaudi::qman::CpErrors::CP_STOP_OP, qman::CpErrors::CP_STOP_OP>);
static_assert(kAlike<gaudi::qman::CpErrors::CP_FENCE3_UDF_ERR, qman::CpErrors::CP_FENCE3_UDF_ERR>);
static_assert(kAlike<gaudi::sync_manager::SOB_OBJ::VAL, sm::SOB_OBJ::VAL>);
static_assert(kAlike<gaudi::sync_manager::SOB_OBJ::INC, sm::SOB_OBJ::INC>);
static_assert(kAlike<gaudi::sync_manager::MON_ARM::SID, sm::MON_ARM::SID>);
static_assert(kAlike<gaudi::sync_manager::MON_ARM::MASK, sm::MON_ARM::MASK>);
static_assert(kAlike<gaudi::sync_manager::MON_ARM::SOP, sm::MON_ARM::SOP>);
static_assert(kAlike<gaudi::sync_manager::MON_ARM::SOD, sm::MON_ARM::SOD>);
static_assert(kAlike<gaudi::sync_manager::MON_STATUS::PENDING, sm::MON_STATUS::PENDING>);
static_assert(gaudi::qman::kLowerCp == qman::kLowerCp && gaudi::qman::kNumCps == qman::kNumCps);

QmanTable QmanRegisters() {
  using Kind = QmanRegister::Kind;
  QmanTable t;
  Put<qman::GLBL_CFG0>(Kind::kEnable, t);
  Put<qman::GLBL_CFG1>(Kind::kStop, t);
  Put<qman::GLBL_STS0>(Kind::kIdle, t);
  Put<qman::GLBL_ERR_STS>(Kind::kErrors, t);
  Put<qman::GLBL_ERR_STS_4>(Kind::kErrors, t, qman::kLowerCp);
  Put<qman::PQ_PI>(Kind::kProducer, t);
  Put<qman::PQ_CI>(Kind::kConsumer, t);
  Put<qman::PQ_STS1>(Kind::kQueueStatus, t);
  Put<qman::CQ_STS1>(Kind::kBufferStatus, t);
  Put<qman::CQ_PTR_LO>(Kind::kPointerLow, t);
  Put<qman::CQ_PTR_HI>(Kind::kPointerHigh, t);
  Put<qman::CQ_TSIZE>(Kind::kStart, t);
  Put<qman::CQ_CTL>(Kind::kControl, t);
  Put<qman::CQ_PTR_LO_STS>(Kind::kRunningLow, t);
  Put<qman::CQ_PTR_HI_STS>(Kind::kRunningHigh, t);
  Put<qman::CQ_TSIZE_STS>(Kind::kRunningBytes, t);
  Put<qman::CP_STS>(Kind::kCpStatus, t);
  Put<qman::CP_CURRENT_INST_LO>(Kind::kPacketLow, t);
  Put<qman::CP_CURRENT_INST_HI>(Kind::kPacketHigh, t);
  Put<qman::CP_PRED>(Kind::kPredicates, t);
  PutFour<qman::CP_FENCE0_CNT, qman::CP_FENCE1_CNT>(Kind::kFenceCount, t);
  PutFour<qman::CP_FENCE0_RDATA, qman::CP_FENCE1_RDATA>(Kind::kFenceAdd, t);
  PutFour<qman::CP_MSG_BASE0_ADDR_LO, qman::CP_MSG_BASE1_ADDR_LO>(Kind::kMessageBaseLow, t);
  PutFour<qman::CP_MSG_BASE0_ADDR_HI, qman::CP_MSG_BASE1_ADDR_HI>(Kind::kMessageBaseHigh, t);
  return t;
}

// Queues are on; the ARC's is not, in legacy queue mode.
void SetUpQman(bool /*external*/, RegisterValues& values) {
  using Enables = qman::GLBL_CFG0;
  values[Enables::kOffset / 4] =
      Enables::PQF_EN::kMask | Enables::CQF_EN::kMask | Enables::CP_EN::kMask;
}

uint32_t QueueStatus(bool busy) {
  using Sts = qman::PQ_STS1;
  return Sts::BUSY::Set(Sts::BUF_EMPTY::Set(0, busy ? 0 : 1), busy ? 1 : 0);
}

uint32_t BufferStatus(bool busy) {
  using Sts = qman::CQ_STS1;
  return Sts::BUSY::Set(Sts::BUF_EMPTY::Set(0, busy ? 0 : 1), busy ? 1 : 0);
}

uint32_t CpStatus(const CpState& state) {
  using Sts = qman::CP_STS;
  uint32_t status =
      Sts::MSG_INFLIGHT_CNT::Set(0, std::min(state.messages, Sts::MSG_INFLIGHT_CNT::kMax));
  if (!state.active) return status;
  status = Sts::ERDY::Set(status, state.engine_idle ? 1 : 0);
  status = Sts::MRDY::Set(status, state.messages == 0 ? 1 : 0);
  status = Sts::SW_STOP::Set(status, state.stopped ? 1 : 0);
  if (state.fence < 0) return status;
  status = Sts::FENCE_ID::Set(status, static_cast<uint32_t>(state.fence));
  status = Sts::FENCE_TARGET::Set(status, state.target);
  return Sts::FENCE_IN_PROGRESS::Set(status, 1);
}

const char* Refuses(uint32_t first, uint32_t ctl) {
  const abi::Opcode opcode = abi::OpcodeOf(ctl);
  switch (opcode) {
    case abi::Opcode::kCbList:
      return "CB_LIST is not modelled";
    case abi::Opcode::kWriteArcStream:
      return "WRITE_ARC_STREAM: ARCs are not modelled";
    case abi::Opcode::kWreg64Short:
      return "WREG_64_SHORT is not modelled";
    case abi::Opcode::kWreg64Long:
      return "WREG_64_LONG is not modelled";
    case abi::Opcode::kArbPoint:
    case abi::Opcode::kRepeat:
    case abi::Opcode::kWait:
    case abi::Opcode::kCpDma:
      return nullptr;  // without SWTC
    case abi::Opcode::kWreg32:
      if (abi::PacketWreg32::REG::Get(ctl) != 0) {
        return "WREG_32 with REG: registers of a CP are not modelled";
      }
      break;
    case abi::Opcode::kMsgShort:
      if (abi::PacketMsgShort::DW::Get(ctl) != 0) return "MSG_SHORT with DW is not modelled";
      break;
    case abi::Opcode::kLoadAndExe:
      if (abi::PacketLoadAndExe::PMAP::Get(first) != 0 &&
          abi::PacketLoadAndExe::DST::Get(first) != 0) {
        return "LOAD_AND_EXE of scalars (DST 1) with PMAP has no meaning";
      }
      break;
    default:
      break;
  }
  if (abi::Ctl::SWTC::Get(ctl) != 0) return "SWTC: the queue of an ARC is not modelled";
  return nullptr;
}

LinearDma ReadLinearDma(const std::byte* bytes) {
  abi::PacketLinDma packet;
  std::memcpy(&packet, bytes, sizeof packet);
  LinearDma dma;
  dma.destination = packet.dst_addr;
  // The header's low bits are COMMIT's, but LIN.
  using Lin = abi::PacketLinDma;
  constexpr uint32_t kCommitBits = Lin::WRCOMP::kMask | Lin::ENDIAN::kMask | Lin::MEMSET::kMask |
                                   Lin::BF16::kMask | Lin::FP16::kMask |
                                   Lin::CONTEXT_ID_INC::kMask | Lin::ADD_OFFSET_0::kMask;
  dma.commit = core::COMMIT::LIN::Set(packet.ctl & kCommitBits, 1);
  return dma;
}

// The global registers behind the objects, in words.
struct Global : hal::abi::Register<sm::kGlbl, 0x400> {};

SyncRegister FindSync(uint32_t offset) {
  using Kind = SyncRegister::Kind;
  SyncRegister found;
  if (FindIn<sm::SM_PRIV>(offset, Kind::kSecurity, found)) {
    found.index += sm::SM_SEC::kCount;
    return found;
  }
  (void)(FindIn<sm::SOB_OBJ>(offset, Kind::kSob, found) ||
         FindIn<sm::MON_PAY_ADDRL>(offset, Kind::kPayloadLow, found) ||
         FindIn<sm::MON_PAY_ADDRH>(offset, Kind::kPayloadHigh, found) ||
         FindIn<sm::MON_PAY_DATA>(offset, Kind::kPayloadData, found) ||
         FindIn<sm::MON_CONFIG>(offset, Kind::kConfig, found) ||
         FindIn<sm::MON_ARM>(offset, Kind::kArm, found) ||
         FindIn<sm::MON_STATUS>(offset, Kind::kStatus, found) ||
         FindIn<sm::SM_SEC>(offset, Kind::kSecurity, found) ||
         FindIn<Global>(offset, Kind::kGlobal, found));
  return found;
}

MonitorMode ModeOf(uint32_t config) {
  using Config = sm::MON_CONFIG;
  MonitorMode mode;
  mode.high_group = Config::MSB_SID::Get(config) << sm::MON_ARM::SID::kWidth;
  mode.writes = 1 + Config::WR_NUM::Get(config);
  mode.to_queue = Config::CQ_EN::Get(config) != 0;
  mode.interrupt = Config::LBW_EN::Get(config) != 0;
  mode.is_long = Config::LONG_SOB::Get(config) != 0;
  mode.high_half = Config::LONG_HIGH_GROUP::Get(config) != 0;
  return mode;
}

// What no source gives a meaning.
const char* RefusesMonitor(uint32_t config) {
  const MonitorMode mode = ModeOf(config);
  if (mode.interrupt && !mode.to_queue) return "LBW_EN without CQ_EN: the interrupt of no queue";
  if (mode.high_half && !mode.is_long) return "LONG_HIGH_GROUP without LONG_SOB";
  return nullptr;
}

Dialect Make() {
  Dialect d;
  d.packet_bytes = [](uint32_t opcode) {
    return abi::PacketBytes(static_cast<abi::Opcode>(opcode));
  };
  d.refuses = Refuses;
  d.runs_on_upper_cp = [](uint32_t ctl) { return abi::PacketCpDma::UPPER_CP::Get(ctl) != 0; };
  // The control word says what the queue manager writes at the end; where a count of repeats would
  // stand is in no source.
  d.repeats = [](uint32_t) -> uint32_t { return 0; };
  d.priority_mask = abi::PacketArbPoint::PRIORITY::kMask;
  d.packed_predicates = abi::PacketLoadAndExe::PMAP::kMask;
  d.linear_dma = ReadLinearDma;
  d.dma_source = core::SRC_BASE_LO::kOffset;
  d.dma_size = core::DST_TSIZE_0::kOffset;
  d.dma_commit = core::COMMIT::kOffset;
  d.completion_packets = 0;
  d.engine_window = qman::kEngineWregBase;
  d.qman_window = qman::kWregBase;
  d.qman_block = RegisterBlock::kGaudi2QueueManager;
  d.qman = QmanRegisters();
  d.fence_add = [](int fence, int cp) { return qman::CpFenceRdata(fence, cp); };
  d.first_pq_size = qman::PQ_SIZE::kOffset;
  d.set_up_qman = SetUpQman;
  d.queue_status = QueueStatus;
  d.buffer_status = BufferStatus;
  d.cp_status = CpStatus;
  d.sync_register = FindSync;
  d.monitor_at_rest = sm::MON_STATUS::PROT::Set(0, 1);
  d.security_words = sm::SM_SEC::kCount + sm::SM_PRIV::kCount;
  d.security_at_rest = 0xFFFFFFFF;
  d.reset_sync_globals = [](RegisterValues& values) {
    values.fill(0);
    for (const abi::ResetValue& reset : abi::kSyncManagerGlblReset) {
      std::fill_n(values.begin() + reset.offset / 4, reset.count, reset.value);
    }
  };
  d.sync_error_log_lsb = sm::SM_SEI_CAUSE::LOG::kLsb;
  d.sync_label = [](int manager) {
    static constexpr const char* kLabels[] = {"DCORE0", "DCORE1", "DCORE2", "DCORE3",
                                              "DCORE4", "DCORE5", "DCORE6", "DCORE7"};
    return kLabels[manager % static_cast<int>(std::size(kLabels))];
  };
  d.monitor_mode = ModeOf;
  d.refuses_monitor = RefusesMonitor;
  d.writes_long = [](uint32_t word) { return sm::SOB_OBJ::LONG_SOB::Get(word) != 0; };
  return d;
}

}  // namespace

const Dialect& Gaudi2Dialect() {
  static const Dialect* const dialect = new Dialect(Make());
  return *dialect;
}

const Dialect& DialectOf(const hal::Chip& chip) {
  return chip.dialect() == "gaudi2" ? Gaudi2Dialect() : GaudiDialect();
}

}  // namespace openhpu::simulator
