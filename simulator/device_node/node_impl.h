// The node's insides, for the files that implement it: one a group of ioctls. Methods that end in
// Ioctl are ioctls: 0 or a negative errno; arguments are the kernel's copies.
//
// Locks: mutex_ guards everything but the card, which has its own; it is not held while the machine
// runs for a waiter.
#ifndef SIMULATOR_DEVICE_NODE_NODE_IMPL_H_
#define SIMULATOR_DEVICE_NODE_NODE_IMPL_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "simulator/card.h"
#include "simulator/device_node/chip_kernel.h"
#include "simulator/device_node/context.h"
#include "simulator/device_node/node.h"
#include "simulator/device_node/status_page.h"
#include "simulator/device_node/uapi.h"
#include "simulator/spec.h"

namespace openhpu::simulator {

class DeviceNode::File {
 public:
  NodeKind kind = NodeKind::kControl;
  NodeApi api = NodeApi::kMisc;
  int fd = -1;
  std::shared_ptr<Context> context;  // of a compute file
};

class Node final : public DeviceNode {
 public:
  Node(const Options& options, const Spec& spec, const ChipKernel& kernel);
  ~Node() override;

  int Open(NodeKind kind, NodeApi api, int fd, std::shared_ptr<File>* file) override;
  void Release(const std::shared_ptr<File>& file) override;
  int Ioctl(File& file, unsigned long request, void* argument) override;
  int Map(File& file, uint64_t offset, uint64_t bytes, Mapping* mapping) override;
  int ReadAttribute(std::string_view name, std::string* text) override;
  int WriteAttribute(std::string_view name, std::string_view text) override;
  int ReadWord(uint64_t address, int bytes, uint64_t* value) override;
  int WriteWord(uint64_t address, int bytes, uint64_t value) override;
  absl::Status Inject(const InjectedFault& fault) override;
  Picoseconds host_time() override;
  uint32_t pci_device_id() const override;
  std::string_view device_type() const override;

 private:
  using Lock = std::unique_lock<std::mutex>;
  // What is known of recent errors (since the context was opened).
  struct Errors {
    bool timed_out = false, undefined_opcode = false, razwi = false;
    hl_info_cs_timeout_event timeout{};
    hl_info_undefined_opcode_event opcode{};
    hl_info_razwi_event access{};
  };

  const hal::Chip& chip() const { return spec_.chip; }
  StatusPage::Words& words() { return *words_; }
  // From the first open on, so that a node may be made before its folder.
  void SharePage();
  hl_device_status status() const;
  // 0, or why a context cannot work: -ENODEV after a hard reset.
  int Usable(const File& file) const;
  void Log(const std::string& line) const;
  bool IsRegister(uint64_t address) const;
  // Where the device may fetch commands, whether something is there or not.
  bool IsCommandAddress(uint64_t address, uint64_t bytes) const;

  int InfoIoctl(File& file, hl_info_args& args);
  int AnswerInfo(File& file, hl_info_args& args);
  int HwIpInfo(const File& file, const hl_info_args& args);
  int EventFdInfo(File& file, const hl_info_args& args);
  int CountersInfo(const File& file, const hl_info_args& args);
  hl_info_clk_throttle Throttling();
  // The MMEs', as they run now.
  uint64_t ClockMhz();
  // Faults come without work, too: looks at a card that expects some, whatever is asked for.
  void LookForFaults();
  int EngineStatusInfo(hl_info_args& args);
  bool IsIdle();

  int CbIoctl(File& file, hl_cb_args& args);
  int MemoryIoctl(File& file, hl_mem_args& args);
  int MapHostIoctl(Context& context, hl_mem_args& args);
  int MapDeviceIoctl(Context& context, hl_mem_args& args);
  int UnmapIoctl(Context& context, uint64_t address);
  int AllocateIoctl(Context& context, hl_mem_args& args);
  int FreeIoctl(Context& context, const hl_mem_in& in);
  void NoteDramUsed(const Context& context);
  int DebugIoctl(File& file, hl_debug_args& args);

  int CsIoctl(File& file, hl_cs_args& args);
  // What restores a context's state runs before its first submission, which those of other threads
  // await, or when that is asked for. -ENOEXEC when it fails (recollected).
  int RestorePhase(const File& file, const hl_cs_in& in, Lock& lock);
  int RunRestoreChunks(const File& file, const hl_cs_in& in, Lock& lock);
  int SubmitChunks(Context& context, uint64_t chunks, uint32_t count, const hl_cs_in& in,
                   uint64_t* sequence);
  int Enqueue(Context& context, absl::Span<const hl_cs_chunk> chunks, const hl_cs_in& in,
              uint64_t* sequence);
  // The kernel has a slot for each of as many submissions as may be in flight; they take turns, and
  // the last one in it must be over. 0, or -EAGAIN.
  bool SlotIsFree(Context& context);
  int TakeSlot(Context& context);
  // To the card, as its queues want it.
  absl::StatusOr<Sequence> SubmitJobs(Context& context, absl::Span<const hl_cs_chunk> chunks);
  absl::StatusOr<Sequence> SubmitReporting(Context& context, absl::Span<const hl_cs_chunk> chunks);
  // A submission of the kernel's own: signal or wait (sync_streams.cc).
  int SyncStreamIoctl(Context& context, const hl_cs_in& in, hl_cs_out& out);
  int SubmitSignal(Context& context, uint32_t queue, const hl_cs_in& in, hl_cs_out& out);
  int SubmitWait(Context& context, const hl_cs_chunk& chunk, const hl_cs_in& in, hl_cs_out& out);
  int SubmitOwn(Context& context, uint32_t queue, absl::Span<const std::byte> commands,
                const hl_cs_in& in, CommandSubmission cs, hl_cs_out& out);
  // Notes one that the card took, or lost.
  uint64_t Taken(Context& context, CommandSubmission cs, const hl_cs_in& in);
  int RefuseSubmission(Context& context, const absl::Status& why);

  int WaitIoctl(File& file, hl_wait_cs_args& args);
  // Waits for any of them; the lock is given up meanwhile.
  void WaitForAny(Context& context, absl::Span<const uint64_t> sequences, uint64_t timeout_us,
                  Lock& lock);
  int ResultOf(Context& context, uint64_t sequence, Picoseconds* ready);
  // A look of the host at the card that is no wait.
  void LookAround(Context& context);
  // The host only looks, or tries again: time passes even if nothing else happens.
  void LookInVain(Context& context);
  void NoteBusyEngines();
  // Nothing happens by itself any more: whether another thread did something.
  bool WaitForOthers(Lock& lock);

  // Takes note of what happened on the card up to the host's time.
  void Note(Context& context);
  void NoteEvent(Context& context, const hal::HealthEvent& event);
  Picoseconds Completion(const CommandSubmission& cs);
  void Notify(Context& context, uint64_t events);
  void TimeOut(Context& context);
  void HardReset(Context& context);
  void ReleaseContext(Context& context);
  uint64_t host_nanoseconds();
  // A call has come, so time passes by it.
  void Called();
  void StartPassingTime();
  void PassTime();

  const Options options_;
  const Spec spec_;
  const ChipKernel& kernel_;
  std::once_flag page_once_;
  std::unique_ptr<StatusPage> own_page_, page_;  // the second is shared with other processes
  std::atomic<StatusPage::Words*> words_;
  std::mutex mutex_;
  std::condition_variable changed_;  // a call has come, what restores has ended, or the node ends
  uint64_t calls_ = 0;
  int waiting_for_others_ = 0;
  std::unique_ptr<Card> card_;        // made when the compute node is first opened
  std::shared_ptr<Context> context_;  // null: nobody has it here
  SubmissionCounters total_;
  Errors errors_;
  uint64_t vain_looks_ = 0;
  std::chrono::steady_clock::time_point last_vain_look_;
  std::string lock_path_;  // of the compute file
  bool in_reset_ = false;
  bool ends_ = false;
  std::thread time_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_NODE_IMPL_H_
