// Gaudi2's dialect of hal/command_writer.h. PDMA queues are the external ones: their upper CP runs
// the buffer and drives the DMA. Everything else is an upper buffer, which feeds bodies to the
// lower CP. User work synchronises in manager 0, at which the kernel points every queue's message
// bases.
#ifndef HAL_GAUDI2_COMMAND_WRITER_H_
#define HAL_GAUDI2_COMMAND_WRITER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/command_checks.h"
#include "hal/command_writer.h"
#include "hal/commands.h"
#include "hal/gaudi2/mme_lowering.h"
#include "hal/gaudi2/packet_writer.h"

namespace openhpu::hal::gaudi2 {

class Gaudi2CommandWriter final : public CommandWriter {
 public:
  // As CommandWriter::Create, for a chip of this dialect.
  static absl::StatusOr<std::unique_ptr<CommandWriter>> Create(const Chip& chip, Engine engine,
                                                               Role role);

  absl::Status SetUpMonitors(uint32_t first, uint32_t count) override;
  absl::Status Await(absl::Span<const SyncCondition> conditions, uint32_t first_monitor) override;
  absl::Status SetSob(Sob sob, uint32_t value, bool after_engine) override;
  absl::Status AddSob(Sob sob, uint32_t value, bool after_engine) override;
  absl::Status Run(SymbolicAddress body, uint32_t bytes) override;
  absl::Status HostCopy(SymbolicAddress source, SymbolicAddress destination,
                        uint64_t bytes) override;
  absl::Status Timestamp(SymbolicAddress destination) override;
  absl::Status Dma(const DmaCopy& command, std::optional<Sob> signal) override;
  absl::Status Dma(const DmaFill& command, std::optional<Sob> signal) override;
  absl::Status Mme(const MmeGemm& command, std::optional<Sob> signal) override;
  absl::Status Mme(const MmeConvolution& command, std::optional<Sob> signal) override;
  absl::Status Tpc(const TpcBox& command, std::optional<Sob> signal) override;
  uint32_t size() const override { return packets_.bytes(); }
  CommandBlob Take() override;

 private:
  Gaudi2CommandWriter(const Chip& chip, Role role, CommandChecks checks, uint64_t qman)
      : chip_(chip), role_(role), checks_(std::move(checks)), qman_(qman) {}

  absl::Status WriteSob(Sob sob, uint32_t message, bool after_engine);
  // The low word of a sob's address; the high half is constant.
  void RelocateSob(uint32_t low_word, Sob sob);
  // The group of a monitor's condition, in the fields of its two words.
  void RelocateGroup(uint32_t config_word, uint32_t arm_word, uint32_t group);
  void WriteLinear(SymbolicAddress source, SymbolicAddress destination, uint64_t bytes,
                   std::optional<Sob> signal);
  void WriteCompletion(Sob sob);
  void WriteDescriptors(const std::vector<MmePart>& parts, SymbolicAddress a, SymbolicAddress b,
                        SymbolicAddress c, std::optional<Sob> signal);

  const Chip& chip_;  // outlives the writer
  const Role role_;
  const CommandChecks checks_;
  const uint64_t qman_;  // address of the queue manager
  PacketWriter packets_;
  uint32_t monitors_begin_ = 0, monitors_end_ = 0;  // those set up
  bool caches_invalidated_ = false;
};

}  // namespace openhpu::hal::gaudi2

#endif  // HAL_GAUDI2_COMMAND_WRITER_H_
