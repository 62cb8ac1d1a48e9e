#include "testing/collecting_trace.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openhpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(CollectingSink, KeepsEventsInOrderAsText) {
  CollectingSink sink;
  const TrackId tpc = sink.Track("engine", "TPC0");
  const TrackId hbm = sink.Track("memory", "HBM");
  EXPECT_EQ(sink.Track("engine", "TPC0"), tpc);
  sink.Span(tpc, "add", "packet 3", Picoseconds(10), Picoseconds(20), 64);
  sink.Counter(hbm, Picoseconds(12), -5);
  sink.Span(tpc, "idle", "", Picoseconds(20), Picoseconds(30), 0);
  EXPECT_THAT(sink.Lines(), ElementsAre("engine/TPC0 add (packet 3) [10, 20) 64 bytes",
                                        "memory/HBM 12 = -5", "engine/TPC0 idle [20, 30)"));
  sink.Clear();
  EXPECT_THAT(sink.Lines(), IsEmpty());
  EXPECT_EQ(sink.tracks().size(), 2u);
}

}  // namespace
}  // namespace openhpu
