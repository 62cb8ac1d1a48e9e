// Support for tests of the simulated card: programs written packet by packet, and a card to run
// them on.
#ifndef SIMULATOR_CARD_TESTING_H_
#define SIMULATOR_CARD_TESTING_H_

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/qman.h"
#include "hal/abi/gaudi/queue_ids.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "simulator/driver.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {

namespace abi = hal::abi::gaudi;

// Appends packets of Gaudi's; each call returns *this. Nop() and Copy() are Gaudi2's, too.
class Packets {
 public:
  const std::vector<std::byte>& bytes() const { return bytes_; }

  template <typename Packet>
  Packets& Add(const Packet& packet) {
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof packet);
    std::memcpy(bytes_.data() + at, &packet, sizeof packet);
    return *this;
  }
  Packets& Nop() { return Add(abi::PacketNop()); }
  Packets& Copy(DeviceAddress from, DeviceAddress to, uint32_t bytes) {
    abi::PacketLinDma packet;
    packet.tsize = bytes;
    packet.ctl = abi::Ctl::REG_BARRIER::Set(packet.ctl, 0);  // on Gaudi2 that bit is another
    packet.src_addr = from.value();
    packet.dst_addr_ctx_id_raw = to.value();
    return Add(packet);
  }
  // SOBs and monitors of the user's manager. `barriers` are bits of the header.
  Packets& Sob(uint32_t sob, uint32_t word, uint32_t barriers = 0) {
    return Short(1, 4 * sob, word, barriers);
  }
  Packets& AddSob(uint32_t sob, uint32_t value = 1, uint32_t barriers = 0) {
    return Sob(sob, abi::sync_manager::SobAdd(value), barriers);
  }
  // Points a monitor at a fence counter of a queue manager's CP.
  Packets& Monitor(uint32_t monitor, uint64_t qman_base, int cp, int fence = 0,
                   uint32_t increment = 1) {
    namespace sm = abi::sync_manager;
    const uint64_t target = qman_base + abi::qman::CpFenceRdata(fence, cp);
    const auto offset = [&](uint32_t reg) {
      return reg - sm::MON_PAY_ADDRL::kOffset + 4 * monitor;
    };
    Short(0, offset(sm::MON_PAY_ADDRL::kOffset), static_cast<uint32_t>(target));
    Short(0, offset(sm::MON_PAY_ADDRH::kOffset), static_cast<uint32_t>(target >> 32));
    return Short(0, offset(sm::MON_PAY_DATA::kOffset), increment);
  }
  Packets& Arm(uint32_t monitor, uint32_t word) {
    namespace sm = abi::sync_manager;
    return Short(0, sm::MON_ARM::kOffset - sm::MON_PAY_ADDRL::kOffset + 4 * monitor, word,
                 abi::Ctl::MSG_BARRIER::kMask);
  }
  Packets& Fence(uint32_t target = 1, uint32_t decrement = 1, uint32_t id = 0) {
    abi::PacketFence packet;
    packet.cfg = abi::PacketFence::TARGET_VAL::Set(packet.cfg, target);
    packet.cfg = abi::PacketFence::DEC_VAL::Set(packet.cfg, decrement);
    packet.cfg = abi::PacketFence::ID::Set(packet.cfg, id);
    return Add(packet);
  }
  // Waits until one SOB is at least `value`, on one monitor.
  Packets& Await(uint32_t sob, uint32_t value, uint32_t monitor, uint64_t qman_base, int cp) {
    Monitor(monitor, qman_base, cp);
    Arm(monitor, abi::sync_manager::ArmAtLeast(sob, value));
    return Fence();
  }
  Packets& Body(DeviceAddress address, uint32_t bytes) {
    abi::PacketCpDma packet;
    packet.tsize = bytes;
    packet.src_addr = address.value();
    return Add(packet);
  }
  Packets& Register(uint32_t offset, uint32_t value) {
    abi::PacketWreg32 packet;
    packet.value = value;
    packet.ctl = abi::PacketWreg32::REG_OFFSET::Set(packet.ctl, offset);
    return Add(packet);
  }
  Packets& MessageLong(uint64_t address, uint32_t value, uint32_t ctl_bits = 0) {
    abi::PacketMsgLong packet;
    packet.value = value;
    packet.ctl |= ctl_bits;
    packet.addr = address;
    return Add(packet);
  }

 private:
  Packets& Short(uint32_t base, uint32_t offset, uint32_t value, uint32_t barriers = 0) {
    abi::PacketMsgShort packet;
    packet.value = value;
    packet.ctl = abi::PacketMsgShort::BASE::Set(packet.ctl, base) | barriers;
    packet.ctl = abi::PacketMsgShort::MSG_ADDR_OFFSET::Set(packet.ctl, offset);
    return Add(packet);
  }

  std::vector<std::byte> bytes_;
};

// A card, and programs on their way to it.
class TestCard {
 public:
  // Fails the test when the card cannot be opened.
  explicit TestCard(const std::string& spec) {
    absl::StatusOr<std::unique_ptr<Simulator>> card = Simulator::Open(spec);
    EXPECT_THAT(card, IsOk());
    if (card.ok()) card_ = *std::move(card);
  }
  Simulator& operator*() { return *card_; }
  Simulator* operator->() { return card_.get(); }

  DeviceAddress Allocate(uint64_t bytes, hal::MemoryKind kind = hal::MemoryKind::kDram) {
    const absl::StatusOr<DeviceAddress> address = card_->Allocate(kind, bytes);
    EXPECT_THAT(address, IsOk());
    return address.value_or(DeviceAddress(0));
  }
  // Chunks keep their command memories until the card is gone.
  hal::Chunk External(uint32_t queue, const Packets& packets) {
    absl::StatusOr<hal::CommandMemory> memory = card_->CreateCommandMemory(packets.bytes().size());
    EXPECT_THAT(memory, IsOk());
    std::memcpy(memory->bytes.data(), packets.bytes().data(), packets.bytes().size());
    return {QueueId(queue), memory->handle, static_cast<uint32_t>(packets.bytes().size())};
  }
  hal::Chunk Internal(uint32_t queue, const Packets& packets) {
    return {QueueId(queue), Upload(packets.bytes()).value(),
            static_cast<uint32_t>(packets.bytes().size())};
  }
  absl::StatusOr<Sequence> Submit(const std::vector<hal::Chunk>& chunks) {
    return card_->Submit(chunks);
  }
  absl::Status Wait(Sequence s, absl::Duration timeout = absl::InfiniteDuration()) {
    return card_->Wait({&s, 1}, hal::WaitFor::kAll, timeout);
  }
  absl::Status Run(const std::vector<hal::Chunk>& chunks) {
    const absl::StatusOr<Sequence> sequence = Submit(chunks);
    return sequence.ok() ? Wait(*sequence) : sequence.status();
  }
  // Copies by DMA 0 and DMA 1.
  void Write(DeviceAddress to, const void* from, uint64_t bytes) {
    Transfer(const_cast<void*>(from), to, bytes, true);
  }
  void Read(DeviceAddress from, void* to, uint64_t bytes) { Transfer(to, from, bytes, false); }
  template <typename T>
  std::vector<T> ReadAll(DeviceAddress from, size_t count) {
    std::vector<T> values(count);
    Read(from, values.data(), count * sizeof(T));
    return values;
  }
  template <typename T>
  DeviceAddress Upload(const std::vector<T>& values) {
    const DeviceAddress address = Allocate(values.size() * sizeof(T));
    Write(address, values.data(), values.size() * sizeof(T));
    return address;
  }

 private:
  void Transfer(void* host, DeviceAddress device, uint64_t bytes, bool down) {
    const absl::StatusOr<DeviceAddress> mapped = card_->MapHost(host, bytes);
    ASSERT_THAT(mapped, IsOk());
    Packets packets;
    packets.Copy(down ? *mapped : device, down ? device : *mapped, static_cast<uint32_t>(bytes));
    EXPECT_THAT(Run({External(abi::DmaQueue(down ? 0 : 1, 0), packets)}), IsOk());
    EXPECT_THAT(card_->UnmapHost(*mapped), IsOk());
  }

  std::unique_ptr<Simulator> card_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_CARD_TESTING_H_
