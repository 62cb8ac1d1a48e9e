// Recording, running and replaying. Ops on a stream gather in a segment; a flush compiles it (once
// per structure, cached) and launches it; a capture observes the flushed segments and replays them
// without dispatching an op again.
//
//     Engine engine(context);                       // one a device: compile cache
//     Recorder recorder(engine, stream);            // one a stream
//     auto x = engine.NewStorage(4 * 64);
//     TensorRef a{x, DType::kFloat32, {64}, {1}, 0};
//     auto y = engine.NewStorage(4 * 64);
//     TensorRef b{y, DType::kFloat32, {64}, {1}, 0};
//     CapturedGraph graph;
//     recorder.BeginCapture(&graph);
//     recorder.Record("add", {}, {a, a}, {b}, "example");
//     recorder.EndCapture();                        // flushes: runs once
//     graph.Replay();
#ifndef GRAPH_RECORDER_H_
#define GRAPH_RECORDER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "graph/compiler.h"
#include "graph/ir.h"
#include "hal/base/strong_int.h"
#include "runtime/context.h"
#include "runtime/stream.h"

namespace openhpu::graph {

class Engine;
class Recorder;

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
};

struct TensorRef {
  std::shared_ptr<Storage> storage;
  DType dtype = DType::kFloat32;
  Dims sizes, strides;
  int64_t offset = 0;
};

// The recorded launches of a capture. Movable; keeps storages and instances alive. Not thread-safe.
class CapturedGraph {
 public:
  CapturedGraph();
  CapturedGraph(CapturedGraph&&) noexcept;
  CapturedGraph& operator=(CapturedGraph&&) noexcept;
  ~CapturedGraph();
  // Launches the recorded segments in order on the stream of the capture. First failure: its
  // Status, and the stream is poisoned.
  absl::Status Replay();
  size_t segments() const;
  const Recipe& recipe(size_t segment) const;
  void Reset();

 private:
  friend class Recorder;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct EngineStatistics {
  uint64_t compilations = 0, cache_hits = 0, launches = 0, nodes = 0;
};

// One a device. Owns the compile cache. Thread-safe.
class Engine {
 public:
  explicit Engine(runtime::Context& context, CompileOptions options = {});
  ~Engine();
  runtime::Context& context();
  std::shared_ptr<Storage> NewStorage(uint64_t device_bytes);
  EngineStatistics statistics() const;

 private:
  friend class Recorder;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One a stream and thread of recording. Not thread-safe.
class Recorder {
 public:
  Recorder(Engine& engine, runtime::Stream& stream);
  ~Recorder();

  // Appends a node. Outputs are given (shape and dtype known to the caller); InvalidArgument names
  // op and source when they do not fit the declaration.
  absl::Status Record(std::string_view op, Attributes attributes,
                      absl::Span<const TensorRef> inputs, absl::Span<const TensorRef> outputs,
                      std::string_view source);
  bool pending() const;
  // Compiles and launches what is pending; returns when it is submitted. Storages that nobody but
  // the segment holds become temps.
  absl::Status Flush();
  // Flush, then wait for the stream.
  absl::Status Synchronize();

  // Host copies; the tensor is dense in `bytes` at `offset_bytes`. Both flush first if the storage
  // is pending. CopyToHost waits; CopyFromHost may return before the copy ran but not before `host`
  // may be reused.
  absl::Status CopyFromHost(const void* host, uint64_t bytes, Storage& storage,
                            uint64_t offset_bytes);
  absl::Status CopyToHost(Storage& storage, uint64_t offset_bytes, uint64_t bytes, void* host);

  // FailedPrecondition when this recorder captures already. `graph` outlives the capture.
  absl::Status BeginCapture(CapturedGraph* graph);
  absl::Status EndCapture();
  // Ends a capture and discards what it recorded; pending ops run eagerly at the next flush.
  void AbandonCapture();
  bool capturing() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace openhpu::graph

#endif  // GRAPH_RECORDER_H_
