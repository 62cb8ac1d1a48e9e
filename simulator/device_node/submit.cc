// Command submissions.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/queue_ids.h"
#include "simulator/device_node/node_impl.h"
#include "simulator/device_node/user_memory.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi;

constexpr Picoseconds kSecond{1000000000000};
constexpr uint64_t kLongSeconds = uint64_t{1} << 22;  // 48 days: longer is without end

constexpr uint32_t kKinds = HL_CS_FLAGS_SIGNAL | HL_CS_FLAGS_WAIT | HL_CS_FLAGS_COLLECTIVE_WAIT |
                            HL_CS_FLAGS_RESERVE_SIGNALS_ONLY | HL_CS_FLAGS_UNRESERVE_SIGNALS_ONLY |
                            HL_CS_FLAGS_ENGINE_CORE_COMMAND;

// Submissions on the same thread reuse their lists.
struct Lists {
  std::vector<hl_cs_chunk> chunks;
  std::vector<hal::Chunk> jobs;
  std::vector<Card::ReportingJob> reporting;
};
Lists& ListsOfThread() {
  static thread_local Lists lists;
  return lists;
}

}  // namespace

int Node::RefuseSubmission(Context& context, const absl::Status& why) {
  const std::string text(why.message());
  switch (why.code()) {
    case absl::StatusCode::kResourceExhausted: {
      const bool queue = text.find("is full") != std::string::npos;
      ++(queue ? total_.queue_full : total_.in_flight);
      ++(queue ? context.counters.queue_full : context.counters.in_flight);
      LookInVain(context);
      Note(context);
      return context.dead ? -ENODEV : -EAGAIN;
    }
    case absl::StatusCode::kPermissionDenied:
      ++total_.parsing;
      ++context.counters.parsing;
      Log(absl::StrCat("submission refused (EPERM): ", text));
      return -EPERM;
    case absl::StatusCode::kOutOfRange:
      ++total_.validation;
      ++context.counters.validation;
      Log(absl::StrCat("submission refused (EFAULT): ", text));
      return -EFAULT;
    default:
      ++total_.validation;
      ++context.counters.validation;
      Log(absl::StrCat("submission refused (EINVAL): ", text));
      return -EINVAL;
  }
}

bool Node::SlotIsFree(Context& context) {
  const uint64_t next = context.submissions.next();
  const uint64_t slots = chip().qman().max_pending_cs().value();
  Picoseconds ready;
  return next <= slots || ResultOf(context, next - slots, &ready) != CommandSubmission::kPending;
}

int Node::TakeSlot(Context& context) {
  if (SlotIsFree(context)) return 0;
  // Who tries again and again sees time pass.
  card_->Look({}, hal::WaitFor::kAll);
  Note(context);
  if (context.dead) return -ENODEV;
  if (SlotIsFree(context)) return 0;
  return RefuseSubmission(
      context, absl::ResourceExhaustedError("the submission whose slot it would take goes on"));
}

bool Node::IsCommandAddress(uint64_t address, uint64_t bytes) const {
  const hal::AddressMap& map = chip().address_map();
  const auto within = [&](uint64_t begin, uint64_t end) {
    return address >= begin && address < end && bytes <= end - address;
  };
  const uint64_t sram = map.sram_base().value();
  return within(sram + map.sram_reserved_bytes().value(), sram + map.sram_bytes().value()) ||
         within(map.dram_va_start().value(), map.dram_va_end().value()) ||
         within(map.host_va_start().value(), map.host_va_end().value()) ||
         within(map.host_huge_va_start().value(), map.host_huge_va_end().value());
}

absl::StatusOr<Sequence> Node::SubmitReporting(Context& context,
                                               absl::Span<const hl_cs_chunk> chunks) {
  std::vector<Card::ReportingJob>& jobs = ListsOfThread().reporting;
  jobs.clear();
  for (const hl_cs_chunk& chunk : chunks) {
    Card::ReportingJob job;
    job.chunk.queue = QueueId(chunk.queue_index);
    job.chunk.bytes = chunk.cb_size;
    job.chunk.commands = chunk.cb_handle;
    job.has_handle = (chunk.cs_chunk_flags & HL_CS_CHUNK_FLAGS_USER_ALLOC_CB) == 0;
    if (job.has_handle) {
      const CommandBuffer* const buffer = context.buffers.Find(chunk.cb_handle);
      // The card knows no handle 0.
      job.chunk.commands = buffer == nullptr ? 0 : buffer->card_handle;
    } else if (!IsCommandAddress(chunk.cb_handle, chunk.cb_size)) {
      return absl::OutOfRangeError(absl::StrCat(chunk.cb_size, " bytes of commands at 0x",
                                                absl::Hex(chunk.cb_handle),
                                                ": the device fetches none there"));
    }
    jobs.push_back(job);
  }
  return card_->SubmitReporting(jobs);
}

absl::StatusOr<Sequence> Node::SubmitJobs(Context& context, absl::Span<const hl_cs_chunk> chunks) {
  std::vector<hal::Chunk>& jobs = ListsOfThread().jobs;
  jobs.clear();
  for (const hl_cs_chunk& chunk : chunks) {
    hal::Chunk job;
    job.queue = QueueId(chunk.queue_index);
    job.bytes = chunk.cb_size;
    job.commands = chunk.cb_handle;
    if (abi::IsExternalQueue(chunk.queue_index)) {
      const CommandBuffer* const buffer = context.buffers.Find(chunk.cb_handle);
      // The card knows no handle 0.
      job.commands = buffer == nullptr ? 0 : buffer->card_handle;
    }
    jobs.push_back(job);
  }
  return card_->Submit(jobs);
}

int Node::Enqueue(Context& context, absl::Span<const hl_cs_chunk> chunks, const hl_cs_in& in,
                  uint64_t* sequence) {
  if (const int error = TakeSlot(context); error != 0) return error;
  // Where internal queues do not report, nothing would tell of their jobs' end. Parts of a staged
  // submission are of any kind.
  const bool staged = (in.cs_flags & HL_CS_FLAGS_STAGED_SUBMISSION) != 0;
  const bool ends = kernel_.queues_report ||
                    std::any_of(chunks.begin(), chunks.end(), [](const hl_cs_chunk& chunk) {
                      return abi::IsExternalQueue(chunk.queue_index);
                    });
  if (!ends && !staged) {
    return RefuseSubmission(context, absl::InvalidArgumentError("only jobs of internal queues"));
  }
  const bool first = (in.cs_flags & HL_CS_FLAGS_STAGED_SUBMISSION_FIRST) != 0;
  std::shared_ptr<Staged> group;
  if (staged && first) {
    group = std::make_shared<Staged>();
  } else if (staged) {
    const CommandSubmission* const head = in.seq == 0 || in.seq >= context.submissions.next()
                                              ? nullptr
                                              : context.submissions.Find(in.seq);
    if (head == nullptr || head->staged == nullptr || head->staged->has_last) {
      return RefuseSubmission(
          context, absl::InvalidArgumentError(absl::StrCat(
                       "submission ", in.seq, " is not the first of a staged one that goes on")));
    }
    group = head->staged;
  }
  CommandSubmission cs;
  const absl::StatusOr<Sequence> submitted =
      kernel_.queues_report ? SubmitReporting(context, chunks) : SubmitJobs(context, chunks);
  if (submitted.ok()) {
    cs.card = *submitted;
  } else if (!absl::IsFailedPrecondition(submitted.status())) {
    return RefuseSubmission(context, submitted.status());
  }
  // On a card that an error has stopped, a submission is taken and never ends.
  if (group != nullptr) {
    group->cards.push_back(cs.card);
    group->lost |= cs.card.value() == 0;
    group->has_last = (in.cs_flags & HL_CS_FLAGS_STAGED_SUBMISSION_LAST) != 0;
    if (first) cs.staged = std::move(group);
  }
  *sequence = Taken(context, std::move(cs), in);
  return 0;
}

uint64_t Node::Taken(Context& context, CommandSubmission cs, const hl_cs_in& in) {
  const uint64_t seconds =
      (in.cs_flags & HL_CS_FLAGS_CUSTOM_TIMEOUT) != 0 ? in.timeout : kernel_.timeout_seconds;
  cs.timeout = Picoseconds(kSecond.value() * std::min(seconds, kLongSeconds));
  cs.timestamp = (in.cs_flags & HL_CS_FLAGS_TIMESTAMP) != 0;
  cs.skip_reset = (in.cs_flags & HL_CS_FLAGS_SKIP_RESET_ON_TIMEOUT) != 0;
  cs.submitted = card_->host_time();
  vain_looks_ = 0;
  ++words().submissions;
  const uint64_t sequence = context.submissions.Add(cs);
  if (const Sequence oldest = context.submissions.first_of_card(); oldest.value() != 0) {
    card_->Forget(oldest);
  }
  StartPassingTime();
  return sequence;
}

int Node::SubmitChunks(Context& context, uint64_t chunks, uint32_t count, const hl_cs_in& in,
                       uint64_t* sequence) {
  if (count > HL_MAX_JOBS_PER_CS) {
    return RefuseSubmission(context,
                            absl::InvalidArgumentError(absl::StrCat(
                                count, " chunks: a submission has at most ", HL_MAX_JOBS_PER_CS)));
  }
  std::vector<hl_cs_chunk>& list = ListsOfThread().chunks;
  list.resize(count);
  if (CopyFromUser(list.data(), chunks, count * sizeof(hl_cs_chunk)) != 0) {
    ++total_.validation;
    ++context.counters.validation;
    return -EFAULT;
  }
  return Enqueue(context, list, in, sequence);
}

int Node::RestorePhase(const File& file, const hl_cs_in& in, Lock& lock) {
  Context& context = *file.context;
  const bool forced = (in.cs_flags & HL_CS_FLAGS_FORCE_RESTORE) != 0;
  if (!forced) {
    changed_.wait(lock, [&] { return !context.restores; });
    if (const int error = Usable(file); error != 0) return error;
  }
  const bool first = !context.switched && !context.restores;
  if (!first && !forced) return 0;
  if (in.num_chunks_restore == 0) {
    context.switched |= first;
    return 0;
  }
  context.restores |= first;
  const int error = RunRestoreChunks(file, in, lock);
  if (first) {
    // One that failed is the next submission's to try again.
    context.restores = false;
    context.switched = error == 0;
    changed_.notify_all();
  }
  return error;
}

int Node::RunRestoreChunks(const File& file, const hl_cs_in& in, Lock& lock) {
  Context& context = *file.context;
  uint64_t sequence = 0;
  hl_cs_in restore = in;
  restore.cs_flags &= HL_CS_FLAGS_CUSTOM_TIMEOUT;
  if (const int error =
          SubmitChunks(context, in.chunks_restore, in.num_chunks_restore, restore, &sequence);
      error != 0) {
    return error;
  }
  WaitForAny(context, {&sequence, 1}, ~uint64_t{0}, lock);
  Picoseconds ready;
  if (const int error = ResultOf(context, sequence, &ready); error != 0) {
    Log(absl::StrCat("restore chunks, submission ", sequence, ", have failed: ", error));
    return -ENOEXEC;
  }
  // The lock was given up meanwhile.
  return Usable(file);
}

int Node::CsIoctl(File& file, hl_cs_args& args) {
  Lock lock(mutex_);
  Called();
  Context& context = *file.context;
  const hl_cs_in in = args.in;
  std::memset(&args, 0, sizeof args);
  args.out.seq = ~uint64_t{0};
  if (const int error = Usable(file); error != 0) {
    ++total_.in_reset;
    ++context.counters.in_reset;
    return error;
  }
  Note(context);
  if (const int error = Usable(file); error != 0) return error;
  const auto invalid = [&](const std::string& why) {
    return RefuseSubmission(context, absl::InvalidArgumentError(why));
  };
  const uint32_t kind =
      in.cs_flags & (kKinds | (file.api == NodeApi::kAccel ? uapi::kEnginesCommand : 0));
  if ((kind & (kind - 1)) != 0) return invalid("flags for more than one kind of submission");
  if ((in.cs_flags & HL_CS_FLAGS_STAGED_SUBMISSION) == 0 &&
      (in.cs_flags & (HL_CS_FLAGS_STAGED_SUBMISSION_FIRST | HL_CS_FLAGS_STAGED_SUBMISSION_LAST)) !=
          0) {
    return invalid("first or last of a staged submission that is not staged");
  }
  if (kind == 0 && in.num_chunks_execute == 0) return invalid("no chunks");
  if (const int error = RestorePhase(file, in, lock); error != 0) return error;
  if (kind != 0) return SyncStreamIoctl(context, in, args.out);
  uint64_t sequence = 0;
  if (const int error =
          SubmitChunks(context, in.chunks_execute, in.num_chunks_execute, in, &sequence);
      error != 0) {
    return error;
  }
  args.out.seq = sequence;
  args.out.status = HL_CS_STATUS_SUCCESS;
  return 0;
}

}  // namespace openhpu::simulator
