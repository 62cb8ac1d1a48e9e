#include "simulator/device_node/tree_paths.h"

#include <gtest/gtest.h>

#include <string>

namespace openhpu::simulator {
namespace {

std::string Find(const std::string& path, uint8_t apis = kMiscNames) {
  TreePath found;
  return FindInTree(path.c_str(), apis, &found) ? found.path : "none";
}

TreeEntry EntryOf(const std::string& path, uint8_t apis = kAllNames) {
  TreePath found;
  EXPECT_TRUE(FindInTree(path.c_str(), apis, &found)) << path;
  return found.entry;
}

TEST(TreePathsTest, OneCardIsThereAndTheOthersAreNobodys) {
  EXPECT_EQ(Find("/dev/hl0"), "dev/hl0");
  for (int i = 1; i < 256; ++i) EXPECT_EQ(Find("/dev/hl" + std::to_string(i)), "none");
  EXPECT_EQ(Find("/dev/hl_controlD0"), "dev/hl_controlD0");
  EXPECT_EQ(Find("/dev/hl_controlD1"), "none");
  EXPECT_EQ(Find("/dev/hli"), "none");
  EXPECT_EQ(Find("/dev"), "none");
  EXPECT_EQ(Find("/sys/class"), "none");
  EXPECT_EQ(Find("/tmp/dev/hl0"), "none");
  EXPECT_EQ(Find("dev/hl0"), "none");
  EXPECT_EQ(Find(""), "none");
}

TEST(TreePathsTest, TheMachineHasTheNamesOfTheApiThatItWasAskedFor) {
  EXPECT_EQ(Find("/dev/accel/accel0", kMiscNames), "none");
  EXPECT_EQ(Find("/dev/accel/accel0", kAccelNames), "dev/accel/accel0");
  EXPECT_EQ(Find("/dev/hl0", kAccelNames), "none");
  EXPECT_EQ(Find("/sys/class/accel/accel0/device/device_type", kAllNames),
            "sys/class/accel/accel0/device/device_type");
  EXPECT_EQ(Find("/sys/class/habanalabs", kAccelNames), "none");
}

TEST(TreePathsTest, DotsAndSlashesAreResolved) {
  EXPECT_EQ(Find("//dev//./hl0"), "dev/hl0");
  EXPECT_EQ(Find("/./dev/hl0/"), "dev/hl0");
  EXPECT_EQ(Find("/dev/../dev/hl0"), "dev/hl0");
  EXPECT_EQ(Find("/sys/class/habanalabs/../../../etc/passwd"), "none");
  EXPECT_EQ(Find("/../dev/hl0"), "dev/hl0");
}

TEST(TreePathsTest, APathThatIsTooLongIsNobodys) {
  EXPECT_EQ(Find("/sys/class/habanalabs/" + std::string(5000, 'x')), "none");
  EXPECT_EQ(Find("/dev/" + std::string(5000, '/') + "hl0"), "dev/hl0");
}

TEST(TreePathsTest, AnEntrySaysWhoAnswers) {
  EXPECT_EQ(EntryOf("/dev/hl0"), TreeEntry::kCompute);
  EXPECT_EQ(EntryOf("/dev/hl_controlD0"), TreeEntry::kControl);
  EXPECT_EQ(EntryOf("/dev/accel/accel0"), TreeEntry::kAccelCompute);
  EXPECT_EQ(EntryOf("/dev/accel/accel_controlD0"), TreeEntry::kAccelControl);
  EXPECT_EQ(EntryOf("/sys/class/habanalabs"), TreeEntry::kPlain);
  EXPECT_EQ(EntryOf("/sys/class/habanalabs/hl0/pci_addr"), TreeEntry::kPlain);
  EXPECT_EQ(EntryOf("/sys/class/habanalabs/hl0/status"), TreeEntry::kAttribute);
  EXPECT_EQ(EntryOf("/sys/kernel/debug/habanalabs/hl0/addr"), TreeEntry::kDebugAddress);
  EXPECT_EQ(EntryOf("/sys/kernel/debug/habanalabs/hl0/data32"), TreeEntry::kDebugWord32);
  EXPECT_EQ(EntryOf("/sys/kernel/debug/habanalabs/hl0/data64"), TreeEntry::kDebugWord64);
}

TEST(TreePathsTest, MinorsOfComputeNodesAreEvenAndOfControlNodesTheNext) {
  EXPECT_EQ(NumberOf(TreeEntry::kCompute).minor_number % 2, 0u);
  EXPECT_EQ(NumberOf(TreeEntry::kControl).minor_number,
            NumberOf(TreeEntry::kCompute).minor_number + 1);
  EXPECT_EQ(NumberOf(TreeEntry::kPlain).major_number, 0u);
}

}  // namespace
}  // namespace openhpu::simulator
