#include "simulator/device_node/fresh_node.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <misc/habanalabs.h>

#include <cstdint>
#include <memory>
#include <string>

#include "simulator/device_node/tree_paths.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {
namespace {

TEST(FreshNodeTest, IsAMachineWithOneUnusedGaudi) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<NodeSyscalls> system, OpenFreshNode("sim:gaudi"));
  std::string text;
  EXPECT_EQ(system->ReadFile("/sys/class/habanalabs/hl0/status", &text), 0);
  EXPECT_EQ(text, "Operational\n");
  const int fd = system->Open("/dev/hl0", O_RDWR);
  ASSERT_GE(fd, 0);
  hl_info_hw_ip_info info = {};
  hl_info_args args = {};
  args.op = HL_INFO_HW_IP_INFO;
  args.return_pointer = reinterpret_cast<uint64_t>(&info);
  args.return_size = sizeof(info);
  EXPECT_EQ(system->Ioctl(fd, HL_IOCTL_INFO, &args), 0);
  EXPECT_EQ(info.device_id, 0x1000u);
  EXPECT_EQ(system->Close(fd), 0);
}

TEST(FreshNodeTest, TwoAreTwoMachines) {
  ASSERT_OK_AND_ASSIGN(auto first, OpenFreshNode("sim:tiny"));
  ASSERT_OK_AND_ASSIGN(auto second, OpenFreshNode("sim:tiny", kAllNames));
  EXPECT_GE(first->Open("/dev/hl0", O_RDWR), 0);
  EXPECT_GE(second->Open("/dev/accel/accel0", O_RDWR), 0);
  EXPECT_EQ(second->Open("/dev/hl0", O_RDWR), -EBUSY) << "the same card";
}

TEST(FreshNodeTest, AResetIsAskedForThroughSysfs) {
  ASSERT_OK_AND_ASSIGN(auto system, OpenFreshNode("sim:tiny"));
  EXPECT_GE(system->Open("/sys/class/habanalabs/hl0/hard_reset", O_WRONLY), 0);
}

TEST(FreshNodeTest, ACardThatThereIsNotIsRefusedByName) {
  EXPECT_THAT(OpenFreshNode("sim:nonsense"),
              StatusIs(absl::StatusCode::kNotFound, testing::HasSubstr("nonsense")));
}

TEST(FreshNodeTest, MayBeAGaudi2) {
  ASSERT_OK_AND_ASSIGN(auto system, OpenFreshNode("sim:gaudi2", kAllNames));
  std::string text;
  EXPECT_EQ(system->ReadFile("/sys/class/habanalabs/hl0/device_type", &text), 0);
  EXPECT_EQ(text, "GAUDI2\n");
  EXPECT_EQ(system->ReadFile("/sys/bus/pci/devices/0000:01:00.0/device", &text), 0);
  EXPECT_EQ(text, "0x1020\n");
}

TEST(FreshNodeTest, AChipWithoutANodeIsRefusedByName) {
  EXPECT_THAT(OpenFreshNode("sim:gaudi3"),
              StatusIs(absl::StatusCode::kUnimplemented, testing::HasSubstr("gaudi3")));
}

}  // namespace
}  // namespace openhpu::simulator
