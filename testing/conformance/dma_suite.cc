// What DMA engines move, compared with a loop on the host.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/conformance/driver_suite.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {
namespace {

constexpr uint64_t kSizes[] = {1,    2,    3,     4,     7,     8,     31,     63,     64,
                               65,   127,  128,   129,   255,   256,   1000,   4095,   4096,
                               4097, 8192, 10007, 65535, 65536, 65537, 262144, 1 << 20};

class DmaSuite : public DriverSuite {
 protected:
  // A copy of `bytes` bytes `from` one memory `to` another, both in the middle of patterns, by an
  // internal engine; then all of the destination is compared.
  void ExpectInternalCopy(hal::Engine engine, uint32_t stream, hal::MemoryKind from,
                          hal::MemoryKind to, uint64_t bytes);
};

constexpr uint64_t kMargin = 160;

void DmaSuite::ExpectInternalCopy(hal::Engine engine, uint32_t stream, hal::MemoryKind from,
                                  hal::MemoryKind to, uint64_t bytes) {
  const Bytes source = Pattern(bytes + 2 * kMargin, bytes);
  Bytes expected = Pattern(bytes + 2 * kMargin, bytes + 1);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress a, driver().Allocate(from, source.size()));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress b, driver().Allocate(to, expected.size()));
  ASSERT_OK(Upload(source, a));
  ASSERT_OK(Upload(expected, b));
  Job copy = NewJob(engine, stream);
  copy.Dma(Linear(a + kMargin, b + (kMargin - 1), static_cast<uint32_t>(bytes)), 0).Run();
  Job wait = NewJob(HostDma(0));
  wait.Await({Reaches(0, 1)}).SetSob(0, 0);
  ASSERT_OK(Run({&copy, &wait}));
  std::memcpy(expected.data() + kMargin - 1, source.data() + kMargin, bytes);
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(b, expected.size()));
  EXPECT_TRUE(got == expected) << bytes << " bytes";
  EXPECT_OK(driver().Free(a));
  EXPECT_OK(driver().Free(b));
}

TEST_F(DmaSuite, HostToDramAndBackKeepsEveryByte) {
  for (uint64_t bytes : kSizes) {
    const Bytes data = Pattern(bytes, bytes);
    ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, DramWith(data));
    ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, bytes));
    EXPECT_TRUE(got == data) << bytes;
  }
}

TEST_F(DmaSuite, HostToSramAndBackKeepsEveryByte) {
  for (uint64_t bytes : kSizes) {
    if (bytes > driver().info().sram_user_bytes / 2) continue;
    const Bytes data = Pattern(bytes, bytes);
    ASSERT_OK_AND_ASSIGN(const DeviceAddress sram, Sram(bytes));
    ASSERT_OK(Upload(data, sram));
    ASSERT_OK_AND_ASSIGN(const Bytes got, Download(sram, bytes));
    EXPECT_TRUE(got == data) << bytes;
    EXPECT_OK(driver().Free(sram));
  }
}

TEST_F(DmaSuite, CopiesOfManyMebibytesKeepEveryByte) {
  // One command each way, of an odd length.
  const Bytes data = Pattern((uint64_t{8} << 20) + 3, 5);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, DramWith(data));
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, data.size()));
  EXPECT_TRUE(got == data);
}

TEST_F(DmaSuite, BytesBesideACopyStay) {
  const Bytes before = Pattern(4096, 1);
  for (uint64_t offset : {1, 3, 127, 128, 129, 1000}) {
    for (uint64_t bytes : {1, 2, 5, 128, 131, 2000}) {
      ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, DramWith(before));
      const Bytes data = Pattern(bytes, offset + bytes);
      ASSERT_OK(Upload(data, dram + offset));
      Bytes expected = before;
      std::memcpy(expected.data() + offset, data.data(), bytes);
      ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, before.size()));
      EXPECT_TRUE(got == expected) << bytes << " at " << offset;
      EXPECT_OK(driver().Free(dram));
    }
  }
}

TEST_F(DmaSuite, UnalignedHostMappingsCarryTheirOwnBytes) {
  Bytes memory = Pattern(3 * 4096, 7);
  const Bytes original = memory;
  struct Piece {
    uint64_t offset, bytes;
  };
  // Some in one page, some across pages, neighbours, and one over all.
  const Piece pieces[] = {{4095, 2}, {1, 3},       {4, 1},    {5, 4090},
                          {8191, 1}, {4097, 4094}, {0, 12288}};
  std::vector<DeviceAddress> mapped;
  for (const Piece& piece : pieces) {
    ASSERT_OK_AND_ASSIGN(const DeviceAddress address,
                         driver().MapHost(memory.data() + piece.offset, piece.bytes));
    mapped.push_back(address);
  }
  for (size_t i = 0; i < mapped.size(); ++i) {
    const Piece& piece = pieces[mapped.size() - 1 - i];
    const DeviceAddress address = mapped[mapped.size() - 1 - i];
    ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(piece.bytes));
    Job job = NewJob(HostDma(0));
    job.HostCopy(address, dram, piece.bytes);
    ASSERT_OK(Run({&job}));
    EXPECT_OK(driver().UnmapHost(address));
    ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, piece.bytes));
    EXPECT_EQ(std::memcmp(got.data(), original.data() + piece.offset, piece.bytes), 0)
        << piece.bytes << " at " << piece.offset;
  }
  EXPECT_TRUE(memory == original);
}

TEST_F(DmaSuite, MemoryMappedTwiceIsOneMemory) {
  Bytes memory = Pattern(5000, 1);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress a, driver().MapHost(memory.data(), memory.size()));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress b, driver().MapHost(memory.data(), memory.size()));
  EXPECT_NE(a, b);
  EXPECT_OK(driver().UnmapHost(a));
  const Bytes data = Pattern(5000, 2);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, DramWith(data));
  Job job = NewJob(HostDma(0));
  job.HostCopy(dram, b, data.size());
  ASSERT_OK(Run({&job}));
  EXPECT_TRUE(memory == data);
  EXPECT_OK(driver().UnmapHost(b));
}

TEST_F(DmaSuite, EveryHostDmaGoesBothWaysOnEveryStream) {
  for (int dma = 0; dma < host_dmas(); ++dma) {
    for (uint32_t stream = 0; stream < 4; ++stream) {
      const Bytes data = Pattern(3000, 8 * dma + stream);
      ASSERT_OK_AND_ASSIGN(HostMemory* const from, MapHost(data));
      ASSERT_OK_AND_ASSIGN(HostMemory* const to, MapHost(Bytes(data.size())));
      ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(data.size()));
      Job in = NewJob(HostDma(dma), stream), out = NewJob(HostDma(dma), stream);
      in.HostCopy(from->address, dram, data.size());
      out.HostCopy(dram, to->address, data.size());
      ASSERT_OK(Run({&in}));
      ASSERT_OK(Run({&out}));
      EXPECT_TRUE(to->bytes == data) << "DMA " << dma << " stream " << stream;
    }
  }
}

TEST_F(DmaSuite, HostToHostIsACopyToo) {
  const Bytes data = Pattern(9999, 3);
  ASSERT_OK_AND_ASSIGN(HostMemory* const from, MapHost(data));
  ASSERT_OK_AND_ASSIGN(HostMemory* const to, MapHost(Bytes(data.size())));
  Job job = NewJob(HostDma(0));
  job.HostCopy(from->address, to->address, data.size());
  ASSERT_OK(Run({&job}));
  EXPECT_TRUE(to->bytes == data);
}

TEST_F(DmaSuite, ManyCopiesInOneCommandBuffer) {
  constexpr uint64_t kPieces = 300, kBytes = 500;
  const Bytes data = Pattern(kPieces * kBytes, 4);
  ASSERT_OK_AND_ASSIGN(HostMemory* const from, MapHost(data));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(data.size()));
  Job job = NewJob(HostDma(0));
  // The pieces in reverse order of place.
  for (uint64_t i = 0; i < kPieces; ++i) {
    job.HostCopy(from->address + i * kBytes, dram + (kPieces - 1 - i) * kBytes, kBytes);
  }
  ASSERT_OK(Run({&job}));
  Bytes expected(data.size());
  for (uint64_t i = 0; i < kPieces; ++i) {
    std::memcpy(&expected[(kPieces - 1 - i) * kBytes], &data[i * kBytes], kBytes);
  }
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, data.size()));
  EXPECT_TRUE(got == expected);
}

TEST_F(DmaSuite, InternalEnginesCopyDramToSram) {
  for (uint64_t bytes : kSizes) {
    if (bytes > driver().info().sram_user_bytes / 2) continue;
    ExpectInternalCopy(ComputeDma(0), 0, hal::MemoryKind::kDram, hal::MemoryKind::kSram, bytes);
  }
}

TEST_F(DmaSuite, InternalEnginesCopySramToDram) {
  for (uint64_t bytes : kSizes) {
    if (bytes > driver().info().sram_user_bytes / 2) continue;
    ExpectInternalCopy(ComputeDma(0), 0, hal::MemoryKind::kSram, hal::MemoryKind::kDram, bytes);
  }
}

TEST_F(DmaSuite, InternalEnginesCopyDramToDram) {
  for (uint64_t bytes : kSizes) {
    ExpectInternalCopy(ComputeDma(0), 0, hal::MemoryKind::kDram, hal::MemoryKind::kDram, bytes);
  }
}

TEST_F(DmaSuite, EveryInternalEngineCopiesOnEveryStream) {
  for (int dma = 0; dma < compute_dmas(); ++dma) {
    for (uint32_t stream = 0; stream < 4; ++stream) {
      SCOPED_TRACE(absl::StrCat("compute DMA ", dma, " stream ", stream));
      ExpectInternalCopy(ComputeDma(dma), stream, hal::MemoryKind::kDram, hal::MemoryKind::kSram,
                         777);
    }
  }
}

// The loop that a strided copy stands for.
void CopyOnHost(const hal::DmaCopy& copy, const std::byte* source, std::byte* destination) {
  for (uint64_t d = 0; d < copy.sizes[3]; ++d) {
    for (uint64_t c = 0; c < copy.sizes[2]; ++c) {
      for (uint64_t b = 0; b < copy.sizes[1]; ++b) {
        for (uint64_t a = 0; a < copy.sizes[0]; ++a) {
          const auto offset = [&](const std::array<uint32_t, 4>& s) {
            return a * s[0] + b * s[1] + c * s[2] + d * s[3];
          };
          std::memcpy(destination + offset(copy.destination_strides),
                      source + offset(copy.source_strides), copy.run);
        }
      }
    }
  }
}

hal::DmaCopy Strided(uint32_t run, std::array<uint32_t, 4> sizes, std::array<uint32_t, 4> from,
                     std::array<uint32_t, 4> to) {
  hal::DmaCopy copy;
  copy.run = run;
  copy.sizes = sizes;
  copy.source_strides = from;
  copy.destination_strides = to;
  return copy;
}

TEST_F(DmaSuite, StridedCopiesAreTheLoopsTheyStandFor) {
  const hal::DmaCopy copies[] = {
      Strided(4, {8, 1, 1, 1}, {16, 0, 0, 0}, {4, 0, 0, 0}),              // gather
      Strided(4, {8, 1, 1, 1}, {4, 0, 0, 0}, {16, 0, 0, 0}),              // scatter
      Strided(1, {37, 1, 1, 1}, {3, 0, 0, 0}, {5, 0, 0, 0}),              // bytes
      Strided(256, {16, 1, 1, 1}, {512, 0, 0, 0}, {300, 0, 0, 0}),        // rows of a matrix
      Strided(64, {8, 8, 1, 1}, {64, 512, 0, 0}, {512, 64, 0, 0}),        // blocks, transposed
      Strided(12, {5, 4, 3, 1}, {12, 60, 240, 0}, {144, 36, 12, 0}),      // permutation
      Strided(2, {3, 4, 5, 6}, {2, 6, 24, 120}, {240, 60, 12, 2}),        // reversal of four dims
      Strided(100, {4, 3, 2, 1}, {0, 100, 300, 0}, {100, 400, 1200, 0}),  // broadcast of a dim
      Strided(7, {3, 3, 3, 3}, {11, 50, 190, 700}, {7, 29, 101, 350}),    // holes on both sides
      Strided(128, {8, 4, 2, 1}, {128, 1024, 4096, 0}, {128, 1024, 4096, 0}),  // dense after all
  };
  constexpr uint64_t kBytes = 16384;
  const Bytes source = Pattern(kBytes, 1), before = Pattern(kBytes, 2);
  for (const auto kind : {hal::MemoryKind::kDram, hal::MemoryKind::kSram}) {
    ASSERT_OK_AND_ASSIGN(const DeviceAddress from, DramWith(source));
    ASSERT_OK_AND_ASSIGN(const DeviceAddress to, driver().Allocate(kind, kBytes));
    for (size_t i = 0; i < std::size(copies); ++i) {
      ASSERT_OK(Upload(before, to));
      hal::DmaCopy copy = copies[i];
      copy.source = At(from);
      copy.destination = At(to);
      Job job = NewJob(ComputeDma(0)), wait = NewJob(HostDma(0));
      job.Dma(copy, 0).Run();
      wait.Await({Reaches(0, 1)}).SetSob(0, 0);
      ASSERT_OK(Run({&job, &wait}));
      Bytes expected = before;
      CopyOnHost(copy, source.data(), expected.data());
      ASSERT_OK_AND_ASSIGN(const Bytes got, Download(to, kBytes));
      EXPECT_TRUE(got == expected) << "copy " << i;
    }
  }
}

TEST_F(DmaSuite, StridedCopiesOfManyShapesOnEveryEngine) {
  constexpr uint64_t kBytes = 1 << 19;
  uint32_t seed = 7;
  const auto random = [&seed] { return (seed = seed * 1664525 + 1013904223) >> 8; };
  const Bytes source = Pattern(kBytes, 1), before = Pattern(kBytes, 2);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress from, DramWith(source));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress to, Dram(kBytes));
  for (int round = 0; round < 40; ++round) {
    hal::DmaCopy copy;
    copy.run = 1 + random() % 40;
    uint32_t source_bytes = copy.run, destination_bytes = copy.run;
    for (int i = 0; i < 4; ++i) {
      copy.sizes[i] = 1 + random() % 5;
      copy.source_strides[i] = source_bytes + random() % 9;
      copy.destination_strides[i] = destination_bytes + random() % 9;
      source_bytes = copy.source_strides[i] * copy.sizes[i];
      destination_bytes = copy.destination_strides[i] * copy.sizes[i];
    }
    ASSERT_LT(std::max(source_bytes, destination_bytes) + 100, kBytes);
    const uint32_t read_at = random() % 100, write_at = random() % 100;
    copy.source = At(from + read_at);
    copy.destination = At(to + write_at);
    ASSERT_OK(Upload(before, to));
    Job job = NewJob(ComputeDma(round % compute_dmas()), round % 4), wait = NewJob(HostDma(0));
    job.Dma(copy, 0).Run();
    wait.Await({Reaches(0, 1)}).SetSob(0, 0);
    ASSERT_OK(Run({&job, &wait}));
    Bytes expected = before;
    CopyOnHost(copy, source.data() + read_at, expected.data() + write_at);
    ASSERT_OK_AND_ASSIGN(const Bytes got, Download(to, kBytes));
    EXPECT_TRUE(got == expected) << "round " << round;
  }
}

TEST_F(DmaSuite, FillsWriteTheirPatternAndNoMore) {
  const Bytes before = Pattern(70000, 5);
  for (const uint32_t value : {0u, 0xFFFFFFFFu, 0x12345678u}) {
    for (const uint64_t bytes : {4, 8, 12, 124, 128, 132, 4096, 65540}) {
      ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, DramWith(before));
      constexpr uint64_t kOffset = 124;
      hal::DmaFill fill;
      fill.destination = At(dram + kOffset);
      fill.bytes = bytes;
      fill.value = value;
      Job job = NewJob(ComputeDma(0)), wait = NewJob(HostDma(0));
      job.Dma(fill, 0).Run();
      wait.Await({Reaches(0, 1)}).SetSob(0, 0);
      ASSERT_OK(Run({&job, &wait}));
      Bytes expected = before;
      for (uint64_t i = 0; i < bytes; i += 4) std::memcpy(&expected[kOffset + i], &value, 4);
      ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, before.size()));
      EXPECT_TRUE(got == expected) << bytes << " bytes of " << value;
      EXPECT_OK(driver().Free(dram));
    }
  }
}

TEST_F(DmaSuite, OneBodyHoldsManyCommands) {
  constexpr int kCopies = 64;
  constexpr uint64_t kBytes = 640;
  const Bytes data = Pattern(kCopies * kBytes, 6);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress from, DramWith(data));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress to, Dram(data.size()));
  Job job = NewJob(ComputeDma(0)), wait = NewJob(HostDma(0));
  for (int i = 0; i < kCopies; ++i) {
    // Strided and linear ones in turn; each signals.
    hal::DmaCopy copy = Linear(from + i * kBytes, to + (kCopies - 1 - i) * kBytes, kBytes);
    if (i % 2 == 0) {
      copy.run = 64;
      copy.sizes[0] = kBytes / 128;
      copy.source_strides[0] = copy.destination_strides[0] = 128;
      job.Dma(copy, 0);
      copy.source.offset += 64;
      copy.destination.offset += 64;
    }
    job.Dma(copy, 0);
  }
  job.Run();
  wait.Await({Reaches(0, kCopies + kCopies / 2)});
  ASSERT_OK(Run({&job, &wait}));
  Bytes expected(data.size());
  for (int i = 0; i < kCopies; ++i) {
    std::memcpy(&expected[(kCopies - 1 - i) * kBytes], &data[i * kBytes], kBytes);
  }
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(to, data.size()));
  EXPECT_TRUE(got == expected);
}

TEST_F(DmaSuite, EachSignalFollowsItsBytes) {
  // The second engine copies what the first has written, slice by slice, held back by the count of
  // the first alone.
  constexpr uint32_t kSlices = 16, kBytes = 64 << 10;
  ASSERT_GE(compute_dmas(), 2);
  const Bytes data = Pattern(kSlices * kBytes, 9);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress a, DramWith(data));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress b, Dram(data.size()));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress c, Dram(data.size()));
  Job produce = NewJob(ComputeDma(0)), consume = NewJob(ComputeDma(1)), wait = NewJob(HostDma(0));
  for (uint32_t i = 0; i < kSlices; ++i) {
    produce.Dma(Linear(a + i * kBytes, b + i * kBytes, kBytes), 0);
    consume.Await({Reaches(0, i + 1)}).Dma(Linear(b + i * kBytes, c + i * kBytes, kBytes), 1).Run();
  }
  produce.Run();
  wait.Await({Reaches(1, kSlices)});
  ASSERT_OK(Run({&consume, &produce, &wait}));
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(c, data.size()));
  EXPECT_TRUE(got == data);
}

TEST_F(DmaSuite, TheWholeOfUserMemoryIsReached) {
  const hal::DeviceInfo& info = driver().info();
  const Bytes data = Pattern(256, 8);
  const DeviceAddress places[] = {
      info.dram_user_base, info.dram_user_base + (info.dram_user_bytes - data.size()),
      info.sram_user_base, info.sram_user_base + (info.sram_user_bytes - data.size())};
  for (DeviceAddress place : places) {
    ASSERT_OK(Upload(data, place)) << place;
    ASSERT_OK_AND_ASSIGN(const Bytes got, Download(place, data.size()));
    EXPECT_TRUE(got == data) << place;
  }
}

}  // namespace
}  // namespace openhpu::conformance
