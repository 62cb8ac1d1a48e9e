// Submissions of a Gaudi2 that wait for each other: signals, stages, lifetimes of command buffers.
#include <cstdint>
#include <cstring>
#include <vector>

#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/qman.h"
#include "simulator/device_node/gaudi2_node_testing.h"

namespace openhpu::simulator {
namespace {

class Gaudi2StreamsTest : public Gaudi2NodeTest {
 protected:
  static int SubmitKind(NodeFile& file, uint32_t flags, uint32_t queue, const uint64_t* signal,
                        hl_cs_out* out) {
    hl_cs_chunk chunk{};
    chunk.queue_index = queue;
    chunk.signal_seq_arr = reinterpret_cast<uint64_t>(signal);
    chunk.num_signal_seq_arr = signal == nullptr ? 0 : 1;
    hl_cs_args args{};
    args.in.chunks_execute = reinterpret_cast<uint64_t>(&chunk);
    args.in.num_chunks_execute = 1;
    args.in.cs_flags = flags;
    const int error = file.Ioctl(HL_IOCTL_CS, &args);
    *out = args.out;
    return error;
  }
  static uint32_t StatusOf(NodeFile& file, uint64_t sequence) {
    hl_wait_cs_out out{};
    EXPECT_EQ(file.Wait(sequence, kSecond, &out), 0);
    return out.status;
  }
  static uint64_t FenceOfTpc() { return abi2::TpcQmanBase(0, 0) + abi2::qman::CpFenceRdata(0, 0); }

  static constexpr uint32_t kBusy = HL_WAIT_CS_STATUS_BUSY, kDone = HL_WAIT_CS_STATUS_COMPLETED;
};

TEST_F(Gaudi2StreamsTest, AnyQueueWaitsForTheSignalOfAnother) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  uint64_t hangs = 0;
  ASSERT_EQ(file.Submit({UserChunk(kTpc, arena.Put(Fence2()))}, &hangs), 0);
  hl_cs_out signal{}, wait{};
  // Behind what hangs on its queue, and so does who waits for it.
  ASSERT_EQ(SubmitKind(file, HL_CS_FLAGS_SIGNAL, kTpc, nullptr, &signal), 0);
  EXPECT_EQ(signal.sob_count_before_submission, 0);
  // Behind the 85 of submissions, KDMA and decoders, two a queue.
  EXPECT_EQ(signal.sob_base_addr_offset,
            abi2::SyncManagerObjsBase(0) + 4 * (85 + 2 * kTpc) - abi2::kCfgBase);
  const uint32_t edma = abi2::EdmaQueue(2, 0, 3);
  const uint64_t sequence = signal.seq;
  ASSERT_EQ(SubmitKind(file, HL_CS_FLAGS_WAIT, edma, &sequence, &wait), 0);
  EXPECT_EQ(StatusOf(file, wait.seq), kBusy);
  Run(file, {UserChunk(kPdma, arena.Put(Message2(FenceOfTpc(), 1)))});
  EXPECT_EQ(StatusOf(file, wait.seq), kDone);
  EXPECT_EQ(StatusOf(file, signal.seq), kDone);
  // What is done already is not waited for.
  ASSERT_EQ(SubmitKind(file, HL_CS_FLAGS_WAIT, edma, &sequence, &wait), 0);
  EXPECT_EQ(StatusOf(file, wait.seq), kDone);
  EXPECT_EQ(SubmitKind(file, HL_CS_FLAGS_WAIT, edma, &hangs, &wait), -EINVAL) << "no signal";
  for (const uint32_t none : {abi2::NicQueue(2, 1), abi2::kCpuQueue, abi2::kNumQueues}) {
    EXPECT_EQ(SubmitKind(file, HL_CS_FLAGS_SIGNAL, none, nullptr, &signal), -EINVAL) << none;
  }
  EXPECT_EQ(SubmitKind(file, HL_CS_FLAGS_SIGNAL, abi2::RotatorQueue(1, 3), nullptr, &signal),
            -EINVAL)
      << "it could, if it were there";
}

TEST_F(Gaudi2StreamsTest, SignalsOfAllQueuesHaveObjectsOfTheirOwn) {
  NodeFile file(node_.get(), folder_);
  uint32_t last = 0;
  for (const uint32_t queue : {kPdma, abi2::PdmaQueue(1, 3), abi2::EdmaQueue(0, 0, 0), kTpc,
                               abi2::MmeQueue(2, 1), abi2::TpcQueue(3, 5, 3)}) {
    hl_cs_out first{}, second{};
    ASSERT_EQ(SubmitKind(file, HL_CS_FLAGS_SIGNAL, queue, nullptr, &first), 0);
    ASSERT_EQ(SubmitKind(file, HL_CS_FLAGS_SIGNAL, queue, nullptr, &second), 0);
    EXPECT_EQ(StatusOf(file, second.seq), kDone) << queue;
    EXPECT_EQ(first.sob_base_addr_offset, second.sob_base_addr_offset);
    EXPECT_EQ(second.sob_count_before_submission, 1);
    EXPECT_GT(first.sob_base_addr_offset, last);
    last = first.sob_base_addr_offset;
  }
  EXPECT_LT(last, abi2::SyncManagerObjsBase(0) + 4 * 413 - abi2::kCfgBase);
}

TEST_F(Gaudi2StreamsTest, AStagedSubmissionIsDoneWithTheLastPartOfAnyQueue) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  const Place nop = arena.Put(abi2::PacketNop());
  uint64_t first = 0, part = 0;
  const uint32_t staged = HL_CS_FLAGS_STAGED_SUBMISSION;
  ASSERT_EQ(file.Submit({UserChunk(kTpc, arena.Put(Fence2()))}, &first,
                        staged | HL_CS_FLAGS_STAGED_SUBMISSION_FIRST),
            0);
  ASSERT_EQ(file.Submit({UserChunk(abi2::EdmaQueue(0, 0, 0), nop)}, &part,
                        staged | HL_CS_FLAGS_STAGED_SUBMISSION_LAST, 0, first),
            0);
  EXPECT_EQ(StatusOf(file, first), kBusy) << "its first part is not over";
  Run(file, {UserChunk(kPdma, arena.Put(Message2(FenceOfTpc(), 1)))});
  EXPECT_EQ(StatusOf(file, first), kDone);
  EXPECT_EQ(file.Submit({UserChunk(kPdma, nop)}, &part, staged, 0, first), -EINVAL);
}

TEST_F(Gaudi2StreamsTest, TheKernelsBuffersHaveAddressesWhenThatIsAskedFor) {
  NodeFile file(node_.get(), folder_);
  uint64_t plain = 0, mapped = 0;
  ASSERT_EQ(file.CreateCb(4096, &plain), 0);
  ASSERT_EQ(file.CreateCb(4096, &mapped, HL_CB_FLAGS_MAP), 0);
  hl_cb_args args{};
  args.in.op = HL_CB_OP_INFO;
  args.in.flags = HL_CB_FLAGS_GET_DEVICE_VA;
  args.in.cb_handle = plain;
  EXPECT_EQ(file.Ioctl(HL_IOCTL_CB, &args), -EINVAL);
  args = {};
  args.in.op = HL_CB_OP_INFO;
  args.in.flags = HL_CB_FLAGS_GET_DEVICE_VA;
  args.in.cb_handle = mapped;
  ASSERT_EQ(file.Ioctl(HL_IOCTL_CB, &args), 0);
  const uint64_t address = args.out.device_va;
  EXPECT_GE(address, 0xFFF0000000000000u);
  void* const memory = file.Map(mapped, 4096);
  const abi2::PacketMsgLong go = Message2(FenceOfTpc(), 1);
  std::memcpy(memory, &go, sizeof go);
  Run(file, {UserChunk(kPdma, {address, sizeof go})});
  Run(file, {NodeFile::Chunk(kPdma, mapped, sizeof go)});
  munmap(memory, 4096);
}

// The kernel's mapping goes with its handle; what fetches from it then must not take the program
// with it.
TEST_F(Gaudi2StreamsTest, ABufferThatIsDestroyedWhileItRunsHurtsNobody) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file);
  uint64_t handle = 0;
  ASSERT_EQ(file.CreateCb(4096, &handle, HL_CB_FLAGS_MAP), 0);
  hl_cb_args args{};
  args.in.op = HL_CB_OP_INFO;
  args.in.flags = HL_CB_FLAGS_GET_DEVICE_VA;
  args.in.cb_handle = handle;
  ASSERT_EQ(file.Ioctl(HL_IOCTL_CB, &args), 0);
  const Place commands = {args.out.device_va, 16};
  void* const memory = file.Map(handle, 4096);
  const abi2::PacketFence fence = Fence2();
  const abi2::PacketNop nop;
  std::memcpy(memory, &fence, sizeof fence);
  std::memcpy(static_cast<char*>(memory) + sizeof fence, &nop, sizeof nop);
  munmap(memory, 4096);
  uint64_t sequence = 0;
  ASSERT_EQ(file.Submit({UserChunk(kTpc, commands)}, &sequence), 0);
  EXPECT_EQ(StatusOf(file, sequence), kBusy);
  EXPECT_EQ(file.DestroyCb(handle), 0);
  Run(file, {UserChunk(kPdma, arena.Put(Message2(FenceOfTpc(), 1)))});
  EXPECT_EQ(StatusOf(file, sequence), kDone);
  EXPECT_EQ(file.DestroyCb(handle), -EINVAL);
}

}  // namespace
}  // namespace openhpu::simulator
