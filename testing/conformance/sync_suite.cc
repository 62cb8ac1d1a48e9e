// Sync objects, monitors and fences: what sets them, what they hold back, what they let go.
#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "testing/conformance/addresses.h"
#include "testing/conformance/driver_suite.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {
namespace {

namespace abi = hal::abi::gaudi;
namespace sm = hal::abi::gaudi::sync_manager;

class SyncSuite : public DriverSuite {
 protected:
  // Registers of the bank. The monitors that tests arm by hand are those from here on; jobs take
  // theirs from the start.
  static constexpr uint32_t kFirstRaw = 128;
  SyncAddresses Sync() { return SyncAddressesOf(chip()); }
  uint64_t SobAddress(uint32_t sob) { return Sync().sob + 4 * (first_sob() + sob); }
  // Of one of the arrays of registers.
  uint64_t Monitor(uint64_t first, uint32_t monitor) {
    return first + 4 * (first_monitor() + kFirstRaw + monitor);
  }
  // The counter of a fence of a host DMA's stream.
  uint64_t FenceAddress(int fence, uint32_t stream, int host_dma = 0) {
    return HostDmaFence(chip(), host_dma, fence, stream);
  }
  static abi::PacketMsgLong Message(uint64_t address, uint32_t value) {
    abi::PacketMsgLong packet;
    packet.ctl = abi::Ctl::MSG_BARRIER::Set(packet.ctl, 1);
    packet.addr = address;
    packet.value = value;
    return packet;
  }
  static abi::PacketFence Fence(int fence, uint32_t target, uint32_t decrement) {
    abi::PacketFence packet;
    packet.cfg = abi::PacketFence::ID::Set(packet.cfg, static_cast<uint32_t>(fence));
    packet.cfg = abi::PacketFence::TARGET_VAL::Set(packet.cfg, target);
    packet.cfg = abi::PacketFence::DEC_VAL::Set(packet.cfg, decrement);
    return packet;
  }
  // Arms monitor `monitor` of those with a payload to `address`.
  void Arm(Job& job, uint32_t monitor, uint64_t address, uint32_t data, uint32_t arm) {
    job.Raw(Message(Monitor(Sync().payload_low, monitor), static_cast<uint32_t>(address)));
    job.Raw(Message(Monitor(Sync().payload_high, monitor), static_cast<uint32_t>(address >> 32)));
    job.Raw(Message(Monitor(Sync().payload_data, monitor), data));
    job.Raw(Message(Monitor(Sync().arm, monitor), arm));
  }
  uint32_t ArmEqual(uint32_t sob, uint32_t value) {
    return sm::MON_ARM::SOP::Set(sm::ArmAtLeast(first_sob() + sob, value), 1);
  }
  // OK when sync object `sob` is exactly `value`; a deadlock otherwise. Told twice: by a monitor
  // for equality, and by one that waits for the largest value, which only the right difference
  // reaches.
  absl::Status IsExactly(uint32_t sob, uint32_t value) {
    constexpr uint32_t kMonitor = 60;
    Job job = NewJob(HostDma(0), 2);
    Arm(job, kMonitor, FenceAddress(1, 2), 1, ArmEqual(sob, value));
    job.Raw(Fence(1, 1, 1));
    if (value < sm::kMaxSobValue) {
      job.AddSob(sob, sm::kMaxSobValue - value).Await({Reaches(sob, sm::kMaxSobValue)});
      job.AddSob(sob, value + 1);
    }
    return Run({&job});
  }
  // OK when a fence of the first host DMA holds nothing; a deadlock otherwise. One that held
  // something would let the mark be set before it is taken back.
  absl::Status IsEmpty(int fence, uint32_t stream) {
    constexpr uint32_t kMark = 200, kDelay = 201;
    Job held = NewJob(HostDma(0), stream), serve = NewJob(HostDma(0), (stream + 1) % 3);
    held.Raw(Fence(fence, 1, 1)).AddSob(kMark);
    serve.AddSob(kDelay).Await({Reaches(kDelay, 1)}).SetSob(kDelay, 0).SetSob(kMark, 0);
    serve.Raw(Message(FenceAddress(fence, stream), 1)).Await({Reaches(kMark, 1)}).SetSob(kMark, 0);
    return Run({&held, &serve});
  }
};

TEST_F(SyncSuite, ObjectsAreZeroAfterOpening) {
  for (uint32_t sob : {0, 1, 7, 8, 100}) EXPECT_OK(IsExactly(sob, 0)) << sob;
}

TEST_F(SyncSuite, SetReplacesAndAddAdds) {
  Job job = NewJob(HostDma(0));
  job.SetSob(0, 5).AddSob(0, 7).SetSob(1, 9).SetSob(1, 3).AddSob(2, 0).AddSob(3, 1).SetSob(3, 0);
  ASSERT_OK(Run({&job}));
  EXPECT_OK(IsExactly(0, 12));
  EXPECT_OK(IsExactly(1, 3));
  EXPECT_OK(IsExactly(2, 0));
  EXPECT_OK(IsExactly(3, 0));
}

TEST_F(SyncSuite, ValuesAreModuloTwoToThePowerOf15) {
  Job job = NewJob(HostDma(0));
  job.SetSob(0, 32767).AddSob(0, 2);   // wraps
  job.SetSob(1, 10).AddSob(1, 32767);  // minus 1
  job.AddSob(2, 32767).AddSob(2, 1);   // to zero
  job.SetSob(3, 32767);                // the largest
  ASSERT_OK(Run({&job}));
  EXPECT_OK(IsExactly(0, 1));
  EXPECT_OK(IsExactly(1, 9));
  EXPECT_OK(IsExactly(2, 0));
  EXPECT_OK(IsExactly(3, 32767));
}

TEST_F(SyncSuite, EveryKindOfQueueReachesTheObjects) {
  std::vector<Job> jobs;
  std::vector<Job*> all;
  std::vector<hal::SyncCondition> conditions;
  for (const hal::EngineKind kind : {hal::EngineKind::kHostDma, hal::EngineKind::kDma,
                                     hal::EngineKind::kMme, hal::EngineKind::kTpc}) {
    for (int i = 0; i < hal::CountEngines(chip(), kind); ++i) {
      const uint32_t sob = static_cast<uint32_t>(jobs.size());
      jobs.push_back(NewJob({kind, static_cast<uint8_t>(i)}, 1));
      jobs.back().AddSob(sob, sob + 1);
      conditions.push_back(Reaches(sob, sob + 1));
    }
  }
  Job wait = NewJob(HostDma(0));
  wait.Await(conditions);
  for (Job& job : jobs) all.push_back(&job);
  all.push_back(&wait);
  EXPECT_OK(Run(all));
}

TEST_F(SyncSuite, AConditionThatHoldsAlreadyLetsGoAtOnce) {
  Job job = NewJob(HostDma(0));
  job.SetSob(0, 100).Await({Reaches(0, 100)}).Await({Reaches(0, 1)}).Await({Reaches(0, 100)});
  EXPECT_OK(Run({&job}));
}

TEST_F(SyncSuite, AWaiterIsHeldUntilTheLastStep) {
  // Each step of the producer sends the state of a word that the waiter would have changed.
  constexpr uint32_t kSteps = 5;
  ASSERT_OK_AND_ASSIGN(const DeviceAddress state, DramWith(Pattern(4, 1)));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress changed, DramWith(Pattern(4, 2)));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress delay, Dram(1 << 20));
  ASSERT_OK_AND_ASSIGN(HostMemory* const seen, MapHost(Bytes(4 * kSteps)));
  ASSERT_OK_AND_ASSIGN(HostMemory* const other, MapHost(Bytes(1 << 20)));
  Job waiter = NewJob(HostDma(host_dmas() - 1)), producer = NewJob(HostDma(0));
  waiter.Await({Reaches(0, kSteps)}).HostCopy(changed, state, 4);
  for (uint32_t i = 0; i < kSteps; ++i) {
    // Long enough for a waiter let go too early.
    producer.HostCopy(other->address, delay, 1 << 20);
    producer.HostCopy(state, seen->address + 4 * i, 4).AddSob(0, 1, /*after_engine=*/true);
  }
  ASSERT_OK(Run({&waiter, &producer}));
  for (uint32_t i = 0; i < kSteps; ++i) {
    EXPECT_EQ(std::memcmp(&seen->bytes[4 * i], Pattern(4, 1).data(), 4), 0) << "step " << i;
  }
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(state, 4));
  EXPECT_TRUE(got == Pattern(4, 2));
}

TEST_F(SyncSuite, AGroupIsWatchedThroughItsMask) {
  // Those outside the mask are not looked at, all inside must hold.
  constexpr uint8_t kWatch = 0xA5;
  Job waiter = NewJob(HostDma(0), 0), low = NewJob(HostDma(0), 1);
  waiter.Await({{1, kWatch, 3}}).AddSob(0);
  for (uint32_t i = 0; i < 8; ++i) {
    if ((kWatch >> i) & 1) low.SetSob(8 + i, 3 + i);
  }
  low.Await({Reaches(0, 1)});
  EXPECT_OK(Run({&waiter, &low}));
}

TEST_F(SyncSuite, EachWatchedObjectHoldsTheMonitorBack) {
  // For each of the eight: the others are there, it comes last. Had the monitor let go before, the
  // waiter would have set the mark before the producer clears it.
  for (uint32_t last = 0; last < 8; ++last) {
    Job waiter = NewJob(HostDma(0), 0), producer = NewJob(HostDma(0), 1);
    waiter.Await({{1, 0xFF, 2}}).AddSob(0);
    for (uint32_t i = 0; i < 8; ++i) {
      if (i != last) producer.SetSob(8 + i, 2);
    }
    producer.AddSob(8 + last, 1);
    // A detour that takes longer than a monitor does.
    producer.AddSob(1).Await({Reaches(1, 1)}).AddSob(1).Await({Reaches(1, 2)}).SetSob(1, 0);
    producer.SetSob(0, 0).AddSob(8 + last, 1).Await({Reaches(0, 1)});
    for (uint32_t i = 0; i < 9; ++i) producer.SetSob(i == 8 ? 0 : 8 + i, 0);
    EXPECT_OK(Run({&waiter, &producer})) << last;
  }
}

TEST_F(SyncSuite, TheHostSeesAWaiterHeldBack) {
  // As above, with the host looking between the steps.
  Job waiter = NewJob(HostDma(0), 1);
  waiter.Await({{1, 0xA1, 2}});
  ASSERT_OK_AND_ASSIGN(const Sequence waits, Submit({&waiter}));
  const auto set = [this](uint32_t sob, uint32_t value) {
    Job job = NewJob(HostDma(host_dmas() - 1), 2);
    job.SetSob(sob, value);
    return Run({&job});
  };
  ASSERT_OK(set(8, 2));
  ASSERT_OK(set(13, 3));
  ASSERT_OK(set(15, 1));  // too little
  ASSERT_OK(set(9, 9));   // not watched
  EXPECT_THAT(Wait(waits, absl::ZeroDuration()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_OK(set(15, 2));
  EXPECT_OK(Wait(waits));
}

TEST_F(SyncSuite, StreamsPassATokenRound) {
  constexpr uint32_t kRounds = 10;
  std::vector<Job> jobs;
  for (uint32_t stream = 0; stream < 4; ++stream) {
    jobs.push_back(NewJob(HostDma(0), stream));
    for (uint32_t round = 0; round < kRounds; ++round) {
      const uint32_t turn = 4 * round + stream;
      if (turn > 0) jobs.back().Await({Reaches(0, turn)});
      jobs.back().AddSob(0);
    }
  }
  ASSERT_OK(Run({&jobs[3], &jobs[2], &jobs[1], &jobs[0]}));
  EXPECT_OK(IsExactly(0, 4 * kRounds));
}

TEST_F(SyncSuite, TheSameCommandsRunAgainAndAgain) {
  Job waiter = NewJob(HostDma(0), 0), producer = NewJob(HostDma(host_dmas() - 1), 1);
  waiter.Await({Reaches(0, 1)}).SetSob(0, 0);
  producer.SetSob(0, 1);
  ASSERT_OK_AND_ASSIGN(const hal::Chunk wait, Place(waiter));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk produce, Place(producer));
  const std::vector<hal::Chunk> both = {wait, produce};
  for (int i = 0; i < 50; ++i) {
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit(both));
    ASSERT_OK(Wait(sequence)) << i;
  }
}

TEST_F(SyncSuite, SeveralGroupsAreWaitedForTogether) {
  constexpr uint32_t kGroups = 6;
  Job waiter = NewJob(ComputeDma(0)), producer = NewJob(HostDma(0));
  std::vector<hal::SyncCondition> conditions;
  for (uint32_t i = 0; i < kGroups; ++i) conditions.push_back(Reaches(8 * (i + 1) + i, 10 + i));
  waiter.Await(conditions).AddSob(0);
  for (uint32_t i = kGroups; i-- > 0;) producer.AddSob(8 * (i + 1) + i, 10 + i);
  producer.Await({Reaches(0, 1)});
  EXPECT_OK(Run({&waiter, &producer}));
}

TEST_F(SyncSuite, MoreConditionsThanAFenceTakesOffAtOnce) {
  constexpr uint32_t kConditions = 40;
  Job waiter = NewJob(HostDma(0), 0), producer = NewJob(HostDma(0), 1);
  std::vector<hal::SyncCondition> conditions;
  for (uint32_t i = 0; i < kConditions; ++i) conditions.push_back(Reaches(8 + i, 1));
  waiter.Await(conditions).AddSob(0);
  for (hal::SyncCondition& condition : conditions) condition.value = 2;
  waiter.Await(conditions).AddSob(0);
  for (uint32_t i = 0; i < kConditions; ++i) producer.AddSob(8 + i);
  producer.Await({Reaches(0, 1)});
  for (uint32_t i = 0; i < kConditions; ++i) producer.AddSob(8 + i);
  producer.Await({Reaches(0, 2)});
  ASSERT_OK(Run({&waiter, &producer}));
  EXPECT_OK(IsExactly(0, 2));
  EXPECT_OK(IsEmpty(0, 0));
}

TEST_F(SyncSuite, TwoEnginesPassWorkToAndFro) {
  // Engine 0 makes the odd buffers, engine 1 the even ones, each from the one before.
  constexpr uint32_t kRounds = 20;
  constexpr uint64_t kBytes = 2000;
  ASSERT_GE(compute_dmas(), 2);
  const Bytes data = Pattern(kBytes, 1);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram((2 * kRounds + 1) * 2048));
  ASSERT_OK(Upload(data, dram));
  Job ping = NewJob(ComputeDma(0)), pong = NewJob(ComputeDma(1)), wait = NewJob(HostDma(0));
  for (uint32_t i = 0; i < kRounds; ++i) {
    const DeviceAddress at = dram + 2 * i * 2048;
    if (i > 0) ping.Await({Reaches(8, i)});
    ping.Dma(Linear(at, at + 2048, kBytes), 0).Run();
    pong.Await({Reaches(0, i + 1)});
    pong.Dma(Linear(at + 2048, at + 4096, kBytes), 8).Run();
  }
  wait.Await({Reaches(8, kRounds)});
  ASSERT_OK(Run({&ping, &pong, &wait}));
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram + 2 * kRounds * 2048, kBytes));
  EXPECT_TRUE(got == data);
}

TEST_F(SyncSuite, AllEnginesGoRoundInARing) {
  // Each engine's copy waits for the one before it, over several submissions.
  constexpr uint32_t kTurns = 3;
  constexpr uint64_t kBytes = 1000;
  const uint32_t engines = static_cast<uint32_t>(compute_dmas());
  const Bytes data = Pattern(kBytes, 1);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram((kTurns * engines + 1) * 1024));
  ASSERT_OK(Upload(data, dram));
  Sequence last;
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    std::vector<Job> jobs;
    std::vector<Job*> all;
    for (uint32_t i = 0; i < engines; ++i) {
      const uint32_t step = turn * engines + i;
      jobs.push_back(NewJob(ComputeDma(static_cast<int>(i)), turn % 4));
      if (step > 0) jobs.back().Await({Reaches(0, step)});
      jobs.back().Dma(Linear(dram + step * 1024, dram + (step + 1) * 1024, kBytes), 0).Run();
    }
    Job wait = NewJob(HostDma(0));
    wait.Await({Reaches(0, (turn + 1) * engines)});
    // The first engine last.
    for (uint32_t i = engines; i-- > 0;) all.push_back(&jobs[i]);
    all.push_back(&wait);
    ASSERT_OK_AND_ASSIGN(last, Submit(all));
  }
  ASSERT_OK(Wait(last));
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram + kTurns * engines * 1024, kBytes));
  EXPECT_TRUE(got == data);
}

TEST_F(SyncSuite, AnEngineSignalsWhenItsWritesHaveLanded) {
  constexpr uint64_t kBytes = 1 << 20;
  const Bytes data = Pattern(kBytes, 1);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress from, DramWith(data));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress to, Dram(kBytes));
  ASSERT_OK_AND_ASSIGN(HostMemory* const out, MapHost(Bytes(kBytes)));
  Job copy = NewJob(ComputeDma(0)), fetch = NewJob(HostDma(0));
  copy.Dma(Linear(from, to, kBytes), 0).Run();
  fetch.Await({Reaches(0, 1)}).HostCopy(to, out->address, kBytes);
  ASSERT_OK(Run({&copy, &fetch}));
  EXPECT_TRUE(out->bytes == data);
}

TEST_F(SyncSuite, AfterTheEngineMeansAfterItsWrites) {
  constexpr uint64_t kBytes = 1 << 20;
  const Bytes data = Pattern(kBytes, 1);
  ASSERT_OK_AND_ASSIGN(HostMemory* const in, MapHost(data));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(kBytes));
  ASSERT_OK_AND_ASSIGN(HostMemory* const out, MapHost(Bytes(kBytes)));
  Job give = NewJob(HostDma(0)), take = NewJob(HostDma(host_dmas() - 1), 1);
  give.HostCopy(in->address, dram, kBytes).AddSob(0, 1, /*after_engine=*/true);
  take.Await({Reaches(0, 1)}).HostCopy(dram, out->address, kBytes);
  ASSERT_OK(Run({&take, &give}));
  EXPECT_TRUE(out->bytes == data);
}

TEST_F(SyncSuite, SubmissionsWaitForEachOtherOnTheDevice) {
  // Submitted before what it waits for.
  const Bytes data = Pattern(4096, 1);
  ASSERT_OK_AND_ASSIGN(HostMemory* const in, MapHost(data));
  ASSERT_OK_AND_ASSIGN(HostMemory* const out, MapHost(Bytes(4096)));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(4096));
  Job take = NewJob(HostDma(0), 0), give = NewJob(HostDma(0), 1);
  take.Await({Reaches(0, 1)}).HostCopy(dram, out->address, 4096);
  give.HostCopy(in->address, dram, 4096).AddSob(0, 1, true);
  ASSERT_OK_AND_ASSIGN(const Sequence taken, Submit({&take}));
  // The host may look and wait meanwhile; it is the one who will end this.
  EXPECT_THAT(Wait(taken, absl::ZeroDuration()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Wait(taken, absl::Milliseconds(1)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_OK_AND_ASSIGN(const Sequence given, Submit({&give}));
  EXPECT_OK(Wait(taken));
  EXPECT_OK(Wait(given));
  EXPECT_TRUE(out->bytes == data);
}

TEST_F(SyncSuite, EveryMonitorOfTheBankFires) {
  // All wait for one object; the fence takes as many as there are.
  Job waiter = NewJob(ComputeDma(0)), producer = NewJob(HostDma(0)), check = NewJob(HostDma(0), 1);
  waiter.Await(std::vector<hal::SyncCondition>(monitors(), Reaches(0, 1)));
  waiter.Raw(Message(FenceAddress(3, 1), 1));
  producer.AddSob(0);
  check.Raw(Fence(3, 1, 1));
  EXPECT_OK(Run({&waiter, &producer, &check}));
}

TEST_F(SyncSuite, AMonitorFiresOnceForEachTimeItIsArmed) {
  // Its payload adds to another object; only the first of three changes finds it armed.
  Job job = NewJob(HostDma(0));
  Arm(job, 0, SobAddress(8), sm::SobAdd(1), sm::ArmAtLeast(first_sob(), 1));
  job.AddSob(0).Await({Reaches(8, 1)}).AddSob(0).AddSob(0);
  ASSERT_OK(Run({&job}));
  EXPECT_OK(IsExactly(0, 3));
  EXPECT_OK(IsExactly(8, 1));
  // Armed again on what holds already, it fires again.
  Job again = NewJob(HostDma(0));
  Arm(again, 0, SobAddress(8), sm::SobAdd(1), sm::ArmAtLeast(first_sob(), 1));
  ASSERT_OK(Run({&again}));
  EXPECT_OK(IsExactly(8, 2));
}

TEST_F(SyncSuite, EqualIsNotAtLeast) {
  Job job = NewJob(HostDma(0));
  Arm(job, 0, SobAddress(8), sm::SobAdd(1), ArmEqual(0, 2));
  Arm(job, 1, SobAddress(9), sm::SobAdd(1), ArmEqual(0, 4));
  job.SetSob(0, 3).SetSob(0, 5).SetSob(0, 2).Await({Reaches(8, 1)});
  ASSERT_OK(Run({&job}));
  EXPECT_OK(IsExactly(8, 1));
  EXPECT_OK(IsExactly(9, 0));  // never 4, though more
}

TEST_F(SyncSuite, MonitorsMayWriteToObjectsThatOthersWatch) {
  constexpr uint32_t kLinks = 30;
  Job job = NewJob(HostDma(0));
  for (uint32_t i = 0; i < kLinks; ++i) {
    Arm(job, i, SobAddress(i + 1), sm::SobAdd(1), sm::ArmAtLeast(first_sob() + i, 1));
  }
  Arm(job, kLinks, FenceAddress(0, 0), 1, sm::ArmAtLeast(first_sob() + kLinks, 1));
  job.Raw(Message(SobAddress(0), sm::SobAdd(1))).Raw(Fence(0, 1, 1));
  EXPECT_OK(Run({&job}));
}

TEST_F(SyncSuite, FencesCountAndKeepTheRest) {
  Job give = NewJob(HostDma(0), 0), take = NewJob(HostDma(0), 1);
  give.Raw(Message(FenceAddress(1, 1), 15)).Raw(Message(FenceAddress(3, 1), 2));
  take.Raw(Fence(1, 5, 5)).Raw(Fence(3, 2, 1)).Raw(Fence(1, 10, 10)).Raw(Fence(3, 1, 1));
  EXPECT_OK(Run({&take, &give}));
  EXPECT_OK(IsEmpty(1, 1));
  EXPECT_OK(IsEmpty(3, 1));
}

TEST_F(SyncSuite, FencesOfStreamsAreApart) {
  std::vector<Job> jobs;
  std::vector<Job*> all;
  for (uint32_t stream = 0; stream < 4; ++stream) {
    jobs.push_back(NewJob(HostDma(0), stream));
    // Each waits for the counts that the stream behind it sends: 1, 2, 3, 4.
    jobs.back().Raw(Message(FenceAddress(0, (stream + 1) % 4), stream + 1));
    const uint32_t expected = (stream + 3) % 4 + 1;
    jobs.back().Raw(Fence(0, expected, expected));
  }
  for (Job& job : jobs) all.push_back(&job);
  EXPECT_OK(Run(all));
}

TEST_F(SyncSuite, WaitCountsCyclesAndThenTheFence) {
  // WAIT is for internal queues.
  Job job = NewJob(ComputeDma(0)), wait = NewJob(HostDma(0));
  abi::PacketWait cycles;
  cycles.cfg = abi::PacketWait::NUM_CYCLES_TO_WAIT::Set(cycles.cfg, 5000);
  cycles.cfg = abi::PacketWait::INC_VAL::Set(cycles.cfg, 2);
  cycles.cfg = abi::PacketWait::ID::Set(cycles.cfg, 3);
  job.Raw(cycles).Raw(Fence(3, 2, 2)).AddSob(0);
  wait.Await({Reaches(0, 1)});
  EXPECT_OK(Run({&job, &wait}));
}

TEST_F(SyncSuite, PredicatesSkipPackets) {
  // Bits of a word in memory; bit 0 always holds.
  Bytes bits(4);
  bits[0] = std::byte{0x08};  // predicate 3
  ASSERT_OK_AND_ASSIGN(const DeviceAddress word, DramWith(bits));
  abi::PacketLoadAndExe load;
  load.cfg = abi::PacketLoadAndExe::DST::Set(abi::PacketLoadAndExe::LOAD::Set(0, 1), 1);
  load.src_addr = word.value();
  Job job = NewJob(ComputeDma(0)), wait = NewJob(HostDma(0));
  job.Raw(load);
  for (const uint32_t predicate : {0u, 3u, 4u}) {
    abi::PacketMsgLong packet = Message(SobAddress(predicate), sm::SobAdd(1));
    packet.ctl = abi::Ctl::PRED::Set(packet.ctl, predicate);
    job.Raw(packet);
  }
  job.AddSob(8);
  wait.Await({Reaches(8, 1)});
  ASSERT_OK(Run({&job, &wait}));
  EXPECT_OK(IsExactly(0, 1));
  EXPECT_OK(IsExactly(3, 1));
  EXPECT_OK(IsExactly(4, 0));
}

TEST_F(SyncSuite, MessagesWriteMemory) {
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, DramWith(Pattern(12, 1)));
  ASSERT_OK_AND_ASSIGN(HostMemory* const host, MapHost(Pattern(12, 1)));
  Job job = NewJob(HostDma(0));
  job.Raw(Message(dram.value() + 4, 0x01020304))
      .Raw(Message(host->address.value() + 4, 0x05060708));
  // The completion is a message behind these.
  ASSERT_OK(Run({&job}));
  Bytes expected = Pattern(12, 1);
  const uint32_t words[] = {0x01020304, 0x05060708};
  std::memcpy(&expected[4], &words[1], 4);
  EXPECT_TRUE(host->bytes == expected);
  std::memcpy(&expected[4], &words[0], 4);
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, 12));
  EXPECT_TRUE(got == expected);
}

TEST_F(SyncSuite, ResetLeavesObjectsMonitorsAndFencesAtRest) {
  Job job = NewJob(HostDma(0));
  job.SetSob(0, 77).SetSob(100, 1).Raw(Message(FenceAddress(3, 0), 4));
  Arm(job, 0, SobAddress(8), sm::SobAdd(1), sm::ArmAtLeast(first_sob() + 1, 1));
  ASSERT_OK(Run({&job}));
  ASSERT_OK(driver().Reset());
  EXPECT_OK(IsExactly(0, 0));
  EXPECT_OK(IsExactly(100, 0));
  // The monitor is not armed any more.
  Job raise = NewJob(HostDma(0));
  raise.AddSob(1).AddSob(2).Await({Reaches(2, 1)});
  ASSERT_OK(Run({&raise}));
  EXPECT_OK(IsExactly(8, 0));
  EXPECT_OK(IsEmpty(3, 0));
}

}  // namespace
}  // namespace openhpu::conformance
