// Guards: a value that was read during a capture, and has to be the same at every replay.
#ifndef GRAPH_GUARD_H_
#define GRAPH_GUARD_H_

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "hal/base/dtype.h"

namespace openhpu::graph {

// FailedPrecondition names `source`, and both values of the first element that differs, when
// `found` is not, bit for bit, `expected`. Both hold elements of `dtype` as the device stores them.
absl::Status CheckGuard(DType dtype, absl::Span<const std::byte> expected,
                        absl::Span<const std::byte> found, std::string_view source);

}  // namespace openhpu::graph

#endif  // GRAPH_GUARD_H_
