// Words of the submissions that only the kernel has: Driver::SubmitWith, SubmitSignal.
#ifndef HAL_HABANALABS_SUBMISSION_KINDS_H_
#define HAL_HABANALABS_SUBMISSION_KINDS_H_

#include <cstdint>

#include "hal/base/strong_int.h"

namespace openhpu::hal::habanalabs {

struct SubmitOptions {
  uint32_t timeout_seconds = 0;   // 0: the spec's
  bool wants_time = false;        // CompletionTime will be asked for
  bool survives_timeout = false;  // one that takes too long is lost, and the device goes on
};

// A submission that raises a sync object of the kernel's.
struct Signal {
  Sequence submission;
  uint32_t sob_offset = 0;    // of the object, from the base of configuration space
  uint32_t value_before = 0;  // it is one more when the submission is done
};

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_SUBMISSION_KINDS_H_
