// NodeTest: a node in a folder of its own, and packets for its queues.
#ifndef SIMULATOR_DEVICE_NODE_NODE_TESTING_H_
#define SIMULATOR_DEVICE_NODE_NODE_TESTING_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/packets.h"
#include "simulator/device_node/node.h"
#include "simulator/device_node/node_file.h"

namespace openhpu::simulator {

class NodeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = absl::StrCat(testing::TempDir(), "/node-XXXXXX");
    folder_ = mkdtemp(pattern.data());
    node_ = MakeNode();
  }
  std::unique_ptr<DeviceNode> MakeNode(const std::string& card = "sim:gaudi") {
    DeviceNode::Options options;
    options.card = card;
    options.directory = folder_;
    options.log = [this](std::string_view line) { log_ += absl::StrCat(std::string(line), "\n"); };
    auto node = DeviceNode::Create(options);
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }

  std::string folder_, log_;
  std::unique_ptr<DeviceNode> node_;
};

inline hal::abi::gaudi::PacketLinDma Copy(uint64_t from, uint64_t to, uint32_t bytes) {
  using hal::abi::gaudi::PacketLinDma;
  PacketLinDma packet;
  packet.tsize = bytes;
  packet.src_addr = from;
  packet.dst_addr_ctx_id_raw = PacketLinDma::DST_ADDR::Set(packet.dst_addr_ctx_id_raw, to);
  return packet;
}

// Waits at a fence that nobody serves.
inline hal::abi::gaudi::PacketFence Fence(uint32_t target = 1) {
  using hal::abi::gaudi::PacketFence;
  PacketFence packet;
  packet.cfg = PacketFence::TARGET_VAL::Set(packet.cfg, target);
  packet.cfg = PacketFence::DEC_VAL::Set(packet.cfg, target);
  return packet;
}

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_NODE_TESTING_H_
