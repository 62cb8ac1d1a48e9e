/* What happens to a card when the process that has it forks and ends. Prints what is wrong; the
 * exit code counts it. The last of its ends is by exit() with the card open. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <misc/habanalabs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures = 0;

static void check(int ok, const char* what) {
  if (ok) return;
  printf("not so: %s (%s)\n", what, strerror(errno));
  fflush(stdout);
  ++failures;
}

static int ask(int fd, uint32_t what, void* answer, uint32_t bytes) {
  struct hl_info_args args;
  memset(&args, 0, sizeof args);
  memset(answer, 0, bytes);
  args.op = what;
  args.return_pointer = (uintptr_t)answer;
  args.return_size = bytes;
  return ioctl(fd, HL_IOCTL_INFO, &args);
}

static int is_gaudi(int fd) {
  struct hl_info_hw_ip_info ip;
  return ask(fd, HL_INFO_HW_IP_INFO, &ip, sizeof ip) == 0 && ip.device_id == 0x1000;
}

static int status_of(pid_t child) {
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

int main(void) {
  int fd = open("/dev/hl0", O_RDWR | O_CLOEXEC);
  check(fd >= 0 && is_gaudi(fd), "the card opens and answers");

  pid_t child = fork();
  if (child == 0) exit(0); /* with all handlers and destructors */
  check(status_of(child) == 0, "a child ends by exit");
  check(is_gaudi(fd), "the card is there after the child's end");

  child = fork();
  if (child == 0) {
    failures = 0;
    check(!is_gaudi(fd) && errno == ENODEV, "an inherited descriptor answers ENODEV");
    check(open("/dev/hl0", O_RDWR) < 0 && errno == EBUSY, "the card is taken");
    int control = open("/dev/hl_controlD0", O_RDWR);
    check(control >= 0 && is_gaudi(control), "a control node answers in the child");
    close(control);
    close(fd);
    exit(failures);
  }
  check(status_of(child) == 0, "a child uses its own node");
  check(is_gaudi(fd), "the card is there after a child that closed it");

  check(close(fd) == 0, "the card closes");
  child = fork();
  if (child == 0) {
    failures = 0;
    fd = open("/dev/hl0", O_RDWR);
    check(fd >= 0 && is_gaudi(fd), "a child opens the card that its parent closed");
    exit(failures);
  }
  check(status_of(child) == 0, "a child has a card of its own");

  fd = open("/dev/hl0", O_RDWR);
  check(fd >= 0 && is_gaudi(fd), "the card opens after the child that left it open");
  return failures;
}
