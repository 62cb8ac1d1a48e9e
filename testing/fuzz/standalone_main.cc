// Runs a fuzz target without libFuzzer, the same on every machine: each file of the corpus, then
// mutations of them from a fixed seed.
//   TARGET [--mutations=N] FILE_OR_FOLDER...
// An input that ends the process is written to the test's outputs, or to the current folder.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kLongestInput = 8192;

// The input at hand, for the handler of signals.
const Bytes* current = nullptr;
char crash_path[4096] = "crash";

void OnSignal(int signal) {
  const int fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd >= 0 && current != nullptr) {
    const ssize_t written = write(fd, current->data(), current->size());
    (void)written;
    close(fd);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void Run(const Bytes& input) {
  current = &input;
  // A copy of its own size, so that a sanitizer sees a read beyond it.
  const Bytes copy(input.begin(), input.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

Bytes Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

// std::mt19937_64 gives the same numbers everywhere; the distributions of <random> do not.
class Mutator {
 public:
  explicit Mutator(const std::vector<Bytes>& seeds) : seeds_(seeds) {}

  Bytes Next() {
    Bytes bytes = seeds_[Below(seeds_.size())];
    for (uint64_t n = 1 + Below(4); n > 0; --n) Change(bytes);
    if (bytes.size() > kLongestInput) bytes.resize(kLongestInput);
    return bytes;
  }

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }

  void Change(Bytes& bytes) {
    const size_t at = Below(bytes.size() + 1);
    switch (at == bytes.size() ? 0 : Below(7)) {
      case 0:
        bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(at), static_cast<uint8_t>(random_()));
        break;
      case 1:
        bytes[at] ^= static_cast<uint8_t>(1u << Below(8));
        break;
      case 2:
        bytes[at] = static_cast<uint8_t>(random_());
        break;
      case 3: {
        const size_t end = std::min(bytes.size(), at + 1 + Below(16));
        bytes.erase(bytes.begin() + static_cast<ptrdiff_t>(at),
                    bytes.begin() + static_cast<ptrdiff_t>(end));
        break;
      }
      case 4: {  // a word that is at an edge
        constexpr uint32_t kWords[] = {0,          1,          0x7F,       0x80,       0xFF,
                                       0xFFFF,     0x10000,    0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
                                       0xFFFFFFFE, 0x20000000, 0x1FFFFFFF};
        const uint32_t word = kWords[Below(std::size(kWords))];
        std::memcpy(&bytes[at], &word, std::min(sizeof word, bytes.size() - at));
        break;
      }
      case 5: {  // part of another
        const Bytes& other = seeds_[Below(seeds_.size())];
        if (other.empty()) break;
        const size_t from = Below(other.size());
        const size_t count = std::min({1 + Below(64), other.size() - from, bytes.size() - at});
        std::copy_n(other.begin() + static_cast<ptrdiff_t>(from), count,
                    bytes.begin() + static_cast<ptrdiff_t>(at));
        break;
      }
      default: {  // a word that differs by little
        uint32_t word = 0;
        const size_t count = std::min(sizeof word, bytes.size() - at);
        std::memcpy(&word, &bytes[at], count);
        word += static_cast<uint32_t>(Below(33)) - 16;
        std::memcpy(&bytes[at], &word, count);
        break;
      }
    }
  }

  const std::vector<Bytes>& seeds_;
  std::mt19937_64 random_{20221123};
};

}  // namespace

int main(int argc, char** argv) {
  long mutations = 1000;
  std::vector<std::filesystem::path> paths;
  for (int i = 1; i < argc; ++i) {
    constexpr char kFlag[] = "--mutations=";
    if (std::strncmp(argv[i], kFlag, sizeof kFlag - 1) == 0) {
      mutations = std::atol(argv[i] + sizeof kFlag - 1);
    } else if (std::filesystem::is_directory(argv[i])) {
      for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
        paths.push_back(entry.path());
      }
    } else {
      paths.emplace_back(argv[i]);
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> seeds;
  for (const auto& path : paths) seeds.push_back(Read(path));
  if (seeds.empty()) {
    std::fprintf(stderr, "no corpus\n");
    return 1;
  }
  if (const char* const outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR")) {
    std::snprintf(crash_path, sizeof crash_path, "%s/crash", outputs);
  }
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) std::signal(signal, OnSignal);
  for (size_t i = 0; i < seeds.size(); ++i) {
    std::printf("%s\n", paths[i].c_str());
    std::fflush(stdout);
    Run(seeds[i]);
  }
  Mutator mutator(seeds);
  for (long i = 0; i < mutations; ++i) Run(mutator.Next());
  std::printf("%zu files and %ld mutations\n", seeds.size(), mutations);
  return 0;
}
