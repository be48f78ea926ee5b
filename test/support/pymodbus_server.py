"""A Modbus server by pymodbus, for tests. Prints its port (0 where it has none), then serves until it is ended.

Without arguments TCP; `rtu-tcp` speaks RTU frames over TCP, `serial PORT` over a serial port, `tls CERT KEY` TCP with TLS.

Units 1 and 7. Holding registers 0 to 49 and 60 to 99: 50 to 59 do not exist. Register n holds n in unit 1 and 700 + n in unit 7.
"""
import asyncio
import sys
import types

try:
    import serial_asyncio  # noqa: F401
except ImportError:
    # pymodbus imports it for serial lines, and Debian only recommends it.
    sys.modules["serial"] = types.ModuleType("serial")
    sys.modules["serial_asyncio"] = types.ModuleType("serial_asyncio")
    sys.modules["serial_asyncio"].create_serial_connection = None

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.server.async_io import ModbusSerialServer, ModbusTcpServer, ModbusTlsServer
from pymodbus.transaction import ModbusRtuFramer


def unit(offset):
    registers = {n: offset + n for n in [*range(50), *range(60, 100)]}
    bits = {n: n % 2 == 1 for n in range(100)}
    return ModbusSlaveContext(
        hr=ModbusSparseDataBlock(dict(registers)),
        ir=ModbusSparseDataBlock(dict(registers)),
        co=ModbusSparseDataBlock(dict(bits)),
        di=ModbusSparseDataBlock(dict(bits)),
        zero_mode=True,
    )


def open_server(context, kind="tcp", *rest):
    address = ("127.0.0.1", 0)
    if kind == "serial":
        return ModbusSerialServer(context, framer=ModbusRtuFramer, port=rest[0], baudrate=19200, parity="N", stopbits=1, bytesize=8)
    if kind == "tls":
        return ModbusTlsServer(context, address=address, certfile=rest[0], keyfile=rest[1])
    return ModbusTcpServer(context, address=address, **({"framer": ModbusRtuFramer} if kind == "rtu-tcp" else {}))


async def main():
    context = ModbusServerContext(slaves={1: unit(0), 7: unit(700)}, single=False)
    server = open_server(context, *sys.argv[1:])
    if isinstance(server, ModbusSerialServer):
        await server.start()
        print(0, flush=True)
        await server.serve_forever()
        return
    serving = asyncio.create_task(server.serve_forever())
    await server.serving
    print(server.server.sockets[0].getsockname()[1], flush=True)
    await serving


asyncio.run(main())
