import { isName } from '../model/name.ts'

/** The files of a new site by their names. They pass `check` as they stand. */
export function initialFiles(folderName: string): Readonly<Record<string, string>> {
  const line = isName(folderName) && folderName !== 'set' ? folderName : 'line-1'
  return {
    'lineside.yaml': siteFile(line),
    'devices/press-07.yaml': deviceFile,
    'flows/press-watch.yaml': flowFile,
  }
}

function siteFile(line: string): string {
  return `# The gateway of one line. \`lineside check\` tells what is wrong with these files, and \`lineside schema site\` what may stand in this one.

# Where the line stands (ISA-95): the root of the MQTT topics and of the OPC UA tree.
site: my-company/my-plant/${line}

# The name of this gateway; without it, the host name.
# node: edge-01

# The embedded MQTT broker. Values are at SITE/DEVICE/TAG.
mqtt:
  port: 1883
  # host: 0.0.0.0        # also from other machines

# HTTP: health, metrics and the API.
api:
  port: 8080

# An OPC UA server for SCADA at opc.tcp://HOST:4840/lineside. Remove the # to have it.
# opcua:
#   port: 4840

# A broker above this gateway. What cannot be sent waits on the disk.
# upstreams:
#   plant:
#     url: mqtts://broker.plant.example:8883
#     user: line-1
#     password: \${secret:plant-password}

# Where events and unsent messages are kept.
storage:
  path: ./state
`
}

const deviceFile = `# One device a file. Its tags appear at SITE/press-07/…
device: press-07
driver: modbus-tcp
connection:
  host: 192.0.2.20       # the address of your PLC
  port: 502
  unit: 1

# How often tags are read; each tag names its class, or is \`normal\`.
scan:
  fast: 100ms
  normal: 1s

tags:
  # hr: holding register, ir: input register, co: coil, di: discrete input; zero-based, as on the wire.
  hydraulics/pressure: { at: hr:100, type: f32, unit: bar, range: [0, 250], scan: fast, deadband: 0.2 }
  hydraulics/oil-temp: { at: ir:12, type: i16, unit: °C, scale: { raw: [0, 27648], to: [0, 150] } }
  motor/running: { at: hr:40.3, type: bool }

  # What may be written says so, within which limits, and when not.
  recipe/setpoint:
    at: hr:200
    type: f32
    unit: bar
    write: { min: 0, max: 220, tolerance: 0.1, interlock: "!tags['motor/running']" }
`

const flowFile = `# What to do when. A run begins each time \`when\` becomes true, and its steps are done in order.
flow: press-watch
version: 1
title: Tell when the pressure of press 7 is too high
on:
  - tag: press-07/hydraulics/pressure
    when: value > 210 && tags['press-07/motor/running']
    for: 2s
steps:
  - id: tell
    publish:
      topic: messages/press-07
      payload:
        text: Pressure is \${value} bar
        oil: \${tags['press-07/hydraulics/oil-temp']}
`
