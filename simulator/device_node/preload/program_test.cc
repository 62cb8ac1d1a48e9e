// A program that knows only the C library, run under LD_PRELOAD with a node that simulates nothing
// (run_preloaded.sh).
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

extern char** environ;

namespace {

constexpr unsigned long kAdd = _IOWR('H', 0x01, uint64_t);  // FakeNode's
constexpr char kDebug[] = "/sys/kernel/debug/habanalabs/hl0/";

int OpenCard() { return open("/dev/hl0", O_RDWR | O_CLOEXEC); }

bool Answers(int fd) {
  uint64_t value = 41;
  return ioctl(fd, kAdd, &value) == 0 && value == 42;
}

// The exit code of what another process does.
int InChild(const std::function<int()>& run) {
  const pid_t child = fork();
  if (child == 0) _exit(run());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// 0 when a process that has nothing of ours can open the card, or the errno. The child of a fork
// makes a node of its own, as any other program.
int OpenElsewhere(const char* path = "/dev/hl0") {
  return InChild([path] {
    const int fd = open(path, O_RDWR);
    return fd >= 0 ? (Answers(fd) ? 0 : 200) : errno;
  });
}

// A process that holds the card until it is killed.
class Holder {
 public:
  Holder() {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    process_ = fork();
    if (process_ == 0) {
      const bool ok = OpenCard() >= 0;
      _exit(write(ready[1], &ok, 1) == 1 && pause() == 0);
    }
    bool ok = false;
    EXPECT_EQ(read(ready[0], &ok, 1), 1);
    EXPECT_TRUE(ok);
    close(ready[0]);
    close(ready[1]);
  }
  ~Holder() { Kill(); }
  void Kill() {
    if (process_ <= 0) return;
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    process_ = 0;
  }

 private:
  pid_t process_ = 0;
};

TEST(PreloadTest, AProgramThatTriesAllNamesFindsOneCard) {
  std::vector<int> found;
  for (int i = 0; i < 256; ++i) {
    const std::string name = "/dev/hl" + std::to_string(i);
    errno = 0;
    const int fd = open(name.c_str(), O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
      found.push_back(i);
      close(fd);
    } else {
      EXPECT_EQ(errno, ENOENT) << name;
    }
  }
  EXPECT_EQ(found, std::vector<int>{0});
  EXPECT_EQ(open("/dev/hli", O_RDWR), -1);
  EXPECT_EQ(open("/dev/accel/accel0", O_RDWR), -1) << "the machine has the other API";
}

TEST(PreloadTest, TheClassIsListedAndHasTheBusAddress) {
  DIR* folder = opendir("/sys/class/habanalabs");
  ASSERT_NE(folder, nullptr);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] == '.') continue;
    names.push_back(entry->d_name);
    const std::string path = std::string("/sys/class/habanalabs/") + entry->d_name + "/pci_addr";
    FILE* file = fopen(path.c_str(), "r");
    ASSERT_NE(file, nullptr) << path;
    char address[16] = {};
    EXPECT_EQ(fscanf(file, "%15s", address), 1);
    EXPECT_STREQ(address, "0000:01:00.0");
    EXPECT_EQ(fclose(file), 0);
    const int fd = open(path.c_str(), O_RDONLY);
    char raw[13] = {};
    EXPECT_EQ(read(fd, raw, 12), 12);
    EXPECT_STREQ(raw, "0000:01:00.0");
    close(fd);
  }
  closedir(folder);
  EXPECT_EQ(names.size(), 2u);
  dirent** entries = nullptr;
  EXPECT_EQ(scandir("/sys/class/habanalabs", &entries, nullptr, alphasort), 4);
}

TEST(PreloadTest, ADescriptorLeadsToItsAttributesByItsNumbers) {
  for (const char* path : {"/dev/hl0", "/dev/hl_controlD0"}) {
    const int fd = open(path, O_RDWR);
    ASSERT_GE(fd, 0);
    struct stat status {
    }, named{};
    ASSERT_EQ(fstat(fd, &status), 0);
    EXPECT_TRUE(S_ISCHR(status.st_mode));
    EXPECT_EQ(minor(status.st_rdev) % 2, path == std::string("/dev/hl0") ? 0u : 1u);
    const std::string attribute = "/sys/dev/char/" + std::to_string(major(status.st_rdev)) + ":" +
                                  std::to_string(minor(status.st_rdev)) + "/pci_addr";
    EXPECT_EQ(access(attribute.c_str(), R_OK), 0) << attribute;
    ASSERT_EQ(stat(path, &named), 0);
    EXPECT_EQ(named.st_rdev, status.st_rdev);
    struct statx extended {};
    ASSERT_EQ(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &extended), 0);
    EXPECT_TRUE(S_ISCHR(extended.stx_mode));
    EXPECT_EQ(extended.stx_rdev_minor, minor(status.st_rdev));
    ASSERT_EQ(fstatat(fd, "", &named, AT_EMPTY_PATH), 0);
    EXPECT_EQ(named.st_rdev, status.st_rdev);
    char name[256] = {};
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    EXPECT_GT(readlink(link.c_str(), name, sizeof(name) - 1), 0);
    EXPECT_STREQ(name, path);
    close(fd);
  }
}

TEST(PreloadTest, ProgramsBuiltWithAnOlderCLibrarySeeTheNodeToo) {
  const int fd = open("/dev/hl_controlD0", O_RDWR);
  struct stat status {};
  auto* const of_descriptor =
      reinterpret_cast<int (*)(int, int, struct stat*)>(dlsym(RTLD_DEFAULT, "__fxstat"));
  ASSERT_NE(of_descriptor, nullptr);
  EXPECT_EQ(of_descriptor(1, fd, &status), 0);
  EXPECT_EQ(minor(status.st_rdev), 1u);
  auto* const of_path =
      reinterpret_cast<int (*)(int, const char*, struct stat*)>(dlsym(RTLD_DEFAULT, "__xstat64"));
  ASSERT_NE(of_path, nullptr);
  EXPECT_EQ(of_path(1, "/dev/hl0", &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode));
  EXPECT_EQ(minor(status.st_rdev), 0u);
  close(fd);
}

TEST(PreloadTest, PathsAreResolvedToTheNamesOfTheMachine) {
  char text[PATH_MAX];
  ASSERT_NE(realpath("/sys/class/habanalabs/hl0", text), nullptr);
  EXPECT_STREQ(text, "/sys/devices/pci0000:00/0000:01:00.0/habanalabs/hl0");
  EXPECT_EQ(access(text, F_OK), 0);
  EXPECT_EQ(realpath("/sys/class/habanalabs/hl1", text), nullptr);
  EXPECT_EQ(errno, ENOENT);
  ASSERT_NE(realpath("/usr/../tmp", text), nullptr);
  EXPECT_STREQ(text, "/tmp");
}

TEST(PreloadTest, TheCardIsForOneUntilTheLastDuplicateIsClosed) {
  const int first = OpenCard();
  ASSERT_GE(first, 0);
  EXPECT_EQ(OpenCard(), -1);
  EXPECT_EQ(errno, EBUSY);
  EXPECT_EQ(OpenElsewhere(), EBUSY);
  const int second = dup(first);
  const int third = fcntl(first, F_DUPFD_CLOEXEC, 100);
  EXPECT_GE(third, 100);
  EXPECT_EQ(dup2(first, 90), 90);
  EXPECT_EQ(dup3(first, 91, O_CLOEXEC), 91);
  EXPECT_EQ(close(first), 0);
  for (const int fd : {second, third, 90, 91}) {
    EXPECT_TRUE(Answers(fd));
    EXPECT_EQ(OpenElsewhere(), EBUSY);
    EXPECT_EQ(close(fd), 0);
  }
  EXPECT_EQ(OpenElsewhere(), 0);
  EXPECT_FALSE(Answers(first));
  EXPECT_EQ(errno, EBADF);
}

TEST(PreloadTest, AnotherFileInItsPlaceClosesIt) {
  const int fd = OpenCard();
  const int null = open("/dev/null", O_RDWR);
  EXPECT_EQ(dup2(null, fd), fd);
  EXPECT_EQ(OpenElsewhere(), 0);
  EXPECT_EQ(write(fd, "x", 1), 1);
  EXPECT_EQ(dup2(fd, fd), fd);
  close(fd);
  close(null);
}

TEST(PreloadTest, ClosingARangeClosesIt) {
  const int fd = OpenCard();
  ASSERT_GE(fd, 0);
  const int copy = dup2(fd, 200);
  EXPECT_EQ(close_range(static_cast<unsigned>(fd), static_cast<unsigned>(fd), 0), 0);
  EXPECT_TRUE(Answers(copy));
  EXPECT_EQ(close_range(150, ~0u, 0), 0);
  EXPECT_FALSE(Answers(copy));
  EXPECT_EQ(OpenElsewhere(), 0);
}

TEST(PreloadTest, ANumberThatWasClosedUnseenIsTheNextFiles) {
  const int fd = OpenCard();
  syscall(SYS_close, fd);
  ASSERT_EQ(open("/dev/null", O_RDWR), fd);
  struct stat status {};
  ASSERT_EQ(fstat(fd, &status), 0);
  EXPECT_EQ(major(status.st_rdev), 1u);
  EXPECT_EQ(write(fd, "x", 1), 1);
  close(fd);
  EXPECT_EQ(OpenElsewhere(), 0);
}

TEST(PreloadTest, ControlNodesOpenWhileTheCardIsTaken) {
  Holder holder;
  EXPECT_EQ(OpenCard(), -1);
  EXPECT_EQ(errno, EBUSY);
  EXPECT_EQ(OpenElsewhere("/dev/hl_controlD0"), 0);
  const int first = open("/dev/hl_controlD0", O_RDWR);
  const int second = open("/dev/hl_controlD0", O_RDONLY);
  EXPECT_TRUE(Answers(first));
  EXPECT_TRUE(Answers(second));
  close(first);
  close(second);
}

TEST(PreloadTest, AKilledHolderLeavesTheCardToTheNext) {
  for (int i = 0; i < 5; ++i) {
    Holder holder;
    EXPECT_EQ(OpenElsewhere(), EBUSY);
    holder.Kill();
    const int fd = OpenCard();
    EXPECT_GE(fd, 0) << strerror(errno);
    close(fd);
  }
}

TEST(PreloadTest, AChildHasADescriptorThatServesNotAndItsEndIsNotTheParents) {
  const int fd = OpenCard();
  EXPECT_EQ(InChild([fd] {
              if (Answers(fd) || errno != ENODEV) return 1;
              if (mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED) return 2;
              struct stat status {};
              if (fstat(fd, &status) != 0 || !S_ISCHR(status.st_mode)) return 3;
              if (OpenCard() != -1 || errno != EBUSY) return 4;
              const int control = open("/dev/hl_controlD0", O_RDWR);
              if (!Answers(control)) return 5;
              return close(fd) == 0 ? 0 : 6;
            }),
            0);
  EXPECT_EQ(InChild([] {
              exit(0);
              return 0;
            }),
            0)
      << "with the handlers of exit";
  EXPECT_TRUE(Answers(fd));
  EXPECT_EQ(OpenElsewhere(), EBUSY);
  close(fd);
}

TEST(PreloadTest, AChildThatInheritedTheDescriptorKeepsTheCard) {
  const int fd = OpenCard();
  const pid_t child = fork();
  if (child == 0) _exit(pause());
  close(fd);
  EXPECT_EQ(OpenElsewhere(), EBUSY);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(OpenElsewhere(), 0);
}

TEST(PreloadTest, AProgramStartedWithVforkChangesNothingHere) {
  const int fd = OpenCard();
  char shell[] = "/bin/sh", option[] = "-c", command[] = "exec 2>/dev/null; test ! -e /dev/fd/77";
  char* arguments[] = {shell, option, command, nullptr};
  const pid_t child = vfork();
  if (child == 0) {
    close(fd);
    dup2(1, fd);
    close_range(3, ~0u, 0);
    execve(shell, arguments, environ);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  pid_t spawned = 0;
  ASSERT_EQ(posix_spawn(&spawned, shell, nullptr, nullptr, arguments, environ), 0);
  waitpid(spawned, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(Answers(fd));
  close(fd);
}

TEST(PreloadTest, ADescriptorWithoutCloexecKeepsTheCardThroughExec) {
  const int fd = open("/dev/hl0", O_RDWR);
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/sleep", "sleep", "1000", nullptr);
    _exit(127);
  }
  usleep(100000);
  close(fd);
  EXPECT_EQ(OpenElsewhere(), EBUSY);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(OpenElsewhere(), 0);
}

TEST(PreloadTest, CommandBuffersAreMappedByTheirHandle) {
  const int fd = OpenCard();
  const off_t handle = off_t{5} << 40;
  auto* first =
      static_cast<char*>(mmap(nullptr, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, handle));
  ASSERT_NE(first, MAP_FAILED);
  auto* second =
      static_cast<char*>(mmap64(nullptr, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, handle));
  strcpy(first, "seen by both");
  EXPECT_STREQ(second, "seen by both");
  EXPECT_EQ(munmap(first, 10000), 0);
  close(fd);
  EXPECT_STREQ(second, "seen by both") << "without a descriptor";
  EXPECT_EQ(munmap(second, 10000), 0);
  const int control = open("/dev/hl_controlD0", O_RDWR);
  EXPECT_EQ(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, control, handle), MAP_FAILED);
  EXPECT_EQ(errno, EINVAL);
  close(control);
}

TEST(PreloadTest, HugePagesThatTheMachineLacksAreOrdinaryMemoryThatLiesAsThey) {
  close(OpenCard());
  const size_t bytes = size_t{1} << 30;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT), -1, 0);
  ASSERT_NE(memory, MAP_FAILED) << strerror(errno);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % (2 << 20), 0u);
  static_cast<char*>(memory)[bytes - 1] = 7;
  static_cast<char*>(memory)[0] = 7;
  EXPECT_EQ(munmap(memory, bytes), 0);
}

TEST(PreloadTest, TextOfTheDriverIsFreshHoweverItIsRead) {
  const char* path = "/sys/class/habanalabs/hl0/status";
  const auto read_stream = [path] {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
  };
  const auto read_file = [path] {
    FILE* file = fopen(path, "r");
    char line[64] = {};
    EXPECT_NE(fgets(line, sizeof(line), file), nullptr);
    fclose(file);
    return std::string(line);
  };
  EXPECT_EQ(read_stream(), "Operational");
  EXPECT_EQ(read_file(), "Operational\n");
  const int card = OpenCard();
  EXPECT_EQ(read_stream(), "Operational, in use");
  EXPECT_EQ(read_file(), "Operational, in use\n");
  const int fd = open(path, O_RDONLY);
  close(card);
  char text[64] = {};
  EXPECT_EQ(read(fd, text, sizeof(text)), 12);
  EXPECT_STREQ(text, "Operational\n");
  EXPECT_EQ(pread(fd, text, 4, 3), 4);
  EXPECT_EQ(read(fd, text, sizeof(text)), 0);
  close(fd);
}

TEST(PreloadTest, AttributesAreWrittenByAnyMeans) {
  const char* path = "/sys/class/habanalabs/hl0/pm_mng_profile";
  const auto value = [path] {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
  };
  const int fd = open(path, O_WRONLY | O_TRUNC);
  EXPECT_EQ(write(fd, "manual", 6), 6);
  close(fd);
  EXPECT_EQ(value(), "manual");
  std::ofstream(path) << "auto" << std::endl;
  EXPECT_EQ(value(), "auto");
  FILE* file = fopen(path, "w");
  fprintf(file, "%s\n", "manual");
  EXPECT_EQ(fclose(file), 0);
  EXPECT_EQ(value(), "manual");
  EXPECT_EQ(open("/sys/class/habanalabs/hl0/pci_addr", O_WRONLY), -1);
  EXPECT_EQ(errno, EACCES);
}

TEST(PreloadTest, DebugfsReadsAndWritesWords) {
  const int card = OpenCard();
  const int address = open((std::string(kDebug) + "addr").c_str(), O_WRONLY);
  const int data = open((std::string(kDebug) + "data32").c_str(), O_RDWR);
  char text[64] = {};
  const int bytes = snprintf(text, sizeof(text), "0x%lx", 0x7ffc001000ul) + 1;
  EXPECT_EQ(write(address, text, bytes), bytes) << "with the final NUL";
  EXPECT_EQ(write(data, "0xcafe", 7), 7);
  memset(text, 0, sizeof(text));
  EXPECT_EQ(pread(data, text, sizeof(text), 0), 11);
  EXPECT_STREQ(text, "0x0000cafe\n");
  FILE* file = fopen((std::string(kDebug) + "data32").c_str(), "r");
  unsigned value = 0;
  EXPECT_EQ(fscanf(file, "%x", &value), 1);
  EXPECT_EQ(value, 0xcafeu);
  fclose(file);
  const iovec pieces[] = {{const_cast<char*>("0x7ffc"), 6}, {const_cast<char*>("001004"), 7}};
  EXPECT_EQ(writev(address, pieces, 2), 13);
  EXPECT_EQ(pread(data, text, sizeof(text), 0), 11);
  EXPECT_STREQ(text, "0x00000000\n");
  close(card);
  EXPECT_EQ(pread(data, text, sizeof(text), 0), -1);
  EXPECT_EQ(errno, EPERM);
  close(address);
  close(data);
}

TEST(PreloadTest, TheNodeIsNoFileToReadAndIsAlwaysReady) {
  const int fd = OpenCard();
  char byte = 0;
  EXPECT_EQ(read(fd, &byte, 1), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(write(fd, &byte, 1), -1);
  EXPECT_EQ(errno, EINVAL);
  pollfd events{fd, POLLIN | POLLOUT, 0};
  EXPECT_EQ(poll(&events, 1, 0), 1);
  EXPECT_EQ(events.revents, POLLIN | POLLOUT);
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 0);
  close(fd);
  const int event = eventfd(0, EFD_NONBLOCK);
  uint64_t count = 3;
  EXPECT_EQ(write(event, &count, sizeof(count)), 8);
  EXPECT_EQ(read(event, &count, sizeof(count)), 8);
  EXPECT_EQ(count, 3u);
  close(event);
}

TEST(PreloadTest, ErrnoIsLeftAloneBySuccess) {
  errno = 77;
  const int fd = OpenCard();
  EXPECT_EQ(errno, 77);
  EXPECT_TRUE(Answers(fd));
  EXPECT_EQ(errno, 77);
  EXPECT_EQ(close(fd), 0);
  EXPECT_EQ(errno, 77);
}

TEST(PreloadTest, OtherFilesAreTheMachines) {
  const std::string path = std::string(getenv("TEST_TMPDIR")) + "/ordinary";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL, 0640);
  ASSERT_GE(fd, 0);
  struct stat status {};
  ASSERT_EQ(fstat(fd, &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
  EXPECT_EQ(write(fd, "text", 4), 4);
  EXPECT_EQ(ioctl(fd, kAdd, &status), -1);
  EXPECT_EQ(errno, ENOTTY);
  EXPECT_EQ(open("/sys/class/../no/such", O_RDONLY), -1);
  EXPECT_EQ(errno, ENOENT);
  const char* volatile nothing = nullptr;
  EXPECT_EQ(open(nothing, O_RDONLY), -1);
  EXPECT_EQ(errno, EFAULT);
  close(fd);
}

TEST(PreloadTest, ThreadsThatOpenAndCloseNeverSeeAnothersFile) {
  std::atomic<int> opened{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 500; ++j) {
        const int fd = OpenCard();
        if (fd < 0) {
          if (errno != EBUSY) ++wrong;
          continue;
        }
        ++opened;
        if (!Answers(fd)) ++wrong;
        close(fd);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(opened, 0);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(OpenElsewhere(), 0);
}

}  // namespace
