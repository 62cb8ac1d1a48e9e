// Where the blocks of registers lie in the device's address space. Regular blocks are a base and a
// stride. Bases: the vendor's block list (reference rows in testdata/block_bases.csv).
#ifndef HAL_ABI_GAUDI_BLOCKS_H_
#define HAL_ABI_GAUDI_BLOCKS_H_

#include <cstdint>

namespace openhpu::hal::abi::gaudi {

inline constexpr int kNumDmas = 8;
inline constexpr int kNumMmes = 4;      // arrays with registers; two pairs
inline constexpr int kNumMmePairs = 2;  // what a queue drives
inline constexpr int kNumTpcs = 8;
inline constexpr int kNumNics = 10;

// Sync managers in the order of their addresses, which is also the order of the kernel's indices.
inline constexpr int kNumSyncManagers = 4;
enum SyncManager { kWestSouth = 0, kEastSouth = 1, kWestNorth = 2, kEastNorth = 3 };

constexpr uint64_t DmaCoreBase(int dma) { return 0x7FFC500000 + uint64_t{0x20000} * dma; }
constexpr uint64_t DmaQmanBase(int dma) { return DmaCoreBase(dma) + 0x8000; }

// `mme` counts arrays, 0 to 3; 0 and 2 are masters, 1 and 3 their slaves.
constexpr uint64_t MmeCtrlBase(int mme) { return 0x7FFC060000 + uint64_t{0x80000} * mme; }
constexpr uint64_t MmeQmanBase(int mme) { return MmeCtrlBase(mme) + 0x8000; }
// The master of the pair that queue MME_<pair> drives: the north pair comes first.
constexpr int MmeMaster(int pair) { return pair == 0 ? 2 : 0; }

constexpr uint64_t TpcCfgBase(int tpc) { return 0x7FFCE06000 + uint64_t{0x40000} * tpc; }
constexpr uint64_t TpcQmanBase(int tpc) { return TpcCfgBase(tpc) + 0x2000; }

constexpr uint64_t NicQmanBase(int nic) {
  return 0x7FFCCE0000 + uint64_t{0x40000} * (nic / 2) + uint64_t{0x2000} * (nic % 2);
}

constexpr uint64_t SyncManagerGlblBase(int manager) {
  return 0x7FFC490000 + uint64_t{0x20000} * manager;
}
constexpr uint64_t SyncManagerObjsBase(int manager) {
  return SyncManagerGlblBase(manager) + 0x1000;
}
inline constexpr uint64_t kSyncManagerStride = 0x20000;
inline constexpr uint64_t kSyncManagerObjsBytes = 0x6000;  // to the end of SM_SEC

inline constexpr uint64_t kMmuUpBase = 0x7FFCC11000;
inline constexpr uint64_t kStlbBase = 0x7FFCC12000;
inline constexpr uint64_t kPsocTimestampBase =
    0x7FFCC49000;  // the counter that messages with OP = timestamp write
inline constexpr uint64_t kPsocGlobalConfBase = 0x7FFCC4B000;

inline constexpr uint64_t kBlockBytes = 0x1000;  // of a QMAN, a DMA core, a TPC's or MME's block

}  // namespace openhpu::hal::abi::gaudi

#endif  // HAL_ABI_GAUDI_BLOCKS_H_
