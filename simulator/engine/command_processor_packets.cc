// What each packet does.
#include <array>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/qman.h"
#include "simulator/engine/command_processor.h"
#include "simulator/engine/engine.h"
#include "simulator/engine/queue_manager.h"
#include "simulator/engine/simulation_context.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi;
using Kind = hal::HealthEvent::Kind;

// Packets that mean the same wherever they stand: not in a buffer, as bulks, bodies and repeats do.
bool StandsAlone(abi::Opcode opcode) {
  switch (opcode) {
    case abi::Opcode::kNop:
    case abi::Opcode::kStop:
    case abi::Opcode::kWreg32:
    case abi::Opcode::kMsgLong:
    case abi::Opcode::kMsgProt:
    case abi::Opcode::kMsgShort:
    case abi::Opcode::kFence:
    case abi::Opcode::kWait:
    case abi::Opcode::kArbPoint:
      return true;
    default:
      return false;
  }
}

// Packets whose header has a predicate.
bool HasPredicate(abi::Opcode opcode) {
  switch (opcode) {
    case abi::Opcode::kNop:
    case abi::Opcode::kStop:
    case abi::Opcode::kMsgShort:
    case abi::Opcode::kLinDma:
    case abi::Opcode::kWait:
      return false;
    default:
      return true;
  }
}

}  // namespace

CommandProcessor::Outcome CommandProcessor::ExecutePacket() {
  if (HasPredicate(opcode_) && ((predicates_ >> abi::Ctl::PRED::Get(ctl_)) & 1) == 0) {
    return Outcome::kDone;
  }
  if (!passed_barrier_) {
    if (abi::Ctl::ENG_BARRIER::Get(ctl_)) {
      if (!InStep()) return Outcome::kWait;
      if (!qman_.engine().idle()) return Block(Blocked::kEngineBusy);
      Unblocked();
      if (environment_.hazards != nullptr) {
        environment_.Acquire(agent_, environment_.Release(qman_.engine().config().agent));
      }
    }
    // Register writes take effect at once, so their barrier always passes.
    if (abi::Ctl::MSG_BARRIER::Get(ctl_)) local_ = std::max(local_, last_message_);
    passed_barrier_ = true;
  }
  switch (opcode_) {
    case abi::Opcode::kNop:
      return Outcome::kDone;
    case abi::Opcode::kStop:
      Fail(Kind::kUndefinedOpcode, "STOP", abi::qman::CpErrors::CP_STOP_OP::kMask);
      return Outcome::kWait;
    case abi::Opcode::kWreg32: {
      const auto packet = Read<abi::PacketWreg32>();
      return WriteRegisters(abi::PacketWreg32::REG_OFFSET::Get(packet.ctl), &packet.value, 1);
    }
    case abi::Opcode::kWregBulk: {
      const auto packet = Read<abi::PacketWregBulk>();
      const auto* const values =
          reinterpret_cast<const uint32_t*>(commands_.data + offset_ + sizeof packet);
      return WriteRegisters(abi::PacketWregBulk::REG_OFFSET::Get(packet.ctl), values,
                            2 * abi::PacketWregBulk::SIZE64::Get(packet.size));
    }
    case abi::Opcode::kMsgLong:
    case abi::Opcode::kMsgProt: {
      const auto packet = Read<abi::PacketMsgLong>();
      PostMessage(packet.addr, packet.value, abi::PacketMsgLong::OP::Get(packet.ctl));
      return Outcome::kDone;
    }
    case abi::Opcode::kMsgShort: {
      const auto packet = Read<abi::PacketMsgShort>();
      const uint64_t base = message_bases_[abi::PacketMsgShort::BASE::Get(packet.ctl)];
      PostMessage(base + abi::PacketMsgShort::MSG_ADDR_OFFSET::Get(packet.ctl), packet.value,
                  abi::PacketMsgShort::OP::Get(packet.ctl));
      return Outcome::kDone;
    }
    case abi::Opcode::kFence:
      return Fence();
    case abi::Opcode::kLinDma:
      return LinDma();
    case abi::Opcode::kCpDma:
      return CpDma();
    case abi::Opcode::kArbPoint:
      return ArbPoint();
    case abi::Opcode::kWait: {
      const auto packet = Read<abi::PacketWait>();
      const uint32_t cycles = abi::PacketWait::NUM_CYCLES_TO_WAIT::Get(packet.cfg);
      Message message;
      message.at = local_ + environment_.timing.wait_cycle.value() * cycles;
      message.address =
          qman_.config().base +
          qman_.dialect().fence_add(static_cast<int>(abi::PacketWait::ID::Get(packet.cfg)), index_);
      message.value = abi::PacketWait::INC_VAL::Get(packet.cfg);
      message.origin = origin_;
      environment_.network->Post(std::move(message));
      return Outcome::kDone;
    }
    case abi::Opcode::kLoadAndExe:
      return LoadAndExecute();
    case abi::Opcode::kRepeat:
      return Repeat();
  }
  return Outcome::kDone;
}

void CommandProcessor::PostMessage(uint64_t address, uint32_t value, uint32_t op) {
  if (op > static_cast<uint32_t>(abi::MessageOp::kTimestamp)) {
    Fail(Kind::kUndefinedOpcode, absl::StrCat("message with unknown op ", op),
         abi::qman::CpErrors::CP_MSG_WR_ERR::kMask);
    return;
  }
  Message message;
  message.at = local_ + environment_.timing.message_latency;
  message.address = address;
  message.value = value;
  message.timestamp = op == static_cast<uint32_t>(abi::MessageOp::kTimestamp);
  message.sent = local_;
  message.origin = origin_;
  message.clock = environment_.Release(agent_);
  last_message_ = message.at;
  environment_.network->Post(std::move(message));
}

CommandProcessor::Outcome CommandProcessor::WriteRegisters(uint32_t offset, const uint32_t* values,
                                                           uint32_t words) {
  const uint64_t end = uint64_t{offset} + 4 * uint64_t{words};
  const auto inside = [&](uint32_t window) {
    return offset % 4 == 0 && offset >= window && end <= window + kRegisterBlockBytes;
  };
  const Dialect& dialect = qman_.dialect();
  if (inside(dialect.engine_window)) {
    return WriteEngine(offset - dialect.engine_window, values, words);
  }
  if (inside(dialect.qman_window)) {
    // What other processors read, they must not read too early.
    if (!InStep()) return Outcome::kWait;
    const uint32_t first = offset - dialect.qman_window;
    const uint32_t* start = nullptr;
    for (uint32_t i = 0; i < words; ++i) {
      const QmanRegister& found = dialect.qman[first / 4 + i];
      if (found.kind == QmanRegister::Kind::kStart && found.cp == abi::qman::kLowerCp) {
        start = &values[i];
      }
      if (!WriteQman(first + 4 * i, values[i])) return Outcome::kWait;
    }
    // What CP_DMA does by itself.
    return start == nullptr ? Outcome::kDone : StartBody(qman_.lower_pointer(), *start);
  }
  Fail(Kind::kRazwi,
       absl::StrCat("write to register offset 0x", absl::Hex(offset),
                    ", where there is no register"),
       abi::qman::CpErrors::CP_WREG_ERR::kMask);
  return Outcome::kWait;
}

CommandProcessor::Outcome CommandProcessor::WriteEngine(uint32_t offset, const uint32_t* values,
                                                        uint32_t words) {
  Engine& engine = qman_.engine();
  if (upper()) {
    // Upper CPs of four streams share the engine's registers.
    bool changed = false;
    if (!InStep()) return Outcome::kWait;
    if (!qman_.Acquire(index_, &changed)) return Block(Blocked::kArbiter);
    Unblocked();
    if (changed) local_ += environment_.timing.arbitration;
  }
  const bool launches = engine.Launches(offset, words);
  if (launches) {
    if (!InStep()) return Outcome::kWait;
    if (!MessagesArrived()) return Outcome::kWait;
    if (!engine.accepts()) return Block(Blocked::kEngineFull);
    Unblocked();
  }
  if (launches) NoteLaunch();
  engine.WriteRegisters(offset, values, words, origin_,
                        launches ? environment_.Release(agent_) : nullptr);
  return Outcome::kDone;
}

bool CommandProcessor::WriteQman(uint32_t offset, uint32_t value) {
  using RegisterKind = QmanRegister::Kind;
  const QmanRegister& found = qman_.dialect().qman[offset / 4];
  switch (found.kind) {
    case RegisterKind::kMessageBaseLow:
    case RegisterKind::kMessageBaseHigh:
      qman_.cp(found.cp).SetMessageBase(found.which, found.kind == RegisterKind::kMessageBaseHigh,
                                        value);
      return true;
    case RegisterKind::kFenceAdd:
      PostMessage(qman_.config().base + offset, value, 0);
      return true;
    // CP_DMA goes through these, so they are open to whoever may use it (inferred).
    case RegisterKind::kPointerLow:
    case RegisterKind::kPointerHigh:
    case RegisterKind::kStart:
    case RegisterKind::kControl:
      if (found.cp != abi::qman::kLowerCp) break;
      qman_.WriteLowerQueue(offset, value);
      return true;
    default:
      break;
  }
  return Fail(Kind::kRazwi,
              absl::StrCat("write to register offset 0x", absl::Hex(offset),
                           " of the queue manager, which is the kernel driver's"),
              abi::qman::CpErrors::CP_WREG_ERR::kMask);
}

CommandProcessor::Outcome CommandProcessor::Fence() {
  const auto packet = Read<abi::PacketFence>();
  fence_ = static_cast<int>(abi::PacketFence::ID::Get(packet.cfg));
  fence_target_ = abi::PacketFence::TARGET_VAL::Get(packet.cfg);
  if (!InStep()) return Outcome::kWait;
  if (counters_[fence_] < fence_target_) {
    // Others may have the engine meanwhile. A body keeps it.
    if (upper() && blocked_ == Blocked::kNo) qman_.Release(index_, local_);
    return Block(Blocked::kFence);
  }
  Unblocked();
  environment_.Acquire(agent_, fence_clocks_[fence_]);
  const uint32_t decrement = abi::PacketFence::DEC_VAL::Get(packet.cfg);
  if (decrement > counters_[fence_]) {
    Fail(Kind::kUndefinedOpcode,
         absl::StrCat("counter of fence ", fence_, " underflows: ", counters_[fence_], " - ",
                      decrement),
         abi::qman::CpErrors::CP_FENCE0_UDF_ERR::kMask << fence_);
    return Outcome::kWait;
  }
  counters_[fence_] -= decrement;
  if (counters_[fence_] == 0) fence_clocks_[fence_] = nullptr;
  return Outcome::kDone;
}

CommandProcessor::Outcome CommandProcessor::LinDma() {
  const auto packet = Read<abi::PacketLinDma>();
  if (!qman_.config().linear_dma) {
    Fail(Kind::kUndefinedOpcode, "LIN_DMA, and the engine is no DMA");
    return Outcome::kWait;
  }
  const Dialect& dialect = qman_.dialect();
  const LinearDma dma = dialect.linear_dma(commands_.data + offset_);
  if (dma.refused != nullptr) {
    Fail(Kind::kUndefinedOpcode, dma.refused);
    return Outcome::kWait;
  }
  // In step and with a free place first, so that all registers are written at once.
  bool changed = false;
  if (!InStep()) return Outcome::kWait;
  if (upper() && !qman_.Acquire(index_, &changed)) return Block(Blocked::kArbiter);
  Unblocked();
  if (changed) {
    local_ += environment_.timing.arbitration;
    if (!InStep()) return Outcome::kWait;
  }
  if (!MessagesArrived()) return Outcome::kWait;
  Engine& engine = qman_.engine();
  if (!engine.accepts()) return Block(Blocked::kEngineFull);
  const uint32_t addresses[] = {
      static_cast<uint32_t>(packet.src_addr), static_cast<uint32_t>(packet.src_addr >> 32),
      static_cast<uint32_t>(dma.destination), static_cast<uint32_t>(dma.destination >> 32)};
  NoteLaunch();
  engine.WriteRegisters(dialect.dma_source, addresses, 4, origin_, nullptr);
  engine.WriteRegisters(dialect.dma_size, &packet.tsize, 1, origin_, nullptr);
  engine.WriteRegisters(dialect.dma_commit, &dma.commit, 1, origin_, environment_.Release(agent_));
  return Outcome::kDone;
}

// Where the kernel driver appends the completion, it has looked for transfers before.
void CommandProcessor::NoteLaunch() {
  if (qman_.dialect().completion_packets != 0) return;
  if (upper()) {
    job_.uses_engine = true;
  } else {
    qman_.cp(origin_.stream).job_.uses_engine = true;
  }
}

CommandProcessor::Outcome CommandProcessor::CpDma() {
  const auto packet = Read<abi::PacketCpDma>();
  return qman_.dialect().runs_on_upper_cp(packet.ctl) ? CallBody(packet.src_addr, packet.tsize)
                                                      : StartBody(packet.src_addr, packet.tsize);
}

CommandProcessor::Outcome CommandProcessor::CallBody(uint64_t address, uint32_t bytes) {
  if (!upper() || return_.has_value()) {
    Fail(Kind::kUndefinedOpcode,
         upper() ? "CP_DMA with UPPER_CP in a body of the upper CP" : "CP_DMA in a body");
    return Outcome::kWait;
  }
  if (!InStep()) return Outcome::kWait;
  if (!MessagesArrived()) return Outcome::kWait;
  return_ = Return{std::move(commands_), offset_ + packet_bytes_, origin_.packet + 1};
  if (!FetchFrom(DeviceAddress(address), bytes, local_)) return Outcome::kWait;
  offset_ = 0;
  origin_.packet = 0;
  return Outcome::kJumped;
}

bool CommandProcessor::HasMore() {
  if (commands_.lost != 0) return FetchAgain();
  if (!return_.has_value()) return false;
  commands_ = std::move(return_->commands);
  offset_ = return_->offset;
  origin_.packet = return_->packet;
  return_.reset();
  if (environment_.timing.timed)
    fetcher_.Start(commands_.base + offset_, local_, commands_.latency);
  return offset_ < commands_.bytes || (commands_.lost != 0 && FetchAgain());
}

CommandProcessor::Outcome CommandProcessor::StartBody(uint64_t address, uint32_t bytes) {
  if (!upper()) {
    Fail(Kind::kUndefinedOpcode, "CP_DMA in a body");
    return Outcome::kWait;
  }
  if (body_done_) {
    body_done_ = false;
    Unblocked();
    return Outcome::kDone;
  }
  if (blocked_ == Blocked::kBody) return Outcome::kWait;
  if (!InStep()) return Outcome::kWait;
  if (!MessagesArrived()) return Outcome::kWait;
  bool changed = false;
  if (!qman_.Acquire(index_, &changed)) return Block(Blocked::kArbiter);
  Unblocked();
  if (changed) local_ += environment_.timing.arbitration;
  Job body;
  body.submission = job_.submission;
  body.arrival = local_;
  body.address = DeviceAddress(address);
  body.bytes = bytes;
  body.ctl = qman_.lower_ctl();
  body.clock = environment_.Release(agent_);
  qman_.cp(abi::qman::kLowerCp).RunBody(index_, std::move(body));
  return Block(Blocked::kBody);
}

// A stretch runs once more than the count says: the kernel driver writes 0. Where a count counts is
// the entry's own business (RepeatValid); that SORE 0 starts, that the end jumps behind the start
// of the same O, and that both levels take the one count, is inferred.
CommandProcessor::Outcome CommandProcessor::Repeat() {
  constexpr uint64_t kMostRepeated = uint64_t{1} << 28;
  const auto packet = Read<abi::PacketRepeat>();
  const uint32_t count = qman_.dialect().repeats(job_.ctl);
  if (count == 0) return Outcome::kDone;
  if (abi::PacketRepeat::JMP_PTR::Get(packet.cfg) != 0) {
    Fail(Kind::kUndefinedOpcode, "REPEAT with a JMP_PTR is not modelled");
    return Outcome::kWait;
  }
  Stretch& stretch = stretches_[abi::PacketRepeat::O::Get(packet.cfg)];
  if (abi::PacketRepeat::SORE::Get(packet.cfg) == 0) {
    stretch = {true, offset_ + packet_bytes_, origin_.packet + 1, count};
    return Outcome::kDone;
  }
  if (!stretch.open) {
    Fail(Kind::kUndefinedOpcode, "REPEAT ends a stretch that was not started");
    return Outcome::kWait;
  }
  if (stretch.left == 0) {
    stretch.open = false;
    return Outcome::kDone;
  }
  --stretch.left;
  repeated_ += origin_.packet - stretch.packet + 1;
  if (repeated_ > kMostRepeated) {
    Fail(Kind::kHang, absl::StrCat("REPEAT runs more than ", kMostRepeated, " packets again"), 0);
    return Outcome::kWait;
  }
  offset_ = stretch.offset;
  origin_.packet = stretch.packet;
  if (commands_.unmapped && !FetchAgain()) return Outcome::kWait;
  // What was fetched ahead is for the way on.
  if (environment_.timing.timed)
    fetcher_.Start(commands_.base + offset_, local_, commands_.latency);
  return Outcome::kJumped;
}

CommandProcessor::Outcome CommandProcessor::ArbPoint() {
  const auto packet = Read<abi::PacketArbPoint>();
  if (upper() && !InStep()) return Outcome::kWait;
  qman_.ArbPoint(origin_.stream, packet.cfg & qman_.dialect().priority_mask,
                 abi::PacketArbPoint::RLS::Get(packet.cfg) != 0, upper(), local_);
  local_ += environment_.timing.arbitration;
  return Outcome::kDone;
}

// That DST 1 is the scalars, four registers, and that predicates are loaded by it, too, is in the
// reference. Recollected of programs: scalars hold a packet of 16 bytes, or one of 8 bytes in
// either half, which EXE executes (ETYPE 1: the upper half); DST 0 is the predicates, each the
// lowest bit of a word, or with Gaudi2's PMAP all in one word. So a load of scalars which executes
// none of them is taken for one of predicates, too.
CommandProcessor::Outcome CommandProcessor::LoadAndExecute() {
  using Packet = abi::PacketLoadAndExe;
  const auto packet = Read<Packet>();
  if (Packet::LOAD::Get(packet.cfg) != 0) {
    if (!InStep() || !MessagesArrived()) return Outcome::kWait;
    const bool scalars = Packet::DST::Get(packet.cfg) != 0;
    if (!(scalars ? LoadScalars(packet) : LoadPredicates(packet))) return Outcome::kWait;
    const Region region = *environment_.memory->RegionOf(DeviceAddress(packet.src_addr));
    local_ += region == Region::kDram   ? environment_.timing.dram_latency
              : region == Region::kSram ? environment_.timing.sram_latency
                                        : environment_.timing.host_latency;
  }
  if (Packet::EXE::Get(packet.cfg) == 0) return Outcome::kDone;
  return ExecuteScalars(Packet::ETYPE::Get(packet.cfg) != 0);
}

bool CommandProcessor::Load(uint64_t address, void* to, size_t bytes) {
  const absl::StatusOr<std::byte*> host =
      ResolveForUser(environment_, DeviceAddress(address), bytes);
  if (!host.ok()) {
    return Fail(Kind::kPageFault, std::string(host.status().message()),
                abi::qman::CpErrors::CP_RD_ERR::kMask, address);
  }
  std::memcpy(to, *host, bytes);
  return true;
}

bool CommandProcessor::LoadPredicates(const abi::PacketLoadAndExe& packet) {
  uint32_t predicates = 0;
  if ((packet.cfg & qman_.dialect().packed_predicates) != 0) {
    if (!Load(packet.src_addr, &predicates, sizeof predicates)) return false;
  } else {
    std::array<uint32_t, 32> words;
    if (!Load(packet.src_addr, words.data(), sizeof words)) return false;
    for (size_t i = 0; i < words.size(); ++i) predicates |= (words[i] & 1) << i;
  }
  predicates_ = predicates | 1;
  return true;
}

bool CommandProcessor::LoadScalars(const abi::PacketLoadAndExe& packet) {
  const bool executes = abi::PacketLoadAndExe::EXE::Get(packet.cfg) != 0;
  // A word of predicates may lie at the end of what is mapped.
  const bool whole =
      executes ||
      ResolveForUser(environment_, DeviceAddress(packet.src_addr), scalars_.size()).ok();
  if (!Load(packet.src_addr, scalars_.data(), whole ? scalars_.size() : sizeof predicates_)) {
    return false;
  }
  if (executes) return true;
  std::memcpy(&predicates_, scalars_.data(), sizeof predicates_);
  predicates_ |= 1;
  return true;
}

CommandProcessor::Outcome CommandProcessor::ExecuteScalars(bool upper_half) {
  const size_t offset = upper_half ? scalars_.size() / 2 : 0;
  in_scalars_ = scalars_.data() + offset;
  uint32_t first;
  std::memcpy(&first, in_scalars_, sizeof first);
  std::memcpy(&ctl_, in_scalars_ + sizeof first, sizeof ctl_);
  opcode_ = abi::OpcodeOf(ctl_);
  const uint32_t bytes = qman_.dialect().packet_bytes(static_cast<uint32_t>(opcode_));
  const char* why = nullptr;
  if (bytes == 0) {
    why = "which is unknown";
  } else if (bytes > scalars_.size() - offset) {
    why = "which passes the end of the scalars";
  } else if (const char* const refused = qman_.dialect().refuses(first, ctl_); refused != nullptr) {
    why = refused;
  } else if (!StandsAlone(opcode_)) {
    why = "which is not modelled";
  }
  if (why != nullptr) {
    Fail(Kind::kUndefinedOpcode,
         absl::StrCat("LOAD_AND_EXE executes opcode 0x", absl::Hex(static_cast<uint32_t>(opcode_)),
                      " of the scalars: ", why));
    return Outcome::kWait;
  }
  local_ += environment_.timing.packet;
  ++packets_;
  passed_barrier_ = false;
  return ExecutePacket();
}

}  // namespace openhpu::simulator
