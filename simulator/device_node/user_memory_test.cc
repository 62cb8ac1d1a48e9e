#include "simulator/device_node/user_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "gtest/gtest.h"

namespace openhpu::simulator {
namespace {

constexpr size_t kPage = 4096;

// Pages of the test's own.
class Pages {
 public:
  explicit Pages(size_t count, int protection = PROT_READ | PROT_WRITE)
      : bytes_(count * kPage),
        memory_(static_cast<char*>(
            mmap(nullptr, bytes_, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
  ~Pages() {
    munmap(memory_, bytes_);
    ForgetUserMemory(address(0), bytes_);
  }
  char* at(size_t offset) { return memory_ + offset; }
  uint64_t address(size_t offset) { return reinterpret_cast<uint64_t>(memory_ + offset); }

 private:
  const size_t bytes_;
  char* const memory_;
};

TEST(UserMemoryTest, CopiesGoBothWaysAgainAndAgain) {
  Pages pages(2);
  for (int i = 0; i < 3; ++i) {
    const char text[] = "across a page";
    char back[sizeof text] = {};
    ASSERT_EQ(CopyToUser(pages.address(kPage - 5), text, sizeof text), 0);
    ASSERT_EQ(CopyFromUser(back, pages.address(kPage - 5), sizeof text), 0);
    EXPECT_STREQ(back, text);
  }
}

TEST(UserMemoryTest, WhatIsNotThereIsAFault) {
  char byte = 0;
  EXPECT_EQ(CopyFromUser(&byte, 0, 1), -EFAULT);
  EXPECT_EQ(CopyFromUser(&byte, 64, 1), -EFAULT);
  EXPECT_EQ(CopyToUser(64, &byte, 1), -EFAULT);
  EXPECT_EQ(CopyToUser(~uint64_t{0}, &byte, 1), -EFAULT);
  EXPECT_EQ(CopyFromUser(&byte, 64, 0), 0);
}

TEST(UserMemoryTest, MemoryThatIsOnlyReadIsReadAndNotWritten) {
  Pages pages(1, PROT_READ);
  char byte = 1;
  EXPECT_EQ(CopyFromUser(&byte, pages.address(0), 1), 0);
  EXPECT_EQ(byte, 0);
  EXPECT_EQ(CopyToUser(pages.address(0), &byte, 1), -EFAULT);
  EXPECT_FALSE(IsWritable(pages.address(0), 1));
}

TEST(UserMemoryTest, WhatWasKnownIsForgottenInPart) {
  Pages pages(3);
  char byte = 0;
  ASSERT_EQ(CopyToUser(pages.address(0), &byte, 1), 0);
  ASSERT_TRUE(IsWritable(pages.address(0), 3 * kPage));
  mprotect(pages.at(kPage), kPage, PROT_NONE);
  ForgetUserMemory(pages.address(kPage), kPage);
  EXPECT_EQ(CopyToUser(pages.address(kPage), &byte, 1), -EFAULT);
  EXPECT_EQ(CopyFromUser(&byte, pages.address(2 * kPage - 1), 1), -EFAULT);
  EXPECT_EQ(CopyToUser(pages.address(kPage - 1), &byte, 1), 0);
  EXPECT_EQ(CopyToUser(pages.address(2 * kPage), &byte, 1), 0);
  EXPECT_FALSE(IsWritable(pages.address(0), 3 * kPage));
  EXPECT_TRUE(IsWritable(pages.address(2 * kPage), kPage));
}

}  // namespace
}  // namespace openhpu::simulator
