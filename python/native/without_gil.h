// Lets other Python threads run while this one waits for the device.
#ifndef PYTHON_NATIVE_WITHOUT_GIL_H_
#define PYTHON_NATIVE_WITHOUT_GIL_H_

#include <Python.h>
#include <cxxabi.h>
#include <unistd.h>

namespace openhpu::python {

// Gives the interpreter away for its lifetime if this thread has it; backward threads do not. Made
// before a lock on the device is taken, so that it comes back after the lock is released: nobody
// waits for the interpreter with the device locked.
class WithoutGil {
 public:
  WithoutGil() {
    if (Py_IsInitialized() && PyGILState_Check()) state_ = PyEval_SaveThread();
  }

  // An interpreter that is being finalised ends a thread that asks for it back, by unwinding its
  // stack (pthread_exit), and destructors on the way would turn that into std::terminate: a thread
  // that the process no longer waits for stands still here instead, as it does from Python 3.14 on.
  ~WithoutGil() {
    if (state_ == nullptr) return;
    try {
      PyEval_RestoreThread(state_);
    } catch (abi::__forced_unwind&) {
      for (;;) pause();
    }
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_ = nullptr;
};

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_WITHOUT_GIL_H_
