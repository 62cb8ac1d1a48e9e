// Packets that all dialects write alike. Where their fields lie differs, so each template takes the
// dialect's types: packets, and the fields of their words.
#ifndef HAL_DIALECT_PACKETS_H_
#define HAL_DIALECT_PACKETS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hal/base/dtype.h"
#include "hal/command_checks.h"
#include "hal/commands.h"
#include "hal/packet_buffer.h"

namespace openhpu::hal {

// Takes `count` off the fence counter `id`, as often as a fence needs, which takes at most 15.
template <typename PacketFence>
void AppendFences(uint32_t id, size_t count, PacketBuffer& packets) {
  for (size_t left = count; left > 0;) {
    const auto step = static_cast<uint32_t>(std::min<size_t>(left, PacketFence::DEC_VAL::kMax));
    PacketFence fence;
    fence.cfg = PacketFence::DEC_VAL::Set(fence.cfg, step);
    fence.cfg = PacketFence::TARGET_VAL::Set(fence.cfg, step);
    fence.cfg = PacketFence::ID::Set(fence.cfg, id);
    packets.Append(fence);
    left -= step;
  }
}

// Has the lower CP run the body, then lets the other streams have the engine.
template <typename PacketCpDma, typename PacketArbPoint>
void AppendRun(SymbolicAddress body, uint32_t bytes, PacketBuffer& packets) {
  PacketCpDma run;
  run.tsize = bytes;
  const uint32_t word = packets.Append(run);
  packets.RelocateAddress(word + 2, word + 3, body);
  PacketArbPoint release;
  release.cfg = PacketArbPoint::RLS::Set(release.cfg, 1);
  packets.Append(release);
}

// The time, once the engine is idle and all messages are sent.
template <typename PacketMsgLong, typename Ctl, typename MessageOp>
void AppendTimestamp(SymbolicAddress destination, PacketBuffer& packets) {
  PacketMsgLong packet;
  packet.ctl = PacketMsgLong::OP::Set(packet.ctl, static_cast<uint32_t>(MessageOp::kTimestamp));
  packet.ctl = Ctl::ENG_BARRIER::Set(packet.ctl, 1);
  packet.ctl = Ctl::MSG_BARRIER::Set(packet.ctl, 1);
  const uint32_t word = packets.Append(packet);
  packets.RelocateAddress(word + 2, word + 3, destination);
}

// A copy in pieces, of which the last one signals. Completion: the field that says so.
template <typename PacketLinDma, typename Completion>
void AppendLinear(SymbolicAddress source, SymbolicAddress destination, uint64_t bytes, bool signals,
                  PacketBuffer& packets) {
  for (uint64_t done = 0; done < bytes;) {
    const uint64_t step = std::min(bytes - done, kMaxLinearBytes);
    PacketLinDma packet;
    packet.tsize = static_cast<uint32_t>(step);
    if (signals && done + step == bytes) packet.ctl = Completion::Set(packet.ctl, 1);
    const uint32_t word = packets.Append(packet);
    packets.RelocateAddress(word + 2, word + 3, {source.symbol, source.offset + done});
    packets.RelocateAddress(word + 4, word + 5, {destination.symbol, destination.offset + done});
    done += step;
  }
}

// The same for a fill. Memset: the field that makes one of a copy.
template <typename PacketLinDma, typename Memset, typename Completion>
void AppendFill(const DmaFill& fill, bool signals, PacketBuffer& packets) {
  for (uint64_t done = 0; done < fill.bytes;) {
    const uint64_t step = std::min(fill.bytes - done, kMaxLinearBytes);
    PacketLinDma packet;
    packet.tsize = static_cast<uint32_t>(step);
    packet.ctl = Memset::Set(packet.ctl, 1);
    if (signals && done + step == fill.bytes) packet.ctl = Completion::Set(packet.ctl, 1);
    packet.src_addr = uint64_t{fill.value} << 32 | fill.value;
    const uint32_t word = packets.Append(packet);
    packets.RelocateAddress(word + 4, word + 5,
                            {fill.destination.symbol, fill.destination.offset + done});
    done += step;
  }
}

template <typename DataType>
DataType TpcTypeOf(DType type) {
  switch (DeviceType(type)) {
    case DType::kFloat32:
      return DataType::kFloat32;
    case DType::kBFloat16:
      return DataType::kBFloat16;
    case DType::kInt16:
      return DataType::kInt16;
    case DType::kInt8:
      return DataType::kInt8;
    case DType::kUInt8:
    case DType::kBool:  // a byte, 0 or 1
      return DataType::kUInt8;
    case DType::kInt32:
    case DType::kInt64:
      break;
  }
  return DataType::kInt32;
}

// A tensor of a launch, but for its address. Config: the fields of tensor_config.
template <typename TpcTensor, typename Config, typename DataType>
TpcTensor TpcTensorOf(const KernelTensor& operand) {
  int dims = kTpcMaxDims;
  while (dims > 1 && operand.sizes[dims - 1] == 1) --dims;
  TpcTensor tensor;
  uint32_t config =
      Config::DATA_TYPE::Set(0, static_cast<uint32_t>(TpcTypeOf<DataType>(operand.dtype)));
  config = Config::VALID_DIM_MASK::Set(config, (1u << dims) - 1);
  tensor.tensor_config = Config::LAST_DIM::Set(config, static_cast<uint32_t>(dims - 1));
  for (int i = 0; i < kTpcMaxDims; ++i) tensor.dim[i] = {operand.sizes[i], operand.strides[i]};
  return tensor;
}

}  // namespace openhpu::hal

#endif  // HAL_DIALECT_PACKETS_H_
