#include "testing/fuzz/gaudi2_queue_seeds.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/dma_core.h"
#include "hal/abi/gaudi2/mme.h"
#include "hal/abi/gaudi2/packets.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "hal/commands.h"
#include "hal/gaudi2/mme_lowering.h"
#include "simulator/queue_fuzz.h"

namespace openhpu::testing {
namespace {

namespace abi = hal::abi::gaudi2;
namespace dma = abi::dma_core;
namespace sm = abi::sync_manager;
using simulator::FuzzPlace;
using simulator::kFuzzDramBytes;
using simulator::kFuzzHostBytes;
using simulator::kFuzzHostEndBytes;

constexpr simulator::FuzzMemory kMemory = simulator::kGaudi2FuzzMemory;
constexpr uint64_t kDram = kMemory.dram + 0x80000, kSram = kMemory.sram + 0x9000;

// Places in kGaudi2FuzzQueues.
constexpr uint8_t kPdma0 = 0, kPdma1 = 2, kEdma0 = 3, kEdma0Second = 4, kEdma1 = 5, kMme = 6,
                  kTpc = 8, kTpcSecond = 9;
// Of DCORE 1, which is the user's whole.
constexpr uint32_t kSob = 16, kMonitor = 8, kQueue = 3;
template <typename Register>
uint64_t At(uint32_t index) {
  return abi::SyncManagerObjsBase(1) + Register::At(index);
}

class Commands {
 public:
  const std::string& bytes() const { return bytes_; }

  template <typename T>
  Commands& Add(const T& value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Commands& Copy(uint64_t from, uint64_t to, uint32_t bytes) {
    abi::PacketLinDma packet;
    packet.tsize = bytes;
    packet.src_addr = from;
    packet.dst_addr = to;
    return Add(packet);
  }
  Commands& Send(uint64_t address, uint32_t value, uint32_t ctl_bits = 0) {
    abi::PacketMsgLong packet;
    packet.ctl |= ctl_bits;
    packet.addr = address;
    packet.value = value;
    return Add(packet);
  }
  // Of manager 1.
  template <typename Register>
  Commands& Set(uint32_t index, uint32_t value) {
    return Send(At<Register>(index), value, abi::Ctl::MSG_BARRIER::Set(0, 1));
  }
  Commands& Point(uint32_t monitor, uint64_t address, uint32_t data, uint32_t config) {
    Set<sm::MON_PAY_ADDRL>(monitor, static_cast<uint32_t>(address));
    Set<sm::MON_PAY_ADDRH>(monitor, static_cast<uint32_t>(address >> 32));
    Set<sm::MON_PAY_DATA>(monitor, data);
    return Set<sm::MON_CONFIG>(monitor, config);
  }
  Commands& Await(uint32_t monitor, uint64_t fence, uint32_t sob) {
    const sm::MonitorWords words = sm::WatchAtLeast(sob, 1);
    Point(monitor, fence, 1, words.config);
    return Set<sm::MON_ARM>(monitor, words.arm).Fence();
  }
  Commands& Fence(uint32_t target = 1) {
    abi::PacketFence packet;
    packet.cfg = abi::PacketFence::TARGET_VAL::Set(packet.cfg, target);
    packet.cfg = abi::PacketFence::DEC_VAL::Set(packet.cfg, target);
    return Add(packet);
  }
  // Registers of the engine.
  Commands& Register(uint32_t offset, uint32_t value) {
    abi::PacketWreg32 packet;
    packet.value = value;
    packet.ctl =
        abi::PacketWreg32::REG_OFFSET::Set(packet.ctl, abi::qman::kEngineWregBase + offset);
    return Add(packet);
  }
  // `bytes` of words, even in number.
  Commands& Bulk(uint32_t offset, const void* words, uint32_t bytes) {
    abi::PacketWregBulk packet;
    packet.size = bytes / 8;
    packet.ctl =
        abi::PacketWregBulk::REG_OFFSET::Set(packet.ctl, abi::qman::kEngineWregBase + offset);
    Add(packet);
    bytes_.append(static_cast<const char*>(words), bytes);
    return *this;
  }

 private:
  std::string bytes_;
};

class Seeds {
 public:
  Seeds& Add(uint8_t queue, const Commands& commands, FuzzPlace place = FuzzPlace::kDirect) {
    chunks_ += static_cast<char>(queue);
    chunks_ += static_cast<char>(place);
    const auto bytes = static_cast<uint16_t>(commands.bytes().size());
    chunks_.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
    chunks_ += commands.bytes();
    return *this;
  }
  // What was added since the last one.
  void End(const std::string& name) {
    constexpr const char* kModes[] = {"functional", "timed", "hazards"};
    for (char mode = 0; mode < 3; ++mode) {
      seeds_.push_back({absl::StrCat(name, "_", kModes[static_cast<int>(mode)]),
                        std::string(1, mode) + chunks_});
    }
    chunks_.clear();
  }
  std::vector<QueueSeed> Take() { return std::move(seeds_); }

 private:
  std::string chunks_;
  std::vector<QueueSeed> seeds_;
};

Commands StridedDma(uint64_t from, uint64_t to, uint32_t commit) {
  dma::Context context;
  context.src_tsize_0 = context.dst_tsize_0 = 24;
  const uint32_t sizes[] = {3, 5, 1, 1};
  for (int i = 0; i < 4; ++i) {
    context.src[i] = context.dst[i] = {sizes[i], 64u * (i + 1)};
  }
  context.src_base_lo = static_cast<uint32_t>(from);
  context.src_base_hi = static_cast<uint32_t>(from >> 32);
  context.dst_base_lo = static_cast<uint32_t>(to);
  context.dst_base_hi = static_cast<uint32_t>(to >> 32);
  context.wr_comp_addr_lo = static_cast<uint32_t>(At<sm::SOB_OBJ>(kSob));
  context.wr_comp_addr_hi = static_cast<uint32_t>(At<sm::SOB_OBJ>(kSob) >> 32);
  context.wr_comp_wdata = sm::SobAdd(1);
  context.commit = commit;
  constexpr size_t kFirst = offsetof(dma::Context, idx_inc);
  return Commands().Bulk(dma::IDX_INC::kOffset, reinterpret_cast<const char*>(&context) + kFirst,
                         sizeof context - kFirst);
}

void DmaSeeds(Seeds& seeds) {
  seeds
      .Add(kPdma0, Commands().Copy(kMemory.host, kDram, 256).Copy(kDram, kMemory.host + 0x400, 256))
      .Add(kPdma1, Commands().Copy(kSram, kMemory.host_end, kFuzzHostEndBytes))
      .End("copies");
  for (const FuzzPlace place :
       {FuzzPlace::kBodyInDram, FuzzPlace::kBodyInSram, FuzzPlace::kBodyInHostMemory}) {
    const uint32_t commit = dma::COMMIT::WR_COMP_EN::Set(0, 1);
    seeds.Add(kEdma1, StridedDma(kDram, kSram, commit), place)
        .End(absl::StrCat("strided", static_cast<int>(place)));
  }
  abi::PacketLinDma fill;
  fill.tsize = 512;
  fill.ctl = abi::PacketLinDma::MEMSET::Set(fill.ctl, 1);
  fill.src_addr = 0x0123456789ABCDEF;
  fill.dst_addr = kDram;
  seeds.Add(kEdma0, Commands().Add(fill)).End("memset");
  // What is not the user's: DRAM, SRAM, beside mappings, registers, the kernel's sync manager.
  const uint64_t forbidden[] = {0x1001000000000000,
                                kMemory.dram - 64,
                                kMemory.dram + kFuzzDramBytes - 64,
                                kMemory.sram - 64,
                                kMemory.host - 64,
                                kMemory.host + kFuzzHostBytes - 64,
                                kMemory.host_end + kFuzzHostEndBytes - 64,
                                abi::PdmaQmanBase(0),
                                abi::SyncManagerObjsBase(0)};
  for (const uint64_t address : forbidden) {
    seeds.Add(kEdma0, Commands().Copy(kDram, address, 128))
        .Add(kPdma0, Commands().Send(address, 1).Fence())
        .End(absl::StrCat("forbidden_", absl::Hex(address)));
  }
}

void SyncSeeds(Seeds& seeds) {
  const uint64_t fence = abi::PdmaQmanBase(0) + abi::qman::CpFenceRdata(0, 0);
  const uint32_t barrier = abi::Ctl::ENG_BARRIER::Set(0, 1);
  seeds
      .Add(kEdma0,
           Commands().Copy(kDram, kSram, 512).Send(At<sm::SOB_OBJ>(kSob), sm::SobAdd(1), barrier))
      .Add(kPdma0, Commands().Await(kMonitor, fence, kSob).Copy(kSram, kMemory.host, 128))
      .End("signal");
  seeds.Add(kPdma0, Commands().Fence()).Add(kTpc, Commands().Fence(3)).End("deadlock");

  // A long value that four monitors wait for, which open the fence twice.
  const uint32_t is_long = sm::MON_CONFIG::LONG_SOB::Set(0, 1);
  const sm::MonitorWords words = sm::WatchAtLeast(kSob, 1);
  Commands longs;
  longs.Point(kMonitor, fence, 1, words.config | is_long | sm::MON_CONFIG::WR_NUM::Set(0, 1));
  longs.Point(kMonitor + 1, fence, 1, is_long);
  longs.Set<sm::MON_ARM>(kMonitor + 1, sm::MON_ARM::SOD::Set(0, 1));
  longs.Set<sm::MON_ARM>(kMonitor, words.arm);
  longs.Set<sm::SOB_OBJ>(kSob, sm::SobSet(0x7FFF));
  longs.Set<sm::SOB_OBJ>(kSob, sm::SOB_OBJ::LONG_SOB::Set(sm::SobAdd(2), 1));
  seeds.Add(kPdma0, longs.Fence(2)).End("long");

  // A ring in each kind of memory, and one that counts.
  for (const uint64_t ring : {kDram, kSram, kMemory.host}) {
    Commands queue;
    queue.Set<sm::CQ_BASE_ADDR_L>(kQueue, static_cast<uint32_t>(ring));
    queue.Set<sm::CQ_BASE_ADDR_H>(kQueue, static_cast<uint32_t>(ring >> 32));
    queue.Set<sm::CQ_SIZE_LOG2>(kQueue, 3).Set<sm::CQ_INC_MODE>(kQueue, ring == kSram ? 1 : 0);
    queue.Set<sm::LBW_ADDR_L>(kQueue, static_cast<uint32_t>(fence));
    queue.Set<sm::LBW_ADDR_H>(kQueue, static_cast<uint32_t>(fence >> 32));
    queue.Set<sm::LBW_DATA>(kQueue, 1);
    queue.Point(kMonitor, kQueue, 77, sm::ToCompletionQueue(0, true));
    const uint32_t nothing = sm::Watch(0, 0, false, 0).arm;
    for (int i = 0; i < 3; ++i) queue.Set<sm::MON_ARM>(kMonitor, nothing);
    seeds.Add(kPdma0, queue.Fence(3)).End(absl::StrCat("queue_", absl::Hex(ring)));
  }

  // Two monitors arm each other.
  Commands circle;
  const sm::MonitorWords two = sm::Watch(sm::GroupOf(kSob), 1, false, 2);
  for (uint32_t i = 0; i < 2; ++i) {
    circle.Point(kMonitor + i, At<sm::MON_ARM>(kMonitor + 1 - i), two.arm, two.config);
    circle.Set<sm::MON_ARM>(kMonitor + i, two.arm);
  }
  seeds.Add(kEdma0, circle.Set<sm::SOB_OBJ>(kSob, 2)).End("circle");
}

void EngineSeeds(Seeds& seeds) {
  hal::MmeGemm gemm;
  gemm.in = gemm.out = DType::kBFloat16;
  gemm.m = gemm.n = gemm.k = gemm.lda = gemm.ldb = gemm.ldc = 16;
  abi::MmeDescriptor descriptor = hal::gaudi2::LowerGemm(gemm)->front().descriptor;
  const auto point = [](uint64_t address, uint32_t& low, uint32_t& high) {
    low = static_cast<uint32_t>(address);
    high = static_cast<uint32_t>(address >> 32);
  };
  point(kDram, descriptor.a_low, descriptor.a_high);
  point(kDram + 0x1000, descriptor.b_low, descriptor.b_high);
  point(kDram + 0x2000, descriptor.cout0_low, descriptor.cout0_high);
  Commands mme;
  mme.Bulk(abi::mme::kArch, &descriptor, sizeof descriptor);
  mme.Register(abi::mme::CMD::kOffset, abi::mme::kGo);
  seeds.Add(kMme, mme, FuzzPlace::kBodyInDram).End("mme");

  // The rest of the packets.
  abi::PacketWait wait;
  wait.cfg = abi::PacketWait::NUM_CYCLES_TO_WAIT::Set(wait.cfg, 100);
  wait.cfg = abi::PacketWait::INC_VAL::Set(wait.cfg, 1);
  abi::PacketLoadAndExe load;
  load.cfg = abi::PacketLoadAndExe::LOAD::Set(abi::PacketLoadAndExe::DST::Set(load.cfg, 1), 1);
  load.src_addr = kDram;
  abi::PacketArbPoint arbitrate;
  arbitrate.cfg = abi::PacketArbPoint::RLS::Set(arbitrate.cfg, 1);
  const uint32_t time =
      abi::PacketMsgLong::OP::Set(0, static_cast<uint32_t>(abi::MessageOp::kTimestamp));
  Commands rest;
  rest.Add(abi::PacketRepeat()).Add(wait).Fence().Add(load).Add(arbitrate).Add(abi::PacketNop());
  rest.Send(kDram + 64, 7, time).Send(kMemory.host + 64, 7);
  seeds.Add(kEdma0, rest).Add(kEdma0Second, rest).Add(kTpc, rest).Add(kTpcSecond, rest).End("rest");
  // A packet that is written to memory, and executed there; and predicates in a word, and in 32.
  Commands scalars;
  abi::PacketMsgLong message;
  message.value = 7;
  message.addr = kDram + 64;
  uint32_t packet[4];
  static_assert(sizeof packet == sizeof message);
  std::memcpy(packet, &message, sizeof packet);
  for (uint32_t i = 0; i < 4; ++i) scalars.Send(kDram + 4 * i, packet[i]);
  load.ctl = abi::Ctl::MSG_BARRIER::Set(load.ctl, 1);
  abi::PacketLoadAndExe execute = load;
  execute.cfg = abi::PacketLoadAndExe::EXE::Set(execute.cfg, 1);
  load.cfg = abi::PacketLoadAndExe::DST::Set(load.cfg, 0);
  abi::PacketLoadAndExe packed = load;
  packed.cfg = abi::PacketLoadAndExe::PMAP::Set(packed.cfg, 1);
  scalars.Add(execute).Add(load).Add(packed);
  seeds.Add(kEdma0, scalars).End("scalars");
  for (const abi::Opcode opcode :
       {abi::Opcode::kCbList, abi::Opcode::kWriteArcStream, abi::Opcode::kWreg64Short,
        abi::Opcode::kWreg64Long, abi::Opcode::kStop, abi::Opcode::kMsgProt}) {
    const uint32_t words[] = {0, abi::Header(opcode), 0, 0, 0, 0};
    seeds.Add(kTpc, Commands().Add(words))
        .End(absl::StrCat("wrong_", static_cast<uint32_t>(opcode)));
  }
}

}  // namespace

std::vector<QueueSeed> Gaudi2QueueSeeds() {
  Seeds seeds;
  DmaSeeds(seeds);
  SyncSeeds(seeds);
  EngineSeeds(seeds);
  return seeds.Take();
}

}  // namespace openhpu::testing
