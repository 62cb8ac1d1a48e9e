// Writes the seeds of the fuzz targets: make_seeds FOLDER makes FOLDER/<target>/<seed>. Seeds that
// are text, and inputs that found something, are not from here.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "graph/recipe_fuzz.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi/mme.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "hal/abi/gaudi/tpc.h"
#include "hal/abi/gaudi2/mme.h"
#include "hal/commands.h"
#include "hal/gaudi2/mme_lowering.h"
#include "hal/kernel/kernels.h"
#include "simulator/card_testing.h"
#include "simulator/functional/gemm_testing.h"
#include "simulator/functional/mme_fuzz.h"
#include "simulator/functional/mme_testing.h"
#include "simulator/queue_fuzz.h"
#include "testing/fuzz/gaudi2_queue_seeds.h"
#include "testing/fuzz/node_seeds.h"

namespace openhpu::simulator {
namespace {

using hal::KernelTensor;

std::filesystem::path top;

void Write(const std::string& target, const std::string& name, const std::string& bytes) {
  std::filesystem::create_directories(top / target);
  std::ofstream(top / target / name, std::ios::binary) << bytes;
}

template <typename T>
void Append(std::string& to, const T& value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// --- Queues ---

// Places in kFuzzQueues.
constexpr uint8_t kDma0 = 0, kDma1 = 2, kDma2 = 3, kDma2Second = 4, kDma3 = 5, kMme = 6, kTpc = 8;
constexpr uint32_t kSob = 16, kMonitor = 8;

class Chunks {
 public:
  Chunks& Add(uint8_t queue, const Packets& packets, FuzzPlace place = FuzzPlace::kDirect) {
    Append(bytes_, queue);
    Append(bytes_, place);
    Append(bytes_, static_cast<uint16_t>(packets.bytes().size()));
    bytes_.append(reinterpret_cast<const char*>(packets.bytes().data()), packets.bytes().size());
    return *this;
  }
  // In each mode.
  void WriteAs(const std::string& name) const {
    constexpr const char* kModes[] = {"functional", "timed", "hazards"};
    for (char mode = 0; mode < 3; ++mode) {
      Write("queues_fuzz", name + "_" + kModes[static_cast<int>(mode)],
            std::string(1, mode) + bytes_);
    }
  }

 private:
  std::string bytes_;
};

DeviceAddress Dram(uint64_t offset) { return DeviceAddress(kFuzzDram + 0x80000 + offset); }
DeviceAddress Sram(uint64_t offset) { return DeviceAddress(kFuzzSram + 0x9000 + offset); }
DeviceAddress Host(uint64_t offset) { return DeviceAddress(kFuzzHost + offset); }

template <typename T>
Packets& Bulk(Packets& packets, uint32_t offset, const T& registers) {
  static_assert(sizeof registers % 8 == 0);
  abi::PacketWregBulk packet;
  packet.size = sizeof registers / 8;
  packet.ctl = abi::PacketWregBulk::REG_OFFSET::Set(packet.ctl, offset);
  return packets.Add(packet).Add(registers);
}

Packets StridedDma(uint64_t from, uint64_t to, std::array<uint32_t, 3> sizes, uint32_t stride,
                   uint32_t commit) {
  namespace core = abi::dma_core;
  Packets packets;
  const auto set = [&](uint32_t offset, uint64_t value) {
    packets.Register(offset, static_cast<uint32_t>(value));
  };
  set(core::SRC_BASE_LO::kOffset, from);
  set(core::SRC_BASE_HI::kOffset, from >> 32);
  set(core::DST_BASE_LO::kOffset, to);
  set(core::DST_BASE_HI::kOffset, to >> 32);
  for (int d = 0; d < core::kNumDims; ++d) {
    const uint32_t size = d < 3 ? sizes[d] : 1;
    set(core::SrcTsize(d), size);
    set(core::DstTsize(d), size);
    if (d == 0) continue;
    set(core::SrcStride(d), stride * d);
    set(core::DstStride(d), stride * d);
  }
  const uint64_t sob =
      abi::SyncManagerObjsBase(abi::kEastNorth) + abi::sync_manager::SOB_OBJ::At(kSob);
  set(core::WR_COMP_ADDR_LO::kOffset, sob);
  set(core::WR_COMP_ADDR_HI::kOffset, sob >> 32);
  set(core::WR_COMP_WDATA::kOffset, abi::sync_manager::SobAdd(1));
  set(core::COMMIT::kOffset, commit);
  return packets;
}

void QueueSeeds() {
  Chunks()
      .Add(kDma0, Packets().Copy(Host(0), Dram(0), 256).Copy(Dram(0), Host(0x400), 256))
      .Add(kDma1, Packets().Copy(Sram(0), DeviceAddress(kFuzzHostEnd), kFuzzHostEndBytes))
      .WriteAs("copies");
  Chunks()
      .Add(kDma2,
           Packets().Copy(Dram(0), Sram(0), 512).AddSob(kSob, 1, abi::Ctl::ENG_BARRIER::kMask))
      .Add(kDma0, Packets()
                      .Await(kSob, 1, kMonitor, abi::DmaQmanBase(0), 0)
                      .Copy(Sram(0), Host(0), 128)
                      .Sob(kSob, 0))
      .WriteAs("signal");
  Chunks().Add(kDma0, Packets().Fence()).Add(kTpc, Packets().Fence(3, 1, 2)).WriteAs("deadlock");
  // What is not the user's: DRAM, SRAM, beside mappings, registers.
  const uint64_t forbidden[] = {kFuzzDram - 64,
                                kFuzzSram - 64,
                                kFuzzHost + kFuzzHostBytes - 64,
                                kFuzzHost - 64,
                                kFuzzHostEnd + kFuzzHostEndBytes - 64,
                                kFuzzDram + kFuzzDramBytes - 64,
                                abi::DmaQmanBase(0)};
  for (const uint64_t address : forbidden) {
    char name[64];
    std::snprintf(name, sizeof name, "forbidden_%llx", static_cast<unsigned long long>(address));
    Chunks()
        .Add(kDma2, Packets().Copy(Dram(0), DeviceAddress(address), 128))
        .Add(kDma0, Packets().MessageLong(address, 1))
        .WriteAs(name);
  }
  for (const FuzzPlace place :
       {FuzzPlace::kBodyInDram, FuzzPlace::kBodyInSram, FuzzPlace::kBodyInHostMemory}) {
    Chunks()
        .Add(kDma3, StridedDma(kFuzzDram, Sram(0).value(), {24, 3, 5}, 64, 1), place)
        .WriteAs("strided" + std::to_string(static_cast<int>(place)));
  }
  Chunks().Add(kDma2, StridedDma(0x55, Dram(0).value(), {24, 3, 5}, 64, 0x10)).WriteAs("memset");
  Chunks()
      .Add(kDma2, StridedDma(Dram(0).value(), Dram(0x8000).value(), {64, 32, 1}, 64, 0x6))
      .WriteAs("transpose");
  // Two monitors arm each other.
  Packets circle;
  const uint64_t objects = abi::SyncManagerObjsBase(abi::kEastNorth);
  for (uint32_t i = 0; i < 2; ++i) {
    namespace sm = abi::sync_manager;
    const uint64_t arm = objects + sm::MON_ARM::At(kMonitor + 1 - i);
    circle.MessageLong(objects + sm::MON_PAY_ADDRL::At(kMonitor + i), static_cast<uint32_t>(arm));
    circle.MessageLong(objects + sm::MON_PAY_ADDRH::At(kMonitor + i), arm >> 32);
    circle.MessageLong(objects + sm::MON_PAY_DATA::At(kMonitor + i), sm::ArmAtLeast(kSob, 2));
    circle.Arm(kMonitor + i, sm::ArmAtLeast(kSob, 2));
  }
  Chunks().Add(kDma2, circle.Sob(kSob, 2)).WriteAs("circle");
  // The rest of the packets.
  abi::PacketRepeat repeat;
  abi::PacketWait wait;
  wait.cfg = abi::PacketWait::NUM_CYCLES_TO_WAIT::Set(wait.cfg, 100);
  wait.cfg = abi::PacketWait::INC_VAL::Set(wait.cfg, 1);
  abi::PacketLoadAndExe load;
  load.cfg = abi::PacketLoadAndExe::LOAD::Set(abi::PacketLoadAndExe::DST::Set(load.cfg, 1), 1);
  load.src_addr = Dram(0).value();
  abi::PacketArbPoint point;
  point.cfg = abi::PacketArbPoint::RLS::Set(point.cfg, 1);
  const uint32_t time = abi::PacketMsgLong::OP::Set(0, 1);
  Packets rest;
  rest.Add(repeat).Add(wait).Fence().Add(load).Add(point).Nop();
  rest.MessageLong(Dram(64).value(), 7, time).MessageLong(Host(64).value(), 7);
  Chunks().Add(kDma2, rest).Add(kDma2Second, rest).Add(kTpc, rest).WriteAs("rest");
  // A packet that is written to memory, and executed there; and predicates in 32 words.
  Packets scalars;
  abi::PacketMsgLong message;
  message.value = 7;
  message.addr = Dram(64).value();
  uint32_t words[4];
  static_assert(sizeof words == sizeof message);
  std::memcpy(words, &message, sizeof words);
  for (uint32_t i = 0; i < 4; ++i) scalars.MessageLong(Dram(4 * i).value(), words[i]);
  load.ctl = abi::Ctl::MSG_BARRIER::Set(load.ctl, 1);
  abi::PacketLoadAndExe execute = load;
  execute.cfg = abi::PacketLoadAndExe::EXE::Set(execute.cfg, 1);
  load.cfg = abi::PacketLoadAndExe::DST::Set(load.cfg, 0);
  scalars.Add(execute).Add(load).MessageLong(Dram(64).value(), 8, abi::Ctl::PRED::Set(0, 3));
  Chunks().Add(kDma2, scalars).WriteAs("scalars");

  GemmShape shape;
  shape.m = shape.n = shape.k = 16;
  shape.in = DType::kBFloat16;
  shape.a = {16, 1, {}};
  shape.b = {16, 1, {}};
  shape.c = {16, 1, {}};
  Packets mme;
  abi::MmeDescriptor descriptor = GemmDescriptor(
      shape, Geometry::kPair, {Dram(0).value(), Dram(0x1000).value(), Dram(0x2000).value()});
  const uint64_t sob = objects + abi::sync_manager::SOB_OBJ::At(kSob);
  descriptor.sync_object_addr_high = static_cast<uint32_t>(sob >> 32);
  descriptor.sync_object_addr_low_local = static_cast<uint32_t>(sob);
  descriptor.sync_object_addr_low_remote = static_cast<uint32_t>(sob);
  descriptor.sync_object_data = abi::sync_manager::SobAdd(1);
  Bulk(mme, abi::mme::ARCH::kOffset, descriptor);
  mme.Register(abi::mme::CMD::kOffset, 1);
  Chunks().Add(kMme, mme, FuzzPlace::kBodyInDram).WriteAs("mme");
}

// --- MME ---

void MmeSeeds() {
  const Addresses at = {kMmeFuzzBase, kMmeFuzzBase + 0x8000, kMmeFuzzBase + 0x10000};
  const auto bytes = [](const abi::MmeDescriptor& d) {
    return std::string(reinterpret_cast<const char*>(&d), sizeof d);
  };
  for (const DType type : {DType::kBFloat16, DType::kFloat32}) {
    GemmShape shape;
    shape.m = 40;
    shape.n = 70;
    shape.k = 8;
    shape.in = type;
    shape.a = {8, 1, {}};
    shape.b = {70, 1, {}};
    shape.c = {70, 1, {}};
    const std::string gemm = bytes(GemmDescriptor(shape, Geometry::kPair, at));
    const std::string suffix = type == DType::kFloat32 ? "_f32" : "_bf16";
    Write("mme_fuzz", "gemm" + suffix, gemm);
    Write("mme_fuzz", "gemm_twice" + suffix, gemm + gemm);
    const std::string convolution =
        bytes(ConvolutionDescriptor(DenseConvolution(1, 4, 8, {5, 5, 1}, {3, 3, 1}, {1, 1, 1},
                                                     {1, 1, 1}, {1, 1, 0}, type, type),
                                    Geometry::kPair, at));
    Write("mme_fuzz", "convolution" + suffix, convolution);
  }
}

void Gaudi2MmeSeeds() {
  const auto bytes = [](hal::abi::gaudi2::MmeDescriptor d) {
    d.a_low = kMmeFuzzBase;
    d.b_low = kMmeFuzzBase + 0x8000;
    d.cout0_low = kMmeFuzzBase + 0x10000;
    return std::string(reinterpret_cast<const char*>(&d), sizeof d);
  };
  for (const DType type : {DType::kBFloat16, DType::kFloat32}) {
    hal::MmeGemm g;
    g.in = g.out = type;
    g.m = 40, g.n = g.ldb = g.ldc = 70, g.k = g.lda = 8;
    const std::string gemm = bytes(hal::gaudi2::LowerGemm(g)->front().descriptor);
    const std::string suffix = type == DType::kFloat32 ? "_f32" : "_bf16";
    Write("gaudi2_mme_fuzz", "gemm" + suffix, gemm);
    Write("gaudi2_mme_fuzz", "gemm_twice" + suffix, gemm + gemm);
    hal::MmeConvolution c;
    c.in = c.out = type;
    c.batch = 1, c.height = c.width = c.out_height = c.out_width = 5;
    c.channels = 2, c.filters = 8, c.kernel_h = 3, c.kernel_w = 2, c.pad_h = c.pad_w = 1;
    c.x_strides = {50, 10, 2}, c.w_strides = {32, 16, 8}, c.y_strides = {200, 40, 8};
    Write("gaudi2_mme_fuzz", "convolution" + suffix,
          bytes(hal::gaudi2::LowerConvolution(c)->front().descriptor));
  }
}

// --- TPC ---

KernelTensor Tensor(DType type, hal::TpcDims sizes) {
  KernelTensor t;
  t.dtype = type;
  t.sizes = sizes;
  uint32_t stride = 1;
  for (int d = 0; d < hal::kTpcMaxDims; ++d) {
    t.strides[d] = stride;
    stride *= sizes[d];
  }
  return t;
}

uint32_t CodeOf(DType type) {
  switch (type) {
    case DType::kFloat32:
      return static_cast<uint32_t>(abi::tpc::DataType::kFloat32);
    case DType::kBFloat16:
      return static_cast<uint32_t>(abi::tpc::DataType::kBFloat16);
    case DType::kBool:
    case DType::kUInt8:
      return static_cast<uint32_t>(abi::tpc::DataType::kUInt8);
    default:
      return static_cast<uint32_t>(abi::tpc::DataType::kInt32);
  }
}

// In the modes by turns. The place of a guid is its place among the sorted ones.
void WriteLaunch(uint8_t guid, const std::string& name,
                 const absl::StatusOr<hal::KernelLaunch>& launch) {
  if (!launch.ok()) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), launch.status().ToString().c_str());
    std::exit(1);
  }
  std::string bytes(1, static_cast<char>(guid % 3));
  Append(bytes, guid);
  Append(bytes, static_cast<uint8_t>(launch->tensors.size()));
  Append(bytes, static_cast<uint8_t>(launch->scalars.size()));
  Append(bytes, static_cast<uint16_t>(launch->image.payload.size()));
  bytes.append(reinterpret_cast<const char*>(launch->image.payload.data()),
               launch->image.payload.size());
  uint64_t at = Dram(0).value();
  for (const KernelTensor& tensor : launch->tensors) {
    abi::TpcTensor to;
    to.base_addr_low = static_cast<uint32_t>(at);
    to.base_addr_high = static_cast<uint32_t>(at >> 32);
    to.tensor_config = abi::tpc::TENSOR_CONFIG::DATA_TYPE::Set(0, CodeOf(tensor.dtype));
    to.tensor_config = abi::tpc::TENSOR_CONFIG::VALID_DIM_MASK::Set(to.tensor_config, 0x1F);
    for (int d = 0; d < hal::kTpcMaxDims; ++d) to.dim[d] = {tensor.sizes[d], tensor.strides[d]};
    Append(bytes, to);
    at += 0x2000;
  }
  for (const uint32_t size : launch->index_space) {
    Append(bytes, uint32_t{0});
    Append(bytes, size);
  }
  for (const uint32_t scalar : launch->scalars) Append(bytes, scalar);
  Write("tpc_fuzz", name, bytes);
}

void TpcSeeds() {
  const auto f32 = [](hal::TpcDims sizes) { return Tensor(DType::kFloat32, sizes); };
  const auto i32 = [](hal::TpcDims sizes) { return Tensor(DType::kInt32, sizes); };
  hal::DepthwiseParams depthwise;
  WriteLaunch(0, "depthwise",
              hal::MakeDepthwise(depthwise, f32({8, 6, 6, 1, 1}), f32({8, 3, 3, 1, 1}),
                                 f32({8, 4, 4, 1, 1})));
  hal::ExpressionProgram program;
  program.inputs = {DType::kFloat32, DType::kFloat32};
  for (const hal::ExprOp op : {hal::ExprOp::kAdd, hal::ExprOp::kMul, hal::ExprOp::kTanh}) {
    hal::ExprInstruction instruction{op};
    instruction.a = static_cast<uint16_t>(program.instructions.size() + 1);
    instruction.b = op == hal::ExprOp::kTanh ? 0 : 1;
    program.instructions.push_back(instruction);
  }
  hal::ExprInstruction cast{hal::ExprOp::kCast, DType::kInt32};
  cast.a = 4;
  program.instructions.push_back(cast);
  program.outputs = {4, 5};
  WriteLaunch(1, "fused",
              hal::MakeFused(program, {f32({70, 3, 1, 1, 1}), f32({70, 1, 1, 1, 1})},
                             {f32({70, 3, 1, 1, 1}), i32({70, 3, 1, 1, 1})}));
  WriteLaunch(2, "gather_rows",
              hal::MakeGather({hal::GatherMode::kRows, 0}, f32({70, 4, 1, 1, 1}),
                              i32({1, 3, 1, 1, 1}), f32({70, 3, 1, 1, 1})));
  WriteLaunch(2, "gather_elements",
              hal::MakeGather({hal::GatherMode::kElements, 1}, f32({70, 4, 1, 1, 1}),
                              i32({70, 2, 1, 1, 1}), f32({70, 2, 1, 1, 1})));
  WriteLaunch(
      3, "matmul_int",
      hal::MakeIntegerMatmul(i32({4, 5, 1, 1, 1}), i32({6, 4, 1, 1, 1}), i32({6, 5, 1, 1, 1})));
  hal::NormParams norm;
  norm.mask = 1;
  norm.has_weight = norm.has_bias = true;
  const KernelTensor x = f32({70, 3, 1, 1, 1}), row = f32({70, 1, 1, 1, 1}),
                     moment = f32({1, 3, 1, 1, 1});
  WriteLaunch(4, "norm", hal::MakeNorm(norm, {x, row, row, x, moment, moment}));
  hal::PoolParams pool;
  pool.kernel = {2, 2};
  pool.stride = {2, 2};
  WriteLaunch(
      5, "pool2d_max",
      hal::MakePool2d(pool, f32({8, 6, 6, 1, 1}), {f32({8, 3, 3, 1, 1}), i32({8, 3, 3, 1, 1})}));
  pool.op = hal::PoolOp::kAverage;
  pool.adaptive = true;
  WriteLaunch(5, "pool2d_adaptive",
              hal::MakePool2d(pool, f32({8, 6, 6, 1, 1}), {f32({8, 4, 4, 1, 1})}));
  WriteLaunch(6, "random", hal::MakeRandom({1}, i32({5, 1, 1, 1, 1}), i32({100, 1, 1, 1, 1})));
  for (uint8_t op = 0; op < 10; ++op) {
    hal::ReduceParams reduce;
    reduce.op = static_cast<hal::ReduceOp>(op);
    reduce.mask = op % 2 == 0 ? 2 : 5;
    const hal::TpcDims out =
        op % 2 == 0 ? hal::TpcDims{70, 1, 2, 1, 1} : hal::TpcDims{1, 3, 1, 1, 1};
    const bool index = reduce.op == hal::ReduceOp::kArgMax || reduce.op == hal::ReduceOp::kArgMin;
    const bool logical = reduce.op == hal::ReduceOp::kAny || reduce.op == hal::ReduceOp::kAll;
    WriteLaunch(7, "reduce" + std::to_string(op),
                hal::MakeReduce(reduce, f32({70, 3, 2, 1, 1}),
                                Tensor(index     ? DType::kInt32
                                       : logical ? DType::kBool
                                                 : DType::kFloat32,
                                       out)));
  }
  WriteLaunch(8, "scatter",
              hal::MakeScatter({hal::ScatterOp::kAdd, 1}, i32({70, 2, 1, 1, 1}),
                               f32({70, 2, 1, 1, 1}), f32({70, 4, 1, 1, 1})));
  WriteLaunch(9, "softmax", hal::MakeSoftmax({0, true}, x, x));
  WriteLaunch(9, "softmax_outer", hal::MakeSoftmax({1, false}, x, x));
  WriteLaunch(10, "sort", hal::MakeSort({0, true}, x, x, i32({70, 3, 1, 1, 1})));
}

}  // namespace

int MakeSeeds(const char* folder) {
  top = folder;
  QueueSeeds();
  MmeSeeds();
  Gaudi2MmeSeeds();
  TpcSeeds();
  for (const testing::NodeSeed& seed : testing::NodeSeeds()) {
    Write("ioctl_fuzz", seed.name, seed.bytes);
  }
  for (const testing::QueueSeed& seed : testing::Gaudi2QueueSeeds()) {
    Write("gaudi2_queues_fuzz", seed.name, seed.bytes);
  }
  Write("recipe_fuzz", "recipe", graph::RecipeFuzzSeed());
  Write("recipe_fuzz", "file", std::string("\0OHPURCP\n", 9));
  return 0;
}

}  // namespace openhpu::simulator

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "make_seeds FOLDER\n");
    return 2;
  }
  return openhpu::simulator::MakeSeeds(argv[1]);
}
