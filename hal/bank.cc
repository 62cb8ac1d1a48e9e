#include "hal/bank.h"

#include <utility>

#include "hal/base/status_macros.h"

namespace openhpu::hal {
namespace {

constexpr uint32_t kGroup = 8;  // sync objects that one monitor watches

}  // namespace

Bank& Bank::operator=(Bank&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(first_sob_, other.first_sob_);
  std::swap(sobs_, other.sobs_);
  std::swap(first_monitor_, other.first_monitor_);
  std::swap(monitors_, other.monitors_);
  return *this;
}

Bank::~Bank() {
  if (pool_ != nullptr) pool_->Return(*this);
}

BankPool::BankPool(const SyncManagerInfo& manager)
    : sobs_("sync objects", manager.first_sob, manager.num_sobs),
      monitors_("monitors", manager.first_monitor, manager.num_monitors) {}

absl::StatusOr<Bank> BankPool::Lease(uint32_t sobs, uint32_t monitors) {
  const uint64_t rounded = (uint64_t{sobs} + kGroup - 1) / kGroup * kGroup;
  MutexLock lock(&mutex_);
  Bank bank;
  if (rounded > 0) {
    ASSIGN_OR_RETURN(const uint64_t first, sobs_.Allocate(rounded, kGroup));
    bank.first_sob_ = static_cast<uint32_t>(first);
  }
  if (monitors > 0) {
    const absl::StatusOr<uint64_t> first = monitors_.Allocate(monitors, 1);
    if (!first.ok()) {
      if (rounded > 0) OPENHPU_CHECK(sobs_.Free(bank.first_sob_).ok());
      return first.status();
    }
    bank.first_monitor_ = static_cast<uint32_t>(*first);
  }
  bank.sobs_ = static_cast<uint32_t>(rounded);
  bank.monitors_ = monitors;
  bank.pool_ = this;
  return bank;
}

void BankPool::Return(const Bank& bank) {
  MutexLock lock(&mutex_);
  if (bank.sobs_ > 0) OPENHPU_CHECK(sobs_.Free(bank.first_sob_).ok());
  if (bank.monitors_ > 0) OPENHPU_CHECK(monitors_.Free(bank.first_monitor_).ok());
}

}  // namespace openhpu::hal
