// InstanceImpl: a loaded program.
//
// All blobs lie in one buffer of device memory and, with the same layout, in mapped host memory,
// the shadow. A word that depends on something that can change (a binding, the workspace, the bank)
// is listed under it; a change rewrites those words in the shadow and copies the touched stretch of
// each blob, on the stream, so in order with what runs there. Bodies are fetched only after the
// program's own start signal, so such a copy is not waited for; upper and external buffers may be
// fetched earlier, so a change there waits.
#ifndef RUNTIME_INSTANCE_IMPL_H_
#define RUNTIME_INSTANCE_IMPL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/buffer.h"
#include "hal/command_writer.h"
#include "hal/driver.h"
#include "runtime/context_impl.h"
#include "runtime/hardware_stream.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace openhpu::runtime {

class InstanceImpl final : public Instance {
 public:
  static absl::StatusOr<std::unique_ptr<InstanceImpl>> Load(StreamImpl& stream,
                                                            const Program& program);
  ~InstanceImpl() override;

  absl::Status Bind(absl::Span<const DeviceAddress> bindings) override;
  absl::Status Launch(absl::Span<const DeviceAddress> bindings) override;
  absl::Status Relaunch() override;
  uint64_t device_bytes() const override { return data_.bytes() + code_.bytes(); }
  std::shared_ptr<const LastLaunch> last_launch() const override { return last_launch_; }
  uint64_t launches() const override { return launches_; }
  uint64_t patched_words() const override { return patched_words_; }
  uint32_t chunks() const override { return static_cast<uint32_t>(chunks_.size()); }

 private:
  // A blob's place in device memory and in the shadow, and what of it was rewritten.
  struct Blob {
    uint64_t offset = 0;  // bytes
    uint64_t bytes = 0;
    bool body = false;
    uint32_t dirty_begin = UINT32_MAX, dirty_end = 0;  // words
  };
  // A word that depends on one thing.
  struct Reference {
    uint32_t blob = 0;
    hal::Relocation relocation;
  };

  explicit InstanceImpl(HardwareStream& stream)
      : stream_(stream), last_launch_(std::make_shared<LastLaunch>(stream.index())) {}
  Sequence LastLaunched() const {
    return Sequence(last_launch_->sequence.load(std::memory_order_relaxed));
  }

  absl::Status LoadData(ContextImpl& context, const Program& program);
  absl::Status LoadCommands(ContextImpl& context, const Program& program);
  void AddBlob(const hal::CommandBlob& blob, bool body, uint64_t* end);
  absl::Status FillBlob(size_t index, const hal::CommandBlob& blob);

  absl::Span<std::byte> Shadow(const Blob& blob) const {
    return absl::MakeSpan(shadow_.data() + blob.offset, blob.bytes);
  }
  absl::Status Apply(const std::vector<Reference>& references);
  // Makes the stream's shared things and `bindings` true in the commands; after a failure the next
  // launch starts from the loaded state.
  absl::Status Rebind(absl::Span<const DeviceAddress> bindings);
  absl::Status TryRebind(absl::Span<const DeviceAddress> bindings);
  absl::Status UploadDirty();
  absl::Status SubmitOrRebind();

  HardwareStream& stream_;
  hal::Buffer data_;        // images, then constants
  hal::Buffer code_;        // uppers and bodies
  hal::HostBuffer shadow_;  // of code_, and the external commands behind it
  hal::CommandBuffer external_;
  hal::CommandBuffer patch_commands_;
  std::vector<Blob> blobs_;         // upper and body of each queue, in turn; last the external one
  std::vector<hal::Chunk> chunks_;  // one launch

  std::vector<uint64_t> symbols_;
  HardwareStream::Shared shared_;
  uint64_t workspace_bytes_ = 0;
  uint32_t sobs_ = 0, monitors_ = 0;
  uint32_t first_binding_ = 0;  // symbol
  std::vector<std::vector<Reference>> by_binding_;
  std::vector<Reference> workspace_references_, bank_references_;

  std::vector<DeviceAddress> bindings_;
  bool bound_ = false;  // the device has commands for bindings_
  const std::shared_ptr<LastLaunch> last_launch_;
  Sequence last_patch_;
  uint64_t launches_ = 0, patched_words_ = 0;
};

}  // namespace openhpu::runtime

#endif  // RUNTIME_INSTANCE_IMPL_H_
