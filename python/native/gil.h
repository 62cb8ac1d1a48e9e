// Giving the interpreter away and taking it, also from one that is being finalised.
#ifndef PYTHON_NATIVE_GIL_H_
#define PYTHON_NATIVE_GIL_H_

#include <Python.h>
#include <cxxabi.h>
#include <unistd.h>

namespace openhpu::python {

// Runs `take`, which waits for the interpreter. One that is being finalised ends a thread that does
// so, by unwinding its stack (pthread_exit), and destructors on the way would turn that into
// std::terminate: a thread that the process no longer waits for stands still here instead, as it
// does from Python 3.14 on.
template <typename Take>
auto OrStandStill(const Take& take) {
  try {
    return take();
  } catch (abi::__forced_unwind&) {
    for (;;) pause();
  }
}

// Gives the interpreter away for its lifetime if this thread has it; backward threads do not. Made
// before a lock on the device is taken, so that it comes back after the lock is released: nobody
// waits for the interpreter with the device locked.
class WithoutGil {
 public:
  WithoutGil() {
    if (Py_IsInitialized() && PyGILState_Check()) state_ = PyEval_SaveThread();
  }
  ~WithoutGil() {
    if (state_ != nullptr) OrStandStill([this] { PyEval_RestoreThread(state_); });
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_ = nullptr;
};

// Has the interpreter for its lifetime, in any thread. Only without a lock on the device.
class WithGil {
 public:
  WithGil() : state_(OrStandStill(PyGILState_Ensure)) {}
  ~WithGil() { PyGILState_Release(state_); }
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;

 private:
  const PyGILState_STATE state_;
};

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_GIL_H_
