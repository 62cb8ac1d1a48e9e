#include "simulator/device_node/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "simulator/device_node/tree_paths.h"

namespace openhpu::simulator {
namespace {

class CountingFile final : public OpenFile {
 public:
  CountingFile(int fd, std::atomic<int>* releases) : OpenFile(fd), releases_(releases) {}
  TreeEntry entry() const override { return TreeEntry::kCompute; }
  int Ioctl(unsigned long, void*) override { return alive_ == 0x600d ? 0 : -EFAULT; }
  int Map(uint64_t, uint64_t, DeviceNode::Mapping*) override { return -ENODEV; }
  ssize_t Read(int, void*, size_t, off_t) override { return -EINVAL; }
  ssize_t Write(int, const void*, size_t, off_t) override { return -EINVAL; }
  void Closing(int) override {}
  void Release() override {
    alive_ = 0;
    ++*releases_;
  }

 private:
  int alive_ = 0x600d;
  std::atomic<int>* const releases_;
};

class FilesTest : public testing::Test {
 protected:
  void Open(int fd) {
    Files::Ref ref = files_.Create(std::make_unique<CountingFile>(0, &releases_));
    ASSERT_TRUE(ref);
    files_.Install(fd, ref);
  }

  std::atomic<int> releases_{0};
  Files files_;
};

TEST_F(FilesTest, AFileIsReleasedWithItsLastDescriptor) {
  Open(7);
  EXPECT_FALSE(files_.Find(8));
  files_.Install(8, files_.Find(7));
  { const Files::Ref removed = files_.Remove(7); }
  EXPECT_EQ(releases_, 0);
  EXPECT_FALSE(files_.Find(7));
  EXPECT_TRUE(files_.Find(8));
  {
    const Files::Ref removed = files_.Remove(8);
    EXPECT_EQ(releases_, 0) << "the descriptor is closed first";
  }
  EXPECT_EQ(releases_, 1);
}

TEST_F(FilesTest, ADescriptorThatRefersToAnotherFileNoLongerKeepsTheFirst) {
  Open(7);
  Open(8);
  files_.Install(8, files_.Find(7));
  EXPECT_EQ(releases_, 1);
  files_.Install(8, files_.Find(7));
  { const Files::Ref removed = files_.Remove(8); }
  EXPECT_EQ(releases_, 1);
}

TEST_F(FilesTest, ACallInFlightKeepsItsFile) {
  Open(7);
  Files::Ref call = files_.Find(7);
  { const Files::Ref removed = files_.Remove(7); }
  EXPECT_EQ(releases_, 0);
  EXPECT_EQ(call.served()->Ioctl(0, nullptr), 0);
  call.Reset();
  EXPECT_EQ(releases_, 1);
}

TEST_F(FilesTest, DescriptorsOutOfRangeAreNobodys) {
  EXPECT_FALSE(files_.Find(-1));
  EXPECT_FALSE(files_.Find(Files::kMostDescriptors));
  EXPECT_FALSE(files_.Remove(-1));
}

TEST_F(FilesTest, TooManyFilesAreRefusedAndOnesThatClosedMakeRoom) {
  for (int i = 0; i < Files::kMostFiles; ++i) Open(i);
  std::unique_ptr<OpenFile> file = std::make_unique<CountingFile>(0, &releases_);
  EXPECT_FALSE(files_.Create(std::move(file)));
  EXPECT_NE(file, nullptr);
  { const Files::Ref removed = files_.Remove(17); }
  EXPECT_TRUE(files_.Create(std::move(file)));
}

TEST_F(FilesTest, AChildInheritsFilesThatItCannotUseAndClosingThemIsNotTheParents) {
  Open(7);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    bool ok = false;
    {
      Files::Ref ref = files_.Find(7);
      ok = ref && ref.served() == nullptr;
    }
    { const Files::Ref removed = files_.Remove(7); }
    ok = ok && releases_ == 0 && !files_.Find(7);
    Open(9);
    ok = ok && files_.Find(9).served() != nullptr;
    { const Files::Ref removed = files_.Remove(9); }
    _exit(ok && releases_ == 1 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_NE(files_.Find(7).served(), nullptr);
}

TEST_F(FilesTest, AChildThatSharesTheMemoryChangesNothing) {
  Open(7);
  const pid_t child = vfork();
  if (child == 0) {
    { const Files::Ref removed = files_.Remove(7); }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_NE(files_.Find(7).served(), nullptr);
  EXPECT_EQ(releases_, 0);
}

TEST_F(FilesTest, AClosedFileIsNeverSeenHoweverManyThreadsLook) {
  std::atomic<bool> stop{false};
  std::atomic<int> bad{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        Files::Ref ref = files_.Find(7);
        if (ref && ref.served()->Ioctl(0, nullptr) != 0) ++bad;
      }
    });
  }
  for (int i = 0; i < 20000; ++i) {
    Open(7);
    const Files::Ref removed = files_.Remove(7);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(bad, 0);
  EXPECT_EQ(releases_, 20000);
}

}  // namespace
}  // namespace openhpu::simulator
