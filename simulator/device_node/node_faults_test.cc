// What goes wrong by order, as a program of the node sees it.
#include <sys/eventfd.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "simulator/device_node/node.h"
#include "simulator/device_node/node_testing.h"
#include "simulator/fault.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {
namespace {

using testing::HasSubstr;

constexpr uint64_t kSecond = 1000000;  // microseconds
constexpr uint64_t kEventRazwi = 1 << 7, kEventPageFault = 1 << 8;
constexpr uint32_t kToDevice = 0;
constexpr uint32_t kBytes = 16 << 20;  // more than 100 us
constexpr uint64_t kInFlight = 20000;  // nanoseconds: when a copy has begun and not ended

class NodeFaultsTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    file_ = std::make_unique<NodeFile>(node_.get(), folder_);
    ASSERT_EQ(file_->error(), 0);
    hl_info_hw_ip_info ip{};
    ASSERT_EQ(file_->Info(HL_INFO_HW_IP_INFO, &ip), 0);
    dram_ = ip.dram_base_address;
  }
  void Order(const std::string& what, uint64_t nanoseconds = kInFlight) {
    const uint64_t at = node_->host_time().value() / 1000 + 1 + nanoseconds;
    ASSERT_OK_AND_ASSIGN(const InjectedFault fault, ParseFault(absl::StrCat(what, "@", at)));
    ASSERT_OK(node_->Inject(fault));
  }
  uint64_t Start() {
    uint64_t sequence = 0;
    EXPECT_EQ(file_->SubmitPackets(kToDevice, &sequence, Copy(dram_, dram_ + kBytes, kBytes)), 0);
    return sequence;
  }
  int Wait(uint64_t sequence, uint32_t* status = nullptr) {
    hl_wait_cs_out out{};
    const int error = file_->Wait(sequence, 1000 * kSecond, &out);
    if (status != nullptr) *status = out.status;
    return error;
  }
  uint64_t Events() {
    uint64_t mask = 0;
    EXPECT_EQ(file_->Info(HL_INFO_GET_EVENTS, &mask), 0);
    return mask;
  }
  uint32_t Status() {
    hl_info_device_status status{};
    EXPECT_EQ(file_->Info(HL_INFO_DEVICE_STATUS, &status), 0);
    return status.status;
  }
  // This open is dead, others must wait for its end, and then all is well.
  void ExpectResetAndRecovery() {
    EXPECT_EQ(Status(), static_cast<uint32_t>(HL_DEVICE_STATUS_IN_RESET));
    uint64_t handle = 0;
    EXPECT_EQ(file_->CreateCb(64, &handle), -ENODEV);
    hl_info_hw_idle idle{};
    EXPECT_EQ(file_->Info(HL_INFO_HW_IDLE, &idle), -ENODEV);
    EXPECT_EQ(NodeFile(node_.get(), folder_).error(), -EAGAIN);
    file_->Close();
    file_ = std::make_unique<NodeFile>(node_.get(), folder_);
    ASSERT_EQ(file_->error(), 0);
    EXPECT_EQ(Status(), static_cast<uint32_t>(HL_DEVICE_STATUS_OPERATIONAL));
    EXPECT_EQ(Events(), 0u);
    EXPECT_EQ(Wait(Start()), 0);
  }

  std::unique_ptr<NodeFile> file_;
  uint64_t dram_ = 0;
};

TEST_F(NodeFaultsTest, AHangIsATimeoutAndAReset) {
  for (const char* text : {"engine_hang:DMA0", "lost_completion:DMA0"}) {
    const uint64_t begin = node_->host_time().value();
    Order(text, 0);
    const uint64_t hangs = Start(), behind = Start();
    uint32_t status = 0;
    EXPECT_EQ(Wait(hangs, &status), -ETIMEDOUT) << text;
    EXPECT_EQ(status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_TIMEDOUT));
    // What is behind a lost completion is over long before.
    EXPECT_EQ(Wait(behind), text[0] == 'e' ? -EIO : 0);
    EXPECT_GE(node_->host_time().value() - begin, 600 * kSecond * 1000000);
    EXPECT_EQ(Events(), uint64_t{HL_NOTIFIER_EVENT_CS_TIMEOUT | HL_NOTIFIER_EVENT_DEVICE_RESET});
    hl_info_cs_timeout_event timeout{};
    ASSERT_EQ(file_->Info(HL_INFO_CS_TIMEOUT_EVENT, &timeout), 0);
    EXPECT_EQ(timeout.seq, hangs);
    ExpectResetAndRecovery();
  }
}

TEST_F(NodeFaultsTest, AccessErrorsAreEventsWithARecordAndThenATimeout) {
  const struct {
    const char* text;
    uint64_t event;
    uint32_t type;
  } kCases[] = {{"page_fault:DMA0:0x20001234", kEventPageFault, HL_RAZWI_PAGE_FAULT},
                {"razwi:DMA0:0x20001234", kEventRazwi, HL_RAZWI_MMU_ACCESS_ERROR}};
  for (const auto& c : kCases) {
    const int events = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    hl_info_args registration{};
    registration.op = HL_INFO_REGISTER_EVENTFD;
    registration.eventfd = static_cast<uint32_t>(events);
    ASSERT_EQ(file_->Ioctl(HL_IOCTL_INFO, &registration), 0);
    Order(c.text);
    const auto at = static_cast<int64_t>(node_->host_time().value() / 1000 + kInFlight);
    const uint64_t sequence = Start();
    // Long before the submission has had its time.
    hl_wait_cs_out out{};
    EXPECT_EQ(file_->Wait(sequence, 1000, &out), 0);
    EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_BUSY));
    eventfd_t count = 0;
    EXPECT_EQ(eventfd_read(events, &count), 0);
    close(events);
    EXPECT_EQ(Events(), c.event);
    EXPECT_EQ(Status(), static_cast<uint32_t>(HL_DEVICE_STATUS_OPERATIONAL));
    hl_info_razwi_event razwi{};
    ASSERT_EQ(file_->Info(HL_INFO_RAZWI_EVENT, &razwi), 0);
    EXPECT_EQ(razwi.addr, 0x20001234);
    EXPECT_EQ(razwi.error_type, c.type);
    EXPECT_EQ(razwi.engine_id_1, GAUDI_ENGINE_ID_DMA_0);
    EXPECT_EQ(razwi.no_engine_id, 0);
    EXPECT_GE(razwi.timestamp, at);
    EXPECT_EQ(Wait(sequence), -ETIMEDOUT);
    EXPECT_EQ(Events(), uint64_t{HL_NOTIFIER_EVENT_CS_TIMEOUT | HL_NOTIFIER_EVENT_DEVICE_RESET});
    ExpectResetAndRecovery();
  }
}

TEST_F(NodeFaultsTest, ATpcsAssertionIsAnEvent) {
  Order("tpc_assert:TPC3", 0);
  const uint64_t sequence = Start();
  EXPECT_EQ(Wait(sequence), -ETIMEDOUT);
  EXPECT_EQ(Events(), uint64_t{HL_NOTIFIER_EVENT_TPC_ASSERT | HL_NOTIFIER_EVENT_CS_TIMEOUT |
                               HL_NOTIFIER_EVENT_DEVICE_RESET});
  ExpectResetAndRecovery();
}

TEST_F(NodeFaultsTest, WhatMemoryHasLostResetsAtOnce) {
  Order("ecc_uncorrected:HBM:0x20000040");
  const uint64_t begin = node_->host_time().value();
  const uint64_t first = Start(), second = Start();
  uint32_t status = 0;
  EXPECT_EQ(Wait(first, &status), -EIO);
  EXPECT_EQ(status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_ABORTED));
  EXPECT_EQ(Wait(second), -EIO);
  EXPECT_LT(node_->host_time().value() - begin, kSecond * 1000000);
  EXPECT_EQ(Events(), uint64_t{HL_NOTIFIER_EVENT_GENERAL_HW_ERR | HL_NOTIFIER_EVENT_DEVICE_RESET});
  EXPECT_THAT(log_, HasSubstr("uncorrected ECC error in HBM at 0x20000040"));
  ExpectResetAndRecovery();
}

TEST_F(NodeFaultsTest, SomebodysResetTakesWhatIsInFlight) {
  Order("hard_reset");
  const uint64_t sequence = Start();
  EXPECT_EQ(Wait(sequence), -EIO);
  EXPECT_EQ(Events(), uint64_t{HL_NOTIFIER_EVENT_DEVICE_RESET});
  hl_info_reset_count resets{};
  ASSERT_EQ(file_->Info(HL_INFO_RESET_COUNT, &resets), 0);
  EXPECT_EQ(resets.hard_reset_cnt, 1u);
  ExpectResetAndRecovery();
}

TEST_F(NodeFaultsTest, ACorrectedErrorIsALineOfTheLog) {
  Order("ecc_corrected:SRAM:0x40");
  EXPECT_EQ(Wait(Start()), 0);
  EXPECT_EQ(Events(), 0u);
  EXPECT_EQ(Status(), static_cast<uint32_t>(HL_DEVICE_STATUS_OPERATIONAL));
  EXPECT_THAT(log_, HasSubstr("corrected ECC error in SRAM at 0x40"));
}

TEST_F(NodeFaultsTest, ThrottlingIsAskedForAndEnds) {
  const auto ask = [&] {
    hl_info_clk_throttle answer{};
    EXPECT_EQ(file_->Info(HL_INFO_CLK_THROTTLE_REASON, &answer), 0);
    return answer;
  };
  const auto clock = [&] {
    hl_info_clk_rate rate{};
    EXPECT_EQ(file_->Info(HL_INFO_CLK_RATE, &rate), 0);
    std::string text;
    EXPECT_EQ(node_->ReadAttribute("clk_cur_freq_mhz", &text), 0);
    EXPECT_EQ(text, absl::StrCat(rate.cur_clk_rate_mhz, "\n"));
    return 1000 * rate.cur_clk_rate_mhz / rate.max_clk_rate_mhz;
  };
  constexpr int kThermal = HL_CLK_THROTTLE_TYPE_THERMAL;
  EXPECT_EQ(ask().clk_throttling_reason, 0u);
  EXPECT_EQ(clock(), 1000u);
  Order("throttle:500", 1000);
  const uint64_t since = node_->host_time().value() / 1000000;
  EXPECT_EQ(Wait(Start()), 0);
  const hl_info_clk_throttle during = ask();
  EXPECT_EQ(during.clk_throttling_reason, uint32_t{HL_CLK_THROTTLE_THERMAL});
  EXPECT_NEAR(static_cast<double>(during.clk_throttling_timestamp_us[kThermal]),
              static_cast<double>(since + 1), 1);
  EXPECT_GT(during.clk_throttling_duration_ns[kThermal], 0u);
  EXPECT_EQ(clock(), 500u);
  EXPECT_EQ(Events(), 0u);
  Order("throttle:1000", 1000);
  EXPECT_EQ(Wait(Start()), 0);
  const hl_info_clk_throttle after = ask();
  EXPECT_EQ(after.clk_throttling_reason, 0u);
  EXPECT_EQ(after.clk_throttling_timestamp_us[kThermal],
            during.clk_throttling_timestamp_us[kThermal]);
  EXPECT_GT(after.clk_throttling_duration_ns[kThermal],
            during.clk_throttling_duration_ns[kThermal]);
  // It is over: time goes on, the duration does not.
  EXPECT_EQ(Wait(Start()), 0);
  EXPECT_EQ(ask().clk_throttling_duration_ns[kThermal], after.clk_throttling_duration_ns[kThermal]);
  EXPECT_EQ(clock(), 1000u);
}

TEST_F(NodeFaultsTest, WhoLooksInVainNeedNotWaitForAFarFault) {
  Order("engine_hang:DMA0", 0);
  Order("hard_reset", 1000000000000000);  // in 11 days
  const uint64_t hangs = Start();
  hl_wait_cs_out out{};
  int error = 0;
  for (int i = 0; i < 50000 && error == 0; ++i) error = file_->Wait(hangs, 0, &out);
  EXPECT_EQ(error, -ETIMEDOUT);
  ExpectResetAndRecovery();
}

TEST_F(NodeFaultsTest, AFaultWithoutWorkIsSeenByWhoAsks) {
  Order("ecc_uncorrected:HBM", 1000);
  // Asking costs time, and so the fault comes.
  hl_info_reset_count resets{};
  for (int i = 0; i < 1000 && resets.hard_reset_cnt == 0; ++i) {
    ASSERT_EQ(file_->Info(HL_INFO_RESET_COUNT, &resets), 0);
  }
  EXPECT_EQ(resets.hard_reset_cnt, 1u);
  EXPECT_EQ(Events(), uint64_t{HL_NOTIFIER_EVENT_GENERAL_HW_ERR | HL_NOTIFIER_EVENT_DEVICE_RESET});
  ExpectResetAndRecovery();
}

TEST_F(NodeFaultsTest, ACorrectedErrorBeforeAnotherFaultIsStillALine) {
  Order("ecc_corrected:HBM:0x40", 1000);
  Order("page_fault:DMA0:0x20001234");
  hl_wait_cs_out out{};
  EXPECT_EQ(file_->Wait(Start(), 1000, &out), 0);
  EXPECT_EQ(Events(), kEventPageFault);
}

TEST_F(NodeTest, FaultsAreOrderedByTheOptionsToo) {
  DeviceNode::Options options;
  options.directory = folder_;
  options.faults = "engine_hang:DMA2@1000 meteor@5";
  EXPECT_THAT(DeviceNode::Create(options).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("meteor")));
  options.faults = " ecc_corrected:SRAM@1  hard_reset@1000 ";
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<DeviceNode> node, DeviceNode::Create(options));
  NodeFile file(node.get(), folder_);
  ASSERT_EQ(file.error(), 0);
  uint64_t sequence = 0;
  hl_wait_cs_out out{};
  int error = 0;
  for (int i = 0; i < 1000 && error == 0; ++i) {
    error = file.SubmitPackets(kToDevice, &sequence, Copy(0x20000000, 0x20010000, 64));
    if (error == 0) error = file.Wait(sequence, kSecond, &out);
  }
  EXPECT_TRUE(error == -EIO || error == -ENODEV) << error;
}

TEST_F(NodeFaultsTest, AFaultWhoseTimeAnyCallPassesIsToldOf) {
  for (const bool unmap : {true, false}) {
    SCOPED_TRACE(unmap ? "unmapping" : "debugfs");
    const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    hl_info_args registration{};
    registration.op = HL_INFO_REGISTER_EVENTFD;
    registration.eventfd = static_cast<uint32_t>(fd);
    ASSERT_EQ(file_->Ioctl(HL_IOCTL_INFO, &registration), 0);
    Order("ecc_uncorrected:HBM", 1);
    uint64_t word = 0, address = 0, count = 0;
    static char memory[64];
    if (unmap) {
      ASSERT_EQ(file_->MapHost(memory, sizeof memory, &address), 0);
      EXPECT_EQ(file_->Unmap(address), 0);
      EXPECT_EQ(read(fd, &count, sizeof count), static_cast<ssize_t>(sizeof count)) << "at once";
    } else {
      for (int i = 0; i < 100; ++i) EXPECT_EQ(node_->ReadWord(dram_, 4, &word), 0);
    }
    EXPECT_EQ(Status(), static_cast<uint32_t>(HL_DEVICE_STATUS_IN_RESET)) << "any INFO looks";
    EXPECT_NE(Events() & HL_NOTIFIER_EVENT_GENERAL_HW_ERR, 0u);
    ExpectResetAndRecovery();
    close(fd);
  }
}

}  // namespace
}  // namespace openhpu::simulator
