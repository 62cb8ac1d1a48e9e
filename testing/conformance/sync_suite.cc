// Sync objects, monitors, fences: who waits for what.
#include <cstdint>
#include <numeric>
#include <vector>

#include "testing/conformance/fixture.h"

namespace openhpu::conformance {
namespace {

class SyncSuite : public ConformanceTest {
 protected:
  // Arms monitor `monitor` and waits on stream `stream`.
  hal::Chunk Await(uint32_t stream, uint32_t monitor,
                   const std::vector<hal::SyncCondition>& conditions, const Write& then) {
    return External(kHostIn, stream, [&](hal::CommandWriter& w) {
      EXPECT_THAT(w.SetUpMonitors(monitor, static_cast<uint32_t>(conditions.size())), IsOk());
      EXPECT_THAT(w.Await(conditions, monitor), IsOk());
      then(w);
    });
  }
  hal::Chunk Do(uint32_t stream, const Write& write, hal::Engine engine = kHostIn) {
    return External(engine, stream, write);
  }
  static void Nothing(hal::CommandWriter&) {}
};

TEST_F(SyncSuite, ASetValueSatisfiesAWaitThatComesLater) {
  EXPECT_THAT(
      Run({Do(0,
              [](hal::CommandWriter& w) { EXPECT_THAT(w.SetSob(hal::Sob{3}, 7, false), IsOk()); }),
           Await(0, 0, {{0, 8, 7}}, Nothing), Await(0, 0, {{0, 8, 1}}, Nothing)}),
      IsOk());
}

TEST_F(SyncSuite, AWaitThatComesFirstIsWokenByAnotherQueue) {
  ASSERT_OK_AND_ASSIGN(const Sequence waits, Submit({Await(1, 0, {{0, 1, 5}}, Nothing)}));
  const hal::Chunk add = Do(
      2, [](hal::CommandWriter& w) { EXPECT_THAT(w.AddSob(hal::Sob{0}, 1, false), IsOk()); },
      kHostOut);
  for (int i = 0; i < 4; ++i) ASSERT_THAT(Run({add}), IsOk());
  EXPECT_FALSE(Wait(waits, absl::ZeroDuration()).ok());
  ASSERT_THAT(Run({add}), IsOk());
  EXPECT_THAT(Wait(waits), IsOk());
}

TEST_F(SyncSuite, AMonitorWaitsForEverySobThatItWatches) {
  ASSERT_OK_AND_ASSIGN(const Sequence waits, Submit({Await(1, 0, {{1, 0xA1, 2}}, Nothing)}));
  const auto set = [&](uint32_t sob, uint32_t value) {
    return Run({Do(2, [&](hal::CommandWriter& w) {
      EXPECT_THAT(w.SetSob(hal::Sob{sob}, value, false), IsOk());
    })});
  };
  ASSERT_THAT(set(8, 2), IsOk());
  ASSERT_THAT(set(13, 3), IsOk());
  ASSERT_THAT(set(15, 1), IsOk());
  ASSERT_THAT(set(9, 9), IsOk());  // not watched
  EXPECT_FALSE(Wait(waits, absl::ZeroDuration()).ok());
  ASSERT_THAT(set(15, 2), IsOk());
  EXPECT_THAT(Wait(waits), IsOk());
}

TEST_F(SyncSuite, ManyConditionsAreOneWait) {
  std::vector<hal::SyncCondition> conditions;
  for (uint32_t group = 0; group < 16; ++group) conditions.push_back({group, 0xFF, group + 1});
  conditions.push_back({3, 0x10, 100});
  ASSERT_OK_AND_ASSIGN(const Sequence waits, Submit({Await(1, 0, conditions, Nothing)}));
  EXPECT_THAT(Run({Do(2,
                      [](hal::CommandWriter& w) {
                        for (uint32_t i = 0; i < 128; ++i) {
                          EXPECT_THAT(w.SetSob(hal::Sob{i}, i == 28 ? 100 : i / 8 + 1, false),
                                      IsOk());
                        }
                      })}),
              IsOk());
  EXPECT_THAT(Wait(waits), IsOk());
}

TEST_F(SyncSuite, AddingIsModulo15Bits) {
  // 5 - 1, as adding 0x7FFF; then up to the largest value.
  EXPECT_THAT(Run({Do(0,
                      [](hal::CommandWriter& w) {
                        EXPECT_THAT(w.SetSob(hal::Sob{0}, 5, false), IsOk());
                        EXPECT_THAT(w.AddSob(hal::Sob{0}, 0x7FFF, false), IsOk());
                        EXPECT_THAT(w.AddSob(hal::Sob{0}, 0x7FFF - 4, false), IsOk());
                      }),
                   Await(0, 0, {{0, 1, 0x7FFF}}, Nothing)}),
              IsOk());
}

TEST_F(SyncSuite, AMonitorServesAgainAndAgain) {
  const hal::Chunk round = Await(0, 0, {{0, 1, 1}}, [](hal::CommandWriter& w) {
    EXPECT_THAT(w.SetSob(hal::Sob{0}, 0, false), IsOk());
  });
  const hal::Chunk set = Do(
      1, [](hal::CommandWriter& w) { EXPECT_THAT(w.SetSob(hal::Sob{0}, 1, false), IsOk()); },
      kHostOut);
  for (int i = 0; i < 50; ++i) EXPECT_THAT(Run({round, set}), IsOk());
}

TEST_F(SyncSuite, SettingAfterTheEngineFollowsItsBytes) {
  // The copy of stream 1 starts when the one of the other engine has landed.
  std::vector<uint32_t> values(1 << 18);
  std::iota(values.begin(), values.end(), 0);
  const uint64_t bytes = 4 * values.size();
  const Memory a = Upload(values), b = Allocate(bytes), c = Allocate(bytes);
  EXPECT_THAT(Run({Await(1, 0, {{0, 1, 1}},
                         [&](hal::CommandWriter& w) {
                           EXPECT_THAT(w.HostCopy(b.at(0), c.at(0), bytes), IsOk());
                           EXPECT_THAT(w.SetSob(hal::Sob{0}, 0, true), IsOk());
                         }),
                   Do(
                       0,
                       [&](hal::CommandWriter& w) {
                         EXPECT_THAT(w.HostCopy(a.at(0), b.at(0), bytes), IsOk());
                         EXPECT_THAT(w.SetSob(hal::Sob{0}, 1, true), IsOk());
                       },
                       kHostOut)}),
              IsOk());
  EXPECT_EQ(Download<uint32_t>(c), values);
}

TEST_F(SyncSuite, StreamsWaitForEachOtherInTurns) {
  // Three streams pass a token round, ten times.
  std::vector<hal::Chunk> chunks;
  for (uint32_t stream = 0; stream < 3; ++stream) {
    chunks.push_back(External(kHostIn, stream, [&](hal::CommandWriter& w) {
      EXPECT_THAT(w.SetUpMonitors(stream, 1), IsOk());
      for (uint32_t round = 0; round < 10; ++round) {
        const uint32_t turn = 3 * round + stream;
        if (turn > 0) {
          EXPECT_THAT(w.Await({{0, 1, turn}}, stream), IsOk());
        }
        EXPECT_THAT(w.AddSob(hal::Sob{0}, 1, false), IsOk());
      }
    }));
  }
  EXPECT_THAT(Run(chunks), IsOk());
  EXPECT_THAT(Run({Await(3, 3, {{0, 1, 30}}, Nothing)}), IsOk());
}

TEST_F(SyncSuite, TimestampsGrow) {
  ASSERT_OK_AND_ASSIGN(const hal::HostBuffer host, device().AllocateHost(64));
  const uint32_t symbol = Symbol(host.address());
  const Memory a = Allocate(1 << 20), b = Allocate(1 << 20);
  EXPECT_THAT(Run({Do(0,
                      [&](hal::CommandWriter& w) {
                        for (uint32_t i = 0; i < 3; ++i) {
                          EXPECT_THAT(w.Timestamp({symbol, 8 * i}), IsOk());
                          EXPECT_THAT(w.HostCopy(a.at(0), b.at(0), 1 << 20), IsOk());
                        }
                      })}),
              IsOk());
  uint64_t times[3];
  std::memcpy(times, host.data(), sizeof times);
  EXPECT_LE(times[0], times[1]);
  EXPECT_LE(times[1], times[2]);
}

}  // namespace
}  // namespace openhpu::conformance
