// Banks: sync objects and monitors of the manager where user work synchronises, leased to whoever
// runs commands. A program numbers them from 0; the lease says where they start. A bank's first
// sync object is a multiple of 8, so that a group of eight, which one monitor watches, never spans
// two banks.
//
// Contract of a lessee: it finds its sync objects at zero and leaves them at zero.
#ifndef HAL_BANK_H_
#define HAL_BANK_H_

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "hal/base/mutex.h"
#include "hal/driver.h"
#include "hal/range_allocator.h"

namespace openhpu::hal {

class BankPool;

// Move-only lease; the pool outlives it.
class Bank {
 public:
  Bank() = default;  // leases nothing
  Bank(Bank&& other) noexcept { *this = static_cast<Bank&&>(other); }
  Bank& operator=(Bank&& other) noexcept;
  ~Bank();

  uint32_t first_sob() const { return first_sob_; }
  uint32_t sobs() const { return sobs_; }
  uint32_t first_monitor() const { return first_monitor_; }
  uint32_t monitors() const { return monitors_; }

 private:
  friend class BankPool;
  BankPool* pool_ = nullptr;
  uint32_t first_sob_ = 0, sobs_ = 0, first_monitor_ = 0, monitors_ = 0;
};

// Thread-safe.
class BankPool {
 public:
  explicit BankPool(const SyncManagerInfo& manager);

  // `sobs` is rounded up to a multiple of 8. ResourceExhausted, with the numbers, when there are
  // not so many next to each other.
  absl::StatusOr<Bank> Lease(uint32_t sobs, uint32_t monitors);

 private:
  friend class Bank;
  void Return(const Bank& bank);

  Mutex mutex_;
  RangeAllocator sobs_ ABSL_GUARDED_BY(mutex_), monitors_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace openhpu::hal

#endif  // HAL_BANK_H_
