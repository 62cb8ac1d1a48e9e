#include "graph/front/memory.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "graph/versions.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"
#include "runtime/program.h"

namespace openhpu::graph {
namespace {

constexpr uint64_t kAlignment = 256;

uint64_t Rounded(uint64_t bytes) {
  return std::max<uint64_t>((bytes + kAlignment - 1) / kAlignment * kAlignment, kAlignment);
}

using Steps = std::vector<uint32_t>;

void Unite(const Steps& more, Steps& steps) { steps.insert(steps.end(), more.begin(), more.end()); }

void Normalise(Steps& steps) {
  std::sort(steps.begin(), steps.end());
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
}

// Free space of the workspace: best fit, neighbours joined.
class Space {
 public:
  uint64_t Allocate(uint64_t bytes) {
    const auto fit = by_size_.lower_bound({bytes, 0});
    if (fit == by_size_.end()) {
      // Grow; a free range at the end is used first.
      uint64_t begin = end_;
      if (!free_.empty() && free_.rbegin()->first + free_.rbegin()->second == end_) {
        begin = free_.rbegin()->first;
        Erase(begin);
      }
      end_ = begin + bytes;
      return begin;
    }
    const uint64_t size = fit->first, begin = fit->second;
    Erase(begin);
    if (size > bytes) Insert(begin + bytes, size - bytes);
    return begin;
  }
  void Free(uint64_t begin, uint64_t bytes) {
    auto next = free_.lower_bound(begin);
    if (next != free_.end() && begin + bytes == next->first) {
      bytes += next->second;
      Erase(next->first);
    }
    next = free_.lower_bound(begin);
    if (next != free_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == begin) {
        begin = before->first;
        bytes += before->second;
        Erase(begin);
      }
    }
    Insert(begin, bytes);
  }
  uint64_t end() const { return end_; }

 private:
  void Insert(uint64_t begin, uint64_t size) {
    free_[begin] = size;
    by_size_.insert({size, begin});
  }
  void Erase(uint64_t begin) {
    const auto at = free_.find(begin);
    by_size_.erase({at->second, begin});
    free_.erase(at);
  }
  std::map<uint64_t, uint64_t> free_;                // begin -> size
  std::set<std::pair<uint64_t, uint64_t>> by_size_;  // {size, begin}
  uint64_t end_ = 0;
};

// Who last used ranges of the workspace that are free now.
class Ghosts {
 public:
  void Leave(uint64_t begin, uint64_t end, Steps steps) {
    Take(begin, end);
    ranges_[begin] = {end, std::move(steps)};
  }
  // Forgets [begin, end) and returns who used it.
  Steps Take(uint64_t begin, uint64_t end) {
    Steps steps;
    auto at = ranges_.upper_bound(begin);
    if (at != ranges_.begin()) --at;
    while (at != ranges_.end() && at->first < end) {
      const uint64_t first = at->first, last = at->second.end;
      if (last <= begin) {
        ++at;
        continue;
      }
      Unite(at->second.steps, steps);
      const Range range = std::move(at->second);
      at = ranges_.erase(at);
      if (first < begin) ranges_[first] = {begin, range.steps};
      if (last > end) at = ranges_.insert({end, {last, range.steps}}).first;
    }
    Normalise(steps);
    return steps;
  }

 private:
  struct Range {
    uint64_t end;
    Steps steps;
  };
  std::map<uint64_t, Range> ranges_;
};

// The accesses of a buffer that a later one may have to wait for.
struct History {
  struct Entry {
    View view;
    uint32_t step;
  };
  std::vector<Entry> writes, reads;
  Steps inherited;  // users of the memory before it was this buffer's

  void Access(const View& view, bool write, uint32_t step, Steps& after) {
    const auto wait_for = [&](std::vector<Entry>& entries) {
      size_t kept = 0;
      for (size_t i = 0; i < entries.size(); ++i) {
        const Overlap overlap = Relate(view, entries[i].view);
        if (overlap != Overlap::kDisjoint && entries[i].step != step) {
          after.push_back(entries[i].step);
        }
        // Whoever touches what this write replaces waits for this write.
        if (write && overlap == Overlap::kCovers && entries[i].step != step) continue;
        if (kept != i) entries[kept] = std::move(entries[i]);
        ++kept;
      }
      entries.resize(kept);
    };
    wait_for(writes);
    if (write) {
      wait_for(reads);
      Unite(inherited, after);
    }
    (write ? writes : reads).push_back({view, step});
  }
  Steps Users() const {
    Steps steps;
    for (const Entry& e : writes) steps.push_back(e.step);
    for (const Entry& e : reads) steps.push_back(e.step);
    if (writes.empty()) Unite(inherited, steps);
    Normalise(steps);
    return steps;
  }
};

struct Lifetime {
  uint32_t first = UINT32_MAX, last = 0;
  bool used() const { return first != UINT32_MAX; }
};

template <typename Function>
void ForEachAddress(PlanStep& step, Function function) {
  struct Visitor {
    Function& f;
    void operator()(TpcStep& s) {
      for (auto& a : s.addresses) f(a);
    }
    void operator()(hal::MmeGemm& s) { f(s.a), f(s.b), f(s.c); }
    void operator()(hal::MmeConvolution& s) { f(s.x), f(s.w), f(s.y); }
    void operator()(hal::DmaCopy& s) { f(s.source), f(s.destination); }
    void operator()(hal::DmaFill& s) { f(s.destination); }
  };
  std::visit(Visitor{function}, step.work);
}

class Planner {
 public:
  Planner(std::vector<Draft>& drafts, const std::vector<Buffer>& buffers,
          const std::vector<Home>& homes)
      : drafts_(drafts),
        buffers_(buffers),
        homes_(homes),
        lifetimes_(buffers.size()),
        offsets_(buffers.size(), UINT64_MAX),
        histories_(buffers.size()) {
    for (uint32_t i = 0; i < drafts_.size(); ++i) {
      for (const Access& a : drafts_[i].accesses) {
        Lifetime& life = lifetimes_[a.view.buffer];
        life.first = std::min(life.first, i);
        life.last = std::max(life.last, i);
      }
    }
  }

  PlacedPlan Run() {
    for (uint32_t i = 0; i < drafts_.size(); ++i) Place(i);
    PlacedPlan placed;
    Bind(placed);
    for (Draft& draft : drafts_) {
      ForEachAddress(draft.step, [&](hal::SymbolicAddress& a) {
        const BufferId buffer = a.symbol;
        if (IsTemp(buffer)) {
          a = {runtime::kWorkspaceSymbol, offsets_[buffer] + a.offset};
        } else {
          a.symbol = runtime::kFirstBodySymbol + binding_of_[buffer];
        }
      });
      placed.plan.steps.push_back(std::move(draft.step));
    }
    placed.plan.workspace_bytes = space_.end();
    return placed;
  }

 private:
  bool IsTemp(BufferId b) const { return homes_[b].kind == Home::Kind::kWorkspace; }

  void Place(uint32_t i) {
    Draft& draft = drafts_[i];
    for (const Access& a : draft.accesses) {
      const BufferId b = a.view.buffer;
      if (!IsTemp(b) || offsets_[b] != UINT64_MAX) continue;
      if (a.write && TakeOver(i, a.view)) continue;
      const uint64_t bytes = Rounded(buffers_[b].bytes);
      offsets_[b] = space_.Allocate(bytes);
      histories_[b].inherited = ghosts_.Take(offsets_[b], offsets_[b] + bytes);
    }
    Steps after;
    // Reads first, so that a write waits for what this step replaces, not for itself.
    for (const bool write : {false, true}) {
      for (const Access& a : draft.accesses) {
        if (a.write == write) histories_[a.view.buffer].Access(a.view, write, i, after);
      }
    }
    Normalise(after);
    if (!after.empty() && after.back() == i) after.pop_back();
    draft.step.after = std::move(after);
    for (const Access& a : draft.accesses) {
      const BufferId b = a.view.buffer;
      if (!IsTemp(b) || lifetimes_[b].last != i || freed(b)) continue;
      const uint64_t bytes = Rounded(buffers_[b].bytes);
      space_.Free(offsets_[b], bytes);
      ghosts_.Leave(offsets_[b], offsets_[b] + bytes, histories_[b].Users());
      histories_[b] = History();
      lifetimes_[b].last = UINT32_MAX;  // freed
    }
  }
  bool freed(BufferId b) const { return lifetimes_[b].last == UINT32_MAX; }

  // Gives `out`, whose first access this is, the place of an input that dies here and has its form.
  bool TakeOver(uint32_t i, const View& out) {
    const Draft& draft = drafts_[i];
    if (!draft.elementwise || out.offset != 0) return false;
    for (const Access& candidate : draft.accesses) {
      const View& in = candidate.view;
      if (candidate.write || in.buffer == out.buffer || !IsTemp(in.buffer) ||
          lifetimes_[in.buffer].last != i || freed(in.buffer) ||
          offsets_[in.buffer] == UINT64_MAX) {
        continue;
      }
      View moved = in;
      moved.buffer = out.buffer;
      if (!SameElements(moved, out) ||
          Rounded(buffers_[in.buffer].bytes) != Rounded(buffers_[out.buffer].bytes)) {
        continue;
      }
      const bool only =
          std::all_of(draft.accesses.begin(), draft.accesses.end(), [&](const Access& a) {
            return a.view.buffer != in.buffer || (!a.write && SameElements(a.view, in));
          });
      if (!only) continue;
      offsets_[out.buffer] = offsets_[in.buffer];
      // This step waits for the input's users but its own read; they are done before anybody else
      // uses the output.
      histories_[out.buffer].inherited = histories_[in.buffer].Users();
      lifetimes_[in.buffer].last = UINT32_MAX;
      return true;
    }
    return false;
  }

  void Bind(PlacedPlan& placed) {
    binding_of_.assign(buffers_.size(), UINT32_MAX);
    std::vector<bool> read(buffers_.size()), written(buffers_.size());
    for (const Draft& draft : drafts_) {
      for (const Access& a : draft.accesses) (a.write ? written : read)[a.view.buffer] = true;
    }
    for (BufferId b = 0; b < buffers_.size(); ++b) {
      if (IsTemp(b) || (!read[b] && !written[b])) continue;
      const bool prepared = homes_[b].kind == Home::Kind::kPrepared;
      binding_of_[b] = static_cast<uint32_t>(placed.plan.bindings.size());
      runtime::BindingSpec spec;
      spec.name = !buffers_[b].name.empty()
                      ? buffers_[b].name
                      : hal::Cat(prepared ? "prepared" : "b", prepared ? homes_[b].index : b);
      spec.bytes = buffers_[b].bytes;
      spec.read = read[b];
      spec.written = written[b];
      placed.plan.bindings.push_back(std::move(spec));
      RecipeBinding binding;
      binding.prepared = prepared;
      binding.index = prepared ? homes_[b].index : b;
      placed.bindings.push_back(binding);
    }
  }

  std::vector<Draft>& drafts_;
  const std::vector<Buffer>& buffers_;
  const std::vector<Home>& homes_;
  std::vector<Lifetime> lifetimes_;
  std::vector<uint64_t> offsets_;
  std::vector<History> histories_;
  std::vector<uint32_t> binding_of_;
  Space space_;
  Ghosts ghosts_;
};

}  // namespace

PlacedPlan PlaceDrafts(std::vector<Draft> drafts, const std::vector<Buffer>& buffers,
                       const std::vector<Home>& homes) {
  OPENHPU_CHECK(homes.size() == buffers.size());
  return Planner(drafts, buffers, homes).Run();
}

}  // namespace openhpu::graph
