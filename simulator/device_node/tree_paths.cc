#include "simulator/device_node/tree_paths.h"

#include <cstring>

namespace openhpu::simulator {
namespace {

struct Names {
  const char* path;  // itself, and what is under it
  uint8_t apis;
};

constexpr Names kNames[] = {
    {"dev/hl0", kMiscNames},
    {"dev/hl_controlD0", kMiscNames},
    {"dev/accel", kAccelNames},
    {"sys/class/habanalabs", kMiscNames},
    {"sys/class/accel", kAccelNames},
    {"sys/dev/char/511:0", kMiscNames},
    {"sys/dev/char/511:1", kMiscNames},
    {"sys/dev/char/261:0", kAccelNames},
    {"sys/dev/char/261:1", kAccelNames},
    {"sys/bus/pci/devices/0000:01:00.0", kAllNames},
    {"sys/devices/pci0000:00/0000:01:00.0", kAllNames},
    {"sys/kernel/debug/habanalabs", kAllNames},
};

bool Normalise(const char* path, TreePath* found) {
  size_t length = 0;
  while (*path != '\0') {
    if (*path == '/') {
      ++path;
      continue;
    }
    const size_t bytes = std::strcspn(path, "/");
    if (bytes == 2 && path[0] == '.' && path[1] == '.') {
      while (length > 0 && found->path[--length] != '/') {
      }
    } else if (bytes != 1 || path[0] != '.') {
      if (length + bytes + 2 > TreePath::kMostBytes) return false;
      if (length > 0) found->path[length++] = '/';
      std::memcpy(found->path + length, path, bytes);
      length += bytes;
    }
    path += bytes;
  }
  found->path[length] = '\0';
  const char* slash = std::strrchr(found->path, '/');
  found->name = slash == nullptr ? found->path : slash + 1;
  return true;
}

TreeEntry EntryOf(const TreePath& found) {
  const auto is = [&found](const char* path) { return std::strcmp(found.path, path) == 0; };
  const auto named = [&found](const char* name) { return std::strcmp(found.name, name) == 0; };
  if (std::strncmp(found.path, "dev/", 4) == 0) {
    if (is("dev/hl0")) return TreeEntry::kCompute;
    if (is("dev/hl_controlD0")) return TreeEntry::kControl;
    if (is("dev/accel/accel0")) return TreeEntry::kAccelCompute;
    if (is("dev/accel/accel_controlD0")) return TreeEntry::kAccelControl;
    return TreeEntry::kPlain;
  }
  if (std::strncmp(found.path, "sys/kernel/debug/", 17) == 0) {
    if (named("addr")) return TreeEntry::kDebugAddress;
    if (named("data32")) return TreeEntry::kDebugWord32;
    if (named("data64")) return TreeEntry::kDebugWord64;
    if (named("clk_gate")) return TreeEntry::kAttribute;
    return TreeEntry::kPlain;
  }
  for (const char* attribute : kAttributes) {
    if (named(attribute)) return TreeEntry::kAttribute;
  }
  return TreeEntry::kPlain;
}

}  // namespace

bool FindInTree(const char* path, uint8_t apis, TreePath* found) {
  if (path == nullptr || path[0] != '/') return false;
  // What most paths cost: a look at the first letter that is not a slash.
  const char* first = path + 1;
  while (*first == '/' || *first == '.') ++first;
  if (*first != 'd' && *first != 's') return false;
  if (!Normalise(path, found)) return false;
  for (const Names& names : kNames) {
    const size_t length = std::strlen(names.path);
    if ((names.apis & apis) == 0 || std::strncmp(found->path, names.path, length) != 0) continue;
    if (found->path[length] != '\0' && found->path[length] != '/') continue;
    found->entry = EntryOf(*found);
    return true;
  }
  return false;
}

DeviceNumber NumberOf(TreeEntry entry) {
  switch (entry) {
    case TreeEntry::kCompute:
      return {kMiscMajor, 0};
    case TreeEntry::kControl:
      return {kMiscMajor, 1};
    case TreeEntry::kAccelCompute:
      return {kAccelMajor, 0};
    case TreeEntry::kAccelControl:
      return {kAccelMajor, 1};
    case TreeEntry::kPlain:
    case TreeEntry::kAttribute:
    case TreeEntry::kDebugAddress:
    case TreeEntry::kDebugWord32:
    case TreeEntry::kDebugWord64:
      break;
  }
  return {};
}

}  // namespace openhpu::simulator
