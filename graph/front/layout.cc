// Layout. PyTorch's images are [N, C, H, W] with w dense; the engines want c dense. A temp that a
// convolution or a pooling touches gets its channels dense, and so do the temps that element-wise
// works connect to it; where an operand keeps another layout, a copy is made, once a version.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "graph/front/passes.h"
#include "graph/front/program.h"
#include "graph/ops/common.h"
#include "graph/versions.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

// An image as a buffer holds it: [n][c][p], p the pixels of all rows.
struct Image {
  int64_t n = 0, c = 0, p = 0;
};

// `v`, of a buffer that holds [n][c][p], after the buffer is changed to [n][p][c]. Nothing if it is
// no view then.
std::optional<View> ChannelsLast(const View& v, const Image& image) {
  const int64_t old_strides[3] = {image.c * image.p, image.p, 1},
                new_strides[3] = {image.c * image.p, 1, image.c};
  const int64_t limits[3] = {image.n, image.c, image.p};
  View out = v;
  int64_t rest = v.offset, reach[3];
  out.offset = 0;
  for (int i = 0; i < 3; ++i) {
    reach[i] = rest / old_strides[i];
    rest %= old_strides[i];
    out.offset += reach[i] * new_strides[i];
  }
  for (int d = 0; d < v.rank(); ++d) {
    if (v.sizes[d] <= 1 || v.strides[d] == 0) continue;
    int level = 0;
    while (level < 3 && (old_strides[level] > v.strides[d] || limits[level] == 1)) ++level;
    if (level == 3 || v.strides[d] % old_strides[level] != 0) return std::nullopt;
    const int64_t steps = v.strides[d] / old_strides[level];
    reach[level] += steps * (v.sizes[d] - 1);
    out.strides[d] = steps * new_strides[level];
  }
  for (int i = 0; i < 3; ++i) {
    if (reach[i] >= limits[i] && v.elements() > 0) return std::nullopt;
  }
  return out;
}

bool IsSpatial(const Work& work) {
  return std::holds_alternative<ConvolutionWork>(work.what) ||
         std::holds_alternative<PoolWork>(work.what) ||
         std::holds_alternative<DepthwiseWork>(work.what);
}

// A norm over everything but channels, as batch norm's in training: any layout does.
bool IsChannelNorm(const Work& work) {
  const auto* norm = std::get_if<NormWork>(&work.what);
  return norm != nullptr && work.inputs[0].rank() == 4 && norm->dims == 0b1101;
}

class Chooser {
 public:
  Chooser(std::vector<Buffer>& buffers, std::vector<Work>& works)
      : buffers_(buffers),
        works_(works),
        images_(buffers.size()),
        state_(buffers.size(), State::kOther) {
    for (const Work& work : works_) {
      ForEachView(work, [&](const View& v) { Consider(v); });
    }
    for (const Work& work : works_) {
      ForEachView(work, [&](const View& v) {
        State& state = state_[v.buffer];
        if (state == State::kImage && !ChannelsLast(v, images_[v.buffer]).has_value())
          state = State::kOther;
        // Elements of another size would be cut apart.
        if (state == State::kImage && StorageBytes(v.dtype) * images_[v.buffer].n *
                                              images_[v.buffer].c * images_[v.buffer].p !=
                                          static_cast<int64_t>(buffers_[v.buffer].bytes))
          state = State::kOther;
      });
    }
  }

  void Run() {
    for (const Work& work : works_) {
      if (!IsSpatial(work)) continue;
      Mark(work.inputs[0]);
      for (const View& v : work.outputs) Mark(v);
    }
    constexpr int kRounds = 8;
    for (int round = 0; round < kRounds; ++round) {
      bool changed = false;
      for (const Work& work : works_) changed = Spread(work) || changed;
      for (size_t i = works_.size(); i-- > 0;) changed = Spread(works_[i]) || changed;
      if (!changed) break;
    }
    for (Work& work : works_) {
      for (auto* views : {&work.inputs, &work.outputs}) {
        for (View& v : *views) {
          if (state_[v.buffer] == State::kChosen) v = *ChannelsLast(v, images_[v.buffer]);
        }
      }
    }
  }

 private:
  enum class State : uint8_t { kOther, kImage, kChosen };

  template <typename Function>
  static void ForEachView(const Work& work, Function f) {
    for (const View& v : work.inputs) f(v);
    for (const View& v : work.outputs) f(v);
  }

  // A temp that some view shows as a whole as [N, C, H, W].
  void Consider(const View& v) {
    if (buffers_[v.buffer].kind != BufferKind::kTemp || state_[v.buffer] != State::kOther) return;
    if (v.rank() != 4 || v.offset != 0 || !v.contiguous()) return;
    if (static_cast<uint64_t>(v.elements()) * StorageBytes(v.dtype) != buffers_[v.buffer].bytes)
      return;
    if (v.sizes[1] <= 1 || v.sizes[2] * v.sizes[3] <= 1) return;  // both layouts are one
    images_[v.buffer] = {v.sizes[0], v.sizes[1], v.sizes[2] * v.sizes[3]};
    state_[v.buffer] = State::kImage;
  }
  bool Mark(const View& v) {
    State& state = state_[v.buffer];
    if (state != State::kImage) return false;
    state = State::kChosen;
    return true;
  }
  // Element-wise works: if one of the images is channels-last, so are the others of its size.
  bool Spread(const Work& work) {
    if (ProgramOf(work) == nullptr && !IsChannelNorm(work)) return false;
    const View* chosen = nullptr;
    ForEachView(work, [&](const View& v) {
      if (state_[v.buffer] == State::kChosen && v.rank() == 4 &&
          v.elements() == work.outputs[0].elements())
        chosen = &v;
    });
    if (chosen == nullptr) return false;
    bool changed = false;
    ForEachView(work, [&](const View& v) {
      if (v.sizes == chosen->sizes && v.strides.back() != 0) changed = Mark(v) || changed;
    });
    return changed;
  }

  std::vector<Buffer>& buffers_;
  std::vector<Work>& works_;
  std::vector<Image> images_;
  std::vector<State> state_;
};

// Copies of operands in the layout an engine wants, kept while their source is not written.
class Copies {
 public:
  Copies(std::vector<Buffer>& buffers, std::vector<Work>& out) : buffers_(buffers), out_(out) {}

  // `v` with the last of `order` dense.
  View Get(const Work& work, const View& v, absl::Span<const int> order) {
    for (const auto& [from, to] : made_) {
      if (from == v && to.strides[order.back()] == 1) return to;
    }
    const View to = NewTemp(v, order);
    AddCopy(work, v, to);
    made_.emplace_back(v, to);
    return to;
  }
  View NewTemp(const View& like, absl::Span<const int> order) {
    View v = like;
    v.buffer = static_cast<BufferId>(buffers_.size());
    v.offset = 0;
    int64_t stride = 1;
    for (size_t i = order.size(); i-- > 0;) {
      v.strides[order[i]] = stride;
      stride *= v.sizes[order[i]];
    }
    Buffer buffer;
    buffer.bytes = static_cast<uint64_t>(stride) * StorageBytes(v.dtype);
    buffers_.push_back(std::move(buffer));
    return v;
  }
  void AddCopy(const Work& work, const View& from, const View& to) {
    Work copy;
    ExpressionBuilder e({from.dtype});
    copy.what = ElementwiseWork{e.Finish(0, to.dtype)};
    copy.inputs = {from};
    copy.outputs = {to};
    copy.name = hal::Cat(work.name, "/layout");
    copy.source = work.source;
    out_.push_back(std::move(copy));
  }
  void Written(const View& v) {
    made_.erase(std::remove_if(made_.begin(), made_.end(),
                               [&](const auto& entry) {
                                 return Relate(v, entry.first) != Overlap::kDisjoint;
                               }),
                made_.end());
  }

 private:
  std::vector<Buffer>& buffers_;
  std::vector<Work>& out_;
  std::vector<std::pair<View, View>> made_;
};

}  // namespace

void ChooseLayout(std::vector<Buffer>& buffers, std::vector<Work>& works) {
  if (std::none_of(works.begin(), works.end(), IsSpatial)) return;
  Chooser(buffers, works).Run();

  constexpr std::array<int, 4> kImageOrder = {0, 2, 3, 1};   // of [N, C, H, W]
  constexpr std::array<int, 4> kFilterOrder = {2, 3, 1, 0};  // of [K, C, R, S]
  const auto dense = [](const View& v, int dim) {
    return v.sizes[dim] == 1 || v.strides[dim] == 1;
  };
  std::vector<Work> result;
  result.reserve(works.size() + works.size() / 4);
  Copies copies(buffers, result);
  for (Work& work : works) {
    std::vector<std::pair<View, View>> after;
    if (IsSpatial(work)) {
      if (!dense(work.inputs[0], 1)) work.inputs[0] = copies.Get(work, work.inputs[0], kImageOrder);
      if (work.inputs.size() > 1 && !dense(work.inputs[1], 0))
        work.inputs[1] = copies.Get(work, work.inputs[1], kFilterOrder);
      for (View& v : work.outputs) {
        if (dense(v, 1)) continue;
        const View temp = copies.NewTemp(v, kImageOrder);
        after.emplace_back(temp, v);
        v = temp;
      }
    }
    for (const View& v : work.outputs) copies.Written(v);
    for (const auto& [from, to] : after) copies.Written(to);
    result.push_back(std::move(work));
    const Work& done = result.back();
    const std::string name = done.name, source = done.source;
    for (const auto& [from, to] : after) {
      Work named;
      named.name = name;
      named.source = source;
      copies.AddCopy(named, from, to);
    }
  }
  works = std::move(result);
}

}  // namespace openhpu::graph
