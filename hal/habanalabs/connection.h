// Connection: an open node of a card, and typed calls on it. Opening keeps trying while another
// user is leaving or the device is in reset, within a deadline.
//
// Ownership: closes its descriptors when it is closed, or dies. Threading: calls from any thread;
// opening, moving and closing are one thread's alone.
#ifndef HAL_HABANALABS_CONNECTION_H_
#define HAL_HABANALABS_CONNECTION_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hal/habanalabs/discovery.h"
#include "hal/habanalabs/syscalls.h"
#include "hal/habanalabs/uapi.h"

namespace openhpu::hal::habanalabs {

// How long opening tries again: while another process has the card, and while the device is in
// reset or its last user is leaving.
struct Patience {
  absl::Duration busy, reset;
};
inline constexpr Patience kOpenPatience = {absl::Seconds(1), absl::Seconds(60)};
// Who resets was the user until now: busy is itself, not gone yet.
inline constexpr Patience kReopenPatience = {absl::Seconds(60), absl::Seconds(60)};
// Between two tries.
inline constexpr absl::Duration kRetryPause = absl::Milliseconds(1);

class Connection {
 public:
  Connection() = default;  // a closed one
  // Errors: NotFound without such a node or a card behind it; Unavailable when the card stayed busy
  // or in reset until the deadline; FailedPrecondition when it is not operational;
  // PermissionDenied when the user may not open it.
  static absl::StatusOr<Connection> Open(Syscalls* syscalls, const Node& node,
                                         const Patience& patience);
  Connection(Connection&& other) noexcept { *this = std::move(other); }
  Connection& operator=(Connection&& other) noexcept;
  ~Connection() { Close(); }

  void Close();
  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  const Node& node() const { return node_; }

  // 0 or a negative errno; interrupted calls are made again.
  int CommandBuffer(hl_cb_args* args) const { return Call(requests_->command_buffer, args); }
  int Submit(hl_cs_args* args) const { return Call(requests_->command_submission, args); }
  int Memory(hl_mem_args* args) const { return Call(requests_->memory, args); }
  // Returns -EINTR, too: a wait's deadline is its caller's.
  int Wait(hl_wait_cs_args* args) const { return syscalls_->Ioctl(fd_, requests_->wait, args); }

  // INFO `op` into `answer`, which a shorter answer of the kernel leaves zero behind it.
  template <typename Answer>
  int Info(uint32_t op, Answer* answer, uint32_t argument = 0) const {
    *answer = Answer();
    return InfoBytes(op, answer, sizeof *answer, argument, nullptr);
  }
  // INFO whose answer has any length: `actual` is how much the kernel wrote.
  int InfoBytes(uint32_t op, void* answer, uint32_t size, uint32_t argument,
                uint32_t* actual) const;

  // From now on events are announced on an eventfd of the connection's own.
  int RegisterEvents();
  // True when events may be waiting: the eventfd says so, or there is none to ask.
  bool EventsAnnounced() const;

 private:
  int Call(unsigned long request, void* argument) const;

  Syscalls* syscalls_ = nullptr;
  Node node_;
  const Requests* requests_ = nullptr;
  int fd_ = -1, event_fd_ = -1;
};

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_CONNECTION_H_
