// Gate: lets calls on a descriptor in, and lets one thread shut it and wait until none is left
// inside, so that the descriptor can be replaced. Entering takes no lock.
//     if (Gate::Pass pass(gate_); pass) { ioctl(...); }
#ifndef HAL_HABANALABS_GATE_H_
#define HAL_HABANALABS_GATE_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "hal/habanalabs/syscalls.h"

namespace openhpu::hal::habanalabs {

class Gate {
 public:
  // Inside while it lives, if it got in.
  class Pass {
   public:
    explicit Pass(Gate& gate) : gate_(gate) {
      gate_.inside_.fetch_add(1);
      is_in_ = !gate_.shut_.load();
      if (!is_in_) gate_.inside_.fetch_sub(1);
    }
    ~Pass() { Leave(); }
    void Leave() {
      if (is_in_) gate_.inside_.fetch_sub(1);
      is_in_ = false;
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    explicit operator bool() const { return is_in_; }

   private:
    Gate& gate_;
    bool is_in_;
  };

  static constexpr absl::Duration kPause = absl::Milliseconds(1);

  // Returns when nobody is inside. One thread at a time.
  void Shut(Syscalls& syscalls) {
    shut_.store(true);
    while (inside_.load() != 0) syscalls.Sleep(kPause);
  }
  void Reopen() { shut_.store(false); }

 private:
  std::atomic<uint64_t> inside_{0};
  std::atomic<bool> shut_{false};
};

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_GATE_H_
