// Text files of the emulated card that change: attributes of sysfs and the words of debugfs. Each
// opening gets a memory file of its own with the text as it is then, so that programs whose reads
// nobody sees (those of the C library's own streams) find it; reads that are seen find fresh text.
//
// Threading: any thread.
#ifndef SIMULATOR_DEVICE_NODE_OPEN_TEXT_H_
#define SIMULATOR_DEVICE_NODE_OPEN_TEXT_H_

#include <memory>
#include <string>

#include "simulator/device_node/files.h"
#include "simulator/device_node/node.h"
#include "simulator/device_node/tree_paths.h"

namespace openhpu::simulator {

// Opens `path`, whose entry is kAttribute or a kDebug word, with open(2)'s flags: a descriptor and
// its file, or a negative errno. `address_file` is the tree's `addr`: the address is the machine's,
// for all processes.
int OpenText(DeviceNode& node, const TreePath& path, int flags, const std::string& address_file,
             std::unique_ptr<OpenFile>* file);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_OPEN_TEXT_H_
