// Dead works, and versions with buffers of their own.
#include <algorithm>
#include <utility>

#include "graph/front/passes.h"
#include "graph/front/program.h"
#include "graph/versions.h"

namespace openhpu::graph {
namespace {

View Bytes(BufferId buffer, int64_t begin, int64_t end) {
  View v;
  v.buffer = buffer;
  v.dtype = DType::kUInt8;
  v.sizes = {end - begin};
  v.strides = {1};
  v.offset = begin;
  return v;
}

// The bytes of a buffer that are read later, from the end of the works backwards.
class Live {
 public:
  explicit Live(const std::vector<bool>& observed) : regions_(observed.size()) {
    for (BufferId b = 0; b < observed.size(); ++b) {
      if (observed[b]) regions_[b].push_back(Bytes(b, 0, INT64_MAX));
    }
  }
  bool Reads(const View& v) const {
    const auto& regions = regions_[v.buffer];
    return std::any_of(regions.begin(), regions.end(),
                       [&](const View& r) { return Relate(v, r) != Overlap::kDisjoint; });
  }
  void Replaced(const View& v) {
    auto& regions = regions_[v.buffer];
    regions.erase(std::remove_if(regions.begin(), regions.end(),
                                 [&](const View& r) { return Relate(v, r) == Overlap::kCovers; }),
                  regions.end());
  }
  void Read(const View& v) {
    auto& regions = regions_[v.buffer];
    for (const View& r : regions) {
      if (Relate(r, v) == Overlap::kCovers) return;
    }
    constexpr size_t kMany = 64;
    if (regions.size() >= kMany)
      regions = {Bytes(v.buffer, 0, INT64_MAX)};
    else
      regions.push_back(v);
  }

 private:
  std::vector<std::vector<View>> regions_;
};

}  // namespace

void DropDead(const std::vector<bool>& observed, std::vector<Work>& works) {
  Live live(observed);
  std::vector<Work> kept;
  for (size_t i = works.size(); i-- > 0;) {
    Work& work = works[i];
    std::vector<bool> needed(work.outputs.size());
    for (size_t j = 0; j < needed.size(); ++j) needed[j] = live.Reads(work.outputs[j]);
    const auto count = static_cast<size_t>(std::count(needed.begin(), needed.end(), true));
    if (count == 0) continue;
    if (count < needed.size() && ProgramOf(work) != nullptr) KeepOutputs(needed, work);
    for (const View& v : work.outputs) live.Replaced(v);
    for (const View& v : work.inputs) live.Read(v);
    kept.push_back(std::move(work));
  }
  std::reverse(kept.begin(), kept.end());
  works = std::move(kept);
}

void RenameVersions(std::vector<Buffer>& buffers, std::vector<Work>& works) {
  // What of a buffer is ever touched, and which is the last work that replaces all of that.
  struct Touched {
    int64_t begin = INT64_MAX, end = 0;
    size_t last_whole = SIZE_MAX;
    int wholes = 0;
    BufferId now = 0;
  };
  std::vector<Touched> touched(buffers.size());
  const auto reach = [](const View& v) {
    int64_t last = v.offset;
    for (int d = 0; d < v.rank(); ++d) last += (v.sizes[d] - 1) * v.strides[d];
    return (last + 1) * StorageBytes(v.dtype);
  };
  for (const Work& work : works) {
    for (const auto* views : {&work.inputs, &work.outputs}) {
      for (const View& v : *views) {
        if (v.elements() == 0) continue;
        Touched& t = touched[v.buffer];
        t.begin = std::min(t.begin, v.offset * StorageBytes(v.dtype));
        t.end = std::max(t.end, reach(v));
      }
    }
  }
  const auto whole = [&](const View& v) {
    const Touched& t = touched[v.buffer];
    return v.elements() > 0 && Relate(v, Bytes(v.buffer, t.begin, t.end)) == Overlap::kCovers;
  };
  // A scatter writes into the version that it reads.
  const auto replaces = [&](const Work& work, const View& v) {
    return !std::holds_alternative<ScatterWork>(work.what) && whole(v);
  };
  for (size_t i = 0; i < works.size(); ++i) {
    for (const View& v : works[i].outputs) {
      if (!replaces(works[i], v)) continue;
      touched[v.buffer].last_whole = i;
      ++touched[v.buffer].wholes;
    }
  }
  for (BufferId b = 0; b < touched.size(); ++b) touched[b].now = b;
  for (size_t i = 0; i < works.size(); ++i) {
    for (View& v : works[i].inputs) v.buffer = touched[v.buffer].now;
    for (View& v : works[i].outputs) {
      Touched& t = touched[v.buffer];
      const BufferId original = v.buffer;
      if (t.wholes > 1 || (t.wholes == 1 && buffers[original].kind == BufferKind::kBound)) {
        if (t.last_whole != SIZE_MAX && replaces(works[i], v)) {
          if (i == t.last_whole) {
            t.now = original;
          } else {
            Buffer version;
            version.bytes = buffers[original].bytes;
            t.now = static_cast<BufferId>(buffers.size());
            buffers.push_back(std::move(version));
          }
        }
      }
      v.buffer = t.now;
    }
  }
}

}  // namespace openhpu::graph
