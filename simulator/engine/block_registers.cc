#include "simulator/engine/block_registers.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi/mme.h"
#include "hal/abi/gaudi/tpc.h"
#include "hal/abi/gaudi2/dma_core.h"
#include "hal/abi/gaudi2/mme.h"
#include "hal/abi/gaudi2/reset_values.h"
#include "hal/abi/gaudi2/tpc.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi;
namespace core = hal::abi::gaudi::dma_core;
namespace mme = hal::abi::gaudi::mme;
namespace tpc = hal::abi::gaudi::tpc;
namespace gaudi2 = hal::abi::gaudi2;

// Registers at [begin, end), without a gap.
struct Range {
  uint32_t begin, end;
};
// `count` registers in a row. What is not listed is zero.
using Reset = gaudi2::ResetValue;
template <typename T>
struct Rows {
  const T* first = nullptr;
  const T* last = nullptr;
  const T* begin() const { return first; }
  const T* end() const { return last; }
};
template <typename T, size_t kCount>
Rows<T> All(const T (&rows)[kCount]) {
  return {std::begin(rows), std::end(rows)};
}

constexpr Range kQmanRanges[] = {
    {0x0, 0x3c},    {0x40, 0x64},   {0x68, 0x6c},   {0x70, 0x2dc},  {0x2e0, 0x3e4}, {0x3f4, 0x444},
    {0xa00, 0xa1c}, {0xa20, 0xb24}, {0xb28, 0xb30}, {0xb34, 0xb40}, {0xb44, 0xb5c}, {0xb80, 0xb90},
    {0xb9c, 0xba4}, {0xba8, 0xbac}, {0xbb0, 0xc30}, {0xc70, 0xc7c}, {0xc80, 0xc88}, {0xc90, 0xca8},
    {0xcb0, 0xcc0}, {0xcd0, 0xcdc}, {0xd00, 0xd04}};
constexpr Range kDmaCoreRanges[] = {{0x0, 0xc},     {0x14, 0x24},   {0x2c, 0x50},   {0x54, 0x8c},
                                    {0x94, 0x98},   {0xb8, 0xbc},   {0xf0, 0xf8},   {0x100, 0x10c},
                                    {0x110, 0x118}, {0x120, 0x12c}, {0x130, 0x138}, {0x150, 0x168},
                                    {0x170, 0x17c}, {0x190, 0x198}, {0x200, 0x214}, {0x220, 0x23c}};
constexpr Range kMmeRanges[] = {{0x0, 0x4},     {0x8, 0x228},   {0x280, 0x300}, {0x400, 0x404},
                                {0x408, 0x628}, {0x680, 0x684}, {0x688, 0x8a8}, {0x900, 0x904},
                                {0x908, 0xb28}, {0xb80, 0xb84}, {0xb88, 0xda8}};
constexpr Range kTpcRanges[] = {{0x400, 0x840}, {0x8fc, 0x904}, {0x908, 0x914}, {0x918, 0x928},
                                {0x92c, 0x934}, {0x938, 0x94c}, {0x950, 0x9c8}, {0x9d0, 0xe40}};
constexpr Range kSyncObjectsRanges[] = {{0x1000, 0x5c00}};
constexpr Range kSyncGlobalRanges[] = {{0x0, 0x8}};
// Of Gaudi2. Registers of embedded blocks are among them.
constexpr Range kGaudi2SyncRanges[] = {{0x0, 0x14a00},     {0x15000, 0x15a00}, {0x1e000, 0x1e010},
                                       {0x1e020, 0x1e028}, {0x1e030, 0x1e950}, {0x1ee80, 0x1f000}};
constexpr Range kGaudi2QmanRanges[] = {
    {0x0, 0x130},   {0x150, 0x354}, {0x368, 0x494}, {0x4a0, 0x5c0}, {0x5e0, 0x6e4}, {0x704, 0x71c},
    {0x744, 0x748}, {0x754, 0x75c}, {0x780, 0x790}, {0x79c, 0x7a4}, {0x7a8, 0x7ac}, {0x7b0, 0x7b8},
    {0x7fc, 0x818}, {0x81c, 0x8a0}, {0x8a4, 0x8cc}, {0x8d0, 0x8f8}, {0x900, 0x980}, {0xb00, 0xb50},
    {0xb80, 0xbd0}, {0xc00, 0xc58}, {0xc80, 0xcd8}, {0xd00, 0xd0c}, {0xd14, 0xd2c}, {0xd30, 0xd50},
    {0xd60, 0xd74}, {0xd80, 0xd8c}, {0xe80, 0x1000}};
constexpr Range kGaudi2DmaCoreRanges[] = {
    {0x0, 0x10},    {0x7c, 0x8c},   {0x90, 0x98},   {0xc0, 0xcc},   {0xd0, 0xd8},
    {0x100, 0x114}, {0x140, 0x154}, {0x180, 0x188}, {0x300, 0x314}, {0x380, 0x388},
    {0x400, 0x440}, {0x700, 0x708}, {0x710, 0x71c}, {0x720, 0x734}, {0x800, 0x850},
    {0x860, 0x8f0}, {0xe00, 0xe0c}, {0xe1c, 0xe38}, {0xe80, 0x1000}};
constexpr Range kGaudi2MmeRanges[] = {
    {0x0, 0x2e0}, {0x400, 0x4f0}, {0xe00, 0xe50}, {0xe80, 0x1000}};
constexpr Range kGaudi2TpcRanges[] = {
    {0x0, 0xbb8}, {0xc18, 0xd18}, {0xd64, 0xe50}, {0xe80, 0x1000}};
constexpr Reset kQmanResets[] = {
    {0x10, 0x400, 5},       {0x24, 0x400, 5},      {0x38, 0x3fff, 1},      {0x54, 0xff7f, 4},
    {0x68, 0xff7e, 1},      {0xd0, 0x10001, 4},    {0x100, 0x40000000, 4}, {0x124, 0x140014, 5},
    {0x160, 0x40000000, 5}, {0x2c8, 0x103c, 5},    {0x2e0, 0x102c, 5},     {0x2f4, 0x1034, 5},
    {0x3f4, 0x28, 5},       {0x408, 0x10, 5},      {0xa20, 0x40, 32},      {0xb34, 0x10, 1},
    {0xb38, 0x4000, 1},     {0xb44, 0x20, 1},      {0xb80, 0xffffffff, 1}, {0xb88, 0x2, 1},
    {0xbb0, 0x40, 32},      {0xc70, 0xf100400, 1}, {0xc74, 0x700, 1},      {0xc78, 0x10, 1},
    {0xc80, 0x8000, 1},     {0xc84, 0x2000, 1}};
constexpr Reset kDmaCoreResets[] = {{0x8, 0x14, 1},  {0x100, 0x690, 1}, {0x104, 0x6900690, 1},
                                    {0x110, 0x1, 1}, {0x120, 0x3ff, 1}, {0x124, 0x3ff, 1},
                                    {0x130, 0x1, 1}, {0x230, 0x178, 1}};
constexpr Reset kMmeResets[] = {
    {0x0, 0xc1141980, 1},   {0x290, 0x10, 1},       {0x294, 0x2, 1},        {0x2a4, 0x4101000, 1},
    {0x2a8, 0x2000200, 1},  {0x2ac, 0x1990200, 1},  {0x2b0, 0x3e800100, 1}, {0x2b4, 0x3, 1},
    {0x2b8, 0x1f, 1},       {0x2bc, 0xaaaa5555, 1}, {0x2c0, 0x77773333, 1}, {0x2c4, 0xaaaaaaaa, 1},
    {0x2c8, 0x55555555, 1}, {0x2cc, 0xdddddddd, 1}, {0x2d0, 0xbbbbbbbb, 1}, {0x2d4, 0x2, 1},
    {0x2f0, 0xc0c, 1},      {0x2f4, 0x80001000, 1}};
// Beside the descriptors.
constexpr Reset kTpcResets[] = {{0x900, 0x12, 1},    {0x918, 0x800002cc, 1}, {0x91c, 0xee, 1},
                                {0x920, 0x7f, 1},    {0x948, 0x1e09, 1},     {0x950, 0x1c06, 1},
                                {0x960, 0x48, 1},    {0x964, 0x400, 1},      {0x968, 0x800, 1},
                                {0x96c, 0x400, 1},   {0x970, 0x800, 1},      {0x974, 0xffffffff, 1},
                                {0x978, 0x17000, 1}, {0x980, 0x13800, 1},    {0x988, 0xd000, 1},
                                {0x9d4, 0xf69, 1},   {0x9d8, 0x73ff, 10}};

constexpr uint32_t kTensorConfigReset = 0x50000, kKernelConfigReset = 0x60882;

Rows<Range> RangesOf(RegisterBlock block) {
  switch (block) {
    case RegisterBlock::kNone:
      break;
    case RegisterBlock::kSyncGlobal:
      return All(kSyncGlobalRanges);
    case RegisterBlock::kSyncObjects:
      return All(kSyncObjectsRanges);
    case RegisterBlock::kQueueManager:
      return All(kQmanRanges);
    case RegisterBlock::kDmaCore:
      return All(kDmaCoreRanges);
    case RegisterBlock::kMme:
      return All(kMmeRanges);
    case RegisterBlock::kTpc:
      return All(kTpcRanges);
    case RegisterBlock::kGaudi2SyncManager:
      return All(kGaudi2SyncRanges);
    case RegisterBlock::kGaudi2QueueManager:
      return All(kGaudi2QmanRanges);
    case RegisterBlock::kGaudi2DmaCore:
      return All(kGaudi2DmaCoreRanges);
    case RegisterBlock::kGaudi2Mme:
      return All(kGaudi2MmeRanges);
    case RegisterBlock::kGaudi2Tpc:
      return All(kGaudi2TpcRanges);
  }
  return {};
}

Rows<Reset> ResetsOf(RegisterBlock block) {
  switch (block) {
    case RegisterBlock::kNone:
    case RegisterBlock::kSyncGlobal:
    case RegisterBlock::kSyncObjects:
    case RegisterBlock::kGaudi2SyncManager:
      break;
    case RegisterBlock::kQueueManager:
      return All(kQmanResets);
    case RegisterBlock::kDmaCore:
      return All(kDmaCoreResets);
    case RegisterBlock::kMme:
      return All(kMmeResets);
    case RegisterBlock::kTpc:
      return All(kTpcResets);
    case RegisterBlock::kGaudi2QueueManager:
      return All(gaudi2::kQmanReset);
    case RegisterBlock::kGaudi2DmaCore:
      return All(gaudi2::kDmaCoreReset);
    case RegisterBlock::kGaudi2Mme:
      return All(gaudi2::kMmeCtrlLoReset);
    case RegisterBlock::kGaudi2Tpc:
      return All(gaudi2::kTpcReset);
  }
  return {};
}

// Of one copy of a TPC's descriptor, at `begin`.
void ResetTpcDescriptor(uint32_t begin, RegisterValues& values) {
  for (int i = 0; i < abi::kTpcMaxTensors; ++i) {
    const size_t config = offsetof(abi::TpcTensor, tensor_config) + i * sizeof(abi::TpcTensor);
    values[(begin + config) / 4] = kTensorConfigReset;
  }
  const size_t kernel =
      offsetof(abi::TpcDescriptor, kernel) + offsetof(abi::TpcKernel, kernel_config);
  values[(begin + kernel) / 4] = kKernelConfigReset;
}

}  // namespace

bool HasRegister(RegisterBlock block, uint32_t offset) {
  if (offset % 4 != 0) return false;
  const Rows<Range> ranges = RangesOf(block);
  return std::any_of(ranges.begin(), ranges.end(), [offset](const Range& range) {
    return offset >= range.begin && offset < range.end;
  });
}

void ResetRegisters(RegisterBlock block, RegisterValues& values) {
  values.fill(0);
  for (const Reset& reset : ResetsOf(block)) {
    std::fill_n(values.begin() + reset.offset / 4, reset.count, reset.value);
  }
  if (block != RegisterBlock::kTpc) return;
  ResetTpcDescriptor(tpc::KERNEL_TENSOR::kOffset, values);
  ResetTpcDescriptor(tpc::QM_TENSOR::kOffset, values);
}

uint32_t ResetValue(RegisterBlock block, uint32_t offset) {
  if (offset >= kRegisterBlockBytes) return 0;  // sync objects
  RegisterValues values;
  ResetRegisters(block, values);
  return values[offset / 4];
}

bool IsEngineStatus(RegisterBlock block, uint32_t offset) {
  switch (block) {
    case RegisterBlock::kDmaCore:
      return offset == core::STS0::kOffset || offset == core::STS1::kOffset ||
             offset == core::DBG_STS::kOffset;
    case RegisterBlock::kMme:
      return offset == mme::ARCH_STATUS::kOffset;
    case RegisterBlock::kTpc:
      return offset == tpc::STATUS::kOffset;
    case RegisterBlock::kGaudi2DmaCore:
      return offset == gaudi2::dma_core::STS0::kOffset ||
             offset == gaudi2::dma_core::STS1::kOffset ||
             offset == gaudi2::dma_core::DBG_STS::kOffset;
    case RegisterBlock::kGaudi2Mme:
      return offset == gaudi2::mme::ARCH_STATUS::kOffset;
    case RegisterBlock::kGaudi2Tpc:
      return offset == gaudi2::tpc::STATUS::kOffset;
    case RegisterBlock::kNone:
    case RegisterBlock::kSyncGlobal:
    case RegisterBlock::kSyncObjects:
    case RegisterBlock::kQueueManager:
    case RegisterBlock::kGaudi2SyncManager:
    case RegisterBlock::kGaudi2QueueManager:
      break;
  }
  return false;
}

uint32_t EngineStatus(RegisterBlock block, uint32_t offset, bool idle, bool accepts) {
  uint32_t status = ResetValue(block, offset);
  if (idle) return status;
  switch (block) {
    case RegisterBlock::kDmaCore:
      if (offset == core::STS0::kOffset) return core::STS0::BUSY::Set(status, 1);
      if (offset != core::DBG_STS::kOffset) return status;
      status = core::DBG_STS::RD_CTX_EMPTY::Set(status, 0);
      status = core::DBG_STS::WR_CTX_EMPTY::Set(status, 0);
      return core::DBG_STS::RD_CTX_FULL::Set(status, accepts ? 0 : 1);
    case RegisterBlock::kMme: {
      using Status = mme::ARCH_STATUS;
      // All units that a descriptor keeps: which of them are done is not modelled.
      status |= Status::AGU_S::kMask | Status::AGU_L::kMask | Status::AGU_O::kMask |
                Status::AP::kMask | Status::EU::kMask | Status::TE_S::kMask | Status::TE_L::kMask;
      status &= ~(Status::SB_A_EMPTY::kMask | Status::SB_B_EMPTY::kMask | Status::SM_IDLE::kMask |
                  Status::WBC_AXI_IDLE::kMask | Status::SB_A_AXI_IDLE::kMask |
                  Status::SB_B_AXI_IDLE::kMask | Status::QM_IDLE::kMask);
      return Status::QM_RDY::Set(status, accepts ? 1 : 0);
    }
    case RegisterBlock::kTpc: {
      using Status = tpc::STATUS;
      status &= ~(Status::SCALAR_PIPE_EMPTY::kMask | Status::VECTOR_PIPE_EMPTY::kMask |
                  Status::IQ_EMPTY::kMask | Status::SB_EMPTY::kMask | Status::QM_IDLE::kMask);
      return Status::QM_RDY::Set(status, accepts ? 1 : 0);
    }
    case RegisterBlock::kGaudi2DmaCore: {
      using Sts0 = gaudi2::dma_core::STS0;
      using Status = gaudi2::dma_core::DBG_STS;
      if (offset == Sts0::kOffset) return Sts0::BUSY::Set(status, 1);
      if (offset != Status::kOffset) return status;
      status = Status::RD_CTX_EMPTY::Set(status, 0);
      status = Status::WR_CTX_EMPTY::Set(status, 0);
      return Status::RD_CTX_FULL::Set(status, accepts ? 0 : 1);
    }
    case RegisterBlock::kGaudi2Mme: {
      using Status = gaudi2::mme::ARCH_STATUS;
      status |=
          Status::AGU_IN::kMask | Status::EU::kMask | Status::AP::kMask | Status::AGU_COUT::kMask;
      status &=
          ~(Status::SB_IN_EMPTY::kMask | Status::AGU_COUT_SM_IDLE::kMask |
            Status::WBC_AXI_IDLE::kMask | Status::SB_IN_AXI_IDLE::kMask | Status::QM_IDLE::kMask);
      return Status::QM_RDY::Set(status, accepts ? 1 : 0);
    }
    case RegisterBlock::kGaudi2Tpc: {
      using Status = gaudi2::tpc::STATUS;
      status &= ~(Status::SCALAR_PIPE_EMPTY::kMask | Status::VECTOR_PIPE_EMPTY::kMask |
                  Status::IQ_EMPTY::kMask | Status::SB_EMPTY::kMask | Status::QM_IDLE::kMask);
      return Status::QM_RDY::Set(status, accepts ? 1 : 0);
    }
    case RegisterBlock::kNone:
    case RegisterBlock::kSyncGlobal:
    case RegisterBlock::kSyncObjects:
    case RegisterBlock::kQueueManager:
    case RegisterBlock::kGaudi2SyncManager:
    case RegisterBlock::kGaudi2QueueManager:
      break;
  }
  return status;
}

bool HoldsEngine(RegisterBlock block, const RegisterValues& values) {
  switch (block) {
    case RegisterBlock::kDmaCore:
      return core::CFG_1::HALT::Get(values[core::CFG_1::kOffset / 4]) != 0;
    case RegisterBlock::kMme:
      return mme::QM_STALL::V::Get(values[mme::QM_STALL::kOffset / 4]) != 0;
    case RegisterBlock::kTpc:
      return tpc::TPC_STALL::V::Get(values[tpc::TPC_STALL::kOffset / 4]) != 0;
    case RegisterBlock::kGaudi2DmaCore: {
      using Cfg = gaudi2::dma_core::CFG_1;
      return Cfg::HALT::Get(values[Cfg::kOffset / 4]) != 0;
    }
    case RegisterBlock::kGaudi2Mme: {
      using Stall = gaudi2::mme::QM_STALL;
      return Stall::V::Get(values[Stall::kOffset / 4]) != 0;
    }
    case RegisterBlock::kGaudi2Tpc: {
      using Stall = gaudi2::tpc::TPC_STALL;
      return Stall::V::Get(values[Stall::kOffset / 4]) != 0;
    }
    case RegisterBlock::kNone:
    case RegisterBlock::kSyncGlobal:
    case RegisterBlock::kSyncObjects:
    case RegisterBlock::kQueueManager:
    case RegisterBlock::kGaudi2SyncManager:
    case RegisterBlock::kGaudi2QueueManager:
      break;
  }
  return false;
}

}  // namespace openhpu::simulator
