// The reference rows of a dialect, in its testdata/, read at run time: one map a row, from the
// names of the header line to text.
#ifndef HAL_ABI_REFERENCE_ROWS_H_
#define HAL_ABI_REFERENCE_ROWS_H_

#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace openhpu::hal::abi {

using Row = std::map<std::string, std::string>;

// Empty when there is no such file: tests expect rows.
inline std::vector<Row> ReferenceRows(const std::string& dialect, const std::string& file) {
  const auto split = [](const std::string& line) {
    std::vector<std::string> cells(1);
    for (char c : line) {
      if (c == ',') {
        cells.emplace_back();
      } else if (c != '\r') {
        cells.back() += c;
      }
    }
    return cells;
  };
  std::ifstream in("hal/abi/" + dialect + "/testdata/" + file);
  std::string line;
  if (!std::getline(in, line)) return {};
  const std::vector<std::string> names = split(line);
  std::vector<Row> rows;
  while (std::getline(in, line)) {
    const std::vector<std::string> cells = split(line);
    Row row;
    for (size_t i = 0; i < names.size() && i < cells.size(); ++i) row[names[i]] = cells[i];
    rows.push_back(row);
  }
  return rows;
}

// Decimal, or hexadecimal with 0x.
inline uint64_t Number(const std::string& text) { return std::stoull(text, nullptr, 0); }

}  // namespace openhpu::hal::abi

#endif  // HAL_ABI_REFERENCE_ROWS_H_
