#include "runtime/instance.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "hal/kernel_image.h"
#include "runtime/instance_impl.h"
#include "runtime/program_check.h"

namespace openhpu::runtime {
namespace {

// Blobs start on a cache line of every chip.
constexpr uint64_t kBlobAlignment = 256;
constexpr uint64_t kConstantsAlignment = 256;
constexpr uint64_t kPatchPacketBytes = 24;  // of one copy

uint64_t AlignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Instance>> Instance::Load(Stream& stream, const Program& program) {
  return InstanceImpl::Load(static_cast<StreamImpl&>(stream), program);
}

absl::StatusOr<std::unique_ptr<InstanceImpl>> InstanceImpl::Load(StreamImpl& stream,
                                                                 const Program& program) {
  ContextImpl& context = stream.context_impl();
  RETURN_IF_ERROR(CheckProgram(program, context.chip()));
  auto instance = absl::WrapUnique(new InstanceImpl(stream.hardware()));
  ASSIGN_OR_RETURN(instance->shared_, stream.hardware().Reserve(program.workspace_bytes,
                                                                program.sobs, program.monitors));
  instance->workspace_bytes_ = program.workspace_bytes;
  instance->sobs_ = program.sobs;
  instance->monitors_ = program.monitors;
  instance->symbols_.resize(program.binding_symbol(0) + program.bindings.size());
  instance->first_binding_ = program.binding_symbol(0);
  instance->by_binding_.resize(program.bindings.size());
  instance->bindings_.resize(program.bindings.size());
  RETURN_IF_ERROR(instance->LoadData(context, program));
  RETURN_IF_ERROR(instance->LoadCommands(context, program));
  return instance;
}

InstanceImpl::~InstanceImpl() {
  for (Sequence sequence : {LastLaunched(), last_patch_}) {
    stream_.timeline().Wait(sequence, absl::InfiniteDuration()).IgnoreError();
  }
}

absl::Status InstanceImpl::LoadData(ContextImpl& context, const Program& program) {
  const uint64_t constants = AlignUp(ImagesBytes(program), kConstantsAlignment);
  std::vector<std::byte> bytes(constants + program.constants.size());
  for (size_t i = 0; i < program.images.size(); ++i) {
    ASSIGN_OR_RETURN(const std::vector<std::byte> image,
                     hal::MakeKernelImage(program.images[i], program.chip));
    std::memcpy(bytes.data() + program.image_code_offsets[i] - hal::kKernelImagePage, image.data(),
                image.size());
  }
  if (!program.constants.empty()) {
    std::memcpy(bytes.data() + constants, program.constants.data(), program.constants.size());
  }
  if (bytes.empty()) return absl::OkStatus();
  // Code is aligned to pages, memory from the driver to less.
  ASSIGN_OR_RETURN(data_, context.AllocateBuffer(bytes.size() + hal::kKernelImagePage));
  const DeviceAddress base(AlignUp(data_.address().value(), hal::kKernelImagePage));
  symbols_[kImagesSymbol] = base.value();
  symbols_[kConstantsSymbol] = base.value() + constants;
  return context.device().CopyToDevice(bytes, base);
}

void InstanceImpl::AddBlob(const hal::CommandBlob& blob, bool body, uint64_t* end) {
  Blob place;
  place.offset = *end;
  place.bytes = blob.bytes.size();
  place.body = body;
  *end = AlignUp(*end + place.bytes, kBlobAlignment);
  blobs_.push_back(place);
}

absl::Status InstanceImpl::LoadCommands(ContextImpl& context, const Program& program) {
  uint64_t end = 0;
  for (const QueueProgram& queue : program.queues) {
    AddBlob(queue.upper, false, &end);
    AddBlob(queue.body, true, &end);
  }
  const uint64_t code_bytes = end;
  AddBlob(program.external, false, &end);
  hal::Device& device = context.device();
  ASSIGN_OR_RETURN(shadow_, device.AllocateHost(end));
  ASSIGN_OR_RETURN(external_, device.CreateCommands(program.external.bytes.size()));
  if (code_bytes > 0) {
    ASSIGN_OR_RETURN(code_, context.AllocateBuffer(code_bytes + kBlobAlignment));
    ASSIGN_OR_RETURN(patch_commands_, device.CreateCommands(blobs_.size() * kPatchPacketBytes));
  }
  const uint64_t base = AlignUp(code_.address().value(), kBlobAlignment);

  symbols_[kWorkspaceSymbol] = shared_.workspace.value();
  for (size_t i = 0; i < program.queues.size(); ++i) {
    const Blob& upper = blobs_[2 * i];
    const Blob& body = blobs_[2 * i + 1];
    symbols_[kFirstBodySymbol + i] = base + body.offset;
    ASSIGN_OR_RETURN(const uint32_t queue,
                     hal::QueueOf(context.chip(), program.queues[i].engine, stream_.index()));
    chunks_.push_back({QueueId(queue), base + upper.offset, static_cast<uint32_t>(upper.bytes)});
  }
  chunks_.push_back({stream_.external_queue(), external_.handle(),
                     static_cast<uint32_t>(program.external.bytes.size())});

  for (size_t i = 0; i < program.queues.size(); ++i) {
    RETURN_IF_ERROR(FillBlob(2 * i, program.queues[i].upper));
    RETURN_IF_ERROR(FillBlob(2 * i + 1, program.queues[i].body));
  }
  RETURN_IF_ERROR(FillBlob(blobs_.size() - 1, program.external));
  return absl::OkStatus();
}

absl::Status InstanceImpl::FillBlob(size_t index, const hal::CommandBlob& blob) {
  Blob& place = blobs_[index];
  if (blob.bytes.empty()) return absl::OkStatus();
  std::memcpy(shadow_.data() + place.offset, blob.bytes.data(), blob.bytes.size());
  // All of it is new to the device.
  place.dirty_begin = 0;
  place.dirty_end = static_cast<uint32_t>(blob.bytes.size() / 4);
  std::vector<hal::Relocation> fixed;
  for (const hal::Relocation& relocation : blob.relocations) {
    const Reference reference = {static_cast<uint32_t>(index), relocation};
    if (relocation.kind == hal::RelocationKind::kSobBase ||
        relocation.kind == hal::RelocationKind::kSobBasePart ||
        relocation.kind == hal::RelocationKind::kMonitorBase) {
      bank_references_.push_back(reference);
      fixed.push_back(relocation);
    } else if (relocation.kind != hal::RelocationKind::kSymbol) {
      fixed.push_back(relocation);
    } else if (relocation.symbol == kWorkspaceSymbol) {
      workspace_references_.push_back(reference);
      fixed.push_back(relocation);
    } else if (relocation.symbol >= first_binding_) {
      by_binding_[relocation.symbol - first_binding_].push_back(reference);
    } else {
      fixed.push_back(relocation);
    }
  }
  const hal::RelocationValues values = {symbols_, shared_.first_sob, shared_.first_monitor,
                                        stream_.index()};
  return hal::Relocate(fixed, values, Shadow(place));
}

absl::Status InstanceImpl::Apply(const std::vector<Reference>& references) {
  const hal::RelocationValues values = {symbols_, shared_.first_sob, shared_.first_monitor,
                                        stream_.index()};
  for (const Reference& reference : references) {
    Blob& blob = blobs_[reference.blob];
    RETURN_IF_ERROR(hal::Relocate({&reference.relocation, 1}, values, Shadow(blob)));
    blob.dirty_begin = std::min(blob.dirty_begin, reference.relocation.word);
    blob.dirty_end = std::max(blob.dirty_end, reference.relocation.word + 1);
  }
  if (bound_) patched_words_ += references.size();
  return absl::OkStatus();
}

absl::Status InstanceImpl::UploadDirty() {
  // Upper and external commands may be read until the last launch is over, whatever it is that
  // changes them; the shadow is read by patches alone.
  for (const Blob& blob : blobs_) {
    if (blob.body || blob.dirty_begin >= blob.dirty_end) continue;
    RETURN_IF_ERROR(stream_.timeline().Wait(LastLaunched(), absl::InfiniteDuration()));
    break;
  }
  // Copies on the external queue, one a blob.
  ASSIGN_OR_RETURN(auto writer, hal::CommandWriter::Create(stream_.device().chip(),
                                                           {hal::EngineKind::kHostDma, 0},
                                                           hal::CommandWriter::Role::kExternal));
  const uint64_t base = AlignUp(code_.address().value(), kBlobAlignment);
  bool early = false;  // something that may be fetched before the stream gets there
  for (size_t i = 0; i + 1 < blobs_.size(); ++i) {
    Blob& blob = blobs_[i];
    if (blob.dirty_begin >= blob.dirty_end) continue;
    const uint64_t from = blob.offset + 4 * uint64_t{blob.dirty_begin};
    RETURN_IF_ERROR(
        writer->HostCopy({0, from}, {1, from}, 4 * uint64_t{blob.dirty_end - blob.dirty_begin}));
    early = early || !blob.body;
    blob.dirty_begin = UINT32_MAX;
    blob.dirty_end = 0;
  }
  if (writer->size() > 0) {
    hal::CommandBlob copies = writer->Take();
    const uint64_t symbols[] = {shadow_.address().value(), base};
    RETURN_IF_ERROR(hal::Relocate(copies.relocations, {symbols}, absl::MakeSpan(copies.bytes)));
    if (copies.bytes.size() > patch_commands_.bytes().size()) {
      return absl::InvalidArgumentError("program: a body that is longer than one copy");
    }
    std::memcpy(patch_commands_.bytes().data(), copies.bytes.data(), copies.bytes.size());
    ASSIGN_OR_RETURN(last_patch_,
                     stream_.timeline().Submit({{stream_.external_queue(), patch_commands_.handle(),
                                                 static_cast<uint32_t>(copies.bytes.size())}}));
  }
  Blob& external = blobs_.back();
  if (external.dirty_begin < external.dirty_end) {
    std::memcpy(external_.bytes().data(), Shadow(external).data(), external.bytes);
    external.dirty_begin = UINT32_MAX;
    external.dirty_end = 0;
  }
  if (early) return stream_.timeline().Wait(last_patch_, absl::InfiniteDuration());
  return absl::OkStatus();
}

absl::Status InstanceImpl::Rebind(absl::Span<const DeviceAddress> bindings) {
  absl::Status status = TryRebind(bindings);
  if (status.ok()) return status;
  bound_ = false;
  for (Blob& blob : blobs_) {
    blob.dirty_begin = 0;
    blob.dirty_end = static_cast<uint32_t>(blob.bytes / 4);
  }
  return status;
}

absl::Status InstanceImpl::TryRebind(absl::Span<const DeviceAddress> bindings) {
  RETURN_IF_ERROR(stream_.timeline().status());
  // The last patch may still be reading the shadow.
  RETURN_IF_ERROR(stream_.timeline().Wait(last_patch_, absl::InfiniteDuration()));
  const HardwareStream::Shared now = stream_.shared();
  if (now.resets != shared_.resets) {
    return absl::FailedPreconditionError("the device was reset; load the program again");
  }
  const bool bank_moved =
      !bound_ || now.first_sob != shared_.first_sob || now.first_monitor != shared_.first_monitor;
  const bool workspace_moved = !bound_ || now.workspace != shared_.workspace;
  shared_ = now;
  symbols_[kWorkspaceSymbol] = now.workspace.value();
  if (bank_moved) RETURN_IF_ERROR(Apply(bank_references_));
  if (workspace_moved) RETURN_IF_ERROR(Apply(workspace_references_));
  for (size_t i = 0; i < bindings.size(); ++i) {
    if (bound_ && bindings[i] == bindings_[i]) continue;
    symbols_[first_binding_ + i] = bindings[i].value();
    bindings_[i] = bindings[i];
    RETURN_IF_ERROR(Apply(by_binding_[i]));
  }
  RETURN_IF_ERROR(UploadDirty());
  bound_ = true;
  return absl::OkStatus();
}

absl::Status InstanceImpl::SubmitOrRebind() {
  for (;;) {
    stream_.Enter();
    if (stream_.generation() == shared_.generation) {
      absl::StatusOr<Sequence> sequence = stream_.timeline().Submit(chunks_);
      stream_.Leave();
      if (!sequence.ok()) return sequence.status();
      last_launch_->sequence.store(sequence->value(), std::memory_order_relaxed);
      ++launches_;
      return absl::OkStatus();
    }
    stream_.Leave();
    RETURN_IF_ERROR(Rebind(bindings_));
  }
}

absl::Status InstanceImpl::Bind(absl::Span<const DeviceAddress> bindings) {
  if (bindings.size() != bindings_.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "bound to ", bindings.size(), " bindings; the program has ", bindings_.size()));
  }
  if (!bound_ || !std::equal(bindings.begin(), bindings.end(), bindings_.begin())) {
    return Rebind(bindings);
  }
  return absl::OkStatus();
}

absl::Status InstanceImpl::Launch(absl::Span<const DeviceAddress> bindings) {
  RETURN_IF_ERROR(Bind(bindings));
  return SubmitOrRebind();
}

absl::Status InstanceImpl::Relaunch() {
  if (!bound_)
    return absl::FailedPreconditionError("relaunch without a launch before it that succeeded");
  return SubmitOrRebind();
}

}  // namespace openhpu::runtime
