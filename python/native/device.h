// The process's device: opened on first use, with its streams and captures.
//
// Threading: one lock (`mutex`) guards the recorders and captures; every entry from PyTorch takes
// it. The current stream and the captures belong to threads (thread_state.h).
#ifndef PYTHON_NATIVE_DEVICE_H_
#define PYTHON_NATIVE_DEVICE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "graph/recorder.h"
#include "python/native/backends.h"
#include "python/native/thread_state.h"
#include "runtime/context.h"
#include "runtime/event.h"
#include "runtime/stream.h"

namespace openhpu::python {

// How the vendor's bridge begins the errors of its graphs; programs match what follows.
inline constexpr char kFatal[] = "[Rank:0] FATAL ERROR :: MODULE:PT_LAZY ";

// What a room adds to a capture: asked before and after each replay, with the device locked.
class ReplayHook {
 public:
  virtual ~ReplayHook() = default;
  virtual absl::Status BeforeReplay() = 0;
  virtual void AfterReplay() = 0;
};

// A capture as the user's HPUGraph sees it. Owned by that object, which takes it off the device
// before it dies. It records what its thread does on the streams that take part, nothing else:
// each of them has a recorder of the capture's own.
struct Capture {
  graph::CapturedGraph graph;
  StreamIndex stream = 0;  // where it began, and is replayed
  bool active = false;
  bool dry_run = false;
  std::string discarded;               // why, if what was recorded was thrown away; empty otherwise
  std::unique_ptr<ReplayHook> random;  // made by the first random operator (random.h)

  // While active.
  std::shared_ptr<ThreadState> thread;
  std::map<StreamIndex, std::unique_ptr<graph::Recorder>> recorders;
  std::shared_ptr<char> token;  // known by the events that it recorded; expires with the capture
};

class Device {
 public:
  // The device that OPENHPU_DEVICE names, opened on the first call. The first call's error is every
  // call's error; FailedPrecondition in a forked child. Lives as long as the process: tensors may
  // be freed after everything else.
  static absl::StatusOr<Device*> Get();
  // Whether Get() has succeeded; never opens.
  static bool IsOpen();

  std::recursive_mutex& mutex() { return mutex_; }
  graph::Engine& engine() { return *engine_; }
  runtime::Context& context() { return *context_; }
  simulator::Simulator* simulator() { return simulator_; }  // null if the device is not simulated

  absl::StatusOr<StreamIndex> CreateStream();
  static StreamIndex CurrentStream() { return ThisThread()->stream; }
  // Flushes the stream that the thread leaves. A stream entered from the default one starts after
  // what that has been given so far.
  absl::Status SetCurrentStream(StreamIndex stream);
  // Where this thread's work on `stream` is recorded: in its capture if that has the stream, else
  // in the stream's own recorder.
  graph::Recorder& recorder(StreamIndex stream);
  graph::Recorder& current_recorder() { return recorder(CurrentStream()); }
  // This thread's capture that has `stream`, or its current stream; null if none.
  Capture* capture_of(StreamIndex stream);
  Capture* current_capture() { return capture_of(CurrentStream()); }
  // Whether this thread captures on its current stream; opens nothing, and is cheap when nobody
  // captures.
  static bool InCapture();
  runtime::Stream& stream(StreamIndex stream);

  // Launches what this thread may have pending on `stream`; a capture whose segment fails is
  // discarded.
  absl::Status Flush(StreamIndex stream);
  absl::Status FlushAll();
  // Also gives the deferred error of `stream`, or of all.
  absl::Status Synchronize(StreamIndex stream);
  absl::Status SynchronizeAll();

  // On the current stream, flushed first. FailedPrecondition with the vendor's texts when this
  // thread captures there already, or when the capture ends on another stream or thread.
  absl::Status BeginCapture(Capture& capture, bool dry_run);
  absl::Status EndCapture(Capture& capture);
  // Ends a capture and throws away what it recorded. What is pending runs eagerly.
  void DiscardCapture(Capture& capture, absl::string_view why);

  // Events in captures: see graph::Recorder. `token` is of the capture that recorded the event.
  absl::Status RecordEvent(StreamIndex stream, const std::shared_ptr<runtime::Event>& event,
                           std::weak_ptr<char>* token);
  absl::Status WaitForEvent(StreamIndex stream, const std::shared_ptr<runtime::Event>& event,
                            const std::weak_ptr<char>& token);

  // On the capture's streams, after what the current stream was given so far; the current stream
  // goes on after it. `asynchronous`: a guard's error waits for the next synchronisation.
  absl::Status Replay(Capture& capture, absl::Span<const graph::Rebinding> rebindings,
                      bool asynchronous);
  // The error that an asynchronous replay left; once.
  absl::Status TakeDeferredError();

 private:
  struct StreamState {
    std::unique_ptr<runtime::Stream> stream;
    std::unique_ptr<graph::Recorder> recorder;
  };
  Device() = default;
  static absl::StatusOr<std::unique_ptr<Device>> Open();
  absl::Status Order(StreamIndex first, StreamIndex second);

  std::recursive_mutex mutex_;
  simulator::Simulator* simulator_ = nullptr;
  std::unique_ptr<runtime::Context> context_;
  std::unique_ptr<graph::Engine> engine_;
  std::vector<StreamState> streams_;
  absl::Status deferred_;
};

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_DEVICE_H_
