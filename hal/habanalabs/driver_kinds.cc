// Submissions that the kernel has and the seam does not: with options, in parts, and signals.
#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "hal/habanalabs/driver.h"
#include "hal/habanalabs/errors.h"

namespace openhpu::hal::habanalabs {

absl::StatusOr<Sequence> Driver::SubmitWith(absl::Span<const Chunk> chunks,
                                            const SubmitOptions& options) {
  uint32_t flags = 0;
  if (options.wants_time) flags |= HL_CS_FLAGS_TIMESTAMP;
  if (options.survives_timeout) flags |= HL_CS_FLAGS_SKIP_RESET_ON_TIMEOUT;
  return SubmitChunks(chunks, flags,
                      options.timeout_seconds != 0 ? options.timeout_seconds : timeout_seconds_, 0);
}

absl::Status Driver::PrepareToSubmit() {
  Sequence asked_for(0);
  while (!failed_.load(std::memory_order_relaxed)) {
    if (!has_survivors_.load(std::memory_order_relaxed)) return absl::OkStatus();
    std::optional<Submissions::Survivor> survivor;
    {
      MutexLock lock(&mutex_);
      survivor = submissions_.SurvivorToAskFor();
      has_survivors_.store(submissions_.has_survivors(), std::memory_order_relaxed);
    }
    // The same again: the kernel would not say.
    if (!survivor.has_value() || survivor->sequence == asked_for) return absl::OkStatus();
    asked_for = survivor->sequence;
    absl::Status status;
    do {
      status = WaitInKernel(asked_for, survivor->kernel, absl::ZeroDuration());
    } while (absl::IsUnavailable(status));
    if (!absl::IsDeadlineExceeded(status)) continue;
    if (!survivor->is_last_chance) return absl::OkStatus();
    // As the kernel would, if it did not end this very moment.
    return absl::ResourceExhaustedError(absl::StrCat(
        "submission ", asked_for.value(), " is in flight, and as many as may be have followed it"));
  }
  return NeedsReset();
}

absl::StatusOr<uint64_t> Driver::NumberOf(Sequence sequence) {
  MutexLock lock(&mutex_);
  if (!submissions_.known(sequence)) {
    return absl::InvalidArgumentError(absl::StrCat("no submission has number ", sequence.value()));
  }
  if (const auto result = submissions_.result(sequence); result.has_value()) {
    RETURN_IF_ERROR(*result);
  }
  const uint64_t number = submissions_.number(sequence);
  if (number == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("submission ", sequence.value(),
                     " is of too long ago: too many, or a reset, have followed it"));
  }
  return number;
}

absl::StatusOr<Sequence> Driver::SubmitFirst(absl::Span<const Chunk> chunks) {
  return SubmitChunks(chunks, HL_CS_FLAGS_STAGED_SUBMISSION | HL_CS_FLAGS_STAGED_SUBMISSION_FIRST,
                      timeout_seconds_, 0);
}

absl::StatusOr<Sequence> Driver::SubmitNext(Sequence first, absl::Span<const Chunk> chunks,
                                            bool is_last) {
  ASSIGN_OR_RETURN(const uint64_t number, NumberOf(first));
  uint32_t flags = HL_CS_FLAGS_STAGED_SUBMISSION;
  if (is_last) flags |= HL_CS_FLAGS_STAGED_SUBMISSION_LAST;
  return SubmitChunks(chunks, flags, timeout_seconds_, number);
}

absl::StatusOr<Sequence> Driver::SubmitKind(uint32_t kind, const hl_cs_chunk& chunk,
                                            hl_cs_out* answer) {
  const Gate::Pass pass(gate_);
  if (!pass) return absl::FailedPreconditionError("the device is being reset");
  RETURN_IF_ERROR(PrepareToSubmit());
  hl_cs_args args = {};
  args.in.chunks_execute = reinterpret_cast<uintptr_t>(&chunk);
  args.in.num_chunks_execute = 1;
  args.in.cs_flags = kind;
  if (timeout_seconds_ != 0) {
    args.in.cs_flags |= HL_CS_FLAGS_CUSTOM_TIMEOUT;
    args.in.timeout = timeout_seconds_;
  }
  if (const int result = connection_.Submit(&args); result < 0) {
    RETURN_IF_ERROR(Refused(-result));
    return ErrorStatus(-result, absl::StrCat(kind == HL_CS_FLAGS_SIGNAL ? "a signal" : "a wait",
                                             " of queue ", chunk.queue_index));
  }
  *answer = args.out;
  MutexLock lock(&mutex_);
  return submissions_.Add(args.out.seq);
}

absl::StatusOr<Signal> Driver::SubmitSignal(QueueId queue) {
  RETURN_IF_ERROR(generation_.check_queue(queue.value(), info_.chip));
  hl_cs_chunk chunk = {};
  chunk.queue_index = static_cast<uint32_t>(queue.value());
  hl_cs_out answer;
  Signal signal;
  ASSIGN_OR_RETURN(signal.submission, SubmitKind(HL_CS_FLAGS_SIGNAL, chunk, &answer));
  signal.sob_offset = answer.sob_base_addr_offset;
  signal.value_before = answer.sob_count_before_submission;
  return signal;
}

absl::StatusOr<Sequence> Driver::SubmitWait(QueueId queue, Sequence signal) {
  RETURN_IF_ERROR(generation_.check_queue(queue.value(), info_.chip));
  ASSIGN_OR_RETURN(const uint64_t number, NumberOf(signal));
  hl_cs_chunk chunk = {};
  chunk.queue_index = static_cast<uint32_t>(queue.value());
  chunk.signal_seq_arr = reinterpret_cast<uintptr_t>(&number);
  chunk.num_signal_seq_arr = 1;
  hl_cs_out answer;
  return SubmitKind(HL_CS_FLAGS_WAIT, chunk, &answer);
}

absl::StatusOr<int64_t> Driver::CompletionTime(Sequence sequence) {
  MutexLock lock(&mutex_);
  const int64_t time = submissions_.time(sequence);
  if (time != 0) return time;
  return absl::NotFoundError(absl::StrCat("no time of submission ", sequence.value(),
                                          " is known: it was not asked for, the submission was "
                                          "not waited for, or too many have followed"));
}

}  // namespace openhpu::hal::habanalabs
