#include "simulator/device_node/node_syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "simulator/device_node/fake_node.h"
#include "simulator/device_node/node.h"
#include "simulator/device_node/node_calls.h"
#include "simulator/device_node/tree_paths.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class NodeSyscallsTest : public testing::Test {
 protected:
  NodeSyscallsTest() {
    std::string folder = testing::TempDir() + "/node_syscalls_XXXXXX";
    options_.directory = mkdtemp(folder.data());
    system_ = Process(kAllNames);
  }
  ~NodeSyscallsTest() override { std::filesystem::remove_all(options_.directory); }

  // What another process has: a node and descriptors of its own, the same folder.
  std::unique_ptr<NodeSyscalls> Process(uint8_t apis = kMiscNames) {
    auto made = NodeSyscalls::Create(std::make_unique<FakeNode>(), options_, apis);
    EXPECT_THAT(made, IsOk());
    return *std::move(made);
  }
  FakeNode& fake() { return static_cast<FakeNode&>(system_->node()); }

  DeviceNode::Options options_;
  std::unique_ptr<NodeSyscalls> system_;
};

TEST_F(NodeSyscallsTest, AProgramThatTriesAllNamesFindsOneCard) {
  std::vector<int> found;
  for (int i = 0; i < 256; ++i) {
    const int fd = system_->Open("/dev/hl" + std::to_string(i), O_RDWR);
    if (fd >= 0) {
      found.push_back(i);
    } else {
      EXPECT_EQ(fd, -ENOENT);
    }
  }
  EXPECT_THAT(found, ElementsAre(0));
}

TEST_F(NodeSyscallsTest, AnIoctlReachesTheNodeAndItsAnswerTheProgram) {
  const int fd = system_->Open("/dev/hl0", O_RDWR);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  uint64_t value = 41;
  EXPECT_EQ(system_->Ioctl(fd, kFakeAdd, &value), 0);
  EXPECT_EQ(value, 42u);
  EXPECT_EQ(system_->Ioctl(fd, 0x1234, &value), -ENOTTY);
  EXPECT_EQ(system_->Close(fd), 0);
  EXPECT_EQ(system_->Ioctl(fd, kFakeAdd, &value), -EBADF);
  EXPECT_EQ(system_->Close(fd), -EBADF);
}

TEST_F(NodeSyscallsTest, TheComputeNodeIsForOneAndControlNodesAreForAll) {
  const int compute = system_->Open("/dev/hl0", O_RDWR);
  ASSERT_GE(compute, 0);
  auto other = Process();
  EXPECT_EQ(other->Open("/dev/hl0", O_RDWR), -EBUSY);
  EXPECT_EQ(system_->Open("/dev/accel/accel0", O_RDWR), -EBUSY) << "another name of the same card";
  const int control = other->Open("/dev/hl_controlD0", O_RDWR);
  EXPECT_GE(control, 0);
  EXPECT_EQ(system_->Close(compute), 0);
  EXPECT_EQ(fake().releases(), 1);
  EXPECT_GE(other->Open("/dev/hl0", O_RDWR), 0);
}

TEST_F(NodeSyscallsTest, WhatIsOpenAtTheEndIsReleased) {
  auto other = Process();
  ASSERT_GE(other->Open("/dev/hl0", O_RDWR), 0);
  ASSERT_GE(other->Open("/dev/hl_controlD0", O_RDWR), 0);
  other = nullptr;
  EXPECT_GE(system_->Open("/dev/hl0", O_RDWR), 0);
}

TEST_F(NodeSyscallsTest, ADuplicateHoldsTheContextUntilItIsClosedToo) {
  Files files;
  NodeCalls table(&system_->node(), &files, options_.directory);
  TreePath path;
  ASSERT_TRUE(FindInTree("/dev/hl0", kMiscNames, &path));
  const int first = table.Open(path, O_RDWR);
  const int second = table.Duplicate(first, 0, true);
  const int third = table.DuplicateTo(first, second + 1, O_CLOEXEC);
  ASSERT_EQ(third, second + 1);
  auto other = Process();
  EXPECT_EQ(table.Close(first), 0);
  uint64_t value = 0;
  EXPECT_EQ(table.Ioctl(second, kFakeAdd, &value), 0);
  EXPECT_EQ(table.Ioctl(first, kFakeAdd, &value), -EBADF);
  EXPECT_EQ(other->Open("/dev/hl0", O_RDWR), -EBUSY);
  EXPECT_EQ(table.Close(second), 0);
  EXPECT_EQ(other->Open("/dev/hl0", O_RDWR), -EBUSY);
  // Closed by another file that takes its number.
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  EXPECT_EQ(table.DuplicateTo(null, third, 0), third);
  EXPECT_FALSE(table.Has(third));
  EXPECT_GE(other->Open("/dev/hl0", O_RDWR), 0);
  close(null);
  close(third);
}

TEST_F(NodeSyscallsTest, ADescriptorThatWasClosedUnseenIsForgottenWhenItAnswersWrong) {
  const int fd = system_->Open("/dev/hl0", O_RDWR);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(close(fd), 0);
  ASSERT_EQ(open("/dev/null", O_RDWR | O_CLOEXEC), fd);
  EXPECT_EQ(system_->Ioctl(fd, 0x1234, nullptr), -EBADF);
  EXPECT_EQ(fake().releases(), 1);
  EXPECT_EQ(system_->Ioctl(fd, 0x1234, nullptr), -ENOTTY) << "the machine's own answer";
  close(fd);
}

TEST_F(NodeSyscallsTest, MappingGivesTheNodesMemory) {
  const int fd = system_->Open("/dev/hl0", O_RDWR);
  void* first = nullptr;
  void* second = nullptr;
  ASSERT_EQ(system_->Map(nullptr, 8192, fd, uint64_t{7} << 40, &first), 0);
  ASSERT_EQ(system_->Map(nullptr, 8192, fd, 0, &second), 0);
  std::strcpy(static_cast<char*>(first), "shared");
  EXPECT_STREQ(static_cast<char*>(second), "shared");
  EXPECT_EQ(system_->Unmap(second, 8192), 0);
  void* again = nullptr;
  EXPECT_EQ(system_->Map(first, 4096, fd, 0, &again), 0) << "over what is there";
  EXPECT_EQ(again, first);
  EXPECT_EQ(system_->Map(nullptr, 2 << 20, fd, 0, &again), -EINVAL);
  EXPECT_EQ(system_->Unmap(first, 8192), 0);
}

TEST_F(NodeSyscallsTest, AttributesAreFreshAtEachReading) {
  std::string text;
  EXPECT_EQ(system_->ReadFile("/sys/class/habanalabs/hl0/pci_addr", &text), 0);
  EXPECT_EQ(text, "0000:01:00.0\n");
  EXPECT_EQ(system_->ReadFile("/sys/class/habanalabs/hl0/status", &text), 0);
  EXPECT_EQ(text, "Operational\n");
  ASSERT_GE(system_->Open("/dev/hl0", O_RDWR), 0);
  EXPECT_EQ(system_->ReadFile("/sys/dev/char/511:1/status", &text), 0);
  EXPECT_EQ(text, "Operational, in use\n");
  EXPECT_EQ(system_->ReadFile("/sys/class/habanalabs/hl0/max_power", &text), -ENOENT);
  EXPECT_EQ(system_->ReadFile("/proc/self/comm", &text), 0) << "a file of the machine";
  EXPECT_THAT(text, testing::Not(IsEmpty()));
}

TEST_F(NodeSyscallsTest, FoldersAreListedInOrder) {
  std::vector<std::string> names;
  EXPECT_EQ(system_->ListFolder("/sys/class/habanalabs", &names), 0);
  EXPECT_THAT(names, ElementsAre("hl0", "hl_controlD0"));
  EXPECT_EQ(system_->ListFolder("/sys/class/accel/", &names), 0);
  EXPECT_THAT(names, ElementsAre("accel0", "accel_controlD0"));
  EXPECT_EQ(system_->ListFolder("/sys/class/habanalabs/hl7", &names), -ENOENT);
}

TEST_F(NodeSyscallsTest, ReadOnlyTextIsNotOpenedForWritingAndNothingIsMade) {
  EXPECT_EQ(system_->Open("/sys/class/habanalabs/hl0/pci_addr", O_WRONLY | O_TRUNC), -EACCES);
  EXPECT_EQ(system_->Open("/sys/class/habanalabs/hl0/new", O_WRONLY | O_CREAT), -ENOENT);
  EXPECT_EQ(system_->Open("/dev/hl0", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
  std::string text;
  EXPECT_EQ(system_->ReadFile("/sys/class/habanalabs/hl0/pci_addr", &text), 0);
  EXPECT_EQ(text, "0000:01:00.0\n");
}

TEST_F(NodeSyscallsTest, EventFdsAreReal) {
  const int fd = system_->EventFd();
  ASSERT_GE(fd, 0);
  uint64_t count = 0;
  EXPECT_EQ(system_->ReadEventFd(fd, &count), -EAGAIN);
  const uint64_t two = 2;
  ASSERT_EQ(write(fd, &two, sizeof(two)), static_cast<ssize_t>(sizeof(two)));
  EXPECT_EQ(system_->ReadEventFd(fd, &count), 0);
  EXPECT_EQ(count, 2u);
  EXPECT_EQ(system_->Close(fd), 0);
}

// debugfs.
class DebugWordsTest : public NodeSyscallsTest {
 protected:
  int OpenPath(const std::string& name, int flags) {
    TreePath path;
    EXPECT_TRUE(
        FindInTree(("/sys/kernel/debug/habanalabs/hl0/" + name).c_str(), kMiscNames, &path));
    return calls_.Open(path, flags);
  }
  ssize_t Write(int fd, std::string_view text) {
    return calls_.Write(fd, text.data(), text.size(), -1);
  }
  std::string ReadAt(int fd, off_t offset) {
    char text[64];
    const ssize_t size = calls_.Read(fd, text, sizeof(text), offset);
    return size < 0 ? "error " + std::to_string(size) : std::string(text, size);
  }

  Files files_;
  NodeCalls calls_{&system_->node(), &files_, options_.directory};
};

TEST_F(DebugWordsTest, AWordIsWrittenAndReadAsHexTextAtTheAddressWrittenBefore) {
  ASSERT_GE(system_->Open("/dev/hl0", O_RDWR), 0);
  const int address = OpenPath("addr", O_WRONLY);
  const int data = OpenPath("data32", O_RDWR);
  EXPECT_EQ(Write(address, std::string_view("0x7ffc001000", 13)), 13) << "with the final NUL";
  EXPECT_EQ(Write(data, std::string_view("0xabcd", 7)), 7);
  EXPECT_EQ(ReadAt(data, 0), "0x0000abcd\n");
  EXPECT_EQ(Write(address, "0x7ffc001004\n"), 13);
  EXPECT_EQ(ReadAt(data, 0), "0x00000000\n");
  EXPECT_EQ(Write(data, "ffffffff"), 8);
  EXPECT_EQ(ReadAt(data, -1), "0xffffffff\n");
  EXPECT_EQ(ReadAt(data, -1), "") << "the end of the text";
  const int wide = OpenPath("data64", O_RDWR);
  EXPECT_EQ(Write(wide, "0x123456789abcdef0"), 18);
  EXPECT_EQ(ReadAt(wide, 0), "0x123456789abcdef0\n");
  const int again = OpenPath("addr", O_RDONLY);
  EXPECT_EQ(ReadAt(again, 0), "0x0000007ffc001004\n");
  calls_.CloseRange(0, ~0u);
}

TEST_F(DebugWordsTest, WhatIsNoNumberOrTooLargeIsRefused) {
  ASSERT_GE(system_->Open("/dev/hl0", O_RDWR), 0);
  const int data = OpenPath("data32", O_RDWR);
  EXPECT_EQ(Write(data, "xyz"), -EINVAL);
  EXPECT_EQ(Write(data, ""), -EINVAL);
  EXPECT_EQ(Write(data, "-1"), -EINVAL);
  EXPECT_EQ(Write(data, "0x100000000"), -ERANGE);
  EXPECT_EQ(Write(OpenPath("addr", O_WRONLY), "0x10000000000000000"), -ERANGE);
  EXPECT_EQ(Write(OpenPath("data32", O_RDONLY), "1"), -EBADF);
  calls_.CloseRange(0, ~0u);
}

TEST_F(DebugWordsTest, WithoutACardThereTheWordsAnswerEperm) {
  EXPECT_EQ(ReadAt(OpenPath("data32", O_RDONLY), 0), "error -1");
  EXPECT_EQ(Write(OpenPath("data64", O_WRONLY), "1"), -EPERM);
  calls_.CloseRange(0, ~0u);
}

TEST_F(DebugWordsTest, WhatAStreamOfTheCLibraryWroteCountsWhenItIsClosed) {
  ASSERT_GE(system_->Open("/dev/hl0", O_RDWR), 0);
  const int fd = OpenPath("data32", O_WRONLY);
  ASSERT_EQ(write(fd, "0x77", 4), 4);  // unseen: past NodeCalls
  EXPECT_EQ(calls_.Close(fd), 0);
  char text[32] = {};
  const int unseen = OpenPath("data32", O_RDONLY);
  ASSERT_EQ(read(unseen, text, sizeof(text)), 11);
  EXPECT_STREQ(text, "0x00000077\n");
  calls_.CloseRange(0, ~0u);
}

}  // namespace
}  // namespace openhpu::simulator
