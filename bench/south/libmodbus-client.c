/* The peer of the south bench: libmodbus reads 125 registers again and again for so many ms. Arguments: port, ms. Prints "REQUESTS CPU_US". */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int count, char **arguments) {
  if (count < 3) return 2;
  modbus_t *context = modbus_new_tcp("127.0.0.1", atoi(arguments[1]));
  if (context == NULL || modbus_connect(context) < 0) {
    fprintf(stderr, "cannot connect: %s\n", modbus_strerror(errno));
    return 1;
  }
  modbus_set_slave(context, 1);
  uint16_t registers[125];
  long requests = 0;
  for (double end = now() + atof(arguments[2]); now() < end; requests++) {
    if (modbus_read_registers(context, 0, 125, registers) != 125) {
      fprintf(stderr, "cannot read: %s\n", modbus_strerror(errno));
      return 1;
    }
  }
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("%ld %ld\n", requests, (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  modbus_close(context);
  modbus_free(context);
  return 0;
}
