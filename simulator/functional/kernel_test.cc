#include "simulator/functional/kernel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace openhpu::simulator {
namespace {

TEST(KernelTest, UnknownGuidsAreNamed) {
  const auto kernel = MakeKernel("openhpu.conv9d", {});
  EXPECT_EQ(kernel.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(kernel.status().message()).find("openhpu.conv9d"), std::string::npos);
}

TEST(KernelTest, PayloadsAreChecked) {
  const std::byte payload[3] = {};
  for (std::string_view guid : KernelGuids()) {
    EXPECT_EQ(MakeKernel(guid, payload).status().code(), absl::StatusCode::kInvalidArgument)
        << guid;
    EXPECT_EQ(MakeKernel(guid, {}).ok(), guid != "openhpu.fused") << guid;
  }
}

TEST(KernelTest, GuidsAreSorted) {
  const auto guids = KernelGuids();
  EXPECT_EQ(guids.size(), 11u);
  EXPECT_TRUE(std::is_sorted(guids.begin(), guids.end()));
}

TEST(KernelTest, EmptyLaunchesAreRefusedByEveryKernel) {
  for (std::string_view guid : KernelGuids()) {
    if (guid == "openhpu.fused") continue;
    const auto kernel = MakeKernel(guid, {});
    EXPECT_EQ((*kernel)->Prepare({}).code(), absl::StatusCode::kInvalidArgument) << guid;
  }
}

}  // namespace
}  // namespace openhpu::simulator
