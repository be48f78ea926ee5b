/*
 * MQTT 3.1.1 load: publishers and subscribers in one loop, so cheap that it is the broker which is measured. Shares no code with the gateway.
 *
 *   mqtt-load NAME=VALUE…      (defaults in struct plan)
 *
 * A message carries the moment of its sending (ns, CLOCK_MONOTONIC), its publisher and its number. With `rate` it goes at that pace, else as soon as fewer
 * than `window` messages are on their way. After `warm` ms everything is counted for `run` ms; or, with `count`, from the first of so many messages
 * to the last acknowledgement and (but for `away`) delivery. One line of JSON at the end. With `idle` it connects so many clients that subscribe and then
 * do nothing, says `ready`, and stays until the end of standard input. With `wrong` it comes so many times a second, for `run` ms, with a wrong password.
 * With `routed` it publishes JSON at in/0 to in/49 and subscribes to out/all, where a route brings it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { OUT_BYTES = 1 << 16, IN_BYTES = 1 << 18, MAX_CONNS = 2048, TOPIC_BYTES = 32, PAYLOAD_BYTES = 1 << 14 };

static struct plan {
  long port, publishers, subscribers, qos, bytes, window, inflight, rate, warm, run, count;
  long keep;    /* the subscribers have sessions that outlive their connection */
  long away;    /* and have gone before anything is sent */
  long stalled; /* more subscribers, who never read */
  long idle, quiet;
  long wrong;
  long routed;
} plan = {.port = 1883, .publishers = 1, .subscribers = 1, .bytes = 100, .window = 500, .inflight = 20, .warm = 1000, .run = 3000, .quiet = 3000};

static const struct { const char *name; long *value; } names[] = {
  {"port", &plan.port}, {"publishers", &plan.publishers}, {"subscribers", &plan.subscribers}, {"qos", &plan.qos}, {"bytes", &plan.bytes},
  {"window", &plan.window}, {"inflight", &plan.inflight}, {"rate", &plan.rate}, {"warm", &plan.warm}, {"run", &plan.run}, {"count", &plan.count},
  {"keep", &plan.keep}, {"away", &plan.away}, {"stalled", &plan.stalled}, {"idle", &plan.idle}, {"quiet", &plan.quiet}, {"wrong", &plan.wrong}, {"routed", &plan.routed},
};

struct conn {
  int fd, isPublisher, unacked, isBlocked;
  uint16_t packetId;
  uint64_t sent, got;
  uint64_t last[64]; /* of each publisher the highest number that came */
  size_t inLength, outLength, outStart;
  unsigned char *in, *out;
};

static struct conn conns[MAX_CONNS];
static int connCount, poller;
static uint64_t sentAll, gotAll, ackedAll, disordered, twice, lastNs;
static uint32_t *latencies;
static size_t latencyCount, latencyRoom;
static int isCounting;

static uint64_t nowNs(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static void fail(const char *what) {
  fprintf(stderr, "mqtt-load: %s (%s)\n", what, strerror(errno));
  exit(1);
}

static size_t putText(unsigned char *to, const char *text) {
  size_t length = strlen(text);
  to[0] = (unsigned char)(length >> 8), to[1] = (unsigned char)length;
  memcpy(to + 2, text, length);
  return length + 2;
}

static void sayAll(int fd, const unsigned char *bytes, size_t length) {
  if (write(fd, bytes, length) != (ssize_t)length) fail("cannot write");
}

/* Waits for a whole packet shorter than 128 bytes and looks at its type and its last byte. */
static void await(int fd, int type, int lastMax) {
  unsigned char answer[130];
  for (size_t have = 0, want = 2; have < want;) {
    ssize_t more = read(fd, answer + have, want - have);
    if (more <= 0) fail("the broker hung up");
    have += (size_t)more;
    if (have == 2) want = 2 + answer[1];
  }
  if (answer[0] != type || answer[1 + answer[1]] > lastMax) fail(type == 0x20 ? "the broker refused a client" : "the broker refused a subscription");
}

static int dial(const char *id, int isClean) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)plan.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) fail("cannot connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  unsigned char packet[128] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, isClean ? 2 : 0, 0, 0};
  size_t length = 12 + putText(packet + 12, id);
  packet[1] = (unsigned char)(length - 2);
  sayAll(fd, packet, length);
  await(fd, 0x20, 0);
  return fd;
}

static void subscribe(int fd, const char *filter) {
  unsigned char packet[128] = {0x82, 0, 0, 1};
  size_t length = 4 + putText(packet + 4, filter);
  packet[length++] = (unsigned char)plan.qos;
  packet[1] = (unsigned char)(length - 2);
  sayAll(fd, packet, length);
  for (;;) { /* what is retained may come before */
    unsigned char type;
    if (recv(fd, &type, 1, MSG_PEEK) != 1) fail("the broker hung up");
    if (type == 0x90) break;
    fail("something else than a SUBACK came");
  }
  await(fd, 0x90, 2);
}

static void hangUp(int fd) {
  static const unsigned char disconnect[] = {0xe0, 0};
  sayAll(fd, disconnect, 2);
  /* What has come and was not read would make a reset of the close, and the broker might lose what it was told last. */
  unsigned char rest[4096];
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  while (poll(&wait, 1, 1000) == 1 && read(fd, rest, sizeof rest) > 0) {}
  close(fd);
}

static void add(int fd, int isPublisher) {
  struct conn *conn = &conns[connCount];
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
  *conn = (struct conn){.fd = fd, .isPublisher = isPublisher};
  conn->in = malloc(IN_BYTES), conn->out = malloc(OUT_BYTES);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  if (conn->in == NULL || conn->out == NULL || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) fail("no room for a connection");
  connCount += 1;
}

static void flush(struct conn *conn) {
  while (conn->outStart < conn->outLength) {
    ssize_t taken = write(conn->fd, conn->out + conn->outStart, conn->outLength - conn->outStart);
    if (taken < 0 && errno != EAGAIN && errno != EINTR) fail("the broker broke a connection");
    if (taken <= 0) break;
    conn->outStart += (size_t)taken;
  }
  int isBlocked = conn->outStart < conn->outLength;
  if (!isBlocked) conn->outStart = conn->outLength = 0;
  if (isBlocked == conn->isBlocked) return;
  conn->isBlocked = isBlocked;
  struct epoll_event event = {.events = EPOLLIN | (isBlocked ? EPOLLOUT : 0), .data.ptr = conn};
  epoll_ctl(poller, EPOLL_CTL_MOD, conn->fd, &event);
}

static const char *filterOf(void) {
  return plan.routed ? "out/all" : "load/+";
}

/* When, which, whose. */
static size_t putPayload(unsigned char *to, const uint64_t fields[3]) {
  if (plan.routed)
    return (size_t)sprintf((char *)to, "{\"at\":\"%020lu\",\"n\":%lu,\"by\":%lu,\"text\":\"a bottle has passed\"}", (unsigned long)fields[0],
                           (unsigned long)fields[1], (unsigned long)fields[2]);
  memset(to, 'x', (size_t)plan.bytes);
  memcpy(to, fields, 3 * sizeof *fields);
  return (size_t)plan.bytes;
}

static int readPayload(const unsigned char *from, size_t length, uint64_t fields[3]) {
  if (!plan.routed) return length >= 24 && memcpy(fields, from, 24) != NULL;
  char text[128] = {0};
  unsigned long at, number, by;
  memcpy(text, from, length < sizeof text ? length : sizeof text - 1);
  if (sscanf(text, "{\"at\":\"%lu\",\"n\":%lu,\"by\":%lu", &at, &number, &by) != 3) fail("something else came out of the route");
  return fields[0] = at, fields[1] = number, fields[2] = by, 1;
}

static void publish(struct conn *conn, int place) {
  char topic[TOPIC_BYTES];
  unsigned char payload[PAYLOAD_BYTES];
  uint64_t fields[3] = {nowNs(), ++conn->sent, (uint64_t)place};
  size_t bytes = putPayload(payload, fields);
  size_t topicLength = (size_t)(plan.routed ? snprintf(topic, sizeof topic, "in/%lu", (unsigned long)(conn->sent % 50)) : snprintf(topic, sizeof topic, "load/%d", place));
  size_t left = 2 + topicLength + (plan.qos > 0 ? 2 : 0) + bytes;
  unsigned char *to = conn->out + conn->outLength;
  *to++ = (unsigned char)(0x30 | (plan.qos << 1));
  for (size_t rest = left;;) {
    unsigned char byte = rest & 0x7f;
    rest >>= 7;
    *to++ = rest > 0 ? byte | 0x80 : byte;
    if (rest == 0) break;
  }
  to += putText(to, topic);
  if (plan.qos > 0) {
    if (++conn->packetId == 0) conn->packetId = 1;
    *to++ = (unsigned char)(conn->packetId >> 8), *to++ = (unsigned char)conn->packetId;
    conn->unacked += 1;
  }
  memcpy(to, payload, bytes);
  conn->outLength = (size_t)(to + bytes - conn->out);
  sentAll += 1;
}

static int maySend(const struct conn *conn) {
  if (plan.count > 0 && sentAll >= (uint64_t)plan.count) return 0;
  if (plan.qos > 0 && conn->unacked >= plan.inflight) return 0;
  return conn->outLength + (size_t)plan.bytes + 64 < OUT_BYTES;
}

static int isWindowOpen(void) {
  if (plan.window == 0 || plan.away || plan.subscribers == 0) return 1;
  return sentAll < gotAll / (uint64_t)plan.subscribers + (uint64_t)plan.window;
}

/* One each in turn, so that all publishers have the same share. */
static void sendAll(uint64_t due) {
  for (int hasSent = 1; hasSent && sentAll < due;) {
    hasSent = 0;
    for (int place = 0; place < connCount && sentAll < due; place += 1) {
      struct conn *conn = &conns[place];
      if (!conn->isPublisher || !maySend(conn) || (plan.rate == 0 && !isWindowOpen())) continue;
      publish(conn, place);
      hasSent = 1;
    }
  }
  for (int place = 0; place < connCount; place += 1) if (!conns[place].isBlocked && conns[place].outLength > 0) flush(&conns[place]);
}

static void note(struct conn *conn, const uint64_t fields[3]) {
  lastNs = nowNs();
  if (fields[2] < 64) {
    if (fields[1] == conn->last[fields[2]]) twice += 1;
    else if (fields[1] < conn->last[fields[2]]) disordered += 1;
    else conn->last[fields[2]] = fields[1];
  }
  conn->got += 1, gotAll += 1;
  if (isCounting && latencyCount < latencyRoom) latencies[latencyCount++] = (uint32_t)((lastNs - fields[0]) / 1000);
}

static void take(struct conn *conn, const unsigned char *packet, size_t headLength, size_t length) {
  int type = packet[0] >> 4;
  if (type == 4) conn->unacked -= 1, ackedAll += 1, lastNs = nowNs();
  if (type != 3) return;
  const unsigned char *body = packet + headLength;
  size_t topicLength = (size_t)(body[0] << 8 | body[1]);
  int qos = (packet[0] >> 1) & 3;
  const unsigned char *id = body + 2 + topicLength;
  if (qos == 1 && conn->outLength + 4 <= OUT_BYTES) {
    unsigned char *to = conn->out + conn->outLength;
    to[0] = 0x40, to[1] = 2, to[2] = id[0], to[3] = id[1];
    conn->outLength += 4;
  }
  const unsigned char *payload = id + (qos > 0 ? 2 : 0);
  uint64_t fields[3];
  if (readPayload(payload, (size_t)(packet + length - payload), fields)) note(conn, fields);
}

static void receive(struct conn *conn) {
  ssize_t more = read(conn->fd, conn->in + conn->inLength, IN_BYTES - conn->inLength);
  if (more < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (more <= 0) fail("the broker hung up");
  conn->inLength += (size_t)more;
  size_t start = 0;
  for (;;) {
    size_t length = 0, headLength = 1, have = conn->inLength - start;
    unsigned char *packet = conn->in + start, byte = 0x80;
    for (; headLength < have && (byte & 0x80); headLength += 1) byte = packet[headLength], length |= (size_t)(byte & 0x7f) << (7 * (headLength - 1));
    if ((byte & 0x80) || headLength + length > have) break;
    take(conn, packet, headLength, headLength + length);
    start += headLength + length;
  }
  memmove(conn->in, conn->in + start, conn->inLength -= start);
}

static void turn(int waitMs) {
  struct epoll_event events[64];
  int count = epoll_wait(poller, events, 64, waitMs);
  for (int place = 0; place < count; place += 1) {
    struct conn *conn = events[place].data.ptr;
    if (events[place].events & EPOLLOUT) flush(conn);
    if (events[place].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(conn);
  }
}

static int isDone(uint64_t beganNs) {
  uint64_t got = plan.subscribers > 0 ? gotAll / (uint64_t)plan.subscribers : ackedAll;
  /* A broker may deliver a message before it acknowledges it. */
  uint64_t acked = plan.qos > 0 && plan.publishers > 0 ? ackedAll : got, wanted = plan.away || acked < got ? acked : got;
  if (plan.count > 0) return wanted >= (uint64_t)plan.count || nowNs() - (lastNs > beganNs ? lastNs : beganNs) > (uint64_t)plan.quiet * 1000000u;
  return nowNs() - beganNs >= (uint64_t)(plan.warm + plan.run) * 1000000u;
}

static int byValue(const void *one, const void *other) {
  uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
  return (a > b) - (a < b);
}

static uint32_t quantile(double share) {
  return latencyCount == 0 ? 0 : latencies[(size_t)((double)(latencyCount - 1) * share)];
}

static double cpuSeconds(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void openAll(void) {
  char id[64];
  for (long place = 0; place < plan.publishers; place += 1) {
    snprintf(id, sizeof id, "load-pub-%ld", place);
    add(dial(id, 1), 1);
  }
  for (long place = 0; place < plan.subscribers; place += 1) {
    snprintf(id, sizeof id, "load-sub-%ld", place);
    if (plan.away) hangUp(dial(id, 1)); /* no session of an earlier run */
    int fd = dial(id, !plan.keep && !plan.away);
    if (!plan.keep || plan.publishers > 0) subscribe(fd, filterOf());
    if (plan.away) hangUp(fd);
    else add(fd, 0);
  }
  for (long place = 0; place < plan.stalled; place += 1) {
    snprintf(id, sizeof id, "load-stalled-%ld", place);
    subscribe(dial(id, 1), filterOf());
  }
}

static void stayIdle(void) {
  for (long place = 0; place < plan.idle; place += 1) {
    char id[64], filter[64];
    snprintf(id, sizeof id, "load-idle-%ld", place);
    snprintf(filter, sizeof filter, "idle/%ld/#", place);
    subscribe(dial(id, 1), filter);
  }
  puts("ready");
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) {}
}

/* CONNECT of 3.1.1, with the name of somebody who is there. */
static void tryToEnter(int fd, uint64_t number) {
  char id[32], password[32];
  snprintf(id, sizeof id, "wrong-%lu", (unsigned long)number);
  snprintf(password, sizeof password, "guess %lu", (unsigned long)number);
  unsigned char packet[128] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 0xc2, 0, 60};
  size_t length = 12 + putText(packet + 12, id);
  length += putText(packet + length, "admin");
  length += putText(packet + length, password);
  packet[1] = (unsigned char)(length - 2);
  if (write(fd, packet, length) < 0 && errno != EAGAIN && errno != EPIPE && errno != ECONNRESET) fail("cannot write");
}

static void guess(void) {
  uint64_t beganNs = nowNs(), tries = 0, refused = 0, closed = 0, admitted = 0, open = 0, endNs = beganNs + (uint64_t)plan.run * 1000000u;
  while (nowNs() < endNs || (open > 0 && nowNs() < endNs + 5000000000u)) {
    uint64_t now = nowNs() < endNs ? nowNs() : endNs, due = (uint64_t)((double)(now - beganNs) * (double)plan.wrong / 1e9);
    for (; tries < due && open < 1000; tries += 1, open += 1) {
      struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)plan.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
      int fd = socket(AF_INET, SOCK_STREAM, 0);
      if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) fail("cannot connect");
      fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
      tryToEnter(fd, tries);
      struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
      epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
    struct epoll_event events[64];
    int count = epoll_wait(poller, events, 64, 1);
    for (int place = 0; place < count; place += 1) {
      unsigned char answer[4];
      ssize_t have = read(events[place].data.fd, answer, sizeof answer);
      if (have < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (have < 4) closed += 1;
      else if (answer[0] == 0x20 && answer[3] == 0) admitted += 1;
      else refused += 1;
      close(events[place].data.fd);
      open -= 1;
    }
  }
  printf("{\"tries\":%lu,\"refused\":%lu,\"closed\":%lu,\"admitted\":%lu,\"seconds\":%.6f}\n", (unsigned long)tries, (unsigned long)refused,
         (unsigned long)closed, (unsigned long)admitted, (double)plan.run / 1e3);
}

int main(int argumentCount, char **arguments) {
  signal(SIGPIPE, SIG_IGN);
  for (int place = 1; place < argumentCount; place += 1) {
    char *value = strchr(arguments[place], '=');
    size_t known = 0, count = sizeof names / sizeof *names;
    if (value != NULL) *value++ = 0;
    while (known < count && strcmp(names[known].name, arguments[place]) != 0) known += 1;
    if (value == NULL || known == count) return fprintf(stderr, "mqtt-load: what is %s?\n", arguments[place]), 2;
    *names[known].value = atol(value);
  }
  struct rlimit files = {4096, 4096};
  setrlimit(RLIMIT_NOFILE, &files);
  poller = epoll_create1(0);
  if (plan.idle > 0) return stayIdle(), 0;
  if (plan.wrong > 0) return guess(), 0;
  latencyRoom = 8u << 20, latencies = malloc(latencyRoom * sizeof *latencies);
  if (latencies == NULL || plan.bytes < 24 || plan.bytes > PAYLOAD_BYTES) fail("no room, or payloads below 24 bytes or above 16384");
  openAll();
  uint64_t beganNs = nowNs(), countedNs = beganNs, gotBefore = 0, ackedBefore = 0, sentBefore = 0;
  double cpuBefore = cpuSeconds();
  isCounting = plan.count > 0;
  while (!isDone(beganNs)) {
    if (!isCounting && nowNs() - beganNs >= (uint64_t)plan.warm * 1000000u) {
      isCounting = 1, countedNs = nowNs(), gotBefore = gotAll, ackedBefore = ackedAll, sentBefore = sentAll, cpuBefore = cpuSeconds();
    }
    uint64_t due = plan.rate == 0 ? UINT64_MAX : (uint64_t)((double)(nowNs() - beganNs) * (double)plan.rate / 1e9) + 1;
    sendAll(due);
    turn(1);
  }
  uint64_t endNs = plan.count > 0 && lastNs > 0 ? lastNs : nowNs();
  isCounting = 0;
  if (plan.keep) sendAll(0); /* the last acknowledgements */
  qsort(latencies, latencyCount, sizeof *latencies, byValue);
  printf("{\"sent\":%lu,\"received\":%lu,\"acknowledged\":%lu,\"disordered\":%lu,\"twice\":%lu,\"seconds\":%.6f,\"p50Us\":%u,\"p99Us\":%u,\"maxUs\":%u,\"cpuSeconds\":%.3f}\n",
         (unsigned long)(sentAll - sentBefore), (unsigned long)(gotAll - gotBefore), (unsigned long)(ackedAll - ackedBefore), (unsigned long)disordered,
         (unsigned long)twice, (double)(endNs - countedNs) / 1e9, quantile(0.5), quantile(0.99), quantile(1), cpuSeconds() - cpuBefore);
  for (int place = 0; place < connCount; place += 1) hangUp(conns[place].fd);
  return 0;
}
