// Submissions that signal and wait: the kernel makes their commands, with sync objects and monitors
// of its own (chip_kernel.h).
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/submission.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "simulator/device_node/node_impl.h"
#include "simulator/device_node/user_memory.h"

namespace openhpu::simulator {
namespace {

// Packets, and the words that sync objects and monitors take, lie alike for both chips; only bits
// that one of them has stand in the plan.
namespace abi = hal::abi::gaudi;
namespace sm = hal::abi::gaudi::sync_manager;

constexpr int kSobsPerQueue = 2;

abi::PacketMsgShort Message(const SyncStreamPlan& plan, uint32_t base, uint32_t offset,
                            uint32_t value) {
  abi::PacketMsgShort packet;
  packet.value = value;
  packet.ctl = abi::Header(abi::PacketMsgShort::kOpcode, false) | plan.header_bits;
  packet.ctl = abi::PacketMsgShort::BASE::Set(packet.ctl, base);
  packet.ctl = abi::PacketMsgShort::MSG_ADDR_OFFSET::Set(packet.ctl, offset);
  return packet;
}

// To the register of a monitor that lies `offset` behind ADDRL.
abi::PacketMsgShort MonitorMessage(const SyncStreamPlan& plan, int monitor, uint32_t offset,
                                   uint32_t value) {
  return Message(plan, plan.monitor_base, offset + 4 * static_cast<uint32_t>(monitor), value);
}

// At the end of what the engine does.
abi::PacketMsgShort SobMessage(const SyncStreamPlan& plan, int sob, uint32_t value) {
  abi::PacketMsgShort packet = Message(plan, plan.sob_base, 4 * static_cast<uint32_t>(sob), value);
  packet.ctl = abi::Ctl::ENG_BARRIER::Set(packet.ctl, 1);
  return packet;
}

}  // namespace

int Node::SubmitOwn(Context& context, uint32_t queue, absl::Span<const std::byte> commands,
                    const hl_cs_in& in, CommandSubmission cs, hl_cs_out& out) {
  if (const int error = TakeSlot(context); error != 0) return error;
  const absl::StatusOr<Sequence> submitted = card_->SubmitOwn(QueueId(queue), commands);
  if (submitted.ok()) {
    cs.card = *submitted;
  } else if (!absl::IsFailedPrecondition(submitted.status())) {
    return RefuseSubmission(context, submitted.status());
  }
  out.seq = Taken(context, std::move(cs), in);
  return 0;
}

int Node::SubmitSignal(Context& context, uint32_t queue, const hl_cs_in& in, hl_cs_out& out) {
  const SyncStreamPlan& plan = kernel_.sync_streams;
  const int index = plan.index(queue);
  SyncStream& stream = context.sync_streams[static_cast<size_t>(index)];
  struct {
    abi::PacketMsgShort set, add;
  } packets;
  SyncStream next = stream;
  const bool turns = next.value == sm::kMaxSobValue;
  if (turns) {
    next.which = 1 - next.which;
    next.value = 0;
  }
  const int sob = plan.first_sob + kSobsPerQueue * index + next.which;
  packets.set = SobMessage(plan, sob, sm::SobSet(0));
  packets.add = SobMessage(plan, sob, sm::SobAdd(1));
  auto commands = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&packets), sizeof packets);
  if (!turns) commands.remove_prefix(sizeof packets.set);
  CommandSubmission cs;
  cs.signal_sob = sob;
  cs.signal_value = next.value + 1;
  if (const int error = SubmitOwn(context, queue, commands, in, cs, out); error != 0) {
    return error;
  }
  out.sob_base_addr_offset = static_cast<uint32_t>(plan.objects + 4 * static_cast<uint64_t>(sob) -
                                                   chip().address_map().cfg_base().value());
  out.sob_count_before_submission = static_cast<uint16_t>(next.value);
  ++next.value;
  stream = next;
  return 0;
}

int Node::SubmitWait(Context& context, const hl_cs_chunk& chunk, const hl_cs_in& in,
                     hl_cs_out& out) {
  const auto invalid = [&](const std::string& why) {
    return RefuseSubmission(context, absl::InvalidArgumentError(why));
  };
  if (chunk.num_signal_seq_arr != 1) return invalid("a submission waits for one signal");
  uint64_t signal = 0;
  if (CopyFromUser(&signal, chunk.signal_seq_arr, sizeof signal) != 0) return -EFAULT;
  if (signal >= context.submissions.next()) {
    return invalid(absl::StrCat("no submission has number ", signal));
  }
  const CommandSubmission* const signals = context.submissions.Find(signal);
  if (signals != nullptr && signals->signal_sob < 0) {
    return invalid(absl::StrCat("submission ", signal, " is no signal"));
  }
  Picoseconds ready;
  const uint32_t queue = chunk.queue_index;
  if (ResultOf(context, signal, &ready) != CommandSubmission::kPending) {
    const abi::PacketNop nop;
    return SubmitOwn(context, queue,
                     absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&nop), sizeof nop), in,
                     CommandSubmission(), out);
  }
  const SyncStreamPlan& plan = kernel_.sync_streams;
  const uint64_t fence = plan.fence(queue);
  const int monitor = plan.first_monitor + plan.index(queue);
  struct {
    abi::PacketMsgShort low, high, data, arm;
    abi::PacketFence fence;
  } packets;
  packets.low = MonitorMessage(plan, monitor, 0, static_cast<uint32_t>(fence));
  packets.high = MonitorMessage(plan, monitor, plan.high, static_cast<uint32_t>(fence >> 32));
  packets.data = MonitorMessage(plan, monitor, plan.data, 1);
  packets.arm = MonitorMessage(
      plan, monitor, plan.arm,
      sm::ArmAtLeast(static_cast<uint32_t>(signals->signal_sob), signals->signal_value));
  packets.arm.ctl = abi::Ctl::MSG_BARRIER::Set(packets.arm.ctl, 1);
  packets.fence.ctl = abi::Header(abi::PacketFence::kOpcode, false) | plan.header_bits;
  packets.fence.cfg = abi::PacketFence::ID::Set(packets.fence.cfg, abi::kKernelFence);
  packets.fence.cfg = abi::PacketFence::TARGET_VAL::Set(packets.fence.cfg, 1);
  packets.fence.cfg = abi::PacketFence::DEC_VAL::Set(packets.fence.cfg, 1);
  return SubmitOwn(
      context, queue,
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&packets), sizeof packets), in,
      CommandSubmission(), out);
}

int Node::SyncStreamIoctl(Context& context, const hl_cs_in& in, hl_cs_out& out) {
  const auto invalid = [&](const std::string& why) {
    return RefuseSubmission(context, absl::InvalidArgumentError(why));
  };
  // Collective waits need NICs; signals that are reserved, and cores with programs, are other
  // chips'.
  if ((in.cs_flags & (HL_CS_FLAGS_SIGNAL | HL_CS_FLAGS_WAIT)) == 0 ||
      (in.cs_flags & HL_CS_FLAGS_ENCAP_SIGNALS) != 0) {
    return -EOPNOTSUPP;
  }
  if (in.num_chunks_execute != 1)
    return invalid("a submission that signals or waits has one chunk");
  hl_cs_chunk chunk;
  if (CopyFromUser(&chunk, in.chunks_execute, sizeof chunk) != 0) return -EFAULT;
  if (kernel_.sync_streams.index(chunk.queue_index) < 0) {
    return invalid(absl::StrCat("queue ", chunk.queue_index, " neither signals nor waits"));
  }
  return (in.cs_flags & HL_CS_FLAGS_SIGNAL) != 0 ? SubmitSignal(context, chunk.queue_index, in, out)
                                                 : SubmitWait(context, chunk, in, out);
}

}  // namespace openhpu::simulator
