#include "graph/back/emit.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

using hal::CommandWriter;

// An image is a header page, then code that starts at a multiple of a page.
constexpr uint64_t kPage = 8192;

// Equal images once, in order of first use.
class ImageTable {
 public:
  uint32_t Add(const hal::KernelImage& image) {
    std::string key = absl::StrCat(image.guid.size(), ":", image.guid);
    key.append(reinterpret_cast<const char*>(image.payload.data()), image.payload.size());
    const auto [it, added] = index_.emplace(std::move(key), static_cast<uint32_t>(images_.size()));
    if (added) {
      images_.push_back(image);
      offsets_.push_back(end_ + kPage);
      end_ += kPage + (image.payload.size() + kPage - 1) / kPage * kPage;
    }
    return it->second;
  }
  uint64_t code_offset(uint32_t image) const { return offsets_[image]; }
  void MoveTo(runtime::Program& program) {
    program.images = std::move(images_);
    program.image_code_offsets = std::move(offsets_);
  }

 private:
  std::unordered_map<std::string, uint32_t> index_;  // looked up, never walked
  std::vector<hal::KernelImage> images_;
  std::vector<uint64_t> offsets_;
  uint64_t end_ = 0;
};

absl::Status WriteExternal(const Schedule& schedule, CommandWriter& writer) {
  RETURN_IF_ERROR(
      writer.SetUpMonitors(schedule.first_external_monitor, schedule.external_monitors));
  for (const UpperOp& op : schedule.external) {
    if (const AwaitOp* await = std::get_if<AwaitOp>(&op)) {
      RETURN_IF_ERROR(writer.Await(await->conditions, schedule.first_external_monitor));
    } else {
      const SobOp& sob = std::get<SobOp>(op);
      RETURN_IF_ERROR(writer.SetSob({sob.sob}, sob.value, sob.after_engine));
    }
  }
  return absl::OkStatus();
}

absl::Status WriteUpper(const QueueSchedule& queue, CommandWriter& writer,
                        hal::SymbolicAddress body, const std::vector<uint32_t>& item_ends) {
  bool go_set_up = false, set_up = false;
  for (const UpperOp& op : queue.upper) {
    if (const AwaitOp* await = std::get_if<AwaitOp>(&op)) {
      // All but the go monitor may be another program's until this one goes.
      bool& done = await->go ? go_set_up : set_up;
      const uint32_t first = await->go ? queue.go : queue.first_monitor;
      if (!done) RETURN_IF_ERROR(writer.SetUpMonitors(first, await->go ? 1 : queue.monitors));
      done = true;
      RETURN_IF_ERROR(writer.Await(await->conditions, first));
    } else if (const SobOp* sob = std::get_if<SobOp>(&op)) {
      RETURN_IF_ERROR(writer.SetSob({sob->sob}, sob->value, sob->after_engine));
    } else {
      const RunOp& run = std::get<RunOp>(op);
      const uint32_t begin = run.begin == 0 ? 0 : item_ends[run.begin - 1];
      RETURN_IF_ERROR(
          writer.Run({body.symbol, body.offset + begin}, item_ends[run.end - 1] - begin));
    }
  }
  return absl::OkStatus();
}

class Emitter {
 public:
  Emitter(const Plan& plan, const std::vector<std::vector<Share>>& shares, const Schedule& schedule,
          const hal::Chip& chip)
      : plan_(plan), shares_(shares), schedule_(schedule), chip_(chip) {}

  absl::StatusOr<runtime::Program> Emit() {
    runtime::Program program;
    program.chip = chip_.name();
    AddImages();
    for (uint32_t q = 0; q < schedule_.queues.size(); ++q) {
      ASSIGN_OR_RETURN(runtime::QueueProgram queue, EmitQueue(q));
      program.queues.push_back(std::move(queue));
    }
    if (!schedule_.queues.empty()) {
      ASSIGN_OR_RETURN(std::unique_ptr<CommandWriter> external,
                       CommandWriter::Create(chip_, {hal::EngineKind::kHostDma, 0},
                                             CommandWriter::Role::kExternal));
      RETURN_IF_ERROR(WriteExternal(schedule_, *external));
      program.external = external->Take();
    }
    images_.MoveTo(program);
    program.constants = plan_.constants;
    program.workspace_bytes = plan_.workspace_bytes;
    program.bindings = plan_.bindings;
    program.sobs = schedule_.sobs;
    program.monitors = schedule_.monitors;
    return program;
  }

 private:
  void AddImages() {
    step_image_.resize(plan_.steps.size());
    for (size_t step = 0; step < plan_.steps.size(); ++step) {
      if (const TpcStep* tpc = std::get_if<TpcStep>(&plan_.steps[step].work)) {
        step_image_[step] = images_.Add(tpc->launch.image);
      }
    }
  }

  // Bodies come between the plan's fixed symbols and its bindings.
  hal::SymbolicAddress Renumber(hal::SymbolicAddress address) const {
    if (address.symbol >= runtime::kFirstBodySymbol)
      address.symbol += static_cast<uint32_t>(schedule_.queues.size());
    return address;
  }

  absl::StatusOr<runtime::QueueProgram> EmitQueue(uint32_t q) {
    const QueueSchedule& queue = schedule_.queues[q];
    runtime::QueueProgram result;
    result.engine = queue.engine;
    ASSIGN_OR_RETURN(std::unique_ptr<CommandWriter> body,
                     CommandWriter::Create(chip_, queue.engine, CommandWriter::Role::kBody));
    std::vector<uint32_t> item_ends;
    item_ends.reserve(queue.body.size());
    for (const BodyItem& item : queue.body) {
      if (item.skipped > 0) {
        for (uint32_t i = 0; i < queue.sobs; ++i) {
          RETURN_IF_ERROR(body->AddSob({queue.sob + i}, item.skipped, /*after_engine=*/true));
        }
      } else if (absl::Status status = EmitShare(item, {queue.sob}, *body); !status.ok()) {
        return absl::Status(status.code(),
                            absl::StrCat("step ", item.step, " (", plan_.steps[item.step].name,
                                         "): ", status.message()));
      }
      item_ends.push_back(body->size());
    }
    result.body = body->Take();

    ASSIGN_OR_RETURN(std::unique_ptr<CommandWriter> upper,
                     CommandWriter::Create(chip_, queue.engine, CommandWriter::Role::kUpper));
    RETURN_IF_ERROR(WriteUpper(queue, *upper, {runtime::kFirstBodySymbol + q, 0}, item_ends));
    result.upper = upper->Take();
    return result;
  }

  absl::Status EmitShare(const BodyItem& item, hal::Sob signal, CommandWriter& body) const {
    const Share& share = shares_[item.step][item.share];
    if (const hal::IndexBox* box = std::get_if<hal::IndexBox>(&share)) {
      const TpcStep& step = std::get<TpcStep>(plan_.steps[item.step].work);
      hal::TpcBox command;
      command.kernel = {runtime::kImagesSymbol, images_.code_offset(step_image_[item.step])};
      command.tensors = step.launch.tensors;
      command.addresses.reserve(step.addresses.size());
      for (const hal::SymbolicAddress& address : step.addresses)
        command.addresses.push_back(Renumber(address));
      command.scalars = step.launch.scalars;
      command.box = *box;
      return body.Tpc(command, signal);
    }
    if (const hal::MmeGemm* gemm = std::get_if<hal::MmeGemm>(&share)) {
      hal::MmeGemm command = *gemm;
      command.a = Renumber(command.a);
      command.b = Renumber(command.b);
      command.c = Renumber(command.c);
      return body.Mme(command, signal);
    }
    if (const hal::MmeConvolution* convolution = std::get_if<hal::MmeConvolution>(&share)) {
      hal::MmeConvolution command = *convolution;
      command.x = Renumber(command.x);
      command.w = Renumber(command.w);
      command.y = Renumber(command.y);
      return body.Mme(command, signal);
    }
    if (const hal::DmaCopy* copy = std::get_if<hal::DmaCopy>(&share)) {
      hal::DmaCopy command = *copy;
      command.source = Renumber(command.source);
      command.destination = Renumber(command.destination);
      return body.Dma(command, signal);
    }
    hal::DmaFill command = std::get<hal::DmaFill>(share);
    command.destination = Renumber(command.destination);
    return body.Dma(command, signal);
  }

  const Plan& plan_;
  const std::vector<std::vector<Share>>& shares_;
  const Schedule& schedule_;
  const hal::Chip& chip_;
  ImageTable images_;
  std::vector<uint32_t> step_image_;
};

}  // namespace

absl::StatusOr<runtime::Program> EmitProgram(const Plan& plan,
                                             const std::vector<std::vector<Share>>& shares,
                                             const Schedule& schedule, const hal::Chip& chip) {
  return Emitter(plan, shares, schedule, chip).Emit();
}

}  // namespace openhpu::graph
