// DMA: linear and strided copies, fills, and their signals.
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "testing/conformance/fixture.h"

namespace openhpu::conformance {
namespace {

class DmaSuite : public ConformanceTest {
 protected:
  uint32_t Random() { return (seed_ = seed_ * 1664525 + 1013904223) >> 8; }
  std::vector<uint8_t> Bytes(size_t count) {
    std::vector<uint8_t> values(count);
    for (uint8_t& value : values) value = static_cast<uint8_t>(Random());
    return values;
  }
  // What a copy does to bytes.
  static void Apply(const hal::DmaCopy& copy, const std::vector<uint8_t>& from,
                    std::vector<uint8_t>& to) {
    for (uint64_t l = 0; l < copy.sizes[3]; ++l)
      for (uint64_t k = 0; k < copy.sizes[2]; ++k)
        for (uint64_t j = 0; j < copy.sizes[1]; ++j)
          for (uint64_t i = 0; i < copy.sizes[0]; ++i) {
            const auto at = [&](const std::array<uint32_t, 4>& s) {
              return i * s[0] + j * s[1] + k * s[2] + l * s[3];
            };
            std::memcpy(to.data() + copy.destination.offset + at(copy.destination_strides),
                        from.data() + copy.source.offset + at(copy.source_strides), copy.run);
          }
  }
  void Check(hal::DmaCopy copy, size_t from_bytes, size_t to_bytes, int engine) {
    const std::vector<uint8_t> source = Bytes(from_bytes);
    std::vector<uint8_t> want = Bytes(to_bytes);
    const Memory from = Upload(source), to = Upload(want);
    copy.source.symbol = from.symbol;
    copy.destination.symbol = to.symbol;
    ASSERT_THAT(RunBody(ComputeDma(engine), 0, 1,
                        [&](hal::CommandWriter& body) {
                          EXPECT_THAT(body.Dma(copy, hal::Sob{0}), IsOk());
                        }),
                IsOk());
    Apply(copy, source, want);
    EXPECT_EQ(Download(to), want);
  }

 private:
  uint32_t seed_ = 7;
};

TEST_F(DmaSuite, LinearCopiesOfAnyAlignment) {
  for (uint32_t run : {1u, 2u, 127u, 128u, 129u, 100003u}) {
    for (uint32_t offset : {0u, 1u, 63u}) {
      hal::DmaCopy copy;
      copy.run = run;
      copy.source.offset = offset;
      copy.destination.offset = offset * 3;
      Check(copy, run + 300, run + 300, 0);
    }
  }
}

TEST_F(DmaSuite, RowsAreGatheredAndScattered) {
  hal::DmaCopy gather;
  gather.run = 24;
  gather.sizes = {100, 1, 1, 1};
  gather.source_strides = {80, 0, 0, 0};
  gather.destination_strides = {24, 0, 0, 0};
  Check(gather, 8000, 2400, 0);
  hal::DmaCopy scatter = gather;
  std::swap(scatter.source_strides, scatter.destination_strides);
  Check(scatter, 2400, 8000, 1);
}

TEST_F(DmaSuite, AStrideOfZeroBroadcasts) {
  hal::DmaCopy copy;
  copy.run = 16;
  copy.sizes = {10, 20, 1, 1};
  copy.source_strides = {0, 16, 0, 0};
  copy.destination_strides = {16, 160, 0, 0};
  Check(copy, 320, 3200, 0);
}

TEST_F(DmaSuite, FiveDimsPermute) {
  // Destination order is the reverse of the source's outer dims.
  hal::DmaCopy copy;
  copy.run = 4;
  copy.sizes = {2, 3, 4, 5};
  copy.source_strides = {4, 8, 24, 96};
  copy.destination_strides = {240, 80, 20, 4};
  Check(copy, 480, 480, 1);
}

TEST_F(DmaSuite, RandomShapes) {
  for (int round = 0; round < 30; ++round) {
    hal::DmaCopy copy;
    copy.run = 1 + Random() % 40;
    uint32_t from = copy.run, to = copy.run;
    for (int i = 0; i < 4; ++i) {
      copy.sizes[i] = 1 + Random() % 5;
      copy.source_strides[i] = from + Random() % 9;
      copy.destination_strides[i] = to + Random() % 9;
      from = copy.source_strides[i] * copy.sizes[i];
      to = copy.destination_strides[i] * copy.sizes[i];
    }
    copy.source.offset = Random() % 100;
    copy.destination.offset = Random() % 100;
    Check(copy, from + 200, to + 200, round % Count(hal::EngineKind::kDma));
  }
}

TEST_F(DmaSuite, BetweenDramAndSram) {
  const std::vector<uint8_t> values = Bytes(50000);
  const Memory dram = Upload(values), sram = Allocate(50000, hal::MemoryKind::kSram),
               back = Allocate(50000);
  hal::DmaCopy in, out;
  in.run = out.run = 50000;
  in.source = dram.at(0), in.destination = sram.at(0);
  out.source = sram.at(0), out.destination = back.at(0);
  for (const hal::DmaCopy& copy : {in, out}) {
    ASSERT_THAT(RunBody(ComputeDma(0), 0, 1,
                        [&](hal::CommandWriter& body) {
                          EXPECT_THAT(body.Dma(copy, hal::Sob{0}), IsOk());
                        }),
                IsOk());
  }
  EXPECT_EQ(Download(back), values);
}

TEST_F(DmaSuite, AFillRepeatsItsWord) {
  for (uint64_t words : {1, 2, 31, 32, 33, 25001}) {
    const Memory memory = Upload(std::vector<uint32_t>(words + 2, 5));
    ASSERT_THAT(RunBody(ComputeDma(0), 0, 1,
                        [&](hal::CommandWriter& body) {
                          EXPECT_THAT(body.Dma(hal::DmaFill{memory.at(4), 4 * words, 0xA1B2C3D4},
                                               hal::Sob{0}),
                                      IsOk());
                        }),
                IsOk());
    std::vector<uint32_t> want(words + 2, 0xA1B2C3D4);
    want.front() = want.back() = 5;
    EXPECT_EQ(Download<uint32_t>(memory), want);
  }
}

TEST_F(DmaSuite, EachSignalFollowsItsBytes) {
  // Engine 1 copies what engine 0 wrote, slice by slice, held back by the counter of engine 0
  // alone.
  constexpr uint32_t kSlices = 16, kBytes = 64 << 10;
  const std::vector<uint8_t> values = Bytes(kSlices * kBytes);
  const Memory a = Upload(values), b = Allocate(kSlices * kBytes), c = Allocate(kSlices * kBytes);
  const auto copy = [&](const Memory& from, const Memory& to, uint32_t slice) {
    hal::DmaCopy copy;
    copy.run = kBytes;
    copy.source = from.at(uint64_t{slice} * kBytes);
    copy.destination = to.at(uint64_t{slice} * kBytes);
    return copy;
  };
  const Body produce = MakeBody(ComputeDma(0), [&](hal::CommandWriter& w) {
    for (uint32_t i = 0; i < kSlices; ++i) {
      EXPECT_THAT(w.Dma(copy(a, b, i), hal::Sob{0}), IsOk());
    }
  });
  std::vector<Body> consume;
  for (uint32_t i = 0; i < kSlices; ++i) {
    consume.push_back(MakeBody(ComputeDma(1), [&](hal::CommandWriter& w) {
      EXPECT_THAT(w.Dma(copy(b, c, i), hal::Sob{1}), IsOk());
    }));
  }
  EXPECT_THAT(Run({Upper(ComputeDma(1), 0,
                         [&](hal::CommandWriter& w) {
                           EXPECT_THAT(w.SetUpMonitors(0, 1), IsOk());
                           for (uint32_t i = 0; i < kSlices; ++i) {
                             EXPECT_THAT(w.Await({{0, 1, i + 1}}, 0), IsOk());
                             EXPECT_THAT(w.Run(consume[i].address, consume[i].bytes), IsOk());
                           }
                         }),
                   Upper(ComputeDma(0), 0,
                         [&](hal::CommandWriter& w) {
                           EXPECT_THAT(w.Run(produce.address, produce.bytes), IsOk());
                         }),
                   Finish(0, {{0, 3, kSlices}})}),
              IsOk());
  EXPECT_EQ(Download(c), values);
}

}  // namespace
}  // namespace openhpu::conformance
