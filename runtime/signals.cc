#include "runtime/signals.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"

namespace openhpu::runtime {

absl::StatusOr<std::unique_ptr<Signals>> Signals::Create(hal::Device& device, uint32_t max_count) {
  if (device.chip().qman().streams().value() > kStreams) {
    return absl::UnimplementedError(absl::StrCat("a chip with ",
                                                 device.chip().qman().streams().value(),
                                                 " hardware streams; at most ", kStreams));
  }
  // Two counts a stream are one group; one monitor a stream that waits.
  ASSIGN_OR_RETURN(hal::Bank bank, device.banks().Lease(2 * kStreams, kStreams));
  return absl::WrapUnique(new Signals(std::move(bank), max_count));
}

hal::RelocationValues Signals::Values() const {
  hal::RelocationValues values;
  values.first_sob = bank_.first_sob();
  values.first_monitor = bank_.first_monitor();
  return values;
}

absl::Status Signals::TurnOver(HardwareStream& stream) {
  Count& count = counts_[stream.index()];
  const size_t next = (count.epoch + 1) % 2;
  // Marks of the epoch before this one are complete, and nobody waits for them any more.
  RETURN_IF_ERROR(stream.timeline().Wait(count.last_mark[next], absl::InfiniteDuration()));
  for (uint32_t i = 0; i < kStreams; ++i) {
    if (count.waiters[i] == nullptr) continue;
    // A waiter that failed no longer looks.
    count.waiters[i]
        ->timeline()
        .Wait(count.last_wait[next][i], absl::InfiniteDuration())
        .IgnoreError();
  }
  ++count.epoch;
  count.value = 0;
  return absl::OkStatus();
}

absl::StatusOr<Mark> Signals::Record(HardwareStream& stream,
                                     std::optional<DeviceAddress> timestamp) {
  MutexLock lock(&mutex_);
  Count& count = counts_[stream.index()];
  if (count.value == max_count_) RETURN_IF_ERROR(TurnOver(stream));
  const hal::Sob sob = {SobOf(stream.index(), count.epoch)};
  const uint64_t symbols[] = {timestamp.value_or(DeviceAddress()).value()};
  hal::RelocationValues values = Values();
  values.symbols = symbols;
  ASSIGN_OR_RETURN(const Sequence sequence, stream.Submit(
                                                [&](hal::CommandWriter& writer) {
                                                  if (timestamp.has_value())
                                                    RETURN_IF_ERROR(writer.Timestamp({0, 0}));
                                                  if (count.value == 0)
                                                    RETURN_IF_ERROR(writer.SetSob(sob, 0, false));
                                                  return writer.AddSob(sob, 1,
                                                                       /*after_engine=*/true);
                                                },
                                                values));
  ++count.value;
  count.last_mark[count.epoch % 2] = sequence;
  Passed& passed = passed_[stream.index()];
  passed[stream.index()] = sequence;
  return Mark{&stream, sequence, count.epoch, count.value, resets_, passed};
}

void Signals::NotePassed(const HardwareStream& stream, const Mark& mark) {
  if (mark.resets != resets_) return;
  Passed& passed = passed_[stream.index()];
  for (uint32_t i = 0; i < kStreams; ++i) passed[i] = std::max(passed[i], mark.passed[i]);
}

absl::Status Signals::WaitFor(HardwareStream& stream, const Mark& mark) {
  if (mark.stream == nullptr || mark.stream == &stream) return stream.timeline().status();
  MutexLock lock(&mutex_);
  Count& count = counts_[mark.stream->index()];
  if (mark.resets != resets_ || mark.epoch + 1 < count.epoch ||
      mark.sequence <= mark.stream->timeline().completed()) {
    NotePassed(stream, mark);
    return stream.timeline().status();  // complete
  }
  RETURN_IF_ERROR(mark.stream->timeline().status());
  const uint32_t sob = SobOf(mark.stream->index(), mark.epoch);
  const uint32_t monitor = stream.index();
  const hal::SyncCondition condition = {sob / 8, static_cast<uint8_t>(1u << (sob % 8)), mark.value};
  ASSIGN_OR_RETURN(const Sequence sequence, stream.Submit(
                                                [&](hal::CommandWriter& writer) {
                                                  RETURN_IF_ERROR(writer.SetUpMonitors(monitor, 1));
                                                  return writer.Await({condition}, monitor);
                                                },
                                                Values()));
  count.last_wait[mark.epoch % 2][stream.index()] = sequence;
  count.waiters[stream.index()] = &stream;
  NotePassed(stream, mark);
  return absl::OkStatus();
}

void Signals::DropPassed(const HardwareStream& stream, absl::Span<HardwareStream* const> others,
                         Passed& needed) {
  MutexLock lock(&mutex_);
  const Passed& passed = passed_[stream.index()];
  for (uint32_t i = 0; i < kStreams; ++i) {
    if (i == stream.index() || needed[i] <= passed[i] ||
        needed[i] <= others[i]->timeline().completed()) {
      needed[i] = Sequence();
    }
  }
}

absl::Status Signals::Follow(HardwareStream& stream, absl::Span<HardwareStream* const> others,
                             Passed needed) {
  for (;;) {
    DropPassed(stream, others, needed);
    // The one behind which most of the others come, so that waits imply each other.
    uint32_t next = kStreams, most = 0;
    for (uint32_t i = 0; i < kStreams; ++i) {
      if (needed[i] == Sequence()) continue;
      uint32_t implied = 1;
      {
        MutexLock lock(&mutex_);
        for (uint32_t j = 0; j < kStreams; ++j)
          implied += j != i && needed[j] != Sequence() && needed[j] <= passed_[i][j];
      }
      if (implied <= most) continue;
      most = implied;
      next = i;
    }
    if (next == kStreams) return absl::OkStatus();
    ASSIGN_OR_RETURN(const Mark now, Record(*others[next], std::nullopt));
    RETURN_IF_ERROR(WaitFor(stream, now));
  }
}

void Signals::Reset() {
  MutexLock lock(&mutex_);
  counts_ = {};
  passed_ = {};
  ++resets_;
}

}  // namespace openhpu::runtime
