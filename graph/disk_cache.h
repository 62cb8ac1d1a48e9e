// Compiled graphs in a folder, for other processes: one file an entry. Layout: 8 bytes magic
// "OHPUENT\n"; u32 version; u32 CRC-32C of all that follows; u64 bytes of the key; u64 bytes of the
// recipe file; the key (what compiled it, and the graph's structure as text); the recipe file
// (graph/recipe_file.h). All little-endian. An entry is found by the fingerprint of its graph and
// by that of what compiled it (the compiler's own source, chip, options), then its key is compared
// in full. Files appear by renaming, so processes may share a folder.
//
// Threading: any thread.
#ifndef GRAPH_DISK_CACHE_H_
#define GRAPH_DISK_CACHE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "graph/compiler.h"
#include "graph/ir.h"
#include "hal/base/mutex.h"
#include "hal/chip.pb.h"

namespace openhpu::graph {

class DiskCache {
 public:
  // Makes the folder if it is not there. `limit` bytes of entries are kept, the newest. `clear`
  // removes all entries first. NotFound or PermissionDenied when the folder cannot be made or
  // written.
  static absl::StatusOr<std::unique_ptr<DiskCache>> Open(const std::string& folder, uint64_t limit,
                                                         bool clear, const hal::Chip& chip,
                                                         const CompileOptions& options);

  // NotFound when there is none; any other failure means that the entry is damaged, of another
  // version or chip, or inconsistent: it is of no use.
  absl::StatusOr<Recipe> Load(uint64_t fingerprint, const Graph& graph) const;
  // Writes or replaces the entry, then removes the oldest until `limit` is kept. Nothing is written
  // when the entry alone is larger, nor when the folder is full: it is only a cache.
  void Store(uint64_t fingerprint, const Graph& graph, const Recipe& recipe);

 private:
  DiskCache(std::string folder, uint64_t limit, std::string compiler, const hal::Chip& chip);
  std::string PathOf(uint64_t fingerprint) const;
  void Trim() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string folder_;
  const uint64_t limit_;
  const std::string compiler_;  // what compiles
  const hal::Chip chip_;
  Mutex mutex_;
  uint64_t stored_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace openhpu::graph

#endif  // GRAPH_DISK_CACHE_H_
