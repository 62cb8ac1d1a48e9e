// The one list of drivers that the wheel can open.
#ifndef PYTHON_NATIVE_BACKENDS_H_
#define PYTHON_NATIVE_BACKENDS_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "hal/driver.h"
#include "simulator/driver.h"

namespace openhpu::python {

// An open driver; `simulator` is the same object when it is one, else nullptr.
struct Backend {
  std::unique_ptr<hal::Driver> driver;
  simulator::Simulator* simulator = nullptr;
};

// "sim", "sim:<chip>[,key=value...]", "null:<chip>", "habanalabs:<n>[,timeout=<seconds>]" for a
// card of this machine. Empty means "sim", whatever cards there are. Fails as the driver's own Open
// does; anything else is InvalidArgument with the list.
absl::StatusOr<Backend> OpenBackend(std::string_view spec);

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_BACKENDS_H_
