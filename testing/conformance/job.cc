#include "testing/conformance/job.h"

#include <array>

#include "hal/abi/gaudi/packets.h"
#include "hal/base/status_macros.h"

namespace openhpu::conformance {

using Role = hal::CommandWriter::Role;

Script::Script(const hal::Chip& chip, hal::Engine engine, Role role)
    : register_barrier_(chip.dialect() == "gaudi") {
  auto writer = hal::CommandWriter::Create(chip, engine, role);
  status_ = writer.status();
  if (writer.ok()) writer_ = *std::move(writer);
}

void Script::Append(const void* bytes, size_t count) {
  Flush();
  hal::CommandBlob blob;
  blob.bytes.resize(count);
  std::memcpy(blob.bytes.data(), bytes, count);
  uint32_t header;
  if (!register_barrier_ && count >= 2 * sizeof header) {
    std::memcpy(&header, blob.bytes.data() + sizeof header, sizeof header);
    header &= ~hal::abi::gaudi::Ctl::REG_BARRIER::kMask;
    std::memcpy(blob.bytes.data() + sizeof header, &header, sizeof header);
  }
  done_.push_back(std::move(blob));
}

void Script::Flush() {
  if (writer_ != nullptr && writer_->size() > 0) done_.push_back(writer_->Take());
}

uint32_t Script::size() const {
  size_t bytes = writer_ == nullptr ? 0 : writer_->size();
  for (const hal::CommandBlob& blob : done_) bytes += blob.bytes.size();
  return static_cast<uint32_t>(bytes);
}

absl::StatusOr<std::vector<std::byte>> Script::Link(const hal::RelocationValues& values) {
  RETURN_IF_ERROR(status_);
  Flush();
  std::vector<std::byte> all;
  for (hal::CommandBlob& blob : done_) {
    RETURN_IF_ERROR(hal::Relocate(blob.relocations, values, absl::MakeSpan(blob.bytes)));
    all.insert(all.end(), blob.bytes.begin(), blob.bytes.end());
  }
  return all;
}

Job::Job(const hal::Chip& chip, hal::Engine engine, uint32_t stream, uint32_t* next_monitor)
    : engine_(engine),
      stream_(stream),
      next_monitor_(next_monitor),
      commands_(chip, engine, external() ? Role::kExternal : Role::kUpper) {
  if (!external()) body_.emplace(chip, engine, Role::kBody);
  status_ = commands_.status();
}

void Job::Keep(const absl::Status& status) {
  if (status_.ok()) status_ = status;
}

Job& Job::Await(const std::vector<hal::SyncCondition>& conditions) {
  if (!status_.ok()) return *this;
  const uint32_t count = static_cast<uint32_t>(conditions.size());
  if (count > monitors_) {
    monitor_ = *next_monitor_;
    monitors_ = count;
    *next_monitor_ += count;
    monitors_set_up_ = false;
  }
  if (!monitors_set_up_) Keep(commands_.writer()->SetUpMonitors(monitor_, monitors_));
  monitors_set_up_ = true;
  Keep(commands_.writer()->Await(conditions, monitor_));
  return *this;
}

Job& Job::AddSob(uint32_t sob, uint32_t value, bool after_engine) {
  if (status_.ok()) Keep(commands_.writer()->AddSob(hal::Sob{sob}, value, after_engine));
  return *this;
}

Job& Job::SetSob(uint32_t sob, uint32_t value, bool after_engine) {
  if (status_.ok()) Keep(commands_.writer()->SetSob(hal::Sob{sob}, value, after_engine));
  return *this;
}

Job& Job::HostCopy(DeviceAddress from, DeviceAddress to, uint64_t bytes) {
  if (status_.ok()) Keep(commands_.writer()->HostCopy(At(from), At(to), bytes));
  return *this;
}

Job& Job::Timestamp(DeviceAddress to) {
  if (status_.ok()) Keep(commands_.writer()->Timestamp(At(to)));
  return *this;
}

namespace {
std::optional<hal::Sob> SobOf(std::optional<uint32_t> sob) {
  return sob.has_value() ? std::optional<hal::Sob>(hal::Sob{*sob}) : std::nullopt;
}
}  // namespace

Job& Job::Dma(const hal::DmaCopy& copy, std::optional<uint32_t> sob) {
  if (status_.ok()) Keep(body_->writer()->Dma(copy, SobOf(sob)));
  return *this;
}

Job& Job::Dma(const hal::DmaFill& fill, std::optional<uint32_t> sob) {
  if (status_.ok()) Keep(body_->writer()->Dma(fill, SobOf(sob)));
  return *this;
}

Job& Job::Mme(const hal::MmeGemm& gemm, std::optional<uint32_t> sob) {
  if (status_.ok()) Keep(body_->writer()->Mme(gemm, SobOf(sob)));
  return *this;
}

Job& Job::Mme(const hal::MmeConvolution& convolution, std::optional<uint32_t> sob) {
  if (status_.ok()) Keep(body_->writer()->Mme(convolution, SobOf(sob)));
  return *this;
}

Job& Job::Tpc(const hal::TpcBox& box, std::optional<uint32_t> sob) {
  if (status_.ok()) Keep(body_->writer()->Tpc(box, SobOf(sob)));
  return *this;
}

Job& Job::Run() {
  if (!status_.ok()) return *this;
  const uint32_t end = body_->size();
  Keep(commands_.writer()->Run({kBody, body_run_}, end - body_run_));
  body_run_ = end;
  return *this;
}

absl::StatusOr<std::vector<std::byte>> Job::LinkBody(uint32_t first_sob, uint32_t first_monitor) {
  RETURN_IF_ERROR(status_);
  if (!body_.has_value()) return std::vector<std::byte>();
  const std::array<uint64_t, 1> symbols = {0};
  return body_->Link({symbols, first_sob, first_monitor, stream_});
}

absl::StatusOr<std::vector<std::byte>> Job::Link(uint32_t first_sob, uint32_t first_monitor,
                                                 DeviceAddress body) {
  RETURN_IF_ERROR(status_);
  const std::array<uint64_t, 2> symbols = {0, body.value()};
  return commands_.Link({symbols, first_sob, first_monitor, stream_});
}

}  // namespace openhpu::conformance
