// What a thread's work goes to: its current stream and the captures that it has begun.
//
// PyTorch runs backward passes in threads of its own. They work for the thread that called
// backward, so they share its state: it travels with PyTorch's thread-local debug info, which the
// autograd engine hands on.
#ifndef PYTHON_NATIVE_THREAD_STATE_H_
#define PYTHON_NATIVE_THREAD_STATE_H_

#include <cstdint>
#include <memory>
#include <vector>

namespace openhpu::python {

using StreamIndex = int64_t;  // 0 is the default stream; a new one each time a user makes a Stream

struct Capture;  // device.h

struct ThreadState {
  StreamIndex stream = 0;
  std::vector<Capture*> captures;  // active; guarded by the device's mutex
};

// The calling thread's, made on first use; a backward thread's is that of its caller.
const std::shared_ptr<ThreadState>& ThisThread();

// For its lifetime this thread works on `stream`, outside of its captures; nothing is flushed.
class EagerScope {
 public:
  explicit EagerScope(StreamIndex stream);
  ~EagerScope();
  EagerScope(const EagerScope&) = delete;
  EagerScope& operator=(const EagerScope&) = delete;

 private:
  const std::shared_ptr<ThreadState> thread_;
  const StreamIndex stream_;
  std::vector<Capture*> captures_;
};

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_THREAD_STATE_H_
