// Lets other Python threads run while this one waits for the device.
#ifndef PYTHON_NATIVE_WITHOUT_GIL_H_
#define PYTHON_NATIVE_WITHOUT_GIL_H_

#include <Python.h>

namespace openhpu::python {

// Gives the interpreter away for its lifetime if this thread has it; backward threads do not. Made
// before a lock on the device is taken, so that it comes back after the lock is released: nobody
// waits for the interpreter with the device locked.
class WithoutGil {
 public:
  WithoutGil() {
    if (Py_IsInitialized() && PyGILState_Check()) state_ = PyEval_SaveThread();
  }
  ~WithoutGil() {
    if (state_ != nullptr) PyEval_RestoreThread(state_);
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_ = nullptr;
};

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_WITHOUT_GIL_H_
