#include <algorithm>
#include <cstring>

#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/qman.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "simulator/engine/dialect_tables.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi;
namespace core = hal::abi::gaudi::dma_core;
namespace qman = hal::abi::gaudi::qman;
namespace sm = hal::abi::gaudi::sync_manager;

QmanTable QmanRegisters() {
  using Kind = QmanRegister::Kind;
  QmanTable t;
  Put<qman::GLBL_CFG0>(Kind::kEnable, t);
  Put<qman::GLBL_CFG1>(Kind::kStop, t);
  Put<qman::GLBL_STS0>(Kind::kIdle, t);
  Put<qman::GLBL_STS1>(Kind::kErrors, t);
  Put<qman::GLBL_STS1_4>(Kind::kErrors, t, qman::kLowerCp);
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
  Put<qman::CQ_CTL_STS>(Kind::kRunningControl, t);
  Put<qman::CP_STS>(Kind::kCpStatus, t);
  Put<qman::CP_CURRENT_INST_LO>(Kind::kPacketLow, t);
  Put<qman::CP_CURRENT_INST_HI>(Kind::kPacketHigh, t);
  PutFour<qman::CP_FENCE0_CNT, qman::CP_FENCE1_CNT>(Kind::kFenceCount, t);
  PutFour<qman::CP_FENCE0_RDATA, qman::CP_FENCE1_RDATA>(Kind::kFenceAdd, t);
  PutFour<qman::CP_MSG_BASE0_ADDR_LO, qman::CP_MSG_BASE1_ADDR_LO>(Kind::kMessageBaseLow, t);
  PutFour<qman::CP_MSG_BASE0_ADDR_HI, qman::CP_MSG_BASE1_ADDR_HI>(Kind::kMessageBaseHigh, t);
  return t;
}

void SetUpQman(bool external, RegisterValues& values) {
  const auto set = [&values](uint32_t offset, uint32_t value) { values[offset / 4] = value; };
  for (int cp = 0; cp < qman::kNumCps; ++cp) {
    set(qman::CP_BARRIER_CFG::At(cp), qman::CP_BARRIER_CFG::EBGUARD::Set(0, 0x100));
    if (!external) set(qman::CP_LDMA_SRC_BASE_LO_OFFSET::At(cp), qman::kCqPtrLo4Wreg);
  }
  // External queues have no use for the lower CP (recollected).
  const uint32_t cqs = external ? 0xF : 0x1F;
  uint32_t enables = qman::GLBL_CFG0::PQF_EN::Set(0, 0xF);
  enables = qman::GLBL_CFG0::CQF_EN::Set(enables, cqs);
  set(qman::GLBL_CFG0::kOffset, qman::GLBL_CFG0::CP_EN::Set(enables, cqs));
}

uint32_t QueueStatus(bool busy) {
  using Sts = qman::PQ_STS1;
  return Sts::PQ_BUSY::Set(Sts::PQ_BUF_EMPTY::Set(0, busy ? 0 : 1), busy ? 1 : 0);
}

uint32_t BufferStatus(bool busy) {
  using Sts = qman::CQ_STS1;
  return Sts::CQ_BUSY::Set(Sts::CQ_BUF_EMPTY::Set(0, busy ? 0 : 1), busy ? 1 : 0);
}

uint32_t CpStatus(const CpState& state) {
  using Sts = qman::CP_STS;
  uint32_t status =
      Sts::MSG_INFLIGHT_CNT::Set(0, std::min(state.messages, Sts::MSG_INFLIGHT_CNT::kMax));
  if (!state.active) return status;
  status = Sts::ERDY::Set(status, state.engine_idle ? 1 : 0);
  status = Sts::RRDY::Set(status, 1);
  status = Sts::MRDY::Set(status, state.messages == 0 ? 1 : 0);
  status = Sts::SW_STOP::Set(status, state.stopped ? 1 : 0);
  if (state.fence < 0) return status;
  return Sts::FENCE_IN_PROGRESS::Set(Sts::FENCE_ID::Set(status, static_cast<uint32_t>(state.fence)),
                                     1);
}

LinearDma ReadLinearDma(const std::byte* bytes) {
  abi::PacketLinDma packet;
  std::memcpy(&packet, bytes, sizeof packet);
  LinearDma dma;
  if (abi::PacketLinDma::COMPRESS::Get(packet.ctl) ||
      abi::PacketLinDma::DECOMPRESS::Get(packet.ctl) || !abi::PacketLinDma::LIN::Get(packet.ctl)) {
    dma.refused = "LIN_DMA must be linear, and compression is not modelled";
  }
  dma.destination = abi::PacketLinDma::DST_ADDR::Get(packet.dst_addr_ctx_id_raw);
  dma.commit = packet.ctl & 0x00FF007F;  // the header's low bits are COMMIT's
  return dma;
}

// SM_SEC: which objects are the kernel driver's, a bit each; the vendor's block_sob_objs.
struct SM_SEC : hal::abi::Register<0x5800, 256> {};

SyncRegister FindSync(uint32_t offset) {
  using Kind = SyncRegister::Kind;
  SyncRegister found;
  (void)(FindIn<sm::SOB_OBJ>(offset, Kind::kSob, found) ||
         FindIn<sm::MON_PAY_ADDRL>(offset, Kind::kPayloadLow, found) ||
         FindIn<sm::MON_PAY_ADDRH>(offset, Kind::kPayloadHigh, found) ||
         FindIn<sm::MON_PAY_DATA>(offset, Kind::kPayloadData, found) ||
         FindIn<sm::MON_ARM>(offset, Kind::kArm, found) ||
         FindIn<sm::MON_STATUS>(offset, Kind::kStatus, found) ||
         FindIn<SM_SEC>(offset, Kind::kSecurity, found));
  return found;
}

Dialect Make() {
  Dialect d;
  d.packet_bytes = [](uint32_t opcode) {
    return abi::PacketBytes(static_cast<abi::Opcode>(opcode));
  };
  d.refuses = [](uint32_t, uint32_t) -> const char* { return nullptr; };
  d.runs_on_upper_cp = [](uint32_t) { return false; };
  d.repeats = [](uint32_t ctl) {
    return qman::PqEntry::RepeatValid::Get(ctl) != 0 ? qman::CQ_CTL::RPT::Get(ctl) : 0;
  };
  d.priority_mask = abi::PacketArbPoint::PRIORITY::kMask;
  d.packed_predicates = 0;
  d.linear_dma = ReadLinearDma;
  d.dma_source = core::SRC_BASE_LO::kOffset;
  d.dma_size = core::DST_TSIZE_0::kOffset;
  d.dma_commit = core::COMMIT::kOffset;
  d.completion_packets = 2;
  d.engine_window = 0;
  d.qman_window = qman::kWregBase;
  d.qman_block = RegisterBlock::kQueueManager;
  d.qman = QmanRegisters();
  d.fence_add = [](int fence, int cp) { return qman::CpFenceRdata(fence, cp); };
  d.first_pq_size = qman::PQ_SIZE::kOffset;
  d.set_up_qman = SetUpQman;
  d.queue_status = QueueStatus;
  d.buffer_status = BufferStatus;
  d.cp_status = CpStatus;
  d.sync_register = FindSync;
  d.monitor_at_rest = 0;
  d.security_words = SM_SEC::kCount;
  d.security_at_rest = 0;
  d.reset_sync_globals = [](RegisterValues& values) { values.fill(0); };
  d.sync_error_log_lsb = 16;
  d.sync_label = [](int manager) {
    static constexpr const char* kLabels[] = {"W_S", "E_S", "W_N", "E_N"};
    return kLabels[manager % 4];
  };
  d.monitor_mode = [](uint32_t) { return MonitorMode(); };
  d.refuses_monitor = [](uint32_t) -> const char* { return nullptr; };
  d.writes_long = [](uint32_t) { return false; };
  return d;
}

}  // namespace

const Dialect& GaudiDialect() {
  static const Dialect* const dialect = new Dialect(Make());
  return *dialect;
}

}  // namespace openhpu::simulator
