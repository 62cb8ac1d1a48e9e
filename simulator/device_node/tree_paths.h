// Which names of the machine the emulated card has, and what is behind each: `/dev/hl0` is the
// compute node, `/sys/class/habanalabs/hl0/status` an attribute that the node answers, `pci_addr`
// text that lies in the tree. Names of other cards are nobody's: they answer as they are.
//
// Freestanding: no allocation, no library, so that a preloaded library can ask about every path.
//
// Threading: pure functions.
#ifndef SIMULATOR_DEVICE_NODE_TREE_PATHS_H_
#define SIMULATOR_DEVICE_NODE_TREE_PATHS_H_

#include <cstddef>
#include <cstdint>

namespace openhpu::simulator {

// What a card shows of itself. A machine has one or the other; "both" is for tests of programs that
// look for either.
enum NodeApis : uint8_t { kMiscNames = 1, kAccelNames = 2, kAllNames = 3 };

enum class TreeEntry : uint8_t {
  kPlain,         // a folder, or text that does not change
  kCompute,       // /dev/hl0
  kControl,       // /dev/hl_controlD0
  kAccelCompute,  // /dev/accel/accel0
  kAccelControl,  // /dev/accel/accel_controlD0
  kAttribute,     // text that the node answers
  kDebugAddress,  // debugfs: the address of the next word
  kDebugWord32,   // debugfs: the word there
  kDebugWord64,   // debugfs: the word there
};

struct TreePath {
  static constexpr size_t kMostBytes = 256;  // no name of the tree is longer
  char path[kMostBytes];                     // in the folder of the tree, without a slash in front
  const char* name = "";                     // the last component, in `path`
  TreeEntry entry = TreeEntry::kPlain;
};

// False for a path that is not the card's. Dots and repeated slashes are resolved as text.
bool FindInTree(const char* path, uint8_t apis, TreePath* found);

// Compute minors are even, the control node's is the next one. The major of the misc node is
// dynamic on a card (511 is the first that Linux gives); 261 is DRM accel's.
inline constexpr unsigned kMiscMajor = 511, kAccelMajor = 261;
inline constexpr char kPciAddress[] = "0000:01:00.0";

struct DeviceNumber {
  unsigned major_number = 0, minor_number = 0;
};
// Of one of the four nodes; {0, 0} for other entries.
DeviceNumber NumberOf(TreeEntry entry);

// Attributes that may change: each is a file of the tree if the node knows it. Names of Linux's
// sysfs-driver-habanalabs, recollected.
inline constexpr const char* kAttributes[] = {
    "armcp_kernel_ver", "armcp_ver",        "clk_cur_freq_mhz", "clk_max_freq_mhz", "cpld_ver",
    "cpucp_ver",        "cpucp_kernel_ver", "driver_ver",       "eeprom",           "fuse_ver",
    "fw_os_ver",        "hard_reset",       "hard_reset_cnt",   "high_pll",         "ic_clk",
    "ic_clk_curr",      "infineon_ver",     "max_power",        "mme_clk",          "mme_clk_curr",
    "parent_device",    "pm_mng_profile",   "preboot_btl_ver",  "security_enabled", "soft_reset",
    "soft_reset_cnt",   "status",           "thermal_ver",      "tpc_clk",          "tpc_clk_curr",
    "uboot_ver",        "vrm_ver",
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_TREE_PATHS_H_
