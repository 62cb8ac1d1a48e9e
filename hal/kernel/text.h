// Cat(...): absl::StrCat that takes std::string_view. Debian's absl::string_view is a type of its
// own and does not convert from it.
#ifndef HAL_KERNEL_TEXT_H_
#define HAL_KERNEL_TEXT_H_

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace openhpu::hal {

inline std::string CatPiece(std::string_view text) { return std::string(text); }
inline std::string CatPiece(const char* text) { return text; }
inline std::string CatPiece(const std::string& text) { return text; }
template <typename T>
std::string CatPiece(const T& number) {
  return absl::StrCat(number);
}

template <typename... T>
std::string Cat(const T&... pieces) {
  std::string text;
  (text.append(CatPiece(pieces)), ...);
  return text;
}

}  // namespace openhpu::hal

#endif  // HAL_KERNEL_TEXT_H_
