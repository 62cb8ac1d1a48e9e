// The process's device: opened on first use, with its streams. No torch here.
//
// Threading: one lock (`mutex`) guards the recorders and captures; every entry from PyTorch takes
// it. The current stream is per thread.
#ifndef PYTHON_NATIVE_DEVICE_H_
#define PYTHON_NATIVE_DEVICE_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "graph/recorder.h"
#include "python/native/backends.h"
#include "runtime/context.h"
#include "runtime/event.h"
#include "runtime/stream.h"

namespace openhpu::python {

using StreamIndex = int64_t;  // 0 is the default stream; a new one each time a user makes a Stream

// A capture as the user's HPUGraph sees it. Owned by that object, which takes it off the device
// before it dies.
struct Capture {
  graph::CapturedGraph graph;
  StreamIndex stream = 0;
  bool active = false;
  std::string discarded;  // why, if what was recorded was thrown away; empty otherwise
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
  static StreamIndex CurrentStream();
  // Flushes the stream that the thread leaves. A stream entered from the default one starts after
  // what that has been given so far.
  absl::Status SetCurrentStream(StreamIndex stream);
  graph::Recorder& recorder(StreamIndex stream);
  graph::Recorder& current_recorder() { return recorder(CurrentStream()); }
  runtime::Stream& stream(StreamIndex stream);

  absl::Status FlushAll();
  absl::Status SynchronizeAll();

  // On the current stream, flushed first. FailedPrecondition with the vendor's texts when it
  // captures already, or when the capture ends on another stream.
  absl::Status BeginCapture(Capture& capture);
  absl::Status EndCapture(Capture& capture);
  // Ends the capture of a stream, if there is one, and throws away what it recorded.
  void DiscardCapture(StreamIndex stream, std::string_view why);

 private:
  struct StreamState {
    std::unique_ptr<runtime::Stream> stream;
    std::unique_ptr<graph::Recorder> recorder;
    Capture* capture = nullptr;
  };
  Device() = default;
  static absl::StatusOr<std::unique_ptr<Device>> Open();

  std::recursive_mutex mutex_;
  simulator::Simulator* simulator_ = nullptr;
  std::unique_ptr<runtime::Context> context_;
  std::unique_ptr<graph::Engine> engine_;
  std::vector<StreamState> streams_;
};

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_DEVICE_H_
