#include "hal/habanalabs/errors.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "hal/habanalabs/uapi.h"

namespace openhpu::hal::habanalabs {

std::string ErrorName(int error) {
  switch (error) {
    case EACCES:
      return "EACCES";
    case EAGAIN:
      return "EAGAIN";
    case EBUSY:
      return "EBUSY";
    case EFAULT:
      return "EFAULT";
    case EINTR:
      return "EINTR";
    case EINVAL:
      return "EINVAL";
    case EIO:
      return "EIO";
    case EMFILE:
      return "EMFILE";
    case ENODEV:
      return "ENODEV";
    case ENOENT:
      return "ENOENT";
    case ENOMEM:
      return "ENOMEM";
    case ENOTTY:
      return "ENOTTY";
    case ENXIO:
      return "ENXIO";
    case EOPNOTSUPP:
      return "EOPNOTSUPP";
    case EPERM:
      return "EPERM";
    case ETIMEDOUT:
      return "ETIMEDOUT";
    default:
      return absl::StrCat("errno ", error);
  }
}

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case EAGAIN:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    case EINVAL:
      return absl::StatusCode::kInvalidArgument;
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case EFAULT:
      return absl::StatusCode::kOutOfRange;
    case EBUSY:
    case ENODEV:
      return absl::StatusCode::kFailedPrecondition;
    case EIO:
    case ETIMEDOUT:
      return absl::StatusCode::kAborted;
    case ENOENT:
    case ENXIO:
      return absl::StatusCode::kNotFound;
    case ENOTTY:
    case EOPNOTSUPP:
      return absl::StatusCode::kUnimplemented;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status ErrorStatus(int error, const std::string& what) {
  return absl::Status(CodeOf(error), absl::StrCat(what, ": ", ErrorName(error)));
}

std::string DeviceStatusName(uint32_t status) {
  switch (status) {
    case HL_DEVICE_STATUS_OPERATIONAL:
      return "operational";
    case HL_DEVICE_STATUS_IN_RESET:
      return "in reset";
    case HL_DEVICE_STATUS_MALFUNCTION:
      return "malfunction";
    case HL_DEVICE_STATUS_NEEDS_RESET:
      return "needs a reset by its administrator";
    case HL_DEVICE_STATUS_IN_DEVICE_CREATION:
      return "in creation";
    case HL_DEVICE_STATUS_IN_RESET_AFTER_DEVICE_RELEASE:
      return "in reset after its release";
    default:
      return absl::StrCat("status ", status);
  }
}

}  // namespace openhpu::hal::habanalabs
