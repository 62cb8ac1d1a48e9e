#include "testing/conformance/exemptions.h"

namespace openhpu::conformance {

bool Matches(std::string_view pattern, std::string_view test) {
  if (pattern.empty()) return test.empty();
  if (pattern[0] == '*') {
    return Matches(pattern.substr(1), test) || (!test.empty() && Matches(pattern, test.substr(1)));
  }
  return !test.empty() && pattern[0] == test[0] && Matches(pattern.substr(1), test.substr(1));
}

const Exemption* Find(absl::Span<const Exemption> exemptions, std::string_view test) {
  for (const Exemption& exemption : exemptions) {
    if (Matches(exemption.pattern, test)) return &exemption;
  }
  return nullptr;
}

}  // namespace openhpu::conformance
