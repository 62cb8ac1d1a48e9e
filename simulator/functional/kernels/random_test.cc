#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/kernel_harness.h"
#include "simulator/functional/philox.h"

namespace openhpu::simulator {
namespace {

using Words = std::array<uint32_t, 4>;

KernelHarness Make(uint32_t draw, uint32_t n, uint32_t keys) {
  auto launch = hal::MakeRandom({draw}, DenseTensor(DType::kInt32, {1 + 2 * keys, 1, 1, 1, 1}),
                                DenseTensor(DType::kInt32, {n, 1, 1, 1, 1}));
  if (!launch.ok()) ADD_FAILURE() << launch.status();
  return KernelHarness(*std::move(launch));
}

// The known answers that Random123, the authors' library, is checked with.
TEST(RandomTest, PhiloxGivesThePublishedNumbers) {
  EXPECT_EQ(Philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomTest, AWordFollowsFromPlaceDrawAndKeyAlone) {
  for (uint32_t n : {1u, 63u, 64u, 130u, 100000u}) {
    KernelHarness h = Make(20, n, 3);
    h.Set(0, {0, 0, 0, 0, 0}, 620);  // draw 640: number 16 of the second key
    for (uint32_t i = 1; i < 7; ++i) h.Set(0, {i, 0, 0, 0, 0}, 1000 + i);
    EXPECT_EQ(h.BytesAfter(5), h.BytesAfter(1));
    ASSERT_TRUE(h.Run(3).ok());
    for (uint32_t i = 0; i < n; ++i) {
      ASSERT_EQ(h.GetBits(1, {i, 0, 0, 0, 0}), Philox({i / 4, 16, 0, 0}, {1003, 1004})[i % 4]) << i;
    }
  }
}

TEST(RandomTest, DrawsBeyondTheLastKeyAreRefused) {
  KernelHarness h = Make(hal::kDrawsPerKey - 1, 8, 1);
  ASSERT_TRUE(h.Run().ok());
  h.Set(0, {0, 0, 0, 0, 0}, 1);
  const absl::Status status = h.Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_NE(std::string(status.message()).find("draw 624 is beyond the last of 1 keys"),
            std::string::npos)
      << status;
}

}  // namespace
}  // namespace openhpu::simulator
