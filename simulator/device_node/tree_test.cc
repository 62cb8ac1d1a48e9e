#include "simulator/device_node/tree.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "simulator/device_node/tree_paths.h"

namespace openhpu::simulator {
namespace {

namespace fs = std::filesystem;

TreeFacts Gaudi() { return {"sim:gaudi", "GAUDI", 0x1000, {"status"}}; }

std::string Read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class TreeTest : public testing::Test {
 protected:
  TreeTest() : parent_(fs::path(testing::TempDir()) / "tree_test_XXXXXX") {
    std::string name = parent_.string();
    parent_ = mkdtemp(name.data());
    folder_ = parent_ / "node";
  }
  ~TreeTest() override { fs::remove_all(parent_); }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  fs::path parent_, folder_;
};

TEST_F(TreeTest, HasTheFilesThatProgramsLookFor) {
  ASSERT_TRUE(MakeTree(folder_, Gaudi()).ok());
  EXPECT_EQ(Read(folder_ / "sys/class/habanalabs/hl0/pci_addr"), "0000:01:00.0\n");
  EXPECT_EQ(Read(folder_ / "sys/class/habanalabs/hl0/dev"), "511:0\n");
  EXPECT_EQ(Read(folder_ / "sys/class/habanalabs/hl_controlD0/dev"), "511:1\n");
  EXPECT_EQ(Read(folder_ / "sys/dev/char/511:1/pci_addr"), "0000:01:00.0\n");
  EXPECT_EQ(Read(folder_ / "sys/class/accel/accel0/device/device_type"), "GAUDI\n");
  EXPECT_EQ(Read(folder_ / "sys/bus/pci/devices/0000:01:00.0/vendor"), "0x1da3\n");
  EXPECT_EQ(Read(folder_ / "sys/bus/pci/devices/0000:01:00.0/device"), "0x1000\n");
  EXPECT_TRUE(fs::exists(folder_ / "sys/class/habanalabs/hl0/status"));
  EXPECT_TRUE(fs::exists(folder_ / "sys/kernel/debug/habanalabs/hl0/data32"));
  EXPECT_TRUE(fs::is_symlink(folder_ / "sys/class/habanalabs/hl0"));
  EXPECT_EQ(fs::canonical(folder_ / "sys/class/habanalabs/hl0/device"),
            fs::canonical(folder_ / "sys/bus/pci/devices/0000:01:00.0"));
}

TEST_F(TreeTest, TheTwoNamesOfTheComputeNodeAreOneFileSoThatOneLockHoldsBoth) {
  ASSERT_TRUE(MakeTree(folder_, Gaudi()).ok());
  EXPECT_TRUE(fs::equivalent(folder_ / "dev/hl0", folder_ / "dev/accel/accel0"));
  EXPECT_FALSE(fs::equivalent(folder_ / "dev/hl0", folder_ / "dev/hl_controlD0"));
}

TEST_F(TreeTest, StaysAsItIsWhenItIsThere) {
  ASSERT_TRUE(MakeTree(folder_, Gaudi()).ok());
  struct stat before {
  }, after{};
  ASSERT_EQ(stat((folder_ / "dev/hl0").c_str(), &before), 0);
  ASSERT_TRUE(MakeTree(folder_.string() + "/", Gaudi()).ok());
  ASSERT_EQ(stat((folder_ / "dev/hl0").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(TreeTest, AnotherCardsFolderIsRefusedByName) {
  ASSERT_TRUE(MakeTree(folder_, Gaudi()).ok());
  const absl::Status status = MakeTree(folder_, {"sim:gaudi2", "GAUDI2", 0x1020, {}});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("sim:gaudi2"), std::string::npos) << status;
}

TEST_F(TreeTest, FilesOfOthersInTheFolderStay) {
  fs::create_directory(folder_);
  std::ofstream(folder_ / "status_page") << "x";
  EXPECT_TRUE(MakeTree(folder_, Gaudi()).ok());
  EXPECT_EQ(Read(folder_ / "status_page"), "x");
}

TEST_F(TreeTest, ManyAtOnceMakeOne) {
  std::vector<std::thread> threads;
  std::vector<absl::Status> results(16);
  for (absl::Status& result : results) {
    threads.emplace_back([this, &result] { result = MakeTree(folder_, Gaudi()); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) EXPECT_TRUE(result.ok()) << result;
  EXPECT_EQ(Names(), (std::vector<std::string>{"dev", "sys"}));
}

TEST_F(TreeTest, ProcessesThatAreKilledWhileTheyMakeItLeaveNothingThatHurts) {
  for (int i = 0; i < 30; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      while (true) {
        static_cast<void>(MakeTree(folder_, Gaudi()));
        std::error_code ignored;
        // Not file by file: that a tree is removed in part is another accident.
        const fs::path old = parent_ / "old";
        fs::rename(folder_ / "sys", old, ignored);
        fs::remove_all(old, ignored);
      }
    }
    usleep(100 + 423 * i);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const absl::Status status = MakeTree(folder_, Gaudi());
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(Read(folder_ / "sys/dev/char/511:0/pci_addr"), "0000:01:00.0\n");
    EXPECT_TRUE(fs::equivalent(folder_ / "dev/hl0", folder_ / "dev/accel/accel0"));
    fs::remove_all(folder_ / "sys");  // finished or not, the next attempt begins anew
    ASSERT_TRUE(MakeTree(folder_, Gaudi()).ok());
    EXPECT_EQ(Names(), (std::vector<std::string>{"dev", "sys"}));
  }
}

}  // namespace
}  // namespace openhpu::simulator
