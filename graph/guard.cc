#include "graph/guard.h"

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace openhpu::graph {
namespace {

template <typename T>
T At(absl::Span<const std::byte> bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

std::string Element(DType dtype, absl::Span<const std::byte> bytes, size_t index) {
  switch (dtype) {
    case DType::kFloat32:
      return absl::StrFormat("%.9g", At<float>(bytes, index));
    case DType::kBFloat16:
      return absl::StrFormat("%.4g", BFloat16ToFloat(At<uint16_t>(bytes, index)));
    case DType::kInt32:
    case DType::kInt64:
      return absl::StrCat(At<int32_t>(bytes, index));
    case DType::kInt16:
      return absl::StrCat(At<int16_t>(bytes, index));
    case DType::kInt8:
      return absl::StrCat(static_cast<int>(At<int8_t>(bytes, index)));
    case DType::kUInt8:
      return absl::StrCat(static_cast<int>(At<uint8_t>(bytes, index)));
    case DType::kBool:
      return At<uint8_t>(bytes, index) != 0 ? "True" : "False";
  }
  return "?";
}

}  // namespace

absl::Status CheckGuard(DType dtype, absl::Span<const std::byte> expected,
                        absl::Span<const std::byte> found, std::string_view source) {
  if (expected == found) return absl::OkStatus();
  const size_t element = static_cast<size_t>(StorageBytes(dtype));
  const size_t elements = expected.size() / element;
  size_t index = 0;
  while (expected.subspan(index * element, element) == found.subspan(index * element, element))
    ++index;
  const std::string where = source.empty() ? "" : absl::StrCat(" at ", std::string(source));
  const std::string change =
      absl::StrCat(" was ", Element(dtype, expected, index), " at capture and is ",
                   Element(dtype, found, index), " now");
  if (elements == 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("HPU Graph replay: the value read", where, change));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "HPU Graph replay: of the ", elements, " values read", where, ", number ", index, change));
}

}  // namespace openhpu::graph
