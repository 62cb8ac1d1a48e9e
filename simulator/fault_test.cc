// The text form of a fault.
#include "simulator/fault.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {
namespace {

using ::testing::HasSubstr;
using Kind = InjectedFault::Kind;

std::string ErrorOf(const std::string& text) {
  const absl::StatusOr<InjectedFault> fault = ParseFault(text);
  EXPECT_EQ(fault.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(fault.status().message());
}

TEST(FaultTest, TextSurvivesARoundTrip) {
  for (const char* text :
       {"engine_hang:DMA2@5000", "lost_completion:DMA0@0", "ecc_corrected:HBM:0x20001234@17",
        "ecc_uncorrected:SRAM@17", "page_fault:DMA2:0x20001234@5000", "razwi:TPC0:0x0@1",
        "tpc_assert:DCORE0_TPC0@9007199254740992", "throttle:250@12", "hard_reset@3"}) {
    ASSERT_OK_AND_ASSIGN(const InjectedFault fault, ParseFault(text));
    EXPECT_EQ(ToString(fault), text);
    ASSERT_OK_AND_ASSIGN(const InjectedFault again, ParseFault(ToString(fault)));
    EXPECT_TRUE(again == fault) << text;
  }
}

TEST(FaultTest, EveryPartOfTheTextIsRead) {
  ASSERT_OK_AND_ASSIGN(const InjectedFault fault, ParseFault("page_fault:DMA2:0x20001234@5000"));
  EXPECT_EQ(fault.kind, Kind::kPageFault);
  EXPECT_EQ(fault.unit, "DMA2");
  EXPECT_EQ(fault.address, 0x20001234u);
  EXPECT_EQ(fault.at, Picoseconds(5000000));
  ASSERT_OK_AND_ASSIGN(const InjectedFault slow, ParseFault("throttle:250@1"));
  EXPECT_EQ(slow.permille, 250u);
}

TEST(FaultTest, WhatIsWrongIsNamed) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("nanoseconds"));
  EXPECT_THAT(ErrorOf("engine_hang:DMA2"), HasSubstr("nanoseconds"));
  EXPECT_THAT(ErrorOf("engine_hang:DMA2@soon"), HasSubstr("nanoseconds"));
  EXPECT_THAT(ErrorOf("engine_hang:DMA2@-1"), HasSubstr("nanoseconds"));
  EXPECT_THAT(ErrorOf("engine_hang:DMA2@9007199254740993"), HasSubstr("nanoseconds"));
  EXPECT_THAT(ErrorOf("meteor:DMA2@1"), HasSubstr("page_fault"));
  EXPECT_THAT(ErrorOf("engine_hang@1"), HasSubstr("unit"));
  EXPECT_THAT(ErrorOf("engine_hang:@1"), HasSubstr("unit"));
  EXPECT_THAT(ErrorOf("engine_hang:DMA2:0x10@1"), HasSubstr("0x10"));
  EXPECT_THAT(ErrorOf("page_fault:DMA2@1"), HasSubstr("address"));
  EXPECT_THAT(ErrorOf("page_fault:DMA2:16@1"), HasSubstr("16"));
  EXPECT_THAT(ErrorOf("page_fault:DMA2:0xZ@1"), HasSubstr("0xZ"));
  EXPECT_THAT(ErrorOf("page_fault:DMA2:0x1:0x2@1"), HasSubstr("0x2"));
  EXPECT_THAT(ErrorOf("throttle@1"), HasSubstr("permille"));
  EXPECT_THAT(ErrorOf("throttle:1001@1"), HasSubstr("permille"));
  EXPECT_THAT(ErrorOf("throttle:5:6@1"), HasSubstr("6"));
  EXPECT_THAT(ErrorOf("hard_reset:DMA2@1"), HasSubstr("DMA2"));
}

TEST(FaultTest, AFieldThatTheKindDoesNotHaveIsNamedFirst) {
  InjectedFault fault;
  fault.kind = Kind::kHardReset;
  EXPECT_OK(CheckFault(fault));
  fault.unit = "DMA0";
  EXPECT_THAT(std::string(CheckFault(fault).message()), ::testing::StartsWith("unit: "));
  fault = InjectedFault();
  fault.unit = "DMA0";
  fault.address = 1;
  EXPECT_THAT(std::string(CheckFault(fault).message()), ::testing::StartsWith("address: "));
  fault.address = 0;
  fault.permille = 1;
  EXPECT_THAT(std::string(CheckFault(fault).message()), ::testing::StartsWith("permille: "));
}

}  // namespace
}  // namespace openhpu::simulator
