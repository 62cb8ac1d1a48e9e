// Descriptors that no hardware runs, and words that are no descriptor at all.
#include <cstring>
#include <random>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "simulator/functional/gemm_testing.h"
#include "simulator/functional/mme.h"
#include "simulator/functional/mme_fuzz.h"
#include "simulator/functional/mme_match.h"
#include "simulator/functional/mme_testing.h"

namespace openhpu::simulator {
namespace {

using hal::abi::gaudi::kMmeDescriptorWords;
using hal::abi::gaudi::MmeDescriptor;
using High = hal::abi::gaudi::mme::HEADER_HIGH;
using Low = hal::abi::gaudi::mme::HEADER_LOW;
using Repeat = hal::abi::gaudi::mme::SB_REPEAT;

constexpr Addresses kAt = {kMmeFuzzBase, kMmeFuzzBase + 0x8000, kMmeFuzzBase + 0x10000};

MmeDescriptor Product(int64_t m = 300, int64_t n = 700) {
  GemmShape s;
  s.m = m;
  s.n = n;
  s.k = 8;
  s.in = DType::kBFloat16;
  s.a = {10, 1, {}};
  s.b = {n + 3, 1, {}};
  s.c = {n + 5, 1, {}};
  return GemmDescriptor(s, Geometry::kPair, kAt);
}

MmeDescriptor Convolution() {
  return ConvolutionDescriptor(
      DenseConvolution(1, 4, 8, {5, 5, 1}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 0}),
      Geometry::kPair, kAt);
}

template <typename Change>
void ExpectRefused(MmeDescriptor d, const char* name, absl::StatusCode code, Change change) {
  SCOPED_TRACE(name);
  change(d);
  FakeMemory memory(kAt.s, 0x200000);
  MmeState state;
  const absl::Status status = RunMme(d, Arithmetic::kExact, MmePath::kAuto, memory, state);
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_NE(status.message().find(name), std::string::npos) << status;
  EXPECT_EQ(MmeFootprint(d).status().code(), code);
  // Loop counts alone do not show what only the walk meets.
  const absl::string_view what = name;
  if (what == "carries more than once" || what == "outside of the dense forms") return;
  EXPECT_EQ(AnalyseMme(d).status().code(), code);
}

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;

TEST(MmeHostileTest, WhatNoHardwareRunsIsRefusedByName) {
  const auto expect = [](const char* name, auto change) {
    ExpectRefused(Product(), name, kInvalid, change);
  };
  expect("k-vectors", [](MmeDescriptor& d) { d.tensor_l.spatial_size_minus_1 = 8; });
  expect("both move dim", [](MmeDescriptor& d) {
    d.conv_associated_dims_low = LoopCode(5, 0, 0) | LoopCode(1, 5, 0) << 16;
  });
  expect("moves dim 7", [](MmeDescriptor& d) { d.outer_loop = LoopCode(4, 7, 4); });
  expect("roiSize[2] of L", [](MmeDescriptor& d) { d.tensor_l.roi_size[2] = -1; });
  expect("accumulators", [](MmeDescriptor& d) { d.header_low &= ~Low::STORE_EN::Set(0, 1); });
  expect("accumulators", [](MmeDescriptor& d) { d.header_low |= Low::ACCUM::Set(0, 1); });
  expect("accStoreIncDisable",
         [](MmeDescriptor& d) { d.header_low |= Low::ACC_STORE_INC_DISABLE::Set(0, 1); });
  expect("repeat of S",
         [](MmeDescriptor& d) { d.sb_repeat |= Repeat::REPEAT_S_MINUS_1::Set(0, 3); });
  expect("repeat of L",
         [](MmeDescriptor& d) { d.sb_repeat |= Repeat::AGU_L_LOOP_MASK::Set(0, 1); });
  expect("masks loop 1 outside of a loop that is walked",
         [](MmeDescriptor& d) { d.sb_repeat |= Repeat::AGU_S_LOOP_MASK::Set(0, 2); });
  expect("carries more than once", [](MmeDescriptor& d) { d.tensor_s.roi_size[1] = 3; });
  expect("more lines than an array has",
         [](MmeDescriptor& d) { d.tensor_o.spatial_size_minus_1 = 64; });
  ExpectRefused(Convolution(), "signalMask", kInvalid,
                [](MmeDescriptor& d) { d.header_low = Low::SIGNAL_MASK::Set(d.header_low, 0x3B); });
}

TEST(MmeHostileTest, TheBufferRepeatsOnlyWhatItHolds) {
  // 241 tiles side by side from one group of S.
  const auto repeated = [](uint32_t times, uint32_t k) {
    MmeDescriptor d = Product();
    d.conv_kernel_size_minus_1 = times - 1;
    d.sb_repeat |= Repeat::AGU_S_LOOP_MASK::Set(0, 1) | Repeat::REPEAT_S_MINUS_1::Set(0, times - 1);
    d.tensor_s.roi_size[0] = static_cast<int32_t>(k);
    d.tensor_l.spatial_size_minus_1 = k - 1;
    return d;
  };
  EXPECT_TRUE(AnalyseMme(repeated(240, 512)).ok());
  const auto same = [](MmeDescriptor&) {};
  ExpectRefused(repeated(241, 8), "more than 240", kInvalid, same);
  ExpectRefused(repeated(2, 513), "holds 512", kInvalid, same);
}

TEST(MmeHostileTest, WhatTheReferenceDoesNotSayIsUnimplementedByName) {
  const auto expect = [](const char* name, auto change) {
    ExpectRefused(Product(), name, kUnimplemented, change);
  };
  expect("first and steady differ", [](MmeDescriptor& d) { d.axi_user_data = 0x0F; });
  expect("its code", [](MmeDescriptor& d) { d.axi_user_data = 0x0E | 0x0E << 9; });
  expect("its code", [](MmeDescriptor& d) { d.axi_user_data = 0x4F | 0x4F << 9; });
  expect("not of the type", [](MmeDescriptor& d) { d.axi_user_data = 0x0D | 0x0D << 9; });
  expect("euBEn", [](MmeDescriptor& d) { d.header_high &= ~High::EUB_EN::Set(0, 1); });
  expect("loadS", [](MmeDescriptor& d) { d.sb_repeat &= ~Repeat::LOAD_S::Set(0, 1); });
  expect("loadL", [](MmeDescriptor& d) { d.sb_repeat &= ~Repeat::LOAD_L::Set(0, 1); });
  expect("teEnS", [](MmeDescriptor& d) { d.sb_repeat &= ~Repeat::TEB_S_EN::Set(0, 1); });
  expect("teEnL", [](MmeDescriptor& d) {
    d.header_low |= Low::TRANS_L::Set(0, 1);
    d.sb_repeat &= ~Repeat::TEB_L_EN::Set(0, 1);
  });
  expect("accumMask", [](MmeDescriptor& d) { d.header_low |= Low::ACCUM_MASK::Set(0, 2); });
  // L is not transposed: its engine is not needed.
  MmeDescriptor d = Product();
  d.sb_repeat &= ~Repeat::TEB_L_EN::Set(0, 1);
  EXPECT_TRUE(AnalyseMme(d).ok());
}

TEST(MmeHostileTest, LoopsThatMultiplyTooFarAreRefusedWithTheNumber) {
  ExpectRefused(Product(), "at most 68719476736 in all", kInvalid,
                [](MmeDescriptor& d) { d.num_iterations_minus_1 = 0xFFFFFFFF; });
  ExpectRefused(Product(), "outside of the dense forms", kUnimplemented,
                [](MmeDescriptor& d) { d.num_iterations_minus_1 = 0xFFFFF; });
  ExpectRefused(Product(), "signals of each array", kInvalid, [](MmeDescriptor& d) {
    d.num_iterations_minus_1 = 0xFFFFF;
    d.header_low = Low::SIGNAL_MASK::Set(d.header_low, 0);
  });
  ExpectRefused(Product(), "at most", kInvalid, [](MmeDescriptor& d) {
    d.conv_kernel_size_minus_1 = d.num_iterations_minus_1 = 0xFFFFFFFF;
    d.outer_loop |= 0xFF0000;
    d.conv_associated_dims_low = d.conv_associated_dims_high = 0x016D016D;
    d.tensor_s.roi_size[0] = 0x7FFFFFFF;
    d.tensor_l.spatial_size_minus_1 = 0x7FFFFFFE;
  });
}

// The dense forms read operands as arrays of their type; the loop nest takes any bytes.
TEST(MmeHostileTest, OperandsThatLieAcrossElementsGoThroughTheLoopNest) {
  const auto is_dense = [](const MmeDescriptor& d) {
    return !std::holds_alternative<std::monostate>(MatchMme(*ViewMme(d)));
  };
  for (const MmeDescriptor& aligned : {Product(), Convolution()}) {
    EXPECT_TRUE(is_dense(aligned));
    for (uint32_t MmeDescriptor::*base :
         {&MmeDescriptor::base_addr_low_s, &MmeDescriptor::base_addr_low_l,
          &MmeDescriptor::base_addr_low_o}) {
      MmeDescriptor d = aligned;
      d.*base += 1;
      EXPECT_FALSE(is_dense(d));
    }
  }
}

TEST(MmeHostileTest, AnUnmappedAddressIsNamed) {
  for (MmePath path : {MmePath::kAuto, MmePath::kGeneric}) {
    MmeDescriptor d = Product();
    d.base_addr_low_l = 0x10000000;
    FakeMemory memory(kAt.s, 0x200000);
    MmeState state;
    const absl::Status status = RunMme(d, Arithmetic::kFast, path, memory, state);
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
    EXPECT_NE(status.message().find("10000000"), std::string::npos) << status;
  }
}

// Words that mean nothing; canonical descriptors with some of their words replaced; and descriptors
// of small random fields, which get furthest.
TEST(MmeHostileTest, AnyWordsAreRunOrRefused) {
  std::mt19937 random(20221123);
  const auto word = [&]() -> uint32_t {
    switch (random() % 4) {
      case 0:
        return random();
      case 1:
        return random() % 256;
      case 2:
        return 1u << random() % 32;
      default:
        return 0u - random() % 256;
    }
  };
  MmeFuzzed done;
  for (int round = 0; round < 20000; ++round) {
    MmeDescriptor d = round % 2 == 0 ? Product(70, 150) : Convolution();
    uint32_t words[kMmeDescriptorWords];
    std::memcpy(words, &d, sizeof words);
    const int changes = round % 4 == 3 ? kMmeDescriptorWords : 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < changes; ++i) {
      words[changes == kMmeDescriptorWords ? i : random() % kMmeDescriptorWords] = word();
    }
    const MmeFuzzed one = FuzzMme(reinterpret_cast<const uint8_t*>(words), sizeof words);
    done.analysed += one.analysed;
    done.walked += one.walked;
    done.ran += one.ran;
  }
  EXPECT_GT(done.analysed, 10000);
  EXPECT_GT(done.walked, 9000);
  EXPECT_GT(done.ran, 3000);
}

}  // namespace
}  // namespace openhpu::simulator
