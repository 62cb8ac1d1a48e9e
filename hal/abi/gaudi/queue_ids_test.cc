#include "hal/abi/gaudi/queue_ids.h"

#include <gtest/gtest.h>

#include <string>

#include "hal/abi/gaudi/reference_rows.h"

namespace openhpu::hal::abi::gaudi {
namespace {

using Kind = QueueTarget::Kind;

uint32_t QueueOf(const QueueTarget& target) {
  switch (target.kind) {
    case Kind::kDma:
      return DmaQueue(target.engine, target.stream);
    case Kind::kCpu:
      return kCpuQueue;
    case Kind::kMme:
      return MmeQueue(target.engine, target.stream);
    case Kind::kTpc:
      return TpcQueue(target.engine, target.stream);
    case Kind::kNic:
      return NicQueue(target.engine, target.stream);
    case Kind::kNone:
      break;
  }
  return kNumQueues;
}

std::string NameOf(const QueueTarget& target) {
  const std::string numbers =
      "_" + std::to_string(target.engine) + "_" + std::to_string(target.stream);
  switch (target.kind) {
    case Kind::kDma:
      return "GAUDI_QUEUE_ID_DMA" + numbers;
    case Kind::kCpu:
      return "GAUDI_QUEUE_ID_CPU_PQ";
    case Kind::kMme:
      return "GAUDI_QUEUE_ID_MME" + numbers;
    case Kind::kTpc:
      return "GAUDI_QUEUE_ID_TPC" + numbers;
    case Kind::kNic:
      return "GAUDI_QUEUE_ID_NIC" + numbers;
    case Kind::kNone:
      break;
  }
  return "GAUDI_QUEUE_ID_SIZE";
}

TEST(QueueIds, EveryRowOfTheKernelsEnumIsNamedByItsTarget) {
  uint32_t rows = 0;
  for (Row row : ReferenceRows("queue_ids.csv")) {
    const uint32_t id = static_cast<uint32_t>(Number(row["value"]));
    EXPECT_EQ(NameOf(TargetOf(id)), row["name"]);
    EXPECT_EQ(QueueOf(TargetOf(id)), id) << row["name"];
    ++rows;
  }
  EXPECT_EQ(rows, kNumQueues + 1);  // and the size
}

TEST(QueueIds, OnlyTheHostFacingDmaEnginesAreExternal) {
  for (uint32_t id = 0; id <= kNumQueues; ++id) {
    const QueueTarget target = TargetOf(id);
    EXPECT_EQ(IsExternalQueue(id), target.kind == Kind::kDma && target.engine < 2) << id;
  }
}

}  // namespace
}  // namespace openhpu::hal::abi::gaudi
