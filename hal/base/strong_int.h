// StrongInt<Tag>: an unsigned 64-bit number with a unit. A cycle is not an address is not a queue
// index; conversion is explicit both ways.
#ifndef HAL_BASE_STRONG_INT_H_
#define HAL_BASE_STRONG_INT_H_

#include <cstdint>
#include <functional>
#include <ostream>

namespace openhpu {

template <typename Tag>
class StrongInt {
 public:
  constexpr StrongInt() = default;
  constexpr explicit StrongInt(uint64_t value) : value_(value) {}
  constexpr uint64_t value() const { return value_; }

  constexpr StrongInt operator+(StrongInt o) const { return StrongInt(value_ + o.value_); }
  constexpr StrongInt operator-(StrongInt o) const { return StrongInt(value_ - o.value_); }
  constexpr StrongInt operator+(uint64_t n) const { return StrongInt(value_ + n); }
  constexpr StrongInt& operator+=(StrongInt o) {
    value_ += o.value_;
    return *this;
  }
  constexpr StrongInt& operator+=(uint64_t n) {
    value_ += n;
    return *this;
  }

  friend constexpr bool operator==(StrongInt a, StrongInt b) { return a.value_ == b.value_; }
  friend constexpr bool operator!=(StrongInt a, StrongInt b) { return a.value_ != b.value_; }
  friend constexpr bool operator<(StrongInt a, StrongInt b) { return a.value_ < b.value_; }
  friend constexpr bool operator<=(StrongInt a, StrongInt b) { return a.value_ <= b.value_; }
  friend constexpr bool operator>(StrongInt a, StrongInt b) { return a.value_ > b.value_; }
  friend constexpr bool operator>=(StrongInt a, StrongInt b) { return a.value_ >= b.value_; }
  friend std::ostream& operator<<(std::ostream& os, StrongInt i) { return os << i.value_; }
  template <typename H>
  friend H AbslHashValue(H h, StrongInt i) {
    return H::combine(std::move(h), i.value_);
  }

 private:
  uint64_t value_ = 0;
};

using DeviceAddress = StrongInt<struct DeviceAddressTag>;  // bytes, as the device's engines see it
using QueueId = StrongInt<struct QueueIdTag>;    // the kernel's queue id of the chip's dialect
using Sequence = StrongInt<struct SequenceTag>;  // one submission; grows by one
using Picoseconds = StrongInt<struct PicosecondsTag>;  // simulated or device time

}  // namespace openhpu

#endif  // HAL_BASE_STRONG_INT_H_
