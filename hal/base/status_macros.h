// Status plumbing: Debian's Abseil has no status macros of its own. Usage:
//     RETURN_IF_ERROR(driver.Free(address));
//     ASSIGN_OR_RETURN(Buffer buffer, device.Allocate(bytes));
#ifndef HAL_BASE_STATUS_MACROS_H_
#define HAL_BASE_STATUS_MACROS_H_

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define OPENHPU_CONCAT_(a, b) a##b
#define OPENHPU_CONCAT(a, b) OPENHPU_CONCAT_(a, b)

#define RETURN_IF_ERROR(expression)                                                                \
  do {                                                                                             \
    if (::absl::Status openhpu_status = (expression); !openhpu_status.ok()) return openhpu_status; \
  } while (false)

#define ASSIGN_OR_RETURN(declaration, expression) \
  OPENHPU_ASSIGN_OR_RETURN_(OPENHPU_CONCAT(openhpu_or_, __LINE__), declaration, expression)
#define OPENHPU_ASSIGN_OR_RETURN_(tmp, declaration, expression) \
  auto tmp = (expression);                                      \
  if (!tmp.ok()) return std::move(tmp).status();                \
  declaration = *std::move(tmp)

// For what can never be: a broken invariant of this code, not an input's or a device's mistake.
#define OPENHPU_CHECK(condition)                                                         \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

#endif  // HAL_BASE_STATUS_MACROS_H_
