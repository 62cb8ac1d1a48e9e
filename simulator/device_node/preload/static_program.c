// Opens a path and says what came of it, without a loader that could preload anything.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  puts(open(argv[1], O_RDWR) >= 0 ? "open" : strerror(errno));
  return 0;
}
