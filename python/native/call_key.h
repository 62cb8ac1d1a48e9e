// What a wrapped call costs on every call, in one pass each: the key of its arguments, the copies
// of its inputs, and (only when something was replaced) the state of its modules.
#ifndef PYTHON_NATIVE_CALL_KEY_H_
#define PYTHON_NATIVE_CALL_KEY_H_

#include <pybind11/pybind11.h>

namespace openhpu::python {

// call_key(salt, args, kwargs, describe) -> (key, tensors): a key that is equal for calls that one
// graph serves, and the tensors on hpu in order, each once. Covers sizes, strides, dtypes, device,
// requires_grad, repeated tensors, values of what is no tensor with their types, the order of
// sequences (not of dicts), and the thread's modes: gradients, inference, autocast. Tensors of the
// host are values. `describe(value)` answers for what is none of Python's plain types: (token,
// children), where the token is compared by equality and the children (a tuple, or None) are part
// of the call.
// copy_inputs(to, from): records copies of the tensors that are not the same place already.
// module_state(dicts) -> (identity, flags): which objects and memory the dicts hold, and which of
// their tensors require gradients; bytes to compare while someone keeps the objects alive.
// drop_memory(tensors): their memory returns to the pool; they are as if nothing was ever written.
// storage_id(tensor): equal for tensors that share memory.
void RegisterCallKey(pybind11::module& module);

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_CALL_KEY_H_
