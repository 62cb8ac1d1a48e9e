#include "simulator/engine/address_space.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/chip.h"
#include "hal/chip.pb.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kPage = 64 * 1024;

class MachineMemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(chip_, hal::LoadChip("tiny"));
    ASSERT_OK_AND_ASSIGN(memory_, MachineMemory::Create(chip_));
  }
  DeviceAddress Dram(uint64_t offset) const {
    return DeviceAddress(chip_.address_map().dram_base().value() + offset);
  }
  DeviceAddress Sram(uint64_t offset) const {
    return DeviceAddress(chip_.address_map().sram_base().value() + offset);
  }
  uint64_t DramBytes() const { return chip_.address_map().dram_bytes().value(); }
  uint64_t SramBytes() const { return chip_.address_map().sram_bytes().value(); }

  hal::Chip chip_;
  std::unique_ptr<MachineMemory> memory_;
};

TEST_F(MachineMemoryTest, StartsAsZerosAndKeepsWhatIsWritten) {
  for (DeviceAddress address : {Dram(0), Dram(DramBytes() - 1), Sram(0), Sram(SramBytes() - 1)}) {
    ASSERT_OK_AND_ASSIGN(std::byte * byte, memory_->Resolve(address, 1));
    EXPECT_EQ(*byte, std::byte{0});
    *byte = std::byte{7};
    ASSERT_OK_AND_ASSIGN(byte, memory_->Resolve(address, 1));
    EXPECT_EQ(*byte, std::byte{7});
  }
}

TEST_F(MachineMemoryTest, ResolvesARangeInPlace) {
  ASSERT_OK_AND_ASSIGN(std::byte * all, memory_->Resolve(Dram(0), DramBytes()));
  ASSERT_OK_AND_ASSIGN(std::byte * part, memory_->Resolve(Dram(12345), 1));
  EXPECT_EQ(part, all + 12345);
}

TEST_F(MachineMemoryTest, RefusesWhatIsNotInOneRegion) {
  const auto refused = StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("0x"));
  EXPECT_THAT(memory_->Resolve(Dram(DramBytes()), 1), refused);
  EXPECT_THAT(memory_->Resolve(Dram(DramBytes() - 1), 2), refused);
  EXPECT_THAT(memory_->Resolve(Dram(1), ~uint64_t{0}), refused);
  EXPECT_THAT(memory_->Resolve(Sram(SramBytes()), 1), refused);
  EXPECT_THAT(memory_->Resolve(Sram(SramBytes() - 1), 2), refused);
  EXPECT_THAT(memory_->Resolve(DeviceAddress(chip_.address_map().sram_base().value() - 1), 1),
              refused);
  EXPECT_THAT(memory_->Resolve(DeviceAddress(0x1234567890ab), 16),
              StatusIs(absl::StatusCode::kOutOfRange,
                       HasSubstr("16 bytes at device address 0x1234567890ab")));
}

TEST_F(MachineMemoryTest, TellsRegionsApart) {
  std::array<char, 64> host;
  ASSERT_OK_AND_ASSIGN(DeviceAddress mapped, memory_->MapHost(host.data(), host.size()));
  EXPECT_THAT(memory_->RegionOf(Dram(5)), IsOkAndHolds(Region::kDram));
  EXPECT_THAT(memory_->RegionOf(Sram(5)), IsOkAndHolds(Region::kSram));
  EXPECT_THAT(memory_->RegionOf(mapped + 63), IsOkAndHolds(Region::kHost));
  EXPECT_THAT(memory_->RegionOf(mapped + 64), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_F(MachineMemoryTest, MapsHostMemoryInPlaceWithItsPageOffset) {
  std::vector<char> host(10000);
  ASSERT_OK_AND_ASSIGN(DeviceAddress mapped, memory_->MapHost(&host[0], host.size()));
  EXPECT_EQ(mapped.value() % 4096, reinterpret_cast<uintptr_t>(&host[0]) % 4096);
  EXPECT_GE(mapped.value(), chip_.address_map().host_va_start().value());
  ASSERT_OK_AND_ASSIGN(std::byte * byte, memory_->Resolve(mapped + 9999, 1));
  EXPECT_EQ(static_cast<void*>(byte), &host[9999]);
  EXPECT_THAT(memory_->Resolve(mapped + 9999, 2), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(memory_->Resolve(DeviceAddress(mapped.value() - 1), 1),
              StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_F(MachineMemoryTest, MappingsDoNotTouchEachOther) {
  std::vector<char> host(3 * 4096);
  ASSERT_OK_AND_ASSIGN(DeviceAddress first, memory_->MapHost(&host[0], 4096));
  ASSERT_OK_AND_ASSIGN(DeviceAddress second, memory_->MapHost(&host[4096], 8192));
  EXPECT_THAT(memory_->Resolve(first, 4097), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(memory_->RegionOf(first + 4096), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_GT(second.value(), first.value() + 4096);
}

TEST_F(MachineMemoryTest, TheAddressOfAMappingDependsOnOrderAndSizesOnly) {
  alignas(4096) static char host[4 * 4096];
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<MachineMemory> other, MachineMemory::Create(chip_));
  ASSERT_OK(memory_->MapHost(&host[0], 4096));
  ASSERT_OK(other->MapHost(&host[4095], 4096));
  ASSERT_OK_AND_ASSIGN(DeviceAddress a, memory_->MapHost(&host[64], 100));
  ASSERT_OK_AND_ASSIGN(DeviceAddress b, other->MapHost(&host[8192 + 64], 100));
  EXPECT_EQ(a, b);
}

TEST_F(MachineMemoryTest, UnmapsMappingsOnly) {
  std::array<char, 64> host;
  ASSERT_OK_AND_ASSIGN(DeviceAddress mapped, memory_->MapHost(host.data(), host.size()));
  EXPECT_THAT(memory_->UnmapHost(mapped + 1),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("0x")));
  EXPECT_OK(memory_->UnmapHost(mapped));
  EXPECT_THAT(memory_->Resolve(mapped, 1), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(memory_->UnmapHost(mapped), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(MachineMemoryTest, RefusesMappingsOfNothing) {
  char host;
  EXPECT_THAT(memory_->MapHost(nullptr, 1), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(memory_->MapHost(&host, 0), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(memory_->MapHost(&host, ~uint64_t{0}),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(MachineMemoryTest, UsesAddressesAgainWhenTheyRunOut) {
  hal::AddressMap& map = *chip_.mutable_address_map();
  map.mutable_host_va_end()->set_value(map.host_va_start().value() + 10 * 4096);
  ASSERT_OK_AND_ASSIGN(memory_, MachineMemory::Create(chip_));
  alignas(4096) static char host[4096];
  std::vector<DeviceAddress> mapped;
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(DeviceAddress address, memory_->MapHost(host, 100));
    mapped.push_back(address);
  }
  EXPECT_THAT(memory_->MapHost(host, 100), StatusIs(absl::StatusCode::kResourceExhausted));
  ASSERT_OK(memory_->UnmapHost(mapped[1]));
  EXPECT_THAT(memory_->MapHost(host, 5000), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(memory_->MapHost(host, 100), IsOkAndHolds(mapped[1]));
}

TEST_F(MachineMemoryTest, APageVersionGrowsWhenThePageIsTouched) {
  for (DeviceAddress base : {Dram(0), Sram(0)}) {
    const auto version = [&](uint64_t page) { return memory_->PageVersion(base + page * kPage); };
    EXPECT_GT(version(0), 0u);
    std::array<uint64_t, 5> before;
    for (int i = 0; i < 5; ++i) before[i] = version(i);
    memory_->Touch(base + kPage + 5, 2 * kPage);  // pages 1 to 3
    EXPECT_EQ(version(0), before[0]);
    for (int i = 1; i < 4; ++i) EXPECT_GT(version(i), before[i]) << i;
    EXPECT_EQ(version(4), before[4]);
    const uint64_t once = version(2);
    memory_->Touch(base + 2 * kPage, 1);
    EXPECT_GT(version(2), once);
    memory_->Touch(base + 2 * kPage, 0);
    EXPECT_EQ(version(1), once);
  }
}

TEST_F(MachineMemoryTest, HostMemoryHasNoVersions) {
  std::array<char, 64> host;
  ASSERT_OK_AND_ASSIGN(DeviceAddress mapped, memory_->MapHost(host.data(), host.size()));
  memory_->Touch(mapped, 64);
  EXPECT_EQ(memory_->PageVersion(mapped), 0u);
  EXPECT_EQ(memory_->PageVersion(DeviceAddress(0x123456789abcdef)), 0u);
}

TEST_F(MachineMemoryTest, ReservesARealChipWithoutUsingIt) {
  ASSERT_OK_AND_ASSIGN(const hal::Chip gaudi, hal::LoadChip("gaudi"));
  std::vector<std::unique_ptr<MachineMemory>> machines;
  for (int i = 0; i < 8; ++i) {
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<MachineMemory> memory, MachineMemory::Create(gaudi));
    machines.push_back(std::move(memory));
  }
}

TEST_F(MachineMemoryTest, SaysWhenTheHostRefusesTheReservation) {
  chip_.mutable_address_map()->mutable_dram_bytes()->set_value(uint64_t{1} << 60);
  EXPECT_THAT(MachineMemory::Create(chip_),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("DRAM")));
}

// DRAM by virtual address, and huge pages.
class MappedMemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(chip_, hal::LoadChip("gaudi2"));
    ASSERT_OK_AND_ASSIGN(memory_, MachineMemory::Create(chip_));
    dram_ = DeviceAddress(chip_.address_map().dram_va_start().value());
  }
  std::byte* At(DeviceAddress address) {
    const absl::StatusOr<std::byte*> host = memory_->Resolve(address, 1);
    return host.ok() ? *host : nullptr;
  }

  hal::Chip chip_;
  std::unique_ptr<MachineMemory> memory_;
  DeviceAddress dram_;
};

TEST_F(MappedMemoryTest, DramThatIsHiddenIsWhereItIsMapped) {
  std::byte* const first = At(dram_);
  ASSERT_NE(first, nullptr);
  EXPECT_THAT(memory_->MapDram(dram_, 0, kPage), StatusIs(absl::StatusCode::kOutOfRange))
      << "all of it is seen";
  memory_->HideDram();
  EXPECT_EQ(At(dram_), nullptr);
  EXPECT_THAT(memory_->RegionOf(dram_), StatusIs(absl::StatusCode::kOutOfRange));
  ASSERT_THAT(memory_->MapDram(dram_ + 8 * kPage, kPage, 2 * kPage), IsOk());
  EXPECT_EQ(At(dram_ + 8 * kPage), first + kPage);
  EXPECT_EQ(At(dram_ + (10 * kPage - 1)), first + 3 * kPage - 1);
  EXPECT_EQ(At(dram_ + 10 * kPage), nullptr);
  EXPECT_EQ(At(dram_ + (8 * kPage - 1)), nullptr);
  EXPECT_THAT(memory_->RegionOf(dram_ + 8 * kPage), IsOkAndHolds(Region::kDram));
  // The same bytes at a second place.
  ASSERT_THAT(memory_->MapDram(dram_, kPage, kPage), IsOk());
  EXPECT_EQ(At(dram_), first + kPage);
  EXPECT_THAT(memory_->UnmapDram(dram_), IsOk());
  EXPECT_EQ(At(dram_), nullptr);
  EXPECT_EQ(At(dram_ + 8 * kPage), first + kPage);
}

TEST_F(MappedMemoryTest, PhysicalAddressesAreForWhoeverDebugs) {
  const uint64_t base = chip_.address_map().dram_base().value();
  const uint64_t bytes = chip_.address_map().dram_bytes().value();
  memory_->HideDram();
  EXPECT_EQ(At(DeviceAddress(base)), nullptr);
  ASSERT_THAT(memory_->MapDram(dram_, 64, kPage), IsOk());
  // The user's begins behind the kernel's page.
  EXPECT_EQ(memory_->PhysicalDram(base + 0x30000000 + 64, kPage), At(dram_));
  EXPECT_NE(memory_->PhysicalDram(base, bytes), nullptr);
  EXPECT_EQ(memory_->PhysicalDram(base, bytes + 1), nullptr);
  EXPECT_EQ(memory_->PhysicalDram(base + bytes, 1), nullptr);
  EXPECT_EQ(memory_->PhysicalDram(base - 1, 1), nullptr);
}

TEST_F(MappedMemoryTest, AMappingOfDramThatCannotBeIsRefused) {
  memory_->HideDram();
  const uint64_t all = chip_.address_map().dram_bytes().value() - 0x30000000;
  EXPECT_THAT(memory_->MapDram(dram_, all, 1), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(memory_->MapDram(dram_, 1, all), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(memory_->MapDram(dram_, 0, 0), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(memory_->MapDram(DeviceAddress(dram_.value() - 1), 0, kPage),
              StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(memory_->MapDram(DeviceAddress(0x1001FFFFFFFFFFFF), 0, kPage),
              StatusIs(absl::StatusCode::kOutOfRange));
  ASSERT_THAT(memory_->MapDram(dram_ + kPage, 0, kPage), IsOk());
  EXPECT_THAT(memory_->MapDram(dram_, 0, kPage + 1), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(memory_->MapDram(dram_ + (2 * kPage - 1), 0, 1),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(memory_->MapDram(dram_, 0, kPage), IsOk());
  EXPECT_THAT(memory_->UnmapDram(dram_ + 1), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(MappedMemoryTest, VersionsOfMappedDramAreOfThePageAndTheMapping) {
  memory_->HideDram();
  ASSERT_THAT(memory_->MapDram(dram_, 0, kPage), IsOk());
  const uint64_t first = memory_->PageVersion(dram_);
  EXPECT_NE(first, 0u);
  memory_->Touch(dram_ + 5, 1);
  const uint64_t touched = memory_->PageVersion(dram_);
  EXPECT_NE(touched, first);
  ASSERT_THAT(memory_->UnmapDram(dram_), IsOk());
  EXPECT_EQ(memory_->PageVersion(dram_), 0u);
  // Another page that was never written.
  ASSERT_THAT(memory_->MapDram(dram_, kPage, kPage), IsOk());
  EXPECT_NE(memory_->PageVersion(dram_), 0u);
  EXPECT_NE(memory_->PageVersion(dram_), first);
  EXPECT_NE(memory_->PageVersion(dram_), touched);
}

TEST_F(MappedMemoryTest, HugePagesHaveAddressesOfTheirOwn) {
  std::array<std::byte, 64> bytes{};
  const uint64_t page = chip_.address_map().host_huge_page_bytes().value();
  ASSERT_OK_AND_ASSIGN(const DeviceAddress small, memory_->MapHost(bytes.data(), bytes.size()));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress huge,
                       memory_->MapHost(bytes.data(), bytes.size(), true));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress next,
                       memory_->MapHost(bytes.data(), bytes.size(), true));
  EXPECT_LT(small.value(), chip_.address_map().host_va_end().value());
  EXPECT_GE(huge.value(), chip_.address_map().host_huge_va_start().value());
  EXPECT_EQ(huge.value() % page, reinterpret_cast<uintptr_t>(bytes.data()) % page);
  EXPECT_EQ((next - huge).value() % page, 0u);
  EXPECT_EQ(At(huge), bytes.data());
  const DeviceAddress at(chip_.address_map().host_huge_va_start().value() + 100 * page);
  EXPECT_THAT(memory_->MapHostAt(at, bytes.data(), bytes.size()), IsOk());
  EXPECT_THAT(memory_->MapHostAt(at, bytes.data(), bytes.size()),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(memory_->UnmapHost(huge), IsOk());
  EXPECT_EQ(At(huge), nullptr);
}

}  // namespace
}  // namespace openhpu::simulator
