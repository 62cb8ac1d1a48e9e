// An engine: what the recorders of one device share (the compile cache), and the storages of
// tensors.
#ifndef GRAPH_ENGINE_H_
#define GRAPH_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "graph/compiler.h"
#include "graph/ir.h"
#include "hal/base/strong_int.h"
#include "runtime/context.h"

namespace openhpu::graph {

class Engine;
class Recorder;
struct EngineState;

// Memory of tensors, shared by those who view it. Its device memory appears when a segment that
// writes it is launched, or when Address() is asked for; the address never changes afterwards.
// Destroyed when the last owner lets go; its memory returns to the pool at the timeline point after
// its last use.
class Storage {
 public:
  virtual ~Storage() = default;
  virtual uint64_t bytes() const = 0;  // on the device
  virtual bool materialised() const = 0;
  virtual absl::StatusOr<DeviceAddress> Address() = 0;  // materialises
  virtual void MarkWeight() = 0;                        // rarely written: see Buffer::weight
  // A storage of the same size that owns this one's memory and contents; this one is left without
  // memory, as if new. For results that a replay leaves to the caller. This one must not be
  // pending.
  virtual std::shared_ptr<Storage> TakeMemory() = 0;
};

struct TensorRef {
  std::shared_ptr<Storage> storage;
  DType dtype = DType::kFloat32;
  Dims sizes, strides;
  int64_t offset = 0;
};

struct EngineStatistics {
  uint64_t compilations = 0, cache_hits = 0, launches = 0, nodes = 0;
  absl::Duration compile_time;               // of the host
  uint64_t disk_hits = 0, disk_refused = 0;  // recipes read from the disk cache; damaged ones
};

// One a device. Owns the compile cache. Thread-safe.
class Engine {
 public:
  explicit Engine(runtime::Context& context, CompileOptions options = {});
  ~Engine();
  // Compiled graphs are also kept in files of this folder, at most `bytes` of them (the oldest go);
  // other processes find them. A damaged one is refused, counted and written anew. Call it before
  // the first compilation. NotFound or PermissionDenied when the folder cannot be made or written.
  absl::Status UseDiskCache(const std::string& folder, uint64_t bytes, bool clear);
  runtime::Context& context();
  std::shared_ptr<Storage> NewStorage(uint64_t device_bytes);
  EngineStatistics statistics() const;

 private:
  friend class Recorder;
  std::unique_ptr<EngineState> state_;
};

}  // namespace openhpu::graph

#endif  // GRAPH_ENGINE_H_
