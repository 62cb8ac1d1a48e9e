// An open file of a node, and the calls that a program makes. Errors are negative errnos.
#ifndef SIMULATOR_DEVICE_NODE_NODE_FILE_H_
#define SIMULATOR_DEVICE_NODE_NODE_FILE_H_

#include <fcntl.h>
#include <misc/habanalabs.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "simulator/device_node/node.h"

namespace openhpu::simulator {

// An open file of a node; closed at the end.
class NodeFile {
 public:
  NodeFile(DeviceNode* node, const std::string& folder, NodeKind kind = NodeKind::kCompute,
           NodeApi api = NodeApi::kMisc)
      : node_(node) {
    const std::string path =
        absl::StrCat(folder, kind == NodeKind::kCompute ? "/hl0" : "/hl_control");
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    error_ = node_->Open(kind, api, fd_, &file_);
    if (error_ != 0) CloseDescriptor();
  }
  ~NodeFile() { Close(); }
  NodeFile(const NodeFile&) = delete;

  int error() const { return error_; }
  DeviceNode::File& file() { return *file_; }
  int fd() const { return fd_; }
  void Close() {
    if (file_ == nullptr) return;
    CloseDescriptor();
    node_->Release(file_);
    file_ = nullptr;
  }

  int Ioctl(unsigned long request, void* argument) {
    return node_->Ioctl(*file_, request, argument);
  }
  template <typename T>
  int Info(uint32_t op, T* answer, uint32_t extra = 0) {
    hl_info_args args{};
    args.op = op;
    args.return_pointer = reinterpret_cast<uint64_t>(answer);
    args.return_size = sizeof *answer;
    args.dcore_id = extra;
    return Ioctl(HL_IOCTL_INFO, &args);
  }
  int CreateCb(uint32_t bytes, uint64_t* handle, uint32_t flags = 0) {
    hl_cb_args args{};
    args.in.op = HL_CB_OP_CREATE;
    args.in.cb_size = bytes;
    args.in.flags = flags;
    const int error = Ioctl(HL_IOCTL_CB, &args);
    *handle = args.out.cb_handle;
    return error;
  }
  int DestroyCb(uint64_t handle) {
    hl_cb_args args{};
    args.in.op = HL_CB_OP_DESTROY;
    args.in.cb_handle = handle;
    return Ioctl(HL_IOCTL_CB, &args);
  }
  // Null on an error, which `error` gets.
  void* Map(uint64_t handle, size_t bytes, int* error = nullptr) {
    DeviceNode::Mapping mapping;
    const int result = node_->Map(*file_, handle, bytes, &mapping);
    if (error != nullptr) *error = result;
    if (result != 0) return nullptr;
    return mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, mapping.fd, mapping.offset);
  }
  int MapHost(void* host, uint64_t bytes, uint64_t* address, uint64_t hint = 0,
              uint32_t flags = 0) {
    hl_mem_args args{};
    args.in.op = HL_MEM_OP_MAP;
    args.in.flags = HL_MEM_USERPTR | flags;
    args.in.map_host.host_virt_addr = reinterpret_cast<uint64_t>(host);
    args.in.map_host.mem_size = bytes;
    args.in.map_host.hint_addr = hint;
    const int error = Ioctl(HL_IOCTL_MEMORY, &args);
    *address = args.out.device_virt_addr;
    return error;
  }
  // Of host memory, or of the device's.
  int Unmap(uint64_t address) {
    hl_mem_args args{};
    args.in.op = HL_MEM_OP_UNMAP;
    args.in.unmap.device_virt_addr = address;
    return Ioctl(HL_IOCTL_MEMORY, &args);
  }
  int Allocate(uint64_t bytes, uint64_t* handle, uint32_t flags = 0) {
    hl_mem_args args{};
    args.in.op = HL_MEM_OP_ALLOC;
    args.in.flags = flags;
    args.in.alloc.mem_size = bytes;
    const int error = Ioctl(HL_IOCTL_MEMORY, &args);
    *handle = args.out.handle;
    return error;
  }
  int Free(uint64_t handle) {
    hl_mem_args args{};
    args.in.op = HL_MEM_OP_FREE;
    args.in.free.handle = handle;
    return Ioctl(HL_IOCTL_MEMORY, &args);
  }
  int MapDevice(uint64_t handle, uint64_t* address, uint64_t hint = 0, uint32_t flags = 0) {
    hl_mem_args args{};
    args.in.op = HL_MEM_OP_MAP;
    args.in.flags = flags;
    args.in.map_device.handle = handle;
    args.in.map_device.hint_addr = hint;
    const int error = Ioctl(HL_IOCTL_MEMORY, &args);
    *address = args.out.device_virt_addr;
    return error;
  }
  // A buffer with these packets.
  template <typename... Packets>
  uint64_t Commands(uint32_t* bytes, const Packets&... packets) {
    std::vector<std::byte> all;
    const auto append = [&](const void* packet, size_t size) {
      const auto* const from = static_cast<const std::byte*>(packet);
      all.insert(all.end(), from, from + size);
    };
    (append(&packets, sizeof packets), ...);
    uint64_t handle = 0;
    EXPECT_EQ(CreateCb(static_cast<uint32_t>(all.size()), &handle), 0);
    void* const memory = Map(handle, all.size());
    EXPECT_NE(memory, nullptr);
    std::memcpy(memory, all.data(), all.size());
    munmap(memory, all.size());
    *bytes = static_cast<uint32_t>(all.size());
    return handle;
  }
  int Submit(const std::vector<hl_cs_chunk>& chunks, uint64_t* sequence, uint32_t flags = 0,
             uint32_t timeout = 0, uint64_t staged = 0) {
    hl_cs_args args{};
    args.in.chunks_execute = reinterpret_cast<uint64_t>(chunks.data());
    args.in.num_chunks_execute = static_cast<uint32_t>(chunks.size());
    args.in.cs_flags = flags;
    args.in.timeout = timeout;
    args.in.seq = staged;
    const int error = Ioctl(HL_IOCTL_CS, &args);
    *sequence = args.out.seq;
    return error;
  }
  static hl_cs_chunk Chunk(uint32_t queue, uint64_t commands, uint32_t bytes, uint32_t flags = 0) {
    hl_cs_chunk chunk{};
    chunk.cs_chunk_flags = flags;
    chunk.cb_handle = commands;
    chunk.queue_index = queue;
    chunk.cb_size = bytes;
    return chunk;
  }
  // One external job of these packets.
  template <typename... Packets>
  int SubmitPackets(uint32_t queue, uint64_t* sequence, const Packets&... packets) {
    uint32_t bytes = 0;
    const uint64_t handle = Commands(&bytes, packets...);
    return Submit({Chunk(queue, handle, bytes)}, sequence);
  }
  int Wait(uint64_t sequence, uint64_t timeout_us, hl_wait_cs_out* out) {
    hl_wait_cs_args args{};
    args.in.seq = sequence;
    args.in.timeout_us = timeout_us;
    const int error = Ioctl(HL_IOCTL_WAIT_CS, &args);
    *out = args.out;
    return error;
  }

 private:
  void CloseDescriptor() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  DeviceNode* const node_;
  int fd_ = -1, error_ = 0;
  std::shared_ptr<DeviceNode::File> file_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_NODE_FILE_H_
