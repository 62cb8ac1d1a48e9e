// The configuration space as the kernel driver reads and writes it.
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi/mme.h"
#include "hal/abi/gaudi/tpc.h"
#include "simulator/engine/block_registers.h"
#include "simulator/machine_testing.h"

namespace openhpu::simulator {
namespace {

using ::testing::HasSubstr;
namespace core = abi::dma_core;
namespace qman = abi::qman;
namespace sm = abi::sync_manager;

class RegistersTest : public ::testing::TestWithParam<const char*> {
 protected:
  TestMachine machine_{GetParam()};
};

// Registers that the kernel driver has written before anybody comes.
bool WrittenAtStart(RegisterBlock block, uint32_t offset) {
  switch (block) {
    case RegisterBlock::kQueueManager:
      return offset == qman::GLBL_CFG0::kOffset ||
             (offset >= qman::PQ_SIZE::kOffset && offset < qman::PQ_SIZE::At(4)) ||
             (offset >= qman::CP_MSG_BASE0_ADDR_LO::kOffset &&
              offset < qman::CP_LDMA_TSIZE_OFFSET::kOffset) ||
             (offset >= qman::CP_LDMA_SRC_BASE_LO_OFFSET::kOffset &&
              offset < qman::CP_LDMA_SRC_BASE_LO_OFFSET::At(5)) ||
             (offset >= qman::CP_BARRIER_CFG::kOffset && offset < qman::CP_BARRIER_CFG::At(5));
    case RegisterBlock::kDmaCore:
      return offset == core::CFG_0::kOffset;
    case RegisterBlock::kTpc:
      return offset == abi::tpc::SM_BASE_ADDRESS_HIGH::kOffset;
    default:
      return false;
  }
}

TEST_P(RegistersTest, StandAtTheirResetValuesUntilSomebodyWrites) {
  struct Block {
    uint64_t base;
    RegisterBlock block;
  };
  std::vector<Block> blocks = {
      {abi::DmaQmanBase(0), RegisterBlock::kQueueManager},
      {abi::TpcQmanBase(0), RegisterBlock::kQueueManager},
      {abi::DmaCoreBase(2), RegisterBlock::kDmaCore},
      {abi::MmeCtrlBase(2), RegisterBlock::kMme},
      {abi::MmeCtrlBase(3), RegisterBlock::kMme},
      {abi::TpcCfgBase(0), RegisterBlock::kTpc},
      {abi::SyncManagerGlblBase(1), RegisterBlock::kSyncGlobal},
  };
  if (machine_.chip().nic().ports().value() != 0) {
    blocks.push_back({abi::NicQmanBase(0), RegisterBlock::kQueueManager});
  }
  const auto expect = [&] {
    for (const Block& b : blocks) {
      for (uint32_t offset = 0; offset < kRegisterBlockBytes; offset += 4) {
        const SimulationContext::Door door((*machine_).context());
        const absl::StatusOr<uint32_t> value = (*machine_).ReadRegister(b.base + offset);
        ASSERT_EQ(value.ok(), HasRegister(b.block, offset)) << b.base + offset;
        if (!value.ok() || WrittenAtStart(b.block, offset)) continue;
        ASSERT_EQ(*value, ResetValue(b.block, offset)) << std::hex << b.base + offset;
      }
    }
  };
  expect();
  // What can be written is written, and a reset takes it back.
  for (const Block& b : blocks) {
    for (uint32_t offset = 0; offset < kRegisterBlockBytes; offset += 4) {
      const bool launches = b.block == RegisterBlock::kDmaCore && offset == core::COMMIT::kOffset;
      if (HasRegister(b.block, offset) && !launches) {
        machine_.Write(b.base + offset, 0x5A5A5A5A).IgnoreError();
      }
    }
  }
  EXPECT_EQ(machine_.Read(abi::DmaCoreBase(2) + core::SRC_BASE_LO::kOffset), 0x5A5A5A5Au);
  EXPECT_EQ(machine_.Read(abi::DmaCoreBase(2) + core::STS0::kOffset), 0u);
  machine_.Reset();
  expect();
}

TEST_P(RegistersTest, AreNotFoundWhereTheChipHasNothing) {
  for (uint64_t address :
       {uint64_t{0x7FFC000000}, uint64_t{0}, ~uint64_t{3}, abi::DmaCoreBase(0) + 0xC,
        abi::DmaCoreBase(0) + 2, abi::SyncManagerObjsBase(0) + 0xFFC, abi::kMmuUpBase,
        abi::SyncManagerObjsBase(3) + 0x5C00}) {
    const SimulationContext::Door door((*machine_).context());
    EXPECT_THAT((*machine_).ReadRegister(address), StatusIs(absl::StatusCode::kNotFound));
    EXPECT_THAT((*machine_).WriteRegister(address, 1), StatusIs(absl::StatusCode::kNotFound));
  }
  // Objects, as many as the chip has.
  const auto sobs = static_cast<uint32_t>(machine_.chip().sync().sobs().value());
  const auto monitors = static_cast<uint32_t>(machine_.chip().sync().monitors().value());
  const uint64_t objects = abi::SyncManagerObjsBase(abi::kEastNorth);
  machine_.Read(objects + sm::SOB_OBJ::At(sobs - 1));
  machine_.Read(objects + sm::MON_STATUS::At(monitors - 1));
  machine_.Read(objects + sm::MON_PAY_ADDRL::At(0));
  const SimulationContext::Door door((*machine_).context());
  EXPECT_EQ((*machine_).ReadRegister(objects + sm::SOB_OBJ::At(sobs)).ok(), sobs == sm::kNumSobs);
  EXPECT_EQ((*machine_).ReadRegister(objects + sm::MON_ARM::At(monitors)).ok(),
            monitors == sm::kNumMonitors);
}

TEST_P(RegistersTest, OfTheQueueManagerShowWhatTheKernelDriverSetUp) {
  const uint64_t tpc = abi::TpcQmanBase(0), dma = abi::DmaQmanBase(0);
  EXPECT_EQ(machine_.Read(tpc + qman::GLBL_CFG0::kOffset), 0x3FFFu);
  EXPECT_EQ(machine_.Read(dma + qman::GLBL_CFG0::kOffset), 0x1EFFu);
  EXPECT_EQ(machine_.Read(tpc + qman::CP_LDMA_SRC_BASE_LO_OFFSET::At(2)), 0x81B4u);
  const uint64_t sobs = abi::SyncManagerObjsBase(abi::kEastNorth) + sm::SOB_OBJ::kOffset;
  EXPECT_EQ(machine_.Read(tpc + qman::CpMsgBaseAddrLo(1, 4)), static_cast<uint32_t>(sobs));
  EXPECT_EQ(machine_.Read(tpc + qman::CpMsgBaseAddrHi(1, 4)), static_cast<uint32_t>(sobs >> 32));
  EXPECT_EQ(uint64_t{1} << machine_.Read(tpc + qman::PQ_SIZE::At(3)),
            machine_.chip().qman().pq_entries_compute().value());
}

TEST_P(RegistersTest, ShowABlockedFenceAndTheEndOfTheWait) {
  const uint64_t base = abi::TpcQmanBase(0);
  Packets packets;
  packets.Nop().Fence(5, 3, 1).AddSob(9);
  machine_.Start(abi::TpcQueue(0, 2), packets);
  machine_.Start(abi::TpcQueue(0, 2), Packets().Nop());
  EXPECT_EQ(machine_.Busy()[machine_.Busy().size() - machine_.chip().tpc().count().value()], true);
  machine_.Run();
  EXPECT_EQ(machine_.Read(base + qman::GLBL_STS0::kOffset), 0x3FFFu & ~(0x4u | 0x40u | 0x800u));
  const uint32_t status = machine_.Read(base + qman::CP_STS::At(2));
  EXPECT_EQ(qman::CP_STS::FENCE_IN_PROGRESS::Get(status), 1u);
  EXPECT_EQ(qman::CP_STS::FENCE_ID::Get(status), 1u);
  EXPECT_EQ(qman::CP_STS::ERDY::Get(status), 1u);
  EXPECT_EQ(machine_.Read(base + qman::CP_CURRENT_INST_HI::At(2)) >> 24 & 0x1F,
            static_cast<uint32_t>(abi::Opcode::kFence));
  EXPECT_EQ(machine_.Read(base + qman::PQ_PI::At(2)), 2u);
  EXPECT_EQ(machine_.Read(base + qman::PQ_CI::At(2)), 1u);
  EXPECT_EQ(machine_.Read(base + qman::CQ_TSIZE_STS::At(2)), 24u);
  EXPECT_NE(machine_.Read(base + qman::CQ_PTR_LO_STS::At(2)), 0u);
  EXPECT_EQ(qman::CQ_STS1::CQ_BUSY::Get(machine_.Read(base + qman::CQ_STS1::At(2))), 1u);
  EXPECT_THAT(machine_.Write(base + qman::CpFenceRdata(1, 2), 4), IsOk());
  EXPECT_EQ(machine_.Read(base + qman::CpFenceCnt(1, 2)), 4u);
  machine_.Run();
  EXPECT_EQ(machine_.Sob(9), 0u);
  EXPECT_THAT(machine_.Write(base + qman::CpFenceRdata(1, 2), 3), IsOk());
  machine_.Run();
  EXPECT_EQ(machine_.Sob(9), 1u);
  EXPECT_EQ(machine_.Read(base + qman::CpFenceCnt(1, 2)), 4u);
  EXPECT_EQ(machine_.Read(base + qman::GLBL_STS0::kOffset), 0x3FFFu);
  EXPECT_EQ(machine_.Read(base + qman::PQ_CI::At(2)), 2u);
  for (bool busy : machine_.Busy()) EXPECT_FALSE(busy);
}

TEST_P(RegistersTest, OfSyncObjectsReadAndWriteAsMessagesDo) {
  EXPECT_THAT(machine_.Write(TestMachine::SobAddress(20), sm::SobSet(0x7FFE)), IsOk());
  EXPECT_THAT(machine_.Write(TestMachine::SobAddress(20), sm::SobAdd(5)), IsOk());
  EXPECT_EQ(machine_.Sob(20), 3u);
  // The kernel driver's own, too.
  const uint64_t kernels = abi::SyncManagerObjsBase(abi::kWestSouth) + sm::SOB_OBJ::At(0);
  EXPECT_THAT(machine_.Write(kernels, sm::SobSet(7)), IsOk());
  EXPECT_EQ(machine_.Read(kernels), 7u);
  const uint64_t security = abi::SyncManagerObjsBase(abi::kWestSouth) + 0x5800;
  EXPECT_THAT(machine_.Write(security, 0xF), IsOk());
  EXPECT_EQ(machine_.Read(security), 0xFu);
  EXPECT_EQ(machine_.error(), "");
  machine_.Reset();
  EXPECT_EQ(machine_.Sob(20), 0u);
  EXPECT_EQ(machine_.Read(kernels), 0u);
}

TEST_P(RegistersTest, WritesOfRegistersCopyByDma) {
  const DeviceAddress from = machine_.Upload(std::vector<uint32_t>{1, 2, 3, 4});
  const DeviceAddress to = machine_.Upload(std::vector<uint32_t>(4));
  const uint64_t base = abi::DmaCoreBase(2);
  EXPECT_THAT(
      machine_.Write(base + core::SRC_BASE_LO::kOffset, static_cast<uint32_t>(from.value())),
      IsOk());
  EXPECT_THAT(machine_.Write(base + core::DST_BASE_LO::kOffset, static_cast<uint32_t>(to.value())),
              IsOk());
  EXPECT_THAT(machine_.Write(base + core::DST_TSIZE_0::kOffset, 16), IsOk());
  const uint32_t linear = core::COMMIT::LIN::Set(0, 1);
  EXPECT_THAT(machine_.Write(base + core::COMMIT::kOffset, linear), IsOk());
  const uint32_t busy = machine_.timed() ? 1 : 0;
  EXPECT_EQ(core::STS0::BUSY::Get(machine_.Read(base + core::STS0::kOffset)), busy);
  EXPECT_EQ(machine_.Busy()[2], machine_.timed());
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    status = machine_.Write(base + core::COMMIT::kOffset, linear);
  }
  if (machine_.timed()) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("DMA2")));
    EXPECT_EQ(core::DBG_STS::RD_CTX_FULL::Get(machine_.Read(base + core::DBG_STS::kOffset)), 1u);
  }
  machine_.Run();
  EXPECT_EQ(machine_.Read(base + core::STS0::kOffset), 0u);
  EXPECT_EQ(machine_.Word(to + 12), 4u);
}

TEST_P(RegistersTest, AStoppedProcessorAndAHaltedEngineWaitUntilTheyAreLetGo) {
  const uint64_t queues = abi::DmaQmanBase(2), engine = abi::DmaCoreBase(2);
  const DeviceAddress from = machine_.Upload(std::vector<uint32_t>{7});
  const DeviceAddress to = machine_.Upload(std::vector<uint32_t>{0});
  EXPECT_THAT(
      machine_.Write(queues + qman::GLBL_CFG1::kOffset, qman::GLBL_CFG1::CP_STOP::Set(0, 2)),
      IsOk());
  EXPECT_EQ(qman::GLBL_STS0::CP_IS_STOP::Get(machine_.Read(queues + qman::GLBL_STS0::kOffset)), 2u);
  EXPECT_THAT(machine_.Write(engine + core::CFG_1::kOffset, core::CFG_1::HALT::Set(0, 1)), IsOk());
  machine_.Start(abi::DmaQueue(2, 0), Packets().AddSob(16));
  machine_.Start(abi::DmaQueue(2, 1), Packets().AddSob(17).Copy(from, to, 4));
  machine_.Run();
  EXPECT_EQ(machine_.Sob(16), 1u);
  EXPECT_EQ(machine_.Sob(17), 0u);
  EXPECT_THAT(machine_.Stuck(), HasSubstr("DMA2 stream 1"));
  EXPECT_THAT(machine_.Write(queues + qman::GLBL_CFG1::kOffset, 0), IsOk());
  machine_.Run();
  EXPECT_EQ(machine_.Sob(17), 1u);
  EXPECT_EQ(machine_.Word(to), 0u);
  EXPECT_THAT(machine_.Write(engine + core::CFG_1::kOffset, 0), IsOk());
  machine_.Run();
  EXPECT_EQ(machine_.Word(to), 7u);
}

TEST_P(RegistersTest, ShowTheErrorsOfProcessors) {
  const uint64_t base = abi::TpcQmanBase(0);
  const auto errors = [&] { return machine_.Read(base + qman::GLBL_STS1::At(1)); };
  machine_.Start(abi::TpcQueue(0, 1), Packets().Add(abi::PacketStop()));
  machine_.Run();
  EXPECT_THAT(machine_.error(), HasSubstr("STOP"));
  EXPECT_EQ(errors(), qman::StreamErrors::CP_STOP_OP::kMask);
  EXPECT_THAT(machine_.Write(base + qman::GLBL_STS1::At(1), errors()), IsOk());
  EXPECT_EQ(errors(), 0u);
  machine_.Reset();
  machine_.Start(abi::TpcQueue(0, 1), Packets().Register(qman::kWregBase, 0));
  machine_.Run();
  EXPECT_EQ(errors(), qman::StreamErrors::CP_WREG_ERR::kMask);
  machine_.Reset();
  // 14 bits of a counter, 4 at a time.
  Packets many;
  for (int i = 0; i < 1093; ++i) {
    many.Register(qman::kWregBase + qman::CpFenceRdata(2, 1), 15);
  }
  machine_.Start(abi::TpcQueue(0, 1), many);
  machine_.Run();
  EXPECT_THAT(machine_.error(), HasSubstr("fence 2"));
  EXPECT_EQ(errors(), qman::StreamErrors::CP_FENCE2_OVF_ERR::kMask);
  machine_.Reset();
  machine_.Start(abi::TpcQueue(0, 1),
                 Packets().Register(qman::kWregBase + qman::CpFenceRdata(3, 1), 2).Fence(1, 3, 3));
  machine_.Run();
  EXPECT_THAT(machine_.error(), HasSubstr("underflows: 2 - 3"));
  EXPECT_EQ(errors(), qman::StreamErrors::CP_FENCE3_UDF_ERR::kMask);
}

TEST_P(RegistersTest, QueuesAreNotFilledByTheirRegisters) {
  EXPECT_THAT(machine_.Write(abi::DmaQmanBase(0) + qman::PQ_PI::At(0), 1),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("PQ_PI of DMA0")));
}

TEST_P(RegistersTest, TheTimestampCountsNanoseconds) {
  if (!machine_.timed()) return;
  machine_.RunFor(12345);
  EXPECT_EQ(machine_.Read(abi::kPsocTimestampBase + 8), 12345u);
  EXPECT_EQ(machine_.Read(abi::kPsocTimestampBase + 12), 0u);
}

INSTANTIATE_TEST_SUITE_P(Modes, RegistersTest,
                         ::testing::Values("sim:tiny", "sim:tiny,mode=functional", "sim:gaudi"));

}  // namespace
}  // namespace openhpu::simulator
