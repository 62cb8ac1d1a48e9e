// What a program unmaps under the feet of a Gaudi2: the next access is a page fault there, as the
// card's MMU has it.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/chip.h"
#include "hal/command_writer.h"
#include "hal/kernel/expression.h"
#include "hal/kernel/kernels.h"
#include "hal/kernel_image.h"
#include "simulator/device_node/gaudi2_node_testing.h"

namespace openhpu::simulator {
namespace {

using hal::CommandWriter;
using hal::EngineKind;

constexpr uint64_t kPageFault = uint64_t{1} << 8;
constexpr uint32_t kElements = 64;

class Gaudi2UnmapTest : public Gaudi2NodeTest {
 protected:
  // The commands of a body that `write` writes, with these addresses for its symbols.
  template <typename Write>
  static std::vector<std::byte> Body(EngineKind engine, const std::vector<uint64_t>& addresses,
                                     const Write& write) {
    const hal::Chip chip = *hal::LoadChip("gaudi2");
    const auto writer = *CommandWriter::Create(chip, {engine, 0}, CommandWriter::Role::kBody);
    const absl::Status written = write(*writer);
    EXPECT_TRUE(written.ok()) << written;
    hal::CommandBlob blob = writer->Take();
    hal::RelocationValues values;
    values.symbols = addresses;
    values.first_sob = 600;  // a user's
    EXPECT_TRUE(hal::Relocate(blob.relocations, values, absl::MakeSpan(blob.bytes)).ok());
    return blob.bytes;
  }
  static Place PutBytes(MappedArena& arena, const std::vector<std::byte>& bytes) {
    const Place place = arena.Take(static_cast<uint32_t>(bytes.size()));
    std::memcpy(arena.At(place.address), bytes.data(), bytes.size());
    return place;
  }
  // The submission meets a page fault; where.
  static uint64_t FaultOf(NodeFile& file, uint64_t sequence) {
    hl_wait_cs_out out{};
    EXPECT_EQ(file.Wait(sequence, 60 * kSecond, &out), -ETIMEDOUT);
    uint64_t events = 0;
    EXPECT_EQ(file.Info(HL_INFO_GET_EVENTS, &events), 0);
    EXPECT_NE(events & kPageFault, 0u) << events;
    hl_info_razwi_event event{};
    EXPECT_EQ(file.Info(HL_INFO_RAZWI_EVENT, &event), 0);
    EXPECT_EQ(event.error_type, HL_RAZWI_PAGE_FAULT);
    return event.addr;
  }
  // Runs the body twice in these memories, without fault; the third time one of them is unmapped.
  void ExpectAFaultWhereItIsUnmapped(EngineKind engine, const std::vector<std::byte>& contents,
                                     size_t memories,
                                     absl::Status (*write)(CommandWriter& writer)) {
    for (size_t unmapped = 0; unmapped < memories; ++unmapped) {
      SCOPED_TRACE(unmapped);
      NodeFile file(node_.get(), folder_);
      ASSERT_EQ(file.error(), 0);
      MappedArena arena(&file);
      std::vector<uint64_t> addresses;
      for (size_t i = 0; i < memories; ++i) addresses.push_back(MakeDram(file, 1));
      const Place initial = PutBytes(arena, contents);
      for (const uint64_t address : addresses) {
        Run(file, {UserChunk(kPdma, arena.Put(Copy2(initial.address, address, initial.bytes)))});
      }
      const uint32_t queue = *hal::QueueOf(*hal::LoadChip("gaudi2"), {engine, 0}, 0);
      const hl_cs_chunk chunk = UserChunk(queue, PutBytes(arena, Body(engine, addresses, write)));
      Run(file, {chunk});
      Run(file, {chunk});
      ASSERT_EQ(file.Unmap(addresses[unmapped]), 0);
      uint64_t sequence = 0;
      ASSERT_EQ(file.Submit({chunk}, &sequence), 0);
      EXPECT_EQ(FaultOf(file, sequence), addresses[unmapped]);
    }
  }
};

// A kernel that adds two tensors.
hal::KernelLaunch Sum() {
  hal::KernelTensor tensor;
  tensor.sizes[0] = kElements;
  hal::ExpressionProgram program;
  program.inputs = {DType::kFloat32, DType::kFloat32};
  program.instructions.emplace_back();
  program.instructions[0].op = hal::ExprOp::kAdd;
  program.instructions[0].dtype = DType::kFloat32;
  program.instructions[0].b = 1;
  program.outputs = {2};
  return *hal::MakeFused(program, {tensor, tensor}, {tensor});
}

TEST_F(Gaudi2UnmapTest, ATensorThatIsUnmappedBetweenEqualLaunchesIsAPageFaultAtItsAddress) {
  // The image is at the start of every memory, and tensors are behind it: so one of a kernel's
  // memories may be unmapped, too.
  const auto write = [](CommandWriter& writer) {
    const hal::KernelLaunch launch = Sum();
    hal::TpcBox box;
    box.kernel = {3, hal::kKernelImagePage};
    box.tensors = launch.tensors;
    box.addresses = {{0, 0}, {1, 0}, {2, 0}};
    box.scalars = launch.scalars;
    box.box = hal::SplitIndexSpace(launch, 1)[0];
    return writer.Tpc(box, std::nullopt);
  };
  ExpectAFaultWhereItIsUnmapped(EngineKind::kTpc, *hal::MakeKernelImage(Sum().image, ""), 4, write);
}

TEST_F(Gaudi2UnmapTest, AMatrixThatIsUnmappedBetweenEqualProductsIsAPageFaultAtItsAddress) {
  const auto write = [](CommandWriter& writer) {
    hal::MmeGemm gemm;
    gemm.a = {0, 0};
    gemm.b = {1, 0};
    gemm.c = {2, 0};
    gemm.m = gemm.n = gemm.k = 32;
    gemm.lda = gemm.ldb = gemm.ldc = 32;
    return writer.Mme(gemm, hal::Sob{0});
  };
  ExpectAFaultWhereItIsUnmapped(EngineKind::kMme, std::vector<std::byte>(4096), 3, write);
}

TEST_F(Gaudi2UnmapTest, MemoryThatIsUnmappedBetweenEqualCopiesIsAPageFaultAtItsAddress) {
  const auto write = [](CommandWriter& writer) {
    hal::DmaCopy copy;
    copy.source = {0, 0};
    copy.destination = {1, 0};
    copy.run = 256;
    copy.sizes = {4, 1, 1, 1};
    copy.source_strides = {512, 0, 0, 0};
    copy.destination_strides = {256, 0, 0, 0};
    return writer.Dma(copy, std::nullopt);
  };
  ExpectAFaultWhereItIsUnmapped(EngineKind::kDma, std::vector<std::byte>(4096), 2, write);
}

// Commands of a TPC's queue that wait at a fence; whoever serves it.
constexpr uint64_t kFence = abi2::TpcQmanBase(0, 0) + abi2::qman::CpFenceRdata(0, 0);

class Gaudi2CommandsTest : public Gaudi2UnmapTest {
 protected:
  // More than is fetched ahead.
  static std::vector<std::byte> FenceAndNops() {
    const std::vector<abi2::PacketNop> nops(8192);
    std::vector<std::byte> bytes(nops.size() * sizeof nops[0]);
    std::memcpy(bytes.data(), nops.data(), bytes.size());
    const abi2::PacketFence fence = Fence2();
    std::memcpy(bytes.data(), &fence, sizeof fence);
    return bytes;
  }
  // Submits them, and lets them come to the fence.
  static uint64_t Start(NodeFile& file, const Place& commands) {
    uint64_t sequence = 0;
    EXPECT_EQ(file.Submit({UserChunk(kTpc, commands)}, &sequence), 0);
    hl_wait_cs_out out{};
    EXPECT_EQ(file.Wait(sequence, 1000, &out), 0);
    EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_BUSY));
    return sequence;
  }
};

TEST_F(Gaudi2CommandsTest, CommandsThatAreUnmappedAreAPageFaultOfTheNextFetch) {
  for (const bool dram : {false, true}) {
    SCOPED_TRACE(dram);
    NodeFile file(node_.get(), folder_);
    MappedArena arena(&file), commands(&file);
    Place place = PutBytes(commands, FenceAndNops());
    uint64_t mapped = commands.address();
    if (dram) {
      mapped = MakeDram(file, 1);
      Run(file, {UserChunk(kPdma, arena.Put(Copy2(place.address, mapped, place.bytes)))});
      place.address = mapped;
    }
    const uint64_t sequence = Start(file, place);
    ASSERT_EQ(file.Unmap(mapped), 0);
    ASSERT_EQ(node_->WriteWord(kFence, 4, 1), 0);
    const uint64_t fault = FaultOf(file, sequence);
    EXPECT_GT(fault, place.address);
    EXPECT_LT(fault, place.address + 8192) << "what was fetched ahead";
  }
}

TEST_F(Gaudi2CommandsTest, CommandsThatAnUpperBodyReturnsToAreAPageFaultWhenTheyAreUnmapped) {
  NodeFile file(node_.get(), folder_);
  MappedArena arena(&file), commands(&file);
  const Place body = arena.Put(Fence2());
  abi2::PacketCpDma call;
  call.tsize = body.bytes;
  call.src_addr = body.address;
  call.ctl = abi2::PacketCpDma::UPPER_CP::Set(call.ctl, 1);
  const Place place = commands.Put(call, abi2::PacketNop());
  const uint64_t sequence = Start(file, place);
  ASSERT_EQ(file.Unmap(commands.address()), 0);
  ASSERT_EQ(node_->WriteWord(kFence, 4, 1), 0);
  EXPECT_EQ(FaultOf(file, sequence), place.address + sizeof call);
}

TEST_F(Gaudi2CommandsTest, CommandsThatAreMappedAgainAtTheirPlaceGoOn) {
  NodeFile file(node_.get(), folder_);
  std::vector<std::byte> first = FenceAndNops(), second(first.size() + 8192);
  const auto bytes = static_cast<uint32_t>(first.size());
  uint64_t address = 0, again = 0;
  ASSERT_EQ(file.MapHost(first.data(), bytes, &address), 0);
  const uint64_t sequence = Start(file, {address, bytes});
  ASSERT_EQ(file.Unmap(address), 0);
  // At a hint the kernel maps memory with the low bits of its own address.
  std::byte* const memory =
      second.data() + (4096 + address - reinterpret_cast<uint64_t>(second.data()) % 4096) % 4096;
  std::memcpy(memory, first.data(), bytes);
  std::memset(first.data(), 0xFF, bytes);
  ASSERT_EQ(file.MapHost(memory, bytes, &again, address, HL_MEM_FORCE_HINT), 0);
  ASSERT_EQ(again, address);
  ASSERT_EQ(node_->WriteWord(kFence, 4, 1), 0);
  hl_wait_cs_out out{};
  ASSERT_EQ(file.Wait(sequence, kSecond, &out), 0) << log_;
  EXPECT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_COMPLETED));
}

}  // namespace
}  // namespace openhpu::simulator
