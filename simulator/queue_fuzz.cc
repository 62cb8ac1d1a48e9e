#include "simulator/queue_fuzz.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/queue_ids.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "hal/abi/gaudi/tpc.h"
#include "hal/abi/gaudi2/queue_ids.h"
#include "hal/abi/kernel_image.h"
#include "hal/kernel_image.h"
#include "simulator/card.h"
#include "simulator/functional/kernel.h"
#include "simulator/spec.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi;

constexpr uint64_t kHostPage = 4096;
constexpr uint64_t kMostSteps = uint64_t{1} << 22;
constexpr int kModes = 3, kMostChunks = 8;
constexpr uint8_t kPattern = 0xA5;
constexpr uint64_t kSramReserved = 0x80;
// Longer than anything that an input can launch.
constexpr Picoseconds kLater{uint64_t{20} * 1000000000};

void Require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "the card is broken: %s\n", what.c_str());
  std::abort();
}

// What is left of the input; zeros behind its end.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  size_t left() const { return left_; }
  void Take(void* to, size_t bytes) {
    if (bytes == 0) return;
    const size_t taken = std::min(bytes, left_);
    std::memset(to, 0, bytes);
    if (taken != 0) std::memcpy(to, data_, taken);
    data_ += taken;
    left_ -= taken;
  }
  template <typename T>
  T Take() {
    T value;
    Take(&value, sizeof value);
    return value;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

// What is not alike of the two chips.
struct Chip {
  const char* spec;
  FuzzMemory memory;
  // DRAM that is not the user's, by physical address.
  uint64_t kernels_dram, kernels_dram_bytes;
  absl::Span<const uint8_t> queues;
  bool (*is_external)(uint32_t queue);
};

const Chip& Tiny() {
  static const Chip chip = {"sim:tiny,address_map.dram_bytes=0x20100000",
                            kFuzzMemory,
                            0,
                            kFuzzDram,
                            kFuzzQueues,
                            [](uint32_t queue) { return abi::IsExternalQueue(queue); }};
  return chip;
}

const Chip& Gaudi2() {
  namespace abi2 = hal::abi::gaudi2;
  static const Chip chip = {
      "sim:gaudi2,address_map.dram_bytes=0x30100000,address_map.sram_reserved_bytes=0x80",
      kGaudi2FuzzMemory,
      0x1001000000000000,
      0x30000000,
      kGaudi2FuzzQueues,
      [](uint32_t queue) { return abi2::TargetOf(queue).kind == abi2::QueueTarget::Kind::kPdma; }};
  return chip;
}

class FuzzCard {
 public:
  FuzzCard(const Chip& chip, int mode) : chip_(chip) {
    constexpr const char* kModeKeys[kModes] = {"mode=functional", "mode=timed", "hazards=on"};
    absl::StatusOr<Spec> spec = ParseSpec(absl::StrCat(
        chip.spec, ",arithmetic=exact,address_map.sram_bytes=0x10000,", kModeKeys[mode]));
    Require(spec.ok(), spec.status().ToString());
    spec->options.most_steps = kMostSteps;
    absl::StatusOr<std::unique_ptr<Card>> card = Card::Create("sim:fuzz", *spec);
    Require(card.ok(), card.status().ToString());
    card_ = *std::move(card);
    Require(mprotect(At(chip.kernels_dram, chip.kernels_dram_bytes), chip.kernels_dram_bytes,
                     PROT_NONE) == 0,
            "no protection");
    // A page, the first mapping's, the second's, a page.
    void* const pages = mmap(nullptr, 4 * kHostPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    Require(pages != MAP_FAILED, "no memory");
    host_ = static_cast<std::byte*>(pages) + kHostPage;
    Require(mprotect(host_, 2 * kHostPage, PROT_READ | PROT_WRITE) == 0, "no memory");
    std::memset(host_, kPattern, 2 * kHostPage);
    std::memset(At(memory().sram - kSramReserved, kSramReserved), kPattern, kSramReserved);
    Map(memory().host, host_ + memory().host % kHostPage, kFuzzHostBytes);
    Map(memory().host_end, host_ + kHostPage + memory().host_end % kHostPage, kFuzzHostEndBytes);
  }

  Card& card() { return *card_; }
  const Chip& chip() const { return chip_; }
  const FuzzMemory& memory() const { return chip_.memory; }
  std::byte* At(uint64_t address, uint64_t bytes) {
    std::byte* const host = card_->Peek(DeviceAddress(address), bytes);
    Require(host != nullptr, "its memory is gone");
    return host;
  }
  void Put(uint64_t address, const std::vector<std::byte>& bytes) {
    std::memcpy(At(address, bytes.size()), bytes.data(), bytes.size());
  }
  hal::Chunk External(uint32_t queue, const std::vector<std::byte>& commands) {
    const auto memory = card_->CreateCommandMemory(commands.size());
    Require(memory.ok(), "no command memory");
    std::memcpy(memory->bytes.data(), commands.data(), commands.size());
    memories_.push_back(memory->handle);
    return {QueueId(queue), memory->handle, static_cast<uint32_t>(commands.size())};
  }

  void Begin() {
    std::memset(At(memory().dram, kFuzzDramBytes), 0, kFuzzDramBytes);
    std::memset(At(memory().sram, kFuzzSramBytes), 0, kFuzzSramBytes);
    std::memset(At(memory().host, kFuzzHostBytes), 0, kFuzzHostBytes);
    std::memset(At(memory().host_end, kFuzzHostEndBytes), 0, kFuzzHostEndBytes);
  }

  QueuesFuzzed Run(const std::vector<hal::Chunk>& chunks, bool look_first) {
    QueuesFuzzed done;
    const absl::StatusOr<Sequence> sequence = card_->Submit(chunks);
    if (sequence.ok()) {
      done.accepted = true;
      if (look_first) {
        card_->Wait({&*sequence, 1}, hal::WaitFor::kAny, absl::ZeroDuration()).IgnoreError();
      }
      done.completed =
          card_->Wait({&*sequence, 1}, hal::WaitFor::kAll, absl::InfiniteDuration()).ok();
      // Internal jobs may go on.
      card_->PassTime(card_->host_time() + kLater);
    }
    for (const uint64_t handle : memories_) {
      Require(card_->DestroyCommandMemory(handle).ok(), "a command memory is gone");
    }
    memories_.clear();
    Require(IsUntouched(), "memory that is not the user's was written");
    for (const hal::HealthEvent& event : card_->TakeEvents()) done.fault += event.message;
    Require(card_->Reset().ok(), "no reset");
    card_->TakeEvents();
    constexpr int kChecked = 16;
    if (++inputs_ % kChecked == 0) RequireThatItServes();
    return done;
  }

 private:
  void Map(uint64_t address, std::byte* host, uint64_t bytes) {
    const auto mapped = card_->MapHost(host, bytes);
    Require(mapped.ok() && mapped->value() == address, "mapped elsewhere");
  }

  bool IsUntouched() {
    const auto pattern = [](const std::byte* at, uint64_t bytes) {
      return std::all_of(at, at + bytes, [](std::byte b) { return b == std::byte{kPattern}; });
    };
    const uint64_t before = memory().host % kHostPage, between = before + kFuzzHostBytes;
    return pattern(At(memory().sram - kSramReserved, kSramReserved), kSramReserved) &&
           pattern(host_, before) &&
           pattern(host_ + between, kHostPage + memory().host_end % kHostPage - between);
  }

  void RequireThatItServes() {
    constexpr uint32_t kBytes = 64;
    std::memset(At(memory().host, kBytes), 0x3C, kBytes);
    std::memset(At(memory().dram, kBytes), 0, kBytes);
    abi::PacketLinDma packet;
    packet.tsize = kBytes;
    packet.ctl = abi::Ctl::REG_BARRIER::Set(packet.ctl, 0);  // on Gaudi2 that bit is another
    packet.src_addr = memory().host;
    packet.dst_addr_ctx_id_raw = memory().dram;
    std::vector<std::byte> commands(sizeof packet);
    std::memcpy(commands.data(), &packet, sizeof packet);
    const hal::Chunk chunk = External(0, commands);
    const absl::StatusOr<Sequence> sequence = card_->Submit({&chunk, 1});
    Require(sequence.ok(), sequence.status().ToString());
    const absl::Status status =
        card_->Wait({&*sequence, 1}, hal::WaitFor::kAll, absl::InfiniteDuration());
    Require(status.ok(), status.ToString());
    Require(std::memcmp(At(memory().dram, kBytes), At(memory().host, kBytes), kBytes) == 0,
            "copies something else");
    Require(card_->DestroyCommandMemory(chunk.commands).ok(), "a command memory is gone");
    memories_.clear();
  }

  const Chip& chip_;
  std::unique_ptr<Card> card_;
  std::byte* host_ = nullptr;
  std::vector<uint64_t> memories_;
  uint64_t inputs_ = 0;
};

// One card of each mode, made when it is wanted.
using Cards = std::array<FuzzCard*, kModes>;
FuzzCard& CardOf(const Chip& chip, Cards& cards, int mode) {
  if (cards[mode] == nullptr) cards[mode] = new FuzzCard(chip, mode);
  return *cards[mode];
}
FuzzCard& TinyCard(int mode) {
  static Cards cards = {};
  return CardOf(Tiny(), cards, mode);
}
FuzzCard& Gaudi2Card(int mode) {
  static Cards cards = {};
  return CardOf(Gaudi2(), cards, mode);
}

template <typename Packet>
void Append(std::vector<std::byte>& commands, const Packet& packet) {
  const auto* const bytes = reinterpret_cast<const std::byte*>(&packet);
  commands.insert(commands.end(), bytes, bytes + sizeof packet);
}

void AppendRegisters(std::vector<std::byte>& commands, uint32_t offset,
                     const std::vector<std::byte>& values) {
  abi::PacketWregBulk packet;
  packet.size = static_cast<uint32_t>(values.size() / 8);
  packet.ctl = abi::PacketWregBulk::REG_OFFSET::Set(packet.ctl, offset);
  Append(commands, packet);
  commands.insert(commands.end(), values.begin(), values.end());
}

// A body that the upper commands of chunk i point at.
std::vector<std::byte> PutBody(FuzzCard& card, FuzzPlace place, int i,
                               const std::vector<std::byte>& body) {
  abi::PacketCpDma packet;
  packet.tsize = static_cast<uint32_t>(body.size());
  const uint64_t at = static_cast<uint64_t>(i) * kFuzzChunkBytes;
  const FuzzMemory& memory = card.memory();
  packet.src_addr = place == FuzzPlace::kBodyInDram   ? memory.dram + 0x20000 + at
                    : place == FuzzPlace::kBodyInSram ? memory.sram + at
                                                      : memory.host;
  const uint64_t room =
      place == FuzzPlace::kBodyInHostMemory ? kFuzzHostBytes : uint64_t{kFuzzChunkBytes};
  std::memcpy(card.At(packet.src_addr, room), body.data(), std::min(body.size(), room));
  std::vector<std::byte> upper;
  Append(upper, packet);
  return upper;
}

std::vector<std::byte> Nop() {
  std::vector<std::byte> commands;
  Append(commands, abi::PacketNop());
  return commands;
}

QueuesFuzzed RunQueues(FuzzCard& card, Input& input, bool look_first) {
  const Chip& chip = card.chip();
  card.Begin();
  std::vector<hal::Chunk> chunks;
  bool external = false;
  for (int i = 0; i < kMostChunks && input.left() > 0; ++i) {
    const auto id = input.Take<uint8_t>();
    const uint32_t queue = id < chip.queues.size() ? chip.queues[id] : id;
    const auto place = static_cast<FuzzPlace>(input.Take<uint8_t>() % 4);
    const size_t asked = std::min<size_t>(input.Take<uint16_t>(), kFuzzChunkBytes);
    std::vector<std::byte> commands((std::min(asked, input.left()) + 7) / 8 * 8);
    if (commands.empty()) continue;
    input.Take(commands.data(), std::min(asked, input.left()));
    if (place != FuzzPlace::kDirect) commands = PutBody(card, place, i, commands);
    if (chip.is_external(queue)) {
      external = true;
      chunks.push_back(card.External(queue, commands));
    } else {
      const uint64_t at = chip.memory.dram + static_cast<uint64_t>(i) * kFuzzChunkBytes;
      card.Put(at, commands);
      chunks.push_back({QueueId(queue), at, static_cast<uint32_t>(commands.size())});
    }
  }
  // Else it would be complete at once.
  if (!external) chunks.push_back(card.External(0, Nop()));
  return card.Run(chunks, look_first);
}

}  // namespace

QueuesFuzzed FuzzQueues(const uint8_t* data, size_t size) {
  Input input(data, size);
  const auto mode = input.Take<uint8_t>();
  return RunQueues(TinyCard(mode % kModes), input, mode >= 128);
}

QueuesFuzzed FuzzGaudi2Queues(const uint8_t* data, size_t size) {
  Input input(data, size);
  const auto mode = input.Take<uint8_t>();
  return RunQueues(Gaudi2Card(mode % kModes), input, mode >= 128);
}

QueuesFuzzed FuzzTpc(const uint8_t* data, size_t size) {
  namespace tpc = abi::tpc;
  Input input(data, size);
  FuzzCard& card = TinyCard(input.Take<uint8_t>() % kModes);
  card.Begin();
  const auto guids = KernelGuids();
  hal::KernelImage image;
  image.guid = std::string(guids[input.Take<uint8_t>() % guids.size()]);
  const size_t tensors = input.Take<uint8_t>() % (hal::kTpcMaxTensors + 1);
  const size_t scalars = input.Take<uint8_t>() % (hal::kTpcMaxScalars + 1);
  image.payload.resize(std::min<size_t>(input.Take<uint16_t>() % 0x4000, input.left()));
  input.Take(image.payload.data(), image.payload.size());
  abi::TpcDescriptor descriptor;
  input.Take(descriptor.tensor, tensors * sizeof(abi::TpcTensor));
  input.Take(descriptor.kernel.tid, sizeof descriptor.kernel.tid);
  input.Take(descriptor.kernel.srf, scalars * sizeof(uint32_t));
  descriptor.kernel.kernel_base_address_low =
      static_cast<uint32_t>(kFuzzImage + hal::abi::kKernelPageBytes);
  descriptor.kernel.kernel_config =
      tpc::KERNEL_CONFIG::NUM_VALID_SRFS::Set(0, static_cast<uint32_t>(scalars));
  constexpr int kSob = 16;
  descriptor.sync_object.addr = static_cast<uint32_t>(abi::SyncManagerObjsBase(abi::kEastNorth) +
                                                      abi::sync_manager::SOB_OBJ::At(kSob));

  absl::StatusOr<std::vector<std::byte>> bytes = hal::MakeKernelImage(image, "");
  Require(bytes.ok(), bytes.status().ToString());
  while (input.left() > 0) {
    const auto word = input.Take<uint16_t>();
    const auto value = input.Take<uint32_t>();
    std::memcpy(&(*bytes)[sizeof value * (word % (hal::abi::kKernelPageBytes / sizeof value))],
                &value, sizeof value);
  }
  card.Put(kFuzzImage, *bytes);

  std::vector<std::byte> commands;
  const auto registers = [&](uint32_t offset, const void* from, size_t count) {
    std::vector<std::byte> values(count);
    std::memcpy(values.data(), from, count);
    AppendRegisters(commands, offset, values);
  };
  if (tensors != 0) {
    registers(tpc::QM_TENSOR::kOffset, descriptor.tensor, tensors * sizeof(abi::TpcTensor));
  }
  registers(tpc::QM_SYNC_OBJECT::kOffset, &descriptor.sync_object,
            sizeof descriptor.sync_object + sizeof descriptor.kernel);
  abi::PacketWreg32 execute;
  execute.value = 1;
  execute.ctl =
      abi::PacketWreg32::REG_OFFSET::Set(execute.ctl, uint32_t{tpc::TPC_EXECUTE::kOffset});
  Append(commands, execute);
  card.Put(kFuzzDram + kFuzzChunkBytes, commands);
  return card.Run({{QueueId(abi::TpcQueue(0, 0)), kFuzzDram + kFuzzChunkBytes,
                    static_cast<uint32_t>(commands.size())},
                   card.External(0, Nop())},
                  false);
}

}  // namespace openhpu::simulator
