#include "simulator/engine/dma_transfer.h"

#include <cstring>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi2/dma_core.h"
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

// A generator of the same numbers everywhere.
class Numbers {
 public:
  uint32_t Below(uint32_t limit) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 33) % limit;
  }

 private:
  uint64_t state_ = 42;
};

// The address of the k-th byte of a side.
uint64_t AddressOf(const DmaTransfer::Side& side, uint64_t k) {
  uint64_t address = side.base + k % side.sizes[0];
  k /= side.sizes[0];
  for (int d = 1; d < 5; ++d) {
    address += k % side.sizes[d] * side.strides[d];
    k /= side.sizes[d];
  }
  return address;
}

constexpr uint32_t kHalf = 1 << 15;  // sides lie in one half of the memory each

// Spreads the factors over five dims, with strides of any kind that stay inside the half.
DmaTransfer::Side RandomSide(Numbers& numbers, const std::vector<uint32_t>& factors) {
  DmaTransfer::Side side;
  side.sizes = {1, 1, 1, 1, 1};
  for (uint32_t factor : factors) side.sizes[numbers.Below(5)] *= factor;
  uint32_t reach = side.sizes[0] - 1;
  for (int d = 1; d < 5; ++d) {
    // Dense, apart, over each other, or in place.
    const uint32_t most = side.sizes[d] == 1 ? 1000 : (kHalf - 1 - reach) / side.sizes[d] / 2;
    side.strides[d] = numbers.Below(most + 1);
    reach += (side.sizes[d] - 1) * side.strides[d];
  }
  side.base = numbers.Below(kHalf - reach);
  return side;
}

TEST(DmaTransferTest, AnyTwoShapesOfTheSameBytesCopyAsALoopOverBytesDoes) {
  Numbers numbers;
  for (int round = 0; round < 500; ++round) {
    std::vector<uint32_t> factors;
    for (uint32_t i = numbers.Below(8); i > 0; --i) factors.push_back(2 + numbers.Below(4));
    uint64_t bytes = 1;
    for (uint32_t factor : factors) bytes *= factor;
    if (bytes > 4096) continue;
    DmaTransfer t;
    t.source = RandomSide(numbers, factors);
    t.destination = RandomSide(numbers, factors);
    t.destination.base += kHalf;
    FlatMemory memory(2 * kHalf), expected(2 * kHalf);
    for (uint32_t i = 0; i < 2 * kHalf; ++i) {
      memory.at<uint8_t>(i) = expected.at<uint8_t>(i) = static_cast<uint8_t>(numbers.Below(256));
    }
    for (uint64_t k = 0; k < bytes; ++k) {
      expected.at<uint8_t>(AddressOf(t.destination, k)) =
          expected.at<uint8_t>(AddressOf(t.source, k));
    }
    std::vector<AccessBox> boxes;
    ASSERT_THAT(DmaBoxes(t, boxes), IsOk());
    ASSERT_THAT(RunDma(t, memory), IsOk());
    ASSERT_EQ(std::memcmp(&memory.at<uint8_t>(0), &expected.at<uint8_t>(0), 2 * kHalf), 0) << round;
  }
}

TEST(DmaTransferTest, MemsetFillsAnyShapeAsALoopOverBytesDoes) {
  Numbers numbers;
  for (int round = 0; round < 200; ++round) {
    DmaTransfer t;
    t.memset = true;
    t.source.base = round % 2 == 0 ? 0x0102030405060708 : 0x7777777777777777;
    t.destination = RandomSide(numbers, {3, 5, 2, 4, 3, 2});
    FlatMemory memory(2 * kHalf), expected(2 * kHalf);
    for (uint64_t k = 0; k < 720; ++k) {
      expected.at<uint8_t>(AddressOf(t.destination, k)) =
          static_cast<uint8_t>(t.source.base >> 8 * (k % 8));
    }
    ASSERT_THAT(RunDma(t, memory), IsOk());
    ASSERT_EQ(std::memcmp(&memory.at<uint8_t>(0), &expected.at<uint8_t>(0), 2 * kHalf), 0) << round;
  }
}

TEST(DmaTransferTest, TransposesOfBothTypesMoveEveryElement) {
  Numbers numbers;
  for (int round = 0; round < 200; ++round) {
    const uint32_t e = round % 2 == 0 ? 2 : 4;
    const uint32_t columns = 1 + numbers.Below(20), rows = 1 + numbers.Below(20);
    const uint32_t outer[] = {1 + numbers.Below(3), 1 + numbers.Below(3), 1 + numbers.Below(2)};
    DmaTransfer t;
    t.transpose = true;
    t.element_bytes = e;
    t.source.sizes = {columns * e, rows, outer[0], outer[1], outer[2]};
    t.source.strides = {1, columns * e + numbers.Below(9), 700, 2100, 5000};
    t.source.base = numbers.Below(100);
    t.destination.base = kHalf + numbers.Below(100);
    t.destination.sizes = {rows * e, columns * outer[0] * outer[1] * outer[2], 1, 1, 1};
    t.destination.strides = {1, rows * e + numbers.Below(3), 0, 0, 0};
    FlatMemory memory(4 * kHalf);
    for (uint32_t i = 0; i < kHalf; ++i) memory.at<uint8_t>(i) = numbers.Below(256);
    std::vector<AccessBox> boxes;
    ASSERT_THAT(DmaBoxes(t, boxes), IsOk());
    ASSERT_THAT(RunDma(t, memory), IsOk());
    uint64_t line = 0;
    for (uint32_t z = 0; z < outer[2]; ++z) {
      for (uint32_t y = 0; y < outer[1]; ++y) {
        for (uint32_t x = 0; x < outer[0]; ++x) {
          for (uint32_t column = 0; column < columns; ++column, ++line) {
            for (uint32_t row = 0; row < rows; ++row) {
              const uint64_t from = t.source.base + e * column + t.source.strides[1] * row +
                                    700 * x + 2100 * y + 5000 * z;
              const uint64_t to = t.destination.base + t.destination.strides[1] * line + e * row;
              ASSERT_EQ(std::memcmp(&memory.at<uint8_t>(to), &memory.at<uint8_t>(from), e), 0)
                  << round;
            }
          }
        }
      }
    }
  }
}

// Registers of a linear command.
std::vector<uint32_t> Linear(uint64_t from, uint64_t to, uint32_t bytes, uint32_t commit) {
  namespace core = hal::abi::gaudi::dma_core;
  std::vector<uint32_t> registers(1024);
  registers[core::SRC_BASE_LO::kOffset / 4] = static_cast<uint32_t>(from);
  registers[core::DST_BASE_LO::kOffset / 4] = static_cast<uint32_t>(to);
  registers[core::DST_TSIZE_0::kOffset / 4] = bytes;
  registers[core::COMMIT::kOffset / 4] = core::COMMIT::LIN::Set(commit, 1);
  return registers;
}

TEST(DmaTransferTest, LinearCopiesOfAllSizesAndAlignmentsEvenOverEachOther) {
  Numbers numbers;
  for (uint32_t bytes = 0; bytes < 300; ++bytes) {
    for (const int32_t distance : {-200, -64, -3, -1, 0, 1, 7, 128, 1000}) {
      const uint64_t from = 2000 + bytes % 13, to = from + distance;
      FlatMemory memory(4096);
      std::vector<uint8_t> expected(4096);
      for (uint32_t i = 0; i < 4096; ++i) {
        memory.at<uint8_t>(i) = expected[i] = static_cast<uint8_t>(numbers.Below(256));
      }
      const std::vector<uint8_t> before = expected;
      for (uint32_t i = 0; i < bytes; ++i) expected[to + i] = before[from + i];
      const DmaTransfer t = ReadDmaTransfer(Linear(from, to, bytes, 0).data());
      ASSERT_THAT(RunDma(t, memory), IsOk());
      ASSERT_EQ(std::memcmp(&memory.at<uint8_t>(0), expected.data(), 4096), 0)
          << bytes << " " << distance;
    }
  }
}

TEST(DmaTransferTest, StridedCopiesOverEachOtherGoRunByRun) {
  FlatMemory memory(1024);
  std::vector<uint8_t> expected(1024);
  for (uint32_t i = 0; i < 1024; ++i) {
    memory.at<uint8_t>(i) = expected[i] = static_cast<uint8_t>(i * 7);
  }
  DmaTransfer t;
  t.source.sizes = {16, 10, 1, 1, 1};
  t.source.strides = {1, 24, 0, 0, 0};
  t.source.base = 100;
  t.destination = t.source;
  t.destination.base = 130;
  for (uint32_t run = 0; run < 10; ++run) {
    const std::vector<uint8_t> before = expected;
    for (uint32_t i = 0; i < 16; ++i) expected[130 + 24 * run + i] = before[100 + 24 * run + i];
  }
  ASSERT_THAT(RunDma(t, memory), IsOk());
  EXPECT_EQ(std::memcmp(&memory.at<uint8_t>(0), expected.data(), 1024), 0);
}

// Linear transposes of a dialect: of elements of `e` bytes, in matrices of `rows` rows.
struct Transposes {
  uint32_t row_bytes;
  std::vector<uint32_t> element_bytes;
  DmaTransfer (*read)(uint32_t bytes, uint32_t e, uint32_t rows);
};

DmaTransfer GaudiTranspose(uint32_t bytes, uint32_t e, uint32_t rows) {
  namespace core = hal::abi::gaudi::dma_core;
  uint32_t commit = core::COMMIT::TRANSPOSE::Set(0, 1);
  commit = core::COMMIT::DTYPE::Set(commit, e == 4 ? 1 : 0);
  std::vector<uint32_t> registers = Linear(0, kHalf, bytes, commit);
  registers[core::TE_NUMROWS::kOffset / 4] = rows;
  return ReadDmaTransfer(registers.data());
}

DmaTransfer Gaudi2Transpose(uint32_t bytes, uint32_t e, uint32_t rows) {
  namespace core = hal::abi::gaudi2::dma_core;
  std::vector<uint32_t> registers(1024);
  const uint32_t log2 = e == 4 ? 2 : e == 2 ? 1 : 0;
  registers[core::CTRL::kOffset / 4] =
      core::CTRL::DTYPE::Set(core::CTRL::TRANSPOSE::Set(0, 1), log2);
  registers[core::DST_BASE_LO::kOffset / 4] = static_cast<uint32_t>(kHalf);
  registers[core::DST_TSIZE_0::kOffset / 4] = bytes;
  registers[core::TE_NUMROWS::kOffset / 4] = rows;
  registers[core::COMMIT::kOffset / 4] = core::COMMIT::LIN::Set(0, 1);
  return ReadGaudi2DmaTransfer(registers.data());
}

TEST(DmaTransferTest, LinearTransposesFillTheUnitMatrixByMatrix) {
  for (const Transposes& unit :
       {Transposes{64, {2, 4}, GaudiTranspose}, Transposes{128, {1, 2, 4}, Gaudi2Transpose}}) {
    const uint32_t w = unit.row_bytes;
    for (const uint32_t e : unit.element_bytes) {
      for (const uint32_t asked : {0u, 1u, 8u, 32u}) {
        const uint32_t rows = asked == 0 ? 128 / e : asked, columns = w / e;
        const uint32_t bytes = 2 * w * rows;
        FlatMemory memory(2 * kHalf);
        for (uint32_t i = 0; i < bytes; ++i) {
          memory.at<uint8_t>(i) = static_cast<uint8_t>(i * 31 / 7);
        }
        const DmaTransfer t = unit.read(bytes, e, asked);
        std::vector<AccessBox> boxes;
        ASSERT_THAT(DmaBoxes(t, boxes), IsOk());
        ASSERT_THAT(RunDma(t, memory), IsOk());
        for (uint32_t matrix = 0; matrix < 2; ++matrix) {
          for (uint32_t row = 0; row < rows; ++row) {
            for (uint32_t column = 0; column < columns; ++column) {
              const uint64_t first = w * rows * matrix;
              ASSERT_EQ(
                  std::memcmp(&memory.at<uint8_t>(first + w * row + e * column),
                              &memory.at<uint8_t>(kHalf + first + e * (rows * column + row)), e),
                  0)
                  << w << " " << e << " " << asked;
            }
          }
        }
        EXPECT_THAT(
            DmaBoxes(unit.read(bytes + w * rows / 2, e, asked), boxes),
            StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("must be of whole matrices")));
        EXPECT_THAT(DmaBoxes(unit.read(w * (128 / e + 1), e, 128 / e + 1), boxes),
                    StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 128 bytes")));
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

TEST(DmaTransferTest, StridesThatWrapTheAddressReachNothing) {
  FlatMemory memory(4096);
  DmaTransfer t;
  t.memset = true;
  t.source.base = 0x0101010101010101;
  t.destination.base = 100;
  // 2^64 - 1 bytes from the first to the last.
  t.destination.sizes = {1, 0xFFFFFFFF, 4, 1, 1};
  t.destination.strides = {1, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0};
  std::vector<AccessBox> boxes;
  ASSERT_THAT(DmaBoxes(t, boxes), IsOk());
  EXPECT_THAT(RunDma(t, memory), StatusIs(absl::StatusCode::kOutOfRange));
}

}  // namespace
}  // namespace openhpu::simulator
