#include "simulator/device_node/files.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <new>
#include <utility>

#include "hal/base/status_macros.h"

namespace openhpu::simulator {

// In a page of its own, which a fork empties: so a process knows that it is a child without asking
// the kernel who it is.
struct Files::Owner {
  std::atomic<pid_t> process{0};
};

struct Files::Entry {
  std::atomic<bool> taken{false};
  // Descriptors and Refs. Counts up from zero only by Create, which then alone knows the entry.
  std::atomic<int> references{0};
  pid_t process = 0;
  std::unique_ptr<OpenFile> file;
};

namespace {

void* Zeros(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  OPENHPU_CHECK(memory != MAP_FAILED);
  return memory;
}

size_t PageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

OpenFile::OpenFile(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return;
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

bool OpenFile::IsBehind(int fd) const {
  struct stat status {};
  return fstat(fd, &status) == 0 && status.st_dev == device_ && status.st_ino == inode_;
}

Files::Files() {
  void* page = Zeros(PageSize());
  OPENHPU_CHECK(madvise(page, PageSize(), MADV_WIPEONFORK) == 0);
  owner_ = new (page) Owner;
  owner_->process = getpid();
  // Zeros are atomics of zero; pages that nobody touches cost nothing.
  slots_ = static_cast<std::atomic<uintptr_t>*>(
      Zeros(sizeof(std::atomic<uintptr_t>) * kMostDescriptors));
  entries_ = new Entry[kMostFiles];
}

Files::~Files() {
  delete[] entries_;
  munmap(slots_, sizeof(std::atomic<uintptr_t>) * kMostDescriptors);
  munmap(owner_, PageSize());
}

OpenFile* Files::Ref::served() const {
  const bool ours = entry_ != nullptr &&
                    entry_->process == files_->owner_->process.load(std::memory_order_relaxed);
  return ours ? entry_->file.get() : nullptr;
}

OpenFile* Files::Ref::file() const { return entry_ == nullptr ? nullptr : entry_->file.get(); }

Files::Ref& Files::Ref::operator=(Ref&& other) noexcept {
  std::swap(files_, other.files_);
  std::swap(entry_, other.entry_);
  return *this;
}

void Files::Ref::Reset() {
  if (entry_ != nullptr) files_->Drop(std::exchange(entry_, nullptr));
}

bool Files::Shared() const {
  const pid_t process = getpid();
  pid_t owner = 0;
  if (owner_->process.compare_exchange_strong(owner, process)) return false;  // after a fork
  return owner != process;
}

Files::Ref Files::Create(std::unique_ptr<OpenFile>&& file) {
  Shared();  // a child becomes the owner of its copy
  for (int i = 0; i < kMostFiles; ++i) {
    Entry& entry = entries_[i];
    if (entry.taken.exchange(true)) continue;
    entry.file = std::move(file);
    entry.process = owner_->process;
    entry.references = 1;
    return Ref(this, &entry);
  }
  return Ref();
}

Files::Ref Files::Find(int fd) {
  if (fd < 0 || fd >= kMostDescriptors) return Ref();
  while (true) {
    Entry* entry = reinterpret_cast<Entry*>(slots_[fd].load(std::memory_order_acquire));
    if (entry == nullptr) return Ref();
    int references = entry->references.load();
    while (references > 0 && !entry->references.compare_exchange_weak(references, references + 1)) {
    }
    if (references == 0) continue;  // closed meanwhile
    Ref ref(this, entry);
    if (slots_[fd].load() == reinterpret_cast<uintptr_t>(entry)) return ref;
  }
}

void Files::Install(int fd, const Ref& ref) {
  if (fd < 0 || fd >= kMostDescriptors || !ref || Shared()) return;
  ref.entry_->references.fetch_add(1);
  const uintptr_t before = slots_[fd].exchange(reinterpret_cast<uintptr_t>(ref.entry_));
  if (before != 0) Drop(reinterpret_cast<Entry*>(before));
  int end = end_.load();
  while (end <= fd && !end_.compare_exchange_weak(end, fd + 1)) {
  }
}

Files::Ref Files::Remove(int fd) {
  if (fd < 0 || fd >= kMostDescriptors || slots_[fd].load() == 0 || Shared()) return Ref();
  return Ref(this, reinterpret_cast<Entry*>(slots_[fd].exchange(0)));
}

void Files::Drop(Entry* entry) {
  if (entry->references.fetch_sub(1) != 1) return;
  std::unique_ptr<OpenFile> file = std::move(entry->file);
  const bool inherited = entry->process != owner_->process.load();
  entry->taken = false;
  if (inherited) {
    // What the file is made of belongs to threads that are not in this process: not even destroyed.
    static_cast<void>(file.release());
    return;
  }
  file->Release();
}

}  // namespace openhpu::simulator
