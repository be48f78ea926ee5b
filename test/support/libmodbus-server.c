/* A Modbus server by libmodbus, for tests: 200 of everything from 0, unit ids ignored. Prints its port, then serves until it is ended.
 * With a serial port as its argument it is unit 1 of an RTU line, and prints 0.
 * Holding register n holds n, input register n holds 1000 + n, coil n is n odd, discrete input n is n divisible by three. */
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

#define COUNT 200

static void fill(modbus_mapping_t *map) {
  for (int n = 0; n < COUNT; n++) {
    map->tab_registers[n] = n;
    map->tab_input_registers[n] = 1000 + n;
    map->tab_bits[n] = n % 2;
    map->tab_input_bits[n] = n % 3 == 0;
  }
  /* 123.456 is 42 F6 E9 79. By hand: modbus_set_float_abcd() and its like mean bytes in memory, so their registers depend on the host. */
  static const uint16_t orders[] = {0x42F6, 0xE979, 0xE979, 0x42F6, 0xF642, 0x79E9, 0x79E9, 0xF642};
  for (int n = 0; n < 8; n++) map->tab_registers[100 + n] = orders[n];
  modbus_set_float(0.5f, map->tab_registers + 110); /* CDAB, which libmodbus calls its own */
}

static int serve_line(const char *port, modbus_mapping_t *map) {
  modbus_t *context = modbus_new_rtu(port, 19200, 'N', 8, 1);
  if (context == NULL || modbus_set_slave(context, 1) < 0 || modbus_connect(context) < 0) return 1;
  printf("0\n");
  fflush(stdout);
  uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
  for (;;) {
    int length = modbus_receive(context, query);
    if (length > 0) modbus_reply(context, query, length, map);
    else if (length < 0) modbus_flush(context);
  }
}

int main(int count, char **arguments) {
  modbus_t *context = modbus_new_tcp("127.0.0.1", 0);
  modbus_mapping_t *map = modbus_mapping_new(COUNT, COUNT, COUNT, COUNT);
  if (context == NULL || map == NULL) return 1;
  fill(map);
  if (count > 1) return serve_line(arguments[1], map);
  int listening = modbus_tcp_listen(context, 4);
  if (listening < 0) return 1;
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  getsockname(listening, (struct sockaddr *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);

  fd_set open;
  FD_ZERO(&open);
  FD_SET(listening, &open);
  int highest = listening;
  uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
  for (;;) {
    fd_set ready = open;
    if (select(highest + 1, &ready, NULL, NULL, NULL) < 0) return errno == EINTR ? 0 : 1;
    for (int fd = 0; fd <= highest; fd++) {
      if (!FD_ISSET(fd, &ready)) continue;
      if (fd == listening) {
        int accepted = accept(listening, NULL, NULL);
        if (accepted < 0) return 1;
        FD_SET(accepted, &open);
        if (accepted > highest) highest = accepted;
        continue;
      }
      modbus_set_socket(context, fd);
      int length = modbus_receive(context, query);
      if (length > 0) {
        modbus_reply(context, query, length, map);
      } else if (length < 0) {
        close(fd);
        FD_CLR(fd, &open);
      }
    }
  }
}
