#include "python/native/backends.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "hal/base/status_macros.h"
#include "hal/habanalabs/driver.h"
#include "hal/habanalabs/syscalls.h"
#include "hal/kernel/text.h"
#include "hal/null/driver.h"

namespace openhpu::python {

absl::StatusOr<Backend> OpenBackend(std::string_view wanted) {
  const std::string spec(wanted.empty() || wanted == "sim" ? "sim:gaudi2" : wanted);
  Backend backend;
  if (absl::StartsWith(spec, "sim:")) {
    ASSIGN_OR_RETURN(std::unique_ptr<simulator::Simulator> opened,
                     simulator::Simulator::Open(spec));
    backend.simulator = opened.get();
    backend.driver = std::move(opened);
    return backend;
  }
  if (absl::StartsWith(spec, "null:")) {
    ASSIGN_OR_RETURN(backend.driver, hal::NullDriver::Open(spec));
    return backend;
  }
  if (absl::StartsWith(spec, "habanalabs:")) {
    absl::StatusOr<std::unique_ptr<hal::Driver>> opened =
        hal::habanalabs::Driver::Open(spec, hal::habanalabs::LinuxSyscalls());
    if (!opened.ok()) {
      return absl::Status(opened.status().code(), hal::Cat("OPENHPU_DEVICE=", spec, ": ",
                                                           std::string(opened.status().message())));
    }
    backend.driver = *std::move(opened);
    return backend;
  }
  return absl::InvalidArgumentError(
      hal::Cat("OPENHPU_DEVICE=", spec,
               ": no such device; use sim:<chip>[,key=value...], null:<chip> or habanalabs:<n>"));
}

}  // namespace openhpu::python
