// The storages that Engine::NewStorage makes: they know who has recorded work on them that is not
// launched yet, when they are written, and when their memory changes. Private to the recorder.
#ifndef GRAPH_STORAGE_H_
#define GRAPH_STORAGE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "graph/engine.h"
#include "hal/base/mutex.h"
#include "runtime/context.h"
#include "runtime/stream.h"

namespace openhpu::graph {

// Set by a write to a storage that a prepared constant is made of.
using DirtyWord = std::atomic<bool>;

// Counters that the storages of an engine share.
struct StorageCounters {
  std::atomic<uint64_t> storages{0};
  // How many have become weights; a segment that writes storages looks again for weights among them
  // when it has grown.
  std::atomic<uint64_t> weights{0};
  // How often a storage has lost its memory; a captured graph looks again at its storages when it
  // has grown.
  std::atomic<uint64_t> moves{0};
};

// Who has nodes that are recorded and not launched: a recorder.
class PendingNodes {
 public:
  virtual ~PendingNodes() = default;
  virtual absl::Status Flush() = 0;
};

// Whose contents stand in memory, and from where on.
struct MemoryIdentity {
  uint64_t serial = 0;  // of the storage; 0: none
  int64_t shift = 0;
  uint64_t version = 0;  // how often that storage has lost its memory

  friend bool operator==(const MemoryIdentity& a, const MemoryIdentity& b) {
    return a.serial == b.serial && a.shift == b.shift && a.version == b.version;
  }
};

class TensorStorage final : public Storage {
 public:
  TensorStorage(runtime::Context& context, std::shared_ptr<StorageCounters> counters,
                uint64_t bytes)
      : context_(context),
        counters_(std::move(counters)),
        serial_(++counters_->storages),
        bytes_(bytes) {}

  uint64_t bytes() const override { return bytes_; }
  bool materialised() const override;
  absl::StatusOr<DeviceAddress> Address() override;
  void MarkWeight() override;
  std::shared_ptr<Storage> TakeMemory() override;
  // The memory returns to the pool after its last use; none is left.
  void ReleaseMemory();

  // Never 0, and of no other storage of the engine, dead or alive.
  uint64_t serial() const { return serial_; }
  bool weight() const { return resident().weight_.load(std::memory_order_relaxed); }
  // Its memory is used by work submitted to `stream`. Nothing for a storage without memory.
  void RecordUse(runtime::Stream& stream);
  // runtime::DeviceMemory's, of the memory that stands here; nothing for a storage without.
  void AddConflicts(bool writes, runtime::Passed& last) const;
  void NoteAccess(runtime::Stream& stream, bool writes);
  void NoteAccess(std::shared_ptr<const runtime::LastLaunch> launches, bool writes);
  // `word` is set by every later write.
  void Watch(const std::shared_ptr<DirtyWord>& word);
  // To be called by whoever submits a write.
  void MarkWritten();

  // While it stands in for this one, the memory of `given` from byte `shift` on is this one's; it
  // lies at `address`. `given` stays alive, and is itself as it would be without. Null ends it.
  void StandIn(TensorStorage* given, int64_t shift, DeviceAddress address);
  MemoryIdentity identity() const;

  // Under the lock that recorders which share storages are used under:
  // `where` has nodes pending that read, or write, this storage; or no longer any.
  void SetPending(PendingNodes* where, bool writes);
  void ClearPending(PendingNodes* where);
  // Flushes those, other than `here`, whose pending nodes have to come before an access: a read, or
  // a write.
  absl::Status FlushOthers(const PendingNodes* here, bool writes);

 private:
  struct Pending {
    PendingNodes* where;
    bool writes;
  };

  // Whose memory this storage has at present.
  const TensorStorage& resident() const { return given_ == nullptr ? *this : *given_; }
  TensorStorage& resident() { return given_ == nullptr ? *this : *given_; }

  runtime::Context& context_;
  const std::shared_ptr<StorageCounters> counters_;
  const uint64_t serial_;
  const uint64_t bytes_;
  std::atomic<bool> weight_{false};
  std::atomic<uint64_t> version_{0};
  absl::InlinedVector<Pending, 1> pending_;
  TensorStorage* given_ = nullptr;
  int64_t shift_ = 0;
  DeviceAddress given_address_;
  mutable Mutex mutex_;
  std::unique_ptr<runtime::DeviceMemory> memory_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<DirtyWord>> watchers_ ABSL_GUARDED_BY(mutex_);
};

// Only Engine::NewStorage makes storages.
inline TensorStorage& Cast(Storage& storage) { return static_cast<TensorStorage&>(storage); }
inline const TensorStorage& Cast(const Storage& storage) {
  return static_cast<const TensorStorage&>(storage);
}

// By buffer of a graph; null for temps.
using Storages = std::vector<std::shared_ptr<TensorStorage>>;

}  // namespace openhpu::graph

#endif  // GRAPH_STORAGE_H_
