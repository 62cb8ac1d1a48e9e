// This dialect's reference rows, in testdata/ (hal/abi/reference_rows.h).
#ifndef HAL_ABI_GAUDI_REFERENCE_ROWS_H_
#define HAL_ABI_GAUDI_REFERENCE_ROWS_H_

#include <string>
#include <vector>

#include "hal/abi/reference_rows.h"

namespace openhpu::hal::abi::gaudi {

using abi::Number;
using abi::Row;

inline std::vector<Row> ReferenceRows(const std::string& file) {
  return abi::ReferenceRows("gaudi", file);
}

}  // namespace openhpu::hal::abi::gaudi

#endif  // HAL_ABI_GAUDI_REFERENCE_ROWS_H_
