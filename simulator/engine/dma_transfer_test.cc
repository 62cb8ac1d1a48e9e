#include "simulator/engine/dma_transfer.h"

#include <cstring>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {
namespace {

using ::testing::HasSubstr;

// Bytes [0, size) of a vector.
class FlatMemory final : public AddressSpace {
 public:
  explicit FlatMemory(size_t bytes) : bytes_(bytes) {}
  absl::StatusOr<std::byte*> Resolve(DeviceAddress address, uint64_t bytes) override {
    if (address.value() + bytes > bytes_.size()) return absl::OutOfRangeError("outside");
    return &bytes_[address.value()];
  }
  uint64_t PageVersion(DeviceAddress) const override { return 0; }
  template <typename T>
  T& at(uint64_t address) {
    return *reinterpret_cast<T*>(&bytes_[address]);
  }

 private:
  std::vector<std::byte> bytes_;
};

TEST(DmaTransferTest, StridedCopiesPairTheBytesOfBothSidesInOrder) {
  FlatMemory memory(1 << 16);
  for (uint32_t i = 0; i < 8192; ++i) memory.at<uint32_t>(4 * i) = i;
  DmaTransfer t;
  t.source.sizes = {12, 4, 3, 1, 2};
  t.source.strides = {1, 64, 1024, 0, 8192};
  t.destination.base = 40000;
  t.destination.sizes = {24, 2, 6, 1, 1};  // other dims, the same bytes
  t.destination.strides = {1, 100, 300, 0, 0};
  std::vector<AccessBox> boxes;
  ASSERT_THAT(DmaBoxes(t, boxes), IsOk());
  ASSERT_EQ(boxes.size(), 2u);
  EXPECT_EQ(Bytes(boxes[0]), 288u);
  EXPECT_FALSE(boxes[0].write);
  EXPECT_TRUE(boxes[1].write);
  ASSERT_THAT(RunDma(t, memory), IsOk());
  uint32_t word = 0;
  for (uint32_t e = 0; e < 2; ++e) {
    for (uint32_t c = 0; c < 3; ++c) {
      for (uint32_t b = 0; b < 4; ++b) {
        for (uint32_t a = 0; a < 3; ++a, ++word) {
          const uint32_t row = word / 6;
          const uint64_t to = 40000 + 4 * (word % 6) + 100 * (row % 2) + 300 * (row / 2);
          ASSERT_EQ(memory.at<uint32_t>(to), a + 16 * b + 256 * c + 2048 * e) << word;
        }
      }
    }
  }
}

TEST(DmaTransferTest, MemsetRepeatsItsValue) {
  FlatMemory memory(4096);
  DmaTransfer t;
  t.memset = true;
  t.source.base = 0x0807060504030201;
  t.destination.base = 100;
  t.destination.sizes = {12, 3, 1, 1, 1};
  t.destination.strides = {1, 20, 0, 0, 0};
  ASSERT_THAT(RunDma(t, memory), IsOk());
  for (uint32_t i = 0; i < 36; ++i) {
    EXPECT_EQ(memory.at<uint8_t>(100 + i % 12 + 20 * (i / 12)), i % 8 + 1);
  }
  EXPECT_EQ(memory.at<uint8_t>(112), 0);
}

TEST(DmaTransferTest, TransposeExchangesDims0And1) {
  FlatMemory memory(8192);
  for (uint16_t i = 0; i < 60; ++i) memory.at<uint16_t>(2 * i) = i;
  DmaTransfer t;
  t.transpose = true;
  t.element_bytes = 2;
  t.source.sizes = {10, 4, 3, 1, 1};  // three matrices of 4 rows, 5 columns
  t.source.strides = {1, 10, 40, 0, 0};
  t.destination.base = 4096;
  t.destination.sizes = {8, 5, 3, 1, 1};
  t.destination.strides = {1, 16, 80, 0, 0};
  std::vector<AccessBox> boxes;
  ASSERT_THAT(DmaBoxes(t, boxes), IsOk());
  ASSERT_THAT(RunDma(t, memory), IsOk());
  for (uint32_t m = 0; m < 3; ++m) {
    for (uint32_t row = 0; row < 4; ++row) {
      for (uint32_t column = 0; column < 5; ++column) {
        EXPECT_EQ(memory.at<uint16_t>(4096 + 80 * m + 16 * column + 2 * row),
                  20 * m + 5 * row + column);
      }
    }
  }
}

TEST(DmaTransferTest, SizesMustAgree) {
  DmaTransfer t;
  t.source.sizes = {12, 2, 1, 1, 1};
  t.destination.sizes = {20, 1, 1, 1, 1};
  std::vector<AccessBox> boxes;
  EXPECT_THAT(DmaBoxes(t, boxes), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("reads 24 bytes and writes 20")));
}

}  // namespace
}  // namespace openhpu::simulator
