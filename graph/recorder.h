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

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "graph/captured_graph.h"
#include "graph/engine.h"
#include "graph/ir.h"
#include "runtime/event.h"
#include "runtime/stream.h"

namespace openhpu::graph {

// A stream may have several: one for eager work, one for each capture. Not thread-safe. Recorders
// that share storages are used under one lock: what one records of a storage that is pending in
// another flushes that other first. On the device, eager work and copies start after what other
// streams were given that conflicts with them (one writes what the other reads or writes); work
// that shares nothing, or only reads, runs side by side. A replay knows of no stream but its own.
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

  // What is called when the next flush begins, before it compiles; may record. Then forgotten.
  void AtFlush(std::function<void()> before);
  // Whether pending nodes read or write the storage.
  bool Touches(const Storage& storage) const;

  // Flushes; then marks this point of the stream, or makes it wait. While capturing, replays do the
  // same with an event of the graph's own if the event was recorded by this capture; a wait for
  // another's event is not repeated.
  absl::Status RecordEvent(std::shared_ptr<runtime::Event> event);
  absl::Status WaitForEvent(std::shared_ptr<runtime::Event> event);

  // FailedPrecondition when this recorder captures already. `graph` outlives the capture.
  // dry_run: segments are compiled and loaded, the first replay launches them first; what would
  // read the device fails.
  absl::Status BeginCapture(CapturedGraph* graph, bool dry_run = false);
  // Another stream's recorder takes part in a capture that has begun: its steps are recorded in the
  // order in which they are given, among those of the others.
  absl::Status JoinCapture(CapturedGraph* graph);
  // Capturing only: replays read the dense tensor at this place, and fail with FailedPrecondition,
  // naming both values and `source`, when its bytes are not `expected`.
  absl::Status Guard(const TensorRef& tensor, std::vector<std::byte> expected,
                     std::string_view source);
  // Capturing only: flushes and runs `step`; replays run it at this place. It may use this recorder
  // for host copies. `reads`: for CapturedGraph's questions.
  absl::Status HostStep(std::function<absl::Status()> step,
                        absl::Span<const std::shared_ptr<Storage>> reads,
                        absl::Span<const std::shared_ptr<Storage>> writes);
  // Flushes. By the recorder that began it: ends the capture for all who joined; by another: leaves
  // it. If anything failed while capturing, nothing is left of the recording, and that is returned.
  absl::Status EndCapture();
  // Ends a capture, for all who take part, and discards what it recorded; pending ops run eagerly
  // at the next flush.
  void AbandonCapture();
  bool capturing() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace openhpu::graph

#endif  // GRAPH_RECORDER_H_
