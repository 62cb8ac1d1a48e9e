// Waiting, and what becomes of work that does not end.
#include <dirent.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "simulator/device_node/node_impl.h"
#include "simulator/device_node/user_memory.h"

namespace openhpu::simulator {
namespace {

constexpr uint64_t kPicosecondsPerMicrosecond = 1000000;
constexpr uint64_t kPicosecondsPerNanosecond = 1000;
// 53 days: a wait longer than that is one without end.
constexpr uint64_t kLongMicroseconds = uint64_t{1} << 42;
// Where nothing passes the time but calls, a program that only looks must end too: this many looks
// in a row at a card on which nothing will happen, and the oldest submission has had its time.
constexpr uint64_t kVainLooks = 10000;
// Without a call for so long, host time goes on by itself.
constexpr std::chrono::milliseconds kQuiet(1000);

// Threads of this process, or 2 when that cannot be known.
int CountThreads() {
  DIR* const tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return 2;
  int count = 0;
  while (const dirent* const entry = readdir(tasks)) count += entry->d_name[0] != '.' ? 1 : 0;
  closedir(tasks);
  return count;
}

constexpr uint16_t kNoSecondEngine = 0xFFFF;

Picoseconds Later(Picoseconds begin, uint64_t microseconds) {
  return begin + std::min(microseconds, kLongMicroseconds) * kPicosecondsPerMicrosecond;
}

}  // namespace

void Node::Called() {
  ++calls_;
  if (waiting_for_others_ > 0) changed_.notify_all();
}

void Node::Notify(Context& context, uint64_t events) {
  context.events |= events;
  if (context.event_fd >= 0) eventfd_write(context.event_fd, 1);
}

void Node::HardReset(Context& context) {
  Log("hard reset: close the device and open it again");
  ++words().hard_resets;
  in_reset_ = true;
  words().status = HL_DEVICE_STATUS_IN_RESET;
  // What is behind the one that had its time may long be over.
  context.submissions.EndAll(-EIO, card_->host_time(),
                             [&](const CommandSubmission& cs) { return Completion(cs); });
  (void)card_->Reset();
  (void)card_->TakeEvents();
  context.dead = true;
  for (auto& word : words().busy_engines) word = 0;
  Notify(context, HL_NOTIFIER_EVENT_DEVICE_RESET);
}

void Node::TimeOut(Context& context) {
  CommandSubmission& cs = *context.submissions.oldest();
  const uint64_t number = context.submissions.oldest_number();
  Log(absl::StrCat("submission ", number, " has timed out\n", card_->Describe()));
  cs.result = -ETIMEDOUT;
  if (!errors_.timed_out) {
    errors_.timed_out = true;
    errors_.timeout.timestamp = static_cast<int64_t>(host_nanoseconds());
    errors_.timeout.seq = number;
  }
  Notify(context, HL_NOTIFIER_EVENT_CS_TIMEOUT);
  if (!cs.skip_reset) HardReset(context);
}

void Node::Note(Context& context) {
  if (context.dead) return;
  for (const hal::HealthEvent& event : card_->TakeEvents()) {
    Log(event.message);
    NoteEvent(context, event);
    if (context.dead) return;
  }
  const Picoseconds now = card_->host_time();
  words().host_nanoseconds = now.value() / kPicosecondsPerNanosecond;
  const auto completion = [&](const CommandSubmission& cs) { return Completion(cs); };
  context.submissions.SettleOldest(now, completion);
  while (!context.dead && context.submissions.oldest() != nullptr &&
         context.submissions.Deadline() <= now) {
    TimeOut(context);
    context.submissions.SettleOldest(now, completion);
  }
}

Picoseconds Node::Completion(const CommandSubmission& cs) {
  if (cs.staged == nullptr) return card_->CompletionTime(cs.card);
  if (!cs.staged->has_last || cs.staged->lost) return Card::kNever;
  Picoseconds last;
  for (const Sequence part : cs.staged->cards) last = std::max(last, card_->CompletionTime(part));
  return last;
}

void Node::NoteEvent(Context& context, const hal::HealthEvent& event) {
  using Kind = hal::HealthEvent::Kind;
  const auto time = static_cast<int64_t>(host_nanoseconds());
  const Faults::Fault fault = card_->fault();
  switch (event.kind) {
    case Kind::kUndefinedOpcode:
      if (!errors_.undefined_opcode) {
        errors_.undefined_opcode = true;
        errors_.opcode.timestamp = time;
        errors_.opcode.engine_id = kernel_.engine_id(fault.queue);
        // Behind the streams: the lower command processor.
        errors_.opcode.stream_id = fault.lower ? MAX_QMAN_STREAMS_INFO : fault.stream;
      }
      Notify(context, HL_NOTIFIER_EVENT_UNDEFINED_OPCODE | HL_NOTIFIER_EVENT_USER_ENGINE_ERR);
      break;
    case Kind::kPageFault:
    case Kind::kRazwi:
      if (!errors_.razwi) {
        errors_.razwi = true;
        errors_.access.timestamp = time;
        errors_.access.error_type =
            event.kind == Kind::kPageFault ? HL_RAZWI_PAGE_FAULT : HL_RAZWI_MMU_ACCESS_ERROR;
        errors_.access.addr = fault.address;
        errors_.access.no_engine_id = fault.queue.empty() ? 1 : 0;
        errors_.access.engine_id_1 = static_cast<uint16_t>(kernel_.engine_id(fault.queue));
        errors_.access.engine_id_2 = kNoSecondEngine;
      }
      Notify(context, event.kind == Kind::kPageFault ? uapi::kEventPageFault : uapi::kEventRazwi);
      break;
    case Kind::kTpcAssert:
      Notify(context, HL_NOTIFIER_EVENT_TPC_ASSERT);
      break;
    case Kind::kHazard:
    case Kind::kHang:
    case Kind::kEngineError:
      Notify(context, HL_NOTIFIER_EVENT_USER_ENGINE_ERR);
      break;
    case Kind::kEcc:
    case Kind::kHardwareError:
      // A corrected one is a count and no more, even when something else has stopped the card
      // since; what memory has lost is lost.
      if (!card_->faulted() || event.message != fault.message) break;
      Notify(context, HL_NOTIFIER_EVENT_GENERAL_HW_ERR);
      HardReset(context);
      break;
    case Kind::kReset:
      // Somebody else's: the kernel's own ends here in no event.
      if (card_->faulted()) HardReset(context);
      break;
    case Kind::kThrottle:  // asked for: Throttling()
    case Kind::kDeadlock:
    case Kind::kTimeout:
    case Kind::kUnavailable:
      break;
  }
}

int Node::ResultOf(Context& context, uint64_t sequence, Picoseconds* ready) {
  CommandSubmission* const cs = context.submissions.Find(sequence);
  if (cs == nullptr) {
    *ready = Picoseconds(0);
    return 0;
  }
  if (!context.dead) {
    CommandSubmissions::Settle(*cs, card_->host_time(),
                               [&](const CommandSubmission& one) { return Completion(one); });
  }
  *ready = cs->ready;
  return cs->result;
}

bool Node::WaitForOthers(Lock& lock) {
  if (!options_.passes_time || CountThreads() < (time_.joinable() ? 3 : 2)) return false;
  const uint64_t calls = calls_;
  ++waiting_for_others_;
  const bool came = changed_.wait_for(lock, kQuiet, [&] { return calls_ != calls || ends_; });
  --waiting_for_others_;
  return came;
}

void Node::WaitForAny(Context& context, absl::Span<const uint64_t> sequences, uint64_t timeout_us,
                      Lock& lock) {
  const Picoseconds until = Later(card_->host_time(), timeout_us);
  std::vector<Sequence> cards;
  for (bool first = true;; first = false) {
    Note(context);
    cards.clear();
    for (const uint64_t sequence : sequences) {
      Picoseconds ready;
      if (ResultOf(context, sequence, &ready) != CommandSubmission::kPending) {
        // One that is over already costs a look.
        if (first) card_->WaitUntil({}, hal::WaitFor::kAll, Picoseconds(0), true);
        return;
      }
      const CommandSubmission& cs = *context.submissions.Find(sequence);
      if (cs.staged != nullptr) {
        if (!cs.staged->has_last || cs.staged->lost) continue;
        // One part that is not over, or the last to end: another would end the wait at once.
        Sequence slowest;
        Picoseconds end;
        for (const Sequence part : cs.staged->cards) {
          const Picoseconds ready = card_->CompletionTime(part);
          if (ready < end) continue;
          end = ready;
          slowest = part;
        }
        if (slowest.value() != 0) cards.push_back(slowest);
      } else if (cs.card.value() != 0) {
        cards.push_back(cs.card);
      }
    }
    if (!first && card_->host_time() >= until) return;
    const Picoseconds stop = std::min(until, context.submissions.Deadline());
    lock.unlock();
    // Nothing to wait for on the card: only time will tell.
    const Card::Progress progress = card_->WaitUntil(cards, hal::WaitFor::kAny, stop, first);
    lock.lock();
    // What resets the device does so before any time passes.
    if (progress == Card::Progress::kIdle) Note(context);
    if (progress == Card::Progress::kIdle && !WaitForOthers(lock) && !context.dead) {
      card_->PassTime(std::min(
          until, context.submissions.oldest() == nullptr ? until : context.submissions.Deadline()));
    }
  }
}

void Node::LookInVain(Context& context) {
  if (card_->pending() || context.submissions.oldest() == nullptr) {
    vain_looks_ = 0;
    return;
  }
  if (options_.passes_time) {
    // Host time goes on as it really does.
    const auto now = std::chrono::steady_clock::now();
    if (vain_looks_++ > 0) {
      const auto passed = std::min<std::chrono::nanoseconds>(now - last_vain_look_, kQuiet);
      card_->PassTime(card_->host_time() +
                      static_cast<uint64_t>(passed.count()) * kPicosecondsPerNanosecond);
    }
    last_vain_look_ = now;
  } else if (++vain_looks_ >= kVainLooks) {
    card_->PassTime(context.submissions.Deadline());
  }
}

void Node::LookAround(Context& context) {
  if (context.submissions.oldest() != nullptr) {
    card_->Look({}, hal::WaitFor::kAll);
    Note(context);
    if (!context.dead) LookInVain(context);
  }
  Note(context);
  if (!context.dead) NoteBusyEngines();
}

void Node::NoteBusyEngines() {
  uint64_t busy[2] = {};
  for (const std::string& name : card_->BusyEngines()) {
    const uint32_t id = kernel_.engine_id(name);
    busy[id / 64] |= uint64_t{1} << id % 64;
  }
  for (size_t i = 0; i < std::size(busy); ++i) words().busy_engines[i] = busy[i];
}

int Node::WaitIoctl(File& file, hl_wait_cs_args& args) {
  Lock lock(mutex_);
  Called();
  const std::shared_ptr<Context> context = file.context;
  const hl_wait_cs_in in = args.in;
  std::memset(&args, 0, sizeof args);
  if ((in.flags & HL_WAIT_CS_FLAGS_INTERRUPT) != 0) return kernel_.interrupt_error;
  const bool multi = (in.flags & HL_WAIT_CS_FLAGS_MULTI_CS) != 0;
  std::array<uint64_t, HL_WAIT_MULTI_CS_LIST_MAX_LEN> list{in.seq};
  size_t count = 1;
  if (multi) {
    count = in.seq_arr_len;
    if (count == 0 || count > list.size()) return -EINVAL;
    if (CopyFromUser(list.data(), in.seq, count * sizeof(uint64_t)) != 0) return -EFAULT;
  }
  const absl::Span<const uint64_t> sequences(list.data(), count);
  for (const uint64_t sequence : sequences) {
    if (sequence >= context->submissions.next()) return context->dead ? -ENODEV : -EINVAL;
  }
  if (!context->dead) {
    if (in.timeout_us == 0) {
      LookAround(*context);
    } else {
      WaitForAny(*context, sequences, in.timeout_us, lock);
    }
  }
  args.out.status = HL_WAIT_CS_STATUS_BUSY;
  Picoseconds earliest = Card::kNever;
  int error = 0;
  for (size_t i = 0; i < count; ++i) {
    const CommandSubmission* const cs = context->submissions.Find(list[i]);
    Picoseconds ready;
    const int result = ResultOf(*context, list[i], &ready);
    if (result == CommandSubmission::kPending) continue;
    if (result != 0) {
      error = error == 0 ? result : error;
      continue;
    }
    args.out.status = HL_WAIT_CS_STATUS_COMPLETED;
    args.out.cs_completion_map |= multi ? 1u << i : 0;
    if (cs == nullptr) {
      args.out.flags |= HL_WAIT_CS_STATUS_FLAG_GONE;
    } else if (cs->timestamp && ready < earliest) {
      earliest = ready;
      args.out.flags |= HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD;
      args.out.timestamp_nsec = static_cast<int64_t>(ready.value() / kPicosecondsPerNanosecond);
    }
  }
  if (args.out.status == HL_WAIT_CS_STATUS_COMPLETED || error == 0) return 0;
  args.out.status = error == -ETIMEDOUT ? HL_WAIT_CS_STATUS_TIMEDOUT : HL_WAIT_CS_STATUS_ABORTED;
  return error;
}

void Node::StartPassingTime() {
  if (options_.passes_time && !time_.joinable()) time_ = std::thread([this] { PassTime(); });
}

void Node::PassTime() {
  constexpr Picoseconds kPassed{
      std::chrono::duration_cast<std::chrono::nanoseconds>(kQuiet).count() *
      kPicosecondsPerNanosecond};
  Lock lock(mutex_);
  while (!ends_) {
    const uint64_t calls = calls_;
    changed_.wait_for(lock, kQuiet, [&] { return ends_; });
    if (ends_ || calls != calls_ || context_ == nullptr || context_->dead) continue;
    Note(*context_);
    if (context_->dead || context_->submissions.oldest() == nullptr) continue;
    card_->PassTime(card_->host_time() + kPassed);
    Note(*context_);
  }
}

}  // namespace openhpu::simulator
