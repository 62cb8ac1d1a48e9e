// Signals: how streams wait for each other on the device. Each hardware stream counts in two sync
// objects of one group of eight, in turn: it adds 1 at each mark, and another stream waits by one
// monitor until the count is reached. A count holds 15 bits; when it is full the stream goes on in
// the other object, after everything that could still look at that one's old value is complete
// (32,767 marks ago, so the host does not wait in practice).
//
// It also remembers, for each stream, how far into the others it is known to come after, by waits
// that were made: whoever must order two accesses asks here first.
//
// Threading: any thread.
#ifndef RUNTIME_SIGNALS_H_
#define RUNTIME_SIGNALS_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/bank.h"
#include "hal/base/mutex.h"
#include "runtime/hardware_stream.h"
#include "runtime/stream.h"

namespace openhpu::runtime {

// A point in a hardware stream.
struct Mark {
  HardwareStream* stream = nullptr;
  Sequence sequence;    // complete when the point is reached
  uint64_t epoch = 0;   // which turn of the count
  uint32_t value = 0;   // of the count
  uint64_t resets = 0;  // a reset completes everything
  Passed passed{};      // what comes before it, by hardware stream
};

class Signals {
 public:
  static constexpr uint32_t kMaxCount = 32767;
  // `max_count` is smaller in tests only. ResourceExhausted when the device has no group of sync
  // objects left.
  static absl::StatusOr<std::unique_ptr<Signals>> Create(hal::Device& device,
                                                         uint32_t max_count = kMaxCount);

  // Marks the end of what `stream` was given so far; the device's time then goes to `timestamp`, if
  // there is one.
  absl::StatusOr<Mark> Record(HardwareStream& stream, std::optional<DeviceAddress> timestamp);
  // Later work of `stream` starts after `mark`.
  absl::Status WaitFor(HardwareStream& stream, const Mark& mark);
  // As Stream::Follow; `others` are the device's streams.
  absl::Status Follow(HardwareStream& stream, absl::Span<HardwareStream* const> others,
                      Passed needed);
  // After a reset of the device, which zeroed the counts.
  void Reset();

 private:
  static constexpr uint32_t kStreams = kHardwareStreams;
  struct Count {
    uint64_t epoch = 0;
    uint32_t value = 0;
    std::array<Sequence, 2> last_mark;                        // by parity of the epoch
    std::array<std::array<Sequence, kStreams>, 2> last_wait;  // of each waiter, the same
    std::array<HardwareStream*, kStreams> waiters{};
  };

  Signals(hal::Bank bank, uint32_t max_count) : bank_(std::move(bank)), max_count_(max_count) {}
  static uint32_t SobOf(uint32_t stream, uint64_t epoch) {
    return 2 * stream + static_cast<uint32_t>(epoch % 2);
  }
  absl::Status TurnOver(HardwareStream& stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  hal::RelocationValues Values() const;
  // Takes out of `needed` what `stream` comes after already.
  void DropPassed(const HardwareStream& stream, absl::Span<HardwareStream* const> others,
                  Passed& needed);
  void NotePassed(const HardwareStream& stream, const Mark& mark)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const hal::Bank bank_;
  const uint32_t max_count_;
  Mutex mutex_;
  std::array<Count, kStreams> counts_ ABSL_GUARDED_BY(mutex_);
  std::array<Passed, kStreams> passed_ ABSL_GUARDED_BY(mutex_);
  uint64_t resets_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace openhpu::runtime

#endif  // RUNTIME_SIGNALS_H_
