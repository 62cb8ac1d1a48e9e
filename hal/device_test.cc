#include "hal/device.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "hal/chip.h"
#include "hal/null/driver.h"

namespace openhpu::hal {
namespace {

// Values move on a real device or a model only: testing/conformance and the runtime's tests look at
// them. Here: who owns what, and how many submissions.
class DeviceTest : public testing::Test {
 protected:
  DeviceTest() {
    auto driver = *NullDriver::Open("null:tiny");
    null_ = driver.get();
    device_ = *Device::Create(std::move(driver));
  }
  NullDriver* null_;
  std::unique_ptr<Device> device_;
};

// Whatever the dialect: queues, memory, and banks that begin at a group of eight.
TEST(AnyDeviceTest, EveryShippedChipIsADevice) {
  for (const std::string& chip : ShippedChips()) {
    auto device = Device::Create(*NullDriver::Open("null:" + chip));
    ASSERT_TRUE(device.ok()) << chip << ": " << device.status();
    EXPECT_TRUE((*device)->Allocate(MemoryKind::kDram, 4096).ok()) << chip;
    const auto bank = (*device)->banks().Lease(8, 8);
    ASSERT_TRUE(bank.ok()) << chip << ": " << bank.status();
    EXPECT_EQ(bank->first_sob() % 8, 0u) << chip;
    EXPECT_GE(bank->first_sob(), (*device)->info().chip.sync().user_manager().value() == 0
                                     ? (*device)->info().chip.sync().first_user_sob().value()
                                     : 0u)
        << chip;
  }
}

TEST_F(DeviceTest, MemoryReturnsWithItsOwner) {
  const uint64_t all = device_->info().dram_user_bytes;
  {
    Buffer a = *device_->Allocate(MemoryKind::kDram, all);
    Buffer b = std::move(a);
    EXPECT_EQ(b.bytes(), all);
    EXPECT_EQ(a.bytes(), 0u);
    EXPECT_EQ(device_->Allocate(MemoryKind::kDram, 1).status().code(),
              absl::StatusCode::kResourceExhausted);
    b = Buffer();
  }
  EXPECT_TRUE(device_->Allocate(MemoryKind::kDram, all).ok());
}

TEST_F(DeviceTest, HostMemoryIsMappedAndZero) {
  const HostBuffer host = *device_->AllocateHost(5000);
  EXPECT_EQ(host.bytes(), 5000u);
  EXPECT_NE(host.address().value(), 0u);
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(host.data()[i], std::byte{0});
  EXPECT_FALSE(device_->AllocateHost(0).ok());
}

TEST_F(DeviceTest, CopiesGoThroughTheStageInPieces) {
  const Buffer memory = *device_->Allocate(MemoryKind::kDram, 4 << 20);
  std::vector<std::byte> bytes(600 << 10);
  EXPECT_TRUE(device_->CopyToDevice(bytes, memory.address()).ok());
  EXPECT_EQ(null_->submissions(), 3u);
  EXPECT_TRUE(device_->CopyFromDevice(memory.address(), absl::MakeSpan(bytes)).ok());
  EXPECT_EQ(null_->submissions(), 6u);
  bytes.resize(4 << 20);  // mapped as a whole
  EXPECT_TRUE(device_->CopyToDevice(bytes, memory.address()).ok());
  EXPECT_EQ(null_->submissions(), 7u);
  EXPECT_TRUE(device_->CopyToDevice({}, memory.address()).ok());
  EXPECT_EQ(null_->submissions(), 7u);
}

TEST_F(DeviceTest, BanksAreOfTheUsersManager) {
  const Bank bank = *device_->banks().Lease(512, 256);
  EXPECT_EQ(bank.first_sob(), 0u);
  EXPECT_EQ(device_->banks().Lease(1, 0).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace openhpu::hal
