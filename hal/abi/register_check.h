// For tests: the registers and fields that a dialect's headers declare, against its reference rows.
// The headers keep one form (`struct NAME : Register<...>`, `using NAME = Field<...>`) and are read
// as text, so that no second list of names must be kept: a register or field without a row fails,
// and so does a row whose register is declared without that field. Failures are gtest's.
#ifndef HAL_ABI_REGISTER_CHECK_H_
#define HAL_ABI_REGISTER_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace openhpu::hal::abi {

struct Bits {
  uint64_t lsb = 0, width = 0;
};

// A struct of a header that is a register, or has fields.
struct Declared {
  bool is_register = false;
  uint64_t offset = 0, count = 1, stride = 4;
  std::map<std::string, Bits> fields;  // as the rows spell them
};

// Rows of some blocks, where each block starts at an offset of the header's block.
struct Reference {
  struct Place {
    uint64_t offset, count, elem_size;
    std::string block;
  };
  std::map<std::string, Place> registers;
  std::map<std::string, std::map<std::string, Bits>> fields;  // by register

  Reference(const std::string& dialect, const std::map<std::string, uint64_t>& blocks);
};

// Members of a struct by the name of their rows: {row, offsetof}.
using Members = std::map<std::string, size_t>;
#define OPENHPU_MEMBER(type, name) \
  { #name, offsetof(type, name) }

class RegisterCheck {
 public:
  // `folder` of the headers and rows. `constants`: what the headers name in Register<>.
  // `row_of`: the i-th row of a register that stands for several, where it is not called
  // <register>_<i>; empty for the others.
  using RowOf = std::function<std::string(const std::string& name, uint64_t i)>;
  RegisterCheck(std::string folder, std::map<std::string, uint64_t> constants, RowOf row_of);

  // The structs of a header that declare registers or fields, by name.
  std::map<std::string, Declared> Declarations(const std::string& header) const;

  // Every register of the header against the rows of `blocks`.
  void ExpectRegisters(const std::string& header,
                       const std::map<std::string, uint64_t>& blocks) const;

  // The fields of one declaration, against those of a row. Rows of a whole word, or reserved, need
  // no field.
  static void ExpectFields(const std::string& name, const Declared& declared,
                           const std::map<std::string, Bits>& reference);

  // Every register of a block is a member of a struct, at its place from `base` on.
  void ExpectMembers(const Members& members, const std::string& block, size_t base = 0) const;

 private:
  uint64_t Value(const std::string& text) const;
  std::string TextOf(const std::string& header) const;
  std::vector<std::string> RowNames(const std::string& name, const Declared& declared,
                                    const Reference& reference) const;

  std::string folder_;
  std::map<std::string, uint64_t> constants_;
  RowOf row_of_;
};

}  // namespace openhpu::hal::abi

#endif  // HAL_ABI_REGISTER_CHECK_H_
