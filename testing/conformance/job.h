// Job: the commands of one queue for one submission, as a test writes them: typed ones by
// hal::CommandWriter, and packets as they are where the point is one that the writer would not
// write. Calls chain; the first error is kept and comes out of Link.
//     Job job = NewJob(ComputeDma(0));
//     job.Await({Reaches(3, 1)}).Dma(copy, 4).Run();
// Addresses are absolute; sync objects and monitors count from the bank that the suite leases.
#ifndef TESTING_CONFORMANCE_JOB_H_
#define TESTING_CONFORMANCE_JOB_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/base/strong_int.h"
#include "hal/chip.pb.h"
#include "hal/command_writer.h"
#include "hal/commands.h"

namespace openhpu::conformance {

constexpr hal::Engine HostDma(int i) {
  return {hal::EngineKind::kHostDma, static_cast<uint8_t>(i)};
}
constexpr hal::Engine ComputeDma(int i) { return {hal::EngineKind::kDma, static_cast<uint8_t>(i)}; }
constexpr hal::Engine Mme(int i) { return {hal::EngineKind::kMme, static_cast<uint8_t>(i)}; }
constexpr hal::Engine Tpc(int i) { return {hal::EngineKind::kTpc, static_cast<uint8_t>(i)}; }

// Symbols of a job's commands: address zero, so that an offset is an address; and its own body.
inline constexpr uint32_t kAbsolute = 0, kBody = 1;
inline hal::SymbolicAddress At(DeviceAddress address) { return {kAbsolute, address.value()}; }

// Sync object `sob` is at least `value`.
inline hal::SyncCondition Reaches(uint32_t sob, uint32_t value) {
  return {sob / 8, static_cast<uint8_t>(1u << (sob % 8)), value};
}

// One dense copy.
inline hal::DmaCopy Linear(DeviceAddress from, DeviceAddress to, uint32_t bytes) {
  hal::DmaCopy copy;
  copy.source = At(from);
  copy.destination = At(to);
  copy.run = bytes;
  return copy;
}

// One buffer of commands: stretches of typed and of raw ones.
class Script {
 public:
  Script(const hal::Chip& chip, hal::Engine engine, hal::CommandWriter::Role role);

  // The writer to go on with; null when the engine does not exist (see status).
  hal::CommandWriter* writer() { return writer_.get(); }
  const absl::Status& status() const { return status_; }
  // A packet as it is, in Gaudi's form: what dialects share lies alike. Gaudi's register barrier is
  // another bit elsewhere, and left out there.
  void Append(const void* bytes, size_t count);
  // Closes the stretch of typed commands; the writer starts again, without monitors.
  void Flush();
  uint32_t size() const;
  absl::StatusOr<std::vector<std::byte>> Link(const hal::RelocationValues& values);

 private:
  absl::Status status_;
  bool register_barrier_;
  std::unique_ptr<hal::CommandWriter> writer_;
  std::vector<hal::CommandBlob> done_;
};

class Job {
 public:
  // `next_monitor` counts the monitors of the bank that are taken; it outlives the job.
  Job(const hal::Chip& chip, hal::Engine engine, uint32_t stream, uint32_t* next_monitor);

  hal::Engine engine() const { return engine_; }
  uint32_t stream() const { return stream_; }
  bool external() const { return engine_.kind == hal::EngineKind::kHostDma; }

  // Both kinds of buffer.
  Job& Await(const std::vector<hal::SyncCondition>& conditions);
  Job& AddSob(uint32_t sob, uint32_t value = 1, bool after_engine = false);
  Job& SetSob(uint32_t sob, uint32_t value, bool after_engine = false);
  // External.
  Job& HostCopy(DeviceAddress from, DeviceAddress to, uint64_t bytes);
  Job& Timestamp(DeviceAddress to);
  // Internal: into the body; then Run() runs what the body has gained since the last.
  Job& Dma(const hal::DmaCopy& copy, std::optional<uint32_t> sob = std::nullopt);
  Job& Dma(const hal::DmaFill& fill, std::optional<uint32_t> sob = std::nullopt);
  Job& Mme(const hal::MmeGemm& gemm, std::optional<uint32_t> sob = std::nullopt);
  Job& Mme(const hal::MmeConvolution& convolution, std::optional<uint32_t> sob = std::nullopt);
  Job& Tpc(const hal::TpcBox& box, std::optional<uint32_t> sob = std::nullopt);
  Job& Run();

  template <typename Packet>
  Job& Raw(const Packet& packet) {
    static_assert(std::is_trivially_copyable_v<Packet> && sizeof(Packet) % 4 == 0);
    commands_.Append(&packet, sizeof packet);
    monitors_set_up_ = false;
    return *this;
  }
  template <typename Packet>
  Job& BodyRaw(const Packet& packet) {
    static_assert(std::is_trivially_copyable_v<Packet> && sizeof(Packet) % 4 == 0);
    body_->Append(&packet, sizeof packet);
    return *this;
  }

  // The bytes, once: of the body (empty when there is none), which is to lie at `body`, and of the
  // buffer that is submitted.
  absl::StatusOr<std::vector<std::byte>> LinkBody(uint32_t first_sob, uint32_t first_monitor);
  absl::StatusOr<std::vector<std::byte>> Link(uint32_t first_sob, uint32_t first_monitor,
                                              DeviceAddress body);
  uint32_t body_bytes() const { return body_.has_value() ? body_->size() : 0; }

 private:
  void Keep(const absl::Status& status);

  hal::Engine engine_;
  uint32_t stream_;
  uint32_t* next_monitor_;
  absl::Status status_;
  Script commands_;
  std::optional<Script> body_;
  uint32_t body_run_ = 0;  // what Run() has run
  uint32_t monitor_ = 0, monitors_ = 0;
  bool monitors_set_up_ = false;
};

}  // namespace openhpu::conformance

#endif  // TESTING_CONFORMANCE_JOB_H_
