#include "hal/bank.h"

#include <utility>

#include "gtest/gtest.h"

namespace openhpu::hal {
namespace {

TEST(BankTest, ABankStartsAtAGroupOfEight) {
  BankPool pool(SyncManagerInfo{144, 64, 72, 20});
  const Bank a = *pool.Lease(3, 2), b = *pool.Lease(9, 1);
  EXPECT_EQ(a.first_sob(), 144u);
  EXPECT_EQ(a.sobs(), 8u);
  EXPECT_EQ(a.first_monitor(), 72u);
  EXPECT_EQ(b.first_sob(), 152u);
  EXPECT_EQ(b.sobs(), 16u);
  EXPECT_EQ(b.first_monitor(), 74u);
}

TEST(BankTest, ALeaseEndsWithItsOwner) {
  BankPool pool(SyncManagerInfo{0, 16, 0, 4});
  {
    Bank a = *pool.Lease(16, 4);
    EXPECT_EQ(pool.Lease(8, 0).status().code(), absl::StatusCode::kResourceExhausted);
    const Bank moved = std::move(a);
    EXPECT_EQ(moved.sobs(), 16u);
  }
  EXPECT_TRUE(pool.Lease(16, 4).ok());
}

TEST(BankTest, ALeaseThatFailsTakesNothing) {
  BankPool pool(SyncManagerInfo{0, 16, 0, 4});
  const absl::Status status = pool.Lease(16, 5).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "monitors: 5 asked, 4 of 4 free, largest free run 4");
  EXPECT_TRUE(pool.Lease(16, 4).ok());
}

TEST(BankTest, AnEmptyBankIsFree) {
  BankPool pool(SyncManagerInfo{0, 8, 0, 1});
  const Bank all = *pool.Lease(8, 1);
  EXPECT_TRUE(pool.Lease(0, 0).ok());
}

}  // namespace
}  // namespace openhpu::hal
