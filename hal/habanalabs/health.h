// What happened to a device: the kernel's events as HealthEvents, and what INFO knows about the
// last undefined opcode, access error and timeout, as text for errors. What had happened before the
// device was opened is not news.
//
// Threading: any thread; Attach while nobody else is here.
#ifndef HAL_HABANALABS_HEALTH_H_
#define HAL_HABANALABS_HEALTH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "hal/base/mutex.h"
#include "hal/base/strong_int.h"
#include "hal/driver.h"
#include "hal/habanalabs/connection.h"

namespace openhpu::hal::habanalabs {

class Health {
 public:
  // The driver's number for the kernel's of a submission; 0 if it is not known.
  using FindSubmission = std::function<Sequence(uint64_t kernel)>;
  struct News {
    std::string text;  // of all events, empty without
    bool needs_reset = false;
  };

  // What an engine id of the UAPI is called.
  using EngineName = std::string (*)(uint32_t engine_id);

  explicit Health(EngineName engine_name) : engine_name_(engine_name) {}

  // Remembers what `connection`, just opened, has behind it.
  void Attach(const Connection& connection);

  // Asks for events and puts them behind those that were not taken yet.
  News Collect(const Connection& connection, const FindSubmission& find);
  // Asks whether the clocks were slowed down.
  void CollectThrottling(const Connection& connection);

  void Add(HealthEvent::Kind kind, std::string message);
  std::vector<HealthEvent> Take();

 private:
  const EngineName engine_name_;

  Mutex mutex_;
  std::vector<HealthEvent> events_ ABSL_GUARDED_BY(mutex_);
  // When the last of each happened, as the kernel says; 0: never.
  int64_t opcode_time_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t razwi_time_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t timeout_time_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t throttling_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_HEALTH_H_
