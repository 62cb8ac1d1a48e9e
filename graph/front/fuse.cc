// Element-wise fusion. Works are taken in order; each tries to join the group that wrote one of its
// inputs: that group sinks to the work's place, or the work rises to the group's, whichever crosses
// no access that it conflicts with. Values pass between members as the program's intermediates,
// rounded to their dtypes, so that the bits are those of the unfused works.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "graph/front/iteration.h"
#include "graph/front/passes.h"
#include "graph/front/program.h"
#include "graph/versions.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

constexpr int64_t kSmall = 4096;  // elements below which a kernel without a dense dim does

// Whether a kernel over these operands has a dim that is dense for all of them, within the dims of
// a launch.
bool Legal(const std::vector<View>& inputs, const std::vector<View>& outputs) {
  const int rank = outputs[0].rank();
  if (outputs[0].elements() <= kSmall && rank <= hal::kTpcMaxDims) return true;
  int dims = 0;
  bool dense = false;
  for (int d = 0; d < rank; ++d) {
    if (outputs[0].sizes[d] == 1) continue;
    ++dims;
    const auto fits = [d](const View& v) { return v.strides[d] == 1 || v.strides[d] == 0; };
    dense = dense || (std::all_of(inputs.begin(), inputs.end(), fits) &&
                      std::all_of(outputs.begin(), outputs.end(), fits));
  }
  if (!dense && outputs[0].elements() > kSmall) return false;
  if (dims <= hal::kTpcMaxDims) return true;
  std::vector<const View*> operands;
  for (const View& v : inputs) operands.push_back(&v);
  for (const View& v : outputs) operands.push_back(&v);
  IterationSpace space = MakeSpace(operands, {});
  SortDims(space, inputs.size());
  MergeDims(space);
  return space.dims.size() <= hal::kTpcMaxDims;
}

IterationSpace SpaceOf(const Work& work) {
  std::vector<const View*> operands;
  for (const View& v : work.inputs) operands.push_back(&v);
  for (const View& v : work.outputs) operands.push_back(&v);
  return MakeSpace(operands, {});
}

void ViewsFrom(const IterationSpace& space, Work& work) {
  for (size_t i = 0; i < space.operands.size(); ++i) {
    View& v = i < work.inputs.size() ? work.inputs[i] : work.outputs[i - work.inputs.size()];
    v.sizes.clear();
    v.strides.clear();
    for (const IterationDim& dim : space.dims) {
      v.sizes.push_back(dim.size);
      v.strides.push_back(dim.strides[i]);
    }
  }
}

// Brings both works to one shape in which output `j` of `a` is input `k` of `b`, element by
// element.
bool Align(Work& a, size_t j, Work& b, size_t k) {
  if (SameElements(a.outputs[j], b.inputs[k])) return true;
  if (a.outputs[j].offset != b.inputs[k].offset ||
      a.outputs[j].elements() != b.inputs[k].elements() ||
      StorageBytes(a.outputs[j].dtype) != StorageBytes(b.inputs[k].dtype)) {
    return false;
  }
  if (UsesIndex(*ProgramOf(a)) || UsesIndex(*ProgramOf(b))) return false;
  IterationSpace x = SpaceOf(a), y = SpaceOf(b);
  const size_t at_x = a.inputs.size() + j, at_y = k;
  SortDims(x, at_x);
  SortDims(y, at_y);
  if (!RefineTogether(x, y)) return false;
  for (size_t d = 0; d < x.dims.size(); ++d) {
    if (x.dims[d].size != y.dims[d].size || x.dims[d].strides[at_x] != y.dims[d].strides[at_y])
      return false;
  }
  // Together they may collapse again.
  IterationSpace joint = x;
  for (size_t d = 0; d < joint.dims.size(); ++d) {
    auto& strides = joint.dims[d].strides;
    strides.insert(strides.end(), y.dims[d].strides.begin(), y.dims[d].strides.end());
  }
  MergeDims(joint);
  IterationSpace first = joint, second = joint;
  for (size_t d = 0; d < joint.dims.size(); ++d) {
    auto &s = first.dims[d].strides, &t = second.dims[d].strides;
    s.resize(x.operands.size());
    t.erase(t.begin(), t.begin() + static_cast<std::ptrdiff_t>(x.operands.size()));
  }
  first.operands = x.operands;
  second.operands = y.operands;
  ViewsFrom(first, a);
  ViewsFrom(second, b);
  return true;
}

// `a`, then `b`, as one work; nothing if one kernel cannot do both. `droppable(buffer)`: nobody but
// b reads it.
template <typename Droppable>
std::optional<Work> Join(Work a, Work b, size_t j, size_t k, Droppable droppable) {
  if (!Align(a, j, b, k)) return std::nullopt;
  const hal::ExpressionProgram &p = *ProgramOf(a), &q = *ProgramOf(b);
  // Inputs of b: values of a, inputs shared with a, or new ones.
  constexpr uint16_t kNew = UINT16_MAX;
  std::vector<uint16_t> from(q.inputs.size(), kNew);
  for (size_t i = 0; i < b.inputs.size(); ++i) {
    const View& in = b.inputs[i];
    for (size_t o = 0; o < a.outputs.size(); ++o) {
      if (in.buffer != a.outputs[o].buffer) continue;
      if (SameElements(in, a.outputs[o])) {
        if (q.inputs[i] != hal::ValueDType(p, p.outputs[o])) return std::nullopt;
        from[i] = p.outputs[o];
      } else if (Relate(in, a.outputs[o]) != Overlap::kDisjoint) {
        return std::nullopt;
      }
    }
    for (size_t s = 0; s < a.inputs.size() && from[i] == kNew; ++s) {
      if (SameElements(in, a.inputs[s]) && p.inputs[s] == q.inputs[i])
        from[i] = static_cast<uint16_t>(s);
    }
  }
  // What b writes may be what a reads or wrote, element by element, or must be apart from it.
  std::vector<bool> keep(a.outputs.size(), true);
  for (const View& out : b.outputs) {
    for (const View& in : a.inputs) {
      if (in.buffer == out.buffer && !SameElements(in, out) &&
          Relate(in, out) != Overlap::kDisjoint)
        return std::nullopt;
    }
    for (size_t o = 0; o < a.outputs.size(); ++o) {
      if (a.outputs[o].buffer != out.buffer) continue;
      if (SameElements(a.outputs[o], out)) {
        keep[o] = false;
      } else if (Relate(a.outputs[o], out) != Overlap::kDisjoint) {
        return std::nullopt;
      }
    }
  }
  for (size_t o = 0; o < a.outputs.size(); ++o) {
    if (keep[o] && droppable(a.outputs[o].buffer)) keep[o] = false;
  }

  Work joint;
  hal::ExpressionProgram program;
  program.inputs = p.inputs;
  joint.inputs = a.inputs;
  std::vector<uint16_t> input_of_b(q.inputs.size());
  for (size_t i = 0; i < q.inputs.size(); ++i) {
    if (from[i] != kNew) continue;
    input_of_b[i] = static_cast<uint16_t>(program.inputs.size());
    program.inputs.push_back(q.inputs[i]);
    joint.inputs.push_back(b.inputs[i]);
  }
  const auto shift = static_cast<uint16_t>(program.inputs.size() - p.inputs.size());
  const auto of_a = [&](uint16_t v) {
    return v < p.inputs.size() ? v : static_cast<uint16_t>(v + shift);
  };
  for (hal::ExprInstruction in : p.instructions) {
    const int arity = hal::ExprArity(in.op);
    if (arity > 0) in.a = of_a(in.a);
    if (arity > 1) in.b = of_a(in.b);
    if (arity > 2) in.c = of_a(in.c);
    program.instructions.push_back(in);
  }
  const auto base = static_cast<uint16_t>(program.inputs.size() + program.instructions.size());
  const auto of_b = [&](uint16_t v) {
    if (v >= q.inputs.size()) return static_cast<uint16_t>(base + v - q.inputs.size());
    return from[v] == kNew ? input_of_b[v] : of_a(from[v]);
  };
  for (hal::ExprInstruction in : q.instructions) {
    const int arity = hal::ExprArity(in.op);
    if (arity > 0) in.a = of_b(in.a);
    if (arity > 1) in.b = of_b(in.b);
    if (arity > 2) in.c = of_b(in.c);
    program.instructions.push_back(in);
  }
  for (size_t o = 0; o < a.outputs.size(); ++o) {
    if (!keep[o]) continue;
    program.outputs.push_back(of_a(p.outputs[o]));
    joint.outputs.push_back(a.outputs[o]);
  }
  for (size_t o = 0; o < b.outputs.size(); ++o) {
    program.outputs.push_back(of_b(q.outputs[o]));
    joint.outputs.push_back(b.outputs[o]);
  }
  if (program.inputs.size() + program.outputs.size() > hal::kMaxExprTensors ||
      program.instructions.size() > hal::kMaxExprInstructions)
    return std::nullopt;
  const auto legal = [](const Work& w) { return Legal(w.inputs, w.outputs); };
  if (!legal(joint)) return std::nullopt;
  constexpr size_t kLongName = 48;
  if (a.name.size() > kLongName) {
    joint.name = a.name.back() == '+' ? std::move(a.name) : a.name + "+";
  } else {
    joint.name = hal::Cat(a.name, "+", b.name);
  }
  joint.source = !b.source.empty() ? std::move(b.source) : std::move(a.source);
  joint.what = ElementwiseWork{std::move(program)};
  return joint;
}

class Fuser {
 public:
  Fuser(const std::vector<bool>& observed, const std::vector<Work>& works)
      : observed_(observed), uses_(observed.size()), accesses_(observed.size()) {
    for (const Work& work : works) {
      for (const View& v : work.outputs) ++uses_[v.buffer].writes;
      for (const View& v : work.inputs) ++uses_[v.buffer].reads;
    }
  }

  void Add(Work work) {
    const auto g = static_cast<uint32_t>(groups_.size());
    groups_.push_back({std::move(work), g, g});
    if (ProgramOf(groups_[g].work) != nullptr) {
      while (JoinProducer(g)) {
      }
    }
    Register(g);
  }

  std::vector<Work> Take() {
    std::vector<std::pair<uint32_t, uint32_t>> order;
    for (uint32_t g = 0; g < groups_.size(); ++g) {
      if (groups_[g].joined == g) order.emplace_back(groups_[g].place, g);
    }
    std::sort(order.begin(), order.end());
    std::vector<Work> works;
    works.reserve(order.size());
    for (const auto& [place, g] : order) works.push_back(std::move(groups_[g].work));
    return works;
  }

 private:
  struct Group {
    Work work;
    uint32_t place;   // in the order of works
    uint32_t joined;  // the group that it is part of; itself
  };
  struct Entry {
    uint32_t since;  // the place when it was entered: lists are sorted by it
    uint32_t group;
    View view;
  };
  struct Accesses {
    std::vector<Entry> writes, reads;
  };
  struct Uses {
    int writes = 0, reads = 0;
  };

  uint32_t Find(uint32_t g) {
    while (groups_[g].joined != g) g = groups_[g].joined = groups_[groups_[g].joined].joined;
    return g;
  }

  void Register(uint32_t g) {
    const Work& work = groups_[g].work;
    const uint32_t place = groups_[g].place;
    const auto enter = [&](const View& v, bool write) {
      auto& list = write ? accesses_[v.buffer].writes : accesses_[v.buffer].reads;
      auto at = list.end();
      while (at != list.begin() && std::prev(at)->since > place) --at;
      list.insert(at, {place, g, v});
    };
    for (const View& v : work.inputs) enter(v, false);
    for (const View& v : work.outputs) enter(v, true);
  }

  // Whether an access of another group, placed between the two places, conflicts with an access of
  // `work`.
  bool Crosses(const Work& work, uint32_t from, uint32_t to, uint32_t g, uint32_t h) {
    const auto among = [&](const View& v, const std::vector<Entry>& list) {
      for (size_t i = list.size(); i-- > 0 && list[i].since > from;) {
        const uint32_t group = Find(list[i].group);
        const uint32_t place = groups_[group].place;
        if (group == g || group == h || place <= from || place >= to) continue;
        if (Relate(v, list[i].view) != Overlap::kDisjoint) return true;
      }
      return false;
    };
    const auto crosses = [&](const View& v, bool write) {
      const Accesses& accesses = accesses_[v.buffer];
      return among(v, accesses.writes) || (write && among(v, accesses.reads));
    };
    return std::any_of(work.inputs.begin(), work.inputs.end(),
                       [&](const View& v) { return crosses(v, false); }) ||
           std::any_of(work.outputs.begin(), work.outputs.end(),
                       [&](const View& v) { return crosses(v, true); });
  }

  bool JoinProducer(uint32_t g) {
    for (size_t k = 0; k < groups_[g].work.inputs.size(); ++k) {
      const View& in = groups_[g].work.inputs[k];
      const auto& list = accesses_[in.buffer].writes;
      // The last write of these elements.
      for (size_t i = list.size(); i-- > 0;) {
        const uint32_t a = Find(list[i].group);
        if (a == g || groups_[a].place >= groups_[g].place ||
            Relate(list[i].view, in) == Overlap::kDisjoint)
          continue;
        if (ProgramOf(groups_[a].work) == nullptr || !TryJoin(a, g, in.buffer, k)) break;
        return true;
      }
    }
    return false;
  }

  bool TryJoin(uint32_t a, uint32_t g, BufferId buffer, size_t k) {
    Work& first = groups_[a].work;
    Work& second = groups_[g].work;
    // The output that b reads: the very same elements if there is one, else one that may be brought
    // to b's shape.
    size_t j = first.outputs.size();
    for (size_t o = 0; o < first.outputs.size(); ++o) {
      if (first.outputs[o].buffer != buffer) continue;
      if (j == first.outputs.size() || SameElements(first.outputs[o], second.inputs[k])) j = o;
    }
    if (j == first.outputs.size()) return false;
    if (first.outputs[j].elements() != second.inputs[k].elements()) return false;
    const uint32_t from = groups_[a].place, to = groups_[g].place;
    const bool sinks = !Crosses(first, from, to, a, g);
    if (!sinks && Crosses(second, from, to, a, g)) return false;
    // A temp written once, all of whose readers are in here, is never stored.
    const auto reads_of = [&](BufferId b) {
      return static_cast<int>(std::count_if(second.inputs.begin(), second.inputs.end(),
                                            [b](const View& v) { return v.buffer == b; }));
    };
    const auto droppable = [&](BufferId b) {
      return !observed_[b] && uses_[b].writes == 1 && uses_[b].reads == reads_of(b);
    };
    std::optional<Work> joint = Join(first, second, j, k, droppable);
    if (!joint.has_value()) return false;
    for (const View& out : first.outputs) {
      if (const int reads = reads_of(out.buffer); reads > 0) uses_[out.buffer].reads -= reads;
    }
    groups_[g].work = *std::move(joint);
    groups_[g].place = sinks ? to : from;
    groups_[a].joined = g;
    groups_[a].work = Work();
    return true;
  }

  const std::vector<bool>& observed_;
  std::vector<Uses> uses_;
  std::vector<Group> groups_;
  std::vector<Accesses> accesses_;
};

}  // namespace

void FuseElementwise(const std::vector<bool>& observed, std::vector<Work>& works) {
  Fuser fuser(observed, works);
  for (Work& work : works) fuser.Add(std::move(work));
  works = fuser.Take();
}

}  // namespace openhpu::graph
