// Field<Word, lsb, width>: a bit field of a hardware word as a type. Constexpr and silent: callers
// validate `v <= kMax` where a value comes from outside.
#ifndef HAL_BASE_FIELD_H_
#define HAL_BASE_FIELD_H_

namespace openhpu {

template <typename Word, unsigned kLsbBit, unsigned kWidthBits>
struct Field {
  static_assert(kWidthBits > 0 && kLsbBit + kWidthBits <= 8 * sizeof(Word));
  static constexpr unsigned kLsb = kLsbBit;
  static constexpr unsigned kWidth = kWidthBits;
  static constexpr Word kMax = static_cast<Word>(~Word{0}) >> (8 * sizeof(Word) - kWidth);
  static constexpr Word kMask = kMax << kLsb;
  static constexpr Word Get(Word word) { return (word & kMask) >> kLsb; }
  static constexpr Word Set(Word word, Word value) {
    return (word & ~kMask) | ((value << kLsb) & kMask);
  }
};

}  // namespace openhpu

#endif  // HAL_BASE_FIELD_H_
