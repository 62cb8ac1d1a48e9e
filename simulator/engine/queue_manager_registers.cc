// The registers of a queue manager as the kernel driver sees them.
#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/qman.h"
#include "simulator/engine/queue_manager.h"
#include "simulator/engine/simulation_context.h"

namespace openhpu::simulator {
namespace {

namespace qman = hal::abi::gaudi::qman;

using Kind = QmanRegister::Kind;

uint32_t Half(uint64_t value, bool high) {
  return static_cast<uint32_t>(high ? value >> 32 : value);
}

}  // namespace

void QueueManager::InitializeRegisters() {
  ResetRegisters(dialect().qman_block, registers_);
  uint32_t log2 = 0;
  while ((uint64_t{2} << log2) <= config_.entries) ++log2;
  for (int stream = 0; stream < kStreams; ++stream) {
    registers_[dialect().first_pq_size / 4 + stream] = log2;
  }
  dialect().set_up_qman(config_.external, registers_);
  lower_pointer_ = lower_ctl_ = 0;
  ApplyEnables();
}

void QueueManager::WriteLowerQueue(uint32_t offset, uint32_t value) {
  registers_[offset / 4] = value;
  switch (dialect().qman[offset / 4].kind) {
    case Kind::kPointerLow:
      lower_pointer_ = (lower_pointer_ >> 32 << 32) | value;
      break;
    case Kind::kPointerHigh:
      lower_pointer_ = uint64_t{value} << 32 | (lower_pointer_ & 0xFFFFFFFF);
      break;
    case Kind::kControl:
      lower_ctl_ = value;
      break;
    default:
      break;
  }
}

bool QueueManager::empty() const { return Idle() == 0x3FFF; }

uint32_t QueueManager::Idle() const {
  uint32_t queues = 0, processors = 0;
  for (int i = 0; i < qman::kNumCps; ++i) {
    if (cps_[i]->waiting() == 0) queues |= 1u << i;
    if (!cps_[i]->active()) processors |= 1u << i;
  }
  uint32_t idle = qman::GLBL_STS0::PQF_IDLE::Set(0, queues & 0xF);
  // What waits for the lower CP stands in its CQ; streams' CQs hold what is being run.
  const uint32_t lower = 1u << qman::kLowerCp;
  idle = qman::GLBL_STS0::CQF_IDLE::Set(idle, processors & (queues | ~lower));
  return qman::GLBL_STS0::CP_IDLE::Set(idle, processors);
}

uint32_t QueueManager::ReadRegister(uint32_t offset) const {
  const QmanRegister found = dialect().qman[offset / 4];
  const CommandProcessor& cp = *cps_[found.cp];
  const uint32_t wrap = 2 * config_.entries;
  switch (found.kind) {
    case Kind::kIdle:
      // Stop bits lie as in GLBL_CFG1, 16 higher.
      return Idle() | (registers_[qman::GLBL_CFG1::kOffset / 4] & 0x3FFF) << 16;
    case Kind::kErrors:
      return cp.errors();
    case Kind::kProducer:
      return static_cast<uint32_t>(cp.arrived() % wrap);
    case Kind::kConsumer:
      return static_cast<uint32_t>(cp.taken() % wrap);
    case Kind::kQueueStatus:
      return dialect().queue_status(cp.waiting() != 0);
    case Kind::kBufferStatus:
      return dialect().buffer_status(cp.active());
    // What runs; a queue that is empty shows what it ran last.
    case Kind::kRunningLow:
      return Half(cp.job().address.value(), false);
    case Kind::kRunningHigh:
      return Half(cp.job().address.value(), true);
    case Kind::kRunningBytes:
      return cp.job().bytes;
    case Kind::kRunningControl:
      return cp.job().ctl;
    case Kind::kCpStatus:
      return cp.Status();
    case Kind::kPacketLow:
      return Half(cp.current_packet(), false);
    case Kind::kPacketHigh:
      return Half(cp.current_packet(), true);
    case Kind::kPredicates:
      return cp.predicates();
    case Kind::kFenceCount:
      return cp.fence_counter(found.which);
    case Kind::kMessageBaseLow:
      return Half(cp.message_base(found.which), false);
    case Kind::kMessageBaseHigh:
      return Half(cp.message_base(found.which), true);
    case Kind::kPlain:
    case Kind::kEnable:
    case Kind::kStop:
    case Kind::kPointerLow:
    case Kind::kPointerHigh:
    case Kind::kStart:
    case Kind::kControl:
    case Kind::kFenceAdd:
      break;
  }
  return registers_[offset / 4];
}

absl::Status QueueManager::WriteRegister(uint32_t offset, uint32_t value) {
  const auto unimplemented = [&](const char* what) {
    return absl::UnimplementedError(
        absl::StrCat(what, " of ", config_.name, ": queues are written by submissions"));
  };
  const QmanRegister found = dialect().qman[offset / 4];
  CommandProcessor& cp = *cps_[found.cp];
  switch (found.kind) {
    case Kind::kProducer:
      return unimplemented("PQ_PI");
    case Kind::kStart:
      return unimplemented("CQ_TSIZE");
    case Kind::kEnable:
    case Kind::kStop:
      registers_[offset / 4] = value;
      ApplyEnables();
      return absl::OkStatus();
    case Kind::kErrors:
      cp.ClearErrors(value);
      return absl::OkStatus();
    case Kind::kFenceAdd: {
      Message message;
      message.origin.queue = "register access";
      cp.AddFence(found.which, qman::CP_FENCE0_RDATA::INC_VAL::Get(value), message);
      return absl::OkStatus();
    }
    case Kind::kMessageBaseLow:
      cp.SetMessageBase(found.which, false, value);
      break;
    case Kind::kMessageBaseHigh:
      cp.SetMessageBase(found.which, true, value);
      break;
    case Kind::kPointerLow:
    case Kind::kPointerHigh:
    case Kind::kControl:
      if (found.cp == qman::kLowerCp) WriteLowerQueue(offset, value);
      break;
    default:
      break;
  }
  // Status is computed when it is read: what is stored there does not show.
  registers_[offset / 4] = value;
  return absl::OkStatus();
}

void QueueManager::ApplyEnables() {
  using Cfg0 = qman::GLBL_CFG0;
  using Cfg1 = qman::GLBL_CFG1;
  const uint32_t on = registers_[Cfg0::kOffset / 4], stop = registers_[Cfg1::kOffset / 4];
  const uint32_t processors = Cfg0::CP_EN::Get(on) & ~Cfg1::CP_STOP::Get(stop);
  // The lower CP's queue has no fetcher of a PQ before it.
  const uint32_t queues =
      (Cfg0::PQF_EN::Get(on) & ~Cfg1::PQF_STOP::Get(stop)) | 1u << qman::kLowerCp;
  const uint32_t buffers = Cfg0::CQF_EN::Get(on) & ~Cfg1::CQF_STOP::Get(stop);
  for (int i = 0; i < qman::kNumCps; ++i) {
    cps_[i]->Enable((processors >> i & 1) != 0, (queues & buffers) >> i & 1);
  }
}

}  // namespace openhpu::simulator
