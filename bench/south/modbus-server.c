/* A Modbus TCP server that answers as fast as a core allows, for the south bench. Shares no code with Lineside.
 * Arguments: devices, period ms, [dead unit], [watched unit]. Prints the ports as a JSON array, then serves until standard input ends.
 * Register n of a device is (CLOCK_MONOTONIC in ms / period + n) mod 65536, so that all change once a period; from register 1000 on it is memory.
 * Takes as many requests as have come (pipelining) and answers them in one write. The dead unit never answers; for each request to the watched
 * one a line "w MS" is printed. Functions 3, 4, 6 and 16; anything else is exception 1. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DEVICES 256
#define MEMORY 1000
#define HELD 8192

static uint16_t memory[DEVICES][65536 - MEMORY];
static long period = 1000;
static int dead = -1, watched = -1;

struct peer {
  int fd, device; /* device < 0: standard input; a listening socket has isListening */
  int isListening;
  size_t held;
  uint8_t in[HELD];
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static uint16_t get(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static void put(uint8_t *at, unsigned value) { at[0] = value >> 8; at[1] = value; }

/* The answer to one request, behind its header; its length, or 0 for none. */
static size_t answer(int device, const uint8_t *pdu, size_t length, uint8_t *out) {
  unsigned code = pdu[0], first = length >= 5 ? get(pdu + 1) : 0, count = length >= 5 ? get(pdu + 3) : 0;
  if ((code == 3 || code == 4) && length == 5 && count >= 1 && count <= 125 && first + count <= 65536) {
    unsigned step = (unsigned)((long)now() / period);
    out[0] = code;
    out[1] = count * 2;
    for (unsigned n = 0; n < count; n++) {
      unsigned at = first + n;
      put(out + 2 + n * 2, at >= MEMORY ? memory[device][at - MEMORY] : step + at);
    }
    return 2 + count * 2;
  }
  if (code == 6 && length == 5 && first >= MEMORY) {
    memory[device][first - MEMORY] = count;
    memcpy(out, pdu, 5);
    return 5;
  }
  if (code == 16 && length == 6u + 2u * count && first >= MEMORY && first + count <= 65536) {
    for (unsigned n = 0; n < count; n++) memory[device][first + n - MEMORY] = get(pdu + 6 + n * 2);
    memcpy(out, pdu, 5);
    return 5;
  }
  out[0] = code | 0x80;
  out[1] = 1;
  return 2;
}

static int serve(struct peer *peer) {
  static uint8_t out[HELD / 12 * 260];
  ssize_t got = read(peer->fd, peer->in + peer->held, HELD - peer->held);
  if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
  size_t end = peer->held + got, at = 0, filled = 0;
  while (end - at >= 8) {
    const uint8_t *frame = peer->in + at;
    size_t length = get(frame + 4);
    if (length < 2 || length > 254 || get(frame + 2) != 0) return -1;
    if (end - at < 6 + length) break;
    if (frame[6] == watched) {
      printf("w %.3f\n", now());
      fflush(stdout);
    }
    if (frame[6] != dead) {
      size_t size = answer(peer->device, frame + 7, length - 1, out + filled + 7);
      memcpy(out + filled, frame, 7);
      put(out + filled + 4, size + 1);
      filled += 7 + size;
    }
    at += 6 + length;
  }
  memmove(peer->in, peer->in + at, end - at);
  peer->held = end - at;
  for (size_t sent = 0; sent < filled;) {
    ssize_t done = write(peer->fd, out + sent, filled - sent);
    if (done < 0) return -1;
    sent += done;
  }
  return 0;
}

static void watch(int poll, int fd, int device, int isListening) {
  struct peer *peer = calloc(1, sizeof *peer);
  if (peer == NULL) exit(1);
  peer->fd = fd;
  peer->device = device;
  peer->isListening = isListening;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
  if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) < 0) exit(1);
}

static int opened(int *port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0) exit(1);
  getsockname(fd, (struct sockaddr *)&address, &size);
  *port = ntohs(address.sin_port);
  return fd;
}

int main(int count, char **arguments) {
  int devices = count > 1 ? atoi(arguments[1]) : 1, poll = epoll_create1(0);
  if (count > 2) period = atol(arguments[2]);
  if (count > 3) dead = atoi(arguments[3]);
  if (count > 4) watched = atoi(arguments[4]);
  if (devices < 1 || devices > DEVICES || period < 1 || poll < 0) return 2;
  for (int device = 0; device < devices; device++) {
    int port, fd = opened(&port);
    watch(poll, fd, device, 1);
    printf("%s%d", device == 0 ? "[" : ",", port);
  }
  printf("]\n");
  fflush(stdout);
  watch(poll, STDIN_FILENO, -1, 0);
  for (;;) {
    struct epoll_event events[64];
    int ready = epoll_wait(poll, events, 64, -1);
    if (ready < 0 && errno != EINTR) return 1;
    for (int each = 0; each < ready; each++) {
      struct peer *peer = events[each].data.ptr;
      if (peer->device < 0) {
        if (read(STDIN_FILENO, peer->in, HELD) <= 0) return 0;
        continue;
      }
      if (peer->isListening) {
        int fd = accept(peer->fd, NULL, NULL), one = 1;
        if (fd < 0) continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(poll, fd, peer->device, 0);
      } else if (serve(peer) < 0) {
        close(peer->fd);
        free(peer);
      }
    }
  }
}
