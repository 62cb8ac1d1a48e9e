#include "simulator/device_node/status_page.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

constexpr size_t kPageBytes = 4096;
static_assert(std::atomic<uint64_t>::is_always_lock_free);

}  // namespace

absl::StatusOr<std::unique_ptr<StatusPage>> StatusPage::Open(const std::string& path) {
  static_assert(sizeof(Words) <= kPageBytes);
  const auto fail = [&] {
    return absl::UnavailableError(
        absl::StrCat("the status page of the card, ", path, ": ", std::strerror(errno)));
  };
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return fail();
  void* page = MAP_FAILED;
  // A file that another process is just making is as long already, or becomes so here.
  if (ftruncate(fd, kPageBytes) == 0) {
    page = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  const absl::Status error = page == MAP_FAILED ? fail() : absl::OkStatus();
  close(fd);
  if (!error.ok()) return error;
  return std::unique_ptr<StatusPage>(new StatusPage(static_cast<Words*>(page)));
}

std::unique_ptr<StatusPage> StatusPage::OfThisProcess() {
  void* const page =
      mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  OPENHPU_CHECK(page != MAP_FAILED);
  return std::unique_ptr<StatusPage>(new StatusPage(static_cast<Words*>(page)));
}

StatusPage::~StatusPage() { munmap(words_, kPageBytes); }

}  // namespace openhpu::simulator
