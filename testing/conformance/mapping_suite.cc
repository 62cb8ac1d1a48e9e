// Host memory that the device reaches: every alignment and size, a gibibyte that nobody touched,
// thousands of mappings, in any order.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "testing/conformance/driver_suite.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {
namespace {

constexpr uint64_t kPage = 4096, kMiB = uint64_t{1} << 20;

// Pages that nobody has touched take no memory.
class UntouchedMemory {
 public:
  explicit UntouchedMemory(uint64_t bytes)
      : bytes_(bytes),
        begin_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~UntouchedMemory() {
    if (ok()) munmap(begin_, bytes_);
  }
  UntouchedMemory(const UntouchedMemory&) = delete;
  UntouchedMemory& operator=(const UntouchedMemory&) = delete;
  bool ok() const { return begin_ != MAP_FAILED; }
  std::byte* begin() const { return static_cast<std::byte*>(begin_); }

 private:
  const uint64_t bytes_;
  void* const begin_;
};

class MappingSuite : public DriverSuite {
 protected:
  absl::Status Copy(DeviceAddress from, DeviceAddress to, uint64_t bytes) {
    Job job = NewJob(HostDma(0));
    job.HostCopy(from, to, bytes);
    return Run({&job});
  }
};

TEST_F(MappingSuite, EveryOffsetInAPageIsMapped) {
  const uint64_t offsets[] = {0, 1, 3, 8, 63, 64, 127, 128, 2049, kPage - 1};
  const uint64_t sizes[] = {1, 127, kPage, kPage + 1, 3 * kPage};
  const Bytes data = Pattern(5 * kPage, 1);
  Bytes in = data, out(data.size());
  for (const uint64_t offset : offsets) {
    for (const uint64_t bytes : sizes) {
      std::fill(out.begin(), out.end(), std::byte{0xA5});
      ASSERT_OK_AND_ASSIGN(const DeviceAddress from, driver().MapHost(&in[offset], bytes));
      ASSERT_OK_AND_ASSIGN(const DeviceAddress to, driver().MapHost(&out[offset], bytes));
      ASSERT_OK(Copy(from, to, bytes));
      ASSERT_OK(driver().UnmapHost(from));
      ASSERT_OK(driver().UnmapHost(to));
      Bytes wanted(data.size(), std::byte{0xA5});
      std::copy_n(data.begin() + offset, bytes, wanted.begin() + offset);
      EXPECT_TRUE(out == wanted) << bytes << " bytes at offset " << offset;
      EXPECT_TRUE(in == data);
    }
  }
}

TEST_F(MappingSuite, AGibibyteOfUntouchedMemoryIsMapped) {
  constexpr uint64_t kBytes = uint64_t{1} << 30;
  const UntouchedMemory memory(kBytes + kPage);
  ASSERT_TRUE(memory.ok());
  // Neither end is a page's.
  std::byte* const begin = memory.begin() + 77;
  ASSERT_OK_AND_ASSIGN(const DeviceAddress mapped, driver().MapHost(begin, kBytes));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(kPage));
  for (const uint64_t at : {uint64_t{0}, uint64_t{2 * kMiB - 100}, kBytes / 2 + 13, kBytes - 500}) {
    const Bytes data = Pattern(500, at);
    std::memcpy(begin + at, data.data(), data.size());
    ASSERT_OK(Copy(mapped + at, dram, data.size()));
    std::memset(begin + at, 0, data.size());
    ASSERT_OK(Copy(dram, mapped + at, data.size()));
    EXPECT_EQ(std::memcmp(begin + at, data.data(), data.size()), 0) << at;
  }
  EXPECT_OK(driver().UnmapHost(mapped));
}

TEST_F(MappingSuite, AGibibyteIsOneCopyEachWay) {
  constexpr uint64_t kBytes = uint64_t{1} << 30;
  if (driver().info().dram_user_bytes < kBytes + kPage) GTEST_SKIP() << "the device has less";
  const UntouchedMemory in(kBytes), out(kBytes + kPage);
  ASSERT_TRUE(in.ok() && out.ok());
  for (uint64_t at = 0; at + 64 < kBytes; at += 5 * kMiB - 13) {
    std::memcpy(in.begin() + at, &at, sizeof at);
  }
  in.begin()[kBytes - 1] = std::byte{0x5A};
  out.begin()[kBytes] = std::byte{0xA5};
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(kBytes));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress from, driver().MapHost(in.begin(), kBytes));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress to, driver().MapHost(out.begin(), kBytes + kPage));
  ASSERT_OK(Copy(from, dram, kBytes));
  ASSERT_OK(Copy(dram, to, kBytes));
  EXPECT_EQ(std::memcmp(in.begin(), out.begin(), kBytes), 0);
  EXPECT_EQ(out.begin()[kBytes], std::byte{0xA5});
  EXPECT_OK(driver().UnmapHost(from));
  EXPECT_OK(driver().UnmapHost(to));
}

TEST_F(MappingSuite, SizesUpToManyMebibytesAreReachedToTheirEnds) {
  const UntouchedMemory memory(260 * kMiB);
  ASSERT_TRUE(memory.ok());
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(kPage));
  for (const uint64_t bytes :
       {kMiB - 1, kMiB, 2 * kMiB, 2 * kMiB + 1, 4 * kMiB - kPage, 33 * kMiB, 256 * kMiB + 7}) {
    ASSERT_OK_AND_ASSIGN(const DeviceAddress mapped, driver().MapHost(memory.begin(), bytes));
    memory.begin()[0] = std::byte{1};
    memory.begin()[bytes - 1] = std::byte{2};
    ASSERT_OK(Copy(mapped, dram, 1));
    ASSERT_OK(Copy(mapped + (bytes - 1), dram + 1, 1));
    ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, 2));
    EXPECT_TRUE((got == Bytes{std::byte{1}, std::byte{2}})) << bytes;
    ASSERT_OK(driver().UnmapHost(mapped));
  }
}

TEST_F(MappingSuite, ThousandsOfMappingsLiveSideBySide) {
  constexpr size_t kCount = 2000, kBytes = 100;
  Bytes memory = Pattern(kCount * kBytes, 7);
  std::vector<DeviceAddress> mapped;
  for (size_t i = 0; i < kCount; ++i) {
    ASSERT_OK_AND_ASSIGN(const DeviceAddress address,
                         driver().MapHost(&memory[i * kBytes], kBytes));
    mapped.push_back(address);
  }
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(kCount * kBytes));
  // Given back in another order than they were made, every tenth read before.
  std::mt19937 random(1);
  std::vector<size_t> order(kCount);
  for (size_t i = 0; i < kCount; ++i) order[i] = i;
  for (size_t i = kCount - 1; i > 0; --i) std::swap(order[i], order[random() % (i + 1)]);
  for (size_t i = 0; i < kCount; ++i) {
    const size_t which = order[i];
    if (i % 100 == 0) {
      ASSERT_OK(Copy(mapped[which], dram, kBytes));
      ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, kBytes));
      EXPECT_EQ(std::memcmp(got.data(), &memory[which * kBytes], kBytes), 0) << which;
    }
    ASSERT_OK(driver().UnmapHost(mapped[which]));
  }
  for (const DeviceAddress address : mapped) {
    EXPECT_THAT(driver().UnmapHost(address), StatusIs(absl::StatusCode::kNotFound));
  }
}

TEST_F(MappingSuite, MemoryThatIsMappedAgainHasItsNewBytes) {
  Bytes memory(3 * kPage);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(memory.size()));
  for (uint64_t round = 0; round < 10; ++round) {
    memory = Pattern(memory.size(), round);
    ASSERT_OK_AND_ASSIGN(const DeviceAddress mapped,
                         driver().MapHost(memory.data(), memory.size()));
    ASSERT_OK(Copy(mapped, dram, memory.size()));
    ASSERT_OK(driver().UnmapHost(mapped));
    ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, memory.size()));
    EXPECT_TRUE(got == memory) << round;
  }
}

TEST_F(MappingSuite, OtherMemoryIsMappedWhileTheDeviceWorks) {
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, DramWith(Pattern(kMiB, 3)));
  ASSERT_OK_AND_ASSIGN(HostMemory* const to, MapHost(Bytes(kMiB)));
  Job job = NewJob(HostDma(0));
  job.HostCopy(dram, to->address, kMiB);
  ASSERT_OK_AND_ASSIGN(const hal::Chunk chunk, Place(job));
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&chunk, 1}));
  Bytes other(50 * kPage);
  for (uint64_t i = 0; i < 50; ++i) {
    ASSERT_OK_AND_ASSIGN(const DeviceAddress mapped, driver().MapHost(&other[i * kPage], kPage));
    ASSERT_OK(driver().UnmapHost(mapped));
  }
  ASSERT_OK(Wait(sequence));
  EXPECT_TRUE(to->bytes == Pattern(kMiB, 3));
}

}  // namespace
}  // namespace openhpu::conformance
