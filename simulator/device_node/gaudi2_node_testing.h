// Gaudi2NodeTest: a node of a Gaudi2, the program's memory that its card sees, and packets.
#ifndef SIMULATOR_DEVICE_NODE_GAUDI2_NODE_TESTING_H_
#define SIMULATOR_DEVICE_NODE_GAUDI2_NODE_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "hal/abi/gaudi2/packets.h"
#include "hal/abi/gaudi2/queue_ids.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "simulator/device_node/node_testing.h"

namespace openhpu::simulator {

namespace abi2 = hal::abi::gaudi2;

inline constexpr uint64_t kSecond = 1000000;  // microseconds
inline constexpr uint32_t kPdma = abi2::PdmaQueue(0, 0);
inline constexpr uint32_t kTpc = abi2::TpcQueue(0, 0, 0);

// An address, and how many bytes are there.
struct Place {
  uint64_t address = 0;
  uint32_t bytes = 0;
};

// Memory of a program, mapped for the device: commands and data, one behind the other.
class MappedArena {
 public:
  explicit MappedArena(NodeFile* file, size_t bytes = 1 << 20) : memory_(bytes) {
    EXPECT_EQ(file->MapHost(memory_.data(), bytes, &address_), 0);
  }

  uint64_t address() const { return address_; }
  std::byte* At(uint64_t address) { return memory_.data() + (address - address_); }
  Place Take(uint32_t bytes) {
    const Place place = {address_ + used_, bytes};
    used_ += (bytes + 127) / 128 * 128;
    EXPECT_LE(used_, memory_.size());
    return place;
  }
  template <typename... Packets>
  Place Put(const Packets&... packets) {
    const Place place = Take((0 + ... + static_cast<uint32_t>(sizeof packets)));
    std::byte* to = At(place.address);
    (
        [&] {
          std::memcpy(to, &packets, sizeof packets);
          to += sizeof packets;
        }(),
        ...);
    return place;
  }

 private:
  std::vector<std::byte> memory_;
  uint64_t address_ = 0;
  size_t used_ = 0;
};

inline hl_cs_chunk UserChunk(uint32_t queue, const Place& commands) {
  return NodeFile::Chunk(queue, commands.address, commands.bytes, HL_CS_CHUNK_FLAGS_USER_ALLOC_CB);
}

inline abi2::PacketLinDma Copy2(uint64_t from, uint64_t to, uint32_t bytes) {
  abi2::PacketLinDma packet;
  packet.tsize = bytes;
  packet.src_addr = from;
  packet.dst_addr = to;
  return packet;
}

// Waits at fence 0 for somebody.
inline abi2::PacketFence Fence2() {
  abi2::PacketFence packet;
  packet.cfg = abi2::PacketFence::TARGET_VAL::Set(packet.cfg, 1);
  packet.cfg = abi2::PacketFence::DEC_VAL::Set(packet.cfg, 1);
  return packet;
}

inline abi2::PacketMsgLong Message2(uint64_t address, uint32_t value) {
  abi2::PacketMsgLong packet;
  packet.ctl = abi2::Ctl::MSG_BARRIER::Set(packet.ctl, 1);
  packet.addr = address;
  packet.value = value;
  return packet;
}

class Gaudi2NodeTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    node_ = MakeNode("sim:gaudi2");
  }
  // Submits, and waits until it is done.
  static void Run(NodeFile& file, const std::vector<hl_cs_chunk>& chunks) {
    uint64_t sequence = 0;
    ASSERT_EQ(file.Submit(chunks, &sequence), 0);
    hl_wait_cs_out out{};
    ASSERT_EQ(file.Wait(sequence, kSecond, &out), 0);
    ASSERT_EQ(out.status, static_cast<uint32_t>(HL_WAIT_CS_STATUS_COMPLETED));
  }
  // Device memory of that size, mapped.
  static uint64_t MakeDram(NodeFile& file, uint64_t bytes) {
    uint64_t handle = 0, address = 0;
    EXPECT_EQ(file.Allocate(bytes, &handle), 0);
    EXPECT_EQ(file.MapDevice(handle, &address), 0);
    return address;
  }
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_GAUDI2_NODE_TESTING_H_
