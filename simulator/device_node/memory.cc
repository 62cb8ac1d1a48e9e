// Command buffers and memory.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "simulator/device_node/node_impl.h"
#include "simulator/device_node/user_memory.h"

namespace openhpu::simulator {
namespace {

constexpr uint64_t kPageBytes = 4096;

int ErrnoOf(const absl::Status& status) {
  return absl::IsResourceExhausted(status) ? -ENOMEM : -EINVAL;
}

}  // namespace

int Node::CbIoctl(File& file, hl_cb_args& args) {
  const Lock lock(mutex_);
  Called();
  if (const int error = Usable(file); error != 0) return error;
  Context& context = *file.context;
  const hl_cb_in in = args.in;
  args = hl_cb_args();
  switch (in.op) {
    case HL_CB_OP_CREATE: {
      if (in.cb_size > HL_MAX_CB_SIZE) return -EINVAL;
      uint64_t handle = 0;
      const uint64_t bytes = in.cb_size < kPageBytes ? kPageBytes : in.cb_size;
      if (const int error = context.buffers.Create(bytes, &handle); error != 0) return error;
      CommandBuffer& buffer = *context.buffers.Find(handle);
      if ((in.flags & HL_CB_FLAGS_MAP) != 0) {
        const absl::StatusOr<DeviceAddress> address =
            card_->MapHost(buffer.bytes.data(), buffer.bytes.size());
        if (!address.ok()) {
          context.buffers.Destroy(handle);
          return -ENOMEM;
        }
        buffer.device_address = address->value();
      }
      buffer.card_handle = card_->AddCommandMemory(buffer.bytes);
      args.out.cb_handle = handle;
      return 0;
    }
    case HL_CB_OP_DESTROY: {
      const CommandBuffer* const buffer = context.buffers.Find(in.cb_handle);
      if (buffer == nullptr) return -EINVAL;
      // Submissions have copies.
      (void)card_->DestroyCommandMemory(buffer->card_handle);
      if (buffer->device_address != 0) {
        (void)card_->UnmapHost(DeviceAddress(buffer->device_address));
      }
      context.buffers.Destroy(in.cb_handle);
      Note(context);
      if (context.submissions.oldest() == nullptr) context.buffers.ForgetDestroyed();
      return 0;
    }
    case HL_CB_OP_INFO: {
      const CommandBuffer* const buffer = context.buffers.Find(in.cb_handle);
      if (buffer == nullptr) return -EINVAL;
      if ((in.flags & HL_CB_FLAGS_GET_DEVICE_VA) != 0) {
        if (buffer->device_address == 0) return -EINVAL;
        args.out.device_va = buffer->device_address;
      } else {
        args.out.usage_cnt = 0;  // submissions have copies
      }
      return 0;
    }
    default:
      return -ENOTTY;
  }
}

int Node::Map(File& file, uint64_t offset, uint64_t bytes, Mapping* mapping) {
  const Lock lock(mutex_);
  Called();
  if (file.kind == NodeKind::kControl) return -ENODEV;
  if (file.context->dead) return -ENODEV;
  const CommandBuffer* const buffer = file.context->buffers.Find(offset);
  if (buffer == nullptr) return -EINVAL;
  if ((bytes + kPageBytes - 1) / kPageBytes * kPageBytes != buffer->bytes.size()) return -EINVAL;
  *mapping = {buffer->fd, 0};
  return 0;
}

int Node::MapHostIoctl(Context& context, hl_mem_args& args) {
  const auto in = args.in.map_host;
  const uint64_t host = in.host_virt_addr, bytes = in.mem_size;
  if (bytes == 0 || host + bytes < host || host + bytes + kPageBytes < host + bytes) return -EINVAL;
  if (!IsWritable(host, bytes)) return -EFAULT;
  void* const memory = reinterpret_cast<void*>(host);
  const bool force = (args.in.flags & HL_MEM_FORCE_HINT) != 0;
  absl::StatusOr<DeviceAddress> address = absl::NotFoundError("");
  if (in.hint_addr != 0) {
    const DeviceAddress wanted(in.hint_addr / kPageBytes * kPageBytes + host % kPageBytes);
    const absl::Status mapped = card_->MapHostAt(wanted, memory, bytes);
    if (mapped.ok()) address = wanted;
    if (!mapped.ok() && force) return -EINVAL;
  }
  // The kernel asks whether all pages are huge ones; that memory could be of them must do here.
  const uint64_t huge = chip().address_map().host_huge_page_bytes().value();
  if (!address.ok()) {
    address = huge != 0 && host % huge == 0 && bytes % huge == 0 ? card_->MapHugeHost(memory, bytes)
                                                                 : card_->MapHost(memory, bytes);
  }
  if (!address.ok()) return ErrnoOf(address.status());
  context.mappings[address->value()] = bytes;
  args = hl_mem_args();
  args.out.device_virt_addr = address->value();
  return 0;
}

int Node::MapDeviceIoctl(Context& context, hl_mem_args& args) {
  // Without memory of its own that it could give out, the kernel maps only the host's.
  if (context.device_memory == nullptr) return -EINVAL;
  const auto in = args.in.map_device;
  const DeviceMemory::Allocation* const allocation = context.device_memory->Find(in.handle);
  if (allocation == nullptr) return -EINVAL;
  uint64_t address = 0;
  const bool force = (args.in.flags & HL_MEM_FORCE_HINT) != 0;
  if (const int error = context.device_memory->PlaceFor(in.handle, in.hint_addr, force, &address);
      error != 0) {
    return error;
  }
  const absl::Status mapped =
      card_->MapDram(DeviceAddress(address), allocation->offset, allocation->bytes);
  if (!mapped.ok()) return ErrnoOf(mapped);
  context.device_memory->Map(in.handle, address);
  args = hl_mem_args();
  args.out.device_virt_addr = address;
  return 0;
}

int Node::UnmapIoctl(Context& context, uint64_t address) {
  const auto found = context.mappings.find(address);
  if (found != context.mappings.end()) {
    (void)card_->UnmapHost(DeviceAddress(address));
    context.mappings.erase(found);
    Note(context);
    return 0;
  }
  if (context.device_memory == nullptr || context.device_memory->Unmap(address) != 0) {
    return -EINVAL;
  }
  (void)card_->UnmapDram(DeviceAddress(address));
  Note(context);
  return 0;
}

void Node::NoteDramUsed(const Context& context) {
  words().dram_used =
      context.device_memory != nullptr ? context.device_memory->used() : context.dram_bytes;
}

int Node::AllocateIoctl(Context& context, hl_mem_args& args) {
  const uint64_t bytes = args.in.alloc.mem_size;
  uint64_t handle = 0;
  if (context.device_memory != nullptr) {
    const int error = context.device_memory->Allocate(bytes, &handle);
    if (error != 0) return error;
  } else {
    // DRAM is the program's by physical address: the kernel only counts.
    if (bytes == 0) return -EINVAL;
    context.dram_bytes += bytes;
  }
  NoteDramUsed(context);
  args = hl_mem_args();
  args.out.handle = handle;
  return 0;
}

int Node::FreeIoctl(Context& context, const hl_mem_in& in) {
  if (context.device_memory != nullptr) {
    if (const int error = context.device_memory->Free(in.free.handle); error != 0) return error;
  } else {
    context.dram_bytes -= std::min<uint64_t>(context.dram_bytes, in.alloc.mem_size);
  }
  NoteDramUsed(context);
  return 0;
}

int Node::MemoryIoctl(File& file, hl_mem_args& args) {
  const Lock lock(mutex_);
  Called();
  if (const int error = Usable(file); error != 0) return error;
  Context& context = *file.context;
  switch (args.in.op) {
    case HL_MEM_OP_ALLOC:
      return AllocateIoctl(context, args);
    case HL_MEM_OP_FREE: {
      const int error = FreeIoctl(context, args.in);
      if (error == 0) args = hl_mem_args();
      return error;
    }
    case HL_MEM_OP_MAP:
      return (args.in.flags & HL_MEM_USERPTR) != 0 ? MapHostIoctl(context, args)
                                                   : MapDeviceIoctl(context, args);
    case HL_MEM_OP_UNMAP: {
      const int error = UnmapIoctl(context, args.in.unmap.device_virt_addr);
      if (error == 0) args = hl_mem_args();
      return error;
    }
    case HL_MEM_OP_MAP_BLOCK:
      return kernel_.block_error == -EOPNOTSUPP && !IsRegister(args.in.map_block.block_addr)
                 ? -EINVAL
                 : kernel_.block_error;
    case HL_MEM_OP_EXPORT_DMABUF_FD:
    case HL_MEM_OP_TS_ALLOC:
      return -EOPNOTSUPP;
    default:
      return -ENOTTY;
  }
}

}  // namespace openhpu::simulator
