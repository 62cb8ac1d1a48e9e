#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "simulator/functional/mme.h"
#include "simulator/functional/mme_form.h"
#include "simulator/functional/mme_loop_nest.h"
#include "simulator/functional/mme_match.h"
#include "simulator/functional/mme_view.h"

namespace openhpu::simulator {
namespace {

// A box of elements, from an operand's offset on. Axes that continue the run, or stand still, are
// folded.
class BoxBuilder {
 public:
  BoxBuilder(const MmeOperand& operand, int64_t offset, int64_t run, bool write)
      : bytes_(operand.ElementBytes()) {
    box_.base = DeviceAddress(operand.address.value() + static_cast<uint64_t>(offset * bytes_));
    box_.run = static_cast<uint64_t>(run * bytes_);
    box_.write = write;
  }
  // Axes are given with the smallest stride first.
  BoxBuilder& Along(int64_t stride, int64_t count) {
    if (count <= 1 || stride == 0) return *this;
    if (axes_ == 0 && stride * bytes_ == static_cast<int64_t>(box_.run)) {
      box_.run *= static_cast<uint64_t>(count);
      return *this;
    }
    if (axes_ > 0) {
      const int before = axes_ - 1;
      if (stride * bytes_ == box_.strides[before] * static_cast<int64_t>(box_.sizes[before])) {
        box_.sizes[before] *= static_cast<uint64_t>(count);
        return *this;
      }
    }
    box_.sizes[axes_] = static_cast<uint64_t>(count);
    box_.strides[axes_] = stride * bytes_;
    ++axes_;
    return *this;
  }
  const AccessBox& box() const { return box_; }

 private:
  int64_t bytes_;
  AccessBox box_;
  int axes_ = 0;
};

AccessBox MatrixBox(const MmeOperand& operand, int64_t offset, const GemmShape& shape, int64_t rows,
                    int64_t columns, const GemmShape::Strides& t, bool write) {
  // One of the strides is 1: that axis is the run, unless the other one is 1 as well.
  const bool by_row = t.column == 1;
  BoxBuilder box(operand, offset, by_row ? columns : rows, write);
  box.Along(by_row ? t.row : t.column, by_row ? rows : columns);
  std::array<std::pair<int64_t, int64_t>, 3> batch;
  for (int d = 0; d < 3; ++d) batch[d] = {t.batch[d], shape.batch[d]};
  std::sort(batch.begin(), batch.end());
  for (const auto& [stride, count] : batch) box.Along(stride, count);
  return box.box();
}

void GemmBoxes(const MmeView& view, const MmeGemmForm& form, MmeBoxes& boxes) {
  const GemmShape& s = form.shape;
  const MmeOperand& a = form.a_is_s ? view.s : view.l;
  const MmeOperand& b = form.a_is_s ? view.l : view.s;
  for (const MmeGemmForm::Part& part : form.parts) {
    for (const MmeSegment& rows : part.rows) {
      if (s.k == 0) break;
      (form.a_is_s ? boxes.s : boxes.l)
          .push_back(MatrixBox(a, form.a_offset + rows.input, s, rows.count, s.k, s.a, false));
    }
    for (const MmeSegment& columns : part.columns) {
      if (s.k == 0) break;
      (form.a_is_s ? boxes.l : boxes.s)
          .push_back(
              MatrixBox(b, form.b_offset + columns.input, s, s.k, columns.count, s.b, false));
    }
    for (const MmeSegment& rows : part.rows) {
      for (const MmeSegment& columns : part.columns) {
        boxes.o.push_back(MatrixBox(view.o, form.c_offset + rows.output + columns.output, s,
                                    rows.count, columns.count, s.c, true));
      }
    }
  }
}

// Evenly spaced positions first, first + step, ...
struct Progression {
  int64_t first, step, count;
};

// Positions of one axis of the image that some tap reads.
std::vector<Progression> Touched(const ConvolutionShape& s, int d) {
  const int64_t taps = s.kernel[d], stride = s.stride[d], dilation = s.dilation[d];
  const int64_t limit = s.in[d];
  if (taps > 1 && dilation == 1 && stride <= taps) {  // no gaps
    const int64_t first = std::max<int64_t>(0, -s.pad[d]);
    const int64_t last = std::min(limit - 1, (s.out[d] - 1) * stride + taps - 1 - s.pad[d]);
    if (first > last) return {};
    return {{first, 1, last - first + 1}};
  }
  std::set<int64_t> positions;
  for (int64_t o = 0; o < s.out[d]; ++o) {
    for (int64_t t = 0; t < taps; ++t) {
      const int64_t x = o * stride + t * dilation - s.pad[d];
      if (x >= 0 && x < limit) positions.insert(x);
    }
  }
  std::vector<Progression> progressions;
  for (int64_t x : positions) {
    if (!progressions.empty()) {
      Progression& p = progressions.back();
      if (p.count == 1) p.step = x - p.first;
      if (x == p.first + p.step * p.count) {
        ++p.count;
        continue;
      }
    }
    progressions.push_back({x, 1, 1});
  }
  return progressions;
}

constexpr size_t kMostImageBoxes = size_t{1} << 20;

void ConvolutionBoxes(const MmeView& view, const MmeConvolutionForm& form, MmeBoxes& boxes) {
  const ConvolutionShape& s = form.shape;
  std::vector<Progression> w = Touched(s, 0), h = Touched(s, 1), d = Touched(s, 2);
  // Many uneven gaps: the axes with most of them count as read whole.
  while (w.size() * h.size() * d.size() > kMostImageBoxes) {
    std::vector<Progression>& axis =
        std::max({std::ref(w), std::ref(h), std::ref(d)},
                 [](const std::vector<Progression>& a, const std::vector<Progression>& b) {
                   return a.size() < b.size();
                 });
    const Progression& last = axis.back();
    axis = {{axis.front().first, 1,
             last.first + last.step * (last.count - 1) - axis.front().first + 1}};
  }
  for (const Progression& z : d) {
    for (const Progression& y : h) {
      for (const Progression& x : w) {
        BoxBuilder box(view.s,
                       form.x_offset + x.first * s.x_strides[0] + y.first * s.x_strides[1] +
                           z.first * s.x_strides[2],
                       s.channels, false);
        box.Along(x.step * s.x_strides[0], x.count).Along(y.step * s.x_strides[1], y.count);
        boxes.s.push_back(
            box.Along(z.step * s.x_strides[2], z.count).Along(s.x_strides[3], s.batch).box());
      }
    }
  }
  for (const MmeSegment& f : form.features) {
    BoxBuilder weights(view.l, form.w_offset + f.input, f.count, false);
    weights.Along(s.w_strides[0], s.channels);
    for (int i = 0; i < 3; ++i) weights.Along(s.w_strides[i + 1], s.kernel[i]);
    boxes.l.push_back(weights.box());
    BoxBuilder result(view.o, form.y_offset + f.output, f.count, true);
    for (int i = 0; i < 4; ++i) result.Along(s.y_strides[i], i < 3 ? s.out[i] : s.batch);
    boxes.o.push_back(result.box());
  }
}

// Ranges of bytes, disjoint, by their begin.
using Ranges = std::map<uint64_t, uint64_t>;

void Add(uint64_t begin, uint64_t end, Ranges& ranges) {
  auto it = ranges.upper_bound(begin);
  if (it != ranges.begin() && std::prev(it)->second >= begin) --it;
  while (it != ranges.end() && it->first <= end) {
    begin = std::min(begin, it->first);
    end = std::max(end, it->second);
    it = ranges.erase(it);
  }
  ranges.emplace(begin, end);
}

// Equal ranges at even distances become one box.
void RangeBoxes(const Ranges& ranges, bool write, std::vector<AccessBox>& boxes) {
  const size_t first = boxes.size();
  for (const auto& [begin, end] : ranges) {
    if (boxes.size() > first) {
      AccessBox& box = boxes.back();
      const int64_t step = static_cast<int64_t>(begin - box.base.value());
      if (box.run == end - begin) {
        if (box.sizes[0] == 1) box.strides[0] = step;
        if (step == box.strides[0] * static_cast<int64_t>(box.sizes[0])) {
          ++box.sizes[0];
          continue;
        }
      }
    }
    AccessBox box;
    box.base = DeviceAddress(begin);
    box.run = end - begin;
    box.write = write;
    boxes.push_back(box);
  }
}

constexpr size_t kMostRanges = size_t{1} << 22;

// Every line that a walk touches.
absl::Status WalkRanges(const MmeOperand& operand, int array, MmeWalk::Role role, Ranges& ranges) {
  if (operand.Void()) return absl::OkStatus();
  MmeWalk walk(operand, array, role);
  absl::flat_hash_set<MmeWalk::Place> seen;
  int64_t gemms = 1;
  for (int64_t size : operand.size) gemms *= size;
  for (int64_t i = 0; i < gemms; ++i) {
    // Most loops move one operand only: the others walk the same lines again.
    if (!seen.insert(walk.place()).second && walk.SkipIfFree()) continue;
    RETURN_IF_ERROR(walk.Gemm([&](const MmeLine& line) {
      if (line.begin < line.end) {
        const uint64_t bytes = static_cast<uint64_t>(operand.ElementBytes());
        Add(line.address.value() + static_cast<uint64_t>(line.begin) * bytes,
            line.address.value() + static_cast<uint64_t>(line.end) * bytes, ranges);
      }
      return absl::OkStatus();
    }));
    if (ranges.size() > kMostRanges) {
      return absl::UnimplementedError(absl::StrCat("MME descriptor: touches more than ",
                                                   kMostRanges, " separate ranges of memory"));
    }
  }
  return absl::OkStatus();
}

// The walks of an operand, in boxes.
absl::Status WalkBoxes(const MmeOperand& operand, MmeWalk::Role role,
                       std::vector<AccessBox>& boxes) {
  Ranges ranges;
  for (size_t i = 0; i < operand.agu.size(); ++i) {
    // Arrays that share an operand have the same walk.
    const bool again =
        std::any_of(operand.agu.begin(), operand.agu.begin() + static_cast<ptrdiff_t>(i),
                    [&](const MmeOperand::Agu& before) {
                      const MmeOperand::Agu& agu = operand.agu[i];
                      return before.base == agu.base && before.start == agu.start &&
                             before.partial_mask == agu.partial_mask;
                    });
    if (!again) RETURN_IF_ERROR(WalkRanges(operand, static_cast<int>(i), role, ranges));
  }
  RangeBoxes(ranges, role == MmeWalk::Role::kOutput, boxes);
  return absl::OkStatus();
}

}  // namespace

std::vector<AccessBox> MmeBoxes::All() const {
  std::vector<AccessBox> all = s;
  all.insert(all.end(), l.begin(), l.end());
  all.insert(all.end(), o.begin(), o.end());
  return all;
}

MmeBoxes BoxesOfForm(const MmeView& view, const MmeForm& form) {
  MmeBoxes boxes;
  if (const auto* gemm = std::get_if<MmeGemmForm>(&form)) GemmBoxes(view, *gemm, boxes);
  if (const auto* convolution = std::get_if<MmeConvolutionForm>(&form)) {
    ConvolutionBoxes(view, *convolution, boxes);
  }
  return boxes;
}

absl::StatusOr<MmeBoxes> BoxesOfWalks(const MmeView& view) {
  MmeBoxes boxes;
  RETURN_IF_ERROR(WalkBoxes(view.s, MmeWalk::Role::kInput, boxes.s));
  RETURN_IF_ERROR(WalkBoxes(view.l, MmeWalk::Role::kInput, boxes.l));
  if (view.store && !view.keep_running) {
    RETURN_IF_ERROR(WalkBoxes(view.o, MmeWalk::Role::kOutput, boxes.o));
  }
  return boxes;
}

absl::StatusOr<std::vector<AccessBox>> MmeFootprint(
    const hal::abi::gaudi::MmeDescriptor& descriptor, bool continues) {
  ASSIGN_OR_RETURN(const MmeView view, ViewMme(descriptor));
  const MmeForm form = continues ? MmeForm() : MatchMme(view);
  if (!std::holds_alternative<std::monostate>(form)) return BoxesOfForm(view, form).All();
  RETURN_IF_ERROR(CheckWalkable(view));
  ASSIGN_OR_RETURN(const MmeBoxes boxes, BoxesOfWalks(view));
  return boxes.All();
}

}  // namespace openhpu::simulator
