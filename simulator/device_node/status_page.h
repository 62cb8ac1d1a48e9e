// What the processes of a machine know of a card: a small file in the card's folder that every
// process maps. Whoever holds the compute context writes it; it stays as it was when that process
// dies, and the lock (node.h) says whether it still lives.
//
// Threading: any thread and process; every word is atomic, and readers need no consistent whole.
#ifndef SIMULATOR_DEVICE_NODE_STATUS_PAGE_H_
#define SIMULATOR_DEVICE_NODE_STATUS_PAGE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace openhpu::simulator {

class StatusPage {
 public:
  struct Words {
    std::atomic<uint64_t> version;
    std::atomic<uint64_t> holder;  // process that has the compute context, or had it last
    std::atomic<uint64_t> opens;   // of the compute node
    std::atomic<uint64_t> status;  // hl_device_status, while the holder lives
    std::atomic<uint64_t> hard_resets, soft_resets;
    std::atomic<uint64_t> dram_used, busy_engines[2];  // by the UAPI's engine id
    std::atomic<uint64_t> submissions;
    std::atomic<uint64_t> host_nanoseconds;  // of the simulated host, at the last call
  };

  // Made with zeros if it is not there. Unavailable, with the path, when that cannot be.
  static absl::StatusOr<std::unique_ptr<StatusPage>> Open(const std::string& path);
  // One that nobody else sees.
  static std::unique_ptr<StatusPage> OfThisProcess();
  ~StatusPage();
  StatusPage(const StatusPage&) = delete;
  StatusPage& operator=(const StatusPage&) = delete;

  Words& words() { return *words_; }

 private:
  explicit StatusPage(Words* words) : words_(words) {}
  Words* const words_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_STATUS_PAGE_H_
