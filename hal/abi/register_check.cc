#include "hal/abi/register_check.h"

#include <gtest/gtest.h>

#include <cctype>
#include <fstream>
#include <iterator>
#include <regex>
#include <utility>

#include "hal/abi/reference_rows.h"

namespace openhpu::hal::abi {
namespace {

// "PQF_EN" as the rows spell it.
std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool IsWholeWordOrReserved(const std::string& field, const Bits& bits) {
  return bits.width == 32 || field == "reserved" || field.rfind("rsv", 0) == 0;
}

}  // namespace

Reference::Reference(const std::string& dialect, const std::map<std::string, uint64_t>& blocks) {
  for (Row row : ReferenceRows(dialect, "regs.csv")) {
    const auto block = blocks.find(row["block"]);
    if (block == blocks.end()) continue;
    registers[row["reg"]] = {block->second + Number(row["offset"]), Number(row["count"]),
                             Number(row["elem_size"]), row["block"]};
  }
  for (Row row : ReferenceRows(dialect, "reg_fields.csv")) {
    if (blocks.count(row["block"]) == 0) continue;
    fields[row["reg"]][row["field"]] = {Number(row["lsb"]), Number(row["width"])};
  }
}

RegisterCheck::RegisterCheck(std::string folder, std::map<std::string, uint64_t> constants,
                             RowOf row_of)
    : folder_(std::move(folder)), constants_(std::move(constants)), row_of_(std::move(row_of)) {}

uint64_t RegisterCheck::Value(const std::string& text) const {
  const auto constant = constants_.find(text);
  return constant != constants_.end() ? constant->second : Number(text);
}

std::string RegisterCheck::TextOf(const std::string& header) const {
  std::ifstream in("hal/abi/" + folder_ + "/" + header);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::map<std::string, Declared> RegisterCheck::Declarations(const std::string& header) const {
  const std::string text = TextOf(header);
  static const std::regex kStruct(R"(struct\s+([A-Za-z0-9_]+)\s*(?::([^{]*))?\{([^}]*)\};)");
  static const std::regex kRegister(
      R"(Register<\s*([^,>]+?)\s*(?:,\s*([^,>]+?)\s*)?(?:,\s*([^,>]+?)\s*)?>)");
  static const std::regex kName(R"([A-Za-z0-9_]+)");
  static const std::regex kField(
      R"(using\s+([A-Za-z0-9_]+)\s*=\s*Field<uint32_t,\s*([0-9]+),\s*([0-9]+)>;)");
  std::map<std::string, Declared> declared;
  for (std::sregex_iterator it(text.begin(), text.end(), kStruct), end; it != end; ++it) {
    const std::string bases = (*it)[2], body = (*it)[3];
    Declared entry;
    std::smatch match;
    if (std::regex_search(bases, match, kRegister)) {
      entry.is_register = true;
      entry.offset = Value(match[1]);
      if (match[2].matched) entry.count = Value(match[2]);
      if (match[3].matched) entry.stride = Value(match[3]);
    }
    // A base that was declared above gives its fields.
    for (std::sregex_iterator n(bases.begin(), bases.end(), kName); n != end; ++n) {
      const auto base = declared.find((*n)[0]);
      if (base != declared.end()) entry.fields = base->second.fields;
    }
    for (std::sregex_iterator f(body.begin(), body.end(), kField); f != end; ++f) {
      entry.fields[Lower((*f)[1])] = {Number((*f)[2]), Number((*f)[3])};
    }
    if (entry.is_register || !entry.fields.empty()) declared[(*it)[1]] = entry;
  }
  return declared;
}

void RegisterCheck::ExpectFields(const std::string& name, const Declared& declared,
                                 const std::map<std::string, Bits>& reference) {
  for (const auto& [field, bits] : declared.fields) {
    const auto row = reference.find(field);
    if (row == reference.end()) {
      ADD_FAILURE() << name << "." << field << " has no row";
      continue;
    }
    EXPECT_EQ(bits.lsb, row->second.lsb) << name << "." << field;
    EXPECT_EQ(bits.width, row->second.width) << name << "." << field;
  }
  for (const auto& [field, bits] : reference) {
    if (IsWholeWordOrReserved(field, bits)) continue;
    EXPECT_EQ(declared.fields.count(field), 1u) << name << " lacks " << field;
  }
}

// The rows that one declaration with several places stands for, in order; a single name when the
// row itself counts them.
std::vector<std::string> RegisterCheck::RowNames(const std::string& name, const Declared& declared,
                                                 const Reference& reference) const {
  const std::string row = Lower(name);
  if (reference.registers.count(row) != 0) return {row};
  const auto numbered = [&](uint64_t i) {
    const std::string special = row_of_(name, i);
    return special.empty() ? row + "_" + std::to_string(i) : special;
  };
  std::vector<std::string> rows;
  for (uint64_t i = 0; i < declared.count; ++i) rows.push_back(numbered(i));
  EXPECT_EQ(reference.registers.count(numbered(declared.count)), 0u) << name << " counts too few";
  return rows;
}

void RegisterCheck::ExpectRegisters(const std::string& header,
                                    const std::map<std::string, uint64_t>& blocks) const {
  const Reference reference(folder_, blocks);
  size_t seen = 0;
  for (const auto& [name, declared] : Declarations(header)) {
    if (!declared.is_register) continue;
    ++seen;
    const std::vector<std::string> rows = RowNames(name, declared, reference);
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto row = reference.registers.find(rows[i]);
      if (row == reference.registers.end()) {
        ADD_FAILURE() << header << ": " << name << " has no row " << rows[i];
        continue;
      }
      EXPECT_EQ(declared.offset + declared.stride * i, row->second.offset) << name << " " << i;
      if (rows.size() == 1) {
        EXPECT_EQ(declared.count, row->second.count) << name;
        if (declared.count > 1) {
          EXPECT_EQ(declared.stride, row->second.elem_size) << name;
        }
      }
      const auto fields = reference.fields.find(rows[i]);
      ExpectFields(
          name, declared,
          fields == reference.fields.end() ? std::map<std::string, Bits>() : fields->second);
    }
  }
  // A register in a form that is not read here would not be checked.
  const std::string text = TextOf(header);
  const std::regex any("Register<");
  EXPECT_EQ(
      static_cast<std::ptrdiff_t>(seen),
      std::distance(std::sregex_iterator(text.begin(), text.end(), any), std::sregex_iterator()))
      << header;
  EXPECT_GT(seen, 0u) << header;
}

void RegisterCheck::ExpectMembers(const Members& members, const std::string& block,
                                  size_t base) const {
  const Reference reference(folder_, {{block, base}});
  EXPECT_EQ(members.size(), reference.registers.size()) << block;
  for (const auto& [row, place] : reference.registers) {
    const auto member = members.find(row);
    if (member == members.end()) {
      ADD_FAILURE() << block << ": no member for " << row;
      continue;
    }
    EXPECT_EQ(member->second, place.offset) << row;
  }
}

}  // namespace openhpu::hal::abi
