#include "hal/abi/gaudi2/queue_ids.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/reference_rows.h"

namespace openhpu::hal::abi::gaudi2 {
namespace {

using Kind = QueueTarget::Kind;

uint32_t QueueOf(const QueueTarget& target) {
  switch (target.kind) {
    case Kind::kPdma:
      return PdmaQueue(target.engine, target.stream);
    case Kind::kEdma:
      return EdmaQueue(target.dcore, target.engine, target.stream);
    case Kind::kCpu:
      return kCpuQueue;
    case Kind::kMme:
      return MmeQueue(target.dcore, target.stream);
    case Kind::kTpc:
      return TpcQueue(target.dcore, target.engine, target.stream);
    case Kind::kNic:
      return NicQueue(target.engine, target.stream);
    case Kind::kRotator:
      return RotatorQueue(target.engine, target.stream);
    case Kind::kNone:
      break;
  }
  return kNumQueues;
}

std::string NameOf(const QueueTarget& target) {
  const std::string kernel = "GAUDI2_QUEUE_ID_";
  const std::string dcore = kernel + "DCORE" + std::to_string(target.dcore) + "_";
  const std::string numbers =
      "_" + std::to_string(target.engine) + "_" + std::to_string(target.stream);
  switch (target.kind) {
    case Kind::kPdma:
      return kernel + "PDMA" + numbers;
    case Kind::kEdma:
      return dcore + "EDMA" + numbers;
    case Kind::kCpu:
      return kernel + "CPU_PQ";
    case Kind::kMme:
      return dcore + "MME" + numbers;
    case Kind::kTpc:
      return dcore + "TPC" + numbers;
    case Kind::kNic:
      return kernel + "NIC" + numbers;
    case Kind::kRotator:
      return kernel + "ROT" + numbers;
    case Kind::kNone:
      break;
  }
  return kernel + "SIZE";
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

TEST(QueueIds, EnginesForStudiesHaveIdsThatNoKernelKnows) {
  std::set<uint32_t> ids;
  for (int dcore = 0; dcore < kMaxStudyDcores; ++dcore) {
    for (uint32_t stream = 0; stream < kStreamsPerQueue; ++stream) {
      for (int edma = 0; edma < kEdmasPerDcore; ++edma) ids.insert(EdmaQueue(dcore, edma, stream));
      ids.insert(MmeQueue(dcore, stream));
      for (int tpc = 0; tpc < kMaxStudyTpcsPerDcore; ++tpc) {
        ids.insert(TpcQueue(dcore, tpc, stream));
      }
    }
  }
  EXPECT_EQ(ids.size(), 8u * 4 * (2 + 1 + 12));  // all different
  for (uint32_t id : ids) EXPECT_EQ(QueueOf(TargetOf(id)), id);
  EXPECT_GE(TpcQueue(1, 6, 0), kFirstStudyQueue);
  EXPECT_GE(MmeQueue(4, 0), kFirstStudyQueue);
  EXPECT_LT(*ids.rbegin(), kStudyQueuesEnd);
}

TEST(QueueIds, AnEngineHasOneId) {
  for (uint32_t id = 0; id < kStudyQueuesEnd + 100; ++id) {
    const QueueTarget target = TargetOf(id);
    if (target.kind != Kind::kNone) {
      EXPECT_EQ(QueueOf(target), id) << NameOf(target);
    }
  }
  EXPECT_EQ(TargetOf(kFirstStudyQueue).kind, Kind::kNone);  // EDMA 0 of DCORE 0 is queue 8
}

}  // namespace
}  // namespace openhpu::hal::abi::gaudi2
