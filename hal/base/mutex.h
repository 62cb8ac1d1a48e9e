// Mutex: std::mutex with thread-safety annotations. Not absl::Mutex: Debian's library is built
// without the marks that ThreadSanitizer needs, and would make it report everything that such a
// lock guards.
//     Mutex mutex_;  int n_ ABSL_GUARDED_BY(mutex_);
//     MutexLock lock(&mutex_);
#ifndef HAL_BASE_MUTEX_H_
#define HAL_BASE_MUTEX_H_

#include <mutex>

#include "absl/base/thread_annotations.h"

namespace openhpu {

class ABSL_LOCKABLE Mutex {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(*mutex) {
    mutex_.Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace openhpu

#endif  // HAL_BASE_MUTEX_H_
