// Where draws come from: see random.h.
#ifndef PYTHON_NATIVE_RANDOM_STATE_H_
#define PYTHON_NATIVE_RANDOM_STATE_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "python/native/device.h"

namespace openhpu::python {

// One draw: the device's state, and the draw's number after the position of that state at the
// beginning of the pending segment.
struct Draw {
  at::Tensor state;
  int64_t number = 0;
};

// Takes one draw of the generator (undefined: the default one) for a node that the caller records
// at once, with the device locked all the while. Throws when a capture has too many.
Draw TakeDraw(Device& device, const c10::optional<at::Generator>& generator);

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_RANDOM_STATE_H_
