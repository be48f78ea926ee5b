/*
 * Modbus TCP devices that give a pulse again and again and say when it was answered by what; in C, so that no collector of its own comes between a poll and a
 * write. Shares no code with the gateway.
 *
 *   plc-server PERIOD_MS DEVICES
 *
 * Register 0 of a device is 0, and in each second half of its period the number of the pulse; it is computed when it is read. What is written from
 * register 100 on stays, and can be read. One line of JSON for each write: device, register, value, when it arrived, when the pulse of this number was
 * first told to a reader (absent where that is long ago), and when the last answer before left; times are ms of CLOCK_MONOTONIC. Prints the ports as a JSON
 * array once all listen; `say on` and `say off` on standard input, whose end is its own.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { DEVICES_MAX = 256, SOCKETS_MAX = 1024, REGISTERS = 1024, TOLD = 1024, REGISTERS_MAX = 125, FIRST_WRITTEN = 100, BUFFER_BYTES = 4096, SAY_MS = 50 };

struct device {
  int listener;
  uint16_t written[REGISTERS];
  /* The pulses that were told last, by their number, and when. */
  uint16_t told[TOLD];
  double toldMs[TOLD], answeredMs;
};

/* A listener, or a connection to a device. */
struct source {
  int fd, isListener;
  struct device *device;
  size_t length;
  unsigned char bytes[BUFFER_BYTES];
};

static struct device devices[DEVICES_MAX];
static double periodMs, originMs;
static int poller, isSaying;

static double nowMs(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6;
}

static void fail(const char *what) {
  fprintf(stderr, "plc-server: %s (%s)\n", what, strerror(errno));
  exit(1);
}

static void watch(int fd, struct source *source) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) fail("cannot watch");
}

/* Spread over the period, in step with no poll. */
static uint16_t pulseAt(double now, const struct device *device) {
  double phase = fmod((double)(device - devices) * 0.6180339887 * periodMs, periodMs), periods = (now - originMs + phase) / periodMs;
  return fmod(periods, 1) < 0.5 ? 0 : (uint16_t)(((uint64_t)periods & 0x7fff) + 1);
}

static uint16_t registerOf(struct device *device, unsigned number, double now) {
  if (number != 0) return number < REGISTERS ? device->written[number] : 0;
  uint16_t pulse = pulseAt(now, device);
  if (pulse != 0 && device->told[pulse % TOLD] != pulse) {
    device->told[pulse % TOLD] = pulse;
    device->toldMs[pulse % TOLD] = nowMs();
  }
  return pulse;
}

static void take(struct device *device, unsigned number, uint16_t value, double now) {
  if (number >= FIRST_WRITTEN && number < REGISTERS) device->written[number] = value;
  if (!isSaying) return;
  printf("{\"device\":%d,\"register\":%u,\"value\":%u,\"atMs\":%.4f,", (int)(device - devices), number, value, now);
  if (device->told[value % TOLD] == value) printf("\"toldMs\":%.4f,", device->toldMs[value % TOLD]);
  printf("\"answeredMs\":%.4f}\n", device->answeredMs);
}

static unsigned word(const unsigned char *from) {
  return (unsigned)(from[0] << 8 | from[1]);
}

/* The length of what goes back; the header but for its length is already there. */
static size_t answer(const unsigned char *request, size_t length, struct device *device, unsigned char *to, double now) {
  unsigned code = request[7], first = length >= 12 ? word(request + 8) : 0, count = length >= 12 ? word(request + 10) : 0;
  memcpy(to, request, 12);
  if (code == 6 && length == 12) return take(device, first, (uint16_t)count, now), 12;
  if (code == 16 && length >= 13 && count <= 123 && length == 13 + 2 * count) {
    for (unsigned place = 0; place < count; place += 1) take(device, first + place, (uint16_t)word(request + 13 + 2 * place), now);
    return 12;
  }
  if (code != 3 || length != 12 || count == 0 || count > REGISTERS_MAX) return to[7] = (unsigned char)(code | 0x80), to[8] = 1, 9;
  to[8] = (unsigned char)(2 * count);
  for (unsigned place = 0; place < count; place += 1) {
    uint16_t value = registerOf(device, first + place, now);
    to[9 + 2 * place] = (unsigned char)(value >> 8), to[10 + 2 * place] = (unsigned char)value;
  }
  return 9 + 2 * count;
}

static void hangUp(struct source *source) {
  close(source->fd);
  free(source);
}

static void serve(struct source *source) {
  ssize_t more = read(source->fd, source->bytes + source->length, BUFFER_BYTES - source->length);
  if (more < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (more <= 0) return hangUp(source);
  double now = nowMs();
  source->length += (size_t)more;
  size_t start = 0;
  for (;;) {
    const unsigned char *request = source->bytes + start;
    size_t have = source->length - start, length = have >= 8 ? 6 + word(request + 4) : 0;
    if (length > 300 || (have >= 8 && length < 9)) return hangUp(source);
    if (length == 0 || have < length) break;
    unsigned char reply[300];
    size_t size = answer(request, length, source->device, reply, now);
    reply[4] = (unsigned char)((size - 6) >> 8), reply[5] = (unsigned char)(size - 6);
    if (write(source->fd, reply, size) != (ssize_t)size) return hangUp(source);
    source->device->answeredMs = nowMs();
    start += length;
  }
  memmove(source->bytes, source->bytes + start, source->length -= start);
}

static struct source *sourceOf(int fd, struct device *device, int isListener) {
  struct source *source = calloc(1, sizeof *source);
  if (source == NULL) fail("no room");
  source->fd = fd, source->device = device, source->isListener = isListener;
  watch(fd, source);
  return source;
}

static void admit(const struct source *listener) {
  int fd = accept(listener->fd, NULL, NULL), one = 1;
  if (fd < 0) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sourceOf(fd, listener->device, 0);
}

static int listenAnywhere(struct device *device) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 16) != 0) fail("cannot listen");
  getsockname(fd, (struct sockaddr *)&at, &size);
  sourceOf(fd, device, 1);
  return ntohs(at.sin_port);
}

/* False at the end of standard input. */
static int hear(void) {
  static char line[256];
  static size_t length;
  ssize_t more = read(0, line + length, sizeof line - 1 - length);
  if (more < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
  if (more <= 0) return 0;
  line[length += (size_t)more] = 0;
  for (char *end; (end = strchr(line, '\n')) != NULL; memmove(line, end + 1, length -= (size_t)(end + 1 - line)), line[length] = 0) {
    *end = 0;
    if (strcmp(line, "say on") == 0) isSaying = 1;
    if (strcmp(line, "say off") == 0) isSaying = 0;
  }
  if (length == sizeof line - 1) length = 0;
  return 1;
}

int main(int argumentCount, char **arguments) {
  int count = argumentCount == 3 ? atoi(arguments[2]) : 0;
  periodMs = argumentCount == 3 ? atof(arguments[1]) : 0, originMs = nowMs();
  if (count < 1 || count > DEVICES_MAX || periodMs < 1) return fprintf(stderr, "plc-server PERIOD_MS DEVICES\n"), 2;
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, NULL, _IOFBF, 1 << 20);
  poller = epoll_create1(0);
  struct source input = {.fd = 0};
  watch(0, &input);
  for (int place = 0; place < count; place += 1) printf("%s%d", place == 0 ? "[" : ",", listenAnywhere(&devices[place]));
  puts("]");
  fflush(stdout);
  for (double saidMs = nowMs();;) {
    struct epoll_event events[64];
    int ready = epoll_wait(poller, events, 64, SAY_MS);
    for (int place = 0; place < ready; place += 1) {
      struct source *source = events[place].data.ptr;
      if (source == &input) { if (!hear()) return 0; }
      else if (source->isListener) admit(source);
      else serve(source);
    }
    if (nowMs() - saidMs < SAY_MS) continue;
    fflush(stdout), saidMs = nowMs();
  }
}
