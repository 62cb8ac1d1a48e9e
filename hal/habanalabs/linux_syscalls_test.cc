// The machine's own system calls, on what every Linux has.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/habanalabs/syscalls.h"

namespace openhpu::hal::habanalabs {
namespace {

using testing::Contains;
using testing::Not;

class LinuxSyscallsTest : public testing::Test {
 protected:
  std::unique_ptr<Syscalls> linux_ = LinuxSyscalls();
};

TEST_F(LinuxSyscallsTest, ErrorsAreNegative) {
  EXPECT_EQ(linux_->Open("/nonexistent", O_RDWR), -ENOENT);
  EXPECT_EQ(linux_->Close(-1), -EBADF);
  EXPECT_EQ(linux_->Ioctl(-1, 0, nullptr), -EBADF);
  void* mapped = nullptr;
  EXPECT_EQ(linux_->Map(nullptr, 4096, -1, 0, &mapped), -EBADF);
  std::string text;
  EXPECT_EQ(linux_->ReadFile("/nonexistent", &text), -ENOENT);
  std::vector<std::string> names;
  EXPECT_EQ(linux_->ListFolder("/nonexistent", &names), -ENOENT);
}

TEST_F(LinuxSyscallsTest, DescriptorsAreNotInherited) {
  const int fd = linux_->Open("/dev/null", O_RDWR);
  ASSERT_GE(fd, 0);
  EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  EXPECT_EQ(linux_->Ioctl(fd, 0xC0184801, nullptr), -ENOTTY);
  EXPECT_EQ(linux_->Close(fd), 0);
}

TEST_F(LinuxSyscallsTest, AMappingCanBeReplacedInItsPlace) {
  const int fd = linux_->Open("/dev/zero", O_RDWR);
  ASSERT_GE(fd, 0);
  void *mapped = nullptr, *again = nullptr;
  ASSERT_EQ(linux_->Map(nullptr, 8192, fd, 0, &mapped), 0);
  std::memset(mapped, 1, 8192);
  ASSERT_EQ(linux_->Map(mapped, 8192, fd, 0, &again), 0);
  EXPECT_EQ(again, mapped);
  EXPECT_EQ(static_cast<char*>(again)[8191], 0);
  EXPECT_EQ(linux_->Close(fd), 0);
  static_cast<char*>(again)[0] = 2;
  EXPECT_EQ(linux_->Unmap(again, 8192), 0);
}

TEST_F(LinuxSyscallsTest, AnEventFdCountsAndDoesNotBlock) {
  const int fd = linux_->EventFd();
  ASSERT_GE(fd, 0);
  uint64_t count = 0;
  EXPECT_EQ(linux_->ReadEventFd(fd, &count), -EAGAIN);
  const uint64_t three = 3;
  ASSERT_EQ(write(fd, &three, sizeof three), static_cast<ssize_t>(sizeof three));
  EXPECT_EQ(linux_->ReadEventFd(fd, &count), 0);
  EXPECT_EQ(count, 3u);
  EXPECT_EQ(linux_->Close(fd), 0);
}

TEST_F(LinuxSyscallsTest, FilesAndFoldersAreRead) {
  const std::string folder = testing::TempDir();
  const std::string path = folder + "/attribute";
  const std::string long_text(10000, 'x');
  std::ofstream(path) << long_text;
  std::string text = "before";
  EXPECT_EQ(linux_->ReadFile(path, &text), 0);
  EXPECT_EQ(text, long_text);
  std::vector<std::string> names;
  EXPECT_EQ(linux_->ListFolder(folder, &names), 0);
  EXPECT_THAT(names, Contains("attribute"));
  EXPECT_THAT(names, Not(Contains("..")));
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
}

TEST_F(LinuxSyscallsTest, TimeGoesOn) {
  const absl::Time before = linux_->Now();
  linux_->Sleep(absl::Milliseconds(2));
  EXPECT_GE(linux_->Now() - before, absl::Milliseconds(2));
}

}  // namespace
}  // namespace openhpu::hal::habanalabs
