#include "simulator/engine/line_fetcher.h"

#include "gtest/gtest.h"

namespace openhpu::simulator {
namespace {

constexpr Picoseconds kLatency(1000);

TEST(LineFetcherTest, TheFirstLineTakesTheLatencyAndTheOthersFollowIt) {
  LineFetcher fetcher(128, 4);
  fetcher.Start(0x1000, Picoseconds(50), kLatency);
  EXPECT_EQ(fetcher.Need(0x1008, Picoseconds(50)).value(), 1050u);
  EXPECT_EQ(fetcher.Need(0x1080, Picoseconds(1060)).value(), 1060u);
  // Lines 1 to 3 were asked for with the first.
  EXPECT_EQ(fetcher.Need(0x1200, Picoseconds(1070)).value(), 1070u);
}

TEST(LineFetcherTest, PrefetchWaitsForAFreePlace) {
  LineFetcher fetcher(128, 2);
  fetcher.Start(0, Picoseconds(0), kLatency);
  EXPECT_EQ(fetcher.Need(8, Picoseconds(0)).value(), 1000u);
  EXPECT_EQ(fetcher.Need(256, Picoseconds(1000)).value(), 1000u);
  // The third line was asked for when the first was taken, at 1000.
  EXPECT_EQ(fetcher.Need(264, Picoseconds(1010)).value(), 2000u);
}

TEST(LineFetcherTest, AnUnalignedBufferSpansOneLineMore) {
  LineFetcher fetcher(128, 1);
  fetcher.Start(120, Picoseconds(0), kLatency);
  EXPECT_EQ(fetcher.Need(128, Picoseconds(0)).value(), 1000u);
  EXPECT_EQ(fetcher.Need(136, Picoseconds(1000)).value(), 2000u);
}

TEST(LineFetcherTest, TheNextBufferIsFetchedWhileTheProcessorWaits) {
  LineFetcher fetcher(128, 4);
  fetcher.Start(0, Picoseconds(0), kLatency);
  EXPECT_EQ(fetcher.Need(128, Picoseconds(0)).value(), 1000u);
  // It was known long before the processor came to it.
  fetcher.Start(4096, Picoseconds(500), kLatency);
  EXPECT_EQ(fetcher.Need(4104, Picoseconds(9000)).value(), 9000u);
}

TEST(LineFetcherTest, ALineForEachPlaceIsAskedForBehindTheOneThatIsNeeded) {
  LineFetcher fetcher(128, 4);
  fetcher.Start(0x1010, Picoseconds(0), kLatency);
  EXPECT_EQ(fetcher.asked(), 0x1200u);
  fetcher.Need(0x1080, Picoseconds(0));
  EXPECT_EQ(fetcher.asked(), 0x1280u);
  fetcher.Need(0x1081, Picoseconds(0));
  EXPECT_EQ(fetcher.asked(), 0x1300u);
}

}  // namespace
}  // namespace openhpu::simulator
