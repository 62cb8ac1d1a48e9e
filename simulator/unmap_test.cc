// Command buffers in host memory that is unmapped while the card runs them: what has not been
// fetched by then is not there, and the card reads none of the program's memory any more.
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulator/card_testing.h"

namespace openhpu::simulator {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kGo = 16, kEnd = 24;   // sync objects: what the commands wait for; their end
constexpr uint32_t kPageBytes = 1 << 16;  // of commands: more than a queue manager fetches ahead
constexpr int kEngine = 2;
constexpr absl::Duration kAWhile = absl::Milliseconds(1);

// Memory of the program at a device address; without access rights once it is unmapped.
class Pages {
 public:
  explicit Pages(TestCard& card) : card_(card) {
    memory_ = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const absl::StatusOr<DeviceAddress> address = card_->MapHost(memory_, kPageBytes);
    EXPECT_THAT(address, IsOk());
    address_ = *address;
  }
  ~Pages() { munmap(memory_, kPageBytes); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  DeviceAddress address() const { return address_; }
  uint32_t Fill(const Packets& packets) {
    EXPECT_LE(packets.bytes().size(), kPageBytes);
    std::memcpy(memory_, packets.bytes().data(), packets.bytes().size());
    return static_cast<uint32_t>(packets.bytes().size());
  }
  void Unmap() {
    EXPECT_THAT(card_->UnmapHost(address_), IsOk());
    EXPECT_EQ(mprotect(memory_, kPageBytes, PROT_NONE), 0);
  }

 private:
  TestCard& card_;
  void* memory_ = nullptr;
  DeviceAddress address_;
};

auto IsStillBusy() { return StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("in time")); }

class UnmapTest : public ::testing::TestWithParam<const char*> {
 protected:
  static Packets Wait(int cp = 0) {
    return Packets().Await(kGo, 1, 8, abi::DmaQmanBase(kEngine), cp);
  }
  static Packets& AddNops(Packets& packets) {
    while (packets.bytes().size() < kPageBytes - 1024) packets.Nop();
    return packets;
  }
  // These upper commands run until they can go on no more.
  void Start(DeviceAddress address, uint32_t bytes) {
    Packets end;
    end.Await(kEnd, 1, 16, abi::DmaQmanBase(0), 0).Sob(kEnd, 0).Sob(kGo, 0);
    ASSERT_OK_AND_ASSIGN(sequence_,
                         card_.Submit({{QueueId(abi::DmaQueue(kEngine, 0)), address.value(), bytes},
                                       card_.External(abi::DmaQueue(0, 0), end)}));
    EXPECT_THAT(card_.Wait(sequence_, kAWhile), IsStillBusy());
  }
  void Start(Pages& pages, const Packets& packets) { Start(pages.address(), pages.Fill(packets)); }
  // What they wait for comes.
  absl::Status GoOn() {
    const absl::StatusOr<Sequence> go =
        card_.Submit({card_.External(abi::DmaQueue(1, 0), Packets().Sob(kGo, 1))});
    EXPECT_THAT(go, IsOk());
    return card_.Wait(sequence_);
  }
  void ExpectAPageFaultOfTheFetch() {
    EXPECT_THAT(GoOn(), StatusIs(absl::StatusCode::kAborted,
                                 ::testing::AllOf(HasSubstr("DMA2 stream 0"),
                                                  HasSubstr("bytes of commands"))));
    const std::vector<hal::HealthEvent> events = card_->TakeEvents();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, hal::HealthEvent::Kind::kPageFault);
    // And no more than that.
    ASSERT_THAT(card_->Reset(), IsOk());
    Pages others(card_);
    Start(others, Wait().AddSob(kEnd));
    EXPECT_THAT(GoOn(), IsOk());
  }

  TestCard card_{GetParam()};
  Sequence sequence_;
};

TEST_P(UnmapTest, CommandsThatWereNotFetchedAreAPageFault) {
  Pages pages(card_);
  Packets packets = Wait();
  Start(pages, AddNops(packets).AddSob(kEnd));
  pages.Unmap();
  ExpectAPageFaultOfTheFetch();
}

TEST_P(UnmapTest, ABodyThatWasNotFetchedIsAPageFault) {
  Pages pages(card_);
  Packets body = Wait(4);
  const uint32_t bytes = pages.Fill(AddNops(body));
  const Packets upper = Packets().Body(pages.address(), bytes).AddSob(kEnd);
  Start(card_.Upload(upper.bytes()), static_cast<uint32_t>(upper.bytes().size()));
  pages.Unmap();
  ExpectAPageFaultOfTheFetch();
}

TEST_P(UnmapTest, APacketThatWasFetchedEnds) {
  Pages pages(card_);
  const uint32_t bytes = pages.Fill(Wait(4));
  const Packets upper = Packets().Body(pages.address(), bytes).AddSob(kEnd);
  Start(card_.Upload(upper.bytes()), static_cast<uint32_t>(upper.bytes().size()));
  pages.Unmap();
  EXPECT_THAT(GoOn(), IsOk()) << "it was the body's last";
}

TEST_P(UnmapTest, WhatIsRunAgainIsFetchedAgain) {
  abi::PacketRepeat begin, end;
  end.cfg = abi::PacketRepeat::SORE::Set(end.cfg, 1);
  const uint32_t ctl = abi::qman::kWregBase + abi::qman::CQ_CTL::At(abi::qman::kLowerCp);
  const uint32_t once_more =
      abi::qman::PqEntry::RepeatValid::Set(abi::qman::CQ_CTL::RPT::Set(0, 1), 1);
  for (const bool unmapped : {false, true}) {
    Pages pages(card_);
    Packets body;
    body.Add(begin).Await(kGo, 1, 8, abi::DmaQmanBase(kEngine), 4).Add(end);
    const uint32_t bytes = pages.Fill(body);
    const Packets upper =
        Packets().Register(ctl, once_more).Body(pages.address(), bytes).AddSob(kEnd);
    Start(card_.Upload(upper.bytes()), static_cast<uint32_t>(upper.bytes().size()));
    if (unmapped) {
      pages.Unmap();
      ExpectAPageFaultOfTheFetch();
    } else {
      EXPECT_THAT(GoOn(), IsOk());
    }
  }
}

// What the card has done by the host's time needs the memory no more, waited for or not.
TEST_P(UnmapTest, WhatIsOverByTheHostsTimeIsNotLost) {
  Pages pages(card_), scratch(card_);
  const uint32_t bytes = pages.Fill(Packets().AddSob(kEnd));
  Packets end;
  end.Await(kEnd, 1, 16, abi::DmaQmanBase(0), 0).Sob(kEnd, 0);
  ASSERT_OK_AND_ASSIGN(
      const Sequence sequence,
      card_.Submit({{QueueId(abi::DmaQueue(kEngine, 0)), pages.address().value(), bytes},
                    card_.External(abi::DmaQueue(0, 0), end)}));
  // Calls that take time, and do not look.
  for (int i = 0; i < 1000; ++i) {
    const absl::StatusOr<hal::CommandMemory> memory = card_->CreateCommandMemory(64);
    ASSERT_THAT(memory, IsOk());
    ASSERT_THAT(card_->DestroyCommandMemory(memory->handle), IsOk());
  }
  pages.Unmap();
  EXPECT_THAT(card_.Wait(sequence), IsOk());
}

TEST_P(UnmapTest, AFetchThatFailsHasNothingOfTheCommandsBefore) {
  Pages pages(card_), others(card_);
  const uint32_t bytes = pages.Fill(Packets().AddSob(kEnd));
  Packets end;
  end.Await(kEnd, 1, 16, abi::DmaQmanBase(0), 0).Sob(kEnd, 0);
  const std::vector<hal::Chunk> chunks = {
      card_.Internal(abi::DmaQueue(kEngine, 0), Packets().Body(pages.address(), bytes)),
      card_.External(abi::DmaQueue(0, 0), end)};
  EXPECT_THAT(card_.Run(chunks), IsOk());
  pages.Unmap();
  EXPECT_THAT(card_.Run(chunks),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("bytes of commands")));
  others.Unmap();  // looks for what processors have of their commands
  EXPECT_THAT(card_->Reset(), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Modes, UnmapTest,
                         ::testing::Values("sim:gaudi", "sim:gaudi,mode=functional",
                                           "sim:gaudi,hazards=on"));

using TimedUnmapTest = UnmapTest;

TEST_P(TimedUnmapTest, LinesThatWereFetchedAheadRun) {
  Pages pages(card_);
  Start(pages, Wait().AddSob(kEnd));
  pages.Unmap();
  EXPECT_THAT(GoOn(), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Modes, TimedUnmapTest, ::testing::Values("sim:gaudi"));

}  // namespace
}  // namespace openhpu::simulator
