#include "simulator/trace/perfetto.h"

#include <fstream>
#include <sstream>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/golden.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string FileText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void FillExample(TraceSink& sink) {
  const TrackId host = sink.Track("host", "thread 0");
  const TrackId tpc = sink.Track("engine", "TPC0");
  const TrackId hbm = sink.Track("memory", "HBM");
  const TrackId calls = sink.Track("host", "thread 1");
  sink.Span(host, "submit", "", Picoseconds(0), Picoseconds(3000000), 0);
  sink.Span(calls, "wait", "sequence 1", Picoseconds(3000001), Picoseconds(18446744073709551615u),
            0);
  sink.Span(tpc, "openhpu.fused", "packet 12 of \"body\"", Picoseconds(123456789),
            Picoseconds(123456790), 4096);
  sink.Counter(hbm, Picoseconds(123456700), 65536);
  sink.Counter(hbm, Picoseconds(123456800), -1);
  // In a span, in a span within it, and across its end.
  sink.Span(host, "inside", "", Picoseconds(1000000), Picoseconds(2000000), 0);
  sink.Span(host, "outer", "reported late", Picoseconds(1000000), Picoseconds(2500000), 0);
  sink.Span(host, "across", "", Picoseconds(2000000), Picoseconds(4000010), 1);
}

TEST(PerfettoTrace, WritesTheGolden) {
  PerfettoTrace trace;
  trace.SetMetadata("values", "fast");
  trace.SetMetadata("isa", "AVX2");
  trace.SetMetadata("values", "exact");
  FillExample(trace);
  EXPECT_THAT(trace.ToJson(), MatchesGolden("simulator/trace/testdata/example.json"));
}

TEST(PerfettoTrace, IsJsonWithoutEvents) {
  PerfettoTrace trace;
  EXPECT_EQ(trace.ToJson(), "{\"displayTimeUnit\":\"ns\",\"otherData\":{},\"traceEvents\":[\n]}\n");
}

TEST(PerfettoTrace, TheSamePairIsTheSameTrack) {
  PerfettoTrace trace;
  EXPECT_EQ(trace.Track("engine", "TPC0"), 0u);
  EXPECT_EQ(trace.Track("engine", "TPC1"), 1u);
  EXPECT_EQ(trace.Track("queue", "TPC0"), 2u);
  EXPECT_EQ(trace.Track("engine", "TPC0"), 0u);
}

TEST(PerfettoTrace, EscapesWhatJsonCannotHold) {
  PerfettoTrace trace;
  const TrackId track = trace.Track("group", "a\tb");
  trace.Span(track, "quote \" backslash \\ newline \n bell \a", "µ", Picoseconds(0), Picoseconds(1),
             0);
  EXPECT_THAT(trace.ToJson(),
              AllOf(HasSubstr(R"("a\tb")"), HasSubstr("\"µ\""),
                    HasSubstr(R"("quote \" backslash \\ newline \n bell \u0007")")));
}

TEST(PerfettoTrace, SpansThatFollowEachOtherShareAThread) {
  PerfettoTrace trace;
  const TrackId track = trace.Track("engine", "DMA0");
  for (int i = 0; i < 5; ++i) {
    trace.Span(track, "copy", "", Picoseconds(i * 10), Picoseconds(i * 10 + 10), 0);
    trace.Span(track, "mark", "", Picoseconds(i * 10 + 10), Picoseconds(i * 10 + 10), 0);
  }
  EXPECT_THAT(trace.ToJson(), Not(HasSubstr("DMA0 (2)")));
}

TEST(PerfettoTrace, WritesFilesWhole) {
  PerfettoTrace trace;
  const std::string path = ::testing::TempDir() + "/trace.json";
  ASSERT_OK(trace.WriteFile(path));
  FillExample(trace);
  ASSERT_OK(trace.WriteFile(path));
  EXPECT_EQ(FileText(path), trace.ToJson());
}

TEST(PerfettoTrace, SaysWhichFileItCouldNotWrite) {
  const std::string path = ::testing::TempDir() + "/no such folder/trace.json";
  EXPECT_THAT(PerfettoTrace().WriteFile(path),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path)));
}

}  // namespace
}  // namespace openhpu::simulator
