// CommandWriter: typed commands -> command bytes of the chip's dialect, with relocations for
// everything symbolic. The only encoder; the simulator's queue managers decode what it writes from
// the same hal/abi layouts.
//
// Three roles. kExternal: a command buffer of a host-facing queue (runs on the upper CP, drives its
// DMA). kUpper: an internal queue's upper buffer: waits, sync objects and Run() of bodies. kBody:
// what a lower CP runs: descriptors and their launch, no waits (a fence in a body can deadlock
// across the streams that share the lower CP). A call that a role does not have returns
// FailedPrecondition; one that does not fit a register InvalidArgument.
//
// Signals. An engine command with a sob adds 1 to it when its writes have landed; an MME adds 1 to
// sob and 1 to sob + 1 (one each array).
#ifndef HAL_COMMAND_WRITER_H_
#define HAL_COMMAND_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/chip.pb.h"
#include "hal/commands.h"

namespace openhpu::hal {

// What a relocation adds into a word: the value of a symbol, or a base of the leased bank.
enum class RelocationKind : uint8_t {
  kSymbol,       // values[symbol] + addend, shifted right by `shift`
  kSobBase,      // first sob of the bank
  kMonitorBase,  // first monitor of the bank
  kStream,       // the hardware stream, 0-3
  kSobBasePart,  // as kSobBase, but the field takes what bits it has; others are in another field
};

// field [lsb, lsb + width) of the 32-bit word at `word` := ((value * scale + addend) >> shift) &
// mask. scale is 1 for kSymbol.
struct Relocation {
  uint32_t word = 0;  // index of the 32-bit word in the blob
  RelocationKind kind = RelocationKind::kSymbol;
  uint8_t lsb = 0, width = 32, shift = 0;
  uint32_t scale = 1;
  uint32_t symbol = 0;
  uint64_t addend = 0;

  friend bool operator==(const Relocation& a, const Relocation& b) {
    return a.word == b.word && a.kind == b.kind && a.lsb == b.lsb && a.width == b.width &&
           a.shift == b.shift && a.scale == b.scale && a.symbol == b.symbol && a.addend == b.addend;
  }
};

struct CommandBlob {
  std::vector<std::byte> bytes;
  std::vector<Relocation> relocations;
};

struct RelocationValues {
  absl::Span<const uint64_t> symbols;
  uint32_t first_sob = 0, first_monitor = 0, stream = 0;
};

// Applies relocations to `bytes` (a copy of the blob's). OutOfRange when a value does not fit its
// field, a word lies outside, or a symbol has no value.
absl::Status Relocate(absl::Span<const Relocation> relocations, const RelocationValues& values,
                      absl::Span<std::byte> bytes);

// All watched sobs of one group reach `value`: sob[8 * group + i] >= value for each i with bit i of
// `watch` set. 1 <= value <= 32767.
struct SyncCondition {
  uint32_t group = 0;
  uint8_t watch = 0;
  uint32_t value = 0;
};

class CommandWriter {
 public:
  enum class Role : uint8_t { kExternal, kUpper, kBody };

  // InvalidArgument when the chip has no such engine or an unknown dialect, or the role does not
  // fit the engine.
  static absl::StatusOr<std::unique_ptr<CommandWriter>> Create(const Chip& chip, Engine engine,
                                                               Role role);
  virtual ~CommandWriter() = default;

  // kExternal, kUpper: points monitors [first, first + count) of the bank at this queue's fence
  // counter. Once at the start; Await then uses them.
  virtual absl::Status SetUpMonitors(uint32_t first, uint32_t count) = 0;
  // kExternal, kUpper: arms one monitor a condition (numbers first, first+1, ...) and blocks the
  // queue until all have fired.
  virtual absl::Status Await(absl::Span<const SyncCondition> conditions,
                             uint32_t first_monitor) = 0;
  // Any role: sob := value, or sob += value (modulo 2^15). `after_engine` first waits until this
  // queue's engine is idle.
  virtual absl::Status SetSob(Sob sob, uint32_t value, bool after_engine) = 0;
  virtual absl::Status AddSob(Sob sob, uint32_t value, bool after_engine) = 0;
  // kUpper: runs [offset, offset + bytes) of the queue's body, which lies at `body`; then lets
  // other streams have the engine.
  virtual absl::Status Run(SymbolicAddress body, uint32_t bytes) = 0;
  // kExternal: one linear copy; either end may be mapped host memory.
  virtual absl::Status HostCopy(SymbolicAddress source, SymbolicAddress destination,
                                uint64_t bytes) = 0;
  // kExternal: waits for the engine, then writes the device's time (a counter of nanoseconds, 64
  // bits) to `destination`.
  virtual absl::Status Timestamp(SymbolicAddress destination) = 0;

  // kBody.
  virtual absl::Status Dma(const DmaCopy& command, std::optional<Sob> signal) = 0;
  virtual absl::Status Dma(const DmaFill& command, std::optional<Sob> signal) = 0;
  virtual absl::Status Mme(const MmeGemm& command, std::optional<Sob> signal) = 0;
  virtual absl::Status Mme(const MmeConvolution& command, std::optional<Sob> signal) = 0;
  virtual absl::Status Tpc(const TpcBox& command, std::optional<Sob> signal) = 0;

  // Bytes written so far (a body's next offset), and the finished blob; the writer is empty
  // afterwards.
  virtual uint32_t size() const = 0;
  virtual CommandBlob Take() = 0;
};

// The kernel's queue id of an engine's stream, from the chip's dialect.
absl::StatusOr<uint32_t> QueueOf(const Chip& chip, Engine engine, uint32_t stream);

// How many engines of a kind user work may take.
int CountEngines(const Chip& chip, EngineKind kind);

}  // namespace openhpu::hal

#endif  // HAL_COMMAND_WRITER_H_
