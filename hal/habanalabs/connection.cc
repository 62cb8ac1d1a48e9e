#include "hal/habanalabs/connection.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/habanalabs/errors.h"

namespace openhpu::hal::habanalabs {
namespace {

bool IsPassing(uint32_t status) {
  return status == HL_DEVICE_STATUS_IN_RESET || status == HL_DEVICE_STATUS_IN_DEVICE_CREATION ||
         status == HL_DEVICE_STATUS_IN_RESET_AFTER_DEVICE_RELEASE;
}

// "/dev/hl0" or "/dev/hl0 (in reset)", as far as sysfs knows.
std::string Named(Syscalls& syscalls, const Node& node) {
  const std::string status = ReadAttribute(syscalls, node, "status");
  return status.empty() ? node.path : absl::StrCat(node.path, " (", status, ")");
}

absl::Status CannotOpen(Syscalls& syscalls, const Node& node, int error) {
  const std::string name = Named(syscalls, node);
  switch (error) {
    case EPERM:
      return absl::FailedPreconditionError(
          absl::StrCat(name, " is not operational: EPERM on opening it"));
    case EACCES:
      return absl::PermissionDeniedError(
          absl::StrCat(name, ": EACCES: this user may not open the node"));
    case ENOENT:
    case ENXIO:
    case ENODEV:
    case ENOTDIR:
      return absl::NotFoundError(absl::StrCat(node.path, ": ", ErrorName(error)));
    case EBUSY:
      return absl::UnavailableError(
          absl::StrCat(name, ": EBUSY: another process has the card; one can at a time"));
    case EAGAIN:
      return absl::UnavailableError(
          absl::StrCat(name, ": EAGAIN: the device is in reset, or its last user is leaving"));
    default:
      return ErrorStatus(error, absl::StrCat("opening ", name));
  }
}

}  // namespace

absl::StatusOr<Connection> Connection::Open(Syscalls* syscalls, const Node& node,
                                            const Patience& patience) {
  const absl::Time begin = syscalls->Now();
  while (true) {
    const int fd = syscalls->Open(node.path, O_RDWR | O_CLOEXEC);
    absl::Duration patient;
    absl::Status refusal;
    if (fd < 0) {
      if (fd == -EINTR) continue;
      if (fd == -EBUSY) patient = patience.busy;
      if (fd == -EAGAIN) patient = patience.reset;
      if (fd != -EBUSY && fd != -EAGAIN) return CannotOpen(*syscalls, node, -fd);
      if (syscalls->Now() - begin >= patient) return CannotOpen(*syscalls, node, -fd);
    } else {
      Connection connection;
      connection.syscalls_ = syscalls;
      connection.node_ = node;
      connection.requests_ = &RequestsOf(node.api);
      connection.fd_ = fd;
      hl_info_device_status status;
      const int error = -connection.Info(HL_INFO_DEVICE_STATUS, &status);
      if (error == 0 && status.status == HL_DEVICE_STATUS_OPERATIONAL) return connection;
      if (error == ENOTTY || error == EOPNOTSUPP) {
        return absl::NotFoundError(absl::StrCat(node.path, " is no node of a habanalabs card"));
      }
      const std::string state =
          error == 0 ? DeviceStatusName(status.status) : absl::StrCat("status: ", ErrorName(error));
      const bool passes = error == 0 ? IsPassing(status.status)
                                     : error == EAGAIN || error == EBUSY || error == ENODEV;
      if (!passes) {
        return absl::FailedPreconditionError(
            absl::StrCat(node.path, " is not operational: ", state));
      }
      if (syscalls->Now() - begin >= patience.reset) {
        return absl::UnavailableError(absl::StrCat(node.path, " stays ", state));
      }
    }
    syscalls->Sleep(kRetryPause);
  }
}

Connection& Connection::operator=(Connection&& other) noexcept {
  if (this == &other) return *this;
  Close();
  syscalls_ = other.syscalls_;
  node_ = std::move(other.node_);
  requests_ = other.requests_;
  fd_ = std::exchange(other.fd_, -1);
  event_fd_ = std::exchange(other.event_fd_, -1);
  return *this;
}

void Connection::Close() {
  if (event_fd_ >= 0) syscalls_->Close(std::exchange(event_fd_, -1));
  if (fd_ >= 0) syscalls_->Close(std::exchange(fd_, -1));
}

int Connection::Call(unsigned long request, void* argument) const {
  int result;
  do {
    result = syscalls_->Ioctl(fd_, request, argument);
  } while (result == -EINTR);
  return result;
}

int Connection::InfoBytes(uint32_t op, void* answer, uint32_t size, uint32_t argument,
                          uint32_t* actual) const {
  hl_info_args args = {};
  args.return_pointer = reinterpret_cast<uintptr_t>(answer);
  args.return_size = size;
  args.op = op;
  args.dcore_id = argument;  // a union: whatever the op takes
  const int result = Call(requests_->info, &args);
  if (actual != nullptr) *actual = args.user_buffer_actual_size;
  return result;
}

int Connection::RegisterEvents() {
  const int fd = syscalls_->EventFd();
  if (fd < 0) return fd;
  const int result =
      InfoBytes(HL_INFO_REGISTER_EVENTFD, nullptr, 0, static_cast<uint32_t>(fd), nullptr);
  if (result < 0) {
    syscalls_->Close(fd);
    return result;
  }
  event_fd_ = fd;
  return 0;
}

bool Connection::EventsAnnounced() const {
  if (event_fd_ < 0) return true;
  uint64_t count = 0;
  return syscalls_->ReadEventFd(event_fd_, &count) == 0 && count != 0;
}

}  // namespace openhpu::hal::habanalabs
