// For the dialects' own files: tables of registers, filled from hal/abi's register types.
#ifndef SIMULATOR_ENGINE_DIALECT_TABLES_H_
#define SIMULATOR_ENGINE_DIALECT_TABLES_H_

#include <cstdint>

#include "simulator/engine/dialect.h"

namespace openhpu::simulator {

using QmanTable = std::array<QmanRegister, kRegisterBlockBytes / 4>;

// Every register of the array is of that kind; `first_cp` is whose the first one is.
template <typename Register>
void Put(QmanRegister::Kind kind, QmanTable& table, int first_cp = 0, int which = 0) {
  for (uint32_t i = 0; i < Register::kCount; ++i) {
    table[Register::At(i) / 4] = {kind, static_cast<uint8_t>(which),
                                  static_cast<uint8_t>(first_cp + i)};
  }
}
// Four arrays that lie evenly apart.
template <typename First, typename Second>
void PutFour(QmanRegister::Kind kind, QmanTable& table) {
  constexpr uint32_t kApart = Second::kOffset - First::kOffset;
  for (int which = 0; which < 4; ++which) {
    for (uint32_t i = 0; i < First::kCount; ++i) {
      table[(First::At(i) + kApart * which) / 4] = {kind, static_cast<uint8_t>(which),
                                                    static_cast<uint8_t>(i)};
    }
  }
}

// The register when `offset` is of the array.
template <typename Register>
bool FindIn(uint32_t offset, SyncRegister::Kind kind, SyncRegister& found) {
  if (offset < Register::kOffset || offset >= Register::At(Register::kCount) || offset % 4 != 0) {
    return false;
  }
  found = {kind, (offset - Register::kOffset) / 4};
  return true;
}

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_DIALECT_TABLES_H_
