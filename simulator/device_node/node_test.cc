// Opening, memory, submissions and waits, as a program sees them.
#include "simulator/device_node/node.h"

#include <sys/eventfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>

#include "gmock/gmock.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi/qman.h"
#include "simulator/device_node/node_testing.h"
#include "simulator/device_node/user_memory.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi;
using testing::HasSubstr;

constexpr uint64_t kSecond = 1000000;  // microseconds
constexpr uint32_t kToDevice = 0, kFromDevice = 4;

TEST_F(NodeTest, TheComputeNodeIsOneProgramsUntilItsLastDescriptorIsClosed) {
  NodeFile first(node_.get(), folder_);
  ASSERT_EQ(first.error(), 0);
  EXPECT_EQ(NodeFile(node_.get(), folder_).error(), -EBUSY);
  // Another process is another node on the same folder.
  const auto other = MakeNode();
  EXPECT_EQ(NodeFile(other.get(), folder_).error(), -EBUSY);
  const int dup_fd = dup(first.fd());
  first.Close();
  EXPECT_EQ(NodeFile(other.get(), folder_).error(), -EBUSY);
  close(dup_fd);
  EXPECT_EQ(NodeFile(other.get(), folder_).error(), 0);
  EXPECT_EQ(NodeFile(node_.get(), folder_).error(), 0);
}

TEST_F(NodeTest, ControlNodesAreForEverybodyAndAnswerQuestionsAlone) {
  NodeFile compute(node_.get(), folder_);
  NodeFile one(node_.get(), folder_, NodeKind::kControl),
      two(node_.get(), folder_, NodeKind::kControl);
  ASSERT_EQ(one.error(), 0);
  ASSERT_EQ(two.error(), 0);
  hl_info_hw_ip_info ip{};
  EXPECT_EQ(one.Info(HL_INFO_HW_IP_INFO, &ip), 0);
  EXPECT_EQ(ip.device_id, 0x1000u);
  uint64_t handle;
  EXPECT_EQ(two.CreateCb(64, &handle), -ENOTTY);
}

TEST_F(NodeTest, UnknownIoctlsAreNoIoctls) {
  NodeFile file(node_.get(), folder_);
  hl_info_args args{};
  EXPECT_EQ(file.Ioctl(_IOWR('H', 0x07, hl_info_args), &args), -ENOTTY);
  EXPECT_EQ(file.Ioctl(_IOWR('H', 0x00, hl_info_args), &args), -ENOTTY);
  EXPECT_EQ(file.Ioctl(_IOWR('d', 0x40, hl_info_args), &args), -ENOTTY);
  EXPECT_EQ(file.Ioctl(HL_IOCTL_INFO, nullptr), -EFAULT);
  EXPECT_EQ(file.Ioctl(HL_IOCTL_INFO, reinterpret_cast<void*>(0x1000)), -EFAULT);
}

TEST_F(NodeTest, TheAccelNodeHasItsOwnNumbersAndLongerAnswers) {
  NodeFile file(node_.get(), folder_, NodeKind::kCompute, NodeApi::kAccel);
  std::array<uint64_t, 40> ip;
  ip.fill(~uint64_t{0});
  hl_info_args args{};
  args.op = HL_INFO_HW_IP_INFO;
  args.return_pointer = reinterpret_cast<uint64_t>(ip.data());
  args.return_size = sizeof ip;
  EXPECT_EQ(file.Ioctl(0xC0186440, &args), 0);
  EXPECT_EQ(file.Ioctl(HL_IOCTL_INFO, &args), -ENOTTY);
  EXPECT_EQ(ip[304 / 8 - 1], 0u);
  EXPECT_EQ(ip[304 / 8], ~uint64_t{0});
}

TEST_F(NodeTest, InfoAnswersAsMuchAsThereIsRoomFor) {
  NodeFile file(node_.get(), folder_);
  hl_info_args args{};
  args.op = HL_INFO_HW_IP_INFO;
  uint64_t words[2] = {0, 77};
  args.return_pointer = reinterpret_cast<uint64_t>(words);
  args.return_size = 8;
  EXPECT_EQ(file.Ioctl(HL_IOCTL_INFO, &args), 0);
  EXPECT_EQ(words[0], 0x7FF0000080u);
  EXPECT_EQ(words[1], 77u);
  args.return_size = 0;
  EXPECT_EQ(file.Ioctl(HL_IOCTL_INFO, &args), -EINVAL);
  args.return_size = 8;
  args.return_pointer = 0;
  EXPECT_EQ(file.Ioctl(HL_IOCTL_INFO, &args), -EINVAL);
  args.return_pointer = 64;
  EXPECT_EQ(file.Ioctl(HL_IOCTL_INFO, &args), -EFAULT);
  args.op = 5;
  EXPECT_EQ(file.Ioctl(HL_IOCTL_INFO, &args), -ENOTTY);
}

TEST_F(NodeTest, OlderAndNewerSizesOfArgumentsAreTaken) {
  NodeFile file(node_.get(), folder_);
  uint64_t sequence = 0;
  ASSERT_EQ(file.SubmitPackets(kToDevice, &sequence, abi::PacketNop()), 0);
  // WAIT_CS was 24 bytes once.
  struct {
    uint64_t seq, timeout_us;
    uint32_t ctx_id, flags;
    uint64_t beyond;
  } old = {sequence, kSecond, 0, 0, 0xABCD};
  EXPECT_EQ(file.Ioctl(_IOC(_IOC_READ | _IOC_WRITE, 'H', 4, 24), &old), 0);
  EXPECT_EQ(static_cast<uint32_t>(old.seq), static_cast<uint32_t>(HL_WAIT_CS_STATUS_COMPLETED));
  EXPECT_EQ(old.beyond, 0xABCDu);
}

TEST_F(NodeTest, CommandBuffersAreMappedByTheirHandles) {
  NodeFile file(node_.get(), folder_);
  uint64_t handle = 0;
  ASSERT_EQ(file.CreateCb(1, &handle), 0);
  auto* const memory = static_cast<char*>(file.Map(handle, 4096));
  ASSERT_NE(memory, nullptr);
  memory[4095] = 7;
  int error = 0;
  EXPECT_EQ(file.Map(handle, 8192, &error), nullptr);
  EXPECT_EQ(error, -EINVAL);
  EXPECT_EQ(file.Map(handle + 4096, 4096, &error), nullptr);
  EXPECT_EQ(error, -EINVAL);
  // The mapping outlives the handle.
  EXPECT_EQ(file.DestroyCb(handle), 0);
  EXPECT_EQ(memory[4095], 7);
  EXPECT_EQ(file.DestroyCb(handle), -EINVAL);
  EXPECT_EQ(file.CreateCb(HL_MAX_CB_SIZE, &handle), 0);
  EXPECT_EQ(file.CreateCb(HL_MAX_CB_SIZE + 1, &handle), -EINVAL);
}

TEST_F(NodeTest, BytesGoToTheDeviceAndBack) {
  NodeFile file(node_.get(), folder_);
  hl_info_hw_ip_info ip{};
  ASSERT_EQ(file.Info(HL_INFO_HW_IP_INFO, &ip), 0);
  std::vector<char> out(5000), back(5000);
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(i * 7);
  for (const uint64_t device : {ip.dram_base_address, ip.sram_base_address}) {
    uint64_t from = 0, to = 0, sequence = 0;
    ASSERT_EQ(file.MapHost(out.data(), out.size(), &from), 0);
    ASSERT_EQ(file.MapHost(back.data(), back.size(), &to), 0);
    hl_wait_cs_out result;
    ASSERT_EQ(file.SubmitPackets(kToDevice, &sequence, Copy(from, device, 5000)), 0);
    ASSERT_EQ(file.Wait(sequence, kSecond, &result), 0);
    EXPECT_EQ(result.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_COMPLETED));
    ASSERT_EQ(file.SubmitPackets(kFromDevice, &sequence, Copy(device, to, 5000)), 0);
    ASSERT_EQ(file.Wait(sequence, kSecond, &result), 0);
    EXPECT_TRUE(back == out);
    EXPECT_EQ(file.Unmap(from), 0);
    EXPECT_EQ(file.Unmap(from), -EINVAL);
    EXPECT_EQ(file.Unmap(to), 0);
    std::fill(back.begin(), back.end(), 0);
  }
}

TEST_F(NodeTest, HostMemoryThatIsNotThereIsNotMapped) {
  NodeFile file(node_.get(), folder_);
  uint64_t address = 0;
  void* const page =
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_EQ(file.MapHost(page, 8192, &address), 0);
  EXPECT_EQ(file.MapHost(page, 0, &address), -EINVAL);
  EXPECT_EQ(file.MapHost(page, ~uint64_t{0} - 4096, &address), -EINVAL);
  const auto second = reinterpret_cast<uint64_t>(page) + 4096;
  mprotect(static_cast<char*>(page) + 4096, 4096, PROT_READ);
  ForgetUserMemory(second, 4096);
  EXPECT_EQ(file.MapHost(page, 8192, &address), -EFAULT);
  munmap(static_cast<char*>(page) + 4096, 4096);
  ForgetUserMemory(second, 4096);
  EXPECT_EQ(file.MapHost(page, 8192, &address), -EFAULT);
  EXPECT_EQ(file.MapHost(reinterpret_cast<void*>(64), 64, &address), -EFAULT);
}

TEST_F(NodeTest, AHintIsFollowedAndMayBeForced) {
  NodeFile file(node_.get(), folder_);
  std::vector<char> memory(100);
  uint64_t first = 0, second = 0;
  const uint64_t hint = 0x1000040000000;
  ASSERT_EQ(file.MapHost(memory.data(), memory.size(), &first, hint), 0);
  EXPECT_EQ(first / 4096, hint / 4096);
  EXPECT_EQ(first % 4096, reinterpret_cast<uint64_t>(memory.data()) % 4096);
  EXPECT_EQ(file.MapHost(memory.data(), memory.size(), &second, hint, HL_MEM_FORCE_HINT), -EINVAL);
  ASSERT_EQ(file.MapHost(memory.data(), memory.size(), &second, hint), 0);
  EXPECT_NE(first, second);
}

TEST_F(NodeTest, SubmissionsThatTheKernelRefuses) {
  NodeFile file(node_.get(), folder_);
  uint64_t sequence = 0;
  uint32_t bytes = 0;
  const uint64_t nop = file.Commands(&bytes, abi::PacketNop());
  EXPECT_EQ(file.Submit({}, &sequence), -EINVAL);
  EXPECT_EQ(file.Submit({NodeFile::Chunk(8, nop, 8)}, &sequence), -EINVAL);
  EXPECT_EQ(file.Submit({NodeFile::Chunk(113, nop, 8)}, &sequence), -EINVAL);
  EXPECT_EQ(file.Submit({NodeFile::Chunk(0, nop + 1, 8)}, &sequence), -EINVAL);
  EXPECT_EQ(file.Submit({NodeFile::Chunk(0, nop, 0)}, &sequence), -EINVAL);
  EXPECT_EQ(file.Submit({NodeFile::Chunk(0, nop, 8192)}, &sequence), -EINVAL);
  EXPECT_EQ(file.Submit(std::vector<hl_cs_chunk>(513, NodeFile::Chunk(0, nop, 8)), &sequence),
            -EINVAL);
  EXPECT_EQ(file.Submit({NodeFile::Chunk(0, nop, 8), NodeFile::Chunk(9, 0x1000, 16)}, &sequence),
            -EFAULT);
  // Nothing would tell of its end.
  EXPECT_EQ(file.Submit({NodeFile::Chunk(9, 0x20000000, 16)}, &sequence), -EINVAL);
  EXPECT_EQ(file.SubmitPackets(0, &sequence, abi::PacketStop()), -EPERM);
  EXPECT_EQ(file.SubmitPackets(0, &sequence, abi::PacketWait()), -EINVAL);
  EXPECT_EQ(
      file.Submit({NodeFile::Chunk(0, nop, 8)}, &sequence, HL_CS_FLAGS_SIGNAL | HL_CS_FLAGS_WAIT),
      -EINVAL);
  EXPECT_EQ(
      file.Submit({NodeFile::Chunk(0, nop, 8)}, &sequence, HL_CS_FLAGS_STAGED_SUBMISSION_LAST),
      -EINVAL);
  hl_cs_args bad{};
  bad.in.chunks_execute = 64;
  bad.in.num_chunks_execute = 1;
  EXPECT_EQ(file.Ioctl(HL_IOCTL_CS, &bad), -EFAULT);
  hl_info_cs_counters counters{};
  ASSERT_EQ(file.Info(HL_INFO_CS_COUNTERS, &counters), 0);
  EXPECT_EQ(counters.ctx_parsing_drop_cnt, 1u);
  EXPECT_GT(counters.ctx_validation_drop_cnt, 8u);
  // A number is taken by what is accepted alone.
  ASSERT_EQ(file.Submit({NodeFile::Chunk(0, nop, 8)}, &sequence), 0);
  EXPECT_EQ(sequence, 1u);
}

TEST_F(NodeTest, WaitsSayDoneBusyGoneAndUnknown) {
  NodeFile file(node_.get(), folder_);
  uint64_t done = 0, hangs = 0;
  hl_wait_cs_out out;
  ASSERT_EQ(file.SubmitPackets(0, &done, abi::PacketNop()), 0);
  EXPECT_EQ(file.Wait(done, kSecond, &out), 0);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_COMPLETED));
  ASSERT_EQ(file.SubmitPackets(0, &hangs, Fence()), 0);
  EXPECT_EQ(file.Wait(hangs, 0, &out), 0);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_BUSY));
  EXPECT_EQ(file.Wait(hangs, kSecond, &out), 0);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_BUSY));
  EXPECT_EQ(file.Wait(hangs + 1, kSecond, &out), -EINVAL);
  EXPECT_EQ(file.Wait(~uint64_t{0}, kSecond, &out), -EINVAL);
  EXPECT_EQ(file.Wait(0, kSecond, &out), 0);
  EXPECT_EQ(out.flags, static_cast<uint32_t>(HL_WAIT_CS_STATUS_FLAG_GONE));
}

TEST_F(NodeTest, SeveralAreWaitedForAtOnce) {
  NodeFile file(node_.get(), folder_);
  uint64_t list[3];
  ASSERT_EQ(file.SubmitPackets(0, &list[0], Fence()), 0);
  ASSERT_EQ(file.SubmitPackets(1, &list[1], abi::PacketNop()), 0);
  ASSERT_EQ(file.SubmitPackets(2, &list[2], Fence()), 0);
  hl_wait_cs_args args{};
  const auto wait = [&](uint8_t count, uint64_t pointer) {
    args = {};
    args.in.seq = pointer;
    args.in.timeout_us = kSecond;
    args.in.flags = HL_WAIT_CS_FLAGS_MULTI_CS;
    args.in.seq_arr_len = count;
    return file.Ioctl(HL_IOCTL_WAIT_CS, &args);
  };
  EXPECT_EQ(wait(3, reinterpret_cast<uint64_t>(list)), 0);
  EXPECT_EQ(args.out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_COMPLETED));
  EXPECT_EQ(args.out.cs_completion_map, 2u);
  EXPECT_EQ(wait(0, reinterpret_cast<uint64_t>(list)), -EINVAL);
  EXPECT_EQ(wait(33, reinterpret_cast<uint64_t>(list)), -EINVAL);
  EXPECT_EQ(wait(3, 64), -EFAULT);
}

TEST_F(NodeTest, TimestampsAreOfTheCompletion) {
  NodeFile file(node_.get(), folder_);
  uint32_t bytes = 0;
  const uint64_t nop = file.Commands(&bytes, abi::PacketNop());
  uint64_t first = 0, second = 0;
  ASSERT_EQ(file.Submit({NodeFile::Chunk(0, nop, 8)}, &first, HL_CS_FLAGS_TIMESTAMP), 0);
  ASSERT_EQ(file.Submit({NodeFile::Chunk(0, nop, 8)}, &second, HL_CS_FLAGS_TIMESTAMP), 0);
  hl_wait_cs_out a, b;
  ASSERT_EQ(file.Wait(second, kSecond, &b), 0);
  ASSERT_EQ(file.Wait(first, kSecond, &a), 0);
  EXPECT_EQ(a.flags, static_cast<uint32_t>(HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD));
  EXPECT_GT(a.timestamp_nsec, 0);
  EXPECT_GT(b.timestamp_nsec, a.timestamp_nsec);
}

TEST_F(NodeTest, AStagedSubmissionIsDoneWithItsLastPart) {
  NodeFile file(node_.get(), folder_);
  uint32_t bytes = 0;
  const uint64_t nop = file.Commands(&bytes, abi::PacketNop());
  const std::vector<hl_cs_chunk> one = {NodeFile::Chunk(0, nop, 8)};
  uint64_t first = 0, part = 0;
  const uint32_t staged = HL_CS_FLAGS_STAGED_SUBMISSION;
  ASSERT_EQ(file.Submit(one, &first, staged | HL_CS_FLAGS_STAGED_SUBMISSION_FIRST), 0);
  hl_wait_cs_out out;
  EXPECT_EQ(file.Wait(first, kSecond, &out), 0);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_BUSY));
  ASSERT_EQ(file.Submit(one, &part, staged, 0, first), 0);
  EXPECT_EQ(file.Submit(one, &part, staged, 0, part), -EINVAL);
  ASSERT_EQ(file.Submit(one, &part, staged | HL_CS_FLAGS_STAGED_SUBMISSION_LAST, 0, first), 0);
  const Picoseconds begin = node_->host_time();
  EXPECT_EQ(file.Wait(first, kSecond, &out), 0);
  EXPECT_LT(node_->host_time() - begin, Picoseconds(1000000000));  // not its timeout
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_COMPLETED));
  EXPECT_EQ(file.Submit(one, &part, staged, 0, first), -EINVAL);
}

TEST_F(NodeTest, OneQueueWaitsForTheSignalOfAnother) {
  NodeFile file(node_.get(), folder_);
  hl_cs_chunk chunk{};
  const auto submit = [&](uint32_t flags, hl_cs_out* out) {
    hl_cs_args args{};
    args.in.chunks_execute = reinterpret_cast<uint64_t>(&chunk);
    args.in.num_chunks_execute = 1;
    args.in.cs_flags = flags;
    const int error = file.Ioctl(HL_IOCTL_CS, &args);
    *out = args.out;
    return error;
  };
  uint64_t hangs = 0;
  ASSERT_EQ(file.SubmitPackets(0, &hangs, Fence()), 0);
  hl_cs_out signal, wait;
  // Behind what hangs on its queue, and so does who waits for it.
  chunk.queue_index = 0;
  ASSERT_EQ(submit(HL_CS_FLAGS_SIGNAL, &signal), 0);
  EXPECT_EQ(signal.sob_count_before_submission, 0);
  const uint64_t signal_seq = signal.seq;
  chunk.queue_index = 5;
  chunk.signal_seq_arr = reinterpret_cast<uint64_t>(&signal_seq);
  chunk.num_signal_seq_arr = 1;
  ASSERT_EQ(submit(HL_CS_FLAGS_WAIT, &wait), 0);
  hl_wait_cs_out out;
  EXPECT_EQ(file.Wait(wait.seq, kSecond, &out), 0);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_BUSY));
  // Somebody lets it go.
  abi::PacketMsgLong go;
  go.value = 1;
  go.addr = abi::DmaQmanBase(0) + abi::qman::CpFenceRdata(0, 0);
  uint64_t sequence = 0;
  ASSERT_EQ(file.SubmitPackets(1, &sequence, go), 0);
  EXPECT_EQ(file.Wait(wait.seq, kSecond, &out), 0);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_COMPLETED));
  // What is done already is not waited for.
  ASSERT_EQ(submit(HL_CS_FLAGS_WAIT, &wait), 0);
  EXPECT_EQ(file.Wait(wait.seq, kSecond, &out), 0);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_COMPLETED));
  // Not a signal; no external queue; none of that number.
  const uint64_t bad = sequence;
  chunk.signal_seq_arr = reinterpret_cast<uint64_t>(&bad);
  EXPECT_EQ(submit(HL_CS_FLAGS_WAIT, &wait), -EINVAL);
  chunk.queue_index = 9;
  EXPECT_EQ(submit(HL_CS_FLAGS_SIGNAL, &signal), -EINVAL);
  chunk.queue_index = 0;
  EXPECT_EQ(submit(HL_CS_FLAGS_COLLECTIVE_WAIT, &signal), -EOPNOTSUPP);
}

TEST_F(NodeTest, SignalsGoOnWhenASyncObjectIsFull) {
  NodeFile file(node_.get(), folder_);
  hl_cs_chunk chunk{};
  uint64_t last = 0;
  for (int i = 0; i < 0x7FFF + 3; ++i) {
    hl_cs_args args{};
    args.in.chunks_execute = reinterpret_cast<uint64_t>(&chunk);
    args.in.num_chunks_execute = 1;
    args.in.cs_flags = HL_CS_FLAGS_SIGNAL;
    ASSERT_EQ(file.Ioctl(HL_IOCTL_CS, &args), 0);
    last = args.out.seq;
    hl_wait_cs_out out;
    if (i % 1000 == 0) {
      ASSERT_EQ(file.Wait(last, kSecond, &out), 0);
    }
    ASSERT_EQ(args.out.sob_count_before_submission, i < 0x7FFF ? i : i - 0x7FFF);
  }
  hl_wait_cs_out out;
  ASSERT_EQ(file.Wait(last, kSecond, &out), 0);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_COMPLETED));
}

TEST_F(NodeTest, WhatDoesNotEndIsTimedOutAndTheDeviceReset) {
  NodeFile file(node_.get(), folder_), control(node_.get(), folder_, NodeKind::kControl);
  const int events = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  hl_info_args registration{};
  registration.op = HL_INFO_REGISTER_EVENTFD;
  registration.eventfd = static_cast<uint32_t>(events);
  ASSERT_EQ(file.Ioctl(HL_IOCTL_INFO, &registration), 0);
  EXPECT_EQ(file.Ioctl(HL_IOCTL_INFO, &registration), -EINVAL);
  uint64_t hangs = 0, behind = 0;
  uint32_t bytes = 0;
  const uint64_t fence = file.Commands(&bytes, Fence());
  ASSERT_EQ(file.Submit({NodeFile::Chunk(0, fence, 8)}, &hangs, HL_CS_FLAGS_CUSTOM_TIMEOUT, 2), 0);
  ASSERT_EQ(file.SubmitPackets(0, &behind, abi::PacketNop()), 0);
  hl_wait_cs_out out;
  EXPECT_EQ(file.Wait(hangs, 1 * kSecond, &out), 0);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_BUSY));
  EXPECT_EQ(file.Wait(hangs, 5 * kSecond, &out), -ETIMEDOUT);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_TIMEDOUT));
  EXPECT_EQ(file.Wait(behind, kSecond, &out), -EIO);
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_ABORTED));
  EXPECT_THAT(log_, HasSubstr("DMA0 stream 0"));
  eventfd_t count = 0;
  EXPECT_EQ(eventfd_read(events, &count), 0);
  uint64_t mask = 0;
  ASSERT_EQ(file.Info(HL_INFO_GET_EVENTS, &mask), 0);
  EXPECT_EQ(mask, uint64_t{HL_NOTIFIER_EVENT_CS_TIMEOUT | HL_NOTIFIER_EVENT_DEVICE_RESET});
  hl_info_cs_timeout_event timeout{};
  ASSERT_EQ(control.Info(HL_INFO_CS_TIMEOUT_EVENT, &timeout), 0);
  EXPECT_EQ(timeout.seq, hangs);
  EXPECT_GE(timeout.timestamp, 2000000000);
  hl_info_device_status status{};
  ASSERT_EQ(control.Info(HL_INFO_DEVICE_STATUS, &status), 0);
  EXPECT_EQ(status.status, static_cast<uint32_t>(HL_DEVICE_STATUS_IN_RESET));
  // This open is dead; others come when it is closed.
  uint64_t handle = 0;
  EXPECT_EQ(file.CreateCb(64, &handle), -ENODEV);
  EXPECT_EQ(file.Submit({NodeFile::Chunk(0, fence, 8)}, &behind), -ENODEV);
  EXPECT_EQ(NodeFile(node_.get(), folder_).error(), -EAGAIN);
  file.Close();
  NodeFile again(node_.get(), folder_);
  ASSERT_EQ(again.error(), 0);
  ASSERT_EQ(again.SubmitPackets(0, &behind, abi::PacketNop()), 0);
  EXPECT_EQ(again.Wait(behind, kSecond, &out), 0);
  hl_info_reset_count resets{};
  ASSERT_EQ(again.Info(HL_INFO_RESET_COUNT, &resets), 0);
  EXPECT_EQ(resets.hard_reset_cnt, 1u);
  close(events);
}

TEST_F(NodeTest, ATimeoutMaySpareTheDevice) {
  NodeFile file(node_.get(), folder_);
  uint32_t bytes = 0;
  uint64_t hangs = 0, other = 0;
  const uint64_t fence = file.Commands(&bytes, Fence());
  ASSERT_EQ(file.Submit({NodeFile::Chunk(0, fence, 8)}, &hangs,
                        HL_CS_FLAGS_CUSTOM_TIMEOUT | HL_CS_FLAGS_SKIP_RESET_ON_TIMEOUT, 1),
            0);
  hl_wait_cs_out out;
  EXPECT_EQ(file.Wait(hangs, 5 * kSecond, &out), -ETIMEDOUT);
  ASSERT_EQ(file.SubmitPackets(1, &other, abi::PacketNop()), 0);
  EXPECT_EQ(file.Wait(other, kSecond, &out), 0);
}

TEST_F(NodeTest, APollingProgramSeesTheTimeoutToo) {
  NodeFile file(node_.get(), folder_);
  uint64_t hangs = 0;
  ASSERT_EQ(file.SubmitPackets(0, &hangs, Fence()), 0);
  hl_wait_cs_out out;
  int error = 0;
  for (int i = 0; i < 20000 && error == 0; ++i) error = file.Wait(hangs, 0, &out);
  EXPECT_EQ(error, -ETIMEDOUT);
}

TEST_F(NodeTest, AnUnknownOpcodeIsAnEventAndThenATimeout) {
  NodeFile file(node_.get(), folder_);
  hl_info_hw_ip_info ip{};
  ASSERT_EQ(file.Info(HL_INFO_HW_IP_INFO, &ip), 0);
  // Into device memory, and run there.
  abi::PacketNop unknown;
  unknown.ctl = abi::Ctl::OPCODE::Set(unknown.ctl, 0x1B);
  uint64_t host = 0, sequence = 0;
  ASSERT_EQ(file.MapHost(&unknown, sizeof unknown, &host), 0);
  ASSERT_EQ(file.SubmitPackets(0, &sequence, Copy(host, ip.dram_base_address, 8)), 0);
  hl_wait_cs_out out;
  ASSERT_EQ(file.Wait(sequence, kSecond, &out), 0);
  uint32_t bytes = 0;
  const uint64_t fence = file.Commands(&bytes, Fence());
  ASSERT_EQ(file.Submit({NodeFile::Chunk(9, ip.dram_base_address, 8), NodeFile::Chunk(0, fence, 8)},
                        &sequence),
            0);
  EXPECT_EQ(file.Wait(sequence, 1000 * kSecond, &out), -ETIMEDOUT);
  uint64_t mask = 0;
  ASSERT_EQ(file.Info(HL_INFO_GET_EVENTS, &mask), 0);
  EXPECT_NE(mask & HL_NOTIFIER_EVENT_UNDEFINED_OPCODE, 0u);
  EXPECT_THAT(log_, HasSubstr("0x1b"));
}

TEST_F(NodeTest, EveryOpenStartsAgain) {
  uint64_t sequence = 0, handle = 0;
  {
    NodeFile file(node_.get(), folder_);
    ASSERT_EQ(file.SubmitPackets(0, &sequence, Fence()), 0);
    ASSERT_EQ(file.CreateCb(64, &handle), 0);
  }
  NodeFile file(node_.get(), folder_);
  ASSERT_EQ(file.error(), 0);
  EXPECT_EQ(file.DestroyCb(handle), -EINVAL);
  ASSERT_EQ(file.SubmitPackets(0, &sequence, abi::PacketNop()), 0);
  EXPECT_EQ(sequence, 1u);
  hl_wait_cs_out out;
  EXPECT_EQ(file.Wait(sequence, kSecond, &out), 0);
}

TEST_F(NodeTest, TooManyInFlightIsTryAgain) {
  node_ = MakeNode("sim:gaudi,qman.max_pending_cs=64");
  NodeFile file(node_.get(), folder_);
  uint32_t bytes = 0;
  const uint64_t fence = file.Commands(&bytes, Fence());
  uint64_t sequence = 0;
  for (int i = 0; i < 64; ++i) ASSERT_EQ(file.Submit({NodeFile::Chunk(0, fence, 8)}, &sequence), 0);
  EXPECT_EQ(file.Submit({NodeFile::Chunk(0, fence, 8)}, &sequence), -EAGAIN);
  hl_info_cs_counters counters{};
  ASSERT_EQ(file.Info(HL_INFO_CS_COUNTERS, &counters), 0);
  EXPECT_EQ(counters.ctx_max_cs_in_flight_drop_cnt, 1u);
}

// The completion of a transfer, which goes a way of its own, has arrived when the program looks.
TEST_F(NodeTest, DebugfsShowsRegistersAsOfTheProgramsTime) {
  using hal::abi::gaudi::PacketWreg32;
  namespace core = hal::abi::gaudi::dma_core;
  constexpr uint64_t kSyncObject = 0x7FFC492000 + 4 * 200;
  NodeFile file(node_.get(), folder_);
  hl_info_hw_ip_info ip{};
  ASSERT_EQ(file.Info(HL_INFO_HW_IP_INFO, &ip), 0);
  std::vector<char> host(4096);
  uint64_t address = 0, sequence = 0;
  ASSERT_EQ(file.MapHost(host.data(), host.size(), &address), 0);
  const auto write = [](uint32_t offset, uint32_t value) {
    PacketWreg32 packet;
    packet.ctl = PacketWreg32::REG_OFFSET::Set(packet.ctl, offset);
    packet.value = value;
    return packet;
  };
  auto copy = Copy(address, ip.sram_base_address, 4096);
  copy.ctl = hal::abi::gaudi::PacketLinDma::WR_COMP_EN::Set(copy.ctl, 1);
  ASSERT_EQ(
      file.SubmitPackets(kToDevice, &sequence,
                         write(core::WR_COMP_ADDR_LO::kOffset, uint32_t{0xFFFFFFFF & kSyncObject}),
                         write(core::WR_COMP_ADDR_HI::kOffset, uint32_t{kSyncObject >> 32}),
                         write(core::WR_COMP_WDATA::kOffset, 0x80000004), copy),
      0);
  hl_wait_cs_out result;
  ASSERT_EQ(file.Wait(sequence, kSecond, &result), 0);
  uint64_t value = 0;
  ASSERT_EQ(node_->ReadWord(kSyncObject, 4, &value), 0);
  EXPECT_EQ(value, 4u);
}

TEST_F(NodeTest, AProgramThatLooksAtARegisterOnlySeesItChange) {
  constexpr uint64_t kSyncObject = 0x7FFC492000 + 4 * 200;
  NodeFile file(node_.get(), folder_);
  uint64_t sequence = 0;
  hal::abi::gaudi::PacketMsgLong message;
  message.addr = kSyncObject;
  message.value = 5;
  ASSERT_EQ(file.SubmitPackets(kToDevice, &sequence, message), 0);
  uint64_t value = 0;
  for (int i = 0; i < 1000 && value == 0; ++i) {
    ASSERT_EQ(node_->ReadWord(kSyncObject, 4, &value), 0);
  }
  EXPECT_EQ(value, 5u);
}

TEST_F(NodeTest, AProgramThatLooksAtMemoryByDebugfsSeesItChange) {
  NodeFile file(node_.get(), folder_);
  hl_info_hw_ip_info ip{};
  ASSERT_EQ(file.Info(HL_INFO_HW_IP_INFO, &ip), 0);
  std::vector<char> host(1 << 20, 7);
  uint64_t address = 0, sequence = 0;
  ASSERT_EQ(file.MapHost(host.data(), host.size(), &address), 0);
  const uint64_t last = ip.sram_base_address + host.size() - 8;
  ASSERT_EQ(file.SubmitPackets(kToDevice, &sequence, Copy(address, ip.sram_base_address, 1 << 20)),
            0);
  uint64_t value = 0;
  for (int i = 0; i < 10000 && value == 0; ++i) ASSERT_EQ(node_->ReadWord(last, 8, &value), 0);
  EXPECT_EQ(value, 0x0707070707070707u);
}

// Simulated time has 64 bits of picoseconds, 213 days.
TEST_F(NodeTest, AProgramThatWaitsForLongerThanThereIsTimeEndsToo) {
  NodeFile file(node_.get(), folder_);
  uint32_t bytes = 0;
  const uint64_t handle = file.Commands(&bytes, Fence());
  uint64_t last = 0;
  for (int i = 0; i < 8; ++i) {
    uint64_t sequence = 0;
    ASSERT_EQ(
        file.Submit({NodeFile::Chunk(0, handle, bytes)}, &sequence,
                    HL_CS_FLAGS_CUSTOM_TIMEOUT | HL_CS_FLAGS_SKIP_RESET_ON_TIMEOUT, 0xFFFFFFFF),
        0)
        << i;
    hl_wait_cs_out out;
    EXPECT_EQ(file.Wait(sequence, ~uint64_t{0}, &out), -ETIMEDOUT) << i;
    hl_info_time_sync time{};
    ASSERT_EQ(file.Info(HL_INFO_TIME_SYNC, &time), 0);
    EXPECT_GE(time.device_time, last) << "time went back";
    last = time.device_time;
  }
}

}  // namespace
}  // namespace openhpu::simulator
