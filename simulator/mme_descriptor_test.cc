// MME descriptors as other programs write them: register by register, in bulk, or what changed
// alone.
#include <cstdint>
#include <cstring>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/mme.h"
#include "simulator/card_testing.h"
#include "simulator/functional/mme_testing.h"

namespace openhpu::simulator {
namespace {

using abi::MmeDescriptor;
using ::testing::HasSubstr;
using Low = abi::mme::HEADER_LOW;
namespace sm = abi::sync_manager;

constexpr uint32_t kM = 40, kN = 100, kK = 7;  // local and remote array both have columns
constexpr uint32_t kFirstSob = 16, kEnd = 8;

std::vector<uint32_t> Words(const MmeDescriptor& d) {
  std::vector<uint32_t> words(abi::kMmeDescriptorWords);
  std::memcpy(words.data(), &d, sizeof d);
  return words;
}

Packets& Bulk(Packets& packets, uint32_t offset, std::vector<uint32_t> values) {
  if (values.size() % 2 != 0) values.push_back(0);
  abi::PacketWregBulk packet;
  packet.size = abi::PacketWregBulk::SIZE64::Set(packet.size, values.size() / 2);
  packet.ctl = abi::PacketWregBulk::REG_OFFSET::Set(packet.ctl, offset);
  packets.Add(packet);
  for (size_t i = 0; i < values.size(); i += 2) {
    packets.Add(uint64_t{values[i + 1]} << 32 | values[i]);
  }
  return packets;
}

Packets& Start(Packets& packets) { return packets.Register(abi::mme::CMD::kOffset, 1); }

class MmeDescriptorTest : public ::testing::TestWithParam<const char*> {
 protected:
  MmeDescriptorTest() {
    for (size_t i = 0; i < a_.size(); ++i) a_[i] = static_cast<float>(i % 5) - 2;
    for (size_t i = 0; i < b_.size(); ++i) b_[i] = static_cast<float>(i % 7) - 3;
    for (uint32_t m = 0; m < kM; ++m) {
      for (uint32_t n = 0; n < kN; ++n) {
        for (uint32_t k = 0; k < kK; ++k) c_[m * kN + n] += a_[m * kK + k] * b_[k * kN + n];
      }
    }
    at_ = {card_.Upload(a_).value(), card_.Upload(b_).value(), 0};
  }
  // A product into memory of its own.
  MmeDescriptor Product(uint32_t m = kM, uint32_t n = kN) {
    GemmShape s;
    s.m = m;
    s.n = n;
    s.k = kK;
    s.a = {kK, 1, {}};
    s.b = {kN, 1, {}};
    s.c = {kN, 1, {}};
    at_.o = card_.Upload(std::vector<float>(kM * kN, 99)).value();
    MmeDescriptor d = GemmDescriptor(s, Geometry::kPair, at_);
    const uint64_t sobs = abi::SyncManagerObjsBase(abi::kEastNorth) + sm::SOB_OBJ::At(kFirstSob);
    d.sync_object_addr_high = static_cast<uint32_t>(sobs >> 32);
    d.sync_object_addr_low_local = static_cast<uint32_t>(sobs);
    d.sync_object_addr_low_remote = static_cast<uint32_t>(sobs) + 4;
    d.sync_object_data = sm::SobAdd(1);
    return d;
  }
  std::vector<float> Result(const MmeDescriptor& d) {
    const uint64_t at = uint64_t{d.base_addr_high_o} << 32 | d.base_addr_low_o;
    return card_.ReadAll<float>(DeviceAddress(at), kM * kN);
  }
  // Runs packets on the upper CP of a pair's queue, or as a body on the lower one, until both
  // arrays have signalled `count` times and no more.
  absl::Status Run(const Packets& packets, uint32_t count, bool body = true, uint32_t pair = 0) {
    Packets upper = packets;
    if (body) {
      upper = Packets().Body(card_.Upload(packets.bytes()),
                             static_cast<uint32_t>(packets.bytes().size()));
    }
    Packets end;
    const uint64_t qman = abi::DmaQmanBase(0);
    for (uint32_t array = 0; array < 2; ++array) {
      const uint32_t sob = kFirstSob + array, monitor = 2 * array;
      end.Await(sob, count, monitor, qman, 0);
      const uint32_t equal = sm::MON_ARM::SOP::Set(sm::ArmAtLeast(sob, count), 1);
      end.Monitor(monitor + 1, qman, 0).Arm(monitor + 1, equal).Fence().Sob(sob, 0);
    }
    return card_.Run(
        {card_.Internal(abi::MmeQueue(pair, 1), upper), card_.External(abi::DmaQueue(0, 0), end)});
  }

  TestCard card_{GetParam()};
  std::vector<float> a_ = std::vector<float>(kM * kK), b_ = std::vector<float>(kK * kN),
                     c_ = std::vector<float>(kM * kN);
  Addresses at_;
};

TEST_P(MmeDescriptorTest, RegistersOneByOne) {
  for (bool body : {true, false}) {
    const MmeDescriptor d = Product();
    Packets packets;
    const std::vector<uint32_t> words = Words(d);
    // In no order at all.
    for (size_t i = 0; i < words.size(); ++i) {
      const size_t word = i * 77 % words.size();
      packets.Register(abi::mme::ArchRegister(4 * word), words[word]);
    }
    EXPECT_THAT(Run(Start(packets), 1, body), IsOk());
    EXPECT_EQ(Result(d), c_);
  }
}

TEST_P(MmeDescriptorTest, OneBulkWriteUpToTheCommand) {
  for (bool body : {true, false}) {
    const MmeDescriptor d = Product();
    std::vector<uint32_t> words = Words(d);
    words.resize((abi::mme::CMD::kOffset - abi::mme::ARCH::kOffset) / 4);
    words.push_back(1);
    Packets packets;
    EXPECT_THAT(Run(Bulk(packets, abi::mme::ARCH::kOffset, words), 1, body), IsOk());
    EXPECT_EQ(Result(d), c_);
  }
}

TEST_P(MmeDescriptorTest, BothPairsRunDescriptorsOfTheirOwn) {
  for (uint32_t pair : {0, 1}) {
    const MmeDescriptor d = Product();
    Packets packets;
    Bulk(packets, abi::mme::ARCH::kOffset, Words(d));
    EXPECT_THAT(Run(Start(packets), 1, true, pair), IsOk());
    EXPECT_EQ(Result(d), c_) << "pair " << pair;
  }
}

TEST_P(MmeDescriptorTest, OnlyWhatChangedIsWrittenAgain) {
  const MmeDescriptor first = Product(), second = Product();
  Packets packets;
  Start(Bulk(packets, abi::mme::ARCH::kOffset, Words(first)));
  packets.Register(abi::mme::ArchRegister(offsetof(MmeDescriptor, base_addr_low_o)),
                   second.base_addr_low_o);
  Start(packets);
  EXPECT_THAT(Run(packets, 2), IsOk());
  EXPECT_EQ(Result(first), c_);
  EXPECT_EQ(Result(second), c_);
}

TEST_P(MmeDescriptorTest, ACommandWithoutItsBitStartsNothing) {
  const MmeDescriptor d = Product();
  Packets packets;
  Bulk(packets, abi::mme::ARCH::kOffset, Words(d)).Register(abi::mme::CMD::kOffset, 2);
  EXPECT_THAT(Run(Start(packets), 1), IsOk());
}

TEST_P(MmeDescriptorTest, MoreDescriptorsThanShadowsWaitForOne) {
  // Each snapshot is its own: the registers are rewritten at once.
  std::vector<MmeDescriptor> products;
  Packets packets;
  for (int i = 0; i < 9; ++i) {
    products.push_back(Product());
    Start(Bulk(packets, abi::mme::ARCH::kOffset, Words(products.back())));
  }
  EXPECT_THAT(Run(packets, 9), IsOk());
  for (const MmeDescriptor& d : products) EXPECT_EQ(Result(d), c_);
}

TEST_P(MmeDescriptorTest, SumsOverDescriptorsSignalOnlyWhenTheyRollUp) {
  // The common dimension in two: the sum stays in the arrays, whose first half does not signal.
  MmeDescriptor d = Product();
  const uint32_t half = 3;
  Packets packets;
  d.tensor_s.roi_size[0] = half;
  d.tensor_l.spatial_size_minus_1 = half - 1;
  MmeDescriptor first = d;
  first.conv_kernel_size_minus_1 = d.conv_kernel_size_minus_1 = 0;  // one tile of each array
  first.header_low =
      Low::STORE_EN::Set(first.header_low, 0) | Low::ACC_STORE_INC_DISABLE::Set(0, 1);
  d.tensor_s.roi_size[0] = kK - half;
  d.tensor_l.spatial_size_minus_1 = kK - half - 1;
  d.agu_s.roi_base_offset[0] = half;
  d.agu_l_local.roi_base_offset[1] = d.agu_l_remote.roi_base_offset[1] = half * kN;
  d.tensor_l.roi_size[1] = kK * kN;
  Start(Bulk(packets, abi::mme::ARCH::kOffset, Words(first)));
  Start(Bulk(packets, abi::mme::ARCH::kOffset, Words(d)));
  EXPECT_THAT(Run(packets, 1), IsOk());
  const std::vector<float> got = Result(d);
  for (uint32_t m = 0; m < 32; ++m) {
    for (uint32_t n = 0; n < 64; ++n) ASSERT_EQ(got[m * kN + n], c_[m * kN + n]) << m << "," << n;
  }
}

TEST_P(MmeDescriptorTest, NothingStoredIsStillSignalled) {
  MmeDescriptor d = Product();
  d.header_low = Low::STORE_EN::Set(d.header_low, 0);
  Packets packets;
  Start(Bulk(packets, abi::mme::ARCH::kOffset, Words(d)));
  EXPECT_THAT(Run(packets, 1), IsOk());
  EXPECT_EQ(Result(d), std::vector<float>(kM * kN, 99));
}

TEST_P(MmeDescriptorTest, WhatContinuesARunningSumReachesTheUsersMemoryAlone) {
  MmeDescriptor d = Product(20, 40);  // one tile of each array
  // The kernel's memory, of which nothing comes into a tile that is written.
  MmeDescriptor kernel = d;
  kernel.base_addr_high_s = 0;
  kernel.base_addr_low_s = 0x1000;
  kernel.tensor_o.valid_elements[0] = 0;
  Packets alone;
  Bulk(alone, abi::mme::ARCH::kOffset, Words(kernel));
  EXPECT_THAT(Run(Start(alone), 1), IsOk());
  // Before it, a sum that is not rolled up.
  d.header_low = Low::ACC_STORE_INC_DISABLE::Set(Low::STORE_EN::Set(d.header_low, 0), 1);
  Packets packets;
  Bulk(packets, abi::mme::ARCH::kOffset, Words(d));
  Bulk(Start(packets), abi::mme::ARCH::kOffset, Words(kernel));
  EXPECT_THAT(Run(Start(packets), 1), StatusIs(absl::StatusCode::kAborted, HasSubstr("0x1000")));
}

TEST_P(MmeDescriptorTest, EachTileSignalsWhenTheMaskSaysSo) {
  MmeDescriptor d = Product();
  d.header_low = Low::SIGNAL_MASK::Set(d.header_low, 0);
  Packets packets;
  Start(Bulk(packets, abi::mme::ARCH::kOffset, Words(d)));
  EXPECT_THAT(Run(packets, 4), IsOk());  // 2 x 2 tiles of each array
}

TEST_P(MmeDescriptorTest, AStoreMayAddToMemory) {
  MmeDescriptor d = Product();
  d.axi_user_data = 0x0F | 0x0F << 9;
  Packets packets;
  Start(Bulk(packets, abi::mme::ARCH::kOffset, Words(d)));
  EXPECT_THAT(Run(packets, 1), IsOk());
  std::vector<float> want = c_;
  for (float& x : want) x += 99;
  EXPECT_EQ(Result(d), want);
}

TEST_P(MmeDescriptorTest, WhatCannotRunStopsTheMachineByName) {
  MmeDescriptor d = Product();
  d.tensor_l.spatial_size_minus_1 = kK;
  Packets packets;
  Start(Bulk(packets, abi::mme::ARCH::kOffset, Words(d)));
  EXPECT_THAT(Run(packets, 1), StatusIs(absl::StatusCode::kAborted,
                                        AllOf(HasSubstr("MME0"), HasSubstr("k-vectors"))));
}

INSTANTIATE_TEST_SUITE_P(Modes, MmeDescriptorTest,
                         ::testing::Values("sim:gaudi,arithmetic=exact",
                                           "sim:gaudi,mode=functional", "sim:gaudi,hazards=on"));

}  // namespace
}  // namespace openhpu::simulator
