#include <algorithm>
#include <utility>

#include "graph/front/passes.h"
#include "graph/ops/common.h"
#include "graph/versions.h"
#include "graph/views.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

bool Tangled(const Work& work, const View& in) {
  // A scatter's base is written in place.
  const bool elementwise =
      std::holds_alternative<ElementwiseWork>(work.what) ||
      (std::holds_alternative<ScatterWork>(work.what) && &in == &work.inputs[ScatterWork::kBase]);
  return std::any_of(work.outputs.begin(), work.outputs.end(), [&](const View& out) {
    if (in.buffer != out.buffer || Relate(in, out) == Overlap::kDisjoint) return false;
    return !elementwise || !SameElements(in, out);
  });
}

}  // namespace

void Untangle(std::vector<Buffer>& buffers, std::vector<Work>& works) {
  const bool any = std::any_of(works.begin(), works.end(), [](const Work& w) {
    return std::any_of(w.inputs.begin(), w.inputs.end(),
                       [&](const View& in) { return Tangled(w, in); });
  });
  if (!any) return;
  std::vector<Work> untangled;
  untangled.reserve(works.size() + 8);
  for (Work& work : works) {
    for (View& in : work.inputs) {
      if (!Tangled(work, in)) continue;
      // Only the elements it has; broadcast dims stay broadcast.
      View once = in;
      for (int d = 0; d < in.rank(); ++d) {
        if (in.strides[d] == 0) once.sizes[d] = 1;
      }
      View temp = once;
      temp.buffer = static_cast<BufferId>(buffers.size());
      temp.offset = 0;
      temp.strides = ContiguousStrides(temp.sizes);
      Buffer buffer;
      buffer.bytes = static_cast<uint64_t>(temp.elements()) * StorageBytes(temp.dtype);
      buffers.push_back(std::move(buffer));
      Work copy;
      ExpressionBuilder e({once.dtype});
      copy.what = ElementwiseWork{e.Finish(0, once.dtype)};
      copy.inputs = {once};
      copy.outputs = {temp};
      copy.name = hal::Cat(work.name, "/copy");
      copy.source = work.source;
      in = Expand(temp, in.sizes);
      untangled.push_back(std::move(copy));
    }
    untangled.push_back(std::move(work));
  }
  works = std::move(untangled);
}

}  // namespace openhpu::graph
