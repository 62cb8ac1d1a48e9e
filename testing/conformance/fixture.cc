#include "testing/conformance/fixture.h"

#include <utility>

#include "hal/base/status_macros.h"

namespace openhpu::conformance {
namespace {

// Of every test: sync objects and monitors, a quarter of the smallest machine's.
constexpr uint32_t kSobs = 128;
constexpr uint32_t kMonitors = 64;
// What Finish uses; the tests' own monitors are lower.
constexpr uint32_t kFinishMonitor = kMonitors - 8;

}  // namespace

void ConformanceTest::SetUp() {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<hal::Driver> driver, MakeDriverUnderTest());
  ASSERT_OK_AND_ASSIGN(device_, hal::Device::Create(std::move(driver)));
  ASSERT_OK_AND_ASSIGN(bank_, device_->banks().Lease(kSobs, kMonitors));
}

uint32_t ConformanceTest::Symbol(DeviceAddress address) {
  symbols_.push_back(address.value());
  return static_cast<uint32_t>(symbols_.size() - 1);
}

ConformanceTest::Memory ConformanceTest::Allocate(uint64_t bytes, hal::MemoryKind kind) {
  absl::StatusOr<hal::Buffer> buffer = device_->Allocate(kind, bytes);
  EXPECT_THAT(buffer, IsOk());
  OPENHPU_CHECK(buffer.ok());
  const uint32_t symbol = Symbol(buffer->address());
  return {*std::move(buffer), symbol};
}

hal::CommandBlob ConformanceTest::Relocated(hal::CommandBlob blob, uint32_t stream) {
  const hal::RelocationValues values = {symbols_, bank_.first_sob(), bank_.first_monitor(), stream};
  EXPECT_THAT(hal::Relocate(blob.relocations, values, absl::MakeSpan(blob.bytes)), IsOk());
  return blob;
}

hal::Chunk ConformanceTest::ExternalBytes(hal::Engine engine, uint32_t stream,
                                          absl::Span<const std::byte> bytes) {
  absl::StatusOr<hal::CommandBuffer> commands = device_->CreateCommands(bytes.size());
  EXPECT_THAT(commands, IsOk());
  OPENHPU_CHECK(commands.ok());
  std::memcpy(commands->bytes().data(), bytes.data(), bytes.size());
  const absl::StatusOr<uint32_t> queue = hal::QueueOf(chip(), engine, stream);
  EXPECT_THAT(queue, IsOk());
  const hal::Chunk chunk = {QueueId(*queue), commands->handle(),
                            static_cast<uint32_t>(bytes.size())};
  commands_.push_back(*std::move(commands));
  return chunk;
}

DeviceAddress ConformanceTest::Code(absl::Span<const std::byte> bytes) {
  absl::StatusOr<hal::Buffer> buffer = device_->Allocate(hal::MemoryKind::kDram, bytes.size());
  EXPECT_THAT(buffer, IsOk());
  OPENHPU_CHECK(buffer.ok());
  EXPECT_THAT(device_->CopyToDevice(bytes, buffer->address()), IsOk());
  const DeviceAddress address = buffer->address();
  code_.push_back(*std::move(buffer));
  return address;
}

hal::Chunk ConformanceTest::External(hal::Engine engine, uint32_t stream, const Write& write) {
  auto writer = hal::CommandWriter::Create(chip(), engine, hal::CommandWriter::Role::kExternal);
  EXPECT_THAT(writer, IsOk());
  write(**writer);
  return ExternalBytes(engine, stream, Relocated((*writer)->Take(), stream).bytes);
}

hal::Chunk ConformanceTest::Upper(hal::Engine engine, uint32_t stream, const Write& write) {
  auto writer = hal::CommandWriter::Create(chip(), engine, hal::CommandWriter::Role::kUpper);
  EXPECT_THAT(writer, IsOk());
  write(**writer);
  const hal::CommandBlob blob = Relocated((*writer)->Take(), stream);
  return {QueueId(*hal::QueueOf(chip(), engine, stream)), Code(blob.bytes).value(),
          static_cast<uint32_t>(blob.bytes.size())};
}

ConformanceTest::Body ConformanceTest::MakeBody(hal::Engine engine, const Write& write) {
  auto writer = hal::CommandWriter::Create(chip(), engine, hal::CommandWriter::Role::kBody);
  EXPECT_THAT(writer, IsOk());
  write(**writer);
  const hal::CommandBlob blob = Relocated((*writer)->Take(), 0);
  return {{Symbol(Code(blob.bytes)), 0}, static_cast<uint32_t>(blob.bytes.size())};
}

hal::Chunk ConformanceTest::RawExternal(uint32_t stream, const std::vector<uint32_t>& words) {
  return ExternalBytes(kHostIn, stream,
                       {reinterpret_cast<const std::byte*>(words.data()), 4 * words.size()});
}

hal::Chunk ConformanceTest::RawUpper(hal::Engine engine, uint32_t stream,
                                     const std::vector<uint32_t>& words) {
  const DeviceAddress address =
      Code({reinterpret_cast<const std::byte*>(words.data()), 4 * words.size()});
  return {QueueId(*hal::QueueOf(chip(), engine, stream)), address.value(),
          static_cast<uint32_t>(4 * words.size())};
}

absl::Status ConformanceTest::Run(const std::vector<hal::Chunk>& chunks) {
  ASSIGN_OR_RETURN(const Sequence sequence, Submit(chunks));
  return Wait(sequence);
}

hal::Chunk ConformanceTest::Finish(uint32_t stream,
                                   const std::vector<hal::SyncCondition>& conditions) {
  return External(kHostIn, stream, [&](hal::CommandWriter& writer) {
    EXPECT_THAT(writer.SetUpMonitors(kFinishMonitor, static_cast<uint32_t>(conditions.size())),
                IsOk());
    EXPECT_THAT(writer.Await(conditions, kFinishMonitor), IsOk());
    for (const hal::SyncCondition& condition : conditions) {
      for (uint32_t i = 0; i < 8; ++i) {
        if ((condition.watch >> i & 1) == 0) continue;
        EXPECT_THAT(writer.SetSob(hal::Sob{8 * condition.group + i}, 0, false), IsOk());
      }
    }
  });
}

absl::Status ConformanceTest::RunBody(hal::Engine engine, uint32_t stream, uint32_t signals,
                                      const Write& write) {
  const Body body = MakeBody(engine, write);
  const uint8_t watch = engine.kind == hal::EngineKind::kMme ? 3 : 1;
  return Run({Upper(engine, stream,
                    [&](hal::CommandWriter& upper) {
                      EXPECT_THAT(upper.Run(body.address, body.bytes), IsOk());
                    }),
              Finish(stream, {{0, watch, signals}})});
}

}  // namespace openhpu::conformance
