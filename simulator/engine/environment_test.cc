#include "simulator/engine/environment.h"

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/chip.h"
#include "hal/chip.pb.h"
#include "testing/allocations.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {
namespace {

class CheckBoxesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(const hal::Chip chip, hal::LoadChip("gaudi2"));
    ASSERT_OK_AND_ASSIGN(environment_.memory, MachineMemory::Create(chip));
    environment_.memory->HideDram();
    const uint64_t first = chip.address_map().dram_va_start().value();
    for (uint64_t i = 0; i < 8; ++i) {
      AccessBox& box = boxes_.emplace_back();
      box.base = DeviceAddress(first + i * 65536);
      box.run = 64;
      box.sizes[0] = 512;
      box.strides[0] = 128;
      ASSERT_OK(environment_.memory->MapDram(box.base, i * 65536, 65536));
    }
  }

  Environment environment_;
  std::vector<AccessBox> boxes_;
};

// It is done for every launch, known or not.
TEST_F(CheckBoxesTest, AllocatesNothingWhenAllIsThere) {
  const uint64_t before = ThreadAllocations();
  for (int i = 0; i < 100; ++i) {
    if (!CheckBoxes(environment_, boxes_).ok()) FAIL();
  }
  EXPECT_EQ(ThreadAllocations(), before);
}

TEST_F(CheckBoxesTest, NamesTheFirstAddressOfABoxThatIsNotMapped) {
  ASSERT_OK(environment_.memory->UnmapDram(boxes_[5].base));
  const absl::Status status = CheckBoxes(environment_, boxes_);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kOutOfRange, ::testing::_));
  EXPECT_EQ(AddressOf(status), boxes_[5].base.value());
}

}  // namespace
}  // namespace openhpu::simulator
