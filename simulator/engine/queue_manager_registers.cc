// The registers of a queue manager as the kernel driver sees them.
#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/qman.h"
#include "simulator/engine/queue_manager.h"
#include "simulator/engine/simulation_context.h"

namespace openhpu::simulator {
namespace {

namespace qman = hal::abi::gaudi::qman;

// Which register of an array `offset` is, or -1.
template <typename Register>
int IndexIn(uint32_t offset) {
  if (offset < Register::kOffset || offset >= Register::At(Register::kCount)) return -1;
  const uint32_t distance = offset - Register::kOffset;
  return distance % Register::kStride == 0 ? static_cast<int>(distance / Register::kStride) : -1;
}

uint32_t Half(uint64_t value, bool high) {
  return static_cast<uint32_t>(high ? value >> 32 : value);
}

// The index of a fence or base in four arrays that lie evenly apart, and of the CP in it.
struct InFour {
  int which = -1, cp = -1;
};
template <typename First, typename Second>
InFour FindInFour(uint32_t offset) {
  constexpr uint32_t kApart = Second::kOffset - First::kOffset;
  for (int which = 0; which < 4; ++which) {
    const int cp = IndexIn<First>(offset - kApart * which);
    if (offset >= kApart * which && cp >= 0) return {which, cp};
  }
  return {};
}

}  // namespace

void QueueManager::InitializeRegisters() {
  ResetRegisters(RegisterBlock::kQueueManager, registers_);
  const auto set = [this](uint32_t offset, uint32_t value) { registers_[offset / 4] = value; };
  uint32_t log2 = 0;
  while ((uint64_t{2} << log2) <= config_.entries) ++log2;
  for (int stream = 0; stream < kStreams; ++stream) set(qman::PQ_SIZE::At(stream), log2);
  for (int cp = 0; cp < qman::kNumCps; ++cp) {
    set(qman::CP_BARRIER_CFG::At(cp), qman::CP_BARRIER_CFG::EBGUARD::Set(0, 0x100));
    if (!config_.external) {
      set(qman::CP_LDMA_SRC_BASE_LO_OFFSET::At(cp), qman::kCqPtrLo4Wreg);
    }
  }
  // External queues have no use for the lower CP (recollected).
  const uint32_t cqs = config_.external ? 0xF : 0x1F;
  uint32_t enables = qman::GLBL_CFG0::PQF_EN::Set(0, 0xF);
  enables = qman::GLBL_CFG0::CQF_EN::Set(enables, cqs);
  set(qman::GLBL_CFG0::kOffset, qman::GLBL_CFG0::CP_EN::Set(enables, cqs));
  ApplyEnables();
}

uint64_t QueueManager::lower_pointer() const {
  return uint64_t{registers_[qman::CQ_PTR_HI::At(qman::kLowerCp) / 4]} << 32 |
         registers_[qman::CQ_PTR_LO::At(qman::kLowerCp) / 4];
}

uint32_t QueueManager::lower_ctl() const {
  return registers_[qman::CQ_CTL::At(qman::kLowerCp) / 4];
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
  const uint32_t stored = registers_[offset / 4];
  if (offset == qman::GLBL_STS0::kOffset) {
    // Stop bits lie as in GLBL_CFG1, 16 higher.
    return Idle() | (registers_[qman::GLBL_CFG1::kOffset / 4] & 0x3FFF) << 16;
  }
  if (const int s = IndexIn<qman::GLBL_STS1>(offset); s >= 0) return cps_[s]->errors();
  if (offset == qman::GLBL_STS1_4::kOffset) return cps_[qman::kLowerCp]->errors();
  const uint32_t wrap = 2 * config_.entries;
  if (const int s = IndexIn<qman::PQ_PI>(offset); s >= 0) {
    return static_cast<uint32_t>(cps_[s]->arrived() % wrap);
  }
  if (const int s = IndexIn<qman::PQ_CI>(offset); s >= 0) {
    return static_cast<uint32_t>(cps_[s]->taken() % wrap);
  }
  if (const int s = IndexIn<qman::PQ_STS1>(offset); s >= 0) {
    const uint32_t busy = cps_[s]->waiting() != 0 ? 1 : 0;
    return qman::PQ_STS1::PQ_BUSY::Set(qman::PQ_STS1::PQ_BUF_EMPTY::Set(0, 1 - busy), busy);
  }
  if (const int c = IndexIn<qman::CQ_STS1>(offset); c >= 0) {
    const uint32_t busy = cps_[c]->active() ? 1 : 0;
    return qman::CQ_STS1::CQ_BUSY::Set(qman::CQ_STS1::CQ_BUF_EMPTY::Set(0, 1 - busy), busy);
  }
  // What runs; a queue that is empty shows what it ran last.
  if (const int c = IndexIn<qman::CQ_PTR_LO_STS>(offset); c >= 0) {
    return Half(cps_[c]->job().address.value(), false);
  }
  if (const int c = IndexIn<qman::CQ_PTR_HI_STS>(offset); c >= 0) {
    return Half(cps_[c]->job().address.value(), true);
  }
  if (const int c = IndexIn<qman::CQ_TSIZE_STS>(offset); c >= 0) return cps_[c]->job().bytes;
  if (const int c = IndexIn<qman::CQ_CTL_STS>(offset); c >= 0) return cps_[c]->job().ctl;
  if (const int c = IndexIn<qman::CP_STS>(offset); c >= 0) return cps_[c]->Status();
  if (const int c = IndexIn<qman::CP_CURRENT_INST_LO>(offset); c >= 0) {
    return Half(cps_[c]->current_packet(), false);
  }
  if (const int c = IndexIn<qman::CP_CURRENT_INST_HI>(offset); c >= 0) {
    return Half(cps_[c]->current_packet(), true);
  }
  if (const InFour f = FindInFour<qman::CP_FENCE0_CNT, qman::CP_FENCE1_CNT>(offset); f.cp >= 0) {
    return cps_[f.cp]->fence_counter(f.which);
  }
  using LO = qman::CP_MSG_BASE0_ADDR_LO;
  using HI = qman::CP_MSG_BASE0_ADDR_HI;
  if (const InFour b = FindInFour<LO, qman::CP_MSG_BASE1_ADDR_LO>(offset); b.cp >= 0) {
    return Half(cps_[b.cp]->message_base(b.which), false);
  }
  if (const InFour b = FindInFour<HI, qman::CP_MSG_BASE1_ADDR_HI>(offset); b.cp >= 0) {
    return Half(cps_[b.cp]->message_base(b.which), true);
  }
  return stored;
}

absl::Status QueueManager::WriteRegister(uint32_t offset, uint32_t value) {
  const auto unimplemented = [&](const char* what) {
    return absl::UnimplementedError(
        absl::StrCat(what, " of ", config_.name, ": queues are written by submissions"));
  };
  if (IndexIn<qman::PQ_PI>(offset) >= 0) return unimplemented("PQ_PI");
  for (int c = 0; c < qman::kNumCps; ++c) {
    if (offset == qman::CQ_TSIZE::At(c)) return unimplemented("CQ_TSIZE");
  }
  if (offset == qman::GLBL_CFG0::kOffset || offset == qman::GLBL_CFG1::kOffset) {
    registers_[offset / 4] = value;
    ApplyEnables();
    return absl::OkStatus();
  }
  if (const int s = IndexIn<qman::GLBL_STS1>(offset); s >= 0) {
    cps_[s]->ClearErrors(value);
    return absl::OkStatus();
  }
  if (offset == qman::GLBL_STS1_4::kOffset) {
    cps_[qman::kLowerCp]->ClearErrors(value);
    return absl::OkStatus();
  }
  const InFour fence = FindInFour<qman::CP_FENCE0_RDATA, qman::CP_FENCE1_RDATA>(offset);
  if (fence.cp >= 0) {
    Message message;
    message.origin.queue = "register access";
    cps_[fence.cp]->AddFence(fence.which, qman::CP_FENCE0_RDATA::INC_VAL::Get(value), message);
    return absl::OkStatus();
  }
  using LO = qman::CP_MSG_BASE0_ADDR_LO;
  using HI = qman::CP_MSG_BASE0_ADDR_HI;
  if (const InFour b = FindInFour<LO, qman::CP_MSG_BASE1_ADDR_LO>(offset); b.cp >= 0) {
    cps_[b.cp]->SetMessageBase(b.which, false, value);
  }
  if (const InFour b = FindInFour<HI, qman::CP_MSG_BASE1_ADDR_HI>(offset); b.cp >= 0) {
    cps_[b.cp]->SetMessageBase(b.which, true, value);
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
