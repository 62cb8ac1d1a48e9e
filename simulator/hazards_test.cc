// Races are found on the card, and programs that synchronise are not accused.
#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulator/card_testing.h"

namespace openhpu::simulator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint32_t kBytes = 1 << 16;

class HazardsTest : public ::testing::TestWithParam<const char*> {
 protected:
  // A copy in the body of a compute DMA, then a signal on `sob` when it has landed.
  hal::Chunk Copying(uint32_t dma, DeviceAddress from, DeviceAddress to, uint32_t sob,
                     Packets before = {}) {
    Packets body;
    body.Copy(from, to, kBytes);
    before.Body(card_.Upload(body.bytes()), static_cast<uint32_t>(body.bytes().size()))
        .AddSob(sob, 1, abi::Ctl::ENG_BARRIER::kMask);
    return card_.Internal(abi::DmaQueue(dma, 0), before);
  }
  // Ends the submission when the group at SOB 8 has counted: SOB 8 and 9.
  hal::Chunk End(uint32_t first, uint32_t second) {
    Packets packets;
    packets.Await(8, first, 0, abi::DmaQmanBase(0), 0).Await(9, second, 1, abi::DmaQmanBase(0), 0);
    return card_.External(abi::DmaQueue(0, 0), packets.Sob(8, 0).Sob(9, 0));
  }

  TestCard card_{GetParam()};
};

TEST_P(HazardsTest, TwoEnginesThatWriteOnePlaceRace) {
  const DeviceAddress a = card_.Allocate(kBytes), b = card_.Allocate(kBytes),
                      c = card_.Allocate(kBytes);
  EXPECT_THAT(card_.Run({Copying(2, a, c, 8), Copying(3, b, c, 9), End(1, 1)}),
              StatusIs(absl::StatusCode::kAborted,
                       AllOf(HasSubstr("DMA2 stream 0 body"), HasSubstr("DMA3 stream 0 body"),
                             HasSubstr("0x"))));
  const std::vector<hal::HealthEvent> events = card_->TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, hal::HealthEvent::Kind::kHazard);
  EXPECT_THAT(card_->Reset(), IsOk());
  EXPECT_THAT(card_.Run({Copying(2, a, c, 8), End(1, 0)}), IsOk());
}

TEST_P(HazardsTest, OneThatReadsWhatTheOtherWritesNeedsASignal) {
  const DeviceAddress a = card_.Allocate(kBytes), b = card_.Allocate(kBytes),
                      c = card_.Allocate(kBytes);
  Packets wait;
  wait.Await(8, 1, 5, abi::DmaQmanBase(3), 0);
  for (int i = 0; i < 40; ++i) {
    ASSERT_THAT(card_.Run({Copying(2, a, b, 8), Copying(3, b, c, 9, wait), End(1, 1)}), IsOk());
  }
  EXPECT_THAT(card_->TakeEvents(), IsEmpty());
  EXPECT_THAT(card_.Run({Copying(2, a, b, 8), Copying(3, b, c, 9), End(1, 1)}),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("DMA3")));
}

TEST_P(HazardsTest, TheHostsWaitOrdersSubmissions) {
  const DeviceAddress a = card_.Allocate(kBytes), b = card_.Allocate(kBytes);
  for (uint32_t i = 0; i < 10; ++i) {
    ASSERT_THAT(card_.Run({Copying(2 + i % 2, i % 2 ? a : b, i % 2 ? b : a, 8), End(1, 0)}),
                IsOk());
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, HazardsTest,
                         ::testing::Values("sim:tiny,hazards=on", "sim:gaudi,hazards=on",
                                           "sim:tiny,hazards=on,mode=functional"));

}  // namespace
}  // namespace openhpu::simulator
