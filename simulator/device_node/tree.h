// The names of one emulated card as ordinary files in a folder: `<folder>/dev/hl0`,
// `<folder>/sys/class/habanalabs/hl0/pci_addr` and so on, with sysfs's symbolic links. The folder
// is the card's place on the machine: whoever comes first fills it, and it stays. Others may keep
// files in it too.
//
// `dev` and `sys` appear whole and at once, `sys` last; the file `card` in it says for which card.
#ifndef SIMULATOR_DEVICE_NODE_TREE_H_
#define SIMULATOR_DEVICE_NODE_TREE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace openhpu::simulator {

struct TreeFacts {
  std::string card;         // spec, "sim:gaudi"
  std::string device_type;  // "GAUDI"
  uint32_t pci_device_id = 0;
  std::vector<std::string> attributes;  // of tree_paths.h's, which this card has
};

// Is there when the tree is, and what it holds.
inline constexpr char kCardFile[] = "sys/card";
std::string CardFile(std::string_view card);

// The tree is there when this returns, made by this process or another, even if processes die while
// they make it. FailedPrecondition when the folder is another card's; missing folders are made.
absl::Status MakeTree(const std::string& folder, const TreeFacts& facts);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_TREE_H_
