#include "simulator/engine/dma_transfer.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi2/dma_core.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

namespace core = hal::abi::gaudi::dma_core;

uint64_t Wide(uint32_t low, uint32_t high) { return (uint64_t{high} << 32) | low; }

// The transposing unit: rows of the source, and of the destination, in bytes.
constexpr uint32_t kTransposeSourceBytes = 64, kGaudi2TransposeSourceBytes = 128,
                   kTransposeDestinationBytes = 128;

constexpr uint64_t kMostBytes = uint64_t{1} << 40;  // of one command: more than any memory

// More than kMostBytes is kMostBytes + 1.
uint64_t TotalBytes(const DmaTransfer::Side& side) {
  uint64_t bytes = 1;
  for (uint32_t size : side.sizes) {
    if (size == 0) return 0;
    bytes = bytes > kMostBytes / size ? kMostBytes + 1 : bytes * size;
  }
  return bytes;
}

AccessBox Box(const DmaTransfer::Side& side, bool write) {
  AccessBox box;
  box.base = DeviceAddress(side.base);
  box.run = side.sizes[0];
  box.write = write;
  for (int d = 1; d < core::kNumDims; ++d) {
    box.sizes[d] = side.sizes[d];
    box.strides[d] = side.strides[d];
  }
  return box;
}

// Walks the runs (dim 0) of a side. `first` is the host's view of the lowest address; sides have no
// negative strides.
class Runs {
 public:
  Runs(const DmaTransfer::Side& side, std::byte* first) : side_(side), run_(first) {}

  // Bytes left in this run, and where.
  uint64_t left() const { return side_.sizes[0] - done_; }
  std::byte* at() const { return run_ + done_; }
  void Skip(uint64_t bytes) {
    done_ += bytes;
    if (done_ < side_.sizes[0]) return;
    done_ = 0;
    for (int d = 1; d < core::kNumDims; ++d) {
      run_ += side_.strides[d];
      if (++index_[d] < side_.sizes[d]) return;
      run_ -= uint64_t{side_.strides[d]} * side_.sizes[d];
      index_[d] = 0;
    }
  }

 private:
  const DmaTransfer::Side& side_;
  std::byte* run_;
  uint64_t done_ = 0;
  std::array<uint32_t, 5> index_{};
};

absl::StatusOr<std::byte*> HostOf(const DmaTransfer::Side& side, AddressSpace& memory) {
  const AccessBox box = Box(side, false);
  return memory.Resolve(Begin(box), (End(box) - Begin(box)).value());
}

// A linear transpose takes the source as matrices that fill the unit, one after the other: `asked`
// rows, or as many as make a row of the destination.
void CutIntoMatrices(uint32_t row_bytes, uint32_t asked, DmaTransfer& t) {
  const uint32_t rows = asked != 0 ? asked : kTransposeDestinationBytes / t.element_bytes;
  const uint64_t matrix = uint64_t{row_bytes} * rows;
  const auto matrices = static_cast<uint32_t>(t.source.sizes[0] / matrix);
  t.source.sizes = {row_bytes, rows, matrices, 1, 1};
  t.source.strides = {1, row_bytes, static_cast<uint32_t>(matrix), 0, 0};
}

}  // namespace

DmaTransfer ReadDmaTransfer(const uint32_t* registers) {
  const auto reg = [registers](uint32_t offset) { return registers[offset / 4]; };
  const uint32_t commit = reg(core::COMMIT::kOffset);
  DmaTransfer t;
  t.linear = core::COMMIT::LIN::Get(commit) != 0;
  t.memset = core::COMMIT::MEM_SET::Get(commit) != 0;
  t.transpose = core::COMMIT::TRANSPOSE::Get(commit) != 0;
  t.element_bytes = core::COMMIT::DTYPE::Get(commit) != 0 ? 4 : 2;
  t.signals = core::COMMIT::WR_COMP_EN::Get(commit) != 0;
  t.signal_address = Wide(reg(core::WR_COMP_ADDR_LO::kOffset), reg(core::WR_COMP_ADDR_HI::kOffset));
  t.signal_value = reg(core::WR_COMP_WDATA::kOffset);
  t.source.base = Wide(reg(core::SRC_BASE_LO::kOffset), reg(core::SRC_BASE_HI::kOffset));
  t.destination.base = Wide(reg(core::DST_BASE_LO::kOffset),
                            core::DST_BASE_HI::VAL::Get(reg(core::DST_BASE_HI::kOffset)));
  if (t.linear) {
    t.source.sizes[0] = t.destination.sizes[0] = reg(core::DST_TSIZE_0::kOffset);
    if (t.transpose && !t.memset) {
      CutIntoMatrices(kTransposeSourceBytes, reg(core::TE_NUMROWS::kOffset), t);
    }
    return t;
  }
  for (int d = 0; d < core::kNumDims; ++d) {
    t.source.sizes[d] = reg(core::SrcTsize(d));
    t.destination.sizes[d] = reg(core::DstTsize(d));
    if (d == 0) continue;
    t.source.strides[d] = reg(core::SrcStride(d));
    t.destination.strides[d] = reg(core::DstStride(d));
  }
  return t;
}

DmaTransfer ReadGaudi2DmaTransfer(const uint32_t* registers) {
  namespace core2 = hal::abi::gaudi2::dma_core;
  using Commit = core2::COMMIT;
  using Ctrl = core2::CTRL;
  const auto reg = [registers](uint32_t offset) { return registers[offset / 4]; };
  const uint32_t commit = reg(Commit::kOffset), ctrl = reg(Ctrl::kOffset);
  DmaTransfer t;
  t.linear = Commit::LIN::Get(commit) != 0;
  t.memset = Commit::MEM_SET::Get(commit) != 0;
  t.transpose = Ctrl::TRANSPOSE::Get(ctrl) != 0;
  t.element_bytes = 1u << Ctrl::DTYPE::Get(ctrl);
  t.signals = Commit::WR_COMP_EN::Get(commit) != 0;
  t.signal_address =
      Wide(reg(core2::WR_COMP_ADDR_LO::kOffset), reg(core2::WR_COMP_ADDR_HI::kOffset));
  t.signal_value = reg(core2::WR_COMP_WDATA::kOffset);
  t.source.base = Wide(reg(core2::SRC_BASE_LO::kOffset), reg(core2::SRC_BASE_HI::kOffset));
  t.destination.base = Wide(reg(core2::DST_BASE_LO::kOffset), reg(core2::DST_BASE_HI::kOffset));
  if (Commit::ENDIAN_SWAP::Get(commit)) t.refused = "ENDIAN_SWAP";
  if (Commit::BF16::Get(commit) || Commit::FP16::Get(commit)) t.refused = "a reduction in memory";
  if (Commit::ADD_OFFSET_0::Get(commit)) t.refused = "ADD_OFFSET_0";
  if (Ctrl::COMPRESS::Get(ctrl) || Ctrl::DECOMPRESS::Get(ctrl)) t.refused = "compression";
  if (t.transpose && t.element_bytes > 4) t.refused = "a transpose of this DTYPE";
  if (t.linear) {
    t.source.sizes[0] = t.destination.sizes[0] = reg(core2::DST_TSIZE_0::kOffset);
    if (t.transpose && !t.memset && t.refused == nullptr) {
      CutIntoMatrices(kGaudi2TransposeSourceBytes, reg(core2::TE_NUMROWS::kOffset), t);
    }
    return t;
  }
  const auto same = [commit](unsigned lsb) { return (commit >> lsb & 1) != 0; };
  for (int d = 0; d < core2::kNumDims; ++d) {
    t.source.sizes[d] = reg(core2::SrcTsize(d));
    t.destination.sizes[d] = reg(core2::DstTsize(d));
    if (d == 0) {
      if (Commit::SRC_SIZE0_FROM_DST_SIZE0::Get(commit)) t.source.sizes[0] = t.destination.sizes[0];
      continue;
    }
    t.source.strides[d] = reg(core2::SrcStride(d));
    t.destination.strides[d] = reg(core2::DstStride(d));
    if (same(Commit::SRC_SIZE1_FROM_DST_SIZE1::kLsb + d - 1)) {
      t.source.sizes[d] = t.destination.sizes[d];
    }
    if (same(Commit::SRC_STRD1_FROM_DST_STRD1::kLsb + d - 1)) {
      t.source.strides[d] = t.destination.strides[d];
    }
    if (same(Commit::DISABLE_DIM1::kLsb + d - 1)) {
      t.source.sizes[d] = t.destination.sizes[d] = 1;
    }
  }
  return t;
}

absl::Status DmaBoxes(const DmaTransfer& t, std::vector<AccessBox>& boxes) {
  boxes.clear();
  if (t.refused != nullptr) {
    return absl::UnimplementedError(
        absl::StrCat("DMA descriptor with ", t.refused, ", which is not modelled"));
  }
  const uint64_t bytes = TotalBytes(t.destination);
  if (bytes > kMostBytes) {
    return absl::InvalidArgumentError("DMA descriptor writes more than 2^40 bytes");
  }
  if (!t.memset) {
    if (t.transpose && t.linear && TotalBytes(t.source) != bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("linear DMA transpose of ", bytes, " bytes: must be of whole matrices of ",
                       t.source.sizes[1], " rows of ", t.source.sizes[0], " bytes"));
    }
    if (TotalBytes(t.source) != bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("DMA descriptor reads ", TotalBytes(t.source), " bytes and writes ", bytes));
    }
    if (t.transpose && t.source.sizes[0] % t.element_bytes != 0) {
      return absl::InvalidArgumentError("DMA transpose needs rows of whole elements");
    }
    if (t.transpose && t.linear &&
        t.source.sizes[1] > kTransposeDestinationBytes / t.element_bytes) {
      return absl::InvalidArgumentError(absl::StrCat("linear DMA transpose of ", t.source.sizes[1],
                                                     " rows: at most ", kTransposeDestinationBytes,
                                                     " bytes of elements"));
    }
    boxes.push_back(Box(t.source, false));
  }
  boxes.push_back(Box(t.destination, true));
  return absl::OkStatus();
}

absl::Status RunDma(const DmaTransfer& t, AddressSpace& memory) {
  uint64_t left = TotalBytes(t.destination);
  if (left == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::byte* const to, HostOf(t.destination, memory));
  Runs write(t.destination, to);
  if (t.memset) {
    std::array<std::byte, sizeof(uint64_t)> pattern;
    std::memcpy(pattern.data(), &t.source.base, sizeof(uint64_t));
    const bool uniform =
        std::all_of(pattern.begin(), pattern.end(), [&](std::byte b) { return b == pattern[0]; });
    for (uint64_t done = 0; done < left;) {
      const uint64_t run = write.left();
      if (uniform) {
        std::memset(write.at(), static_cast<int>(pattern[0]), run);
      } else {
        for (uint64_t i = 0; i < run; ++i) write.at()[i] = pattern[(done + i) % pattern.size()];
      }
      done += run;
      write.Skip(run);
    }
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::byte* const from, HostOf(t.source, memory));
  if (t.transpose) {
    // Elements of the source's dim 0 become runs over its dim 1.
    const uint32_t e = t.element_bytes, columns = t.source.sizes[0] / e;
    DmaTransfer::Side outer = t.source;
    outer.sizes[0] = 1;
    outer.sizes[1] = 1;
    Runs planes(outer, from);
    while (left > 0) {
      for (uint32_t column = 0; column < columns; ++column) {
        for (uint32_t row = 0; row < t.source.sizes[1]; ++row) {
          if (write.left() < e) return absl::InvalidArgumentError("DMA transpose cuts an element");
          std::memcpy(write.at(),
                      planes.at() + uint64_t{row} * t.source.strides[1] + uint64_t{column} * e, e);
          write.Skip(e);
          left -= e;
        }
      }
      planes.Skip(1);
    }
    return absl::OkStatus();
  }
  Runs read(t.source, from);
  while (left > 0) {
    const uint64_t run = std::min(read.left(), write.left());
    std::memmove(write.at(), read.at(), run);
    read.Skip(run);
    write.Skip(run);
    left -= run;
  }
  return absl::OkStatus();
}

}  // namespace openhpu::simulator
