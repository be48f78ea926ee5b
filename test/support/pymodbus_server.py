"""A Modbus TCP server by pymodbus, for tests. Prints its port, then serves until it is ended.

Units 1 and 7. Holding registers 0 to 49 and 60 to 99: 50 to 59 do not exist. Register n holds n in unit 1 and 700 + n in unit 7.
"""
import asyncio
import sys
import types

try:
    import serial_asyncio  # noqa: F401
except ImportError:
    # pymodbus imports it for serial lines, Debian only recommends it, and nothing here is serial.
    sys.modules["serial"] = types.ModuleType("serial")
    sys.modules["serial_asyncio"] = types.ModuleType("serial_asyncio")
    sys.modules["serial_asyncio"].create_serial_connection = None

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.server.async_io import ModbusTcpServer


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


async def main():
    context = ModbusServerContext(slaves={1: unit(0), 7: unit(700)}, single=False)
    server = ModbusTcpServer(context, address=("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve_forever())
    await server.serving
    print(server.server.sockets[0].getsockname()[1], flush=True)
    await serving


asyncio.run(main())
