#include "graph/back/split.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "hal/command_writer.h"
#include "hal/kernel/kernels.h"

namespace openhpu::graph {
namespace {

using hal::Chip;
using hal::EngineKind;

// A share is worth at least this part of its launch.
constexpr uint64_t kLaunchShare = 8;

uint64_t CeilDivide(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// How many engines a step of `work` deserves, where one launch costs `launch` (same unit).
uint32_t WorthwhileParts(uint64_t work, uint64_t launch, int engines) {
  if (launch == 0) return static_cast<uint32_t>(engines);
  const uint64_t parts = CeilDivide(kLaunchShare * work, launch);
  return static_cast<uint32_t>(std::clamp<uint64_t>(parts, 1, static_cast<uint64_t>(engines)));
}

struct Piece {
  uint64_t start, size;
};

// [0, total) in at most `parts` pieces; all but the last are multiples of `multiple`.
std::vector<Piece> Pieces(uint64_t total, uint32_t parts, uint64_t multiple) {
  const uint64_t size = CeilDivide(CeilDivide(total, parts), multiple) * multiple;
  std::vector<Piece> pieces;
  for (uint64_t start = 0; start < total; start += size)
    pieces.push_back({start, std::min(size, total - start)});
  return pieces;
}

// --- TPC ---

uint64_t TpcCycles(const hal::KernelLaunch& launch, const Chip& chip) {
  const uint64_t vector = std::max<uint64_t>(1, chip.tpc().vector_bytes().value());
  uint64_t accesses = 0;
  for (const hal::KernelTensor& tensor : launch.tensors) {
    uint64_t vectors = CeilDivide(
        uint64_t{tensor.sizes[0]} * static_cast<uint64_t>(StorageBytes(tensor.dtype)), vector);
    for (int dim = 1; dim < hal::kTpcMaxDims; ++dim) vectors *= tensor.sizes[dim];
    accesses += vectors;
  }
  return accesses * chip.tpc().cycles_per_vector_access().value();
}

std::vector<Share> SplitTpc(const TpcStep& step, const Chip& chip, int engines) {
  const uint32_t parts =
      WorthwhileParts(TpcCycles(step.launch, chip), chip.tpc().launch_cycles().value(), engines);
  std::vector<Share> shares;
  for (const hal::IndexBox& box : hal::SplitIndexSpace(step.launch, static_cast<int>(parts)))
    shares.push_back(box);
  return shares;
}

// --- MME ---

// The tile that one step of an engine makes, with all its arrays.
struct Geometry {
  uint64_t rows, columns, rollup;
};

Geometry GeometryOf(DType in, DType out, const Chip& chip) {
  const hal::Mme& mme = chip.mme();
  const uint64_t out_bytes = static_cast<uint64_t>(StorageBytes(out));
  const uint64_t high = std::max<uint64_t>(1, mme.stacked_arrays().value());
  const uint64_t wide = std::max<uint64_t>(1, mme.arrays_per_engine().value() / high);
  if (in == DType::kBFloat16) {
    return {mme.rows_bf16().value() * high, mme.cols_bf16().value() * wide,
            mme.rollup_cycles_per_out_byte_bf16_in().value() * out_bytes};
  }
  return {mme.rows_fp32().value() * high, mme.cols_fp32().value() * wide,
          mme.rollup_cycles_per_out_byte_fp32_in().value() * out_bytes};
}

// Cycles of an m x n product with common dim k, `batch` times: steps, each at least the roll-up.
// Products of a batch share no step.
uint64_t MmeCycles(const Geometry& geometry, uint64_t m, uint64_t n, uint64_t k, uint64_t batch) {
  return CeilDivide(m, geometry.rows) * CeilDivide(n, geometry.columns) * batch *
         std::max(k, geometry.rollup);
}

// The cheapest of several cuts; the first of equals, so a step that gains nothing stays whole.
class BestCut {
 public:
  void Consider(uint64_t cycles, std::vector<Share> shares) {
    if (shares.empty() || cycles >= cycles_) return;
    cycles_ = cycles;
    shares_ = std::move(shares);
  }
  std::vector<Share> Take() { return std::move(shares_); }

 private:
  uint64_t cycles_ = std::numeric_limits<uint64_t>::max();
  std::vector<Share> shares_;
};

std::vector<Share> SplitGemm(const hal::MmeGemm& gemm, const Chip& chip, int engines) {
  const uint32_t parts = static_cast<uint32_t>(engines);
  const uint64_t in_bytes = static_cast<uint64_t>(StorageBytes(gemm.in));
  const uint64_t out_bytes = static_cast<uint64_t>(StorageBytes(gemm.out));
  const Geometry geometry = GeometryOf(gemm.in, gemm.out, chip);
  uint64_t batches = 1;
  for (const auto& batch : gemm.batch) batches *= batch.count;

  BestCut best;
  best.Consider(MmeCycles(geometry, gemm.m, gemm.n, gemm.k, batches), {gemm});
  for (size_t dim = gemm.batch.size(); dim-- > 0;) {
    const std::vector<Piece> pieces = Pieces(gemm.batch[dim].count, parts, 1);
    if (pieces.size() < 2) continue;
    std::vector<Share> shares;
    for (const Piece& piece : pieces) {
      hal::MmeGemm share = gemm;
      share.batch[dim].count = static_cast<uint32_t>(piece.size);
      share.a.offset += piece.start * gemm.batch[dim].stride_a * in_bytes;
      share.b.offset += piece.start * gemm.batch[dim].stride_b * in_bytes;
      share.c.offset += piece.start * gemm.batch[dim].stride_c * out_bytes;
      shares.push_back(share);
    }
    const uint64_t largest = batches / gemm.batch[dim].count * pieces.front().size;
    best.Consider(MmeCycles(geometry, gemm.m, gemm.n, gemm.k, largest), std::move(shares));
  }
  if (const std::vector<Piece> pieces = Pieces(gemm.m, parts, geometry.rows); pieces.size() > 1) {
    std::vector<Share> shares;
    for (const Piece& piece : pieces) {
      hal::MmeGemm share = gemm;
      share.m = static_cast<uint32_t>(piece.size);
      share.a.offset += piece.start * (gemm.trans_a ? 1 : gemm.lda) * in_bytes;
      share.c.offset += piece.start * gemm.ldc * out_bytes;
      shares.push_back(share);
    }
    best.Consider(MmeCycles(geometry, pieces.front().size, gemm.n, gemm.k, batches),
                  std::move(shares));
  }
  if (const std::vector<Piece> pieces = Pieces(gemm.n, parts, geometry.columns);
      pieces.size() > 1) {
    std::vector<Share> shares;
    for (const Piece& piece : pieces) {
      hal::MmeGemm share = gemm;
      share.n = static_cast<uint32_t>(piece.size);
      share.b.offset += piece.start * (gemm.trans_b ? gemm.ldb : 1) * in_bytes;
      share.c.offset += piece.start * out_bytes;
      shares.push_back(share);
    }
    best.Consider(MmeCycles(geometry, gemm.m, pieces.front().size, gemm.k, batches),
                  std::move(shares));
  }
  return best.Take();
}

// Output rows [piece) of a convolution; nothing when their window lies wholly below the image (such
// a share could not say its height).
std::vector<Share> CutOutputRows(const hal::MmeConvolution& whole, absl::Span<const Piece> pieces) {
  const uint64_t in_bytes = static_cast<uint64_t>(StorageBytes(whole.in));
  const uint64_t out_bytes = static_cast<uint64_t>(StorageBytes(whole.out));
  std::vector<Share> shares;
  for (const Piece& piece : pieces) {
    hal::MmeConvolution share = whole;
    share.out_height = static_cast<uint32_t>(piece.size);
    share.y.offset += piece.start * whole.y_strides[1] * out_bytes;
    const uint64_t first = piece.start * whole.stride_h;  // of the padded image
    if (first <= whole.pad_h) {
      share.pad_h = static_cast<uint32_t>(whole.pad_h - first);
    } else {
      const uint64_t skipped = first - whole.pad_h;
      if (skipped >= whole.height) return {};
      share.pad_h = 0;
      share.height = static_cast<uint32_t>(whole.height - skipped);
      share.x.offset += skipped * whole.x_strides[1] * in_bytes;
    }
    shares.push_back(share);
  }
  return shares;
}

std::vector<Share> SplitConvolution(const hal::MmeConvolution& conv, const Chip& chip,
                                    int engines) {
  const uint32_t parts = static_cast<uint32_t>(engines);
  const uint64_t in_bytes = static_cast<uint64_t>(StorageBytes(conv.in));
  const uint64_t out_bytes = static_cast<uint64_t>(StorageBytes(conv.out));
  const Geometry geometry = GeometryOf(conv.in, conv.out, chip);
  const uint64_t k = uint64_t{conv.kernel_h} * conv.kernel_w * conv.channels;
  // Output positions are the rows; those of a row that the ports walk in vain are paid for too.
  const uint64_t width = std::max<uint64_t>(conv.out_width, chip.mme().interleaved_ports().value());
  const uint64_t image = conv.out_height * width;

  BestCut best;
  best.Consider(MmeCycles(geometry, conv.batch * image, conv.filters, k, 1), {conv});
  if (const std::vector<Piece> pieces = Pieces(conv.batch, parts, 1); pieces.size() > 1) {
    std::vector<Share> shares;
    for (const Piece& piece : pieces) {
      hal::MmeConvolution share = conv;
      share.batch = static_cast<uint32_t>(piece.size);
      share.x.offset += piece.start * conv.x_strides[0] * in_bytes;
      share.y.offset += piece.start * conv.y_strides[0] * out_bytes;
      shares.push_back(share);
    }
    best.Consider(MmeCycles(geometry, pieces.front().size * image, conv.filters, k, 1),
                  std::move(shares));
  }
  if (const std::vector<Piece> pieces = Pieces(conv.out_height, parts, 1); pieces.size() > 1) {
    const uint64_t rows = conv.batch * pieces.front().size * width;
    best.Consider(MmeCycles(geometry, rows, conv.filters, k, 1), CutOutputRows(conv, pieces));
  }
  if (const std::vector<Piece> pieces = Pieces(conv.filters, parts, geometry.columns);
      pieces.size() > 1) {
    std::vector<Share> shares;
    for (const Piece& piece : pieces) {
      hal::MmeConvolution share = conv;
      share.filters = static_cast<uint32_t>(piece.size);
      share.w.offset += piece.start * in_bytes;
      share.y.offset += piece.start * out_bytes;
      shares.push_back(share);
    }
    best.Consider(MmeCycles(geometry, conv.batch * image, pieces.front().size, k, 1),
                  std::move(shares));
  }
  return best.Take();
}

// --- DMA ---

uint64_t DmaPicoseconds(uint64_t bytes, const Chip& chip) {
  const uint64_t rate =
      std::max<uint64_t>(1, chip.dma().bytes_per_cycle().value() * chip.dma().clock_mhz().value());
  return CeilDivide(bytes * 1'000'000, rate);
}

std::vector<Share> SplitCopy(const hal::DmaCopy& copy, const Chip& chip, int engines) {
  const uint64_t line = std::max<uint64_t>(1, chip.address_map().cache_line_bytes().value());
  uint64_t touched = CeilDivide(copy.run, line) * line;
  for (uint32_t size : copy.sizes) touched *= size;
  const uint32_t parts =
      WorthwhileParts(DmaPicoseconds(touched, chip), chip.dma().launch_ps().value(), engines);

  // The outermost dim that gives every engine a part, or else the longest; a dense copy is cut
  // along its bytes.
  size_t dim = copy.sizes.size();
  for (size_t i = copy.sizes.size(); i-- > 0;) {
    if (copy.sizes[i] < 2) continue;
    if (dim == copy.sizes.size() || (copy.sizes[dim] < parts && copy.sizes[i] > copy.sizes[dim]))
      dim = i;
  }
  std::vector<Share> shares;
  if (dim == copy.sizes.size()) {
    for (const Piece& piece : Pieces(copy.run, parts, line)) {
      hal::DmaCopy share = copy;
      share.run = static_cast<uint32_t>(piece.size);
      share.source.offset += piece.start;
      share.destination.offset += piece.start;
      shares.push_back(share);
    }
    return shares;
  }
  for (const Piece& piece : Pieces(copy.sizes[dim], parts, 1)) {
    hal::DmaCopy share = copy;
    share.sizes[dim] = static_cast<uint32_t>(piece.size);
    share.source.offset += piece.start * copy.source_strides[dim];
    share.destination.offset += piece.start * copy.destination_strides[dim];
    shares.push_back(share);
  }
  return shares;
}

std::vector<Share> SplitFill(const hal::DmaFill& fill, const Chip& chip, int engines) {
  const uint64_t line = std::max<uint64_t>(4, chip.address_map().cache_line_bytes().value());
  const uint32_t parts = WorthwhileParts(DmaPicoseconds(fill.bytes, chip),
                                         chip.dma().memset_launch_ps().value(), engines);
  std::vector<Share> shares;
  for (const Piece& piece : Pieces(fill.bytes, parts, line)) {
    hal::DmaFill share = fill;
    share.bytes = piece.size;
    share.destination.offset += piece.start;
    shares.push_back(share);
  }
  return shares;
}

// --- Work ---

struct HasWork {
  bool operator()(const TpcStep& step) const {
    return std::all_of(step.launch.index_space.begin(), step.launch.index_space.end(),
                       [](uint32_t n) { return n > 0; });
  }
  bool operator()(const hal::MmeGemm& gemm) const {
    return gemm.m > 0 && gemm.n > 0 && gemm.k > 0 &&
           std::all_of(gemm.batch.begin(), gemm.batch.end(),
                       [](const auto& batch) { return batch.count > 0; });
  }
  bool operator()(const hal::MmeConvolution& c) const {
    return c.batch > 0 && c.height > 0 && c.width > 0 && c.channels > 0 && c.out_height > 0 &&
           c.out_width > 0 && c.filters > 0 && c.kernel_h > 0 && c.kernel_w > 0;
  }
  bool operator()(const hal::DmaCopy& copy) const {
    return copy.run > 0 &&
           std::all_of(copy.sizes.begin(), copy.sizes.end(), [](uint32_t n) { return n > 0; });
  }
  bool operator()(const hal::DmaFill& fill) const { return fill.bytes > 0; }
};

}  // namespace

hal::EngineKind KindOf(const PlanStep& step) {
  switch (step.work.index()) {
    case 0:
      return EngineKind::kTpc;
    case 1:
    case 2:
      return EngineKind::kMme;
    default:
      return EngineKind::kDma;
  }
}

absl::StatusOr<std::vector<Share>> SplitStep(const PlanStep& step, const Chip& chip) {
  if (!std::visit(HasWork{}, step.work))
    return absl::InvalidArgumentError("the step has no work: a size is 0");
  const EngineKind kind = KindOf(step);
  const int engines = hal::CountEngines(chip, kind);
  if (engines < 1) {
    return absl::UnimplementedError(absl::StrCat("chip \"", chip.name(),
                                                 "\" has no engine for this step (kind ",
                                                 static_cast<int>(kind), ")"));
  }
  struct Split {
    const Chip& chip;
    int engines;
    std::vector<Share> operator()(const TpcStep& work) const {
      return SplitTpc(work, chip, engines);
    }
    std::vector<Share> operator()(const hal::MmeGemm& work) const {
      return SplitGemm(work, chip, engines);
    }
    std::vector<Share> operator()(const hal::MmeConvolution& work) const {
      return SplitConvolution(work, chip, engines);
    }
    std::vector<Share> operator()(const hal::DmaCopy& work) const {
      return SplitCopy(work, chip, engines);
    }
    std::vector<Share> operator()(const hal::DmaFill& work) const {
      return SplitFill(work, chip, engines);
    }
  };
  std::vector<Share> shares = std::visit(Split{chip, engines}, step.work);
  OPENHPU_CHECK(!shares.empty() && shares.size() <= static_cast<size_t>(engines));
  return shares;
}

}  // namespace openhpu::graph
