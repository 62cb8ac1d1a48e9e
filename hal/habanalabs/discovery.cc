#include "hal/habanalabs/discovery.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace openhpu::hal::habanalabs {
namespace {

constexpr char kMiscClass[] = "/sys/class/habanalabs";
constexpr char kAccelClass[] = "/sys/class/accel";

Node NodeOf(Api api, uint32_t number) {
  if (api == Api::kMisc) {
    return {api, absl::StrCat("/dev/hl", number), absl::StrCat(kMiscClass, "/hl", number)};
  }
  return {api, absl::StrCat("/dev/accel/accel", number),
          absl::StrCat(kAccelClass, "/accel", number, "/device")};
}

// The numbers of a class folder's entries `prefix`<number>, which leaves out control nodes.
std::vector<uint32_t> NumbersIn(Syscalls& syscalls, const std::string& folder,
                                const std::string& prefix) {
  std::vector<std::string> names;
  std::vector<uint32_t> numbers;
  if (syscalls.ListFolder(folder, &names) < 0) return numbers;
  for (const std::string& name : names) {
    uint32_t number = 0;
    if (name.rfind(prefix, 0) == 0 && absl::SimpleAtoi(name.substr(prefix.size()), &number)) {
      numbers.push_back(number);
    }
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

std::string ReadAttribute(Syscalls& syscalls, const Node& node, const std::string& name) {
  std::string text;
  if (syscalls.ReadFile(absl::StrCat(node.attributes, "/", name), &text) < 0) return "";
  while (!text.empty() && (text.back() == '\n' || text.back() == '\0')) text.pop_back();
  return text;
}

std::vector<CardListing> ListCards(Syscalls& syscalls) {
  std::vector<CardListing> cards;
  const auto list = [&](Api api, const char* folder, const char* prefix) {
    for (uint32_t number : NumbersIn(syscalls, folder, prefix)) {
      CardListing card;
      card.number = number;
      card.node = NodeOf(api, number);
      card.type = ReadAttribute(syscalls, card.node, "device_type");
      if (api == Api::kAccel && card.type.empty()) continue;
      card.pci_address = ReadAttribute(syscalls, card.node, "pci_addr");
      card.status = ReadAttribute(syscalls, card.node, "status");
      cards.push_back(std::move(card));
    }
  };
  list(Api::kAccel, kAccelClass, "accel");
  list(Api::kMisc, kMiscClass, "hl");
  return cards;
}

std::vector<Node> NodesOf(Syscalls& syscalls, uint32_t number) {
  const Node accel = NodeOf(Api::kAccel, number), misc = NodeOf(Api::kMisc, number);
  const std::vector<uint32_t> listed = NumbersIn(syscalls, kAccelClass, "accel");
  const bool is_listed = std::find(listed.begin(), listed.end(), number) != listed.end();
  // An ioctl of ours must never reach another maker's driver.
  if (is_listed && ReadAttribute(syscalls, accel, "device_type").empty()) return {misc};
  return {accel, misc};
}

std::string DescribeCards(const std::vector<CardListing>& cards) {
  std::vector<std::string> texts;
  for (const CardListing& card : cards) {
    std::vector<std::string> words;
    for (const std::string* word : {&card.type, &card.pci_address, &card.status}) {
      if (!word->empty()) words.push_back(*word);
    }
    texts.push_back(absl::StrCat("habanalabs:", card.number));
    if (!words.empty()) absl::StrAppend(&texts.back(), " (", absl::StrJoin(words, ", "), ")");
  }
  return absl::StrJoin(texts, ", ");
}

}  // namespace openhpu::hal::habanalabs
