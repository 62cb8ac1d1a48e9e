// The kernel's numbers as words: names of errno values, and the Status that a call's errno becomes.
// Threading: any thread.
#ifndef HAL_HABANALABS_ERRORS_H_
#define HAL_HABANALABS_ERRORS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace openhpu::hal::habanalabs {

// "EINVAL", or "errno 200" for one that the kernel driver does not use. `error` is positive.
std::string ErrorName(int error);

// What the UAPI's errors mean at the seam (hal/driver.h); what says nothing there is Internal.
absl::StatusCode CodeOf(int error);

// `error` of `what` ("mapping 4096 bytes"): "mapping 4096 bytes: EINVAL".
absl::Status ErrorStatus(int error, const std::string& what);

// Of HL_INFO_DEVICE_STATUS, in words: "operational", "in reset", ...
std::string DeviceStatusName(uint32_t status);

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_ERRORS_H_
