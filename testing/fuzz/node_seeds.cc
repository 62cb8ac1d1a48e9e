#include "testing/fuzz/node_seeds.h"

#include <cstring>

#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi2/packets.h"
#include "hal/abi/gaudi2/queue_ids.h"
#include "simulator/device_node/node_fuzz.h"

namespace openhpu::testing {
namespace {

using simulator::FuzzCall;
using simulator::FuzzPointer;
using simulator::FuzzWord;

// In the order of the tables.
enum Command : uint8_t { kInfo, kCb, kCs, kWaitCs, kMemory, kDebug };

constexpr uint32_t kSignal = 0x2, kWait = 0x4, kTimestamp = 0x20, kStaged = 0x40,
                   kStagedFirst = 0x80, kStagedLast = 0x100;

void Append(std::string& to, const void* from, size_t bytes) {
  to.append(static_cast<const char*>(from), bytes);
}
std::string Tagged(FuzzWord kind, std::initializer_list<uint8_t> bytes) {
  std::string text(1, static_cast<char>(kind));
  for (const uint8_t byte : bytes) text += static_cast<char>(byte);
  return text;
}
std::string Word(uint64_t value) {
  std::string text = Tagged(FuzzWord::kLong, {});
  Append(text, &value, sizeof value);
  return text;
}
std::string Halves(uint32_t low, uint32_t high) { return Word(low | uint64_t{high} << 32); }
std::string Pointer(FuzzPointer kind, uint8_t eights = 0) {
  return Tagged(FuzzWord::kPointer, {static_cast<uint8_t>(kind), eights});
}
// Words that calls have answered: number 0 is an eventfd, then two of each ioctl that succeeded.
std::string Result(uint8_t index) { return Tagged(FuzzWord::kResult, {index, 0}); }

class Calls {
 public:
  const std::string& bytes() const { return bytes_; }

  Calls& Ioctl(Command command, const std::vector<std::string>& words,
               FuzzCall call = FuzzCall::kIoctl) {
    bytes_ += static_cast<char>(call);
    bytes_ += static_cast<char>(command);
    bytes_ += '\0';
    for (size_t i = 0; i < 8; ++i) {
      bytes_ += i < words.size() ? words[i] : Tagged(FuzzWord::kByte, {0});
    }
    return *this;
  }
  // At a multiple of 8 in the program's buffer, or in its command buffer.
  Calls& Store(uint8_t eights, const std::string& what, FuzzCall call = FuzzCall::kWriteMemory) {
    bytes_ += static_cast<char>(call);
    bytes_ += static_cast<char>(eights);
    bytes_ += static_cast<char>(what.size());
    bytes_ += what;
    return *this;
  }
  Calls& StoreWord(uint8_t eights, const std::string& word) {
    bytes_ += static_cast<char>(FuzzCall::kStoreWord);
    bytes_ += static_cast<char>(eights);
    bytes_ += word;
    return *this;
  }
  Calls& Raw(std::initializer_list<uint8_t> bytes) {
    for (const uint8_t byte : bytes) bytes_ += static_cast<char>(byte);
    return *this;
  }
  // A command buffer of one page, mapped, with these commands: two results.
  Calls& Commands(uint8_t result, const std::string& commands, uint32_t flags = 0) {
    Ioctl(kCb, {Word(0), Halves(0, 4096), Halves(0, flags)});
    bytes_ += static_cast<char>(FuzzCall::kMap);
    bytes_ += Result(result);
    bytes_ += '\1';
    return Store(0, commands, FuzzCall::kWriteCommands);
  }
  // A chunk in the program's buffer; its command buffer is a result.
  Calls& Chunk(uint8_t eights, uint8_t result, uint32_t queue, uint32_t bytes) {
    std::string rest;
    Append(rest, &queue, sizeof queue);
    Append(rest, &bytes, sizeof bytes);
    return StoreWord(eights, Result(result)).Store(static_cast<uint8_t>(eights + 1), rest);
  }
  // The same with commands at an address of the device's.
  Calls& UserChunk(uint8_t eights, uint64_t address, uint32_t queue, uint32_t bytes) {
    const uint32_t rest[] = {queue, bytes, 1};
    std::string text;
    Append(text, rest, sizeof rest);
    return StoreWord(eights, Word(address)).Store(static_cast<uint8_t>(eights + 1), text);
  }
  Calls& Submit(uint32_t chunks, uint32_t flags, const std::string& sequence = Word(0)) {
    return Ioctl(kCs, {Word(0), Pointer(FuzzPointer::kBuffer), sequence, Halves(0, chunks),
                       Halves(0, flags)});
  }
  Calls& WaitFor(uint8_t result, uint64_t microseconds) {
    return Ioctl(kWaitCs, {Result(result), Word(microseconds)});
  }
  Calls& MapHost(FuzzPointer kind, uint8_t eights, uint64_t bytes, uint64_t hint = 0) {
    return Ioctl(kMemory, {Pointer(kind, eights), Word(hint), Word(bytes), Halves(2, 4)});
  }

 private:
  std::string bytes_;
};

std::string CopyPacket(uint64_t from, uint64_t to, uint32_t bytes) {
  hal::abi::gaudi::PacketLinDma packet;
  packet.tsize = bytes;
  packet.src_addr = from;
  packet.dst_addr_ctx_id_raw = to;
  std::string text;
  Append(text, &packet, sizeof packet);
  return text;
}
std::string Copy2Packet(uint64_t from, uint64_t to, uint32_t bytes) {
  hal::abi::gaudi2::PacketLinDma packet;
  packet.tsize = bytes;
  packet.src_addr = from;
  packet.dst_addr = to;
  std::string text;
  Append(text, &packet, sizeof packet);
  return text;
}
std::string Fence2Packet() {
  hal::abi::gaudi2::PacketFence packet;
  packet.cfg = hal::abi::gaudi2::PacketFence::TARGET_VAL::Set(packet.cfg, 1);
  std::string text;
  Append(text, &packet, sizeof packet);
  return text;
}
std::string FencePacket() {
  hal::abi::gaudi::PacketFence packet;
  packet.cfg = hal::abi::gaudi::PacketFence::TARGET_VAL::Set(packet.cfg, 1);
  std::string text;
  Append(text, &packet, sizeof packet);
  return text;
}

// Programs of a Gaudi2: memory by handle, commands in memory, on any queue.
void AddGaudi2(std::vector<NodeSeed>& seeds) {
  namespace abi2 = hal::abi::gaudi2;
  const auto add = [&](const std::string& name, const Calls& calls) {
    seeds.push_back({"gaudi2_" + name + "_misc", std::string(1, '\2') + calls.bytes()});
    seeds.push_back({"gaudi2_" + name + "_accel", std::string(1, '\3') + calls.bytes()});
  };
  Calls questions;
  for (uint32_t op = 0; op < 34; ++op) {
    questions.Ioctl(kInfo, {Pointer(FuzzPointer::kBuffer), Halves(512, op), Word(op % 4)});
  }
  add("questions", questions);
  constexpr uint64_t kWindow = 0xFFF0000000010000, kDram = 0x1001000000110000;
  constexpr uint64_t kSram = 0x1000FFFFFD000000;
  constexpr uint8_t kCommandsAt = 64;  // in the buffer, in words
  constexpr uint64_t kCommands = kWindow + 8 * kCommandsAt;
  const std::string copies =
      Copy2Packet(kWindow, kDram, 512) + Copy2Packet(kDram, kWindow + 0x800, 512);
  Calls memory;
  memory.MapHost(FuzzPointer::kBuffer, 0, 8192, kWindow)
      .Ioctl(kMemory, {Word(0x20000), Word(0), Word(0), Halves(0, 1)})
      .Ioctl(kMemory, {Word(0), Result(3), Word(0), Halves(2, 0)})
      .Store(kCommandsAt, copies)
      .UserChunk(0, kCommands, abi2::PdmaQueue(1, 2), 48);
  add("copy", Calls(memory)
                  .Submit(1, kTimestamp)
                  .WaitFor(7, 1000)
                  .Ioctl(kMemory, {Result(5), Word(0), Word(0), Halves(3, 0)})
                  .Ioctl(kMemory, {Result(3), Word(0), Word(0), Halves(1, 0)})
                  .Ioctl(kMemory, {Result(1), Word(0), Word(0), Halves(3, 0)}));
  add("memory", Calls(memory)
                    .Ioctl(kMemory, {Result(3), Word(0), Word(0), Halves(1, 0)})
                    .Ioctl(kMemory, {Word(1 << 20), Word(0), Word(0), Halves(0, 0)})
                    .Ioctl(kMemory, {Word(kDram), Result(3), Word(0), Halves(2, 8)})
                    .Ioctl(kMemory, {Result(5), Word(0), Word(0), Halves(3, 0)})
                    .Submit(1, 0)
                    .WaitFor(7, 100000000));
  add("copy_by_queues", Calls(memory)
                            .Commands(7, Copy2Packet(kSram, kSram + 4096, 64))
                            .Chunk(8, 7, abi2::EdmaQueue(1, 1, 0), 24)
                            .Submit(2, 0)
                            .WaitFor(9, 1000));
  add("deadlock", Calls(memory)
                      .Store(kCommandsAt, Fence2Packet())
                      .UserChunk(0, kCommands, abi2::TpcQueue(0, 1, 0), 8)
                      .Submit(1, 0)
                      .WaitFor(7, 1000000000)
                      .Submit(1, 0)
                      .Raw({static_cast<uint8_t>(FuzzCall::kReopen)}));
  add("signals", Calls()
                     .Chunk(0, 0, abi2::EdmaQueue(0, 0, 1), 0)
                     .Submit(1, kSignal)
                     .StoreWord(16, Result(1))
                     .StoreWord(0, Pointer(FuzzPointer::kBuffer, 16))
                     .StoreWord(1, Halves(abi2::TpcQueue(0, 2, 3), 1))
                     .Submit(1, kWait)
                     .WaitFor(3, 1000));
}

}  // namespace

std::vector<NodeSeed> NodeSeeds() {
  std::vector<NodeSeed> seeds;
  AddGaudi2(seeds);
  const auto add = [&](const std::string& name, const Calls& calls) {
    seeds.push_back({name + "_misc", std::string(1, '\0') + calls.bytes()});
    seeds.push_back({name + "_accel", std::string(1, '\1') + calls.bytes()});
  };
  Calls questions;
  for (uint32_t op = 0; op < 34; ++op) {
    const FuzzCall call = op % 2 == 0 ? FuzzCall::kIoctl : FuzzCall::kControlIoctl;
    questions.Ioctl(kInfo, {Pointer(FuzzPointer::kBuffer), Halves(512, op)}, call);
  }
  add("questions", questions);
  add("questions_at_the_end",
      Calls()
          .Ioctl(kInfo, {Pointer(FuzzPointer::kEndOfBuffer, 1), Halves(512, 0)})
          .Ioctl(kInfo, {Pointer(FuzzPointer::kGuard), Halves(512, 3)})
          .Ioctl(kInfo, {Pointer(FuzzPointer::kKernel), Halves(0xFFFFFFFF, 11)})
          .Ioctl(kInfo, {Pointer(FuzzPointer::kReadOnly), Halves(64, 32)}));
  add("events", Calls()
                    .Ioctl(kInfo, {Word(0), Halves(0, 28), Result(0)})
                    .Ioctl(kInfo, {Pointer(FuzzPointer::kBuffer), Halves(8, 30)})
                    .Ioctl(kInfo, {Word(0), Halves(0, 29)}));
  constexpr uint64_t kWindow = 0x1000000000000, kDram = 0x20000000;
  add("copy", Calls()
                  .MapHost(FuzzPointer::kBuffer, 0, 4096, kWindow + 0x10000)
                  .Commands(3, CopyPacket(kWindow + 0x10000, kDram, 512) +
                                   CopyPacket(kDram, kWindow + 0x10800, 512))
                  .Chunk(0, 3, 0, 48)
                  .Submit(1, kTimestamp)
                  .WaitFor(5, 1000)
                  .Ioctl(kMemory, {Result(1), Word(0), Word(0), Halves(3, 0)})
                  .Ioctl(kCb, {Result(3), Halves(1, 0)}));
  add("deadlock", Calls()
                      .Commands(1, FencePacket())
                      .Chunk(0, 1, 4, 8)
                      .Submit(1, 0)
                      .WaitFor(3, 1000000000)
                      .Submit(1, 0)
                      .Raw({static_cast<uint8_t>(FuzzCall::kReopen)}));
  add("signals", Calls()
                     .Chunk(0, 0, 1, 0)
                     .Submit(1, kSignal)
                     .StoreWord(16, Result(1))
                     .StoreWord(0, Pointer(FuzzPointer::kBuffer, 16))
                     .StoreWord(1, Halves(1, 1))
                     .Submit(1, kWait)
                     .WaitFor(3, 1000));
  add("staged", Calls()
                    .Commands(1, CopyPacket(kDram, kDram + 4096, 64))
                    .Chunk(0, 1, 0, 24)
                    .Submit(1, kStaged | kStagedFirst)
                    .Submit(1, kStaged, Result(3))
                    .Submit(1, kStaged | kStagedLast, Result(3))
                    .WaitFor(3, 1000));
  add("mapped_commands", Calls()
                             .Commands(1, FencePacket(), 1)
                             .Ioctl(kCb, {Result(1), Halves(2, 0), Halves(0, 1)})
                             .Ioctl(kCb, {Result(1), Halves(1, 0)})
                             .Ioctl(kCb, {Result(1), Halves(1, 0)}));
  add("memory", Calls()
                    .Ioctl(kMemory, {Word(1 << 20), Word(0), Word(0), Halves(0, 0)})
                    .Ioctl(kMemory, {Word(1), Word(0), Word(0), Halves(1, 0)})
                    .MapHost(FuzzPointer::kReadOnly, 0, 64)
                    .MapHost(FuzzPointer::kEndOfBuffer, 8, 65)
                    .MapHost(FuzzPointer::kHighest, 0, 4096)
                    .MapHost(FuzzPointer::kBuffer, 1, ~uint64_t{0}));
  Calls rest;
  rest.Ioctl(kDebug, {Word(0), Word(0), Word(0), Halves(7, 0), Word(1)});
  for (uint8_t attribute = 0; attribute < 8; ++attribute) {
    rest.Raw({static_cast<uint8_t>(FuzzCall::kAttribute), attribute, attribute});
  }
  add("rest", rest);
  return seeds;
}

}  // namespace openhpu::testing
