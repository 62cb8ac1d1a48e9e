// Finding and opening cards, and what the kernel says about them.
#include <bitset>
#include <cerrno>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/habanalabs/discovery.h"
#include "hal/habanalabs/driver.h"
#include "hal/habanalabs/fake_kernel.h"
#include "testing/status_matchers.h"

namespace openhpu::hal::habanalabs {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

absl::StatusOr<std::unique_ptr<Driver>> Open(FakeKernel& kernel,
                                             std::string_view spec = "habanalabs:0") {
  return Driver::Open(spec, kernel.MakeSyscalls());
}

TEST(Open, EitherInterfaceIsSpoken) {
  for (const Api api : {Api::kMisc, Api::kAccel}) {
    FakeKernel kernel(api);
    {
      ASSERT_OK_AND_ASSIGN(const auto driver, Open(kernel));
      EXPECT_EQ(driver->info().driver, "habanalabs:0");
      EXPECT_EQ(driver->info().chip.name(), "gaudi");
      ASSERT_OK_AND_ASSIGN(const CommandMemory memory, driver->CreateCommandMemory(64));
      EXPECT_EQ(memory.bytes.size(), 64u);
    }
    EXPECT_EQ(kernel.open_files(), 0u);
    EXPECT_EQ(kernel.mapped_regions(), 0u);
  }
}

TEST(Open, SpecsAreChecked) {
  FakeKernel kernel;
  for (const char* spec :
       {"habanalabs:", "habanalabs:x", "habanalabs:-1", "habanalabs:0,", "sim:0",
        "habanalabs:0,speed=1", "habanalabs:0,timeout=0", "habanalabs:0,timeout=x",
        "habanalabs:0,timeout", "habanalabs:4294967296"}) {
    EXPECT_THAT(Open(kernel, spec), StatusIs(StatusCode::kInvalidArgument, HasSubstr(spec)))
        << spec;
  }
  EXPECT_EQ(kernel.opens, 0);
}

TEST(Open, WithoutCardsTheErrorSaysWhatToDo) {
  FakeKernel kernel;
  EXPECT_THAT(
      Open(kernel, "habanalabs:1"),
      StatusIs(StatusCode::kNotFound,
               AllOf(HasSubstr("habanalabs:1: no such card"), HasSubstr("/dev/accel/accel1"),
                     HasSubstr("/dev/hl1"), HasSubstr("sim:<chip>"))));
}

TEST(Open, WithOtherCardsTheErrorListsThem) {
  FakeKernel kernel;
  kernel.folders["/sys/class/habanalabs"] = {"hl0", "hl10", "hl2", "hl_controlD0", "hl_controlD2"};
  kernel.files["/sys/class/habanalabs/hl0/device_type"] = "GAUDI\n";
  kernel.files["/sys/class/habanalabs/hl0/pci_addr"] = "0000:01:00.0\n";
  kernel.files["/sys/class/habanalabs/hl0/status"] = "operational\n";
  EXPECT_THAT(Open(kernel, "habanalabs:1"),
              StatusIs(StatusCode::kNotFound,
                       HasSubstr("there are habanalabs:0 (GAUDI, 0000:01:00.0, operational), "
                                 "habanalabs:2, habanalabs:10")));
}

TEST(Open, AnotherMakersAcceleratorIsLeftAlone) {
  FakeKernel kernel(Api::kAccel);
  kernel.folders["/sys/class/accel"] = {"accel0", "accel_controlD0"};
  EXPECT_THAT(Open(kernel), StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(kernel.opens, 0);
  const auto syscalls = kernel.MakeSyscalls();
  EXPECT_TRUE(ListCards(*syscalls).empty());
  // With the attribute that our driver has it is a card.
  kernel.files["/sys/class/accel/accel0/device/device_type"] = "GAUDI\n";
  EXPECT_EQ(ListCards(*syscalls).size(), 1u);
  EXPECT_OK(Open(kernel));
}

TEST(Open, ANodeOfAnotherDriverIsNotFound) {
  FakeKernel kernel(Api::kAccel);
  kernel.info_errors[HL_INFO_DEVICE_STATUS] = -ENOTTY;
  EXPECT_THAT(Open(kernel), StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(kernel.open_files(), 0u);
}

TEST(Open, ACardInResetIsWaitedFor) {
  FakeKernel kernel;
  kernel.open_errors = {-EAGAIN, -EINTR, -EAGAIN, -EBUSY};
  kernel.statuses = {HL_DEVICE_STATUS_IN_RESET, HL_DEVICE_STATUS_IN_RESET_AFTER_DEVICE_RELEASE,
                     HL_DEVICE_STATUS_IN_DEVICE_CREATION};
  EXPECT_OK(Open(kernel));
  EXPECT_EQ(kernel.opens, 8);
}

TEST(Open, ACardThatStaysBusyIsUnavailable) {
  FakeKernel kernel;
  ASSERT_OK_AND_ASSIGN(const auto other, Open(kernel));
  const absl::Time begin = kernel.now;
  EXPECT_THAT(Open(kernel), StatusIs(StatusCode::kUnavailable, HasSubstr("another process")));
  EXPECT_GE(kernel.now - begin, kOpenPatience.busy);
  EXPECT_LT(kernel.now - begin, kOpenPatience.busy + absl::Seconds(1));
}

TEST(Open, ACardThatStaysInResetIsUnavailable) {
  FakeKernel kernel;
  kernel.open_errors.assign(100000, -EAGAIN);
  EXPECT_THAT(Open(kernel), StatusIs(StatusCode::kUnavailable, HasSubstr("EAGAIN")));
  kernel.open_errors.clear();
  kernel.statuses.assign(100000, HL_DEVICE_STATUS_IN_RESET);
  EXPECT_THAT(Open(kernel), StatusIs(StatusCode::kUnavailable, HasSubstr("in reset")));
  EXPECT_EQ(kernel.open_files(), 0u);
}

TEST(Open, ACardThatDoesNotWorkIsRefusedAtOnceWithItsStatus) {
  FakeKernel kernel;
  kernel.files["/sys/class/habanalabs/hl0/status"] = "Malfunction\n";
  kernel.open_errors = {-EPERM};
  EXPECT_THAT(Open(kernel), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("Malfunction")));
  kernel.statuses = {HL_DEVICE_STATUS_MALFUNCTION};
  EXPECT_THAT(Open(kernel), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("malfunction")));
  kernel.statuses = {HL_DEVICE_STATUS_NEEDS_RESET};
  EXPECT_THAT(Open(kernel), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("needs a reset")));
  EXPECT_EQ(kernel.sleeps, 0);
}

TEST(Open, EveryErrorOfOpeningHasItsCode) {
  const std::pair<int, StatusCode> cases[] = {
      {EACCES, StatusCode::kPermissionDenied}, {ENXIO, StatusCode::kNotFound},
      {ENODEV, StatusCode::kNotFound},         {ENOENT, StatusCode::kNotFound},
      {EMFILE, StatusCode::kInternal},         {ENOMEM, StatusCode::kResourceExhausted}};
  for (const auto& [error, code] : cases) {
    FakeKernel kernel;
    kernel.open_errors = {-error};
    EXPECT_THAT(Open(kernel), StatusIs(code)) << error;
    EXPECT_EQ(kernel.sleeps, 0) << error;
  }
}

TEST(Open, OtherGenerationsAreRefusedByName) {
  const std::pair<uint32_t, const char*> cases[] = {{kGaudi3Id, "Gaudi3"}, {0x2000, "0x2000"}};
  for (const auto& [id, name] : cases) {
    FakeKernel kernel;
    kernel.ip.device_id = id;
    EXPECT_THAT(Open(kernel), StatusIs(StatusCode::kUnimplemented, HasSubstr(name)));
    EXPECT_EQ(kernel.open_files(), 0u);
  }
  FakeKernel kernel;
  kernel.ip.device_id = kGaudiSecuredId;
  EXPECT_OK(Open(kernel));
}

TEST(Open, TheChipHasTheCardsSizes) {
  FakeKernel kernel;
  kernel.ip.dram_size = 0x400000000;
  kernel.ip.sram_size = 0x100000;
  kernel.ip.tpc_enabled_mask = 0x7F;
  kernel.ip.tpc_enabled_mask_ext = 0x7F;
  ASSERT_OK_AND_ASSIGN(const auto driver, Open(kernel));
  const DeviceInfo& info = driver->info();
  EXPECT_EQ(info.dram_user_base.value(), 0x20000000u);
  EXPECT_EQ(info.dram_user_bytes, 0x400000000u);
  EXPECT_EQ(info.sram_user_base.value(), 0x7FF0000080u);
  EXPECT_EQ(info.sram_user_bytes, 0x100000u);
  EXPECT_EQ(info.chip.address_map().dram_bytes().value(), 0x420000000u);
  EXPECT_EQ(info.chip.address_map().sram_bytes().value(), 0x100080u);
  EXPECT_EQ(info.chip.tpc().count().value(), 7u);
}

TEST(Open, TpcsBehindAMissingOneAreNotUsed) {
  FakeKernel kernel;
  kernel.ip.tpc_enabled_mask = 0xF7;
  kernel.ip.tpc_enabled_mask_ext = 0xF7;
  ASSERT_OK_AND_ASSIGN(const auto driver, Open(kernel));
  EXPECT_EQ(driver->info().chip.tpc().count().value(), 3u);
}

TEST(Open, SizesThatCannotBeAreRefused) {
  const auto refused = [](FakeKernel& kernel) {
    EXPECT_THAT(Open(kernel), StatusIs(StatusCode::kInternal));
  };
  FakeKernel a, b, c, d, e;
  a.ip.dram_size = 0;
  b.ip.dram_size = ~uint64_t{0};
  c.ip.dram_base_address = 0;  // the kernel's
  d.ip.sram_base_address = 0x7FF0000000;
  e.ip.tpc_enabled_mask = e.ip.tpc_enabled_mask_ext = 0;
  for (FakeKernel* kernel : {&a, &b, &c, &d, &e}) refused(*kernel);
}

TEST(Open, SyncManagersAreThoseOfTheirCorners) {
  FakeKernel kernel;
  ASSERT_OK_AND_ASSIGN(const auto driver, Open(kernel));
  // W_S, E_S, W_N, E_N here; the kernel counts W_S, W_N, E_N, E_S.
  const uint32_t first[] = {144, 24, 8, 16};
  for (int manager = 0; manager < 4; ++manager) {
    ASSERT_OK_AND_ASSIGN(const SyncManagerInfo info, driver->GetSyncManagerInfo(manager));
    EXPECT_EQ(info.first_sob, first[manager]);
    EXPECT_EQ(info.num_sobs, 2048 - first[manager]);
    EXPECT_EQ(info.first_monitor, manager == 0 ? 72u : 0u);
    EXPECT_EQ(info.num_monitors, manager == 0 ? 440u : 512u);
  }
  EXPECT_THAT(driver->GetSyncManagerInfo(4), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(driver->GetSyncManagerInfo(-1), StatusIs(StatusCode::kInvalidArgument));
}

TEST(Open, AFailedQuestionIsNamed) {
  FakeKernel kernel;
  kernel.info_errors[HL_INFO_HW_IP_INFO] = -EFAULT;
  EXPECT_THAT(Open(kernel), StatusIs(StatusCode::kOutOfRange, HasSubstr("what the card is")));
  kernel.info_errors = {{HL_INFO_SYNC_MANAGER, -EINVAL}};
  EXPECT_THAT(Open(kernel), StatusIs(StatusCode::kInvalidArgument, HasSubstr("sync manager 0")));
  EXPECT_EQ(kernel.open_files(), 0u);
}

TEST(Open, AnOldKernelWithoutEventsIsFine) {
  FakeKernel kernel;
  kernel.info_errors[HL_INFO_REGISTER_EVENTFD] = -ENOTTY;
  kernel.info_errors[HL_INFO_GET_EVENTS] = -ENOTTY;
  kernel.info_errors[HL_INFO_RAZWI_EVENT] = -ENOTTY;
  kernel.info_errors[HL_INFO_CLK_THROTTLE_REASON] = -EOPNOTSUPP;
  ASSERT_OK_AND_ASSIGN(const auto driver, Open(kernel));
  EXPECT_TRUE(driver->TakeEvents().empty());
}

TEST(Open, WhatOnlyACardHasCanBeAskedFor) {
  FakeKernel kernel;
  ASSERT_OK_AND_ASSIGN(const auto driver, Open(kernel));
  ASSERT_OK_AND_ASSIGN(const Driver::Times times, driver->DeviceTime());
  EXPECT_EQ(times.device_ticks, 1234u);
  EXPECT_EQ(times.host_nanoseconds, 5678u);
  ASSERT_OK_AND_ASSIGN(const Driver::Idleness idle, driver->GetIdleness());
  EXPECT_FALSE(idle.is_idle);
  EXPECT_EQ(idle.busy_engines, std::bitset<256>(0x1001));
  EXPECT_THAT(driver->EngineStatus(), IsOkAndHolds("DMA0: idle\n"));
  for (const int error : {EOPNOTSUPP, ENOTTY}) {
    kernel.info_errors[HL_INFO_ENGINE_STATUS] = -error;
    EXPECT_THAT(driver->EngineStatus(), StatusIs(StatusCode::kUnimplemented));
  }
}

}  // namespace
}  // namespace openhpu::hal::habanalabs
