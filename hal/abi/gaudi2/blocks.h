// Where the blocks of registers lie in the device's address space. Engines stand in four DCOREs,
// all alike; regular blocks are a base and a stride. Bases: the vendor's block list (reference rows
// in testdata/block_bases.csv).
//
// Studies: a chip file for performance studies may have more DCOREs, and more TPCs in one, than
// Gaudi2. Their blocks lie where Gaudi2's list has none; that is ours, and no card has it.
#ifndef HAL_ABI_GAUDI2_BLOCKS_H_
#define HAL_ABI_GAUDI2_BLOCKS_H_

#include <cstdint>

namespace openhpu::hal::abi::gaudi2 {

inline constexpr int kNumDcores = 4;
inline constexpr int kNumPdmas = 2;  // they reach the host
inline constexpr int kEdmasPerDcore = 2;
inline constexpr int kNumEdmas = kNumDcores * kEdmasPerDcore;
inline constexpr int kNumMmes = 2;  // of two cores, each in a DCORE
inline constexpr int kTpcsPerDcore = 6;
inline constexpr int kNumTpcs = kNumDcores * kTpcsPerDcore;
inline constexpr int kSpareTpc = 6;  // of DCORE 0: built, and not counted
inline constexpr int kNumRotators = 2;
inline constexpr int kNumNics = 24;
inline constexpr int kNumSyncManagers = kNumDcores;  // one a DCORE

// What a chip for studies may have.
inline constexpr int kMaxStudyDcores = 8;
inline constexpr int kMaxStudyTpcsPerDcore = 12;

// Every engine with a queue has a window of 64 KiB, which its WREGs reach (qman.h): the QMAN and
// the engine's block lie at fixed offsets in it.
inline constexpr uint64_t kWindowBytes = 0x10000;
inline constexpr uint64_t kQmanInWindow = 0xA000;
inline constexpr uint64_t kEngineInWindow = 0xB000;

inline constexpr uint64_t kCfgBase = 0x1000007FF8000000;
inline constexpr uint64_t kDcoreStride = 0x200000;
constexpr uint64_t DcoreBase(int dcore) {
  return dcore < kNumDcores ? 0x1000007FFC000000 + kDcoreStride * dcore
                            : kCfgBase + kDcoreStride * (dcore - kNumDcores);  // studies
}

constexpr uint64_t TpcWindow(int dcore, int tpc) { return DcoreBase(dcore) + kWindowBytes * tpc; }
constexpr uint64_t TpcQmanBase(int dcore, int tpc) { return TpcWindow(dcore, tpc) + kQmanInWindow; }
constexpr uint64_t TpcCfgBase(int dcore, int tpc) {
  return TpcWindow(dcore, tpc) + kEngineInWindow;
}

// Of the core in that DCORE.
constexpr uint64_t MmeWindow(int dcore) { return DcoreBase(dcore) + 0xC0000; }
constexpr uint64_t MmeQmanBase(int dcore) { return MmeWindow(dcore) + kQmanInWindow; }
constexpr uint64_t MmeCtrlLoBase(int dcore) { return MmeWindow(dcore) + kEngineInWindow; }
constexpr uint64_t MmeCtrlHiBase(int dcore) { return MmeWindow(dcore) + 0xC000; }
constexpr uint64_t MmeAccBase(int dcore) { return DcoreBase(dcore) + 0xF8000; }

constexpr uint64_t EdmaWindow(int dcore, int edma) {
  return DcoreBase(dcore) + 0x1C0000 + kWindowBytes * edma;
}
constexpr uint64_t EdmaQmanBase(int dcore, int edma) {
  return EdmaWindow(dcore, edma) + kQmanInWindow;
}
constexpr uint64_t EdmaCoreBase(int dcore, int edma) {
  return EdmaWindow(dcore, edma) + kEngineInWindow;
}

constexpr uint64_t PdmaWindow(int pdma) { return 0x1000007FFCC80000 + kWindowBytes * pdma; }
constexpr uint64_t PdmaQmanBase(int pdma) { return PdmaWindow(pdma) + kQmanInWindow; }
constexpr uint64_t PdmaCoreBase(int pdma) { return PdmaWindow(pdma) + kEngineInWindow; }

constexpr uint64_t RotatorWindow(int rotator) {
  return 0x1000007FFCE00000 + kWindowBytes * rotator;
}
constexpr uint64_t RotatorQmanBase(int rotator) { return RotatorWindow(rotator) + kQmanInWindow; }

constexpr uint64_t NicQmanBase(int nic) {
  return 0x1000007FFD41A000 + uint64_t{0x80000} * (nic / 2) + uint64_t{0x20000} * (nic % 2);
}

// Objects first, then (at sync_manager::kGlbl) the global registers: one block for both.
constexpr uint64_t SyncManagerObjsBase(int dcore) { return DcoreBase(dcore) + 0x100000; }
constexpr uint64_t SyncManagerGlblBase(int dcore) { return SyncManagerObjsBase(dcore) + 0x1E000; }
inline constexpr uint64_t kSyncManagerBytes = 0x20000;

inline constexpr uint64_t kPsocTimestampBase =
    0x1000007FFCC49000;  // the counter that messages with OP = timestamp write
inline constexpr uint64_t kPsocGlobalConfBase = 0x1000007FFCC4B000;
inline constexpr uint64_t kPmmuBase = 0x1000007FFCD00000;

inline constexpr uint64_t kBlockBytes = 0x1000;  // of a QMAN, a DMA core, a TPC's or MME's block

// Engines are counted through, `per_dcore` in each DCORE.
struct Place {
  int dcore = 0;
  int index = 0;  // in the DCORE
};
constexpr Place PlaceOf(int engine, int per_dcore) {
  return {engine / per_dcore, engine % per_dcore};
}
constexpr Place PlaceOfEdma(int edma) { return PlaceOf(edma, kEdmasPerDcore); }
// Of a chip with that many TPCs and DCOREs. A chip with fewer than Gaudi2 leaves out the last ones;
// one for studies with more has more in each DCORE.
constexpr Place PlaceOfTpc(int tpc, int tpcs, int dcores) {
  const int each = (tpcs + dcores - 1) / dcores;
  return PlaceOf(tpc, each > kTpcsPerDcore ? each : kTpcsPerDcore);
}
// The DCORE of the master core of an MME, whose queue drives it, among `mmes` of a chip: 0 and 2 on
// Gaudi2. The slave is in the next one.
constexpr int MmeMasterDcore(int mme, int mmes, int dcores) { return mme * dcores / mmes; }
static_assert(MmeMasterDcore(1, kNumMmes, kNumDcores) == 2);

}  // namespace openhpu::hal::abi::gaudi2

#endif  // HAL_ABI_GAUDI2_BLOCKS_H_
