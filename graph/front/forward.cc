// Forwarding copies: a product or an image that is copied to where it belongs (a permuted matrix, a
// slice of a cat) is written there by the MME or TPC itself.
#include <algorithm>
#include <optional>

#include "graph/front/iteration.h"
#include "graph/front/passes.h"
#include "graph/front/program.h"
#include "graph/versions.h"

namespace openhpu::graph {
namespace {

constexpr size_t kFar = 256;  // works between a producer and the copy that are looked at

bool IsCopy(const Work& work) {
  const hal::ExpressionProgram* program = ProgramOf(work);
  return program != nullptr && program->instructions.empty() && program->inputs.size() == 1 &&
         program->outputs.size() == 1;
}

// Whether the engine can write its result like this.
bool Writes(const Work& work, const View& out) {
  if (std::holds_alternative<GemmWork>(work.what)) {
    const int rank = out.rank();
    const int64_t columns = out.sizes[rank - 1];
    return (out.strides[rank - 1] == 1 || columns == 1) &&
           (out.sizes[rank - 2] == 1 || out.strides[rank - 2] >= columns);
  }
  if (const auto* convolution = std::get_if<ConvolutionWork>(&work.what)) {
    return out.strides[1] == 1 || out.sizes[1] == convolution->groups;
  }
  if (std::holds_alternative<DepthwiseWork>(work.what) ||
      std::holds_alternative<PoolWork>(work.what)) {
    return out.strides[1] == 1 || out.sizes[1] == 1;
  }
  return false;
}

// The view of the copy's destination whose element i is where the copy puts element i of `made`.
// Nothing if the copy does not move all of it, or cuts a dim.
std::optional<View> Destination(const View& made, const View& from, const View& to) {
  if (made.offset != from.offset || made.elements() != from.elements() || made.dtype != from.dtype)
    return std::nullopt;
  IterationSpace x = MakeSpace({&made}, {}), y = MakeSpace({&from, &to}, {});
  SortDims(x, 0);
  SortDims(y, 0);
  if (!RefineTogether(x, y)) return std::nullopt;
  View out = to;
  out.sizes = made.sizes;
  out.strides.assign(made.rank(), 1);
  // The parts of a dim of `made` lie side by side, the outermost first.
  std::vector<int64_t> size(made.rank(), 1);
  for (size_t d = x.dims.size(); d-- > 0;) {
    if (x.dims[d].strides[0] != y.dims[d].strides[0]) return std::nullopt;
    const int logical = x.dims[d].logical;
    const int64_t stride = y.dims[d].strides[1];
    if (size[logical] == 1) {
      out.strides[logical] = stride;
    } else if (stride != out.strides[logical] * size[logical]) {
      return std::nullopt;
    }
    size[logical] *= x.dims[d].size;
  }
  return out;
}

}  // namespace

void ForwardCopies(const std::vector<bool>& observed, std::vector<Work>& works) {
  struct Uses {
    size_t writer = 0;
    int writes = 0, reads = 0;
  };
  std::vector<Uses> uses(observed.size());
  for (size_t i = 0; i < works.size(); ++i) {
    for (const View& v : works[i].inputs) ++uses[v.buffer].reads;
    for (const View& v : works[i].outputs) {
      ++uses[v.buffer].writes;
      uses[v.buffer].writer = i;
    }
  }
  std::vector<bool> gone(works.size(), false);
  for (size_t i = 0; i < works.size(); ++i) {
    if (!IsCopy(works[i])) continue;
    const View &from = works[i].inputs[0], &to = works[i].outputs[0];
    const Uses& temp = uses[from.buffer];
    if (observed[from.buffer] || temp.writes != 1 || temp.reads != 1 || temp.writer >= i ||
        i - temp.writer > kFar)
      continue;
    Work& producer = works[temp.writer];
    const auto made = std::find_if(producer.outputs.begin(), producer.outputs.end(),
                                   [&](const View& v) { return v.buffer == from.buffer; });
    const std::optional<View> out = Destination(*made, from, to);
    if (!out.has_value() || !Writes(producer, *out)) continue;
    // The write moves up to the producer: nobody in between, nor the producer itself, may touch the
    // place.
    bool clear = true;
    for (size_t w = temp.writer; w < i && clear; ++w) {
      if (gone[w]) continue;
      for (const auto* views : {&works[w].inputs, &works[w].outputs}) {
        for (const View& v : *views) clear = clear && Relate(v, *out) == Overlap::kDisjoint;
      }
    }
    if (!clear) continue;
    *made = *out;
    if (uses[out->buffer].writer == i) uses[out->buffer].writer = temp.writer;
    gone[i] = true;
  }
  size_t kept = 0;
  for (size_t i = 0; i < works.size(); ++i) {
    if (gone[i]) continue;
    if (kept != i) works[kept] = std::move(works[i]);
    ++kept;
  }
  works.resize(kept);
}

}  // namespace openhpu::graph
