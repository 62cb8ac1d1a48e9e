// Restore chunks: what a submission has run before it.
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "simulator/device_node/node_testing.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi;
namespace sm = hal::abi::gaudi::sync_manager;
using testing::HasSubstr;

constexpr uint64_t kSecond = 1000000;  // microseconds
constexpr uint32_t kToDevice = 0;
constexpr uint32_t kSob = 1000;

class RestoreTest : public NodeTest {
 protected:
  static uint64_t SobAddress(uint32_t sob) {
    return abi::SyncManagerObjsBase(abi::kEastNorth) + sm::SOB_OBJ::At(sob);
  }
  // Commands that add one to an object.
  static hl_cs_chunk AddTo(NodeFile& file, uint32_t sob) {
    abi::PacketMsgLong packet;
    packet.addr = SobAddress(sob);
    packet.value = sm::SobAdd(1);
    uint32_t bytes = 0;
    const uint64_t handle = file.Commands(&bytes, packet);
    return NodeFile::Chunk(kToDevice, handle, bytes);
  }
  static int Submit(NodeFile& file, const hl_cs_chunk& chunk, const hl_cs_chunk& restore,
                    uint32_t flags = 0, uint32_t timeout = 0) {
    hl_cs_args args{};
    args.in.chunks_execute = reinterpret_cast<uint64_t>(&chunk);
    args.in.num_chunks_execute = 1;
    args.in.chunks_restore = reinterpret_cast<uint64_t>(&restore);
    args.in.num_chunks_restore = 1;
    args.in.cs_flags = flags;
    args.in.timeout = timeout;
    if (const int error = file.Ioctl(HL_IOCTL_CS, &args); error != 0) return error;
    hl_wait_cs_out out;
    const int error = file.Wait(args.out.seq, kSecond, &out);
    return error != 0 ? error : static_cast<int>(out.status);
  }
  uint64_t Sob(uint32_t sob) {
    uint64_t value = 0;
    EXPECT_EQ(node_->ReadWord(SobAddress(sob), 4, &value), 0);
    return value;
  }
};

TEST_F(RestoreTest, ChunksRunBeforeTheFirstSubmissionAndWhenTheyAreForced) {
  for (int open = 0; open < 2; ++open) {
    NodeFile file(node_.get(), folder_);
    const uint64_t before = Sob(kSob);
    const hl_cs_chunk restore = AddTo(file, kSob), chunk = AddTo(file, kSob + 8);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(Submit(file, chunk, restore), 0);
    EXPECT_EQ(Sob(kSob), before + 1);
    EXPECT_EQ(Submit(file, chunk, restore, HL_CS_FLAGS_FORCE_RESTORE), 0);
    EXPECT_EQ(Sob(kSob), before + 2);
  }
}

TEST_F(RestoreTest, AFirstSubmissionWithoutThemIsTheFirst) {
  NodeFile file(node_.get(), folder_);
  const hl_cs_chunk restore = AddTo(file, kSob), chunk = AddTo(file, kSob + 8);
  uint64_t sequence = 0;
  // A signal is one, too.
  hl_cs_chunk signal{};
  signal.queue_index = kToDevice;
  ASSERT_EQ(file.Submit({signal}, &sequence, HL_CS_FLAGS_SIGNAL), 0);
  EXPECT_EQ(Submit(file, chunk, restore), 0);
  EXPECT_EQ(Sob(kSob), 0u);
  EXPECT_EQ(Sob(kSob + 8), 1u);
}

TEST_F(RestoreTest, OfManyFirstSubmissionsOneRunsThemAndAllComeAfter) {
  constexpr int kThreads = 8;
  NodeFile file(node_.get(), folder_);
  // Long enough for the others to come meanwhile.
  constexpr uint32_t kBytes = 256 << 20;
  hl_info_hw_ip_info ip{};
  ASSERT_EQ(file.Info(HL_INFO_HW_IP_INFO, &ip), 0);
  abi::PacketMsgLong add;
  add.addr = SobAddress(kSob);
  add.value = sm::SobAdd(1);
  uint32_t bytes = 0;
  const uint64_t handle =
      file.Commands(&bytes, add, Copy(ip.dram_base_address, ip.dram_base_address + kBytes, kBytes));
  const hl_cs_chunk restore = NodeFile::Chunk(kToDevice, handle, bytes);
  std::vector<hl_cs_chunk> chunks;
  for (int i = 0; i < kThreads; ++i) chunks.push_back(AddTo(file, kSob + 8));
  std::atomic<int> arrived{0}, failed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      ++arrived;
      while (arrived < kThreads) std::this_thread::yield();
      if (Submit(file, chunks[static_cast<size_t>(i)], restore) != 0) ++failed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(Sob(kSob), 1u);
  EXPECT_EQ(Sob(kSob + 8), static_cast<uint64_t>(kThreads));
}

TEST_F(RestoreTest, ChunksThatAreRefusedAreTheNextSubmissionsToTryAgain) {
  NodeFile file(node_.get(), folder_);
  const hl_cs_chunk restore = AddTo(file, kSob), chunk = AddTo(file, kSob + 8);
  hl_cs_chunk wrong = restore;
  wrong.cb_handle += 4096 * 1000;
  EXPECT_EQ(Submit(file, chunk, wrong), -EINVAL);
  EXPECT_EQ(Sob(kSob + 8), 0u);
  EXPECT_EQ(Submit(file, chunk, restore), 0);
  EXPECT_EQ(Sob(kSob), 1u);
  EXPECT_EQ(Sob(kSob + 8), 1u);
}

TEST_F(RestoreTest, ChunksThatNeverEndFailTheSubmissionAndResetTheDevice) {
  NodeFile file(node_.get(), folder_);
  uint32_t bytes = 0;
  const uint64_t handle = file.Commands(&bytes, Fence());
  EXPECT_EQ(Submit(file, AddTo(file, kSob), NodeFile::Chunk(kToDevice, handle, bytes),
                   HL_CS_FLAGS_CUSTOM_TIMEOUT, 1),
            -ENOEXEC);
  EXPECT_THAT(log_, HasSubstr("submission 1 has timed out"));
  EXPECT_THAT(log_, HasSubstr("restore chunks, submission 1, have failed"));
  EXPECT_EQ(Submit(file, hl_cs_chunk{}, hl_cs_chunk{}), -ENODEV);
}

}  // namespace
}  // namespace openhpu::simulator
